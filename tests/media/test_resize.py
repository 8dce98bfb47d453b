"""What --resize must not do: change what is to be seen, swallow memory, or speak in Pillow's words."""

from __future__ import annotations

import base64
import io
import struct
import subprocess
import sys

import pytest
import samples
from processes import error_of
from program import CANARY, GLM, environment
from scripted_server import Server, answer

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed: pip install 'glmcli[images]'")
KEY = {"ZAI_API_KEY": CANARY}


@pytest.fixture
def sent(glm):
    """The picture that reaches Z.ai, which takes JPEG and PNG of 6000x6000, and what is said of it."""

    def run(name):
        with Server(answer("A cat")) as server:
            base = ("-P", "zai", "--base-url", server.url, "--resize")
            done = glm("vision", *base, "--image", name, "hi", env=KEY, timeout=120)
        assert (done.code, done.text) == (0, "A cat\n"), done.err
        url = server.requests[0].json["messages"][0]["content"][0]["image_url"]["url"]
        return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))), done.err

    return run


@pytest.fixture
def refused(glm):
    def run(name, *flags):
        done = glm("vision", "-P", "zai", "--resize", "--image", name, *flags, "hi", "-n")
        assert (done.code, done.out) == (2, b"")
        fixes = [line.removeprefix("  fix: ") for line in done.err.split("\n") if line.startswith("  fix: ")]
        return error_of(done.err), " ".join(fixes)

    return run


# Which way is up


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_what_is_stored_turned_is_sent_upright(glm, sent, cwd, form, orientation) -> None:
    """40x20 pixels fit at every provider; the upper left corner is red as they are stored."""
    corner = {1: (0, 0), 3: (39, 19), 6: (19, 0), 8: (0, 39)}[orientation]
    picture = Image.new("RGB", (40, 20), "white")
    picture.paste((255, 0, 0), (0, 0, 8, 8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(cwd / "photo", form, exif=exif, quality=95)
    upright, said = sent("photo")
    assert said == ""
    assert upright.size == ((40, 20) if orientation in (1, 3) else (20, 40))
    assert upright.convert("RGB").getpixel(corner)[2] < 99
    assert upright.getexif().get(0x0112, 1) == 1
    as_it_is = glm("vision", "-P", "zai", "--image", "photo", "hi", "-n")
    remark = (
        f"glm: photo is stored turned or mirrored (EXIF orientation {orientation}), which most servers ignore; "
        "glm vision --resize sends it upright\n"
    )
    assert (as_it_is.code, as_it_is.err) == (0, remark if orientation != 1 else "")


@pytest.mark.parametrize("form", ["BMP", "TIFF", "ICO", "AVIF", "JPEG2000", "GIF"])
def test_what_a_provider_does_not_take_is_rewritten(glm, sent, cwd, form) -> None:
    try:
        Image.new("RGB", (32, 32), (200, 30, 30)).save(cwd / "odd", form)
    except (KeyError, OSError):
        pytest.skip(f"this Pillow writes no {form}")
    done = glm("vision", "-P", "zai", "--image", "odd", "hi", "-n")
    assert (done.code, "  fix: glm vision --resize" in done.err) == (2, True)
    picture, _ = sent("odd")
    assert picture.format in ("JPEG", "PNG")
    assert picture.size == (32, 32)
    red, green, _ = picture.convert("RGB").getpixel((9, 9))
    assert (abs(red - 200) < 9, abs(green - 30) < 9) == (True, True)


# Pixels of 16 bits and more


def ramp(width: int = 7000) -> bytes:
    """From black to white in 16 bits, one row."""
    return b"".join(struct.pack("<H", at * 65535 // (width - 1)) for at in range(width))


@pytest.mark.parametrize(("mode", "form"), [("I;16", "PNG"), ("I;16", "TIFF"), ("I;16B", "TIFF")])
def test_grey_of_16_bits_keeps_its_steps(sent, cwd, mode, form) -> None:
    data = (
        ramp()
        if mode == "I;16"
        else b"".join(struct.pack(">H", value) for (value,) in struct.iter_unpack("<H", ramp()))
    )
    Image.frombytes(mode, (7000, 8), data * 8).save(cwd / "deep", form)
    picture, _ = sent("deep")
    assert picture.size[0] == 6000
    for at in range(0, 6000, 500):
        assert abs(picture.convert("L").getpixel((at, 3)) - at * 255 / 6000) < 3, at


@pytest.mark.parametrize("mode", ["I", "F"])
def test_grey_of_32_bits_is_refused(refused, cwd, mode) -> None:
    Image.new(mode, (20, 20), 1).save(cwd / "deep.tif")
    assert refused("deep.tif") == (
        "--resize: deep.tif has pixels of 32 bits, and does not say which of them are white",
        "convert it: magick IN -auto-level -depth 8 OUT.png",
    )


# What Pillow cannot read


def test_what_pillow_does_not_know_is_told_as_without_it(refused, cwd) -> None:
    (cwd / "heic").write_bytes(samples.HEIC)
    assert refused("heic") == (
        "heic: glm-5.3-flashx at zai takes jpeg, png, and this is a HEIC picture",
        "convert it: magick IN OUT.jpg, or sips -s format jpeg IN --out OUT.jpg (--force sends it anyway)",
    )


UNREAD = "make or fetch it again, or convert it: magick IN OUT.png"


def test_no_object_of_python_is_named(refused, cwd) -> None:
    (cwd / "odd.tif").write_bytes(b"II*\0" + bytes(20))
    error, fix = refused("odd.tif")
    assert (error, fix) == ("--resize: Pillow cannot read odd.tif, a TIFF picture", UNREAD)


def tiff(*entries: tuple[int, int, int, int]) -> bytes:
    head = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
    return head + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)


def test_pillow_itself_says_nothing(refused, cwd) -> None:
    many = (277, 3, 1, 2048)  # samples per pixel
    (cwd / "many.tif").write_bytes(tiff((256, 3, 1, 9), (257, 3, 1, 9), (258, 3, 1, 8), (262, 3, 1, 1), many))
    assert refused("many.tif") == ("--resize: Pillow cannot read many.tif, a TIFF picture", UNREAD)


@pytest.mark.parametrize("form", ["GIF", "BMP", "TIFF", "WEBP"])
def test_damage_is_one_line(glm, cwd, form) -> None:
    file = io.BytesIO()
    Image.new("RGB", (9, 9), "red").save(file, form)
    for at in range(20, len(file.getvalue()), len(file.getvalue()) // 5):
        data = bytearray(file.getvalue())
        data[at] ^= 0xFF
        (cwd / "odd").write_bytes(data)
        done = glm("vision", "-P", "zai", "--resize", "--image", "odd", "hi", "-n")
        assert done.code in (0, 2), done.err
        assert " object at 0x" not in done.err
        if done.code:
            assert error_of(done.err)


# Size


def test_too_many_pixels_to_unpack(refused, cwd) -> None:
    (cwd / "huge.png").write_bytes(samples.png(10_001, 10_000))
    fix = "make it smaller first: magick IN -resize 6000x6000 OUT.png"
    assert refused("huge.png") == (
        "--resize: huge.png has 10001x10000 pixels; at most 100000000 are unpacked",
        fix,
    )
    # Beyond what Pillow itself bears; only the header is read.
    (cwd / "bomb.png").write_bytes(samples.png(1, 1)[:16] + struct.pack(">II", 50_000, 50_000) + samples.png(1, 1)[24:])
    error, said = refused("bomb.png")
    assert error.startswith("--resize: ")
    assert said


RUN = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(peak * (1 if sys.platform == "darwin" else 1024), file=sys.stderr)
sys.exit(done.returncode)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size", "most"), [("a.jpg", 12_000, 400_000_000), ("a.png", 9_900, 900_000_000)])
def test_memory(home, cwd, name, size, most) -> None:
    Image.new("RGB", (size, size), (200, 30, 30)).save(cwd / name)
    command = [GLM, "vision", "-P", "zai", "--resize", "--image", name, "hi", "-n", "-q"]
    done = subprocess.run(
        [sys.executable, "-c", RUN, *command], cwd=cwd, env=environment(home), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stderr.split()[-1]) < most


# What is lost


def test_a_film_becomes_a_picture_and_says_so(sent, cwd) -> None:
    (cwd / "gif").write_bytes(samples.GIF_ANIMATED)
    (cwd / "webp").write_bytes(samples.WEBP_ANIMATED)
    pages = [Image.new("L", (9, 9), shade) for shade in (0, 99, 255)]
    pages[0].save(cwd / "pages.tif", save_all=True, append_images=pages[1:])
    frames = [Image.new("L", (6100, 9), shade) for shade in (0, 255)]
    frames[0].save(cwd / "film.png", save_all=True, append_images=frames[1:])
    for name, count in {"gif": 2, "webp": 2, "pages.tif": 3, "film.png": 2}.items():
        picture, said = sent(name)
        assert getattr(picture, "n_frames", 1) == 1
        assert said == f"glm: {name}: the first of its {count} pictures is sent; --resize rewrites it as one\n"

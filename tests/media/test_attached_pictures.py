"""Pictures in --attach and on stdin, known by their bytes; and what is neither a picture nor text."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
import samples
from processes import error_of, shell
from program import CANARY
from scripted_server import Server, answer

KEY = {"ZAI_API_KEY": CANARY}
LOOKS = ("-m", "zai/glm-5.3-flashx")
TEXT = {"type": "text", "text": "What is this?"}
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4d7a" * 16 + b"\nsize 12345\n"


@pytest.fixture(autouse=True)
def files(cwd):
    """The samples, under names that say nothing."""
    for name in ("JPEG", "PNG", "WEBP", "GIF", "HEIC", "SVG", "PDF", "MP4", "TEXT"):
        (cwd / name.lower()).write_bytes(getattr(samples, name))
    (cwd / "pointer").write_bytes(POINTER)
    (cwd / "zip").write_bytes(b"PK\3\4\x14\0\0\0" + bytes(99))
    (cwd / "gz").write_bytes(b"\x1f\x8b\x08" + bytes(99))
    (cwd / "mp3").write_bytes(b"ID3\4\0\0" + bytes(99))
    (cwd / "tools.json").write_text('{"tools": [{"name": "a", "description": "a", "run": ["true"]}]}')


def picture(data: bytes, kind: str) -> dict:
    return {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{base64.b64encode(data).decode()}"}}


PNG, JPEG = picture(samples.PNG, "image/png"), picture(samples.JPEG, "image/jpeg")
COMMANDS = [("ask",), ("stream",), ("vision",), ("tools", "run", "--tools", "tools.json")]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_picture_is_sent_as_one(glm, command) -> None:
    for arguments, stdin in (
        (("-a", "png"), None),
        (("-a", "-"), samples.PNG),
        (("-a", "/dev/stdin"), samples.PNG),
        ((), samples.PNG),
    ):
        with Server(answer("A cat")) as server:
            base = (*LOOKS, "--base-url", server.url)
            done = glm(*command, *base, *arguments, "What is this?", stdin=stdin, env=KEY)
        assert (done.code, done.out, done.err) == (0, b"A cat\n", "")
        assert server.requests[0].json["messages"] == [{"role": "user", "content": [PNG, TEXT]}]


def test_a_picture_from_a_file_that_is_stdin(home, cwd) -> None:
    with Server(answer("A cat")) as server:
        ask = f'"$GLM" ask {" ".join(LOOKS)} --base-url {server.url} "What is this?"'
        for end in ("<png", "-a /dev/stdin <png", "-a <(cat png)"):
            done = shell(f"{ask} {end}", home, cwd, **KEY)
            assert (done.returncode, done.stdout, done.stderr) == (0, b"A cat\n", b"")
    assert [each.json["messages"][0]["content"] for each in server.requests] == [[PNG, TEXT]] * 3


def test_pictures_among_texts(glm) -> None:
    with Server(answer("Cats")) as server:
        base = ("--base-url", server.url, *LOOKS)
        done = glm("ask", *base, "-a", "png", "-a", "text", "-a", "jpeg", "Compare", stdin=samples.PNG, env=KEY)
    assert done.code == 0, done.err
    text = f"Compare\n\ntext:\n\n{samples.TEXT.decode()}"
    content = [PNG, JPEG, PNG, {"type": "text", "text": text}]
    assert server.requests[0].json["messages"] == [{"role": "user", "content": content}]


def test_a_dry_run_shows_size_and_hash(glm) -> None:
    done = glm("ask", *LOOKS, "-n", "-a", "png", "hi")
    shown = f"<image/png, {len(samples.PNG)} bytes, sha256:{hashlib.sha256(samples.PNG).hexdigest()}>"
    content = json.loads(done.out)["body"]["messages"][0]["content"]
    assert (done.code, content[0]["image_url"]["url"]) == (0, shown)


@pytest.mark.parametrize(
    ("arguments", "stdin", "message", "fix"),
    [
        (("-P", "zai", "-a", "png"), None, "glm-5 at zai reads text only", "glm vision without -m, or"),
        (("-P", "zai"), samples.JPEG, "glm-5 at zai reads text only", "glm vision without -m, or"),
        (("-P", "dashscope", "-a", "png"), None, "how dashscope takes media is documented only in part", "a model of"),
        ((*LOOKS, "-a", "webp"), None, "webp: glm-5.3-flashx at zai takes jpeg, png, and this is", "glm vision --resi"),
        ((*LOOKS, "-a", "heic"), None, "heic: glm-5.3-flashx at zai takes jpeg, png, and this is", "convert it"),
        (LOOKS, samples.PNG[:-9], "stdin: a PNG picture that is cut off or damaged", "make or fetch it again"),
        ((*LOOKS, "-a", "pdf"), None, "--attach pdf: is a PDF document, neither text nor", "its text: pdftotext"),
        (LOOKS, samples.PDF, "stdin is a PDF document, neither text nor a picture", "its text: pdftotext"),
        ((*LOOKS, "-a", "mp4"), None, "--attach mp4: is an MP4 video, neither text", "give its URL: glm vision"),
        ((*LOOKS, "-a", "mp3"), None, "--attach mp3: is an MP3 recording, neither text", "write down what is said"),
        ((*LOOKS, "-a", "zip"), None, "--attach zip: is a ZIP archive or an Office document", "unpack it"),
        ((*LOOKS, "-a", "gz"), None, "--attach gz: is a gzip archive, neither text", "unpack it"),
        (("-P", "zai", "-a", "pointer"), None, "--attach pointer: is a Git LFS pointer, not the file", "git lfs pull"),
    ],
)  # fmt: skip
def test_what_is_refused(glm, cwd, arguments, stdin, message, fix) -> None:  # noqa: PLR0917
    with Server(answer("Hi")) as server:
        done = glm("ask", *arguments, "--base-url", server.url, "hi", stdin=stdin, env=KEY)
        given = (*arguments, *(("-a", "-") if stdin else ()))
        batch = glm("batch", "run", "text", *given, "--base-url", server.url, "-O", "out", stdin=stdin, env=KEY)
    for refused in (done, batch):
        assert (refused.code, refused.out, server.requests) == (2, b"", [])
        assert error_of(refused.err).startswith(message)
        assert f"  fix: {fix}" in refused.err
    assert not (cwd / "out").exists()


def test_a_pointer_instead_of_a_picture(glm) -> None:
    done = glm("vision", "-P", "zai", "--image", "pointer", "-n", "hi")
    assert (done.code, error_of(done.err)) == (2, "pointer: it is a Git LFS pointer, not a picture")
    assert "git lfs pull" in done.err


@pytest.mark.parametrize("arguments", [("-a", "png"), ()])
def test_nothing_is_asked_of_a_picture(glm, arguments) -> None:
    done = glm("ask", *LOOKS, *arguments, "-n", stdin=None if arguments else samples.PNG)
    assert (done.code, error_of(done.err)) == (2, "the prompt is empty: what is asked of this?")


@pytest.mark.parametrize(
    "text", [samples.SVG, samples.HTML, b"ID3 tags", b"BM is a prefix", b"PK is one too", b"GIF89a is a signature\n"]
)
def test_a_text_stays_one(glm, cwd, text) -> None:
    (cwd / "page").write_bytes(text)
    done = glm("ask", "-P", "zai", "-n", "-a", "page", "hi")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["body"]["messages"][0]["content"] == f"hi\n\npage:\n\n{text.decode()}"


AS_TEXT = "is no picture by its bytes, and goes as text: is it a page that tells of an error?"


@pytest.mark.parametrize(
    ("name", "text", "remark"),
    [
        ("cat.jpg", "<!doctype html><title>404</title>", AS_TEXT),
        ("Cat.PNG", '{"error": "not found"}', AS_TEXT),
        ("cat.svg", "<svg/>", ""),
        ("cat.jpg", "", "is empty"),
        ("notes.txt", " \n", "is empty"),
    ],
)
def test_a_file_that_may_not_be_what_was_meant_is_remarked(glm, cwd, name, text, remark) -> None:
    (cwd / name).write_text(text)
    (cwd / "rows.txt").write_text("hi\n")
    said = f"glm: --attach {name}: {remark}\n" if remark else ""
    for command in (("ask", "hi"), ("batch", "run", "rows.txt")):
        done = glm(*command, "-P", "zai", "-n", "-a", name)
        assert (done.code, done.err) == (0, said)
        assert f"{name}:\n\n{text}" in json.loads(done.out)["body"]["messages"][0]["content"]


@pytest.mark.parametrize(
    ("begin", "what"),
    [
        (b"8BPS\0\1", "a Photoshop picture"),
        (b"qoif\0\0", "a QOI picture"),
        (b"DDS \x7c\0", "a DDS picture"),
        (b"icns\0\0", "an icon of macOS"),
        (b"P6\n1 1 255\n\xff\xff\xff", "a PPM picture"),
        (b"P5\n1 1 255\n\xff", "a PGM picture"),
    ],
)
def test_a_rare_picture_is_called_one(glm, cwd, begin, what) -> None:
    (cwd / "rare").write_bytes(begin)
    for flag in ("-a", "--image"):
        done = glm("vision", *LOOKS, "-n", flag, "rare", "hi")
        assert (done.code, error_of(done.err)) == (
            2,
            f"rare: glm-5.3-flashx at zai takes jpeg, png, and this is {what}",
        )
        assert "  fix: glm vision --resize, which rewrites it" in done.err


def test_a_picture_in_a_list_of_files(glm, cwd) -> None:
    (cwd / "list").write_bytes(b"png\0text\0")
    done = glm("batch", "run", "--files0", "list", "-m", "sandbox/glm-5", "-O", "out", "-q")
    assert done.code == 15
    rows = {row["id"]: row for row in map(json.loads, (cwd / "out").read_text().splitlines())}
    assert rows["text"]["status"] == "ok"
    assert rows["png"]["error"]["message"] == (
        "list:1: png is a PNG picture, and files of a list are text: a picture is named by a field of a row in JSON, "
        "which attach: ['{{NAME}}'] of the request file names"
    )


def test_a_picture_in_a_request_file(glm, cwd) -> None:
    (cwd / "f.yaml").write_text("model: zai/glm-5.3-flashx\nprompt: What is this?\nattach: [png]\n")
    done = glm("ask", "-f", "f.yaml", "-n")
    content = json.loads(done.out)["body"]["messages"][0]["content"]
    assert ([part["type"] for part in content], content[1]) == (["image_url", "text"], TEXT)


def test_a_picture_for_all_rows_of_a_batch(glm, cwd) -> None:
    (cwd / "rows").write_text("What is this?\nWhat is that?\n")
    for arguments, stdin in ((("-a", "png"), None), (("-a", "-"), samples.PNG)):
        with Server(answer("A cat"), answer("A cat")) as server:
            base = (*LOOKS, "--base-url", server.url, "-q", "-j", "1")
            done = glm("batch", "run", "rows", *base, *arguments, stdin=stdin, env=KEY)
        assert done.code == 0, done.err
        asked = [request.json["messages"][0]["content"] for request in server.requests]
        assert asked == [[PNG, TEXT], [PNG, {"type": "text", "text": "What is that?"}]]

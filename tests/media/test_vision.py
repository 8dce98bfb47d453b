"""`glm vision`: what each provider takes, what is refused before it is sent, and how files reach the wire."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time

import pytest
import samples
from processes import error_of, shell
from program import CANARY, GLM, environment
from scripted_server import Server, answer, delta, reply, stream

PICTURE, VIDEO, DOCUMENT = "https://x.example/a.png", "https://x.example/a.mp4", "https://x.example/a.pdf"
VARIABLES = {
    "bigmodel": "BIGMODEL_API_KEY",
    "zai": "ZAI_API_KEY",
    "modelstudio": "DASHSCOPE_API_KEY",
    "dashscope": "DASHSCOPE_API_KEY",
    "tokenhub": "TOKENHUB_API_KEY",
    "openai": "OPENAI_API_KEY",
}
KEY = {"ZAI_API_KEY": CANARY}


def data_url(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def shown(data: bytes, kind: str) -> str:
    return f"<{kind}, {len(data)} bytes, sha256:{hashlib.sha256(data).hexdigest()}>"


def part(kind: str, url: str, **more: str) -> dict:
    return {"type": f"{kind}_url", f"{kind}_url": {"url": url, **more}}


TEXT = {"type": "text", "text": "What is this?"}


@pytest.fixture
def files(cwd):
    """The pictures of samples.py in the working directory, each under a name that says nothing."""
    names = {}
    for name in ("JPEG", "PNG", "WEBP", "WEBP_ANIMATED", "GIF", "GIF_ANIMATED", "HEIC", "SVG", "PDF", "MP4", "HTML"):
        (cwd / name.lower()).write_bytes(getattr(samples, name))
        names[name] = name.lower()
    (cwd / "text").write_bytes(samples.TEXT)
    # Names that say another kind than the bytes.
    (cwd / "odd.jpg").write_bytes(samples.GIF)
    (cwd / "odd.png").write_bytes(samples.MP4)
    return names


@pytest.fixture
def see(glm, files):  # noqa: ARG001 - they are there
    """Run `glm vision … "What is this?"`."""

    def run(*arguments, command="vision", **more):
        return glm(command, *arguments, "What is this?", **more)

    return run


@pytest.fixture
def body(see):
    """The body that would be sent."""

    def run(*arguments, **more):
        done = see(*arguments, "-n", **more)
        assert done.code == 0, done.err
        return json.loads(done.out)["body"]

    return run


@pytest.fixture
def refused(see):
    """The error, before anything is sent, and the line that says what to do."""

    def run(*arguments, **more):
        done = see(*arguments, "-n", **more)
        assert (done.code, done.out) == (2, b"")
        fixes = [line.removeprefix("  fix: ") for line in done.err.split("\n") if line.startswith("  fix: ")]
        return error_of(done.err), " ".join(fixes)

    return run


# Every provider, its models, and what each takes: D picture as data, U picture by URL, V video, F file by URL.
TAKES = {
    ("bigmodel", "glm-5"): "",
    ("bigmodel", "glm-5v-turbo"): "DUVF",
    ("bigmodel", "glm-5.3-flash"): "DUVF",
    ("bigmodel", "glm-5.3-flashx"): "DU",
    ("bigmodel", "glm-4.6v"): "DUVF",
    ("bigmodel", "glm-4.5v"): "DUV",
    ("bigmodel", "glm-4v-flash"): "U",
    ("bigmodel", "tomorrow"): "DUVF",
    ("zai", "glm-5.2"): "",
    ("zai", "glm-5v-turbo"): "DUVF",
    ("zai", "glm-5.3-flashx"): "DUVF",
    ("zai", "glm-4.6v-flash"): "DUVF",
    ("zai", "glm-4.5v"): "DUV",
    ("sandbox", "glm-5"): "",
    ("sandbox", "glm-5v-turbo"): "DUVF",
    ("modelstudio", "glm-5"): "",
    ("modelstudio", "glm-5.3-flash"): "DUVF",
    ("modelstudio", "tomorrow"): "DUVF",
    ("dashscope", "glm-5"): "",
    ("dashscope", "tomorrow"): "",
    ("tokenhub", "glm-5"): "",
    ("tokenhub", "glm-5v-turbo"): "DUVF",
    ("tokenhub", "glm-5.3-flash"): "DUV",
    ("tokenhub", "tomorrow"): "DUVF",
    ("vllm", "any"): "DUVF",
    ("sglang", "any"): "DUVF",
    ("llamacpp", "any"): "DUVF",
    ("ollama", "any"): "D",
    ("openai", "any"): "DUVF",
}
FLAGS = {"D": ("--image", "png"), "U": ("--image", PICTURE), "V": ("--video", VIDEO), "F": ("--file", DOCUMENT)}
PARTS = {
    "D": part("image", shown(samples.PNG, "image/png")),
    "U": part("image", PICTURE),
    "V": part("video", VIDEO),
    "F": part("file", DOCUMENT),
}
# Listed models of which no page says whether they take more than text.
UNSAID = (("modelstudio", "glm-5.3-flash"),)
# The models that are asked where none is named.
DEFAULTS = {"bigmodel": "glm-5v-turbo", "zai": "glm-5.3-flashx", "tokenhub": "glm-5.3-flash"}
MEDIA_FIRST = ("bigmodel", "zai", "sandbox")
THINKING = {"thinking": {"type": "enabled"}}
USAGE = {"stream_options": {"include_usage": True}}


def whole_body(row: str, model: str, *content: dict) -> dict:
    """Section 6 of the contract, with this content."""
    known = row in ("bigmodel", "zai", "tokenhub", "sandbox") and model not in ("tomorrow", "glm-4v-flash")
    known &= (row, model) not in UNSAID
    asked = {} if row in MEDIA_FIRST else USAGE
    message = {"role": "user", "content": list(content)}
    return {"model": model, "messages": [message], "stream": True} | (THINKING if known else {}) | asked


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("row", "model"), TAKES)
def test_what_a_model_takes(see, row, model) -> None:
    base = ("--base-url", "http://127.0.0.1:1/v1") if row == "openai" else ()
    for letter, flags in FLAGS.items():
        done = see("-P", row, "-m", model, *base, *flags, "-n")
        if letter not in TAKES[row, model]:
            assert (done.code, done.out) == (2, b""), letter
            error_of(done.err)
            continue
        assert done.code == 0, done.err
        content = [PARTS[letter], TEXT] if row in MEDIA_FIRST else [TEXT, PARTS[letter]]
        assert json.loads(done.out)["body"] == whole_body(row, model, *content)
        unknown = model in ("tomorrow", "any") or (row, model) in UNSAID
        said = f"what {model} at {row} takes beside text is not known: it is sent unchecked"
        assert (said in done.err) == unknown


@pytest.mark.sampled(3)
@pytest.mark.parametrize("row", ["bigmodel", "zai", "tokenhub", "vllm", "ollama", "llamacpp"])
def test_the_bytes_reach_the_wire(see, keys, row) -> None:
    model = () if row in DEFAULTS else ("-m", "any")
    with Server(answer("A cat")) as server:
        done = see("-P", row, *model, "--base-url", server.url, "-q", "--image", "png", "--image", "jpeg", env=keys)
    assert (done.code, done.text, done.err) == (0, "A cat\n", "")
    media = [
        part("image", data_url(samples.PNG, "image/png")),
        part("image", data_url(samples.JPEG, "image/jpeg")),
    ]
    content = [*media, TEXT] if row in MEDIA_FIRST else [TEXT, *media]
    (request,) = server.requests
    assert request.json == whole_body(row, DEFAULTS.get(row, "any"), *content)
    assert request.header("Content-Length") == str(len(request.body))
    assert request.header("Transfer-Encoding") is None


def test_the_default_model(see) -> None:
    """The first hosted provider with a key that has a model for pictures."""
    for env, row, model in (
        ({"ZAI_API_KEY": CANARY}, "api.z.ai", "glm-5.3-flashx"),
        ({"DASHSCOPE_API_KEY": CANARY, "TOKENHUB_API_KEY": CANARY}, "tokenhub", "glm-5.3-flash"),
        ({"GLM_PROVIDER": "zai"}, "api.z.ai", "glm-5.3-flashx"),
        ({}, "open.bigmodel.cn", "glm-5v-turbo"),
    ):
        done = see("--image", "png", "-n", env=env)
        request = json.loads(done.out)
        assert row in request["url"]
        assert request["body"]["model"] == model
    done = see("--image", "png", env={"DASHSCOPE_API_KEY": CANARY})
    assert done.code == 3
    assert error_of(done.err) == "no provider with a model for pictures has a key"
    done = see("--image", "png", "-P", "modelstudio", env={"DASHSCOPE_API_KEY": CANARY})
    assert (done.code, error_of(done.err)) == (
        2,
        "modelstudio needs --model: it has no model for pictures that is known",
    )
    assert f"  fix: a model of another provider: {OTHERS}; or its own name of the model: -m NAME\n" in done.err
    assert json.loads(see("--image", "png", "-n", "-m", "zai/glm-4.6v").out)["body"]["model"] == "glm-4.6v"


def test_verbose_says_which_and_what(see) -> None:
    done = see("--image", "png", "-n", "-v", env=KEY)
    lines = done.err.split("\n")
    why = (
        "zai is the first provider with a key and a model for pictures, the default model: Z.ai's own schema of vision "
        "requests has it as the default, while glm-5v-turbo is on none of its pages any more"
    )
    assert lines[0] == f"glm: first choice: zai/glm-5.3-flashx ({why})"
    assert lines[1] == f"glm: image png: {shown(samples.PNG, 'image/png')}, 12x8 pixels"


ZAI = "-m zai/glm-5.3-flash, zai/glm-5.3-flashx or zai/glm-4.6v"
OTHERS = "-m bigmodel/glm-5v-turbo, zai/glm-5.3-flashx or tokenhub/glm-5.3-flash"
FORCE = " (--force sends it anyway)"
UPLOAD = "upload it somewhere, or use --image for a picture"
VISION = "glm vision without -m, or "
SMALLER = "glm vision --resize makes it smaller"


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("flags", "message", "fix"),
    [
        ("-m zai/glm-5 --image png", "glm-5 at zai reads text only", f"{VISION}a model that takes a picture: {ZAI}"),
        (
            f"-m tokenhub/glm-5.2 --video {VIDEO}",
            "glm-5.2 at tokenhub reads text only",
            f"{VISION}a model that takes a video: -m tokenhub/glm-5.3-flash or tokenhub/glm-5.3-flashx",
        ),
        (
            f"-m zai/glm-4.5v --file {DOCUMENT}",
            "glm-4.5v at zai takes no files",
            f"{VISION}a model that takes a file: -m zai/glm-5.3-flash, zai/glm-5.3-flashx or zai/glm-4.6v",
        ),
        # Its default takes no file either, so that leaving out -m would not help.
        (
            f"-P tokenhub --file {DOCUMENT}",
            "glm-5.3-flash at tokenhub takes no files",
            "a model that takes a file: -m bigmodel/glm-5v-turbo or zai/glm-5.3-flashx",
        ),
        (
            "-m modelstudio/glm-5 --image png",
            "glm-5 at modelstudio reads text only",
            f"{VISION}a model that takes a picture: {OTHERS}",
        ),
        (
            f"-P tokenhub --image png --video {VIDEO}",
            "glm-5.3-flash at tokenhub takes one kind of media a request",
            "these are pictures and videos: ask once for each",
        ),
        (
            f"-m tokenhub/glm-5v-turbo --file {DOCUMENT} --video {VIDEO}",
            "glm-5v-turbo at tokenhub takes one kind of media a request",
            "these are files and videos: ask once for each",
        ),
        (
            f"-P zai --file {DOCUMENT} --image png",
            "glm-5.3-flashx at zai takes no files beside pictures or videos",
            "ask once with the files, once with the others",
        ),
        (
            f"-P bigmodel --file {DOCUMENT} --video {VIDEO}",
            "glm-5v-turbo at bigmodel takes no files beside pictures or videos",
            "ask once with the files, once with the others",
        ),
        (
            f"-m ollama/x --image {PICTURE}",
            "ollama takes pictures as data, not by URL",
            "fetch it first, as in curl -s URL | glm vision --image - PROMPT",
        ),
        (f"-m ollama/x --video {VIDEO}", "ollama takes no videos", "it takes pictures"),
        (f"-m ollama/x --file {DOCUMENT}", "ollama takes no files", "it takes pictures"),
        (
            "-m bigmodel/glm-4v-flash --image png",
            "glm-4v-flash at bigmodel takes pictures by URL only",
            "upload it somewhere",
        ),
        ("-P zai --at pdf application/pdf", "pdf: file_url takes a URL, not a local file", UPLOAD),
        ("-P tokenhub --at mp4 video/mp4", "mp4: video_url takes a URL, not a local file", UPLOAD),
        ("-P zai --image png --detail low", "glm-5.3-flashx at zai has no detail of pictures", "leave out --detail"),
        ("-m ollama/x --image png --detail low", "ollama has no detail of pictures", "leave out --detail"),
        (
            "-m bigmodel/glm-4-voice --image png",
            "glm-4-voice at bigmodel reads text and audio only",
            (f"{VISION}a model that takes a picture: "
            "-m bigmodel/glm-5.3-flash, bigmodel/glm-5.3-flashx or bigmodel/glm-5v-turbo"),
        ),
        (
            "-P zai --image pdf",
            "pdf: it is a PDF document, not a picture",
            "give its URL: --file URL; or draw its pages: pdftoppm -r 150 -png IN OUT",
        ),
        (
            "-m vllm/x --image text",
            "text: it is a text, not a picture",
            "-a FILE adds the text of a file to the message",
        ),
        (
            "-P tokenhub --image html",
            "html: it is a web page, not a picture",
            "look at it: the download may be a page that asks you to log in",
        ),
        ("-P zai --image mp4", "mp4: it is an MP4 video, not a picture", "give a picture"),
        (
            "-P zai --image heic",
            "heic: glm-5.3-flashx at zai takes jpeg, png, and this is a HEIC picture",
            "convert it: magick IN OUT.jpg, or sips -s format jpeg IN --out OUT.jpg",
        ),
        (
            "-P bigmodel --image webp",
            "webp: glm-5v-turbo at bigmodel takes jpeg, png, and this is a WebP picture",
            "glm vision --resize, which rewrites it; or convert it: magick IN OUT.png",
        ),
        (
            "-P tokenhub --image svg",
            "svg: glm-5.3-flash at tokenhub takes jpeg, png, webp, and this is an SVG drawing",
            "draw it: rsvg-convert IN -o OUT.png",
        ),
        (
            "-P tokenhub --image gif_animated",
            "gif_animated: glm-5.3-flash at tokenhub takes jpeg, png, webp, and this is an animated GIF",
            "glm vision --resize takes its first frame; so does magick 'IN[0]' OUT.png",
        ),
        (
            "-m ollama/x --image gif",
            "gif: ollama takes jpeg, png, webp, and this is a GIF picture",
            "glm vision --resize takes its first frame; so does magick 'IN[0]' OUT.png",
        ),
        (
            "-P bigmodel --image odd.jpg",
            "odd.jpg: glm-5v-turbo at bigmodel takes jpeg, png, and this is a GIF picture",
            "glm vision --resize takes its first frame; so does magick 'IN[0]' OUT.png",
        ),
        (
            "-P zai --image odd.png",
            "odd.png: it is an MP4 video, not a picture",
            "give a picture",
        ),
        (
            "-m bigmodel/glm-4v-plus-0111 --image https://x.example/a.png --video https://x.example/a.mp4",
            "glm-4v-plus-0111 at bigmodel takes one kind of media a request",
            "these are pictures and videos: ask once for each",
        ),
    ],
)  # fmt: skip
def test_a_rule_is_told_with_its_fix(refused, see, flags, message, fix) -> None:
    assert refused(*flags.split()) == (message, fix + FORCE)
    done = see(*flags.split(), "--force", "-n")
    assert done.code == 0, done.err
    assert f"glm: {message}: sent all the same\n" in done.err


@pytest.mark.parametrize("model", ["glm-5", "tomorrow"])
def test_the_native_protocol_is_refused_whatever_is_wished(refused, model) -> None:
    for force in ((), ("--force",)):
        assert refused("-P", "dashscope", "-m", model, "--image", "png", *force) == (
            "how dashscope takes media is documented only in part, and not known here",
            f"a model of another provider: {OTHERS}, or glm vision without -m; or your own request with curl",
        )


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("row", "model", "flag", "place", "most"),
    [
        ("zai", "glm-5v-turbo", "--image", PICTURE, 150),
        ("bigmodel", "glm-4.6v", "--image", PICTURE, 150),
        ("zai", "glm-4.5v", "--image", PICTURE, 50),
        ("bigmodel", "glm-5v-turbo", "--file", DOCUMENT, 50),
        ("tokenhub", "glm-5v-turbo", "--image", PICTURE, 20),
        ("bigmodel", "glm-4v-flash", "--image", PICTURE, 1),
    ],
)
def test_how_many(body, refused, row, model, flag, place, most) -> None:  # noqa: PLR0917
    flags = ("-P", row, "-m", model)
    sent = body(*flags, *(flag, place) * most)
    assert len(sent["messages"][0]["content"]) == most + 1
    words = "picture" if most == 1 else "files" if flag == "--file" else "pictures"
    assert refused(*flags, *(flag, place) * (most + 1)) == (
        f"{model} at {row} takes at most {most} {words}, and there are {most + 1}",
        "leave some out, or ask more than once" + FORCE,
    )


@pytest.mark.parametrize(
    ("row", "most", "words"),
    [("bigmodel", 5242880, "5 MB"), ("zai", 5242880, "5 MB"), ("tokenhub", 10485760, "10 MB")],
)
def test_how_many_bytes(body, refused, cwd, row, most, words) -> None:  # noqa: PLR0917
    (cwd / "large.png").write_bytes(samples.png(size=most))
    body("-P", row, "--image", "large.png")
    (cwd / "larger.png").write_bytes(samples.png(size=most + 1))
    assert refused("-P", row, "--image", "larger.png") == (
        f"larger.png has {most + 1} bytes, and {DEFAULTS[row]} at {row} takes at most {most} ({words})",
        SMALLER + FORCE,
    )


def test_how_many_pixels(body, refused, cwd) -> None:
    for size in ((6000, 1), (1, 6000)):
        (cwd / "large.png").write_bytes(samples.png(*size))
        body("-P", "bigmodel", "--image", "large.png")
    for width, height in ((6001, 1), (1, 6001)):
        (cwd / "larger.png").write_bytes(samples.png(width, height))
        assert refused("-P", "zai", "--image", "larger.png") == (
            f"larger.png has {width}x{height} pixels, and glm-5.3-flashx at zai takes at most 6000x6000",
            SMALLER + FORCE,
        )
        body("-P", "tokenhub", "--image", "larger.png")


@pytest.mark.parametrize(
    ("name", "what", "fault"),
    [
        ("JPEG", "a JPEG picture", "it has no end (EOI)"),
        ("PNG", "a PNG picture", "it has no end (IEND)"),
        ("WEBP", "a WebP picture", "it has 65 of 66 bytes"),
        ("GIF", "a GIF picture", "it has no end (trailer)"),
    ],
)
def test_a_cut_picture(refused, cwd, name, what, fault) -> None:
    (cwd / "cut").write_bytes(getattr(samples, name)[: -2 if name == "JPEG" else -1])
    for row in ("vllm", "sglang"):
        assert refused("-P", row, "-m", "x", "--image", "cut") == (
            f"cut: {what} that is cut off or damaged: {fault}",
            "make or fetch it again" + FORCE,
        )


@pytest.mark.parametrize(
    ("name", "kind", "what", "fault"),
    [
        ("PDF", "application/pdf", "a PDF document", "it has no end (%%EOF)"),
        ("MP4", "video/mp4", "an MP4 video", "it has 880 of 881 bytes"),
    ],
)
def test_a_cut_video_or_file(refused, cwd, name, kind, what, fault) -> None:  # noqa: PLR0917
    (cwd / "cut").write_bytes(getattr(samples, name)[:-1])
    assert refused("-m", "vllm/x", "--at", "cut", kind) == (
        f"cut: {what} that is cut off or damaged: {fault}",
        "make or fetch it again" + FORCE,
    )


# Reading


NO_URL = "a URL begins with https:// or http:// and a host; of a file on this machine, give the path"


def test_stdin_a_pipe_and_a_descriptor(see, cwd, home) -> None:
    with Server(answer("A cat")) as server:
        base = ("-P", "zai", "--base-url", server.url, "-q")
        assert see(*base, "--image", "-", stdin=samples.JPEG, env=KEY).code == 0
        os.mkfifo(cwd / "pipe")
        threading.Thread(target=(cwd / "pipe").write_bytes, args=(samples.JPEG,), daemon=True).start()
        assert see(*base, "--image", "pipe", env=KEY).code == 0
        line = f'"$GLM" vision {" ".join(base)} --image <(cat jpeg) "What is this?"'
        assert shell(line, home, cwd, **KEY).returncode == 0
    for request in server.requests:
        assert request.json["messages"][0]["content"] == [
            part("image", data_url(samples.JPEG, "image/jpeg")),
            TEXT,
        ]


def test_a_text_on_stdin_belongs_to_the_prompt(body) -> None:
    sent = body("-P", "zai", "--image", "png", stdin=b"and this")
    assert sent["messages"][0]["content"][-1] == {"type": "text", "text": "What is this?\n\nand this"}


def test_a_pipe_that_stays_silent_ends_at_the_deadline(see, cwd) -> None:
    os.mkfifo(cwd / "pipe")
    done = see("-P", "zai", "--image", "pipe", "--deadline", "0.3", env=KEY)
    assert (done.code, error_of(done.err)) == (6, "the deadline has passed")


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--image", "none"), "--image: cannot read none: No such file or directory"),
        (("--image", "."), "--image: cannot read .: Is a directory"),
        (("--at", "none", "image/png"), "--at: cannot read none: No such file or directory"),
        (("--at", "png", "picture"), "--at: 'picture' is no media type"),
        (("--image", "empty"), "--image empty: it is empty"),
        (("--image", "/dev/null"), "--image /dev/null: it is empty"),
        (("--image", "odd"), "odd: it is of no kind that is known (it begins with 00 01 02 03)"),
        (("--image", ""), "--image: the value is empty"),
        (("--at", "png", ""), "--at: the value is empty"),
        (("--image", "-", "--image", "-"), "stdin is used twice: by --image and by --image"),
        (("--video", "mp4"), "--video mp4: video_url takes a URL, not a local file"),
        (("--file", "pdf"), "--file pdf: file_url takes a URL, not a local file"),
        (("--file", "-"), "--file -: file_url takes a URL, not a local file"),
        (("--image", "png", "--detail", "most"), "--detail most: not one of auto, low, high"),
        (("--image", "file:///etc/passwd"), f"--image: {NO_URL}"),
        (("--image", "data:image/png;base64,iVBORw0KGgo="), f"--image: {NO_URL}"),
        (("--image", "ftp://x.example/a.png"), f"--image: {NO_URL}"),
        (("--image", "https:///a.png"), f"--image: {NO_URL}"),
        (
            ("--video", "https://me:secret@x.example/a.mp4"),
            "--video: a URL that a provider fetches may not contain a user or a password: it would read them",
        ),
        (("--file", "https://x.example/a b.pdf"), "--file: a URL has no blanks and no control characters"),
        (("--file", "https://x.example/\x85.pdf"), "--file: a URL has no blanks and no control characters"),
        (("--image", "http://[::1/a.png"), "--image: not a URL"),
        ((), "there is nothing to look at"),
    ],
)  # fmt: skip
def test_what_cannot_be_read(refused, cwd, flags, message) -> None:
    (cwd / "empty").touch()
    (cwd / "odd").write_bytes(b"\0\1\2\3")
    for force in ((), ("--force",)):
        error, _ = refused("-P", "zai", *flags, *force, stdin=samples.PNG if "-" in flags else None)
        assert error == message
        assert "secret" not in error


@pytest.mark.usefixtures("files")
def test_no_prompt(glm) -> None:
    done = glm("vision", "-P", "zai", "--image", "png", "-n")
    assert (done.code, error_of(done.err)) == (2, "the prompt is empty: what is asked of this?")


def test_at_overrides_what_the_bytes_say(body, cwd) -> None:
    (cwd / "odd").write_bytes(b"\0\1\2\3")
    sent = body("-P", "zai", "--at", "odd", "image/PNG", "--at", "png", "image/jpg")
    assert sent["messages"][0]["content"] == [
        part("image", shown(b"\0\1\2\3", "image/png")),
        part("image", shown(samples.PNG, "image/jpeg")),
        TEXT,
    ]
    sent = body("-m", "vllm/x", "--at", "mp4", "video/mp4", "--at", "pdf", "application/pdf")
    assert sent["messages"][0]["content"] == [
        TEXT,
        part("video", shown(samples.MP4, "video/mp4")),
        part("file", shown(samples.PDF, "application/pdf")),
    ]


def test_at_takes_two_words(see) -> None:
    done = see("-P", "zai", "-n", "--at", "png")
    assert done.code == 2
    assert error_of(done.err)


@pytest.mark.parametrize("word", ["auto", "low", "high"])
def test_detail_at_tokenhub(body, word) -> None:
    sent = body("-P", "tokenhub", "--image", "png", "--image", PICTURE, "--detail", word)
    assert sent["messages"][0]["content"] == [
        TEXT,
        part("image", shown(samples.PNG, "image/png"), detail=word),
        part("image", PICTURE, detail=word),
    ]


@pytest.mark.parametrize("row", ["vllm", "sglang", "llamacpp", "openai"])
def test_detail_is_a_field_of_openai_that_servers_may_heed(see, row) -> None:
    base = ("--base-url", "http://127.0.0.1:1/v1") if row == "openai" else ()
    done = see("-m", f"{row}/x", *base, "-n", "--detail", "high", "--image", "png")
    assert done.code == 0, done.err
    picture = part("image", shown(samples.PNG, "image/png"), detail="high")
    assert json.loads(done.out)["body"]["messages"][0]["content"] == [TEXT, picture]
    said = f"glm: whether x at {row} honours --detail is not known\n"
    assert said in done.err
    assert said not in see("-m", f"{row}/x", *base, "-n", "--image", "png").err


def test_every_candidate_is_checked(refused) -> None:
    message, _ = refused("-P", "zai", "--fallback", "tokenhub/glm-5", "--image", "png")
    assert message == "glm-5 at tokenhub reads text only"


def test_the_other_provider_gets_it_in_its_own_order(see, cwd) -> None:
    with Server(reply(500, {})) as first, Server(answer("A cat")) as second:
        (cwd / "config.yaml").write_text(
            f"providers: {{mine: {{like: tokenhub, base_url: {second.url}, key_env: []}}}}"
        )
        base = ("-P", "zai", "--base-url", first.url, "--retries", "0", "--fallback", "mine/glm-5v-turbo")
        env = KEY | {"GLM_CONFIG": "config.yaml"}
        done = see(*base, "--image", "png", env=env)
    assert (done.code, done.text) == (0, "A cat\n")
    picture = part("image", data_url(samples.PNG, "image/png"))
    assert first.requests[0].json["messages"][0]["content"] == [picture, TEXT]
    assert second.requests[0].json["messages"][0]["content"] == [TEXT, picture]


def test_a_retry_sends_it_all_again(see) -> None:
    busy = reply(429, {"error": {"code": "1302", "message": "slow down"}})
    with Server(busy, answer("A cat")) as server:
        done = see("-P", "zai", "--base-url", server.url, "-q", "--image", "jpeg", env=KEY)
    assert (done.code, done.text) == (0, "A cat\n")
    first, second = server.requests
    assert first.body == second.body
    assert first.json["messages"][0]["content"][0] == part("image", data_url(samples.JPEG, "image/jpeg"))


def test_stream_prints_as_it_comes(see) -> None:
    with Server(stream(delta(content="A c"), delta(content="at"), done=False)) as server:
        done = see("-P", "zai", "--base-url", server.url, "--image", "png", "--stream", "--retries", "0", env=KEY)
    assert (done.code, done.out) == (7, b"A cat\n")
    assert see("-P", "zai", "--image", "png", "--stream", "--json").code == 2


def test_an_odd_text_keeps_its_place(see) -> None:
    """The place of the data is found whatever the prompt says."""
    text = 'It\'s "x"; \\ \x01 \ufdd0 {{}} data:image/png;base64,'
    with Server(answer("A cat")) as server:
        done = see("-P", "zai", "--base-url", server.url, "-s", text, "--image", "png", env=KEY)
    assert done.code == 0
    system, user = server.requests[0].json["messages"]
    assert system == {"role": "system", "content": text}
    assert user["content"] == [part("image", data_url(samples.PNG, "image/png")), TEXT]


# What is printed


def test_bytes_are_never_printed(see) -> None:
    secret = base64.b64encode(samples.JPEG).decode()[100:200]
    refuse = reply(400, {"error": {"code": "1210", "message": "图片输入格式/解析错误"}})
    for script, code in ((answer("A cat"), 0), (refuse, 2)):
        with Server(script) as server:
            for flags in (("-v",), ("-v", "--json"), ("-n",), ("-v", "--jsonl", "--meta", "stderr")):
                done = see("-P", "zai", "--base-url", server.url, *flags, "--image", "jpeg", env=KEY)
                assert done.code == (0 if "-n" in flags else code)
                assert secret not in done.text + done.err


def test_curl_sends_the_same_bytes(see, home, cwd) -> None:
    if not shutil.which("curl"):
        pytest.skip("there is no curl here")
    (cwd / "it's a -cat.png").write_bytes(samples.png(size=300_001))
    names = ("--image", "it's a -cat.png", "--image", "jpeg", "--image", PICTURE)
    with Server(answer("Hi")) as server:
        flags = ("-P", "zai", "--base-url", server.url, *names)
        command = see(*flags, "--curl")
        assert (command.code, command.err) == (0, "")
        done = shell(command.text, home, cwd, **KEY)
        assert see(*flags, env=KEY).code == 0
    assert done.returncode == 0, done.stderr
    curl, own = server.requests
    assert (curl.path, curl.body) == (own.path, own.body)
    mine = {name: value for name, value in own.headers if name != "Connection"}
    assert dict(curl.headers) == mine
    assert len(command.text) < 2000


def test_curl_needs_a_file(see, cwd, home) -> None:
    done = see("-P", "zai", "--image", "-", "--curl", stdin=samples.PNG)
    assert (done.code, done.out) == (2, b"")
    assert error_of(done.err) == "--curl: stdin cannot be read a second time by a command"
    assert "  fix: write it to a file, without --resize, and name that\n" in done.err
    line = '"$GLM" vision -P zai --curl --image <(cat png) "What is this?"'
    assert shell(line, home, cwd).returncode == 2


# Large files


def reader(sizes: list[int], server) -> None:
    """One request of any size, read and thrown away, and answered."""
    connection, _ = server.accept()
    with connection:
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65536)
        head, _, rest = head.partition(b"\r\n\r\n")
        length = next(int(line[16:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length: "))
        came = len(rest)
        while came < length:
            came += len(connection.recv(1 << 20))
        sizes.append(came)
        connection.sendall(b"".join(answer("A cat")))


RUN = """
import os, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL if os.environ.get("QUIET") else 0)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(peak * (1 if sys.platform == "darwin" else 1024), file=sys.stderr)
sys.exit(done.returncode)
"""


@pytest.mark.parametrize("place", ["large.png", "-"])
def test_a_large_file_fits_into_little_memory(home, cwd, place) -> None:
    (cwd / "large.png").write_bytes(samples.png(size=60_000_000))
    sizes: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as server, (cwd / "large.png").open("rb") as file:
        threading.Thread(target=reader, args=(sizes, server), daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        done = subprocess.run(
            [sys.executable, "-c", RUN, GLM, "vision", "-P", "zai", "--base-url", url, "--force", "-q",
             "--no-stdin", "--image", place, "What is this?"],
            cwd=cwd, env=environment(home, **KEY), stdin=file, capture_output=True, check=False, timeout=60,
        )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, b"A cat\n"), done.stderr
    peak = int(done.stderr.split()[-1])
    assert sizes[0] > 80_000_000
    assert peak < 200_000_000, f"{peak / 1e6:.0f} MB"


def slow(server) -> None:
    """One request, read slower than --first-timeout allows for all of it."""
    connection, _ = server.accept()
    with connection:
        came = 0
        while came < 40_000_000:  # the base64 of the file alone; what is left fits into buffers
            came += len(connection.recv(1 << 20))
            time.sleep(0.03 if came < 20_000_000 else 0)
        connection.sendall(b"".join(answer("A cat")))


def test_sending_is_no_waiting(see, cwd) -> None:
    (cwd / "large.png").write_bytes(samples.png(size=30_000_000))
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=slow, args=(server,), daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        flags = ("-P", "zai", "--base-url", url, "--force", "-q", "--retries", "0", "--first-timeout", "0.5")
        began = time.monotonic()
        done = see(*flags, "--image", "large.png", env=KEY)
    assert (done.code, done.text) == (0, "A cat\n"), done.err
    assert time.monotonic() - began > 0.7


@pytest.mark.slow
def test_more_than_any_server_takes_is_not_sent(see, cwd) -> None:
    (cwd / "large.png").write_bytes(samples.png(size=75_000_000))
    with Server(answer("A cat")) as server:
        done = see("-P", "zai", "--base-url", server.url, "--force", "-q", "--image", "large.png", env=KEY)
        assert (done.code, error_of(done.err)) == (
            2,
            "the request has 100000216 bytes, with its files as base64; at most 100000000 are sent",
        )
        (cwd / "larger.png").write_bytes(samples.png(size=75_000_001))
        done = see("-P", "zai", "--base-url", server.url, "--force", "-q", "--image", "larger.png", env=KEY)
        assert (done.code, error_of(done.err)) == (2, "--image: larger.png is larger than 75000000 bytes (75 MB)")
        (cwd / "half.png").write_bytes(samples.png(size=50_000_000))
        for second, message in (("half.png", "--image: half.png is larger than"), ("-", "stdin is larger than")):
            many = ("--image", "half.png", "--image", second)
            given = {"stdin": samples.png(size=26_000_000)} if second == "-" else {}
            done = see("-P", "zai", "--base-url", server.url, "--force", "-q", *many, env=KEY, **given)
            assert (done.code, error_of(done.err)) == (2, f"{message} 25000000 bytes (25 MB)")
            assert "  fix: all files together may have 75000000 bytes (75 MB): give a URL, or a smaller" in done.err
        assert server.requests == []


# Request files


@pytest.mark.usefixtures("files")
def test_a_request_file_says_the_same(glm, see, cwd) -> None:
    (cwd / "deep").mkdir()
    (cwd / "deep" / "request.yaml").write_text(
        f"model: tokenhub/glm-5v-turbo\nprompt: What is this?\nimages: [../png, '{PICTURE}']\ndetail: low\n"
    )
    flags = ("-m", "tokenhub/glm-5v-turbo", "--detail", "low")
    plain = see(*flags, "--image", "deep/../png", "--image", PICTURE, "-n")
    for command in ("vision", "ask", "stream"):
        done = glm(command, "-f", "deep/request.yaml", "-n")
        assert (done.code, json.loads(done.out)) == (0, json.loads(plain.out)), done.err
    (cwd / "request.yaml").write_text(f"videos: ['{VIDEO}']\nprompt: What is this?\nmodel: zai/glm-5v-turbo\n")
    plain = see("-m", "zai/glm-5v-turbo", "--video", VIDEO, "-n")
    assert glm("ask", "-f", "request.yaml", "-n").out == plain.out
    (cwd / "request.yaml").write_text(f"files: ['{DOCUMENT}']\nprompt: What is this?\nmodel: zai/glm-5v-turbo\n")
    plain = see("-m", "zai/glm-5v-turbo", "--file", DOCUMENT, "-n")
    assert glm("ask", "-f", "request.yaml", "-n").out == plain.out


TURNS = """
model: tokenhub/glm-5v-turbo
messages:
- role: user
  content:
  - {type: text, text: "What "}
  - {type: image, path: png, detail: high}
  - {type: text, text: "is this?"}
  - {type: image, url: "https://x.example/a.png"}
- {role: assistant, content: A cat.}
- role: user
  content: [{type: image, path: odd, media_type: image/webp}, {type: text, text: And this?}]
"""


@pytest.mark.usefixtures("files")
def test_turns_with_media(glm, cwd) -> None:
    (cwd / "odd").write_bytes(b"\0\1\2\3")
    (cwd / "request.yaml").write_text(TURNS)
    done = glm("ask", "-f", "request.yaml", "-n")
    assert done.code == 0, done.err
    assert json.loads(done.out)["body"]["messages"] == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What "},
                part("image", shown(samples.PNG, "image/png"), detail="high"),
                {"type": "text", "text": "is this?"},
                part("image", PICTURE),
            ],
        },
        {"role": "assistant", "content": "A cat."},
        {
            "role": "user",
            "content": [part("image", shown(b"\0\1\2\3", "image/webp")), {"type": "text", "text": "And this?"}],
        },
    ]
    # Flags belong to the last turn where there is no prompt, and to the prompt where there is one.
    more = json.loads(glm("vision", "-f", "request.yaml", "--image", "jpeg", "-n").out)["body"]["messages"]
    assert more[-1]["content"][2] == part("image", shown(samples.JPEG, "image/jpeg"))
    more = json.loads(glm("vision", "-f", "request.yaml", "--image", "jpeg", "-n", "Hm?").out)["body"]["messages"]
    assert more[-1]["content"] == [
        {"type": "text", "text": "Hm?"},
        part("image", shown(samples.JPEG, "image/jpeg")),
    ]


@pytest.mark.usefixtures("files")
def test_a_turn_of_pictures_alone(glm, cwd) -> None:
    (cwd / "request.yaml").write_text(
        "messages: [{role: user, content: [{type: image, path: png}]}]\nmodel: zai/glm-4.6v"
    )
    done = glm("ask", "-f", "request.yaml", "-n")
    assert json.loads(done.out)["body"]["messages"][0]["content"] == [part("image", shown(samples.PNG, "image/png"))]


@pytest.mark.sampled(3)
@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prompt: a\nimages: [none]", "request.yaml:2:10: images: cannot read none: No such file or directory"),
        ("prompt: a\nfiles: [pdf]", "request.yaml:2:9: files pdf: file_url takes a URL, not a local file"),
        (
            'messages: [{role: user, content: [{type: image, path: "a\\0b"}]}]',
            "request.yaml:1:55: path holds a NUL",
        ),
        (
            "messages: [{role: user, content: [{type: video, url: mp4}]}]",
            "request.yaml:1:54: url mp4: video_url takes a URL, not a local file",
        ),
        ("messages: [{role: user, content: [{type: image, url: 'ftp://x/y'}]}]", f"request.yaml:1:54: url: {NO_URL}"),
        ("prompt: a", "there is nothing to look at"),
    ],
)  # fmt: skip
def test_what_a_request_file_names_wrongly(glm, cwd, text, message) -> None:
    (cwd / "request.yaml").write_text(text)
    done = glm("vision", "-P", "zai", "-f", "request.yaml", "-n")
    assert (done.code, error_of(done.err)) == (2, message)


def test_tools_see_the_picture_in_every_step(glm, cwd) -> None:
    (cwd / "jpeg").write_bytes(samples.JPEG)
    (cwd / "tools.yaml").write_text("tools: [{name: f, description: d, run: [echo, red], approve: auto}]")
    (cwd / "request.yaml").write_text("model: zai/glm-4.6v\nprompt: What is this?\nimages: [jpeg]\n")
    call = {"index": 0, "id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    first = stream(delta(tool_calls=[call]), delta(content="", finish_reason="tool_calls"))
    with Server(first, answer("Red")) as server:
        base = ("--base-url", server.url, "-q")
        done = glm("tools", "run", "--tools", "tools.yaml", "-f", "request.yaml", *base, env=KEY)
    assert (done.code, done.text) == (0, "Red\n"), done.err
    turn = {"role": "user", "content": [part("image", data_url(samples.JPEG, "image/jpeg")), TEXT]}
    assert [request.json["messages"][0] for request in server.requests] == [turn, turn]


# Sessions


@pytest.mark.usefixtures("files")
def test_a_session_keeps_urls(glm, cwd) -> None:
    base = ("-P", "tokenhub", "--session", "talk.jsonl", "-q")
    with Server(answer("A cat"), answer("Red")) as server:
        base += ("--base-url", server.url)
        env = {"TOKENHUB_API_KEY": CANARY}
        done = glm("vision", *base, "--image", PICTURE, "--detail", "low", "What is this?", env=env)
        assert done.code == 0, done.err
        assert glm("vision", *base, "What colour?", env=env).code == 0
    content = [TEXT, part("image", PICTURE, detail="low")]
    assert server.requests[1].json["messages"] == [
        {"role": "user", "content": content},
        {"role": "assistant", "content": "A cat"},
        {"role": "user", "content": "What colour?"},
    ]
    first = json.loads((cwd / "talk.jsonl").read_text().split("\n")[0])
    media = [{"type": "image", "url": PICTURE, "detail": "low"}]
    assert first == {"role": "user", "content": "What is this?", "media": media}


@pytest.mark.parametrize(
    "media",
    ['"x"', '[{"type": "image"}]', '[{"type": "x", "url": "https://a.b/c"}]', '[{"type": "image", "url": "c"}]', "5"],
)
def test_a_session_with_wrong_media(glm, cwd, media) -> None:
    (cwd / "talk.jsonl").write_text(f'{{"role": "user", "content": "a", "media": {media}}}\n')
    done = glm("vision", "-P", "tokenhub", "--session", "talk.jsonl", "-n", "hi")
    assert (done.code, error_of(done.err)) == (2, "talk.jsonl:1:1: not a turn of a conversation")


def test_a_session_keeps_no_bytes(refused) -> None:
    assert refused("-P", "zai", "--session", "talk.jsonl", "--image", "png") == (
        "--session keeps words and URLs, not the bytes of a file",
        "leave out --session, or upload the file and give its URL",
    )


# Answers in boxes


BOXED = "<|begin_of_box|>A cat<|end_of_box|>"


@pytest.mark.parametrize(
    ("model", "text", "printed", "thought"),
    [
        ("glm-4.5v", BOXED, "A cat\n", ""),
        ("glm-4.5v", f"<think>Hm</think>It is {BOXED}.", "It is A cat.\n", "Hm\n"),
        ("glm-4.1v-thinking-flash", f"\n{BOXED}", "A cat\n", ""),
        ("glm-4.6v", BOXED, "A cat\n", ""),
        ("glm-4.6v-flash", f"<think>{BOXED}", "<think>A cat\n", ""),  # no page says that its answers hold think tags
        ("glm-5v-turbo", BOXED, "A cat\n", ""),
    ],
)
def test_boxes_are_opened(see, model, text, printed, thought) -> None:
    whole = reply(200, {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]})
    pieces = [delta(content=text[at : at + 3]) for at in range(0, len(text), 3)]
    for script in (stream(*pieces, delta(content="", finish_reason="stop")), whole):
        with Server(script) as server:
            done = see("-P", "bigmodel", "-m", model, "--base-url", server.url, "--image", "png",
                       env={"BIGMODEL_API_KEY": CANARY})  # fmt: skip
        assert (done.code, done.text) == (0, printed)
        assert done.err.endswith(thought)
        assert "<think>" not in done.err


# --resize


@pytest.fixture
def image():
    return pytest.importorskip("PIL.Image", reason="Pillow is not installed: pip install 'glmcli[images]'")


@pytest.fixture
def sent(see):
    """The picture that reaches the provider, by its type and bytes."""

    def run(*flags):
        with Server(answer("A cat")) as server:
            done = see(*flags, "--base-url", server.url, "--resize", "-q", env=KEY | {"TOKENHUB_API_KEY": CANARY})
        assert done.code == 0, done.err
        (url,) = [
            each["image_url"]["url"]
            for each in server.requests[0].json["messages"][0]["content"]
            if each["type"] == "image_url"
        ]
        kind, _, text = url.removeprefix("data:").partition(";base64,")
        return kind, base64.b64decode(text)

    return run


@pytest.mark.usefixtures("image")
def test_what_fits_is_not_touched(sent) -> None:
    assert sent("-P", "zai", "--image", "jpeg") == ("image/jpeg", samples.JPEG)
    assert sent("-P", "tokenhub", "--image", "webp") == ("image/webp", samples.WEBP)


@pytest.mark.parametrize(("name", "form"), [("a.png", "PNG"), ("a.jpg", "JPEG")])
def test_too_many_pixels(image, sent, cwd, name, form) -> None:
    import io

    image.new("RGB", (9000, 30), (200, 30, 30)).save(cwd / name, form)
    kind, data = sent("-P", "zai", "--image", name)
    picture = image.open(io.BytesIO(data))
    assert (kind, picture.format, picture.size) == (f"image/{form.lower()}", form, (6000, 20))


def test_too_many_bytes(image, sent, cwd) -> None:
    import io

    noise = image.frombytes("RGB", (1500, 1500), hashlib.shake_128(b"noise").digest(1500 * 1500 * 3))
    noise.save(cwd / "noise.png")
    assert (cwd / "noise.png").stat().st_size > 5 << 20
    kind, data = sent("-P", "zai", "--image", "noise.png")
    assert (kind, len(data) <= 5 << 20) == ("image/png", True)
    assert image.open(io.BytesIO(data)).size == (1200, 1200)


def test_a_type_that_is_not_taken_is_rewritten(image, sent) -> None:
    import io

    for name, kind in (("webp", "image/jpeg"), ("gif_animated", "image/png")):
        type_, data = sent("-P", "zai", "--image", name)
        assert (type_, image.open(io.BytesIO(data)).size) == (kind, (12, 8))


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("mode", "form", "kind"),
    [
        ("L", "PNG", "image/png"),
        ("1", "PNG", "image/png"),
        ("P", "PNG", "image/png"),
        ("LA", "PNG", "image/png"),
        ("I;16", "PNG", "image/png"),
        ("CMYK", "JPEG", "image/jpeg"),
        ("CMYK", "TIFF", "image/jpeg"),
        ("RGBA", "TIFF", "image/png"),
    ],
)
def test_pixels_of_every_mode(image, sent, cwd, mode, form, kind) -> None:  # noqa: PLR0917
    import io

    image.new(mode, (9000, 30)).save(cwd / "picture", form)
    type_, data = sent("-P", "zai", "--image", "picture")
    assert (type_, image.open(io.BytesIO(data)).size) == (kind, (6000, 20))


def test_a_turned_picture_is_upright(image, sent, cwd) -> None:
    import io

    picture = image.new("RGB", (9000, 30))
    turned = picture.getexif()
    turned[0x0112] = 6
    picture.save(cwd / "turned.jpg", exif=turned)
    assert image.open(io.BytesIO(sent("-P", "zai", "--image", "turned.jpg")[1])).size == (20, 6000)


@pytest.mark.usefixtures("image")
def test_what_pillow_cannot_read(refused, cwd) -> None:
    whole = samples.png(7000, 1)
    (cwd / "odd.png").write_bytes(whole[:45] + bytes(4) + whole[49:])
    error, _ = refused("-P", "zai", "--resize", "--image", "odd.png")
    assert error.startswith("--resize: Pillow cannot read odd.png")
    assert "\n" not in error


@pytest.mark.usefixtures("image")
def test_what_cannot_be_resized_is_refused_as_ever(refused) -> None:
    assert refused("-P", "zai", "--resize", "--image", "pdf")[0] == "pdf: it is a PDF document, not a picture"
    assert refused("-P", "zai", "--resize", "--image", "svg")[0].endswith("this is an SVG drawing")


@pytest.mark.usefixtures("image")
def test_a_changed_picture_is_no_file_for_curl(see) -> None:
    done = see("-P", "zai", "--resize", "--image", "webp", "--curl")
    assert (done.code, error_of(done.err)) == (2, "--curl: webp cannot be read a second time by a command")


@pytest.mark.usefixtures("files")
def test_without_pillow(home, cwd) -> None:
    """An environment in which Pillow cannot be found, whether it is installed or not."""
    (cwd / "PIL").mkdir()
    (cwd / "PIL" / "__init__.py").write_text("raise ImportError('none here')")
    done = subprocess.run(
        [sys.executable, "-m", "glmcli", "vision", "-P", "zai", "-n", "--resize", "--image", "png", "What is this?"],
        cwd=cwd, env=environment(home, PYTHONPATH=str(cwd)), stdin=subprocess.DEVNULL, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, b"")
    assert error_of(done.stderr.decode()) == "--resize needs Pillow"
    assert b"  fix: pip install 'glmcli[images]'\n" in done.stderr


# The sandbox


def test_the_sandbox_says_what_came(see) -> None:
    for flags, kinds in (
        (("--image", "png", "--video", VIDEO), "image_url, video_url"),
        (("--file", DOCUMENT), "file_url"),
    ):
        done = see("-P", "sandbox", *flags)
        assert (done.code, done.text) == (
            0,
            f'This is the glm sandbox, not a model. You asked glm-5v-turbo: "What is this?" With it came: {kinds}\n',
        )

"""What is sent beside text stands in the order in which the user named it, and has the type that the user said."""

from __future__ import annotations

import base64
import json
import os

import pytest
import samples
from processes import error_of, read_until, running, shell
from program import CANARY
from scripted_server import Server, answer

PICTURE, VIDEO = "https://x.example/a.png", "https://x.example/a.mp4"
KEY = {"ZAI_API_KEY": CANARY}
BYTES = {"a": samples.PNG, "b": samples.JPEG, "c": samples.GIF, "odd": b"\0\1\2\3"}


@pytest.fixture(autouse=True)
def files(cwd):
    for name, data in BYTES.items():
        (cwd / name).write_bytes(data)


@pytest.fixture
def sent(glm):
    """The turns that reach the provider, with each part as its text, its URL, or the type and name of a file."""

    def run(*arguments, row="vllm", **more):
        with Server(answer("A cat")) as server:
            flags = ("-P", row, "-m", "glm-5v-turbo", "--base-url", server.url, "-q")
            done = glm("vision", *arguments, *flags, env=KEY, **more)
        assert done.code == 0, done.err
        return [_turn(message["content"]) for message in server.requests[0].json["messages"]]

    return run


def _turn(content):
    return content if isinstance(content, str) else [_part(part) for part in content]


def _part(part):
    if part["type"] == "text":
        return part["text"]
    url = part[part["type"]]["url"]
    if not url.startswith("data:"):
        return url
    kind, _, text = url.removeprefix("data:").partition(";base64,")
    (name,) = [name for name, data in BYTES.items() if data == base64.b64decode(text)]
    return f"{name} {kind}"


@pytest.fixture
def refused(glm):
    """The error, before anything is sent, and what it says to do."""

    def run(*arguments, **more):
        done = glm("vision", *arguments, "-n", **more)
        assert (done.code, done.out) == (2, b""), done.err
        return error_of(done.err), "\n".join(line for line in done.err.split("\n") if line.startswith("  fix: "))

    return run


# Flags


def test_the_order_of_the_command_line_is_kept(sent) -> None:
    assert sent("--image", "a", "--at", "b", "image/png", "--image", "a", "hi") == [
        ["hi", "a image/png", "b image/png", "a image/png"]
    ]
    assert sent("--video", VIDEO, "--image", "a", "hi") == [["hi", VIDEO, "a image/png"]]
    assert sent("hi", "--image=a", "--video", VIDEO, "--image", "b", "--video", VIDEO) == [
        ["hi", "a image/png", VIDEO, "b image/jpeg", VIDEO]
    ]


def test_at_says_the_type_of_a_picture_that_is_named_too(sent) -> None:
    for flags in (("--image", "odd", "--at", "odd", "image/png"), ("--at", "odd", "image/png", "--image", "odd")):
        assert sent(*flags, "hi") == [["hi", "odd image/png"]]
    assert sent("--image", "odd", "--image", "a", "--at", "odd", "image/png", "hi") == [
        ["hi", "odd image/png", "a image/png"]
    ]
    assert sent("--image", "-", "--at", "-", "image/png", "hi", stdin=BYTES["odd"]) == [["hi", "odd image/png"]]


def test_at_says_the_type_of_a_picture_in_a_request_file(sent, cwd) -> None:
    (cwd / "r.yaml").write_text("prompt: hi\nimages: [odd, a]\n")
    assert sent("-f", "r.yaml", "--at", "odd", "image/webp") == [["hi", "odd image/webp", "a image/png"]]


def test_the_fix_for_an_unknown_kind_can_be_followed(refused, sent) -> None:
    _, fix = refused("-P", "zai", "--image", "odd", "hi")
    assert fix == "  fix: --at PATH MIME says what it is, as in --at scan.bin image/png"
    assert sent("--image", "odd", "--at", "odd", "image/png", "hi") == [["hi", "odd image/png"]]


def test_a_type_that_the_bytes_deny_is_told(glm, cwd) -> None:
    done = glm("vision", "-P", "zai", "--at", "c", "image/png", "hi", "-n")
    assert (done.code, done.err) == (0, "glm: c is sent as image/png, and by its bytes it is a GIF picture\n")
    (cwd / "cut").write_bytes(samples.JPEG[:-2])
    done = glm("vision", "-P", "zai", "--at", "cut", "image/png", "hi", "-n")
    said = "cut is sent as image/png, and by its bytes it is a JPEG picture, cut off or damaged: it has no end (EOI)"
    assert (done.code, done.err) == (0, f"glm: {said}\n")
    assert glm("vision", "-P", "zai", "--at", "odd", "image/png", "hi", "-n").err == ""
    done = glm("vision", "-P", "zai", "--at", "a", "image/tiff", "hi", "-n")
    said = "a: glm-5.3-flashx at zai takes jpeg, png, and this is image/tiff"
    assert (done.code, f"glm: error: {said}\n" in done.err) == (2, True)


def test_a_text_is_attached(refused) -> None:
    error, fix = refused("-P", "zai", "--at", "a", "text/plain", "-q", "hi")
    assert error == "a: file_url takes a URL, not a local file"
    assert fix == "  fix: -a FILE adds the text of a file to the message (--force sends it anyway)"


# Request files


TURN = """
messages:
- role: user
  content:
  - {type: text, text: "Before:"}
  - {type: image, path: a}
  - {type: text, text: "After:"}
  - {type: text, text: "(a day later)"}
  - {type: image, url: "https://x.example/a.png"}
"""


@pytest.mark.parametrize("row", ["vllm", "zai"])
def test_the_order_of_a_turn_is_kept(sent, cwd, row) -> None:
    (cwd / "r.yaml").write_text(TURN)
    turn = ["Before:", "a image/png", "After:", "(a day later)", PICTURE]
    assert sent("-f", "r.yaml", row=row) == [turn]
    assert sent("-f", "r.yaml", "--image", "b", row=row) == [[*turn, "b image/jpeg"]]


def test_a_turn_of_texts_is_one_text(sent, cwd) -> None:
    texts = "[{type: text, text: a}, {type: text, text: b}]"
    (cwd / "r.yaml").write_text(f"prompt: hi\nmessages: [{{role: user, content: {texts}}}]\nimages: [a]\n")
    assert sent("-f", "r.yaml") == ["ab", ["hi", "a image/png"]]


def test_an_empty_text_is_not_sent(sent, cwd) -> None:
    parts = '[{type: text, text: ""}, {type: image, path: a}, {type: text, text: hi}]'
    (cwd / "r.yaml").write_text(f"messages: [{{role: user, content: {parts}}}]\n")
    assert sent("-f", "r.yaml", row="zai") == [["a image/png", "hi"]]


def test_the_order_of_the_fields_is_kept(sent, cwd) -> None:
    (cwd / "r.yaml").write_text(f"videos: ['{VIDEO}']\nimages: [a, '{PICTURE}']\nprompt: hi\n")
    assert sent("-f", "r.yaml") == [["hi", VIDEO, "a image/png", PICTURE]]
    # A flag overrides the field that is like it.
    assert sent("-f", "r.yaml", "--image", "b") == [["hi", VIDEO, "b image/jpeg"]]
    assert sent("-f", "r.yaml", "--at", "b", "image/png") == [["hi", VIDEO, "a image/png", PICTURE, "b image/png"]]


@pytest.mark.parametrize("role", ["system", "assistant"])
def test_only_the_user_shows_pictures(refused, cwd, role) -> None:
    (cwd / "r.yaml").write_text(f"""
prompt: hi
messages:
- role: {role}
  content:
  - {{type: text, text: Look}}
  - {{type: image, path: a}}
""")
    for row in ("zai", "vllm"):
        error, _ = refused("-f", "r.yaml", "-P", row, "-m", "glm-5v-turbo", "--force")
        where = "r.yaml:7:5: messages[0].content[1]"
        assert error == f"{where} is a picture, video or file, which only turns of the user may hold"


def test_what_a_request_file_names_wrongly_is_named(refused, cwd) -> None:
    for text, message in {
        "images: [missing.png]": "1:10: images: cannot read missing.png: No such file or directory",
        "videos: [v.mp4]": "1:10: videos v.mp4: video_url takes a URL, not a local file",
        "messages: [{role: user, content: [{type: image, path: a, media_type: bogus}]}]":
            "1:55: path a: media_type: 'bogus' is no media type",
    }.items():  # fmt: skip
        (cwd / "r.yaml").write_text(text + "\nprompt: hi\n")
        error, fix = refused("-f", "r.yaml", "-P", "zai")
        assert error == f"r.yaml:{message}"
        assert fix
        assert "--" not in fix


# Sessions


def test_a_session_keeps_the_order(glm, cwd) -> None:
    parts = f"[{{type: text, text: 'Before:'}}, {{type: image, url: '{PICTURE}'}}, {{type: text, text: 'After'}}]"
    (cwd / "r.yaml").write_text(f"messages: [{{role: user, content: {parts}}}]\n")
    with Server(answer("A cat"), answer("Red")) as server:
        base = ("-P", "zai", "-m", "glm-5v-turbo", "--base-url", server.url, "--session", "talk.jsonl", "-q")
        assert glm("vision", "-f", "r.yaml", *base, env=KEY).code == 0
        assert glm("vision", *base, "And now?", env=KEY).code == 0
    first, *_ = server.requests[1].json["messages"]
    assert _turn(first["content"]) == ["Before:", PICTURE, "After"]
    line = json.loads((cwd / "talk.jsonl").read_text().split("\n")[0])
    assert [part["type"] for part in line["content"]] == ["text", "image", "text"]


@pytest.mark.parametrize(
    "line",
    [
        '{"role": "user", "content": [{"type": "text"}]}',
        '{"role": "user", "content": [{"type": "text", "text": 5}]}',
        '{"role": "user", "content": [{"type": "image", "url": "c"}]}',
        '{"role": "user", "content": [5]}',
        f'{{"role": "assistant", "content": "a", "media": [{{"type": "image", "url": "{PICTURE}"}}]}}',
        f'{{"role": "assistant", "content": [{{"type": "image", "url": "{PICTURE}"}}]}}',
    ],
)
def test_a_session_with_wrong_parts(refused, cwd, line) -> None:
    (cwd / "talk.jsonl").write_text(line + "\n")
    error, _ = refused("-P", "tokenhub", "--session", "talk.jsonl", "hi")
    assert error == "talk.jsonl:1:1: not a turn of a conversation"


# Stdin and pipes


@pytest.mark.parametrize("name", ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"])
def test_stdin_has_other_names(sent, home, cwd, name) -> None:
    if not os.path.exists(name):  # noqa: PTH110 - a link whose target is nowhere
        pytest.skip(f"there is no {name} here")
    assert sent("--image", name, "hi", stdin=samples.PNG) == [["hi", "a image/png"]]
    # A file can be opened, and read, a second time.
    done = shell(f'"$GLM" vision -P zai --image {name} hi -n < a', home, cwd)
    assert (done.returncode, done.stderr) == (0, b"")


def test_an_empty_stdin_beside_a_picture(home, cwd) -> None:
    line = 'printf "" | "$GLM" vision -P zai --image a hi -n >/dev/null'
    assert shell(line, home, cwd).stderr == b"glm: stdin is empty; only the prompt and its media are sent\n"


def test_a_pipe_without_a_writer_is_told(home, cwd) -> None:
    os.mkfifo(cwd / "pipe")
    with running(home, cwd, "vision", "-P", "zai", "--image", "pipe", "hi", "-n", "-q") as process:
        line = read_until(process.stderr, b"\n")
        assert line == b"glm: waiting for --image on pipe, a pipe that has not ended after 2 s (Ctrl-C gives up)\n"
        (cwd / "pipe").write_bytes(samples.PNG)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, b"")
    assert out.startswith(b"{")


# What is said


@pytest.mark.parametrize(
    ("flags", "message", "fix"),
    [
        (
            ("--image", "none"),
            "--image: cannot read none: No such file or directory",
            "check the path, and the directory that it begins in",
        ),
        (("--image", "."), "--image: cannot read .: Is a directory", "name a file in it"),
        (("--image", "a", "--detail", "huh"), "--detail huh: not one of auto, low, high", "leave it out, or use one"),
        (("--image", "data:a"), "--image data:a: this is read as a URL, and is none", "./data:a is a file"),
    ],
)
def test_what_to_do(refused, flags, message, fix) -> None:
    error, said = refused("-P", "zai", *flags, "hi")
    assert error == message
    assert said.startswith(f"  fix: {fix}")


def test_a_file_whose_name_is_like_a_url(sent, cwd) -> None:
    (cwd / "data:a").write_bytes(samples.PNG)
    assert sent("--image", "./data:a", "hi") == [["hi", "a image/png"]]


def test_a_closed_stdin(home, cwd) -> None:
    done = shell('"$GLM" vision -P zai --image - hi -n <&-', home, cwd)
    assert error_of(done.stderr.decode()) == "--image reads stdin, but stdin is closed"
    assert b"  fix: pipe something in, or name a file\n" in done.stderr


def test_a_signature_is_not_printed(glm) -> None:
    url = "https://x.example/a.png?sig=SECRET&x=1#top"
    done = glm("vision", "-P", "zai", "--image", url, "hi", "-n", "-v")
    assert done.code == 0
    assert "SECRET" not in done.err
    assert "glm: image https://x.example/a.png?…\n" in done.err
    assert url in done.text

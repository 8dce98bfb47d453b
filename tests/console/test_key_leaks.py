"""Faults with secrets: section 4 of the catalogue, one test a row, named by its id.

The fixture `glm` searches all that is printed and all files of the working directory for the key, in all its forms.
"""

# ruff: noqa: N802 - a test is named by the id of its row

from __future__ import annotations

import json
import stat
from base64 import b64encode

import pytest
import samples
from processes import error_of, file_names, read_until, running, shell, stalled
from program import CANARY, KEY_ENCODINGS, leaks
from scripted_server import Server, answer, delta, reply, stream

UNTESTABLE: dict[str, str] = {}

ZAI = ("-P", "zai", "--base-url")
KEY = {"ZAI_API_KEY": CANARY}
CALL = {"index": 0, "id": CANARY, "function": {"name": CANARY, "arguments": json.dumps({"key": CANARY})}}
ECHOES = {
    "answer": answer(f"a {CANARY} b", f"c {CANARY} d"),
    "error": reply(400, {"error": {"code": CANARY, "message": f"bad {CANARY}"}, "request_id": CANARY}),
    "html": reply(502, f"<html>{CANARY}", content_type="text/html"),
    "redirect": reply(307, "", f"Location: http://x.invalid/?key={CANARY}"),
    "finish": stream(delta(content="x"), delta(content="", finish_reason=CANARY)),
    "error event": stream(delta(content="x"), {"error": {"code": "1", "message": CANARY}}),
    "tool": stream(delta(tool_calls=[CALL]), delta(content="", finish_reason="tool_calls")),
    "base64": reply(401, KEY_ENCODINGS[1].decode()),
    "url": reply(401, KEY_ENCODINGS[2].decode()),
}


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("", "no key for zai"),
        (" \t\r\n", "no key for zai"),
        (f"{CANARY}\nsecond", "the key in ZAI_API_KEY has an invalid character at position 24"),
        (f"{CANARY} second", "the key in ZAI_API_KEY has an invalid character at position 24"),
        (f"é{CANARY}", "the key in ZAI_API_KEY has an invalid character at position 1"),
        (f"{CANARY}\x7f", "the key in ZAI_API_KEY has an invalid character at position 24"),
        (f"{CANARY}\udcff", "the key in ZAI_API_KEY has an invalid character at position 24"),
        (f"\x1b[2J{CANARY}", "the key in ZAI_API_KEY has an invalid character at position 1"),
    ],
)
@pytest.mark.parametrize("debug", ["0", "1"])
def test_K01_what_is_no_key(home, cwd, key, said, debug) -> None:
    with Server(answer("Hi")) as server:
        line = f'"$GLM" ask {" ".join(ZAI)} {server.url} -v hi'
        done = shell(line, home, cwd, ZAI_API_KEY=key, GLM_DEBUG=debug)
    assert (done.returncode, done.stdout, server.requests) == (3, b"", [])
    assert not leaks(done.stderr)
    errors = [text for text in done.stderr.decode().splitlines() if text.startswith("glm: error: ")]
    assert errors == [f"glm: error: {said}"]


def test_K01_line_ends_after_it_and_nul_in_a_file(glm, home) -> None:
    place = home / "key"
    with Server(answer("Hi")) as server:
        for text in (f"{CANARY}\n", f"{CANARY}\r\n\n", CANARY):
            assert glm("ask", *ZAI, server.url, "hi", env={"ZAI_API_KEY": text}).code == 0
        assert [request.header("Authorization") for request in server.requests] == [f"Bearer {CANARY}"] * 3
        place.write_text(f"{CANARY}\0")
        place.chmod(0o600)
        done = glm("ask", *ZAI, server.url, "--key-file", str(place), "hi")
        assert (done.code, error_of(done.err)) == (3, f"the key in {place} has an invalid character at position 24")
        assert len(server.requests) == 3


@pytest.mark.parametrize("way", ["variable", "file", "stdin"])
@pytest.mark.parametrize("end", ["\r\nX-Evil: 1", "\nX-Evil: 1", "\r\n\r\nGET / HTTP/1.1", "\rX"])
def test_K03_no_header_is_injected(glm, home, way, end) -> None:
    key, place = f"{CANARY}{end}", home / "key"
    place.write_text(key, newline="")
    place.chmod(0o600)
    given = {
        "variable": ((), {"env": {"ZAI_API_KEY": key}}),
        "file": (("--key-file", str(place)), {}),
        "stdin": (("--key-file", "-"), {"stdin": key.encode()}),
    }
    flags, more = given[way]
    with Server(answer("Hi")) as server:
        done = glm("ask", *ZAI, server.url, *flags, "hi", **more)
    assert (done.code, done.out, server.requests) == (3, b"", [])
    assert error_of(done.err).endswith("has an invalid character at position 24")
    assert "Evil" not in done.err


def test_K04_no_key_in_the_arguments(glm, home, cwd) -> None:
    for flag in ("--api-key", "--key", "--token", "--apikey"):
        done = glm("ask", flag, "abcdefgh", "hi", env=KEY)
        assert (done.code, done.out) == (2, b"")
        assert error_of(done.err).startswith(f"No such option: {flag}")
    for command in ("ask", "stream", "sandbox"):
        shown = glm(command, "--help").text
        assert "--api-key" not in shown
        assert "--token " not in shown
    with (
        Server(stalled(delta(reasoning_content="Hm"))) as server,
        running(home, cwd, "ask", *ZAI, server.url, "hi", env=KEY) as process,
    ):
        read_until(process.stderr, b"Hm")
        with open(f"/proc/{process.pid}/cmdline", "rb") as file:  # noqa: PTH123
            assert not leaks(file.read())


@pytest.mark.sampled(5)
@pytest.mark.parametrize("form", [("--json",), ("--jsonl",), ("-v", "-u"), ("-q",)])
@pytest.mark.parametrize("echo", ECHOES)
def test_K05_nothing_that_is_said_holds_it(glm, echo, form) -> None:
    with Server(ECHOES[echo]) as server:
        flags = (*form, "--retries", "0", "--meta", "meta", "--session", "talk")
        done = glm("ask", *ZAI, server.url, *flags, "hi", env=KEY | {"HTTPX_LOG_LEVEL": "trace"})
    assert done.code == (0 if echo == "answer" else done.code or 1)
    assert done.code != 70
    assert server.requests[0].header("Authorization") == f"Bearer {CANARY}"


@pytest.mark.parametrize("form", [("-v", "-u"), ("--json",)])
@pytest.mark.parametrize("piece", [CANARY[:9], CANARY[-9:], CANARY[:-1], f"{CANARY[:9]}...{CANARY[-9:]}"])
def test_K05_nor_nine_characters_of_it(glm, piece, form) -> None:
    """Those would be enough to look for it elsewhere. The fixture searches for any nine."""
    with Server(reply(401, {"error": {"code": "1000", "message": f"bad key {piece}."}}), answer("Hi")) as server:
        arguments = ("ask", *ZAI, server.url, *form, "hi")
        done = glm(*arguments, env=KEY)
        assert done.code == 3
        assert "bad key ***" in (done.text if "--json" in form else done.err)
        assert glm(*arguments, env=KEY).code == 0


def test_K05_nor_in_small_letters(glm) -> None:
    with Server(reply(200, "{}", f"Content-Encoding: {CANARY}")) as server:
        done = glm("ask", *ZAI, server.url, "hi", env=KEY)
    assert (done.code, error_of(done.err)) == (13, "zai: the reply is encoded as ***, which was not asked for")


def test_K05_no_password_of_a_proxy_either(glm) -> None:
    env = KEY | {"https_proxy": "http://me:hunter2secret@127.0.0.1:1"}
    done = glm("ask", *ZAI, "https://gate.invalid/v1", "--retries", "0", "-v", "hi", env=env)
    assert done.code == 6
    assert "hunter2secret" not in done.err


@pytest.mark.parametrize("flag", ["-n", "--curl"])
@pytest.mark.parametrize("env", [KEY, {}, {"ZAI_API_KEY": "short"}])
def test_K06_a_shown_request_names_the_variable(glm, flag, env) -> None:
    done = glm("ask", "-P", "zai", flag, 'it\'s "$HOME" `id`', env=env)
    assert (done.code, done.err) == (0, "")
    assert "Bearer $ZAI_API_KEY" in done.text
    assert "short" not in done.text


def test_K06_the_command_can_be_pasted(glm, home, cwd) -> None:
    with Server(answer("Hi")) as server:
        shown = glm("ask", *ZAI, server.url, "--curl", 'it\'s "$HOME" `id`', env=KEY)
        done = shell(shown.text, home, cwd, **KEY)
    assert done.returncode == 0
    (request,) = server.requests
    assert request.header("Authorization") == f"Bearer {CANARY}"
    assert request.json["messages"][0]["content"] == 'it\'s "$HOME" `id`'


@pytest.mark.parametrize("echo", [echo for echo in ECHOES if echo != "answer"])
def test_K07_a_traceback_holds_none(home, cwd, echo) -> None:
    with Server(ECHOES[echo]) as server:
        line = f'"$GLM" ask {" ".join(ZAI)} {server.url} --retries 0 hi'
        done = shell(line, home, cwd, GLM_DEBUG="1", PYTHONDEVMODE="1", PYTHONFAULTHANDLER="1", **KEY)
    assert done.returncode not in (0, 1, 70)
    assert b"Traceback (most recent call last)" in done.stderr
    assert not leaks(done.stderr + done.stdout)


def test_K07_a_crash_holds_none(home, cwd) -> None:
    """A bug is made: a library that fails with the key in its exception, as h11 does."""
    (cwd / "sitecustomize.py").write_text(
        "import builtins, os\n"
        "real = builtins.__import__\n"
        "def broken(name, *rest):\n"
        "    if name == 'httpx': raise ValueError('Bearer ' + os.environ['ZAI_API_KEY'])\n"
        "    return real(name, *rest)\n"
        "builtins.__import__ = broken\n"
    )
    for debug in ("0", "1"):
        line = f'"$GLM" ask {" ".join(ZAI)} http://127.0.0.1:9/v1 hi'
        done = shell(line, home, cwd, PYTHONPATH=str(cwd), GLM_DEBUG=debug, **KEY)
        assert (done.returncode, done.stdout) == (70, b"")
        assert done.stderr.startswith(b"glm: error: a bug in glm: ValueError: Bearer ***\n")
        assert (b"Traceback" in done.stderr) == (debug == "1")
        assert not leaks(done.stderr)


def test_K09_files_are_made_for_their_owner_alone(glm, home, cwd) -> None:
    with Server(answer("Hi")) as server:
        for umask in (0, 0o022):
            name = f"talk{umask}"
            assert glm("ask", *ZAI, server.url, "--session", name, "hi", env=KEY, umask=umask).code == 0
            assert stat.S_IMODE((cwd / name).stat().st_mode) == 0o600
        place = home / "key"
        place.write_text(CANARY)
        for mode, code, said in (
            (0o600, 0, ""),
            (0o644, 0, f"glm: the key file {place} can be read by others (chmod 600 {place})\n"),
            (0o662, 3, f"glm: error: the key file {place} can be written by others\n  fix: chmod 600 {place}\n"),
        ):
            place.chmod(mode)
            done = glm("ask", *ZAI, server.url, "--key-file", str(place), "hi")
            assert (done.code, done.err) == (code, said)


HOSTILE = {
    ".env": "ZAI_API_KEY=evil-key-evil-key\nGLM_BASE_URL={url}\nGLM_PROVIDER=zai\n",
    "config.yaml": "providers:\n  zai: {{like: zai, base_url: '{url}', key_env: [ZAI_API_KEY]}}\n",
    "glm.yaml": "model: vllm/evil\n",
    ".glm.yaml": "model: vllm/evil\n",
    "glm/config.yaml": "model: vllm/evil\n",
    ".config/glm/config.yaml": "model: vllm/evil\n",
    "request.yaml": "prompt: evil\n",
    "httpx.py": "raise SystemExit(99)\n",
    "sitecustomize.py": "raise SystemExit(99)\n",
}


def test_K10_a_hostile_folder_says_nothing(glm, cwd) -> None:
    with Server(answer("evil")) as evil, Server(answer("Hi")) as server:
        for name, text in HOSTILE.items():
            (cwd / name).parent.mkdir(parents=True, exist_ok=True)
            (cwd / name).write_text(text.format(url=evil.url))
        done = glm("ask", *ZAI, server.url, "hi", env=KEY)
        assert (done.code, done.out, evil.requests) == (0, b"Hi\n", [])
        shown = json.loads(glm("ask", "-n", "hi", env=KEY).out)
        assert shown["url"] == "https://api.z.ai/api/paas/v4/chat/completions"


def test_K10_a_configuration_of_another_kind(glm, home, cwd) -> None:
    real, link = home / "real.yaml", home / "link.yaml"
    real.write_text("model: sandbox/glm-5\n")
    link.symlink_to(real)
    assert glm("ask", "-q", "hi", env={"GLM_CONFIG": str(link)}).code == 0
    piped = shell('mkfifo f; echo "model: sandbox/glm-5" >f & GLM_CONFIG=f "$GLM" ask -q hi', home, cwd)
    assert piped.returncode == 0
    huge = home / "huge.yaml"
    with huge.open("wb") as file:
        file.truncate(3 << 30)
    for place, said in (
        (huge, f"GLM_CONFIG: {huge} is larger than 1 MiB"),
        ("/dev/zero", "GLM_CONFIG: /dev/zero is larger than 1 MiB"),
        (home, f"GLM_CONFIG: cannot read {home}: Is a directory"),
        ("none", "GLM_CONFIG: cannot read none: No such file or directory"),
    ):
        done = shell('ulimit -v 600000; "$GLM" ask hi', home, cwd, GLM_CONFIG=str(place))
        assert (done.returncode, done.stdout, error_of(done.stderr.decode())) == (2, b"", said)


def test_K11_a_key_goes_to_its_own_provider_only(glm, home, keys) -> None:
    keys = {name: f"{name}-{CANARY}" for name in keys}
    config = home / "c.yaml"
    with Server(answer("Hi")) as server:
        # GLM_API_KEY belongs to GLM_PROVIDER and to nobody else.
        general = {"GLM_API_KEY": CANARY, "GLM_PROVIDER": "tokenhub"}
        done = glm("ask", *ZAI, server.url, "hi", env=general)
        assert (done.code, error_of(done.err)) == (3, "no key for zai")
        done = glm("ask", "-P", "tokenhub", "--base-url", server.url, "hi", env=general)
        assert done.code == 0
        # Each provider gets its own.
        for row, variable in (("zai", "ZAI_API_KEY"), ("bigmodel", "BIGMODEL_API_KEY"), ("openai", "OPENAI_API_KEY")):
            assert glm("ask", "-P", row, "-m", "glm-5", "--base-url", server.url, "hi", env=keys).code == 0
            assert server.requests[-1].header("Authorization") == f"Bearer {keys[variable]}"
        # Self-hosted servers get none.
        assert glm("ask", "-m", "vllm/x", "--base-url", server.url, "hi", env=keys | general).code == 0
        assert server.requests[-1].header("Authorization") is None
        asked = len(server.requests)
        # A row with an address of its own does not inherit a key.
        config.write_text(f"providers: {{mine: {{like: zai, base_url: '{server.url}'}}}}")
        done = glm("ask", "-P", "mine", "hi", env=keys | {"GLM_CONFIG": str(config)})
        assert (done.code, len(server.requests)) == (2, asked)
        assert error_of(done.err).endswith("mine has an address of its own, but no key of its own")
        # A request file may hold neither address nor key.
        for line in (f"base_url: {server.url}", "key: abcdefgh", "api_key: abcdefgh", "key_file: /etc/passwd"):
            (home / "r.yaml").write_text(f"prompt: hi\n{line}\n")
            assert glm("ask", "-P", "zai", "-f", str(home / "r.yaml"), env=keys).code == 2
        assert len(server.requests) == asked


def test_K11_a_fallback_gets_neither_address_nor_key_file(glm, home) -> None:
    place = home / "key"
    place.write_text(CANARY)
    place.chmod(0o600)
    with Server(reply(500, "down"), answer("Hi")) as server:
        flags = ("--retries", "0", "--key-file", str(place), "--fallback", "bigmodel/glm-5")
        done = glm("ask", *ZAI, server.url, *flags, "hi")
    assert (done.code, error_of(done.err), server.requests) == (3, "no key for bigmodel", [])


@pytest.mark.parametrize("host", ["gate.invalid", "10.0.0.1", "127.0.0.1.invalid", "[2001:db8::1]", "0x7f.1.invalid"])
def test_K12_never_over_plain_http(glm, host) -> None:
    with Server(answer("Hi")) as proxy:
        env = KEY | {"http_proxy": proxy.url.removesuffix("/v1"), "ALL_PROXY": proxy.url.removesuffix("/v1")}
        done = glm("ask", *ZAI, f"http://{host}:9/v1", "--force", "--retries", "0", "hi", env=env)
        assert (done.code, proxy.requests) == (2, [])
    assert error_of(done.err) == f"refusing to send a key over plain http:// to {host.strip('[]')}"


def test_K12_never_to_a_proxy_or_another_host(glm) -> None:
    with Server(answer("Hi")) as other:
        for status in (301, 302, 303, 307, 308):
            with Server(reply(status, "", f"Location: {other.url}/chat/completions")) as server:
                done = glm("ask", *ZAI, server.url, "hi", env=KEY)
            assert (done.code, len(server.requests)) == (13, 1)
        env = KEY | {"https_proxy": other.url.removesuffix("/v1")}
        with Server(reply(502, "no")) as proxy:
            env = KEY | {"https_proxy": proxy.url.removesuffix("/v1")}
            done = glm("ask", *ZAI, "https://gate.invalid/v1", "--retries", "0", "hi", env=env)
            assert done.code == 6
            assert [request.method for request in proxy.requests] == ["CONNECT"]
            assert all(request.header("Authorization") is None for request in proxy.requests)
        assert other.requests == []


@pytest.mark.parametrize("command", ["ask", "stream"])
def test_K13_no_file_holds_it(glm, cwd, command) -> None:
    """The fixture searches every file; here they are searched for what stands in its place."""
    pieces = [CANARY[start : start + 3] for start in range(0, len(CANARY), 3)]
    script = stream(
        *(delta(reasoning_content=piece) for piece in ["r ", *pieces]),
        *(delta(content=piece) for piece in ["a ", *pieces, f" {KEY_ENCODINGS[2].decode()}"]),
        delta(content="", finish_reason="stop"),
    )
    with Server(script) as server:
        flags = ("--session", "talk", "--meta", "meta", "--reasoning", "why", "-O", "out")
        done = glm(command, *ZAI, server.url, *flags, f"is {CANARY} a key?", env=KEY)
        assert (done.code, done.out, done.err) == (0, b"", "")
    assert (cwd / "out").read_text() == "a *** ***\n"
    assert (cwd / "why").read_text() == "r ***\n"
    talk = [json.loads(line) for line in (cwd / "talk").read_text().splitlines()]
    assert [turn["content"] for turn in talk] == ["is *** a key?", "a *** ***"]
    assert talk[1]["reasoning"] == "r ***"
    assert file_names(cwd) == {"out", "why", "talk", "meta"}


def test_K14_a_tool_does_not_see_the_keys(glm, keys, cwd) -> None:
    """Every variable that a program of a tool file gets is in the result that the model reads."""
    (cwd / "t.yaml").write_text("tools: [{name: see, description: d, run: [env], env: [OTHER]}]\n")
    done = glm("tools", "call", "see", "--tools", "t.yaml", env=keys | {"OTHER": "o", "GLM_API_KEY": CANARY})
    assert (done.code, done.err) == (0, "")
    assert {line.partition("=")[0] for line in done.text.splitlines()} == {"PATH", "HOME", "LANG", "OTHER"}


@pytest.mark.parametrize("flags", [("-n", "-v"), ("-v",), ("-v", "--max-tokens", "999999999")])
def test_K15_a_picture_is_never_printed(glm, keys, cwd, flags) -> None:
    (cwd / "cat.png").write_bytes(samples.PNG)
    with Server(reply(400, {"error": {"code": "1210", "message": "no"}})) as server:
        place = ("-P", "zai", "--base-url", server.url, "--retries", "0")
        done = glm("vision", *place, "--image", "cat.png", *flags, "hi", env=keys)
    assert done.code == (0 if "-n" in flags else 2)
    assert b64encode(samples.PNG).decode()[:32] not in done.text + done.err
    assert f"{len(samples.PNG)} bytes, sha256:" in done.text + done.err or "--max-tokens" in flags

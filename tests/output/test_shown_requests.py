"""-n and --curl: the request that would be sent, without a key and without a network."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from processes import error_of, read_until, running, shell
from program import CANARY
from scripted_server import Server, answer

ROWS = {
    "bigmodel": "BIGMODEL_API_KEY",
    "zai": "ZAI_API_KEY",
    "modelstudio": "DASHSCOPE_API_KEY",
    "dashscope": "DASHSCOPE_API_KEY",
    "tokenhub": "TOKENHUB_API_KEY",
    "vllm": None,
    "sglang": None,
    "ollama": None,
    "llamacpp": None,
    "openai": "OPENAI_API_KEY",
}
WHOLE = {
    "choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}],
    "output": {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]},
}
PROMPT = 'It\'s "quoted"; $HOME `id` \\n \n!! 中文😀 {{x}} @file'
# What the transport adds to the shown headers.
ADDED = {"Host", "Content-Length"}


@pytest.mark.sampled(5)
@pytest.mark.parametrize("stream", [(), ("--no-stream",)])
@pytest.mark.parametrize("row", ROWS)
def test_what_is_shown_is_what_is_sent(glm, keys, row, stream) -> None:
    flags = ("-P", row, "-m", "glm-5.2", *stream, "-s", "Be kind.", "--max-tokens", "5", "--stop", "x", "-o", "user=a")
    if row != "openai":
        flags += ("--no-think",)
    with Server(answer("Hi")) as server:
        shown = glm("ask", *flags, "--base-url", server.url, "-n", PROMPT)
        assert server.requests == []
        glm("ask", *flags, "--base-url", server.url, "--retries", "0", PROMPT, env=keys)
    assert (shown.code, shown.err) == (0, "")
    request = json.loads(shown.out)
    (sent,) = server.requests
    assert set(request) == {"method", "url", "headers", "body"}
    assert (sent.method, server.url.removesuffix("/v1") + sent.path) == (request["method"], request["url"])
    assert sent.json == request["body"]
    headers = dict(sent.headers)
    assert len(headers) == len(sent.headers)
    variable = ROWS[row]
    key = {"Authorization": f"Bearer {CANARY}"} if variable else {}
    assert request["headers"].get("Authorization") == (f"Bearer ${variable}" if variable else None)
    assert {name: value for name, value in headers.items() if name not in ADDED} == request["headers"] | key


@pytest.mark.sampled(5)
@pytest.mark.parametrize("stream", [(), ("--no-stream",)])
@pytest.mark.parametrize("row", ROWS)
def test_curl_sends_the_same(glm, home, cwd, keys, row, stream) -> None:  # noqa: PLR0917
    if not shutil.which("curl"):
        pytest.skip("there is no curl here")
    flags = ("-P", row, "-m", "glm-5", *stream)
    with Server(answer("Hi")) as server:
        shown = glm("ask", *flags, "-q", "--base-url", server.url, "--curl", PROMPT)
        assert (shown.code, shown.err) == (0, "")
        done = shell(shown.text, home, cwd, **keys)
        glm("ask", *flags, "--base-url", server.url, "--retries", "0", PROMPT, env=keys)
    assert done.returncode == 0
    curl, own = server.requests
    assert (curl.method, curl.path, curl.body) == (own.method, own.path, own.body)
    more = {"Accept"} if stream else set()
    mine = {name: value for name, value in own.headers if name != "Connection"}
    assert {name: value for name, value in curl.headers if name not in more} == mine


@pytest.mark.sampled(3)
@pytest.mark.parametrize("row", [*ROWS, "sandbox"])
def test_the_command_gives_the_same_answer(glm, home, cwd, keys, row) -> None:
    """The real curl in a real shell, against the embedded providers, and the reply read by eye."""
    if not shutil.which("curl"):
        pytest.skip("there is no curl here")
    with running(home, cwd, "sandbox") as process:
        table = dict(line.split("\t") for line in read_until(process.stdout, b"sandbox\t").decode().splitlines()[:-1])
        name = {"sandbox": "bigmodel"}.get(row, row)
        base = ("--base-url", table.get(name) or table["vllm"])
        flags = ("-P", name, "-m", "glm-5", *base, "--no-stream", "-R")
        if name not in ("openai", "modelstudio"):
            flags += ("--no-think",)
        shown = glm("ask", *flags, "--curl", PROMPT, env=keys)
        done = shell(shown.text, home, cwd, **keys)
        plain = glm("ask", *flags, PROMPT, env=keys)
    assert (done.returncode, plain.code) == (0, 0), plain.err
    reply = json.loads(done.stdout)
    choices = reply.get("choices") or reply["output"]["choices"]
    assert choices[0]["message"]["content"].strip() == plain.text.strip()
    assert PROMPT in plain.text


@pytest.mark.parametrize("flag", ["-n", "--curl"])
def test_neither_needs_a_key_or_a_network(glm, flag) -> None:
    env = {"https_proxy": "http://127.0.0.1:1", "SSL_CERT_FILE": "/none"}
    done = glm("ask", flag, "hi", env=env)
    assert (done.code, done.err) == (0, "")
    assert b"Bearer $BIGMODEL_API_KEY" in done.out
    assert b"https://open.bigmodel.cn/api/paas/v4/chat/completions" in done.out


@pytest.mark.parametrize(
    ("env", "variable"),
    [
        ({"ZAI_API_KEY": CANARY}, "ZAI_API_KEY"),
        ({"ZHIPU_API_KEY": CANARY, "ZAI_API_KEY": CANARY}, "ZHIPU_API_KEY"),
        ({"GLM_PROVIDER": "zai", "GLM_API_KEY": CANARY}, "GLM_API_KEY"),
    ],
)
def test_the_variable_that_holds_the_key_is_named(glm, env, variable) -> None:
    assert json.loads(glm("ask", "-n", "hi", env=env).out)["headers"]["Authorization"] == f"Bearer ${variable}"
    assert f'"Authorization: Bearer ${variable}"' in glm("ask", "--curl", "hi", env=env).text


def test_stream_shows_the_same(glm) -> None:
    for flag in ("-n", "--dry-run", "--curl"):
        assert glm("stream", "-P", "zai", flag, "hi").out == glm("ask", "-P", "zai", flag, "hi").out


def test_the_sandbox_is_shown_too(glm) -> None:
    shown = json.loads(glm("ask", "-m", "sandbox/glm-5", "-n", "hi").out)
    assert shown["body"]["messages"] == [{"role": "user", "content": "hi"}]
    assert "Authorization" not in shown["headers"]


def test_a_wrong_request_is_not_shown(glm) -> None:
    for flag in ("-n", "--curl"):
        done = glm("ask", "-P", "zai", "--temperature", "9", flag, "hi")
        assert (done.code, done.out) == (2, b"")
    both = glm("ask", "-P", "zai", "-n", "--curl", "hi")
    assert (both.code, both.out) == (2, b"")


REFUSED = {
    "a key in quotes": ((), {"ZAI_API_KEY": f'"{CANARY}"'}),
    "a key with a blank": ((), {"ZAI_API_KEY": f" {CANARY}"}),
    "a file with a line": (("--key-file", "key"), {}),
    "a key over plain HTTP": (("--base-url", "http://gate.invalid/v1"), {"ZAI_API_KEY": CANARY}),
    "an address with the endpoint": (("--base-url", "https://gate.invalid/v1/chat"), {"ZAI_API_KEY": CANARY}),
    "a proxy that is none": ((), {"ZAI_API_KEY": CANARY, "https_proxy": "quic://127.0.0.1:1"}),
    "an objection": (("--temperature", "9"), {"ZAI_API_KEY": CANARY}),
    "a fallback without an address": (("--fallback", "openai/x"), {"ZAI_API_KEY": CANARY}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_run_would_refuse_is_refused_alike(glm, cwd, name) -> None:
    flags, env = REFUSED[name]
    (cwd / "key").write_text("ZAI_API_KEY=abcdefgh\n")
    (cwd / "key").chmod(0o600)
    (cwd / "in.jsonl").write_text('{"prompt": "hi"}\n')
    ask, batch = ("ask", "-P", "zai", *flags, "hi"), ("batch", "run", "in.jsonl", "-P", "zai", *flags)
    run = glm(*ask, env=env)
    assert run.code in (2, 3)
    for shown in (glm(*ask, "-n", env=env), glm(*ask, "--curl", env=env), glm(*batch, "-n", env=env)):
        assert (shown.code, shown.out, shown.err) == (run.code, b"", run.err)


@pytest.mark.parametrize("flag", ["-O", "--reasoning", "--meta"])
def test_where_nothing_can_be_written_is_refused_alike(glm, cwd, flag) -> None:
    (cwd / "kept").write_text("old")
    os.mkfifo(cwd / "fifo")  # nobody reads it, and nobody waits for that
    for place in ("none/of/that", ".", *(() if flag == "-O" else ("fd:77",))):
        run, shown = (
            glm("ask", "-P", "zai", flag, place, *dry, "hi", env={"ZAI_API_KEY": CANARY}) for dry in ((), ("-n",))
        )
        assert run.code in (2, 14)
        assert (shown.code, shown.out, shown.err) == (run.code, b"", run.err)
    for place in ("kept", "fifo", "new", "/dev/null", "/dev/stderr"):
        assert glm("ask", "-P", "zai", flag, place, "-n", "hi").code == 0
    assert (sorted(path.name for path in cwd.iterdir()), (cwd / "kept").read_text()) == (["fifo", "kept"], "old")


@pytest.mark.parametrize("flags", [(), ("--key-file", "none"), ("--key-file", "-"), ("--key-file", "empty")])
def test_a_key_that_is_missing_is_no_fault(glm, cwd, flags) -> None:
    (cwd / "empty").write_text("\n")
    done = glm("ask", "-P", "zai", *flags, "-n", "hi")
    assert (done.code, done.err.replace("glm: the key file empty can be read by others (chmod 600 empty)\n", "")) == (
        0,
        "",
    )
    assert json.loads(done.out)["headers"]["Authorization"] == "Bearer $ZAI_API_KEY"


def test_no_command_is_run_for_a_key_that_is_only_shown(glm, home, cwd) -> None:
    row = "{like: zai, base_url: 'https://gate.invalid/v1', key_command: [touch, ran]}"
    (home / "c.yaml").write_text(f"providers: {{mine: {row}}}\n")
    done = glm("ask", "-P", "mine", "-n", "hi", env={"GLM_CONFIG": str(home / "c.yaml")})
    assert (done.code, done.err, (cwd / "ran").exists()) == (0, "", False)
    assert "Authorization" in json.loads(done.out)["headers"]


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (("-O", "in.jsonl"), 2, "INPUT and --output name the same file: in.jsonl"),
        (("-O", "out.jsonl", "--csv", "none/t.csv"), 14, "cannot write none/t.csv: there is no such folder"),
        (("-m", "vllm/x", "--max-cost", "1"), 12, "--max-cost: the price of vllm/x is not known here"),
    ],
)
def test_what_a_batch_would_refuse_is_refused_alike(glm, cwd, flags, code, said) -> None:
    (cwd / "in.jsonl").write_text('{"prompt": "hi"}\n')
    for dry in ((), ("-n",)):
        done = glm("batch", "run", "in.jsonl", "-P", "zai", *flags, *dry, env={"ZAI_API_KEY": CANARY})
        if "-m" in flags:
            done = glm("batch", "run", "in.jsonl", *flags, *dry)
        assert (done.code, done.out, error_of(done.err)) == (code, b"", said)

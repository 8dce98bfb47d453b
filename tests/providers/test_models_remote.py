"""`glm models --remote`: a provider's own list beside the catalogue, and every way in which asking for it can fail."""

from __future__ import annotations

import json

import pytest
from processes import error_of
from program import CANARY
from proxies import ConnectHandshake, Relay, tls, url_of
from scripted_server import END, Pause, Reset, Server, Stall, chunk, head, reply

from glmcli.sandbox import Sandbox

KEY = {"ZAI_API_KEY": CANARY}
ASK = ("models", "-P", "zai", "--remote", "--base-url")
ONCE = ("--retries", "0")


def items(*names: str) -> dict:
    return {"object": "list", "data": [{"id": name, "object": "model"} for name in names]}


# The embedded server: what each provider lists, and what the catalogue says beside it.

NEW_AND_MISSING = {
    "zai": [
        "different zai/glm-5-turbo the catalogue says that no page of the provider has it",
        "missing zai/glm-5.3-flash",
        "missing zai/glm-5.3-flashx",
        "missing zai/glm-4.7-flashx",
        "missing zai/glm-4.7-flash",
        "missing zai/glm-4.6v",
        "missing zai/glm-4.6v-flashx",
        "missing zai/glm-4.6v-flash",
        "missing zai/glm-4.5-x",
        "missing zai/glm-4.5-airx",
        "missing zai/glm-4.5-flash",
        "missing zai/glm-4.5v",
        "missing zai/glm-4-32b-0414-128k",
        "missing zai/autoglm-phone-multilingual",
    ],
    "modelstudio": [
        "different modelstudio/glm-4.7 the catalogue says that it is delisted",
        "missing modelstudio/glm-5.3",
        "missing modelstudio/glm-5.3-flash",
        "missing modelstudio/glm-5.2-fast-preview",
        "missing modelstudio/glm-4.5",
        "missing modelstudio/glm-4.5-air",
        "missing modelstudio/glm-5.2-us",
        "missing modelstudio/ZHIPU/GLM-5.3",
        "missing modelstudio/ZHIPU/GLM-5.3-Flash",
        "missing modelstudio/ZHIPU/GLM-5.1",
        "missing modelstudio/ZHIPU/GLM-5",
    ],
    "dashscope": [
        "different dashscope/glm-4.7 the catalogue says that it is delisted",
        "missing dashscope/glm-5.3",
        "missing dashscope/glm-5.3-flash",
        "missing dashscope/glm-5.2-fast-preview",
        "missing dashscope/glm-4.5",
        "missing dashscope/glm-4.5-air",
        "missing dashscope/glm-5.2-us",
        "missing dashscope/ZHIPU/GLM-5.3",
        "missing dashscope/ZHIPU/GLM-5.3-Flash",
        "missing dashscope/ZHIPU/GLM-5.1",
        "missing dashscope/ZHIPU/GLM-5",
    ],
    "tokenhub": [
        "new tokenhub/glm-4.6 its status is offline",
    ],
    "vllm": ["new vllm/glm-5.1"],
    "sglang": ["new sglang/glm-5.1"],
    "llamacpp": ["new llamacpp/GLM-4.7-Flash-Q4_K_M.gguf"],
    "ollama": ["new ollama/glm-4.7-flash:latest"],
    "openai": ["new openai/glm-5"],
}
SAID = {
    "zai": "zai lists 9 models",
    "modelstudio": "modelstudio lists 7 models, 2 of them no GLM models and left out",
    "dashscope": "dashscope lists 7 models, 2 of them no GLM models and left out",
    "tokenhub": "tokenhub lists 6 models, 1 of them no GLM models and left out",
}


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as running:
        yield running


@pytest.mark.parametrize("provider", NEW_AND_MISSING)
def test_what_each_provider_lists(glm, keys, sandbox, provider) -> None:
    done = glm("models", "--remote", "-P", provider, "--base-url", sandbox.base_url(provider), env=keys)
    assert done.code == 0
    assert done.text.replace("\t", " ").splitlines() == NEW_AND_MISSING[provider]
    said = SAID.get(provider, f"{provider} lists 1 models")
    assert done.err == f"glm: {said}; what it does not list may work all the same\n"


def test_as_json_it_says_of_every_model(glm, keys, sandbox) -> None:
    done = glm("models", "--remote", "-P", "tokenhub", "--json", "--base-url", sandbox.base_url("tokenhub"), env=keys)
    found = json.loads(done.out)
    first = {"provider": "tokenhub", "model": "glm-5.3", "state": "same", "status": "online", "context": None}
    assert found[0] == first | {"note": None}
    # What may be gone is not missing.
    assert [each["model"] for each in found if each["state"] == "missing"] == []
    assert [each["model"] for each in found if each["status"] is None] == [
        "glm-5.1",
        "glm-5",
        "glm-5-turbo",
        "glm-5v-turbo",
    ]
    assert {tuple(each) for each in found} == {("provider", "model", "state", "status", "context", "note")}


def test_the_sandbox_itself(glm) -> None:
    done = glm("models", "--remote", "-P", "sandbox")
    assert (done.code, "missing\tsandbox/glm-5.3-flash\n" in done.text) == (0, True)


# The request


def test_a_get_without_a_body_and_the_key_in_its_header(glm) -> None:
    with Server(reply(200, items("glm-5", "glm-9"))) as server:
        done = glm(*ASK, server.url, env=KEY)
    (request,) = server.requests
    assert (request.method, request.path, request.body) == ("GET", "/v1/models", b"")
    assert [name for name, _ in request.headers] == [
        "Host",
        "Authorization",
        "User-Agent",
        "Accept",
        "Accept-Encoding",
        "Accept-Language",
    ]
    assert request.header("Authorization") == f"Bearer {CANARY}"
    assert request.header("Accept-Language") == "en-US,en"
    assert done.text.startswith("new\tzai/glm-9\nmissing\tzai/glm-5.3\n")


def test_the_choice_of_a_provider_is_that_of_a_question(glm, cwd) -> None:
    with Server(reply(200, items("glm-5"))) as server:
        base = ("--base-url", server.url)
        assert "zai lists 1 models" in glm("models", "--remote", *base, env=KEY).err
        other = {"GLM_MODEL": "tokenhub/glm-5", "TOKENHUB_API_KEY": CANARY}
        assert "tokenhub lists 1 models" in glm("models", "--remote", *base, env=KEY | other).err
        (cwd / "key").write_text(CANARY)
        (cwd / "key").chmod(0o600)
        from_file = glm(*ASK, server.url, "--key-file", "key", may_hold_key=(cwd / "key",))
        assert (from_file.code, server.requests[-1].header("Authorization")) == (0, f"Bearer {CANARY}")
        whose = glm("models", "--remote", *base, "--key-file", "key", env=KEY, may_hold_key=(cwd / "key",))
        assert (whose.code, error_of(whose.err)) == (2, "--key-file: whose key is it?")
    (cwd / "key").unlink()
    assert glm("models", "--remote").code == 3
    assert glm(*ASK, "http://127.0.0.1:1/v1").code == 3
    plain = glm(*ASK, "http://example.com/v1", env=KEY)
    assert (plain.code, error_of(plain.err)) == (2, "refusing to send a key over plain http:// to example.com")


def test_verbose_and_quiet(glm) -> None:
    with Server(reply(200, items("glm-5"))) as server:
        loud = glm(*ASK, server.url, "-v", env=KEY)
        quiet = glm(*ASK, server.url, "-q", env=KEY)
    assert f"glm: zai/models: {server.url}/models, with a key\n" in loud.err
    assert (quiet.code, quiet.err) == (0, "")


def page(number: int, names: list[str], total: int) -> list[bytes]:
    models = [{"model": name, "provider": "zhipu"} for name in names]
    return reply(200, {"output": {"models": models, "total": total, "page_no": number, "page_size": 2}})


def test_dashscope_has_pages(glm) -> None:
    pages = page(1, ["glm-5", "qwen-max"], 5), page(2, ["glm-4.7", "glm-8"], 5), page(3, ["glm-9"], 5)
    with Server(*pages) as server:
        done = glm("models", "-P", "dashscope", "--remote", "--base-url", server.url, env={"DASHSCOPE_API_KEY": CANARY})
    assert [request.path for request in server.requests] == [f"/v1/models?page_no={n}&page_size=100" for n in (1, 2, 3)]
    assert [line for line in done.text.splitlines() if line.startswith("new")] == [
        "new\tdashscope/glm-8",
        "new\tdashscope/glm-9",
    ]
    assert "dashscope lists 5 models, 1 of them no GLM models" in done.err


@pytest.mark.parametrize("total", [100, None, True, "many"])
def test_pages_end_though_the_total_is_wrong(glm, total) -> None:
    pages = page(1, ["glm-5"], total), page(2, [], total)
    with Server(*pages) as server:
        done = glm("models", "-P", "dashscope", "--remote", "--base-url", server.url, env={"DASHSCOPE_API_KEY": CANARY})
    assert (done.code, "dashscope lists 1 models" in done.err) == (0, True)
    assert len(server.requests) <= 2


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ({"data": []}, 0),
        ({"data": None}, 0),
        ([{"id": "glm-5"}], 1),
        ({"data": [{"id": "glm-5"}, {"id": "glm-5"}, {"id": 3}, {}, None, "glm-6", {"id": ""}]}, 1),
        ({"data": [{"id": "glm-5", "status": {}, "max_model_len": "x", "meta": []}]}, 1),
    ],
)
def test_lists_of_any_shape(glm, body, count) -> None:
    text = json.dumps(body)
    with Server(reply(200, text)) as server:
        done = glm(*ASK, server.url, env=KEY)
    assert (done.code, f"zai lists {count} models" in done.err) == (0, True)


def test_another_context_is_different(glm) -> None:
    body = {"data": [{"id": "glm-5", "max_model_len": 32768}, {"id": "glm-4.7", "meta": {"n_ctx_train": 204800}}]}
    with Server(reply(200, body)) as server:
        done = glm(*ASK, server.url, env=KEY)
    assert done.text.startswith("different\tzai/glm-5\tits context is 32768, the catalogue says 204800\nmissing")


def test_foreign_names_cannot_forge_lines(glm) -> None:
    with Server(reply(200, items("glm-5\nnew\tzai/glm-7", "glm-\x1b[2J"))) as server:
        done = glm(*ASK, server.url, env=KEY)
    new = [line for line in done.text.split("\n") if line.startswith("new")]
    assert new == ["new\tzai/glm-5\ufffdnew\ufffdzai/glm-7", "new\tzai/glm-\ufffd[2J"]


# Failures: the exit codes of section 3


REFUSALS = {
    "a bad key": (reply(401, {"error": {"code": "401", "message": "令牌已过期"}}), 3),
    "no permission": (reply(403, {"error": {"code": "1220", "message": "no"}}), 3),
    "no balance": (reply(429, {"error": {"code": "1113", "message": "no"}}), 4),
    "too many requests": (reply(429, {"error": {"code": "1302", "message": "slow"}}), 5),
    "a failure": (reply(500, {"error": {"code": "500", "message": "oops"}}), 5),
    "no such path": (reply(404, "", content_type="text/plain"), 2),
    "a page for people": (reply(200, "<html>login</html>", content_type="text/html"), 13),
    "a gateway's page": (reply(502, "<html>bad</html>", content_type="text/html"), 13),
    "a redirect": (reply(302, "", "Location: https://elsewhere.invalid/"), 13),
    "broken JSON": (reply(200, '{"data": ['), 13),
    "no list": (reply(200, {"models": "none"}), 13),
    "an error as success": (reply(200, {"error": {"code": "1302", "message": "slow"}}), 5),
    "a cut body": ([head(content_type="application/json"), chunk(b'{"data": [')], 7),
    "a reset": ([Reset()], 6),
    "compression that is none": (reply(200, "x", "Content-Encoding: gzip"), 13),
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(glm, name) -> None:
    script, code = REFUSALS[name]
    with Server(script) as server:
        done = glm(*ASK, server.url, *ONCE, env=KEY)
    assert (done.code, done.out) == (code, b"")
    assert error_of(done.err).startswith("zai: ")
    assert len(server.requests) == 1


def test_words_of_the_provider_that_hold_the_key(glm) -> None:
    with Server(reply(401, {"error": {"code": "401", "message": f"bad key {CANARY}"}})) as server:
        done = glm(*ASK, server.url, env=KEY)
    assert done.code == 3
    assert "  why: bad key " in done.err


def test_what_waiting_can_cure_is_asked_again(glm) -> None:
    busy = reply(429, {"error": {"code": "1302", "message": "slow"}}, "Retry-After: 0")
    with Server(busy, [Reset()], reply(200, items("glm-5"))) as server:
        done = glm(*ASK, server.url, env=KEY)
    assert (done.code, len(server.requests)) == (0, 3)
    assert "retrying in 0.0 s\n" in done.err
    with Server(busy) as server:
        done = glm(*ASK, server.url, "--retry-max-time", "20", "--retries", "2", env=KEY)
    assert (done.code, len(server.requests)) == (5, 3)
    with Server(reply(429, {"error": {"code": "1302", "message": "slow"}}, "Retry-After: 61")) as server:
        done = glm(*ASK, server.url, env=KEY)
    assert (done.code, len(server.requests)) == (5, 1)
    assert "the server asks to wait 61 s" in done.err


@pytest.mark.parametrize(
    ("script", "flags", "what"),
    [
        ([Stall()], ("--first-timeout", "0.3"), "no response within 0.3 s"),
        ([head(), chunk(b"{"), Stall()], ("--idle-timeout", "0.3"), "no data for 0.3 s"),
        ([head(), chunk(b"{"), Pause(3600)], ("--deadline", "4"), "the deadline of 4 s has passed"),
    ],
)
def test_time_limits(glm, script, flags, what) -> None:
    with Server(script) as server:
        done = glm(*ASK, server.url, *ONCE, *flags, env=KEY)
        assert server.hung_up.wait(30)
    assert (done.code, error_of(done.err)) == (6, f"zai: {what}")


def test_nobody_listens(glm) -> None:
    done = glm(*ASK, "http://127.0.0.1:1/v1", *ONCE, "--connect-timeout", "5", env=KEY)
    assert (done.code, done.out) == (6, b"")


def test_a_list_without_end(glm) -> None:
    endless = [head(content_type="application/json"), *[chunk(b" " * 65536)] * 300, Stall()]
    with Server(endless) as server:
        done = glm(*ASK, server.url, *ONCE, env=KEY)
    assert (done.code, error_of(done.err)) == (13, "zai: the list of models is larger than 16 MiB")


def test_what_is_no_list(glm) -> None:
    with Server(reply(200, {"data": {"id": "glm-5"}})) as server:
        done = glm(*ASK, server.url, *ONCE, env=KEY)
    assert (done.code, done.out, error_of(done.err)) == (13, b"", "zai: this is not a list of models")


def test_proxies_and_certificates_are_those_of_a_question(glm, authority) -> None:
    context = authority.issue("list", "DNS:api.z.ai")
    env = KEY | {"SSL_CERT_FILE": str(authority.file)}
    whole = [head(content_type="application/json"), chunk(json.dumps(items("glm-5", "glm-9"))), END]
    with (
        Server(whole) as server,
        Relay(tls(context), server.port) as inner,
        Relay(ConnectHandshake(), inner.port) as proxy,
    ):
        done = glm("models", "-P", "zai", "--remote", env=env | {"https_proxy": url_of(proxy)})
    assert (done.code, done.text.startswith("new\tzai/glm-9\n")) == (0, True)
    assert (server.requests[0].path, proxy.connections) == ("/api/paas/v4/models", 1)

"""Which model at which provider, and where its address and key come from."""

from __future__ import annotations

import json
from typing import Any

import provider_rows
import pytest
from processes import error_of
from program import CANARY
from scripted_server import Server, answer

ADDRESSES = {
    "bigmodel": "https://open.bigmodel.cn/api/paas/v4/chat/completions",
    "zai": "https://api.z.ai/api/paas/v4/chat/completions",
    "modelstudio": "https://dashscope.aliyuncs.com/compatible-mode/v1/chat/completions",
    "dashscope": "https://dashscope.aliyuncs.com/api/v1/services/aigc/text-generation/generation",
    "tokenhub": "https://tokenhub-intl.tencentcloudmaas.com/v1/chat/completions",
    "vllm": "http://127.0.0.1:8000/v1/chat/completions",
    "sglang": "http://127.0.0.1:30000/v1/chat/completions",
    "ollama": "http://127.0.0.1:11434/v1/chat/completions",
    "llamacpp": "http://127.0.0.1:8080/v1/chat/completions",
}


@pytest.fixture
def chosen(glm, cwd):
    """The row, the model and the key's variable that a command would use."""

    def run(*arguments, env=None, file: dict[str, Any] | None = None, config: dict[str, Any] | None = None):
        given = dict(env or {})
        if file is not None:
            (cwd / "request.json").write_text(json.dumps(file))
            arguments = ("-f", "request.json", *arguments)
        if config is not None:
            (cwd / "config.yaml").write_text(json.dumps(config))
            given["GLM_CONFIG"] = "config.yaml"
        done = glm("ask", *arguments, "-n", "-q", "hi", env=given)
        assert (done.code, done.err) == (0, ""), done.err
        shown = json.loads(done.out)
        row = next((name for name, url in ADDRESSES.items() if url == shown["url"]), shown["url"])
        return row, shown["body"]["model"], shown["headers"].get("Authorization", "").removeprefix("Bearer ")

    return run


@pytest.mark.parametrize("row", provider_rows.HOSTED)
def test_a_hosted_row(chosen, row) -> None:
    model = provider_rows.DEFAULTS[row]
    assert chosen("-P", row) == (row, model, f"${provider_rows.KEYS[row][0]}")
    assert chosen("-m", f"{row}/glm-4.7") == (row, "glm-4.7", f"${provider_rows.KEYS[row][0]}")
    for variable in provider_rows.KEYS[row]:
        assert chosen("-P", row, env={variable: CANARY}) == (row, model, f"${variable}")


@pytest.mark.parametrize("row", ["vllm", "sglang", "ollama", "llamacpp"])
def test_a_self_hosted_row_needs_a_model_and_no_key(chosen, glm, row) -> None:
    assert chosen("-m", f"{row}/glm-5") == (row, "glm-5", "")
    assert chosen("-P", row, "-m", "x/y") == (row, "x/y", "")
    done = glm("ask", "-P", row, "hi")
    assert (done.code, error_of(done.err)) == (2, f"{row} needs --model")


def test_openai_needs_an_address(chosen, glm) -> None:
    url = "https://gate.example/v1"
    full = (f"{url}/chat/completions", "glm-5", "$OPENAI_API_KEY")
    assert chosen("-m", "openai/glm-5", "--base-url", url) == full
    assert chosen("-m", "openai/glm-5", env={"OPENAI_BASE_URL": url + "/"}) == full
    done = glm("ask", "-m", "openai/glm-5", "hi", env={"OPENAI_API_KEY": CANARY})
    assert (done.code, error_of(done.err)) == (2, "openai has no address")
    assert "OPENAI_BASE_URL" in done.err


FILE = {"model": "bigmodel/from-file"}
ENV = {"GLM_PROVIDER": "modelstudio", "GLM_MODEL": "from-env"}
CONFIG = {"provider": "dashscope", "model": "from-config"}
KEYS = {"ZAI_API_KEY": CANARY, "TOKENHUB_API_KEY": CANARY}


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("flags", "file", "env", "config", "row", "model"),
    [
        # Each source over all weaker ones.
        (("-m", "tokenhub/from-flags"), FILE, ENV, CONFIG, "tokenhub", "from-flags"),
        ((), FILE, ENV, CONFIG, "bigmodel", "from-file"),
        ((), {}, ENV, CONFIG, "modelstudio", "from-env"),
        ((), {}, {}, CONFIG, "dashscope", "from-config"),
        ((), {}, {}, {}, "zai", "glm-5"),
        # Provider and model from different sources.
        (("-P", "tokenhub"), {}, {"GLM_MODEL": "from-env"}, {}, "tokenhub", "from-env"),
        (("-m", "from-flags"), {}, {"GLM_PROVIDER": "tokenhub"}, {}, "tokenhub", "from-flags"),
        (("-m", "from-flags"), {"provider": "tokenhub"}, {}, {}, "tokenhub", "from-flags"),
        (("-m", "from-flags"), {}, {}, {"provider": "tokenhub"}, "tokenhub", "from-flags"),
        ((), {"model": "from-file"}, {"GLM_PROVIDER": "tokenhub"}, {}, "tokenhub", "from-file"),
        ((), {"provider": "tokenhub"}, {"GLM_MODEL": "from-env"}, {}, "tokenhub", "from-env"),
        ((), {}, {"GLM_MODEL": "from-env"}, {"provider": "tokenhub"}, "tokenhub", "from-env"),
        ((), {}, {"GLM_MODEL": "tokenhub/from-env"}, CONFIG, "tokenhub", "from-env"),
        # A model that names its provider does not go to another one.
        (("-P", "tokenhub"), FILE, {}, {}, "tokenhub", "glm-5.2"),
        (("-P", "tokenhub"), {}, {"GLM_MODEL": "zai/from-env"}, {}, "tokenhub", "glm-5.2"),
        (("-P", "tokenhub"), {}, {"GLM_MODEL": "tokenhub/from-env"}, {}, "tokenhub", "from-env"),
        (("-m", "tokenhub/x"), {}, {"GLM_PROVIDER": "zai"}, {}, "tokenhub", "x"),
        # Only what names a provider is split off.
        (("-m", "tokenhub/zai-org/GLM-5"), {}, {}, {}, "tokenhub", "zai-org/GLM-5"),
        (("-m", "tokenhub/TokenHub/x"), {}, {}, {}, "tokenhub", "TokenHub/x"),
        (("-m", "glm-5:free"), {}, {}, {}, "zai", "glm-5:free"),
        (("-m", "GLM-5.2"), {}, {}, {}, "zai", "GLM-5.2"),
        # With -P, the whole of -m is the model.
        (("-P", "tokenhub", "-m", "zai/glm-5"), {}, {}, {}, "tokenhub", "zai/glm-5"),
        (("-P", "tokenhub", "-m", "tokenhub/x"), {}, {}, {}, "tokenhub", "tokenhub/x"),
        # Empty variables say nothing.
        ((), {}, {"GLM_PROVIDER": "", "GLM_MODEL": ""}, {}, "zai", "glm-5"),
    ],
)
def test_the_strongest_source_wins(chosen, flags, file, env, config, row, model) -> None:  # noqa: PLR0917
    assert chosen(*flags, env=KEYS | env, file=file, config=config)[:2] == (row, model)


# A model that was meant for somebody else

FULL_WIDTH = "\N{FULLWIDTH SOLIDUS}"


@pytest.mark.parametrize(
    ("model", "message", "fix"),
    [
        ("olama/qwen3", "names no provider that is known, and {} (did you mean 'ollama/qwen3'?)", "ollama/qwen3"),
        ("deepseek/x", "names no provider that is known, and {}", None),
        ("ZHIPU/GLM-5", "names no provider that is known, and {} (did you mean 'zai/glm-5'?)", "zai/glm-5"),
        ("zai-org/GLM-4.7", "names no provider that is known, and {} (did you mean 'zai/glm-4.7'?)", "zai/glm-4.7"),
        ("ZAI/glm-5", "names no provider that is known, and {} (did you mean 'zai/glm-5'?)", "zai/glm-5"),
        (" zai/glm-5", "names no provider that is known, and {} (did you mean 'zai/glm-5'?)", "zai/glm-5"),
        (f"zai{FULL_WIDTH}glm-5", "names no provider that is known, and {} (did you mean 'zai/glm-5'?)", "zai/glm-5"),
        (
            "ollama:qwen3:8b",
            "names no provider that is known, and {} (did you mean 'ollama/qwen3:8b'?)",
            "ollama/qwen3:8b",
        ),
        ("glm-5/", "names no provider that is known, and {} (did you mean 'zai/glm-5'?)", "zai/glm-5"),
        ("/glm-5", "names no provider that is known, and {} (did you mean 'zai/glm-5'?)", "zai/glm-5"),
        ("tokenhub", "is the name of a provider, not of a model, and {}", "tokenhub/glm-5.2"),
        ("Ollama", "is the name of a provider, not of a model, and {}", "ollama/MODEL"),
        ("mine", "is the name of a provider, not of a model, and {}", "mine/glm-5"),
    ],
)
def test_a_model_that_names_nobody_goes_nowhere(glm, cwd, model, message, fix) -> None:
    """The contract, section 1: a prompt never goes to a company that was not named."""
    (cwd / "c.yaml").write_text("providers: {mine: {like: zai, base_url: 'https://mine.example', key_env: [MINE]}}")
    with Server(answer("Hi")) as server:
        env = {"ZAI_API_KEY": CANARY, "GLM_BASE_URL": server.url, "GLM_CONFIG": "c.yaml"}
        done = glm("ask", "-m", model, "secret", env=env)
        dry = glm("ask", "-m", model, "-n", "secret", env=env)
        second = glm("ask", "-P", "zai", "--fallback", model, "secret", env=env)
        forced = glm("ask", "-m", model, "--force", "secret", env=env)
        named = glm("ask", "-P", "zai", "-m", model, "secret", env=env)
        prefixed = glm("ask", "-m", f"zai/{model}", "secret", env=env)
    said = f"{model!r} {message.format('zai would get the prompt')}"
    write = fix or "PROVIDER/MODEL (a row of the configuration file adds a provider)"
    hint = f"  fix: write {write}; or zai/{model} if zai has a model of that name (--force sends it anyway)\n"
    for refused, source in ((done, "--model"), (dry, "--model"), (second, "--fallback")):
        assert (refused.code, refused.out, error_of(refused.err)) == (2, b"", f"{source}: {said}")
        assert hint in refused.err
    assert [request.json["model"] for request in server.requests] == [model] * 3
    assert (forced.code, named.code, prefixed.code) == (0, 0, 0)
    assert f"glm: --model: {said}: sent all the same\n" in forced.err


@pytest.mark.parametrize(
    ("arguments", "file", "env", "config", "source"),
    [
        ((), {"model": "olama/x"}, {}, {}, "the request file"),
        ((), {"model": "olama/x", "provider": "zai"}, {}, {}, "the request file"),
        ((), {}, {"GLM_MODEL": "olama/x"}, {}, "GLM_MODEL"),
        ((), {}, {"GLM_MODEL": "olama/x", "GLM_PROVIDER": "zai"}, {}, "GLM_PROVIDER and GLM_MODEL"),
        (("-m", "olama/x"), {}, {"GLM_PROVIDER": "zai"}, {}, "--model"),
        ((), {}, {}, {"model": "olama/x"}, "c.json"),
        (("-m", "zai/glm-5"), {"fallback": ["olama/x"]}, {}, {}, "--fallback"),
    ],
)
@pytest.mark.parametrize(
    "command",
    [
        ("ask", "hi"),
        ("stream", "hi"),
        ("vision", "--image", "https://x.example/a.png", "hi"),
        ("tools", "run", "--tools", "tools.json", "hi"),
        ("batch", "run", "rows.txt"),
        ("batch", "submit", "rows.txt", "-O", "out.jsonl"),
        ("batch", "sample", "rows.txt"),
    ],
    ids=lambda command: "-".join(command[:2]),
)
@pytest.mark.sampled(5)
def test_whatever_named_it_and_whoever_asks(glm, cwd, command, arguments, file, env, config, source) -> None:  # noqa: PLR0917
    (cwd / "rows.txt").write_text("hi\n")
    (cwd / "tools.json").write_text('{"tools": [{"name": "a", "description": "a", "run": ["true"]}]}')
    (cwd / "f.json").write_text(json.dumps(file))
    (cwd / "c.json").write_text(json.dumps(config))
    given = {"ZAI_API_KEY": CANARY, "GLM_BASE_URL": "http://127.0.0.1:9", "GLM_CONFIG": "c.json"} | env
    done = glm(*command, *(("-f", "f.json") if file else ()), *arguments, env=given)
    said = f"{source}: 'olama/x' names no provider that is known, and zai would get the prompt"
    assert (done.code, done.out, error_of(done.err)) == (2, b"", f"{said} (did you mean 'ollama/x'?)")
    assert not (cwd / "out.jsonl").exists()


def test_ids_with_slashes_where_they_are_known(chosen, glm) -> None:
    aliyun = {"DASHSCOPE_API_KEY": CANARY}
    assert chosen("-m", "ZHIPU/GLM-5", env=aliyun)[:2] == ("modelstudio", "ZHIPU/GLM-5")
    new = glm("ask", "-m", "ZHIPU/GLM-9", "-n", "hi", env=aliyun)
    assert (new.code, json.loads(new.out)["body"]["model"]) == (0, "ZHIPU/GLM-9")
    done = glm("ask", "-m", "zhipu/GLM-5", "-n", "hi", env=aliyun)
    assert (done.code, "did you mean 'modelstudio/ZHIPU/GLM-5'?" in done.err) == (2, True)
    # Without a key nobody would get it, and it is no question of keys.
    done = glm("ask", "-m", "olama/qwen3", "hi")
    wrong = "--model: 'olama/qwen3' names no provider that is known (did you mean 'ollama/qwen3'?)"
    assert (done.code, error_of(done.err)) == (2, wrong)
    assert glm("ask", "-m", "ZHIPU/GLM-5", "hi").code == 3


@pytest.mark.parametrize("row", ["vllm", "sglang", "ollama", "llamacpp", "openai", "sandbox", "mine"])
def test_elsewhere_any_id_is_sent(glm, cwd, row) -> None:
    """Their ids have slashes of their own."""
    (cwd / "c.yaml").write_text("providers: {mine: {like: zai, base_url: 'https://mine.example', key_env: []}}")
    for model in ("deepseek/x", "zai"):
        env = {"GLM_PROVIDER": row, "GLM_CONFIG": "c.yaml", "OPENAI_BASE_URL": "https://gate.example/v1"}
        done = glm("ask", "-m", model, "-n", "hi", env=env)
        assert (done.code, json.loads(done.out)["body"]["model"]) == (0, model), done.err


@pytest.mark.parametrize(
    ("arguments", "env", "source"),
    [
        (("-m", "zai/"), {}, "--model"),
        (("-m", "sandbox/"), {}, "--model"),
        (("--fallback", "zai/"), {}, "--fallback"),
        ((), {"GLM_MODEL": "zai/"}, "GLM_MODEL"),
    ],
)
def test_a_provider_without_a_model(glm, arguments, env, source) -> None:
    """The default of another provider would be asked."""
    text = next(text for text in (*arguments, *env.values()) if text.endswith("/"))
    done = glm("ask", *arguments, "--force", "hi", env=KEYS | env)
    assert (done.code, error_of(done.err)) == (2, f"{source}: no model follows {text}")
    assert f"  fix: write {text}MODEL\n" in done.err


def test_a_model_in_the_body_of_a_line(glm, cwd) -> None:
    body = {"model": "deepseek/x", "messages": [{"role": "user", "content": "hi"}]}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    (cwd / "lines.jsonl").write_text(json.dumps(line))
    run = ("batch", "run", "lines.jsonl", "-O", "out.jsonl", "-q")
    with Server(answer("Hi")) as server:
        env = {"ZAI_API_KEY": CANARY, "GLM_BASE_URL": server.url}
        assert glm(*run, env=env).code == 15
        error = json.loads((cwd / "out.jsonl").read_text())["error"]
        assert error["message"] == (
            "lines.jsonl:1: body.model: 'deepseek/x' names no provider that is known, and zai would get the prompt"
        )
        assert error["fix"] == "name the provider with -P, which gets the model of a body as it is"
        assert server.requests == []
        assert glm(*run, "-P", "zai", env=env).code == 0
    assert [request.json["model"] for request in server.requests] == ["deepseek/x"]


@pytest.mark.parametrize(
    ("keys", "row", "model"),
    [
        (("ZHIPU_API_KEY", "ZAI_API_KEY"), "bigmodel", "glm-5"),
        (("ZAI_API_KEY", "DASHSCOPE_API_KEY"), "zai", "glm-5"),
        (("DASHSCOPE_API_KEY", "TOKENHUB_API_KEY"), "modelstudio", "glm-5"),
        (("TOKENHUB_API_KEY", "OPENAI_API_KEY"), "tokenhub", "glm-5.2"),
    ],
)
def test_the_first_hosted_row_with_a_key(chosen, keys, row, model) -> None:
    assert chosen(env=dict.fromkeys(keys, CANARY)) == (row, model, f"${keys[0]}")
    assert chosen("-m", "glm-4.7", env=dict.fromkeys(keys, CANARY))[:2] == (row, "glm-4.7")


@pytest.mark.parametrize(
    "env", [{}, {"OPENAI_API_KEY": CANARY}, {"GLM_API_KEY": CANARY}, {"ZAI_API_KEY": "", "BIGMODEL_API_KEY": "  "}]
)
def test_no_key_at_all(glm, env) -> None:
    done = glm("ask", "hi", env=env)
    assert (done.code, done.out) == (3, b"")
    assert error_of(done.err).startswith("no provider has a key")
    for variable in ("BIGMODEL_API_KEY", "ZHIPUAI_API_KEY", "ZAI_API_KEY", "DASHSCOPE_API_KEY", "TOKENHUB_API_KEY"):
        assert variable in done.err
    assert "-m sandbox/glm-5" in done.err
    assert ("GLM_API_KEY" in done.err) == ("GLM_API_KEY" in env)


@pytest.mark.parametrize("seed", ["1", "2", "3", "4"])
def test_of_providers_with_the_same_model_the_first_is_suggested(glm, seed) -> None:
    done = glm("ask", "-m", "foo/glm-5", "hi", env={"PYTHONHASHSEED": seed})
    what = "--model: 'foo/glm-5' names no provider that is known (did you mean 'bigmodel/glm-5'?)"
    assert (done.code, error_of(done.err)) == (2, what)


def test_the_sandbox_needs_nothing(glm) -> None:
    done = glm("ask", "-m", "sandbox/glm-5", "-R", "Who are you")
    assert (done.code, done.err) == (0, "")
    assert done.out == b'This is the glm sandbox, not a model. You asked glm-5: "Who are you"\n'
    assert glm("ask", "-P", "sandbox", "-R", "Who are you").out == done.out


@pytest.mark.parametrize(
    ("arguments", "env", "message"),
    [
        (("-P", "zia"), {}, "--provider: unknown provider 'zia', did you mean 'zai'?"),
        (("-P", "ZAI"), {}, "--provider: unknown provider 'ZAI', did you mean 'zai'?"),
        (("-P", "qqqq"), {}, "--provider: unknown provider 'qqqq'"),
        (("-P", "nope"), {}, "--provider: unknown provider 'nope'"),
        ((), {"GLM_PROVIDER": "tokenhib"}, "unknown provider 'tokenhib', did you mean 'tokenhub'?"),
        ((), {"GLM_MODEL": "caf\udce9"}, "GLM_MODEL is not UTF-8"),
    ],
)
def test_an_unknown_provider(glm, arguments, env, message) -> None:
    done = glm("ask", *arguments, "hi", env=KEYS | env)
    assert done.code == 2
    assert error_of(done.err).endswith(message)


def test_an_unknown_provider_names_those_there_are(glm) -> None:
    done = glm("ask", "-P", "zia", "hi")
    names = "bigmodel, zai, modelstudio, dashscope, tokenhub, vllm, sglang, ollama, llamacpp, openai, sandbox"
    assert f"  fix: one of {names}\n" in done.err


# Keys go where they belong


def test_the_general_key_belongs_to_its_provider(glm) -> None:
    with Server(answer("Hi")) as server:
        base = ("--base-url", server.url, "-R", "hi")
        general = {"GLM_API_KEY": CANARY, "GLM_PROVIDER": "tokenhub"}
        assert glm("ask", *base, env=general).out == b"Hi\n"
        assert server.requests[-1].header("Authorization") == f"Bearer {CANARY}"
        assert glm("ask", *base, env=general | {"TOKENHUB_API_KEY": "another-key"}).out == b"Hi\n"
        assert server.requests[-1].header("Authorization") == f"Bearer {CANARY}"
        other = glm("ask", "-P", "zai", *base, env=general)
        assert (other.code, error_of(other.err)) == (3, "no key for zai")
        assert "GLM_API_KEY counts only for the provider in GLM_PROVIDER" in other.err
        unnamed = glm("ask", "-P", "zai", *base, env={"GLM_API_KEY": CANARY})
        assert unnamed.code == 3
        fallback = glm("ask", "--fallback", "zai/glm-5", *base, env=general)
        assert (fallback.code, error_of(fallback.err)) == (3, "no key for zai")
    assert len(server.requests) == 2


def test_the_general_key_of_a_row_that_needs_none(chosen) -> None:
    env = {"GLM_PROVIDER": "vllm", "GLM_API_KEY": CANARY}
    assert chosen("-m", "glm-5", env=env) == ("vllm", "glm-5", "$GLM_API_KEY")
    assert chosen("-m", "sglang/glm-5", env=env) == ("sglang", "glm-5", "")


def test_an_address_is_for_the_first_provider_only(glm, keys) -> None:
    with Server(answer("Hi")) as server, Server(answer("Hi")) as other:
        fallback = ("--fallback", "openai/glm-4.7", "--retries", "0", "-R")
        dead = "http://127.0.0.1:1/v1"
        env = keys | {"OPENAI_BASE_URL": other.url}
        assert glm("ask", "-P", "zai", "--base-url", dead, *fallback, "hi", env=env).out == b"Hi\n"
        assert glm("ask", "-P", "zai", *fallback, "hi", env=env | {"GLM_BASE_URL": dead}).out == b"Hi\n"
        assert len(other.requests) == 2
        assert glm("ask", "-P", "zai", "--base-url", server.url, "hi", env=env | {"GLM_BASE_URL": dead}).out == b"Hi\n"
        assert len(server.requests) == 1


def test_a_row_with_an_address_keeps_it(glm, cwd) -> None:
    """OPENAI_BASE_URL is the address of `openai`, not of the rows that speak like it: they have keys of their own."""
    with Server(answer("Hi")) as server, Server(answer("Hi")) as other:
        row = f"providers:\n  gate:\n    like: openai\n    base_url: {server.url}\n    key_env: [GATE_KEY]\n"
        (cwd / "c.yaml").write_text(row)
        env = {"GLM_CONFIG": "c.yaml", "GATE_KEY": CANARY, "OPENAI_BASE_URL": other.url, "ZAI_API_KEY": "some-key"}
        dead = ("-m", "zai/glm-5", "--base-url", "http://127.0.0.1:1/v1", "--retries", "0")
        assert glm("ask", "-m", "gate/glm-5", "hi", env=env).out == b"Hi\n"
        assert glm("ask", *dead, "--fallback", "gate/glm-5", "hi", env=env).out == b"Hi\n"
        assert (len(server.requests), other.requests) == (2, [])


def test_a_key_file_is_for_the_first_provider_only(glm, cwd) -> None:
    (cwd / "key").write_text(CANARY)
    (cwd / "key").chmod(0o600)
    flags = ("--base-url", "http://127.0.0.1:1/v1", "--retries", "0", "--key-file", "key")
    done = glm("ask", "-P", "zai", *flags, "--fallback", "tokenhub/glm-5.2", "hi", may_hold_key=(cwd / "key",))
    assert (done.code, error_of(done.err)) == (3, "no key for tokenhub")
    nobody = glm("ask", *flags, "hi", env=KEYS, may_hold_key=(cwd / "key",))
    assert (nobody.code, error_of(nobody.err)) == (2, "--key-file: whose key is it?")


def test_nothing_is_read_from_the_working_directory(glm, chosen, cwd) -> None:
    bad = "provider: tokenhub\nmodel: evil\nproviders: {zai: {like: openai, base_url: 'https://evil.example'}}\n"
    for name in ("config.yaml", "glm.yaml", ".glm.yaml", ".glm", "glm/config.yaml", ".config/glm/config.yaml"):
        (cwd / name).parent.mkdir(parents=True, exist_ok=True)
        if not (cwd / name).is_dir():
            (cwd / name).write_text(bad)
    (cwd / ".env").write_text("GLM_BASE_URL=https://evil.example\nGLM_MODEL=evil\nBIGMODEL_API_KEY=abcdefgh\n")
    assert chosen(env=KEYS) == ("zai", "glm-5", "$ZAI_API_KEY")
    assert glm("ask", "hi").code == 3


# The configuration file


@pytest.mark.parametrize(
    ("place", "env"),
    [
        (".config/glm/config.yaml", {}),
        ("xdg/glm/config.yaml", {"XDG_CONFIG_HOME": "{home}/xdg"}),
        ("mine.yaml", {"GLM_CONFIG": "{home}/mine.yaml"}),
    ],
)
def test_where_the_configuration_stands(glm, home, place, env) -> None:
    (home / place).parent.mkdir(parents=True, exist_ok=True)
    (home / place).write_text("model: tokenhub/glm-5.2\n")
    done = glm("ask", "-n", "hi", env={name: value.format(home=home) for name, value in env.items()})
    assert json.loads(done.out)["body"]["model"] == "glm-5.2"
    verbose = glm("ask", "-n", "-v", "hi", env={name: value.format(home=home) for name, value in env.items()})
    assert str(home / place) in verbose.err


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}", "null"])
def test_an_empty_configuration_says_nothing(glm, home, text) -> None:
    (home / "c.yaml").write_text(text)
    done = glm("ask", "-n", "hi", env={"GLM_CONFIG": str(home / "c.yaml")})
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "GLM_CONFIG: cannot read c.yaml: No such file or directory"),
        ("modle: x\n", "c.yaml:1:1: unknown key 'modle', did you mean 'model'?"),
        ("model: [x]\n", "c.yaml:1:8: model must be a string, not a list"),
        ("provider: zia\n", "c.yaml: unknown provider 'zia', did you mean 'zai'?"),
        ("providers: {a: {base_url: 'https://x'}}", "c.yaml:1:16: providers.a: needs 'like'"),
        (f"api_key: {CANARY}\n", "c.yaml:1:1: a configuration file may not hold a key"),
        (f"providers: {{a: {{like: zai, api_key: {CANARY}}}}}", "c.yaml:1:28: a configuration file may not hold a key"),
        (
            "providers: {a: {like: zai, base_url: 'https://x.example'}}",
            "c.yaml:1:16: a has an address of its own, but no key of its own",
        ),
        (
            "providers: {a: {like: vllm, base_url: 'http://u:p@x.example'}}",
            "a base URL may not contain a user or a password",
        ),
    ],
)
def test_a_wrong_configuration(glm, cwd, text, message) -> None:
    if text is not None:
        (cwd / "c.yaml").write_text(text)
    done = glm("ask", "hi", env=KEYS | {"GLM_CONFIG": "c.yaml"}, may_hold_key=(cwd / "c.yaml",))
    assert (done.code, done.out) == (2, b"")
    assert message in error_of(done.err)


def test_rows_of_the_configuration(chosen) -> None:
    rows = {
        "office": {"like": "zai", "base_url": "https://gate.example/v4/", "key_env": ["OFFICE_KEY", "OTHER"]},
        "plain": {"like": "zai", "base_url": "https://plain.example/v4", "key_env": []},
        "again": {"like": "tokenhub"},
        "local": {"like": "vllm", "base_url": "http://10.0.0.7:8000/v1"},
        "native": {"like": "dashscope", "base_url": "https://n.example/api/v1", "key_env": ["OFFICE_KEY"]},
    }
    config = {"providers": rows}
    office = ("https://gate.example/v4/chat/completions", "glm-5", "$OFFICE_KEY")
    assert chosen("-P", "office", config=config) == office
    assert chosen("-m", "office/glm-5", env={"OTHER": CANARY}, config=config)[2] == "$OTHER"
    assert chosen("-P", "plain", config=config) == ("https://plain.example/v4/chat/completions", "glm-5", "")
    assert chosen("-P", "again", config=config) == ("tokenhub", "glm-5.2", "$TOKENHUB_API_KEY")
    assert chosen("-m", "local/x", config=config) == ("http://10.0.0.7:8000/v1/chat/completions", "x", "")
    native = "https://n.example/api/v1/services/aigc/text-generation/generation"
    assert chosen("-P", "native", config=config) == (native, "glm-5", "$OFFICE_KEY")
    assert chosen(env={"GLM_PROVIDER": "office"}, config=config) == office


def test_keys_of_configuration_rows_are_sent(glm, home) -> None:
    (home / "secret").write_text(f"{CANARY}\n")
    (home / "secret").chmod(0o600)
    with Server(answer("Hi")) as server:
        rows = {
            "env": {"key_env": ["OFFICE_KEY"]},
            "file": {"key_file": "secret"},
            "home": {"key_file": "~/secret"},
            "command": {"key_command": ["cat", str(home / "secret")]},
        }
        rows = {name: {"like": "tokenhub", "base_url": server.url, **row} for name, row in rows.items()}
        (home / "config.yaml").write_text(json.dumps({"providers": rows}))
        env = {"GLM_CONFIG": str(home / "config.yaml"), "OFFICE_KEY": CANARY, "TOKENHUB_API_KEY": "another-key"}
        for name in rows:
            done = glm("ask", "-P", name, "hi", env=env)
            assert (done.code, done.out, done.err) == (0, b"Hi\n", "")
            assert server.requests[-1].header("Authorization") == f"Bearer {CANARY}"
            assert server.requests[-1].path == "/v1/chat/completions"
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"key_file": "none"}, "key_file: cannot read "),
        ({"key_file": "empty"}, "the key in "),
        ({"key_command": ["false"]}, "key_command: false failed (exit 1)"),
        ({"key_command": ["none-of-that-name"]}, "key_command: cannot run none-of-that-name: "),
        ({"key_command": ["true"]}, "the key from true is empty"),
        ({"key_env": ["OFFICE_KEY"]}, "no key for mine"),
    ],
)
def test_a_configured_key_that_cannot_be_had(glm, home, row, message) -> None:
    (home / "empty").write_text("\n")
    with Server(answer("Hi")) as server:
        rows = {"mine": {"like": "tokenhub", "base_url": server.url, **row}}
        (home / "config.yaml").write_text(json.dumps({"providers": rows}))
        done = glm("ask", "-P", "mine", "hi", env={"GLM_CONFIG": str(home / "config.yaml")})
    assert (done.code, server.requests) == (3, [])
    assert message in done.err


@pytest.mark.parametrize("row", [{"key_file": "a\0b"}, {"key_command": ["cat", "a\0b"]}])
def test_a_configured_name_with_a_nul(glm, home, row) -> None:
    rows = {"mine": {"like": "tokenhub", **row}}
    (home / "config.yaml").write_text(json.dumps({"providers": rows}))
    done = glm("ask", "-P", "mine", "hi", env={"GLM_CONFIG": str(home / "config.yaml")})
    assert done.code == 2
    assert "holds a NUL" in error_of(done.err)


# Addresses


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://gate.example/v1", "https://gate.example/v1"),
        ("https://gate.example/v1/", "https://gate.example/v1"),
        ("https://gate.example/v1///", "https://gate.example/v1"),
        ("https://gate.example", "https://gate.example"),
        ("https://gate.example:8443/a/b%20c", "https://gate.example:8443/a/b%20c"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        (" https://gate.example/v1 ", "https://gate.example/v1"),
        ("HTTPS://gate.example/v1", "https://gate.example/v1"),
        ("https://bücher.example/v1", "https://xn--bcher-kva.example/v1"),
    ],
)
def test_base_url(glm, url, shown) -> None:
    for arguments, env in ((("--base-url", url), {}), ((), {"GLM_BASE_URL": url})):
        done = glm("ask", "-P", "zai", *arguments, "-n", "hi", env=env)
        assert json.loads(done.out)["url"] == f"{shown}/chat/completions"


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("gate.example/v1", "begins with https:// or http://"),
        ("ftp://gate.example", "begins with https:// or http://"),
        ("https://", "begins with https:// or http://"),
        ("https:///v1", "begins with https:// or http://"),
        ("https://user:password@gate.example/v1", "may not contain a user or a password"),
        (f"https://user:{CANARY}@gate.example/v1", "not a URL"),
        ("https://user@gate.example/v1", "may not contain a user or a password"),
        (f"https://gate.example/v1?key={CANARY}", "no query and no fragment"),
        ("https://gate.example/v1#a", "no query and no fragment"),
        ("https://gate.example:99999/v1", "not a URL"),
        ("https://gate.example:0/v1", "begins with https:// or http://"),
        ("https://gate.example/v 1", "no blanks"),
        ("https://gate.example/v1/chat/completions", "ends before /chat/completions"),
        ("https://gate.example/é", "is ASCII"),
        ("https://" + "a" * 64 + ".example/v1", "is not a host name"),
        ("https://a..example/v1", "is not a host name"),
    ],
)
@pytest.mark.parametrize("dry", [(), ("-n",)])
def test_a_wrong_base_url(glm, url, message, dry) -> None:
    done = glm("ask", "-P", "zai", "--base-url", url, "hi", *dry, env=KEYS)
    assert (done.code, done.out) == (2, b"")
    assert message in error_of(done.err)
    variable = glm("ask", "-P", "zai", "hi", *dry, env=KEYS | {"GLM_BASE_URL": url})
    assert (variable.code, error_of(variable.err).partition(":")[0]) == (2, "GLM_BASE_URL")

# ruff: noqa: RUF001 - some of the words are Chinese
"""`glm ask … >answer 2>thinking` for every row: the two are apart, streamed and not, made up and recorded."""

from __future__ import annotations

import json
import subprocess

import provider_rows
import pytest
from program import GLM, environment
from provider_rows import DEFAULTS, HOSTED, KEY_VARIABLES, ROWS
from scripted_server import Server, delta, stream

from glmcli.config.keys import GENERAL
from glmcli.console.redaction import VARIABLES
from glmcli.providers.row import Range
from glmcli.providers.table import PROVIDERS

THOUGHT = "The sandbox does not think. It repeats the last message.\n"
KEY = "a-key-that-is-not-bad"
KEYS = dict.fromkeys(KEY_VARIABLES, KEY)


def echo(model: str) -> str:
    return f'This is the glm sandbox, not a model. You asked {model}: "Who are you"\n'


def test_the_rows_that_tests_go_through_are_those_of_the_table() -> None:
    rows = [row for row in PROVIDERS.values() if not row.embedded]
    assert {row.name: row.key_variables for row in rows} == provider_rows.KEYS
    assert tuple(row.name for row in rows) == ROWS
    assert tuple(row.name for row in rows if row.hosted) == HOSTED


def test_a_value_outside_its_range_may_switch_a_parameter_off() -> None:
    assert [Range(1, 9, off=-1).holds(value) for value in (-1, 0, 1, 9, 10)] == [True, False, True, True, False]


def test_the_variables_of_keys_are_those_of_the_rows() -> None:
    """They are looked for before the rows are imported, which costs too much for `glm --version`."""
    rows = [variable for row in PROVIDERS.values() for variable in row.key_variables]
    assert sorted(VARIABLES) == sorted({GENERAL, *rows})


@pytest.fixture(scope="module")
def addresses(tmp_path_factory):
    """The base URLs that `glm sandbox` prints, by row; it runs until the module is through."""
    home = environment(tmp_path_factory.mktemp("home"))
    with subprocess.Popen([GLM, "sandbox", "--port", "0"], stdout=subprocess.PIPE, env=home, text=True) as server:
        yield dict(server.stdout.readline().split() for _ in [*ROWS, "sandbox"])
        server.terminate()


@pytest.fixture
def apart(addresses, home, cwd):
    """Run a command under sh as its users do; exit code, and what stands in the two files."""

    def run(command, row, model, *flags, url=None, **env):
        words = [GLM, command, "-m", f"{row}/{model}", "--base-url", url or addresses[row], *flags, "Who are you"]
        done = subprocess.run(
            ["sh", "-c", '"$@" >answer 2>thinking', "sh", *words],
            cwd=cwd,
            env=environment(home, **KEYS, **env),
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
        assert KEY not in (cwd / "thinking").read_text()
        return done.returncode, (cwd / "answer").read_text(), (cwd / "thinking").read_text()

    return run


# --- the echo ---


def test_the_sandbox_names_every_row(addresses) -> None:
    assert sorted(addresses) == sorted([*ROWS, "sandbox"])


@pytest.mark.sampled(5)
@pytest.mark.parametrize("command", ["ask", "stream"])
@pytest.mark.parametrize("row", ROWS)
def test_streamed(apart, row, command) -> None:
    model = DEFAULTS.get(row, "glm-5")
    assert apart(command, row, model) == (0, echo(model), "" if row == "openai" else THOUGHT)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("row", ROWS)
def test_whole(apart, row) -> None:
    ends = {
        "modelstudio": "is refused for some models, and ends after 300 s",
        "dashscope": "is refused for some models, and ends after 300 s",
        "tokenhub": "may run into the gateway's time-out",
    }
    model = DEFAULTS.get(row, "glm-5")
    note = (
        f"glm: {model} at {row}: thinking without a stream {ends.get(row)}; leave out --no-stream, or add --no-think\n"
    )
    warned = note if row in ends else ""
    assert apart("ask", row, model, "--no-stream") == (0, echo(model), warned + ("" if row == "openai" else THOUGHT))


@pytest.mark.sampled(4)
@pytest.mark.parametrize("row", [row for row in ROWS if row != "openai"])
@pytest.mark.parametrize("flags", [(), ("--no-stream",)])
def test_without_thinking(apart, row, flags) -> None:
    model = DEFAULTS.get(row, "glm-5")
    assert apart("ask", row, model, "--no-think", *flags) == (0, echo(model), "")


@pytest.mark.sampled(3)
@pytest.mark.parametrize("row", ROWS)
def test_a_stream_and_a_whole_answer_are_the_same_reply(glm, addresses, row) -> None:
    replies = []
    for flags in ((), ("--no-stream",)):
        words = ("-m", f"{row}/glm-5", "--base-url", addresses[row], "--json", *flags, "Who are you")
        reply = json.loads(glm("ask", *words, env=KEYS).out)
        assert reply.pop("request_id")
        assert reply.pop("timing")["total"] > 0
        replies.append(reply)
    assert replies[0] == replies[1]
    # Words are the sandbox's tokens: 3 asked, 14 answered, 10 thought.
    counts = (replies[0]["usage"]["input_tokens"], replies[0]["usage"]["output_tokens"])
    assert counts == ((3, 14) if row == "openai" else (3, 24))


def test_a_row_of_the_users_own(apart, addresses, cwd) -> None:
    (cwd / "config.yaml").write_text(f"providers: {{mine: {{like: sglang, base_url: {addresses['sglang']}}}}}")
    code, answer, thinking = apart("ask", "mine", "glm-5", url=addresses["sglang"], GLM_CONFIG="config.yaml")
    assert (code, answer, thinking) == (0, echo("glm-5"), THOUGHT)


# --- what was recorded ---

TEXTS = {
    "bigmodel-text": ("bigmodel", "Hi\n", ""),
    "bigmodel-thinking": ("bigmodel", "我是智谱的 GLM，很高兴认识你 😊\n", "用户问我是谁，简单回答即可。\n"),
    "bigmodel-web-search": ("bigmodel", "根据搜索结果[ref_1]，GLM-5 已发布。\n", ""),
    "zai-thinking": ("zai", "你好，世界！\n", "The user asks for a greeting in Chinese.\n"),
    "modelstudio-thinking": (
        "modelstudio",
        "你好！我是通义千问，很高兴见到你。\n",
        "好的，用户问我是谁，我来介绍自己。\n",
    ),
    "modelstudio-whole": ("modelstudio", "我是 GLM，由智谱训练的大语言模型。\n", "用户想知道我是谁。\n"),
    "dashscope-thinking": (
        "dashscope",
        "1+1 等于 **2**。这是最基本的加法，在十进制里总是如此。\n",
        "嗯，用户问的是1+1是多少\n",
    ),
    "tokenhub-thinking": ("tokenhub", "你好！有什么可以帮你？\n", "用户在打招呼。\n"),
    "vllm-thinking": ("vllm", "Hello, 世界!\n", "The user greets.\n"),
    "vllm-bare-think": ("vllm", "The user greets me.</think>你好！\n", ""),  # the row does not say that tags are bare
    "sglang-thinking": ("sglang", "二加二等于四。\n", "2=4.\n"),
    "llamacpp-thinking": ("llamacpp", "你好，世界\n", "Say hello.\n"),
    "ollama-thinking": ("ollama", "你好！\n", "The user greets.\n"),
    "transformers-bare-think": ("openai", "The user greets.</think>你好，世界\n", ""),
}
# -q hides the note that this model is not in the catalogue; the reasoning is asked for by name.
QUIET = ("-q", "--reasoning", "stderr", "--retries", "0")


@pytest.mark.sampled(3)
@pytest.mark.parametrize("command", ["ask", "stream"])
@pytest.mark.parametrize("name", TEXTS)
def test_recorded(apart, name, command) -> None:
    row, answer, thinking = TEXTS[name]
    assert apart(command, row, f"recorded-{name}", *QUIET) == (0, answer, thinking)


@pytest.mark.parametrize("command", ["ask", "stream"])
@pytest.mark.parametrize(
    ("name", "like", "answer", "thinking"),
    [
        ("vllm-bare-think", "vllm", "你好！\n", "The user greets me.\n"),
        ("transformers-bare-think", "openai", "你好，世界\n", "The user greets.\n"),
    ],
)
def test_recorded_with_bare_tags(apart, addresses, cwd, command, name, like, answer, thinking) -> None:  # noqa: PLR0917 - a table
    row = f"{{like: {like}, base_url: {addresses[like]}, key_env: [OPENAI_API_KEY], think_tags: bare}}"
    (cwd / "config.yaml").write_text(f"providers: {{mine: {row}}}")
    got = apart(command, "mine", f"recorded-{name}", *QUIET, url=addresses[like], GLM_CONFIG="config.yaml")
    assert got == (0, answer, thinking)


# Row, exit code, what `stream` printed until then, the reasoning until then.
ENDS = {
    "bigmodel-tool-call": ("bigmodel", 10, "", "The user\n"),
    "bigmodel-late-error": ("bigmodel", 5, "", ""),
    "bigmodel-event-error": ("bigmodel", 5, "", ""),
    "bigmodel-fused-frame": ("bigmodel", 13, "前一半\n", ""),
    "zai-context-window": ("zai", 7, "The first part\n", "This is\n"),
    "modelstudio-tool-tail": ("modelstudio", 10, "", ""),
    "modelstudio-stream-error": ("modelstudio", 5, "", ""),
    "modelstudio-wrapped-throttle": ("modelstudio", 5, "", ""),
    "dashscope-parallel-tools": ("dashscope", 10, "", ""),
    "dashscope-error-frame": ("dashscope", 2, "", ""),
    "dashscope-throttle-frame": ("dashscope", 5, "", ""),
    "dashscope-length": ("dashscope", 7, "", "我们被问到：1+1等于几？这是一个简单的算术问题，\n"),
    "vllm-tool-call": ("vllm", 10, "", ""),
    "vllm-death": ("vllm", 5, "Hello, 世\n", ""),
    "llamacpp-tool-call": ("llamacpp", 10, "", ""),
    "bigmodel-401": ("bigmodel", 3, "", ""),
    "bigmodel-1113": ("bigmodel", 4, "", ""),
    "zai-1302": ("zai", 5, "", ""),
    "modelstudio-429-tokens": ("modelstudio", 5, "", ""),
    "dashscope-401": ("dashscope", 3, "", ""),
    "vllm-400-context": ("vllm", 7, "", ""),
    "transformers-422": ("openai", 2, "", ""),
}


@pytest.mark.sampled(5)
@pytest.mark.parametrize("command", ["ask", "stream"])
@pytest.mark.parametrize("name", ENDS)
def test_recorded_ends(apart, name, command) -> None:
    row, code, printed, thinking = ENDS[name]
    got, answer, said = apart(command, row, f"recorded-{name}", *QUIET)
    assert got == code
    assert answer == (printed if command == "stream" else "")
    assert said.startswith(f"{thinking}glm: error: {row}: ")


STOP = delta(content="", finish_reason="stop")
BOXED = "<|begin_of_box|>42<|end_of_box|>"


@pytest.mark.parametrize(
    ("model", "text", "printed"),
    [
        ("vllm/zai-org/GLM-4.6V", BOXED, "42\n"),
        ("vllm/zai-org/GLM-4.6V", f"<think>{BOXED}</think>{BOXED}", "42\n"),
        ("sglang/zai-org/GLM-4.5V-FP8", BOXED, "42\n"),
        ("ollama/hf.co/unsloth/GLM-4.6V-Flash-GGUF:Q4_K_M", BOXED, "42\n"),
        ("llamacpp/THUDM/GLM-4.1V-9B-Thinking", BOXED, "42\n"),
        ("modelstudio/glm-4.5v", f"\n{BOXED}", "\n42\n"),
        ("dashscope/glm-4.5v", BOXED, "42\n"),
        ("tokenhub/glm-5.3-flash", BOXED, "42\n"),
        ("openai/z-ai/glm-4.6v:free", BOXED, "42\n"),
        # The row says nothing of think tags, and the name of a model says nothing of the server.
        ("openai/zai-org/GLM-4.5V", f"<think>\n</think>{BOXED}", "<think>\n</think>42\n"),
        # Other models may speak of the marks.
        ("vllm/zai-org/GLM-4.6", BOXED, BOXED + "\n"),
        ("openai/qwen/qwen3-vl-8b", BOXED, BOXED + "\n"),
        ("zai/glm-5.2", BOXED, BOXED + "\n"),
    ],
)
def test_boxes_come_from_the_model_wherever_it_is_served(glm, keys, model, text, printed) -> None:
    if model.startswith("dashscope/"):
        choice = {"message": {"content": text}, "finish_reason": "stop"}
        script = stream({"output": {"choices": [choice]}}, done=False)
    else:
        script = stream(*(delta(content=text[at : at + 5]) for at in range(0, len(text), 5)), STOP)
    with Server(script) as server:
        done = glm("ask", "-m", model, "--base-url", server.url, "-q", "hi", env=keys)
    assert (done.code, done.text) == (0, printed), done.err


@pytest.mark.parametrize(
    ("row", "model", "printed"),
    [
        ("{like: vllm, box_tags: true}", "served-model", "42\n"),
        ("{like: vllm, box_tags: false}", "zai-org/GLM-4.6V", BOXED + "\n"),
        ("{like: vllm}", "zai-org/GLM-4.6V", "42\n"),
        ("{like: zai, box_tags: false}", "glm-4.5v", BOXED + "\n"),
    ],
)
def test_a_row_may_say_whether_answers_hold_boxes(glm, keys, cwd, row, model, printed) -> None:  # noqa: PLR0917 - a table
    (cwd / "config.yaml").write_text(f"providers: {{mine: {row}}}")
    with Server(stream(delta(content=BOXED), STOP)) as server:
        done = glm(
            "ask", "-P", "mine", "-m", model, "--base-url", server.url, "hi", env=keys | {"GLM_CONFIG": "config.yaml"}
        )
    assert (done.code, done.text) == (0, printed), done.err

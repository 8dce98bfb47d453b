"""`glm models --check`: what is known here beside the lists that others keep."""

from __future__ import annotations

import json
from typing import Any

import pytest
from processes import error_of

# A row of which all that is compared is stated here; the catalogue's models of zai are there too, and in no list below.
CONFIG = """\
providers: {mine: {like: zai, base_url: 'https://mine.example/v4', key_env: []}}
models:
  mine/glm-a:
    context: 204800
    max_output: 131072
    input: [text, image]
    tools: true
    thinking: {has: true, efforts: [low, high]}
    structured_output: {json_schema: false}
    prices:
      currency: USD
      as_of: 2026-11-30
      tiers:
      - {input_up_to: 32000, input: 0.6, cached_input: 0.11, output: 2.2}
      - {input_over: 32000, input: 1, output: 4}
  mine/glm-b: {max_input: 1000000, prices: {currency: CNY, as_of: 2026-11-30, tiers: [{input: 4, output: 18}]}}
  mine/glm-c: {status: {delisted: true}}
"""
PLAIN = {"mode": "chat", "litellm_provider": "zai"}
# The form of litellm 1.110.2: prices of a token, one key for each tier.
LITELLM: dict[str, Any] = {
    "sample_spec": {"litellm_provider": "one of …", "max_input_tokens": "max input tokens, if …"},
    "zai/glm-a": PLAIN
    | {
        "max_input_tokens": 200000,
        "max_output_tokens": 128000,
        "input_cost_per_token": 6e-07,
        "cache_read_input_token_cost": 1.1e-07,
        "output_cost_per_token": 2.2e-06,
        "input_cost_per_token_above_32k_tokens": 1e-06,
        "output_cost_per_token_above_32k_tokens": 4e-06,
        "supports_function_calling": True,
        "supports_reasoning": True,
        "supports_response_schema": False,
        "supports_vision": True,
        "reasoning_effort_levels": ["high", "low"],
    },
    "openrouter/z-ai/glm-a": {"litellm_provider": "openrouter", "max_input_tokens": 1},
}
# The form of models.dev's api.json: prices of a million tokens.
MODELS_DEV: dict[str, Any] = {
    "zai": {
        "id": "zai",
        "models": {
            "glm-a": {
                "id": "glm-a",
                "reasoning": True,
                "tool_call": True,
                "modalities": {"input": ["text", "image"], "output": ["text"]},
                "limit": {"context": 204800, "output": 131072},
                "cost": {
                    "input": 0.6,
                    "output": 2.2,
                    "cache_read": 0.11,
                    "context_over_32k": {"input": 1, "output": 4},
                },
            }
        },
    },
    "openrouter": {"models": {"z-ai/glm-a": {"limit": {"context": 1}}}},
}


@pytest.fixture
def check(glm, cwd):
    """Compares the row `mine` with this list; the lines, and what is said."""
    (cwd / "c.yaml").write_text(CONFIG)

    def run(value: Any, *flags: str) -> tuple[list[str], str]:
        (cwd / "list.json").write_text(json.dumps(value))
        done = glm("models", "--check", "list.json", "-P", "mine", *flags, env={"GLM_CONFIG": "c.yaml"})
        assert done.code == 0, done.err
        return done.text.splitlines(), done.err

    return run


def of_litellm(model: str, **facts: Any) -> dict[str, Any]:
    return LITELLM | {f"zai/{model}": LITELLM.get(f"zai/{model}", PLAIN) | facts}


def of_models_dev(model: str, **facts: Any) -> dict[str, Any]:
    models = MODELS_DEV["zai"]["models"]
    return {"zai": {"models": models | {model: models.get(model, {}) | facts}}}


@pytest.mark.parametrize(("value", "name"), [(LITELLM, "litellm"), (MODELS_DEV, "models.dev")], ids=["litellm", "dev"])
def test_alike_is_no_line(check, value, name) -> None:
    """200,000 and 204,800 are two readings of a page's 200K."""
    lines, said = check(value)
    assert lines == []
    assert said.startswith(f"glm: {name} has 1 of these models: 0 differences, 0 that are not here; ")


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (of_litellm("glm-a", max_input_tokens=202752), "context: 204800, theirs 202752"),
        (of_litellm("glm-a", max_output_tokens=32000), "max_output: 131072, theirs 32000"),
        (of_litellm("glm-a", supports_function_calling=False), "tools: yes, theirs no"),
        (of_litellm("glm-a", supports_response_schema=True), "structured_output.json_schema: no, theirs yes"),
        (of_litellm("glm-a", supports_video_input=True), "input.video: no, theirs yes"),
        (of_litellm("glm-a", supports_web_search=True), "web_search: unknown, theirs yes"),
        (of_litellm("glm-a", reasoning_effort_levels=["max"]), "thinking.efforts: low high, theirs max"),
        (of_litellm("glm-a", deprecation_date="2026-10-09"), "status.delisted: no, theirs yes"),
        (of_litellm("glm-a", input_cost_per_token=7e-07), "prices.input: 0.6, theirs 0.7"),
        (of_litellm("glm-a", cache_read_input_token_cost=0), "prices.cached_input: 0.11, theirs 0"),
        (
            of_litellm("glm-a", output_cost_per_token_above_32k_tokens=5e-06),
            "prices.output over 32000: 4, theirs 5",
        ),
        (of_litellm("glm-a", input_cost_per_token_above_128k_tokens=5e-06), "prices.tiers: 2, theirs 3"),
        (of_models_dev("glm-a", limit={"context": 131072, "output": 131072}), "context: 204800, theirs 131072"),
        (of_models_dev("glm-a", reasoning=False), "thinking.has: yes, theirs no"),
        (of_models_dev("glm-a", modalities={"input": ["text", "image", "pdf"]}), "input.file: no, theirs yes"),
        (of_models_dev("glm-a", status="deprecated"), "status.delisted: no, theirs yes"),
        (
            of_models_dev("glm-a", cost={"input": 0.6, "output": 3, "context_over_32k": {"input": 1, "output": 4}}),
            "prices.output: 2.2, theirs 3",
        ),
        (
            of_models_dev("glm-a", cost={"input": 0.6, "output": 2.2, "context_over_1m": {"input": 1, "output": 4}}),
            "prices.over over 32000: 32000, theirs 1000000",
        ),
    ],
)
def test_a_fact_that_differs_is_a_line(check, value, line) -> None:
    lines, said = check(value)
    assert lines == [f"different\tmine/glm-a\t{line}"]
    assert ": 1 differences, 0 that are not here;" in said


def test_prices_in_other_money_are_not_compared_and_said_once(check) -> None:
    value = of_litellm("glm-b", max_input_tokens=1048576, input_cost_per_token=6e-07, output_cost_per_token=2.5e-06)
    lines, said = check(value)
    assert lines == []
    assert said.endswith("; prices of 1 in another currency than USD are not compared\n")


def test_models_that_one_side_has(check) -> None:
    lines, said = check(of_litellm("glm-new"))
    assert lines == ["new\tmine/glm-new"]
    assert "0 differences, 1 that are not here;" in said
    assert check(of_litellm("other"))[0] == []  # a provider lists models that are none of ours
    lines, _ = check(of_litellm("glm-a", max_output_tokens=1), "--json")
    found = json.loads("\n".join(lines))
    assert found[0] == {
        "provider": "mine",
        "model": "glm-a",
        "state": "different",
        "field": "max_output",
        "ours": 131_072,
        "theirs": 1,
    }
    assert {each["state"] for each in found[1:]} == {"missing"}
    assert {"glm-b", "glm-5"} <= {each["model"] for each in found[1:]}


def test_each_list_s_providers_are_ours(glm, cwd) -> None:
    """Without -P each part of the catalogue is compared once; its prices are those of its own row."""
    names = [("bigmodel", "bigmodel"), ("zai", "zai"), ("dashscope", "modelstudio"), ("tencent", "tokenhub")]
    value = {f"{theirs}/glm-0": {"litellm_provider": theirs} for theirs, _ in names}
    value["zai/glm-4.6"] = PLAIN | {"input_cost_per_token": 6e-07, "output_cost_per_token": 9e-06}
    done = glm("models", "--check", "-", stdin=json.dumps(value).encode())
    new = [f"new\t{ours}/glm-0" for _, ours in names]
    assert done.code == 0
    assert done.text.splitlines() == [
        new[0],
        new[1],
        "different\tzai/glm-4.6\tprices.output: 2.2, theirs 9",
        *new[2:],
    ]
    names = [("zhipuai", "bigmodel"), ("zai", "zai"), ("alibaba-cn", "modelstudio"), ("tencent-tokenhub", "tokenhub")]
    value = {theirs: {"models": {"glm-0": {}}} for theirs, _ in names}
    done = glm("models", "--check", "/dev/stdin", stdin=json.dumps(value).encode())
    assert done.text.splitlines() == [f"new\t{ours}/glm-0" for _, ours in names]
    (cwd / "c.yaml").write_text("models: {zai/glm-p: {context: 1}}")
    value = {"zai/glm-p": PLAIN | {"input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06}}
    done = glm("models", "--check", "-", stdin=json.dumps(value).encode(), env={"GLM_CONFIG": "c.yaml"})
    assert done.text == "different\tzai/glm-p\tprices: unknown, theirs input 1 output 2 USD\n"
    # A plan, another region: the list's prices are not those of that address.
    (cwd / "c.yaml").write_text("providers: {plan: {like: zai, base_url: 'https://plan.example', key_env: []}}")
    value = {"zai/glm-4.6": PLAIN | {"input_cost_per_token": 1, "output_cost_per_token": 1}}
    env = {"GLM_CONFIG": "c.yaml"}
    assert glm("models", "--check", "-", "-P", "plan", stdin=json.dumps(value).encode(), env=env).text == ""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "list.json:1:1: not JSON: Expecting value"),
        (b'{"a": 1,\n "b" 2}', "list.json:2:6: not JSON: Expecting ':' delimiter"),
        (b"\xff\xfe{}", "list.json: not UTF-8: byte 0xff at 0"),
        (b"[]", "list.json:1:1: this is no list of models that is known"),
        (b'{"a": {"b": 1}}', "list.json:1:1: this is no list of models that is known"),
        (b'{"a": NaN}', "list.json: a number in it is NaN, infinite, or has thousands of digits"),
        (b"[" * 100_000, "list.json: nested too deeply"),
        (
            b'{"zai/glm-5": {"litellm_provider": "zai", "max_output_tokens": "many"}}',
            'list.json: zai/glm-5.max_output_tokens is no number from 0 to 1e+12: "many"',
        ),
        (
            b'{"zai/glm-5": {"litellm_provider": "zai", "input_cost_per_token": 1e999}}',
            "list.json: zai/glm-5.input_cost_per_token is no number from 0 to 1e+12: Infinity",
        ),
        (
            b'{"zai/glm-5": {"litellm_provider": "zai", "input_cost_per_token": 1e308}}',
            "list.json: zai/glm-5.input_cost_per_token is no number from 0 to 1e+12: 1e+308",
        ),
        (
            b'{"zai": {"models": {"glm-5": {"cost": {"input": ' + b"9" * 400 + b"}}}}}",
            f"list.json: zai.models.glm-5.cost.input is no number from 0 to 1e+12: {'9' * 40}…",
        ),
        (
            b'{"zai/glm-\\n5": {"litellm_provider": "zai", "supports_vision": 1}}',
            "list.json: zai/glm-\ufffd5.supports_vision is neither true nor false: 1",
        ),
        (b'{"zai": {"models": {"glm-5": 3}}}', "list.json: zai.models.glm-5 is no object: 3"),
        (
            b'{"zai": {"models": {"glm-5": {"modalities": {"input": "text"}}}}}',
            'list.json: zai.models.glm-5.modalities.input is no list of words: "text"',
        ),
    ],
    ids=str,
)
def test_a_wrong_file_is_2(glm, cwd, content, message) -> None:
    (cwd / "list.json").write_bytes(content)
    done = glm("models", "--check", "list.json")
    assert (done.code, done.out, error_of(done.err)) == (2, b"", message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--check", "none.json"), "--check: cannot read none.json: No such file or directory"),
        (("--check", "x", "glm-5"), "--check compares whole lists, not a model"),
        (("--check", "x", "--remote"), "--remote and --check compare with two lists"),
        (("--check", "x", "-P", "vllm"), "--check: no public list has the models of vllm"),
        (("--check", "x", "--base-url", "http://127.0.0.1:1/v1"), "--base-url is for --remote"),
    ],
)
def test_what_does_not_go_together_is_2(glm, arguments, message) -> None:
    done = glm("models", *arguments)
    assert (done.code, done.out, error_of(done.err)) == (2, b"", message)


@pytest.mark.parametrize("digits", ["9" * 5000, "\u0663\u0662"])
def test_a_tier_at_no_number_of_tokens_is_none(glm, digits) -> None:
    prices = {"input_cost_per_token": 1e-06, "output_cost_per_token": 3.2e-06}
    value = {"zai/glm-5": PLAIN | prices | {f"input_cost_per_token_above_{digits}k_tokens": 1}}
    done = glm("models", "--check", "-", "-P", "zai", stdin=json.dumps(value).encode())
    assert (done.code, done.text) == (0, "")


def test_names_of_a_list_break_no_line(glm, cwd) -> None:
    value = b'{"zai/glm-\\ud800\\n\\u001b": {"litellm_provider": "zai"}}'
    (cwd / "list.json").write_bytes(value)
    assert glm("models", "--check", "list.json").text == "new\tzai/glm-\ufffd\ufffd\ufffd\n"
    done = glm("models", "--check", "list.json", "--json", "-P", "zai")
    assert done.code == 0
    assert json.loads(done.out)[0]["state"] == "new"

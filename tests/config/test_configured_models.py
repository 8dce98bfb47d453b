"""Facts about models in the configuration file: what they change, where they are shown, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from processes import error_of
from program import CANARY
from samples import PNG
from scripted_server import Server, reply

CONFIG = """\
providers:
  plan:
    like: zai
    base_url: URL
    key_env: [PLAN_KEY]
  gate: {like: openai, base_url: URL, key_env: []}
models:
  plan/glm-5:
    prices: {currency: CNY, as_of: 2026-11-30, tiers: [{input: 10, cached_input: 1, output: 100}]}
    thinking: {efforts: [low, high], can_stop: false}
    context: 100000
    sources: {prices: the contract of November}
  gate/my/private:
    context: 8192
    max_output: 100
    tools: false
    input: [text]
    structured_output: {json_schema: false}
    prices:
      currency: USD
      as_of: 2026-10-01
      tiers: [{input: 2, input_up_to: 10, output: 0.5}, {input: 4, input_over: 10, output: 0.5}]
  gate/steps:
    prices:
      currency: USD
      as_of: 2026-10-01
      tiers: [{input: 1, input_up_to: 10, output: 1}, {input: 2, input_up_to: 20, output: 1}]
  gate/eyes: {batch: false, vision: {image: {most: 1, max_width: 10}}}
  vllm/priced: {prices: {currency: USD, as_of: 2026-10-01, tiers: [{input: 0, output: 0}]}}
  zai/glm-5: {status: {delisted: true, since: 2026-01-02, successor: glm-6}}
  zai/glm-6: {thinking: {has: true}}
  modelstudio/glm-5: {context: 4096}
  openai/gpt: {refuses: [seed]}
  sandbox/glm-5: {prices: {currency: USD, as_of: 2026-10-01, tiers: [{input: 1, output: 1}]}}
"""
ENV = {"GLM_CONFIG": "c.yaml"}


@pytest.fixture
def configured(glm, cwd):
    """The program with that configuration, whose own rows have the address of a server."""

    def run(*arguments: str, url: str = "http://127.0.0.1:9", **how: Any) -> Any:
        (cwd / "c.yaml").write_text(CONFIG.replace("URL", url))
        return glm(*arguments, env=ENV | how.pop("env", {}), **how)

    return run


def card(done: Any) -> dict[str, Any]:
    assert (done.code, done.err) == (0, "")
    (only,) = json.loads(done.out)
    return only


def test_the_card_has_them_in_place_of_the_catalogue_s(configured) -> None:
    plan = card(configured("models", "plan/glm-5", "--json"))
    assert (plan["context"], plan["max_output"], plan["tools"]) == (100_000, 131_072, True)
    # Groups are merged key by key, lists and price lists stand in the place of others; a page's words for a number that
    # is no longer its number are gone.
    assert plan["thinking"].items() >= {"has": True, "can_stop": False, "efforts": ["low", "high"]}.items()
    assert plan["as_written"] == {"context": None, "max_output": "128K"}
    tier = dict.fromkeys(("input_over", "input_up_to", "output_over", "output_up_to"))
    assert plan["prices"] == {
        "region": None,
        "currency": "CNY",
        "as_of": "2026-11-30",
        "tiers": [tier | {"input": 10, "cached_input": 1, "output": 100}],
    }
    assert plan["configured"] == ["prices", "thinking.efforts", "thinking.can_stop", "context"]
    assert plan["sources"]["prices"] == {"url": "the contract of November", "date": None}
    assert plan["sources"]["limits"]["url"].startswith("https://")
    text = configured("models", "plan/glm-5").text
    assert "  price             input 10, cached 1, output 100 CNY a million tokens, 2026-11-30\n" in text
    assert "  source            your configuration: prices, thinking.efforts, thinking.can_stop, context\n" in text
    assert "  source            the contract of November: prices\n" in text
    assert card(configured("models", "bigmodel/glm-5", "--json"))["configured"] == []


def test_they_hold_at_their_own_row_alone(configured) -> None:
    assert card(configured("models", "zai/glm-5", "--json"))["context"] == 204_800
    assert card(configured("models", "modelstudio/glm-5", "--json"))["context"] == 4_096
    assert card(configured("models", "dashscope/glm-5", "--json"))["context"] == 202_752


def test_models_of_every_row_are_listed(configured) -> None:
    assert configured("models", "-P", "gate").text == "gate/my/private\ngate/steps\ngate/eyes\n"
    assert configured("models", "-P", "vllm").text == "vllm/priced\n"
    assert configured("models", "-P", "zai").text.splitlines()[-1] == "zai/glm-6"
    private = card(configured("models", "gate/my/private", "--json"))
    assert (private["context"], private["input"], private["sources"]) == (8_192, ["text"], {})
    assert "glm-5 (delisted)" not in configured("models").text
    assert "2026-01-02; the provider names glm-6 instead" in configured("models", "zai/glm-5").text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-m", "plan/glm-5", "--effort", "max"), "glm-5 at plan does not know the effort 'max'"),
        (("-m", "plan/glm-5", "--no-think"), "glm-5 at plan always thinks: it cannot be switched off"),
        (("-m", "gate/my/private", "--max-tokens", "101"), "--max-tokens 101 is more than my/private at gate writes"),
        (("-m", "openai/gpt", "--seed", "1", "--base-url", "http://x.example"), "gpt at openai does not take seed"),
        # What is left open of a model that the catalogue does not list is as the row has it.
        (("-m", "vllm/priced", "--effort", "ultra"), "priced at vllm does not know the effort 'ultra'"),
        (
            ("-m", "gate/my/private", "-o", "response_format={type: json_schema}"),
            "my/private at gate does not take a json_schema",
        ),
    ],
)
def test_checks_know_them(configured, arguments, message) -> None:
    done = configured("ask", *arguments, "-n", "hi")
    assert (done.code, done.out, error_of(done.err)) == (2, b"", message)


def test_tools_and_pictures_are_judged_by_them(configured, cwd) -> None:
    (cwd / "t.yaml").write_text("tools: [{name: a, description: b, run: ['true']}]")
    done = configured("tools", "run", "-m", "gate/my/private", "--tools", "t.yaml", "-n", "hi")
    assert (done.code, error_of(done.err)) == (2, "my/private at gate calls no tools")
    picture = ("--image", "https://x.example/a.png")
    done = configured("vision", "-m", "gate/my/private", *picture, "-n", "hi")
    assert (done.code, error_of(done.err)) == (2, "my/private at gate reads text only")
    done = configured("vision", "-m", "gate/eyes", *picture, *picture, "-n", "hi")
    assert (done.code, error_of(done.err)) == (2, "eyes at gate takes at most 1 picture, and there are 2")
    # The order and the words of --detail, which were left open, are the server's.
    done = configured("vision", "-m", "gate/eyes", *picture, "--detail", "low", "-n", "hi")
    assert (done.code, done.err) == (0, "")
    kinds = [part["type"] for part in json.loads(done.out)["body"]["messages"][0]["content"]]
    assert kinds == ["text", "image_url"]


@pytest.mark.parametrize(
    ("stated", "remark", "line"),
    [
        ("{delisted: true}", "is delisted and may be refused", "  delisted          no day is named"),
        (
            "{unlisted: true}",
            "is on no page of the provider and may be refused",
            "  unlisted          on no page of the provider",
        ),
        ("{delisted: false}", None, None),
    ],
)
def test_a_status_stands_in_the_place_of_the_catalogue_s(glm, cwd, stated, remark, line) -> None:
    """Of glm-5-turbo the catalogue has a day on which no page had it: no day of what is stated."""
    for model in ("glm-5", "glm-5-turbo"):
        (cwd / "c.yaml").write_text(f"models: {{zai/{model}: {{status: {stated}}}}}")
        done = glm("ask", "-m", f"zai/{model}", "-n", "hi", env=ENV)
        assert (done.code, done.err) == (0, f"glm: {model} at zai {remark}\n" if remark else "")
        lines = glm("models", f"zai/{model}", env=ENV).text.splitlines()
        assert [each for each in lines if each.startswith(("  delisted", "  unlisted"))] == ([line] if line else [])
        assert not [each for each in lines if each.startswith("  source  ") and ": status" in each and "https" in each]


PICTURE = ("--image", "https://x.example/a.png")
VIDEO = ("--video", "https://x.example/a.mp4")


@pytest.mark.parametrize(
    ("stated", "media", "message"),
    [
        # Of a model that the catalogue does not list, how it takes a picture is the server's way.
        ("gate/m: {input: [text, image]}", PICTURE, None),
        ("gate/m: {input: [text, image]}", VIDEO, "m at gate takes no videos"),
        ("ollama/m: {input: [text, video]}", VIDEO, None),
        # What is stated of `input` counts for what the catalogue says of `vision`, and the other way round.
        ("zai/glm-5v-turbo: {input: [text]}", PICTURE, "glm-5v-turbo at zai reads text only"),
        ("zai/glm-5v-turbo: {input: [text, image]}", PICTURE, None),
        ("zai/glm-5v-turbo: {input: [text, image]}", VIDEO, "glm-5v-turbo at zai takes no videos"),
        ("zai/glm-5: {vision: {image: {most: 3}}}", PICTURE, None),
        ("zai/glm-4.5v: {input: [text, video], vision: {image: {most: 3}}}", PICTURE, None),
    ],
)
def test_what_a_model_takes_beside_text_may_be_stated_in_either_place(glm, cwd, stated, media, message) -> None:
    gate = "providers: {gate: {like: openai, base_url: 'http://127.0.0.1:9', key_env: []}}\n"
    (cwd / "c.yaml").write_text(f"{gate}models:\n  {stated}\n")
    name = stated.partition(":")[0]
    done = glm("vision", "-m", name, *media, "-n", "hi", env=ENV)
    assert (done.code, error_of(done.err) if done.code else None) == ((2, message) if message else (0, None))
    told = card(glm("models", name, "--json", env=ENV))
    kinds = {kind for kind in ("image", "video", "file") if (told["vision"] or {}).get(kind)}
    assert told["vision"] is None or kinds == set(told["input"] or kinds) & {"image", "video", "file"}


@pytest.mark.parametrize("formats", ["png", "PNG", ".png", "image/png", ""])
def test_formats_of_pictures_are_stated_in_any_way(glm, cwd, formats) -> None:
    (cwd / "a.png").write_bytes(PNG)
    (cwd / "c.yaml").write_text(f"models: {{vllm/m: {{vision: {{image: {{formats: [{formats}]}}}}}}}}")
    done = glm("vision", "-m", "vllm/m", "--image", "a.png", "-n", "hi", env=ENV)
    assert (done.code, done.err) == (0, "")


def test_a_model_is_known_and_a_status_remarked(configured) -> None:
    done = configured("ask", "-m", "zai/glm-6", "-n", "hi")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["body"]["thinking"] == {"type": "enabled"}
    done = configured("ask", "-m", "zai/glm-5", "-n", "hi")
    gone = "glm-5 at zai is delisted since 2026-01-02 and may be refused; the provider names glm-6 instead"
    assert (done.code, done.err) == (0, f"glm: {gone}\n")
    # Facts about one model of a row leave the row what it is: names that go nowhere are still found out.
    done = configured("ask", "-m", "olama/glm-5", "hi", env={"ZAI_API_KEY": CANARY})
    assert done.code == 2
    assert "'olama/glm-5' names no provider that is known" in done.err


def answer(usage: dict[str, Any]) -> list[Any]:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}
    return reply(200, {"id": "1", "model": "m", "choices": [choice], "usage": usage})


@pytest.mark.parametrize(
    ("model", "usage", "cost"),
    [
        # 60 at 10, 40 of the cache at 1, 20 at 100, each a million.
        ("plan/glm-5", (100, 20, 40), {"amount": 0.00264, "currency": "CNY", "as_of": "2026-11-30"}),
        # At most 10 of input: 2 a million; more: 4.
        ("gate/my/private", (10, 100, 0), {"amount": 0.00007, "currency": "USD", "as_of": "2026-10-01"}),
        ("gate/my/private", (11, 100, 0), {"amount": 0.000094, "currency": "USD", "as_of": "2026-10-01"}),
        # Each has an upper bound alone: the first that holds counts.
        ("gate/steps", (10, 0, 0), {"amount": 0.00001, "currency": "USD", "as_of": "2026-10-01"}),
        ("gate/steps", (11, 0, 0), {"amount": 0.000022, "currency": "USD", "as_of": "2026-10-01"}),
        ("gate/steps", (21, 0, 0), None),
        ("gate/eyes", (11, 100, 0), None),
    ],
)
def test_a_price_holds_at_the_row_s_address(configured, model, usage, cost) -> None:
    read, written, cached = usage
    counted = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
    counted["prompt_tokens_details"] = {"cached_tokens": cached}
    with Server(answer(counted)) as server:
        env = {"PLAN_KEY": CANARY}
        done = configured("ask", "-m", model, "--no-stream", "--json", "hi", url=server.url, env=env)
    assert done.code == 0, done.err
    assert json.loads(done.out)["cost"] == cost


def test_a_ceiling_counts_them(configured, cwd) -> None:
    """Of two rows at 0.00012 each the second does not fit; where no price is known, nothing is sent."""
    (cwd / "in.jsonl").write_text('{"id": "a", "prompt": "hi"}\n{"id": "b", "prompt": "hi"}\n')
    usage = {"prompt_tokens": 20, "completion_tokens": 80, "total_tokens": 100}
    with Server(answer(usage), answer(usage)) as server:
        given = ("batch", "run", "in.jsonl", "-O", "out.jsonl", "-j", "1", "--no-stream")
        done = configured(*given, "-m", "gate/my/private", "--max-cost", "0.00013", url=server.url)
        assert (done.code, len(server.requests)) == (12, 1), done.err
        done = configured(*given, "-m", "gate/eyes", "--max-cost", "1", url=server.url)
        assert (done.code, len(server.requests)) == (12, 1), done.err
    assert "glm: error: --max-cost: the price of gate/eyes is not known here\n" in done.err
    assert "or state the price under models: in the configuration file" in done.err


def test_a_ceiling_is_in_one_currency(configured, cwd) -> None:
    row = '{{"id": "{}", "prompt": "hi"}}\n'
    (cwd / "in.jsonl").write_text(row.format("a"))
    usage = {"prompt_tokens": 8, "completion_tokens": 8, "total_tokens": 16}
    with Server(answer(usage)) as server:

        def run(*flags: str) -> tuple[int, str | None]:
            given = ("batch", "run", "in.jsonl", "-O", "out.jsonl", "--no-stream", "--max-cost", "1", *flags)
            done = configured(*given, url=server.url, env={"PLAN_KEY": CANARY})
            return done.code, error_of("glm: error: " + done.err.split("glm: error: ")[1]) if done.code else None

        both = "--max-cost: plan/glm-5 is paid in CNY, and gate/steps in USD"
        assert run("-m", "plan/glm-5", "--fallback", "plan/glm-5", "--fallback", "gate/steps") == (12, both)
        assert (server.requests, (cwd / "out.jsonl").exists()) == ([], False)
        assert run("-m", "gate/steps", "--fallback", "gate/my/private") == (0, None)
        (cwd / "in.jsonl").write_text(row.format("a") + row.format("b"))
        earlier = "--max-cost: the output has rows paid in USD, and these are paid in CNY"
        assert run("-m", "plan/glm-5") == (12, earlier)
        assert len(server.requests) == 1


def test_a_batch_api_that_does_not_serve_a_model(configured, cwd) -> None:
    (cwd / "in.jsonl").write_text('{"id": "a", "prompt": "hi"}\n')
    done = configured("batch", "submit", "in.jsonl", "-O", "out.jsonl", "-m", "gate/eyes")
    assert (done.code, error_of(done.err)) == (2, "the Batch API of gate does not serve eyes")


def test_the_sandbox_has_its_own(configured) -> None:
    done = configured("ask", "-m", "sandbox/glm-5", "--json", "hi")
    said = json.loads(done.out)
    tokens = said["usage"]["input_tokens"] + said["usage"]["output_tokens"]
    assert (said["cost"]["amount"], said["cost"]["currency"]) == (tokens / 1_000_000, "USD")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models: [x]", "c.yaml:1:9: models must be a mapping, not a list"),
        ("models:\n  glm-5: {}", "c.yaml:2:3: models: 'glm-5' must be PROVIDER/MODEL, the provider in small letters"),
        ("models:\n  zai/: {}", "c.yaml:2:3: models: 'zai/' must be PROVIDER/MODEL"),
        (
            "models:\n  ZAI/glm-5: {}",
            "c.yaml:2:3: models: 'ZAI/glm-5' must be PROVIDER/MODEL, the provider in small letters",
        ),
        ('models:\n  "zai/a\\nb": {}', "c.yaml:2:3: models: 'zai/a\\u000ab' must be PROVIDER/MODEL"),
        ('models:\n  "zai/a ": {}', "c.yaml:2:3: models: 'zai/a ' must be PROVIDER/MODEL"),
        ('models:\n  "zai/\\e[2J": {}', "c.yaml:2:3: models: "),
        (
            "models:\n  zia/glm-5: {}",
            "c.yaml:2:3: models: 'zia/glm-5' is at no provider that is known, did you mean 'zai'?",
        ),
        (
            "models:\n  zai/glm-5: {contxt: 1}",
            "c.yaml:2:15: models[\"zai/glm-5\"]: unknown key 'contxt', did you mean 'context'?",
        ),
        ("models:\n  zai/glm-5: {context: 0}", 'c.yaml:2:24: models["zai/glm-5"].context must be at least 1'),
        (
            "models:\n  zai/glm-5:\n    prices: {currency: USD, tiers: [{input: 1, output: 1}]}",
            "c.yaml:3:13: models[\"zai/glm-5\"].prices: needs 'as_of'",
        ),
        (
            "models:\n  zai/a:\n    prices: {currency: USD, as_of: 2026-11-30, tiers: [{input: 1.0e+308, output: 1}]}",
            'c.yaml:3:64: models["zai/a"].prices.tiers[0].input must be at most 1000000',
        ),
        ("models:\n  zai/a: {}\n  zai/a: {}", "c.yaml:3:3: key 'zai/a' is already set on line 2"),
    ],
)
def test_a_wrong_section_is_2(glm, cwd, text, message) -> None:
    (cwd / "c.yaml").write_text(text)
    done = glm("models", "zai/glm-5", env=ENV)
    assert (done.code, done.out) == (2, b"")
    assert error_of(done.err).startswith(message)
    assert glm("ask", "-m", "zai/glm-5", "-n", "hi", env=ENV).err == done.err


@pytest.mark.parametrize(
    ("first", "second", "line"),
    [
        ("", ", input_over: 32000", 8),
        (", input_up_to: 128000", ", input_up_to: 32000", 8),
        (", output_up_to: 200", ", output_over: 10, output_up_to: 200", 8),
        (", input_up_to: 10, input_over: 10", "", 7),
    ],
)
def test_a_price_that_never_counts_is_2(glm, cwd, first, second, line) -> None:
    tiers = f"        - {{input: 1, output: 1{first}}}\n        - {{input: 9, output: 1{second}}}"
    head = "models:\n  zai/a:\n    prices:\n      currency: USD\n      as_of: 2026-11-30\n      tiers:\n"
    (cwd / "c.yaml").write_text(head + tiers)
    done = glm("models", "zai/glm-5", env=ENV)
    what = "this price never counts: no question is of that length, or an earlier tier has them all"
    assert (done.code, error_of(done.err)) == (2, f"c.yaml:{line}:11: {what}")

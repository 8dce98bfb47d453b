"""`glm models`: the providers' own numbers, typed out from their pages, and how they are printed."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from processes import error_of
from provider_rows import HOSTED
from pseudo_terminal import on_terminal

from glmcli import catalogue
from glmcli.chat.messages import Message, Request
from glmcli.config import checks
from glmcli.output.model_text import card_text
from glmcli.providers.table import PROVIDERS

TOP = Path(__file__).parents[2]
FILE = TOP / "glmcli" / "catalogue" / "models.json"
COUNTS = {"bigmodel": 40, "zai": 26, "modelstudio": 16, "dashscope": 16, "tokenhub": 8}
_ = None


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    return json.loads(FILE.read_text(encoding="utf-8"))


@pytest.fixture
def cards(glm) -> dict[str, dict[str, Any]]:
    """What `glm models --json` says, by PROVIDER/MODEL."""
    done = glm("models", "--json")
    assert (done.code, done.err) == (0, "")
    return {f"{card['provider']}/{card['model']}": card for card in json.loads(done.out)}


# The pages' own numbers of every model: context window, most input, most chain of thought, most output.
# docs.bigmodel.cn (GLM-5 guide 2026-11-21, overview 2026-09-07), docs.z.ai/openapi.json (2026-09),
# alibabacloud.com/help/en/model-studio/glm (2026-03-15) and help.aliyun.com/zh/model-studio/glm (2026-02-25),
# tencentcloud.com/document/product/1300/80634. `dashscope` has the models of `modelstudio`.
LIMITS = {
    "bigmodel/glm-5.3": (1_048_576, _, _, 131_072),
    "bigmodel/glm-5.3-flash": (1_048_576, _, _, 131_072),
    "bigmodel/glm-5.3-flashx": (1_048_576, _, _, 131_072),
    "bigmodel/glm-5.3-highspeed": (1_000_000, _, _, 131_072),
    "bigmodel/glm-5.2": (1_048_576, _, _, 131_072),
    "bigmodel/glm-5.2-highspeed": (1_000_000, _, _, 131_072),
    "bigmodel/glm-5.1": (204_800, _, _, 131_072),
    "bigmodel/glm-5": (204_800, _, _, 131_072),
    "bigmodel/glm-5-turbo": (204_800, _, _, 131_072),
    "bigmodel/glm-5-code": (200_000, _, _, 131_072),
    "bigmodel/glm-5v-turbo": (204_800, _, _, 131_072),
    "bigmodel/glm-4.7": (204_800, _, _, 131_072),
    "bigmodel/glm-4.7-flashx": (204_800, _, _, 131_072),
    "bigmodel/glm-4.7-flash": (204_800, _, _, 131_072),
    "bigmodel/glm-4.6": (204_800, _, _, 131_072),
    "bigmodel/glm-4.6v": (131_072, _, _, 32_768),
    "bigmodel/glm-4.6v-flashx": (131_072, _, _, 32_768),
    "bigmodel/glm-4.6v-flash": (131_072, _, _, 32_768),
    "bigmodel/glm-4.5": (131_072, _, _, 98_304),
    "bigmodel/glm-4.5-x": (131_072, _, _, 98_304),
    "bigmodel/glm-4.5-air": (131_072, _, _, 98_304),
    "bigmodel/glm-4.5-airx": (131_072, _, _, 98_304),
    "bigmodel/glm-4.5-flash": (131_072, _, _, 98_304),
    "bigmodel/glm-4.5v": (65_536, _, _, 16_384),
    "bigmodel/glm-4-flash-250414": (131_072, _, _, 16_384),
    "bigmodel/glm-4-flashx-250414": (131_072, _, _, 16_384),
    "bigmodel/glm-z1-air": (131_072, _, _, 32_768),
    "bigmodel/glm-z1-airx": (_, _, _, _),
    "bigmodel/glm-z1-flashx": (_, _, _, _),
    "bigmodel/glm-z1-flash": (_, _, _, _),
    "bigmodel/glm-4.1v-thinking-flashx": (_, _, _, _),
    "bigmodel/glm-4.1v-thinking-flash": (_, _, _, _),
    "bigmodel/glm-4v-flash": (16_384, _, _, 1_024),
    "bigmodel/glm-4v-plus-0111": (_, _, _, _),
    "bigmodel/glm-4-voice": (_, _, _, _),
    "bigmodel/glm-4-plus": (_, _, _, _),
    "bigmodel/glm-4-air-250414": (_, _, _, _),
    "bigmodel/glm-4-airx": (_, _, _, _),
    "bigmodel/glm-4-flash": (_, _, _, _),
    "bigmodel/glm-4-long": (1_048_576, _, _, 4_096),
    "zai/glm-5.3": (1_048_576, _, _, 131_072),
    "zai/glm-5.3-flash": (1_048_576, _, _, 131_072),
    "zai/glm-5.3-flashx": (1_048_576, _, _, 131_072),
    "zai/glm-5.3-highspeed": (1_000_000, _, _, 131_072),
    "zai/glm-5.2": (1_048_576, _, _, 131_072),
    "zai/glm-5.2-highspeed": (1_000_000, _, _, 131_072),
    "zai/glm-5.1": (204_800, _, _, 131_072),
    "zai/glm-5": (204_800, _, _, 131_072),
    "zai/glm-5-turbo": (204_800, _, _, 131_072),
    "zai/glm-5-code": (200_000, _, _, 131_072),
    "zai/glm-5v-turbo": (204_800, _, _, 131_072),
    "zai/glm-4.7": (204_800, _, _, 131_072),
    "zai/glm-4.7-flashx": (204_800, _, _, 131_072),
    "zai/glm-4.7-flash": (204_800, _, _, 131_072),
    "zai/glm-4.6": (204_800, _, _, 131_072),
    "zai/glm-4.6v": (131_072, _, _, 32_768),
    "zai/glm-4.6v-flashx": (131_072, _, _, 32_768),
    "zai/glm-4.6v-flash": (131_072, _, _, 32_768),
    "zai/glm-4.5": (131_072, _, _, 98_304),
    "zai/glm-4.5-x": (131_072, _, _, 98_304),
    "zai/glm-4.5-air": (131_072, _, _, 98_304),
    "zai/glm-4.5-airx": (131_072, _, _, 98_304),
    "zai/glm-4.5-flash": (131_072, _, _, 98_304),
    "zai/glm-4.5v": (65_536, _, _, 16_384),
    "zai/glm-4-32b-0414-128k": (131_072, _, _, 16_384),
    "zai/autoglm-phone-multilingual": (_, _, _, 4_096),
    "modelstudio/glm-5.3": (1_048_576, _, _, 131_072),
    "modelstudio/glm-5.3-flash": (_, _, _, _),
    "modelstudio/glm-5.2": (1_048_576, _, 131_072, 131_072),
    "modelstudio/glm-5.2-us": (_, _, _, _),
    "modelstudio/glm-5.2-fast-preview": (1_048_576, _, _, 131_100),
    "modelstudio/glm-5.1": (202_752, 202_745, 131_072, _),
    "modelstudio/glm-5": (202_752, 202_752, 32_768, 16_384),
    "modelstudio/glm-4.7": (202_752, 169_984, 32_768, 16_384),
    "modelstudio/glm-4.6": (202_752, 169_984, 32_768, 16_384),
    "modelstudio/glm-4.5": (131_072, 98_304, 32_768, 16_384),
    "modelstudio/glm-4.5-air": (131_072, 98_304, 32_768, 16_384),
    "modelstudio/ZHIPU/GLM-5.3": (1_048_576, _, _, 131_072),
    "modelstudio/ZHIPU/GLM-5.3-Flash": (1_048_576, 1_048_576, _, 131_072),
    "modelstudio/ZHIPU/GLM-5.2": (_, _, _, _),
    "modelstudio/ZHIPU/GLM-5.1": (_, _, _, _),
    "modelstudio/ZHIPU/GLM-5": (204_800, 204_800, 131_072, 131_072),
    "tokenhub/glm-5.2": (1_048_576, _, _, 131_072),
    "tokenhub/glm-5.1": (204_800, _, _, 131_072),
    "tokenhub/glm-5": (204_800, _, _, 131_072),
    "tokenhub/glm-5-turbo": (204_800, _, _, 131_072),
    "tokenhub/glm-5v-turbo": (204_800, _, _, 131_072),
    "tokenhub/glm-5.3": (1_048_576, _, _, 131_072),
    "tokenhub/glm-5.3-flash": (1_048_576, _, _, 131_072),
    "tokenhub/glm-5.3-flashx": (1_048_576, _, _, 131_072),
}
WRITTEN = {
    "bigmodel/glm-5": ("200K", "128K"),
    "tokenhub/glm-5.2": ("1M", "128K"),
    "tokenhub/glm-5v-turbo": ("200K", "128K"),
    "tokenhub/glm-5.3-flash": ("1M", "128K"),
    "bigmodel/glm-4-long": ("1M", "4K"),
    "zai/glm-4.5": ("128K", "96K"),
    "zai/glm-4.6v": ("128K", "32K"),
    "modelstudio/glm-5": (_, _),
}


def test_limits_are_those_of_the_pages(cards) -> None:
    keys = ("context", "max_input", "max_reasoning", "max_output")
    own = {name: card for name, card in cards.items() if card["provider"] != "dashscope"}
    assert {name: tuple(card[key] for key in keys) for name, card in own.items()} == LIMITS
    written = {name: tuple(cards[name]["as_written"].values()) for name in WRITTEN}
    assert written == WRITTEN


# Thinks, temperature, top_p, top_k, repetition_penalty: docs.z.ai/openapi.json (2026-09) and the Model Studio page.
TEXT, OLDER, SEEING = (True, 1.0, 0.95, _, _), (True, 0.6, 0.95, _, _), (True, 0.8, 0.6, _, _)
STUDIO, THINKS, UNSAID = (True, 1.0, 0.95, 20, 1.0), (True, _, _, _, _), (_, _, _, _, _)
DEFAULTS = {
    "bigmodel/glm-5.3": TEXT,
    "bigmodel/glm-5.3-flash": TEXT,
    "bigmodel/glm-5.3-flashx": THINKS,
    "bigmodel/glm-5.3-highspeed": THINKS,
    "bigmodel/glm-5.2": TEXT,
    "bigmodel/glm-5.2-highspeed": THINKS,
    "bigmodel/glm-5.1": TEXT,
    "bigmodel/glm-5": TEXT,
    "bigmodel/glm-5-turbo": TEXT,
    "bigmodel/glm-5-code": THINKS,
    "bigmodel/glm-5v-turbo": THINKS,
    "bigmodel/glm-4.7": TEXT,
    "bigmodel/glm-4.7-flashx": TEXT,
    "bigmodel/glm-4.7-flash": TEXT,
    "bigmodel/glm-4.6": TEXT,
    "bigmodel/glm-4.6v": SEEING,
    "bigmodel/glm-4.6v-flashx": SEEING,
    "bigmodel/glm-4.6v-flash": SEEING,
    "bigmodel/glm-4.5": OLDER,
    "bigmodel/glm-4.5-x": OLDER,
    "bigmodel/glm-4.5-air": OLDER,
    "bigmodel/glm-4.5-airx": OLDER,
    "bigmodel/glm-4.5-flash": OLDER,
    "bigmodel/glm-4.5v": SEEING,
    "bigmodel/glm-4-flash-250414": UNSAID,
    "bigmodel/glm-4-flashx-250414": UNSAID,
    "bigmodel/glm-z1-air": THINKS,
    "bigmodel/glm-z1-airx": THINKS,
    "bigmodel/glm-z1-flashx": THINKS,
    "bigmodel/glm-z1-flash": THINKS,
    "bigmodel/glm-4.1v-thinking-flashx": THINKS,
    "bigmodel/glm-4.1v-thinking-flash": THINKS,
    "bigmodel/glm-4v-flash": UNSAID,
    "bigmodel/glm-4v-plus-0111": UNSAID,
    "bigmodel/glm-4-voice": UNSAID,
    "bigmodel/glm-4-plus": UNSAID,
    "bigmodel/glm-4-air-250414": UNSAID,
    "bigmodel/glm-4-airx": UNSAID,
    "bigmodel/glm-4-flash": UNSAID,
    "bigmodel/glm-4-long": UNSAID,
    "zai/glm-5.3": TEXT,
    "zai/glm-5.3-flash": TEXT,
    "zai/glm-5.3-flashx": THINKS,
    "zai/glm-5.3-highspeed": THINKS,
    "zai/glm-5.2": TEXT,
    "zai/glm-5.2-highspeed": THINKS,
    "zai/glm-5.1": TEXT,
    "zai/glm-5": TEXT,
    "zai/glm-5-turbo": TEXT,
    "zai/glm-5-code": THINKS,
    "zai/glm-5v-turbo": THINKS,
    "zai/glm-4.7": TEXT,
    "zai/glm-4.7-flashx": TEXT,
    "zai/glm-4.7-flash": TEXT,
    "zai/glm-4.6": TEXT,
    "zai/glm-4.6v": SEEING,
    "zai/glm-4.6v-flashx": SEEING,
    "zai/glm-4.6v-flash": SEEING,
    "zai/glm-4.5": OLDER,
    "zai/glm-4.5-x": OLDER,
    "zai/glm-4.5-air": OLDER,
    "zai/glm-4.5-airx": OLDER,
    "zai/glm-4.5-flash": OLDER,
    "zai/glm-4.5v": SEEING,
    "zai/glm-4-32b-0414-128k": (_, 0.75, 0.9, _, _),
    "zai/autoglm-phone-multilingual": UNSAID,
    "modelstudio/glm-5.3": UNSAID,
    "modelstudio/glm-5.3-flash": UNSAID,
    "modelstudio/glm-5.2": STUDIO,
    "modelstudio/glm-5.2-us": UNSAID,
    "modelstudio/glm-5.2-fast-preview": UNSAID,
    "modelstudio/glm-5.1": STUDIO,
    "modelstudio/glm-5": STUDIO,
    "modelstudio/glm-4.7": STUDIO,
    "modelstudio/glm-4.6": STUDIO,
    "modelstudio/glm-4.5": (True, 0.6, 0.95, 20, 1.0),
    "modelstudio/glm-4.5-air": (True, 0.6, 0.95, 20, 1.0),
    "modelstudio/ZHIPU/GLM-5.3": TEXT,
    "modelstudio/ZHIPU/GLM-5.3-Flash": UNSAID,
    "modelstudio/ZHIPU/GLM-5.2": TEXT,
    "modelstudio/ZHIPU/GLM-5.1": TEXT,
    "modelstudio/ZHIPU/GLM-5": TEXT,
    "tokenhub/glm-5.2": THINKS,
    "tokenhub/glm-5.1": THINKS,
    "tokenhub/glm-5": THINKS,
    "tokenhub/glm-5-turbo": THINKS,
    "tokenhub/glm-5v-turbo": THINKS,
    "tokenhub/glm-5.3": UNSAID,
    "tokenhub/glm-5.3-flash": UNSAID,
    "tokenhub/glm-5.3-flashx": UNSAID,
}


def test_round_numbers_are_read_by_one_rule(whole) -> None:
    """The pages' 128K is the 131,072 of their interfaces' limits, and so is every K."""
    units = {"K": 1024, "M": 1024 * 1024}
    for who, provider in whole["providers"].items():
        for name, model in provider["models"].items():
            for key, text in model.get("as_written", {}).items():
                assert model[key] == int(text[:-1]) * units[text[-1]], f"{who}/{name}: {key}"


def test_no_price_is_for_more_than_a_model_takes(whole) -> None:
    for who, provider in whole["providers"].items():
        for name, model in provider["models"].items():
            most = model.get("max_input") or model.get("context") or 1 << 60
            bounds = [tier.get("input_up_to", 0) for tier in model.get("prices", {}).get("tiers", ())]
            assert max(bounds, default=0) <= most, f"{who}/{name}"


def test_dates_are_days_or_as_much_of_them_as_is_known(whole) -> None:
    for name, source in whole["sources"].items():
        first = source["date"] + "2026-01-01"[len(source["date"]) :]
        assert date(2025, 1, 1) <= date.fromisoformat(first) <= date(2026, 12, 1), name


def test_defaults_are_those_of_the_pages(cards) -> None:
    keys = ("thinking", "temperature", "top_p", "top_k", "repetition_penalty")
    own = {name: card for name, card in cards.items() if card["provider"] != "dashscope"}
    assert {name: tuple(card["defaults"][key] for key in keys) for name, card in own.items()} == DEFAULTS


def test_both_protocols_of_model_studio_have_the_same_models(cards) -> None:
    def of(row: str) -> list[dict[str, Any]]:
        return [card | {"provider": ""} for card in cards.values() if card["provider"] == row]

    assert of("dashscope") == of("modelstudio")


# Has it, can be switched off, what becomes of a request to stop, efforts, what counts for another, the default effort;
# tool_stream. Thinking-mode guides (2026-09), chat references of 2026-10-03, TokenHub's GLM guide,
# help.aliyun.com/zh/model-studio/deep-thinking (2026-09-19), "Streaming tool calling" of the Model Studio page.
LOW_HIGH_MAX = ["low", "high", "max"]
SIX = ["none", "minimal", "low", "medium", "high", "xhigh"]
SEVEN = [*SIX, "max"]
UPWARDS = {"low": "high", "medium": "high", "xhigh": "max"}
THINKING = {
    "zai/glm-5.3": (True, False, "refused", LOW_HIGH_MAX, _, "max", True),
    "zai/glm-5.3-flash": (True, False, "refused", LOW_HIGH_MAX, _, "max", _),
    "zai/glm-5.3-flashx": (True, False, "refused", ["high", "max"], _, "max", _),
    "bigmodel/glm-5.3": (True, False, "refused", LOW_HIGH_MAX, _, "max", True),
    "bigmodel/glm-5.3-flash": (True, False, "refused", LOW_HIGH_MAX, _, "max", _),
    "bigmodel/glm-5.3-flashx": (True, False, "refused", LOW_HIGH_MAX, _, "max", _),
    "zai/glm-5.2": (True, True, _, SEVEN, {"minimal": "none"} | UPWARDS, "max", True),
    "bigmodel/glm-5.2": (True, True, _, SEVEN, {"minimal": "none"} | UPWARDS, "max", True),
    "zai/glm-5": (True, True, _, [], _, _, True),
    "zai/glm-4.5": (True, True, _, [], _, _, _),
    "zai/glm-4.5v": (True, _, _, [], _, _, _),
    "bigmodel/glm-4.5v": (True, _, _, [], _, _, _),
    "zai/glm-4.7": (True, True, _, [], _, _, True),
    "bigmodel/glm-4-flash-250414": (False, _, _, [], _, _, _),
    "modelstudio/glm-5.3": (True, False, "ignored", LOW_HIGH_MAX, _, _, _),
    "modelstudio/glm-5.2": (True, True, _, SEVEN, UPWARDS, _, True),
    "modelstudio/glm-5.2-fast-preview": (True, True, _, SEVEN, _, _, _),
    "modelstudio/glm-5.1": (True, True, _, SIX, _, _, True),
    "modelstudio/glm-5": (True, True, _, SIX, _, _, True),
    "modelstudio/glm-4.7": (True, True, _, [], _, _, True),
    "modelstudio/glm-4.5": (True, True, _, [], _, _, _),
    "modelstudio/ZHIPU/GLM-5.3": (True, False, "refused", LOW_HIGH_MAX, _, "max", _),
    "modelstudio/ZHIPU/GLM-5.2": (True, True, _, ["none", "high", "max"], _, _, _),
    "tokenhub/glm-5.2": (True, True, _, ["high", "max"], _, "max", True),
    "tokenhub/glm-5.1": (True, True, _, [], _, _, True),
    "tokenhub/glm-5.3": (True, False, "refused", LOW_HIGH_MAX, _, _, _),
    "tokenhub/glm-5.3-flash": (True, False, "unclear", _, _, _, _),
    "tokenhub/glm-5.3-flashx": (True, False, "unclear", _, _, _, _),
}
# json_object, json_schema, only without thinking; the cache, implicit and explicit.
OUTPUT = {
    "zai/glm-5": (True, False, _, True, False),
    "zai/glm-5.3": (True, _, _, True, False),
    "zai/glm-4.6v": (False, False, _, True, False),
    "modelstudio/glm-5": (True, _, True, True, False),
    "modelstudio/glm-5.1": (True, _, True, True, True),
    "modelstudio/glm-4.5": (True, _, _, False, False),
    "tokenhub/glm-5": (True, False, _, _, _),
}


def test_what_models_can_do(cards) -> None:
    keys = ("has", "can_stop", "asked_to_stop", "efforts", "effort_counts_as", "default_effort")
    shown = {name: (*(cards[name]["thinking"][key] for key in keys), cards[name]["tool_stream"]) for name in THINKING}
    assert shown == THINKING
    shown = {name: (*cards[name]["structured_output"].values(), *cards[name]["cache"].values()) for name in OUTPUT}
    assert shown == OUTPUT


# docs.z.ai/openapi.json, ChatThinking (2026-09): `clear_thinking` is true by default, "only supported by GLM-4.5 series
# and higher models". docs.qwencloud.com, the parameter of Model Studio (2026): false by default, for four models;
# help.aliyun.com/zh/model-studio/glm (2026-09-19): true for glm-5.3.
def test_what_becomes_of_earlier_reasoning_by_default(cards) -> None:
    shown = {name: card["thinking"]["clear_by_default"] for name, card in cards.items()}
    assert {name for name, clears in shown.items() if clears is False} == {
        "modelstudio/glm-5.2",
        "modelstudio/glm-5.1",
        "modelstudio/glm-5",
        "modelstudio/glm-4.7",
        "dashscope/glm-5.2",
        "dashscope/glm-5.1",
        "dashscope/glm-5",
        "dashscope/glm-4.7",
    }
    rest = {name for name, clears in shown.items() if clears is True}
    assert {name for name in rest if not name.startswith(("bigmodel/", "zai/"))} == {
        "modelstudio/glm-5.3",
        "dashscope/glm-5.3",
    }
    for provider in ("bigmodel", "zai"):
        models = ("5.3", "5.3-flash", "5.2", "5.1", "5", "5-turbo", "4.7", "4.6", "4.6v", "4.5", "4.5-air", "4.5v")
        assert {f"{provider}/glm-{model}" for model in models} <= rest
    assert shown["bigmodel/glm-4-plus"] is shown["tokenhub/glm-5.2"] is shown["bigmodel/glm-z1-flash"] is None
    assert cards["zai/glm-5"]["sources"]["thinking"]["url"] == "https://docs.z.ai/openapi.json"
    assert cards["zai/glm-5.3"]["sources"]["clear_by_default"]["url"] == "https://docs.z.ai/openapi.json"
    assert cards["modelstudio/glm-5"]["sources"]["clear_by_default"]["url"].startswith("https://docs.qwencloud.com/")
    assert cards["modelstudio/glm-5.3"]["sources"]["thinking"]["date"] == "2026-09-19"


def test_the_default_of_earlier_reasoning_is_that_of_the_general_address(glm, cwd) -> None:
    """At the address of the coding plan it is the opposite: docs.z.ai/guides/capabilities/thinking-mode (2026)."""
    (cwd / "c.yaml").write_text(
        "providers:\n  plan: {like: zai, base_url: https://api.z.ai/api/coding/paas/v4, key_env: [PLAN_KEY]}\n"
    )
    card = glm("models", "plan/glm-5.3", env={"GLM_CONFIG": "c.yaml"}).text
    assert "earlier turns" not in card
    assert "clear by default" not in card
    assert "; of earlier turns: ignored by default\n" in glm("models", "zai/glm-5.3").text
    assert "; of earlier turns: read by default\n" in glm("models", "modelstudio/glm-5").text


# The prices of the pages, of every model that has one: input, cached input, output, each tier with its bounds; the day.
# docs.z.ai/guides/overview/pricing (2026-09-30), docs.bigmodel.cn/cn/guide/start/pricing (2026-10-06),
# bigmodel.cn/pricing (2026-09), the cards of help.aliyun.com; tencentcloud.com/document/product/1300/78937 (Singapore).
USD, CNY = "USD international", "CNY China"
BEIJING, SINGAPORE = "CNY China (Beijing)", "USD Singapore"
FREE = [(0, 0, 0)]
PRICES = {
    "zai/glm-5.3": (USD, "2026-09-30", [(1.4, 0.26, 4.4)]),
    "zai/glm-5.3-flash": (USD, "2026-09-30", [(0.15, 0.03, 0.5)]),
    "zai/glm-5.3-flashx": (USD, "2026-09-30", [(0.37, 0.075, 1.25)]),
    "zai/glm-5.2": (USD, "2026-09-30", [(1.4, 0.26, 4.4)]),
    "zai/glm-5.1": (USD, "2026-09-30", [(1.4, 0.26, 4.4)]),
    "zai/glm-5": (USD, "2026-09-30", [(1.0, 0.2, 3.2)]),
    "zai/glm-5-turbo": (USD, "2026-07-02", [(1.2, 0.24, 4.0)]),
    "zai/glm-5-code": (USD, "2026-11-21", [(1.2, 0.3, 5.0)]),
    "zai/glm-5v-turbo": (USD, "2026-07-02", [(1.2, 0.24, 4.0)]),
    "zai/glm-4.7": (USD, "2026-09-30", [(0.6, 0.11, 2.2)]),
    "zai/glm-4.7-flashx": (USD, "2026-09-30", [(0.07, 0.01, 0.4)]),
    "zai/glm-4.7-flash": (USD, "2026-09-30", FREE),
    "zai/glm-4.6": (USD, "2026-09-30", [(0.6, 0.11, 2.2)]),
    "zai/glm-4.6v": (USD, "2026-09-30", [(0.3, 0.05, 0.9)]),
    "zai/glm-4.6v-flashx": (USD, "2026-09-30", [(0.04, 0.004, 0.4)]),
    "zai/glm-4.6v-flash": (USD, "2026-09-30", FREE),
    "zai/glm-4.5": (USD, "2026-09-30", [(0.6, 0.11, 2.2)]),
    "zai/glm-4.5-x": (USD, "2026-09-30", [(2.2, 0.45, 8.9)]),
    "zai/glm-4.5-air": (USD, "2026-09-30", [(0.2, 0.03, 1.1)]),
    "zai/glm-4.5-airx": (USD, "2026-09-30", [(1.1, 0.22, 4.5)]),
    "zai/glm-4.5-flash": (USD, "2026-09-30", FREE),
    "zai/glm-4.5v": (USD, "2026-09-30", [(0.6, 0.11, 1.8)]),
    "zai/glm-4-32b-0414-128k": (USD, "2026-09-30", [(0.1, _, 0.1)]),
    "bigmodel/glm-5.3": (CNY, "2026-10-06", [(8, 2, 28)]),
    "bigmodel/glm-5.3-flash": (CNY, "2026-10-06", [(0.8, 0.23, 2.8)]),
    "bigmodel/glm-5.3-flashx": (CNY, "2026-10-06", [(2, 0.57, 7)]),
    "bigmodel/glm-5.2": (CNY, "2026-10-06", [(8, 2, 28)]),
    "bigmodel/glm-5.1": (CNY, "2026-10-06", [(6, 1.3, 24), (8, 2, 28)]),
    "bigmodel/glm-5": (CNY, "2026-10-06", [(4, 1, 18), (6, 1.5, 22)]),
    "bigmodel/glm-5-turbo": (CNY, "2026-10-06", [(5, 1.2, 22), (7, 1.8, 26)]),
    "bigmodel/glm-5v-turbo": (CNY, "2026-10-06", [(5, 1.2, 22), (7, 1.8, 26)]),
    "bigmodel/glm-4.7": (CNY, "2026-10-06", [(2, 0.4, 8), (3, 0.6, 14), (4, 0.8, 16)]),
    "bigmodel/glm-4.7-flashx": (CNY, "2026-10-06", [(0.5, 0.1, 3)]),
    "bigmodel/glm-4.7-flash": (CNY, "2026-09-19", FREE),
    "bigmodel/glm-4.6v": (CNY, "2026-10-06", [(1, 0.2, 3), (2, 0.4, 6)]),
    "bigmodel/glm-4.6v-flashx": (CNY, "2026-10-06", [(0.15, 0.03, 1.5), (0.3, 0.03, 3)]),
    "bigmodel/glm-4.6v-flash": (CNY, "2026-09-07", FREE),
    "bigmodel/glm-4.5-air": (CNY, "2026-10-06", [(0.8, 0.16, 2), (0.8, 0.16, 6), (1.2, 0.24, 8)]),
    "bigmodel/glm-4.5-flash": (CNY, "2026-09-07", FREE),
    "bigmodel/glm-4.5v": (CNY, "2026-10-06", [(2, 0.4, 6), (4, 0.8, 12)]),
    "bigmodel/glm-4-flash-250414": (CNY, "2026-09-19", FREE),
    "bigmodel/glm-4-flashx-250414": (CNY, "2026-10-06", [(0.1, 0.05, 0.1)]),
    "bigmodel/glm-z1-air": (CNY, "2026-10-06", [(0.5, _, 0.5)]),
    "bigmodel/glm-z1-airx": (CNY, "2026-10-06", [(5, _, 5)]),
    "bigmodel/glm-z1-flashx": (CNY, "2026-10-06", [(0.1, _, 0.1)]),
    "bigmodel/glm-z1-flash": (CNY, "2026-10-06", FREE),
    "bigmodel/glm-4.1v-thinking-flashx": (CNY, "2026-11-22", [(2, _, 2)]),
    "bigmodel/glm-4.1v-thinking-flash": (CNY, "2026-09-07", FREE),
    "bigmodel/glm-4v-flash": (CNY, "2026-09-07", FREE),
    "bigmodel/glm-4v-plus-0111": (CNY, "2026-10-06", [(4, 2, 4)]),
    "bigmodel/glm-4-plus": (CNY, "2026-10-06", [(5, 2.5, 5)]),
    "bigmodel/glm-4-air-250414": (CNY, "2026-10-06", [(0.5, 0.25, 0.5)]),
    "bigmodel/glm-4-airx": (CNY, "2026-10-06", [(10, _, 10)]),
    "bigmodel/glm-4-flash": (CNY, "2026-10-06", FREE),
    "bigmodel/glm-4-long": (CNY, "2026-10-06", [(1, 0.5, 1)]),
    "modelstudio/glm-5.3": (BEIJING, "2026-11-21", [(8, 1.6, 28)]),
    "modelstudio/glm-5.2-fast-preview": (BEIJING, "2026-11-21", [(16, 4, 56)]),
    "modelstudio/glm-5": (BEIJING, "2026-11-22", [(4, _, 18), (6, 1.2, 22)]),
    "modelstudio/glm-4.7": (BEIJING, "2026-07-08", [(3, _, 14), (4, _, 16)]),
    "modelstudio/glm-4.6": (BEIJING, "2026-07-08", [(3, _, 14), (4, _, 16)]),
    "modelstudio/glm-4.5": (BEIJING, "2025-08-14", [(3, _, 14), (4, _, 16)]),
    "modelstudio/glm-4.5-air": (BEIJING, "2026-11-22", [(0.8, _, 6), (1.2, _, 8)]),
    "modelstudio/ZHIPU/GLM-5.3-Flash": (BEIJING, "2026-09-01", [(0.8, _, 2.8)]),
    "modelstudio/ZHIPU/GLM-5": (BEIJING, "2026-07-31", [(6, 1.5, 22)]),
    "tokenhub/glm-5.2": (SINGAPORE, "2026-11-21", [(1.4, 0.26, 4.4)]),
    "tokenhub/glm-5.1": (SINGAPORE, "2026-11-21", [(1.4, 0.26, 4.4)]),
    "tokenhub/glm-5": (SINGAPORE, "2026-11-21", [(1.0, 0.2, 3.2)]),
    "tokenhub/glm-5-turbo": (SINGAPORE, "2026-11-21", [(1.2, 0.24, 4.0)]),
    "tokenhub/glm-5v-turbo": (SINGAPORE, "2026-11-21", [(1.2, 0.24, 4.0)]),
    "tokenhub/glm-5.3": (SINGAPORE, "2026-09-30", [(1.4, 0.26, 4.4)]),
    "tokenhub/glm-5.3-flash": (SINGAPORE, "2026-09-30", [(0.15, 0.03, 0.5)]),
    "tokenhub/glm-5.3-flashx": (SINGAPORE, "2026-09-30", [(0.37, 0.075, 1.25)]),
}
# Where a price depends on the length: input over, input up to, output over, output up to.
AT_32K = [(_, 31_999, _, _), (32_768, _, _, _)]
BOUNDS = {
    "bigmodel/glm-5.1": AT_32K,
    "bigmodel/glm-5": AT_32K,
    "bigmodel/glm-5-turbo": AT_32K,
    "bigmodel/glm-5v-turbo": AT_32K,
    "bigmodel/glm-4.7": [(_, 31_999, _, 199), (_, 31_999, 204, _), (32_768, 200_000, _, _)],
    "bigmodel/glm-4.6v": [(_, 31_999, _, _), (32_768, 128_000, _, _)],
    "bigmodel/glm-4.6v-flashx": [(_, 31_999, _, _), (32_768, 128_000, _, _)],
    "bigmodel/glm-4.5-air": [(_, 31_999, _, 199), (_, 31_999, 204, _), (32_768, 128_000, _, _)],
    "bigmodel/glm-4.5v": [(_, 31_999, _, _), (32_768, 64_000, _, _)],
    "modelstudio/glm-5": [(_, 32_000, _, _), (32_768, 200_000, _, _)],
    "modelstudio/glm-4.7": [(_, 32_000, _, _), (32_768, _, _, _)],
    "modelstudio/glm-4.6": [(_, 32_000, _, _), (32_768, _, _, _)],
    "modelstudio/glm-4.5": [(_, 32_000, _, _), (32_768, 98_304, _, _)],
    "modelstudio/glm-4.5-air": [(_, 32_000, _, _), (32_768, 98_304, _, _)],
}


def test_prices_are_those_of_the_pages(cards) -> None:
    keys = ("input", "cached_input", "output")
    priced = {
        name: card["prices"] for name, card in cards.items() if card["prices"] and card["provider"] != "dashscope"
    }
    assert {
        name: (
            f"{prices['currency']} {prices['region']}",
            prices["as_of"],
            [tuple(tier[key] for key in keys) for tier in prices["tiers"]],
        )
        for name, prices in priced.items()
    } == PRICES
    bounds = {name: [tuple(tier.values())[:4] for tier in prices["tiers"]] for name, prices in priced.items()}
    assert {name: tiers for name, tiers in bounds.items() if tiers != [(_, _, _, _)]} == BOUNDS


# What the vision models take: docs.z.ai/openapi.json (2026-09), docs.bigmodel.cn chat reference (2025-12), TokenHub's
# 1300/80634 and 1823/136957, and 1823/130988 for the size, formats and number of images.
# Images: by address, as data, most, megabytes, width, height.
FULL, FEW = (True, True, 150, 5, 6000, 6000), (True, True, 50, 5, 6000, 6000)
UNCOUNTED = (True, True, _, 5, 6000, 6000)
IMAGES = {
    "bigmodel/glm-5.3-flash": UNCOUNTED,
    "bigmodel/glm-5.3-flashx": UNCOUNTED,
    "bigmodel/glm-5v-turbo": FULL,
    "bigmodel/glm-4.6v": FULL,
    "bigmodel/glm-4.6v-flashx": FULL,
    "bigmodel/glm-4.6v-flash": FULL,
    "bigmodel/glm-4.5v": FEW,
    "bigmodel/glm-4.1v-thinking-flashx": UNCOUNTED,
    "bigmodel/glm-4.1v-thinking-flash": UNCOUNTED,
    "bigmodel/glm-4v-flash": (True, False, 1, 5, 6000, 6000),
    "bigmodel/glm-4v-plus-0111": UNCOUNTED,
    "zai/glm-5.3-flash": UNCOUNTED,
    "zai/glm-5.3-flashx": UNCOUNTED,
    "zai/glm-5v-turbo": FULL,
    "zai/glm-4.6v": FULL,
    "zai/glm-4.6v-flashx": FULL,
    "zai/glm-4.6v-flash": FULL,
    "zai/glm-4.5v": FEW,
    "tokenhub/glm-5v-turbo": (True, True, 20, 10, _, _),
    "tokenhub/glm-5.3-flash": (True, True, 20, 10, _, _),
    "tokenhub/glm-5.3-flashx": (True, True, 20, 10, _, _),
}
MP4, MORE = (True, False, 200, ["mp4"]), (True, False, 200, ["mp4", "mkv", "mov"])
VIDEOS = {
    "bigmodel/glm-5.3-flash": MP4,
    "bigmodel/glm-5.3-flashx": _,
    "bigmodel/glm-5v-turbo": MP4,
    "bigmodel/glm-4.6v": MP4,
    "bigmodel/glm-4.6v-flashx": MP4,
    "bigmodel/glm-4.6v-flash": MP4,
    "bigmodel/glm-4.5v": MP4,
    "bigmodel/glm-4.1v-thinking-flashx": MP4,
    "bigmodel/glm-4.1v-thinking-flash": MP4,
    "bigmodel/glm-4v-flash": _,
    "bigmodel/glm-4v-plus-0111": MP4,
    "zai/glm-5.3-flash": MORE,
    "zai/glm-5.3-flashx": MORE,
    "zai/glm-5v-turbo": MORE,
    "zai/glm-4.6v": MORE,
    "zai/glm-4.6v-flashx": MORE,
    "zai/glm-4.6v-flash": MORE,
    "zai/glm-4.5v": MORE,
    "tokenhub/glm-5v-turbo": (True, False, _, _),
    "tokenhub/glm-5.3-flash": (True, False, _, _),
    "tokenhub/glm-5.3-flashx": (True, False, _, _),
}
OFFICE = (True, False, 50, ["pdf", "txt", "word", "jsonl", "xlsx", "pptx"])
FILES = {
    "bigmodel/glm-5.3-flash": OFFICE,
    "bigmodel/glm-5.3-flashx": _,
    "bigmodel/glm-5v-turbo": OFFICE,
    "bigmodel/glm-4.6v": OFFICE,
    "bigmodel/glm-4.6v-flashx": OFFICE,
    "bigmodel/glm-4.6v-flash": OFFICE,
    "bigmodel/glm-4.5v": _,
    "bigmodel/glm-4.1v-thinking-flashx": _,
    "bigmodel/glm-4.1v-thinking-flash": OFFICE,
    "bigmodel/glm-4v-flash": _,
    "bigmodel/glm-4v-plus-0111": _,
    "zai/glm-5.3-flash": OFFICE,
    "zai/glm-5.3-flashx": OFFICE,
    "zai/glm-5v-turbo": OFFICE,
    "zai/glm-4.6v": OFFICE,
    "zai/glm-4.6v-flashx": OFFICE,
    "zai/glm-4.6v-flash": OFFICE,
    "zai/glm-4.5v": _,
    "tokenhub/glm-5v-turbo": (True, False, _, _),
    "tokenhub/glm-5.3-flash": _,
    "tokenhub/glm-5.3-flashx": _,
}
# Mixing, order, detail, megabytes of the request, box tags: these come from all of GLM's vision models.
ALL, PICTURES = ("file_alone", "media_first", [], _, True), (_, "media_first", [], _, True)
ONE_KIND = ("one_kind", "text_first", ["auto", "low", "high"], 100, True)
REST = {
    "bigmodel/glm-5.3-flash": ALL,
    "bigmodel/glm-5.3-flashx": PICTURES,
    "bigmodel/glm-5v-turbo": ALL,
    "bigmodel/glm-4.6v": ALL,
    "bigmodel/glm-4.6v-flashx": ALL,
    "bigmodel/glm-4.6v-flash": ALL,
    "bigmodel/glm-4.5v": PICTURES,
    "bigmodel/glm-4.1v-thinking-flashx": PICTURES,
    "bigmodel/glm-4.1v-thinking-flash": ALL,
    "bigmodel/glm-4v-flash": PICTURES,
    "bigmodel/glm-4v-plus-0111": ("one_kind", "video_first", [], _, True),
    "zai/glm-5.3-flash": ALL,
    "zai/glm-5.3-flashx": ALL,
    "zai/glm-5v-turbo": ALL,
    "zai/glm-4.6v": ALL,
    "zai/glm-4.6v-flashx": ALL,
    "zai/glm-4.6v-flash": ALL,
    "zai/glm-4.5v": PICTURES,
    "tokenhub/glm-5v-turbo": ONE_KIND,
    "tokenhub/glm-5.3-flash": ONE_KIND,
    "tokenhub/glm-5.3-flashx": ONE_KIND,
}


def test_what_vision_models_take(cards) -> None:
    visions = {name: card["vision"] for name, card in cards.items() if card["vision"]}

    def of(kind: str, *keys: str) -> dict[str, tuple[Any, ...] | None]:
        media = {name: vision[kind] for name, vision in visions.items()}
        return {name: medium and tuple(medium[key] for key in keys) for name, medium in media.items()}

    image = ("url", "data", "most", "max_megabytes", "max_width", "max_height")
    assert of("image", *image) == IMAGES
    assert of("video", "url", "data", "max_megabytes", "formats") == VIDEOS
    assert of("file", "url", "data", "most", "formats") == FILES
    rest = ("mixing", "order", "detail", "max_body_megabytes", "box_tags")
    assert {name: tuple(vision[key] for key in rest) for name, vision in visions.items()} == REST
    for card in cards.values():
        kinds = {kind for kind in ("image", "video", "file") if card["vision"] and card["vision"][kind]}
        assert kinds == set(card["input"] or ()) - {"text", "audio"}, card["model"]


# What is gone, or may be: that it is delisted, for whom, reported, unlisted; since when, and what stands instead.
# help.aliyun.com/en/model-studio/glm (2026-11-21), docs.bigmodel.cn/cn/guide/models/text/glm-z1 (2026-11-22) and
# …/start/pricing (2026-10-06), docs.z.ai/guides/overview/pricing (2026-09-30); of TokenHub
# docs.cloudbase.net/ai/announcement and cloud.tencent.com/document/product/1823/130060 (2026-10-04), which speak of its
# plans and of CloudBase.
SCOPE = (
    "announced for Tencent's plans and CloudBase; for pay-as-you-go no notice was found, and its list of 2026-09-30 "
    "does not have it"
)
OCTOBER, Z1 = (True, _, _, _, "2026-10-10", _), (True, _, _, _, _, "glm-4.6")
AT_ZAI, AT_BIGMODEL = (_, _, _, True, "2026-09-30", _), (_, _, _, True, "2026-10-06", _)
GONE = {
    "bigmodel/glm-5.3-highspeed": AT_BIGMODEL,
    "bigmodel/glm-5.2-highspeed": AT_BIGMODEL,
    "bigmodel/glm-5-code": AT_BIGMODEL,
    "bigmodel/glm-4.5v": (_, _, True, _, _, _),
    "bigmodel/glm-z1-air": Z1,
    "bigmodel/glm-z1-airx": Z1,
    "bigmodel/glm-z1-flashx": Z1,
    "bigmodel/glm-z1-flash": Z1,
    "zai/glm-5.3-highspeed": AT_ZAI,
    "zai/glm-5.2-highspeed": AT_ZAI,
    "zai/glm-5-turbo": AT_ZAI,
    "zai/glm-5-code": AT_ZAI,
    "zai/glm-5v-turbo": AT_ZAI,
    "modelstudio/glm-4.7": OCTOBER,
    "modelstudio/glm-4.6": OCTOBER,
    "dashscope/glm-4.7": OCTOBER,
    "dashscope/glm-4.6": OCTOBER,
    "tokenhub/glm-5.1": (True, SCOPE, _, _, "2026-10-09", "glm-5.3"),
    "tokenhub/glm-5": (True, SCOPE, _, _, "2026-10-09", "glm-5.3"),
    "tokenhub/glm-5-turbo": (True, SCOPE, _, _, "2026-10-09", "glm-5.3"),
    "tokenhub/glm-5v-turbo": (True, SCOPE, _, _, "2026-10-30", "glm-5.3-flash"),
}


def test_what_is_gone_says_since_when(cards) -> None:
    assert list(cards["zai/glm-5"]["status"]) == ["delisted", "scope", "reported", "unlisted", "since", "successor"]
    gone = {name: tuple(card["status"].values()) for name, card in cards.items()}
    assert {name: status for name, status in gone.items() if any(status)} == GONE
    for name in GONE:
        assert cards[name]["sources"]["status"]["url"].startswith("https://")


# The models that are asked where none is named: docs.bigmodel.cn/cn/guide/models/text/glm-5 (2026-11-21); the vision
# request of docs.z.ai/openapi.json (2026-09); alibabacloud.com/help/en/model-studio/glm (2026-03-15);
# tencentcloud.com/document/product/1300/80634 (2026-11-21), and what Tencent names instead of glm-5v-turbo.
DEFAULT_MODELS = {
    "bigmodel/glm-5": ("ask", "https://docs.bigmodel.cn/cn/guide/models/text/glm-5"),
    "bigmodel/glm-5v-turbo": ("vision", "https://docs.bigmodel.cn/cn/guide/start/model-overview"),
    "zai/glm-5": ("ask", "https://docs.z.ai/guides/overview/pricing"),
    "zai/glm-5.3-flashx": ("vision", "https://docs.z.ai/openapi.json"),
    "modelstudio/glm-5": ("ask", "https://www.alibabacloud.com/help/en/model-studio/glm"),
    "dashscope/glm-5": ("ask", "https://www.alibabacloud.com/help/en/model-studio/glm"),
    "tokenhub/glm-5.2": ("ask", "https://www.tencentcloud.com/document/product/1300/80634"),
    "tokenhub/glm-5.3-flash": ("vision", "https://docs.cloudbase.net/ai/announcement/glm-5v-turbo-offline"),
}


def test_the_models_that_are_asked_where_none_is_named(cards, glm) -> None:
    shown = {name: card["default_for"] for name, card in cards.items() if card["default_for"]}
    assert {name: [default["use"] for default in said] for name, said in shown.items()} == {
        name: [use] for name, (use, _) in DEFAULT_MODELS.items()
    }
    for name, (use, url) in DEFAULT_MODELS.items():
        assert cards[name]["sources"][f"default_for_{use}"]["url"] == url
        assert not any(cards[name]["status"].values()), name
        command = (use, "-P", name.partition("/")[0], "-n", "-v", "hi")
        done = glm(*command, *(("--image", "https://x.example/a.png") if use == "vision" else ()))
        assert f"glm: first choice: {name} (provider from --provider, the default model: " in done.err
        assert shown[name][0]["reason"] in done.err


def test_a_row_of_the_configuration_has_the_default_of_the_row_that_it_is_like(glm, cwd) -> None:
    (cwd / "c.yaml").write_text(
        "providers: {mine: {like: tokenhub, base_url: 'https://tokenhub.example/v1', key_env: [MINE]}}\n"
    )
    done = glm("ask", "-P", "mine", "-n", "hi", env={"GLM_CONFIG": "c.yaml"})
    assert json.loads(done.out)["body"]["model"] == "glm-5.2"
    assert json.loads(glm("ask", "-P", "sandbox", "-n", "hi").out)["body"]["model"] == "glm-5"


# Whom a Batch API serves. docs.bigmodel.cn/cn/faq/batch-api-issues (2026-11-21), cards of Model Studio (2026-07 to
# 2026-11), cloud.tencent.com/document/product/1823/130849 (2026-04-28).
BATCH = {
    "bigmodel/glm-4-flashx-250414": True,
    "bigmodel/glm-4v-plus-0111": True,
    "bigmodel/glm-4-plus": True,
    "bigmodel/glm-4-air-250414": True,
    "bigmodel/glm-4-flash": True,
    "bigmodel/glm-4-long": True,
    "modelstudio/glm-5": False,
    "modelstudio/glm-4.5-air": False,
    "modelstudio/ZHIPU/GLM-5": False,
    "dashscope/glm-5": False,
    "dashscope/glm-4.5-air": False,
    "dashscope/ZHIPU/GLM-5": False,
    "tokenhub/glm-5": True,
    "tokenhub/glm-5.1": True,
}


def test_what_a_minute_may_have(cards) -> None:
    """help.aliyun.com/zh/model-studio/glm-9 (2026-11-22), …/en/model-studio/glm-5-by-zhipu (2026-07-31)."""
    known = {name: card["rate_limits"] for name, card in cards.items() if any(card["rate_limits"].values())}
    assert known == {
        f"{row}/{model}": limits
        for row in ("modelstudio", "dashscope")
        for model, limits in {
            "glm-5": {"rpm": 500, "tpm": 1_000_000},
            "ZHIPU/GLM-5": {"rpm": 200, "tpm": 3_000_000},
        }.items()
    }


def test_whom_a_batch_api_serves(cards) -> None:
    assert {name: card["batch"] for name, card in cards.items() if card["batch"] is not None} == BATCH


def test_what_a_model_is_for(cards) -> None:
    assert cards["tokenhub/glm-5"]["positioning"] == "Flagship of the generation before"
    assert cards["tokenhub/glm-5"]["scenario"] == "Where stability comes first"
    assert cards["modelstudio/glm-4.6"]["positioning"] == "Hybrid reasoning model for agents"
    assert cards["zai/glm-4.6"]["positioning"] is None


# The file itself


def test_the_file_satisfies_its_schema(whole) -> None:
    schema = json.loads((TOP / "schemas" / "models.schema.json").read_text())
    assert [f"{list(fault.path)}: {fault.message}" for fault in Draft202012Validator(schema).iter_errors(whole)] == []


# Which keys a source of this name answers for; the others answer for the key of their own name.
GROUPS = {
    "about": ("positioning", "scenario"),
    "limits": ("context", "max_input", "max_reasoning", "max_output"),
    "modalities": ("input", "output"),
    "tools": ("tools", "tool_stream", "web_search", "prefix_completion"),
    "requests": ("stream_only", "refuses", "max_completion_tokens"),
}


def test_every_group_of_facts_has_its_source(whole) -> None:
    used = {form[key] for form in whole["media"].values() for key in ("source", "detail_source") if key in form}
    used |= {family["source"] for family in whole["box_tags"].values()}
    used |= {provider["batch"]["source"] for provider in whole["providers"].values() if "batch" in provider}
    used |= {provider["web_search"]["source"] for provider in whole["providers"].values() if "web_search" in provider}
    used |= {model["source"] for models in whole["default_models"].values() for model in models.values()}
    alike = ("thinking", "structured_output", "cache", "rate_limits", "defaults", "prices", "vision", "batch", "status")
    groups = {*alike, *GROUPS}
    for who, provider in whole["providers"].items():
        for name, model in provider["models"].items():
            there = {group for group in groups if set(GROUPS.get(group, (group,))) & set(model)}
            # What is said of images may come from elsewhere than the rest of vision, a single price than the others,
            # what becomes of earlier reasoning than the rest of thinking; a name may be all that is known.
            finer = {"images", "clear_by_default", "cached_price", "first_tier", "listed"}
            assert set(model["sources"]) - finer == there, f"{who}/{name}"
            used |= set(model["sources"].values())
    assert used == set(whole["sources"])


SEARCH_NOTE = (
    "Of the search prices, the price page of 2026-10-06 is on record with the range 0.01 to 0.05 CNY alone; which "
    "engine costs what, other people's code says."
)


def test_a_search_price_by_engine_says_where_it_is_from(glm) -> None:
    printed = glm("models", "bigmodel/glm-5").text
    assert f"  note              {SEARCH_NOTE}\n" in printed
    assert "zhipu-search/SKILL.md (2026-12-01): search price\n" in printed
    assert "other people's code" not in glm("models", "zai/glm-5").text


def test_what_a_search_costs(whole) -> None:
    """Of BigModel's price page (2026-10-06) the range is on record; that of Z.ai (2026-09-30) has one price."""
    listed = {who: provider["web_search"] for who, provider in whole["providers"].items() if "web_search" in provider}
    engines = {"search_std": 0.01, "search_pro": 0.03, "search_pro_sogou": 0.05, "search_pro_quark": 0.05}
    assert listed == {
        "bigmodel": {
            "engines": engines,
            "currency": "CNY",
            "as_of": "2026-10-06",
            "note": SEARCH_NOTE,
            "source": "bigmodel-search-price",
        },
        "zai": {"price": 0.01, "currency": "USD", "as_of": "2026-09-30", "source": "zai-search-price"},
    }


def test_every_form_of_media_is_that_of_a_row(whole) -> None:
    assert {row.api.media for row in PROVIDERS.values()} == {*whole["media"], None}


def test_reading_one_provider_reads_what_the_whole_file_says(whole) -> None:
    assert list(whole) == ["$schema", "sources", "box_tags", "media", "default_models", "providers"]
    assert list(whole["default_models"]) == list(whole["providers"])
    for who, uses in whole["default_models"].items():
        assert {use: catalogue.default_model(who, use) for use in uses} == uses
    assert (catalogue.default_model("modelstudio", "vision"), catalogue.default_model("", "ask")) == (None, None)
    assert list(whole["providers"]) == ["bigmodel", "zai", "modelstudio", "tokenhub"]
    for who, provider in whole["providers"].items():
        assert {name: catalogue.facts(who, name) for name in catalogue.names(who)} == provider["models"]
        assert list(catalogue.prices_at(who)) == provider["prices_at"]
    assert {form: catalogue.media(form) for form in whole["media"]} == {
        form: said["takes"] for form, said in whole["media"].items()
    }
    assert {name: catalogue.source(name) for name in whole["sources"]} == whole["sources"]
    assert (catalogue.names(""), catalogue.names("nobody"), catalogue.find("nobody", "glm-5")) == ((), (), None)


@pytest.mark.parametrize(
    "model",
    [
        "glm-4.6v",
        "zai-org/GLM-4.6V",
        "zai-org/GLM-4.5V-FP8",
        "QuantTrio/GLM-4.6V-AWQ",
        "z-ai/glm-4.6v:free",
        "glm-4.6v-flash:latest",
        "hf.co/unsloth/GLM-4.6V-Flash-GGUF:Q4_K_M",
        "/models/zai-org_GLM-4.6V-Flash-Q4_K_M.gguf",
        "/models/GLM-4.6V/",
        "Pro/THUDM/GLM-4.1V-9B-Thinking",
        "glm-4.1v-thinking-flashx",
        "ZHIPU/GLM-5V-Turbo",
        "glm-5.3-flashx",
    ],
)
def test_the_family_of_a_vision_model(model) -> None:
    assert catalogue.boxed(model) is not None


@pytest.mark.parametrize(
    "model",
    [
        "glm-4.6",
        "zai-org/GLM-4.6",
        "glm-4.6vx",
        "glm-4.5-air",
        "glm-5.3",
        "Qwen/Qwen3-VL-8B",
        "glm-4.6v/other",
        "myglm-4.6v",
        "",
    ],
)
def test_models_of_no_such_family(model) -> None:
    assert catalogue.boxed(model) is None


# Printing


def test_ids_are_lines_in_the_order_of_the_providers(glm) -> None:
    done = glm("models")
    assert (done.code, done.err) == (0, "")
    lines = done.text.splitlines()
    assert [line.partition("/")[0] for line in lines] == [who for who in HOSTED for _ in range(COUNTS[who])]
    assert lines[0] == "bigmodel/glm-5.3"
    assert len(set(lines)) == len(lines)


def test_one_provider(glm) -> None:
    done = glm("models", "-P", "tokenhub")
    assert done.text.splitlines() == [
        f"tokenhub/glm-{name}" for name in ("5.3", "5.3-flash", "5.3-flashx", "5.2", "5.1", "5", "5-turbo", "5v-turbo")
    ]
    assert (done.code, done.err) == (0, "")
    assert glm("models", "--provider", "sandbox").text.startswith("sandbox/glm-5.3\n")
    none = glm("models", "-P", "vllm")
    assert (none.code, none.out) == (0, b"")
    assert none.err == "glm: vllm has no catalogue; --remote asks the server for its list\n"
    assert glm("models", "-P", "vllm", "-q").err == ""
    assert json.loads(glm("models", "-P", "vllm", "--json").out) == []


def test_rows_of_the_configuration_count_as_providers(glm, cwd) -> None:
    (cwd / "c.yaml").write_text(
        "providers:\n"
        "  plan: {like: zai, base_url: https://api.z.ai/api/coding/paas/v4, key_env: [PLAN_KEY]}\n"
        "  mine: {like: tokenhub}\n"
        "  gpu: {like: vllm, base_url: http://10.0.0.7:8000/v1}\n"
    )
    config = {"GLM_CONFIG": "c.yaml"}
    lines = glm("models", env=config).text.splitlines()
    assert lines[-(8 + 26) :][0] == "plan/glm-5.3"
    assert lines[-1] == "mine/glm-5v-turbo"
    assert glm("models", "-P", "plan", env=config).text.startswith("plan/glm-5.3\n")
    # A plan has prices of its own, at an address of its own.
    plan, mine = json.loads(glm("models", "plan/glm-5", "--json", env=config).out + b"") + json.loads(
        glm("models", "mine/glm-5", "--json", env=config).out
    )
    assert (plan["context"], plan["prices"], "prices" in plan["sources"]) == (204_800, None, False)
    assert mine["prices"]["tiers"][0]["input"] == 1.0


def test_every_object_has_every_key(cards) -> None:
    first = cards["bigmodel/glm-5.3"]
    assert list(first)[:2] == ["provider", "model"]
    for name, card in cards.items():
        assert list(card) == list(first), name
        for group in ("as_written", "thinking", "structured_output", "cache", "rate_limits", "defaults", "status"):
            assert list(card[group]) == list(first[group]), name
        for source in card["sources"].values():
            assert source["url"].startswith("https://")
            assert source["date"].startswith("20")
    assert set(first) == {
        "provider",
        "model",
        "positioning",
        "scenario",
        "context",
        "max_input",
        "max_reasoning",
        "max_output",
        "as_written",
        "input",
        "output",
        "thinking",
        "tools",
        "tool_stream",
        "web_search",
        "prefix_completion",
        "structured_output",
        "cache",
        "rate_limits",
        "defaults",
        "prices",
        "search_price",
        "vision",
        "stream_only",
        "refuses",
        "max_completion_tokens",
        "batch",
        "batch_price",
        "status",
        "default_for",
        "notes",
        "configured",
        "sources",
    }


CARD = """\
tokenhub/glm-5
  positioning       Flagship of the generation before
  recommended for   Where stability comes first
  context           204,800 tokens (the page: 200K, in units of 1,024)
  max input         unknown
  max reasoning     unknown
  max output        131,072 tokens (the page: 128K, in units of 1,024)
  input             text
  output            text
  thinking          yes; can be switched off: yes; efforts: none
  tools             yes; tool_stream: yes; web search: unknown; prefix completion: unknown
  structured output json_object: yes; json_schema: no
  cache             implicit: unknown; explicit: unknown
  batch             yes
  defaults          thinking: yes; temperature: unknown; top_p: unknown; top_k: unknown; repetition_penalty: unknown
  price             input 1, cached 0.2, output 3.2 USD a million tokens, Singapore, 2026-11-21
  delisted          2026-10-09, announced for Tencent's plans and CloudBase; for pay-as-you-go no notice was found, \
and its list of 2026-09-30 does not have it; the provider names glm-5.3 instead
"""


def test_a_card(glm) -> None:
    done = glm("models", "tokenhub/glm-5")
    assert (done.code, done.err) == (0, "")
    assert done.text.startswith(CARD)
    rest = done.text.removeprefix(CARD).splitlines()
    assert all(re.match(r"  (note|source) {12,14}\S", line) for line in rest), rest
    assert glm("models", "-P", "tokenhub", "glm-5").text == done.text


def test_every_fact_stands_on_the_card(cards) -> None:
    """What no check reads can at least be read."""
    for name, card in cards.items():
        for path in leaves({key: value for key, value in card.items() if key != "sources"}):
            other = json.loads(json.dumps(card))
            *way, last = path
            place = other
            for step in way:
                place = place[step]
            place[last] = {str: "?", bool: None, int: 77, float: 77.5}[type(place[last])]
            assert card_text(other) != card_text(card), f"{name}: {path}"


def leaves(value: dict[Any, Any]) -> list[tuple[Any, ...]]:
    """The paths to all that is known."""
    found: list[tuple[Any, ...]] = []
    for key, inner in value.items():
        branch = dict(enumerate(inner)) if isinstance(inner, list) else inner
        if isinstance(branch, dict):
            found += [(key, *rest) for rest in leaves(branch)]
        elif branch is not None:
            found.append((key,))
    return found


def test_cards_of_more_complicated_models(glm) -> None:
    text = glm("models", "bigmodel/glm-4.7").text
    assert (
        "  price             input 2, cached 0.4, output 8 CNY a million tokens, China, 2026-10-06; input up to 31,999 "
        in text
    )
    assert "; output over 204 tokens\n" in text
    text = glm("models", "tokenhub/glm-5v-turbo").text
    assert (
        "  image             url: yes; data: yes; most: 20; max megabytes: 10; formats: jpg, jpeg, png, webp\n" in text
    )
    assert "  video             url: yes; data: no\n" in text
    assert (
        "mixing: one_kind; order: text_first; detail: auto, low, high; max body megabytes: 100; box tags: yes" in text
    )
    words = "none, minimal (as none), low (as high), medium (as high), high, xhigh (as max), max, default max"
    assert (
        f"  thinking          yes; can be switched off: yes; efforts: {words}; of earlier"
        in glm("models", "zai/glm-5.2").text
    )
    ignored = (
        "  thinking          yes; can be switched off: no (a request to stop is ignored); efforts: low, high, max; "
    )
    assert ignored in glm("models", "modelstudio/glm-5.3").text
    capped = "  a cap is of       thinking and answer (max_completion_tokens)\n"
    assert capped in glm("models", "modelstudio/glm-5").text
    assert "  delisted          2026-10-10\n" in glm("models", "modelstudio/glm-4.6").text
    gone = "  delisted          no day is named; the provider names glm-4.6 instead\n"
    assert gone in glm("models", "bigmodel/glm-z1-flash").text
    gone = "  reported gone     users say so, while a page of the provider still has it\n"
    assert gone in glm("models", "bigmodel/glm-4.5v").text
    assert "  rate limits       500 requests and 1,000,000 tokens a minute\n" in glm("models", "modelstudio/glm-5").text
    gone = "  unlisted          on no page of the provider, as they were read on 2026-09-30\n"
    assert gone in glm("models", "zai/glm-5v-turbo").text
    text = glm("models", "bigmodel/glm-4-long").text
    assert "  batch             yes; at 0.5 of the list price\n" in text
    assert "https://docs.bigmodel.cn/cn/faq/batch-api-issues (2026-11-21): listed, batch, batch price\n" in text
    # A single price of another source than the others.
    assert "https://github.com/theopenco/llmgateway (2026-11-21): cached price\n" in glm("models", "zai/glm-4.5v").text
    assert (
        "https://github.com/theopenco/llmgateway (2026-11-21): first tier\n" in glm("models", "modelstudio/glm-5").text
    )
    assert "  refuses           top_k, repetition_penalty\n" in glm("models", "ZHIPU/GLM-5").text
    assert "  answers           only as a stream\n" in glm("models", "dashscope/glm-4.5").text
    assert "  price             unknown\n" in glm("models", "sandbox/glm-5.3").text


def test_without_a_provider_a_name_is_looked_for_everywhere(glm) -> None:
    done = glm("models", "glm-5")
    heads = [line for line in done.text.splitlines() if line and not line.startswith(" ")]
    assert heads == [f"{who}/glm-5" for who in HOSTED]
    assert [card["provider"] for card in json.loads(glm("models", "glm-5", "--json").out)] == list(HOSTED)
    # The part before the first slash is a provider only if it names one.
    heads = [line for line in glm("models", "ZHIPU/GLM-5.2").text.splitlines() if line and not line.startswith(" ")]
    assert heads == ["modelstudio/ZHIPU/GLM-5.2", "dashscope/ZHIPU/GLM-5.2"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("glm-55",), "no model 'glm-55' in the catalogue, did you mean 'glm-5'?"),
        (("GLM-5.2",), "no model 'GLM-5.2' in the catalogue, did you mean 'glm-5.2'?"),
        (("zhipu/glm-5.2",), "no model 'zhipu/glm-5.2' in the catalogue, did you mean 'ZHIPU/GLM-5.2'?"),
        (("glm-99v",), "no model 'glm-99v' in the catalogue"),
        (("-P", "nope"), "--provider: unknown provider 'nope'"),
        (("zai/glm-5.22",), "no model 'glm-5.22' at zai in the catalogue, did you mean 'glm-5.2'?"),
        (("vllm/glm-5",), "no model 'glm-5' at vllm in the catalogue"),
        (("-P", "zai", "zai/glm-5"), "no model 'zai/glm-5' at zai in the catalogue, did you mean 'glm-5'?"),
        (("",), "no model '' in the catalogue"),
        (("-P", "zia"), "--provider: unknown provider 'zia', did you mean 'zai'?"),
        (("-P", ""), "--provider: the value is empty"),
        (("--remote", "glm-5"), "--remote asks for the whole list, not for a model"),
        (("--base-url", "http://127.0.0.1:1/v1"), "--base-url is for --remote"),
        (("--deadline", "3"), "--deadline is for --remote"),
        (("glm-5", "glm-4"), "Got unexpected extra argument(s) (glm-4)"),
    ],
)
def test_what_is_wrong_is_2(glm, arguments, message) -> None:
    done = glm("models", *arguments)
    assert (done.code, done.out) == (2, b"")
    assert error_of(done.err) == message


def test_a_broken_configuration_is_2(glm, cwd) -> None:
    (cwd / "c.yaml").write_text("providers: 3\n")
    assert glm("models", env={"GLM_CONFIG": "c.yaml"}).code == 2


# On a terminal


def test_a_terminal_gets_a_table(home, cwd, glm) -> None:
    code, seen, _ = on_terminal(home, cwd, "models", COLUMNS="150")
    assert code == 0
    text = re.sub(r"\x1b\[[0-9;]*m", "", seen.decode())
    assert re.search(r"^model +context +output +takes +thinks +price of input, output *$", text, re.MULTILINE)
    assert re.search(r"^zai/glm-5 +204,800 +131,072 +text +yes +1, 3.2 USD *$", text, re.MULTILINE)
    assert re.search(r"^bigmodel/glm-5.1 +.* 6, 24 CNY and more *$", text, re.MULTILINE)
    assert "modelstudio/glm-4.6 (delisted)" in text
    assert "bigmodel/glm-4.5v (reported gone)" in text
    assert "zai/glm-5v-turbo (unlisted)" in text
    assert "tokenhub/glm-5-turbo (may be gone)" in text
    assert re.search(r"^zai/glm-5.3 .* always, low, high, max ", text, re.MULTILINE)
    assert re.search(r"^zai/glm-5.2 .* yes, none to max ", text, re.MULTILINE)
    ids = [line.split()[0] for line in text.splitlines()[1:]]
    assert ids == glm("models").text.splitlines()


def test_a_narrow_terminal_keeps_ids_whole(home, cwd, glm) -> None:
    _, seen, _ = on_terminal(home, cwd, "models", COLUMNS="80")
    text = re.sub(r"\x1b\[[0-9;]*m", "", seen.decode())
    assert all(len(line) <= 80 for line in text.splitlines())
    assert [word for word in text.split() if "/" in word] == glm("models").text.splitlines()


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        ("20", ["model"]),
        ("40", ["model"]),
        ("60", ["model", "context", "output"]),
        ("80", ["model", "context", "output", "takes", "thinks"]),
        ("150", ["model", "context", "output", "takes", "thinks", "price of input, output"]),
    ],
)
def test_a_narrow_terminal_cuts_no_number(home, cwd, glm, columns, names) -> None:
    _, seen, said = on_terminal(home, cwd, "models", piped_stream="stderr", COLUMNS=columns)
    text = re.sub(r"\x1b\[[0-9;]*m", "", seen.decode())
    assert "…" not in text
    head, *_ = text.split("\n")
    assert head.split() == " ".join(names).split()
    cards = json.loads(glm("models", "--json").out)
    for card in cards:
        for number in (card["context"], card["max_output"]):
            assert len(names) < 3 or number is None or f"{number:,}" in text
    missing = ["model", "context", "output", "takes", "thinks", "price of input, output"][len(names) :]
    assert said.decode() == (f"glm: no room for {'; '.join(missing)}: glm models MODEL has it\n" if missing else "")


@pytest.mark.parametrize(
    ("flags", "env"), [(("--plain",), {}), ((), {"NO_COLOR": "1"}), ((), {"TERM": "dumb"})], ids=["plain", "no", "dumb"]
)
def test_a_plain_terminal_gets_lines(home, cwd, glm, flags, env) -> None:
    code, seen, _ = on_terminal(home, cwd, "models", *flags, **env)
    assert (code, seen) == (0, glm("models").out)


def test_cards_and_json_do_not_depend_on_the_terminal(home, cwd, glm) -> None:
    for arguments in (("models", "glm-5"), ("models", "glm-5", "--json"), ("models", "-P", "tokenhub", "--json")):
        assert on_terminal(home, cwd, *arguments)[1] == glm(*arguments).out


# What is gone


def remarks(model: str, today: str) -> list[str]:
    """What is said of this model of Model Studio on this day."""
    request = Request(model, (Message("user", "hi"),), stream=True)
    return list(checks.remarks(request, PROVIDERS["modelstudio"], today))


def test_a_model_that_is_gone_is_remarked(glm) -> None:
    done = glm("ask", "-m", "modelstudio/glm-4.7", "-n", "hi")
    assert (done.code, done.err) == (
        0,
        "glm: glm-4.7 at modelstudio is delisted since 2026-10-10 and may be refused\n",
    )
    done = glm("ask", "-m", "bigmodel/glm-z1-flash", "-n", "hi")
    gone = "glm-z1-flash at bigmodel is delisted and may be refused; the provider names glm-4.6 instead"
    assert (done.code, done.err) == (0, f"glm: {gone}\n")
    assert glm("ask", "-m", "zai/glm-5", "--fallback", "bigmodel/glm-z1-flash", "-n", "hi").err == f"glm: {gone}\n"
    assert glm("ask", "-m", "bigmodel/glm-z1-flash", "-n", "-q", "hi").err == ""
    reported = "glm-4.5v at bigmodel is reported to be gone, though a page of the provider has it, and may be refused"
    assert glm("ask", "-m", "bigmodel/glm-4.5v", "-n", "hi").err == f"glm: {reported}\n"
    unlisted = "glm-5v-turbo at zai was on no page of the provider on 2026-09-30 and may be refused"
    assert glm("ask", "-m", "zai/glm-5v-turbo", "-n", "hi").err == f"glm: {unlisted}\n"
    done = glm("ask", "-m", "tokenhub/glm-5", "-n", "hi")
    said = f"glm-5 at tokenhub may be gone since 2026-10-09 and be refused: {SCOPE}; the provider names glm-5.3 instead"
    assert (done.code, done.err) == (0, f"glm: {said}\n")
    assert json.loads(done.out)["body"]["model"] == "glm-5"
    assert glm("ask", "-m", "bigmodel/glm-4.7", "-n", "hi").err == ""


def test_it_is_remarked_from_its_day_on() -> None:
    assert remarks("glm-4.6", "2026-10-09") == []
    gone = ["glm-4.6 at modelstudio is delisted since 2026-10-10 and may be refused"]
    assert remarks("glm-4.6", "2026-10-10") == gone
    assert remarks("glm-4.6", "2027-01-01") == gone


# What is not known decides nothing


def test_thinking_is_switched_on_where_it_is_known(glm) -> None:
    def body(*arguments: str) -> dict[str, Any]:
        return json.loads(glm("ask", *arguments, "-n", "-q", "hi").out)["body"]

    assert body("-m", "tokenhub/glm-5.2")["thinking"] == {"type": "enabled"}
    assert body("-m", "tokenhub/glm-5.3-flash")["thinking"] == {"type": "enabled"}
    assert "thinking" not in body("-m", "bigmodel/glm-4v-flash")
    assert "thinking" not in body("-m", "bigmodel/glm-4-flash-250414")
    assert body("-m", "bigmodel/glm-4v-flash", "--think")["thinking"] == {"type": "enabled"}
    assert body("-m", "tokenhub/glm-5.3-flash", "--effort", "low")["reasoning_effort"] == "low"
    refused = glm("ask", "-m", "tokenhub/glm-5.3", "--no-think", "-n", "hi")
    assert error_of(refused.err) == "glm-5.3 at tokenhub always thinks: a request to stop is refused"

"""What BigModel and Z.ai refuse.

**Source** unless said otherwise: https://docs.z.ai/openapi.json (2026-09, text request) and the code table of codes.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.sandbox import rules
from glmcli.sandbox.codes import zhipu

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.sandbox.failures import Failure
    from glmcli.sandbox.question import Question

# https://github.com/NousResearch/hermes-agent/issues/85890 (glm-5.3, general address)
_ALWAYS_THINKS = "This model always engages in thinking and cannot be disabled; please use low, high, or max"
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
# The longest output of a family, first match; everything newer has 131072.
_LONGEST = (("glm-4.5v", 16384), ("glm-4.5", 98304), ("glm-4.6v", 32768))


def _code(code: str, field: str = "") -> Callable[[Question], Failure]:
    return lambda question: zhipu(code, chinese=question.chinese, field=field)


def _range(field: str, low: float, high: float) -> tuple[rules.Broken, Callable[[Question], Failure]]:
    """The message names the range, as AIHubMix quotes it for glm-5.3: `[1,131072]`."""
    return rules.outside(field, low, high), lambda question: _named(question, field, f"[{low},{high}]")


def _named(question: Question, field: str, span: str) -> Failure:
    chinese = f"{field} 参数非法，取值范围 {span}"  # noqa: RUF001 - in its language
    words = chinese if question.chinese else f"The {field} parameter must be in {span}"
    return zhipu("1210", chinese=question.chinese, message=words)


def _longest(question: Question) -> int:
    return next((most for family, most in _LONGEST if question.base.startswith(family)), 131072)


def _too_long(question: Question) -> bool:
    return rules.outside("max_tokens", 1, _longest(question))(question)


def _unknown(question: Question) -> Failure:
    """BigModel says 1211; Z.ai was measured to say 1214 for an unknown id (2026-08)."""
    english = "Unknown Model, please check the model code."
    if question.provider == "zai":
        return zhipu("1214", chinese=question.chinese, message=english)
    return zhipu("1211", chinese=question.chinese)


def _thinks_always(question: Question) -> Failure:
    return zhipu("1210", chinese=question.chinese, message=_ALWAYS_THINKS)


def malformed_zhipu(*, chinese: bool) -> Failure:
    """The answer to a body that is no JSON object. The code is our guess: no such body is on record."""
    return zhipu("1210", chinese=chinese)


ZHIPU: rules.Rules = (
    (lambda question: not question.model, _code("1213", "model")),
    (rules.unknown_model, _unknown),
    # "must not consist of only system or assistant messages"; opencode#2557
    (rules.no_user, _code("1214", "messages")),
    (rules.empty_content, _code("1213", "prompt")),
    # The text schema has no parts; https://github.com/agentscope-ai/agentscope-java flattens them for that reason.
    (rules.parts, _code("1210")),
    _range("temperature", 0, 1),
    _range("top_p", 0.01, 1),
    (_too_long, lambda question: _named(question, "max_tokens", f"[1,{_longest(question)}]")),
    (rules.both(rules.model("glm-5.3"), rules.thinking_off), _thinks_always),
    (rules.both(rules.model("glm-5.3"), rules.other_than("reasoning_effort", "low", "high", "max")), _thinks_always),
    # Before glm-5.2 the effort is ignored without a word (forgecode#3074).
    (
        rules.both(rules.model("glm-5.2"), rules.other_than("reasoning_effort", *_EFFORTS)),
        _code("1214", "reasoning_effort"),
    ),
    (rules.both(rules.media("file_url"), rules.media("image_url", "video_url")), _code("1215")),
)

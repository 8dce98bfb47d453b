"""What Model Studio and DashScope refuse.

**Source** unless said otherwise: https://www.alibabacloud.com/help/model-studio/error-code (2026-09), which quotes most
of the messages; ranges from docs.qwencloud.com/api-reference/chat (2026).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from glmcli.sandbox import rules
from glmcli.sandbox.codes import alibaba

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.sandbox.failures import Failure
    from glmcli.sandbox.question import Question

_ROLE = "Role must be user or assistant and Content length must be greater than 0"


def malformed_alibaba(*, native: bool) -> Failure:
    """The answer to a body that is no JSON object."""
    words = "Required body invalid, please check the request body format."
    return alibaba("InvalidParameter", native=native, message=words)


def _bad(message: str) -> Callable[[Question], Failure]:
    return lambda question: alibaba("InvalidParameter", native=question.provider == "dashscope", message=message)


def _unknown(question: Question) -> Failure:
    if question.provider == "dashscope":
        return alibaba("ModelNotFound", native=True)
    words = f"The model `{question.model}` does not exist or you do not have access to it."
    return alibaba("ModelNotFound", native=False, message=words)


def _lost(question: Question) -> Failure:
    """A conversation that ends with nobody's question breaks the native service itself."""
    if question.provider == "dashscope":
        return alibaba("InternalError", native=True, message="list index out of range")
    return _bad(_ROLE)(question)


def _no_json(question: Question) -> bool:
    return "json" not in json.dumps(question.messages, ensure_ascii=False).lower()


def _forces(question: Question) -> bool:
    return question.thinks and isinstance(question.fields.get("tool_choice"), dict)


def _thinks(question: Question) -> bool:
    return question.thinks


def _streamed(question: Question) -> bool:
    return question.stream


_COMMON: rules.Rules = (
    (rules.unknown_model, _unknown),
    (rules.no_messages, _bad("[] is too short - 'messages'")),
    (rules.no_user, _lost),
    # Words of a body recorded in github.com/cnblogs/dashscope-sdk@7afccbd, parameter-error-sse
    (rules.empty_content, _bad(_ROLE)),
    (rules.parts, _bad("input content must be a string.")),
    (rules.outside("temperature", 0, 2, below_high=True), _bad("Temperature should be in [0.0, 2.0)")),
    (rules.outside("top_p", 0, 1, above_low=True), _bad("Range of top_p should be (0.0, 1.0]")),
    (rules.outside("presence_penalty", -2, 2), _bad("Range of presence_penalty should be [-2.0, 2.0]")),
    (
        rules.outside("repetition_penalty", 0, float("inf"), above_low=True),
        _bad("Repetition_penalty should be greater than 0.0"),
    ),
    (rules.outside("max_tokens", 1, 131072), _bad("Range of max_tokens should be [1, 131072]")),
    (rules.given("seed", -1), _bad("-1 is lesser than the minimum of 0 - 'seed'")),
    (lambda question: question.fields.get("enable_search") is True, _bad("This model does not support enable_search.")),
    # glm-5.2 took 4096 and refused 131073 (measured 2026-08)
    (rules.outside("thinking_budget", 1, 131072), _bad("The thinking_budget parameter must be in [1, 131072]")),
    # Other words are an error on glm-5.3 ("Anthropic-Messages" page of help.aliyun.com, 2026)
    (
        rules.both(rules.model("glm-5.3"), rules.other_than("reasoning_effort", "low", "high", "max")),
        _bad("reasoning_effort should be one of low, high, max"),
    ),
    (
        lambda question: (
            isinstance(choice := question.fields.get("tool_choice"), str) and choice not in {"none", "auto"}
        ),
        _bad('tool_choice is one of the strings that should be ["none", "auto"]'),
    ),
    (_forces, _bad("The tool_choice parameter does not support being set to required or object in thinking mode")),
    (
        rules.both(rules.form("json_object", "json_schema"), _thinks),
        _bad("Json mode response is not supported when enable_thinking is true"),
    ),
    (
        rules.both(rules.form("json_object"), _no_json),
        _bad(
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
        ),
    ),
)

MODELSTUDIO: rules.Rules = (
    *_COMMON,
    # https://github.com/musistudio/claude-code-router/issues/714
    (
        lambda question: rules.model("glm-4.5")(question) and not question.stream,
        _bad("This model only support stream mode, please enable the stream parameter to access the model. "),
    ),
)

DASHSCOPE: rules.Rules = (
    *_COMMON,
    (
        rules.both(_thinks, _streamed, lambda question: question.fields.get("incremental_output") is not True),
        _bad('The incremental_output parameter must be "true" when enable_thinking is true'),
    ),
    (
        rules.both(_thinks, lambda question: question.fields.get("result_format") != "message"),
        _bad('The result_format parameter must be "message" when enable_thinking is true'),
    ),
)

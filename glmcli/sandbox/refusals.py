"""What each provider refuses: rules in its own order, the first that is broken answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.sandbox.refusals_alibaba import DASHSCOPE, MODELSTUDIO, malformed_alibaba
from glmcli.sandbox.refusals_servers import LLAMACPP, OLLAMA, OPENAI, SGLANG, TOKENHUB, VLLM, malformed_server
from glmcli.sandbox.refusals_zhipu import ZHIPU, malformed_zhipu

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.sandbox.failures import Failure
    from glmcli.sandbox.question import Question
    from glmcli.sandbox.rules import Rules

_RULES: Mapping[str, Rules] = {
    "bigmodel": ZHIPU,
    "zai": ZHIPU,
    "sandbox": ZHIPU,
    "modelstudio": MODELSTUDIO,
    "dashscope": DASHSCOPE,
    "tokenhub": TOKENHUB,
    "vllm": VLLM,
    "sglang": SGLANG,
    "llamacpp": LLAMACPP,
    "ollama": OLLAMA,
    "openai": OPENAI,
}


def refusal(question: Question) -> Failure | None:
    """Why this provider would not answer this question; None when it would."""
    for broken, failure in _RULES[question.provider]:
        if broken(question):
            return failure(question)
    return None


def malformed(provider: str, *, chinese: bool) -> Failure:
    """The answer to a body that is no JSON object."""
    if provider in {"bigmodel", "zai", "sandbox"}:
        return malformed_zhipu(chinese=chinese)
    if provider in {"modelstudio", "dashscope"}:
        return malformed_alibaba(native=provider == "dashscope")
    return malformed_server(provider)

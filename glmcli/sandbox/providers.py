"""The providers that the sandbox stands in for: a row each, with its address and its grammar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from glmcli.sandbox import shape_bigmodel, shape_dashscope, shape_modelstudio
from glmcli.sandbox.shape_local import LLAMACPP, OLLAMA
from glmcli.sandbox.shape_openai import Grammar, streamer
from glmcli.sandbox.shape_tokenhub import OPENAI, TOKENHUB
from glmcli.sandbox.shape_vllm import SGLANG, VLLM

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from glmcli.sandbox.answer import Answer
    from glmcli.sandbox.frames import Json
    from glmcli.sandbox.ids import Ids
    from glmcli.sandbox.question import Question
    from glmcli.sandbox.response import Header


@dataclass(frozen=True)
class Provider:
    """One provider: where it is, what it wants, how it writes.

    Attributes:
        headers: what goes on every response.
        filtered: its finish reason when the content filter cuts an answer; None if it sends an error instead.
    """

    prefix: str
    needs_key: bool
    stream: Callable[[Question, Answer], list[bytes]]
    whole: Callable[[Question, Answer], Json]
    headers: Callable[[Ids], tuple[Header, ...]] = lambda _: ()
    chat: str = "/chat/completions"
    stream_type: str = "text/event-stream"
    json_type: str = "application/json"
    filtered: str | None = None


def _log_id(ids: Ids) -> tuple[Header, ...]:
    """BigModel and Z.ai name a request here, and send no limits and no Retry-After (measured 2026-08)."""
    return (("x-log-id", ids.log),)


def _gateway(ids: Ids) -> tuple[Header, ...]:
    """Alibaba's gateway. Source: github.com/cnblogs/dashscope-sdk@7afccbd, RawHttpData."""
    return (("x-request-id", ids.uuid), ("x-dashscope-call-gateway", "true"), ("x-dashscope-timeout", "298"))


def _server(
    prefix: str,
    grammar: Grammar,
    filtered: str | None = "content_filter",
    *,
    needs_key: bool = False,
    utf8: bool = False,
) -> Provider:
    """A server whose grammar is a row of its own; some name the encoding of their streams."""
    kind = "text/event-stream; charset=utf-8" if utf8 else "text/event-stream"
    return Provider(prefix, needs_key, streamer(grammar), grammar.whole, stream_type=kind, filtered=filtered)


def _zhipu(prefix: str, *, needs_key: bool) -> Provider:
    return Provider(
        prefix,
        needs_key,
        shape_bigmodel.stream,
        shape_bigmodel.whole,
        _log_id,
        stream_type="text/event-stream;charset=UTF-8",
        json_type="application/json; charset=UTF-8",
        filtered="sensitive",
    )


PROVIDERS: Mapping[str, Provider] = {
    "bigmodel": _zhipu("/bigmodel/api/paas/v4", needs_key=True),
    "zai": _zhipu("/zai/api/paas/v4", needs_key=True),
    "modelstudio": Provider(
        "/modelstudio/compatible-mode/v1",
        needs_key=True,
        stream=shape_modelstudio.stream,
        whole=shape_modelstudio.whole,
        headers=_gateway,
        stream_type="text/event-stream;charset=UTF-8",
    ),
    "dashscope": Provider(
        "/dashscope/api/v1",
        needs_key=True,
        stream=shape_dashscope.stream,
        whole=shape_dashscope.whole,
        headers=_gateway,
        chat="/services/aigc/text-generation/generation",
        stream_type="text/event-stream;charset=UTF-8",
    ),
    "tokenhub": _server("/tokenhub/v1", TOKENHUB, filtered=None, needs_key=True),
    "vllm": _server("/vllm/v1", VLLM, utf8=True),
    "sglang": _server("/sglang/v1", SGLANG, utf8=True),
    "ollama": _server("/ollama/v1", OLLAMA),
    "llamacpp": _server("/llamacpp/v1", LLAMACPP),
    "openai": _server("/openai/v1", OPENAI, needs_key=True, utf8=True),
    "sandbox": _zhipu("/sandbox/api/paas/v4", needs_key=False),
}

PREFIXES: Mapping[str, str] = {name: row.prefix for name, row in PROVIDERS.items()}

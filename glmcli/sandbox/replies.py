"""From a request to its response: route, key, fault, recording, refusal, answer. The server only moves bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from glmcli.sandbox.answer import Answer, answer
from glmcli.sandbox.batch_forms import FORMS
from glmcli.sandbox.broken_streams import broken_off, filtered_off
from glmcli.sandbox.codes import alibaba, on_demand
from glmcli.sandbox.damage import damaged, half, instead, spoiled
from glmcli.sandbox.failures import BAD_KEY, WRITERS, Failure
from glmcli.sandbox.faults import KINDS, FaultPlan
from glmcli.sandbox.frames import compact
from glmcli.sandbox.listings import MODELS, not_allowed, not_found
from glmcli.sandbox.providers import PROVIDERS
from glmcli.sandbox.question import Question, chinese, native_stream, read
from glmcli.sandbox.recordings import recorded
from glmcli.sandbox.refusals import malformed, refusal
from glmcli.sandbox.response import Response, event_stream
from glmcli.sandbox.shape_dashscope import frame

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.sandbox.batches import Batches
    from glmcli.sandbox.ids import Ids


@dataclass(frozen=True)
class Incoming:
    """A request as it arrived; header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


def respond(incoming: Incoming, ids: Ids, plan: FaultPlan, batches: Batches) -> Response:
    """The response to any request."""
    path = incoming.target.partition("?")[0]
    name = next((name for name, row in PROVIDERS.items() if path.startswith(f"{row.prefix}/")), None)
    if name is None:
        return Response(404, "text/plain; charset=utf-8", (b"The glm sandbox has no provider at this path.\n",))
    provider, rest = PROVIDERS[name], path[len(PROVIDERS[name].prefix) :]
    if name in FORMS and rest.startswith(("/files", "/batches")):
        response = (_no_key(name, ids) if _bad_key(name, incoming.headers) else None) or batches.respond(
            name, incoming, rest, ids
        )
        return replace(response or not_found(name, rest), headers=provider.headers(ids))
    method = {provider.chat: "POST", "/models": "GET"}.get(rest)
    if method is None:
        return not_found(name, rest)
    if method != incoming.method:
        return not_allowed(name, rest)
    if _bad_key(name, incoming.headers):
        response = _no_key(name, ids)
    elif method == "GET":
        response = Response(200, provider.json_type, (compact(MODELS[name](ids)),))
    else:
        response = _asked(name, incoming, ids, plan.next())
    return replace(response, headers=(*provider.headers(ids), *response.headers))


def _bad_key(name: str, headers: Mapping[str, str]) -> bool:
    """The key `bad-key` is bad everywhere; hosted providers want one."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key == "bad-key" or (PROVIDERS[name].needs_key and (scheme.lower() != "bearer" or not key.strip()))


def _no_key(name: str, ids: Ids) -> Response:
    """A 401. DashScope's was recorded without a content type (github.com/cnblogs/dashscope-sdk@7afccbd, auth-error)."""
    failure = BAD_KEY[name]
    kind = None if name == "dashscope" else PROVIDERS[name].json_type
    return Response(failure.status, kind, (compact(WRITERS[name](failure, ids)),))


def _asked(name: str, incoming: Incoming, ids: Ids, kind: str | None) -> Response:
    """The response to a request for an answer."""
    streamed = name == "dashscope" and native_stream(incoming.headers)
    if (other := instead(kind, PROVIDERS[name].prefix)) is not None:
        return other
    if kind is not None and kind not in KINDS:
        failure = on_demand(name, kind, chinese=chinese(name, incoming.headers))
        return _failed(name, failure, ids, status=failure.status, streamed=streamed)
    body = _object(incoming.body)
    if body is None:
        failure = malformed(name, chinese=chinese(name, incoming.headers))
        return _failed(name, failure, ids, streamed=streamed)
    question = read(name, body, incoming.headers, ids)
    if (replay := recorded(name, question.model)) is not None:
        return damaged(kind, replay)
    if (refused := refusal(question)) is not None:
        return _failed(name, refused, ids, streamed=streamed)
    return _answered(question, kind)


def _object(body: bytes) -> dict[str, Any] | None:
    """The JSON object of a body; None if it is something else."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _failed(name: str, failure: Failure, ids: Ids, *, status: int | None = None, streamed: bool) -> Response:
    """A refusal. DashScope writes it as a frame if a stream was asked for, its parameter errors even under status 200.

    Source: github.com/cnblogs/dashscope-sdk@7afccbd, parameter-error-sse (200); dashscope 2.0.2 on PyPI,
    `_sse_error_body` (an error status with an event stream as its body).
    """
    body = WRITERS[name](failure, ids)
    if not streamed:
        return Response(failure.status if status is None else status, PROVIDERS[name].json_type, (compact(body),))
    native = event_stream((frame(1, "error", failure.status, body),), PROVIDERS[name].stream_type)
    return replace(native, status=200 if status is None else status)


def _answered(question: Question, kind: str | None) -> Response:
    """The answer, with the faults that let it begin."""
    provider = PROVIDERS[question.provider]
    if kind == "sensitive" and provider.filtered is None:
        return _moderated(question)
    reply = spoiled(kind, answer(question), provider.filtered or "")
    response = _rendered(question, reply)
    if kind != "error":
        return damaged(kind, response)
    if not question.stream:
        failure = on_demand(question.provider, "500", chinese=question.chinese)
        return _failed(question.provider, failure, question.ids, status=200, streamed=False)
    sent = half(response)
    return replace(response, frames=(*sent, *broken_off(question, len(sent))))


def _rendered(question: Question, reply: Answer) -> Response:
    provider = PROVIDERS[question.provider]
    if question.stream:
        return event_stream(provider.stream(question, reply), provider.stream_type)
    return Response(200, provider.json_type, (compact(provider.whole(question, reply)),))


def _moderated(question: Question) -> Response:
    """Providers whose filter is an error: Alibaba breaks off, TokenHub answers 451."""
    if question.provider == "tokenhub":
        failure = on_demand("tokenhub", "451001", chinese=False)
        return _failed("tokenhub", failure, question.ids, streamed=False)
    if not question.stream:
        failure = alibaba("DataInspectionFailed", native=question.provider == "dashscope")
        return _failed(question.provider, failure, question.ids, streamed=False)
    response = _rendered(question, answer(question))
    sent = half(response)
    return replace(response, frames=(*sent, *filtered_off(question, len(sent))))

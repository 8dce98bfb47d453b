"""From a line of a provider's answers to how the row ended, by the same rules as for every other answer. Pure.

A line can say no in many places: a status that is no success inside the file of answers, `error: {code, message}`,
`error_code` and `error_message` (help.aliyun.com, batch-interfaces-compatible-with-openai, 2025: the text has the one,
the program beside it the other), or an error where the answer should stand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.chat.outcome import Outcome
from glmcli.chat.reply import Fold, Reply, verdict
from glmcli.engine.response import displayed
from glmcli.errors import GlmError, ProtocolError
from glmcli.http.bodies import compact_json
from glmcli.providers.json_values import as_object
from glmcli.providers.pricing import batch_cost
from glmcli.providers.refusals import ErrorPayload, error_of_response, refusal
from glmcli.providers.table import dialect_of
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.console.redaction import Redactor
    from glmcli.providers.row import Provider

_SUCCESS = range(200, 300)


class ResultReader(Record):
    """What an answer is judged by.

    Attributes:
        allow_empty: an answer without text is complete.
        exact: newlines at its beginning stay.
    """

    provider: Provider
    redactor: Redactor
    allow_empty: bool = False
    exact: bool = False

    def outcome(self, line: Mapping[str, Any], model: str, calls: int) -> Outcome:
        """How the row of this line ended; `calls` were made for it."""
        provider = self.provider.serving(model)
        reply, error = _read(line, provider)
        if not self.exact and provider.api.sends_leading_newlines:
            reply = reply.replace(answer=reply.answer.lstrip("\n"))
        if error is None:
            error = verdict(reply, allow_empty=self.allow_empty)
        if error:
            error.request_id = error.request_id or reply.request_id
            displayed(error, provider, self.redactor)
        return Outcome(provider.name, model, reply, error, calls, cost=batch_cost(provider, model, reply.usage))


def _read(line: Mapping[str, Any], provider: Provider) -> tuple[Reply, GlmError | None]:
    response = as_object(line.get("response"))
    body, status = response.get("body"), response.get("status_code")
    refused = status if isinstance(status, int) and status not in _SUCCESS else None
    if fault := _fault(line):
        return Reply(), refusal(fault, provider, refused)
    if refused:
        request_id = response.get("request_id")
        headers = {"x-request-id": request_id} if isinstance(request_id, str) and request_id else {}
        text = body if isinstance(body, str) else compact_json(body)
        return Reply(), error_of_response(refused, headers, text.encode(errors="replace"), provider, 0.0)
    if not isinstance(body, dict):
        return Reply(), ProtocolError("the line holds neither an answer nor an error", why=compact_json(line))
    return _answer(body, provider)


def _fault(line: Mapping[str, Any]) -> ErrorPayload | None:
    """What the line says beside the response."""
    error = line.get("error")
    if isinstance(error, str) and error:
        return ErrorPayload(error)
    said = as_object(error)
    code = said.get("code") or said.get("error_code") or line.get("error_code")
    message = said.get("message") or said.get("error_message") or line.get("error_message")
    kind = said.get("type")
    if not code and not message:
        return None
    return ErrorPayload(str(message or ""), str(code or ""), kind if isinstance(kind, str) else "")


def _answer(body: dict[str, Any], provider: Provider) -> tuple[Reply, GlmError | None]:
    fold = Fold()
    decoder = dialect_of(provider).decoder(provider)
    try:
        for event in decoder.whole(compact_json(body)):
            fold.add(event)
        for event in decoder.close():
            fold.add(event)
    except GlmError as error:
        return fold.reply(), error
    return fold.reply(), None

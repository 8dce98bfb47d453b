"""A provider's files of results: a line of JSON a row, each an answer or an error.

A line can report an error in many places: an HTTP status in the result that is not a success, `error: {code, message}`,
`error_code` and `error_message` (help.aliyun.com, batch-interfaces-compatible-with-openai, 2025: the text has the one,
the program beside it the other), or an error where the answer should be.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glmcli.chat.outcome import Outcome
from glmcli.chat.reply import Fold, Reply, verdict
from glmcli.console.files import create
from glmcli.engine.response import displayed
from glmcli.errors import GlmError, OutputError, ProtocolError
from glmcli.http.bodies import compact_json
from glmcli.providers.error_payload import find_complaint, find_error
from glmcli.providers.json_values import as_object
from glmcli.providers.pricing import batch_cost
from glmcli.providers.refusals import error_of_response, refusal
from glmcli.providers.table import dialect_of
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from glmcli.batch.jobs.batch_client import BatchClient
    from glmcli.console.redaction import Redactor
    from glmcli.providers.error_payload import ErrorPayload
    from glmcli.providers.row import Provider

_MAX_LINE = 256 << 20  # bytes; an answer has at most 64 MiB, and JSON may escape it
_SHOWN = 1 << 12  # bytes of an unreadable line; messages cut them once more
_SUCCESS = range(200, 300)


class ResultFile:
    """A local copy of a file of results, which is kept only if it has lines that cannot be read.

    Attributes:
        lines: how many lines are results.
        bad_line: the number of the first line that is not; 0 while there is none.
        bad_text: how that line begins.
        is_torn: whether the file ends in the middle of a line.
    """

    def __init__(self, path: str) -> None:
        """The copy is at `path`."""
        self.path = path
        self.lines = self.bad_line = 0
        self.bad_text = ""
        self.is_torn = False

    def read(self, client: BatchClient, file: str) -> Iterator[dict[str, Any]]:
        """Download the file of this id; each line that is a result, with its `custom_id` as a string.

        Raises:
            GlmError: it cannot be downloaded, or the copy cannot be written.
        """
        try:
            with os.fdopen(create(self.path), "w+b") as copy:
                client.download(file, copy)
                copy.seek(0)
                for number, line in enumerate(iter(lambda: copy.readline(_MAX_LINE), b""), 1):
                    yield from self._parse(number, line)
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {error.strerror}", fix="make room, then again") from error

    def _parse(self, number: int, line: bytes) -> Iterator[dict[str, Any]]:
        if not line.strip():
            return
        value = _result(line)
        if value is not None:
            self.lines += 1
            yield value
            return
        if not self.bad_line:
            self.bad_line, self.bad_text = number, line[:_SHOWN].decode(errors="replace")
        self.is_torn = not line.endswith(b"\n")

    def remove(self) -> None:
        """Remove the copy, unless it has lines that could not be read."""
        if not self.bad_line:
            with suppress(OSError):
                Path(self.path).unlink()


def _result(line: bytes) -> dict[str, Any] | None:
    """The line as JSON if it is a result, which is an object with a `custom_id`."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    name = value.get("custom_id") if isinstance(value, dict) else None
    if isinstance(name, int) and not isinstance(name, bool):  # the provider made a number of an id of digits
        value["custom_id"] = name = str(name)
    return value if isinstance(name, str) else None


class ResultReader(Record):
    """Reads results by the rules for all replies.

    Attributes:
        allow_empty: an answer without text is complete.
        exact: newlines at the beginning of an answer stay.
    """

    provider: Provider
    redactor: Redactor
    allow_empty: bool = False
    exact: bool = False

    def outcome(self, line: Mapping[str, Any], model: str, calls: int) -> Outcome:
        """How the row of this result ended; `calls` is the number of requests that were made for it."""
        provider = self.provider.serving(model)
        reply, error = _reply(line, provider)
        if not self.exact and provider.api.sends_leading_newlines:
            reply = reply.replace(answer=reply.answer.lstrip("\n"))
        if error is None:
            error = verdict(reply, allow_empty=self.allow_empty)
        if error:
            error.request_id = error.request_id or reply.request_id
            displayed(error, provider, self.redactor)
        # What a search costs in a batch is on no page.
        paid = None if reply.sources else batch_cost(provider, model, reply.usage)
        return Outcome(provider.name, model, reply, error, calls, cost=paid)


def _reply(line: Mapping[str, Any], provider: Provider) -> tuple[Reply, GlmError | None]:
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
    """The error that the line reports beside the response."""
    reported = {name: line[name] for name in ("error", "error_code", "error_message") if name in line}
    return find_error(reported) or find_complaint(reported)


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

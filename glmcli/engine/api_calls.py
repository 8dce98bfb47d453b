"""Requests that are not questions, such as the list of models and the calls of a Batch API, with the same limits."""

from __future__ import annotations

import time
from typing import IO, TYPE_CHECKING, Any, TypeVar

from glmcli.engine.response import ReadStatus, Response, displayed
from glmcli.errors import GlmError, ProtocolError
from glmcli.http.call import SUCCESS
from glmcli.http.client import send
from glmcli.http.retry import retry_delay, sleep
from glmcli.http.timeouts import deadline_error
from glmcli.providers.error_payload import find_error
from glmcli.providers.json_values import decode
from glmcli.providers.refusals import html_page, is_html, refusal
from glmcli.providers.table import dialect_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.config.plan import Endpoint, Plan
    from glmcli.console.terminal import Terminal
    from glmcli.http.call import HttpCall, ResponseHead
    from glmcli.http.tls import Tls
    from glmcli.providers.dialect import Listed
    from glmcli.providers.row import Provider

_MAX_JSON = 16 * 1024 * 1024  # bytes
_MAX_PAGES = 100
_HTML_PROBE = 512  # bytes of a body that are checked for HTML
_CLIENT_ERRORS = range(400, 500)
# Statuses after which the request may have been carried out all the same: 408 time-out, 409 conflict (perhaps with
# the first try), 499 the client closed the connection (nginx), and failures of the server.
_MAY_BE_DONE = frozenset((408, 409, 499, *range(500, 600)))

T = TypeVar("T")


class ApiClient:
    """Sends requests that are not questions to one provider, with retries."""

    def __init__(
        self, endpoint: Endpoint, plan: Plan, terminal: Terminal, tls: Tls | None, tick: Callable[[], None]
    ) -> None:
        """`tick` is called several times a second while we wait; what it raises ends everything."""
        self.provider = endpoint.provider
        self._endpoint = endpoint
        self._plan = plan
        self._terminal = terminal
        self._tls = tls
        self._tick = tick

    def request_json(self, call: HttpCall, what: str, *, once: bool = False) -> Any:  # noqa: ANN401 - any JSON
        """The JSON of a successful response; `what` it is, for messages.

        With `once`, a request that may have been carried out already is not sent again.

        Raises:
            GlmError: the provider refuses or does not answer.
        """
        return self._with_retries(lambda: self._json(call, what), once=once)

    def download(self, call: HttpCall, file: IO[bytes]) -> None:
        """Write the body of a successful response into this file, from its beginning.

        Raises:
            GlmError: the provider refuses, or the connection breaks.
            OSError: the file cannot be written.
        """

        def attempt() -> None:
            file.seek(0)
            file.truncate()
            self._read_body(call, file.write)

        self._with_retries(attempt, once=False)

    def list_models(self) -> tuple[Listed, ...]:
        """All models that the provider lists, each once, in its order.

        Raises:
            GlmError: it does not list them.
        """
        dialect = dialect_of(self.provider)
        found: dict[str, Listed] = {}
        for page in range(1, _MAX_PAGES + 1):
            answer = self.request_json(dialect.models_request(self.provider, page), "the list of models")
            try:
                listing = dialect.models_page(answer)
            except GlmError as error:
                raise self.displayed(error) from error
            new = {model.id: model for model in listing.models if model.id not in found}
            found |= new
            if not new or len(found) >= listing.total:
                break
        return tuple(found.values())

    def displayed(self, error: GlmError) -> GlmError:
        """The error as a person reads it: with the provider's name, and without keys."""
        return displayed(error, self.provider, self._terminal.redactor)

    def sleep(self, seconds: float) -> None:
        """Wait, but not beyond the deadline.

        Raises:
            NetworkError: the deadline has passed.
        """
        left = self._plan.deadline - time.monotonic()
        sleep(min(seconds, left), self._tick)
        if seconds >= left:
            raise self.displayed(deadline_error(self._plan.limits))

    def _with_retries(self, attempt: Callable[[], T], *, once: bool) -> T:
        retry, began = 0, time.monotonic()
        while True:
            try:
                return attempt()
            except GlmError as error:
                failure = self.displayed(error)
                may_be_done = once and _may_be_done(failure)
                delay = None
                if not may_be_done:
                    delay = retry_delay(failure, retry, began, self._plan.limits, self._plan.deadline)
                if delay is None:
                    failure.sent = may_be_done
                    raise failure from error
            self._terminal.note(f"{failure.message}; retrying in {delay:.1f} s")
            retry += 1
            self.sleep(delay)

    def _json(self, call: HttpCall, what: str) -> Any:  # noqa: ANN401 - any JSON
        body = bytearray()

        def add(piece: bytes) -> None:
            body.extend(piece)
            if len(body) > _MAX_JSON:
                raise ProtocolError(message=f"{what} is larger than {_MAX_JSON >> 20} MiB")

        self._read_body(call, add)
        value = decode(body.decode(errors="replace"))
        fault = find_error(value)
        if fault:
            raise refusal(fault, self.provider)
        return value

    def _read_body(self, call: HttpCall, sink: Callable[[bytes], object]) -> None:
        """Pass the body of a successful response to `sink`, piece by piece."""
        call = call.replace(key=self._endpoint.call.key)
        reader = _DownloadReader(self.provider, sink)
        response = Response(self.provider, reader, self._plan.limits, self._plan.deadline, call.url)
        send(call, self._endpoint.proxy, self._tls, response, self._tick)
        if response.error:
            raise response.error


class _DownloadReader:
    """Reads a body that is not an HTML page."""

    def __init__(self, provider: Provider, sink: Callable[[bytes], object]) -> None:
        self._provider = provider
        self._sink = sink
        self._content_type = ""
        self._is_first = True

    def head(self, head: ResponseHead) -> None:
        self._content_type = head.headers.get("content-type", "")

    def data(self, chunk: bytes) -> ReadStatus:
        if self._is_first and is_html(self._content_type, chunk[:_HTML_PROBE].decode(errors="replace")):
            raise html_page(chunk.decode(errors="replace"), self._provider, min(SUCCESS))
        self._is_first = False
        self._sink(chunk)
        return ReadStatus.DATA

    def end(self, failure: GlmError | None = None) -> None:
        """Do nothing: no byte was held back."""


def _may_be_done(error: GlmError) -> bool:
    """Whether the request may have been carried out: certainly not if it was refused clearly, or never sent."""
    status = error.http_status or 0
    return error.sent or status in _MAY_BE_DONE or (isinstance(error, ProtocolError) and status not in _CLIENT_ERRORS)

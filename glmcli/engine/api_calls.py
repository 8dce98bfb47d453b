"""Requests that are not questions: over the same transport, under the same limits, and in the same words."""

from __future__ import annotations

import time
from typing import IO, TYPE_CHECKING, Any, TypeVar

from glmcli.engine.response import ReadStatus, Response, displayed
from glmcli.engine.retry import retry_delay, sleep
from glmcli.errors import GlmError, ProtocolError
from glmcli.http.call import SUCCESS
from glmcli.http.client import Exchange
from glmcli.http.timeouts import deadline_error
from glmcli.providers.json_values import decode
from glmcli.providers.refusals import find_error, html_page, is_html, refusal
from glmcli.providers.table import dialect_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.config.plan import Endpoint, Plan
    from glmcli.console.terminal import Terminal
    from glmcli.http.call import HttpCall, ResponseHead
    from glmcli.http.tls import Tls
    from glmcli.providers.dialect import Listed
    from glmcli.providers.row import Provider

_MOST = 16 * 1024 * 1024  # bytes of a page
_PAGES = 100
_FIRST = 512  # bytes in which a page for people shows itself
_CLIENT_ERROR = range(400, 500)
# Statuses after which what was asked for may have been done all the same: a server that failed, one that tired of
# waiting, a conflict with what is there already, and a client that nginx saw leave.
_UNKNOWN = frozenset((408, 409, 499, *range(500, 600)))

T = TypeVar("T")


class ApiClient:
    """Sends requests that are not questions to one provider, with their retries."""

    def __init__(
        self, reached: Endpoint, plan: Plan, terminal: Terminal, tls: Tls | None, tick: Callable[[], None]
    ) -> None:
        """`tick` is called several times a second while we wait; it may raise to end everything."""
        self.provider = reached.provider
        self._reached = reached
        self._plan = plan
        self._terminal = terminal
        self._tls = tls
        self._tick = tick

    def ask(self, call: HttpCall, what: str, *, once: bool = False) -> Any:  # noqa: ANN401 - any JSON may come
        """The JSON of a successful response; `what` it is, for messages.

        What may have been done already is done again, unless it is to happen `once`.

        Raises:
            GlmError: the provider refuses, or does not say.
        """
        return self._patient(lambda: self._read(call, what), once=once)

    def save(self, call: HttpCall, file: IO[bytes]) -> None:
        """Write the body of a successful response into this file, from its beginning.

        Raises:
            GlmError: the provider refuses, or breaks off.
            OSError: the file cannot be written.
        """

        def once() -> None:
            file.seek(0)
            file.truncate()
            self._fetch(call, file.write)

        self._patient(once, once=False)

    def _patient(self, read: Callable[[], T], *, once: bool) -> T:
        retry, began = 0, time.monotonic()
        while True:
            try:
                return read()
            except GlmError as error:
                told = self.told(error)
                may_be_done = once and _may_be_done(told)
                wait = None if may_be_done else retry_delay(told, retry, began, self._plan)
                if wait is None:
                    told.sent = may_be_done
                    raise told from error
            self._terminal.note(f"{told.message}; asking again in {wait:.1f} s")
            retry += 1
            self.sleep(wait)

    def told(self, error: GlmError) -> GlmError:
        """The error as a person reads it: with the provider's name, and without keys."""
        return displayed(error, self.provider, self._terminal.redactor)

    def sleep(self, seconds: float) -> None:
        """Wait, but not beyond the deadline.

        Raises:
            NetworkError: it has passed.
        """
        left = self._plan.deadline - time.monotonic()
        sleep(min(seconds, left), self._tick)
        if seconds >= left:
            raise self.told(deadline_error(self._plan.limits))

    def _read(self, call: HttpCall, what: str) -> Any:  # noqa: ANN401 - any JSON may come
        body = bytearray()

        def add(piece: bytes) -> None:
            body.extend(piece)
            if len(body) > _MOST:
                raise ProtocolError(message=f"{what} is larger than {_MOST >> 20} MiB")

        self._fetch(call, add)
        value = decode(body.decode(errors="replace"))
        fault = find_error(value)
        if fault:
            raise refusal(fault, self.provider)
        return value

    def _fetch(self, call: HttpCall, sink: Callable[[bytes], object]) -> None:
        """Hand the body of a successful response to `sink`, as it comes."""
        call = call.replace(key=self._reached.call.key)
        body = _Body(self.provider, sink)
        response = Response(self.provider, body, self._plan.limits, self._plan.deadline)
        exchange = Exchange(call, self._reached.proxy, self._tls)
        try:
            exchange.tell(response, self._tick)
        finally:
            exchange.close()
        if response.error:
            raise response.error


class _Body:
    """A body that is no page for people."""

    def __init__(self, provider: Provider, sink: Callable[[bytes], object]) -> None:
        self._provider = provider
        self._sink = sink
        self._kind = ""
        self._begun = False

    def head(self, head: ResponseHead) -> None:
        self._kind = head.headers.get("content-type", "")

    def data(self, chunk: bytes) -> ReadStatus:
        if not self._begun and is_html(self._kind, chunk[:_FIRST].decode(errors="replace")):
            raise html_page(chunk.decode(errors="replace"), self._provider, min(SUCCESS))
        self._begun = True
        self._sink(chunk)
        return ReadStatus.DATA

    def end(self) -> None:
        """Nothing is held back."""


def _may_be_done(error: GlmError) -> bool:
    """Whether what was asked for may have been done: only a clear word, or none sent, says that it was not."""
    status = error.http_status or 0
    return error.sent or status in _UNKNOWN or (isinstance(error, ProtocolError) and status not in _CLIENT_ERROR)


class Remote:
    """Asks one provider for its models."""

    def __init__(self, calls: ApiClient) -> None:
        """Ask over these."""
        self._calls = calls

    def models(self) -> tuple[Listed, ...]:
        """All that the provider lists, each model once, in its order.

        Raises:
            GlmError: it does not say.
        """
        provider = self._calls.provider
        dialect = dialect_of(provider)
        found: dict[str, Listed] = {}
        for page in range(1, _PAGES + 1):
            said = self._calls.ask(dialect.models_request(provider, page), "the list of models")
            try:
                listing = dialect.models_page(said)
            except GlmError as error:
                raise self._calls.told(error) from error
            fresh = [model for model in listing.models if model.id not in found]
            found |= {model.id: model for model in fresh}
            if not fresh or len(found) >= listing.total:
                break
        return tuple(found.values())

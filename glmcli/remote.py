"""Requests that are not questions: over the same transport, under the same limits, and in the same words."""

from __future__ import annotations

import time
from typing import IO, TYPE_CHECKING, Any, TypeVar

from glmcli.errors import GlmError, IncompleteError, NetworkError, ProtocolError, Retry
from glmcli.patience import pause, sleep
from glmcli.providers import dialect_of
from glmcli.providers.json_text import decode
from glmcli.providers.refusals import find_fault, html_page, is_html, refusal
from glmcli.transport.exchange import End, Exchange
from glmcli.transport.message import Head
from glmcli.watch import Refusal, TransportError, Watch, named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from glmcli.plan import Plan
    from glmcli.providers.dialect import HttpCall, Listed
    from glmcli.providers.row import Provider
    from glmcli.settings import Reached
    from glmcli.terminal import Terminal
    from glmcli.tls import Tls

_MOST = 16 * 1024 * 1024  # bytes of a page
_PAGES = 100
_FIRST = 512  # bytes in which a page for people shows itself
_SUCCESS = range(200, 300)
_CLIENT_ERROR = range(400, 500)
# Statuses after which what was asked for may have been done all the same: a server that failed, one that tired of
# waiting, a conflict with what is there already, and a client that nginx saw leave.
_UNKNOWN = frozenset((408, 409, 499, *range(500, 600)))

T = TypeVar("T")


class Calls:
    """Sends requests that are not questions to one provider, with their retries."""

    def __init__(
        self, reached: Reached, plan: Plan, terminal: Terminal, tls: Tls | None, tick: Callable[[], None]
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
            for piece in self._pieces(call, "the file"):
                file.write(piece)

        self._patient(once, once=False)

    def _patient(self, read: Callable[[], T], *, once: bool) -> T:
        retry, began = 0, time.monotonic()
        while True:
            try:
                return read()
            except GlmError as error:
                told = self.told(error)
                may_be_done = once and _may_be_done(told)
                wait = None if may_be_done else pause(told, retry, began, self._plan)
                if wait is None:
                    told.sent = may_be_done
                    raise told from error
            self._terminal.note(f"{told.message}; asking again in {wait:.1f} s")
            retry += 1
            self.sleep(wait)

    def told(self, error: GlmError) -> GlmError:
        """The error as a person reads it: with the provider's name, and without keys."""
        return named(error, self.provider, self._terminal.redactor)

    def sleep(self, seconds: float) -> None:
        """Wait, but not beyond the deadline.

        Raises:
            NetworkError: it has passed.
        """
        left = self._plan.deadline - time.monotonic()
        sleep(min(seconds, left), self._tick)
        if seconds >= left:
            limit = self._plan.limits.deadline or 0.0
            raise self.told(NetworkError(message=f"the deadline of {limit:g} s has passed"))

    def _read(self, call: HttpCall, what: str) -> Any:  # noqa: ANN401 - any JSON may come
        body = bytearray()
        for piece in self._pieces(call, what):
            body += piece
            if len(body) > _MOST:
                raise ProtocolError(message=f"{what} is larger than {_MOST >> 20} MiB")
        value = decode(body.decode(errors="replace"))
        fault = find_fault(value)
        if fault:
            raise refusal(fault, self.provider)
        return value

    def _pieces(self, call: HttpCall, what: str) -> Iterator[bytes]:
        """The body of a successful response."""
        call = call.replace(key=self._reached.call.key)
        watch = Watch(Exchange(call, self._reached.proxy, self._tls), self._plan, self.provider.name, self._tick)
        try:
            yield from _pieces(watch, self.provider, what)
        except TransportError as failure:
            raise failure.error from failure
        finally:
            watch.close()


def _may_be_done(error: GlmError) -> bool:
    """Whether what was asked for may have been done: only a clear word, or none sent, says that it was not."""
    status = error.http_status or 0
    return error.sent or status in _UNKNOWN or (isinstance(error, ProtocolError) and status not in _CLIENT_ERROR)


class Remote:
    """Asks one provider for its models."""

    def __init__(self, calls: Calls) -> None:
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
            said = self._calls.ask(dialect.ask_models(provider, page), "the list of models")
            try:
                listing = dialect.listing(said)
            except GlmError as error:
                raise self._calls.told(error) from error
            fresh = [model for model in listing.models if model.id not in found]
            found |= {model.id: model for model in fresh}
            if not fresh or len(found) >= listing.total:
                break
        return tuple(found.values())


def _pieces(watch: Watch, provider: Provider, what: str) -> Iterator[bytes]:
    """What comes of a body that is no page for people."""
    kind, begun = "", False
    for happening in watch:
        if isinstance(happening, Head):
            if happening.status not in _SUCCESS:
                raise Refusal(happening, watch, provider).error
            kind = happening.headers.get("content-type", "")
        elif isinstance(happening, bytes) and happening:
            if not begun and is_html(kind, happening[:_FIRST].decode(errors="replace")):
                raise html_page(happening.decode(errors="replace"), provider, min(_SUCCESS))
            begun = True
            watch.saw_data(finished=False)
            yield happening
        elif isinstance(happening, End):
            return
    raise IncompleteError(message=f"{what} has no end", retry=Retry.NETWORK)

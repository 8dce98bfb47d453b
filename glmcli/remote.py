"""A provider's own list of its models, asked for over the same transport and under the same limits as a question."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from glmcli.errors import GlmError, IncompleteError, ProtocolError, Retry
from glmcli.patience import pause, sleep
from glmcli.providers import dialect_of
from glmcli.providers.json_text import decode
from glmcli.providers.refusals import find_fault, html_page, is_html, refusal
from glmcli.transport.exchange import End, Exchange
from glmcli.transport.message import Head
from glmcli.watch import Refusal, TransportError, Watch, named

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.plan import Plan
    from glmcli.providers.dialect import HttpCall, Listed, Listing
    from glmcli.providers.row import Provider
    from glmcli.settings import Reached
    from glmcli.terminal import Terminal
    from glmcli.tls import Tls

_MOST = 16 * 1024 * 1024  # bytes of a page
_PAGES = 100
_SUCCESS = range(200, 300)


class Remote:
    """Asks one provider."""

    def __init__(
        self, reached: Reached, plan: Plan, terminal: Terminal, tls: Tls | None, tick: Callable[[], None]
    ) -> None:
        """`tick` is called several times a second while we wait; it may raise to end everything."""
        self._reached = reached
        self._plan = plan
        self._terminal = terminal
        self._tls = tls
        self._tick = tick

    def models(self) -> tuple[Listed, ...]:
        """All that the provider lists, each model once, in its order.

        Raises:
            GlmError: it does not say.
        """
        provider = self._reached.provider
        found: dict[str, Listed] = {}
        for page in range(1, _PAGES + 1):
            call = dialect_of(provider).ask_models(provider, page).replace(key=self._reached.call.key)
            listing = self._page(call)
            fresh = [model for model in listing.models if model.id not in found]
            found |= {model.id: model for model in fresh}
            if not fresh or len(found) >= listing.total:
                break
        return tuple(found.values())

    def _page(self, call: HttpCall) -> Listing:
        """One page, with its retries: asking for a list costs nothing, so it is always asked again."""
        retry, began = 0, time.monotonic()
        while True:
            try:
                return self._read(call)
            except GlmError as error:
                told = named(error, self._reached.provider, self._terminal.redactor)
                wait = pause(told, retry, began, self._plan)
                if wait is None:
                    raise told from error
            self._terminal.note(f"{told.message}; asking again in {wait:.1f} s")
            retry += 1
            sleep(wait, self._tick)

    def _read(self, call: HttpCall) -> Listing:
        provider = self._reached.provider
        watch = Watch(Exchange(call, self._reached.proxy, self._tls), self._plan, provider.name, self._tick)
        try:
            content_type, body = _whole(watch, provider)
        except TransportError as failure:
            raise failure.error from failure
        finally:
            watch.close()
        return _listing(body.decode(errors="replace"), content_type, provider)


def _whole(watch: Watch, provider: Provider) -> tuple[str, bytes]:
    """The content type and the body of a successful response."""
    content_type, body = "", bytearray()
    for happening in watch:
        if isinstance(happening, Head):
            if happening.status not in _SUCCESS:
                raise Refusal(happening, watch, provider).error
            content_type = happening.headers.get("content-type", "")
        elif isinstance(happening, bytes):
            body += happening
            watch.saw_data(finished=False)
        elif isinstance(happening, End):
            return content_type, bytes(body)
        if len(body) > _MOST:
            raise ProtocolError(message=f"the list of models is larger than {_MOST >> 20} MiB")
    raise IncompleteError(message="the list of models has no end", retry=Retry.NETWORK)


def _listing(text: str, content_type: str, provider: Provider) -> Listing:
    if is_html(content_type, text):
        raise html_page(text, provider, min(_SUCCESS))
    value = decode(text)
    fault = find_fault(value)
    if fault:
        raise refusal(fault, provider)
    return dialect_of(provider).listing(value)

"""A lane: one keep-alive connection on which one request after another goes to the same origin.

Hundreds of them share an event loop; there is no pool, whose book-keeping costs more the more is in flight. Run them in
`aside.run`.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import h11

from glmcli.errors import GlmError
from glmcli.transport.dial import Route, dial
from glmcli.transport.faults import SOCKS, Place, translated
from glmcli.transport.hop import authorization
from glmcli.transport.message import pairs, target
from glmcli.transport.turn import Heard, Reader, StaleError, Turn, overdue

if TYPE_CHECKING:
    from glmcli.plan import Limits
    from glmcli.providers.dialect import HttpCall
    from glmcli.transport.wire import Wire

__all__ = ["Heard", "Lane", "Reader", "Route"]


class Lane:
    """Carries one request at a time."""

    def __init__(self, route: Route) -> None:
        """Connects with the first request."""
        self._route = route
        self._wire: Wire | None = None

    async def send(self, call: HttpCall, reader: Reader, limits: Limits, deadline: float) -> None:
        """Send the call; returns when the response is whole, or the reader wants no more of it.

        A connection that was closed while it was idle is replaced without a word. To be cancelled is to hang up.

        Args:
            call: to the origin of the route.
            reader: is told what comes, while it comes.
            limits: what counts are `connect`, `first` and `idle`, and `deadline` for its message.
            deadline: monotonic time in seconds.

        Raises:
            GlmError: as `ask` would end with, without the provider's name; or raised by the reader.
        """
        place = Place(urlsplit(call.url).netloc, self._route.proxy)
        if time.monotonic() >= deadline:
            raise overdue(limits, deadline, "", sent=False)
        try:
            if self._wire and await self._wire.free():
                try:
                    return await self._pass(call, self._wire, Turn(reader, limits, deadline, place, reused=True))
                except StaleError:
                    pass  # nobody read it
            self._wire = await self._connected(limits, deadline, place)
            await self._pass(call, self._wire, Turn(reader, limits, deadline, place, reused=False))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Hang up at once, so that the provider stops and no longer bills."""
        if self._wire:
            self._wire.hang_up()
        self._wire = None

    async def _connected(self, limits: Limits, deadline: float, place: Place) -> Wire:
        limit = asyncio.timeout_at(min(time.monotonic() + limits.connect, deadline))
        try:
            async with limit:
                return await dial(self._route)
        except GlmError:
            raise
        except Exception as error:
            if limit.expired():
                otherwise = f"cannot connect within {limits.connect:g} s"
                raise overdue(limits, deadline, otherwise, sent=False) from error
            raise translated(error, place, sent=False, begun=False) from error

    async def _pass(self, call: HttpCall, wire: Wire, turn: Turn) -> None:
        try:
            body = call.content()
            await wire.send(self._request(call, len(body)), body, turn)
        except (h11.LocalProtocolError, MemoryError) as error:
            raise translated(error, turn.place, sent=turn.sent, begun=turn.begun) from error

    def _request(self, call: HttpCall, length: int) -> h11.Request:
        url, proxy = urlsplit(call.url), self._route.proxy
        line, headers = target(url), pairs(call, url, length)
        if proxy and url.scheme == "http" and proxy.scheme not in SOCKS:
            line, headers = f"{url.scheme}://{url.netloc}{line}", [*authorization(proxy), *headers]
        return h11.Request(method=call.method, target=line, headers=headers)

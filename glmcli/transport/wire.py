"""A keep-alive connection: bytes of the transport to h11, events of h11 to the turn that is under way.

h11 decides on framing, lengths, informational responses and the size of headers. 54 microseconds of a request are its
own, of some 150 in all (benchmarks/lanes.py).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, cast

import h11
import httpcore

from glmcli.transport.faults import translated
from glmcli.transport.message import Head
from glmcli.transport.turn import StaleError
from glmcli.transport.watchdog import watchdog

if TYPE_CHECKING:
    from collections.abc import Iterable

    from glmcli.transport.turn import Turn

LONGEST_HEAD = 100 * 1024  # bytes; what httpcore allows
_TAIL = 0.25  # seconds that the last chunk of a body may take after a stream's own end
_SOME = 64 * 1024  # bytes read at a time


class Wire(asyncio.Protocol):
    """One connection, which carries one request after another."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=LONGEST_HEAD)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._turn: Turn | None = None
        self._tail: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._closed = False

    # What a lane does with it

    async def free(self) -> bool:
        """Whether it can carry another request; waits for what is left of the last response, which is not long."""
        if self._tail:
            await self._tail
        return not self._closed

    async def send(self, request: h11.Request, body: bytes | Iterable[bytes], turn: Turn) -> None:
        """One request and its response.

        Raises:
            StaleError: the connection had been closed before, so the request may be sent elsewhere.
            GlmError: there is no whole response.
            Exception: what the reader raised.
        """
        self._turn = turn
        watchdog().watch(self)
        try:
            if self._closed:
                self._lost(httpcore.RemoteProtocolError("closed before the request"))
            elif isinstance(body, bytes):
                self._write(self._http.send(request) + self._bytes_of(body), turn)
            else:
                self._write(self._http.send(request), turn)
                await self._pour(body, turn)
            await turn.over
        finally:
            watchdog().forget(self)

    def hang_up(self) -> None:
        """At once. A `send` that is still under way is cancelled."""
        self._closed = True
        turn, self._turn = self._turn, None
        if turn:
            turn.over.cancel()
        if self._transport:
            self._transport.abort()
        _resolve(self._room)
        self._end_tail()

    @property
    def due(self) -> float:
        """When the turn is late."""
        return self._turn.due if self._turn else float("inf")

    def late(self) -> None:
        """It is."""
        if self._turn:
            self._turn.late()
        self.hang_up()

    # The request

    def _bytes_of(self, body: bytes) -> bytes:
        data = self._http.send(h11.Data(data=body)) if body else b""
        return data + self._http.send(h11.EndOfMessage())

    def _write(self, data: bytes, turn: Turn) -> None:
        cast("asyncio.Transport", self._transport).write(data)
        turn.was_sent()

    async def _pour(self, body: Iterable[bytes], turn: Turn) -> None:
        """A large body, no faster than it goes; a refusal ends it early."""
        for chunk in body:
            if self._closed or turn.refused or turn.over.done():
                return
            self._write(self._http.send(h11.Data(data=chunk)), turn)
            await (self._room or asyncio.sleep(0))
        self._http.send(h11.EndOfMessage())

    def pause_writing(self) -> None:
        """The system takes no more for now."""
        self._room = self._loop.create_future()

    def resume_writing(self) -> None:
        """It does again."""
        room, self._room = self._room, None
        _resolve(room)

    # The response

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ours from now on."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Bytes came. Where no request is under way they answer none of ours, and the connection is worth nothing."""
        if self._turn:
            self._turn.answered = True
        elif not self._tail:
            self.hang_up()
            return
        self._http.receive_data(data)
        self._hear()

    def eof_received(self) -> None:
        """The other side says no more."""
        self._closed = True
        if self._turn and self._http.their_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._lost(httpcore.RemoteProtocolError("closed before a response"))
        elif self._turn:
            self._http.receive_data(b"")
            self._hear()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        if self._turn and exc is None:
            self.eof_received()
        elif self._turn and exc:
            self._read_what_is_left()
            self._lost(httpcore.ReadError(exc))
        self.hang_up()

    def _read_what_is_left(self) -> None:
        """The answer to a request that could not be sent whole: writing failed, but what came before is still there."""
        transport = cast("asyncio.Transport", self._transport)
        if self._http.our_state is not h11.SEND_BODY or transport.get_extra_info("ssl_object"):
            return  # what is left of TLS is no use without its state, which the transport keeps to itself
        with suppress(OSError), transport.get_extra_info("socket").dup() as ours:
            ours.setblocking(False)  # noqa: FBT003 - its only form
            while self._turn and (data := ours.recv(_SOME)):
                self.data_received(data)

    def _hear(self) -> None:
        try:
            while self._turn and self._take(self._http.next_event(), self._turn):
                pass
            while self._tail and self._take_tail(self._http.next_event()):
                pass
        except h11.RemoteProtocolError as error:
            self._lost(httpcore.RemoteProtocolError(error))
        except Exception as error:  # noqa: BLE001 - a callback has no caller: what the reader raises comes out of send
            if self._turn:
                self._turn.end(error)
            self.hang_up()

    def _take(self, event: object, turn: Turn) -> bool:
        """Whether there may be another event."""
        match event:
            case h11.Data():
                turn.data(bytes(event.data))
            case h11.Response():
                turn.head(Head.of(event.status_code, event.headers))
            case h11.EndOfMessage():
                turn.end()
            case h11.InformationalResponse():
                pass
            case _:
                return False
        if turn.over.done():
            self._end(turn)
        return True

    def _lost(self, error: Exception) -> None:
        """The connection is no good any more, in the words of httpcore."""
        turn = self._turn
        if turn and turn.is_stale():
            turn.end(StaleError())
        elif turn:
            turn.fail(translated(error, turn.place, sent=turn.sent, begun=turn.begun))
        self.hang_up()

    # Between two requests

    def _end(self, turn: Turn) -> None:
        self._turn = None
        # Who waited may have been cancelled, and not have come round yet to hang up.
        if turn.over.cancelled() or turn.over.exception():
            self.hang_up()
        elif self._http.their_state is h11.SEND_BODY and self._http.our_state is h11.DONE:
            # A stream says its own end first, and the last chunk follows at once, as a rule in a packet of its own.
            self._tail = self._loop.create_future()
            self._loop.call_later(_TAIL, self._give_up, self._tail)
        else:
            self._begin_anew()

    def _take_tail(self, event: object) -> bool:
        """Whether there may be another event."""
        match event:
            case h11.EndOfMessage():
                self._begin_anew()
                self._end_tail()
            case h11.NEED_DATA:
                pass
            case _:
                self.hang_up()  # nobody wants more of the body
        return False

    def _give_up(self, tail: asyncio.Future[None]) -> None:
        if tail is self._tail:
            self.hang_up()

    def _end_tail(self) -> None:
        tail, self._tail = self._tail, None
        _resolve(tail)

    def _begin_anew(self) -> None:
        """Ready for another request, if the other side is, and said no word too many."""
        both = (self._http.our_state, self._http.their_state)
        if both == (h11.DONE, h11.DONE) and self._http.next_event() is h11.NEED_DATA:
            self._http.start_next_cycle()
        else:
            self.hang_up()


def _resolve(future: asyncio.Future[None] | None) -> None:
    if future and not future.done():
        future.set_result(None)

"""How much a server may ask of us: each request of its own takes memory until our answer has left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcp.types import JSONRPCError, JSONRPCRequest, JSONRPCResponse

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from mcp.client._transport import ReadStream, WriteStream
    from mcp.shared.message import SessionMessage

_MOST = 64  # requests that wait for our answer


class Patience:
    """Counts the requests of a server that are not answered yet; too many of them end the connection."""

    def __init__(self) -> None:
        """None has come."""
        self.fault = ""
        self._waiting = 0

    def came(self, item: SessionMessage | Exception) -> bool:
        """Whether what came can be borne."""
        if isinstance(getattr(item, "message", None), JSONRPCRequest):
            self._waiting += 1
        if self._waiting > _MOST:
            self.fault = f"sent more than {_MOST} requests without waiting for an answer"
        return not self.fault

    def left(self, item: SessionMessage) -> None:
        """An answer has left."""
        if isinstance(item.message, JSONRPCResponse | JSONRPCError):
            self._waiting -= 1


class _Stream:
    """The end of one of a session's streams."""

    def __init__(self, inner: ReadStream[SessionMessage | Exception] | WriteStream[SessionMessage]) -> None:
        self._whole = inner

    async def aclose(self) -> None:
        await self._whole.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        await self.aclose()
        return None


class Reading(_Stream):
    """What comes, until it is too much: then it is at its end."""

    def __init__(self, inner: ReadStream[SessionMessage | Exception], patience: Patience) -> None:
        """Read from `inner`."""
        super().__init__(inner)
        self._inner = inner
        self._patience = patience

    async def receive(self) -> SessionMessage | Exception:
        """What comes next."""
        return await self._inner.receive()

    def __aiter__(self) -> Self:
        """Itself."""
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        """What comes next, or the end."""
        item = await anext(aiter(self._inner))
        if not self._patience.came(item):
            raise StopAsyncIteration
        return item


class Writing(_Stream):
    """What leaves."""

    def __init__(self, inner: WriteStream[SessionMessage], patience: Patience) -> None:
        """Write to `inner`."""
        super().__init__(inner)
        self._inner = inner
        self._patience = patience

    async def send(self, item: SessionMessage, /) -> None:
        """Send it; returns when it has been taken."""
        await self._inner.send(item)
        self._patience.left(item)

"""What a connection to an MCP server runs over: a program's pipes, or HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    # The only type that names what a session takes stands in a private module; nothing of it is run.
    from mcp.client._transport import TransportStreams

    Streams = TransportStreams


class Wire(Protocol):
    """The way to a server. All words it gives follow the server's name."""

    def streams(self) -> AbstractAsyncContextManager[Streams, bool | None]:
        """What a session reads from and writes to."""
        ...

    def refused(self) -> str:
        """That it refused below MCP, and how; nothing if it did not."""
        ...

    def ending(self) -> str:
        """How the connection came to its end."""
        ...

    def complaint(self) -> str:
        """The end of what it wrote on stderr, if it has one."""
        ...

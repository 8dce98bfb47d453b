"""A server on loopback whose event loop has a thread of its own, so that it runs beside a test or a benchmark."""

from __future__ import annotations

import asyncio
import threading
from typing import Self


class LoopThread:
    """A server that runs during its `with` block.

    Attributes:
        port: where it listens.
        url: the base URL of its API.
    """

    def __init__(self) -> None:
        """Does not listen before its `with` block."""
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        """Start to listen; return when connections are accepted."""
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the loop and its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _listen(self) -> asyncio.Server:
        """Listen on a free port."""
        raise NotImplementedError

    def _run(self) -> None:
        server = self._loop.run_until_complete(self._listen())
        self.port = server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._ready.set()
        self._loop.run_forever()
        server.close()

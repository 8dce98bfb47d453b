"""The time limits of all lanes of an event loop, kept by one timer: a timer a request costs more than its parsing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

_LOOK = 0.25  # seconds: so late a limit may be noticed


class Timed(Protocol):
    """Something that may be late."""

    @property
    def due(self) -> float:
        """The monotonic time at which it is."""
        ...

    def late(self) -> None:
        """Called once or more when the time is up."""
        ...


class Watchdog:
    """Looks several times a second whether anything is late; sleeps when there is nothing to watch."""

    def __init__(self) -> None:
        self._watched: set[Timed] = set()
        self._looks = False

    def watch(self, timed: Timed) -> None:
        """From now on."""
        self._watched.add(timed)
        if not self._looks:
            self._looks = True
            asyncio.get_running_loop().call_later(_LOOK, self._look)

    def forget(self, timed: Timed) -> None:
        """It is over."""
        self._watched.discard(timed)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for timed in [each for each in self._watched if each.due <= now]:
            timed.late()
        self._looks = bool(self._watched)
        if self._looks:
            loop.call_later(_LOOK, self._look)


_OF: WeakKeyDictionary[AbstractEventLoop, Watchdog] = WeakKeyDictionary()


def watchdog() -> Watchdog:
    """That of the running loop."""
    loop = asyncio.get_running_loop()
    if loop not in _OF:
        _OF[loop] = Watchdog()
    return _OF[loop]

"""Providers that allow only so much, and runs of `glm batch run` against them: one place for tests and benchmarks."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from counting_server import RATE, Fleet, refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from counting_server import Said

MINUTE = 60.0


class Limited(NamedTuple):
    """A provider, and how it is asked.

    Attributes:
        fleet: makes the server.
        flags: of `glm batch run`.
        ideal: seconds than which nobody can be faster with so many rows.
        refusals: of 100 rows, at most.
        moves: changes the server while the run goes on.
    """

    name: str
    fleet: Callable[[], Fleet]
    rows: int
    flags: tuple[str, ...]
    ideal: float
    refusals: float
    moves: Callable[[Fleet], None] = lambda _fleet: None


class Window:
    """So many requests in any 60 seconds; more are refused with 1303."""

    def __init__(self, most: int, seconds: float = MINUTE) -> None:
        self._most = most
        self._seconds = seconds
        self._taken: deque[float] = deque()

    def __call__(self, _body: dict[str, Any]) -> Said | None:
        now = time.monotonic()
        while self._taken and self._taken[0] <= now - self._seconds:
            self._taken.popleft()
        if len(self._taken) >= self._most:
            return refused(RATE)
        self._taken.append(now)
        return None


DELAY = 0.05
CAP = 40


def moving(fleet: Fleet) -> None:
    """40, 15 and then 80 in flight: after each third of 8,000 rows."""
    fleet.wait_for_answers(8000 // 3)
    fleet.cap = 15
    fleet.wait_for_answers(2 * 8000 // 3)
    fleet.cap = 80


LIMITED = {
    "steady": Limited(
        "40 in flight, `-j 256`", lambda: Fleet(delay=DELAY, cap=CAP), 5000, ("-j", "256"), 5000 / CAP * DELAY, 2
    ),
    "moving": Limited(
        "40, then 15, then 80 in flight",
        lambda: Fleet(delay=DELAY, cap=CAP),
        8000,
        ("-j", "256"),
        8000 / 3 * DELAY * (1 / 40 + 1 / 15 + 1 / 80),
        2,
        moving,
    ),
    "two": Limited("2 in flight, `-j 16`", lambda: Fleet(delay=DELAY, cap=2), 150, ("-j", "16"), 150 / 2 * DELAY, 15),
    "minute": Limited(
        "1,200 in any minute, `--rpm 1200`",
        lambda: Fleet(Window(1200), delay=DELAY),
        1500,
        ("-j", "64", "--rpm", "1200"),
        1500 / 1200 * MINUTE,  # evenly: limits per minute are kept per second too
        2,
    ),
}


@contextmanager
def playing(limited: Limited) -> Iterator[Fleet]:
    """The server, which changes as it should while it is asked."""
    with limited.fleet() as fleet:
        mover = threading.Thread(target=limited.moves, args=(fleet,), daemon=True)
        mover.start()
        yield fleet
    mover.join()

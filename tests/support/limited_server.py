"""Simulated providers with limits, and the flags to run `glm batch run` against them; for tests and benchmarks."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from counting_server import RATE, CountingServer, refuse_with

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from counting_server import Response

MINUTE = 60.0


class Limited(NamedTuple):
    """A provider with limits, and a batch to run against it.

    Attributes:
        server: makes the server.
        flags: of `glm batch run`.
        ideal: seconds that so many rows take at best.
        refusals: at most, per 100 rows.
        changes: changes the limits of the server during the run.
    """

    name: str
    server: Callable[[], CountingServer]
    rows: int
    flags: tuple[str, ...]
    ideal: float
    refusals: float
    changes: Callable[[CountingServer], None] = lambda _server: None


class RequestsPerMinute:
    """At most `most` requests in any 60 seconds; more are refused with 1303."""

    def __init__(self, most: int, seconds: float = MINUTE) -> None:
        self._most = most
        self._seconds = seconds
        self._taken: deque[float] = deque()

    def __call__(self, _body: dict[str, Any]) -> Response | None:
        now = time.monotonic()
        while self._taken and self._taken[0] <= now - self._seconds:
            self._taken.popleft()
        if len(self._taken) >= self._most:
            return refuse_with(RATE)
        self._taken.append(now)
        return None


DELAY = 0.05
CAP = 40


def change_limits(server: CountingServer) -> None:
    """Allow 40, 15 and then 80 in flight, for a third of 8,000 rows each."""
    server.wait_for_answers(8000 // 3)
    server.cap = 15
    server.wait_for_answers(2 * 8000 // 3)
    server.cap = 80


PROVIDERS = {
    "steady": Limited(
        "40 in flight, `-j 256`",
        lambda: CountingServer(delay=DELAY, cap=CAP),
        5000,
        ("-j", "256"),
        5000 / CAP * DELAY,
        2,
    ),
    "moving": Limited(
        "40, then 15, then 80 in flight",
        lambda: CountingServer(delay=DELAY, cap=CAP),
        8000,
        ("-j", "256"),
        8000 / 3 * DELAY * (1 / 40 + 1 / 15 + 1 / 80),
        2,
        change_limits,
    ),
    "two": Limited(
        "2 in flight, `-j 16`", lambda: CountingServer(delay=DELAY, cap=2), 150, ("-j", "16"), 150 / 2 * DELAY, 15
    ),
    "minute": Limited(
        "1,200 in any minute, `--rpm 1200`",
        lambda: CountingServer(RequestsPerMinute(1200), delay=DELAY),
        1500,
        ("-j", "64", "--rpm", "1200"),
        1500 / 1200 * MINUTE,  # evenly: limits per minute are kept per second too
        2,
    ),
}


@contextmanager
def running_provider(limited: Limited) -> Iterator[CountingServer]:
    """The server, and a thread that changes its limits."""
    with limited.server() as server:
        changer = threading.Thread(target=limited.changes, args=(server,), daemon=True)
        changer.start()
        yield server
    changer.join()

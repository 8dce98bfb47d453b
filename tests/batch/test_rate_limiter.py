"""The gate of a batch before servers that refuse, in a simulation: a heap of events instead of a clock.

The same numbers come out of every run, so that expectations are typed out with little room.
"""

from __future__ import annotations

import heapq
import math
import time
from collections import deque
from dataclasses import dataclass, field
from itertools import count, islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glmcli.batch.rate.circuit_breaker import CircuitBreaker
from glmcli.batch.rate.concurrency import UnrefusedLevels
from glmcli.batch.rate.limiter import AccountLimits, RateLimiter
from glmcli.batch.rate.pace import RecentRequests
from glmcli.errors import Retry

MINUTE = 60.0


# --- servers: what they refuse is a kind and a Retry-After ---


class Free:
    """Refuses nothing."""

    def begin(self, _now, _tokens):
        return None

    def end(self):
        pass


class InFlight(Free):
    """So many at a time; the cap may be a list of (from when, cap)."""

    def __init__(self, cap, kind=Retry.IN_FLIGHT, retry_after=None):
        self.caps = cap if isinstance(cap, list) else [(0, cap)]
        self.answer = (kind, retry_after)
        self.running = 0

    def begin(self, now, _tokens):
        if self.running >= [cap for since, cap in self.caps if since <= now][-1]:
            return self.answer
        self.running += 1
        return None

    def end(self):
        self.running -= 1


class Window(Free):
    """So much in any `seconds`, counted when it begins."""

    def __init__(self, most, seconds, kind=Retry.RATE, retry_after=None, *, tokens=False):
        self.most, self.seconds, self.answer, self.tokens = most, seconds, (kind, retry_after), tokens
        self.taken = deque()
        self.sum = 0

    def room(self, now, units):
        while self.taken and self.taken[0][0] <= now - self.seconds:
            self.sum -= self.taken.popleft()[1]
        return self.sum + units <= self.most

    def begin(self, now, tokens):
        units = tokens if self.tokens else 1
        if not self.room(now, units):
            return self.answer
        self.taken.append((now, units))
        self.sum += units
        return None


class Slope(Free):
    """At most twice the requests of the ten seconds before, and always `base` in ten seconds."""

    def __init__(self, base):
        self.base = base
        self.taken = deque()

    def begin(self, now, _tokens):
        while self.taken and self.taken[0] <= now - 20:
            self.taken.popleft()
        recent = sum(1 for each in self.taken if each > now - 10)
        if recent + 1 > max(self.base, 2 * (len(self.taken) - recent) + 1):
            return Retry.RATE, None
        self.taken.append(now)
        return None


class Broken(Free):
    """Refuses all between two moments."""

    def __init__(self, begins, ends, kind, inner=None):
        self.begins, self.ends, self.kind, self.inner = begins, ends, kind, inner or Free()

    def begin(self, now, tokens):
        if self.begins <= now < self.ends:
            return self.kind, None
        return self.inner.begin(now, tokens)

    def end(self):
        self.inner.end()


class Sometimes(Free):
    """Refuses each nth request."""

    def __init__(self, nth, kind):
        self.nth, self.kind, self.seen = nth, kind, 0

    def begin(self, _now, _tokens):
        self.seen += 1
        return None if self.seen % self.nth else (self.kind, None)


class All(Free):
    """Several limits: the first that refuses decides, the others do not count the request."""

    def __init__(self, *servers):
        self.servers = servers

    def begin(self, now, tokens):
        for server in self.servers:
            if isinstance(server, Window) and not server.room(now, tokens if server.tokens else 1):
                return server.answer
        for server in self.servers:
            if refusal := server.begin(now, tokens):
                return refusal
        return None


# --- the clock ---


@dataclass
class Run:
    """What came out: moments of starts and refusals, pauses after refusals, the most in flight in each second."""

    answered: int = 0
    refused: list[float] = field(default_factory=list)
    sent: list[float] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    flights: dict[int, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def percent(self):
        """Refusals for 100 rows."""
        return 100 * len(self.refused) / self.answered

    def sent_between(self, begin, end):
        return sum(1 for each in self.sent if begin <= each < end)

    def reached(self, flights, since):
        """Seconds from a moment until so many were in flight."""
        return min(second for second, most in self.flights.items() if second >= since and most >= flights) - since


class World:
    """One server, any number of gates, each with rows to send."""

    def __init__(self, server, latency, refusal=None, jitter=0.0):
        self.server, self.latency, self.jitter = server, latency, jitter
        self.refusal = min(latency, 0.4) if refusal is None else refusal
        self.events = []
        self.order = count()
        self.now = 0.0

    def at(self, when, what):
        heapq.heappush(self.events, (when, next(self.order), what))

    def lasts(self, number):
        """Seconds until the answer, spread evenly by a fixed rule (the golden ratio)."""
        return self.latency * (1 + self.jitter * (2 * (number * 0.6180339887 % 1) - 1))

    def run(self, until=1e5):
        while self.events:
            assert self.now < until, "it does not come to an end"
            self.step()

    def step(self):
        when, _, what = heapq.heappop(self.events)
        assert when >= self.now
        self.now = when
        what()


class Client:
    def __init__(self, world, gate, rows, tokens=100, used=None):
        self.world, self.gate, self.used = world, gate, used
        self.queue = deque((number, 0) for number in range(rows))
        self.tokens = tokens
        self.run = Run()
        self.woken = math.inf
        self.numbers = count()
        world.at(0.0, self.dispatch)

    def dispatch(self):
        world, now = self.world, self.world.now
        self.woken = self.woken if self.woken > now else math.inf
        while self.queue:
            wait = self.gate.wait(now, self.tokens)
            if wait:
                if now + wait < self.woken:
                    self.woken = now + wait
                    world.at(self.woken, self.dispatch)
                return
            self.send(*self.queue.popleft())

    def send(self, row, refusals):
        world, now = self.world, self.world.now
        ticket = self.gate.start(now, self.tokens, refusals)
        self.run.sent.append(now)
        self.run.flights[int(now)] = max(self.run.flights.get(int(now), 0), self.gate.in_flight)
        refusal = world.server.begin(now, self.used or self.tokens)
        if refusal:
            world.at(now + world.refusal, lambda: self.refused(row, ticket, *refusal))
        else:
            world.at(now + world.lasts(next(self.numbers)), lambda: self.answered(ticket))

    def refused(self, row, ticket, kind, retry_after):
        now = self.world.now
        self.run.refused.append(now)
        wait = self.gate.refused(now, ticket, kind, retry_after)
        if self.gate.paused_until > now:
            self.run.pauses.append(round(self.gate.paused_until - now, 3))
        assert 0 <= wait <= 60
        self.world.at(now + wait, lambda: self.back(row, ticket.refusals + 1))
        self.dispatch()

    def back(self, row, refusals):
        self.queue.appendleft((row, refusals))
        self.dispatch()

    def answered(self, ticket):
        self.world.server.end()
        self.gate.answered(self.world.now, ticket, self.used)
        self.run.answered += 1
        self.run.seconds = self.world.now
        self.dispatch()


def gate(ceiling=16, limits="in_flight", rpm=None, tpm=None, **usual):
    return RateLimiter(AccountLimits(ceiling, limits, rpm, tpm, **usual), 0.0)


def simulate(server, rows, the_gate=None, latency=0.05, **how):
    world = World(server, latency, how.pop("refusal", None), how.pop("jitter", 0.0))
    client = Client(world, the_gate or gate(), rows, **how)
    world.run()
    assert client.run.answered == rows  # none lost
    assert client.gate.in_flight == 0
    return client.run


# How long an answer takes, and a refusal: Z.ai says no in 0.38 s (measured on a free key, 2026-08).
FAST = {"latency": 0.05, "refusal": 0.01}
SLOW = {"latency": 5.0, "refusal": 0.4}
SPEEDS = pytest.mark.parametrize("speed", [FAST, SLOW], ids=["50ms", "5s"])
JITTER = pytest.mark.parametrize("jitter", [0.0, 0.5])


# --- a cap on what is in flight ---


@SPEEDS
@pytest.mark.parametrize("cap", [1, 2])
@pytest.mark.parametrize("limits", ["in_flight", None])
@pytest.mark.parametrize("kind", [Retry.IN_FLIGHT, Retry.RATE])
def test_a_small_cap_is_found_and_kept(kind, limits, cap, speed) -> None:
    run = simulate(InFlight(cap, kind), 150, gate(16, limits), **speed)
    assert run.percent < 15
    assert run.seconds < 1.3 * 150 / cap * speed["latency"]


@SPEEDS
@pytest.mark.parametrize("kind", [Retry.IN_FLIGHT, Retry.RATE])
def test_where_a_cap_is_expected_the_first_refusals_are_few(kind, speed) -> None:
    run = simulate(InFlight(2, kind), 150, gate(16), **speed)
    assert len(run.refused) <= 8


@SPEEDS
@JITTER
@pytest.mark.parametrize("kind", [Retry.IN_FLIGHT, Retry.RATE])
def test_a_cap_of_40_is_used(kind, jitter, speed) -> None:
    run = simulate(InFlight(40, kind), 5000, gate(256), jitter=jitter, **speed)
    assert run.percent <= 1
    assert run.seconds < 125 * speed["latency"] / 0.95


@JITTER
def test_a_refusal_may_take_as_long_as_an_answer(jitter) -> None:
    run = simulate(InFlight(40), 5000, gate(256), latency=0.05, refusal=0.05, jitter=jitter)
    assert run.percent <= 2
    assert run.seconds < 6.25 / 0.95


@pytest.mark.parametrize(
    ("moves", "rows", "latency"),
    [((3, 9), 8000, 0.05), ((7, 14), 8000, 0.2), ((200, 500), 8000, 5)],
)
@JITTER
def test_a_cap_that_moves_is_followed(moves, rows, latency, jitter) -> None:
    falls, rises = moves
    server = InFlight([(0, 40), (falls, 15), (rises, 80)])
    run = simulate(server, rows, gate(256), latency=latency, refusal=min(latency / 5, 0.4), jitter=jitter)
    assert run.percent < 2
    assert run.pauses == []  # a cap that falls is no outage
    assert max(most for second, most in run.flights.items() if falls + 2 * latency + 1 < second < rises - 1) <= 16
    if run.seconds > rises + 20:
        assert run.reached(60, rises) <= max(20, 20 * latency)


def test_a_rise_after_a_long_time_is_found_soon_where_rows_are_many() -> None:
    run = simulate(InFlight([(0, 15), (60, 80)]), 35_000, gate(256), **FAST)
    assert run.percent < 1
    assert run.reached(60, 60) <= 10


def test_a_cap_that_rises_above_the_ceiling() -> None:
    run = simulate(InFlight([(0, 2), (5, 100)]), 2000, gate(7), **FAST)
    assert run.reached(7, 5) <= 10
    assert max(run.flights.values()) == 7


@SPEEDS
@JITTER
def test_two_gates_share_an_account(jitter, speed) -> None:
    world = World(InFlight(40), jitter=jitter, **speed)
    clients = [Client(world, gate(256), 2500) for _ in "ab"]
    world.run()
    assert [client.run.answered for client in clients] == [2500, 2500]
    assert sum(len(client.run.refused) for client in clients) <= 50
    assert max(client.run.seconds for client in clients) < 1.3 * 125 * speed["latency"]


def test_a_server_without_limits_gets_all_that_may_be_in_flight() -> None:
    run = simulate(Free(), 1000, gate(50, None), latency=0.05)
    assert run.flights[0] == 50
    assert run.seconds == pytest.approx(1.0)


def test_slots_double_and_then_grow_by_half() -> None:
    run = simulate(Free(), 168, gate(64), latency=1.0)
    assert run.flights == {0: 2, 1: 4, 2: 8, 3: 16, 4: 28, 5: 46, 6: 64}
    assert run.seconds == 7.0


@SPEEDS
def test_a_ceiling_of_one(speed) -> None:
    run = simulate(Free(), 20, gate(1), **speed)
    assert set(run.flights.values()) == {1}
    assert run.seconds == pytest.approx(20 * speed["latency"])


def test_slots_never_fall_below_one() -> None:
    one = gate(1)
    assert one.refused(0.1, one.start(0.0, 1), Retry.IN_FLIGHT, None) == 0
    assert one.slots == 1
    assert one.wait(0.1, 1) == 0


# --- what is not refused in a second is allowed ---


def test_500_rows_of_six_seconds_are_under_way_in_ten() -> None:
    run = simulate(Free(), 500, gate(500), latency=6)
    assert run.flights == {0: 2, 1: 4, 2: 8, 3: 16, 4: 28, 5: 46, 6: 74, 7: 119, 8: 191, 9: 306, 10: 472}  # 28 are done
    assert run.seconds == pytest.approx(16.2)


# Refusals after 0.05, 0.4 and 1 s, of so many rows that the cap is full ten times, where slots multiplied by answers
# alone, as they did until 2026-11; (cap, seconds of an answer).
BY_ANSWERS = {
    (1, 0.05): (2, 28, 48),
    (1, 1): (5, 5, 5),
    (1, 6): (5, 5, 5),
    (1, 30): (5, 5, 5),
    (2, 0.05): (3, 44, 44),
    (2, 1): (6, 6, 6),
    (2, 6): (6, 6, 6),
    (2, 30): (6, 6, 6),
    (7, 0.05): (7, 34, 34),
    (7, 1): (3, 3, 9),
    (7, 6): (4, 4, 4),
    (7, 30): (4, 4, 4),
    (40, 0.05): (24, 161, 161),
    (40, 1): (8, 8, 26),
    (40, 6): (10, 10, 10),
    (40, 30): (10, 10, 10),
    (400, 0.05): (102, 100, 100),
    (400, 1): (102, 102, 102),
    (400, 6): (103, 103, 103),
    (400, 30): (103, 103, 103),
}


@pytest.mark.parametrize(("case", "bounds"), BY_ANSWERS.items(), ids=str)
def test_no_more_is_refused_than_where_each_step_waits_for_answers(case, bounds) -> None:
    cap, latency = case
    for refusal, bound in zip((0.05, 0.4, 1), bounds, strict=True):
        run = simulate(InFlight(cap), max(60, 10 * cap), gate(500), latency=latency, refusal=refusal)
        assert len(run.refused) <= bound, refusal


@pytest.mark.parametrize("refusal", [0.05, 1.0])
def test_a_step_beyond_the_cap_is_the_last(refusal) -> None:
    """The worst caps are those at which a step has just ended: all of the next is refused, and none of one more."""
    overshoot = {}
    for cap in (1, 2, 4, 8, 16, 28, 46, 74, 119, 191, 306):
        world = World(InFlight(cap), latency=30, refusal=refusal)
        client = Client(world, gate(1000), 1000)
        while world.now < 29:
            world.step()
        overshoot[cap] = len(client.run.refused)
    assert overshoot == {1: 1, 2: 2, 4: 4, 8: 8, 16: 12, 28: 18, 46: 28, 74: 45, 119: 72, 191: 115, 306: 184}


def fill(the_gate, now):
    """Send as many as may be sent, and say how many that is."""
    tickets = []
    while the_gate.wait(now, 1) == 0:
        tickets.append(the_gate.start(now, 1))
    return tickets


@pytest.mark.parametrize("limits", ["per_minute", None])
def test_silence_is_no_consent_where_nothing_counts_what_is_in_flight(limits) -> None:
    one = gate(16, limits)
    while not one.paused_until:
        one.refused(0.0, one.start(0.0, 1), Retry.NETWORK, None)
    assert one.slots == 1
    one.answered(1.0, one.start(1.0, 1), None)
    for now in (1.0, 9.0, 20.0, 30.0):
        fill(one, now)
    assert (one.in_flight, one.slots) == (2, 2)


def test_silence_is_no_consent_where_refusals_come_with_a_chunk() -> None:
    far = RateLimiter(AccountLimits(16, "in_flight"), 0.0, refuses_at_once=False)
    assert [len(fill(far, now)) for now in (0.0, 9.0)] == [2, 0]
    assert far.wait(9.0, 1) == math.inf


def test_a_failure_breaks_the_silence() -> None:
    one = gate(64)
    first, second = fill(one, 0.0)
    one.refused(0.9, first, Retry.NETWORK, None)
    assert [len(fill(one, now)) for now in (0.9, 1.1, 15.8)] == [1, 0, 0]  # 15 s without growth
    assert one.wait(1.1, 1) == pytest.approx(14.8)
    assert [len(fill(one, now)) for now in (15.9, 16.8)] == [2, 0]
    one.refused(16.8, second, Retry.NETWORK, None)
    assert [len(fill(one, now)) for now in (16.8, 17.8, 17.83)] == [1, 0, 4]


def test_while_answers_are_quick_they_lead() -> None:
    """Where this machine or the server stands still for seconds, neither answers nor refusals are heard."""
    one = gate(64)
    first, _ = fill(one, 0.0)
    one.answered(0.1, first, None)
    assert one.slots == 2
    assert [len(fill(one, now)) for now in (0.1, 3.0, 6.1, 6.13)] == [1, 0, 0, 2]


def test_in_an_outage_silence_says_nothing() -> None:
    one = gate(64)
    while not one.paused_until:
        one.refused(0.0, one.start(0.0, 1), Retry.NETWORK, None)
    (trial,) = fill(one, 20.0)
    assert one.wait(50.0, 1) == math.inf
    one.answered(50.0, trial, None)
    assert [len(fill(one, now)) for now in (50.0, 51.1, 52.2)] == [2, 2, 4]


def test_silence_lasts_as_long_as_refusals_took() -> None:
    levels = UnrefusedLevels()
    assert levels.wait(0.0) == math.inf
    for level in (1, 2, 1):
        levels.sent(0.0, level)
    levels.sent(0.5, 3)
    assert [levels.allowed(now) for now in (1.0, 1.02, 1.5, 1.53)] == [0, 2, 0, 3]
    levels.sent(2.0, 4)
    levels.refused(3.0)
    assert levels.wait(2.0) == math.inf
    levels.sent(4.0, 2)
    assert levels.wait(4.0) == 3.0
    assert [levels.allowed(now) for now in (6.9, 7.0)] == [0, 2]


# --- limits per minute ---


def model_studio():
    """1,200 in any minute and 20 in any second."""
    return All(Window(1200, 60), Window(20, 1))


@SPEEDS
@JITTER
@pytest.mark.parametrize("limits", ["per_minute", "in_flight", None])
def test_a_rate_that_was_told_is_kept(limits, jitter, speed) -> None:
    run = simulate(model_studio(), 3000, gate(256, limits, rpm=1200), jitter=jitter, **speed)
    assert run.refused == []
    assert run.seconds < 1.25 * 150  # a ramp of 40 s, in which half is lost


@SPEEDS
@pytest.mark.parametrize(
    ("usual", "refusals", "seconds"),
    [
        (1200, 1, 340),  # as the provider says: without the number 18 refusals, and 365 s
        (600, 1, 430),  # the account has more: twice as much is found after two minutes
        (2400, 18, 370),  # it has less: as without the number
    ],
)
def test_a_rate_that_is_usual_is_where_it_begins(usual, refusals, seconds, speed) -> None:
    run = simulate(model_studio(), 6000, gate(256, "per_minute", usual_rpm=usual), jitter=0.3, **speed)
    assert len(run.refused) <= refusals
    assert run.seconds < seconds


def test_more_than_is_usual_is_tried_after_two_minutes_and_later_each_time() -> None:
    run = simulate(model_studio(), 30_000, gate(256, "per_minute", usual_rpm=1200), **FAST)
    assert [round(second / 60) for second in run.refused] == [2, 6, 14]
    assert run.sent_between(60, 120) == pytest.approx(1176, abs=2)  # 98 % of the number
    assert run.seconds < 1.06 * 30_000 / 20


@pytest.mark.parametrize("usual", [60, 1200])
def test_limits_that_were_given_count_more_than_what_is_usual(usual) -> None:
    run = simulate(Free(), 1500, gate(256, "per_minute", rpm=300, usual_rpm=usual), **FAST)
    assert run.sent_between(200, 260) == pytest.approx(294, abs=2)
    run = simulate(Free(), 1500, gate(256, None, tpm=300_000, usual_tpm=usual * 1000), tokens=1000, used=1000, **FAST)
    assert run.sent_between(200, 260) == pytest.approx(294, abs=2)


def test_a_run_that_slept_for_a_year_goes_on() -> None:
    one = gate(16, "per_minute", usual_rpm=60, usual_tpm=6000)
    for now in (0.0, 3e7, 6e7):
        assert one.wait(now, 100) == 0
        one.answered(now, one.start(now, 100), 100)


def test_a_slow_rate_that_is_usual_is_kept_from_the_first_row() -> None:
    slow = gate(16, None, usual_rpm=60)
    slow.start(0.0, 1)
    assert slow.wait(0.0, 1) == pytest.approx(60 / 60 / 0.98)


@SPEEDS
@pytest.mark.parametrize("limits", ["per_minute", "in_flight", None])
def test_a_rate_that_was_not_told_is_found(limits, speed) -> None:
    run = simulate(model_studio(), 3000, gate(256, limits), jitter=0.3, **speed)
    assert run.percent <= (1 if limits == "per_minute" else 10)
    assert run.seconds < 1.6 * 150


@SPEEDS
def test_a_minute_may_be_used_up_in_its_first_seconds(speed) -> None:
    run = simulate(Window(1200, 60), 3000, gate(256, "per_minute"), jitter=0.3, **speed)
    assert run.percent <= 3
    assert run.seconds < 200


@SPEEDS
@pytest.mark.parametrize("base", [20, 30])
def test_a_steep_rise_is_avoided(base, speed) -> None:
    run = simulate(Slope(base), 3000, gate(256, "per_minute"), **speed)
    assert len(run.refused) <= 4
    assert run.sent_between(0, 1) == 3
    assert run.sent_between(0, 12) <= 36  # at the end it is four a second


def test_after_an_idle_minute_the_ramp_begins_again() -> None:
    calm = gate(16, "per_minute")
    now = 0.0
    for _ in range(300):
        now += calm.wait(now, 1)
        calm.answered(now, calm.start(now, 1), None)
    assert calm.rate > 10
    now += 61
    calm.start(now, 1)
    assert calm.rate == 2


def test_cuts_follow_what_got_through() -> None:
    calm = gate(1000, "per_minute")
    now = 0.0
    for _ in range(1000):
        now += calm.wait(now, 1)
        ticket = calm.start(now, 1)
        calm.answered(now, ticket, None)
    before = calm.rate
    stale = calm.start(now, 1)
    calm.refused(now, calm.start(now, 1), Retry.RATE, None)
    once = calm.rate
    assert once == pytest.approx(0.9 * before, rel=0.1)
    assert calm.paused_until == now + 1
    calm.refused(now + 0.5, stale, Retry.RATE, None)  # sent before the cut: the same event
    assert calm.rate == once
    assert calm.paused_until == now + 1


def test_pauses_grow_while_a_rate_is_refused() -> None:
    run = simulate(Broken(10, 40, Retry.RATE), 100, gate(16, "per_minute"), **FAST)
    assert sorted(set(run.pauses)) == [1, 2, 4, 8]


def test_quiet_raises_the_rate_by_a_tenth_in_the_time_of_a_doubling() -> None:
    calm = gate(16, "per_minute", rpm=600)
    for second in range(100):
        calm.answered(second, calm.start(second, 1), None)
        calm.wait(second, 1)
    assert calm.rate == pytest.approx(9.8)
    calm.refused(100.0, calm.start(100.0, 1), Retry.RATE, None)
    low = calm.rate
    calm.wait(101.0, 1)
    assert calm.rate == low
    calm.wait(113.0, 1)
    assert calm.rate == pytest.approx(1.1 * low)


# --- tokens ---


@SPEEDS
@pytest.mark.parametrize("used", [100, 300, 1000])
def test_tokens_that_were_told_are_kept(used, speed) -> None:
    server = Window(600_000, 60, Retry.MINUTE, tokens=True)
    run = simulate(server, 2000, gate(256, "per_minute", tpm=600_000), tokens=300, used=used, **speed)
    assert run.refused == []
    assert run.seconds < max(1.15 * 2000 * used / 10_000, 100)


@SPEEDS
@pytest.mark.parametrize(
    ("usual", "refusals", "seconds"),
    [
        (600_000, 3, 780),  # as the provider says: without the number up to 53 refusals, and 1210 s
        (300_000, 6, 1210),  # the account has more
        (1_200_000, 53, 1235),  # it has less
    ],
)
def test_tokens_that_are_usual_are_where_it_begins(usual, refusals, seconds, speed) -> None:
    server = Window(600_000, 60, Retry.MINUTE, tokens=True)
    run = simulate(server, 6000, gate(256, "per_minute", usual_tpm=usual), tokens=300, used=1000, **speed)
    assert len(run.refused) <= refusals
    assert run.seconds < seconds


@SPEEDS
def test_tokens_that_were_not_told_cost_a_minute_each_time(speed) -> None:
    server = Window(600_000, 60, Retry.MINUTE, tokens=True)
    run = simulate(server, 2000, gate(256, "per_minute"), tokens=1000, used=1000, **speed)
    assert run.percent < 2
    assert run.seconds < 450


def test_a_minute_without_tokens_is_waited_for() -> None:
    run = simulate(Broken(10, 40, Retry.MINUTE), 100, gate(16, "per_minute"), **FAST)
    assert len(run.refused) == 1
    assert run.pauses == [60]
    after = run.refused[0] + 60
    assert run.sent_between(run.refused[0], after) == 0
    assert run.sent_between(after, after + 1) <= 2


def test_after_the_minute_the_rate_comes_back() -> None:
    run = simulate(Broken(40, 41, Retry.MINUTE), 3000, gate(256, "per_minute"), **FAST)
    assert run.sent_between(39, 40) == pytest.approx(20, abs=2)
    after = run.refused[0] + 60
    assert run.sent_between(after, after + 1) <= 3
    assert run.sent_between(after + 35, after + 36) == pytest.approx(10, abs=1)  # half of what it was


def test_a_row_larger_than_the_limit_is_sent_and_paid_for() -> None:
    big = gate(16, "per_minute", tpm=6000)
    assert big.wait(0.0, 1_000_000) == 0
    big.start(0.0, 1_000_000)
    assert big.wait(0.0, 1) == 60


def test_what_was_used_is_paid_for() -> None:
    small = gate(16, None, tpm=6000)
    small.answered(0.0, small.start(0.0, 98), 980)
    assert small.wait(0.0, 1) == pytest.approx(10)
    small.answered(10.0, small.start(10.0, 1000), 0)
    assert small.wait(10.5, 1) == 0


def test_a_row_that_used_little_of_its_estimate_gives_no_more_back_than_it_took() -> None:
    """A minute is owed at most for 1,000 tokens at 60 a minute, not 17: then 9.8 of them are 10 seconds."""
    small = gate(16, None, tpm=60)
    small.answered(0.0, small.start(0.0, 1000), 9.8)
    assert small.wait(0.0, 1) == pytest.approx(10)
    small = gate(16, None, tpm=60)
    small.refused(0.0, small.start(0.0, 1000), Retry.NETWORK, None)
    small.start(0.0, 49)
    assert small.wait(0.0, 1) == pytest.approx(50)
    run = simulate(Free(), 30, gate(16, "per_minute", tpm=100), tokens=514, used=10, **FAST)
    assert run.seconds == pytest.approx(29 * 10 / 100 * 60 / 0.98, rel=0.02)


@pytest.mark.parametrize("rpm", [0.1, 0.5, 1, 2])
def test_less_than_a_request_a_minute(rpm) -> None:
    """As a shard of many has it, or an account that may send hardly anything."""
    run = simulate(Free(), 6, gate(16, None, rpm=rpm), **FAST)
    assert run.seconds == pytest.approx(5 * 60 / rpm / 0.98, rel=0.01)


def test_a_refused_row_gives_its_tokens_back() -> None:
    small = gate(16, "in_flight", tpm=6000)
    small.refused(0.0, small.start(0.0, 1000), Retry.IN_FLIGHT, None)
    assert small.wait(0.6, 1000) == 0


# --- Retry-After ---


@pytest.mark.parametrize("kind", [Retry.RATE, Retry.MINUTE, Retry.OVERLOAD])
@pytest.mark.parametrize("limits", ["per_minute", "in_flight", None])
def test_retry_after_pauses_all(limits, kind) -> None:
    one = gate(16, limits)
    one.refused(0.5, one.start(0.0, 1), kind, 7.0)
    assert one.paused_until == 7.5
    assert one.wait(0.5, 1) == 7.0
    assert one.wait(7.5, 1) == 0


def test_retry_after_of_a_slot_holds_its_row_only() -> None:
    one = gate(16)
    assert one.refused(0.5, one.start(0.0, 1), Retry.IN_FLIGHT, 7.0) == 7.0
    assert one.wait(0.5, 1) == 0


@pytest.mark.parametrize(("asked", "waits"), [(3600.0, 60), (math.inf, 60), (math.nan, 1), (-5.0, 1), (0.0, 0)])
def test_a_retry_after_that_cannot_be_obeyed(asked, waits) -> None:
    one = gate(16, "per_minute")
    one.refused(0.5, one.start(0.0, 1), Retry.RATE, asked)
    assert one.paused_until == 0.5 + waits


# --- overload and outages ---


def test_the_row_backs_off() -> None:
    one = gate(16)
    waits = {
        kind: [one.refused(0.0, one.start(0.0, 1, before), kind, None) for before in range(5)]
        for kind in (Retry.IN_FLIGHT, Retry.RATE, Retry.OVERLOAD, Retry.NETWORK)
    }
    assert waits == {
        Retry.IN_FLIGHT: [0, 1, 2, 4, 8],
        Retry.RATE: [0, 1, 2, 4, 8],
        Retry.OVERLOAD: [15, 30, 60, 60, 60],
        Retry.NETWORK: [1, 2, 4, 4, 4],
    }


def test_an_overload_takes_no_slot_and_stops_growth_for_a_while() -> None:
    one = gate(64)
    now = 0.0
    one.refused(now, one.start(now, 1), Retry.OVERLOAD, None)
    for _ in range(4):
        tickets = [one.start(now, 1), one.start(now, 1)]
        now += 1
        for ticket in tickets:
            one.answered(now, ticket, None)
    assert one.slots == 2
    now = 15.0
    tickets = [one.start(now, 1), one.start(now, 1)]
    for ticket in tickets:
        one.answered(now + 1, ticket, None)
    assert one.slots == 4


@pytest.mark.parametrize(("nth", "ratio"), [(20, 1.2), (10, 1.8), (3, 2.5)])
def test_some_overloads_do_not_stop_a_batch(nth, ratio) -> None:
    run = simulate(Sometimes(nth, Retry.OVERLOAD), 3000, gate(64), **SLOW)
    assert run.seconds < ratio * 3000 / 64 * 5


@pytest.mark.parametrize("kind", [Retry.IN_FLIGHT, Retry.RATE, Retry.OVERLOAD, Retry.NETWORK])
@pytest.mark.parametrize("limits", ["in_flight", "per_minute", None])
def test_an_outage_is_waited_for_and_left(limits, kind) -> None:
    run = simulate(Broken(20, 80, kind, InFlight(40)), 3000, gate(64, limits), latency=1.0, refusal=0.1)
    lost = [each for each in run.refused if 21 <= each < 81]
    assert len(lost) <= 80
    assert len([each for each in lost if each > 50]) <= 4
    assert max(run.pauses) >= 8
    slow = limits == "per_minute" and kind is Retry.RATE  # what was cut comes back at its own pace
    assert run.seconds < 60 + (3 if slow else 2.2) * 75


def test_one_answer_ends_an_outage() -> None:
    one = gate(64, None)
    for _ in range(11):
        one.refused(0.0, one.start(0.0, 1), Retry.NETWORK, None)
    assert one.paused_until == 1
    assert one.slots == 1
    one.refused(1.0, one.start(1.0, 1), Retry.NETWORK, None)
    assert one.paused_until == 3
    one.answered(4.0, one.start(3.0, 1), None)
    assert one.slots == 2
    one.refused(5.0, one.start(5.0, 1), Retry.NETWORK, None)
    assert one.paused_until == 3


def test_after_an_outage_the_cap_is_sought_anew() -> None:
    one = gate(64)
    while not one.paused_until:
        one.refused(0.0, one.start(0.0, 1), Retry.IN_FLIGHT, None)
    assert one.refusals == 12  # two slots, of which one is lost; then eleven in vain
    for slots in (2, 4, 8):
        for ticket in [one.start(1.0, 1) for _ in range(one.slots)]:
            one.answered(2.0, ticket, None)
        assert one.slots == slots


def test_the_next_outage_begins_with_half_the_pause_until_all_is_well() -> None:
    breaker = CircuitBreaker(64)
    numbers = count(1)

    def end(times, *, well):
        for number in islice(numbers, times):
            breaker.sent(number)
            pause = breaker.answered(fresh=True) if well else breaker.failed(number)
        return pause

    assert [end(10, well=False)] + [end(1, well=False) for _ in range(8)] == [0, 1, 2, 4, 8, 16, 32, 60, 60]
    end(1, well=True)
    assert end(10, well=False) == 0
    assert end(1, well=False) == 30
    end(20, well=True)
    assert end(11, well=False) == 1


def test_failures_of_long_ago_are_forgotten() -> None:
    breaker = CircuitBreaker(5)  # keeps 25
    for number in range(1, 36):
        breaker.sent(number)
        if number <= 10:
            assert breaker.failed(number) == 0
    breaker.sent(36)
    assert breaker.failed(36) == 0


def test_what_got_through_in_a_minute() -> None:
    recent = RecentRequests(0.0)
    for _ in range(30):
        recent.sent(0.5)
    assert recent.rate_over_minute(1.0) == 0.5
    for _ in range(6):
        recent.refused(0.5)
    assert recent.rate_over_minute(1.0) == 0.4
    assert recent.rate(1.5) == 16
    recent.sent(60.5)
    recent.refused(0.5)  # long forgotten
    assert recent.rate_over_minute(60.5) == pytest.approx(1 / 60)


def test_refusals_that_come_first_are_no_outage_while_the_others_run() -> None:
    one = gate(256, None)
    tickets = [one.start(0.0, 1) for _ in range(200)]
    for ticket in tickets[::10]:
        one.refused(0.4, ticket, Retry.OVERLOAD, None)
    assert one.paused_until == 0


# --- what is shown, what it costs, and laws ---


def test_what_is_shown() -> None:
    one = gate(16)
    first, second = one.start(0.0, 1), one.start(0.0, 1)
    assert (one.in_flight, one.slots, one.started, one.refusals) == (2, 2, 2, 0)
    assert one.wait(0.0, 1) == 1.02
    one.refused(0.1, second, Retry.IN_FLIGHT, None)
    assert (one.in_flight, one.slots, one.started, one.refusals) == (1, 1, 2, 1)
    assert one.wait(0.1, 1) == math.inf
    one.answered(0.2, first, None)
    assert (one.in_flight, one.slots, one.started, one.refusals) == (0, 1, 2, 1)


def test_a_row_costs_little() -> None:
    """4,000 rows a second must be a small part of a core: 250 µs are there for all of a row."""
    one = gate(256, None)
    flying = deque(one.start(0.0, 1) for _ in range(255))
    began = time.process_time()
    for number in range(20_000):
        assert one.wait(number / 4000, 1) == 0
        flying.append(one.start(number / 4000, 1))
        one.answered(number / 4000, flying.popleft(), 1)
    assert (time.process_time() - began) / 20_000 < 50e-6


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["start", "end", *Retry]),
        st.floats(0, 200),
        st.integers(0, 30),
        st.none() | st.floats() | st.integers(0, 10**9),
    ),
    max_size=120,
)


@settings(max_examples=300, deadline=None, database=None, derandomize=True)
@given(
    steps=STEPS,
    ceiling=st.integers(1, 300),
    limits=st.sampled_from(["in_flight", "per_minute", None]),
    numbers=st.tuples(st.none() | st.floats(0.01, 1e6), st.none() | st.floats(0.01, 1e9)),
    tells=st.sampled_from([("rpm", "tpm"), ("usual_rpm", "usual_tpm"), ("rpm", "usual_tpm"), ("usual_rpm", "tpm")]),
)
def test_any_course_of_events(steps, ceiling, limits, numbers, tells) -> None:
    told = dict(zip(tells, numbers, strict=True))
    one = RateLimiter(AccountLimits(ceiling, limits, **told), 0.0)
    now, flying = 0.0, []

    def asked():
        wait = one.wait(now, 10)
        assert wait >= 0  # NaN is not
        assert 0 <= one.in_flight == len(flying) <= ceiling
        assert 1 <= one.slots <= ceiling
        assert flying or wait < math.inf
        return wait

    for what, seconds, number, value in steps:
        now += seconds
        if what == "start":
            if not asked():
                flying.append(one.start(now, number * 1000, number % 5))
        elif flying and what == "end":
            one.answered(now, flying.pop(number % len(flying)), value if isinstance(value, int) else None)
        elif flying:
            assert 0 <= one.refused(now, flying.pop(number % len(flying)), what, value) <= 60
        asked()
    while flying:
        one.answered(now, flying.pop(), None)
    for _ in range(5):
        now += asked()
    assert asked() == 0

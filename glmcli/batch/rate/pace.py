"""How many rows may be sent a second, where the provider counts requests or tokens per minute.

Sources: limits are per minute and enforced per second too (RPM/60, TPM/60), a burst or a steep rise alone is refused
(`limit_burst_rate`), and all of it recovers within a minute: help.aliyun.com/en/model-studio/rate-limit (2026-09-28).
"""

from __future__ import annotations

from collections import Counter
from math import inf

from glmcli.batch.rate.token_bucket import CAREFUL, SHARE, Probing, TokenBucket, doublings

_SECONDS = 60
_ENOUGH = 20  # requests that are enough to measure a rate


class RecentRequests:
    """Counts the requests of the last minute that were not refused.

    They are counted in the second in which they were sent: an answer may take a minute, and the provider applied its
    limit before.
    """

    def __init__(self, now: float) -> None:
        """Nothing was sent yet."""
        self._began = now
        self._counts: Counter[int] = Counter()  # by second

    def sent(self, now: float) -> None:
        """Count a request."""
        second = int(now)
        if second not in self._counts:
            self._counts = Counter({one: n for one, n in self._counts.items() if one > second - _SECONDS})
        self._counts[second] += 1

    def refused(self, sent: float) -> None:
        """Take back a request that was sent at this moment."""
        if int(sent) in self._counts:
            self._counts[int(sent)] -= 1

    def rate(self, now: float) -> float:
        """Requests a second, measured over the shortest time that has 20 requests, and over 1 to 60 seconds."""
        count = 0
        for back in range(_SECONDS):
            second = int(now) - back
            count += self._counts[second]
            if count >= _ENOUGH and now - second >= 1:
                break
        return count / max(now - max(second, self._began), 1.0)

    def rate_over_minute(self, now: float) -> float:
        """Requests a second over the last minute, even if the run is younger: a limit per minute allows this."""
        return sum(self._counts[int(now) - back] for back in range(_SECONDS)) / _SECONDS


_FIRST = 2.0  # rows a second at which a ramp begins
_FORGOTTEN = 40.0  # seconds without refusal after which a refused rate is forgotten
_IDLE = 60.0  # seconds without a row after which the next would be a steep rise
_CREDIT = 0.05  # seconds that a timer may be late without slowing the pace
_FIRST_CUT = 0.9  # of what got through
_NEXT_CUT = 0.8  # of the pace
_TOKEN_CUT = 0.5  # of what got through
_SLOWEST = 1 / 60  # rows a second
_FASTEST = 1e6  # rows a second: no limit
_BETWEEN_CUTS = 1.0  # seconds in which a second cut is ignored


class Pace:
    """A rate that ramps up, falls when it is refused, and rises again.

    Up to `known`, the rate that is thought to be allowed, it doubles every 12 seconds; above it grows by a tenth in the
    same time.
    """

    def __init__(self, rpm: float | None, now: float, *, ramp: bool, usual: float | None = None) -> None:
        """Begin with a ramp, or without any limit.

        `rpm` is never exceeded. `usual` is what the provider is said to take a minute: the ramp leads there, and stays
        for a while. The account may have another limit, which probes and refusals tell.
        """
        self._most = rpm / 60 * SHARE if rpm else _FASTEST
        self._usual = usual / 60 * SHARE if usual else None
        self._known = self._usual or _FASTEST
        self._probing = Probing(now)
        self._ramp = ramp
        self._bucket = TokenBucket(min(_FIRST, self._most, self._known) if ramp else inf, _CREDIT, now)
        self.recent = RecentRequests(now)
        self._grown = now
        self._quiet = now  # since when nothing was refused
        self._cut_at = -inf
        self._last = now

    @property
    def rate(self) -> float:
        """Rows a second; inf: limited by slots only."""
        return self._bucket.rate

    def wait(self, now: float) -> float:
        """Seconds until the next row; 0.0 or less: now."""
        self._grow(now)
        return self._bucket.wait(now)

    def take(self, now: float) -> None:
        """A row is sent."""
        if self._ramp and now - self._last > _IDLE:
            self.restart(now, self._known)
        self._last = now
        self.recent.sent(now)
        self._bucket.take(now, 1)

    def cut(self, now: float, until: float, *, again: bool) -> None:
        """The rate was refused: fall below what got through until then; `again`: the last cut was not enough."""
        if now - self._cut_at < _BETWEEN_CUTS:
            return
        self._cut_at = now
        self._usual = self._usual if self._exceeds_usual or again else None
        if again and self.rate < inf:
            known = max(self._known * _NEXT_CUT, self.recent.rate_over_minute(now) * _FIRST_CUT)
            self.restart(until, max(min(known, self._known), _SLOWEST))
            return
        rate = min(self.rate, self.recent.rate(now)) * _FIRST_CUT
        self._known = self._bucket.rate = min(max(rate, _SLOWEST), self._most)
        self._probing.refused(until)
        self.hold(until)
        self._quiet = until

    def use_up(self, now: float, until: float) -> None:
        """A minute's tokens are used up: ramp up to what they seem to allow."""
        self._usual = None
        allowed = max(self.recent.rate_over_minute(now) * _FIRST_CUT, self.recent.rate(now) * _TOKEN_CUT, _SLOWEST)
        self.restart(until, min(allowed, self.rate))

    def restart(self, then: float, known: float) -> None:
        """Ramp up from the first rate to `known`, beginning then."""
        self._known = known
        self._bucket.rate = min(_FIRST, known, self._most)
        self.hold(then)
        self._quiet = then + _FORGOTTEN  # the ramp needs time to reach the known rate

    def hold(self, until: float) -> None:
        """Do not grow before this moment."""
        self._grown = max(self._grown, until)

    @property
    def _exceeds_usual(self) -> bool:
        return self._usual is not None and self.rate > self._usual

    def _grow(self, now: float) -> None:
        """Grow for the time since the last call."""
        times = doublings(now - self._grown)
        if times <= 0 or self.rate == inf:
            return
        self._grown = now
        if now - self._quiet > _FORGOTTEN and not self._usual:
            self._known = _FASTEST
        rate = min(self.rate * 2**times, self._known)
        if self.rate >= self._known:
            rate = self._known = min(self.rate * CAREFUL**times, self._reach(now))
        self._bucket.rate = min(rate, self._most)

    def _reach(self, now: float) -> float:
        """The rate up to which it grows: where one is usual, no further before it is time to try more."""
        return max(self._usual, self.rate) if self._usual and not self._probing.is_due(now) else _FASTEST

"""How many rows may be in flight, where the provider counts those.

Sources: BigModel and Z.ai count requests in process per account and model, on free models one
(docs.bigmodel.cn/cn/api/rate-limit, 2026); more are refused in 0.38 s (measured on a free key at Z.ai, 2026-08; the
recording zai-1302).
"""

from __future__ import annotations

_FIRST_PATIENCE = 1.0  # seconds
_MOST_PATIENCE = 60.0  # seconds
_AHEAD = 3.0  # times as patient, where the cap was found before the first answers came
_ROWS = 2  # answers for each second of patience: where answers are slow, each refusal weighs more
_MANY_ROWS = 500  # answers after which a refusal weighs nothing, however little time has passed


class ConcurrencyLimit:
    """Slots that multiply until the first refusal, lose one with each, and then try for more from time to time.

    They multiply when a row is answered, and also when it is certain that it will be: refusals come at once, answers
    after a minute. All of a step is sent together. Spread over its time it would stop early where a refusal takes
    50 ms, but cost as much where it takes half a second, and twice as much where it takes all of that time.

    A row's `level` is how many were in flight when it was sent, itself included.
    """

    def __init__(self, ceiling: int, opening: int) -> None:
        """Begin with as many slots as `opening`, and never have more than `ceiling`."""
        self._ceiling = ceiling
        self._opening = opening  # multiplies
        self._known = ceiling  # what is thought to be allowed
        self._is_ahead = False  # multiplied without waiting for answers
        self._proven = 0  # the highest level that was answered
        self._probing = False
        self._step = 1
        self._patience = _FIRST_PATIENCE
        self._next = 0.0
        self._rows = 0

    @property
    def limit(self) -> int:
        """How many may be in flight."""
        return min(self._known, self._opening)

    def proves(self, level: int) -> bool:
        """Whether this many were answered lately, so that a refusal at this level has another reason."""
        return level <= self._proven

    @property
    def are_opening(self) -> bool:
        """Whether they still multiply."""
        return self._opening < self._known

    def unrefused(self, level: int) -> None:
        """So many are in flight, and none of them will be refused."""
        opening = min(_more_in_silence(level), self._ceiling)
        if opening > self._opening:
            self._opening = opening
            self._is_ahead = True

    def answered(self, now: float, level: int, *, may_grow: bool) -> None:
        """A row that was sent after the last refusal got through."""
        self._proven = max(self._proven, level)
        self._rows += 1
        if self.are_opening:
            if may_grow:
                self._opening = min(max(self._opening, _more(level)), self._ceiling)
        elif level >= self._known:
            self._full(now, may_grow=may_grow)

    def _full(self, now: float, *, may_grow: bool) -> None:
        """All slots were in use, and that was not too many."""
        if self._probing:
            self._probing = False
            self._step = max(min(2 * self._step, self._known // 2), 1)
            self._be_patient(now, self._patience / 4)
        elif may_grow and self._due(now) and self._known < self._ceiling:
            self._probing = True
            self._known = min(self._known + self._step, self._ceiling)
            self._opening = max(self._opening, self._known)

    def _due(self, now: float) -> bool:
        """Whether it is time for another probe."""
        patient = now >= self._next and self._rows >= _ROWS * self._patience
        return patient or self._rows >= _MANY_ROWS

    def refused(self, now: float, in_flight: int) -> None:
        """Lose a slot of those in use."""
        self._known = max(min(self.limit, in_flight) - 1, 1)
        self._opening = self._ceiling
        self._proven = min(self._proven, self._known)
        times = _AHEAD if self._is_ahead else 2 if self._probing else 1
        self._be_patient(now, self._patience * times)
        self._is_ahead = False
        self._probing = False  # the other refusals of a burst take slots, and no patience
        self._step = 1

    def reopen(self, *, forget: bool) -> None:
        """Multiply once more from one; what was known may be out of date."""
        self._opening = 1
        self._is_ahead = False
        if forget:
            self._known = self._ceiling
            self._patience = _FIRST_PATIENCE
            self._step = 1
        self._probing = False
        self._proven = 0

    def _be_patient(self, now: float, patience: float) -> None:
        self._patience = min(max(patience, _FIRST_PATIENCE), _MOST_PATIENCE)
        self._next = now + self._patience
        self._rows = 0


def _more(level: int) -> int:
    """What may be allowed where so many are: twice that, later half as much again, for all that is above is refused."""
    return level + min(level, 4 + level // 2)


def _more_in_silence(level: int) -> int:
    """The same in a step that takes a second: a little more, or 500 would not be in flight after ten of them."""
    return max(_more(level), level + min(level, 1 + level * 3 // 5))

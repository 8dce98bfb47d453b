"""Whether asking a provider is any use: not when it answers nobody any more, or cannot be reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.errors import GlmError, NetworkError

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_ASKED = 60.0  # seconds of Retry-After that are obeyed
_UNREACHED = 60.0  # seconds in which no connection could be made
_LOST = 20  # rows one after the other that no connection could be made for
# Seconds without one answer, while there is no room for any request; fewer where another provider waits.
_STARVED, _STARVED_SOONER = 600.0, 120.0
_DOWN = 10.0  # seconds in which every request failed, before another provider that waits is asked


class Contact:
    """What the last requests to a provider say of it as a whole.

    Attributes:
        unreached: why the last request could not be sent; None where it was.
    """

    def __init__(
        self, give_up: Callable[[GlmError], None], say: Callable[[str], None], now: float, *, is_last: bool
    ) -> None:
        """Nothing was asked yet. `give_up` is called when asking is no use; `is_last`: no other provider waits.

        `say` tells a person that it cannot be reached, on a line.
        """
        self._give_up = give_up
        self._say = say
        self._is_last = is_last
        self._answered = now
        self._failing: float | None = None  # since when
        self.unreached: GlmError | None = None
        self._since = now  # when it could not be reached any more
        self._lost = 0

    def answered(self, now: float) -> None:
        """An answer has come, good or bad."""
        self._answered = now
        self._failing = self.unreached = None

    def refused(self, error: GlmError, now: float) -> None:
        """There was no room for a request."""
        self._failing = self.unreached = None
        self._weigh(error, now)

    def _weigh(self, error: GlmError, now: float) -> None:
        """Give up where waiting is no use any more."""
        starved = _STARVED if self._is_last else _STARVED_SOONER
        if (error.retry_after or 0) > _LONGEST_ASKED:
            error.message += f"; the server asks to wait {error.retry_after:.0f} s"
            self._give_up(error)
        elif now - self._answered > starved:
            error.message += f"; so was every request of the last {starved:.0f} s"
            self._give_up(error)

    def failed(self, error: GlmError, now: float) -> None:
        """A request failed in a way that may pass; perhaps it reached nobody."""
        self._weigh(error, now)
        self._failing = now if self._failing is None else self._failing
        before, self.unreached = self.unreached, error if is_unreached(error) else None
        if before is None and self.unreached:
            self._since = now
            self._say(f"{error.message}; trying again")
        if not self._is_last and now - self._failing > _DOWN:
            error.message += f"; nothing else came for {_DOWN:.0f} s"
            self._give_up(error)
        elif self.unreached and now - self._since > _UNREACHED:
            error.message += f"; so it was for {_UNREACHED:.0f} s"
            self._give_up(error)

    def is_lost(self, error: GlmError | None) -> bool:
        """Of a row that is not tried again: whether nothing can be reached any more, so that it stays to be asked."""
        self._lost = self._lost + 1 if is_unreached(error) else 0
        if error is None or self._lost < _LOST:
            return False
        self._give_up(error)
        return True


def is_unreached(error: GlmError | None) -> bool:
    """Whether no connection could be made."""
    return isinstance(error, NetworkError) and not error.sent

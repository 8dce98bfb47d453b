"""Whether asking on is any use: a run stops when nobody answers any more, or nobody can be reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.errors import GlmError, NetworkError

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.batch.halt import Halt

_LONGEST_ASKED = 60.0  # seconds of Retry-After that are obeyed
_STARVED = 600.0  # seconds without one answer, while every request is refused
_UNREACHED = 60.0  # seconds in which no connection could be made
_LOST = 20  # rows one after the other that no connection could be made for


class Contact:
    """What the last requests say of the provider as a whole.

    Attributes:
        unreached: why the last request could not be sent; None where it was.
    """

    def __init__(self, halt: Halt, say: Callable[[str], None], now: float) -> None:
        """Nothing was asked yet; `say` tells a person that nobody can be reached, on a line."""
        self._halt = halt
        self._say = say
        self._answered = now
        self.unreached: GlmError | None = None
        self._since = now  # when nobody could be reached any more
        self._lost = 0

    def answered(self, now: float) -> None:
        """An answer has come, good or bad."""
        self._answered = now
        self.unreached = None

    def refused(self, error: GlmError, now: float) -> None:
        """There was no room for a request."""
        self.unreached = None
        self._weigh(error, now)

    def _weigh(self, error: GlmError, now: float) -> None:
        """Stop the run where waiting is no use any more."""
        if (error.retry_after or 0) > _LONGEST_ASKED:
            error.message += f"; the server asks to wait {error.retry_after:.0f} s"
            self._halt.stop(error)
        elif now - self._answered > _STARVED:
            error.message += f"; so was every request of the last {_STARVED:.0f} s"
            self._halt.stop(error)

    def failed(self, error: GlmError, now: float) -> None:
        """A request failed in a way that may pass; perhaps it reached nobody."""
        self._weigh(error, now)
        before, self.unreached = self.unreached, error if is_unreached(error) else None
        if before is None and self.unreached:
            self._since = now
            self._say(f"{error.message}; trying again")
        elif self.unreached and now - self._since > _UNREACHED:
            error.message += f"; so it was for {_UNREACHED:.0f} s"
            self._halt.stop(error)

    def ended(self, error: GlmError | None) -> bool:
        """A row is not tried again; whether nothing can be reached any more, so that rows stay to be asked."""
        self._lost = self._lost + 1 if is_unreached(error) else 0
        if error is None or self._lost < _LOST:
            return False
        self._halt.stop(error)
        return True


def is_unreached(error: GlmError | None) -> bool:
    """Whether no connection could be made."""
    return isinstance(error, NetworkError) and not error.sent

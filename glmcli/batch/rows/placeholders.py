"""The values that a request file wants of rows, and what is said where no row can have one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.documents.quoting import quoted
from glmcli.errors import UsageError
from glmcli.record import EMPTY, Record

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from glmcli.batch.rows.row import Row

_FEW = 9  # columns that a message names
_ASK = "call the question prompt, or ask with -f FILE, as in prompt: '{{NAME}}?'"
_IN_VARS = 'a row has its values in vars, as in {{"vars": {{"{}": "…"}}}}'


class Placeholders(Record):
    """What rows fill in.

    Attributes:
        open: the parts of the request file that have names without a value, and those names.
        question: nothing is asked but what a row asks itself.
    """

    open: Mapping[str, frozenset[str]] = EMPTY
    question: bool = False

    def missing(self, given: Collection[str], own: Collection[str] = ()) -> list[str]:
        """The names for which rows have no value that give these, and that say the parts `own` themselves."""
        if not self.open:
            return []
        return sorted(set().union(*(names for part, names in self.open.items() if part not in own)) - set(given))

    def missing_of(self, row: Row) -> list[str]:
        """The names for which this row has no value."""
        own = () if row.body is None else self.open  # the body says all
        return self.missing(row.vars, (*own, *said(row)))

    def refuse(self, place: str, given: Collection[str], own: Collection[str] = (), *, there: str) -> None:
        """Stop where every row gives these names alone; `there` says in words what they are.

        Raises:
            UsageError: the request file wants another, or nothing is asked.
        """
        if self.question and not _asks(own):
            raise UsageError(f"{place}: no row asks anything", fix=f"{there}; {_ASK}")
        if missing := self.missing(given, own):
            raise _refusal(place, missing, there)


NOTHING = Placeholders()


class PlaceholderCheck:
    """Finds out whether there is a name for which not one row of an input has a value."""

    def __init__(self, placeholders: Placeholders) -> None:
        """Know of no row yet."""
        self._wanted = placeholders
        self._missing: frozenset[str] | None = None
        self._asks = not placeholders.question

    def see(self, row: Row) -> None:
        """Another row."""
        if self._asks and not self._wanted.open:
            return
        self._asks = self._asks or row.body is not None or row.text is not None or _asks(said(row))
        if self._missing is None:
            self._missing = frozenset(self._wanted.missing_of(row))
        elif self._missing:
            self._missing &= frozenset(self._wanted.missing_of(row))

    def refuse(self, place: str) -> None:
        """Stop where no row could be asked.

        Raises:
            UsageError: all rows that were seen lack the same name, or ask nothing.
        """
        if self._missing is not None and not self._asks:
            raise UsageError(f"{place}: no row asks anything", fix=_ASK)
        if self._missing:
            missing = sorted(self._missing)
            raise _refusal(place, missing, _IN_VARS.format(missing[0]))


def said(row: Row) -> dict[str, object]:
    """The parts of a conversation that a row says itself, instead of the request file."""
    return {name: value for name in ("prompt", "messages") if (value := getattr(row, name)) is not None}


def _asks(own: Collection[str]) -> bool:
    """Whether a row that says these parts itself needs no other question."""
    return not {"prompt", "messages", "text"}.isdisjoint(own)


def columns(names: Collection[str]) -> str:
    """The columns of a table in words, the first of them if there are many."""
    shown = ", ".join(map(quoted, list(names)[:_FEW]))
    return f"the columns are {shown}" + (f" and {len(names) - _FEW} more" if len(names) > _FEW else "")


def _refusal(place: str, missing: list[str], there: str) -> UsageError:
    why = f"{place}: no row has {', '.join(missing)}, which the request file wants"
    return UsageError(why, fix=f"{there}; --var {missing[0]}=… gives all rows the same")

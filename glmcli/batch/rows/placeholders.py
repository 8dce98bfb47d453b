"""The placeholders of a request file that rows fill in, and the errors if no row of an input can."""

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


class Placeholders(Record):
    """The placeholders that rows must fill in.

    Attributes:
        open: the parts of the request file that have placeholders without a value, and the names in them.
        question: only rows ask something; flags and request file do not.
    """

    open: Mapping[str, frozenset[str]] = EMPTY
    question: bool = False

    def missing(self, given: Collection[str], own: Collection[str] = ()) -> list[str]:
        """The names without a value in rows that have values for `given` and set the parts `own` themselves."""
        if not self.open:
            return []
        return sorted(set().union(*(names for part, names in self.open.items() if part not in own)) - set(given))

    def missing_of(self, row: Row) -> list[str]:
        """The names that have no value in this row."""
        own = () if row.body is None else self.open  # a body needs no request file
        return self.missing(row.vars, (*own, *own_parts(row)))

    def refuse(self, place: str, given: Collection[str], own: Collection[str] = (), *, hint: str) -> None:
        """Stop if no row can fill in the request file, as all rows have values for the names `given` only.

        `hint` describes these in words.

        Raises:
            UsageError: the request file needs another name, or no row has a question.
        """
        if self.question and not _asks(own):
            raise UsageError(f"{place}: no row asks anything", fix=f"{hint}; {_ASK}")
        if missing := self.missing(given, own):
            raise _no_value(place, missing, hint)


NO_PLACEHOLDERS = Placeholders()


class PlaceholderCheck:
    """Finds placeholders that no row of an input has a value for."""

    def __init__(self, placeholders: Placeholders) -> None:
        """No row was read yet."""
        self._placeholders = placeholders
        self._missing: frozenset[str] | None = None
        self._asks = not placeholders.question

    def add(self, row: Row) -> None:
        """Consider one more row."""
        if self._asks and not self._placeholders.open:
            return
        self._asks = self._asks or row.body is not None or row.text is not None or _asks(own_parts(row))
        if self._missing is None:
            self._missing = frozenset(self._placeholders.missing_of(row))
        elif self._missing:
            self._missing &= frozenset(self._placeholders.missing_of(row))

    def refuse(self, place: str, hint: str) -> None:
        """Stop if none of the rows could be sent; `hint` is that of the rows' format.

        Raises:
            UsageError: all rows lack a value for the same name, or ask nothing.
        """
        if self._missing is not None and not self._asks:
            raise UsageError(f"{place}: no row asks anything", fix=_ASK)
        if self._missing:
            missing = sorted(self._missing)
            raise _no_value(place, missing, hint.format(missing[0]))


def own_parts(row: Row) -> dict[str, object]:
    """The parts of the conversation that the row sets, in place of those of the request file."""
    return {name: value for name in ("prompt", "messages") if (value := getattr(row, name)) is not None}


def _asks(own: Collection[str]) -> bool:
    """Whether a row that sets these parts has a question."""
    return not {"prompt", "messages", "text"}.isdisjoint(own)


def columns(names: Collection[str]) -> str:
    """As in `the columns are 'id', 'question' and 3 more`."""
    shown = ", ".join(map(quoted, list(names)[:_FEW]))
    return f"the columns are {shown}" + (f" and {len(names) - _FEW} more" if len(names) > _FEW else "")


def _no_value(place: str, missing: list[str], hint: str) -> UsageError:
    why = f"{place}: no row has {', '.join(missing)}, which the request file wants"
    return UsageError(why, fix=f"{hint}; --var {missing[0]}=… gives all rows the same")

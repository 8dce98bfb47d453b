"""What a request file leaves to rows: its placeholders, what fills them, and the errors if no row of an input can."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from glmcli.documents.quoting import quoted, visible, wrong_type
from glmcli.documents.template import braced, compared, is_name
from glmcli.errors import UsageError
from glmcli.record import EMPTY, Record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from glmcli.batch.rows.row import Row

_FEW = 9  # columns that a message names
_ASK = "call the question prompt, or ask with -f FILE, as in prompt: '{{NAME}}?'"
_QUESTIONS = ("prompt", "messages")
_NO_VALUES = frozenset(("id", "vars"))  # fields that are no values of their own
_NOTHING = object()


class Placeholders(Record):
    """The placeholders that rows fill in.

    Attributes:
        open: the parts of the request file that have placeholders without a value, and the names in them.
        names: the parts that rows may fill, and the names in them, also those with a default.
        question: only rows ask something; flags and request file do not.
        repeats: flags and request file ask something, the same for all rows that say nothing.
        single_braced: names in single braces or behind a backslash, which are text, and how they are written.
        prompts_replace: a row's prompt never fills `{{prompt}}`, but replaces that of the request file.
    """

    open: Mapping[str, frozenset[str]] = EMPTY
    names: Mapping[str, frozenset[str]] = EMPTY
    question: bool = False
    repeats: bool = False
    single_braced: Mapping[str, str] = EMPTY
    prompts_replace: bool = False

    def wants(self, name: str, own: Collection[str] = ()) -> bool:
        """Whether a value of this name is used by rows that set the parts `own` themselves."""
        return any(compared(name) in names for part, names in self.names.items() if part not in own)

    def own_parts(self, row: Row) -> dict[str, object]:
        """The parts of the conversation that the row sets, in place of those of the request file.

        A prompt is a mere value where the request file has a placeholder for it.
        """
        if row.body is not None:
            return {"prompt": None, "messages": ()}
        own: dict[str, object] = {} if row.messages is None else {"messages": row.messages}
        if row.prompt is not None and (self.prompts_replace or not self.wants("prompt", own)):
            own["prompt"] = row.prompt
        return own

    def values(self, row: Row) -> dict[str, str]:
        """The values that the row has for the names of the request file; `vars` come before other fields.

        Raises:
            UsageError: a value is no text, number or boolean, or a prompt stands in two places.
        """
        if not self.names:
            return {}
        wanted = frozenset[str]().union(*self.names.values())
        if row.prompt is not None and "prompt" in wanted and "prompt" in row.vars and not self.prompts_replace:
            raise UsageError("prompt stands both in vars and beside it", fix="leave one of them out")
        found = {name: _field(row, name) for name in wanted}
        return {name: _text(name, value) for name, value in found.items() if value is not _NOTHING}

    def missing(self, given: Collection[str], own: Collection[str] = ()) -> list[str]:
        """The names without a value in rows that have values for `given` and set the parts `own` themselves."""
        if not self.open:
            return []
        return sorted(set().union(*(names for part, names in self.open.items() if part not in own)) - set(given))

    def missing_of(self, row: Row) -> list[str]:
        """The names that have no value in this row.

        Raises:
            UsageError: as `values`.
        """
        return self.missing(self.values(row), self.own_parts(row)) if self.open else []

    def reaches(self, row: Row) -> bool:
        """Whether anything that the row says gets into its request."""
        own = self.own_parts(row)
        if own or row.text is not None:
            return True
        return any(_field(row, name) is not _NOTHING for names in self.names.values() for name in names)

    def refuse(self, place: str, given: Collection[str], own: Collection[str] = (), *, hint: str) -> None:
        """Stop if no row can fill in the request file, as all rows have values for the names `given` only.

        `own` are the parts that they set themselves; `hint` describes the names in words.

        Raises:
            UsageError: the request file needs another name, no row has a question, or nothing of any reaches its
                request.
        """
        if self.question and not _asks(own):
            raise UsageError(f"{place}: no row asks anything", fix=f"{hint}; {_ASK}")
        if missing := self.missing({*map(compared, given)}, own):
            raise _no_value(place, missing, hint)
        if not own and not any(map(self.wants, given)):
            self.refuse_idle(place, given)

    def refuse_idle(self, place: str, given: Iterable[str]) -> None:
        """Stop, as rows with these fields would all ask the same; those with no field but an id may.

        Raises:
            UsageError: there are such fields.
        """
        fields = [name for name in given if name not in _NO_VALUES]
        if not (self.repeats and fields):
            return
        single = next((name for name in fields if compared(name) in self.single_braced), None)
        name = fields[0] if single is None else single
        written = self.single_braced.get(compared(name))
        how = f"{visible(written)} in the request file is text, " if written else ""
        use = f"{braced(name)} is filled" if single is not None else f"{braced(name)} in the request file is filled"
        why = f"{place}: nothing that a row says reaches its request: all would ask the same"
        asked = "" if self.wants("prompt") else "; a column or field called prompt is asked itself"
        raise UsageError(
            why, fix=f"rows have {_named(fields)}; {how}{use}{asked}; rows with an id alone repeat a question"
        )


NO_PLACEHOLDERS = Placeholders()


def _field(row: Row, name: str) -> Any:  # noqa: ANN401 - any JSON
    """What the row has under this name, which is in the form of `compared`."""
    for fields in (row.vars, row.columns):
        if name in fields:
            return fields[name]
        if not name.isascii():
            for key, value in fields.items():
                if compared(key) == name:
                    return value
    own = {"id": row.id, "prompt": row.prompt, "custom_id": row.id if row.body is not None else None}.get(name)
    return _NOTHING if own is None else own


def _text(name: str, value: object) -> str:
    """A value as it is put in; a number, true and false as JSON writes them."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):  # True is an int
        return json.dumps(value)
    why = wrong_type(visible(name), value, ("a string", "a number", "true or false"))
    raise UsageError(f"{why}, to fill {braced(name)}")


class PlaceholderCheck:
    """Finds placeholders that no row of an input has a value for, and rows that only repeat one question."""

    def __init__(self, placeholders: Placeholders) -> None:
        """No row was read yet."""
        self._placeholders = placeholders
        self._missing: frozenset[str] | None = None
        self._asks = not placeholders.question
        self._reaches = False
        self._idle: dict[str, None] = {}  # fields of rows that reach nothing

    def add(self, row: Row) -> None:
        """Consider one more row."""
        placeholders = self._placeholders
        if self._asks and self._reaches and not (self._missing or (self._missing is None and placeholders.open)):
            return
        self._asks = self._asks or row.text is not None or _asks(placeholders.own_parts(row))
        if not self._reaches:
            self._reaches = placeholders.reaches(row)
            self._idle |= dict.fromkeys((*row.vars, *row.columns) if len(self._idle) < _FEW else ())
        try:
            missing = frozenset(placeholders.missing_of(row))
        except UsageError:  # the row is invalid by itself
            return
        self._missing = missing if self._missing is None else self._missing & missing

    def refuse(self, place: str, hint: str) -> None:
        """Stop if none of the rows could be sent; `hint` is that of the rows' format.

        Raises:
            UsageError: all rows lack a value for the same name, ask nothing, or reach nothing.
        """
        if self._missing is not None and not self._asks:
            raise UsageError(f"{place}: no row asks anything", fix=_ASK)
        if self._missing:
            missing = sorted(self._missing)
            raise _no_value(place, missing, hint.format(visible(missing[0])))
        self.refuse_idle(place)

    def refuse_idle(self, place: str) -> None:
        """Stop if nothing of the rows seen so far reaches a request.

        Raises:
            UsageError: it is so.
        """
        if not self._reaches:
            self._placeholders.refuse_idle(place, self._idle)


def _asks(own: Collection[str]) -> bool:
    """Whether a row that sets these parts has a question."""
    return not {*_QUESTIONS, "text"}.isdisjoint(own)


def columns(names: Collection[str]) -> str:
    """As in `the columns are 'id', 'question' and 3 more`."""
    return f"the columns are {_named(names)}"


def _named(names: Collection[str]) -> str:
    shown = ", ".join(map(quoted, list(names)[:_FEW]))
    return shown + (f" and {len(names) - _FEW} more" if len(names) > _FEW else "")


def _no_value(place: str, missing: list[str], hint: str) -> UsageError:
    why = f"{place}: no row has {', '.join(map(visible, missing))}, which the request file wants"
    first = visible(missing[0]) if is_name(missing[0]) else f"'{visible(missing[0])}'"
    return UsageError(why, fix=f"{hint}; --var {first}=… gives all rows the same")

"""A line of the ledger (schemas/batch-reply.schema.json): how a row ended, and what makes a line valid.

A ledger may have been copied, cut or edited, so every line that is read is validated here, once: resume, report, merge
and fetch all get the same LedgerRecord of it.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from glmcli.chat.events import Usage
from glmcli.chat.outcome import Cost
from glmcli.errors import FilteredError, GlmError, IncompleteError, ToolError, UsageError
from glmcli.record import EMPTY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Status = Literal["ok", "incomplete", "filtered", "rejected", "invalid", "failed"]
STATUSES: tuple[Status, ...] = get_args(Status)

LONGEST = 256 << 20  # bytes of a line; an answer has at most 64 MiB, and JSON may escape it
_FIRST_BYTES = b'{"id": '  # of every line that a run writes
_MOST = 10**12  # no real count is larger; the sum of a million of these still fits into 64 bits
_DEAREST = 10**9  # the most that a report adds up
_MILLI = 1000
_YEARS = 1971, 9998  # with any time zone and rounding still within what datetime can represent
_CURRENCY = re.compile(r"[A-Z]{3}")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


class RowState(StrEnum):
    """How a later run treats a row: OK is answered, FINAL would only fail again, FAILED may succeed.

    INVALID could not be sent at all, and is validated again.
    """

    OK = "ok"
    FINAL = "final"
    FAILED = "failed"
    INVALID = "invalid"


class InvalidRecordError(ValueError):
    """The line is not a record of a ledger; the message is the reason."""


class NotJsonError(InvalidRecordError):
    """The line is not even JSON: it may have been torn while it was written."""


class LedgerRecord(NamedTuple):
    """How a row ended: one line of a ledger.

    Attributes:
        line: the line of the row in the input; 0 is unknown.
        hash: the digest of the request, without its provider; of an invalid row, of what is wrong with it.
        final: later runs do not send it again by themselves: it is answered, or would only fail again.
        calls: requests sent for this row by all runs together.
        value: the whole line as JSON.
    """

    id: str
    line: int
    hash: str
    status: str
    final: bool
    calls: int
    value: Mapping[str, Any]

    @property
    def state(self) -> RowState:
        """How a later run treats the row."""
        if self.status == "ok":
            return RowState.OK
        if self.status == "invalid":
            return RowState.INVALID
        return RowState.FINAL if self.final else RowState.FAILED

    @property
    def amount(self) -> float:
        """What the row cost; 0 where that is not known."""
        cost = self.value.get("cost")
        return float(cost["amount"]) if cost else 0.0

    @property
    def columns(self) -> Mapping[str, Any]:
        """What was copied from the row of the input."""
        return self.value.get("columns") or EMPTY

    @property
    def error(self) -> Mapping[str, Any]:
        """The error; empty without one."""
        return self.value.get("error") or EMPTY

    def usage(self) -> Usage:
        """The tokens that the provider counted.

        Raises:
            InvalidRecordError: the line has something else there, as in all that follow.
        """
        value = _object(self.value, "usage")
        return Usage(*(_count(value, name) for name in Usage.__match_args__)) if value else Usage()

    def cost(self) -> Cost | None:
        """What the row cost, by which price list."""
        value = _object(self.value, "cost")
        if not value:
            return None
        currency, as_of = text_of(value, "currency"), text_of(value, "as_of")
        if not _CURRENCY.fullmatch(currency) or not _DAY.fullmatch(as_of):
            raise InvalidRecordError("its 'cost' has no currency such as CNY, or no day such as 2026-01-31")
        return Cost(_number(value, "amount", _DEAREST), currency, as_of)

    def finished_at(self) -> int:
        """When the row ended, in milliseconds since the epoch."""
        text = text_of(self.value, "finished_at")
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise InvalidRecordError("its 'finished_at' is not a time") from error
        if not _YEARS[0] <= moment.year <= _YEARS[1]:
            raise InvalidRecordError(f"its 'finished_at' is not between {_YEARS[0]} and {_YEARS[1]}")
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * _MILLI)

    def duration(self) -> int | None:
        """How long the row took with waits and retries, in milliseconds."""
        timing = _object(self.value, "timing")
        return None if timing.get("total") is None else round(_number(timing, "total", _MOST) * _MILLI)


def is_final(error: GlmError) -> bool:
    """Whether the same request would only fail again: neither waiting nor a second try helps."""
    if isinstance(error, IncompleteError):
        return not error.broken
    return error.retry is None and isinstance(error, UsageError | FilteredError | ToolError)


def status_of(error: GlmError | None) -> Status:
    """The status of a row that was sent and ended with this error, or with an answer."""
    match error:
        case None:
            return "ok"
        case IncompleteError():
            return "incomplete"
        case FilteredError():
            return "filtered"
        case _:
            return "failed"


def parse(line: bytes) -> LedgerRecord:
    """The record that a line holds.

    Raises:
        InvalidRecordError: it holds none.
    """
    try:
        value = json.loads(line.decode())
    except (ValueError, RecursionError) as error:  # also of bytes that are not UTF-8
        raise NotJsonError("it is not JSON") from error
    if not isinstance(value, dict):
        raise InvalidRecordError("it is not a JSON object")
    row_id, status, digest = text_of(value, "id"), text_of(value, "status"), text_of(value, "hash")
    calls, final = _count(value, "calls"), value.get("final", False)
    if status not in STATUSES:
        raise InvalidRecordError("its 'status' is none of " + ", ".join(STATUSES))
    if calls is None:
        raise InvalidRecordError("it has no 'calls'")
    if final is not True and final is not False:
        raise InvalidRecordError("its 'final' is neither true nor false")
    if not digest.isascii():
        raise InvalidRecordError("its 'hash' is not ASCII")
    if not _is_unicode(row_id):
        raise InvalidRecordError("its 'id' holds half a character")
    if status == "ok" and not isinstance(value.get("answer", ""), str):
        raise InvalidRecordError("it is ok, and its 'answer' is not a string")
    _object(value, "columns")
    _object(value, "error")
    if cost := _object(value, "cost"):
        _number(cost, "amount", _MOST)  # a run may have written more than a report adds up: by senseless counts
    return LedgerRecord(row_id, _count(value, "line") or 0, digest, status, final, calls, value)


def text_of(value: Mapping[str, Any], name: str) -> str:
    """The string in this field.

    Raises:
        InvalidRecordError: there is none.
    """
    text = value.get(name)
    if not isinstance(text, str):
        raise InvalidRecordError(f"it has no '{name}'" if text is None else f"its '{name}' is not a string")
    return text


def _object(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = value.get(name)
    if part is not None and not isinstance(part, dict):
        raise InvalidRecordError(f"its '{name}' is not an object")
    return part or EMPTY


def _count(value: Mapping[str, Any], name: str) -> int | None:
    number = value.get(name)
    if number is None:
        return None
    if type(number) is not int or not 0 <= number <= _MOST:  # bool is an int to isinstance
        raise InvalidRecordError(f"its '{name}' is not a count")
    return number


def _number(value: Mapping[str, Any], name: str, most: float) -> float:
    number = value.get(name)
    if type(number) not in (int, float) or not 0 <= number <= most:  # type: ignore[operator]
        raise InvalidRecordError(f"its '{name}' is not a number from 0 to {most:,}")
    return float(number)  # type: ignore[arg-type]


def _is_unicode(text: str) -> bool:
    """Whether it can be encoded: a JSON escape may be half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class LedgerReader:
    """Reads the records of a ledger, and whether its last line is torn.

    A crash may leave a torn line at the end, a power cut also zeros where blocks never reached the disk. Neither is a
    row; anything else that is no record makes the file an invalid ledger.

    Attributes:
        count: how many records there are.
        torn: the number of the first torn line; 0: there is none.
        torn_at: where that line begins, in bytes.
        lacks_newline: the last record is whole but for its newline.
    """

    def __init__(self, name: str, lines: Iterable[tuple[int, bytes, bool]], *, fix: str) -> None:
        """Read `lines` (see `split_lines`); messages call the file `name`, and advise `fix`."""
        self._name = name
        self._lines = lines
        self._fix = fix
        self._number = self.count = self.torn = self.torn_at = 0
        self.lacks_newline = False

    def records(self) -> Iterator[tuple[int, LedgerRecord]]:
        """Each record, and where it begins in the file, in bytes. Blank lines are skipped.

        Raises:
            UsageError: there is something else among them.
        """
        for offset, line, is_ended in self._lines:
            self._number += 1
            if not line.strip():
                continue
            if len(line) > LONGEST:
                raise self.invalid(f"it is longer than {LONGEST >> 20} MiB")
            try:
                record = parse(line)
            except InvalidRecordError as error:
                if not self._is_torn(line, error, is_ended=is_ended):
                    raise self.invalid(str(error)) from error
                if not self.torn:
                    self.torn, self.torn_at = self._number, offset
                continue
            if self.torn:
                raise self.invalid("it is not JSON", self.torn)
            self.lacks_newline = not is_ended
            self.count += 1
            yield offset, record

    def _is_torn(self, line: bytes, error: InvalidRecordError, *, is_ended: bool) -> bool:
        """Whether the line was a record before a crash cut it or left zeros in its place."""
        if is_ended:
            return b"\0" in line
        is_ours = self.count > 0 or _FIRST_BYTES.startswith(line[: len(_FIRST_BYTES)])
        return is_ours and isinstance(error, NotJsonError)

    def invalid(self, why: str, number: int = 0) -> UsageError:
        """The error for this line, by default for the one that was read last."""
        return UsageError(f"{self._name}:{number or self._number}: not a line of a ledger: {why}", fix=self._fix)

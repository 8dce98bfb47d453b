"""A line of the ledger (schemas/batch-reply.schema.json): how a row ended, and what makes a line valid.

A ledger may have been copied, cut, edited or damaged, so every line that is read is validated here, once: resume,
report, merge and fetch all get the same LedgerRecord of it.
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
_ZEROS_OR_NOT = re.compile(rb"\0+|[^\0]+")
# Where a line begins behind another that lacks its newline: JSON has these bytes only at an object, so behind [ , : or
# white space, for a string holds no bare quote.
_KEY = b'{"id":'
_JOINT = re.compile(rb'(?<=[^\[,:\s])(?=\{"id": ?")')
_BOM = b"\xef\xbb\xbf"  # an editor may have put it before the first line, and `cat` before another
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
    value = _object_of(line)
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


def _object_of(line: bytes) -> dict[str, Any]:
    if len(line) > LONGEST:
        raise InvalidRecordError(f"it is longer than {LONGEST >> 20} MiB")
    try:
        value = json.loads(line.decode())
    except (ValueError, RecursionError) as error:  # also of bytes that are not UTF-8
        raise NotJsonError("it is not JSON") from error
    if not isinstance(value, dict):
        raise InvalidRecordError("it is not a JSON object")
    return value


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


def pieces(lines: Iterable[tuple[int, bytes, bool]]) -> Iterator[tuple[int, int, bytes, bool]]:
    """What may be a record in each of these lines (see `split_lines`): its line's number, its offset, its bytes.

    Also whether a newline follows it. Zeros are blocks that never reached the disk, and end a piece as a newline does:
    a line that a run writes holds none. So does the beginning of another record, where files were joined of which the
    first lacked its last newline. Blank lines and byte order marks are left out.
    """
    for number, (at, line, is_ended) in enumerate(lines, 1):
        if b"\0" not in line and not line.startswith(_BOM) and line.find(_KEY, 1) < 0:
            if line.strip():
                yield number, at, line, is_ended
            continue
        end = 0
        for found in _ZEROS_OR_NOT.finditer(line):
            for piece in joined_records(found[0]):
                end += len(piece)
                bare = piece.removeprefix(_BOM)
                if bare.strip():
                    yield number, at + end - len(bare), bare, is_ended and end == len(line)


def joined_records(piece: bytes) -> list[bytes]:
    """The piece, cut where another record begins in it."""
    return [piece] if piece.find(_KEY, 1) < 0 else _JOINT.split(piece)


class LedgerReader:
    """Reads the records of a ledger, and finds what is none of them.

    A crash may leave a torn line at the end; a power cut or a network's file system also zeros, where blocks never
    reached the disk, and any bytes. The records around them count. A file without one record is no ledger, unless all
    that it holds can be what a crash left of the first.

    Attributes:
        count: how many records there are.
        unreadable: how many lines hold something else.
        first: the number of the first of these; 0: there is none.
        why: what is wrong with it.
        damaged: where bytes begin that are no record, and where the next record begins, in bytes.
        torn_at: where those begin that no record follows; -1: there are none.
        lacks_newline: no newline follows the last record.
        has_joined: two records stand in one line.
    """

    def __init__(self, name: str, lines: Iterable[tuple[int, bytes, bool]], *, fix: str) -> None:
        """Read `lines` (see `split_lines`); messages call the file `name`, and advise `fix`."""
        self._name = name
        self._lines = lines
        self._fix = fix
        self.count = self.unreadable = self.first = self._number = self._last = 0
        self.why = ""
        self.damaged: list[tuple[int, int]] = []
        self.torn_at = -1
        self.lacks_newline = self.has_joined = False
        self._may_be_ours = True

    def records(self) -> Iterator[tuple[int, LedgerRecord]]:
        """Each record, and where it begins in the file, in bytes.

        Raises:
            UsageError: when all is read: it is no ledger.
        """
        for number, at, piece, is_ended in pieces(self._lines):
            self.has_joined |= number == self._number
            self._number = number
            try:
                record = parse(piece)
            except InvalidRecordError as error:
                self.torn_at = at if self.torn_at < 0 else self.torn_at
                self._may_be_ours &= _may_be_torn(piece, error, is_ended=is_ended)
                self._note(error)
                continue
            if self.torn_at >= 0:
                self.damaged.append((self.torn_at, at))
                self.torn_at = -1
            self.lacks_newline = not is_ended
            self.count += 1
            yield at, record
        if self.first and not self.count and not self._may_be_ours:
            raise UsageError(f"{self._name}:{self.first}: not a line of a ledger: {self.why}", fix=self._fix)

    def reject(self, error: InvalidRecordError) -> None:
        """Count the record that was read last among those that cannot be read: it holds less than is needed."""
        self.count -= 1
        self._may_be_ours = False
        self._note(error)

    def _note(self, error: InvalidRecordError) -> None:
        if not self.first:
            self.first, self.why = self._number, str(error)
        self.unreadable += self._number != self._last
        self._last = self._number


def _may_be_torn(piece: bytes, error: InvalidRecordError, *, is_ended: bool) -> bool:
    """Whether the piece may be what is left of the first line that a run wrote: its beginning, or zeros."""
    if not piece.strip(b"\0"):
        return True
    begins = _FIRST_BYTES.startswith(piece[: len(_FIRST_BYTES)])
    return begins and not is_ended and isinstance(error, NotJsonError)

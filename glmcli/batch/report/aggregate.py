"""The lines of a ledger as rows of a temporary database, so that a million rows need little memory.

Lines are inserted as they are read. One sort on disk finds afterwards which of them count, which is much faster than
keeping an index of a million digests up to date.
"""

from __future__ import annotations

from hashlib import sha256
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Self

from glmcli.batch.ledger.database import TemporaryDatabase
from glmcli.batch.ledger.file import split_lines
from glmcli.batch.ledger.record import InvalidRecordError, LedgerReader, text_of
from glmcli.errors import UsageError
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from glmcli.batch.ledger.record import LedgerRecord
    from glmcli.chat.events import Usage
    from glmcli.chat.outcome import Cost

NANO = 1_000_000_000  # money is added up in whole billionths, as prices are rounded to nine digits
_CLIPPED = 200  # characters of foreign text that are kept
_CHUNK = 1 << 20
_CACHE = 16 << 10  # KiB of pages in memory, and of what is sorted at once
_OK_FIRST = 1 << 53  # added to the place of a line that is ok: no file has so many lines
_FIX = "name the file that glm batch run -O wrote"


class ReportedLine(NamedTuple):
    """What a report keeps of one line. Unknown is None.

    Attributes:
        digest: of the id, which is the same for all lines of a row.
        finished: milliseconds since the epoch.
        took: milliseconds.
        paid: what it cost, in billionths of the currency.
        saved: how much more it would have been without the provider's cache, in billionths too.
    """

    digest: bytes
    id: str
    line: int
    status: str
    final: bool
    calls: int
    finished: int
    took: int | None
    input_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    cached_tokens: int | None
    total_tokens: int | None
    paid: int | None
    currency: str | None
    as_of: str | None
    saved: int | None
    error_type: str | None
    provider_code: str | None
    message: str | None


class ReportContext(Record):
    """What a report needs besides the ledger.

    Attributes:
        saved: how much cheaper a provider's cache made these tokens of a model.
        redact: blanks out keys in foreign text.
    """

    saved: Callable[[str, str, Usage], Cost | None]
    redact: Callable[[str], str]

    def line(self, record: LedgerRecord) -> ReportedLine:
        """The numbers of a record, and the first words of foreign text.

        Raises:
            InvalidRecordError: one of them is not valid.
        """
        usage, cost = record.usage(), record.cost()
        return ReportedLine(
            sha256(record.id.encode()).digest()[:16],
            self._clipped(record.id),
            record.line,
            record.status,
            record.final,
            record.calls,
            record.finished_at(),
            record.duration(),
            usage.input_tokens,
            usage.output_tokens,
            usage.reasoning_tokens,
            usage.cached_tokens,
            usage.total_tokens,
            *_amount(cost),
            self._saving(record.value, usage, cost),
            *(self._text(record.error, name) for name in ("type", "provider_code", "message")),
        )

    def _clipped(self, text: str) -> str:
        if len(text) > _CLIPPED:  # redacted first: half a key would not be found later
            text = self.redact(text)[:_CLIPPED] + "…"
        # Half a surrogate pair is legal in JSON and nowhere else.
        return text if text.isascii() else text.encode(errors="replace").decode()

    def _text(self, error: Mapping[str, Any], name: str) -> str | None:
        return None if error.get(name) is None else self._clipped(text_of(error, name))

    def _saving(self, value: Mapping[str, Any], usage: Usage, cost: Cost | None) -> int | None:
        provider, model = value.get("provider"), value.get("model")
        if cost is None or usage.cached_tokens is None or not (isinstance(provider, str) and isinstance(model, str)):
            return None
        # The row was paid by the prices of its day, so a saving by those of another day cannot be compared.
        saved, *price_list = _amount(self.saved(provider, model, usage))
        return saved if price_list == [cost.currency, cost.as_of] else None


def _amount(cost: Cost | None) -> tuple[int | None, str | None, str | None]:
    return (round(cost.amount * NANO), cost.currency, cost.as_of) if cost else (None, None, None)


_LINES = f"CREATE TABLE lines (seq INTEGER PRIMARY KEY, {', '.join(ReportedLine._fields)})"
_INSERT = f"INSERT INTO lines VALUES (NULL{', ?' * len(ReportedLine._fields)})"  # noqa: S608 - names of our own

# The line that counts is the last that is ok, else the last. `calls` of a later line includes those before.
_PLACE = f"max((status = 'ok') * {_OK_FIRST} + seq) % {_OK_FIRST}"
_SETTLE = (
    "COMMIT",
    "CREATE TABLE kept (seq INTEGER PRIMARY KEY, sent)",
    f"INSERT INTO kept SELECT {_PLACE}, max(calls) FROM lines GROUP BY digest ORDER BY 1",  # noqa: S608 - as above
    "CREATE VIEW rows AS SELECT * FROM kept CROSS JOIN lines USING (seq)",
    "CREATE VIEW superseded AS SELECT * FROM lines WHERE seq NOT IN (SELECT seq FROM kept)",
)


class Aggregate:
    """A database of `lines`, of which `rows` count and `superseded` do not.

    Attributes:
        torn: the number of a last line that was cut while it was written; 0: there is none.
        redact: blanks out keys in foreign text.
    """

    def __init__(self, file: IO[bytes], name: str, context: ReportContext) -> None:
        """Read this ledger; messages call it `name`.

        Raises:
            UsageError: a line is no line of a ledger, or the file cannot be read.
            OutputError: the temporary folder is full.
        """
        self.redact = context.redact
        self._database = TemporaryDatabase(_LINES, _CACHE)
        self.select = self._database.select
        reader = LedgerReader(name, split_lines(_read_chunks(file, name)), fix=_FIX)
        self._database.executemany(_INSERT, _lines(reader, context))
        self.torn = reader.torn
        for statement in _SETTLE:
            self._database.execute(statement)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Free memory and disk."""
        self._database.close()

    def one(self, query: str) -> Any:  # noqa: ANN401 - the columns of the query
        """The only row of the result."""
        return next(self.select(query))

    def time_span(self) -> tuple[int, int] | None:
        """When the first row was sent and when the last ended, in milliseconds since the epoch; None without rows."""
        first, last = self.one("SELECT min(finished - ifnull(took, 0)), max(finished) FROM rows")
        return None if first is None else (first, last)


def _lines(reader: LedgerReader, context: ReportContext) -> Iterator[ReportedLine]:
    for _, record in reader.records():
        try:
            yield context.line(record)
        except InvalidRecordError as error:
            raise reader.invalid(str(error)) from error


def _read_chunks(file: IO[bytes], name: str) -> Iterator[bytes]:
    try:
        while chunk := file.read(_CHUNK):
            yield chunk
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}") from error

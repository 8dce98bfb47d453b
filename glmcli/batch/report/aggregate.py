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
_SHOWN = 600  # characters of an answer, or of a command
_ANSWERS, _COMMANDS = 10, 5  # how many are kept
_PAUSE = 600_000  # milliseconds without a row, within a run or where no run is named, that are not the batch's: sleep
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
        run: when the run began that wrote it.
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
    provider: str | None
    model: str | None
    run: str | None


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
            *(self._text(record.value, name) for name in ("provider", "model", "run")),
        )

    def shown(self, text: str) -> str:
        """The beginning of an answer or a command, for a page."""
        return self._clipped(text, _SHOWN)

    def _clipped(self, text: str, most: int = _CLIPPED) -> str:
        if len(text) > most:  # redacted first: half a key would not be found later
            text = self.redact(text)[:most] + "…"
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
    "CREATE TABLE pauses (ended INTEGER PRIMARY KEY, lost)",
    "CREATE VIEW superseded AS SELECT * FROM lines WHERE seq NOT IN (SELECT seq FROM kept)",
)


# A row takes the time until it ended, and until the next row of its run was asked, if that is no pause.
_INTERVALS = """
WITH times AS (SELECT run, finished, finished - ifnull(took, 0) AS began FROM rows), following AS (
  SELECT began, finished, max(finished) OVER (PARTITION BY run ORDER BY began ROWS UNBOUNDED PRECEDING) AS latest,
    lead(began) OVER (PARTITION BY run ORDER BY began) AS next FROM times)
SELECT began, CASE WHEN next - latest BETWEEN 0 AND :pause THEN next ELSE finished END FROM following ORDER BY began
"""


class ShownAnswer(NamedTuple):
    """The beginning of an answer, and whose it is."""

    id: str
    line: int
    answer: str


class Aggregate:
    """A database of `lines`, of which `rows` count and `superseded` do not.

    Attributes:
        unreadable: how many lines are no records; the first of them is `first_unreadable`, 0 if there is none.
        redact: blanks out keys in foreign text.
        commands: the command lines of the runs, each once.
        paused: how long nothing was asked between runs, in milliseconds, and how often.
    """

    def __init__(self, file: IO[bytes], name: str, context: ReportContext) -> None:
        """Read this ledger; messages call it `name`.

        Raises:
            UsageError: it is no ledger, or the file cannot be read.
            OutputError: the temporary folder is full.
        """
        self.redact = context.redact
        self._database = TemporaryDatabase(_LINES, _CACHE)
        self.select = self._database.select
        reader = LedgerReader(name, split_lines(_read_chunks(file, name)), fix=_FIX)
        self._answers: dict[bytes, ShownAnswer] = {}
        self.commands: list[str] = []
        self._database.executemany(_INSERT, self._lines(reader, context))
        self.unreadable, self.first_unreadable = reader.unreadable, reader.first
        for statement in _SETTLE:
            self._database.execute(statement)
        pauses = list(self._pauses())
        self._database.executemany("INSERT INTO pauses VALUES (?, ?)", pauses)
        self.paused = pauses[-1][1] if pauses else 0, len(pauses)

    @property
    def answers(self) -> list[ShownAnswer]:
        """The first answers, without keys."""
        shown = self._answers.values()
        return [ShownAnswer(self.redact(one.id), one.line, self.redact(one.answer)) for one in shown]

    def _lines(self, reader: LedgerReader, context: ReportContext) -> Iterator[ReportedLine]:
        for _, record in reader.records():
            try:
                line = context.line(record)
            except InvalidRecordError as error:
                reader.reject(error)
                continue
            self._keep(line, record.value, context)
            yield line

    def _keep(self, line: ReportedLine, value: Mapping[str, Any], context: ReportContext) -> None:
        answer, command = value.get("answer"), value.get("command")
        is_shown = line.digest in self._answers or len(self._answers) < _ANSWERS
        if line.status == "ok" and is_shown and isinstance(answer, str):  # the last answer of a row counts
            self._answers[line.digest] = ShownAnswer(line.id, line.line, context.shown(answer))
        if isinstance(command, str) and len(self.commands) < _COMMANDS:
            shown = context.shown(command)
            self.commands += [shown] * (shown not in self.commands)

    def _pauses(self) -> Iterator[tuple[int, int]]:
        """When each pause ended, and how long it and all before it took together, in milliseconds."""
        until, lost = None, 0
        for began, ended in self.select(_INTERVALS, {"pause": _PAUSE}):
            if until is not None and began > until:
                lost += began - until
                yield began, lost
            until = ended if until is None else max(until, ended)

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


def _read_chunks(file: IO[bytes], name: str) -> Iterator[bytes]:
    try:
        while chunk := file.read(_CHUNK):
            yield chunk
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}") from error

"""The rows of an input that are still to be sent: ids, rows that earlier runs finished, and invalid rows."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING

from glmcli.batch.ledger.record import RowState
from glmcli.batch.rows.placeholders import PlaceholderCheck
from glmcli.batch.rows.requests import DIGEST_LENGTH
from glmcli.batch.rows.row import InvalidRow, MalformedRow, QueueItem, Row
from glmcli.errors import UsageError
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from glmcli.batch.ledger.index import Index, IndexedRow
    from glmcli.batch.rows.requests import RequestBuilder
    from glmcli.batch.rows.shard import Shard
    from glmcli.batch.rows.source import RowSource
    from glmcli.chat.messages import Request

_RESEND = "the same command again with --redo-changed asks them anew, with --keep-changed keeps the old answers"
_UNNAMED = "; rows without an id are asked anew either way, for they are known by what they ask"
_FORMER = (
    "before a line of text, glm 0.1.0 left the request file's prompt out, and attached files stood behind it; "
    "it filled nothing with fields of rows"
)
_PER_TOKEN = 3  # characters, between Chinese (about 1.6) and English (about 4)
_DEFAULT_ANSWER = 512  # tokens of an answer whose length nobody limits


class RowFilter(Record):
    """Which rows of the input a run sends.

    Attributes:
        failed: whether failed rows are sent again; None: those that may succeed.
        changed: what happens to answers to a request that has changed since, `redo` or `keep`; None: the run stops.
        shard: the part of the rows that this run sends; None: all.
    """

    failed: bool | None = None
    changed: str | None = None
    shard: Shard | None = None

    def is_done(self, earlier: IndexedRow, digest: str) -> bool:
        """Whether a row with this record in the ledger, whose request now has this digest, is not sent again.

        Raises:
            UsageError: it is answered, its request has changed, and neither redo nor keep was chosen.
        """
        if earlier.state == RowState.OK:
            if earlier.hash != digest:
                self.refuse_changed(1)
            return earlier.hash == digest or self.changed == "keep"
        if self.failed is None:
            return earlier.state == RowState.FINAL and earlier.hash == digest
        return not self.failed and earlier.state in (RowState.FINAL, RowState.FAILED)

    def refuse_changed(self, changed: int, *, unnamed: bool = False, why: str | None = None) -> None:
        """Stop because of so many answers to a request that has changed; `unnamed`: some are of rows without an id.

        `why` says why a finished row is not valid any more.

        Raises:
            UsageError: neither redo nor keep was chosen.
        """
        if self.changed:
            return
        rows = "a finished row answers" if changed == 1 else f"{changed} finished rows answer"
        raise UsageError(f"{rows} another request than would be sent now", why=why, fix=_RESEND + _UNNAMED * unnamed)


class RowIds:
    """The ids of the rows of an input that is read once, or twice: first to validate it, then to send its rows.

    A row without an id is named by the digest of its request, and one that cannot be sent by its line.
    """

    def __init__(self, name: str, index: Index, redact: Callable[[str], str]) -> None:
        """`name` is what messages call the input; `redact` blanks out keys."""
        self._name = name
        self._index = index
        self._redact = redact

    def add(self, row_id: str, line: int) -> None:
        """Add the id of a row, before anything is sent.

        Raises:
            UsageError: another row has it.
        """
        earlier = self._index.add_input(row_id, line)
        if earlier is not None:
            where = f"{self._name}:{line}"
            raise UsageError(f"{where}: the id {row_id!r} is also on line {earlier}", fix="give each row its own")

    def validate(self, row: Row) -> None:
        """Check that no other row has the id of this one, and that it would not be redacted in the output.

        Raises:
            UsageError: the id cannot be used.
        """
        if row.id and self._is_taken(row.id, row.line):
            raise UsageError(f"the id {row.id!r} is also on line {self._index.input_line(row.id)}")
        if row.id and self._redact(row.id) != row.id:
            raise UsageError("its id holds a key")

    def of_request(self, digest: str, line: int) -> str:
        """The id of a row that was given none.

        Raises:
            UsageError: another row was given that id.
        """
        row_id = self.numbered(digest)
        if self._is_taken(row_id, line):
            raise UsageError("the name that it would have is the id of another row", fix="give it an id")
        return row_id

    def of_invalid(self, row: Row | MalformedRow) -> str:
        """The id of a row that cannot be sent: the given one or its line, unless another row has that id."""
        place = f"line-{row.line}"
        names = (row.id or place, place, f"{place}#bad")
        return next((name for name in names if not self._is_taken(name, row.line)), names[-1])

    def numbered(self, digest: str) -> str:
        """The digest of a request; with a number from the second row with the same request."""
        times = self._index.count_request(digest)
        return digest if times == 1 else f"{digest}#{times}"

    def _is_taken(self, row_id: str, line: int) -> bool:
        """Whether a row on another line has this id; if not, the row on this line takes it."""
        found = self._index.input_line(row_id)  # as a rule: the input was read before
        return (self._index.add_input(row_id, line) if found is None else found) not in (None, line)


class PendingRows:
    """Finds the rows that are still to be sent.

    Attributes:
        skipped: how many rows were left as they are, by the RowState of their record in the ledger.
        elsewhere: rows that belong to other shards.
        read: rows read so far.
    """

    def __init__(
        self,
        source: RowSource,
        requests: RequestBuilder,
        index: Index,
        row_filter: RowFilter,
        redact: Callable[[str], str],
    ) -> None:
        """`index` has the records of the ledger already; `redact` blanks out keys."""
        self._source = source
        self._requests = requests
        self._index = index
        self._filter = row_filter
        self._resumes = len(index) > 0
        self._ids = RowIds(source.name, index, redact)
        self._check = PlaceholderCheck(requests.placeholders)
        self._change_reason: str | None = None  # why a finished row is not valid any more, or asks something else
        self._numbered = self._formers = 0
        self._was_checked = False
        self.skipped: Counter[str] = Counter()
        self.read = self.elsewhere = 0

    def scan(self) -> int:
        """Read the whole input once before anything is sent; the number of its rows.

        Raises:
            UsageError: two rows have the same id, no row has a value that the request file needs, or requests of
                finished rows have changed.
        """
        rows = changed = 0
        for row in self._source.rows():
            rows += 1
            if row.id:
                self._ids.add(row.id, row.line)
            if isinstance(row, Row):
                self._check.add(row)
            if self._resumes:
                changed += self._is_changed(row)
        self._check.refuse(self._source.name, self._source.hint)
        self._was_checked = True
        unnamed = max(0, self._index.count_removed_answers() - self._formers) if self._resumes else 0
        if changed or unnamed:
            self._filter.refuse_changed(changed + unnamed, unnamed=unnamed > 0, why=self._change_reason)
        self._index.reset_requests()
        return rows

    def _is_changed(self, row: Row | MalformedRow) -> bool:
        """Whether the row is finished, and its request has changed or is not valid any more."""
        try:
            digest = None if isinstance(row, MalformedRow) else self._requests.digest(self._requests.request(row))
            why = row.why if isinstance(row, MalformedRow) else None
        except UsageError as error:
            digest, why = None, f"{self._source.name}:{row.line}: {error.message}"
        if row.id:
            earlier = self._index.get(row.id)
            is_changed = earlier is not None and earlier.state == RowState.OK and earlier.hash != digest
            self._change_reason = self._change_reason or (why if is_changed else None)
            return is_changed
        if digest is None or isinstance(row, MalformedRow):
            return False
        row_id = self._ids.numbered(digest)
        self._index.add_input(row_id, row.line)
        former, earlier = self._former_answer(row, digest), self._index.get(row_id)
        if former is None or (earlier and earlier.state == RowState.OK):
            return False
        self._formers += 1
        self._change_reason = self._change_reason or _FORMER
        return True

    def _former_answer(self, row: Row, digest: str) -> IndexedRow | None:
        """The answer to what 0.1.0 asked for this row without an id, if its request has another digest now."""
        former = self._requests.former_digest(row)
        if former is None or former == digest:
            return None
        earlier = self._index.get(self._ids.numbered(former))
        return earlier if earlier and earlier.state == RowState.OK else None

    def __iter__(self) -> Iterator[QueueItem | InvalidRow]:
        """Read the input, and yield the rows that are still to be sent or cannot be sent.

        Raises:
            UsageError: as `take`.
        """
        return filter(None, map(self.take, self._source.rows()))

    def take(self, row: Row | MalformedRow) -> QueueItem | InvalidRow | None:
        """The next row of the input, as it is to be sent; None: it is finished, or belongs to another shard.

        Raises:
            UsageError: it is finished, its request has changed, and the input is read only once.
        """
        self.read += 1
        if isinstance(row, MalformedRow):
            return self._invalid(row, row.why, row.digest)
        if not self._was_checked:
            self._check_first(row)
        try:
            self._ids.validate(row)
        except UsageError as error:
            return self._invalid(row.replace(id=None), error.message)
        try:
            request = self._requests.validated(row)
            digest = self._requests.digest(request)
            row_id = row.id or self._ids.of_request(digest, row.line)
        except UsageError as error:
            return self._invalid(row, error.message, fix=error.fix)
        if self._is_elsewhere(row_id):
            return None
        earlier = self._index.get(row_id) if self._resumes else None
        if self._resumes and self._is_done(row, digest, earlier):
            return None
        calls = earlier.calls if earlier else 0
        return QueueItem(self._next_number(), row, row_id, digest, request, _tokens(request), calls)

    def _is_done(self, row: Row, digest: str, earlier: IndexedRow | None) -> bool:
        """Whether the ledger has what becomes of the row, which is counted then."""
        former = None if row.id else self._former_answer(row, digest)
        if earlier and self._filter.is_done(earlier, digest):
            self.skipped[earlier.state] += 1
            return True
        if former:
            self._filter.refuse_changed(1, why=_FORMER)
            self.skipped[former.state] += self._filter.changed == "keep"
        return former is not None and self._filter.changed == "keep"

    def _check_first(self, row: Row) -> None:
        """Let the first row of a pipe decide whether rows reach their requests: later ones come after the first answer.

        Raises:
            UsageError: nothing of it does.
        """
        self._was_checked = True
        self._check.add(row)
        self._check.refuse_idle(self._source.name)

    def _next_number(self) -> int:
        self._numbered += 1
        return self._numbered - 1

    def _is_elsewhere(self, row_id: str) -> bool:
        shard = self._filter.shard
        if shard is None or shard.holds(row_id):
            return False
        self.elsewhere += 1
        return True

    def _invalid(
        self, row: Row | MalformedRow, why: str, digest: str = "", fix: str | None = None
    ) -> InvalidRow | None:
        """The row as one that cannot be sent; None if the ledger records that already."""
        row_id = self._ids.of_invalid(row)
        if self._is_elsewhere(row_id):
            return None
        digest = (digest or sha256(why.encode(errors="surrogatepass")).hexdigest())[:DIGEST_LENGTH]
        earlier = self._index.get(row_id)
        if earlier and earlier.state == RowState.OK:
            # Its answer stays: it belongs to the earlier form of the row.
            self._filter.refuse_changed(1)
            self.skipped[RowState.OK if self._filter.changed == "keep" else RowState.INVALID] += 1
            return None
        if earlier and earlier.state == RowState.INVALID and earlier.hash == digest:
            self.skipped[earlier.state] += 1
            return None
        place = "" if isinstance(row, MalformedRow) else f"{self._source.name}:{row.line}: "
        return InvalidRow(self._next_number(), row, row_id, digest, UsageError(place + why, fix=fix))


def _tokens(request: Request) -> int:
    """About how many tokens the request will count, in and out: reserved under a limit of tokens a minute."""
    reasoning = sum(len(turn.reasoning) for turn in request.messages) if request.keep_thinking else 0
    characters = reasoning + sum(len(turn.text) for turn in request.messages)
    return characters // _PER_TOKEN + (request.max_tokens or _DEFAULT_ANSWER)

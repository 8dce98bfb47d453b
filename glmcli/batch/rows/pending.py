"""What becomes of rows that an earlier run has written."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING

from glmcli.batch.ledger.record import RowState
from glmcli.batch.rows.ids import RowIds
from glmcli.batch.rows.placeholders import PlaceholderCheck
from glmcli.batch.rows.requests import HASH
from glmcli.batch.rows.row import InvalidRow, MalformedRow, QueueItem, Row
from glmcli.config import checks
from glmcli.errors import UsageError
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.batch.ledger.index import Index, IndexedRow
    from glmcli.batch.rows.requests import RequestBuilder
    from glmcli.batch.rows.shard import Shard
    from glmcli.batch.rows.source import RowSource
    from glmcli.chat.messages import Request
    from glmcli.providers.row import Provider

_RESEND = "the same command again with --redo-changed asks them anew, with --keep-changed keeps the old answers"
_UNNAMED = "; rows without an id are asked anew either way, for they are known by what they ask"


class ResumePolicy(Record):
    """What happens to rows that an earlier run has written.

    Attributes:
        failed: whether failed rows are asked again; None: those that may succeed.
        changed: what becomes of answers to a request that is another one now, `redo` or `keep`; None: the run stops.
    """

    failed: bool | None = None
    changed: str | None = None

    def is_done(self, known: IndexedRow, asked: str) -> bool:
        """Whether the row of this line, which asks this now, is left as it is.

        Raises:
            UsageError: it is answered, asks another thing now, and nobody said what becomes of it.
        """
        if known.state == RowState.OK:
            if known.hash != asked:
                self.refuse_changed(1)
            return known.hash == asked or self.changed == "keep"
        if self.failed is None:
            return known.state == RowState.FINAL and known.hash == asked
        return not self.failed and known.state in (RowState.FINAL, RowState.FAILED)

    def refuse_changed(self, changed: int, *, unnamed: bool = False, why: str | None = None) -> None:
        """Stop for so many answers to another request; `unnamed`: some are of rows without an id.

        `why` says what is wrong with a row that asks nothing any more.

        Raises:
            UsageError: nobody said what becomes of them.
        """
        if self.changed:
            return
        rows = "a finished row answers" if changed == 1 else f"{changed} finished rows answer"
        raise UsageError(f"{rows} another request than would be sent now", why=why, fix=_RESEND + _UNNAMED * unnamed)


# From the rows of the input to what is still to be asked: ids, what an earlier run has finished, and what is wrong.

_PER_TOKEN = 3  # characters, between Chinese (about 1.6) and English (about 4)
_UNSAID = 512  # tokens of an answer whose length nobody bounds


class PendingRows:
    """Reads the input, and gives out what is to be done.

    Attributes:
        skipped: how many rows were left as they are, by the state of their line in the output.
        elsewhere: rows that belong to other shards.
        read: rows read so far.
    """

    def __init__(  # noqa: PLR0913 - each is a side of it
        self,
        source: RowSource,
        questions: RequestBuilder,
        index: Index,
        resume: ResumePolicy,
        provider: Provider,
        *,
        force: bool,
        redact: Callable[[str], str],
        shard: Shard | None = None,
    ) -> None:
        """`index` knows the lines of the output already; rows that `shard` does not hold are left to others.

        `redact` blanks out keys.
        """
        self._source = source
        self._questions = questions
        self._index = index
        self._resume = resume
        self._provider = provider
        self._force = force
        self._shard = shard
        self._resumes = len(index) > 0
        self._identities = RowIds(source.name, index, redact)
        self._unasked: str | None = None  # what is wrong with a finished row that asks nothing any more
        self._given = 0
        self.skipped: Counter[str] = Counter()
        self.read = self.elsewhere = 0

    def scan(self) -> int:
        """Read the whole input once before anything is sent; the number of its rows.

        Raises:
            UsageError: two rows have the same id, none has a value that the request file wants, or finished rows do not
                match what they would be asked now.
        """
        rows = changed = 0
        lack = PlaceholderCheck(self._questions.placeholders)
        for row in self._source.rows():
            rows += 1
            if row.id:
                self._identities.refuse_twice(row.id, row.line)
            if isinstance(row, Row):
                lack.see(row)
            if self._resumes:
                changed += self._is_changed(row)
        lack.refuse(self._source.name)
        unnamed = self._index.count_removed_answers() if self._resumes else 0
        if changed or unnamed:
            self._resume.refuse_changed(changed + unnamed, unnamed=unnamed > 0, why=self._unasked)
        self._index.reset_requests()
        return rows

    def _is_changed(self, row: Row | MalformedRow) -> bool:
        """Whether the row is finished, and asks something else now, or nothing that can be asked."""
        try:
            asked = None if isinstance(row, MalformedRow) else self._questions.digest(self._questions.request(row))
            why = row.why if isinstance(row, MalformedRow) else None
        except UsageError as error:
            asked, why = None, f"{self._source.name}:{row.line}: {error.message}"
        if row.id:
            known = self._index.get(row.id)
            is_changed = known is not None and known.state == RowState.OK and known.hash != asked
            self._unasked = self._unasked or (why if is_changed else None)
            return is_changed
        if asked:
            self._index.add_input(self._identities.named(asked), row.line)
        return False

    def take(self, row: Row | MalformedRow) -> QueueItem | InvalidRow | None:
        """What is to be done with the next row of the input; None: it is done.

        Raises:
            UsageError: it is finished and does not match what it would be asked now, and the input is read only once.
        """
        self.read += 1
        if isinstance(row, MalformedRow):
            return self._bad(row, row.why, row.digest)
        return self._item(row)

    def _item(self, row: Row) -> QueueItem | InvalidRow | None:
        try:
            self._identities.judge(row)
        except UsageError as error:
            return self._bad(row.replace(id=None), error.message)
        try:
            request = self._checked(self._questions.request(row), row)
            asked = self._questions.digest(request)
            identity = row.id or self._identities.of_asked(asked, row.line)
        except UsageError as error:
            return self._bad(row, error.message, fix=error.fix)
        if self._is_elsewhere(identity):
            return None
        known = self._index.get(identity) if self._resumes else None
        if known and self._resume.is_done(known, asked):
            self.skipped[known.state] += 1
            return None
        calls = known.calls if known else 0
        return QueueItem(self._number(), row, identity, asked, request, _tokens(request), calls)

    def _number(self) -> int:
        self._given += 1
        return self._given - 1

    def _is_elsewhere(self, identity: str) -> bool:
        if self._shard is None or self._shard.holds(identity):
            return False
        self.elsewhere += 1
        return True

    def _checked(self, request: Request, row: Row) -> Request:
        """The request, if nothing is known against what is the row's own in it."""
        own = row.body is not None or "response_format" in request.extra or any(turn.media for turn in request.messages)
        if own:
            for contradiction in checks.contradictions(request, self._provider):
                raise contradiction
        if (own or request.messages[-1].role != "user") and not self._force:
            for objection in checks.objections(request, self._provider):
                raise UsageError(objection.message, fix=objection.fix)
        return request

    def _bad(self, row: Row | MalformedRow, why: str, asked: str = "", fix: str | None = None) -> InvalidRow | None:
        """The row as one that cannot be asked, unless the output says the same already."""
        identity = self._identities.of_bad(row)
        if self._is_elsewhere(identity):
            return None
        asked = asked[:HASH] or sha256(why.encode(errors="surrogatepass")).hexdigest()[:HASH]
        known = self._index.get(identity)
        if known and known.state == RowState.OK:
            # Its answer stays: it was given to what the row said before.
            self._resume.refuse_changed(1)
            self.skipped[RowState.OK if self._resume.changed == "keep" else RowState.INVALID] += 1
            return None
        if known and known.state == RowState.INVALID and known.hash == asked:
            self.skipped[known.state] += 1
            return None
        place = "" if isinstance(row, MalformedRow) else f"{self._source.name}:{row.line}: "
        error = UsageError(place + why, fix=fix)
        return InvalidRow(self._number(), row, identity, asked, error)


def _tokens(request: Request) -> int:
    """About how many tokens the request will count, in and out: what is reserved under a limit of tokens a minute."""
    characters = sum(len(turn.text) for turn in request.messages)
    return characters // _PER_TOKEN + (request.max_tokens or _UNSAID)

"""What becomes of rows that an earlier run has written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.batch import index as states
from glmcli.errors import UsageError
from glmcli.record import Record

if TYPE_CHECKING:
    from glmcli.batch.index import Known

_RESEND = "the same command again with --redo-changed asks them anew, with --keep-changed keeps the old answers"
_UNNAMED = "; rows without an id are asked anew either way, for they are known by what they ask"


class Resume(Record):
    """What happens to rows that an earlier run has written.

    Attributes:
        failed: whether failed rows are asked again; None: those that may succeed.
        changed: what becomes of answers to a request that is another one now, `redo` or `keep`; None: the run stops.
    """

    failed: bool | None = None
    changed: str | None = None

    def is_done(self, known: Known, asked: str) -> bool:
        """Whether the row of this line, which asks this now, is left as it is.

        Raises:
            UsageError: it is answered, asks another thing now, and nobody said what becomes of it.
        """
        if known.state == states.OK:
            if known.hash != asked:
                self.refuse_changed(1)
            return known.hash == asked or self.changed == "keep"
        if self.failed is None:
            return known.state == states.FINAL and known.hash == asked
        return not self.failed and known.state in (states.FINAL, states.FAILED)

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

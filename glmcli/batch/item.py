"""A row on its way through a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glmcli.batch.row import Row
    from glmcli.chat import Request


@dataclass(slots=True)
class Item:
    """A row that is to be asked, and how far it has come.

    Attributes:
        number: its place among the rows of this run, from 0.
        calls: requests sent for it, with those of earlier runs.
        refusals: how often in a row the provider had no room for it.
        retries: how often it was sent again after a failure that may pass.
        resent: it was sent again once though the first may be billed.
        began: when it was sent first, on the monotonic clock; 0 before.
        candidate: which of the providers is asked now.
    """

    number: int
    row: Row
    id: str
    hash: str
    request: Request
    tokens: int
    calls: int = 0
    refusals: int = 0
    retries: int = 0
    resent: bool = False
    began: float = 0.0
    candidate: int = 0

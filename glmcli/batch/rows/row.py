"""A row of the input: what it asks, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glmcli.record import EMPTY, Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.chat.messages import Request
    from glmcli.errors import UsageError


class Row(Record):
    """One row that can be asked.

    Attributes:
        line: where it stands in the input, from 1: the line on which it begins, or its place in a list of files.
        id: the user's own name of it; None where there is none.
        prompt: the user message, which takes the place of that in the request file.
        text: what is added behind the prompt, as stdin is in `glm ask`: the text of a file.
        messages: turns as Options has them, which take the place of those in the request file.
        vars: values of the `{{NAME}}` in the request file.
        body: the body of an OpenAI batch line, which says all that is asked by itself.
        columns: what is copied into the output as it is.
    """

    line: int
    id: str | None = None
    prompt: str | None = None
    text: str | None = None
    messages: tuple[Mapping[str, Any], ...] | None = None
    vars: Mapping[str, str] = EMPTY
    body: Mapping[str, Any] | None = None
    columns: Mapping[str, Any] = EMPTY


class MalformedRow(Record):
    """A row that cannot be asked.

    Attributes:
        why: what is wrong with it, and what to do, without the row's own text.
        digest: SHA-256 of its bytes in hexadecimal, by which it can be found again.
    """

    line: int
    why: str
    digest: str
    id: str | None = None


@dataclass(slots=True)
class QueueItem:
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


class InvalidRow(Record):
    """A row that cannot be sent; the ledger says why.

    Attributes:
        number: its place among the rows of this run, from 0.
        hash: the digest of what it asks, or of what is wrong with it.
    """

    number: int
    row: Row | MalformedRow
    id: str
    hash: str
    error: UsageError

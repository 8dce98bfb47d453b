"""The forms of a row in a run: as it was read, malformed, to be sent, or invalid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glmcli.record import EMPTY, Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.chat.messages import Request
    from glmcli.errors import UsageError


class Row(Record):
    """A row as it was read.

    Attributes:
        line: the line of the input on which it begins, or its place in a list of files, from 1.
        id: as the user gave it; None without one.
        prompt: the user message, which takes the place of that in the request file, or the value of its `{{prompt}}`.
        text: a line of text, or the text of a file, which is added to the prompt as stdin is in `glm ask`.
        messages: as in Options; they take the place of those in the request file.
        vars: values of the `{{NAME}}` in the request file.
        body: the body of an OpenAI batch line, which says all that is asked.
        columns: fields that are copied into the output unchanged; they are values of `{{NAME}}`, too.
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
    """A row that cannot be parsed or is not valid.

    Attributes:
        why: what is wrong with it and where, without the row's own text.
        digest: SHA-256 of its bytes in hexadecimal, by which it can be found again.
    """

    line: int
    why: str
    digest: str
    id: str | None = None


@dataclass(slots=True)
class QueueItem:
    """A row that is to be sent, and the state of its requests.

    Attributes:
        number: its place among the rows of this run, from 0.
        calls: requests sent for it, with those of earlier runs.
        refusals: how often in succession the provider had no capacity for it.
        retries: how often it was sent again after a temporary failure.
        resent: it was sent again although the first request may be billed.
        began: when it was first sent, on the monotonic clock; 0 before.
        candidate: the index of the candidate that it is sent to.
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
    """A row that cannot be sent; the ledger records why.

    Attributes:
        number: its place among the rows of this run, from 0.
        hash: the digest of its request, or of what is wrong with it.
    """

    number: int
    row: Row | MalformedRow
    id: str
    hash: str
    error: UsageError

"""Faults on demand.

A spec is `KIND` or `KIND:SHARE`. A share of 0.2 hits exactly each fifth request: the shares add up, and whenever they
reach the next whole number the request is hit. Requests for an answer with a good key count, no others; every spec
counts all of them, and of several that hit the first one wins.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glmcli.errors import UsageError
from glmcli.sandbox.codes import known

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# What each kind does, for messages and help.
KINDS: Mapping[str, str] = {
    "cut": "the reply ends cleanly before its finish",
    "reset": "the connection is reset in the middle of the reply",
    "hang": "the request is taken and never answered",
    "stall": "a few deltas, then silence",
    "drip": "the headers come byte by byte",
    "error": "an error inside the reply, under status 200",
    "html": "the page of a web firewall, under status 200",
    "garbage": "two frames run into each other; a whole reply is broken JSON",
    "length": "the answer is cut by the token limit",
    "sensitive": "the content filter cuts the answer",
    "empty": "the reply finishes without any answer",
    "nodone": "no [DONE] at the end",
    "redirect": "a redirect to another path",
}


# Shares add up as decimals: without a hair more, ten times 0.1 would stay below 1.
_HAIR = 1e-9


@dataclass(frozen=True)
class Fault:
    """One spec, read."""

    kind: str
    share: float

    def hits(self, number: int) -> bool:
        """Whether it hits request `number`, counted from 1."""
        return int(self.share * number + _HAIR) > int(self.share * (number - 1) + _HAIR)


class FaultPlan:
    """Which fault each request meets. It counts; everything else about it is fixed."""

    def __init__(self, specs: Sequence[str]) -> None:
        """Read the specs; a wrong one raises UsageError."""
        self._faults = tuple(parse(spec) for spec in specs)
        self._numbers = itertools.count(1)

    def next(self) -> str | None:
        """The kind of fault for the next request, None for most."""
        number = next(self._numbers)
        return next((fault.kind for fault in self._faults if fault.hits(number)), None)


def parse(spec: str) -> Fault:
    """The fault of a spec.

    Raises:
        UsageError: the kind is unknown (the message names the known ones) or the share is not in 0..1.
    """
    kind, _, share = spec.partition(":")
    if not (kind in KINDS or known(kind) or (kind.isdecimal() and 400 <= int(kind) <= 599)):  # noqa: PLR2004 - statuses
        raise UsageError(
            message=f"unknown fault '{kind}'",
            fix=f"known are an HTTP status 400-599, a provider's error code such as 1302, and {', '.join(KINDS)}",
        )
    try:
        part = float(share or "1")
    except ValueError:
        part = -1.0
    if not 0 <= part <= 1:
        raise UsageError(message=f"fault '{spec}': the share must be a number from 0 to 1", fix=f"try {kind}:0.2")
    return Fault(kind, part)

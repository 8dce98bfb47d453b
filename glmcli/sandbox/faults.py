"""Faults on demand: which request they hit, and what they do to its answer or its response.

A spec is `KIND` or `KIND:SHARE`. A share of 0.2 hits exactly each fifth request: the shares add up, and whenever they
reach the next whole number the request is hit. Requests for an answer with a good key count, no others; every spec
counts all of them, and of several that hit the first one wins.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from glmcli.errors import UsageError
from glmcli.sandbox.answer import SandboxAnswer, first_words
from glmcli.sandbox.http_messages import DONE, Ending, ServerResponse
from glmcli.sandbox.providers.table import injected_error, status_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from glmcli.sandbox.providers.row import SandboxError, SandboxProvider
    from glmcli.sandbox.providers.table import MoreCodes

_ROUNDING = 1e-9  # shares add up as decimals: without it, ten times 0.1 would stay below 1


@dataclass(frozen=True)
class InjectedFault:
    """A spec, parsed."""

    kind: str
    share: float

    def hits(self, number: int) -> bool:
        """Whether it hits request `number`, counted from 1."""
        return int(self.share * number + _ROUNDING) > int(self.share * (number - 1) + _ROUNDING)


class FaultPlan:
    """Which fault hits each request; depends on nothing but the number of the request."""

    def __init__(self, specs: Sequence[str], codes: MoreCodes = {}) -> None:  # noqa: B006 - never changed
        """Parse the specs; `codes` are known beside those of the table of providers.

        Raises:
            UsageError: one of them is wrong.
        """
        self._faults = tuple(parse(spec, codes) for spec in specs)
        self._codes = codes
        self._numbers = itertools.count(1)

    def next(self) -> str | None:
        """The kind of fault for the next request, None for most."""
        number = next(self._numbers)
        return next((fault.kind for fault in self._faults if fault.hits(number)), None)

    def error(self, provider: SandboxProvider, kind: str | None, *, chinese: bool) -> SandboxError | None:
        """The provider's error for a kind of fault that is a code or a status; None for the others."""
        return None if kind is None or kind in KINDS else injected_error(provider, kind, self._codes, chinese=chinese)


def parse(spec: str, codes: MoreCodes = {}) -> InjectedFault:  # noqa: B006 - as above
    """The fault of a spec.

    Raises:
        UsageError: the kind is unknown (the message names the known ones) or the share is not in 0..1.
    """
    kind, _, share = spec.partition(":")
    if kind not in KINDS and status_of(kind, codes) is None:
        raise UsageError(
            message=f"unknown fault '{kind}'",
            fix=f"known are an HTTP status 400-599, a provider's error code such as 1302, and {', '.join(KINDS)}; "
            "`glm sandbox --fault list` prints every code",
        )
    try:
        part = float(share or "1")
    except ValueError:
        part = -1.0
    if not 0 <= part <= 1:
        raise UsageError(message=f"fault '{spec}': the share must be a number from 0 to 1", fix=f"try {kind}:0.2")
    return InjectedFault(kind, part)


def first_half(response: ServerResponse) -> tuple[bytes, ...]:
    """The frames that are sent before something breaks: half of them, or half of the body, without the finish."""
    if response.chunked:
        return response.frames[: max(1, len(response.frames) // 2)]
    body = b"".join(response.frames)
    return (body[: len(body) // 2],)


def _cut(response: ServerResponse) -> ServerResponse:
    """A stream ends as if it were complete; a body ends before the length that was announced."""
    if response.chunked:
        return replace(response, frames=first_half(response))
    return _cut_off(response, Ending.CLOSE)


def _cut_off(response: ServerResponse, ending: Ending) -> ServerResponse:
    return replace(response, frames=first_half(response), length=sum(map(len, response.frames)), ending=ending)


def _garbled(response: ServerResponse) -> ServerResponse:
    """A frame is cut in its first third and the next one glued to it, as three captured GLM streams had it.

    Source: https://github.com/zai-org/GLM-5/issues/66 (2026-05).
    """
    if not response.chunked:
        return replace(response, frames=first_half(response))
    frames, middle = response.frames, max(0, len(response.frames) // 2 - 1)
    fused = frames[middle][: len(frames[middle]) // 3] + b"".join(frames[middle + 1 : middle + 2])
    return replace(response, frames=(*frames[:middle], fused, *frames[middle + 2 :]))


def _without_done(response: ServerResponse) -> ServerResponse:
    return replace(response, frames=tuple(frame for frame in response.frames if frame != DONE))


def _half_text(answer: SandboxAnswer) -> str:
    return first_words(answer.text, len(answer.text.split()) // 2)


# The first lines of the page that Aliyun's firewall puts before GLM addresses
# (https://github.com/izaart95-jpg/GLM-Free-API/issues/32), in words of our own.
_FIREWALL_PAGE = (
    b'<!doctypehtml><html lang="zh-cn"><head><meta charset="utf-8"><meta name="aliyun_waf_aa" content="sandbox">'
    b"<title>405</title></head><body><p>Sorry, your request has been blocked. \xe8\xaf\xb7\xe6\xb1\x82\xe8\xa2\xab"
    b"\xe6\x8b\xa6\xe6\x88\xaa</p></body></html>\n"
)


@dataclass(frozen=True)
class FaultKind:
    """A kind of fault. The one that changes nothing here (`error`) is made by `router` in the provider's own form.

    Attributes:
        description: for messages and help.
        instead: makes the response in place of the provider's, from the prefix of its paths.
        answer: changes the answer; the second argument is the provider's finish reason for its content filter.
        response: changes the response.
    """

    description: str
    instead: Callable[[str], ServerResponse] | None = None
    answer: Callable[[SandboxAnswer, str], SandboxAnswer] | None = None
    response: Callable[[ServerResponse], ServerResponse] = lambda response: response


KINDS: Mapping[str, FaultKind] = {
    "cut": FaultKind("the reply ends cleanly before its finish", response=_cut),
    "reset": FaultKind(
        "the connection is reset in the middle of the reply",
        response=lambda response: _cut_off(response, Ending.RESET),
    ),
    "hang": FaultKind(
        "the request is taken and never answered",
        instead=lambda _: ServerResponse(200, None, (), ending=Ending.HANG),
    ),
    "stall": FaultKind("a few deltas, then silence", response=lambda response: _cut_off(response, Ending.STALL)),
    "drip": FaultKind("the headers come byte by byte", response=lambda response: replace(response, drip=True)),
    "error": FaultKind("an error inside the reply, under status 200"),
    "html": FaultKind(
        "the page of a web firewall, under status 200",
        instead=lambda _: ServerResponse(200, "text/html; charset=utf-8", (_FIREWALL_PAGE,)),
    ),
    "garbage": FaultKind("two frames run into each other; a whole reply is broken JSON", response=_garbled),
    "length": FaultKind(
        "the answer is cut by the token limit",
        answer=lambda answer, _: replace(answer, text=_half_text(answer), finish="length"),
    ),
    "sensitive": FaultKind(
        "the content filter cuts the answer",
        answer=lambda answer, finish: replace(answer, text=_half_text(answer), calls=(), finish=finish),
    ),
    "empty": FaultKind(
        "the reply finishes without any answer",
        answer=lambda answer, _: replace(answer, text="", calls=(), finish="stop"),
    ),
    "nodone": FaultKind("no [DONE] at the end", response=_without_done),
    "redirect": FaultKind(
        "a redirect to another path",
        instead=lambda prefix: ServerResponse(307, None, (), (("Location", f"{prefix}/elsewhere"),)),
    ),
}
_NO_FAULT = FaultKind("nothing")


def response_instead(kind: str | None, prefix: str) -> ServerResponse | None:
    """The response of a fault that replaces the provider's; None for the others."""
    instead = KINDS.get(kind or "", _NO_FAULT).instead
    return instead(prefix) if instead else None


def damaged_answer(kind: str | None, answer: SandboxAnswer, filtered: str) -> SandboxAnswer:
    """The answer after a fault of its content; `filtered` is the provider's finish reason for its filter."""
    change = KINDS.get(kind or "", _NO_FAULT).answer
    return change(answer, filtered) if change else answer


def damaged_response(kind: str | None, response: ServerResponse) -> ServerResponse:
    """A good response after a fault of its transport."""
    return KINDS.get(kind or "", _NO_FAULT).response(response)

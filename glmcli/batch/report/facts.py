"""What a report needs to know of a line of the ledger: numbers, and the first words of foreign text.

A ledger may have been copied, cut and edited; what stands in it is judged here, once, so that nobody adds up nonsense.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from glmcli.batch.ledger.record import Status
from glmcli.chat.events import Usage
from glmcli.chat.outcome import Cost

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

STATUSES: tuple[Status, ...] = get_args(Status)
NANO = 1_000_000_000  # money is added up in whole billionths, as prices are rounded to nine digits
_MILLI = 1000
_MOST = 10**12  # a larger number is no count of anything; a million of these still fit into 64 bits
_DEAREST = 10**9
_CLIPPED = 200  # characters of foreign text that are kept
_YEARS = 1971, 9998  # zones and rounding lead out of neither end of what clocks know
_CURRENCY = re.compile(r"[A-Z]{3}")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_NONE: Mapping[str, Any] = {}


class NotALineError(ValueError):
    """The object is no line of a ledger; the message says why."""


class Facts(NamedTuple):
    """One line. Unknown is None.

    Attributes:
        digest: of the id, by which lines of one row find each other.
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


class Judge:
    """Reads objects as lines of a ledger."""

    def __init__(self, saved: Callable[[str, str, Usage], Cost | None], redact: Callable[[str], str]) -> None:
        """`saved` knows prices; `redact` is asked before a text is clipped: half a key would not be found later."""
        self._saved = saved
        self._redact = redact

    def facts(self, value: object) -> Facts:
        """What the line says.

        Raises:
            NotALineError: it is no line of a ledger.
        """
        if not isinstance(value, dict):
            raise NotALineError("it is no JSON object")
        identity, error = _text(value, "id"), _part(value, "error")
        usage, cost = _usage(_part(value, "usage")), _cost(_part(value, "cost"))
        return Facts(
            sha256(identity.encode(errors="surrogatepass")).digest()[:16],
            self._clipped(identity),
            _whole(value, "line"),
            _status(value),
            value.get("final") is True,
            _whole(value, "calls"),
            _moment(_text(value, "finished_at")),
            _milliseconds(_part(value, "timing")),
            usage.input_tokens,
            usage.output_tokens,
            usage.reasoning_tokens,
            usage.cached_tokens,
            usage.total_tokens,
            *_paid(cost),
            self._saving(value, usage, cost),
            *self._error(error),
        )

    def _clipped(self, text: str) -> str:
        if len(text) > _CLIPPED:
            text = self._redact(text)[:_CLIPPED] + "…"
        # Half a surrogate pair is legal in JSON and nowhere else.
        return text if text.isascii() else text.encode(errors="replace").decode()

    def _error(self, error: Mapping[str, Any]) -> tuple[str | None, str | None, str | None]:
        return self._said(error, "type"), self._said(error, "provider_code"), self._said(error, "message")

    def _said(self, error: Mapping[str, Any], name: str) -> str | None:
        return None if error.get(name) is None else self._clipped(_text(error, name))

    def _saving(self, value: Mapping[str, Any], usage: Usage, cost: Cost | None) -> int | None:
        provider, model = value.get("provider"), value.get("model")
        if cost is None or usage.cached_tokens is None or not (isinstance(provider, str) and isinstance(model, str)):
            return None
        saved = self._saved(provider, model, usage)
        # The row was paid by the prices of its day; those of another day say nothing of it.
        paid, *of = _paid(saved)
        return paid if of == [cost.currency, cost.as_of] else None


def _part(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = value.get(name)
    if part is not None and not isinstance(part, dict):
        raise NotALineError(f"its {name} is no object")
    return part or _NONE


def _text(value: Mapping[str, Any], name: str) -> str:
    text = value.get(name)
    if not isinstance(text, str):
        raise NotALineError(f"it has no {name}" if text is None else f"its {name} is no text")
    return text


def _status(value: Mapping[str, Any]) -> str:
    status = _text(value, "status")
    if status not in STATUSES:
        raise NotALineError("its status is none of " + ", ".join(STATUSES))
    return status


def _whole(value: Mapping[str, Any], name: str) -> int:
    number = _count(value, name)
    if number is None:
        raise NotALineError(f"it has no {name}")
    return number


def _count(value: Mapping[str, Any], name: str) -> int | None:
    number = value.get(name)
    if number is None:
        return None
    if type(number) is not int or not 0 <= number <= _MOST:  # bool is an int to isinstance
        raise NotALineError(f"its {name} is no count")
    return number


def _number(value: Mapping[str, Any], name: str, most: float) -> float:
    number = value.get(name)
    if type(number) not in (int, float) or not 0 <= number <= most:  # type: ignore[operator]
        raise NotALineError(f"its {name} is no number that can be")
    return float(number)  # type: ignore[arg-type]


def _usage(value: Mapping[str, Any]) -> Usage:
    return Usage(*(_count(value, name) for name in Usage.__match_args__)) if value else Usage()


def _cost(value: Mapping[str, Any]) -> Cost | None:
    if not value:
        return None
    currency, as_of = _text(value, "currency"), _text(value, "as_of")
    if not _CURRENCY.fullmatch(currency) or not _DAY.fullmatch(as_of):
        raise NotALineError("its cost has no currency such as CNY, or no day such as 2026-01-31")
    return Cost(_number(value, "amount", _DEAREST), currency, as_of)


def _paid(cost: Cost | None) -> tuple[int | None, str | None, str | None]:
    return (round(cost.amount * NANO), cost.currency, cost.as_of) if cost else (None, None, None)


def _milliseconds(timing: Mapping[str, Any]) -> int | None:
    return None if timing.get("total") is None else round(_number(timing, "total", _MOST) * _MILLI)


def _moment(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise NotALineError("its finished_at is no time") from error
    if not _YEARS[0] <= moment.year <= _YEARS[1]:
        raise NotALineError("its finished_at is no time of ours")
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * _MILLI)

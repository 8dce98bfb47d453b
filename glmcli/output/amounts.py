"""Numbers formatted for a person."""

from __future__ import annotations

_SIGNS = {"CNY": "¥", "USD": "$"}
_CENT = 0.1  # smaller amounts need more than two decimals
_THOUSANDS = ((1_000_000_000, "G"), (1_000_000, "M"), (1000, "k"))
_MINUTES, _HOURS = 120.0, 7200.0  # seconds from which a duration is given in this unit
_EXACT = 10.0  # smaller numbers have decimals


def count(number: int) -> str:
    """As in `1,240`."""
    return f"{number:,}"


def plural(number: int, word: str) -> str:
    """As in `1 row`, `2 rows`."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def short(number: float) -> str:
    """As in `950`, `12k`, `1.9M`."""
    for unit, sign in _THOUSANDS:
        if number >= unit:
            size = number / unit
            return f"{size:.1f}".removesuffix(".0") + sign if size < _EXACT else f"{size:.0f}{sign}"
    return plain(number)


def plain(number: float) -> str:
    """As in `212`, `1.5`, `0.02`: two significant digits, or all digits of a whole number."""
    return f"{number:,.0f}" if round(number, 1) >= _EXACT else f"{number:.2g}"


def money(amount: float, currency: str) -> str:
    """As in `¥3.10`, `$0.0021`, `EUR 2.00`."""
    figure = f"{amount:,.2f}" if amount >= _CENT or not amount else f"{amount:.{_decimals(amount)}f}"
    return f"{_SIGNS[currency]}{figure}" if currency in _SIGNS else f"{currency} {figure}"


def _decimals(amount: float) -> int:
    """The decimals needed to show two significant digits."""
    from math import floor, log10

    return 1 - floor(log10(amount))


def duration(seconds: float) -> str:
    """As in `350 ms`, `1.2 s`, `18 s`, `12 min`, `3.5 h`."""
    if round(seconds, 3) < 1:
        return f"{seconds * 1000:.0f} ms" if seconds else "0 s"
    if round(seconds) < _MINUTES:
        return f"{seconds:.1f} s" if round(seconds, 1) < _EXACT else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < _HOURS else f"{seconds / 3600:.1f} h"

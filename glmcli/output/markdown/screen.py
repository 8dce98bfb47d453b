"""Rows of a terminal: encoded in few escape sequences, and repainted only where they differ."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.style import Style

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console
    from rich.segment import Segment

_RESET = "\x1b[m"
_ERASE_TO_EDGE = "\x1b[K"  # in the background colour that is set
_SEQUENCE = re.compile(r"\x1b\[[0-9;]*[mK]")  # those that an encoded row may contain
_NO_STYLE = Style.null()
_SYSTEMS = {"standard": ColorSystem.STANDARD, "256": ColorSystem.EIGHT_BIT, "truecolor": ColorSystem.EIGHT_BIT}


def plain_text(row: str) -> str:
    """An encoded row without its escape sequences."""
    return _SEQUENCE.sub("", row)


class AnsiEncoder:
    """Encodes rich's segments as rows of text; each begins and ends in the terminal's default colours.

    rich itself sets and resets the whole style around each segment and pads lines with spaces, which makes highlighted
    code eight to twenty times as long as its text. Here only what changes between two segments is written.
    """

    def __init__(self, console: Console) -> None:
        """Use at most 256 colours: the sequence of a true colour is twice as long."""
        self._system = _SYSTEMS.get(console.color_system or "")
        self._codes: dict[Style, str] = {}
        self._changes: dict[tuple[Style, Style], str] = {}

    def row(self, segments: Iterable[Segment]) -> str:
        """One row; trailing spaces are dropped, or are one sequence where they have a background."""
        parts = [(part.text, part.style or _NO_STYLE) for part in segments if part.text and not part.control]
        fill = _NO_STYLE
        while parts and parts[-1][0].isspace() and not parts[-1][1].underline:
            fill = parts.pop()[1]
        if parts and not parts[-1][1].bgcolor:
            parts[-1] = (parts[-1][0].rstrip(" "), parts[-1][1])
        out, current = self._encoded(parts)
        if fill.bgcolor:
            out += [self._change(current, fill), _ERASE_TO_EDGE]
            current = fill
        return "".join(out) + (_RESET if self._code(current) else "")

    def _encoded(self, parts: Iterable[tuple[str, Style]]) -> tuple[list[str], Style]:
        """The pieces of a row, and the style that is set after them."""
        out, current = [], _NO_STYLE
        for text, style in parts:
            if style is not current and not (text.isspace() and _same_on_spaces(current, style)):
                out.append(self._change(current, style))
                current = style
            out.append(text)
        return out, current

    def _change(self, current: Style, style: Style) -> str:
        """The sequence that changes one style to another."""
        change = self._changes.get((current, style))
        if change is None:
            change = self._changes[current, style] = self._new_change(current, style)
        return change

    def _new_change(self, current: Style, style: Style) -> str:
        before, after = self._code(current), self._code(style)
        if before == after:
            return ""
        if not after:
            return _RESET
        if style.color and _without_colour(current) == _without_colour(style):
            after = self._code(Style(color=style.color))
            before = ""
        return f"\x1b[0;{after}m" if before else f"\x1b[{after}m"

    def _code(self, style: Style) -> str:
        """The parameters of the sequence that sets a style."""
        code = self._codes.get(style)
        if code is None:
            shown = style.render("x", color_system=self._system)
            code = self._codes[style] = shown[2:].partition("m")[0] if shown != "x" else ""
        return code


def _without_colour(style: Style) -> Style:
    """The style with the default foreground colour."""
    return Style.combine([style, Style(color="default")])


def _same_on_spaces(one: Style, other: Style) -> bool:
    """Whether spaces look the same in both styles."""
    if any(style.underline or style.reverse or style.strike for style in (one, other)):
        return False
    return one.bgcolor == other.bgcolor


class ScreenRegion:
    """The rows at the end of the output that may still change; the cursor is at the end of the last.

    Each row is at most as wide as the terminal. The methods write nothing: they return the text to be written, so that
    it can go out in one write.
    """

    def __init__(self) -> None:
        """Start without rows."""
        self.rows: list[str] = []

    def paint(self, rows: Sequence[str]) -> str:
        """The text that replaces the rows of the region by these."""
        old, self.rows = self.rows, list(rows)
        same = _common_rows(old, rows)
        if same == len(old):
            return ("\n" if old and same < len(rows) else "") + "\n".join(rows[same:])
        if same == len(old) - 1 and same < len(rows) and (change := _row_change(old[same], rows[same])) is not None:
            return "\n".join([change, *rows[same + 1 :]])
        keep = same if same < len(rows) else max(same - 1, 0)  # the cursor ends on a row that exists
        up = len(old) - 1 - keep
        return "\r" + (f"\x1b[{up}A" if up else "") + "\x1b[J" + "\n".join(rows[keep:])

    def rewrap(self, width: int) -> None:
        """Count the rows again after a terminal that rewraps its rows became narrower."""
        more = sum(max(cell_len(plain_text(row)) - 1, 0) // width for row in self.rows)
        self.rows = ["\0"] * more + self.rows  # a row that equals no other

    def finish(self, rows: Sequence[str]) -> str:
        """The text that prints these rows for good in place of the region, which is empty afterwards."""
        change = self.paint(rows)
        self.rows = []
        return change + ("\n" if rows else "")


def _common_rows(old: Sequence[str], rows: Sequence[str]) -> int:
    """How many rows at the beginning are the same."""
    pairs = enumerate(zip(old, rows, strict=False))
    return next((index for index, (one, other) in pairs if one != other), min(len(old), len(rows)))


def _row_change(old: str, row: str) -> str | None:
    """The text that turns the cursor's row into one that differs only at its end; None if it differs elsewhere."""
    if row.startswith(old):
        return row[len(old) :]
    if row and old.startswith(row) and "\x1b" not in old[len(row) :]:
        return f"\r\x1b[{cell_len(plain_text(row))}C{_ERASE_TO_EDGE}"
    return None

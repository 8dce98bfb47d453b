"""rich's segments as text for a terminal, in few bytes: only what changes between two segments is written.

rich itself begins and ends every segment with all that it is, and fills lines with spaces to the edge: code costs it
eight to twenty times its length.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.color import ColorSystem
from rich.style import Style

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console
    from rich.segment import Segment

RESET = "\x1b[m"
OWN = re.compile(r"\x1b\[[0-9;]*[mK]")  # what a row may hold of ours
_FILL = "\x1b[K"  # to the edge, in the background that is set
_NONE = Style.null()
_SYSTEMS = {"standard": ColorSystem.STANDARD, "256": ColorSystem.EIGHT_BIT, "truecolor": ColorSystem.EIGHT_BIT}


class Rows:
    """Turns lines of segments into rows of text, each of which begins and ends in the terminal's usual colour."""

    def __init__(self, console: Console) -> None:
        """Colours are at most 256: a shade more would cost twice as much."""
        self._system = _SYSTEMS.get(console.color_system or "")
        self._codes: dict[Style, str] = {}
        self._changes: dict[tuple[Style, Style], str] = {}

    def row(self, segments: Iterable[Segment]) -> str:
        """One line; blanks at its end are left out, or are one sequence where they have a background."""
        parts = [(part.text, part.style or _NONE) for part in segments if part.text and not part.control]
        fill = _NONE
        while parts and parts[-1][0].isspace() and not parts[-1][1].underline:
            fill = parts.pop()[1]
        if parts and not parts[-1][1].bgcolor:
            parts[-1] = (parts[-1][0].rstrip(" "), parts[-1][1])
        out, now = self._written(parts)
        if fill.bgcolor:
            out += [self._change(now, fill), _FILL]
            now = fill
        return "".join(out) + (RESET if self._code(now) else "")

    def _written(self, parts: Iterable[tuple[str, Style]]) -> tuple[list[str], Style]:
        out, now = [], _NONE
        for text, style in parts:
            if style is not now and not (text.isspace() and _looks_alike(now, style)):
                out.append(self._change(now, style))
                now = style
            out.append(text)
        return out, now

    def _change(self, now: Style, style: Style) -> str:
        change = self._changes.get((now, style))
        if change is None:
            change = self._changes[now, style] = self._new_change(now, style)
        return change

    def _new_change(self, now: Style, style: Style) -> str:
        before, after = self._code(now), self._code(style)
        if before == after:
            return ""
        if not after:
            return RESET
        if style.color and _uncoloured(now) == _uncoloured(style):
            after = self._code(Style(color=style.color))
            before = ""
        return f"\x1b[0;{after}m" if before else f"\x1b[{after}m"

    def _code(self, style: Style) -> str:
        code = self._codes.get(style)
        if code is None:
            shown = style.render("x", color_system=self._system)
            code = self._codes[style] = shown[2:].partition("m")[0] if shown != "x" else ""
        return code


def _uncoloured(style: Style) -> Style:
    """All of a style but the colour of its letters."""
    return Style.combine([style, Style(color="default")])


def _looks_alike(now: Style, style: Style) -> bool:
    """Whether a blank looks the same in both."""
    if now.underline or style.underline or now.reverse or style.reverse or now.strike or style.strike:
        return False
    return now.bgcolor == style.bgcolor

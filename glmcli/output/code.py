"""Fenced code on a terminal: each of its lines is printed for good as it ends."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.cells import cell_len, chop_cells
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from glmcli.output.highlight import Highlighter

if TYPE_CHECKING:
    from rich.console import Console

    from glmcli.output.ansi import Rows

_OPENER = re.compile(r"(\s*)(?:`{3,}|~{3,})(\s*)(.*?)\s*$")
_LANGUAGE = re.compile(r"[\w+#.-]*")
_NARROWEST = 8  # cells; with fewer, code is printed as it was written
_MOST = 2.9  # characters printed for one of code; colours come last in value and first in cost
_SHORT = 4000  # characters more that a block may cost: a short one is always coloured
_PLAIN = Style.null()

Parts = list[tuple[str, Style]]


class Code:
    """One block of fenced code, in a box with a background, at the place where it was indented to."""

    def __init__(self, opener: str, console: Console, rows: Rows) -> None:
        """Begin with the line that opens the fence."""
        found = _OPENER.match(opener)
        indent, blank, self._info = found.groups() if found else ("", "", "")
        self._strip = len(indent.expandtabs(4))
        self._console, self._rows = console, rows
        self._highlighter = Highlighter(self._info.partition(" ")[0])
        # A word that stands apart and names no language is the answer's own.
        is_language = not blank or self._highlighter.knows
        self._is_known = is_language and _LANGUAGE.fullmatch(self._info) is not None
        self._spent, self._budget = 0, float(_SHORT)
        self._boxed = self._coloured = True
        self._blank: list[str] = []  # lines that are printed if another follows

    @property
    def _width(self) -> int:
        return self._console.width - self._strip - 2  # one blank at each side

    def begin(self) -> list[str]:
        """The rows before the first line; what was said of the code besides its language is shown as it was written."""
        said = [] if self._is_known else [" " * self._strip + row for row in self._chopped(self._info)]
        return [*said, *self.end()]

    def end(self) -> list[str]:
        """The rows after the last line."""
        return [self._row([(" ", self._base)])] if self._width >= _NARROWEST else []

    @property
    def _base(self) -> Style:
        return self._highlighter.base if self._boxed else _PLAIN

    def line(self, text: str) -> list[str]:
        """The rows of a line that has ended; blank lines wait for one that is not."""
        if not text.strip():
            self._blank.append("")
            return []
        blank, self._blank = self._blank, []
        return [row for line in [*blank, text] for row in self._line(line)]

    def _line(self, text: str) -> list[str]:
        text = self._unindented(text)
        if self._width < _NARROWEST:
            return [text]
        self._budget += _MOST * (len(text) + 1)
        parts = self._highlighter.line(text) if self._coloured else [(text.expandtabs(4), self._base)]
        rows = [self._row([(" ", self._base), *line]) for line in self._wrapped(parts)]
        self._spent += sum(map(len, rows)) + 2 * len(rows)
        self._save()
        return rows

    def _save(self) -> None:
        """Do without colours, then without the background, where they cost many times the text."""
        if self._spent > self._budget:
            self._boxed = self._boxed and self._coloured
            self._coloured = False
            self._budget = self._spent + _SHORT / 4

    def _row(self, parts: Parts) -> str:
        margin = [Segment(" " * self._strip)] if self._strip else []
        # The blanks at the end become the background to the edge.
        return self._rows.row([*margin, *(Segment(*part) for part in parts), Segment(" ", self._base)])

    def _unindented(self, text: str) -> str:
        blanks = len(text) - len(text.lstrip(" "))
        return text[min(blanks, self._strip) :]

    def _wrapped(self, parts: Parts) -> list[Parts]:
        if cell_len("".join(text for text, _ in parts)) <= self._width:
            return [parts]
        text = Text.assemble(*parts, end="")
        lines = text.wrap(self._console, self._width)
        return [[(part.text, part.style or _PLAIN) for part in line.render(self._console)] for line in lines]

    def _chopped(self, text: str) -> list[str]:
        return chop_cells(text, self._width) if self._width >= _NARROWEST else [text]

    def growing(self, text: str, most: int) -> list[str]:
        """At most so many rows of the line that has not ended: without colours, so that to grow is to be added to."""
        if self._width < _NARROWEST or not text.strip():
            return []
        text = self._unindented(text).expandtabs(4)
        # What does not fit is left behind by whole screens, or each row would move with every row that is added.
        screen = max(self._width * most // (2 if text.isascii() else 4), self._width)
        begin = max(len(text) // screen - 1, 0) * screen
        rows = [*self._blank, *self._chopped(text[begin:])]
        return [f"{' ' * self._strip} {row}" for row in rows[-most:]]

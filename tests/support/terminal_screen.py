"""A minimal terminal emulator: the rows on the screen, and those that have scrolled off it."""

from __future__ import annotations

import codecs
import re
import unicodedata

_NEXT = re.compile(r"\x1b\[(\??[0-9;]*)([A-Za-z])|[\r\n]|[^\x1b\r\n]")


class Screen:
    """The screen after what was fed to it. An unknown control sequence fails the test."""

    def __init__(self, lines: int = 24, columns: int = 80) -> None:
        self.lines, self.columns = lines, columns
        self.scrolled_off: list[str] = []  # rows that have scrolled off; nothing can change them
        self._rows: list[list[str]] = [[] for _ in range(lines)]
        self._row = self._column = 0
        self._rest = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def feed(self, data: bytes) -> None:
        text = self._rest + self._decoder.decode(data)
        place = 0
        while found := _NEXT.match(text, place):
            place = found.end()
            if found[2]:
                self._control(found[1], found[2])
            elif found[0] == "\r":
                self._column = 0
            elif found[0] == "\n":
                self._down()
            else:
                self._put(found[0])
        self._rest = text[place:]
        assert len(self._rest) < 64, f"an unfinished control sequence: {self._rest!r}"

    @property
    def shown(self) -> list[str]:
        """The rows on the screen."""
        return [_text(row) for row in self._rows]

    @property
    def text(self) -> str:
        """All rows, those that have scrolled off too, without trailing blanks."""
        return "\n".join([*self.scrolled_off, *self.shown]).rstrip("\n")

    @property
    def cursor(self) -> tuple[int, int]:
        return self._row, self._column

    def resize(self, lines: int, columns: int) -> None:
        """As xterm does: cut rows to the width, and scroll off those that no longer fit."""
        while len(self._rows) > lines and self._row >= lines:
            self.scrolled_off.append(_text(self._rows.pop(0)))
            self._row -= 1
        self._rows = [row[:columns] for row in self._rows[:lines]]
        self._rows += [[] for _ in range(lines - len(self._rows))]
        self.lines, self.columns = lines, columns

    def _control(self, argument: str, name: str) -> None:
        number = int(argument) if argument.isdecimal() else 1
        match name:
            case "A":
                self._row = max(self._row - number, 0)
            case "C":
                self._column = min(self._column + number, self.columns - 1)
            case "K" if not argument:
                del self._rows[self._row][self._column :]
            case "J" if not argument:
                del self._rows[self._row][self._column :]
                for row in self._rows[self._row + 1 :]:
                    row.clear()
            case "m":
                pass
            case _:
                raise AssertionError(f"the program wrote ESC [ {argument} {name}")

    def _down(self) -> None:
        if self._row < self.lines - 1:
            self._row += 1
        else:
            self.scrolled_off.append(_text(self._rows.pop(0)))
            self._rows.append([])

    def _put(self, character: str) -> None:
        cells = 0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if self._column + cells > self.columns:
            self._column = 0
            self._down()
        row = self._rows[self._row]
        row += [" "] * (self._column - len(row))
        row[self._column : self._column + cells] = [character, *[""] * (cells - 1)] if cells else []
        if not cells and self._column:
            row[self._column - 1] += character
        self._column += cells


def _text(row: list[str]) -> str:
    return "".join(row).rstrip()

"""A block of Markdown while it grows: the end of it that fits on the screen.

To render a block costs a hundred times what it costs to receive a word. So words that are only words are added as they
come, and the block is rendered again when there is markup to show and the time for it.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from rich.cells import cell_len

from glmcli.output.ansi import OWN

if TYPE_CHECKING:
    from glmcli.output.blocks import Block
    from glmcli.output.markdown import Renderer

_SHARE = 0.35  # of the time that all the rest takes may be spent on rendering what is rendered again later
_FRAME = 0.1  # seconds between two renderings
_WORDS = re.compile(r"[\w ,.?'\"%/()-]*")  # after a letter, they are no markup
_KEPT = 3  # of a picture that no longer fits, a third stays
_LONG = 200  # characters that are rendered, not added
_DELIMITER = re.compile(r"[ |:-]*-[ |:-]*")
_BULLET = re.compile(r" *(?:• |\d+ )?")


class Growing:
    """Told of a block as it grows, it says which rows to show."""

    def __init__(self, renderer: Renderer) -> None:
        """Nothing grows yet."""
        self._renderer = renderer
        self._spent = 0.0
        self._next = 0.0
        self.forget()

    def forget(self) -> None:
        """Another block grows, or the terminal has another size."""
        self._begin = 0  # of what is shown
        self._seen = 0  # characters that are shown
        self._gap = ""  # blanks at the end of them, which are not
        self._rows: list[str] = []
        self._flows = False

    def rows(self, block: Block, width: int, most: int) -> list[str]:
        """At most so many rows of it; of a table, those that have ended."""
        if _head(block.text):
            block = block._replace(text=block.text[: block.text.rfind("\n") + 1])
        if len(block.text) == self._seen:
            return self._rows
        added = block.text[self._seen :]
        if self._rows and self._flows and self._is_words(block.text, added):
            rows = self._typed(added, width)
        elif self._may_render():
            rows = self._rendered(block, width, most)
        else:
            # There is no time to see whether it is markup; a later rendering will.
            is_line = self._rows and self._flows and "\n" not in added
            rows = self._typed(added, width) if is_line else None
        if rows is not None:
            self._rows, self._seen = self._cut(rows, block.text, most), len(block.text)
        return self._rows

    def _is_words(self, text: str, added: str) -> bool:
        line = text[text.rfind("\n", 0, self._seen) + 1 : self._seen]
        is_begun = any(map(str.isalpha, line))  # a number may begin a list, and a dash too
        return is_begun and len(added) < _LONG and _WORDS.fullmatch(line[-1] + added) is not None

    def _may_render(self) -> bool:
        now = time.process_time()
        return time.monotonic() >= self._next and self._spent <= _SHARE * (now - self._spent)

    def _rendered(self, block: Block, width: int, most: int) -> list[str]:
        began = time.process_time()
        if len(block.text) - self._begin > width * most:  # more than fits for certain
            self._begin = _place(block.text, len(block.text) - width * most // _KEPT)
        rows = self._render(block)
        self._flows = self._renderer.flows
        self._gap = " " * (len(block.text) - len(block.text.rstrip(" ")))
        self._spent += time.process_time() - began
        self._next = time.monotonic() + _FRAME
        return rows

    def _render(self, block: Block) -> list[str]:
        if not self._begin:
            return self._renderer.rows(block.text, block.number)
        return self._renderer.rows(_head(block.text) + block.text[self._begin :].lstrip(" "))

    def _cut(self, rows: list[str], text: str, most: int) -> list[str]:
        """The last of the rows; what does not fit is left behind together, or all would move with every row."""
        if len(rows) <= most:
            return rows
        keep = max(most // _KEPT, 1)
        self._begin = _place(text, len(text) - (len(text) - self._begin) * keep // len(rows))
        return rows[-keep:]

    def _typed(self, added: str, width: int) -> list[str] | None:
        """The rows with some words more; None if only rendering can tell where they go."""
        rows = list(self._rows)
        bullet = _BULLET.match(OWN.sub("", rows[-1]))
        margin = " " * len(bullet[0]) if bullet else ""
        for word in re.findall(r" +|[^ ]+", self._gap + added):
            if cell_len(OWN.sub("", rows[-1])) + cell_len(word) <= width:
                rows[-1] += word
            elif word.strip():
                row, blank, part = rows[-1].rpartition(" ")
                if not blank or "\x1b" in part or not row.strip() or len(margin + part + word) > width // 2:
                    return None
                rows[-1:] = [row, margin + part + word]
        self._gap = ""
        return rows


def _head(text: str) -> str:
    """The first two lines of a table; of anything else, nothing."""
    first, _, rest = text[:2000].partition("\n")
    second, end, _ = rest.partition("\n")
    return f"{first}\n{second}\n" if end and "|" in first and _DELIMITER.fullmatch(second) else ""


def _place(text: str, near: int) -> int:
    """Where a line begins near this place, or else a word."""
    line = text.find("\n", near, near + (len(text) - near) // 2) + 1
    return line or text.find(" ", near, near + 100) + 1 or near

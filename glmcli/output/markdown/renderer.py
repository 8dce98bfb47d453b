"""Blocks of Markdown as rows of a terminal: complete blocks, and the end of one that is still arriving."""

from __future__ import annotations

import html
import re
import time
from collections import Counter
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt
from rich.cells import cell_len
from rich.markdown import Markdown

from glmcli.output.markdown.screen import plain_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from markdown_it.token import Token
    from rich.console import Console

    from glmcli.output.markdown.screen import AnsiEncoder
    from glmcli.output.markdown.splitter import Block

# What rendering may drop: the numbers of a list, which are counted anew, and the language of fenced code.
_DROPPED = re.compile(r"^[ \t>]*(?:\d+[.)](?=\s)|(?:`{3,}|~{3,})[\w+#.-]*)", re.MULTILINE)
# Kinds of blocks to which text without markup can be appended without rendering.
_RUNNING_TEXT = {"inline", "paragraph", "bullet_list", "ordered_list", "list_item"}


class MarkdownRenderer:
    """Renders blocks on a console.

    Attributes:
        ends_in_text: the block that was rendered last ends in running text.
    """

    def __init__(self, console: Console, encoder: AnsiEncoder, visible: Callable[[str], str]) -> None:
        """`visible` replaces control characters: references such as &#x202E; become characters only here."""
        self._console, self._encoder, self._visible = console, encoder, visible
        self._parser = _parser()
        # The targets of links are printed: hidden behind a link's text they could deceive.
        self._markdown = Markdown("", hyperlinks=False)
        self.ends_in_text = False

    def rows(self, text: str, number: int | None = None) -> list[str]:
        """The rows of a block; `number` is that of a list's first item."""
        tokens = self._parser.parse(text)
        _make_visible(tokens, self._visible)
        if number is not None and tokens and tokens[0].type == "ordered_list_open":
            tokens[0].attrs["start"] = number
        kinds = {token.type.removesuffix("_open").removesuffix("_close") for token in tokens}
        self.ends_in_text = bool(kinds) and kinds <= _RUNNING_TEXT
        self._markdown.parsed = tokens
        lines = self._console.render_lines(self._markdown, pad=False)
        return _trimmed([self._encoder.row(line) for line in lines])

    def complete_rows(self, text: str, number: int | None = None) -> list[str]:
        """The rows of a complete block; its source text if rendering would lose words."""
        rows = self.rows(text, number)
        return rows if _keeps_words(text, "\n".join(rows)) else text.strip("\n").split("\n")


def _parser() -> MarkdownIt:
    # HTML is shown as it was written, as are images and definitions of links, which a terminal cannot show.
    parser = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])
    parser.disable(["image", "reference"])
    # The text of <http://example.com/%1B> stays as it is: decoded, it would hold an escape.
    parser.normalizeLinkText = str  # type: ignore[method-assign,assignment]
    return parser


def _trimmed(rows: list[str]) -> list[str]:
    """The rows without empty ones at both ends: the stream decides how far blocks stand apart."""
    full = [index for index, row in enumerate(rows) if row]
    return rows[full[0] : full[-1] + 1] if full else []


def _make_visible(tokens: Iterable[Token], visible: Callable[[str], str]) -> None:
    for token in tokens:
        token.content = visible(token.content)
        token.attrs = {name: visible(value) if isinstance(value, str) else value for name, value in token.attrs.items()}
        _make_visible(token.children or (), visible)


def _keeps_words(text: str, shown: str) -> bool:
    """Whether every letter, digit and symbol of the text is shown; markup is ASCII punctuation."""
    expected = _DROPPED.sub("", text)
    found = _count(plain_text(shown))
    return not _count(expected) - found or not _count(html.unescape(expected)) - found


def _count(text: str) -> Counter[str]:
    return Counter(character for character in text if character.isalnum() or not character.isascii())


_MAX_CPU_SHARE = 0.35  # of the other CPU time may be spent on rendering what is rendered again later
_INTERVAL = 0.1  # seconds between two renderings
_WORDS = re.compile(r"[\w ,.?'\"%/()-]*")  # after a letter, these characters are no markup
_KEPT_SHARE = 3  # of rows that no longer fit, a third stays
_MAX_APPENDED = 200  # characters; longer pieces are rendered
_DELIMITER_ROW = re.compile(r"[ |:-]*-[ |:-]*")
_BULLET = re.compile(r" *(?:• |\d+ )?")


class UnfinishedBlock:
    """Renders a block while it arrives: the rows at its end that fit on the screen.

    To render a block costs a hundred times what it costs to receive a word. So pieces without markup are appended to
    the last row, and the block is rendered again when there is markup to show and CPU time for it.
    """

    def __init__(self, renderer: MarkdownRenderer) -> None:
        """Start without a block."""
        self._renderer = renderer
        self._spent = 0.0  # seconds of CPU time
        self._next = 0.0
        self.reset()

    def reset(self) -> None:
        """Start another block, or the same on a terminal of another size."""
        self._begin = 0  # index of the first character that is shown
        self._length = 0  # of the text up to the last character that is shown
        self._trailing = ""  # spaces at its end, which the rows do not have
        self._rows: list[str] = []
        self._ends_in_text = False

    def rows(self, block: Block, width: int, height: int) -> list[str]:
        """At most `height` rows of the block; of a table, only the complete lines."""
        if _table_head(block.text):
            block = block._replace(text=block.text[: block.text.rfind("\n") + 1])
        if len(block.text) == self._length:
            return self._rows
        added = block.text[self._length :]
        if self._rows and self._ends_in_text and self._is_plain(block.text, added):
            rows = self._appended(added, width)
        elif self._may_render():
            rows = self._rendered(block, width, height)
        else:
            # No CPU time to render; if it is markup, a later rendering shows it.
            is_one_line = self._rows and self._ends_in_text and "\n" not in added
            rows = self._appended(added, width) if is_one_line else None
        if rows is not None:
            self._rows, self._length = self._last_rows(rows, block.text, height), len(block.text)
        return self._rows

    def _is_plain(self, text: str, added: str) -> bool:
        """Whether the added text is words without markup."""
        line = text[text.rfind("\n", 0, self._length) + 1 : self._length]
        has_letters = any(map(str.isalpha, line))  # a number or a dash may begin a list
        return has_letters and len(added) < _MAX_APPENDED and _WORDS.fullmatch(line[-1] + added) is not None

    def _may_render(self) -> bool:
        others = time.process_time() - self._spent
        return time.monotonic() >= self._next and self._spent <= _MAX_CPU_SHARE * others

    def _rendered(self, block: Block, width: int, height: int) -> list[str]:
        start = time.process_time()
        if len(block.text) - self._begin > width * height:  # certainly more than fits
            self._begin = _boundary(block.text, len(block.text) - width * height // _KEPT_SHARE)
        if self._begin:
            rows = self._renderer.rows(_table_head(block.text) + block.text[self._begin :].lstrip(" "))
        else:
            rows = self._renderer.rows(block.text, block.number)
        self._ends_in_text = self._renderer.ends_in_text
        self._trailing = " " * (len(block.text) - len(block.text.rstrip(" ")))
        self._spent += time.process_time() - start
        self._next = time.monotonic() + _INTERVAL
        return rows

    def _last_rows(self, rows: list[str], text: str, height: int) -> list[str]:
        """The rows that fit; several are dropped at once, or every new row would repaint all others."""
        if len(rows) <= height:
            return rows
        keep = max(height // _KEPT_SHARE, 1)
        self._begin = _boundary(text, len(text) - (len(text) - self._begin) * keep // len(rows))
        return rows[-keep:]

    def _appended(self, added: str, width: int) -> list[str] | None:
        """The rows with the added words; None if only rendering can place them."""
        rows = list(self._rows)
        bullet = _BULLET.match(plain_text(rows[-1]))
        margin = " " * len(bullet[0]) if bullet else ""
        for word in re.findall(r" +|[^ ]+", self._trailing + added):
            if cell_len(plain_text(rows[-1])) + cell_len(word) <= width:
                rows[-1] += word
            elif word.strip():
                row, space, part = rows[-1].rpartition(" ")
                if not space or "\x1b" in part or not row.strip() or len(margin + part + word) > width // 2:
                    return None
                rows[-1:] = [row, margin + part + word]
        self._trailing = ""
        return rows


def _table_head(text: str) -> str:
    """The first two lines of a table; empty for anything else."""
    first, _, rest = text[:2000].partition("\n")
    second, end, _ = rest.partition("\n")
    return f"{first}\n{second}\n" if end and "|" in first and _DELIMITER_ROW.fullmatch(second) else ""


def _boundary(text: str, near: int) -> int:
    """The beginning of a line near this index, or else of a word."""
    line = text.find("\n", near, near + (len(text) - near) // 2) + 1
    return line or text.find(" ", near, near + 100) + 1 or near

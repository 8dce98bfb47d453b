"""Markdown as rows of a terminal: every word of it, or the text as it was written."""

from __future__ import annotations

import html
import re
from collections import Counter
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt
from rich.markdown import Markdown

from glmcli.output.ansi import OWN, Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from markdown_it.token import Token
    from rich.console import Console

# What a renderer may drop: the numbers of a list, which it counts itself, and the language of fenced code.
_MARKUP = re.compile(r"^[ \t>]*(?:\d+[.)](?=\s)|(?:`{3,}|~{3,})[\w+#.-]*)", re.MULTILINE)
# Where text that is added to the end looks as it was written, until it is markup.
_FLOWING = {"inline", "paragraph", "bullet_list", "ordered_list", "list_item"}


class Renderer:
    """Renders blocks on a console."""

    def __init__(self, console: Console, rows: Rows, visible: Callable[[str], str]) -> None:
        """`visible` makes control characters be seen: references such as &#x202E; become characters only here."""
        self._console, self._rows, self._visible = console, rows, visible
        self._parser = _parser()
        # A hidden target behind a link's text would be a way to deceive: targets are printed.
        self._markdown = Markdown("", hyperlinks=False)
        self.flows = False  # whether what was rendered last ends in running text

    def rows(self, text: str, number: int | None = None) -> list[str]:
        """The rows of a block."""
        tokens = self._parser.parse(text)
        _make_visible(tokens, self._visible)
        if number is not None and tokens and tokens[0].type == "ordered_list_open":
            tokens[0].attrs["start"] = number
        kinds = {token.type.removesuffix("_open").removesuffix("_close") for token in tokens}
        self.flows = bool(kinds) and kinds <= _FLOWING
        self._markdown.parsed = tokens
        lines = self._console.render_lines(self._markdown, pad=False)
        return _trimmed([self._rows.row(line) for line in lines])

    def whole(self, text: str, number: int | None = None) -> list[str]:
        """The rows of a block that has ended: as it was written if it would lose words."""
        rows = self.rows(text, number)
        return rows if _keeps_words(text, "\n".join(rows)) else text.strip("\n").split("\n")


def _parser() -> MarkdownIt:
    # HTML is shown as it was written, like what else the terminal has no form for: images, and definitions of links.
    parser = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])
    parser.disable(["image", "reference"])
    # The text of <http://example.com/%1B> stays as it is: decoded, it would hold an escape.
    parser.normalizeLinkText = str  # type: ignore[method-assign,assignment]
    return parser


def _trimmed(rows: list[str]) -> list[str]:
    """The rows without the empty ones around them: how far blocks stand apart is not theirs to say."""
    full = [index for index, row in enumerate(rows) if row]
    return rows[full[0] : full[-1] + 1] if full else []


def _make_visible(tokens: Iterable[Token], visible: Callable[[str], str]) -> None:
    for token in tokens:
        token.content = visible(token.content)
        token.attrs = {name: visible(value) if isinstance(value, str) else value for name, value in token.attrs.items()}
        _make_visible(token.children or (), visible)


def _keeps_words(text: str, shown: str) -> bool:
    """Whether every letter, digit and symbol of the text is shown; markup is ASCII punctuation."""
    wanted = _MARKUP.sub("", text)
    there = _count(OWN.sub("", shown))
    return not _count(wanted) - there or not _count(html.unescape(wanted)) - there


def _count(text: str) -> Counter[str]:
    return Counter(character for character in text if character.isalnum() or not character.isascii())

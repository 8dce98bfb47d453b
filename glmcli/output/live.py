"""The answer on a terminal, rendered as Markdown while it arrives.

A block (paragraph, list, table, fenced code) is drawn again with every piece while it grows, and printed for good when
it is whole: so a long answer costs no more than its blocks, and what has scrolled away is never touched again. A block
that would lose words when it is rendered (a table on a narrow terminal, a link's title) is printed as it was written.
"""

from __future__ import annotations

import html
import re
import time
from collections import Counter
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt
from rich.live import Live
from rich.markdown import Markdown

from glmcli.output.drawing import console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from markdown_it.token import Token

    from glmcli.terminal import Stream

_FRAME = 0.1  # seconds between two drawings of a growing block
_SHARE = 10  # a drawing that takes long is followed by a pause this many times as long
_FENCE = re.compile(r"\s*(`{3,}(?=[^`]*$)|~{3,})")
_OWN = re.compile(r"\x1b\[[0-9;]*m")
# What a renderer may drop: the numbers of a list, which it counts itself, and the language of fenced code.
_MARKUP = re.compile(r"^[ \t>]*(?:\d+[.)](?=\s)|(?:`{3,}|~{3,})[\w+#.-]*)", re.MULTILINE)


class RenderedStream:
    """A terminal that shows Markdown: a destination like any other."""

    def __init__(self, stream: Stream) -> None:
        """Draw on this stream."""
        stream.check()
        self._stream = stream
        self._console = console(stream)
        self._live: Live | None = None
        self._blocks = _Blocks()
        self._next_frame = 0.0
        self.check_reader = stream.check_reader

    def write(self, text: str) -> None:
        """Take a piece of the answer; draw it, at most ten times a second."""
        # Our own controls are added after this: what the model wrote can only be read.
        whole = self._blocks.push(self._stream.visible(text))
        if whole:
            self._print(whole)
        if time.monotonic() >= self._next_frame and (growing := self._blocks.growing()):
            self._draw(growing)

    def _draw(self, text: str) -> None:
        began = time.monotonic()
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(_markdown(text, self._stream.visible), refresh=True)
        ended = time.monotonic()
        self._next_frame = ended + max(_FRAME, _SHARE * (ended - began))

    def _print(self, text: str) -> None:
        self._stop()
        if not text.strip():
            return
        with self._console.capture() as capture:
            self._console.print(_markdown(text, self._stream.visible), end="")
        shown = capture.get() if _keeps_words(text, capture.get()) else text.strip("\n") + "\n"
        self._stream.control(shown + ("\n" if self._blocks.growing() else ""))

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def commit(self) -> None:
        """Print the last block."""
        self._print(self._blocks.take())

    def abandon(self) -> None:
        """Print what came, and give the cursor back."""
        self.commit()


class _Blocks:
    """Cuts text that comes in pieces into blocks: blank lines end a block, but not inside a fence."""

    def __init__(self) -> None:
        self._lines: list[str] = []  # of the block that grows
        self._line: list[str] = []  # pieces of the line that grows
        self._fence = ""

    def push(self, text: str) -> str:
        """The blocks that are whole now. Each character is looked at once."""
        self._line.append(text)
        if "\n" not in text:
            return ""
        *lines, rest = "".join(self._line).split("\n")
        self._line = [rest]
        whole: list[str] = []
        for line in lines:
            self._lines.append(f"{line}\n")
            self._follow_fence(line)
            if not line.strip() and not self._fence:
                whole += self._lines
                self._lines = []
        return "".join(whole)

    def _follow_fence(self, line: str) -> None:
        if not self._fence:
            found = _FENCE.match(line)
            self._fence = found[1] if found else ""
        elif line.strip().startswith(self._fence) and not line.strip().strip(self._fence[0]):
            self._fence = ""

    def growing(self) -> str:
        """The block that is not whole yet."""
        return "".join([*self._lines, *self._line])

    def take(self) -> str:
        """The block that is not whole, which is now the last."""
        text = self.growing()
        self._lines, self._line, self._fence = [], [], ""
        return text


def _markdown(text: str, visible: Callable[[str], str]) -> Markdown:
    # A hidden target behind a link's text would be a way to deceive: targets are printed.
    markdown = Markdown("", hyperlinks=False)
    markdown.parsed = _parser().parse(text)
    # References such as &#x202E; have become characters only now.
    _make_visible(markdown.parsed, visible)
    return markdown


def _parser() -> MarkdownIt:
    # HTML is shown as it was written, like what else the terminal has no form for: images, and definitions of links.
    parser = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])
    parser.disable(["image", "reference"])
    # The text of <http://example.com/%1B> stays as it is: decoded, it would hold an escape.
    parser.normalizeLinkText = str  # type: ignore[method-assign,assignment]
    return parser


def _make_visible(tokens: Iterable[Token], visible: Callable[[str], str]) -> None:
    for token in tokens:
        token.content = visible(token.content)
        token.attrs = {name: visible(value) if isinstance(value, str) else value for name, value in token.attrs.items()}
        _make_visible(token.children or (), visible)


def _keeps_words(text: str, shown: str) -> bool:
    """Whether every letter, digit and symbol of the text is shown; markup is ASCII punctuation."""
    wanted = _MARKUP.sub("", text)
    there = _count(_OWN.sub("", shown))
    return not _count(wanted) - there or not _count(html.unescape(wanted)) - there


def _count(text: str) -> Counter[str]:
    return Counter(character for character in text if character.isalnum() or not character.isascii())

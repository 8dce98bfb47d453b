"""Fenced code on a terminal: highlighted line by line, each line printed for good when it ends."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pygments.lexer import ExtendedRegexLexer, LexerContext, RegexLexer  # type: ignore[import-untyped]
from pygments.token import Comment, String  # type: ignore[import-untyped]
from rich.cells import cell_len, chop_cells
from rich.segment import Segment
from rich.style import Style
from rich.syntax import Syntax
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from glmcli.output.markdown.screen import AnsiEncoder

_FENCE_LINE = re.compile(r"(\s*)(?:`{3,}|~{3,})(\s*)(.*?)\s*$")
_LANGUAGE = re.compile(r"[\w+#.-]*")
_MIN_WIDTH = 8  # cells; on a narrower terminal code is printed as it was written
_MAX_RATIO = 2.9  # characters written for each character of code
_FREE_CHARACTERS = 4000  # may be written beyond that ratio: a short block is always coloured
_TAB_SIZE = 4
_NO_STYLE = Style.null()

StyledText = list[tuple[str, Style]]


class CodeBlock:
    """One block of fenced code, on a background, indented as its fence is."""

    def __init__(self, fence: str, console: Console, encoder: AnsiEncoder) -> None:
        """`fence` is the line that opens the block."""
        found = _FENCE_LINE.match(fence)
        indent, space, self._info = found.groups() if found else ("", "", "")
        self._indent = len(indent.expandtabs(_TAB_SIZE))
        self._console, self._encoder = console, encoder
        self._highlighter = Highlighter(self._info.partition(" ")[0])
        # A word after a space that names no known language belongs to the answer.
        may_be_language = not space or self._highlighter.knows_language
        self._hides_info = may_be_language and _LANGUAGE.fullmatch(self._info) is not None
        self._written, self._budget = 0, float(_FREE_CHARACTERS)
        self._has_background = self._has_colours = True
        self._blank_lines: list[str] = []  # printed if another line follows

    @property
    def _width(self) -> int:
        return self._console.width - self._indent - 2  # one space at each side

    @property
    def _base(self) -> Style:
        return self._highlighter.base if self._has_background else _NO_STYLE

    def begin(self) -> list[str]:
        """The rows before the first line, with the info string of the fence unless it is a language."""
        info = [] if self._hides_info else [" " * self._indent + row for row in self._chopped(self._info)]
        return [*info, *self.end()]

    def end(self) -> list[str]:
        """The rows after the last line."""
        return [self._row([(" ", self._base)])] if self._width >= _MIN_WIDTH else []

    def line(self, text: str) -> list[str]:
        """The rows of a complete line; those of blank lines come with the next line that is not blank."""
        if not text.strip():
            self._blank_lines.append("")
            return []
        blank, self._blank_lines = self._blank_lines, []
        return [row for line in [*blank, text] for row in self._line(line)]

    def _line(self, text: str) -> list[str]:
        text = self._unindented(text)
        if self._width < _MIN_WIDTH:
            return [text]
        self._budget += _MAX_RATIO * (len(text) + 1)
        parts = self._highlighter.line(text) if self._has_colours else [(text.expandtabs(_TAB_SIZE), self._base)]
        rows = [self._row([(" ", self._base), *line]) for line in self._wrapped(parts)]
        self._written += sum(map(len, rows)) + 2 * len(rows)
        self._keep_budget()
        return rows

    def _keep_budget(self) -> None:
        """Drop the colours, then the background, where they cost many times the text."""
        if self._written > self._budget:
            self._has_background = self._has_background and self._has_colours
            self._has_colours = False
            self._budget = self._written + _FREE_CHARACTERS / 4

    def _row(self, parts: StyledText) -> str:
        margin = [Segment(" " * self._indent)] if self._indent else []
        # The trailing space becomes the background up to the edge.
        return self._encoder.row([*margin, *(Segment(*part) for part in parts), Segment(" ", self._base)])

    def _unindented(self, text: str) -> str:
        spaces = len(text) - len(text.lstrip(" "))
        return text[min(spaces, self._indent) :]

    def _wrapped(self, parts: StyledText) -> list[StyledText]:
        if cell_len("".join(text for text, _ in parts)) <= self._width:
            return [parts]
        text = Text.assemble(*parts, end="")
        lines = text.wrap(self._console, self._width)
        return [[(part.text, part.style or _NO_STYLE) for part in line.render(self._console)] for line in lines]

    def _chopped(self, text: str) -> list[str]:
        return chop_cells(text, self._width) if self._width >= _MIN_WIDTH else [text]

    def unfinished(self, text: str, height: int) -> list[str]:
        """At most `height` rows of a line that is still arriving: without colours, so that text can be appended."""
        if self._width < _MIN_WIDTH or not text.strip():
            return []
        text = self._unindented(text).expandtabs(_TAB_SIZE)
        # What does not fit is dropped by whole screens, or every new row would repaint all others.
        screen = max(self._width * height // (2 if text.isascii() else 4), self._width)
        begin = max(len(text) // screen - 1, 0) * screen
        rows = [*self._blank_lines, *self._chopped(text[begin:])]
        return [f"{' ' * self._indent} {row}" for row in rows[-height:]]


_THEME = "monokai"
# Delimiters of tokens that span lines. A lexer recognises such a token only if its end is appended to the line.
_SPANNING = (("/*", "*/"), ("<!--", "-->"), ('"""', '"""'), ("'''", "'''"), ("`", "`"))
# States of the HTML lexer that contain another language, and where that ends.
_EMBEDDED = {"script-content": "</script>", "style-content": "</style>"}
_EMBEDDING_TAG = re.compile(r"<(?:script|style)\b[^>]*>$")

Token = tuple[tuple[str, ...], str]  # its type, as Pygments names it, and its text


class Highlighter:
    """Highlights the lines of one block of code in order; a line is never coloured again when more is known."""

    def __init__(self, language: str) -> None:
        """Code in an unknown language has one colour."""
        self._theme = Syntax.get_theme(_THEME)
        self._lexer = Syntax("", language or "text", theme=_THEME).lexer
        # Other lexers carry no state from line to line, and see each line alone.
        has_states = isinstance(self._lexer, RegexLexer) and not isinstance(self._lexer, ExtendedRegexLexer)
        self._stack: list[str] | None = ["root"] if has_states else None
        self._terminator = ""  # of a string or comment that began in an earlier line
        self._kind: tuple[str, ...] = ()  # its token type

    @property
    def knows_language(self) -> bool:
        """Whether the language is known."""
        return self._lexer is not None

    @property
    def base(self) -> Style:
        """The style of text that no token styles."""
        return self._theme.get_background_style()

    def line(self, line: str) -> StyledText:
        """The parts of a line with their styles; tabs are expanded."""
        line = line.expandtabs(_TAB_SIZE)
        if self._lexer is None or not line:
            return [(line, self.base)]
        return [(text, self._theme.get_style_for_token(kind)) for kind, text in self._tokens(line) if text]

    def _tokens(self, line: str) -> Iterable[Token]:
        if not self._terminator:
            return self._lexed(line)
        end = line.find(self._terminator)
        if end < 0:
            return [(self._kind, line)]
        end += len(self._terminator)
        self._terminator = ""
        return [(self._kind, line[:end]), *(self._lexed(line[end:]) if line[end:] else ())]

    def _lexed(self, line: str) -> Iterable[Token]:
        for begin, end in _SPANNING:
            if begin in line and self._is_spanning(line, end):
                break
        closing = _EMBEDDED.get(self._stack[-1], "") if self._stack else ""
        stack = list(self._stack or ())
        # A newline would take the lexer out of the state that such a tag begins.
        tokens = self._run(line if _EMBEDDING_TAG.search(line) else f"{line}\n{self._terminator or closing}")
        if self._terminator or (closing and closing not in line):
            self._stack = stack or None
        return _first(tokens, len(line))

    def _is_spanning(self, line: str, terminator: str) -> bool:
        """Whether the lexer takes the terminator in the next line for the end of a token that this line began."""
        stack = list(self._stack or ())
        index = 0
        for kind, text in self._run(f"{line}\n{terminator}"):
            if index < len(line) and index + len(text) >= len(line) + 1 + len(terminator):
                is_text = kind in Comment or kind in String
                self._terminator, self._kind = (terminator, kind) if is_text else ("", ())
            index += len(text)
        self._stack = stack or None
        return bool(self._terminator)

    def _run(self, text: str) -> list[Token]:
        """The tokens of a text; the state that they end in is kept."""
        if self._stack is None:
            return list(self._lexer.get_tokens(text))  # type: ignore[union-attr]
        context = LexerContext(text, 0, stack=self._stack)
        try:
            found = ExtendedRegexLexer.get_tokens_unprocessed(self._lexer, context=context)
            tokens = [(kind, part) for _, kind, part in found]
        except TypeError:  # a lexer whose rules are functions that take no context
            self._stack = None
            return self._run(text)
        self._stack = context.stack
        return tokens


def _first(tokens: Iterable[Token], length: int) -> Iterable[Token]:
    """The tokens of the first `length` characters."""
    for kind, text in tokens:
        if length > 0:
            yield kind, text[:length]
        length -= len(text)

"""Colours of code that comes line by line: a line is coloured once, and never again when more is known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pygments.lexer import ExtendedRegexLexer, LexerContext, RegexLexer  # type: ignore[import-untyped]
from pygments.token import Comment, String  # type: ignore[import-untyped]
from rich.syntax import Syntax

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.style import Style

_THEME = "monokai"
_TAB = 4
# What goes on over lines in many languages. Their lexers know it only when its end is there: it is lent to them.
_OPEN = (("/*", "*/"), ("<!--", "-->"), ('"""', '"""'), ("'''", "'''"), ("`", "`"))
# States of the lexer for HTML in which another language stands until this.
_INSIDE = {"script-content": "</script>", "style-content": "</style>"}
_TAG = re.compile(r"<(?:script|style)\b[^>]*>$")

Token = tuple[tuple[str, ...], str]  # its type, as Pygments names it, and its text


class Highlighter:
    """Colours the lines of one block of code, in order."""

    def __init__(self, language: str) -> None:
        """A language that nobody knows has one colour."""
        self._theme = Syntax.get_theme(_THEME)
        self._lexer = Syntax("", language or "text", theme=_THEME).lexer
        # A lexer that carries no state from line to line sees each line alone.
        by_state = isinstance(self._lexer, RegexLexer) and not isinstance(self._lexer, ExtendedRegexLexer)
        self._stack: list[str] | None = ["root"] if by_state else None
        self._until = ""  # ends what began in a line before
        self._kind: tuple[str, ...] = ()  # and what that is

    @property
    def knows(self) -> bool:
        """Whether the language is known."""
        return self._lexer is not None

    @property
    def base(self) -> Style:
        """What text has that is nothing in particular."""
        return self._theme.get_background_style()

    def line(self, line: str) -> list[tuple[str, Style]]:
        """The parts of a line and what they look like; tabs are spaces now."""
        line = line.expandtabs(_TAB)
        if self._lexer is None or not line:
            return [(line, self.base)]
        return [(text, self._theme.get_style_for_token(kind)) for kind, text in self._tokens(line) if text]

    def _tokens(self, line: str) -> Iterable[Token]:
        if not self._until:
            return self._lexed(line)
        ending = line.find(self._until)
        if ending < 0:
            return [(self._kind, line)]
        ending += len(self._until)
        self._until = ""
        return [(self._kind, line[:ending]), *(self._lexed(line[ending:]) if line[ending:] else ())]

    def _lexed(self, line: str) -> Iterable[Token]:
        for begin, end in _OPEN:
            if begin in line and self._goes_on(line, end):
                break
        closing = _INSIDE.get(self._stack[-1], "") if self._stack else ""
        stack = list(self._stack or ())
        # A newline would take the lexer out of the state that such a tag begins.
        tokens = self._run(line if _TAG.search(line) else f"{line}\n{self._until or closing}")
        if self._until or (closing and closing not in line):
            self._stack = stack or None
        return _first(tokens, len(line))

    def _goes_on(self, line: str, end: str) -> bool:
        """Whether the lexer, given the end, takes it for the end of something that this line began."""
        stack = list(self._stack or ())
        place = 0
        for kind, text in self._run(f"{line}\n{end}"):
            if place < len(line) and place + len(text) >= len(line) + 1 + len(end):
                is_text = kind in Comment or kind in String
                self._until, self._kind = (end, kind) if is_text else ("", ())
            place += len(text)
        self._stack = stack or None
        return bool(self._until)

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

r"""Regular expressions of ECMA-262, which JSON Schema uses, translated into Python's. Pure.

JSON Schema reads a `pattern` with the flag `u` (2020-12 validation, 6.3.3). So does this, with what schemas take from
the time before that flag: a `-` beside a class (`[\w-.]`), escapes of signs that need none (`\-`, `\@`), and brackets
and braces without a partner. What it translates means the same, but for the version of Unicode in the tables.

Source: https://tc39.es/ecma262/#sec-patterns and annex B.1.2 there (2026-11-30).
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, NamedTuple

from glmcli.documents.quoting import visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.documents.unicode_properties import Ranges

_DIGITS: Ranges = [(0x30, 0x39)]
_WORDS: Ranges = [(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)]
_LINE_ENDS: Ranges = [(0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029)]
_SPACES: Ranges = [
    (0x09, 0x0D), (0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029),
    (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF),
]  # fmt: skip
_CLASS_ESCAPES = {"d": _DIGITS, "w": _WORDS, "s": _SPACES}
_CONTROLS = {"0": 0x00, "t": 0x09, "n": 0x0A, "v": 0x0B, "f": 0x0C, "r": 0x0D}
_LINE_END = "[\n\r\u2028\u2029]"
_NOTHING, _ANYTHING = "(?!)", "(?s:.)"
_WORD_EDGES = {"b": r"(?a:\b)", "B": r"(?!(?a:\b))"}  # Python's own \B does not hold in an empty text
_HIGH_HALVES, _LOW_HALVES = range(0xD800, 0xDC00), range(0xDC00, 0xE000)  # of characters beyond U+FFFF, in UTF-16
_BEYOND_BMP = 0x10000

_OPENING = re.compile(r"\(\?(?:(?P<look><?[=!])|<(?P<name>[^>]*)>|(?P<on>[ims]*)(?P<off>-[ims]*)?:)")
_QUANTIFIER = re.compile(r"(?:[*+?]|\{(?P<least>[0-9]+)(?P<comma>,(?P<most>[0-9]*))?\})\??")
_CONTROL = re.compile(r"c([A-Za-z])|[tnvfr]|0(?![0-9])")
_CODE = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]+)\}")
_LOW_HALF = re.compile(r"\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE)
_PROPERTY = re.compile(r"[pP]\{([A-Za-z0-9_=]+)\}")
_BACK_BY_NAME = re.compile(r"k<([^>]*)>")
_BACK_BY_NUMBER = re.compile(r"[1-9][0-9]*")
# A group that captures, or what may hold something that looks like one; nothing is tried twice, however long it is.
_GROUP = re.compile(r"\\.|\[(?:\\.|[^\]\\])*+\]?|(?P<plain>\((?!\?))|\(\?<(?P<name>[^=!>(][^>(]*+)>", re.DOTALL)
_NAME = re.compile(r"[^\W\d][\w$]*|\$[\w$]*")
_SET_OPERATION = re.compile(r"\](?:--|&&)|(?:--|&&)\[|\\q\{")
_POSIX_CLASS = re.compile(r"\[:\^?[a-z]+:\]")


class NotEcmaError(Exception):
    """The text is no pattern of ECMA-262; with `broken` it is none for any other program either, it seems."""

    def __init__(self, why: str, *, broken: bool = True) -> None:
        """Say why, in words that follow "it has"."""
        super().__init__(why)
        self.broken = broken


class UntranslatableError(Exception):
    """It may be a pattern, but there is no translation; the message says what it has."""


class Translation(NamedTuple):
    """A pattern for Python's `re`, and characters that parts of it match, with which its costs can be tried."""

    text: str
    samples: str


def translate(pattern: str) -> Translation:
    """The same pattern for Python.

    Raises:
        NotEcmaError: its syntax is not that of ECMA-262.
        UntranslatableError: Python has nothing like it.
    """
    reader = _Reader(pattern)
    text = reader.disjunction()
    if reader.at < len(pattern):
        raise NotEcmaError("a ) without its (")
    return Translation(text, "".join(dict.fromkeys(reader.samples)))


class _Class(NamedTuple):
    """A set of characters; with `negated`, all others: it stays a negation, for `(?i:[^a])` is not a set of its own."""

    found: Ranges
    negated: bool = False

    def ranges(self) -> Ranges:
        from glmcli.documents.unicode_properties import complement, merged

        return complement(merged(self.found)) if self.negated else self.found

    def text(self) -> str:
        from glmcli.documents.unicode_properties import LAST, merged

        found = merged(self.found)
        if not found or found == [(0, LAST)]:
            return _NOTHING if self.negated == bool(found) else _ANYTHING
        inner = "".join(_escaped(a) if a == z else f"{_escaped(a)}-{_escaped(z)}" for a, z in found)
        return f"[{'^' * self.negated}{inner}]"


def _escaped(code: int) -> str:
    character = chr(code)
    return character if character.isascii() and character.isalnum() else f"\\U{code:08x}"


class _Reader:
    """A recursive descent through the grammar, which writes the translation as it reads."""

    def __init__(self, pattern: str) -> None:
        self.at = 0
        self.samples: list[str] = []
        self._pattern = pattern
        self._flags: frozenset[str] = frozenset()
        self._opened = 0  # groups that capture, so far
        self._closed: set[int] = set()
        self._repeated: set[int] = set()  # closed in something that a quantifier repeats
        self._names: dict[str, list[int]] = {}
        self._count = 0
        for found in _GROUP.finditer(pattern):
            if found["plain"] or found["name"]:
                self._count += 1
                self._names.setdefault(found["name"] or "", []).append(self._count)

    def _match(self, expression: re.Pattern[str]) -> re.Match[str] | None:
        """Take what matches here, if anything does."""
        found = expression.match(self._pattern, self.at)
        if found:
            self.at = found.end()
        return found

    def _take(self, word: str) -> bool:
        if not self._pattern.startswith(word, self.at):
            return False
        self.at += len(word)
        return True

    def _next(self) -> str:
        if self.at == len(self._pattern):
            raise NotEcmaError("a backslash at its end")
        self.at += 1
        return self._pattern[self.at - 1]

    # The grammar

    def disjunction(self) -> str:
        """Alternatives, up to a `)` or the end."""
        parts = [self._alternative()]
        while self._take("|"):
            parts.append(self._alternative())
        return "|".join(parts)

    def _alternative(self) -> str:
        terms = []
        while self.at < len(self._pattern) and self._pattern[self.at] not in "|)":
            terms.append(self._term())
        return "".join(terms)

    def _term(self) -> str:
        opened = self._opened
        atom, is_assertion = self._atom()
        quantifier = self._match(_QUANTIFIER)
        if quantifier is None:
            return atom
        if is_assertion:
            raise NotEcmaError(f"nothing that {quantifier[0]} could repeat")
        if quantifier["comma"] and quantifier["most"] and int(quantifier["least"]) > int(quantifier["most"]):
            raise NotEcmaError(f"{quantifier[0]}, out of order")
        if quantifier[0][0] != "?" and quantifier["most"] != "1":
            self._repeated.update(range(opened + 1, self._opened + 1))
        return atom + quantifier[0]

    def _atom(self) -> tuple[str, bool]:
        """The next atom or assertion, and whether it is one that cannot be repeated."""
        character = self._next()
        if character in "*+?{" and _QUANTIFIER.match(self._pattern, self.at - 1):
            raise NotEcmaError(f"nothing that {character} could repeat")
        match character:
            case "(":
                return self._group()
            case "\\":
                return self._escape()
            case "^" | "$":
                return self._edge(character), True
            case ".":
                return (_ANYTHING if "s" in self._flags else _Class(_LINE_ENDS, negated=True).text()), False
            case "[":
                return self._class(), False
        return re.escape(character), False

    def _edge(self, sign: str) -> str:
        if "m" in self._flags:
            return f"(?:^|(?<={_LINE_END}))" if sign == "^" else rf"(?=\Z|{_LINE_END})"
        return "^" if sign == "^" else r"\Z"

    def _group(self) -> tuple[str, bool]:
        self.at -= 1
        found = self._match(_OPENING)
        if found is None:
            return self._plain_group(), False
        if found["look"]:
            inner = self._inner()
            # A look-ahead may be repeated, for whatever that means.
            return f"(?{found['look']}{inner})", "<" in found["look"]
        if found["name"] is not None:
            return f"({self._captured(found['name'])})", False
        return self._modified(found["on"], (found["off"] or "-")[1:]), False

    def _plain_group(self) -> str:
        if self._pattern.startswith("(?", self.at):
            raise NotEcmaError("a group that begins with (? and is none of ECMA-262", broken=False)
        self.at += 1
        return f"({self._captured(None)})"

    def _captured(self, name: str | None) -> str:
        if name is not None and not _NAME.fullmatch(name):
            raise NotEcmaError("a group with an odd name", broken=False)
        self._opened += 1
        number = self._opened
        inner = self._inner()
        self._closed.add(number)
        return inner

    def _modified(self, on: str, off: str) -> str:
        before = self._flags
        self._flags = (before | set(on)) - set(off)
        inner = self._inner()
        self._flags = before
        # The others change what ^, $ and the dot are translated to.
        return f"(?{'i' * ('i' in on)}{'-i' * ('i' in off)}:{inner})"

    def _inner(self) -> str:
        inner = self.disjunction()
        if not self._take(")"):
            raise NotEcmaError("a ( without its )")
        return inner

    # Escapes outside of classes

    def _escape(self) -> tuple[str, bool]:
        character = self._pattern[self.at : self.at + 1]
        if character in _WORD_EDGES and character:
            self.at += 1
            return _WORD_EDGES[character], True
        if number := self._match(_BACK_BY_NUMBER):
            return self._back([int(number[0])], number[0]), False
        if character == "k" and (name := self._match(_BACK_BY_NAME)):
            return self._back(self._names.get(name[1] or " ", []), name[1]), False
        found = self._one()
        if isinstance(found, _Class):
            self._sample(found.ranges())
            return found.text(), False
        self._sample([(found, found)])
        return re.escape(chr(found)), False

    def _back(self, groups: list[int], word: str) -> str:
        """A reference to a group: what it captured, and nothing where it did not, or is not closed yet."""
        if not groups or groups[0] > self._count:
            raise UntranslatableError(f"a reference to a group {visible(word)} without that group")
        if self._repeated.intersection(groups):
            raise UntranslatableError("a reference to a group that is repeated")
        known = [f"(?({number})\\{number})" for number in groups if number in self._closed]
        return f"(?:{''.join(known)})"

    def _one(self) -> int | _Class:
        """A character, or the set of them that an escape means; the backslash was read."""
        if code := self._match(_CODE):
            return self._code(code)
        if found := self._match(_PROPERTY):
            return _Class(_property(found[1]), negated=found[0][0] == "P")
        if control := self._match(_CONTROL):
            return ord(control[1]) % 32 if control[1] else _CONTROLS[control[0]]
        character = self._next()
        if character.lower() in _CLASS_ESCAPES:
            return _Class(_CLASS_ESCAPES[character.lower()], negated=character.isupper())
        if character.isalnum():
            raise NotEcmaError(f"the escape \\{character}", broken=False)
        return ord(character)

    def _code(self, found: re.Match[str]) -> int:
        """The character of an escape with its number; two halves are one."""
        code = int(found[1] or found[2] or found[3], 16)
        low = self._match(_LOW_HALF) if found[2] and code in _HIGH_HALVES else None
        if low:
            return _BEYOND_BMP + ((code - _HIGH_HALVES.start) << 10) + int(low[1], 16) - _LOW_HALVES.start
        if code in _HIGH_HALVES or code in _LOW_HALVES:
            raise UntranslatableError("half a character, as only UTF-16 has it")
        if code > sys.maxunicode:
            raise NotEcmaError(f"the escape \\{found[0]}, beyond Unicode")
        return code

    # Classes

    def _class(self) -> str:
        negated = self._take("^")
        begin, found = self.at, list[tuple[int, int]]()
        while not self._take("]"):
            if self.at == len(self._pattern):
                raise NotEcmaError("a [ without its ]")
            found += self._class_ranges()
        if "[" in self._pattern[begin : self.at] and _SET_OPERATION.search(self._pattern, begin - 1, self.at + 3):
            raise UntranslatableError("an operation on sets, which needs the flag v")
        if _POSIX_CLASS.search(self._pattern, begin - 1, self.at):
            raise UntranslatableError("a class of POSIX, which is none of ECMA-262")
        made = _Class(found, negated)
        self._sample(made.ranges())
        return made.text()

    def _class_ranges(self) -> Ranges:
        first = self._class_atom()
        dash = self.at
        if not self._take("-") or self._pattern.startswith("]", self.at):
            self.at = dash
            return _ranges_of(first)
        if self.at == len(self._pattern):
            raise NotEcmaError("a [ without its ]")
        last = self._class_atom()
        if isinstance(first, int) and isinstance(last, int):
            if first > last:
                raise NotEcmaError(f"a range out of order, {visible(self._pattern[dash - 1 : self.at])}")
            return [(first, last)]
        return [*_ranges_of(first), (0x2D, 0x2D), *_ranges_of(last)]

    def _class_atom(self) -> int | _Class:
        character = self._next()
        if character != "\\":
            return ord(character)
        return 0x08 if self._take("b") else self._one()

    def _sample(self, found: Ranges) -> None:
        """Keep a few of these characters: the first and last of the first and last ranges."""
        self.samples += [chr(code) for pair in (*found[:2], *found[-1:]) for code in pair]


def _ranges_of(item: int | _Class) -> Ranges:
    return item.ranges() if isinstance(item, _Class) else [(item, item)]


def _property(expression: str) -> Ranges:
    from glmcli.documents import unicode_properties

    lookup: Callable[[str], Ranges] = unicode_properties.ranges
    try:
        return lookup(expression)
    except KeyError as error:
        raise UntranslatableError(f"the property {expression}, which is not known here") from error

r"""A search for words of which any character may be encoded: `/` as `%2F`, `\\/`, `\u002f`, `&sol;`, `&#x2f;`. Pure.

The encodings of a whole key cannot be listed, for encoders differ in which characters they encode. So each character
is accepted in any of its forms. Trying that at every position would be slow; but a word that is not written literally
has a first encoded character: the word is literal before it, and its form begins with a sign, one of a few characters.
So a word is tried only at signs whose neighbours fit it.
"""

from __future__ import annotations

import re
from functools import cache
from string import ascii_letters, digits, hexdigits
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MAX_BACKSLASHES = 15  # before a character: JSON in JSON, four times over
_MAX_FORM = 20  # characters of a form, without those backslashes
_ASCII, _PLANE = 0x80, 0x10000
# The names of HTML 5 for what is neither letter nor digit.
_NAMED = {
    "!": "excl", '"': "quot", "#": "num", "$": "dollar", "%": "percnt", "&": "amp", "'": "apos", "(": "lpar",
    ")": "rpar", "*": "ast", "+": "plus", ",": "comma", ".": "period", "/": "sol", ":": "colon", ";": "semi",
    "<": "lt", "=": "equals", ">": "gt", "?": "quest", "@": "commat", "[": "lsqb", "\\": "bsol", "]": "rsqb",
    "^": "Hat", "_": "lowbar", "`": "grave", "{": "lcub", "|": "vert", "}": "rcub",
}  # fmt: skip
_SYNONYMS = {
    "[": "lbrack", "]": "rbrack", "{": "lbrace", "}": "rbrace", "|": "verbar", "*": "midast", '"': "QUOT", "&": "AMP",
    "<": "LT", ">": "GT",
}  # fmt: skip


def names(character: str) -> list[str]:
    """The names of a character in HTML."""
    return [named[character] for named in (_NAMED, _SYNONYMS) if character in named]


@cache
def encoded(character: str) -> tuple[str, ...]:
    """The character itself, and its forms in a URL (encoded once or twice), in HTML, and inside quotes of a shell."""
    forms = {character, *(f"&{name};" for name in names(character))}
    data = character.encode(errors="surrogateescape")
    for sign in ("%", "%25"):
        forms |= {"".join(f"{sign}{byte:02{case}}" for byte in data) for case in "xX"}
    code = ord(character)
    forms |= {f"&#{code};", f"&#{code:03};", f"&#{code:04};"}
    forms |= {f"&#{x}{code:{width}{case}};" for x in "xX" for width in ("", "04") for case in "xX"}
    if character == "'":
        forms |= {"'\\''", "'\"'\"'"}
    return tuple(sorted(forms))


@cache
def escaped(character: str) -> tuple[str, ...]:
    """The forms that need a backslash before them, without it."""
    code = ord(character)
    # Beyond the first plane, JSON writes a surrogate pair.
    units = [code] if code < _PLANE else [0xD7C0 + (code >> 10), 0xDC00 + (code & 0x3FF)]
    forms = {"\\".join(f"u{unit:04{case}}" for unit in units) for case in "xX"}
    if code < _ASCII:
        forms |= {f"x{code:02{case}}" for case in "xX"}
    return tuple(sorted(forms))


@cache
def _by_sign(character: str, is_escaped: bool) -> dict[str, list[str]]:
    """All forms of a character, with or without those that follow a backslash, by their first character."""
    by_sign: dict[str, list[str]] = {}
    for form in (*encoded(character), *(escaped(character) if is_escaped else ())):
        by_sign.setdefault(form[0], []).append(form)
    return by_sign


def read(text: str, begin: int, word: str) -> tuple[int | None, int | None]:
    """Where the word ends if it begins here, in any forms of its characters; None if it does not begin here.

    And, if `text` ends within the word, how many of its characters are there; else None.
    """
    places, cut = {begin}, None
    for count, character in enumerate(word):
        behind: set[int] = set()
        for place in places:
            ends, is_cut = read_character(text, place, character)
            behind |= ends
            cut = count if is_cut else cut
        places = behind
        if not places:
            return None, cut
    return max(places), cut


def read_character(text: str, place: int, character: str) -> tuple[set[int], bool]:
    """Where a character that begins here may end, in every reading; and whether `text` ends within it."""
    behind = place
    while text.startswith("\\", behind) and behind < place + _MAX_BACKSLASHES:
        behind += 1
    ends = set(range(place + 1, behind + 1)) if character == "\\" else set()
    if behind == len(text):
        return ends, True
    left, is_cut = len(text) - behind, False
    for form in _by_sign(character, behind > place).get(text[behind], ()):
        if text.startswith(form, behind):
            ends.add(behind + len(form))
        elif left < len(form) and form.startswith(text[behind:]):
            is_cut = True
    return ends, is_cut


_NEVER = "(?!)"  # a pattern that matches nothing
_SIGNS = "%&\\"  # what an encoded character begins with; the apostrophe, where a word holds one, in a shell too
# What may follow the last sign of a text, besides a piece of a word.
_FOLLOWING = {"%": hexdigits, "&": f"#{ascii_letters}", "\\": "ux", "'": '"'}

Span = tuple[int, int]


class EncodedSearch:
    """Words that are searched for together."""

    def __init__(self) -> None:
        """Start without words."""
        self._words: list[str] = []
        self._signs = ""
        # If the text ends within a word, the last sign of that is at most this many characters before the end.
        self._reach = 0
        self._index: _EncodedIndex | None = None

    def add(self, words: Iterable[str]) -> None:
        """Search for these too; each has two characters or more."""
        self._words += words
        self._signs = _SIGNS + ("'" if any("'" in word for word in self._words) else "")
        self._reach = max(map(len, self._words)) + _MAX_FORM
        self._index = None

    def _indexed(self) -> _EncodedIndex:
        index = self._index
        if index is None:
            index = self._index = _EncodedIndex(self._words, self._signs)
        return index

    def find(self, text: str) -> Iterator[Span]:
        """Begin and end of every occurrence with at least one encoded character."""
        for sign in self._signs:
            if sign not in text:
                continue
            index = self._indexed()
            for match in index.encoded[sign].finditer(text):
                for begin, word in index.begins(text, match.start(), is_first=match.lastindex is not None):
                    end, _ = read(text, begin, word)
                    if end:
                        yield begin, end

    def partial(self, text: str) -> list[Span]:
        """For each word that `text` may end within: where it begins, and how many of its characters are there."""
        tail = text[-self._reach :]
        for sign in self._signs:
            if sign in tail:
                return list(self._partial(text, self._indexed()))
        return []

    def _partial(self, text: str, index: _EncodedIndex) -> Iterator[Span]:
        tail = text[-index.reach :]
        start = len(text) - len(tail) + len(tail.rstrip(index.alphabet))
        last = max(text.rfind(sign, start) for sign in self._signs)
        if last < 0 or not index.may_end(text[last], text[last + 1 :]):
            return
        for match in index.sign.finditer(text, start):
            for begin, word in index.begins(text, match.start(), is_first=True):
                _, count = read(text, begin, word)
                if count is not None:
                    yield begin, count


class _EncodedIndex:
    """The words, prepared for searching.

    Attributes:
        reach: a word that a text ends within begins at most this many characters before its end.
        alphabet: every character of every form of a word.
        encoded: by sign, a pattern that matches it where an encoded character of a word may begin, behind what may be
            the part of the word before it; with a group where it may be the first character.
        sign: the same, in a text that may end anywhere.
    """

    def __init__(self, words: list[str], signs: str) -> None:
        self.reach = max(map(len, words)) * (_MAX_BACKSLASHES + _MAX_FORM)
        self.alphabet = "".join(
            {*ascii_letters, *digits, *signs, "#", ";", *('"' if "'" in signs else ""), *"".join(words)}
        )
        self.encoded = {sign: re.compile(pattern, re.DOTALL) for sign, pattern in _encoded(words).items()}
        self.sign = re.compile(_sign(words, signs))
        self._joined = "\n".join(words)
        self._firsts: dict[str, list[str]] = {}
        self._before: dict[str, list[tuple[str, int]]] = {}
        for word in words:
            self._firsts.setdefault(word[0], []).append(word)
            for count in range(1, len(word)):
                self._before.setdefault(word[max(count - 2, 0) : count], []).append((word, count))

    def may_end(self, sign: str, behind: str) -> bool:
        """Whether a text may end within a word, by its last sign and what follows that."""
        return behind in self._joined or behind[0] in _FOLLOWING[sign]

    def begins(self, text: str, place: int, *, is_first: bool) -> list[tuple[int, str]]:
        """Begin and word, for each word whose first encoded character may stand at this place.

        With `is_first`, that may be the very first character of the word.
        """
        found: list[tuple[int, str]] = []
        if is_first:
            for character, words in self._firsts.items():
                if any(read_character(text, place, character)):
                    found += [(place, word) for word in words]
        before = text[max(place - 2, 0) : place]
        for word, count in (*self._before.get(before, ()), *self._before.get(before[-1:], ())):
            if text.endswith(word[:count], 0, place) and any(read_character(text, place, word[count])):
                found.append((place - count, word))
        return found


def _sign(words: list[str], signs: str) -> str:
    """A pattern for any sign; of a run of backslashes only the last few count, for no other character begins before."""
    if any("\\" in word for word in words):
        return _one_of(signs)
    return rf"\\(?=\\{{0,{_MAX_BACKSLASHES - 1}}}+(?:[^\\]|\Z))|{_one_of(signs.replace(chr(92), ''))}"


def _encoded(words: list[str]) -> dict[str, str]:
    """By sign, a pattern for the places that `_EncodedIndex.begins` can use, and few more: it looks around the sign."""
    first = _FormPatterns({word[0] for word in words}, words)
    later = _FormPatterns(set().union(*(word[1:] for word in words)), words)
    before = _one_of(set().union(*(word[:-1] for word in words)))
    kinds = zip(_SIGNS + "'", first.following, later.following, strict=True)
    return {sign: rf"{re.escape(sign)}(?:(?=({early}))|(?<={before}.)(?={late}))" for sign, early, late in kinds}


class _FormPatterns:
    """Patterns for what follows the sign with which the form of one of these characters begins.

    Attributes:
        following: one for each of the signs, and for the apostrophe.
    """

    def __init__(self, characters: set[str], words: list[str]) -> None:
        self._characters = characters
        codes = sorted(map(ord, characters))
        self._is_ascii = codes[-1] < _ASCII
        self._code = _hex(codes) if self._is_ascii else "[0-9a-fA-F]{2}"
        percent, named, quoted = f"(?:25)?{self._code}", self._named(codes), r"[\\\"]" if "'" in characters else _NEVER
        self.following = (percent, named, self._escaped(words, f"%{percent}|&{named}|'{quoted}"), quoted)

    def _named(self, codes: list[int]) -> str:
        numbers = "#"
        if self._is_ascii:
            numbers = f"#0{{0,2}}(?:{'|'.join(map(str, codes))});|#[xX]0{{0,2}}{self._code};"
        known = [name for character in sorted(self._characters) for name in names(character)]
        return f"(?:{numbers}{''.join(f'|{name};' for name in known)})"

    def _escaped(self, words: list[str], others: str) -> str:
        if "\\" in self._characters:
            return ""
        following = _one_of({*_SIGNS, "'"}.union(*(word[1:] for word in words)))
        plain = f"{_one_of(self._characters)}(?={following})"
        if last := {word[-1] for word in words} & self._characters:
            # After a single backslash, the character before that one is checked; longer runs are rare.
            plain += rf"|(?<={_one_of({chr(92), *(word[-2] for word in words)})}\\){_one_of(last)}"
        code = f"u00{self._code}|x{self._code}" if self._is_ascii else "u|x"
        return rf"\\{{0,{_MAX_BACKSLASHES - 1}}}+(?:{plain}|{code}|{others})"


def _hex(codes: list[int]) -> str:
    """A pattern for one of these bytes as two hexadecimal digits."""
    by_first: dict[str, set[str]] = {}
    for code in codes:
        by_first.setdefault(f"{code >> 4:x}", set()).update((f"{code & 15:x}", f"{code & 15:X}"))
    return f"(?:{'|'.join(digit + _one_of(others) for digit, others in by_first.items())})"


def _one_of(characters: Iterable[str]) -> str:
    return f"[{''.join(map(re.escape, sorted(characters)))}]"

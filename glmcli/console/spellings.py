r"""A text in which any character may be encoded: `/` as `%2F`, `\\/`, `\u002f`, `&sol;`, `&#47;`, `&#x2f;`. Pure.

Nobody can list all spellings of a key: some encoders leave a character as it is that others do not. So each character
is read in whatever form it stands.
"""

from __future__ import annotations

import re
from functools import cache
from string import ascii_letters, digits, hexdigits
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DEEPEST = 15  # backslashes before a character: JSON in JSON, four times over
LONGEST = 20  # characters of a form, without those backslashes
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
    """What HTML calls the character."""
    return [named[character] for named in (_NAMED, _SYNONYMS) if character in named]


@cache
def encoded(character: str) -> tuple[str, ...]:
    """The character as it is, in a URL (once or twice encoded), in HTML, and inside quotes of a shell."""
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
    """What may stand behind a backslash, besides the forms that need none."""
    code = ord(character)
    # JSON cuts what lies beyond the first plane in two.
    units = [code] if code < _PLANE else [0xD7C0 + (code >> 10), 0xDC00 + (code & 0x3FF)]
    forms = {"\\".join(f"u{unit:04{case}}" for unit in units) for case in "xX"}
    if code < _ASCII:
        forms |= {f"x{code:02{case}}" for case in "xX"}
    return tuple(sorted(forms))


@cache
def _by_sign(character: str, is_escaped: bool) -> dict[str, list[str]]:
    """All forms that may stand behind no backslash, or behind some, by their first character."""
    by_sign: dict[str, list[str]] = {}
    for form in (*encoded(character), *(escaped(character) if is_escaped else ())):
        by_sign.setdefault(form[0], []).append(form)
    return by_sign


def read(text: str, begin: int, word: str) -> tuple[int | None, int | None]:
    """Where the word ends, if it begins here, in whatever forms its characters stand.

    And how many of its characters are read when `text` ends, if that may be too soon.
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
    """Where the character ends, in every reading, if it stands at this place; and whether `text` ends within it."""
    behind = place
    while text.startswith("\\", behind) and behind < place + DEEPEST:
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


# Words to be found however their characters are encoded, at a small part of the price of reading each at each place.
#
# In a word that is not written as it is, some character is the first that is encoded: before it stands a plain
# beginning of the word, and it begins with one of a few signs. So it is read only where such a
# sign fits what is around it. Pure.

_ASCII_END = 0x80
_NEVER = "(?!)"
_SIGNS = "%&\\"  # what an encoded character begins with; the apostrophe, where a word holds one, in a shell too
# What may stand behind the last sign of a text, besides a piece of a word.
_BEHIND = {"%": hexdigits, "&": f"#{ascii_letters}", "\\": "ux", "'": '"'}

Span = tuple[int, int]


class Spellings:
    """Words that are looked for together."""

    def __init__(self) -> None:
        """Look for nothing yet."""
        self._words: list[str] = []
        self._signs = ""
        # So many characters before the end of a text, at the most, stands the last sign of a word that is cut there.
        self._reach = 0
        self._index: _Index | None = None

    def add(self, words: Iterable[str]) -> None:
        """Look for these too, of two characters at least."""
        self._words += words
        self._signs = _SIGNS + ("'" if any("'" in word for word in self._words) else "")
        self._reach = max(map(len, self._words)) + LONGEST
        self._index = None

    def _indexed(self) -> _Index:
        index = self._index
        if index is None:
            index = self._index = _Index(self._words, self._signs)
        return index

    def find(self, text: str) -> Iterator[Span]:
        """Where they stand with a character encoded: begin and end."""
        for sign in self._signs:
            if sign not in text:
                continue
            index = self._indexed()
            for match in index.encoded[sign].finditer(text):
                for begin, word in index.begins(text, match.start(), is_first=match.lastindex is not None):
                    end, _ = read(text, begin, word)
                    if end:
                        yield begin, end

    def begun(self, text: str) -> list[Span]:
        """Where one may begin, with a character encoded, that `text` ends within; and how much of it is read then."""
        tail = text[-self._reach :]
        for sign in self._signs:
            if sign in tail:
                return list(self._begun(text, self._indexed()))
        return []

    def _begun(self, text: str, index: _Index) -> Iterator[Span]:
        tail = text[-index.farthest :]
        start = len(text) - len(tail) + len(tail.rstrip(index.alphabet))
        last = max(text.rfind(sign, start) for sign in self._signs)
        if last < 0 or not index.may_end(text[last], text[last + 1 :]):
            return
        for match in index.sign.finditer(text, start):
            for begin, word in index.begins(text, match.start(), is_first=True):
                _, count = read(text, begin, word)
                if count is not None:
                    yield begin, count


class _Index:
    """What is looked up.

    Attributes:
        farthest: so many characters before the end of a text may such a word begin.
        alphabet: every character of every form of a word.
        encoded: by sign, matches it where a character of a word may stand encoded, behind what may be the part before
            it; with a group where it may be the first character.
        sign: the same, in a text that may end anywhere.
    """

    def __init__(self, words: list[str], signs: str) -> None:
        self.farthest = max(map(len, words)) * (DEEPEST + LONGEST)
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
        """Whether a text may end within a word if this is its last sign and what follows it."""
        return behind in self._joined or behind[0] in _BEHIND[sign]

    def begins(self, text: str, place: int, *, is_first: bool) -> list[tuple[int, str]]:
        """Where a word may begin whose first encoded character stands at this place, and which.

        With `is_first`, that may be the first character of the word too.
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
    """A run of backslashes is never given back: no character but their own begins before the last so many of them."""
    if any("\\" in word for word in words):
        return _one_of(signs)
    return rf"\\(?=\\{{0,{DEEPEST - 1}}}+(?:[^\\]|\Z))|{_one_of(signs.replace(chr(92), ''))}"


def _encoded(words: list[str]) -> dict[str, str]:
    """All places that `_Index.begins` can use, and few more: what is around a sign is looked at too."""
    first, later = _Forms({word[0] for word in words}, words), _Forms(set().union(*(word[1:] for word in words)), words)
    before = _one_of(set().union(*(word[:-1] for word in words)))
    kinds = zip(_SIGNS + "'", first.behind, later.behind, strict=True)
    return {sign: rf"{re.escape(sign)}(?:(?=({early}))|(?<={before}.)(?={late}))" for sign, early, late in kinds}


class _Forms:
    """Patterns for what stands behind the sign by which one of these characters is encoded.

    Attributes:
        behind: for each of the signs, and the apostrophe.
    """

    def __init__(self, characters: set[str], words: list[str]) -> None:
        self._characters = characters
        codes = sorted(map(ord, characters))
        self._is_ascii = codes[-1] < _ASCII_END
        self._code = _hex(codes) if self._is_ascii else "[0-9a-fA-F]{2}"
        percent, named, quoted = f"(?:25)?{self._code}", self._named(codes), r"[\\\"]" if "'" in characters else _NEVER
        self.behind = (percent, named, self._escaped(words, f"%{percent}|&{named}|'{quoted}"), quoted)

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
            # Behind a single backslash, it follows the one before it; longer runs are rare.
            plain += rf"|(?<={_one_of({chr(92), *(word[-2] for word in words)})}\\){_one_of(last)}"
        code = f"u00{self._code}|x{self._code}" if self._is_ascii else "u|x"
        return rf"\\{{0,{DEEPEST - 1}}}+(?:{plain}|{code}|{others})"


def _hex(codes: list[int]) -> str:
    """Matches one of these bytes as two digits."""
    by_first: dict[str, set[str]] = {}
    for code in codes:
        by_first.setdefault(f"{code >> 4:x}", set()).update((f"{code & 15:x}", f"{code & 15:X}"))
    return f"(?:{'|'.join(digit + _one_of(others) for digit, others in by_first.items())})"


def _one_of(characters: Iterable[str]) -> str:
    return f"[{''.join(map(re.escape, sorted(characters)))}]"

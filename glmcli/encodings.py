r"""A text in which any character may be encoded: `/` as `%2F`, `\/`, `\u002f`, `&sol;`, `&#47;`, `&#x2f;`. Pure.

Nobody can list all spellings of a key: some encoders leave a character as it is that others do not. So each character
is read in whatever form it stands.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEEPEST = 15  # backslashes before a character: JSON in JSON, four times over
_LONGEST = 20  # characters of a form, without those backslashes
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


def may_encode(text: str) -> bool:
    """Whether the text holds anything by which a character can be encoded."""
    return any(sign in text for sign in "%&\\'")


@cache
def _forms(character: str) -> tuple[str, ...]:
    """The character as it is, in a URL (once or twice encoded), in HTML, and inside quotes of a shell."""
    forms = {character}
    data = character.encode(errors="surrogateescape")
    for sign in ("%", "%25"):
        forms |= {"".join(f"{sign}{byte:02{case}}" for byte in data) for case in "xX"}
    code = ord(character)
    forms |= {f"&#{code};", f"&#{code:03};", f"&#{code:04};"}
    forms |= {f"&#{x}{code:{width}{case}};" for x in "xX" for width in ("", "04") for case in "xX"}
    forms |= {f"&{names[character]};" for names in (_NAMED, _SYNONYMS) if character in names}
    if character == "'":
        forms |= {"'\\''", "'\"'\"'"}
    return tuple(sorted(forms))


@cache
def _escaped(character: str) -> tuple[str, ...]:
    """What may stand behind a backslash, besides the forms that need none."""
    code = ord(character)
    # JSON cuts what lies beyond the first plane in two.
    units = [code] if code < _PLANE else [0xD7C0 + (code >> 10), 0xDC00 + (code & 0x3FF)]
    forms = {"\\".join(f"u{unit:04{case}}" for unit in units) for case in "xX"}
    if code < _ASCII:
        forms |= {f"x{code:02{case}}" for case in "xX"}
    return tuple(sorted(forms))


def _pattern(character: str) -> str:
    r"""Matches at least what `_ends` reads: the run of backslashes is never given back, unless one is the character."""
    forms = "|".join(map(re.escape, (*_forms(character), *_escaped(character))))
    return rf"\\{{0,{_DEEPEST}}}{'' if character == chr(92) else '+'}(?:{forms})"


class Spelling:
    """A text to be found however its characters are encoded."""

    def __init__(self, text: str) -> None:
        """Find this text, of two characters at least."""
        self._text = text
        self._begin: re.Pattern[str] | None = None
        self._first = re.compile(f"[%&'{re.escape(chr(92) + text[0])}]")

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Where it stands: begin and end."""
        if self._begin is None:
            self._begin = re.compile(f"(?={_pattern(self._text[0])}{_pattern(self._text[1])})")
        for match in self._begin.finditer(text):
            end, _ = self._read(text, match.start())
            if end:
                yield match.start(), end

    def begun(self, text: str) -> Iterator[tuple[int, int]]:
        """Each place where it may begin and `text` ends too soon, and how much of it is read until then."""
        farthest = len(self._text) * (_DEEPEST + _LONGEST)
        for match in self._first.finditer(text, max(len(text) - farthest, 0)):
            _, count = self._read(text, match.start())
            if count is not None:
                yield match.start(), count

    def _read(self, text: str, begin: int) -> tuple[int | None, int | None]:
        """Where it ends, if it begins here; and how much of it is read when `text` ends, if that may be too soon."""
        places, cut = {begin}, None
        for count, character in enumerate(self._text):
            behind: set[int] = set()
            for place in places:
                ends, is_cut = _ends(text, place, character)
                behind |= ends
                cut = count if is_cut else cut
            places = behind
            if not places:
                return None, cut
        return max(places), cut


def _ends(text: str, place: int, character: str) -> tuple[set[int], bool]:
    """Where the character ends, in every reading, if it stands at this place; and whether `text` ends within it."""
    behind = place
    while behind < len(text) and text[behind] == "\\" and behind < place + _DEEPEST:
        behind += 1
    ends = set(range(place + 1, behind + 1)) if character == "\\" else set()
    left, is_cut = len(text) - behind, False
    for form in (*_forms(character), *(_escaped(character) if behind > place else ())):
        if text.startswith(form, behind):
            ends.add(behind + len(form))
        elif left < len(form) and form.startswith(text[behind:]):
            is_cut = True
    return ends, is_cut

r"""A text in which any character may be encoded: `/` as `%2F`, `\/`, `\u002f`, `&sol;`, `&#47;`, `&#x2f;`. Pure.

Nobody can list all spellings of a key: some encoders leave a character as it is that others do not. So each character
is read in whatever form it stands.
"""

from __future__ import annotations

from functools import cache

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

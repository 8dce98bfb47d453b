"""Keys, and the promise that none of them leaves by any door but the Authorization header.

Redaction is by value, not by name or pattern: every key that was read is looked for in everything that is printed or
written, as it is, base64-encoded and URL-encoded.
"""

from __future__ import annotations

import re
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote

from glmcli.record import Record

MASK = "***"
_SHORTEST = 8  # characters; a shorter "key" would blank out ordinary words
_LEGAL = re.compile(r"[\x21-\x7e]+")


class Key(Record):
    """A key and the variable that a printed command names in its place; the repr shows the variable only."""

    value: str
    variable: str
    _hidden = ("value",)


def illegal_character(key: str) -> int | None:
    """Position (from 1) of the first character that an HTTP header cannot carry in a key, or None."""
    match = _LEGAL.match(key)
    end = match.end() if match else 0
    return end + 1 if end < len(key) or not key else None


def _forms(key: str) -> set[str]:
    in_json = key.replace("\\", "\\\\").replace('"', '\\"')
    return {key, in_json, quote(key, safe=""), *_base64_forms(key.encode())}


def _base64_forms(key: bytes) -> set[str]:
    """The key in base64, alone, and at each of the three places where it may begin in a longer text."""
    forms = {b64encode(key).decode().rstrip("="), urlsafe_b64encode(key).decode().rstrip("=")}
    for before in range(3):
        for encoder in (b64encode, urlsafe_b64encode):
            text = encoder(b"\0" * before + key).decode().rstrip("=")
            begin = (before * 8 + 5) // 6
            end = (before + len(key)) * 8 // 6
            forms.add(text[begin:end])
    return forms


class Redactor:
    """Replaces every known key of at least eight characters in a text by `***`."""

    def __init__(self) -> None:
        """Know no key yet: they are added as they are read."""
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, key: str) -> None:
        """Look for this key from now on, in all its forms."""
        if len(key) < _SHORTEST:
            return
        self._forms |= _forms(key)
        longest_first = sorted(self._forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(re.escape(form) for form in longest_first))

    def text(self, text: str) -> str:
        """The text without keys."""
        return self._pattern.sub(MASK, text) if self._pattern else text

    def settled(self, text: str) -> int:
        """How many characters of `text` stay what they are, whatever follows: the rest may begin a key.

        A form may be the beginning of a longer one, and the end of a form the beginning of another.
        """
        if self._pattern is None:
            return len(text)
        settled = len(text) - max(overlap(text, form) for form in self._forms)
        for match in self._pattern.finditer(text):
            if match.start() < settled < match.end():
                settled = match.end()
        return settled


def overlap(text: str, form: str) -> int:
    """How many characters at the end of `text` may begin `form`; a whole form is not counted."""
    for length in range(min(len(form) - 1, len(text)), 0, -1):
        if text.endswith(form[:length]):
            return length
    return 0


class StreamRedactor:
    """Redacts a text that comes in pieces: a key cut over two pieces does not pass."""

    def __init__(self, redactor: Redactor) -> None:
        """Share the keys of `redactor`."""
        self._redactor = redactor
        self._held = ""

    def push(self, text: str) -> str:
        """What may be shown now; the possible beginning of a key is held back."""
        text = self._held + text
        settled = self._redactor.settled(text)
        self._held = text[settled:]
        return self._redactor.text(text[:settled])

    def flush(self) -> str:
        """What was held back: no whole key, but most of one is not shown either."""
        held, self._held = self._held, ""
        return held if len(held) < _SHORTEST else MASK

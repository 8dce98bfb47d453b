"""Redaction: no key leaves the program except in its Authorization header.

Keys are found by their value, not by names or patterns: every known key is searched for in all that is printed or
written, as it is, in base64 and hex, and with any of its characters encoded (glmcli.console.encoded_search).
"""

from __future__ import annotations

import re
import sys
from base64 import b64encode, urlsafe_b64encode
from typing import TYPE_CHECKING

from glmcli.console.encoded_search import EncodedSearch
from glmcli.console.string_search import StringSearch
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from glmcli.console.string_search import Span

MASK = "***"
# Where the provider rows look for keys, and the one that belongs to GLM_PROVIDER. To import the rows would cost more
# than all else that happens before the first argument is read; a test keeps the two equal.
VARIABLES = (
    "GLM_API_KEY",
    "BIGMODEL_API_KEY",
    "ZHIPUAI_API_KEY",
    "ZHIPU_API_KEY",
    "ZAI_API_KEY",
    "DASHSCOPE_API_KEY",
    "TOKENHUB_API_KEY",
    "OPENAI_API_KEY",
)
_MIN_KEY = 8  # characters; a shorter "key" would blank out ordinary words
_EXCERPT = 40  # characters of a foreign word that messages show; see glmcli.documents
_MIN_EXCERPT = 5  # characters; four tell a person which key it was
_LEGAL = re.compile(r"[\x21-\x7e]+")
_ELISION = r"(\*{2,}|\.{3,}|…)"


class Key(Record):
    """A key, and the variable that a printed command names in its place; the repr shows the variable only.

    Attributes:
        loopback_only: it is sent in the clear, so only to a peer that is this machine.
    """

    value: str
    variable: str
    loopback_only: bool = False
    _hidden = ("value",)


def illegal_character(key: str) -> int | None:
    """Position (from 1) of the first character of a key that an HTTP header cannot carry, or None."""
    match = _LEGAL.match(key)
    end = match.end() if match else 0
    return end + 1 if end < len(key) or not key else None


def _forms(key: str) -> list[str]:
    data = key.encode(errors="surrogateescape")
    return [key, data.hex(), data.hex().upper(), *_base64_forms(data)]


def _base64_forms(key: bytes) -> set[str]:
    """The key in base64, alone, and at each of the three offsets at which it may begin in a longer text."""
    forms = {b64encode(key).decode().rstrip("="), urlsafe_b64encode(key).decode().rstrip("=")}
    for before in range(3):
        for encoder in (b64encode, urlsafe_b64encode):
            text = encoder(b"\0" * before + key).decode().rstrip("=")
            begin = (before * 8 + 5) // 6
            end = (before + len(key)) * 8 // 6
            forms.add(text[begin:end])
    return forms


def _without_end(text: str, key: str) -> str:
    """The text with a mask for the beginning of the key that it ends with, if that is no word of a few characters."""
    shown = next((size for size in range(len(key), _MIN_EXCERPT - 1, -1) if text.endswith(key[:size])), 0)
    return text[: len(text) - shown] + MASK if shown else text


def _without_beginnings(text: str, key: str) -> str:
    """The text with a mask for each beginning of the key that is too long for an ordinary word."""
    at = text.find(key[:_MIN_KEY])
    while at >= 0:
        shown = next(size for size in range(len(key), 0, -1) if text.startswith(key[:size], at))
        text = text[:at] + MASK + text[at + shown :]
        at = text.find(key[:_MIN_KEY], at + len(MASK))
    return text


class Redactor:
    """Replaces every known key of at least eight characters by `***`."""

    def __init__(self) -> None:
        """Start without keys: they are added as they are read."""
        self._keys: set[str] = set()
        self._names = set(VARIABLES)
        self._forms = StringSearch()
        self._encoded = EncodedSearch()
        self._shortest = sys.maxsize

    def add(self, key: str) -> None:
        """Redact this key from now on, in all its forms, and the beginnings of it that our own code makes.

        The parser of flags cuts at the first `=`, and messages show only the beginning of a foreign word. The name of a
        variable is none: whoever sets one to `NAME=KEY` is told which.
        """
        for piece in (key, key.partition("=")[0], key[:_EXCERPT]):
            if len(piece) >= _MIN_KEY and piece not in self._keys and piece.strip() not in self._names:
                self._add(piece)

    def _add(self, key: str) -> None:
        self._keys.add(key)
        forms = _forms(key)
        self._forms.add(forms)
        # Nobody encodes letters and digits, so of the other forms only those with more than these are searched for.
        self._encoded.add(form for form in forms if form == key or not form.isalnum())
        self._shortest = min(map(len, self._keys))

    def add_variables(self, names: Collection[str], environment: Mapping[str, str]) -> None:
        """Redact the values of these variables."""
        self._names.update(names)
        for name in names:
            self.add(environment.get(name, "").strip())

    def text(self, text: str) -> str:
        """The text without keys."""
        pieces, end_before = [], 0
        for begin, end in self._spans(text):
            pieces += [text[end_before:begin], MASK]
            end_before = end
        return "".join([*pieces, text[end_before:]]) if pieces else text

    def error(self, text: str) -> str:
        """The text of an error without keys, and without what servers show of one: its ends, dots or stars between.

        OpenAI's "Incorrect API key provided: sk-proj-****wxyz", LiteLLM's "Received API Key = sk-...wxyz" (2026). Ends
        of eight characters go without dots and stars too.
        """
        text = self.text(text)
        for key in self._keys:
            text = _without_beginnings(_without_beginnings(text, key)[::-1], key[::-1])[::-1]
        if "**" not in text and "..." not in text and "…" not in text:
            return text
        for key in self._keys:
            if key[:_MIN_EXCERPT] in text or key[-_MIN_EXCERPT:] in text:
                pieces = re.split(_ELISION, text)  # every second one is an elision
                pieces[:-1:2] = [_without_end(piece, key) for piece in pieces[:-1:2]]
                pieces[2::2] = [_without_end(piece[::-1], key[::-1])[::-1] for piece in pieces[2::2]]
                text = "".join(pieces)
        return text

    def _spans(self, text: str) -> list[Span]:
        """Begin and end of the keys, in order; overlapping ones are merged."""
        merged: list[Span] = []
        if len(text) < self._shortest:
            return merged  # no form is shorter than its key
        for begin, end in sorted([*self._forms.find(text), *self._encoded.find(text)]):
            if merged and begin < merged[-1][1]:
                merged[-1] = merged[-1][0], max(end, merged[-1][1])
            else:
                merged.append((begin, end))
        return merged

    def settled(self, text: str) -> int:
        """How many characters of `text` can be redacted now, whatever follows: the rest may be the beginning of a key.

        A form may be the beginning of a longer one, and the end of a form the beginning of another.
        """
        settled = len(text) - self._forms.overlap(text)
        for begin, _ in self._encoded.partial(text):
            settled = min(settled, begin)
        if settled == len(text):
            return settled
        return next((end for begin, end in self._spans(text) if begin < settled < end), settled)

    def partial(self, text: str) -> int:
        """The most characters of a key that `text` may end with."""
        return max(self._forms.overlap(text), *(count for _, count in self._encoded.partial(text)), 0)


class StreamRedactor:
    """Redacts a text that arrives in pieces: a key that is cut across two pieces does not pass."""

    def __init__(self, redactor: Redactor) -> None:
        """Use the keys of `redactor`."""
        self._redactor = redactor
        self._held = ""

    def push(self, text: str) -> str:
        """What may be shown now; the possible beginning of a key is held back."""
        text = self._held + text
        settled = self._redactor.settled(text)
        self._held = text[settled:]
        return self._redactor.text(text[:settled])

    def flush(self) -> str:
        """What was held back: it is not a whole key, but most of one is not shown either."""
        held, self._held = self._held, ""
        return self._redactor.text(held) if self._redactor.partial(held) < _MIN_KEY else MASK

"""Media in a provider's words: some quote the request that they refuse, and the picture with it. Pure."""

from __future__ import annotations

import re

_LONGEST = 256  # characters of base64 that may stand in a message; no id, digest or signature has more
_LEAST = 32  # characters of a line of base64 that was folded; excerpts have a blank where a line ended
# Base64 in either alphabet, and as JSON (\/) and URLs (%2F) write it.
_DIGIT = r"[A-Za-z0-9+/_=%\\-]"
_DATA = re.compile(
    rf"data:([\w.+-]{{1,64}}(?:\\?/|%2F)[\w.+-]{{1,64}})[\w;=.-]{{0,64}};base64,({_DIGIT}*(?:\s+{_DIGIT}{{{_LEAST},}})*)"
)
_RUN = re.compile(rf"{_DIGIT}{{{_LEAST},}}(?:\s+{_DIGIT}{{{_LEAST},}})*")
_MIXED = (re.compile("[a-z]"), re.compile("[A-Z]"), re.compile("[0-9]"))  # a ruled line or a row of zeros is none


def masked(text: str) -> str:
    """The text with the size of each picture in its place."""
    return _RUN.sub(_unnamed, _DATA.sub(_named, text))


def _named(found: re.Match[str]) -> str:
    kind = found[1].replace("\\", "").replace("%2F", "/")
    return f"<{kind}, about {_size(found[2])} bytes>"


def _unnamed(found: re.Match[str]) -> str:
    text = found[0]
    looks_so = len(text) > _LONGEST and all(kind.search(text) for kind in _MIXED)
    return f"<about {_size(text)} bytes of base64>" if looks_so else text


def _size(text: str) -> int:
    return len("".join(text.split())) * 3 // 4

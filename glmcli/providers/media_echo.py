"""Media in error messages: some providers quote the request that they refuse, with the picture in it. Pure."""

from __future__ import annotations

import re

_MAX_BASE64 = 256  # characters of base64 that a message may contain; no id, digest or signature has more
_MIN_LINE = 32  # characters of a line of base64 that was folded; messages on one line have a blank where a line ended
# Base64 in either alphabet, and as JSON (\/) and URLs (%2F) write it.
_DIGIT = r"[A-Za-z0-9+/_=%\\-]"
_TYPE = r"[\w.+-]{1,64}(?:\\?/|%2F)[\w.+-]{1,64}"
_DATA_URL = re.compile(rf"data:({_TYPE})[\w;=.-]{{0,64}};base64,({_DIGIT}*(?:\s+{_DIGIT}{{{_MIN_LINE},}})*)")
_BASE64 = re.compile(rf"{_DIGIT}{{{_MIN_LINE},}}(?:\s+{_DIGIT}{{{_MIN_LINE},}})*")
_KINDS = (re.compile("[a-z]"), re.compile("[A-Z]"), re.compile("[0-9]"))  # all occur in base64, not in a ruled line


def mask_media(text: str) -> str:
    """The text with the size of each picture, video or file in place of its base64."""
    return _BASE64.sub(_masked_base64, _DATA_URL.sub(_masked_data_url, text))


def _masked_data_url(found: re.Match[str]) -> str:
    media_type = found[1].replace("\\", "").replace("%2F", "/")
    return f"<{media_type}, about {_decoded_size(found[2])} bytes>"


def _masked_base64(found: re.Match[str]) -> str:
    text = found[0]
    is_base64 = len(text) > _MAX_BASE64 and all(kind.search(text) for kind in _KINDS)
    return f"<about {_decoded_size(text)} bytes of base64>" if is_base64 else text


def _decoded_size(base64: str) -> int:
    return len("".join(base64.split())) * 3 // 4

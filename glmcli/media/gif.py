"""GIF: its blocks, up to the second picture. Source: W3C, GIF89a specification."""

from __future__ import annotations

from glmcli.media.looks import Looks

_SCREEN = 13  # bytes of signature and screen descriptor
_PICTURE, _EXTENSION, _TRAILER = 0x2C, 0x21, 0x3B
_CUT = "it has no end (trailer)"


def look(data: bytes) -> Looks:
    """The size of its screen, whether a second picture follows the first, and whether the trailer is there."""
    if len(data) < _SCREEN:
        return Looks("image/gif", "a GIF picture", fault=_CUT)
    pictures, fault = _walk(data)
    what = "an animated GIF" if pictures > 1 else "a GIF picture"
    return Looks("image/gif", what, _number(data, 6), _number(data, 8), pictures > 1, fault)


def _walk(data: bytes) -> tuple[int, str]:
    """How many pictures there are (two stand for more), and what is wrong."""
    at, pictures = _SCREEN + _colours(data[10]), 0
    while at < len(data):
        block = data[at]
        if block == _TRAILER:
            return pictures, ""
        if block == _PICTURE and at + 9 < len(data):
            pictures += 1
            if pictures > 1:
                return pictures, "" if data.rstrip(b"\0").endswith(b";") else _CUT
            at = _past(data, at + 11 + _colours(data[at + 9]))
        elif block == _EXTENSION:
            at = _past(data, at + 2)
        else:
            return pictures, f"there is no block at byte {at}"
    return pictures, _CUT


def _past(data: bytes, at: int) -> int:
    """Behind a row of blocks that each begin with their length; the last is empty."""
    while at < len(data) and data[at]:
        at += 1 + data[at]
    return at + 1


def _colours(flags: int) -> int:
    """Bytes of the colour table that these flags announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "little")

"""PNG: its chunks, by their lengths. Source: W3C PNG, third edition."""

from __future__ import annotations

from glmcli.media.looks import Looks

_FRAME = 12  # bytes of a chunk beside its data: length, name, checksum
_HEADER = 16  # where the width stands, if the header comes first, as it must


def look(data: bytes) -> Looks:
    """The size, whether it is animated (acTL), and whether the last chunk is there."""
    width = height = None
    if data[12:16] == b"IHDR" and len(data) >= _HEADER + 8:
        width, height = _number(data, _HEADER), _number(data, _HEADER + 4)
    at, name, animated = 8, b"", False
    while at + _FRAME <= len(data):
        name = data[at + 4 : at + 8]
        animated |= name == b"acTL"
        at += _FRAME + _number(data, at)
        if name == b"IEND" or at > len(data):
            break
    whole = name == b"IEND" and at <= len(data)
    return Looks("image/png", "a PNG picture", width, height, animated, "" if whole else "it has no end (IEND)")


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")

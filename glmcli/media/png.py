"""PNG: its chunks, by their lengths. Source: W3C PNG, third edition."""

from __future__ import annotations

from glmcli.media.looks import Looks

_FRAME = 12  # bytes of a chunk beside its data: length, name, checksum
_HEADER = 16  # where the width stands, if the header comes first, as it must


def look(data: bytes) -> Looks:
    """The size, whether it is animated (acTL), and whether what every PNG has is there."""
    width = height = None
    if data[12:16] == b"IHDR" and len(data) >= _HEADER + 8:
        width, height = _number(data, _HEADER), _number(data, _HEADER + 4)
    names, at = set[bytes](), 8
    while at + _FRAME <= len(data) and b"IEND" not in names:
        length = _FRAME + _number(data, at)
        if at + length > len(data):
            break
        names.add(data[at + 4 : at + 8])
        at += length
    return Looks("image/png", "a PNG picture", width, height, b"acTL" in names, _fault(names, width, height))


def _fault(names: set[bytes], width: int | None, height: int | None) -> str:
    """Why these chunks are no whole picture."""
    if b"IEND" not in names:
        return "it has no end (IEND)"
    if width is None or height is None:
        return "its header (IHDR) does not come first"
    if not (width and height):
        return f"it says that it has {width}x{height} pixels"
    return "" if b"IDAT" in names else "it has no pixels (IDAT)"


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")

"""WebP: the RIFF size and the first chunk. Source: RFC 9649, section 2."""

from __future__ import annotations

from glmcli.media.looks import Looks

_ANIMATED = 0x02  # of the flags of an extended file


def look(data: bytes) -> Looks:
    """The size, whether it is animated, and whether as many bytes are there as it says."""
    width, height = _size(data)
    animated = data[12:16] == b"VP8X" and len(data) > 20 and bool(data[20] & _ANIMATED)  # noqa: PLR2004 - its flags
    said = _number(data, 4, 4) + 8
    fault = f"it has {len(data)} of {said} bytes" if len(data) < said else ""
    return Looks("image/webp", "an animated WebP" if animated else "a WebP picture", width, height, animated, fault)


def _size(data: bytes) -> tuple[int, int] | tuple[None, None]:
    if len(data) < 30:  # noqa: PLR2004 - the shortest head that says a size, in any of the three forms
        return None, None
    match data[12:16]:
        case b"VP8 ":
            return _number(data, 26, 2) & 0x3FFF, _number(data, 28, 2) & 0x3FFF
        case b"VP8L":
            bits = _number(data, 21, 4)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            return _number(data, 24, 3) + 1, _number(data, 27, 3) + 1
        case _:
            return None, None


def _number(data: bytes, at: int, length: int) -> int:
    return int.from_bytes(data[at : at + length], "little")

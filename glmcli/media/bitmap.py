"""BMP: the file header and the size behind it. Source: Microsoft, "Bitmap Storage" (2021)."""

from __future__ import annotations

from glmcli.media.looks import Looks

_HEADERS = frozenset({40, 52, 56, 64, 108, 124})  # bytes of the header that follows; 12 has short numbers


def look(data: bytes) -> Looks:
    """The size, and whether as many bytes are there as it says; two letters alone are no signature."""
    if len(data) < 26 or (header := _number(data, 14)) not in _HEADERS | {12}:  # noqa: PLR2004 - up to the height
        return Looks()
    if header in _HEADERS:
        width, height = _number(data, 18), abs(int.from_bytes(data[22:26], "little", signed=True))
    else:
        width, height = _number(data, 18, 2), _number(data, 20, 2)
    said = _number(data, 2)
    fault = f"it has {len(data)} of {said} bytes" if len(data) < said else ""
    return Looks("image/bmp", "a BMP picture", width, height, fault=fault)


def _number(data: bytes, at: int, length: int = 4) -> int:
    return int.from_bytes(data[at : at + length], "little")

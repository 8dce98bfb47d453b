"""JPEG: markers up to the first scan, then the end. Source: ITU-T T.81, annex B."""

from __future__ import annotations

from glmcli.media.looks import Looks

_BARE = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without a segment
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # the segment that says the size
_SCAN = 0xDA
_SIZE = 7  # bytes of a frame's segment up to the width


def look(data: bytes) -> Looks:
    """The size, and whether an end follows the first scan. Thumbnails have ends too, but stand before it."""
    sizes: list[tuple[int, int]] = []
    at, fault = 2, "it ends before its first scan"
    while at + 4 <= len(data):
        if data[at] != 0xFF:  # noqa: PLR2004 - what every marker begins with
            fault = f"there is no marker at byte {at}"
            break
        marker = data[at + 1]
        if marker == 0xFF or marker in _BARE:  # noqa: PLR2004 - a fill byte
            at += 1 if marker == 0xFF else 2  # noqa: PLR2004 - the same
            continue
        if marker == _SCAN:
            fault = _fault(sizes) if data.rfind(b"\xff\xd9", at) >= 0 else "it has no end (EOI)"
            break
        if marker in _FRAMES and at + 2 + _SIZE <= len(data):
            sizes.append((_number(data, at + 7), _number(data, at + 5)))
        at += 2 + max(_number(data, at + 2), 2)
    width, height = sizes[0] if sizes else (None, None)
    return Looks("image/jpeg", "a JPEG picture", width, height, fault=fault)


def _fault(sizes: list[tuple[int, int]]) -> str:
    """Why these frames are no picture; T.81 has several only for the hierarchical mode, which nobody reads."""
    if len(sizes) != 1:
        return f"it has {len(sizes)} frames (SOF) before its first scan, not one"
    width, height = sizes[0]
    return "" if width and height else f"it says that it has {width}x{height} pixels"


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")

"""ISO base media files (MP4, QuickTime, HEIC, AVIF): their top boxes, by their lengths. Source: ISO/IEC 14496-12."""

from __future__ import annotations

from glmcli.media.looks import Looks

# The major brand; what is not listed is taken for MP4 (also ISO/IEC 23008-12).
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"), ("image/heic", "a HEIC picture")),
    **dict.fromkeys((b"avif", b"avis"), ("image/avif", "an AVIF picture")),
    b"qt  ": ("video/quicktime", "a QuickTime video"),
    b"M4A ": ("audio/mp4", "an M4A recording"),
}
_INDEX = {b"moov", b"meta", b"moof"}  # what tells a reader where the frames are
_SHORT, _LONG = 8, 16  # bytes of a box's head


def look(data: bytes) -> Looks:
    """The brand, and whether all boxes are there with their index among them."""
    return Looks(*_BRANDS.get(data[8:12], ("video/mp4", "an MP4 video")), fault=_fault(data))


def _fault(data: bytes) -> str:
    at, found = 0, set()
    while at + _SHORT <= len(data):
        size, head = int.from_bytes(data[at : at + 4], "big"), _SHORT
        if size == 1:
            size, head = int.from_bytes(data[at + _SHORT : at + _LONG], "big"), _LONG
        if 0 < size < head:
            return f"there is no box at byte {at}"
        found.add(data[at + 4 : at + _SHORT])
        at += size or len(data) - at  # the last box may say 0: all that follows
    if at > len(data):
        return f"it has {len(data)} of {at} bytes"
    return "" if found & _INDEX else "it has no index (moov)"

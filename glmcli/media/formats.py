"""What the bytes of pictures, videos and documents say of themselves, a format a section. Pure."""

from __future__ import annotations

from glmcli.record import Record

# What is known of some bytes without decoding them.


class MediaInfo(Record):
    """What the first bytes say, and the structure behind them.

    Attributes:
        type: the media type; empty where no signature is known.
        what: the same in words: `a PNG picture`.
        width: pixels, where the format says it before the pixels begin.
        height: the same.
        animated: there is more than one frame.
        fault: why it is not whole, as the end of a sentence; empty where it is, as far as its structure tells.
    """

    type: str = ""
    what: str = "of no kind that is known"
    width: int | None = None
    height: int | None = None
    animated: bool = False
    fault: str = ""


# BMP: the file header and the size behind it. Source: Microsoft, "Bitmap Storage" (2021).

_HEADERS = frozenset({40, 52, 56, 64, 108, 124})  # bytes of the header that follows; 12 has short numbers


def read_bitmap(data: bytes) -> MediaInfo:
    """The size, and whether as many bytes are there as it says; two letters alone are no signature."""
    if len(data) < 26 or (header := _bitmap_number(data, 14)) not in _HEADERS | {12}:  # noqa: PLR2004 - up to the height
        return MediaInfo()
    if header in _HEADERS:
        width, height = _bitmap_number(data, 18), abs(int.from_bytes(data[22:26], "little", signed=True))
    else:
        width, height = _bitmap_number(data, 18, 2), _bitmap_number(data, 20, 2)
    said = _bitmap_number(data, 2)
    fault = f"it has {len(data)} of {said} bytes" if len(data) < said else ""
    return MediaInfo("image/bmp", "a BMP picture", width, height, fault=fault)


def _bitmap_number(data: bytes, at: int, length: int = 4) -> int:
    return int.from_bytes(data[at : at + length], "little")


# ISO base media files (MP4, QuickTime, HEIC, AVIF): their top boxes, by their lengths. Source: ISO/IEC 14496-12.

# The major brand; what is not listed is taken for MP4 (also ISO/IEC 23008-12).
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"), ("image/heic", "a HEIC picture")),
    **dict.fromkeys((b"avif", b"avis"), ("image/avif", "an AVIF picture")),
    b"qt  ": ("video/quicktime", "a QuickTime video"),
    b"M4A ": ("audio/mp4", "an M4A recording"),
}
_INDEX = {b"moov", b"meta", b"moof"}  # what tells a reader where the frames are
_SHORT, _LONG = 8, 16  # bytes of a box's head


def read_boxes(data: bytes) -> MediaInfo:
    """The brand, and whether all boxes are there with their index among them."""
    return MediaInfo(*_BRANDS.get(data[8:12], ("video/mp4", "an MP4 video")), fault=_boxes_fault(data))


def _boxes_fault(data: bytes) -> str:
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


# GIF: its blocks, up to the second picture. Source: W3C, GIF89a specification.

_GIF_SCREEN = 13  # bytes of signature and screen descriptor
_GIF_PICTURE, _EXTENSION, _TRAILER = 0x2C, 0x21, 0x3B
_GIF_CUT = "it has no end (trailer)"


def read_gif(data: bytes) -> MediaInfo:
    """The size of its screen, whether a second picture follows the first, and whether the trailer is there."""
    if len(data) < _GIF_SCREEN:
        return MediaInfo("image/gif", "a GIF picture", fault=_GIF_CUT)
    pictures, fault = _gif_walk(data)
    what = "an animated GIF" if pictures > 1 else "a GIF picture"
    return MediaInfo("image/gif", what, _gif_number(data, 6), _gif_number(data, 8), pictures > 1, fault)


def _gif_walk(data: bytes) -> tuple[int, str]:
    """How many pictures there are (two stand for more), and what is wrong."""
    at, pictures = _GIF_SCREEN + _gif_colours(data[10]), 0
    while at < len(data):
        block = data[at]
        if block == _TRAILER:
            return pictures, ""
        if block == _GIF_PICTURE and at + 9 < len(data):
            pictures += 1
            if pictures > 1:
                return pictures, "" if data.rstrip(b"\0").endswith(b";") else _GIF_CUT
            at = _gif_past(data, at + 11 + _gif_colours(data[at + 9]))
        elif block == _EXTENSION:
            at = _gif_past(data, at + 2)
        else:
            return pictures, f"there is no block at byte {at}"
    return pictures, _GIF_CUT


def _gif_past(data: bytes, at: int) -> int:
    """Behind a row of blocks that each begin with their length; the last is empty."""
    while at < len(data) and data[at]:
        at += 1 + data[at]
    return at + 1


def _gif_colours(flags: int) -> int:
    """Bytes of the colour table that these flags announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _gif_number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "little")


# JPEG: markers up to the first scan, then the end. Source: ITU-T T.81, annex B.

_BARE = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without a segment
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # the segment that says the size
_JPEG_SCAN = 0xDA
_JPEG_SIZE = 7  # bytes of a frame's segment up to the width


def read_jpeg(data: bytes) -> MediaInfo:
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
        if marker == _JPEG_SCAN:
            fault = _jpeg_fault(sizes) if data.rfind(b"\xff\xd9", at) >= 0 else "it has no end (EOI)"
            break
        if marker in _JPEG_FRAMES and at + 2 + _JPEG_SIZE <= len(data):
            sizes.append((_jpeg_number(data, at + 7), _jpeg_number(data, at + 5)))
        at += 2 + max(_jpeg_number(data, at + 2), 2)
    width, height = sizes[0] if sizes else (None, None)
    return MediaInfo("image/jpeg", "a JPEG picture", width, height, fault=fault)


def _jpeg_fault(sizes: list[tuple[int, int]]) -> str:
    """Why these frames are no picture; T.81 has several only for the hierarchical mode, which nobody reads."""
    if len(sizes) != 1:
        return f"it has {len(sizes)} frames (SOF) before its first scan, not one"
    width, height = sizes[0]
    return "" if width and height else f"it says that it has {width}x{height} pixels"


def _jpeg_number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")


# PDF: where it says that it begins and ends. Source: PDF Reference 1.7, appendix H.3, notes 13 and 18.

_NEAR = 1024  # bytes at either end in which Acrobat info: it allows some of anything around the document


def read_pdf(data: bytes) -> MediaInfo | None:
    """A document, and whether its end is there; None: it has no header."""
    if b"%PDF-" not in data[:_NEAR]:
        return None
    whole = b"%%EOF" in data[-_NEAR:]
    return MediaInfo("application/pdf", "a PDF document", fault="" if whole else "it has no end (%%EOF)")


# PNG: its chunks, by their lengths. Source: W3C PNG, third edition.

_PNG_FRAME = 12  # bytes of a chunk beside its data: length, name, checksum
_PNG_HEADER = 16  # where the width stands, if the header comes first, as it must


def read_png(data: bytes) -> MediaInfo:
    """The size, whether it is animated (acTL), and whether what every PNG has is there."""
    width = height = None
    if data[12:16] == b"IHDR" and len(data) >= _PNG_HEADER + 8:
        width, height = _png_number(data, _PNG_HEADER), _png_number(data, _PNG_HEADER + 4)
    names, at = set[bytes](), 8
    while at + _PNG_FRAME <= len(data) and b"IEND" not in names:
        length = _PNG_FRAME + _png_number(data, at)
        if at + length > len(data):
            break
        names.add(data[at + 4 : at + 8])
        at += length
    return MediaInfo("image/png", "a PNG picture", width, height, b"acTL" in names, _png_fault(names, width, height))


def _png_fault(names: set[bytes], width: int | None, height: int | None) -> str:
    """Why these chunks are no whole picture."""
    if b"IEND" not in names:
        return "it has no end (IEND)"
    if width is None or height is None:
        return "its header (IHDR) does not come first"
    if not (width and height):
        return f"it says that it has {width}x{height} pixels"
    return "" if b"IDAT" in names else "it has no pixels (IDAT)"


def _png_number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")


# WebP: the RIFF size and the first chunk. Source: RFC 9649, section 2.

_ANIMATED = 0x02  # of the flags of an extended file


def read_webp(data: bytes) -> MediaInfo:
    """The size, whether it is animated, and whether as many bytes are there as it says."""
    width, height = _webp_size(data)
    animated = data[12:16] == b"VP8X" and len(data) > 20 and bool(data[20] & _ANIMATED)  # noqa: PLR2004 - its flags
    said = _webp_number(data, 4, 4) + 8
    fault = f"it has {len(data)} of {said} bytes" if len(data) < said else ""
    return MediaInfo("image/webp", "an animated WebP" if animated else "a WebP picture", width, height, animated, fault)


def _webp_size(data: bytes) -> tuple[int, int] | tuple[None, None]:
    if len(data) < 30:  # noqa: PLR2004 - the shortest head that says a size, in any of the three forms
        return None, None
    match data[12:16]:
        case b"VP8 ":
            return _webp_number(data, 26, 2) & 0x3FFF, _webp_number(data, 28, 2) & 0x3FFF
        case b"VP8L":
            bits = _webp_number(data, 21, 4)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            return _webp_number(data, 24, 3) + 1, _webp_number(data, 27, 3) + 1
        case _:
            return None, None


def _webp_number(data: bytes, at: int, length: int) -> int:
    return int.from_bytes(data[at : at + length], "little")

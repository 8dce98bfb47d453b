"""Parsers of file formats: what the bytes of a picture, video or document tell without decoding its content. Pure.

Each parser takes bytes whose signature was recognized by `glmcli.media.sniffing`, and follows the structure of the
format far enough to know the size and to see whether the file is whole.
"""

from __future__ import annotations

from typing import Literal

from glmcli.media.exif import UPRIGHT, orientation
from glmcli.record import Record


class MediaInfo(Record):
    """What is known of some bytes without decoding them.

    Attributes:
        type: the media type; empty where no signature is known.
        what: the same in words: `a PNG picture`.
        width: pixels, where the format states it before the pixels begin.
        height: the same.
        animated: there is more than one frame.
        fault: why the file is not whole, as the end of a sentence; empty where its structure shows no fault.
        orientation: how the pixels are turned and mirrored, by the EXIF data of a JPEG, PNG or WebP; 1: they are not.
    """

    type: str = ""
    what: str = "of no kind that is known"
    width: int | None = None
    height: int | None = None
    animated: bool = False
    fault: str = ""
    orientation: int = UPRIGHT


def _integer(data: bytes, at: int, length: int, order: Literal["big", "little"]) -> int:
    """The unsigned integer of these bytes, or of as many of them as there are."""
    return int.from_bytes(data[at : at + length], order)


def _pixels_fault(width: int, height: int) -> str:
    return "" if width and height else f"its header states {width}x{height} pixels"


def _length_fault(data: bytes, expected: int) -> str:
    return f"it has {len(data)} of {expected} bytes" if len(data) < expected else ""


# BMP: a file header, and an info header with the size. Source: Microsoft, "Bitmap Storage" (2021).

_BMP_HEADERS = frozenset({40, 52, 56, 64, 108, 124})  # lengths of the info header with 32-bit sizes
_BMP_CORE_HEADER = 12  # the length of the one with 16-bit sizes
_BMP_HEAD = 26  # bytes up to the height


def parse_bmp(data: bytes) -> MediaInfo:
    """The size, and whether the file has its stated length; unknown where only the two letters of the signature fit."""
    header = _integer(data, 14, 4, "little")
    if len(data) < _BMP_HEAD or header not in _BMP_HEADERS | {_BMP_CORE_HEADER}:
        return MediaInfo()
    if header == _BMP_CORE_HEADER:
        width, height = _integer(data, 18, 2, "little"), _integer(data, 20, 2, "little")
    else:
        width, height = _integer(data, 18, 4, "little"), abs(int.from_bytes(data[22:26], "little", signed=True))
    fault = _length_fault(data, _integer(data, 2, 4, "little"))
    return MediaInfo("image/bmp", "a BMP picture", width, height, fault=fault)


# ISO base media files (MP4, QuickTime, HEIC, AVIF): the boxes of the top level. Source: ISO/IEC 14496-12.

# Media types by major brand; any other brand is taken for MP4. Source: also ISO/IEC 23008-12.
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"), ("image/heic", "a HEIC picture")),
    **dict.fromkeys((b"avif", b"avis"), ("image/avif", "an AVIF picture")),
    b"qt  ": ("video/quicktime", "a QuickTime video"),
    b"M4A ": ("audio/mp4", "an M4A recording"),
}
_GENERAL = (b"mif1", b"msf1")  # pictures of any codec, which a compatible brand names
_INDEX_BOXES = {b"moov", b"meta", b"moof"}  # boxes that tell a reader where the frames are
_BOX_HEADER, _LARGE_BOX_HEADER = 8, 16  # bytes


def parse_iso_media(data: bytes) -> MediaInfo:
    """The brand, and whether all boxes are there with an index among them."""
    brand = data[8:12]
    if brand in _GENERAL and (own := next((name for name in _compatible(data) if name in _BRANDS), None)):
        brand = own
    return MediaInfo(*_BRANDS.get(brand, ("video/mp4", "an MP4 video")), fault=_boxes_fault(data))


def _compatible(data: bytes) -> list[bytes]:
    """The compatible brands of the first box, without those that say nothing of the codec."""
    end = min(_integer(data, 0, 4, "big"), len(data))
    return [name for at in range(16, end, 4) if (name := data[at : at + 4]) not in _GENERAL]


def _boxes_fault(data: bytes) -> str:
    at, found = 0, set()
    while at + _BOX_HEADER <= len(data):
        size, header = _integer(data, at, 4, "big"), _BOX_HEADER
        if size == 1:
            size, header = _integer(data, at + 8, 8, "big"), _LARGE_BOX_HEADER
        if 0 < size < header:
            return f"there is no box at byte {at}"
        found.add(data[at + 4 : at + 8])
        at += size or len(data) - at  # the size of the last box may be 0: all that follows
    if at > len(data):
        return _length_fault(data, at)
    return "" if found & _INDEX_BOXES else "it has no index (moov)"


# GIF: the blocks up to the second image. Source: W3C, GIF89a specification.

_GIF_SCREEN = 13  # bytes of signature and screen descriptor
_GIF_IMAGE, _GIF_EXTENSION, _GIF_TRAILER = 0x2C, 0x21, 0x3B  # first bytes of the blocks
_GIF_CUT = "it has no end (trailer)"


def parse_gif(data: bytes) -> MediaInfo:
    """The size of its screen, whether a second image follows the first, and whether the trailer is there."""
    if len(data) < _GIF_SCREEN:
        return MediaInfo("image/gif", "a GIF picture", fault=_GIF_CUT)
    images, fault = _gif_images(data)
    what = "an animated GIF" if images > 1 else "a GIF picture"
    width, height = _integer(data, 6, 2, "little"), _integer(data, 8, 2, "little")
    return MediaInfo("image/gif", what, width, height, images > 1, fault)


def _gif_images(data: bytes) -> tuple[int, str]:
    """How many images there are (2 stands for more), and the fault of the file."""
    at, images = _GIF_SCREEN + _gif_color_table(data[10]), 0
    while at < len(data):
        block = data[at]
        if block == _GIF_TRAILER:
            return images, ""
        if block == _GIF_IMAGE and at + 9 < len(data):
            images += 1
            if images > 1:
                return images, "" if data.rstrip(b"\0").endswith(b";") else _GIF_CUT
            at = _skip_sub_blocks(data, at + 11 + _gif_color_table(data[at + 9]))
        elif block == _GIF_EXTENSION:
            at = _skip_sub_blocks(data, at + 2)
        else:
            return images, f"there is no block at byte {at}"
    return images, _GIF_CUT


def _skip_sub_blocks(data: bytes, at: int) -> int:
    """The place behind a sequence of sub-blocks; each begins with its length, and an empty one is the last."""
    while at < len(data) and data[at]:
        at += 1 + data[at]
    return at + 1


def _gif_color_table(flags: int) -> int:
    """Bytes of the color table that these flags announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


# JPEG: the markers up to the first scan, then the end. Source: ITU-T T.81, annex B.

_JPEG_MARKER = 0xFF  # what every marker begins with, and what may fill the space before one
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without a segment
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers of the segment with the size (SOF)
_JPEG_SCAN = 0xDA
_JPEG_APP1 = 0xE1  # the segment of EXIF data, among others
_JPEG_FRAME = 9  # bytes of a frame's marker and segment up to the width


def parse_jpeg(data: bytes) -> MediaInfo:
    """The size, and whether an end follows the first scan: thumbnails have ends too, but before it."""
    sizes: list[tuple[int, int]] = []
    exif = b""
    at, fault = 2, "it ends before its first scan"
    while at + 4 <= len(data):
        marker = data[at + 1]
        if data[at] != _JPEG_MARKER:
            fault = f"there is no marker at byte {at}"
            break
        if marker == _JPEG_MARKER:
            at += 1
        elif marker in _JPEG_BARE:
            at += 2
        elif marker == _JPEG_SCAN:
            fault = _jpeg_fault(sizes) if data.rfind(b"\xff\xd9", at) >= 0 else "it has no end (EOI)"
            break
        else:
            if marker in _JPEG_FRAMES and at + _JPEG_FRAME <= len(data):
                sizes.append((_integer(data, at + 7, 2, "big"), _integer(data, at + 5, 2, "big")))
            end = at + 2 + max(_integer(data, at + 2, 2, "big"), 2)
            if marker == _JPEG_APP1 and not exif and data.startswith(b"Exif\0\0", at + 4):
                exif = data[at + 4 : end]
            at = end
    width, height = sizes[0] if sizes else (None, None)
    return MediaInfo("image/jpeg", "a JPEG picture", width, height, fault=fault, orientation=orientation(exif))


def _jpeg_fault(sizes: list[tuple[int, int]]) -> str:
    """The fault of a file with these frames; only the hierarchical mode has several, and no program reads it."""
    if len(sizes) != 1:
        return f"it has {len(sizes)} frames (SOF) before its first scan, not one"
    return _pixels_fault(*sizes[0])


# PDF: its header and its end. Source: PDF Reference 1.7, appendix H.3, notes 13 and 18.

_PDF_MARGIN = 1024  # bytes at either end in which Acrobat searches, so that something may surround the document


def parse_pdf(data: bytes) -> MediaInfo | None:
    """A document, and whether its end is there; None: it has no header."""
    if b"%PDF-" not in data[:_PDF_MARGIN]:
        return None
    is_whole = b"%%EOF" in data[-_PDF_MARGIN:]
    return MediaInfo("application/pdf", "a PDF document", fault="" if is_whole else "it has no end (%%EOF)")


# PNG: its chunks. Source: W3C PNG, third edition.

_PNG_CHUNK = 12  # bytes of a chunk beside its data: length, name, checksum
_PNG_SIZE = 16  # the place of the width if the header comes first, as it must


def parse_png(data: bytes) -> MediaInfo:
    """The size, whether it is animated (acTL), and whether the chunks that every PNG has are there."""
    width = height = None
    if data[12:16] == b"IHDR" and len(data) >= _PNG_SIZE + 8:
        width, height = _integer(data, _PNG_SIZE, 4, "big"), _integer(data, _PNG_SIZE + 4, 4, "big")
    names, at, turned = set[bytes](), 8, UPRIGHT
    while at + _PNG_CHUNK <= len(data) and b"IEND" not in names:
        length = _PNG_CHUNK + _integer(data, at, 4, "big")
        if at + length > len(data):
            break
        names.add(data[at + 4 : at + 8])
        if data.startswith(b"eXIf", at + 4):
            turned = orientation(data[at + 8 : at + length])
        at += length
    fault = _png_fault(names, width, height)
    return MediaInfo("image/png", "a PNG picture", width, height, b"acTL" in names, fault, turned)


def _png_fault(names: set[bytes], width: int | None, height: int | None) -> str:
    if b"IEND" not in names:
        return "it has no end (IEND)"
    if width is None or height is None:
        return "its header (IHDR) does not come first"
    return _pixels_fault(width, height) or ("" if b"IDAT" in names else "it has no pixels (IDAT)")


# WebP: the size of the RIFF container, and the first chunk. Source: RFC 9649, section 2.

_WEBP_ANIMATION, _WEBP_EXIF = 0x02, 0x08  # among the flags of an extended file, at byte 20
_WEBP_HEAD = 30  # bytes of the shortest file with a size, in any of the three forms


def parse_webp(data: bytes) -> MediaInfo:
    """The size, whether it is animated, and whether the file has its stated length."""
    width, height = _webp_size(data)
    animated = data[12:16] == b"VP8X" and bool(_integer(data, 20, 1, "little") & _WEBP_ANIMATION)
    fault = _length_fault(data, _integer(data, 4, 4, "little") + 8)
    what = "an animated WebP" if animated else "a WebP picture"
    return MediaInfo("image/webp", what, width, height, animated, fault, orientation(_webp_exif(data)))


def _webp_exif(data: bytes) -> bytes:
    """The EXIF data of an extended file whose flags announce them, or nothing."""
    at = 12 if data[12:16] == b"VP8X" and _integer(data, 20, 1, "little") & _WEBP_EXIF else len(data)
    while at < len(data):
        size = _integer(data, at + 4, 4, "little")
        if data.startswith(b"EXIF", at):
            return data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    return b""


def _webp_size(data: bytes) -> tuple[int, int] | tuple[None, None]:
    if len(data) < _WEBP_HEAD:
        return None, None
    match data[12:16]:
        case b"VP8 ":
            return _integer(data, 26, 2, "little") & 0x3FFF, _integer(data, 28, 2, "little") & 0x3FFF
        case b"VP8L":
            bits = _integer(data, 21, 4, "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            return _integer(data, 24, 3, "little") + 1, _integer(data, 27, 3, "little") + 1
        case _:
            return None, None

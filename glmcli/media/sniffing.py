"""The media type of some bytes by their signature. File names do not count: they are wrong too often. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.media import formats
from glmcli.media.formats import MediaInfo

if TYPE_CHECKING:
    from collections.abc import Callable

_TEXT_HEAD = 4096  # bytes that show whether it is text

_PARSED: tuple[tuple[bytes, Callable[[bytes], MediaInfo]], ...] = (
    (b"\xff\xd8\xff", formats.parse_jpeg),
    (b"\x89PNG\r\n\x1a\n", formats.parse_png),
    (b"GIF87a", formats.parse_gif),
    (b"GIF89a", formats.parse_gif),
    (b"BM", formats.parse_bmp),
)
_SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"II*\0", "image/tiff", "a TIFF picture"),
    (b"MM\0*", "image/tiff", "a TIFF picture"),
    (b"\xff\x0a", "image/jxl", "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL ", "image/jxl", "a JPEG XL picture"),
    (b"\0\0\0\x0cjP  ", "image/jp2", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "image/jp2", "a JPEG 2000 picture"),
    (b"\0\0\1\0", "image/x-icon", "an icon"),
    (b"8BPS", "image/vnd.adobe.photoshop", "a Photoshop picture"),
    (b"qoif", "image/qoi", "a QOI picture"),
    (b"DDS ", "image/vnd-ms.dds", "a DDS picture"),
    (b"icns", "image/icns", "an icon of macOS"),
    (b"P5\n", "image/x-portable-graymap", "a PGM picture"),
    (b"P6\n", "image/x-portable-pixmap", "a PPM picture"),
    (b"%!PS", "application/postscript", "a PostScript document"),
    (b"PK\3\4", "application/zip", "a ZIP archive or an Office document"),
    (b"\x1f\x8b", "application/gzip", "a gzip archive"),
    (b"\x1a\x45\xdf\xa3", "video/x-matroska", "a Matroska or WebM video"),
    (b"OggS", "application/ogg", "an Ogg stream"),
    (b"ID3", "audio/mpeg", "an MP3 recording"),
)
_RIFF = {b"AVI ": ("video/x-msvideo", "an AVI video"), b"WAVE": ("audio/wav", "a WAV recording")}
_WEB_PAGE = ("text/html", "a web page")
_DRAWING = ("image/svg+xml", "an SVG drawing")
# How markup begins, after comments and declarations: with a document type, or the first element.
_MARKUP = (
    *((mark, *_WEB_PAGE) for mark in (b"<!doctype html", b"<html", b"<head", b"<body")),
    *((mark, *_DRAWING) for mark in (b"<!doctype svg", b"<svg")),
)
# What Git LFS leaves in the place of a file that was not fetched. Source: its docs/spec.md (2026-11): shorter than 1024
# bytes, the key "version" first.
LFS_POINTER = "text/x-git-lfs-pointer"  # ours: no media type is registered
_LFS_HEAD = b"version https://git-lfs.github.com/spec/"
_LFS_SIZE = 1024
_MAX_MARK = max(len(mark) for mark, _, _ in _MARKUP)
_PROLOGUE = ((b"<!--", b"-->"), (b"<?", b"?>"))  # comments and declarations
_MAX_PROLOGUE = 1 << 16  # bytes; drawing programs write a licence there, which is shorter


def sniff(data: bytes) -> MediaInfo:
    """What these bytes are; without a type where that is unknown."""
    for signature, parse in _PARSED:
        if data.startswith(signature) and (found := parse(data)).type:
            return found
    for signature, kind, what in _SIGNATURES:
        if data.startswith(signature):
            return MediaInfo(kind, what)
    return _container(data) or _text(data)


def _container(data: bytes) -> MediaInfo | None:
    if data.startswith(b"RIFF"):
        known = _RIFF.get(data[8:12])
        return formats.parse_webp(data) if data[8:12] == b"WEBP" else known and MediaInfo(*known)
    return formats.parse_iso_media(data) if data[4:8] == b"ftyp" else formats.parse_pdf(data)


def _text(data: bytes) -> MediaInfo:
    head = data[:_TEXT_HEAD]
    if not head or any(byte < 9 or 13 < byte < 27 for byte in head):  # noqa: PLR2004 - control characters
        return MediaInfo()
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(head) - error.start > 3 or len(data) <= _TEXT_HEAD:  # noqa: PLR2004 - no character cut in two
            return MediaInfo()
    if head.startswith(_LFS_HEAD) and b"\noid " in head and len(data) < _LFS_SIZE:
        return MediaInfo(LFS_POINTER, "a Git LFS pointer")
    root = _root(data[:_MAX_PROLOGUE])
    for mark, kind, what in _MARKUP:
        if root.startswith(mark):
            return MediaInfo(kind, what)
    return MediaInfo("text/plain", "a text")


def _root(data: bytes) -> bytes:
    """The beginning of some markup after its comments and declarations, in lower case."""
    at = _skip_blanks(data, 3 if data.startswith(b"\xef\xbb\xbf") else 0)
    while end := next((end for start, end in _PROLOGUE if data.startswith(start, at)), None):
        found = data.find(end, at)
        if found < 0:
            break
        at = _skip_blanks(data, found + len(end))
    return data[at : at + _MAX_MARK].lower()


def _skip_blanks(data: bytes, at: int) -> int:
    while data[at : at + 1].isspace():
        at += 1
    return at

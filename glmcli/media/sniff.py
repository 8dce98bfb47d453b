"""The kind of some bytes, by their signature. Names of files are not asked: they are wrong too often."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.media import bitmap, boxes, gif, jpeg, pdf, png, webp
from glmcli.media.looks import Looks

if TYPE_CHECKING:
    from collections.abc import Callable

_HEAD = 4096  # bytes in which a text or a document says what it is

_PARSED: tuple[tuple[bytes, Callable[[bytes], Looks]], ...] = (
    (b"\xff\xd8\xff", jpeg.look),
    (b"\x89PNG\r\n\x1a\n", png.look),
    (b"GIF87a", gif.look),
    (b"GIF89a", gif.look),
    (b"BM", bitmap.look),
)
_SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"II*\0", "image/tiff", "a TIFF picture"),
    (b"MM\0*", "image/tiff", "a TIFF picture"),
    (b"\xff\x0a", "image/jxl", "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL ", "image/jxl", "a JPEG XL picture"),
    (b"\0\0\0\x0cjP  ", "image/jp2", "a JPEG 2000 picture"),
    (b"\0\0\1\0", "image/x-icon", "an icon"),
    (b"%!PS", "application/postscript", "a PostScript document"),
    (b"PK\3\4", "application/zip", "a ZIP archive or an Office document"),
    (b"\x1f\x8b", "application/gzip", "a gzip archive"),
    (b"\x1a\x45\xdf\xa3", "video/x-matroska", "a Matroska or WebM video"),
    (b"OggS", "application/ogg", "an Ogg stream"),
    (b"ID3", "audio/mpeg", "an MP3 recording"),
)
_RIFF = {b"AVI ": ("video/x-msvideo", "an AVI video"), b"WAVE": ("audio/wav", "a WAV recording")}
_PAGE = ("text/html", "a web page")
_MARKUP = ((b"<!doctype html", *_PAGE), (b"<html", *_PAGE), (b"<svg", "image/svg+xml", "an SVG drawing"))


def look(data: bytes) -> Looks:
    """What these bytes are."""
    for signature, parse in _PARSED:
        if data.startswith(signature) and (found := parse(data)).type:
            return found
    for signature, kind, what in _SIGNATURES:
        if data.startswith(signature):
            return Looks(kind, what)
    return _container(data) or _text(data)


def _container(data: bytes) -> Looks | None:
    if data.startswith(b"RIFF"):
        return webp.look(data) if data[8:12] == b"WEBP" else _named(_RIFF.get(data[8:12]))
    return boxes.look(data) if data[4:8] == b"ftyp" else pdf.look(data)


def _named(found: tuple[str, str] | None) -> Looks | None:
    return Looks(*found) if found else None


def _text(data: bytes) -> Looks:
    head = data[:_HEAD]
    if not head or any(byte < 9 or 13 < byte < 27 for byte in head):  # noqa: PLR2004 - control characters, but blanks
        return Looks()
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(head) - error.start > 3 or len(data) <= _HEAD:  # noqa: PLR2004 - a character that the cut took apart
            return Looks()
    for mark, kind, what in _MARKUP:
        if mark in head.lower():
            return Looks(kind, what)
    return Looks("text/plain", "a text")

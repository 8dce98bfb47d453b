"""What bytes say of themselves: kinds, sizes and ends, and that no bytes confuse the readers."""

from __future__ import annotations

import base64
import json
import struct
import time

import pytest
import samples
from hypothesis import example, given, settings
from hypothesis import strategies as st

from glmcli.chat.messages import Media, Message, Request
from glmcli.media.formats import MediaInfo
from glmcli.media.sniffing import sniff
from glmcli.providers.table import PROVIDERS, dialect_of

WHOLE = {
    "JPEG": MediaInfo("image/jpeg", "a JPEG picture", 12, 8),
    "PROGRESSIVE": MediaInfo("image/jpeg", "a JPEG picture", 12, 8),
    "PNG": MediaInfo("image/png", "a PNG picture", 12, 8),
    "WEBP": MediaInfo("image/webp", "a WebP picture", 12, 8),
    "WEBP_LOSSLESS": MediaInfo("image/webp", "a WebP picture", 12, 8),
    "WEBP_ANIMATED": MediaInfo("image/webp", "an animated WebP", 12, 8, animated=True),
    "GIF": MediaInfo("image/gif", "a GIF picture", 12, 8),
    "GIF_ANIMATED": MediaInfo("image/gif", "an animated GIF", 12, 8, animated=True),
    "BMP": MediaInfo("image/bmp", "a BMP picture", 12, 8),
    "TIFF": MediaInfo("image/tiff", "a TIFF picture"),
    "AVIF": MediaInfo("image/avif", "an AVIF picture"),
    "HEIC": MediaInfo("image/heic", "a HEIC picture"),
    "PDF": MediaInfo("application/pdf", "a PDF document"),
    "MP4": MediaInfo("video/mp4", "an MP4 video"),
    "SVG": MediaInfo("image/svg+xml", "an SVG drawing"),
    "HTML": MediaInfo("text/html", "a web page"),
    "TEXT": MediaInfo("text/plain", "a text"),
}
SCAN = b"\xff\xd8\xff\xda\0\x02\0\xff\xd9"
FRAME = b"\xff\xc0\0\x0b\x08\0\x09\0\x09\1\1\x11\0"
SAYS_ITS_END = (
    "JPEG", "PROGRESSIVE", "PNG", "WEBP", "WEBP_LOSSLESS", "WEBP_ANIMATED", "GIF", "GIF_ANIMATED", "BMP",
    "PDF", "MP4", "HEIC",
)  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_file_is_known(name) -> None:
    assert sniff(getattr(samples, name)) == WHOLE[name]


def tiff(value: int, order: str = "<", kind: int = 3) -> bytes:
    """EXIF data of two entries, the second of which is the orientation."""
    head = struct.pack(order + "2sHIH", b"II" if order == "<" else b"MM", 42, 8, 2)
    entry = struct.pack(order + "HHIHH", 0x0112, kind, 1, value, 0)
    return head + struct.pack(order + "HHII", 0x0100, 4, 1, 9) + entry + bytes(4)


def turned_jpeg(exif: bytes, mark: bytes = b"Exif\0\0") -> bytes:
    segment = mark + exif
    return samples.JPEG[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + samples.JPEG[2:]


def turned_webp(exif: bytes, flags: int = 8) -> bytes:
    chunks = b"VP8X" + struct.pack("<IB3x", 10, flags) + b"\x0b\0\0\x07\0\0" + samples.WEBP[12:]
    chunks += b"EXIF" + struct.pack("<I", len(exif)) + exif + bytes(len(exif) % 2)
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


@pytest.mark.parametrize(
    ("data", "orientation"),
    [
        (turned_jpeg(tiff(6)), 6),
        (turned_jpeg(tiff(8, ">")), 8),
        (turned_jpeg(tiff(1)), 1),
        (turned_jpeg(tiff(0)), 1),
        (turned_jpeg(tiff(9)), 1),
        (turned_jpeg(tiff(6)[:-8]), 1),  # cut before the value
        (turned_jpeg(b"no TIFF"), 1),
        (turned_jpeg(tiff(6), b"http://ns.adobe.com/xap/1.0/\0"), 1),
        (samples.PNG[:33] + samples.chunk(b"eXIf", tiff(3)) + samples.PNG[33:], 3),
        (samples.PNG[:33] + samples.chunk(b"eXIf", b"Exif\0\0" + tiff(3, ">")) + samples.PNG[33:], 3),
        (turned_webp(tiff(5)), 5),
        (turned_webp(b"Exif\0\0" + tiff(5)), 5),
        (turned_webp(tiff(5), flags=0), 1),
    ],
)
def test_how_a_picture_is_turned(data, orientation) -> None:
    found = sniff(data)
    assert (found.orientation, found.width, found.fault) == (orientation, 12, "")


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4d7a" * 16 + b"\nsize 12345\n"


@pytest.mark.parametrize(
    ("data", "kind", "what"),
    [
        (POINTER, "text/x-git-lfs-pointer", "a Git LFS pointer"),
        (POINTER + b"x" * 1024, "text/plain", "a text"),
        (POINTER.replace(b"oid", b"id"), "text/plain", "a text"),
        # Pictures of any codec, by their compatible brands.
        (samples.HEIC.replace(b"heic\0\0\0\0mif1heic", b"mif1\0\0\0\0mif1avif"), "image/avif", "an AVIF picture"),
        (samples.HEIC.replace(b"heic\0\0\0\0mif1heic", b"mif1\0\0\0\0mif1heic"), "image/heic", "a HEIC picture"),
        (b"\xff\x4f\xff\x51\0\x2f", "image/jp2", "a JPEG 2000 picture"),
    ],
)
def test_what_else_is_known(data, kind, what) -> None:
    assert (sniff(data).type, sniff(data).what) == (kind, what)


@pytest.mark.parametrize("name", SAYS_ITS_END)
def test_a_file_that_is_cut_anywhere_is_not_whole(name) -> None:
    data = getattr(samples, name)
    for end in range(len(data)):
        found = sniff(data[:end])
        assert found.fault or found.type != WHOLE[name].type, end


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (samples.JPEG[:-2], "it has no end (EOI)"),
        (samples.JPEG[:100], "it ends before its first scan"),
        (samples.JPEG[:2] + b"\xff\xff\xff" + samples.JPEG[2:], ""),  # fill bytes
        (samples.JPEG + b"what a camera adds", ""),
        (b"\xff\xd8\xff\xe0\0\x04ab!!!!", "there is no marker at byte 8"),
        # A thumbnail's end, before the scan, is not the picture's.
        (b"\xff\xd8\xff\xe1\0\x06\xff\xd9\xff\xd9" + samples.JPEG[2:-2], "it has no end (EOI)"),
        (samples.PNG[:-12], "it has no end (IEND)"),
        (samples.PNG[:-4], "it has no end (IEND)"),
        (samples.PNG + b"\0\0", ""),
        (samples.WEBP[:-1], "it has 65 of 66 bytes"),
        (samples.GIF[:-1], "it has no end (trailer)"),
        (samples.GIF_ANIMATED[:-1], "it has no end (trailer)"),
        (samples.GIF_ANIMATED + b"\0\0", ""),
        (samples.GIF[:25] + b"?" + samples.GIF[26:], "there is no block at byte 25"),
        (samples.BMP[:-1], "it has 341 of 342 bytes"),
        (samples.PDF[:-1], "it has no end (%%EOF)"),
        (b"from a printer\n" + samples.PDF + b"\n" * 1018, ""),
        (samples.PDF + b"\n" * 1020, "it has no end (%%EOF)"),
        (samples.MP4[:-1], "it has 880 of 881 bytes"),
        (samples.MP4[:64], "it has no index (moov)"),
        (samples.MP4[:64] + b"\0\0\0\7moov" + samples.MP4[72:], "there is no box at byte 64"),
        (samples.MP4[:64] + bytes(4) + samples.MP4[68:], ""),  # the last box goes to the end, whatever its size
        (samples.MP4[:36] + b"\0\0\0\1mdat" + (36).to_bytes(8, "big") + samples.MP4[44:], ""),
        (samples.PNG.replace(b"IDAT", b"prVt"), "it has no pixels (IDAT)"),
        (samples.PNG[:8] + samples.chunk(b"prVt", b"") + samples.PNG[8:], "its header (IHDR) does not come first"),
        (samples.PNG[:8] + samples.PNG[33:], "its header (IHDR) does not come first"),
        (samples.PNG[:16] + bytes(4) + samples.PNG[20:], "its header states 0x8 pixels"),
        (samples.PNG[:20] + bytes(4) + samples.PNG[24:], "its header states 12x0 pixels"),
        (SCAN, "it has 0 frames (SOF) before its first scan, not one"),
        (b"\xff\xd8" + FRAME * 2 + SCAN[2:], "it has 2 frames (SOF) before its first scan, not one"),
        (b"\xff\xd8" + FRAME + SCAN[2:], ""),
        (b"\xff\xd8" + FRAME[:5] + bytes(2) + FRAME[7:] + SCAN[2:], "its header states 9x0 pixels"),
        (b"\xff\xd8" + FRAME[:7] + bytes(2) + FRAME[9:] + SCAN[2:], "its header states 0x9 pixels"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(data, fault) -> None:
    assert sniff(data).fault == fault


def jpeg_of(width: int, height: int) -> bytes:
    frame = struct.pack(">BBHBHHB", 0xFF, 0xC2, 11, 8, height, width, 1) + b"\1\x11\0"
    return b"\xff\xd8\xff\xe0\0\x02" + frame + b"\xff\xda\0\x02\0\xff\xd9"


@pytest.mark.parametrize("size", [(1, 1), (6000, 6001), (16383, 16383), (65535, 1)])
def test_sizes_of_every_form(size) -> None:
    width, height = size
    small = size[0] < 16384
    forms = [
        jpeg_of(*size),
        samples.png(width, 1)[:20] + struct.pack(">I", height) + samples.png(1, 1)[24:],
        b"GIF89a" + struct.pack("<HHBBB", *size, 0, 0, 0) + b";",
        b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<IB3x", 10, 0)
        + struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3],
        b"BM" + struct.pack("<IIIIiiHH", 30, 0, 0, 40, width, -height, 1, 24),
        b"BM" + struct.pack("<IIIIHHHH", 26, 0, 0, 12, width, height, 1, 24),
    ]  # fmt: skip
    if small:
        bits = (width - 1) | (height - 1) << 14
        forms.append(b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8L" + struct.pack("<IBI", 5, 0x2F, bits) + bytes(5))
        forms.append(
            b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8 " + struct.pack("<I6sHH", 10, b"\0\0\0\x9d\1\x2a", *size)
        )
    for data in forms:
        found = sniff(data)
        assert (found.width, found.height) == size, found
        assert found.fault == ""


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"II*\0", "image/tiff"),
        (b"MM\0*", "image/tiff"),
        (b"\0\0\0\x18ftypqt  ", "video/quicktime"),
        (b"\0\0\0\x18ftypM4A ", "audio/mp4"),
        (b"\0\0\0\x18ftypnew!", "video/mp4"),
        (b"\x1a\x45\xdf\xa3", "video/x-matroska"),
        (b"RIFF....AVI ", "video/x-msvideo"),
        (b"RIFF....WAVE", "audio/wav"),
        (b"RIFF....????", "text/plain"),
        (b"PK\3\4", "application/zip"),
        (b"\x1f\x8b\x08", "application/gzip"),
        (b"junk before\n%PDF-1.7", "application/pdf"),
        (b"<html><svg></svg></html>", "text/html"),
        (b"\n<!-- saved by a browser --><!DOCTYPE HTML>", "text/html"),
        (b"<?xml version='1.0'?><!--" + b"a licence " * 6000 + b"-->\n<svg/>", "image/svg+xml"),
        (b"\xef\xbb\xbf<!-- a --> <!-- b --><!DOCTYPE svg PUBLIC '' '' [<!ENTITY a 'b'>]><svg/>", "image/svg+xml"),
        (b"<!--" + b"a book " * 60000 + b"--><svg/>", "text/plain"),
        (b"<!-- no end", "text/plain"),
        (b"How to write <svg> and <html> by hand", "text/plain"),
        ("\N{CJK UNIFIED IDEOGRAPH-56FE}".encode() * 2000, "text/plain"),  # the part that is looked at ends inside one
        (b"BM", "text/plain"),
        (b"BMP is a format", "text/plain"),
        (b"", ""),
        (b"\0\1\2\3", ""),
        (b"caf\xe9", ""),
    ],
)
def test_other_kinds(data, kind) -> None:
    assert sniff(data).type == kind


@given(st.binary(max_size=200), st.sampled_from([*WHOLE, ""]), st.integers(0, 60), st.integers(0, 400))
@settings(max_examples=1000)
@example(b"\xff" * 50, "JPEG", 20, 0)
@example(b"\xff" * 4, "PNG", 8, 0)
def test_no_bytes_confuse_it(noise, name, start, end) -> None:
    """Any file with anything written over a part of it gives an answer, and sizes that a picture can have."""
    data = getattr(samples, name) if name else b""
    found = sniff(data[:start] + noise + data[start + end :])
    assert isinstance(found.fault, str)
    for side in (found.width, found.height):
        assert side is None or 0 <= side < 2**32


HOSTILE = {
    "gif": lambda size: samples.GIF[:25] + b"\x21\x01" + b"\1" * size,
    "png": lambda size: samples.PNG[:8] + bytes(size),
    "jpeg": lambda size: b"\xff\xd8\xff" + b"\xff" * size,
    "jpeg markers": lambda size: b"\xff\xd8" + b"\xff\xd0" * (size // 2),
    "text": lambda size: b" " * size,
    "comments": lambda size: b"<!---->" * (size // 7),
    "pdf": lambda size: b"\xe9" * size,
    "mp4": lambda size: samples.MP4[:28] + b"\0\0\0\x08free" * (size // 8),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", HOSTILE)
def test_time_grows_with_size_alone(kind) -> None:
    def seconds(size):
        data = HOSTILE[kind](size)
        began = time.process_time()
        sniff(data)
        return time.process_time() - began

    small, large = (min(seconds(size) for _ in range(3)) for size in (1_000_000, 8_000_000))
    assert large < 0.01 or large < small * 8 * 3


TEXTS = st.text(st.characters(codec="utf-8") | st.sampled_from('"\\\\\x00\ufdd0'), max_size=20)


@given(st.lists(st.tuples(TEXTS, st.binary(min_size=1, max_size=30)), min_size=1, max_size=4), st.booleans())
def test_a_body_is_what_it_says(turns, text_first) -> None:
    """Whatever the text is: its length, its JSON, and the same bytes when it is sent again."""
    provider = PROVIDERS["tokenhub" if text_first else "zai"]
    messages = tuple(
        Message("user", text, parts=(Media("image", data=data, type="image/png"),)) for text, data in turns
    )
    body = dialect_of(provider).encode(Request("glm-5v-turbo", messages), provider).content()
    assert not isinstance(body, bytes)
    sent = b"".join(body)
    assert len(body) == len(sent)
    assert b"".join(body) == sent
    found = [message["content"] for message in json.loads(sent)["messages"]]
    for content, (text, data) in zip(found, turns, strict=True):
        url = "data:image/png;base64," + base64.b64encode(data).decode()
        said = [{"type": "text", "text": text}] if text else []
        picture = [{"type": "image_url", "image_url": {"url": url}}]
        assert content == (said + picture if text_first else picture + said)

"""Pictures, videos and files that the user names: read once, identified by their bytes, and resized with --resize.

The only module that uses Pillow.
"""

from __future__ import annotations

import io
import os
import re
import struct
import warnings
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from glmcli.chat.messages import Media
from glmcli.console.stdin import SizeLimit, Stdin, normal_path, read_file
from glmcli.errors import UsageError
from glmcli.http.urls import checked_media_url, is_url, printable_url
from glmcli.media.exif import UPRIGHT
from glmcli.media.sniffing import sniff
from glmcli.providers.media_rules import KindLimits, rules_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from glmcli.chat.messages import MediaKind, Message, Request
    from glmcli.config.options import MediaArgument
    from glmcli.console.terminal import Terminal
    from glmcli.media.formats import MediaInfo
    from glmcli.providers.row import Provider

_DETAILS = ("auto", "low", "high")
_MAX_BYTES = 75_000_000  # of all files together: as base64 they are 100 MB
_TOO_LARGE = "all files together may have 75000000 bytes (75 MB): give a URL, or a smaller picture"
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9.+-]*")
_KINDS: Mapping[str, MediaKind] = {"image": "image", "video": "video"}  # by main type; all others are files
_SHOWN_BYTES = 8  # of a file of an unknown type
_STDIN = "-"


class MediaFiles:
    """Reads the media of one question, whose files together are limited in size."""

    def __init__(self, stdin: Stdin, terminal: Terminal, detail: str | None) -> None:
        """`detail` is the default for pictures without one.

        Raises:
            UsageError: `detail` is not a known word.
        """
        if detail not in (None, *_DETAILS):
            known = ", ".join(_DETAILS)
            raise UsageError(message=f"--detail {detail}: not one of {known}", fix="leave it out, or use one of them")
        self._stdin = stdin
        self._terminal = terminal
        self._detail = detail
        self._remaining = _MAX_BYTES

    def beside_prompt(self, arguments: Iterable[MediaArgument]) -> tuple[Media, ...]:
        """The media of flags, or of the top of a request file, in this order.

        Raises:
            UsageError: one cannot be read, or is not a URL.
        """
        return tuple(self._media(each) for each in _unique([_normal(each) for each in arguments]))

    def parts(self, parts: Iterable[str | MediaArgument]) -> tuple[str | Media, ...]:
        """The parts of a message, with the files that they name read.

        Raises:
            UsageError: as `beside_prompt`.
        """
        return tuple(part if isinstance(part, str) else self._media(_normal(part)) for part in parts)

    def _media(self, argument: MediaArgument) -> Media:
        media = self._read(argument) if argument.path else _by_url(argument)
        detail = argument.detail or self._detail
        return media.replace(detail=detail) if detail and media.kind == "image" else media

    def _read(self, argument: MediaArgument) -> Media:
        given = _given_type(argument)
        name = "stdin" if argument.path == _STDIN else argument.path
        data = self._bytes(argument)
        info = sniff(data)
        if not (given or info.type):
            start = " ".join(f"{byte:02X}" for byte in data[:_SHOWN_BYTES])
            raise UsageError(
                message=f"{name}: it is of no kind that is known (it begins with {start})",
                fix="--at PATH MIME says what it is, as in --at scan.bin image/png",
            )
        if given and info.type not in ("", given):
            fault = f", cut off or damaged: {info.fault}" if info.fault else ""
            self._terminal.note(f"{name} is sent as {given}, and by its bytes it is {info.what}{fault}")
        media_type = given or info.type
        kind = argument.kind or _KINDS.get(media_type.partition("/")[0], "file")
        return of_bytes(data, info, argument.path).replace(kind=kind, type=media_type)

    def _bytes(self, argument: MediaArgument) -> bytes:
        limit = SizeLimit(self._remaining, f"{self._remaining} bytes ({self._remaining / 1e6:g} MB)", _TOO_LARGE)
        data = read_file(argument.path, argument.source, self._stdin, limit)
        self._remaining -= len(data)
        if not data:
            raise UsageError(message=f"{argument.source} {argument.path}: it is empty", fix="check where it comes from")
        return data


def of_bytes(data: bytes, info: MediaInfo, path: str) -> Media:
    """The picture of these bytes, which are what `info` says, from this path; `-` is stdin."""
    return Media(
        kind="image",
        data=data,
        type=info.type,
        name="stdin" if path == _STDIN else path,
        path=path if _can_be_read_again(path) else None,
        sha256=sha256(data).hexdigest(),
        info=info,
    )


def _normal(argument: MediaArgument) -> MediaArgument:
    """The argument with `-` for every name of stdin, so that stdin is not read a second time as text."""
    return argument.replace(path=normal_path(argument.path))


def _unique(arguments: list[MediaArgument]) -> Iterator[MediaArgument]:
    """Each file once: where --image names it too, --at only says its type."""
    types = {each.path: each.type for each in arguments if each.kind is None}
    pictures = {each.path for each in arguments if each.kind == "image"}
    for each in arguments:
        if each.kind == "image" and each.path in types:
            yield each.replace(kind=None, type=types[each.path])
        elif each.kind is not None or each.path not in pictures:
            yield each


def _given_type(argument: MediaArgument) -> str | None:
    """The media type that the user gives, as it is sent."""
    if argument.type is None:
        return None
    given = argument.type.lower()
    if not _MEDIA_TYPE.fullmatch(given):
        field = argument.source if argument.kind is None else f"{argument.source} {argument.path}: media_type"
        raise UsageError(message=f"{field}: {argument.type!r} is no media type", fix="TYPE/SUBTYPE, as in image/png")
    return {"image/jpg": "image/jpeg"}.get(given, given)


def _by_url(argument: MediaArgument) -> Media:
    url, kind, source = argument.url, argument.kind or "file", argument.source
    if not is_url(url):
        picture = "use --image for a picture" if source.startswith("--") else "name a picture in images"
        raise UsageError(
            message=f"{source} {url}: {kind}_url takes a URL, not a local file",
            fix=f"upload it somewhere, or {picture}",
        )
    if url.startswith("data:") and "," not in url:
        raise UsageError(message=f"{source} {url}: this is read as a URL, and is none", fix=f"./{url} is a file")
    return Media(kind, url=checked_media_url(url, source), name=printable_url(url))


def _can_be_read_again(path: str) -> bool:
    is_named = path != _STDIN and not path.startswith(("/dev/", "/proc/"))
    return is_named and os.path.isfile(path)  # noqa: PTH113 - a string is all that is needed


# --resize

_SHRINK = 0.8  # factor on width and height while the picture has too many bytes
_MIN_SIDE = 28  # pixels; one patch of the vision models, below which nothing can be seen
_MAX_PIXELS = 100_000_000  # pixels; decoded they take 400 MB, and scaling takes as much again
_REDUCING_GAP = 3.0  # how many times its new size a picture is reduced to, the cheap way, before it is scaled
_QUALITY = 90  # of JPEG and WebP
_MODES = ("L", "RGB", "RGBA")  # of pixels that can be scaled, and written in every format
_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}
# Types that only some builds of Pillow read; elsewhere they are sent unchanged, if the provider takes them.
_OPTIONAL_TYPES = ("image/heic", "image/avif", "image/jxl", "image/jp2")
# What its decoders raise on damaged files.
_DECODER_ERRORS = (OSError, ValueError, SyntaxError, LookupError, ArithmeticError, TypeError, EOFError, struct.error)


def resized(request: Request, provider: Provider, terminal: Terminal) -> Request:
    """The request with each picture upright, and as large as the model takes it; what fits stays as it is.

    Raises:
        UsageError: Pillow is missing, or a picture cannot be read, is too large to decode, or has 32-bit pixels of
            unknown range.
    """
    _load_pillow()
    limits = rules_of(request.model, provider).media.get("image", KindLimits())
    return request.replace(messages=tuple(_resized_message(message, limits, terminal) for message in request.messages))


def _load_pillow() -> None:
    try:
        from PIL import Image
    except ImportError as error:
        raise UsageError(message="--resize needs Pillow", fix="pip install 'glmcli[images]'") from error
    import logging

    logging.getLogger("PIL").addHandler(logging.NullHandler())  # without one, Python prints its errors on stderr
    Image.MAX_IMAGE_PIXELS = None  # we have a limit of our own, which counts what is unpacked


def _resized_message(message: Message, limits: KindLimits, terminal: Terminal) -> Message:
    parts = (part if isinstance(part, str) else _resized_media(part, limits, terminal) for part in message.parts)
    return message.replace(parts=tuple(parts)) if message.parts else message


def _resized_media(media: Media, limits: KindLimits, terminal: Terminal) -> Media:
    if not media.data or media.kind != "image" or _fits(media, limits):
        return media
    try:
        data = _shrunk(media, limits, terminal)
    except _DECODER_ERRORS as error:
        if media.type in _OPTIONAL_TYPES:
            return media
        raise _unreadable(media, error) from error
    info = sniff(data)
    terminal.detail(f"{media.name}: made {info.width}x{info.height} pixels, {len(data)} bytes, {info.type}")
    return media.replace(data=data, type=info.type, info=info, path=None, sha256=sha256(data).hexdigest())


def _fits(media: Media, limits: KindLimits) -> bool:
    """Whether the file is sent unchanged; what is not a picture always is, and what is stored turned never."""
    info = media.info
    if info is None or not info.type.startswith("image/") or info.type == "image/svg+xml" or info.fault:
        return True
    if info.orientation != UPRIGHT:
        return False
    fits_bytes = limits.max_bytes is None or len(media.data) <= limits.max_bytes
    fits_pixels = limits.holds(info.width or 0, info.height or 0)
    return fits_bytes and fits_pixels and (limits.types is None or media.type in limits.types)


def _unreadable(media: Media, error: Exception) -> UsageError:
    """The error as a message. Pillow's own text for unknown files is the repr of a Python object."""
    from PIL import UnidentifiedImageError

    what = media.info.what if media.info else media.type
    why = "" if isinstance(error, UnidentifiedImageError) else f": {error}"
    return UsageError(
        message=f"--resize: Pillow cannot read {media.name}, {what}{why}",
        fix="make or fetch it again, or convert it: magick IN OUT.png",
    )


def _shrunk(media: Media, limits: KindLimits, terminal: Terminal) -> bytes:
    """The picture, rotated as its EXIF data says and scaled down until it fits, in a type that the model takes."""
    picture = _open(media, limits, terminal)
    output_format = _output_format(media, limits, has_alpha=picture.mode == "RGBA")
    scale = _scale(picture, limits)
    while True:
        size = tuple(max(int(side * scale), 1) for side in picture.size)
        data = _encoded(picture.resize(size, reducing_gap=_REDUCING_GAP) if scale < 1 else picture, output_format)
        if limits.max_bytes is None or len(data) <= limits.max_bytes or max(size) < _MIN_SIDE:
            return data
        scale *= _SHRINK


def _scale(picture: Any, limits: KindLimits) -> float:  # noqa: ANN401 - Pillow's own type
    width, height = map(int, picture.size)
    return min(1.0, (limits.width or width) / width, (limits.height or height) / height)


def _output_format(media: Media, limits: KindLimits, *, has_alpha: bool) -> str:
    """The format to write: that of the picture, if the model takes it."""
    if media.type in _FORMATS and (limits.types is None or media.type in limits.types):
        return _FORMATS[media.type]
    return "PNG" if has_alpha else "JPEG"


def _open(media: Media, limits: KindLimits, terminal: Terminal) -> Any:  # noqa: ANN401 - as above
    """The first frame, rotated as its EXIF data says, in a mode that can be scaled."""
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about odd metadata; damaged pixels are an error
        picture = Image.open(io.BytesIO(media.data))
        frames = getattr(picture, "n_frames", 1)
        _decode(picture, media, limits)
        ImageOps.exif_transpose(picture, in_place=True)
        picture = _supported_mode(picture, media)
    if frames > 1:
        terminal.note(f"{media.name}: the first of its {frames} pictures is sent; --resize rewrites it as one")
    return picture


def _decode(picture: Any, media: Media, limits: KindLimits) -> None:  # noqa: ANN401 - as above
    """Load the pixels, if there are not too many; a JPEG can be decoded at a reduced size."""
    scale = _scale(picture, limits)
    if scale < 1:
        picture.draft(None, tuple(max(int(side * scale), 1) for side in picture.size))
    width, height = picture.size
    if width * height > _MAX_PIXELS:
        raise UsageError(
            message=f"--resize: {media.name} has {width}x{height} pixels; at most {_MAX_PIXELS} are unpacked",
            fix="make it smaller first: magick IN -resize 6000x6000 OUT.png",
        )
    picture.load()


def _supported_mode(picture: Any, media: Media) -> Any:  # noqa: ANN401 - as above
    """The picture in a mode of _MODES. Pillow would convert every bright 16-bit grey to white."""
    mode = picture.mode
    if mode in _MODES:
        return picture
    if mode.startswith("I;16") or (mode == "I" and picture.format == "PNG"):  # the latter in Pillow before 11
        return _upper_bytes(picture if mode != "I" else picture.convert("I;16"))
    if mode in ("I", "F"):
        raise UsageError(
            message=f"--resize: {media.name} has pixels of 32 bits, and does not say which of them are white",
            fix="convert it: magick IN -auto-level -depth 8 OUT.png",
        )
    return picture.convert("RGBA" if mode in ("P", "PA", "LA", "La", "RGBa") else "RGB")


def _upper_bytes(picture: Any) -> Any:  # noqa: ANN401 - as above
    """A 16-bit greyscale picture reduced to 8 bits: the upper byte of each pixel."""
    from PIL import Image

    upper = 0 if picture.mode == "I;16B" else 1
    return Image.frombytes("L", picture.size, picture.tobytes()[upper::2])


def _encoded(picture: Any, output_format: str) -> bytes:  # noqa: ANN401 - as above
    if output_format == "JPEG" and picture.mode == "RGBA":
        picture = picture.convert("RGB")
    file = io.BytesIO()
    picture.save(file, output_format, quality=_QUALITY)
    return file.getvalue()

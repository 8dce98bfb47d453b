"""Pictures made to fit: scaled down, or rewritten in a type that is taken. The only module that knows Pillow."""

from __future__ import annotations

import io
import struct
import warnings
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from glmcli.errors import UsageError
from glmcli.media.sniffing import sniff
from glmcli.providers.media_rules import KindLimits, rules_of

if TYPE_CHECKING:
    from glmcli.chat.messages import Media, Message, Request
    from glmcli.console.terminal import Terminal
    from glmcli.providers.row import Provider

_STEP = 0.8  # how much of its width and height a picture keeps when it still has too many bytes
_SMALLEST = 28  # pixels; one patch of the vision models, below which nothing can be seen
_MOST = 100_000_000  # pixels; unpacked they take 400 MB, and to scale them takes as much again
_GAP = 3.0  # how many times its new size a picture is reduced to, the cheap way, before it is scaled
_QUALITY = 90  # of JPEG and WebP
_MODES = ("L", "RGB", "RGBA")  # of pixels that can be scaled, and written in every format
_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}
# What Pillow reads in some builds only: where it does not, the rules of the provider say what to do.
_OFTEN_UNREAD = ("image/heic", "image/avif", "image/jxl", "image/jp2")
# What its decoders raise on damaged files.
_DAMAGE = (OSError, ValueError, SyntaxError, LookupError, ArithmeticError, TypeError, EOFError, struct.error)


def resized(request: Request, provider: Provider, terminal: Terminal) -> Request:
    """The request with each picture as large as the model takes it; what fits stays as it is.

    Raises:
        UsageError: Pillow is missing, or a picture cannot be read, is too large to be unpacked, or has pixels of which
            nobody says how bright they are.
    """
    _prepare()
    limits = rules_of(request.model, provider).media.get("image", KindLimits())
    return request.replace(messages=tuple(_turn(turn, limits, terminal) for turn in request.messages))


def _prepare() -> None:
    try:
        from PIL import Image
    except ImportError as error:
        raise UsageError(message="--resize needs Pillow", fix="pip install 'glmcli[images]'") from error
    import logging

    logging.getLogger("PIL").addHandler(logging.NullHandler())  # without one, Python prints its errors on stderr
    Image.MAX_IMAGE_PIXELS = None  # we have a limit of our own, which counts what is unpacked


def _turn(turn: Message, limits: KindLimits, terminal: Terminal) -> Message:
    parts = (part if isinstance(part, str) else _media(part, limits, terminal) for part in turn.parts)
    return turn.replace(parts=tuple(parts)) if turn.parts else turn


def _media(media: Media, limits: KindLimits, terminal: Terminal) -> Media:
    if not media.data or media.kind != "image" or _fits(media, limits):
        return media
    try:
        data = _smaller(media, limits, terminal)
    except _DAMAGE as error:
        if media.type in _OFTEN_UNREAD:
            return media
        raise _unreadable(media, error) from error
    info = sniff(data)
    terminal.detail(f"{media.name}: made {info.width}x{info.height} pixels, {len(data)} bytes, {info.type}")
    return media.replace(data=data, type=info.type, info=info, path=None, sha256=sha256(data).hexdigest())


def _fits(media: Media, limits: KindLimits) -> bool:
    """Whether nothing is to be done; what is no picture is not our business."""
    info = media.info
    if info is None or not info.type.startswith("image/") or info.type == "image/svg+xml" or info.fault:
        return True
    few = limits.most_bytes is None or len(media.data) <= limits.most_bytes
    small = limits.holds(info.width or 0, info.height or 0)
    return few and small and (limits.types is None or media.type in limits.types)


def _unreadable(media: Media, error: Exception) -> UsageError:
    """The error in words: those of Pillow name an object of Python where it does not know the file."""
    from PIL import UnidentifiedImageError

    what = media.info.what if media.info else media.type
    why = "" if isinstance(error, UnidentifiedImageError) else f": {error}"
    return UsageError(
        message=f"--resize: Pillow cannot read {media.name}, {what}{why}",
        fix="make or fetch it again, or convert it: magick IN OUT.png",
    )


def _smaller(media: Media, limits: KindLimits, terminal: Terminal) -> bytes:
    """The picture in a type that is taken, upright, and scaled down until it fits."""
    picture = _opened(media, limits, terminal)
    form = _form(media, limits, has_alpha=picture.mode == "RGBA")
    scale = _scale(picture, limits)
    while True:
        size = tuple(max(int(side * scale), 1) for side in picture.size)
        data = _written(picture.resize(size, reducing_gap=_GAP) if scale < 1 else picture, form)
        if limits.most_bytes is None or len(data) <= limits.most_bytes or max(size) < _SMALLEST:
            return data
        scale *= _STEP


def _scale(picture: Any, limits: KindLimits) -> float:  # noqa: ANN401 - Pillow's own type
    width, height = map(int, picture.size)
    return min(1.0, (limits.width or width) / width, (limits.height or height) / height)


def _form(media: Media, limits: KindLimits, *, has_alpha: bool) -> str:
    """The format to write: its own where that is taken."""
    if media.type in _FORMATS and (limits.types is None or media.type in limits.types):
        return _FORMATS[media.type]
    return "PNG" if has_alpha else "JPEG"


def _opened(media: Media, limits: KindLimits, terminal: Terminal) -> Any:  # noqa: ANN401 - as above
    """Its first picture, upright, with pixels that can be scaled."""
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata: what is wrong with the pixels is an error
        picture = Image.open(io.BytesIO(media.data))
        frames = getattr(picture, "n_frames", 1)
        _unpack(picture, media, limits)
        ImageOps.exif_transpose(picture, in_place=True)
        picture = _plain(picture, media)
    if frames > 1:
        terminal.note(f"{media.name}: the first of its {frames} pictures is sent; --resize rewrites it as one")
    return picture


def _unpack(picture: Any, media: Media, limits: KindLimits) -> None:  # noqa: ANN401 - as above
    """Load the pixels, if that is bearable; a JPEG can be unpacked smaller than it is."""
    scale = _scale(picture, limits)
    if scale < 1:
        picture.draft(None, tuple(max(int(side * scale), 1) for side in picture.size))
    width, height = picture.size
    if width * height > _MOST:
        raise UsageError(
            message=f"--resize: {media.name} has {width}x{height} pixels; at most {_MOST} are unpacked",
            fix="make it smaller first: magick IN -resize 6000x6000 OUT.png",
        )
    picture.load()


def _plain(picture: Any, media: Media) -> Any:  # noqa: ANN401 - as above
    """The same in the nearest of our modes. Pillow's own conversion would make every bright pixel of 16 bits white."""
    mode = picture.mode
    if mode in _MODES:
        return picture
    if mode.startswith("I;16") or (mode == "I" and picture.format == "PNG"):  # the latter in Pillow before 11
        return _eight_bits(picture if mode != "I" else picture.convert("I;16"))
    if mode in ("I", "F"):
        raise UsageError(
            message=f"--resize: {media.name} has pixels of 32 bits, and does not say which of them are white",
            fix="convert it: magick IN -auto-level -depth 8 OUT.png",
        )
    return picture.convert("RGBA" if mode in ("P", "PA", "LA", "La", "RGBa") else "RGB")


def _eight_bits(picture: Any) -> Any:  # noqa: ANN401 - as above
    """The upper byte of each grey of 16 bits."""
    from PIL import Image

    upper = 0 if picture.mode == "I;16B" else 1
    return Image.frombytes("L", picture.size, picture.tobytes()[upper::2])


def _written(picture: Any, form: str) -> bytes:  # noqa: ANN401 - as above
    if form == "JPEG" and picture.mode == "RGBA":
        picture = picture.convert("RGB")
    file = io.BytesIO()
    picture.save(file, form, quality=_QUALITY)
    return file.getvalue()

"""Pictures made to fit: scaled down, or rewritten in a type that is taken. The only module that knows Pillow."""

from __future__ import annotations

import io
import warnings
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from glmcli.errors import UsageError
from glmcli.media.sniff import look
from glmcli.providers.media_check import rules_of
from glmcli.providers.media_rules import FORMS, TEXT_ONLY, Rules

if TYPE_CHECKING:
    from glmcli.chat import Media, Message, Request
    from glmcli.providers.row import Provider
    from glmcli.terminal import Terminal

_STEP = 0.8  # how much of its width and height a picture keeps when it still has too many bytes
_SMALLEST = 28  # pixels; one patch of the vision models, below which nothing can be seen
_QUALITY = 90  # of JPEG and WebP
_MODES = ("L", "RGB", "RGBA")  # of pixels that can be scaled, and written in every format
_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}


def resized(request: Request, provider: Provider, terminal: Terminal) -> Request:
    """The request with each picture as large as the model takes it; what fits stays as it is.

    Raises:
        UsageError: Pillow is missing, or cannot read a picture.
    """
    _pillow()
    types = FORMS[provider.wire.media].types
    rules = rules_of(request, provider) or TEXT_ONLY
    limits = rules.replace(types=types or rules.types)
    return request.replace(messages=tuple(_turn(turn, limits, terminal) for turn in request.messages))


def _pillow() -> Any:  # noqa: ANN401 - a module that may not be there
    try:
        from PIL import Image
    except ImportError as error:
        raise UsageError(message="--resize needs Pillow", fix="pip install 'glmcli[images]'") from error
    return Image


def _turn(turn: Message, limits: Rules, terminal: Terminal) -> Message:
    parts = (part if isinstance(part, str) else _media(part, limits, terminal) for part in turn.parts)
    return turn.replace(parts=tuple(parts)) if turn.parts else turn


def _media(media: Media, limits: Rules, terminal: Terminal) -> Media:
    if not media.data or media.kind != "image" or _fits(media, limits):
        return media
    data = _smaller(media, limits)
    looks = look(data)
    terminal.detail(f"{media.name}: made {looks.width}x{looks.height} pixels, {len(data)} bytes, {looks.type}")
    return media.replace(data=data, type=looks.type, looks=looks, path=None, sha256=sha256(data).hexdigest())


def _fits(media: Media, limits: Rules) -> bool:
    """Whether nothing is to be done; what is no picture is not our business."""
    looks = media.looks
    if looks is None or not looks.type.startswith("image/") or looks.type == "image/svg+xml" or looks.fault:
        return True
    largest = max(looks.width or 0, looks.height or 0)
    few = limits.most_bytes is None or len(media.data) <= limits.most_bytes
    small = limits.most_pixels is None or largest <= limits.most_pixels
    return few and small and (limits.types is None or media.type in limits.types)


def _smaller(media: Media, limits: Rules) -> bytes:
    """The picture in a type that is taken, upright, and scaled down until it fits."""
    picture = _opened(media)
    form = _form(media, limits, has_alpha=picture.mode == "RGBA")
    most = limits.most_pixels or max(picture.size)
    scale = min(1.0, most / max(picture.size))
    while True:
        size = tuple(max(int(side * scale), 1) for side in picture.size)
        data = _written(picture.resize(size) if scale < 1 else picture, form)
        if limits.most_bytes is None or len(data) <= limits.most_bytes or max(size) < _SMALLEST:
            return data
        scale *= _STEP


def _form(media: Media, limits: Rules, *, has_alpha: bool) -> str:
    """The format to write: its own where that is taken."""
    if media.type in _FORMATS and (limits.types is None or media.type in limits.types):
        return _FORMATS[media.type]
    return "PNG" if has_alpha else "JPEG"


def _opened(media: Media) -> Any:  # noqa: ANN401 - Pillow's own type
    image = _pillow()
    from PIL import ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large pictures: that is what we are here for
            picture = ImageOps.exif_transpose(image.open(io.BytesIO(media.data)))
            picture.load()
            return picture if picture.mode in _MODES else picture.convert(_mode(picture.mode))
    except (OSError, ValueError, SyntaxError, image.DecompressionBombError) as error:
        raise UsageError(message=f"--resize: Pillow cannot read {media.name}: {error}") from error


def _mode(mode: str) -> str:
    """The nearest of them."""
    if mode.startswith("I;16"):
        return "L"
    return "RGBA" if mode in ("P", "PA", "LA", "La", "RGBa") else "RGB"


def _written(picture: Any, form: str) -> bytes:  # noqa: ANN401 - as above
    if form == "JPEG" and picture.mode == "RGBA":
        picture = picture.convert("RGB")
    file = io.BytesIO()
    picture.save(file, form, quality=_QUALITY)
    return file.getvalue()

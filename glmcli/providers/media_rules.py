"""Pictures, videos and files: what a model takes, by the catalogue, and why a request would be refused. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from glmcli import catalogue
from glmcli.errors import UsageError
from glmcli.media.exif import UPRIGHT
from glmcli.media.sniffing import LFS_POINTER
from glmcli.providers.abilities import Objection, model_flags, thinks_as_asked
from glmcli.providers.table import PROVIDERS
from glmcli.record import EMPTY, Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from glmcli.chat.messages import Media, MediaKind, Request
    from glmcli.providers.row import Provider

_KINDS: tuple[MediaKind, ...] = ("image", "video", "file")
_MIB = 1024 * 1024  # a page that says MB may mean this larger unit: only what is surely refused is refused here


class KindLimits(Record):
    """How one kind of media is taken; what is not known is allowed.

    Attributes:
        url: it may be an address that the server fetches.
        data: it may be bytes.
        max_count: how many a request may contain.
        max_bytes: the size of one.
        width, height: the largest, in pixels.
        types: its media types.
    """

    url: bool = True
    data: bool = True
    max_count: int | None = None
    max_bytes: int | None = None
    width: int | None = None
    height: int | None = None
    types: tuple[str, ...] | None = None

    def holds(self, width: int, height: int) -> bool:
        """Whether a picture of this size is allowed."""
        return (self.width is None or width <= self.width) and (self.height is None or height <= self.height)


class MediaRules(Record):
    """What a model takes beside text, and how.

    Attributes:
        known: these are facts about the model, not only about its server.
        media: the kinds that are taken; none by a text model.
        reads: the input of a model that takes no media.
        mixing: one request takes media of `one_kind`, or files without pictures and videos (`file_alone`); None: any.
        text_first: the text goes before the media, as in the provider's own examples.
        details: the values of --detail.
    """

    known: bool
    media: Mapping[MediaKind, KindLimits] = EMPTY  # type: ignore[assignment]
    reads: tuple[str, ...] = ("text",)
    mixing: Literal["one_kind", "file_alone"] | None = None
    text_first: bool = False
    details: tuple[str, ...] = ()


def rules_of(model: str, provider: Provider) -> MediaRules:
    """What this model takes at this provider: by the facts about the model, else by those about its server."""
    facts, form = provider.facts(model) or EMPTY, provider.api.media
    takes = catalogue.media(form) if form else EMPTY
    if "vision" in facts:
        # The order of the parts and the values of `detail` are the server's, where a user's own facts do not say them.
        shared = {name: takes[name] for name in ("order", "detail") if name in takes}
        return _rules({**shared, **facts["vision"]}, known=True)
    server = _rules(takes, known=False) if form else MediaRules(known=False)
    if "input" not in facts:
        return server
    # What a user's own facts name without saying how it is taken, the server takes in its way.
    media = {kind: server.media.get(kind, KindLimits()) for kind in _KINDS if kind in facts["input"]}
    return server.replace(known=True, media=media, reads=tuple(facts["input"]))


def models_taking(provider: Provider, kinds: set[MediaKind], request: Request | None = None) -> tuple[str, ...]:
    """The models that are known to take these kinds at a provider, and to think as `request` asks, the newest first."""

    def is_able(facts: Mapping[str, Any]) -> bool:
        return kinds <= set(facts.get("vision", EMPTY)) and (request is None or thinks_as_asked(request, facts))

    return provider.models_where(is_able)


def _rules(vision: Mapping[str, Any], *, known: bool) -> MediaRules:
    return MediaRules(
        known=known,
        media={kind: _limits(kind, vision[kind]) for kind in _KINDS if kind in vision},
        mixing=vision.get("mixing"),
        text_first=vision.get("order") == "text_first",
        details=tuple(vision.get("detail", ())),
    )


def _limits(kind: MediaKind, facts: Mapping[str, Any]) -> KindLimits:
    megabytes = facts.get("max_megabytes")
    return KindLimits(
        url=facts.get("url") is not False,
        data=facts.get("data") is not False,
        max_count=facts.get("most"),
        max_bytes=megabytes and megabytes * _MIB,
        width=facts.get("max_width"),
        height=facts.get("max_height"),
        types=_types(facts["formats"]) if kind == "image" and facts.get("formats") else None,
    )


def _types(formats: list[str]) -> tuple[str, ...]:
    """The media types of pictures whose formats a page, or a user, names by file extensions or media types."""
    names = (name.lower().removeprefix("image/").removeprefix(".") for name in formats)
    return tuple(dict.fromkeys(f"image/{'jpeg' if name == 'jpg' else name}" for name in names))


# Checks of a request

_SINGULAR: dict[MediaKind, str] = {"image": "a picture", "video": "a video", "file": "a file"}
_PLURAL: dict[MediaKind, str] = {"image": "pictures", "video": "videos", "file": "files"}
_HEIC = "convert it: magick IN OUT.jpg, or sips -s format jpeg IN --out OUT.jpg"
_REWRITTEN = "glm vision --resize, which rewrites it; or convert it: magick IN OUT.png"
_TEXT = "-a FILE adds the text of a file to the message"
# What to do with a media type that is not taken.
_FIXES = {
    "image/heic": _HEIC,
    # What Pillow reads by itself: JPEG 2000 and AVIF in the builds that most people have.
    **dict.fromkeys(
        (
            *("image/bmp", "image/tiff", "image/x-icon", "image/avif", "image/jp2", "image/webp", "image/icns"),
            *("image/qoi", "image/vnd-ms.dds", "image/vnd.adobe.photoshop"),
            *("image/x-portable-graymap", "image/x-portable-pixmap"),
        ),
        _REWRITTEN,
    ),
    "image/gif": "glm vision --resize takes its first frame; so does magick 'IN[0]' OUT.png",
    "image/svg+xml": "draw it: rsvg-convert IN -o OUT.png",
    "application/pdf": "give its URL: --file URL; or draw its pages: pdftoppm -r 150 -png IN OUT",
    "text/plain": _TEXT,
    LFS_POINTER: "fetch the file itself: git lfs pull",
    "text/html": "look at it: the download may be a page that asks you to log in",
}
_CONVERT = "convert it: magick IN OUT.png"
_SMALLER = "glm vision --resize makes it smaller"


def media_of(request: Request) -> list[Media]:
    """All media of a request, in their order."""
    return [media for message in request.messages for media in message.media]


def _kinds_of(request: Request) -> set[MediaKind]:
    return {media.kind for media in media_of(request)}


def contradictions(request: Request, provider: Provider) -> Iterator[UsageError]:
    """The error for a provider whose way of taking media is not documented."""
    if provider.api.media is None:
        models = model_flags(_hosted_models(_kinds_of(request)))
        yield UsageError(
            message=f"how {provider.name} takes media is documented only in part, and not known here",
            fix=f"a model of another provider: {models}, or glm vision without -m; or your own request with curl",
        )


def objections(request: Request, provider: Provider) -> Iterator[Objection]:
    """Why the provider or the model would refuse the media of a request; --force sends them anyway."""
    found, rules = media_of(request), rules_of(request.model, provider)
    who = f"{request.model} at {provider.name}" if rules.known else provider.name
    yield from _kinds(request, rules, provider, who)
    yield from _combination(found, rules, who)
    yield from _count(found, rules, who)
    for media in found:
        limits = rules.media.get(media.kind, KindLimits())
        yield from _transport(media, limits, who)
        if media.detail and not rules.details:
            yield Objection(f"{who} has no detail of pictures", "leave out --detail")
        yield from _format(media, limits, who)
        yield from _size(media, limits, who)


def _kinds(request: Request, rules: MediaRules, provider: Provider, who: str) -> Iterator[Objection]:
    for kind in dict.fromkeys(media.kind for media in media_of(request)):
        if kind in rules.media:
            continue
        fix = f"it takes {' and '.join(_PLURAL[each] for each in rules.media)}"
        if rules.known:
            able = models_taking(provider, {kind}, request)
            here = tuple(f"{provider.name}/{model}" for model in able)
            models = model_flags(here or _hosted_models({kind}, request) or _hosted_models({kind}))
            own = provider.vision_model
            default = "glm vision without -m, or " if own is None or own in able else ""
            fix = f"{default}a model that takes {_SINGULAR[kind]}: {models}"
        what = f"takes no {_PLURAL[kind]}" if rules.media else f"reads {' and '.join(rules.reads)} only"
        yield Objection(f"{who} {what}", fix)


def _hosted_models(kinds: set[MediaKind], request: Request | None = None) -> tuple[str, ...]:
    """The default models for pictures, of all hosted providers, that take these kinds, and think as `request` asks."""
    rows = (row for row in PROVIDERS.values() if row.hosted and row.vision_model in models_taking(row, kinds, request))
    return tuple(f"{row.name}/{row.vision_model}" for row in rows)


def models_for(request: Request, provider: Provider) -> tuple[str, ...]:
    """The models in the catalogue that take all media of this request."""
    return models_taking(provider, _kinds_of(request))


def _combination(found: list[Media], rules: MediaRules, who: str) -> Iterator[Objection]:
    kinds = dict.fromkeys(media.kind for media in found)
    if rules.mixing == "one_kind" and len(kinds) > 1:
        words = " and ".join(_PLURAL[kind] for kind in kinds)
        yield Objection(f"{who} takes one kind of media a request", f"these are {words}: ask once for each")
    if rules.mixing == "file_alone" and "file" in kinds and len(kinds) > 1:
        yield Objection(
            f"{who} takes no files beside pictures or videos", "ask once with the files, once with the others"
        )


def _count(found: list[Media], rules: MediaRules, who: str) -> Iterator[Objection]:
    for kind, limits in rules.media.items():
        count, most = sum(media.kind == kind for media in found), limits.max_count
        if most is not None and count > most:
            words = _PLURAL[kind] if most > 1 else _PLURAL[kind].removesuffix("s")
            yield Objection(
                f"{who} takes at most {most} {words}, and there are {count}", "leave some out, or ask more than once"
            )


def _transport(media: Media, limits: KindLimits, who: str) -> Iterator[Objection]:
    """Objections to an address, or to bytes."""
    if media.url and not limits.url:
        yield Objection(
            f"{who} takes {_PLURAL[media.kind]} as data, not by URL",
            "fetch it first, as in curl -s URL | glm vision --image - PROMPT",
        )
    if media.data and not limits.data and media.kind == "image":
        yield Objection(f"{who} takes pictures by URL only", "upload it somewhere")
    elif media.data and not limits.data:
        yield Objection(
            f"{media.name}: {media.kind}_url takes a URL, not a local file",
            _TEXT if media.type.startswith("text/") else "upload it somewhere, or use --image for a picture",
        )


def _format(media: Media, limits: KindLimits, who: str) -> Iterator[Objection]:
    """Objections to the media type, and to a file that is not whole."""
    info, types, name = media.info, limits.types, media.name
    if not media.data or info is None:
        return
    if media.kind == "image" and not media.type.startswith("image/"):
        yield Objection(f"{name}: it is {info.what}, not a picture", _FIXES.get(media.type, "give a picture"))
    elif media.kind == "image" and types is not None and media.type not in types:
        what = info.what if info.type == media.type else media.type
        known = ", ".join(each.removeprefix("image/") for each in types)
        yield Objection(f"{name}: {who} takes {known}, and this is {what}", _FIXES.get(media.type, _CONVERT))
    if info.fault and info.type == media.type:
        yield Objection(f"{name}: {info.what} that is cut off or damaged: {info.fault}", "make or fetch it again")


def _size(media: Media, limits: KindLimits, who: str) -> Iterator[Objection]:
    if limits.max_bytes and len(media.data) > limits.max_bytes:
        limit = f"{limits.max_bytes} ({limits.max_bytes // _MIB} MB)"
        yield Objection(f"{media.name} has {len(media.data)} bytes, and {who} takes at most {limit}", _SMALLER)
    info = media.info
    if info and not limits.holds(info.width or 0, info.height or 0):
        size, limit = f"{info.width}x{info.height}", f"{limits.width}x{limits.height}"
        yield Objection(f"{media.name} has {size} pixels, and {who} takes at most {limit}", _SMALLER)


def remarks(request: Request, provider: Provider) -> Iterator[str]:
    """Remarks on what cannot be checked, and on what the model may see otherwise than the user does."""
    for media in media_of(request):
        # Most servers take the pixels as they are stored: github.com/ollama/ollama/issues/18418 (2026-09-13),
        # ggml-org/llama.cpp issue 20870 and pull 24196 (2026-06-05), sgl-project/sglang pull 33449 (2026-08-04).
        if media.info and media.info.orientation != UPRIGHT:
            turned = f"{media.name} is stored turned or mirrored (EXIF orientation {media.info.orientation})"
            yield f"{turned}, which most servers ignore; glm vision --resize sends it upright"
    rules = rules_of(request.model, provider)
    if not rules.known:
        yield f"what {request.model} at {provider.name} takes beside text is not known: it is sent unchecked"
        if any(media.detail for media in media_of(request)):
            yield f"whether {request.model} at {provider.name} honours --detail is not known"


def details(request: Request) -> Iterator[str]:
    """One line for each of the media, without its bytes."""
    for media in media_of(request):
        info = media.info
        pixels = f", {info.width}x{info.height} pixels" if info and info.width else ""
        sent = f": {media.shown()}" if media.data else ""
        yield f"{media.kind} {media.name}{sent}{pixels}"

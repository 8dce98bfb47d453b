"""What models and servers take beside text: the facts of the catalogue as the checks ask for them. Pure."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from glmcli import catalogue
from glmcli.errors import UsageError
from glmcli.providers.abilities import named
from glmcli.record import EMPTY, Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from glmcli.chat.messages import Media, MediaKind, Request
    from glmcli.providers.row import Provider

_KINDS: tuple[MediaKind, ...] = ("image", "video", "file")
MIB = 1024 * 1024  # where a page says MB, the larger reading: what is refused here is refused there


class Medium(Record):
    """How one kind is taken; what is not known forbids nothing.

    Attributes:
        url: by an address that the server fetches.
        data: as bytes.
        most: how many in one request.
        most_bytes: of one.
        width: of one, at most, in pixels.
        height: the same.
        types: media types.
    """

    url: bool = True
    data: bool = True
    most: int | None = None
    most_bytes: int | None = None
    width: int | None = None
    height: int | None = None
    types: tuple[str, ...] | None = None

    def holds(self, width: int, height: int) -> bool:
        """Whether these pixels are not too many."""
        return (self.width is None or width <= self.width) and (self.height is None or height <= self.height)


class Rules(Record):
    """What is taken, and how.

    Attributes:
        known: this is said of the model; else of its server, whatever the model.
        media: what is taken; nothing by a text model.
        reads: what a model that takes no media reads.
        mixing: `one_kind` alone in a request, or each `file_alone`, without pictures and videos; None: anything.
        text_first: the text stands before the media, as in the provider's own examples.
        details: the words that say how closely the model looks.
    """

    known: bool
    media: Mapping[MediaKind, Medium] = EMPTY  # type: ignore[assignment]
    reads: tuple[str, ...] = ("text",)
    mixing: Literal["one_kind", "file_alone"] | None = None
    text_first: bool = False
    details: tuple[str, ...] = ()


@cache
def find(name: str, model: str, form: str | None) -> Rules:
    """What a model takes: what the catalogue of this name says of it, else what it says of its server's form."""
    facts = catalogue.facts(name, model) or EMPTY
    if "vision" in facts:
        return _rules(facts["vision"], known=True)
    server = _rules(catalogue.media(form), known=False) if form else Rules(known=False)
    return server.replace(known=True, media=EMPTY, reads=tuple(facts["input"])) if "input" in facts else server


def takers(name: str, kinds: set[MediaKind]) -> tuple[str, ...]:
    """The models of a catalogue that take these kinds, the newest first."""
    return catalogue.models_where(name, lambda facts: kinds <= set(facts.get("vision", EMPTY)))


def _rules(vision: Mapping[str, Any], *, known: bool) -> Rules:
    return Rules(
        known=known,
        media={kind: _medium(kind, vision[kind]) for kind in _KINDS if kind in vision},
        mixing=vision.get("mixing"),
        text_first=vision["order"] == "text_first",
        details=tuple(vision["detail"]),
    )


def _medium(kind: MediaKind, facts: Mapping[str, Any]) -> Medium:
    megabytes = facts.get("max_megabytes")
    return Medium(
        url=facts.get("url") is not False,
        data=facts.get("data") is not False,
        most=facts.get("most"),
        most_bytes=megabytes and megabytes * MIB,
        width=facts.get("max_width"),
        height=facts.get("max_height"),
        types=_types(facts["formats"]) if kind == "image" and "formats" in facts else None,
    )


def _types(formats: list[str]) -> tuple[str, ...]:
    """The media types of pictures that a page writes as endings of files."""
    return tuple(dict.fromkeys(f"image/{'jpeg' if name == 'jpg' else name}" for name in formats))


# What a provider or model is known not to accept of pictures, videos and files. Pure.

Objection = tuple[str, str]  # why the provider would refuse, and what to do instead

WORDS: dict[MediaKind, str] = {"image": "a picture", "video": "a video", "file": "a file"}
_PLURAL: dict[MediaKind, str] = {"image": "pictures", "video": "videos", "file": "files"}
_JPEG = "convert it: magick IN OUT.jpg, or sips -s format jpeg IN --out OUT.jpg"
_TEXT = "-a FILE adds the text of a file to the message"
# What to do with a type that is not taken.
_INSTEAD = {
    "image/heic": _JPEG,
    "image/avif": _JPEG,
    "image/webp": "convert it: magick IN OUT.png; or --resize, which rewrites it",
    "image/gif": "convert it: magick 'IN[0]' OUT.png takes its first frame",
    "image/svg+xml": "draw it: rsvg-convert IN -o OUT.png",
    "application/pdf": "give its URL: --file URL; or draw its pages: pdftoppm -r 150 -png IN OUT",
    "text/plain": _TEXT,
    "text/html": "look at it: the download may be a page that asks you to log in",
}
_CONVERT = "convert it: magick IN OUT.png"
_SMALLER = "--resize makes it smaller"


def media_of(request: Request) -> list[Media]:
    """All that is sent beside text, in its order."""
    return [media for message in request.messages for media in message.media]


def _kinds_of(request: Request) -> set[MediaKind]:
    return {media.kind for media in media_of(request)}


def rules_of(model: str, provider: Provider) -> Rules:
    """What this model takes at this provider, as far as it is known."""
    return find(provider.catalogue, model, provider.api.media)


def contradictions(request: Request, provider: Provider) -> Iterator[UsageError]:
    """What cannot be sent because nobody has said how."""
    if provider.api.media is None:
        yield UsageError(
            message=f"how {provider.name} takes media is documented only in part, and not known here",
            fix=f"a model of another provider: {named(_elsewhere(_kinds_of(request)))}; or your own request with curl",
        )


def objections(request: Request, provider: Provider) -> Iterator[Objection]:
    """What the provider or the model is known to refuse; --force sends it anyway."""
    found, rules = media_of(request), rules_of(request.model, provider)
    who = f"{request.model} at {provider.name}" if rules.known else provider.name
    yield from _kinds(found, rules, provider, who)
    yield from _mixture(found, rules, who)
    yield from _numbers(found, rules, who)
    for media in found:
        medium = rules.media.get(media.kind, Medium())
        yield from _way(media, medium, who)
        if media.detail and not rules.details:
            yield (f"{who} has no detail of pictures", "leave out --detail")
        yield from _shape(media, medium, who)
        yield from _size(media, medium, who)


def _kinds(found: list[Media], rules: Rules, provider: Provider, who: str) -> Iterator[Objection]:
    for kind in dict.fromkeys(media.kind for media in found):
        if kind in rules.media:
            continue
        fix = f"it takes {' and '.join(_PLURAL[each] for each in rules.media)}"
        if rules.known:
            here = tuple(f"{provider.name}/{model}" for model in takers(provider.catalogue, {kind}))
            fix = f"a model that takes {WORDS[kind]}: {named(here or _elsewhere({kind}))}"
        yield (
            f"{who} takes no {_PLURAL[kind]}" if rules.media else f"{who} reads {' and '.join(rules.reads)} only",
            fix,
        )


def _elsewhere(kinds: set[MediaKind]) -> tuple[str, ...]:
    """The providers' own choice for pictures, where it takes these kinds too."""
    from glmcli.providers.table import PROVIDERS

    rows = (row for row in PROVIDERS.values() if row.hosted and row.vision_model in takers(row.catalogue, kinds))
    return tuple(f"{row.name}/{row.vision_model}" for row in rows)


def able(request: Request, provider: Provider) -> tuple[str, ...]:
    """The listed models that take all the kinds that are sent."""
    return takers(provider.catalogue, _kinds_of(request))


def _mixture(found: list[Media], rules: Rules, who: str) -> Iterator[Objection]:
    kinds = dict.fromkeys(media.kind for media in found)
    if rules.mixing == "one_kind" and len(kinds) > 1:
        yield (
            f"{who} takes one kind of media a request",
            f"these are {' and '.join(_PLURAL[kind] for kind in kinds)}: ask once for each",
        )
    if rules.mixing == "file_alone" and "file" in kinds and len(kinds) > 1:
        yield (f"{who} takes no files beside pictures or videos", "ask once with the files, once with the others")


def _numbers(found: list[Media], rules: Rules, who: str) -> Iterator[Objection]:
    for kind, medium in rules.media.items():
        count = sum(media.kind == kind for media in found)
        if medium.most is not None and count > medium.most:
            words = _PLURAL[kind] if medium.most > 1 else _PLURAL[kind].removesuffix("s")
            yield (
                f"{who} takes at most {medium.most} {words}, and these are {count}",
                "leave some out, or ask more than once",
            )


def _way(media: Media, medium: Medium, who: str) -> Iterator[Objection]:
    """By URL, or as data."""
    if media.url and not medium.url:
        yield (
            f"{who} takes {_PLURAL[media.kind]} as data, not by URL",
            "fetch it first, as in curl -s URL | glm vision --image - PROMPT",
        )
    if media.data and not medium.data and media.kind == "image":
        yield (f"{who} takes pictures by URL only", "upload it somewhere")
    elif media.data and not medium.data:
        yield (
            f"{media.name}: {media.kind}_url takes a URL, not a local file",
            _TEXT if media.type.startswith("text/") else "upload it somewhere, or use --image for a picture",
        )


def _shape(media: Media, medium: Medium, who: str) -> Iterator[Objection]:
    """What it is, and whether it is whole."""
    info, types = media.info, medium.types
    if not media.data or info is None:
        return
    if media.kind == "image" and not media.type.startswith("image/"):
        yield (f"{media.name}: it is {info.what}, not a picture", _INSTEAD.get(media.type, "give a picture"))
    elif media.kind == "image" and types is not None and media.type not in types:
        what = info.what if info.type == media.type else media.type
        known = ", ".join(name.removeprefix("image/") for name in types)
        yield (f"{media.name}: {who} takes {known}, and this is {what}", _INSTEAD.get(media.type, _CONVERT))
    if info.fault and info.type == media.type:
        yield (f"{media.name}: {info.what} that is cut off or damaged: {info.fault}", "make or fetch it again")


def _size(media: Media, medium: Medium, who: str) -> Iterator[Objection]:
    if medium.most_bytes and len(media.data) > medium.most_bytes:
        limit = f"{medium.most_bytes} ({medium.most_bytes // MIB} MB)"
        yield f"{media.name} has {len(media.data)} bytes, and {who} takes at most {limit}", _SMALLER
    info = media.info
    if info and not medium.holds(info.width or 0, info.height or 0):
        limit = f"{medium.width}x{medium.height}"
        yield f"{media.name} has {info.width}x{info.height} pixels, and {who} takes at most {limit}", _SMALLER


def remarks(request: Request, provider: Provider) -> Iterator[str]:
    """What is not checked."""
    rules = rules_of(request.model, provider)
    if not rules.known:
        yield f"what {request.model} at {provider.name} takes beside text is not known: it is sent unchecked"
        if any(media.detail for media in media_of(request)):
            yield f"whether {request.model} at {provider.name} heeds --detail is not known"


def details(request: Request) -> Iterator[str]:
    """One line for each, without its bytes."""
    for media in media_of(request):
        info = media.info
        pixels = f", {info.width}x{info.height} pixels" if info and info.width else ""
        sent = f": {media.shown()}" if media.data else ""
        yield f"{media.kind} {media.name}{sent}{pixels}"

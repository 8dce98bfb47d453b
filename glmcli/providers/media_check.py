"""What a provider or model is known not to accept of pictures, videos and files. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli import catalogue
from glmcli.errors import UsageError
from glmcli.providers.media_rules import FORMS, MIB, Form, Rules, find, takers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.chat import Media, MediaKind, Request
    from glmcli.providers.row import Provider

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


def media_of(request: Request) -> list[Media]:
    """All that is sent beside text, in its order."""
    return [media for message in request.messages for media in message.media]


def rules_of(request: Request, provider: Provider) -> Rules | None:
    """What the request's model takes at this provider, where it is known."""
    listed = catalogue.find(provider.catalogue, request.model) is not None
    return find(provider.catalogue, request.model, listed=listed)


def contradictions(provider: Provider) -> Iterator[UsageError]:
    """What cannot be sent because nobody has said how."""
    if not FORMS[provider.wire.media].known:
        yield UsageError(
            message=f"how {provider.name} takes media is documented only in part, and not known here",
            fix="another provider, such as -P zai, or your own request with curl",
        )


def objections(request: Request, provider: Provider) -> Iterator[Objection]:
    """What the provider or the model is known to refuse; --force sends it anyway."""
    found, form, rules = media_of(request), FORMS[provider.wire.media], rules_of(request, provider)
    yield from _kinds(found, request, provider, rules)
    yield from _mixture(found, form, provider)
    yield from _numbers(found, request, provider, rules)
    for media in found:
        yield from _way(media, form, request, provider, rules)
        yield from _detail(media, form, provider)
        yield from _shape(media, form.types or (rules.types if rules else None), request, provider)
        yield from _size(media, request, provider, rules)


def _kinds(found: list[Media], request: Request, provider: Provider, rules: Rules | None) -> Iterator[Objection]:
    form = FORMS[provider.wire.media]
    for kind in dict.fromkeys(media.kind for media in found):
        if kind not in form.kinds:
            yield (f"{provider.name} takes no {_PLURAL[kind]}", f"it takes {_PLURAL[form.kinds[0]]}")
        elif rules is not None and kind not in rules.kinds:
            able = takers(provider.catalogue, kind)
            what = f"takes no {_PLURAL[kind]}" if rules.kinds else "reads text only"
            fix = f"a model that takes {WORDS[kind]}: -m {', '.join(able)}" if able else "a model of another provider"
            yield (f"{request.model} at {provider.name} {what}", fix)


def _mixture(found: list[Media], form: Form, provider: Provider) -> Iterator[Objection]:
    kinds = dict.fromkeys(media.kind for media in found)
    if form.together == "one_kind" and len(kinds) > 1:
        yield (
            f"{provider.name} takes one kind of media a request: pictures, videos or files",
            f"these are {' and '.join(_PLURAL[kind] for kind in kinds)}: ask once for each",
        )
    if form.together == "file_apart" and "file" in kinds and len(kinds) > 1:
        yield (
            f"{provider.name} takes no files beside pictures or videos",
            "ask once with the files, once with the others",
        )


def _numbers(found: list[Media], request: Request, provider: Provider, rules: Rules | None) -> Iterator[Objection]:
    for kind, most in (rules.most if rules else {}).items():
        count = sum(media.kind == kind for media in found)
        if count > most:
            words = _PLURAL[kind] if most > 1 else _PLURAL[kind].removesuffix("s")
            yield (
                f"{request.model} at {provider.name} takes at most {most} {words}, and these are {count}",
                "leave some out, or ask more than once",
            )


def _way(media: Media, form: Form, request: Request, provider: Provider, rules: Rules | None) -> Iterator[Objection]:
    """By URL, or as data."""
    if media.url and media.kind in form.kinds and media.kind not in form.by_url:
        yield (
            f"{provider.name} takes {_PLURAL[media.kind]} as data, not by URL",
            "fetch it first, as in curl -s URL | glm vision --image - PROMPT",
        )
    if media.data and media.kind in form.kinds and media.kind not in form.by_data:
        yield (
            f"{media.name}: {media.kind}_url takes a URL, not a local file",
            _TEXT if media.type.startswith("text/") else "upload it somewhere, or use --image for a picture",
        )
    elif media.data and media.kind == "image" and rules is not None and not rules.data:
        yield (f"{request.model} at {provider.name} takes pictures by URL only", "upload it somewhere")


def _detail(media: Media, form: Form, provider: Provider) -> Iterator[Objection]:
    if media.detail and not form.detail:
        yield (f"{provider.name} has no detail of pictures", "leave out --detail")


def _shape(media: Media, types: tuple[str, ...] | None, request: Request, provider: Provider) -> Iterator[Objection]:
    """What it is, and whether it is whole."""
    looks = media.looks
    if media.kind != "image" or not media.data or looks is None:
        return
    if not media.type.startswith("image/"):
        yield (f"{media.name}: it is {looks.what}, not a picture", _INSTEAD.get(media.type, "give a picture"))
    elif types is not None and media.type not in types:
        what = looks.what if looks.type == media.type else media.type
        known = ", ".join(name.removeprefix("image/") for name in types)
        yield (
            f"{media.name}: {request.model} at {provider.name} takes {known}, and this is {what}",
            _INSTEAD.get(media.type, _CONVERT),
        )
    if looks.fault and looks.type == media.type:
        yield (f"{media.name}: {looks.what} that is cut off or damaged: {looks.fault}", "make or fetch it again")


def _size(media: Media, request: Request, provider: Provider, rules: Rules | None) -> Iterator[Objection]:
    if media.kind != "image" or rules is None or media.looks is None:
        return
    name = f"{request.model} at {provider.name}"
    if rules.most_bytes and len(media.data) > rules.most_bytes:
        limit = f"{rules.most_bytes} ({rules.most_bytes // MIB} MB)"
        yield f"{media.name} has {len(media.data)} bytes, and {name} takes at most {limit}", "--resize makes it smaller"
    width, height, most = media.looks.width or 0, media.looks.height or 0, rules.most_pixels
    if most and max(width, height) > most:
        yield (
            f"{media.name} has {width}x{height} pixels, and {name} takes at most {most}x{most}",
            "--resize makes it smaller",
        )


def remarks(request: Request, provider: Provider) -> Iterator[str]:
    """What is not checked."""
    if rules_of(request, provider) is None:
        yield f"what {request.model} at {provider.name} takes beside text is not known: it is sent unchecked"


def details(request: Request) -> Iterator[str]:
    """One line for each, without its bytes."""
    for media in media_of(request):
        looks = media.looks
        pixels = f", {looks.width}x{looks.height} pixels" if looks and looks.width else ""
        sent = f": {media.shown()}" if media.data else ""
        yield f"{media.kind} {media.name}{sent}{pixels}"

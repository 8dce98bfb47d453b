"""What models and servers take beside text: the facts of the catalogue as the checks ask for them. Pure."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from glmcli import catalogue
from glmcli.record import EMPTY, Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.chat import MediaKind

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
    return catalogue.able(name, lambda facts: kinds <= set(facts.get("vision", EMPTY)))


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

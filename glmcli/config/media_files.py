"""Pictures, videos and files as the user names them: read once, and known by their bytes."""

from __future__ import annotations

import os
import re
from hashlib import sha256
from typing import TYPE_CHECKING

from glmcli.chat.messages import Media
from glmcli.console.stdin import SizeLimit, Stdin, read_file
from glmcli.errors import UsageError
from glmcli.http.urls import checked_media_url, is_url, printable_url
from glmcli.media.sniffing import sniff

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from glmcli.chat.messages import MediaKind
    from glmcli.config.options import MediaArgument

DETAILS = ("auto", "low", "high")
MOST = 75_000_000  # bytes of all files together: as base64 they are 100 MB
_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9.+-]*")
_KINDS: Mapping[str, MediaKind] = {"image": "image", "video": "video"}  # any other type is a file
_TOO_LARGE = "all files together may have 75000000 bytes (75 MB): give a URL, or a smaller picture"
_SEEN = 8  # bytes of an unknown kind that are shown
_STDIN = "-"
_ITS_NAMES = ("/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")


class MediaFiles:
    """Reads what belongs to one question."""

    def __init__(self, stdin: Stdin, detail: str | None) -> None:
        """`detail` counts for pictures that say none of their own.

        Raises:
            UsageError: the detail is no word that is known.
        """
        if detail not in (None, *DETAILS):
            known = ", ".join(DETAILS)
            raise UsageError(message=f"--detail {detail}: not one of {known}", fix="leave it out, or use one of them")
        self._stdin = stdin
        self._detail = detail
        self._left = MOST

    def beside_prompt(self, named: Iterable[MediaArgument]) -> tuple[Media, ...]:
        """What is named beside the prompt, in the same order.

        Raises:
            UsageError: one cannot be read, or is no URL.
        """
        return tuple(self._read(each) for each in _once([_settled(each) for each in named]))

    def of_turn(self, parts: Iterable[str | MediaArgument]) -> tuple[str | Media, ...]:
        """The parts of a turn, with what they name.

        Raises:
            UsageError: as `beside_prompt`.
        """
        return tuple(part if isinstance(part, str) else self._read(_settled(part)) for part in parts)

    def _read(self, named: MediaArgument) -> Media:
        media = self._by_data(named) if named.path else _by_url(named)
        detail = named.detail or self._detail
        return media.replace(detail=detail) if detail and media.kind == "image" else media

    def _by_data(self, named: MediaArgument) -> Media:
        said = _checked(named)
        data, name = self._data(named), "stdin" if named.path == _STDIN else named.path
        info = sniff(data)
        if not (said or info.type):
            raise _unknown(name, data)
        kind = said or info.type
        return Media(
            kind=named.kind or _KINDS.get(kind.partition("/")[0], "file"),
            data=data,
            type=kind,
            name=name,
            path=named.path if _can_be_read_again(named.path) else None,
            sha256=sha256(data).hexdigest(),
            info=info,
        )

    def _data(self, named: MediaArgument) -> bytes:
        limit = SizeLimit(self._left, f"{self._left} bytes ({self._left / 1e6:g} MB)", _TOO_LARGE)
        data = read_file(named.path, named.source, self._stdin, limit)
        self._left -= len(data)
        if not data:
            raise UsageError(message=f"{named.source} {named.path}: it is empty", fix="check where it comes from")
        return data


def surprises(media: Iterable[Media]) -> Iterator[str]:
    """What a type that was said for certain hides: that the bytes are something else."""
    for each in media:
        if each.info and each.info.type not in ("", each.type):
            fault = f", cut off or damaged: {each.info.fault}" if each.info.fault else ""
            yield f"{each.name} is sent as {each.type}, and by its bytes it is {each.info.what}{fault}"


def _settled(named: MediaArgument) -> MediaArgument:
    """The same with one name for stdin: under another it would be read a second time, as text."""
    return named.replace(path=_STDIN) if named.path in _ITS_NAMES else named


def _once(named: list[MediaArgument]) -> Iterator[MediaArgument]:
    """Each file once: where --image names it too, --at only says its type."""
    types = {each.path: each.type for each in named if each.kind is None}
    pictures = {each.path for each in named if each.kind == "image"}
    for each in named:
        if each.kind == "image" and each.path in types:
            yield each.replace(kind=None, type=types[each.path])
        elif each.kind is not None or each.path not in pictures:
            yield each


def _unknown(name: str, data: bytes) -> UsageError:
    start = " ".join(f"{byte:02X}" for byte in data[:_SEEN])
    return UsageError(
        message=f"{name}: it is of no kind that is known (it begins with {start})",
        fix="--at PATH MIME says what it is, as in --at scan.bin image/png",
    )


def _checked(named: MediaArgument) -> str | None:
    """The media type that the user says, as it is sent."""
    if named.type is None:
        return None
    kind = named.type.lower()
    if not _TYPE.fullmatch(kind):
        field = named.source if named.kind is None else f"{named.source} {named.path}: media_type"
        raise UsageError(message=f"{field}: {named.type!r} is no media type", fix="TYPE/SUBTYPE, as in image/png")
    return {"image/jpg": "image/jpeg"}.get(kind, kind)


def _by_url(named: MediaArgument) -> Media:
    url, kind = named.url, named.kind or "file"
    if not is_url(url):
        picture = "use --image for a picture" if named.source.startswith("--") else "name a picture in images"
        raise UsageError(
            message=f"{named.source} {url}: {kind}_url takes a URL, not a local file",
            fix=f"upload it somewhere, or {picture}",
        )
    if url.startswith("data:") and "," not in url:
        raise UsageError(message=f"{named.source} {url}: this is read as a URL, and is none", fix=f"./{url} is a file")
    return Media(kind, url=checked_media_url(url, named.source), name=printable_url(url))


def _can_be_read_again(path: str) -> bool:
    named = path != _STDIN and not path.startswith(("/dev/", "/proc/"))
    return named and os.path.isfile(path)  # noqa: PTH113 - a string is all that is needed

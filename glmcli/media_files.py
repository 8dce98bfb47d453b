"""Pictures, videos and files as the user names them: read once, and known by their bytes."""

from __future__ import annotations

import os
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from glmcli.chat import Media
from glmcli.errors import UsageError
from glmcli.media.sniff import look
from glmcli.stdin import Stdin, read_file
from glmcli.urls import media_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from glmcli.chat import MediaKind
    from glmcli.options import Options

DETAILS = ("auto", "low", "high")
MOST = 75_000_000  # bytes of all files together: as base64 they are 100 MB
_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9.+-]*")
_KINDS: Mapping[str, MediaKind] = {"image": "image", "video": "video"}  # any other type is a file
_TOO_LARGE = "all files together may have 75 MB, which is 100 MB as base64: give a URL, or something smaller"
_SEEN = 8  # bytes of an unknown kind that are shown


class MediaFiles:
    """Reads what belongs to one question."""

    def __init__(self, stdin: Stdin, detail: str | None) -> None:
        """`detail` counts for pictures that say none of their own.

        Raises:
            UsageError: the detail is no word that is known.
        """
        if detail not in (None, *DETAILS):
            raise UsageError(message=f"--detail {detail}: not one of {', '.join(DETAILS)}")
        self._stdin = stdin
        self._detail = detail
        self._left = MOST

    def of_flags(self, options: Options) -> tuple[Media, ...]:
        """What --image, --at, --video and --file name, in this order.

        Raises:
            UsageError: one cannot be read, or is no URL.
        """
        found = [self._image("--image", place) for place in options.image]
        found += [self._typed(path, kind) for path, kind in options.at]
        found += [_by_url("--video", "video", url) for url in options.video]
        found += [_by_url("--file", "file", url) for url in options.file]
        return tuple(found)

    def of_turn(self, parts: Iterable[Mapping[str, Any]]) -> tuple[Media, ...]:
        """What the parts of a turn in a request file name; their paths are seen from the working directory.

        Raises:
            UsageError: as `of_flags`.
        """
        return tuple(self._part(part) for part in parts)

    def _part(self, part: Mapping[str, Any]) -> Media:
        if "url" in part:
            media = _by_url("the request file", part["type"], part["url"])
        else:
            media = self._data("the request file", part["path"], _checked(part.get("media_type")))
        return self._detailed(media, part.get("detail"))

    def _image(self, flag: str, place: str) -> Media:
        return self._detailed(_by_url(flag, "image", place) if _is_url(place) else self._data(flag, place))

    def _typed(self, path: str, kind: str) -> Media:
        media = self._data("--at", path, _checked(kind))
        return self._detailed(media.replace(kind=_KINDS.get(media.type.partition("/")[0], "file")))

    def _detailed(self, media: Media, own: str | None = None) -> Media:
        detail = own or self._detail
        return media.replace(detail=detail) if detail and media.kind == "image" else media

    def _data(self, flag: str, path: str, kind: str | None = None) -> Media:
        """The bytes of a file or of stdin, meant as a picture; `kind` is their media type, if the user said it."""
        data, name = self._read(flag, path), "stdin" if path == "-" else path
        looks = look(data)
        if not (kind or looks.type):
            start = " ".join(f"{byte:02X}" for byte in data[:_SEEN])
            raise UsageError(
                message=f"{name}: it is of no kind that is known (it begins with {start})",
                fix="--at PATH MIME says what it is, as in --at scan.bin image/png",
            )
        return Media(
            kind="image",
            data=data,
            type=kind or looks.type,
            name=name,
            path=path if _can_be_read_again(path) else None,
            sha256=sha256(data).hexdigest(),
            looks=looks,
        )

    def _read(self, flag: str, path: str) -> bytes:
        data = read_file(path, flag, self._stdin, limit=self._left, too_large=_TOO_LARGE)
        self._left -= len(data)
        if self._left < 0:
            raise UsageError(message=f"{flag} {path}: it is too large", fix=_TOO_LARGE)
        if not data:
            raise UsageError(message=f"{flag} {path}: it is empty", fix="check where it comes from")
        return data


def _checked(kind: str | None) -> str | None:
    """A media type as it is sent."""
    if kind is not None and not _TYPE.fullmatch(kind.lower()):
        raise UsageError(message=f"--at: {kind!r} is no media type", fix="TYPE/SUBTYPE, as in image/png")
    return {"image/jpg": "image/jpeg"}.get(kind.lower(), kind.lower()) if kind else None


def _is_url(place: str) -> bool:
    return "://" in place or place.startswith("data:")


def _by_url(source: str, kind: MediaKind, url: str) -> Media:
    if not _is_url(url):
        raise UsageError(
            message=f"{source} {url}: {kind}_url takes a URL, not a local file",
            fix="upload it somewhere, or use --image for a picture",
        )
    return Media(kind, url=media_url(url, source), name=url)


def _can_be_read_again(path: str) -> bool:
    named = path != "-" and not path.startswith(("/dev/", "/proc/"))
    return named and os.path.isfile(path)  # noqa: PTH113 - a string is all that is needed

"""Pictures, videos and files as the user names them: each is read once, and its type is told from its bytes."""

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
    from glmcli.console.terminal import Terminal

_DETAILS = ("auto", "low", "high")
_MAX_BYTES = 75_000_000  # of all files together: as base64 they are 100 MB
_TOO_LARGE = "all files together may have 75000000 bytes (75 MB): give a URL, or a smaller picture"
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9.+-]*")
_KINDS: Mapping[str, MediaKind] = {"image": "image", "video": "video"}  # any other type is a file
_SHOWN_BYTES = 8  # of a file of an unknown type
_STDIN = "-"
_STDIN_PATHS = ("/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")


class MediaFiles:
    """Reads what belongs to one question."""

    def __init__(self, stdin: Stdin, terminal: Terminal, detail: str | None) -> None:
        """`detail` counts for pictures that say none of their own.

        Raises:
            UsageError: the detail is no word that is known.
        """
        if detail not in (None, *_DETAILS):
            known = ", ".join(_DETAILS)
            raise UsageError(message=f"--detail {detail}: not one of {known}", fix="leave it out, or use one of them")
        self._stdin = stdin
        self._terminal = terminal
        self._detail = detail
        self._left = _MAX_BYTES

    def beside_prompt(self, arguments: Iterable[MediaArgument]) -> tuple[Media, ...]:
        """What is named beside the prompt, in this order.

        Raises:
            UsageError: one cannot be read, or is no URL.
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
        return Media(
            kind=argument.kind or _KINDS.get(media_type.partition("/")[0], "file"),
            data=data,
            type=media_type,
            name=name,
            path=argument.path if _can_be_read_again(argument.path) else None,
            sha256=sha256(data).hexdigest(),
            info=info,
        )

    def _bytes(self, argument: MediaArgument) -> bytes:
        limit = SizeLimit(self._left, f"{self._left} bytes ({self._left / 1e6:g} MB)", _TOO_LARGE)
        data = read_file(argument.path, argument.source, self._stdin, limit)
        self._left -= len(data)
        if not data:
            raise UsageError(message=f"{argument.source} {argument.path}: it is empty", fix="check where it comes from")
        return data


def _normal(argument: MediaArgument) -> MediaArgument:
    """The same with `-` for stdin, whatever it was called: or it would be read a second time, as text."""
    return argument.replace(path=_STDIN) if argument.path in _STDIN_PATHS else argument


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

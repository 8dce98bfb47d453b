"""What --attach and stdin add to the message: text, or a picture, told apart by the bytes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from glmcli.console.stdin import decode, normal_path, read_file
from glmcli.errors import UsageError
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from glmcli.chat.messages import Media
    from glmcli.console.stdin import Stdin
    from glmcli.console.terminal import Terminal

_STDIN = "-"
# How bytes begin that are UTF-8, and all the same may be no text that was meant to be sent.
_DOUBTFUL = (b"%PDF-", b"version https://git-lfs")
_PICTURE_NAMES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".heic", ".avif", ".bmp", ".tif", ".tiff")
_DRAWING = "image/svg+xml"  # a text to a model, and a picture to a person
# What to do with a file that is neither text nor picture, by its media type or the first part of that.
_FIXES = {
    "application/pdf": "its text: pdftotext FILE - | glm ask; its pages as pictures: pdftoppm -r 150 -png FILE OUT; "
    "its URL: glm vision --file URL",
    "application/zip": "unpack it; the text of an Office document: pandoc FILE -t plain | glm ask",
    "application/gzip": "unpack it: zcat FILE | glm ask",
    "video": "give its URL: glm vision --video URL; or a frame of it: ffmpeg -i FILE -frames:v 1 OUT.png",
    "audio": "write down what is said: no sound is sent",
}


class Attached(Record):
    """Texts, each under the name of its file, and pictures, in their order."""

    texts: tuple[str, ...] = ()
    pictures: tuple[Media, ...] = ()


def read(paths: Iterable[str], stdin: Stdin, terminal: Terminal) -> Attached:
    """The contents of these files; that one is empty, or is no picture although it is called one, is remarked.

    Raises:
        UsageError: one cannot be read, or is neither text nor a picture.
    """
    texts, pictures = [], []
    for path in paths:
        path = normal_path(path)  # noqa: PLW2901
        name, place = ("stdin", "stdin") if path == _STDIN else (os.path.basename(path), f"--attach {path}:")  # noqa: PTH119
        content = text_or_picture(read_file(path, "--attach", stdin), place, path)
        if isinstance(content, str):
            if not content.strip():
                terminal.note(f"{place} is empty")
            elif path.lower().endswith(_PICTURE_NAMES):
                terminal.note(
                    f"{place} is no picture by its bytes, and goes as text: is it a page that tells of an error?"
                )
            texts.append(f"{name}:\n\n{content}")
        else:
            pictures.append(content)
    return Attached(tuple(texts), tuple(pictures))


def text_or_picture(data: bytes, place: str, path: str) -> str | Media:
    """The text, or the picture, that these bytes from this path are; `place` is how an error begins.

    Raises:
        UsageError: they are neither.
    """
    if b"\0" not in data and not data.startswith(_DOUBTFUL):
        try:
            return data.decode("utf-8-sig")  # no picture is UTF-8 without a NUL
        except UnicodeDecodeError:
            pass
    from glmcli.media.sniffing import LFS_POINTER, sniff

    info = sniff(data)
    if info.type.startswith("image/") and info.type != _DRAWING:
        from glmcli.config.media_files import of_bytes

        return of_bytes(data, info, path)
    if info.type == LFS_POINTER and path != _STDIN:
        raise UsageError(
            message=f"{place} is a Git LFS pointer, not the file itself", fix="git lfs pull fetches the file"
        )
    if info.type and not info.type.startswith(("text/", "image/")):
        main = info.type.partition("/")[0]
        fix = _FIXES.get(info.type) or _FIXES.get(main) or "convert it to text or to a picture"
        raise UsageError(message=f"{place} is {info.what}, neither text nor a picture", fix=fix)
    return decode(data, place)

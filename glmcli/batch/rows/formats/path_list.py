"""Files as rows: a list of paths, each ended by a NUL, as `find -print0` writes it."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from glmcli.batch.rows.formats.lines import LongLine, lines
from glmcli.batch.rows.row import MalformedRow, Row
from glmcli.batch.rows.validation import id_fault
from glmcli.console.stdin import TEXT, decode
from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glmcli.batch.rows.formats.lines import InputContext, Line


def rows(chunks: Iterable[bytes], context: InputContext) -> Iterator[Row | MalformedRow]:
    """A row for each path, with the text of the file, which is read only now; its line is the place in the list.

    Raises:
        UsageError: newlines end the paths, not NULs; or the request file needs more than a path.
    """
    context.placeholders.refuse(context.name, ("path",), ("text",), hint="a file has its {{path}} alone")
    for path in lines(chunks, end=b"\0"):
        if not path.ended and path.number == 1 and (isinstance(path, LongLine) or b"\n" in path.data):
            raise UsageError(
                message=f"{context.name}: no NUL between the paths, only newlines, which a path may hold itself",
                fix="write it with find -print0, git ls-files -z or grep -Z",
            )
        if isinstance(path, LongLine):
            yield context.too_long(path)
        elif path.data:
            yield _row(path, context)


def _row(line: Line, context: InputContext) -> Row | MalformedRow:
    path = None
    try:
        path = decode(line.data, "the path")
        if why := id_fault("the path", path):
            return context.malformed(line.number, line.data, why)
        text = _text(path, context.encoding)
    except UsageError as error:
        return context.malformed(line.number, line.data, error.message, row_id=path)
    if not text.strip():
        return context.malformed(line.number, line.data, f"{path} is empty", row_id=path)
    return Row(line.number, id=path, text=text, vars={"path": path}, columns={"path": path})


def _text(path: str, encoding: str) -> str:
    """The text of the file, in this encoding; empty: UTF-8."""
    try:
        # Without O_NONBLOCK, opening a FIFO would wait until somebody writes to it.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise UsageError(message=f"{path} is no regular file")
            data = file.read(TEXT.size + 1)
    except OSError as error:
        raise UsageError(message=f"cannot read {path}: {error.strerror}") from error
    if len(data) > TEXT.size:
        raise UsageError(message=f"{path} is larger than {TEXT.size >> 20} MiB")
    if not encoding:
        try:
            return decode(data, path)
        except UsageError as error:
            raise _picture(data, path) or error from None
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise UsageError(
            message=f"{path} is not {encoding} (byte 0x{data[error.start]:02X} at {error.start})"
        ) from error


def _picture(data: bytes, path: str) -> UsageError | None:
    """The error about a file that is a picture; None: it is none."""
    from glmcli.media.sniffing import sniff

    info = sniff(data)
    if not info.type.startswith("image/"):
        return None
    way = "a picture is named by a field of a row in JSON, which attach: ['{{NAME}}'] of the request file names"
    return UsageError(f"{path} is {info.what}, and files of a list are text: {way}")

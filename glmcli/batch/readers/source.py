"""Opening an input: where its bytes come from, and which form they have."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from glmcli.batch.readers import files, json_lines, tables, texts, yaml_documents
from glmcli.batch.readers.pieces import is_json, without_mark
from glmcli.batch.readers.reading import Reading
from glmcli.batch.readers.steady import PIECE, Steady
from glmcli.batch.wanted import NOTHING, Wanted
from glmcli.errors import InternalError, UsageError
from glmcli.record import Record
from glmcli.terminal import STDIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from glmcli.batch.row import BadRow, Row
    from glmcli.stdin import Stdin

    Reader = Callable[[Iterator[bytes], Reading], Iterator[Row | BadRow]]


class Form(Record):
    """How rows are written.

    Attributes:
        read: the rows of bytes in pieces, without a byte order mark.
        endings: of the names of files that are written so.
    """

    read: Reader
    endings: tuple[str, ...] = ()


FORMS: Mapping[str, Form] = {
    "jsonl": Form(json_lines.rows, (".jsonl", ".ndjson", ".json")),
    "text": Form(texts.rows, (".txt",)),
    "csv": Form(tables.comma, (".csv",)),
    "tsv": Form(tables.tab, (".tsv",)),
    "yaml": Form(yaml_documents.rows, (".yaml", ".yml")),
    "files": Form(files.rows),
}


def open_rows(  # noqa: PLR0913 - each is told by another
    place: str,
    form: str | None,
    stdin: Stdin,
    *,
    complete: bool = False,
    prompted: bool = False,
    wanted: Wanted = NOTHING,
) -> Source:
    """The rows of a file, or of stdin for `-`, which is claimed at once; nothing is read yet.

    `form` is one of FORMS; None lets the name tell, or else the first byte. `complete` says that the request file asks
    something by itself, so that an id alone is a row; `prompted` that it has a prompt, so that a column `prompt` of a
    table is only a variable; `wanted` what it wants of rows.

    Raises:
        UsageError: it cannot be read, or is a directory; another has claimed stdin; the form is unknown.
    """
    if form not in (None, *FORMS):
        raise UsageError(message=f"{form!r} is no form of rows: {', '.join(FORMS)}")
    if place == "-":
        owner = "--files0" if form == "files" else "INPUT"
        begin = stdin.begin(owner)
        pipe = stdin.chunks(owner) if begin is None else None
        return Source(place, form, Reading("<stdin>", complete, prompted, wanted), pipe, begin)
    return Source(place, form or _by_name(place), Reading(place, complete, prompted, wanted, Path(place).parent))


def _by_name(place: str) -> str | None:
    return next((name for name, form in FORMS.items() if place.lower().endswith(form.endings)), None)


class Source:
    """An input.

    Attributes:
        name: what messages call it.
        identity: device and inode, to tell whether the output is the same file.
        rereadable: it is a regular file, whose rows may be asked for more than once.
    """

    def __init__(
        self,
        place: str,
        form: str | None,
        reading: Reading,
        pipe: Iterator[bytes] | None = None,
        begin: int | None = None,
    ) -> None:
        """Of stdin, `pipe` are its bytes, or `begin` is where it stands if it is a file; None of a file that is named.

        Raises:
            UsageError: there is no such file, or it is a directory.
        """
        self.name = reading.name
        self._place = place
        self._form = form
        self._reading = reading
        self._pipe = pipe
        self._begin = begin
        self._steady = Steady(reading.name)
        self._is_begun = False
        found = self._look()
        self.identity = (found.st_dev, found.st_ino)
        self.rereadable = stat.S_ISREG(found.st_mode)

    def rows(self) -> Iterator[Row | BadRow]:
        """The rows, in the order of the input; read as they are asked for.

        Raises:
            UsageError: the input as a whole cannot be used; some of it may have been read before that is known.
            NetworkError: the deadline passed while waiting for stdin.
        """
        if self._is_begun and not self.rereadable:
            raise InternalError(f"{self.name} is read twice")
        self._is_begun = True
        pieces = without_mark(self._file() if self._pipe is None else self._pipe, self.name)
        form = self._form
        if form is None:
            objects, pieces = is_json(pieces)
            form = "jsonl" if objects else "text"
        yield from FORMS[form].read(pieces, self._reading)

    def _look(self) -> os.stat_result:
        try:
            # Path("") would be the working directory.
            found = os.fstat(STDIN) if self._place == "-" else os.stat(self._place)  # noqa: PTH116
        except (OSError, ValueError) as error:  # a NUL in a path is a ValueError
            raise self._unreadable(error) from error
        if stat.S_ISDIR(found.st_mode):
            raise UsageError(
                message=f"{self.name} is a directory", fix="find DIRECTORY -type f -print0 lists its files"
            )
        return found

    def _file(self) -> Iterator[bytes]:
        try:
            if self._begin is not None:
                end = yield from self._steady.pieces(STDIN, self._begin)
                os.lseek(STDIN, end, os.SEEK_SET)  # who reads it after us reads nothing again
            else:
                yield from self._named()
        except OSError as error:
            raise self._unreadable(error) from error

    def _named(self) -> Iterator[bytes]:
        with open(self._place, "rb", buffering=0) as file:  # noqa: PTH123 - as it comes, without a buffer
            found = os.fstat(file.fileno())
            if (found.st_dev, found.st_ino) != self.identity:
                raise UsageError(message=f"{self.name} was replaced while it was read", fix="run it again")
            if self.rereadable:
                yield from self._steady.pieces(file.fileno(), 0)
                return
            while piece := file.read(PIECE):
                yield piece

    def _unreadable(self, error: OSError | ValueError) -> UsageError:
        return UsageError(message=f"cannot read {self.name}: {getattr(error, 'strerror', error)}")

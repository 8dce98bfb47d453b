"""Other forms of the output, made of the ledger when a run ends: a text file a row, or a CSV table."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from glmcli.console.files import open_own, replace_file
from glmcli.errors import OutputError
from glmcli.output.destination import abandoned_on_error

if TYPE_CHECKING:
    from glmcli.batch.ledger.file import Ledger
    from glmcli.output.destination import Destination

_LONGEST_NAME = 200  # bytes; file systems take 255
_SHORT = 16
_FIRST = ("id", "line", "status", "answer", "error")
# What spreadsheets run as a formula when they open a table, and how it stays text: behind an apostrophe.
# Source: OWASP ASVS 5.0, requirement 1.2.10, as asvs.emil.hemdal.se/1.2.10 quotes it (2026-11-30).
# A number is none, whatever sign it has, and so is a dash alone, which stands for nothing.
_FORMULA = re.compile(r"(?![+-]?[0-9]+([.,][0-9]+)?([eE][+-]?[0-9]+)?\Z)(?!-\Z)[=+\-@\t\r]")


def file_name(row_id: str) -> str:
    """The name of the text file for an id: characters that are special in file systems are percent-encoded."""
    name = quote(row_id, safe=" ,=@+").replace("~", "%7E")
    name = "%2E" + name[1:] if name.startswith(".") else name
    if len(name) > _LONGEST_NAME:
        name = f"{name[:_LONGEST_NAME]}-{sha256(row_id.encode(errors='surrogatepass')).hexdigest()[:_SHORT]}"
    return f"{name}.txt"


def write_texts(ledger: Ledger, folder: str) -> None:
    """Write each complete answer into a file; a file that has the answer already stays.

    Raises:
        OutputError: one cannot be written.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        for record in ledger.records():
            if record.status == "ok" and "answer" in record.value:
                _write_text(Path(folder), file_name(record.id), record.value["answer"])
    except OSError as error:
        name = error.filename2 or error.filename or folder  # the second is the file whose place another cannot take
        raise OutputError(message=f"--text: cannot write {name}: {error.strerror}") from error


def _write_text(folder: Path, name: str, answer: str) -> None:
    data = (answer if answer.endswith("\n") else f"{answer}\n").encode(errors="replace")
    if _holds(folder / name, data):
        return
    # Made of the ledger, and made again if it is lost: nothing waits until it has reached the disk.
    replace_file(str(folder / name), data, synced=False)


def _holds(path: Path, data: bytes) -> bool:
    try:
        fd = open_own(str(path), os.O_RDONLY)
    except OSError:
        return False
    with os.fdopen(fd, "rb") as file:
        return file.read(len(data) + 1) == data


def write_table(ledger: Ledger, out: Destination, *, safe: bool) -> int:
    """A CSV table: id, line, status, answer, the error's message, and the row's own columns.

    Returns how many cells begin as a formula does; where it is `safe`, an apostrophe makes them text.

    Raises:
        OutputError: it cannot be written.
    """
    own = list(dict.fromkeys(name for row in ledger.records() for name in row.columns if name not in _FIRST))
    table = _Table(out, safe=safe)
    with abandoned_on_error(out):
        table.add([*_FIRST, *own])
        for row in ledger.records():
            answer = row.value.get("answer") or row.value.get("partial")
            fixed = [row.id, row.value.get("line"), row.status, answer, row.error.get("message")]
            table.add([*fixed, *(row.columns.get(name) for name in own)])
        out.commit()
    return table.formulas


class _Table:
    """Writes the lines of a table, and counts the cells that begin as a formula does."""

    def __init__(self, out: Destination, *, safe: bool) -> None:
        self._out = out
        self._safe = safe
        self.formulas = 0

    def add(self, values: list[Any]) -> None:
        line = io.StringIO()
        # Of a carriage return Python 3.11 knows only as a part of the line end that a field must be quoted for it.
        csv.writer(line, lineterminator="\r\n").writerow(map(self._cell, values))
        self._out.write(line.getvalue().removesuffix("\r\n") + "\n")

    def _cell(self, value: Any) -> Any:  # noqa: ANN401 - any JSON
        if not isinstance(value, str):
            return value if value is None else json.dumps(value, ensure_ascii=False)
        if not _FORMULA.match(value):
            return value
        self.formulas += 1
        return f"'{value}" if self._safe else value

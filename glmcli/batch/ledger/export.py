"""Other forms of the output, made of it when a run ends: a text file a row, or a table."""

from __future__ import annotations

import csv
import io
import json
import os
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from glmcli.errors import OutputError
from glmcli.output.destination import abandoned_on_error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.batch.ledger.file import Ledger
    from glmcli.output.destination import Destination

_LONGEST_NAME = 200  # bytes; file systems take 255
_SHORT = 16
_FIRST = ("id", "line", "status", "answer", "error")


def _rows(ledger: Ledger) -> Iterator[dict[str, Any]]:
    for _, line in ledger.lines():
        if line.strip():
            yield json.loads(line)


def file_name(identity: str) -> str:
    """The id as a name of a file: what may mean something to a file system is percent-encoded, the end is `.txt`."""
    name = quote(identity, safe=" ,=@+").replace("~", "%7E")
    name = "%2E" + name[1:] if name.startswith(".") else name
    if len(name) > _LONGEST_NAME:
        name = f"{name[:_LONGEST_NAME]}-{sha256(identity.encode(errors='surrogatepass')).hexdigest()[:_SHORT]}"
    return f"{name}.txt"


def texts(ledger: Ledger, folder: str) -> None:
    """Each complete answer as a file of its own; those that are there already stay.

    Raises:
        OutputError: one cannot be written.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        for row in _rows(ledger):
            if row["status"] == "ok" and "answer" in row:
                _text(Path(folder), file_name(row["id"]), row["answer"])
    except OSError as error:
        raise OutputError(message=f"--text: cannot write {error.filename or folder}: {error.strerror}") from error


def _text(folder: Path, name: str, answer: str) -> None:
    data = (answer if answer.endswith("\n") else f"{answer}\n").encode(errors="replace")
    place = folder / name
    if place.exists() and place.read_bytes() == data:
        return
    beside = folder / f".{name[:_LONGEST_NAME]}.new"
    beside.write_bytes(data)
    os.replace(beside, place)  # noqa: PTH105 - as everywhere


def table(ledger: Ledger, out: Destination) -> None:
    """A CSV table: id, line, status, answer, the error's message, and the row's own columns.

    Raises:
        OutputError: it cannot be written.
    """
    own = list(dict.fromkeys(name for row in _rows(ledger) for name in row.get("columns", ()) if name not in _FIRST))
    with abandoned_on_error(out):
        out.write(_record([*_FIRST, *own]))
        for row in _rows(ledger):
            failure, columns = row.get("error"), row.get("columns", {})
            answer = row.get("answer") or row.get("partial")
            fixed = [row["id"], row.get("line"), row["status"], answer, failure.get("message") if failure else None]
            out.write(_record([*fixed, *(_cell(columns.get(name)) for name in own)]))
        out.commit()


def _cell(value: Any) -> Any:  # noqa: ANN401 - any JSON
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _record(values: list[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()

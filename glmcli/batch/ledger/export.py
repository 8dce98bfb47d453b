"""Other forms of the output, made of the ledger when a run ends: a text file a row, or a CSV table."""

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
    from glmcli.batch.ledger.file import Ledger
    from glmcli.output.destination import Destination

_LONGEST_NAME = 200  # bytes; file systems take 255
_SHORT = 16
_FIRST = ("id", "line", "status", "answer", "error")


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
        raise OutputError(message=f"--text: cannot write {error.filename or folder}: {error.strerror}") from error


def _write_text(folder: Path, name: str, answer: str) -> None:
    data = (answer if answer.endswith("\n") else f"{answer}\n").encode(errors="replace")
    place = folder / name
    if place.exists() and place.read_bytes() == data:
        return
    beside = folder / f".{name[:_LONGEST_NAME]}.new"
    beside.write_bytes(data)
    os.replace(beside, place)  # noqa: PTH105 - as everywhere


def write_table(ledger: Ledger, out: Destination) -> None:
    """A CSV table: id, line, status, answer, the error's message, and the row's own columns.

    Raises:
        OutputError: it cannot be written.
    """
    own = list(dict.fromkeys(name for row in ledger.records() for name in row.columns if name not in _FIRST))
    with abandoned_on_error(out):
        out.write(_csv_line([*_FIRST, *own]))
        for row in ledger.records():
            answer = row.value.get("answer") or row.value.get("partial")
            fixed = [row.id, row.value.get("line"), row.status, answer, row.error.get("message")]
            out.write(_csv_line([*fixed, *(_cell(row.columns.get(name)) for name in own)]))
        out.commit()


def _cell(value: Any) -> Any:  # noqa: ANN401 - any JSON
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _csv_line(values: list[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()

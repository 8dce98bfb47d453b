"""The formats in which rows are written, a module each, and the table of them.

A new format is a module here and a line in FORMATS. Its `rows(chunks, context)` gets the bytes of an input in chunks,
as the system reads them, and yields a Row or a MalformedRow for each row; `lines.py` cuts chunks into lines and has
`InputContext`, which makes a MalformedRow with its place. What is wrong with the input as a whole is a UsageError. The
names in a row mean the same in all formats: `row_of` in `rows/validation.py` reads JSON values, `_row` in
`csv_tables.py` texts by name.

Formats never seek, and hold one row at a time, so that a FIFO, a growing file and a file of a terabyte all work. If all
rows have the same names, as the columns of a table, `context.placeholders.refuse` stops at once a run whose request
file needs another name.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from glmcli.batch.rows.formats import csv_tables, json_lines, lines, path_list, yaml_documents
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from glmcli.batch.rows.formats.lines import InputContext
    from glmcli.batch.rows.row import MalformedRow, Row


class RowFormat(Record):
    """A format of rows.

    Attributes:
        rows: the rows in these chunks of bytes, which begin without a byte order mark.
        endings: of the names of files that are in this format.
        is_text: it is cut into lines of text; no list of paths, which may hold anything.
        hint: how a row gives the request file a value for the name `{}`; for formats that do not stop by themselves
            when no row can.
    """

    rows: Callable[[Iterator[bytes], InputContext], Iterator[Row | MalformedRow]]
    endings: tuple[str, ...] = ()
    is_text: bool = True
    hint: str = ""


# By the word that --format takes.
FORMATS: Mapping[str, RowFormat] = {
    "jsonl": RowFormat(
        json_lines.rows,
        (".jsonl", ".ndjson", ".json"),
        hint='a row has it as a field, as in {{"{}": "…"}}',
    ),
    "text": RowFormat(lines.rows, (".txt",)),
    "csv": RowFormat(partial(csv_tables.rows, usual=","), (".csv",)),
    "tsv": RowFormat(partial(csv_tables.rows, usual="\t"), (".tsv",)),
    "yaml": RowFormat(yaml_documents.rows, (".yaml", ".yml"), hint="a document has it as a key, as in {}: …"),
    "files": RowFormat(path_list.rows, is_text=False),
}
TABLES = ("csv", "tsv")
# What the help of --format offers; lists of files have a flag of their own.
CHOICES = "|".join(name for name in FORMATS if name != "files")

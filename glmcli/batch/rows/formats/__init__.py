"""The formats in which rows are written, a module each, and the table of them.

A new format is a module here and a line in FORMATS. Its `rows(chunks, context)` gets the bytes of an input in chunks,
as the system reads them, and yields a Row or a MalformedRow for each row; `lines.py` cuts chunks into lines and has
`InputContext`, which makes a MalformedRow with its place. What is wrong with the input as a whole is a UsageError.

Nothing is sought, and nothing held beyond one row, so that a FIFO, a file that grows and a file of a terabyte are all
the same. If all rows have the same names, as the columns of a table, `context.placeholders.refuse` stops at once a run
whose request file needs another name.
"""

from __future__ import annotations

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
    """

    rows: Callable[[Iterator[bytes], InputContext], Iterator[Row | MalformedRow]]
    endings: tuple[str, ...] = ()


# By the word that --format takes.
FORMATS: Mapping[str, RowFormat] = {
    "jsonl": RowFormat(json_lines.rows, (".jsonl", ".ndjson", ".json")),
    "text": RowFormat(lines.rows, (".txt",)),
    "csv": RowFormat(csv_tables.comma_rows, (".csv",)),
    "tsv": RowFormat(csv_tables.tab_rows, (".tsv",)),
    "yaml": RowFormat(yaml_documents.rows, (".yaml", ".yml")),
    "files": RowFormat(path_list.rows),
}

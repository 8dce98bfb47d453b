#!/usr/bin/env python3
"""The tools of sqlite.yaml: reads {"sql": ...} from stdin, prints a JSON object a row; with --schema, the tables."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import urllib.parse

MOST = 200  # rows
READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
TABLES = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"


def authorize(action: int, _one: str, name: str, *_others: str) -> int:
    """Allow reading, and no function that opens files."""
    allowed = action in READING and (name or "").lower() != "load_extension"
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def main() -> None:
    """Print the rows, or say on stderr what is wrong; the exit code tells the model that it failed."""
    path = os.environ.get("DATABASE") or sys.exit("set DATABASE to the file of the database")
    try:
        # Read-only for SQLite itself too, so that not even a bug of ours could write.
        database = sqlite3.connect(f"file:{urllib.parse.quote(path)}?mode=ro", uri=True)
        if sys.argv[1:] == ["--schema"]:
            print("\n".join(f"{row[0]};" for row in database.execute(TABLES)))
            return
        database.set_authorizer(authorize)
        rows = database.execute(json.load(sys.stdin)["sql"])
        names = [column[0] for column in rows.description or ()]
        for row in rows.fetchmany(MOST):
            print(json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False, default=repr))
        if rows.fetchone():
            print(f"only the first {MOST} rows are shown")
    except sqlite3.Error as error:
        sys.exit(f"SQLite: {error}")


main()

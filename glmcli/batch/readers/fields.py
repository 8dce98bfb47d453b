"""The fields of a row, as JSON and YAML say them (schemas/batch-row.schema.json)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from glmcli.batch.readers.faults import faults, id_fault, is_openai
from glmcli.batch.readers.wording import refused
from glmcli.batch.row import BadRow, Row
from glmcli.errors import UsageError
from glmcli.turns import turn_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from glmcli.batch.readers.reading import Reading

_ASKS = ("prompt", "messages", "vars")
_TAKEN = frozenset(("id", "prompt", "messages"))
_TAKEN_OPENAI = frozenset(("custom_id", "method", "url", "body"))
NOTHING = "asks nothing: it needs 'prompt', 'messages' or 'vars', or the request file a question of its own"


def row_of(value: object, line: int, data: bytes, reading: Reading) -> Row | BadRow:
    """The row that `value` says; `data` are the bytes it came from."""
    if not isinstance(value, dict):
        return reading.bad(line, data, refused("a row", value, "a mapping"))
    openai = is_openai(value)
    own = value.get("custom_id" if openai else "id")
    name = None if own is None or id_fault("id", own) else str(own)
    why = next(faults(value), None)
    if why is None and not openai and not reading.complete and not any(field in value for field in _ASKS):
        why = NOTHING
    if why is not None:
        return reading.bad(line, data, why, id=name)
    try:
        return _openai(value, line, name) if openai else _plain(value, line, name, reading.folder)
    except UsageError as error:
        return reading.bad(line, data, error.message, id=name)


def _plain(value: Mapping[str, Any], line: int, name: str | None, folder: Path) -> Row:
    return Row(
        line,
        id=name,
        prompt=value.get("prompt"),
        messages=tuple(_turns(value["messages"], folder)) if "messages" in value else None,
        vars={key: item if isinstance(item, str) else json.dumps(item) for key, item in value.get("vars", {}).items()},
        columns={key: item for key, item in value.items() if key not in _TAKEN},
    )


def _turns(turns: Iterable[Mapping[str, Any]], folder: Path) -> Iterator[Mapping[str, Any]]:
    for at, turn in enumerate(turns):
        yield turn_of(turn, lambda number, field, at=at: f"messages[{at}].content[{number}].{field}", folder)  # type: ignore[misc]


def _openai(value: Mapping[str, Any], line: int, name: str | None) -> Row:
    columns = {key: item for key, item in value.items() if key not in _TAKEN_OPENAI}
    return Row(line, id=name, body=value["body"], columns=columns)

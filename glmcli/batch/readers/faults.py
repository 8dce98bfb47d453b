"""What is wrong with the fields of a row. Pure.

This is schemas/batch-row.schema.json said in Python, for jsonschema takes a millisecond a row. The words are those of
the judge in documents, see `wording`; a test holds that both agree.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from glmcli.batch.readers.turns import turn_faults
from glmcli.batch.readers.wording import choice, missing, refused
from glmcli.documents.shown import path_text, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

URLS = ("/v1/chat/completions", "/v4/chat/completions")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_ID = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,512}")
_OPENAI = ("custom_id", "method", "url", "body")


def is_openai(row: Mapping[str, Any]) -> bool:
    """Whether a row is meant as a line of an OpenAI batch file: it has what no row of ours has."""
    return "custom_id" in row or ("method" in row and "url" in row and "body" in row)


def faults(row: Mapping[str, Any]) -> Iterator[str]:
    """Everything that is wrong with a row, lazily: most ask for the first only."""
    yield from _openai_faults(row) if is_openai(row) else _plain_faults(row)


def _plain_faults(row: Mapping[str, Any]) -> Iterator[str]:
    if "id" in row and (why := id_fault("id", row["id"])):
        yield why
    if "prompt" in row and (why := prompt_fault(row["prompt"])):
        yield why
    if "vars" in row:
        yield from _vars_faults(row["vars"])
    if "messages" in row:
        yield from turn_faults(row["messages"])


def _openai_faults(row: Mapping[str, Any]) -> Iterator[str]:
    yield from missing("", _OPENAI, row)
    if "custom_id" in row and (why := id_fault("custom_id", row["custom_id"])):
        yield why
    if row.get("method", "POST") != "POST":
        yield choice("method", row["method"], ("POST",))
    if row.get("url", URLS[0]) not in URLS:
        yield choice("url", row["url"], URLS)
    if "body" in row:
        yield from _body_faults(row["body"])


def _body_faults(body: object) -> Iterator[str]:
    if not isinstance(body, dict):
        yield refused("body", body, "a mapping")
    elif not isinstance(body.get("messages", []), list):
        yield refused("body.messages", body["messages"], "a list")
    else:
        yield from missing("body", ("messages",), body)


def _vars_faults(given: object) -> Iterator[str]:
    if not isinstance(given, dict):
        yield refused("vars", given, "a mapping")
        return
    for name, value in given.items():
        if not NAME.fullmatch(name):
            yield f"vars: {quoted(name)} must be a name: letters, digits and _, not a digit first"
        if not isinstance(value, str | int | float):  # True is an int
            yield refused(path_text(("vars", name)), value, "a string", "a number", "true or false")


def id_fault(field: str, value: object) -> str:
    """What is wrong with an id, which stands in this field; nothing for an integer, which means its digits."""
    if isinstance(value, str):
        return "" if _ID.fullmatch(value) else f"{field} must be 1 to 512 characters, none of them a control character"
    if isinstance(value, int) and not isinstance(value, bool):
        return ""
    return refused(field, value, "a string", "an integer")


def repeated(names: Iterable[str]) -> str | None:
    """The first name that was there before."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def prompt_fault(value: object) -> str:
    """What is wrong with a prompt."""
    if not isinstance(value, str):
        return refused("prompt", value, "a string")
    return "" if value and not value.isspace() else "prompt must be text, not only blanks"

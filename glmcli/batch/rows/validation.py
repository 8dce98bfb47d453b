"""Validation of a row that is written as JSON or YAML, and the Row made of it.

It is schemas/batch-row.schema.json written in Python, because jsonschema takes a millisecond a row; a test checks that
both agree. The messages are those of documents/schema_errors.py, except that a string of the wrong type is not quoted:
rows hold text of other people.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from glmcli.batch.rows.row import MalformedRow, Row
from glmcli.config.request_file import message_of
from glmcli.console.suggestions import did_you_mean
from glmcli.documents.quoting import listed, path_text, quoted, wrong_choice, wrong_type
from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from glmcli.batch.rows.formats.lines import InputContext


def refused(path: str, value: object, *wanted: str) -> str:
    """The fault of a value that has none of the types `wanted`, which are given in words, as `a string`."""
    return wrong_type(path, value, wanted, secret=isinstance(value, str))


def choice(path: str, value: object, known: Sequence[str]) -> str:
    """The fault of a value that is not one of `known`."""
    return f"{wrong_choice(path, value, known)}{_meant(value, known)}"


def missing(path: str, needed: Collection[str], given: Collection[str]) -> Iterator[str]:
    """One fault for all keys that are needed and missing; `path` is empty at the top."""
    names = [quoted(key) for key in needed if key not in given]
    if names:
        yield f"{path}: needs {listed(names, 'and')}" if path else f"needs {listed(names, 'and')}"


def unknown(path: str, known: Collection[str], given: Collection[str]) -> Iterator[str]:
    """A fault for each key that is not known."""
    for key in given:
        if key not in known:
            yield f"{path}: unknown key {quoted(key)}{_meant(key, known)}"


def _meant(word: object, known: Collection[str]) -> str:
    return did_you_mean(word, known) if isinstance(word, str) else ""


# The messages of a row, in the form of those of a request file

_ROLES = ("system", "user", "assistant")
_FIELDS = ("role", "content", "reasoning", "partial")
_PLAIN = {"role", "content"}


# The fields of each kind of part, all of them strings: those that it needs, and those that it may have.
_PARTS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "text": (("text",), ()),
    "image": ((), ("path", "url", "media_type", "detail")),
    "video": (("url",), ()),
    "file": (("url",), ()),
}
_DETAILS = ("auto", "low", "high")


def message_faults(messages: object) -> Iterator[str]:
    """Everything that is wrong with `messages`, lazily."""
    if not isinstance(messages, list):
        yield refused("messages", messages, "a list")
        return
    if not messages:
        yield "messages must not be empty"
    for number, message in enumerate(messages):
        if not _is_plain(message):
            yield from _message_faults(f"messages[{number}]", message)


def _is_plain(message: object) -> bool:
    """Whether it is just a role and a text, as most messages are: it needs no other check."""
    return (
        isinstance(message, dict)
        and message.keys() == _PLAIN
        and message["role"] in _ROLES
        and isinstance(message["content"], str)
    )


def _message_faults(path: str, message: object) -> Iterator[str]:
    if not isinstance(message, dict):
        yield refused(path, message, "a mapping")
        return
    yield from missing(path, ("role", "content"), message)
    yield from unknown(path, _FIELDS, message)
    yield from _role_faults(f"{path}.role", message)
    if "content" in message:
        yield from _content_faults(f"{path}.content", message["content"])
        yield from _place_faults(f"{path}.content", message)
    for field, kind, words in (("reasoning", str, "a string"), ("partial", bool, "true or false")):
        if field in message:
            yield from _own_faults(f"{path}.{field}", message, message[field], (kind, words))


def _role_faults(path: str, message: Mapping[str, Any]) -> Iterator[str]:
    role = message.get("role", "user")
    if not isinstance(role, str):
        yield refused(path, role, "a string")
    elif role not in _ROLES:
        yield choice(path, role, _ROLES)


def _own_faults(path: str, message: Mapping[str, Any], value: object, kind: tuple[type, str]) -> Iterator[str]:
    """Faults of a field that only turns of the assistant have."""
    if not isinstance(value, kind[0]):
        yield refused(path, value, kind[1])
    if message.get("role") in ("system", "user"):
        yield f"{path} belongs to turns of the assistant only"


def _content_faults(path: str, content: object) -> Iterator[str]:
    if isinstance(content, list):
        if not content:
            yield f"{path} must not be empty"
        for number, part in enumerate(content):
            yield from _part_faults(f"{path}[{number}]", part)
    elif not isinstance(content, str):
        yield refused(path, content, "a string", "a list")


def _place_faults(path: str, message: Mapping[str, Any]) -> Iterator[str]:
    """Faults of pictures, videos and files in messages of the system or the assistant."""
    if message.get("role") in ("system", "assistant") and isinstance(message["content"], list):
        for number, part in enumerate(message["content"]):
            if isinstance(part, dict) and part.get("type", "text") != "text":
                yield f"{path}[{number}] is a picture, video or file, which only turns of the user may hold"


def _part_faults(path: str, part: object) -> Iterator[str]:
    if not isinstance(part, dict):
        yield refused(path, part, "a mapping")
    elif "type" not in part:
        yield from missing(path, ("type",), part)
    elif not isinstance(part["type"], str) or part["type"] not in _PARTS:
        yield choice(f"{path}.type", part["type"], tuple(_PARTS))
    else:
        yield from _field_faults(path, part, *_PARTS[part["type"]])


def _field_faults(path: str, part: Mapping[str, Any], needed: tuple[str, ...], other: tuple[str, ...]) -> Iterator[str]:
    is_image = part["type"] == "image"
    yield from missing(path, needed, part)
    if is_image and not part.keys() & {"path", "url"}:
        yield f"{path}: needs 'path' or 'url'"
    yield from unknown(path, ("type", *needed, *other), part)
    for name in (*needed, *other):
        if name in part:
            yield from _string_faults(f"{path}.{name}", part[name], may_be_empty=name == "text")
    if is_image and "path" in part and "url" in part:
        yield f"{path}.url and path are two places of one picture: leave one of them out"
    if isinstance(detail := part.get("detail", "auto"), str) and is_image and detail not in _DETAILS:
        yield choice(f"{path}.detail", detail, _DETAILS)


def _string_faults(path: str, value: object, *, may_be_empty: bool) -> Iterator[str]:
    if not isinstance(value, str):
        yield refused(path, value, "a string")
    elif not value and not may_be_empty:
        yield f"{path} must not be empty"


# The fields of a row

# What is asked goes to the provider's own address, so a url only says that the body is one of a chat: OpenAI's
# (platform.openai.com/docs/guides/batch), Azure's (learn.microsoft.com/azure/ai-services/openai/how-to/batch), that of
# Model Studio's test model (help.aliyun.com batch-interfaces-compatible-with-openai), a whole address, or none, as at
# Mistral (docs.mistral.ai/capabilities/batch). From memory in November 2026; the pages were not opened again.
_CHAT_URL = re.compile(r"([^\s?#]*/)?chat/(completions|ds-test)/?(\?\S*)?")
_NO_CHAT = "url must be that of a chat completion, as /v1/chat/completions: nothing else is asked here"
# The form of Anthropic's Message Batches (docs.anthropic.com/en/api/creating-message-batches), from memory too.
_PARAMS = "params is how Anthropic's batches say what is asked: here it is body, in the form of a chat completion"
_ID = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,512}")
_OPENAI = ("custom_id", "body")


def is_openai(row: Mapping[str, Any]) -> bool:
    """Whether a row is meant as a line of an OpenAI batch file, by its fields."""
    return "custom_id" in row or ("method" in row and "url" in row and "body" in row)


def faults(row: Mapping[str, Any]) -> Iterator[str]:
    """Everything that is wrong with a row, lazily: most callers need the first fault only."""
    yield from _openai_faults(row) if is_openai(row) else _plain_faults(row)


def _plain_faults(row: Mapping[str, Any]) -> Iterator[str]:
    if "id" in row and (why := id_fault("id", row["id"])):
        yield why
    if "prompt" in row and (why := prompt_fault(row["prompt"])):
        yield why
    if "vars" in row:
        yield from _vars_faults(row["vars"])
    if "messages" in row:
        yield from message_faults(row["messages"])


def _openai_faults(row: Mapping[str, Any]) -> Iterator[str]:
    if "params" in row and "body" not in row:
        yield _PARAMS
    yield from missing("", _OPENAI, row)
    if "custom_id" in row and (why := id_fault("custom_id", row["custom_id"])):
        yield why
    if row.get("method", "POST") != "POST":
        yield choice("method", row["method"], ("POST",))
    if "url" in row:
        yield from _url_faults(row["url"])
    if "body" in row:
        yield from _body_faults(row["body"])


def _url_faults(url: object) -> Iterator[str]:
    if not isinstance(url, str):
        yield refused("url", url, "a string")
    elif not _CHAT_URL.fullmatch(url):
        yield _NO_CHAT


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
        if not isinstance(value, str | int | float):  # True is an int
            yield refused(path_text(("vars", name)), value, "a string", "a number", "true or false")


def id_fault(field: str, value: object) -> str:
    """What is wrong with the id in this field; empty if it is valid. An integer is an id of its digits."""
    if isinstance(value, str):
        return "" if _ID.fullmatch(value) else f"{field} must be 1 to 512 characters, none of them a control character"
    if isinstance(value, int) and not isinstance(value, bool):
        return ""
    return refused(field, value, "a string", "an integer")


def repeated(names: Iterable[str]) -> str | None:
    """The first name that occurs twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def prompt_fault(value: object) -> str:
    """What is wrong with a prompt; empty if it is valid."""
    if not isinstance(value, str):
        return refused("prompt", value, "a string")
    return "" if value and not value.isspace() else "prompt must be text, not only blanks"


# From a valid row to a Row

_ASKS = ("prompt", "messages", "vars")
_TAKEN = frozenset(("id", "prompt", "messages"))
_TAKEN_OPENAI = frozenset(("custom_id", "method", "url", "body"))
_ASKS_NOTHING = "asks nothing: it needs 'prompt', 'messages' or 'vars', or the request file a question of its own"


def row_of(value: object, line: int, data: bytes, context: InputContext) -> Row | MalformedRow:
    """The row that a JSON or YAML value describes; `data` are the bytes that it was parsed from."""
    if not isinstance(value, dict):
        return context.malformed(line, data, refused("a row", value, "a mapping"))
    openai = is_openai(value)
    own = value.get("custom_id" if openai else "id")
    name = None if own is None or id_fault("id", own) else str(own)
    why = next(faults(value), None)
    if why is None and not openai and not context.complete and not _says_something(value, context):
        why = _ASKS_NOTHING
    if why is not None:
        return context.malformed(line, data, why, row_id=name)
    try:
        return _openai(value, line, name) if openai else _plain(value, line, name, context.folder)
    except UsageError as error:
        return context.malformed(line, data, error.message, row_id=name)


def _says_something(value: Mapping[str, Any], context: InputContext) -> bool:
    """Whether the row has a question, or a value that the request file wants."""
    return any(field in _ASKS or context.placeholders.wants(field) for field in value)


def _plain(value: Mapping[str, Any], line: int, name: str | None, folder: Path) -> Row:
    return Row(
        line,
        id=name,
        prompt=value.get("prompt"),
        messages=tuple(_messages(value["messages"], folder)) if "messages" in value else None,
        vars={key: item if isinstance(item, str) else json.dumps(item) for key, item in value.get("vars", {}).items()},
        columns={key: item for key, item in value.items() if key not in _TAKEN},
    )


def _messages(messages: Iterable[Mapping[str, Any]], folder: Path) -> Iterator[Mapping[str, Any]]:
    for at, message in enumerate(messages):
        yield message_of(message, lambda number, field, at=at: f"messages[{at}].content[{number}].{field}", folder)  # type: ignore[misc]


def _openai(value: Mapping[str, Any], line: int, name: str | None) -> Row:
    columns = {key: item for key, item in value.items() if key not in _TAKEN_OPENAI}
    return Row(line, id=name, body=value["body"], columns=columns)

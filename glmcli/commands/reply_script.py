"""The replies of `glm sandbox --reply`: from texts and files to what the sandbox answers."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from glmcli import documents
from glmcli.console.stdin import read_file
from glmcli.errors import UsageError
from glmcli.sandbox.answer import FoundPage, SandboxToolCall
from glmcli.sandbox.faults import parse
from glmcli.sandbox.replies import ScriptedReply

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from glmcli.config.app import App
    from glmcli.documents.document import Document
    from glmcli.sandbox.providers.table import MoreCodes


def read_replies(given: Iterable[str], codes: MoreCodes, app: App) -> tuple[ScriptedReply, ...]:
    """The replies of all values of the flag, in their order.

    Raises:
        UsageError: a file cannot be read or breaks the schema, or a fault is not known.
    """
    found: list[ScriptedReply] = []
    for value in given:
        path = _path(value)
        if path is None:
            found.append(ScriptedReply(text=value))
            continue
        document = documents.parse(read_file(path, "--reply", app.stdin), "<stdin>" if path == "-" else path)
        documents.check(document, "replies", names_all=True)
        found += _replies(document, codes)
    return tuple(found)


def _path(value: str) -> str | None:
    """The file that a value names, as `@FILE` or by what it is; None for a text."""
    if value.startswith("@"):
        return value[1:]
    if value == "-" or value.endswith((".yaml", ".yml", ".json")):
        return value
    # pathlib raises an error for a text that is too long for a name.
    return value if os.path.exists(value) and not os.path.isdir(value) else None  # noqa: PTH110, PTH112


def _replies(document: Document, codes: MoreCodes) -> Iterable[ScriptedReply]:
    value = document.value
    for number, entry in enumerate(value if isinstance(value, list) else [value]):
        if isinstance(entry, str):
            yield ScriptedReply(text=entry)
            continue
        fault = str(entry["fault"]) if "fault" in entry else None
        try:
            parse(fault or "cut", codes)
        except UsageError as error:
            path = (number, "fault") if isinstance(value, list) else ("fault",)
            raise UsageError(message=f"{document.place(path)}: {error.message}", fix=error.fix) from error
        yield _reply(entry, fault)


def _reply(entry: Mapping[str, Any], fault: str | None) -> ScriptedReply:
    text = json.dumps(entry["value"], ensure_ascii=False) if "value" in entry else entry.get("answer")
    return ScriptedReply(
        reasoning=entry.get("reasoning", ""),
        text=text,
        calls=tuple(_call(call) for call in entry.get("tool_calls", ())),
        finish=entry.get("finish_reason", ""),
        usage=entry.get("usage", {}),
        fault=fault,
        latency=entry.get("latency", 0.0),
        pace=entry.get("pace"),
        piece_size=entry.get("piece_size", 0),
        pages=_pages(entry["sources"]) if "sources" in entry else None,
    )


def _pages(sources: Iterable[Mapping[str, str]]) -> tuple[FoundPage, ...]:
    return tuple(FoundPage(**{"ref": f"ref_{number}", **source}) for number, source in enumerate(sources, 1))


def _call(call: Mapping[str, Any]) -> SandboxToolCall:
    arguments = call.get("arguments", {})
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return SandboxToolCall(call.get("id", ""), call["name"], text)

"""A tool of an MCP server: its calls, and their results as text for a model."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from glmcli.record import Record
from glmcli.tools.capture import OutputCapture, strip_controls
from glmcli.tools.tool import CallResult

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future

    from mcp.types import CallToolResult

    from glmcli.console.redaction import Redactor
    from glmcli.tools.mcp.session import ServerSession

_MAX_OUTPUT = 256 * 1024  # bytes of a result that the model may see
_MAX_WORDS = 100  # characters of a server's own words in a line for a person


class RemoteTool(Record):
    """A tool by the name that its server gave it; `timeout` in seconds."""

    session: ServerSession
    name: str
    timeout: float

    def refusal(self, _arguments: Mapping[str, Any]) -> str | None:
        """None: all arguments that satisfy the schema can be sent."""
        return None

    def shown(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The server, the tool and the arguments."""
        return {"server": self.session.server.name, "tool": self.name, "arguments": dict(arguments)}

    def start(self, arguments: Mapping[str, Any]) -> RemoteCall:
        """Send the call."""
        return RemoteCall(self.session, self.session.call(self.name, arguments), self.timeout)


class RemoteCall:
    """A call that was sent to a server; the event loop of the client waits for its answer."""

    def __init__(self, session: ServerSession, future: Future[CallToolResult], timeout: float) -> None:
        """Watch a call that was sent."""
        self.result: CallResult | None = None
        self._session = session
        self._future = future
        self._timeout = timeout
        self._due = time.monotonic() + timeout

    def waits_on(self) -> Mapping[int, int]:
        """No descriptors: the thread of the client waits on them."""
        return {}

    def advance(self) -> None:
        """Take the result if it is there, and keep the time limit."""
        if self.result:
            return
        if self._future.done():
            self.result = self._finished()
        elif time.monotonic() > self._due:
            self._future.cancel()
            self.result = CallResult.failure(f"stopped after {self._timeout:g} s")

    def cancel(self) -> None:
        """Stop waiting; the session notifies the server."""
        if not self.result:
            self._future.cancel()

    def _finished(self) -> CallResult:
        problem = self._session.problem(self._future)
        if problem is not None:
            words = f"the MCP server {self._session.server.name} {problem}"
            return CallResult.failure(words).replace(how=self._session.redactor.text(words)[:_MAX_WORDS])
        return _call_result(self._future.result(), self._session.redactor)


def _call_result(result: CallToolResult, redactor: Redactor) -> CallResult:
    from glmcli.tools.mcp.raw_results import raw  # it loads the package mcp, which is there by now

    said = raw(result)
    output = "\n".join(map(_part_text, said.get("content", ())))
    if not output and said.get("structuredContent") is not None:
        try:
            output = json.dumps(said["structuredContent"], ensure_ascii=False, allow_nan=False)
        except (ValueError, RecursionError):
            return CallResult.failure("its result holds what JSON cannot say (NaN or Infinity), or is nested too deep")
    text = shortened(output, _MAX_OUTPUT, redactor)
    if result.is_error:
        return CallResult(f"The tool failed:\n{text}", failed=True, how="the server says that it failed")
    return CallResult(text or "(no output)", failed=False, how=f"{len(output.encode(errors='replace'))} bytes")


def shortened(text: str, limit: int, redactor: Redactor) -> str:
    """The beginning and the end of a text, without escape sequences, and with keys masked before it is cut."""
    capture = OutputCapture(limit)
    capture.add(redactor.text(strip_controls(text.encode(errors="replace"))).encode(errors="replace"))
    return capture.text()


def _part_text(part: object) -> str:
    """The text of a part of a result, or a note in place of one that is not text, or not known."""
    match part:
        case {"type": "text", "text": str(text)} | {"type": "resource", "resource": {"text": str(text)}}:
            return text
        case {"type": "image" | "audio" as kind, "mimeType": str(mime_type), "data": str(data)}:
            return _note(kind, mime_type, data)
        case {"type": "resource", "resource": {"blob": str(data)} as resource}:
            return _note("resource", str(resource.get("mimeType") or "of no type"), data)
        case {"type": "resource_link", "uri": str(uri)}:
            return f"[resource, {_word(uri)}, not read]"
        case _:
            return f"[{_left_out(part)}, left out]"


def _left_out(part: object) -> str:
    """What a part is that cannot be shown."""
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str):
        return "a part without a type"
    known = kind in ("text", "image", "audio", "resource", "resource_link")
    return f"{_word(kind)}, {'in a form that is not that of MCP' if known else 'a type of content that is not known'}"


def _note(kind: str, mime_type: str, base64: str) -> str:
    size = len(base64) * 3 // 4 - base64[-2:].count("=")
    return f"[{kind}, {_word(mime_type)}, {size} bytes, not shown]"


def _word(text: str) -> str:
    """A server's word inside a note of ours, without the bracket that would close the note."""
    return " ".join(strip_controls(text.encode(errors="replace")).replace("]", " ").split())[:_MAX_WORDS]

"""A tool of an MCP server: its calls, and what their results are for a model. Knows nothing of the wire."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from glmcli.record import Record
from glmcli.tools.capture import Capture, clean
from glmcli.tools.tool import Ended

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from concurrent.futures import Future

    from mcp.types import CallToolResult, ContentBlock, EmbeddedResource

    from glmcli.console.redaction import Redactor
    from glmcli.tools.mcp.link import Link

_OUTPUT = 256 * 1024  # bytes of a result that the model may see
_WORDS = 100  # characters of a server's own words in a line for a person


class RemoteTool(Record):
    """A tool by the name that its server gave it; `timeout` in seconds."""

    link: Link
    name: str
    timeout: float

    def refusal(self, _arguments: Mapping[str, Any]) -> str | None:
        """Nothing: whatever satisfies its schema can be sent."""
        return None

    def shown(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Who is asked for what."""
        return {"server": self.link.server.name, "tool": self.name, "arguments": dict(arguments)}

    def start(self, arguments: Mapping[str, Any]) -> RemoteTask:
        """Send the call."""
        return RemoteTask(self.link, self.link.call(self.name, arguments), self.timeout)


class RemoteTask:
    """A call that a server works at. It is done elsewhere: here one only looks whether it is."""

    def __init__(self, link: Link, future: Future[CallToolResult], timeout: float) -> None:
        """Watch a call that was sent."""
        self.ended: Ended | None = None
        self._link = link
        self._future = future
        self._timeout = timeout
        self._due = time.monotonic() + timeout

    def waits_on(self) -> Mapping[int, int]:
        """No descriptor: the thread that speaks to servers has them."""
        return {}

    def advance(self) -> None:
        """Look whether it is over, and at the clock."""
        if self.ended:
            return
        if self._future.done():
            self.ended = self._outcome()
        elif time.monotonic() > self._due:
            self._future.cancel()
            how = f"stopped after {self._timeout:g} s"
            self.ended = Ended(f"The tool failed: {how}.", failed=True, how=how)

    def cancel(self) -> None:
        """Wait no longer; the server is told."""
        if not self.ended:
            self._future.cancel()

    def _outcome(self) -> Ended:
        problem = self._link.problem(self._future)
        if problem is not None:
            words = f"the MCP server {self._link.server.name} {problem}"
            return Ended(f"The tool failed: {words}.", failed=True, how=self._link.redactor.text(words)[:_WORDS])
        return _ended(self._future.result(), self._link.redactor)


def _ended(result: CallToolResult, redactor: Redactor) -> Ended:
    said = "\n".join(_texts(result.content))
    if not said and result.structured_content is not None:
        try:
            said = json.dumps(result.structured_content, ensure_ascii=False, allow_nan=False)
        except (ValueError, RecursionError):
            how = "its result holds what JSON cannot say (NaN or Infinity), or is nested too deep"
            return Ended(f"The tool failed: {how}.", failed=True, how=how)
    text = kept(said, _OUTPUT, redactor)
    if result.is_error:
        return Ended(f"The tool failed:\n{text}", failed=True, how="the server says that it failed")
    return Ended(text or "(no output)", failed=False, how=f"{len(said.encode(errors='replace'))} bytes")


def kept(text: str, limit: int, redactor: Redactor) -> str:
    """Its beginning and its end, without keys, which a cut would hide from later looks, and controls of terminals."""
    capture = Capture(limit)
    capture.add(redactor.text(clean(text.encode(errors="replace"))).encode(errors="replace"))
    return capture.text()


def _texts(content: Iterable[ContentBlock]) -> list[str]:
    """The text of each part, or a note in the place of what is none."""
    texts = []
    for part in content:
        match part.type:
            case "text":
                texts.append(part.text)
            case "image" | "audio":
                texts.append(_note(part.type, part.mime_type, part.data))
            case "resource_link":
                texts.append(f"[resource, {_word(str(part.uri))}, not read]")
            case "resource":
                texts.append(_resource(part))
    return texts


def _resource(part: EmbeddedResource) -> str:
    """A resource that is text is told like other text."""
    text = getattr(part.resource, "text", None)
    if text is not None:
        return str(text)
    return _note("resource", part.resource.mime_type or "of no type", getattr(part.resource, "blob", ""))


def _note(kind: str, mime_type: str, base64: str) -> str:
    size = len(base64) * 3 // 4 - base64[-2:].count("=")
    return f"[{kind}, {_word(mime_type)}, {size} bytes, not shown]"


def _word(text: str) -> str:
    """A server's word inside a note of ours: it ends where the note goes on."""
    return " ".join(clean(text.encode(errors="replace")).replace("]", " ").split())[:_WORDS]

"""A conversation kept in a file: one JSON object a line, read before a question, appended after its answer.

Shape of a line: `{"role": "user", "content": "…"}`; the assistant's lines add `reasoning`, `provider`, `model`, and
`tool_calls` where it called tools (each with `id`, `name`, `arguments`); a line of the role `tool` is a result, and
names its call in `tool_call_id`. A question about pictures, videos or files that have a URL holds them in `media`;
where the user gave the order of words and pictures, `content` is a list of parts, as in a request file.
The file has mode 0600 and is locked while a question is asked.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from glmcli.chat.messages import Media, Message, ToolCall
from glmcli.console.files import sync, write_all
from glmcli.errors import OutputError, UsageError
from glmcli.http.urls import checked_media_url, printable_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glmcli.chat.outcome import Outcome
    from glmcli.console.redaction import Redactor

_MODE = 0o600
_KINDS = ("image", "video", "file")
_ROLES = ("system", "user", "assistant", "tool")


class Session:
    """An open, locked transcript."""

    def __init__(self, path: str) -> None:
        """Open or make the file, and lock it.

        Raises:
            UsageError: it cannot be opened, is not a regular file, or is locked by another glm.
        """
        self._path = path
        if path == "-":
            raise UsageError(message="--session: a conversation is kept in a file, not on stdin")
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK, _MODE)
            if not stat.S_ISREG(os.fstat(self._fd).st_mode):
                raise UsageError(message=f"--session: {path} is no regular file")
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            fix = "wait for it, or use another file"
            raise UsageError(message=f"--session: {path} is in use by another glm", fix=fix) from error
        except OSError as error:
            raise UsageError(message=f"--session: cannot open {path}: {error.strerror}") from error

    def messages(self) -> tuple[Message, ...]:
        """The messages so far, in order; of several system messages the last one, first.

        Raises:
            UsageError: a line is not a valid message; the error names it.
        """
        try:
            with os.fdopen(os.dup(self._fd), "rb") as file:
                file.seek(0)
                lines = file.read().split(b"\n")
        except OSError as error:
            raise UsageError(message=f"--session: cannot read {self._path}: {error.strerror}") from error
        messages = {number: self._message(line, number) for number, line in enumerate(lines, 1) if line.strip()}
        self._check_results(messages)
        system = [message for message in messages.values() if message.role == "system"][-1:]
        return (*system, *(message for message in messages.values() if message.role != "system"))

    def _message(self, line: bytes, number: int) -> Message:
        try:
            value = json.loads(line)
            role = value["role"]
            content, parts = _content(value)
            reasoning = value.get("reasoning") or ""
            calls = tuple(_call(call) for call in value.get("tool_calls") or ())
            answered = value.get("tool_call_id") or ""
            text = "".join([content, reasoning, answered, *(f"{c.id}{c.name}{c.arguments}" for c in calls)])
            text.encode()  # half a character would be found only when it is sent
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
            raise self._wrong(number) from error
        if role not in _ROLES or not isinstance(content, str) or not isinstance(reasoning, str):
            raise self._wrong(number)
        if (role == "tool") != bool(answered) or (calls and role != "assistant") or (parts and role != "user"):
            raise self._wrong(number)
        return Message(role, content, reasoning, calls, answered, parts)

    def _check_results(self, messages: dict[int, Message]) -> None:
        """Require that the results of all calls follow them at once, as providers do."""
        open_calls: list[str] = []
        for number, message in messages.items():
            if message.role == "tool" and message.tool_call_id in open_calls:
                open_calls.remove(message.tool_call_id)
            elif message.role == "tool" or open_calls:
                raise self._wrong(number)
            open_calls += [call.id for call in message.tool_calls]
        if open_calls:
            raise self._wrong(max(messages))

    def _wrong(self, number: int) -> UsageError:
        return UsageError(
            message=f"{self._path}:{number}:1: not a turn of a conversation",
            fix='a line is {"role": "user" or "assistant" or "system", "content": TEXT}',
        )

    def append(self, new: Sequence[Message], outcome: Outcome, redactor: Redactor) -> None:
        """Add the question and its complete answer, in one write.

        Raises:
            OutputError: it cannot be written; the file is cut back to what it was.
        """
        begun = ""
        if new and new[-1].partial:  # one turn, of which the answer is the rest
            *new, last = new
            begun = last.text
        answer = Message("assistant", begun + outcome.reply.answer, outcome.reply.reasoning)
        lines = [_question_line(message) for message in new]
        lines += [_answer_line(message, outcome) for message in (*outcome.turns, answer)]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        size = None
        try:
            size = os.fstat(self._fd).st_size
            data = self._missing_newline(size) + redactor.text(text).encode(errors="replace")
            write_all(self._fd, data)
            sync(self._fd)
        except OSError as error:
            if size is not None:
                with suppress(OSError):  # the first failure is the one to report
                    os.ftruncate(self._fd, size)
            raise OutputError(message=f"--session: cannot write {self._path}: {error.strerror}") from error

    def _missing_newline(self, size: int) -> bytes:
        """A newline, if the file's last line has none."""
        return b"\n" if size and os.pread(self._fd, 1, size - 1) != b"\n" else b""


def _question_line(message: Message) -> dict[str, Any]:
    """The line of a message that the user gave."""
    if message.is_ordered:
        return {"role": message.role, "content": [_part(part) for part in message.parts]}
    media = [_part(each) for each in message.media]
    return {"role": message.role, "content": message.text} | ({"media": media} if media else {})


def _answer_line(message: Message, outcome: Outcome) -> dict[str, Any]:
    """The line of a message that followed the question."""
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.tool_call_id, "content": message.text}
    calls = {"tool_calls": [call.fields() for call in message.tool_calls]} if message.tool_calls else {}
    by = {"provider": outcome.provider, "model": outcome.model}
    return {"role": message.role, "content": message.text, "reasoning": message.reasoning, **calls, **by}


def _part(part: str | Media) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    return {"type": part.kind, "url": part.url, "detail": part.detail}


def _content(value: dict[str, Any]) -> tuple[str, tuple[str | Media, ...]]:
    """The text of a line, and its parts where it holds more than text; a malformed line raises an error."""
    content = value["content"]
    if not isinstance(content, list):
        return content, tuple(map(_media, value.get("media") or ()))
    parts = tuple(part["text"] if part["type"] == "text" else _media(part) for part in content)
    text = "".join(part for part in parts if not isinstance(part, Media))
    return text, parts if any(isinstance(part, Media) for part in parts) else ()


def _media(part: dict[str, Any]) -> Media:
    """An element of `media`; a malformed one raises as in `_content`."""
    kind, url, detail = part["type"], part["url"], part.get("detail")
    if kind not in _KINDS or not (detail is None or isinstance(detail, str)):
        raise ValueError(kind)
    try:
        return Media(kind, url=checked_media_url(url, "--session"), detail=detail, name=printable_url(url))
    except UsageError as error:
        raise ValueError(url) from error


def _call(value: Any) -> ToolCall:  # noqa: ANN401 - any JSON
    """A call of a line.

    Raises:
        TypeError: it is not a call.
    """
    call = ToolCall(**value)
    if not all(isinstance(text, str) for text in call.fields().values()):
        raise TypeError
    if not isinstance(json.loads(call.arguments), dict):
        raise TypeError
    return call

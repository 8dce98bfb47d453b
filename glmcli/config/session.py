"""A conversation kept in a file: one JSON object a line, read before a question, appended after its answer.

Shape of a line: `{"role": "user", "content": "…"}`; the assistant's lines add `reasoning`, `provider`, `model`, and
`tool_calls` where it called tools (each with `id`, `name`, `arguments`); a line of the role `tool` is a result, and
names its call in `tool_call_id`. What was asked about pictures, videos or files that have a URL holds them in `media`;
where the user said in which order words and pictures stand, `content` is a list of parts, as in a request file.
The file belongs to its owner alone (mode 0600) and is locked while a question is under way.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from glmcli.chat.messages import Media, Message, ToolCall
from glmcli.errors import OutputError, UsageError
from glmcli.http.urls import checked_media_url, printable_url

if TYPE_CHECKING:
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
            UsageError: it cannot be opened, is no regular file, or another glm is using it.
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
        """The turns so far. A system message counts from the last place where it was said.

        Raises:
            UsageError: a line is no turn; the message names it.
        """
        lines = self._read().split(b"\n")
        numbered = {number: self._turn(line, number) for number, line in enumerate(lines, 1) if line.strip()}
        turns = self._matched(numbered)
        system = [turn for turn in turns if turn.role == "system"][-1:]
        return (*system, *(turn for turn in turns if turn.role != "system"))

    def _read(self) -> bytes:
        try:
            with os.fdopen(os.dup(self._fd), "rb") as file:
                file.seek(0)
                return file.read()
        except OSError as error:
            raise UsageError(message=f"--session: cannot read {self._path}: {error.strerror}") from error

    def _turn(self, line: bytes, number: int) -> Message:
        try:
            value = json.loads(line)
            role = value["role"]
            content, parts = _content(value)
            reasoning = value.get("reasoning") or ""
            calls = tuple(_call(call) for call in value.get("tool_calls") or ())
            answered = value.get("tool_call_id") or ""
            said = "".join([content, reasoning, answered, *(f"{c.id}{c.name}{c.arguments}" for c in calls)])
            said.encode()  # half a character would be found only when it is sent
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
            raise self._wrong(number) from error
        if role not in _ROLES or not isinstance(content, str) or not isinstance(reasoning, str):
            raise self._wrong(number)
        if (role == "tool") != bool(answered) or (calls and role != "assistant") or (parts and role != "user"):
            raise self._wrong(number)
        return Message(role, content, reasoning, calls, answered, parts)

    def _matched(self, turns: dict[int, Message]) -> list[Message]:
        """The turns, if every call has its result at once after it, as providers demand."""
        open_calls: list[str] = []
        for number, turn in turns.items():
            if turn.role == "tool" and turn.tool_call_id in open_calls:
                open_calls.remove(turn.tool_call_id)
            elif turn.role == "tool" or open_calls:
                raise self._wrong(number)
            open_calls += [call.id for call in turn.tool_calls]
        if open_calls:
            raise self._wrong(max(turns))
        return list(turns.values())

    def _wrong(self, number: int) -> UsageError:
        return UsageError(
            message=f"{self._path}:{number}:1: not a turn of a conversation",
            fix='a line is {"role": "user" or "assistant" or "system", "content": TEXT}',
        )

    def append(self, new: tuple[Message, ...], outcome: Outcome, redactor: Redactor) -> None:
        """Add the question and its complete answer, in one write.

        Raises:
            OutputError: it cannot be written; what was written is taken back.
        """
        answer = Message("assistant", outcome.reply.answer, outcome.reply.reasoning)
        turns = [_said(turn) for turn in new]
        turns += [_line(turn, outcome) for turn in (*outcome.turns, answer)]
        text = "".join(json.dumps(turn, ensure_ascii=False) + "\n" for turn in turns)
        size = None
        try:
            size = os.fstat(self._fd).st_size
            data = self._line_break(size) + redactor.text(text).encode(errors="replace")
            while data:
                data = data[os.write(self._fd, data) :]
            os.fsync(self._fd)
        except OSError as error:
            if size is not None:
                with suppress(OSError):  # the first failure is the one to tell
                    os.ftruncate(self._fd, size)
            raise OutputError(message=f"--session: cannot write {self._path}: {error.strerror}") from error

    def _line_break(self, size: int) -> bytes:
        """A newline where the file's last line has none."""
        return b"\n" if size and os.pread(self._fd, 1, size - 1) != b"\n" else b""


def _said(turn: Message) -> dict[str, Any]:
    """A turn that led to the question."""
    if turn.is_ordered:
        return {"role": turn.role, "content": [_part(part) for part in turn.parts]}
    media = [_part(each) for each in turn.media]
    return {"role": turn.role, "content": turn.text} | ({"media": media} if media else {})


def _part(part: str | Media) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    return {"type": part.kind, "url": part.url, "detail": part.detail}


def _content(value: dict[str, Any]) -> tuple[str, tuple[str | Media, ...]]:
    """What a line says, and its parts where it holds more than text; of a wrong one, whatever error it makes."""
    content = value["content"]
    if not isinstance(content, list):
        return content, tuple(map(_media, value.get("media") or ()))
    parts = tuple(part["text"] if part["type"] == "text" else _media(part) for part in content)
    text = "".join(part for part in parts if not isinstance(part, Media))
    return text, parts if any(isinstance(part, Media) for part in parts) else ()


def _media(part: dict[str, Any]) -> Media:
    """What stands in a line as `media`; of a wrong one, whatever error it makes."""
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
        TypeError: it is none.
    """
    call = ToolCall(**value)
    if not all(isinstance(text, str) for text in call.fields().values()):
        raise TypeError
    if not isinstance(json.loads(call.arguments), dict):
        raise TypeError
    return call


def _line(turn: Message, outcome: Outcome) -> dict[str, Any]:
    """A turn that followed the question."""
    if turn.role == "tool":
        return {"role": "tool", "tool_call_id": turn.tool_call_id, "content": turn.text}
    calls = {"tool_calls": [call.fields() for call in turn.tool_calls]} if turn.tool_calls else {}
    who = {"provider": outcome.provider, "model": outcome.model}
    return {"role": turn.role, "content": turn.text, "reasoning": turn.reasoning, **calls, **who}

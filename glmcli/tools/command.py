"""Local programs as tools: from the arguments of a call to argv and stdin, never through a shell."""

from __future__ import annotations

import json
import os
import re
import shutil
from typing import TYPE_CHECKING, Any

from glmcli.record import Record
from glmcli.tools.process import ProcessTask

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ALWAYS = ("PATH", "HOME", "LANG", "TMPDIR")  # what a program sees of our environment, beside what its file names
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_-]*)\}")


def placeholder(item: str) -> str | None:
    """The argument that an item of `run` stands for, or None: only a whole item is one."""
    found = _PLACEHOLDER.fullmatch(item)
    return found[1] if found else None


def mentioned(item: str) -> list[str]:
    """The arguments that an item names without being a placeholder, as in `--city={city}`."""
    return [] if placeholder(item) else _PLACEHOLDER.findall(item)


def program(name: str, folder: str, environment: Mapping[str, str]) -> tuple[str, str | None]:
    """The program of that name, and why it cannot be run, or None. One with a slash is relative to the folder."""
    if "/" not in name:
        found = shutil.which(name, path=environment.get("PATH", os.defpath))
        return found or name, None if found else f"there is no program {name!r} on the PATH"
    path = os.path.join(folder, name.removeprefix("./"))  # noqa: PTH118 - what is executed keeps its own words
    if not os.path.isfile(path):  # noqa: PTH113
        return path, f"there is no file {path!r}"
    return path, None if os.access(path, os.X_OK) else f"{path!r} is not executable"


class Command(Record):
    """A program and how it takes its arguments.

    Attributes:
        words: argv, the program found, with placeholders for arguments.
        environment: all that it sees.
        timeout: seconds.
        redact: masks keys in what it prints.
        leading_dash: arguments may begin with `-`.
    """

    words: tuple[str, ...]
    environment: Mapping[str, str]
    timeout: float
    redact: Callable[[str], str]
    leading_dash: bool = False
    _hidden = ("environment", "redact")

    @property
    def _has_placeholders(self) -> bool:
        return any(placeholder(word) for word in self.words[1:])

    def refusal(self, arguments: Mapping[str, Any]) -> str | None:
        """Why these arguments cannot stand in argv, or None."""
        for word in self.words[1:]:
            name = placeholder(word)
            if name is None or arguments.get(name) is None:
                continue
            text = _text(arguments[name])
            if "\0" in text:
                return f"{name} holds a NUL"
            if text.startswith("-") and not self.leading_dash:
                return f"{name} begins with '-', and the program could take it for a flag"
        return None

    def argv(self, arguments: Mapping[str, Any]) -> list[str]:
        """The words with arguments in their places; the item of an argument that is absent or null is dropped."""
        filled: list[str] = [self.words[0]]
        for word in self.words[1:]:
            name = placeholder(word)
            if name is None:
                filled.append(word)
            elif arguments.get(name) is not None:
                filled.append(_text(arguments[name]))
        return filled

    def _stdin(self, arguments: Mapping[str, Any]) -> bytes | None:
        return None if self._has_placeholders else json.dumps(arguments, ensure_ascii=False).encode() + b"\n"

    def shown(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Its argv, and its stdin where the arguments arrive there."""
        stdin = {} if self._has_placeholders else {"stdin": dict(arguments)}
        return {"argv": self.argv(arguments), **stdin}

    def start(self, arguments: Mapping[str, Any]) -> ProcessTask:
        """Run the program."""
        return ProcessTask(self.argv(arguments), self._stdin(arguments), self.environment, self.timeout, self.redact)


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON
    """A value as one word of argv: text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

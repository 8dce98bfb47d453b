"""A request file as options: the same words as the flags, and paths that begin at the file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from glmcli import documents
from glmcli.errors import UsageError
from glmcli.providers.decoder import text_of
from glmcli.stdin import Stdin, read_file

_FLAG = "--request"
_PATHS = ("session", "output")
_DESTINATIONS = ("reasoning", "meta")
_PLACES = ("stderr", "stdout", "none")
_MOST = 1024 * 1024
# What is said in a question; all else is how it is asked.
CONVERSATION = ("system", "prompt", "messages", "attach", "images", "videos", "files")


def load(path: str, variables: tuple[str, ...], stdin: Stdin) -> dict[str, Any]:
    """The fields of Options that the file sets.

    Raises:
        UsageError: the file or a variable is wrong; the message names the place.
    """
    document = documents.fill(_read(path, stdin), _given(variables))
    documents.check(document, "request")
    return _options(document.value, _folder(path))


class RowForm:
    """A request file whose conversation is filled anew for each row of a batch.

    Attributes:
        fields: the fields of Options that the file sets, with `x` for what each row fills in.
        open: the fields of the conversation that rows fill in, and the names in them.
    """

    def __init__(self, path: str, variables: tuple[str, ...], stdin: Stdin) -> None:
        """Read and judge the file.

        Raises:
            UsageError: as `load`.
        """
        self._template = documents.template_of(_read(path, stdin), CONVERSATION, _given(variables))
        documents.check(self._template.sample, "request")
        self._folder = _folder(path)
        self.fields = _options(self._template.sample.value, self._folder)
        self.open = self._template.open

    def fill(self, names: Iterable[str], variables: Mapping[str, str]) -> dict[str, Any]:
        """The fields of Options that these parts of the file set, filled with the values of a row.

        Raises:
            UsageError: a name has no value.
        """
        return _options({name: self._template.fill(name, variables) for name in names}, self._folder)


def _read(path: str, stdin: Stdin) -> documents.Document:
    # One byte more than a document may hold lets the parser say what is wrong.
    document = documents.parse(read_file(path, _FLAG, stdin, limit=_MOST + 1), "<stdin>" if path == "-" else path)
    if not isinstance(document.value, Mapping):
        raise UsageError(message=f"{document.place([])}: a request file is a mapping, as in `prompt: …`")
    return document


def _given(variables: Iterable[str]) -> dict[str, str]:
    return dict(_variable(text) for text in variables)


def _folder(path: str) -> Path:
    return Path() if path == "-" else Path(path).parent


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(message=f"--var {text}: not NAME=VALUE")
    return name, value


def _options(value: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    fields = {name: tuple(item) if isinstance(item, list) else item for name, item in value.items()}
    fields.pop("vars", None)
    if "options" in fields:
        fields["option"] = fields.pop("options")
    if "stream" in fields:
        fields["no_stream"] = not fields.pop("stream")
    if isinstance(fields.get("stop"), str):
        fields["stop"] = (fields["stop"],)
    if "messages" in fields:
        fields["messages"] = tuple(_turn(turn, folder) for turn in fields["messages"])
    for many in ("images", "videos", "files"):
        if many in fields:
            fields[many.removesuffix("s")] = fields.pop(many)
    return fields | _from_file(fields, folder)


def _turn(turn: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A turn with its text in one piece, and beside it the parts that are no text."""
    content = turn["content"]
    parts = [part for part in content if part["type"] != "text"] if isinstance(content, list) else []
    moved = tuple({**part, "path": _path(part["path"], folder)} if "path" in part else part for part in parts)
    return {**turn, "content": text_of(content)} | ({"media": moved} if moved else {})


def _from_file(fields: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The same paths, seen from the working directory."""
    moved: dict[str, Any] = {name: _path(fields[name], folder) for name in _PATHS if name in fields}
    for name in _DESTINATIONS:
        if name in fields and fields[name] not in _PLACES and not fields[name].startswith("fd:"):
            moved[name] = _path(fields[name], folder)
    for name in ("attach", "tools"):
        if name in fields:
            moved[name] = tuple(_path(path, folder) for path in fields[name])
    if "image" in fields:
        moved["image"] = tuple(place if "://" in place else _path(place, folder) for place in fields["image"])
    if fields.get("system", "").startswith("@"):
        moved["system"] = "@" + _path(fields["system"][1:], folder)
    return moved


def _path(path: str, folder: Path) -> str:
    if "\0" in path:
        raise UsageError(message="the request file names a path that holds a NUL")
    return path if path == "-" else str(folder / path)

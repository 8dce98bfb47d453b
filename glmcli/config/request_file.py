"""Turns as request files and rows of a batch write them, as Options has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glmcli import documents
from glmcli.config.options import MediaArgument
from glmcli.console.stdin import SizeLimit, Stdin, read_file
from glmcli.errors import UsageError
from glmcli.http.urls import is_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from glmcli.chat.messages import MediaKind
    from glmcli.documents import Document


def turn_of(turn: Mapping[str, Any], source: Callable[[int, str], str], folder: Path) -> Mapping[str, Any]:
    """A turn with its text in one piece; where it holds more than text, its parts too, in their order.

    `source` names a field of a part in messages, by the part's number; paths begin at `folder`.

    Raises:
        UsageError: a path holds a NUL.
    """
    content = turn["content"]
    if isinstance(content, str):
        return turn
    texts = [part["text"] for part in content if part["type"] == "text"]
    joined = {**turn, "content": "".join(texts)}
    if len(texts) == len(content):
        return joined
    parts = tuple(
        part["text"] if part["type"] == "text" else _part(part, number, source, folder)
        for number, part in enumerate(content)
    )
    return {**joined, "parts": parts}


def _part(part: Mapping[str, Any], number: int, source: Callable[[int, str], str], folder: Path) -> MediaArgument:
    """A picture, video or file of a turn, named by its field and where that stands."""
    field = "url" if "url" in part else "path"
    place = source(number, field)
    return MediaArgument(
        source=place,
        kind=part["type"],
        path=_part_path(part["path"], place, folder) if field == "path" else "",
        url=part.get("url", ""),
        type=part.get("media_type"),
        detail=part.get("detail"),
    )


def _part_path(path: str, source: str, folder: Path) -> str:
    if "\0" in path:
        raise UsageError(message=f"{source} holds a NUL")
    return path if path == "-" else str(folder / path)


# A request file as options: the same words as the flags, and paths that begin at the file.

_FLAG = "--request"
_PATHS = ("session", "output")
_DESTINATIONS = ("reasoning", "meta")
_PLACES = ("stderr", "stdout", "none")
# One byte more than a document may hold lets the parser say what is wrong.
_MOST = SizeLimit((1 << 20) + 1, "1 MiB", "what is long goes beside it: attach: [FILE], or stdin")
_MEDIA: Mapping[str, MediaKind] = {"images": "image", "videos": "video", "files": "file"}
# What is said in a question; all else is how it is asked.
CONVERSATION = ("system", "prompt", "messages", "attach", *_MEDIA)


def load(path: str, variables: tuple[str, ...], stdin: Stdin) -> dict[str, Any]:
    """The fields of Options that the file sets.

    Raises:
        UsageError: the file or a variable is wrong; the message names the place.
    """
    document = documents.fill(_read(path, stdin), _given(variables))
    documents.check(document, "request")
    return _options(document, _folder(path))


class RowForm:
    """A request file whose conversation is filled anew for each row of a batch.

    Attributes:
        fields: the fields of Options that the file sets, with `x` for what each row fills in.
        open: the fields of the conversation that rows must fill in, and the names in them without a value.
        names: those that rows may fill in, and the names in them without a --var.
    """

    def __init__(self, path: str, variables: tuple[str, ...], stdin: Stdin) -> None:
        """Read and judge the file.

        Raises:
            UsageError: as `load`.
        """
        self._template = documents.template_of(_read(path, stdin), CONVERSATION, _given(variables))
        documents.check(self._template.sample, "request")
        self._folder = _folder(path)
        self.fields = _options(self._template.sample, self._folder)
        self.open = self._template.open
        self.names = self._template.names

    def fill(self, names: Iterable[str], variables: Mapping[str, str]) -> dict[str, Any]:
        """The fields of Options that these parts of the file set, filled with the values of a row.

        Raises:
            UsageError: a name has no value.
        """
        return _options(self._template.fill(names, variables), self._folder)


def _read(path: str, stdin: Stdin) -> Document:
    document = documents.parse(read_file(path, _FLAG, stdin, _MOST), "<stdin>" if path == "-" else path)
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


def _options(document: Document, folder: Path) -> dict[str, Any]:
    value = document.value
    fields = {name: tuple(item) if isinstance(item, list) else item for name, item in value.items()}
    fields.pop("vars", None)
    if "options" in fields:
        fields["option"] = fields.pop("options")
    if "stream" in fields:
        fields["no_stream"] = not fields.pop("stream")
    if isinstance(fields.get("stop"), str):
        fields["stop"] = (fields["stop"],)
    if "messages" in fields:
        fields["messages"] = tuple(_turn(document, at, folder) for at in range(len(value["messages"])))
    fields["media"] = tuple(_named(document, folder))
    return {name: item for name, item in fields.items() if name not in _MEDIA} | _from_file(fields, folder)


def _turn(document: Document, at: int, folder: Path) -> Mapping[str, Any]:
    def source(number: int, field: str) -> str:
        return f"{document.place(['messages', at, 'content', number, field])}: {field}"

    return turn_of(document.value["messages"][at], source, folder)


def _named(document: Document, folder: Path) -> Iterator[MediaArgument]:
    """What stands beside the prompt, in the order of the file."""
    for field in (name for name in document.value if name in _MEDIA):
        for at, place in enumerate(document.value[field]):
            source = f"{document.place([field, at])}: {field}"
            if _MEDIA[field] == "image" and not is_url(place):
                yield MediaArgument(source, "image", path=_path(place, folder))
            else:
                yield MediaArgument(source, _MEDIA[field], url=place)


def _from_file(fields: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The same paths, seen from the working directory."""
    moved: dict[str, Any] = {name: _path(fields[name], folder) for name in _PATHS if name in fields}
    for name in _DESTINATIONS:
        if name in fields and fields[name] not in _PLACES and not fields[name].startswith("fd:"):
            moved[name] = _path(fields[name], folder)
    for name in ("attach", "tools"):
        if name in fields:
            moved[name] = tuple(_path(path, folder) for path in fields[name])
    if fields.get("system", "").startswith("@"):
        moved["system"] = "@" + _path(fields["system"][1:], folder)
    return moved


def _path(path: str, folder: Path) -> str:
    if "\0" in path:
        raise UsageError(message="the request file names a path that holds a NUL")
    return path if path == "-" else str(folder / path)

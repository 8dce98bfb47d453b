"""A request file as options: fields are named like flags, paths are relative to the file.

Messages in rows of a batch have the same form.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glmcli import documents
from glmcli.config.options import MediaArgument, SystemText
from glmcli.console.stdin import SizeLimit, Stdin, read_file
from glmcli.documents.quoting import visible
from glmcli.documents.template import braced
from glmcli.errors import UsageError
from glmcli.http.urls import is_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from glmcli.chat.messages import MediaKind
    from glmcli.documents import Document
    from glmcli.documents.template import Template

_PATHS = ("session", "output")
_PATH_LISTS = ("attach", "tools")
_DESTINATIONS = ("reasoning", "sources", "meta")
_STREAMS = ("stderr", "stdout", "none", "-")
# One byte more than a document may have, so that the parser reports the error.
_SIZE = SizeLimit((1 << 20) + 1, "1 MiB", "what is long goes beside it: attach: [FILE], or stdin")
_MEDIA: Mapping[str, MediaKind] = {"images": "image", "videos": "video", "files": "file"}
# The fields that make up the conversation; the others are options.
_CONVERSATION = ("system", "prompt", "messages", "attach", *_MEDIA)


def load(path: str, variables: tuple[str, ...], stdin: Stdin, say: Callable[[str], None]) -> dict[str, Any]:
    """The fields of Options that the file sets; `variables` are the values of --var, `say` prints a remark.

    Raises:
        UsageError: the file or a variable is wrong; the message names the place.
    """
    document = _read(path, stdin)
    template = documents.template_of(document, (), _values(variables))
    documents.check(template.sample, "request")
    if remark := _remark(template):
        say(remark)
    return _options(template.sample, _folder(path), _names_system_file(document))


def _remark(template: Template) -> str | None:
    """The remark that names with a value in the file itself stand in single braces; None if it wants to be quiet."""
    names = {} if template.sample.value.get("quiet") else template.mistaken()
    return f"{template.sample.name}: {single_braces(names)}" if names else None


def single_braces(names: Mapping[str, str]) -> str:
    """The remark that these names stand in single braces, as in templates of other programs, or behind a backslash.

    `names` has how each is written.
    """
    first, *others = sorted(names)
    written = visible(names[first])
    more = f", and {len(others)} more so" if others else ""
    if written.startswith("\\"):
        return f"{written} is sent as {written[1:]}, and is filled without the backslash{more}"
    return f"{written} is sent as it stands; {braced(first)} is filled{more}"


class RequestTemplate:
    """A request file whose conversation is filled anew for each row of a batch.

    Attributes:
        fields: the fields of Options that the file sets, with `x` in place of what rows fill in.
        open: the fields of the conversation that rows must fill in, and the names in them without a value.
        names: those that rows may fill in, and the names in them without a --var.
        single_braced: names in single braces or behind a backslash, which are text, and how they are written.
        remark: what should be said about the file.
    """

    def __init__(self, path: str, variables: tuple[str, ...], stdin: Stdin) -> None:
        """Read and validate the file.

        Raises:
            UsageError: as `load`.
        """
        document = _read(path, stdin)
        self._template = documents.template_of(document, _CONVERSATION, _values(variables))
        documents.check(self._template.sample, "request")
        self._folder = _folder(path)
        self._system_is_file = _names_system_file(document)
        self.fields = _options(self._template.sample, self._folder, self._system_is_file)
        self.open = self._template.open
        self.names = self._template.names
        self.single_braced = self._template.single_braced()
        self.remark = _remark(self._template)

    def fill(self, names: Iterable[str], variables: Mapping[str, str]) -> dict[str, Any]:
        """The fields of Options that these fields of the file set, filled with the values of a row.

        Raises:
            UsageError: a name has no value.
        """
        return _options(self._template.fill(names, variables), self._folder, self._system_is_file)


def message_of(given: Mapping[str, Any], place: Callable[[int, str], str], folder: Path) -> Mapping[str, Any]:
    """A message with its text in one piece, as `content`; where it holds more than text, its `parts` too, in order.

    `place` names a field of a part in error messages, by the part's number; paths are relative to `folder`.

    Raises:
        UsageError: a path holds a NUL.
    """
    content = given["content"]
    if isinstance(content, str):
        return given
    texts = [part["text"] for part in content if part["type"] == "text"]
    joined = {**given, "content": "".join(texts)}
    if len(texts) == len(content):
        return joined
    parts = tuple(
        part["text"] if part["type"] == "text" else _media_part(part, number, place, folder)
        for number, part in enumerate(content)
    )
    return {**joined, "parts": parts}


def _media_part(part: Mapping[str, Any], number: int, place: Callable[[int, str], str], folder: Path) -> MediaArgument:
    """A picture, video or file of a message; its source is its field with file, line and column."""
    field = "url" if "url" in part else "path"
    source = place(number, field)
    return MediaArgument(
        source=source,
        kind=part["type"],
        path=_path(part["path"], folder, source) if field == "path" else "",
        url=part.get("url", ""),
        type=part.get("media_type"),
        detail=part.get("detail"),
    )


def _read(path: str, stdin: Stdin) -> Document:
    data, name = read_file(path, "--request", stdin, _SIZE), "<stdin>" if path == "-" else path
    try:
        document = documents.parse(data, name)
    except UsageError:
        if data.removeprefix(b"\xef\xbb\xbf").startswith(b"---"):  # another program's, perhaps
            from glmcli.config.foreign_files import refuse_front_matter

            refuse_front_matter(data, name)
        raise
    if not isinstance(document.value, Mapping):
        raise UsageError(message=f"{document.place([])}: a request file is a mapping, as in `prompt: …`")
    if keys := _foreign_keys(document.value):
        from glmcli.config.foreign_files import refuse

        refuse(document, keys)
    return document


def _foreign_keys(value: Mapping[str, Any]) -> list[str]:
    """The keys that no file of ours has. `tools` are names of files in ours, and mappings in bodies."""
    ours, tools = documents.load_schema("request")["properties"], value.get("tools")
    has_bodies = isinstance(tools, list) and any(isinstance(tool, Mapping) for tool in tools)
    return [key for key in value if key not in ours or (key == "tools" and has_bodies)]


def _values(variables: Iterable[str]) -> dict[str, str]:
    """The values of --var NAME=VALUE, by name."""
    values = {}
    for text in variables:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(message=f"--var {text}: not NAME=VALUE")
        values[name] = value
    return values


def _folder(path: str) -> Path:
    return Path() if path == "-" else Path(path).parent


def _names_system_file(document: Document) -> bool:
    """Whether `system` is `@FILE` as it is written, for a value that fills it names no file."""
    system = document.value.get("system")
    return isinstance(system, str) and system.startswith("@")


def _options(document: Document, folder: Path, system_is_file: bool) -> dict[str, Any]:
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
        fields["messages"] = tuple(_message(document, at, folder) for at in range(len(value["messages"])))
    fields["media"] = tuple(_media(document, folder))
    return {name: item for name, item in fields.items() if name not in _MEDIA} | _relocated(
        fields, folder, system_is_file
    )


def _message(document: Document, at: int, folder: Path) -> Mapping[str, Any]:
    def place(number: int, field: str) -> str:
        return f"{document.place(['messages', at, 'content', number, field])}: {field}"

    return message_of(document.value["messages"][at], place, folder)


def _media(document: Document, folder: Path) -> Iterator[MediaArgument]:
    """The pictures, videos and files beside the prompt, in the order of the file."""
    for field in (name for name in document.value if name in _MEDIA):
        for at, place in enumerate(document.value[field]):
            source = f"{document.place([field, at])}: {field}"
            if _MEDIA[field] == "image" and not is_url(place):
                yield MediaArgument(source, "image", path=_path(place, folder))
            else:
                yield MediaArgument(source, _MEDIA[field], url=place)


def _relocated(fields: Mapping[str, Any], folder: Path, system_is_file: bool) -> dict[str, Any]:
    """The fields that are paths, relative to the working directory; or may be taken for one."""
    moved: dict[str, Any] = {name: _path(fields[name], folder) for name in _PATHS if name in fields}
    for name in _DESTINATIONS:
        if name in fields and fields[name] not in _STREAMS and not fields[name].startswith("fd:"):
            moved[name] = _path(fields[name], folder)
    for name in _PATH_LISTS:
        if name in fields:
            moved[name] = tuple(_path(path, folder) for path in fields[name])
    if fields.get("system", "").startswith("@"):
        system = fields["system"]
        moved["system"] = "@" + _path(system[1:], folder) if system_is_file else SystemText(system)
    return moved


def _path(path: str, folder: Path, name: str = "a path of the request file") -> str:
    if "\0" in path:
        raise UsageError(message=f"{name} holds a NUL")
    return path if path == "-" else str(folder / path)

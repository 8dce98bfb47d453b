"""A tool file as it was read, and what its programs may use."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from glmcli import documents
from glmcli.console.redaction import VARIABLES
from glmcli.errors import UsageError
from glmcli.record import Record

if TYPE_CHECKING:
    from glmcli.console.stdin import Stdin
    from glmcli.documents import Document
    from glmcli.documents.document import Path

_MOST = 1024 * 1024 + 1  # bytes; the one that is too many lets the parser say so
NO_PARAMETERS: Mapping[str, Any] = {"type": "object", "properties": {}}


class ToolSource(Record):
    """A tool file, the folder that its programs are relative to, and the environment that they are found in.

    `keys` are the variables that hold keys: no program that a model calls may see what opens a provider's door.
    """

    document: Document
    folder: str
    environment: Mapping[str, str]
    keys: frozenset[str]
    redact: Callable[[str], str]

    def definitions(self) -> Iterator[tuple[Path, Mapping[str, Any]]]:
        """Every definition of a function with its path; for a file that satisfies the schema."""
        value = self.document.value
        if isinstance(value, list):
            yield from (((number, "function"), each["function"]) for number, each in enumerate(value))
        else:
            yield from ((("tools", number), each) for number, each in enumerate(value.get("tools", ())))

    def servers(self) -> Iterator[tuple[Path, Mapping[str, Any]]]:
        """Every MCP server with its path."""
        value = self.document.value
        if isinstance(value, Mapping):
            yield from ((("mcp", name), each) for name, each in value.get("mcp", {}).items())


def read(
    path: str,
    stdin: Stdin,
    environment: Mapping[str, str],
    more_keys: frozenset[str],
    redact: Callable[[str], str],
) -> ToolSource:
    """The file as it stands; `more_keys` are variables of the user's own rows, `redact` masks what they hold.

    Raises:
        UsageError: it cannot be read, or is neither YAML nor JSON.
    """
    document = documents.parse(_bytes(path, stdin), "<stdin>" if path == "-" else path)
    # A program with a slash is never looked up on the PATH, not even where the file stands in the working directory.
    folder = "." if path == "-" else os.path.dirname(path) or "."  # noqa: PTH120 - a string is all that is needed
    return ToolSource(document, folder, environment, frozenset(VARIABLES) | more_keys, redact)


def _bytes(path: str, stdin: Stdin) -> bytes:
    if path == "-":
        return stdin.read("the tools")
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib costs a million instructions here for nothing
            return file.read(_MOST)
    except OSError as error:
        raise UsageError(message=f"{path}: cannot be read: {error.strerror}") from error

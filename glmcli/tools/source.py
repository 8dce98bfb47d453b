"""A tool file as it was read, and what its programs may use."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from glmcli import documents
from glmcli.providers import PROVIDERS
from glmcli.record import Record
from glmcli.stdin import Stdin, read_file

if TYPE_CHECKING:
    from glmcli.documents import Document
    from glmcli.documents.document import Path

_MOST = 1024 * 1024
NO_PARAMETERS: Mapping[str, Any] = {"type": "object", "properties": {}}
# No program that a model calls may see what opens a provider's door.
KEY_VARIABLES = frozenset({"GLM_API_KEY", *(name for row in PROVIDERS.values() for name in row.key_variables)})


class ToolSource(Record):
    """A tool file, the folder that its programs are relative to, and the environment that they are found in.

    `keys` are the variables that hold keys: those of every provider.
    """

    document: Document
    folder: str
    environment: Mapping[str, str]
    keys: frozenset[str] = KEY_VARIABLES

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
    path: str, stdin: Stdin, environment: Mapping[str, str], more_keys: frozenset[str] = frozenset()
) -> ToolSource:
    """The file as it stands; `more_keys` are variables of the user's own rows.

    Raises:
        UsageError: it cannot be read, or is neither YAML nor JSON.
    """
    # One byte more than a document may hold lets the parser say what is wrong.
    text = read_file(path, "--tools", stdin, limit=_MOST + 1)
    document = documents.parse(text, "<stdin>" if path == "-" else path)
    # A program with a slash is never looked up on the PATH, not even where the file stands in the working directory.
    folder = "." if path == "-" else os.path.dirname(path) or "."  # noqa: PTH120 - a string is all that is needed
    return ToolSource(document, folder, environment, KEY_VARIABLES | more_keys)

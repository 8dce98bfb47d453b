r"""Fills `{{NAME}}` in the strings of a document: see `glmcli.documents.fill`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glmcli.documents.document import has_surrogate
from glmcli.documents.quoting import visible
from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from glmcli.documents.document import Document, Node

# A small file that uses a large default many times must not fill the memory.
_MAX_FILLED = 64 << 20

_PLACEHOLDER = re.compile(r"\\\{\{|\{\{[ \t\r\n]*+([A-Za-z_][A-Za-z0-9_]*+)[ \t\r\n]*+\}\}")


class Template:
    """A document of which some parts are filled repeatedly, with other values each time.

    Attributes:
        sample: the filled document, with `x` for each missing value, so that it can be validated.
        open: the names without a value yet, by part.
        names: the names that a row may fill in (open, or with a default), by part.
    """

    def __init__(self, document: Document, keys: Collection[str], variables: Mapping[str, str]) -> None:
        """`keys`: the top-level parts whose names may be open; `variables` override the values of every `fill`.

        Raises:
            UsageError: a name has no value in another part, or a variable is used nowhere or is not UTF-8.
        """
        for name, text in variables.items():
            if has_surrogate(text):
                raise UsageError(message=f"--var {visible(name)}: not UTF-8")
        self._document = document
        self._defaults = _defaults(document.value)
        self._variables = variables
        self.open: dict[str, frozenset[str]] = {}
        self.names: dict[str, frozenset[str]] = {}
        filler = _Filler(document, {**self._defaults, **variables})
        if isinstance(document.value, dict):
            used: set[str] = set()
            value: object = {key: self._first(filler, key, keys, used) for key in document.value}
        else:
            value, used = filler.walk(document.value, document.root), filler.used
        for name in variables:
            if name not in used:
                raise UsageError(message=f"--var {visible(name)} is used nowhere in {document.name}")
        self.sample = document.replace(value=value)

    def _first(self, filler: _Filler, key: str, keys: Collection[str], used: set[str]) -> object:
        """A part of the sample; adds the names that have a value to `used`."""
        value = self._document.value[key]
        if key == "vars":
            return value
        filler.used, filler.open = set(), set() if key in keys else None
        filled = filler.walk(value, self._document.node([key]))
        if filler.open:
            self.open[key] = frozenset(filler.open)
        if key in keys and (names := filler.used.union(filler.open or ()).difference(self._variables)):
            self.names[key] = frozenset(names)
        used |= filler.used
        return filled

    def fill(self, keys: Iterable[str], variables: Mapping[str, str]) -> Document:
        """A document of these parts only, filled with these values, which override defaults.

        Raises:
            UsageError: a name has no value, or the result is huge.
        """
        whole, filler = self._document, _Filler(self._document, {**self._defaults, **variables, **self._variables})
        return whole.replace(value={key: filler.walk(whole.value[key], whole.node([key])) for key in keys})


def _defaults(value: object) -> dict[str, str]:
    """The strings of `vars`; the schema refuses other values."""
    given = value.get("vars") if isinstance(value, dict) else None
    return {name: text for name, text in given.items() if isinstance(text, str)} if isinstance(given, dict) else {}


class _Filler:
    """Fills strings, and records the names that occur.

    Attributes:
        used: the names that had a value.
        open: the names that had none; None if that is an error.
    """

    def __init__(self, document: Document, variables: Mapping[str, str]) -> None:
        self._document = document
        self._variables = variables
        self._size = 0
        self.used: set[str] = set()
        self.open: set[str] | None = None

    def walk(self, value: object, node: Node) -> object:
        """The value with its strings filled; `parse` limits the depth of the recursion."""
        below = node.below
        match value:
            case str():
                return _PLACEHOLDER.sub(lambda found: self._value(found[1], node), value)
            case dict() if isinstance(below, dict):
                return {key: self.walk(item, below[key]) for key, item in value.items()}
            case list() if isinstance(below, list):
                return [self.walk(item, there) for item, there in zip(value, below, strict=True)]
        return value

    def _value(self, name: str | None, node: Node) -> str:
        """The text that replaces a placeholder, or an escape, which has no name."""
        if name is None:
            return "{{"
        if name not in self._variables:
            if self.open is None:
                raise self._missing(name, node)
            self.open.add(name)
            return "x"
        self.used.add(name)
        self._size += len(self._variables[name])
        if self._size > _MAX_FILLED:
            raise self._document.source.error(node.at, "filled in, the strings are larger than 64 MiB")
        return self._variables[name]

    def _missing(self, name: str, node: Node) -> UsageError:
        """An error at the placeholder if the text of the file contains it literally, else at its string."""
        source = self._document.source
        places = _PLACEHOLDER.finditer(source.text, node.at, node.end)
        at = next((found.start() for found in places if found[1] == name), node.at)
        return source.error(at, f"{{{{{visible(name)}}}}} has no value; give one with --var {visible(name)}=…")

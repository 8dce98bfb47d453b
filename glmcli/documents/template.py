r"""`{{NAME}}` in the strings of a document; see `glmcli.documents.fill`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glmcli.documents.shown import visible
from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from glmcli.documents.document import Document, Node

# A small file that uses a large default many times must not fill the memory.
LIMIT = 64 << 20

_PLACEHOLDER = re.compile(r"\\\{\{|\{\{[ \t\r\n]*+([A-Za-z_][A-Za-z0-9_]*+)[ \t\r\n]*+\}\}")


def fill(document: Document, variables: Mapping[str, str]) -> Document:
    """The filled document.

    Raises:
        UsageError: a name has no value, a variable is used nowhere or is not UTF-8, or the result is huge.
    """
    _check(variables)
    filler = _Filler(document, {**_defaults(document.value), **variables})
    value = filler.top()
    filler.refuse_unused(variables)
    return document.replace(value=value)


def _check(variables: Mapping[str, str]) -> None:
    for name, text in variables.items():
        if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
            raise UsageError(message=f"--var {visible(name)}: not UTF-8")


class Template:
    """A document of which some parts are filled again and again, each time with other values.

    Attributes:
        sample: the document as one filling would have it, `x` where a value is still open: what a schema can judge.
        open: the parts that have names without a value yet, and those names.
        names: the parts that a filling may change, and the names by which: those that are open or have a default.
    """

    def __init__(self, document: Document, keys: Collection[str], variables: Mapping[str, str]) -> None:
        """`keys` are those of the top whose names may stay open; `variables` hold for all fillings, whatever they say.

        Raises:
            UsageError: a name has no value in another part, or a variable is used nowhere.
        """
        _check(variables)
        self._document = document
        self._defaults = _defaults(document.value)
        self._variables = variables
        self.open: dict[str, frozenset[str]] = {}
        self.names: dict[str, frozenset[str]] = {}
        filler = _Filler(document, {**self._defaults, **variables})
        value, below = document.value, document.root.below
        if isinstance(value, dict) and isinstance(below, dict):
            value = {key: self._begun(filler, key, keys) for key in value}
        filler.refuse_unused(variables)
        self.sample = document.replace(value=value)

    def _begun(self, filler: _Filler, key: str, keys: Collection[str]) -> object:
        value = self._document.value[key]
        if key == "vars":
            return value
        before, filler.used = filler.used, set()
        filler.open = set() if key in keys else None
        filled = filler.walk(value, self._document.node([key]))
        if filler.open:
            self.open[key] = frozenset(filler.open)
        if key in keys and (names := filler.used.union(filler.open or ()).difference(self._variables)):
            self.names[key] = frozenset(names)
        filler.used |= before
        return filled

    def fill(self, keys: Iterable[str], variables: Mapping[str, str]) -> Document:
        """The document with nothing but these parts, filled with these values, which count before defaults.

        Raises:
            UsageError: a name has no value, or the result is huge.
        """
        whole, filler = self._document, _Filler(self._document, {**self._defaults, **variables, **self._variables})
        return whole.replace(value={key: filler.walk(whole.value[key], whole.node([key])) for key in keys})


def _defaults(value: object) -> dict[str, str]:
    """The strings of `vars`; whatever else stands there is for the schema to refuse."""
    given = value.get("vars") if isinstance(value, dict) else None
    return {name: text for name, text in given.items() if isinstance(text, str)} if isinstance(given, dict) else {}


class _Filler:
    def __init__(self, document: Document, variables: Mapping[str, str]) -> None:
        self.document = document
        self.variables = variables
        self.used: set[str] = set()
        self.size = 0
        self.open: set[str] | None = None  # names that are not known yet, where that is allowed

    def refuse_unused(self, variables: Mapping[str, str]) -> None:
        for name in variables:
            if name not in self.used:
                raise UsageError(message=f"--var {visible(name)} is used nowhere in {self.document.name}")

    def top(self) -> object:
        value, node = self.document.value, self.document.root
        if isinstance(value, dict) and isinstance(node.below, dict):
            below = node.below
            return {key: item if key == "vars" else self.walk(item, below[key]) for key, item in value.items()}
        return self.walk(value, node)

    def walk(self, value: object, node: Node) -> object:
        """The value with its strings filled; as deep as `parse` lets a document be."""
        below = node.below
        match value:
            case str():
                return self.string(value, node)
            case dict() if isinstance(below, dict):
                return {key: self.walk(item, below[key]) for key, item in value.items()}
            case list() if isinstance(below, list):
                return [self.walk(item, there) for item, there in zip(value, below, strict=True)]
        return value

    def string(self, text: str, node: Node) -> str:
        def one(found: re.Match[str]) -> str:
            name = found[1]
            if name is None:
                return "{{"
            if name not in self.variables and self.open is not None:
                self.open.add(name)
                return "x"
            if name not in self.variables:
                raise self.missing(name, node)
            self.used.add(name)
            self.size += len(self.variables[name])
            if self.size > LIMIT:
                raise self.document.source.refuse(node.at, "filled in, the strings are larger than 64 MiB")
            return self.variables[name]

        return _PLACEHOLDER.sub(one, text)

    def missing(self, name: str, node: Node) -> UsageError:
        """Points into the string where the text of the file shows the placeholder as it is, else at the string."""
        source = self.document.source
        places = _PLACEHOLDER.finditer(source.text, node.at, node.end)
        at = next((found.start() for found in places if found[1] == name), node.at)
        return source.refuse(at, f"{{{{{visible(name)}}}}} has no value; give one with --var {visible(name)}=…")

"""What the readers of JSON and YAML share: the value of a plain scalar, and the builder of a document."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from glmcli.documents.document import Document, Node
from glmcli.documents.quoting import quoted

if TYPE_CHECKING:
    from glmcli.documents.document import SourceText

_CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER = re.compile(
    r"(?P<decimal>[-+]?[0-9]+)|0o(?P<octal>[0-7]+)|0x(?P<hex>[0-9a-fA-F]+)"
    r"|(?P<float>[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)"
    r"|(?P<special>[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))"
)
_BASES = {"decimal": 10, "octal": 8, "hex": 16}
_MAX_NUMBER = 64  # characters: no double needs more, and converting a million digits takes seconds
_MAX_DEPTH = 64


def plain_scalar(text: str) -> str | float | bool | None:
    """The value of an unquoted scalar by the core schema of YAML 1.2, of which the numbers of JSON are a part.

    `010` is ten: leading zeros do not mean octal.

    Source: https://yaml.org/spec/1.2.2/#1032-tag-resolution.

    Raises:
        ValueError: a number that JSON cannot carry, or that 64 bits cannot hold; the text says so.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    found = _NUMBER.fullmatch(text)
    return text if found is None else _number(found)


def _number(found: re.Match[str]) -> float:
    text, kind = found[0], found.lastgroup or ""
    if kind == "special":
        raise ValueError(f"JSON has no number {text}; quote it if it is text")
    if len(text) > _MAX_NUMBER:
        raise ValueError(f"a number of {len(text)} characters; quote it if it is text")
    if kind == "float":
        value = float(text)
        if value in {float("inf"), float("-inf")}:
            raise ValueError(f"{text} is too large for a number; quote it if it is text")
        return value
    whole = int(found[kind], _BASES[kind])
    if not -(1 << 63) <= whole < 1 << 64:
        raise ValueError(f"{text} does not fit 64 bits; quote it if it is text")
    return whole


class _OpenContainer:
    """A mapping or list that is not closed yet; `key` is a key without its value yet."""

    __slots__ = ("key", "key_at", "node", "value")

    def __init__(self, value: dict[str, Any] | list[Any], node: Node) -> None:
        self.value = value
        self.node = node
        self.key: str | None = None
        self.key_at = 0


class DocumentBuilder:
    """Builds one value and the positions of its parts from what a reader finds, in the order of the text."""

    def __init__(self, source: SourceText) -> None:
        """Begin with an empty document, whose position is the beginning of the text."""
        self.source = source
        self._value: Any = None
        self._root = Node(0, 0, None)
        self._stack: list[_OpenContainer] = []

    @property
    def expects_key(self) -> bool:
        """Whether the next scalar is a key."""
        return bool(self._stack) and isinstance(self._stack[-1].value, dict) and self._stack[-1].key is None

    def document(self) -> Document:
        """The document that was built."""
        return Document(self.source.name, self._value, self.source, self._root)

    def open(self, at: int, value: dict[str, Any] | list[Any]) -> None:
        """Begin a mapping or list, given empty.

        Raises:
            UsageError: it is nested too deep.
        """
        if len(self._stack) == _MAX_DEPTH:
            raise self.source.error(at, f"nested deeper than {_MAX_DEPTH}")
        node = Node(at, at, self._key_at(), {} if isinstance(value, dict) else [])
        self._put(value, node)
        self._stack.append(_OpenContainer(value, node))

    def close(self) -> None:
        """End the mapping or list that was opened last."""
        self._stack.pop()

    def key(self, text: str, at: int) -> None:
        """A key of the innermost mapping.

        Raises:
            UsageError: the mapping has it already.
        """
        container = self._stack[-1]
        known = container.node.below
        if isinstance(known, dict) and text in known:
            first = known[text].key or 0
            raise self.source.error(at, f"key {quoted(text)} is already set on line {self.source.line(first)}")
        container.key, container.key_at = text, at

    def scalar(self, value: object, at: int, end: int) -> None:
        """A string, number, boolean or null."""
        self._put(value, Node(at, end, self._key_at()))

    def _key_at(self) -> int | None:
        return self._stack[-1].key_at if self._stack and self._stack[-1].key is not None else None

    def _put(self, value: object, node: Node) -> None:
        if not self._stack:
            self._value, self._root = value, node
            return
        container = self._stack[-1]
        if isinstance(container.value, list) and isinstance(container.node.below, list):
            container.value.append(value)
            container.node.below.append(node)
        elif isinstance(container.value, dict) and isinstance(container.node.below, dict) and container.key is not None:
            container.value[container.key] = value
            container.node.below[container.key] = node
            container.key = None

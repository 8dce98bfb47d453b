"""Values and their positions, built from the events that both readers send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.documents.document import Node
from glmcli.documents.shown import quoted

if TYPE_CHECKING:
    from glmcli.documents.source import Source

DEPTH = 64


class _Frame:
    """A mapping or list that is still open; `key` is the one that waits for its value."""

    __slots__ = ("key", "key_at", "node", "value")

    def __init__(self, value: dict[str, Any] | list[Any], node: Node) -> None:
        self.value = value
        self.node = node
        self.key: str | None = None
        self.key_at = 0


class Tree:
    """One value with its positions. Readers open, add and close; when they are done, `value` and `root` stand."""

    def __init__(self, source: Source) -> None:
        """Begin with nothing: an empty document stands at its beginning."""
        self.source = source
        self.value: Any = None
        self.root = Node(0, 0, None)
        self._open: list[_Frame] = []

    @property
    def wants_key(self) -> bool:
        """The next value is a key."""
        return bool(self._open) and isinstance(self._open[-1].value, dict) and self._open[-1].key is None

    def open(self, at: int, value: dict[str, Any] | list[Any]) -> None:
        """Begin a mapping or list, given empty.

        Raises:
            UsageError: it is nested too deep.
        """
        if len(self._open) == DEPTH:
            raise self.source.refuse(at, f"nested deeper than {DEPTH}")
        node = Node(at, at, self._key_at(), {} if isinstance(value, dict) else [])
        self._put(value, node)
        self._open.append(_Frame(value, node))

    def close(self) -> None:
        """End what was opened last."""
        self._open.pop()

    def key(self, text: str, at: int) -> None:
        """A key of the innermost mapping.

        Raises:
            UsageError: the mapping has it already.
        """
        frame = self._open[-1]
        known = frame.node.below
        if isinstance(known, dict) and text in known:
            first = known[text].key or 0
            raise self.source.refuse(at, f"key {quoted(text)} is already set on line {self.source.line(first)}")
        frame.key, frame.key_at = text, at

    def scalar(self, value: object, at: int, end: int) -> None:
        """A string, number, boolean or null."""
        self._put(value, Node(at, end, self._key_at()))

    def _key_at(self) -> int | None:
        return self._open[-1].key_at if self._open and self._open[-1].key is not None else None

    def _put(self, value: object, node: Node) -> None:
        if not self._open:
            self.value, self.root = value, node
            return
        frame = self._open[-1]
        if isinstance(frame.value, list) and isinstance(frame.node.below, list):
            frame.value.append(value)
            frame.node.below.append(node)
        elif isinstance(frame.value, dict) and isinstance(frame.node.below, dict) and frame.key is not None:
            frame.value[frame.key] = value
            frame.node.below[frame.key] = node
            frame.key = None

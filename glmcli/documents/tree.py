"""Values and their positions, built from the events that both readers send."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from glmcli.documents.document import Node
from glmcli.documents.shown import quoted

if TYPE_CHECKING:
    from glmcli.documents.source import Source

DEPTH = 64


@dataclass(slots=True)
class _Frame:
    """A mapping or list that is still open; `key` is the one that waits for its value."""

    value: dict[str, Any] | list[Any]
    node: Node
    key: str | None = None
    key_at: int = 0


@dataclass
class Tree:
    """One value with its positions. Readers open, add and close; when they are done, `value` and `root` stand."""

    source: Source
    value: Any = None
    root: Node = Node(0, 0, None)  # noqa: RUF009 - frozen; an empty document stands at its beginning
    _open: list[_Frame] = field(default_factory=list)

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

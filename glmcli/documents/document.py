"""A parsed document: its value, and the place of each part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from glmcli.record import Record

if TYPE_CHECKING:
    from glmcli.documents.source import Source

Path = Sequence[str | int]


class Node(NamedTuple):
    """Where a value and its key begin, as indices into the text; `end` is after the value, for scalars only."""

    at: int
    end: int
    key: int | None
    below: dict[str, Node] | list[Node] | None = None


class Document(Record):
    """The value of a file, under the name that messages give it ("request.yaml", "<stdin>")."""

    name: str
    value: Any
    source: Source
    root: Node

    _hidden: ClassVar[tuple[str, ...]] = ("source", "root")

    def index(self, path: Path, *, key: bool = False) -> int:
        """The index in the text of a value, or of its key; of the nearest known ancestor if there is none."""
        node = self.node(path)
        return node.key if key and node.key is not None else node.at

    def place(self, path: Path, *, key: bool = False) -> str:
        """The same as "request.yaml:12:3"."""
        return self.source.where(self.index(path, key=key))

    def node(self, path: Path) -> Node:
        """The positions at a path, or at its nearest known ancestor."""
        node = self.root
        for step in path:
            below = _step(node.below, step)
            if below is None:
                break
            node = below
        return node


def _step(below: dict[str, Node] | list[Node] | None, step: str | int) -> Node | None:
    if isinstance(below, dict):
        return below.get(step) if isinstance(step, str) else None
    if below is not None and isinstance(step, int) and 0 <= step < len(below):
        return below[step]
    return None

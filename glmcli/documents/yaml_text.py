"""YAML text -> values with positions.

Only PyYAML's parser is used, never its resolver or constructor: those speak YAML 1.1, and expand merge keys and aliases
before anyone can look. libyaml does the parsing where PyYAML was built with it.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Protocol

from yaml.error import MarkedYAMLError, YAMLError
from yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
)

from glmcli.documents.scalars import core
from glmcli.documents.shown import visible
from glmcli.documents.tree import Tree
from glmcli.documents.yaml_words import HALF, SURROGATE_ESCAPE, complaint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from glmcli.documents.source import Source
    from glmcli.errors import UsageError

try:
    # The least of the classes around libyaml's parser; what it adds to the parser is never called.
    from yaml.cyaml import CBaseLoader as QuickParser
except ImportError:  # PyYAML was built without libyaml
    from glmcli.documents.yaml_plain import PlainParser as QuickParser  # type: ignore[assignment]

_TEMPLATE = re.compile(r"\{\{[ ]*([A-Za-z_][A-Za-z0-9_]*)[ ]*\}\}")
_SURROGATE = "[\ud800-\udfff]"  # as in json_text
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})")
# Line breaks and a mark of YAML 1.1; ordinary characters in YAML 1.2.
_BREAKS = "\x85\u2028\u2029\ufeff"
# The first are for private use; of them all a megabyte of text cannot hold each.
_CANDIDATES = (range(0xE000, 0xF900), range(0x10000, 0x110000))


class Parser(Protocol):
    """What both of PyYAML's parsers can do."""

    def check_event(self) -> bool:
        """Whether there is another event."""

    def get_event(self) -> Event | None:
        """The next event, if there is one."""

    def dispose(self) -> None:
        """Let go of the text."""


def read(source: Source, parser: Callable[[str], Parser] = QuickParser) -> Tree:
    """The document.

    Raises:
        UsageError: it is not YAML, or holds what we refuse: see `parse`.
    """
    stand_ins = _stand_ins(source.text)
    here = {ord(original): stand_in for original, stand_in in stand_ins.items()}
    there = {ord(stand_in): original for original, stand_in in stand_ins.items()}
    reader = _Reader(source, there)
    try:
        for event in _events(parser(source.text.translate(here))):
            reader.take(event)
    except MarkedYAMLError as error:
        raise complaint(source, error) from error
    except YAMLError as error:
        raise source.refuse(0, f"not valid YAML: {' '.join(str(error).split())}") from error
    return reader.tree


def _events(parser: Parser) -> Iterator[Event]:
    try:
        while parser.check_event() and (event := parser.get_event()) is not None:
            yield event
    finally:
        parser.dispose()


def _stand_ins(text: str) -> dict[str, str]:
    """For each odd line break in the text a character that neither the text nor its escapes hold.

    PyYAML breaks lines at U+0085, U+2028 and U+2029, so that `a: x<NEL>b: 2` would be two keys; YAML 1.2 does not. The
    parser sees ordinary characters in their stead, one for one, so that every position stays right.
    """
    odd = [c for c in _BREAKS if c in text]
    if not odd:
        return {}
    taken = {ord(c) for c in set(text)}
    taken.update(int(found[1] or found[2], 16) for found in _ESCAPED.finditer(text))
    free = (chr(code) for code in chain(*_CANDIDATES) if code not in taken)
    return dict(zip(odd, free, strict=False))


class _Reader:
    """Feeds events to a tree, and refuses those that a data file has no use for."""

    def __init__(self, source: Source, originals: Mapping[int, str]) -> None:
        self.source = source
        self.tree = Tree(source)
        self.originals = originals
        self.documents = 0

    def take(self, event: Event) -> None:
        """Add what the event says.

        Raises:
            UsageError: about the event's beginning.
        """
        if isinstance(event, NodeEvent):
            self._refuse_properties(event)
        match event:
            case DocumentStartEvent():
                self._start(event)
            case ScalarEvent() if self.tree.wants_key:
                self.tree.key(self._key(event), _span(event)[0])
            case ScalarEvent():
                self.tree.scalar(self._value(event), *_span(event))
            case CollectionStartEvent():
                if self.tree.wants_key:
                    raise self._complex_key(event)
                self.tree.open(_span(event)[0], {} if isinstance(event, MappingStartEvent) else [])
            case MappingEndEvent() | SequenceEndEvent():
                self.tree.close()

    def _start(self, event: DocumentStartEvent) -> None:
        self.documents += 1
        if self.documents > 1:
            raise self._refuse(event, "a second document; one file holds one")
        if event.tags or event.version not in {None, (1, 2)}:
            raise self._refuse(event, "directives are not allowed, but %YAML 1.2")

    def _refuse_properties(self, event: NodeEvent) -> None:
        if isinstance(event, AliasEvent):
            raise self._refuse(event, "aliases are not allowed; write the value out, or quote text that begins with *")
        if event.anchor is not None:
            raise self._refuse(event, "anchors are not allowed; quote text that begins with &")
        if getattr(event, "tag", None) is not None:
            raise self._refuse(event, "tags are not allowed; quote text that begins with !")

    def _key(self, event: ScalarEvent) -> str:
        text = self._text(event)
        if not event.implicit[0]:
            return text
        if text == "<<":
            raise self._refuse(event, "merge keys are not allowed; write the keys out")
        try:
            is_text = isinstance(core(text), str)
        except ValueError:
            is_text = False
        if not is_text:
            hint = f'; quote it: "{visible(text)}"' if text else ", and is missing"
            raise self._refuse(event, f"a key must be a string{hint}")
        return text

    def _value(self, event: ScalarEvent) -> str | float | bool | None:
        text = self._text(event)
        if not event.implicit[0]:
            return text
        try:
            return core(text)
        except ValueError as error:
            raise self._refuse(event, str(error)) from error

    def _text(self, event: ScalarEvent) -> str:
        text: str = event.value.translate(self.originals) if self.originals else event.value
        if not text.isascii() and re.search(_SURROGATE, text):
            at, end = _span(event)
            found = SURROGATE_ESCAPE.search(self.source.text, at, end)
            raise self.source.refuse(found.start() if found else at, HALF)
        return text

    def _complex_key(self, event: Event) -> UsageError:
        found = _TEMPLATE.match(self.source.text, max(_span(event)[0] - 1, 0))
        if found is None:
            return self._refuse(event, "a key must be a string")
        return self.source.refuse(found.start(), f'quote a template: "{visible(found[0])}"')

    def _refuse(self, event: Event, text: str) -> UsageError:
        return self.source.refuse(_span(event)[0], text)


def _span(event: Event) -> tuple[int, int]:
    """Where the event begins and ends in the text; both parsers always say."""
    begin, end = event.start_mark, event.end_mark
    return (begin.index if begin else 0), (end.index if end else 0)

"""YAML text to a document; what a data file does not need (anchors, tags, merge keys …) is refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

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

from glmcli.documents.builder import DocumentBuilder, plain_scalar
from glmcli.documents.document import has_surrogate
from glmcli.documents.quoting import visible
from glmcli.documents.yaml_parser import LONE_SURROGATE, SURROGATE_ESCAPE, QuickParser, events, stand_ins

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from glmcli.documents.document import Document, SourceText
    from glmcli.documents.yaml_parser import YamlParser
    from glmcli.errors import UsageError

_TEMPLATE = re.compile(r"\{\{[^{}\n]+\}\}")


def read(source: SourceText, parser: Callable[[str], YamlParser] = QuickParser) -> Document:
    """The document.

    Raises:
        UsageError: it is not YAML, or contains something that `documents.parse` refuses.
    """
    replaced = stand_ins(source.text)
    reader = _YamlReader(source, {ord(stand_in): original for original, stand_in in replaced.items()})
    for event in events(source, replaced, parser):
        reader.take(event)
    return reader.builder.document()


class _YamlReader:
    """Passes events to a builder, and refuses those that a data file has no use for."""

    def __init__(self, source: SourceText, originals: Mapping[int, str]) -> None:
        self.source = source
        self.builder = DocumentBuilder(source)
        self.originals = originals
        self.documents = 0

    def take(self, event: Event) -> None:
        """Add the value or key of the event.

        Raises:
            UsageError: it is refused.
        """
        if isinstance(event, NodeEvent):
            self._refuse_properties(event)
        match event:
            case DocumentStartEvent():
                self._start(event)
            case ScalarEvent() if self.builder.expects_key:
                self.builder.key(self._key(event), _span(event)[0])
            case ScalarEvent():
                self.builder.scalar(self._value(event), *_span(event))
            case CollectionStartEvent():
                if self.builder.expects_key:
                    raise self._complex_key(event)
                self.builder.open(_span(event)[0], {} if isinstance(event, MappingStartEvent) else [])
            case MappingEndEvent() | SequenceEndEvent():
                self.builder.close()

    def _start(self, event: DocumentStartEvent) -> None:
        self.documents += 1
        if self.documents > 1:
            raise self._error(event, "a second document; one file holds one")
        if event.tags or event.version not in {None, (1, 2)}:
            raise self._error(event, "directives are not allowed, but %YAML 1.2")

    def _refuse_properties(self, event: NodeEvent) -> None:
        if isinstance(event, AliasEvent):
            raise self._error(event, "aliases are not allowed; write the value out, or quote text that begins with *")
        if event.anchor is not None:
            raise self._error(event, "anchors are not allowed; quote text that begins with &")
        if getattr(event, "tag", None) is not None:
            raise self._error(event, "tags are not allowed; quote text that begins with !")

    def _key(self, event: ScalarEvent) -> str:
        text = self._text(event)
        if not event.implicit[0]:
            return text
        if text == "<<":
            raise self._error(event, "merge keys are not allowed; write the keys out")
        try:
            is_text = isinstance(plain_scalar(text), str)
        except ValueError:
            is_text = False
        if not is_text:
            hint = f'; quote it: "{visible(text)}"' if text else ", and is missing"
            raise self._error(event, f"a key must be a string{hint}")
        return text

    def _value(self, event: ScalarEvent) -> str | float | bool | None:
        text = self._text(event)
        if not event.implicit[0]:
            return text
        try:
            return plain_scalar(text)
        except ValueError as error:
            raise self._error(event, str(error)) from error

    def _text(self, event: ScalarEvent) -> str:
        text: str = event.value.translate(self.originals) if self.originals else event.value
        if has_surrogate(text):
            at, end = _span(event)
            found = SURROGATE_ESCAPE.search(self.source.text, at, end)
            raise self.source.error(found.start() if found else at, LONE_SURROGATE)
        return text

    def _complex_key(self, event: Event) -> UsageError:
        found = _TEMPLATE.match(self.source.text, max(_span(event)[0] - 1, 0))
        if found is None:
            return self._error(event, "a key must be a string")
        quote = "'" if '"' in found[0] else '"'
        return self.source.error(found.start(), f"quote a template: {quote}{visible(found[0])}{quote}")

    def _error(self, event: Event, text: str) -> UsageError:
        return self.source.error(_span(event)[0], text)


def _span(event: Event) -> tuple[int, int]:
    """Where the event begins and ends in the text; both parsers always say."""
    begin, end = event.start_mark, event.end_mark
    return (begin.index if begin else 0), (end.index if end else 0)

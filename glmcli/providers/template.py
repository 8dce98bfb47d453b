"""A short way for frames that differ from one another in one string only: their JSON is not decoded again. Pure.

A stream of text is such frames almost throughout. Of one of them the long way has made one piece of text; where the
same frame with another string in its place makes that string and nothing else, so does any other, for JSON reads a
string as a whole. A law holds both ways equal over all recordings and random frames (tests/test_template.py).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from glmcli.events import Answer, Reasoning

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from glmcli.events import Event

_PROBE = "6fZ"  # a string that no frame holds by chance, or the frame has no template
# What a JSON string holds up to its closing quote; characters by number (\u) take the long way, for they may be halves.
_STRING = re.compile(rb'[^"\\\x00-\x1f]*(?:\\["\\/bfnrt][^"\\\x00-\x1f]*)*')
_BETWEEN = b"\x00"  # stands in no string of a frame


class Template:
    """Frames that begin and end as one that was read."""

    def __init__(self, before: bytes, after: bytes, kind: type[Reasoning | Answer]) -> None:
        """Frames are `before`, what a JSON string holds, `after`; that is text of this kind."""
        self._before = before
        self._after = after
        self.kind = kind

    def is_like(self, data: bytes) -> bool:
        """Whether this is one of them, whole, and nothing else; only `read` knows whether it is UTF-8."""
        before, after = self._before, self._after
        if not (data.startswith(before) and data.endswith(after)):
            return False
        found = _STRING.match(data, len(before))
        return found is not None and found.end() == len(data) - len(after)

    def read(self, data: bytes, start: int) -> tuple[list[str], int]:
        """The texts of the frames that follow one another from here, and where they end."""
        before, after, string = self._before, self._after, _STRING.match
        strings: list[bytes] = []
        end = start
        while data.startswith(before, end) and (found := string(data, end + len(before))):
            if not found[0] or not data.startswith(after, found.end()):
                break
            strings.append(found[0])
            end = found.end() + len(after)
        try:
            return _decoded(strings), end
        except UnicodeDecodeError:
            return [], start


def _decoded(strings: Sequence[bytes]) -> list[str]:
    if not strings:
        return []
    texts = _BETWEEN.join(strings).decode()
    found = texts.split(_BETWEEN.decode()) if len(strings) > 1 else [texts]
    if "\\" in texts:
        return [json.loads(f'"{text}"') if "\\" in text else text for text in found]
    return found


def template_of(frame: bytes, events: Sequence[Event], decode: Callable[[bytes], Sequence[Event]]) -> Template | None:
    """The template of a frame of which the long way made these events, or None where there is none.

    `decode` is the long way, from a frame to its events, without a memory.
    """
    if len(events) != 1 or not isinstance(events[0], Answer | Reasoning):
        return None
    text = events[0].text
    for literal in {json.dumps(text, ensure_ascii=False).encode(errors="replace"), json.dumps(text).encode()}:
        if frame.count(literal) == 1:
            before, after = frame.split(literal)
            kind = type(events[0])
            if decode(before + json.dumps(_PROBE).encode() + after) == [kind(_PROBE)]:
                return Template(before + b'"', b'"' + after, kind)
    return None

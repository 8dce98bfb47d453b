"""Complaints of the YAML parser as messages, with what to do about them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glmcli.documents.shown import visible

if TYPE_CHECKING:
    from yaml.error import MarkedYAMLError

    from glmcli.documents.source import Source
    from glmcli.errors import UsageError

HALF = r"a \u escape of half a character; write the character itself"
SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
# What the parser's complaint points at -> what to do about it.
_HINTS = {
    "\t": "a tab cannot indent, use spaces",
    ":": "quote a value that holds ': '",
    **{c: f"quote a value that begins with {c}" for c in "@`%|>&*!"},
}


def complaint(source: Source, error: MarkedYAMLError) -> UsageError:
    """The parser's complaint as one line, with what to do about it."""
    marks = [mark.index for mark in (error.problem_mark, error.context_mark) if mark is not None]
    at = marks[0] if marks else 0
    escape = max(at - 2, 0)  # the parser points behind the `\u`
    if SURROGATE_ESCAPE.match(source.text, escape):
        return source.refuse(escape, HALF)
    characters = [source.text[index] for index in marks if index < len(source.text)]
    if error.context_mark is not None:
        # Inside something that was never closed or separated a colon is no culprit.
        characters = [c for c in characters if c != ":"]
    hint = next((f" ({_HINTS[c]})" for c in characters if c in _HINTS), "")
    problem = visible(error.problem or "unknown problem", 200)
    if at >= len(source.text) and len(marks) > 1:
        problem += f", after what begins at line {source.line(marks[1])}"
    kind = "JSON" if source.name.endswith(".json") else "YAML"
    return source.refuse(at, f"not valid {kind}: {problem}{hint}")

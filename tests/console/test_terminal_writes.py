"""What a write does to foreign text, held to the plain way of doing it; and the time in a line of a batch."""

from __future__ import annotations

import os
import pty
import tty
from datetime import UTC, datetime

from hypothesis import example, given
from hypothesis import settings as law
from hypothesis import strategies as st

from glmcli.batch.ledger.writer import utc_now
from glmcli.console.redaction import Redactor
from glmcli.console.terminal import Stream, visible_table

LAW = law(deadline=None, database=None, derandomize=True)


def guarded(text):
    """Each character looked at: a blank breaks `::` at the beginning of a line, and `##[` anywhere."""
    out, begun, last = "", "", ""
    for character in text:
        if (character == ":" and begun == ":") or (character == "[" and last == "##"):
            out += " "
        out += character
        last = (last + character)[-2:]
        if character in "\r\n":
            begun = ""
        elif begun or not character.isspace():
            begun = (begun + character)[:2]
    return out


PIECES = st.lists(
    st.text(":#[ \n\ra\t", max_size=6) | st.sampled_from(["::error::x", " ::", "##[", "a::b", "words and words\n"]),
    max_size=8,
)


@given(PIECES)
@law(LAW, max_examples=300)
@example([":", ":"])
@example([" ", ":", ":x"])
@example(["a\n", ":", ":"])
@example(["##", "["])
@example(["a", ":", ":"])
@example(["\n:a", ":"])
@example([":", "a\n:", ":"])
def test_no_piece_starts_a_workflow_command(pieces) -> None:
    ours, theirs = os.pipe()
    try:
        stream = Stream(theirs, "stderr", Redactor())
        stream.guard_workflow_commands()
        for piece in pieces:
            stream.write(piece)
        stream.write(".")
        assert os.read(ours, 65536).decode() == guarded("".join(pieces)) + "."
    finally:
        os.close(ours)
        os.close(theirs)


def test_none_of_what_is_made_visible_is_printable() -> None:
    """A terminal's text is left alone where all of it is printable."""
    assert not [code for code in visible_table() if chr(code).isprintable()]


@given(st.text("a中\n\t\x1b\x07\x9b\u202e\u200f\U000e0041😀 ", max_size=12))
@law(LAW, max_examples=100)
def test_a_terminal_is_shown_what_the_table_says(text) -> None:
    ours, theirs = pty.openpty()
    try:
        tty.setraw(theirs)
        assert Stream(theirs, "stdout", Redactor()).visible(text) == text.translate(visible_table())
    finally:
        os.close(ours)
        os.close(theirs)


def test_the_time_in_a_line() -> None:
    before = datetime.now(UTC).replace(microsecond=datetime.now(UTC).microsecond // 1000 * 1000)
    said = [utc_now() for _ in range(3000)]
    assert said == sorted(said)
    for text in {*said}:
        told = datetime.fromisoformat(text)
        assert told.isoformat(timespec="milliseconds").replace("+00:00", "Z") == text
        assert abs((told - before).total_seconds()) < 3600

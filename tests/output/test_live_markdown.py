"""The answer that `glm stream` draws on a terminal while it arrives: what is seen, what stays, and what it costs."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import threading

import pytest
from processes import TIMEOUT, running
from program import CANARY
from scripted_server import END, GatedScript, Pause, Server, Stall, chunk, delta, event, head, stream
from terminal_screen import Screen

KEY = {"ZAI_API_KEY": CANARY, "TERM": "xterm-256color"}
FINISH = delta(content="", finish_reason="stop")


class Watched:
    """`glm stream` on a terminal of its own, of which we see what a person would."""

    def __init__(self, home, cwd, url, *, size=(24, 80), env=None) -> None:
        self._master, self._slave = pty.openpty()
        self.screen = Screen(*size)
        self._tell_size()
        self.written = 0
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), self._slave)
        arguments = ("stream", "-P", "zai", "--base-url", url, "hi")
        self._run = running(home, cwd, *arguments, env=KEY | (env or {}), start_new_session=True, **streams)

    def __enter__(self):
        self.process = self._run.__enter__()
        os.close(self._slave)
        return self

    def __exit__(self, *_) -> None:
        self._run.__exit__(None, None, None)
        os.close(self._master)

    def _tell_size(self) -> None:
        size = struct.pack("HHHH", self.screen.lines, self.screen.columns, 0, 0)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)

    def resize(self, lines: int, columns: int) -> None:
        self.screen.resize(lines, columns)
        self._tell_size()

    def _read(self) -> bool:
        ready, _, _ = select.select([self._master], [], [], TIMEOUT)
        assert ready, f"nothing more is shown after:\n{self.screen.text}"
        try:
            data = os.read(self._master, 1 << 16)
        except OSError:  # Linux says so when the last writer of a terminal is gone
            data = b""
        self.written += len(data)
        self.screen.feed(data)
        return bool(data)

    def until_shown(self, text: str) -> None:
        """Read until the screen, not what has scrolled away, shows this."""
        while not any(text in row for row in self.screen.shown):
            assert self._read(), f"the program ended and never showed {text!r}"

    def finish(self) -> int:
        while self._read():
            pass
        return self.process.wait(TIMEOUT)


def pieces(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def sent(text: str, size: int = 4) -> list[bytes]:
    return [chunk(event(delta(content=piece))) for piece in pieces(text, size)]


LAST = [chunk(event(FINISH)), chunk(event("[DONE]")), END]


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


# Long blocks of every kind, in about so many characters

SENTENCE = "the **model** streams a long answer, and the `terminal` shows it while it grows; then"


def code(size: int) -> str:
    lines = (
        f'    if count > {n}: values["key{n}"] = compute(count, "text") + {n}  # remark' for n in range(size // 76)
    )
    return "\n".join(["```python", "def long(count):", *lines, "```", ""])


def data(size: int) -> str:
    rows = (f' {{\n  "a": {n},\n  "ok": true\n }},' for n in range(size // 30))
    return "\n".join(["```json", "[", *rows, "]", "```", ""])


def paragraph(size: int) -> str:
    return " ".join(f"{SENTENCE} {n}" for n in range(size // 90)) + "\n"


def items(size: int) -> str:
    return "".join(f"- **point {n}**: {SENTENCE}\n" for n in range(size // 100))


def table(size: int) -> str:
    rows = "".join(f"| name{n} | {n} | the model streams a long answer |\n" for n in range(size // 50))
    return f"| Name | Number | Remark |\n|---|---:|---|\n{rows}"


BLOCKS = {"code": code, "data": data, "paragraph": paragraph, "items": items, "table": table}


def plain(kind: str, text: str) -> list[str]:
    """The words that are shown: of fenced code, all but its language."""
    return words(text)[1:] if kind in ("code", "data") else words(text)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("kind", BLOCKS)
@pytest.mark.parametrize("size", [4, 20_000])
def test_a_long_block_is_shown_once_and_costs_few_bytes(home, cwd, kind, size) -> None:
    text = BLOCKS[kind](40_000)
    with (
        Server([head(), b"".join([*sent(text, size), *LAST])]) as server,
        Watched(home, cwd, server.url) as watched,
    ):
        assert watched.finish() == 0
    assert words(watched.screen.text) == plain(kind, text)
    assert watched.written < 5 * len(text)


@pytest.mark.slow
@pytest.mark.parametrize("kind", BLOCKS)
def test_a_block_that_comes_slowly_costs_few_bytes_too(home, cwd, kind) -> None:
    text = BLOCKS[kind](6_000)
    paced = [step for data in sent(text, 6) for step in (data, Pause(0.01))]
    with Server([head(), *paced, *LAST]) as server, Watched(home, cwd, server.url) as watched:
        assert watched.finish() == 0
    assert words(watched.screen.text) == plain(kind, text)
    assert watched.written < 5 * len(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("```python\n" + "".join(f"line_{n} = {n}\n" for n in range(40)), "line_39 = 39"),
        ("```\n" + "x " * 2_001 + "unbroken", "unbroken"),
        ("word " * 500 + "newest", "newest"),
        ("- word\n" * 40 + "- newest", "newest"),
        ("- all\n" + "  - word\n" * 40 + "  - newest", "newest"),
        ("> word\n" * 40 + "> newest", "newest"),
        ("| a | b |\n|---|---|\n" + "".join(f"| row{n} | {n} |\n" for n in range(40)), "row39"),
    ],
)
def test_what_is_taller_than_the_screen_keeps_moving(home, cwd, text, shown) -> None:
    """The newest words are seen while the server sends no more."""
    script = GatedScript([head(), *sent(text)], [*sent(" end"), *LAST])
    with Server(script) as server, Watched(home, cwd, server.url, size=(10, 60)) as watched:
        watched.until_shown(shown)
        script.gate.set()
        assert watched.finish() == 0
    assert words(watched.screen.text)[-1] == "end"


def test_a_line_of_code_is_shown_before_the_next_is_sent(home, cwd) -> None:
    gates = [threading.Event() for _ in range(30)]

    class Lines(list):
        def __iter__(self):
            yield head()
            yield from sent("```python\n")
            for number, gate in enumerate(gates):
                yield from sent(f"line_{number} = {number}\n", 100)
                gate.wait(2 * TIMEOUT)  # longer than we wait to see it: to end is not to move
            yield from [*sent("```\n"), *LAST]

    with Server(Lines([END])) as server, Watched(home, cwd, server.url, size=(10, 40)) as watched:
        for number, gate in enumerate(gates):
            watched.until_shown(f"line_{number} = {number}")
            gate.set()
        assert watched.finish() == 0
    assert re.findall(r"line_\d+ = \d+", watched.screen.text) == [f"line_{n} = {n}" for n in range(30)]


@pytest.mark.parametrize("mark", ["-", "*", "1.", ">", "#", "```", "|"])
def test_a_block_may_begin_with_its_mark_alone(home, cwd, mark) -> None:
    said = [piece for _ in range(10) for piece in (mark, " one", " two", "\n\n")]
    # In reads of their own, and soon after each other: what comes between two renderings is typed.
    script = [head(), *(step for piece in said for step in (*sent(piece), Pause(0.01))), *LAST]
    with Server(script) as server, Watched(home, cwd, server.url) as watched:
        assert watched.finish() == 0
    assert [word for word in words(watched.screen.text) if word.isalpha()][:2] == ["one", "two"]


MIXED = """\
Before:
```python title="a.py"
def f(x):
\treturn "一二三"  # tab

    /* no comment here
```
1. one
2. two
   - deeper
   ```sh
   ls -l | wc
   ```
   after it
3. three

- a

- b

| a | b |
|---|---|
| 1 | 2 |

Set
===

A **bold
word** and \\* an &amp; <b>tag</b> [link](http://a.example) with 中文字符 and `code` at the end of a line that is broken
> quoted
> more

``` words
that are no language
```

~~~ python
not closed ```
 x
"""
SHOWN = """\
Before:

python title="a.py"

 def f(x):
     return "一二三"  # tab

     /* no comment here


 1 one
 2 two
    • deeper


    ls -l | wc


after it
 3 three

 • a

 • b

 a  b
 ────
 1  2

                  Set

A bold word and * an & <b>tag</b> link
(http://a.example) with 中文字符 and
code at the end of a line that is broken

▌ quoted more

words

 that are no language



 not closed ```
  x"""


@pytest.mark.sampled(2)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 40, 10_000])
def test_what_stays_does_not_depend_on_how_it_came(home, cwd, size) -> None:
    paced = [step for data in sent(MIXED, size) for step in ((data, Pause(0.01)) if size > 6 else (data,))]
    with Server([head(), *paced, *LAST]) as server, Watched(home, cwd, server.url, size=(12, 40)) as watched:
        assert watched.finish() == 0
    assert watched.screen.text == SHOWN
    assert watched.screen.cursor[1] == 0


def test_code_keeps_its_colours_over_lines(home, cwd) -> None:
    """Comments and strings that go on over lines are known before they end."""
    text = "```js\n/* one\n   two */\nlet x = `a\nb`;\n```\n"
    with Server([head(), *sent(text, 3), *LAST]) as server, Watched(home, cwd, server.url) as watched:
        seen = b""
        feed = watched.screen.feed

        def keep(data: bytes) -> None:
            nonlocal seen
            seen += data
            feed(data)

        watched.screen.feed = keep
        assert watched.finish() == 0
    comment, string = rb"\x1b\[[0-9;]*38;5;\d+[0-9;]*m", rb"\x1b\[38;5;\d+m"
    first = re.search(rb"(" + comment + rb") ?/\* one", seen)
    second = re.search(rb"(" + comment + rb") ?   two \*/", seen)
    assert first
    assert second
    assert first[1] == second[1]
    assert re.search(string + rb"b`", seen) or re.search(comment + rb" ?b`", seen)


@pytest.mark.parametrize("size", [(24, 30), (24, 120), (40, 80), (14, 80)])
def test_a_resize_loses_nothing(home, cwd, size) -> None:
    first = "Earlier words.\n\n" + " ".join(f"word{n}" for n in range(60))
    script = GatedScript([head(), *sent(first)], [*sent(" and the rest.\n\nLater words.\n"), *LAST])
    with Server(script) as server, Watched(home, cwd, server.url) as watched:
        watched.until_shown("word59")
        watched.resize(*size)
        watched.process.send_signal(signal.SIGWINCH)
        script.gate.set()
        assert watched.finish() == 0
    wanted = f"Earlier words. {first.split(chr(10))[-1]} and the rest. Later words."
    assert words(watched.screen.text) == words(wanted)


def test_a_terminal_that_breaks_rows_anew_is_believed(home, cwd) -> None:
    """What it makes of two rows is four when it is half as wide: all of them are drawn again."""
    first = " ".join(f"word{n}" for n in range(20))
    script = GatedScript([head(), *sent(first)], [*sent(" end\n"), *LAST])
    with Server(script) as server, Watched(home, cwd, server.url, env={"VTE_VERSION": "7600"}) as watched:
        watched.until_shown("word19")
        rows = [row for row in watched.screen.shown if row]
        watched.resize(24, 40)
        watched.screen.feed(b"\r\x1b[9A\x1b[J")
        for row in rows:  # as such a terminal does it
            watched.screen.feed(f"{row[:40]}\r\n{row[40:]}".encode() + (b"" if row == rows[-1] else b"\r\n"))
        script.gate.set()
        assert watched.finish() == 0
    assert words(watched.screen.text) == words(f"{first} end")


@pytest.mark.parametrize(
    "text", ["word " * 300, "```\n" + "x = 1\n" * 30 + "y", "| a |\n|---|\n" + "| b |\n" * 40 + "| newest |\n"]
)
def test_an_interrupt_leaves_what_came_and_the_cursor_at_a_line(home, cwd, text) -> None:
    script = [head(), *sent(f"{text} newest"), Stall()]
    with Server(script) as server, Watched(home, cwd, server.url, size=(10, 60)) as watched:
        watched.until_shown("newest")
        watched.process.send_signal(signal.SIGINT)
        assert watched.finish() == -signal.SIGINT
    assert words(watched.screen.text) == words(f"{text} newest")
    assert watched.screen.cursor[1] == 0


def test_a_note_takes_the_picture_away(home, cwd) -> None:
    damaged = chunk(b'data: {"choices":[{"index":0,"delta":{"content":"\xff bad"}}]}\n\n')
    script = GatedScript([head(), *sent("First words.")], [damaged, *LAST])
    with Server(script) as server, Watched(home, cwd, server.url) as watched:
        watched.until_shown("First words.")
        script.gate.set()
        assert watched.finish() == 0
    note = "glm: the reply holds bytes that are not UTF-8; U+FFFD stands in their place"
    assert watched.screen.text == f"{note}\nFirst words.\ufffd bad"


def test_a_pipe_imports_no_renderer(glm) -> None:
    with Server(stream(delta(content="**Hi**"), FINISH)) as server:
        done = glm("stream", "-P", "zai", "--base-url", server.url, "hi", env=KEY | {"PYTHONPROFILEIMPORTTIME": "1"})
    assert done.text == "**Hi**\n"
    assert " glmcli.commands" in done.err
    for name in ("rich", "markdown_it", "pygments"):
        assert not re.search(rf"\| +{name}\b", done.err)

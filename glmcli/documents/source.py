"""The text of a file, and where in it something stands."""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property
from typing import Self

from glmcli.errors import UsageError
from glmcli.record import Record

LIMIT = 1 << 20

# What YAML 1.2 calls printable. JSON would allow a few more inside strings; nobody means them.
_UNPRINTABLE = "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
_BLANKS = str.maketrans("", "", "\t\n\r")
_LINE_BREAK = r"\r\n|\r|\n"
_SURROGATES = range(0xD800, 0xE000)


class Source(Record):
    """Decoded text without its byte order mark.

    Attributes:
        numbered: false for a flag's value, which has no lines.
        first: the number of its first line, for a document that stands inside a file.
    """

    name: str
    text: str
    numbered: bool = True
    first: int = 1

    @classmethod
    def of_flag(cls, text: str, name: str) -> Self:
        """The value of a flag.

        Raises:
            UsageError: it is too large, or holds control characters or bytes that are not UTF-8.
        """
        source = cls(name, text, numbered=False)
        if len(text) > LIMIT:
            raise source.refuse(0, "larger than 1 MiB")
        source.refuse_unprintable()
        return source

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(found.end() for found in re.finditer(_LINE_BREAK, self.text))]

    def where(self, index: int) -> str:
        """The place of a character: "request.yaml:12:3", both counted from 1, a tab as one column."""
        if not self.numbered:
            return self.name
        line = bisect_right(self._starts, index)
        return f"{self.name}:{line + self.first - 1}:{index - self._starts[line - 1] + 1}"

    def line(self, index: int) -> int:
        """The line of a character in the file, counted from 1."""
        return bisect_right(self._starts, index) + self.first - 1

    def refuse(self, index: int, text: str) -> UsageError:
        """An error to raise about the character at `index`."""
        return UsageError(message=f"{self.where(index)}: {text}")

    def refuse_unprintable(self) -> None:
        """Return if the text holds printable characters only.

        Raises:
            UsageError: naming the first other one.
        """
        if self.text.translate(_BLANKS).isprintable():
            return  # nearly always; compiling the pattern costs 57 million instructions
        found = re.search(_UNPRINTABLE, self.text)
        if found is None:
            return
        code = ord(found[0])
        if code in _SURROGATES:
            # Python smuggles the bytes of argv that are not UTF-8 through as lone surrogates.
            raise self.refuse(found.start(), "not UTF-8")
        hint = "; is this UTF-16? Save it as UTF-8" if code == 0 else ""
        raise self.refuse(found.start(), f"control character U+{code:04X}{hint}")


def decode(data: bytes, name: str, first: int = 1) -> Source:
    """The text of a file, or of a part of it whose first line has this number.

    Raises:
        UsageError: it is larger than 1 MiB, not UTF-8, or holds control characters.
    """
    if len(data) > LIMIT:
        raise Source(name, "", first=first).refuse(0, f"larger than 1 MiB ({len(data)} bytes)")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = Source(name, data[: error.start].decode("utf-8").removeprefix("\ufeff"), first=first)
        hint = "; this looks like UTF-16, save it as UTF-8" if data[:2] in {b"\xff\xfe", b"\xfe\xff"} else ""
        problem = f"not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}{hint}"
        raise before.refuse(len(before.text), problem) from error
    source = Source(name, text.removeprefix("\ufeff"), first=first)
    source.refuse_unprintable()
    return source

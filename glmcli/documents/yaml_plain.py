"""PyYAML's own parser, for a PyYAML without libyaml, taught to read tabs and to refuse as libyaml does."""

from __future__ import annotations

from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner, ScannerError

_ENDS = "\0\r\n"


class PlainParser(Reader, Scanner, Parser):
    """Events of a text; the same as those of `yaml.cyaml.CParser`."""

    def __init__(self, text: str) -> None:
        """Begin with the text as it is: its bytes were decoded, and its odd line breaks replaced, before."""
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)

    def check_event(self) -> bool:  # type: ignore[override]
        """Whether there is another event."""
        try:
            return bool(super().check_event())
        except (ValueError, OverflowError) as error:  # `chr` of an escape past U+10FFFF
            problem = "found invalid Unicode character escape code"
            raise ScannerError(None, None, problem, self.get_mark()) from error

    def scan_to_next_token(self) -> None:
        """Skip spaces, comments and line breaks, and tabs where they cannot be taken for indentation."""
        while True:
            while self.peek() == " " or (self.peek() == "\t" and (self.flow_level or not self.allow_simple_key)):
                self.forward()
            if self.peek() == "#":
                while self.peek() not in _ENDS:
                    self.forward()
            if not self.scan_line_break():  # type: ignore[no-untyped-call]
                return
            if not self.flow_level:
                self.allow_simple_key = True

    def scan_plain_spaces(self, indent: int, start_mark: object) -> list[str] | None:
        """What stands between two words of a plain scalar; tabs are white space too."""
        length = 0
        while self.peek(length) in " \t":
            length += 1
        if self.peek(length) in _ENDS:
            self.forward(length)
            found: list[str] | None = super().scan_plain_spaces(indent, start_mark)
            return found
        between: str = self.prefix(length)
        self.forward(length)
        return [between] if between else []

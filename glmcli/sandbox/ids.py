"""What a reply is called. All of it follows from the number of the request, so that replies can be compared whole."""

from __future__ import annotations

from dataclasses import dataclass

# The clock of the sandbox stands still: 2026-11-22 10:00:00 in Beijing, the zone of BigModel's ids.
CREATED = 1795312800
BEIJING = "20261122100000"


@dataclass(frozen=True)
class Ids:
    """The names of request number `serial`, counted from 1."""

    serial: int

    @property
    def log(self) -> str:
        """BigModel's name of a request: 14 digits of Beijing time, then 16 hexadecimal digits."""
        return f"{BEIJING}{self.serial:016x}"

    @property
    def uuid(self) -> str:
        """The form that Alibaba, Tencent and the self-hosted servers use."""
        return f"{self.serial:08x}-7204-4b9b-98cd-{self.serial:012x}"

    @property
    def hex(self) -> str:
        """32 hexadecimal digits without dashes, as vLLM and SGLang write it."""
        return f"{self.serial:032x}"

    def call(self, index: int, digits: int = 24) -> str:
        """The id of tool call number `index`; other requests never repeat it."""
        return f"call_{self.serial:0{digits - 8}x}{index:08x}"

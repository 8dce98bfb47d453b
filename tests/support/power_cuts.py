"""What a disk may hold after a power cut, at each moment of a run that was recorded.

As the ALICE paper has it (Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014): what was not synced may
be there or not, in any order. Of all the states that this allows the plausible and the nasty ones are made: names
without their bytes, bytes without their names, zeros in their place, the last bytes without those before.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Event = list[Any]
State = dict[str, bytes]


@dataclass
class File:
    """The bytes that are on the disk, and what was done since: `(offset, bytes)`, or `(size, None)` for a cut."""

    synced: bytes = b""
    later: list[tuple[int, bytes | None]] = field(default_factory=list)

    def after(self, later: list[tuple[int, bytes | None]]) -> bytes:
        data = bytearray(self.synced)
        for at, new in later:
            data.extend(bytes(max(at - len(data), 0)))
            if new is None:
                del data[at:]
            else:
                data[at : at + len(new)] = new
        return bytes(data)

    def contents(self) -> dict[str, bytes]:
        """What may be there, by the name of the way."""
        writes = [(at, new if new is None else bytes(len(new))) for at, new in self.later]
        last = self.later[-1:]
        half = [(at, new if new is None else new[: len(new) // 2]) for at, new in last]
        return {
            "all": self.after(self.later),
            "nothing": self.synced,
            "zeros": self.after(writes),
            "the last alone": self.after(writes[:-1] + last),
            "half of the last": self.after(self.later[:-1] + half),
        }


class Disk:
    """A folder, as the system has it and as the disk may have it."""

    def __init__(self, folder: Path) -> None:
        """All that the folder holds now is on the disk."""
        found = {path.name: path for path in folder.iterdir() if path.is_file()}
        self._files = {path.stat().st_ino: File(path.read_bytes()) for path in found.values()}
        self._synced_names = {name: path.stat().st_ino for name, path in found.items()}
        self._names = dict(self._synced_names)
        self._folder = folder.stat().st_ino

    def apply(self, event: Event) -> None:
        match event:
            case ["link", name, node]:
                self._files[node] = File()
                self._names[name] = node
            case ["unlink", name]:
                del self._names[name]
            case ["rename", old, new]:
                self._names[new] = self._names.pop(old)
            case ["write", node, at, text]:
                self._files[node].later.append((at, text.encode("latin-1")))
            case ["truncate", node, size]:
                self._files[node].later.append((size, None))
            case ["sync", node] if node == self._folder:
                self._synced_names = dict(self._names)
            case ["sync", node]:
                self._files[node] = File(self._files[node].after(self._files[node].later))

    def states(self) -> Iterator[tuple[str, State]]:
        """What may be found in the folder after a power cut now, and in words how."""
        for which, names in (("names", self._names), ("old names", self._synced_names)):
            contents = {name: self._files[node].contents() for name, node in names.items()}
            for way in ("all", "nothing", "zeros", "the last alone", "half of the last"):
                yield f"{which}, {way}", {name: ways[way] for name, ways in contents.items()}


@dataclass(frozen=True)
class Moment:
    """A moment of a run: what was done until then, last of all `event`, and one state that the disk may be in.

    Attributes:
        sent: the first lines of the requests that were sent.
    """

    event: Event
    sent: tuple[str, ...]
    how: str
    state: State
    is_end: bool


def moments(disk: Disk, events: list[Event]) -> Iterator[Moment]:
    """Each state in which a power cut may leave the disk, from before the first event until after the last."""
    sent: tuple[str, ...] = ()
    for number, event in enumerate([[], *events]):
        if event[:1] == ["send"]:
            sent += (event[1],)
        disk.apply(event)
        seen: list[State] = []
        for how, state in disk.states():
            if state not in seen:
                seen.append(state)
                yield Moment(
                    event, sent, f"after {number} calls, the last {event}: {how}", state, number == len(events)
                )


def recorded(path: Path) -> list[Event]:
    """What the recorder has written so far."""
    whole = path.read_bytes().rpartition(b"\n")[0] if path.exists() else b""
    return [json.loads(line) for line in whole.split(b"\n") if line]


def put(state: State, folder: Path) -> None:
    """Make the folder hold this state and nothing else."""
    for path in folder.iterdir():
        if path.is_file():
            path.unlink()
    for name, data in state.items():
        (folder / name).write_bytes(data)

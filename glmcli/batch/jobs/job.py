"""The job file, OUTPUT.job.json: what exists at the provider. It is on the disk before, and after, every step there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from glmcli.batch.ledger import sync_folder
from glmcli.errors import OutputError, UsageError
from glmcli.providers.batches import ENDED
from glmcli.record import Record

_ENDING = ".job.json"
_VERSION = 1

# What we know before the provider has a word for it.
PREPARED = "prepared"  # the lines are on this disk, and nothing is there
UPLOADING = "uploading"  # an upload was begun: whether it arrived is not known, and another one costs nothing
UPLOADED = "uploaded"
CREATING = "creating"  # a batch was asked for: whether there is one is not known, and another one costs money


class Part(Record):
    """A file of lines, and the batch that is made of it.

    Attributes:
        number: from 1.
        sha256: of its lines, as they were uploaded.
        state: ours until there is a batch, then the provider's.
        file: what the provider calls the file, or its address.
        batch: what the provider calls the batch.
        created: when it was asked for, UTC.
        fetched: its answers stand in the output; nothing more comes of it.
    """

    number: int
    model: str
    lines: int
    bytes: int
    sha256: str
    state: str = PREPARED
    file: str | None = None
    batch: str | None = None
    created: str | None = None
    fetched: bool = False

    @property
    def has_ended(self) -> bool:
        """The provider does no more."""
        return self.state in ENDED


class Job(Record):
    """All that was submitted for one output.

    Attributes:
        base_url: where; for comparison only, so that a file never decides where a key goes.
        input: what the user called the rows.
        rows_bytes: how much of OUTPUT.job.rows.jsonl counts, and `rows_sha256` its digest.
    """

    provider: str
    base_url: str
    input: str
    rows_bytes: int
    rows_sha256: str
    parts: tuple[Part, ...]

    def with_part(self, part: Part) -> Job:
        """The same with this part in the place of that of its number."""
        return self.replace(parts=tuple(part if each.number == part.number else each for each in self.parts))


def output_of(name: str) -> str:
    """The output, of which a job file or the output itself is the name."""
    return name.removesuffix(_ENDING)


def job_path(output: str) -> str:
    """Where the job of this output is remembered."""
    return output + _ENDING


def rows_path(output: str) -> str:
    """Where it is remembered which row each line is."""
    return f"{output}.job.rows.jsonl"


def lines_path(output: str, number: int) -> str:
    """Where the lines of a part wait for their upload."""
    return f"{output}.job.part-{number}.jsonl"


def load(output: str) -> Job | None:
    """What was submitted for this output; None if nothing was.

    Raises:
        UsageError: the file is not one of ours.
    """
    path = Path(job_path(output))
    try:
        value: Any = json.loads(path.read_bytes())
        return _job(**value)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not what glm batch submit writes"
        raise UsageError(f"cannot read {path}: {why}") from error


def _job(version: int, parts: list[dict[str, Any]], **more: Any) -> Job:  # noqa: ANN401 - checked by Job
    if version != _VERSION:
        raise ValueError
    return Job(**more, parts=tuple(Part(**part) for part in parts))


def save(output: str, job: Job) -> None:
    """Put the job into its file, all of it or nothing, and return when it has reached the disk.

    Raises:
        OutputError: it cannot be written; the file is as it was.
    """
    value = {"version": _VERSION, **job.fields(), "parts": [part.fields() for part in job.parts]}
    path = job_path(output)
    try:
        with open(f"{path}.new", "wb") as file:  # noqa: PTH123 - beside the file, whatever it is called
            file.write(json.dumps(value, ensure_ascii=False, indent=1).encode(errors="replace") + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(f"{path}.new", path)  # noqa: PTH105 - as above
        sync_folder(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error

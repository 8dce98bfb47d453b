"""The job file, OUTPUT.job.json: what exists at the provider. It is on the disk before, and after, every step there."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glmcli.batch.ledger.file import sync_folder
from glmcli.errors import OutputError, UsageError
from glmcli.providers.batches import ENDED
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import UnionType

_ENDING = ".job.json"
_VERSION = 1

# What we know before the provider has a word for it.
PREPARED = "prepared"  # the lines are on this disk, and nothing is there
UPLOADING = "uploading"  # an upload was begun: whether it arrived is not known, and another one costs nothing
UPLOADED = "uploaded"
CREATING = "creating"  # a batch was asked for: whether there is one is not known, and another one costs money


_OURS = frozenset((PREPARED, UPLOADING, UPLOADED, CREATING))
_OF_JOB = {"provider": str, "base_url": str, "input": str, "rows_bytes": int, "rows_sha256": str}
_OF_PART: Mapping[str, type | UnionType] = {
    **dict.fromkeys(("number", "lines", "bytes"), int),
    **dict.fromkeys(("model", "sha256", "state"), str),
    **dict.fromkeys(("file", "batch", "created"), str | None),
    "fetched": bool,
}


class JobPart(Record):
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

    @property
    def may_be_there(self) -> bool:
        """Whether the provider has a batch of it, as far as we know."""
        return self.batch is not None or self.state == CREATING

    @property
    def is_under_way(self) -> bool:
        """Whether answers may come that are paid for, and that the output does not have."""
        return self.may_be_there and not self.fetched


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
    parts: tuple[JobPart, ...]

    @property
    def is_idle(self) -> bool:
        """Whether no batch is under way: without its job file nothing is lost that is paid for."""
        return not any(part.is_under_way for part in self.parts)

    def with_part(self, part: JobPart) -> Job:
        """The same with this part in the place of that of its number."""
        return self.replace(parts=tuple(part if each.number == part.number else each for each in self.parts))


def output_of(name: str) -> str:
    """The output, of which a job file or the output itself is the name; a link to it has no job of its own."""
    output = name.removesuffix(_ENDING)
    return os.path.realpath(output) if os.path.islink(output) else output  # noqa: PTH114 - strings, as they were given


def for_output(name: str) -> str:
    """The output of a job that is to be made.

    Raises:
        UsageError: it is called as job files are.
    """
    if name.endswith(_ENDING):
        raise UsageError(f"--output: {name} is called as a job file is", fix=f"a name without {_ENDING}")
    return output_of(name)


def anew(output: str) -> str:
    """What to do with a job of which the provider has no batch that we wait for."""
    return f"nothing of it is under way: remove {job_path(output)} to begin anew with the rows as they are now"


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
        job = _job(**value)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not what glm batch submit writes"
        raise UsageError(f"cannot read {path}: {why}") from error
    return job


def _job(version: int, parts: list[dict[str, Any]], **more: Any) -> Job:  # noqa: ANN401 - judged here
    if version != _VERSION or not isinstance(parts, list):
        raise ValueError
    job = Job(**more, parts=tuple(JobPart(**part) for part in parts))
    _judge(job, _OF_JOB)
    for number, part in enumerate(job.parts, 1):
        _judge(part, _OF_PART)
        if part.created is not None:
            datetime.fromisoformat(part.created)
        if part.number != number or (part.batch is None and part.state not in _OURS):
            raise ValueError
    return job


def _judge(value: Record, types: Mapping[str, type | UnionType]) -> None:
    """Return if the fields are what we write."""
    for name, wanted in types.items():
        field = getattr(value, name)
        if not isinstance(field, wanted) or (isinstance(field, bool) and wanted is not bool):
            raise TypeError
        if isinstance(field, str):
            field.encode()  # half of a surrogate pair can neither be sent nor be written


def refuse_under_way(output: str) -> None:
    """Return if no row of this output is at a provider: whoever asks it too pays for it twice.

    Raises:
        UsageError: some are.
    """
    # A name that is too long for a job file beside it has none.
    job = load(output) if os.path.exists(job_path(output)) else None  # noqa: PTH110 - Path.exists raises for such a name
    lines = sum(part.lines for part in job.parts if not part.fetched) if job else 0
    if job and lines:
        fix = f"glm batch fetch {output} first (glm batch cancel ends them), or use another -O FILE"
        if job.is_idle:
            fix = f"glm batch submit again brings them there; {anew(output)}"
        raise UsageError(f"{lines} rows of {output} are in a job for {job.provider}, and would be paid twice", fix=fix)


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

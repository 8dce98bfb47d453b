"""The job file, OUTPUT.job.json: what exists at the provider, saved before and after every step there."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glmcli.console.files import replace_file, sync_folder
from glmcli.errors import OutputError, UsageError
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import UnionType

    from glmcli.providers.row import Provider

_SUFFIX = ".job.json"
_VERSION = 1

# The states of a part before it has a batch; after that, the state is the provider's.
PREPARED = "prepared"  # the request file is on this disk, nothing is at the provider
UPLOADING = "uploading"  # an upload has begun and may have arrived; to repeat it costs nothing
UPLOADED = "uploaded"
CREATING = "creating"  # a batch was requested and may exist; to repeat the request may cost money
_OWN_STATES = frozenset((PREPARED, UPLOADING, UPLOADED, CREATING))

_JOB_TYPES = {"provider": str, "base_url": str, "input": str, "rows_bytes": int, "rows_sha256": str}
_PART_TYPES: Mapping[str, type | UnionType] = {
    **dict.fromkeys(("number", "lines", "bytes"), int),
    **dict.fromkeys(("model", "sha256", "state"), str),
    **dict.fromkeys(("file", "batch", "created"), str | None),
    "fetched": bool,
}


class JobPart(Record):
    """A request file, and the batch that is made of it.

    Attributes:
        number: from 1.
        sha256: of the request file, as it was uploaded.
        state: one of ours until there is a batch, then the provider's.
        file: the provider's id of the file, or its URL.
        batch: the provider's id of the batch.
        created: when the batch was requested, UTC.
        fetched: its answers are in the output, and no more will come.
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
    def may_exist(self) -> bool:
        """Whether the provider has, or may have, a batch of this part."""
        return self.batch is not None or self.state == CREATING

    @property
    def is_under_way(self) -> bool:
        """Whether answers may still come that are paid for and not in the output."""
        return self.may_exist and not self.fetched


class Job(Record):
    """All that was submitted for one output.

    Attributes:
        base_url: where it was submitted; only compared, never contacted, so that a file cannot decide where a key goes.
        input: the user's name of the rows.
        rows_bytes: how many bytes of OUTPUT.job.rows.jsonl count.
        rows_sha256: the digest of those bytes.
    """

    provider: str
    base_url: str
    input: str
    rows_bytes: int
    rows_sha256: str
    parts: tuple[JobPart, ...]

    @property
    def is_idle(self) -> bool:
        """Whether no batch is under way, so that the job file can be removed without losing paid answers."""
        return not any(part.is_under_way for part in self.parts)

    def with_part(self, part: JobPart) -> Job:
        """A copy in which this part replaces the one of the same number."""
        return self.replace(parts=tuple(part if each.number == part.number else each for each in self.parts))


# Paths


def output_of(name: str) -> str:
    """The path of the output, given that path or the path of its job file; symbolic links are resolved."""
    output = name.removesuffix(_SUFFIX)
    return os.path.realpath(output) if os.path.islink(output) else output  # noqa: PTH114 - strings, as they were given


def output_for_new_job(name: str) -> str:
    """The path of the output of a job that is to be submitted.

    Raises:
        UsageError: the name is that of a job file.
    """
    if name.endswith(_SUFFIX):
        raise UsageError(f"--output: {name} is the name of a job file", fix=f"a name without {_SUFFIX}")
    return output_of(name)


def job_path(output: str) -> str:
    """The path of the job file."""
    return output + _SUFFIX


def rows_path(output: str) -> str:
    """The path of the rows file, which maps the lines of request files to rows."""
    return f"{output}.job.rows.jsonl"


def request_path(output: str, number: int) -> str:
    """The path of the request file of a part, which is removed after its upload."""
    return f"{output}.job.part-{number}.jsonl"


# Reading and writing


def load(output: str) -> Job | None:
    """The job of this output; None if there is no job file.

    Raises:
        UsageError: the file cannot be read or was not written by glm.
    """
    path = Path(job_path(output))
    try:
        # Without O_NONBLOCK, opening a FIFO that a stranger made would wait until somebody writes to it.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            return _parse(**json.loads(file.read()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not what glm batch submit writes"
        fix = "put back a copy of it; without one, glm batch list -P PROVIDER shows what is under way"
        raise UsageError(f"cannot read {path}: {why}", fix=fix) from error


def load_existing(output: str) -> Job:
    """The job of this output.

    Raises:
        UsageError: as `load`, or there is no job file.
    """
    job = load(output)
    if job is None:
        fix = "name the file that glm batch submit -O wrote beside, or with -P a batch by the provider's id"
        raise UsageError(f"there is no {job_path(output)}", fix=fix)
    return job


def _parse(version: int, parts: list[dict[str, Any]], **more: Any) -> Job:  # noqa: ANN401 - checked here
    if version != _VERSION or not isinstance(parts, list):
        raise ValueError
    job = Job(**more, parts=tuple(JobPart(**part) for part in parts))
    _check_types(job, _JOB_TYPES)
    for number, part in enumerate(job.parts, 1):
        _check_types(part, _PART_TYPES)
        if part.created is not None:
            datetime.fromisoformat(part.created)
        if part.number != number or (part.batch is None and part.state not in _OWN_STATES):
            raise ValueError
    return job


def _check_types(value: Record, types: Mapping[str, type | UnionType]) -> None:
    for name, expected in types.items():
        field = getattr(value, name)
        if not isinstance(field, expected) or (isinstance(field, bool) and expected is not bool):
            raise TypeError
        if isinstance(field, str):
            field.encode()  # half of a surrogate pair can be neither sent nor written


def save(output: str, job: Job) -> None:
    """Replace the job file as a whole, and return when it has reached the disk.

    Raises:
        OutputError: it cannot be written; the old file is unchanged.
    """
    value = {"version": _VERSION, **job.fields(), "parts": [part.fields() for part in job.parts]}
    path = job_path(output)
    try:
        replace_file(path, json.dumps(value, ensure_ascii=False, indent=1).encode(errors="replace") + b"\n")
        sync_folder(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error


# Checks before anything is sent or paid twice


def restart_advice(output: str) -> str:
    """How to start anew if no batch is under way."""
    return f"nothing of it is under way: remove {job_path(output)} to start anew with the rows as they are now"


def check_provider(job: Job, provider: Provider, output: str) -> None:
    """Check that the job was submitted to this provider at this address.

    A job file is data and may come from anywhere, so it never decides where a key goes.

    Raises:
        UsageError: it was submitted elsewhere.
    """
    if job.provider != provider.name:
        message = f"{output} was submitted to {job.provider}, not to {provider.name}"
        raise UsageError(message, fix=restart_advice(output) if job.is_idle else "another -O FILE, or that provider")
    if job.base_url != provider.base_url:
        message = f"{output} was submitted at {job.base_url}, and {provider.name} is at {provider.base_url}"
        fix = f"--base-url {job.base_url}, if that is where the key may go"
        raise UsageError(message, fix=f"{fix}; {restart_advice(output)}" if job.is_idle else fix)


def refuse_submitted_rows(output: str) -> None:
    """Check that no row of this output is in a job: to send it as well would pay for it twice.

    Raises:
        UsageError: some are.
    """
    # A name that is too long for a job file beside it has none.
    job = load(output) if os.path.exists(job_path(output)) else None  # noqa: PTH110 - Path.exists raises for such a name
    lines = sum(part.lines for part in job.parts if not part.fetched) if job else 0
    if job and lines:
        fix = f"glm batch fetch {output} first (glm batch cancel ends them), or use another -O FILE"
        if job.is_idle:
            fix = f"glm batch submit again brings them there; {restart_advice(output)}"
        raise UsageError(f"{lines} rows of {output} are in a job for {job.provider}, and would be paid twice", fix=fix)

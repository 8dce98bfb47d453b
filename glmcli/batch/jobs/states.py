"""Where the parts of a job stand: a line each for people, an object for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.providers.batches import BatchState

if TYPE_CHECKING:
    from glmcli.batch.jobs.job_file import Job
    from glmcli.errors import GlmError

UNKNOWN = "glm does not know this state, and takes it for under way"
_NOT_FOUND = 404
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def line(state: BatchState, now: float, label: str = "") -> str:
    """`part 1 of 2  batch_1  in_progress  3 of 9 done, 1 failed  12 min old`, with tabs between."""
    age = "" if state.created is None else f"{_time(now - state.created)} old"
    fields = [label, state.id, state.state, _counts(state), UNKNOWN * state.is_foreign, age]
    # What a provider calls things may hold what ends a field here.
    return "\t".join(" ".join(field.split()) for field in fields if field) + "\n"


def rows(count: int, one: str = "", many: str = "") -> str:
    """`1 row`, `2 rows`, and the verb that belongs to it."""
    return f"{count} row{'s' * (count != 1)} {one if count == 1 else many}".rstrip()


def of_part(error: GlmError, number: int) -> None:
    """Let the error say which part it is about."""
    error.message = f"part {number}: {error.message}"
    if error.http_status == _NOT_FOUND:
        account = "is the key that of the account which submitted it?"
        error.fix = f"{account} What is gone for good is submitted anew when the job file is removed"


def _counts(state: BatchState) -> str:
    if state.total is None and state.completed is None:
        return "no counts yet"
    failed = f", {state.failed} failed" if state.failed else ""
    return f"{state.completed or 0} of {'?' if state.total is None else state.total} done{failed}"


def _time(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{max(seconds, 0):.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.1f} h" if seconds < _DAY else f"{seconds / _DAY:.1f} days"


def plain(state: BatchState, now: float) -> dict[str, Any]:
    """A batch as JSON; unknown is null. `age` in seconds, `created` in seconds since the epoch."""
    return {
        "batch_id": state.id,
        "state": state.state,
        "ended": state.has_ended,
        "total": state.total,
        "completed": state.completed,
        "failed": state.failed,
        "created": state.created,
        "age": None if state.created is None else round(now - state.created, 1),
        "input_file_id": state.input_file,
        "output_file_id": state.output_file,
        "error_file_id": state.error_file,
        "errors": [fault.fields() for fault in state.faults],
    }


def of_job(output: str, job: Job, states: dict[int, BatchState], now: float) -> dict[str, Any]:
    """A job as JSON: what is remembered of each part, and what the provider says of it."""
    parts = []
    for part in job.parts:
        state = states.get(part.number)
        remembered = {"part": part.number, "model": part.model, "lines": part.lines, "fetched": part.fetched}
        known = state or BatchState(part.batch or "", part.state, input_file=part.file)
        parts.append({**remembered, **plain(known, now), "batch_id": known.id or None})
    return {"output": output, "provider": job.provider, "base_url": job.base_url, "parts": parts}

"""One of several runs that share the rows of an input without talking to each other."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import TYPE_CHECKING

from glmcli.errors import UsageError
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

_FORM = re.compile(r"(?P<which>[0-9]{1,6})/(?P<of>[0-9]{1,6})|auto(?:/(?P<total>[0-9]{1,6}))?")
_DIGITS = re.compile(r"[0-9]{1,18}")
_SLURM = ("ID", "MIN", "MAX", "COUNT")
_HOW = "--shard I/N with I from 1 to N; --shard auto in a Slurm array; --shard auto/N in a Kubernetes indexed job"
_RERUN = '--shard "$SLURM_ARRAY_TASK_ID/N", with the N of the whole array, asks the part of a task of an array from 1'


class Shard(Record):
    """Part `which`, from 1, of `of`."""

    which: int
    of: int

    def holds(self, identity: str) -> bool:
        """Whether the row of this id belongs here: by a hash, so that the order of the rows does not matter."""
        number = int.from_bytes(blake2b(identity.encode(errors="surrogatepass"), digest_size=8).digest(), "big")
        return number % self.of == self.which - 1


def read(text: str, environment: Mapping[str, str]) -> Shard:
    """What --shard says; `auto` is what the scheduler says in its variables.

    Slurm: SLURM_ARRAY_TASK_ID, _MIN, _MAX, _COUNT (slurm.schedmd.com/job_array.html, 2026). Kubernetes tells an indexed
    job its index, from 0, in JOB_COMPLETION_INDEX, and not how many there are (kubernetes.io/docs/concepts/workloads/
    controllers/job, 2026).

    Raises:
        UsageError: it is none.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise UsageError(f"--shard {text}: not I/N", fix=_HOW)
    if found["which"]:
        return _checked(int(found["which"]), int(found["of"]), text)
    of = int(found["total"]) if found["total"] else None
    if "SLURM_ARRAY_TASK_ID" in environment:
        return _checked(*_slurm(of, environment), text)
    if "JOB_COMPLETION_INDEX" not in environment:
        why = "neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set"
        raise UsageError(f"--shard {text}: {why}", fix="--shard I/N says it outright")
    if of is None:
        raise UsageError(f"--shard {text}: an indexed job does not know how many parts there are", fix="--shard auto/N")
    return _checked(_number("JOB_COMPLETION_INDEX", environment) + 1, of, text)


def _slurm(of: int | None, environment: Mapping[str, str]) -> tuple[int, int]:
    """Which part of how many.

    Of an array that was submitted anew for some of its tasks Slurm tells only those: they would take the parts of
    others, and ask them once more. So would tasks of an array with gaps.
    """
    which, first, last, count = (_number(f"SLURM_ARRAY_TASK_{name}", environment) for name in _SLURM)
    if first not in (0, 1) or last - first + 1 != count or of not in (None, count):
        tasks = f"{count} task{'s' * (count != 1)} from {first} to {last}"
        raise UsageError(f"--shard auto: an array of {tasks} is no whole one, from 0 or 1 and without gaps", fix=_RERUN)
    return which - first + 1, count


def _number(name: str, environment: Mapping[str, str]) -> int:
    text = environment.get(name, "")
    if not _DIGITS.fullmatch(text):
        why = f"{name} is no number" if text else f"{name} is not set"
        raise UsageError(f"--shard auto: {why}", fix="--shard I/N says it outright")
    return int(text)


def _checked(which: int, of: int, text: str) -> Shard:
    if not 1 <= which <= of:
        raise UsageError(f"--shard {text}: part {which} of {of} does not exist", fix=_HOW)
    return Shard(which, of)

"""--shard: which rows of an input belong to this run, where several runs share them without talking to each other."""

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
_RERUN = '--shard "$SLURM_ARRAY_TASK_ID/N", with the N of the whole array, where that begins at 1'


class Shard(Record):
    """Part number `which`, from 1, of `of` parts."""

    which: int
    of: int

    def holds(self, identity: str) -> bool:
        """Whether the row of this id belongs to this part: by a hash, so that the order of the rows does not matter."""
        number = int.from_bytes(blake2b(identity.encode(errors="surrogatepass"), digest_size=8).digest(), "big")
        return number % self.of == self.which - 1


def read_shard(text: str, environment: Mapping[str, str]) -> Shard:
    """The part that --shard names; `auto`: the one that the environment names.

    Slurm sets SLURM_ARRAY_TASK_ID, _MIN, _MAX, _COUNT (slurm.schedmd.com/job_array.html, 2026). Kubernetes gives an
    indexed job its index, from 0, in JOB_COMPLETION_INDEX, but not the number of parts
    (kubernetes.io/docs/concepts/workloads/controllers/job, 2026).

    Raises:
        UsageError: it names no part that exists.
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
        raise UsageError(f"--shard {text}: {why}", fix="--shard I/N names the part")
    if of is None:
        raise UsageError(f"--shard {text}: an indexed job does not know the number of parts", fix="--shard auto/N")
    return _checked(_number("JOB_COMPLETION_INDEX", environment) + 1, of, text)


def _slurm(of: int | None, environment: Mapping[str, str]) -> tuple[int, int]:
    """The number of the part, and of parts.

    Where an array is submitted again for some of its tasks, Slurm names only those: they would take the parts of other
    tasks, and ask those rows again. So would tasks of an array with gaps.
    """
    which, first, last, count = (_number(f"SLURM_ARRAY_TASK_{name}", environment) for name in _SLURM)
    if first not in (0, 1) or last - first + 1 != count or of not in (None, count):
        tasks = f"{count} task{'s' * (count != 1)} from {first} to {last}"
        raise UsageError(
            f"--shard auto needs a whole array, from 0 or 1 and without gaps: this has {tasks}", fix=_RERUN
        )
    return which - first + 1, count


def _number(name: str, environment: Mapping[str, str]) -> int:
    text = environment.get(name, "")
    if not _DIGITS.fullmatch(text):
        why = f"{name} is not a number" if text else f"{name} is not set"
        raise UsageError(f"--shard auto: {why}", fix="--shard I/N names the part")
    return int(text)


def _checked(which: int, of: int, text: str) -> Shard:
    if not 1 <= which <= of:
        raise UsageError(f"--shard {text}: part {which} of {of} does not exist", fix=_HOW)
    return Shard(which, of)

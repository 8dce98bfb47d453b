"""One of several runs that share the rows of an input without talking to each other."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import TYPE_CHECKING

from glmcli.errors import UsageError
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

_FORM = re.compile(r"(?P<which>[0-9]{1,6}|auto)(?:/(?P<of>[0-9]{1,6}))?")
_HOW = "--shard I/N with I from 1 to N; --shard auto in a Slurm array; --shard auto/N in a Kubernetes indexed job"


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

    Slurm: SLURM_ARRAY_TASK_ID, _MIN, _COUNT (slurm.schedmd.com/job_array.html, 2026). Kubernetes tells an indexed job
    its index, from 0, in JOB_COMPLETION_INDEX, and not how many there are (kubernetes.io/docs/concepts/workloads/
    controllers/job, 2026).

    Raises:
        UsageError: it is none.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise UsageError(f"--shard {text}: not I/N", fix=_HOW)
    which, of = found["which"], found["of"]
    if which == "auto":
        return _auto(int(of) if of else None, environment)
    return _checked(int(which), int(of or 0), text)


def _auto(of: int | None, environment: Mapping[str, str]) -> Shard:
    try:
        if "SLURM_ARRAY_TASK_ID" in environment:
            first = int(environment.get("SLURM_ARRAY_TASK_MIN", "0"))
            count = of or int(environment.get("SLURM_ARRAY_TASK_COUNT", "0"))
            return _checked(int(environment["SLURM_ARRAY_TASK_ID"]) - first + 1, count, "auto")
        if "JOB_COMPLETION_INDEX" in environment:
            return _checked(int(environment["JOB_COMPLETION_INDEX"]) + 1, of or 0, "auto")
    except ValueError as error:
        raise UsageError("--shard auto: the scheduler's variables are no numbers", fix=_HOW) from error
    raise UsageError(
        "--shard auto: neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set", fix="--shard I/N says it outright"
    )


def _checked(which: int, of: int, text: str) -> Shard:
    if not 1 <= which <= of:
        raise UsageError(f"--shard {text}: part {which} of {of} does not exist", fix=_HOW)
    return Shard(which, of)

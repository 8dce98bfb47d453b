"""Whether a worker is of our kind: what travels fits only where glm and Python have the same version."""

from __future__ import annotations

from glmcli.batch.engines import work
from glmcli.errors import UsageError


def same_kind(where: str, theirs: object, *, strict: bool = True) -> bool:
    """Whether a worker that says this of itself can be given work; an exception is one that has no glm.

    Raises:
        UsageError: it cannot, and that is not to be passed over.
    """
    ours = work.kind()
    if theirs == ours:
        return True
    if not strict:
        return False
    said = "no glm that can be used" if isinstance(theirs, BaseException) else "glm {} on Python {}".format(*theirs)  # type: ignore[misc]
    wanted = "glm {} on Python {}".format(*ours)
    raise UsageError(f"the worker {where} has {said}, this is {wanted}", fix="the same versions everywhere")

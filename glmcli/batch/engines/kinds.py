"""Whether a worker is of our kind: what travels fits only where glm and Python have the same version."""

from __future__ import annotations

from glmcli.batch.engines import work
from glmcli.errors import UsageError


def is_same_kind(theirs: object) -> bool:
    """Whether a worker that says this of itself can be given work."""
    return theirs == work.kind()


def require_same_kind(where: str, theirs: object) -> None:
    """Let a worker pass that says this of itself; an exception is one that has no glm.

    Raises:
        UsageError: it cannot be given work.
    """
    if is_same_kind(theirs):
        return
    said = "no glm that can be used" if isinstance(theirs, BaseException) else "glm {} on Python {}".format(*theirs)  # type: ignore[misc]
    wanted = "glm {} on Python {}".format(*work.kind())
    raise UsageError(f"the worker {where} has {said}, this is {wanted}", fix="the same versions everywhere")

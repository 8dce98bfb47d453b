"""Calls under way: one after the other, or beside each other where their tools allow it."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

from glmcli.console import signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from glmcli.tools.tool import Ended, Task
    from glmcli.tools.toolbox import Judged

_BESIDE = 8  # calls at a time
_TICK = 0.02  # seconds between looks at the clock, and at calls that have no descriptor


def run(calls: Sequence[Judged], tick: Callable[[], None]) -> Iterator[Ended]:
    """How each call ended, in their order; `tick` may raise to end them all. Each has a tool that runs it."""
    for group in _groups(calls):
        tasks: list[Task] = []
        try:
            # One at a time: what has been started is cancelled even if the next cannot be.
            for runner, given in ((each.tool.runner, each.arguments) for each in group if each.tool):
                with signals.deferred():  # a process that was started and is not in the list would be left behind
                    tasks += [runner.start(given)] if runner else []
            _wait(tasks, tick)
        finally:
            for task in tasks:
                task.cancel()
        yield from (task.ended for task in tasks if task.ended)


def _groups(calls: Iterable[Judged]) -> Iterator[list[Judged]]:
    """Neighbours whose tools are all parallel, at most `_BESIDE`; every other call alone."""
    group: list[Judged] = []
    for each in calls:
        parallel = each.tool and each.tool.parallel and group and group[-1].tool and group[-1].tool.parallel
        if group and (not parallel or len(group) == _BESIDE):
            yield group
            group = []
        group.append(each)
    if group:
        yield group


def _wait(tasks: Sequence[Task], tick: Callable[[], None]) -> None:
    while waiting := [task for task in tasks if task.ended is None]:
        tick()
        poll = select.poll()
        for task in waiting:
            for fd, events in task.waits_on().items():
                poll.register(fd, events)
        poll.poll(_TICK * 1000)
        for task in waiting:
            task.advance()

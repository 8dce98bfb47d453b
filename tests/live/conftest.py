"""Lets live tests run under `-m live` alone, in one process, and prints their table at the end."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from live_run import LiveRun, ceiling, is_wanted, live_rows

import glmcli

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

HERE = Path(__file__).parent
RUN: pytest.StashKey[LiveRun] = pytest.StashKey()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip them under any other expression, such as an empty one, which selects them too."""
    if is_wanted(config.option.markexpr):
        # A traceback of pytest shows arguments and, with -l, local variables: the environment, and with it the keys.
        config.option.tbstyle, config.option.showlocals = "native", False
        _check_ceiling()
        return
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="asks real providers, which costs money: pytest -m live"))


def _check_ceiling() -> None:
    try:
        ceiling(os.environ)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None


@pytest.fixture(scope="session")
def live(request: pytest.FixtureRequest) -> LiveRun:
    """The run, which adds up what it costs."""
    if hasattr(request.config, "workerinput"):
        pytest.fail("-m live adds up its cost in one process: leave out -n", pytrace=False)
    request.config.stash[RUN] = run = LiveRun(os.environ)
    return run


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    """The table, and who was not asked."""
    if not is_wanted(config.option.markexpr):
        return
    terminalreporter.section("live")
    if run := config.stash.get(RUN, None):
        terminalreporter.write_line(run.table(glmcli.__version__, time.strftime("%Y-%m-%d", time.gmtime())))
    _, others = live_rows(os.environ)
    for row, names in others.items():
        terminalreporter.write_line(f"not asked: {row} (set {names})")

"""Real providers, asked with real keys: `pytest -m live`, before a release. What it asks is in `live_run.py`.

Whoever has no key gets a skip that names the variables. Nothing else runs it: see `conftest.py` beside this.
"""

from __future__ import annotations

import os

import pytest
from live_run import CHECKS, live_rows

pytestmark = pytest.mark.live
ROWS, OTHERS = live_rows(os.environ)
NOBODY = pytest.param(
    None,
    id="nobody",
    marks=pytest.mark.skip(reason=f"nobody to ask: set {'; '.join(sorted(set(OTHERS.values())))}"),
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS] or [NOBODY])
def test_row(live, row, check, tmp_path) -> None:
    result = live.ask(row, check, tmp_path)
    if result.not_asked:
        pytest.skip(result.not_asked)
    if result.failure:  # no traceback: it would print what is in the variables
        pytest.fail(f"{result.row}, {result.check}: {result.failure}", pytrace=False)

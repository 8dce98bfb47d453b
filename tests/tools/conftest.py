"""What the tests of tools share."""

from __future__ import annotations

import pytest


@pytest.fixture
def traces(tmp_path):
    """Where plain.py leaves what it did; not the working directory."""
    place = tmp_path / "traces"
    place.mkdir()
    return place

"""`python -m glmcli` is the same program as `glm`."""

from __future__ import annotations

from glmcli.cli import run

run()

"""`python -m glmcli` is the same program as `glm`."""

from glmcli.cli import run

run()

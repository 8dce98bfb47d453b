"""The words of CONTRIBUTING.md as sessions, each in an environment of its own: `nox -l` lists them."""

from __future__ import annotations

import nox

nox.options.sessions = ["checks", "tests"]
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]


@nox.session(python="3.11")
def checks(session: nox.Session) -> None:
    """Format, lint, types."""
    session.install("-e", ".[dev]")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("mypy")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The quick suite; arguments go to pytest."""
    session.install("-e", ".[test]")
    session.run("pytest", "-q", "-n", "auto", *session.posargs)


@nox.session(python="3.11")
def slow(session: nox.Session) -> None:
    """What only .ci/run waits for."""
    session.install("-e", ".[test]")
    session.run("pytest", "-q", "-n", "2", "-m", "slow", *session.posargs)


@nox.session(python="3.11", venv_backend="uv")
def lowest(session: nox.Session) -> None:
    """The quick suite with the oldest versions that pyproject.toml allows."""
    session.install("--resolution", "lowest-direct", "-e", ".[test]")
    session.run("pytest", "-q", "-n", "auto", *session.posargs)


@nox.session(python="3.11")
def package(session: nox.Session) -> None:
    """The wheel and the source distribution."""
    session.install("build")
    session.run("python", "-m", "build")

"""The order of the house: who may import whom, and what nobody does. Read from the sources, not run."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

TOP = Path(__file__).parents[2] / "glmcli"

# Bottom first. A module imports lower floors only, its own floor only inside its folder; imports for types count too.
FLOORS = (
    {"glmcli", "record", "errors"},
    {"console"},
    {"media", "catalogue", "documents", "sandbox"},
    {"chat"},
    {"http"},
    {"providers"},
    {"config"},
    {"tools", "output"},
    {"engine"},
    {"batch"},
    {"commands"},
    {"cli"},
    {"__main__"},
)
FLOOR = {house: number for number, houses in enumerate(FLOORS) for house in houses}

# Bytes in, events out: nothing here may look at the machine.
PURE = {"record", "errors", "media", "catalogue", "chat", "providers"}
MACHINE = {
    "os",
    "time",
    "socket",
    "sys",
    "ssl",
    "select",
    "signal",
    "subprocess",
    "threading",
    "pathlib",
    "random",
    "tempfile",
    "shutil",
    "http",
    "urllib.request",
}

# Who may import a library that is not Python's own.
ONLY = {
    "httpx": {"http"},
    "aiohttp": {"http"},
    "yarl": {"http"},  # the URLs of aiohttp
    "uvloop": {"http"},
    "yaml": {"documents"},
    "jsonschema": {"documents"},
    "referencing": {"documents"},
    "certifi": {"http"},
    "typer": {"commands"},
    "rich": {"output"},
    "mcp": {"tools"},
    "anyio": {"tools"},  # the streams of mcp
    "httpx2": {"tools"},  # its HTTP
    "PIL": {"config"},
    "distributed": {"batch"},
    "ray": {"batch"},
    "httpcore": set(),
    "h11": set(),
    "socksio": set(),
    "click": set(),
    "requests": set(),
    "pydantic": set(),
}


def sources() -> list[Path]:
    return sorted(TOP.rglob("*.py"))


def house(path: Path) -> str:
    """A module at the top, or a folder."""
    first = path.relative_to(TOP).parts[0].removesuffix(".py")
    return "glmcli" if first == "__init__" else first


@cache
def imported(path: Path) -> tuple[str, ...]:
    """The dotted names of all that is imported anywhere in a file."""
    return tuple(_imported(path))


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def houses_used(path: Path) -> set[str]:
    known = {house(each) for each in sources()}
    own = (name.split(".") for name in imported(path) if name.split(".")[0] == "glmcli")
    return {parts[1] if len(parts) > 1 and parts[1] in known else "glmcli" for parts in own}


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(TOP)))
def test_imports_go_down(path) -> None:
    here = house(path)
    wrong = {other for other in houses_used(path) - {here} if FLOOR[other] >= FLOOR[here]}
    assert wrong == set()


def test_every_house_has_one_floor() -> None:
    assert {house(path) for path in sources()} == set(FLOOR)
    assert len(FLOOR) == sum(len(houses) for houses in FLOORS)


@pytest.mark.parametrize("path", [path for path in sources() if house(path) in PURE], ids=lambda path: path.stem)
def test_what_is_pure_does_not_look_at_the_machine(path) -> None:
    used = {name for name in imported(path) if {name, name.split(".")[0], name.rpartition(".")[0]} & MACHINE}
    assert used == set()


@pytest.mark.parametrize("library", ONLY)
def test_a_library_has_one_house(library) -> None:
    users = {house(path) for path in sources() if any(name.split(".")[0] == library for name in imported(path))}
    assert users <= ONLY[library]
    assert users == ONLY[library]


def test_jsonschema_has_one_module() -> None:
    users = {path.stem for path in sources() if any(name.split(".")[0] == "jsonschema" for name in imported(path))}
    assert users == {"validator", "untrusted_schemas", "schema_errors"}  # schema_errors for its types only


# How text is cut and printed


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """The last name of everything that is called."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            yield name, node


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(TOP)))
def test_what_nobody_calls(path) -> None:
    """Lines are cut at LF, CR and CRLF only, one module prints, and no shell is started."""
    for name, call in calls(path):
        where = f"{path.name}:{call.lineno}"
        assert name not in {"iter_lines", "splitlines", "system", "popen", "eval", "exec"}, where
        assert not (isinstance(call.func, ast.Name) and name == "print"), where
        assert not any(keyword.arg == "shell" for keyword in call.keywords), where


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(TOP)))
def test_only_the_terminal_writes_to_stdout_and_stderr(path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sys":
            assert node.attr not in {"stdout", "stderr", "stdin", "__stdout__", "__stderr__"}, (
                f"{path.name}:{node.lineno}"
            )


# The only places that may catch everything: the border of the program, a thread or a callback that has no caller, and
# where the errors of the HTTP library are told apart.
CATCH_ALL = {
    ("cli.py", "_code"),
    ("untrusted_schemas.py", "_guarded"),
    ("client.py", "_run"),
    ("event_loop.py", "in_daemon_thread"),
    ("event_loop.py", "work"),
    ("bulk.py", "_events"),
    ("queue.py", "_read"),
    ("local_engine.py", "_run"),
    ("dask_engine.py", "_landed"),
}


def test_who_catches_everything() -> None:
    found = set()
    for path in sources():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            for node in ast.walk(function):
                if not isinstance(node, ast.ExceptHandler):
                    continue
                names = (
                    {each.id for each in ast.walk(node.type) if isinstance(each, ast.Name)} if node.type else {"all"}
                )
                passes_on = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
                if names & {"Exception", "BaseException"} and not passes_on:
                    found.add((path.name, function.name))
    assert found == CATCH_ALL


def test_no_module_is_a_drawer() -> None:
    assert {path.stem for path in sources()} & {
        "utils",
        "util",
        "helpers",
        "common",
        "misc",
        "manager",
        "tools",
    } == set()

"""`glm tools check`: tool files, validated without starting anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.commands.flags import Flag, argument
from glmcli.commands.tree import build_command
from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.config.app import App
    from glmcli.providers.row import Provider
    from glmcli.tools.tool_file import ToolFile

_CHECK = "Check"
_MAX_SHOWN = 100  # faults of one file
_FLAGS = (Flag("provider", "-P --provider", "text", _CHECK, "Check by the rules of this provider too.", "NAME"),)
_FILES = argument("files", "Tool files, YAML or JSON.", "FILE...", repeatable=True)


def _check(app: App, given: dict[str, Any]) -> None:
    """Validate tool files: their form, their JSON Schemas, the programs they name.

    Prints a line for each fault, "file:line:col: …", and exits with 2 if there is one. Starts and sends nothing. What
    only some providers refuse is a remark on stderr; with -P it is a fault.
    """
    from glmcli.commands.tools.tool_files import read
    from glmcli.config.provider_choice import known
    from glmcli.tools.tool_file_check import faults, remarks

    name = given.get("provider")
    row = known(name, "--provider", app.config.providers) if name is not None else None
    found: list[str] = []
    shown: list[str] = []
    wrong = []
    for path in given["files"]:
        try:
            source = read(path, app)
            lines = faults(source) or list(_refused(source, (row,) if row else ()))
            notes = [] if lines else list(remarks(source))
            notes += [] if lines or row else _refused(source, tuple(app.config.providers.values()))
        except UsageError as error:
            lines, notes = [error.message], []
        found += lines
        shown += lines[:_MAX_SHOWN]
        shown += [f"… and {len(lines) - _MAX_SHOWN} more"] if len(lines) > _MAX_SHOWN else []
        wrong += [path] if lines else []
        for note in notes:
            app.terminal.note(note)
    app.terminal.stdout.write("".join(f"{line}\n" for line in shown))
    if found:
        faulty = f"{len(found)} fault{'s' * (len(found) > 1)} in {', '.join(wrong)}"
        raise UsageError(message=faulty, fix="the lines on stdout say where")


def _refused(source: ToolFile, rows: tuple[Provider, ...]) -> Iterator[str]:
    """What these providers refuse in a file without faults."""
    definitions = list(source.definitions())
    for each in definitions:
        name = each.value["name"]
        who = [row.name for row in rows if name in row.api.forbidden_tools]
        if who:
            yield f"{source.document.place((*each.path, 'name'))}: {', '.join(who)} refuses a tool named {name!r}"
    most = {row.api.max_tools for row in rows if row.api.max_tools} or {len(definitions)}
    if len(definitions) > min(most):
        who = [row.name for row in rows if (row.api.max_tools or len(definitions)) < len(definitions)]
        place = source.document.place(())
        yield f"{place}: {len(definitions)} tools, and {', '.join(who)} takes at most {min(most)}"


command = build_command("check", _check, _FLAGS, _FILES)

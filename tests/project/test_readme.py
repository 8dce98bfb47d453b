"""README.md shows what the program does: its consoles are run, its tables are generated, its links lead somewhere.

GLM_UPDATE=1 pytest tests/project/test_readme.py writes the generated table.
"""

from __future__ import annotations

import os
import re

import provider_rows
import pytest
from console_examples import TOP, Step, matches, run, steps, workplace

from glmcli import documents
from glmcli.errors import GlmError

README = TOP / "README.md"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TABLE = re.compile(r"(?<=<!-- exit codes -->\n).*?(?=<!-- /exit codes -->)", re.DOTALL)
PROVIDER_TABLE = re.compile(r"^\| provider \| address \|.*\n\|---.*\n((?:\|.*\n)+)", re.MULTILINE)
CODE = re.compile(r"`(\w+)`")
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
BLOCKS = BLOCK.findall(README.read_text())
FILES = re.findall(r"^```yaml\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
WITHOUT_ERROR = ("0", "", "a complete answer", "")
BY_SIGNAL = ("130, 143, 129, 141", "", "ended by SIGINT, SIGTERM, SIGHUP, or by a reader that went away", "")


def exit_code_table() -> str:
    """The exit codes that the program has, as Markdown."""
    errors = {error.exit_code: error for error in (GlmError, *GlmError.__subclasses__())}
    rows = [
        (str(code), f"`{error.type}`", _meaning(error), error.retry_advice) for code, error in sorted(errors.items())
    ]
    lines = [("code", "`error.type`", "meaning", "again?"), ("---:", "---", "---", "---")]
    return "".join(f"| {' | '.join(row)} |\n" for row in [*lines, WITHOUT_ERROR, *rows, BY_SIGNAL])


def _meaning(error: type[GlmError]) -> str:
    meaning = error.__doc__ or ""
    return f"{meaning[0].lower()}{meaning[1:]}".rstrip(".")


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.partition("\n")[0][:60])
def test_a_console_shows_what_happens(block, tmp_path) -> None:
    place = workplace(tmp_path)
    found = steps(block)
    assert found, "no line begins with a $"
    for step in found:
        code, printed = run(step.command, place, place / "bin")
        assert code == step.code, f"{step.command}\n{printed}"
        assert step.shown is None or matches(step.shown, printed), f"{step.command}\n{printed}"


@pytest.mark.parametrize("text", FILES, ids=lambda text: text.partition("\n")[0][:60])
def test_a_file_that_is_shown_is_valid(text) -> None:
    named = re.search(r"schemas/([\w-]+)\.schema", text)
    schema = named[1] if named else "config" if "providers:" in text else "request"
    documents.check(documents.parse(text.encode(), "README.md"), schema)


def test_the_exit_codes_are_those_of_the_program() -> None:
    text = README.read_text()
    assert TABLE.search(text), "README.md has no lines <!-- exit codes --> and <!-- /exit codes -->"
    if os.environ.get("GLM_UPDATE") == "1":
        README.write_text(TABLE.sub(lambda _: exit_code_table(), text))
    again = "not up to date; run: GLM_UPDATE=1 pytest tests/project/test_readme.py"
    assert TABLE.search(README.read_text())[0] == exit_code_table(), again


def test_the_table_of_providers_names_every_row_and_its_keys() -> None:
    table = PROVIDER_TABLE.search(README.read_text())
    assert table, "README.md has no table of providers and addresses"
    cells = [line.split("|")[1:-1] for line in table[1].splitlines()]
    shown = {name: tuple(CODE.findall(keys)) for names, _, keys in cells for name in CODE.findall(names)}
    assert shown == {**provider_rows.KEYS, "sandbox": ()}


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "benchmarks/README.md"])
def test_links_lead_to_files(name) -> None:
    document = TOP / name
    targets = [link for link in LINK.findall(document.read_text()) if "://" not in link]
    assert [target for target in targets if not (document.parent / target).exists()] == []


def test_a_console_is_read_as_it_is_meant() -> None:
    text = "$ glm ask hi | cat\nHello\n\nthere\n$ glm ask \\\n    --json  # exit 2\n$ cat <<'END'\n> a\n> END\na\n"
    assert steps(text) == [
        Step("glm ask hi | cat", 0, "Hello\n\nthere"),
        Step("glm ask \\\n    --json", 2, None),
        Step("cat <<'END'\na\nEND", 0, "a"),
    ]


@pytest.mark.parametrize(
    ("shown", "printed", "is_same"),
    [
        ("a.c", "a.c\n", True),
        ("a.c", "abc\n", False),
        ("port …/v1", "port 4000/v1\n", True),
        ("port …", "port 1\nport 2\n", False),
        ("first\n…\nlast", "first\na\nb\nlast\n", True),
        ("first\n…\nlast", "first\nlast\n", True),
        ("first\n…", "second\n", False),
    ],
)
def test_an_ellipsis_stands_for_any_text(shown, printed, is_same) -> None:
    assert matches(shown, printed) == is_same

"""The shape of the sources: no circles, a word for one thing, nothing too large; and that docs/ names what is there."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

TOP = Path(__file__).parents[2]
MODULES = {
    ".".join(path.relative_to(TOP).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((TOP / "glmcli").rglob("*.py"))
}
LOOSE = {"cli.py", "errors.py", "record.py", "__main__.py", "__init__.py"}
DOCUMENTS = [TOP / "CONTRIBUTING.md", *sorted((TOP / "docs").rglob("*.md"))]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(module: str) -> set[str]:
    """The modules of ours that one imports, wherever in it, for types too; a package is imported with its modules."""
    found = set()
    for node in ast.walk(tree(MODULES[module])):
        if isinstance(node, ast.ImportFrom) and node.module in MODULES:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names & MODULES.keys() or {node.module}
    return found - {module}


def circle(graph: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_a_circle_would_be_found() -> None:
    assert set(circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})) == {"a", "b", "c"}


def test_there_is_no_circle() -> None:
    """Imports for types and inside functions count: each would be a way back up."""
    assert circle({module: imports(module) for module in MODULES}) == []


def test_nothing_else_stands_at_the_root() -> None:
    assert {path.name for path in (TOP / "glmcli").glob("*.py")} == LOOSE


def test_no_two_classes_have_one_name() -> None:
    places = defaultdict(list)
    for module, path in MODULES.items():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef):
                places[node.name.lstrip("_")].append(module)
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def lines(node: ast.AST) -> int:
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    return (node.end_lineno or 0) - node.lineno + 1


def functions() -> list[tuple[int, str]]:
    """The lengths of all functions, each with its place."""
    return sorted(
        (lines(node), f"{module}:{node.name}")
        for module, path in MODULES.items()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def test_modules_have_at_most_400_lines() -> None:
    sizes = {module: path.read_text(encoding="utf-8").count("\n") for module, path in MODULES.items()}
    assert {module: size for module, size in sizes.items() if size > 400} == {}


def test_functions_have_at_most_80_lines_and_nine_of_ten_under_35() -> None:
    found = functions()
    assert [place for size, place in found if size > 80] == []
    assert found[len(found) * 9 // 10][0] < 35


# What the documents name


def named_files(text: str) -> set[str]:
    """The files that a text names: in code spans, links, and the boxes of a drawing."""
    spans = (
        re.findall(r"`([\w./-]+)`", text) + re.findall(r"\]\(([\w./-]+)\)", text) + re.findall(r'\["([\w./-]+)', text)
    )
    return {span for span in spans if re.search(r"\w\.(py|json|md|toml|yml|yaml)$", span)}


def stands(name: str, document: Path) -> bool:
    """Whether there is such a file: beside the document, at the top, in glmcli/, or, by its name alone, anywhere."""
    if any((folder / name).exists() for folder in (document.parent, TOP, TOP / "glmcli")):
        return True
    found = (path.relative_to(TOP) for path in TOP.glob(f"*/**/{Path(name).name}"))
    # An environment in the repository holds files of all names.
    return any(f"/{path}".endswith(f"/{name}") for path in found if path.parts[0] not in (".venv", "build"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_named_file_is_there(document: Path) -> None:
    """Files that a document speaks of exist; files of the user (`answers.json`) are named elsewhere."""
    assert {name for name in named_files(document.read_text(encoding="utf-8")) if not stands(name, document)} == set()


def defined(path: Path) -> set[str]:
    """The classes, functions and constants of a module."""
    found = set()
    for node in tree(path).body:
        match node:
            case ast.ClassDef() | ast.FunctionDef():
                found.add(node.name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_name_is_defined_where_a_document_says(document: Path) -> None:
    """As in `FLAGS` in `glmcli/commands/flags.py`; it is not enough that the module imports it."""
    for name, file in re.findall(r"`(\w+)`\s(?:in|of)\s`([\w./]+\.py)`", document.read_text(encoding="utf-8")):
        modules = [path for path in MODULES.values() if path.as_posix().endswith(f"/{file}")]
        assert any(name in defined(path) for path in modules), f"{name} is not defined in {file}"


class Walk(NamedTuple):
    """A drawing of docs/architecture.md: its files by the names of their boxes, and its arrows."""

    boxes: dict[str, str]
    arrows: list[tuple[str, str, str]]


def walks() -> dict[str, Walk]:
    """The walks that docs/architecture.md draws, by their titles."""
    text = (TOP / "docs" / "architecture.md").read_text(encoding="utf-8")
    found = {}
    for title, drawing in re.findall(r"^### ([^\n]+)$[^#]*?^```mermaid$(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        boxes = dict(re.findall(r'(\w+)\["([\w/]+)\.py"\]', drawing))
        arrows = re.findall(r'(\w+)(?:\["[^"]+"\])? (-->|-\.->) (\w+)', drawing)
        found[title] = Walk(boxes, arrows)
    return found


# The title of each walk, and the most files that it may have.
MOST = {"A flag reaches the socket": 15, "A row reaches the ledger": 15, "A call reaches its process": 12}


def test_the_walks_are_short_and_go_down() -> None:
    drawn = walks()
    assert drawn.keys() == MOST.keys()
    for title, (boxes, arrows) in drawn.items():
        assert 5 < len(boxes) <= MOST[title], title
        modules = {box: f"glmcli.{file.replace('/', '.')}" for box, file in boxes.items()}
        assert set(modules.values()) <= MODULES.keys(), title
        solid = [(modules[start], modules[end]) for start, arrow, end in arrows if arrow == "-->"]
        assert [pair for pair in solid if pair[1] not in imports(pair[0])] == [], title


def glossary() -> dict[str, str]:
    """Each word of docs/glossary.md, and the room that it lives in."""
    text = (TOP / "docs" / "glossary.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| \*\*(.+?)\*\* \| .+ \| `(.+?)` \|$", text, re.MULTILINE))


def test_the_words_of_the_glossary_live_where_it_says() -> None:
    words = glossary()
    assert len(words) > 20
    for word, room in words.items():
        place = TOP / "glmcli" / room
        sources = [place] if place.is_file() else sorted(place.rglob("*.py"))
        text = "\n".join(path.read_text(encoding="utf-8") for path in sources).lower()
        stem = word.lower()
        spellings = {stem, stem.replace(" ", "_"), stem.replace(" ", "")}
        assert any(spelling in text for spelling in spellings), f"{word} is not in {room}"

"""Every row of the catalogue of faults is a test, or says in one place why it cannot be one."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parents[1]

# The ids of sections 1 to 6 as they stand in the catalogue, gaps included.
NUMBERS = {
    "S": "1 2 3 4 5 6 7 8 9 10 11 12 14 15 17 18 20 21 22 23 24 25 26 27 28 29 30 32 33 34 35 37 38 39 40 42 43 44 45",
    "N": "1 2 3 4 5 6 7 8 9 10 11 12 14 15 16 17 18 20 21 22 23 24 25 26 28 29 30 31 32 33 34 36 37",
    "P": "1 2 3 4 5 6 8 9 10 11 12 13 14 15 16 17 18 20 21 23 24 25 26 28 29 30 31 32 33",
    "K": "1 3 4 5 6 7 9 10 11 12 13 14 15",
    "T": "1 2 3 4 6 7 8 9 10 11 14 15 16 17 18 19 20 21 23 24 25 26 27 28 29 30 31 32 34 35 36 37 38 39 40 41 42",
    "B": "1 2 4 5 6 7 8 10 12 13 15 16 17 18 19 20 21 22 23 24 25 26 28 29 31 32",
}
ROWS = {f"{section}{int(number):02d}" for section, numbers in NUMBERS.items() for number in numbers.split()}


@cache
def trees() -> list[ast.Module]:
    return [ast.parse(path.read_text(encoding="utf-8")) for path in sorted(TESTS.rglob("test_*.py"))]


def rows_tested(*, slow: bool = True) -> set[str]:
    """The ids that begin the names of tests; without `slow`, of those alone that every run runs."""
    functions = (node for tree in trees() for node in tree.body if isinstance(node, ast.FunctionDef))
    counted = (function for function in functions if slow or not is_slow(function))
    found = (re.match(r"test_([SNPKTB]\d{2})_", function.name) for function in counted)
    return {match[1] for match in found if match}


def is_slow(function: ast.FunctionDef) -> bool:
    return any(ast.unparse(decorator) == "pytest.mark.slow" for decorator in function.decorator_list)


def rows_excused() -> dict[str, str]:
    """The ids of the dictionaries UNTESTABLE, with their reasons."""
    reasons: dict[str, str] = {}
    for tree in trees():
        for node in tree.body:
            names = [target.id for target in getattr(node, "targets", []) if isinstance(target, ast.Name)]
            if "UNTESTABLE" in names:
                reasons |= ast.literal_eval(node.value)
    return reasons


def test_every_row_is_tested_or_excused() -> None:
    assert rows_tested() | set(rows_excused()) == ROWS


def test_every_row_has_a_quick_test() -> None:
    assert rows_tested(slow=False) == rows_tested()


def test_what_is_tested_needs_no_excuse() -> None:
    assert rows_tested() & set(rows_excused()) == set()
    assert all(len(reason) > 20 for reason in rows_excused().values())


def test_the_catalogue_has_as_many_rows_as_were_counted() -> None:
    assert {section: len(numbers.split()) for section, numbers in NUMBERS.items()} == {
        "S": 39,
        "N": 33,
        "P": 29,
        "K": 13,
        "T": 37,
        "B": 26,
    }

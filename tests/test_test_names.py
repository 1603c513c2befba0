"""Names of the tests themselves."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

MAX_LENGTH = 70


def test_no_test_name_is_longer_than_70_characters():
    names = [name for path in Path(__file__).parent.rglob("test_*.py") for name in names_in(path)]
    assert names
    assert [name for name in names if len(name) > MAX_LENGTH] == []


def test_no_file_has_two_tests_of_one_name():
    repeated = {
        path.name: [name for name, count in Counter(names_in(path)).items() if count > 1]
        for path in Path(__file__).parent.rglob("test_*.py")
    }
    assert {path: names for path, names in repeated.items() if names} == {}


def names_in(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
            yield node.name

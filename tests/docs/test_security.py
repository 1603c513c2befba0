"""`docs/security.md`: every test that it names exists, and every number of the checklist is answered."""

from __future__ import annotations

import ast
import re

import pytest

from .commands import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
TESTS = re.findall(r"`(tests/\S+\.py)::(test_\w+)`", PAGE)


@pytest.mark.parametrize(("file", "name"), TESTS)
def test_test_named_on_the_page_exists(file: str, name: str):
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def test_every_number_is_answered_once():
    rows = {int(number) for number in re.findall(r"^\| S-(\d\d) \|.*`tests/", PAGE, flags=re.M)}
    rest = PAGE[PAGE.index("No row covers") :]
    spans = [(int(first), int(last or first)) for first, last in re.findall(r"S-(\d\d)(?:\s+to\s+S-(\d\d))?", rest)]
    absent = [number for first, last in spans for number in range(first, last + 1)]
    assert sorted([*rows, *absent]) == list(range(1, 44))


def test_policy_links_the_threat_model():
    assert "(docs/security.md)" in (ROOT / "SECURITY.md").read_text(encoding="utf-8")

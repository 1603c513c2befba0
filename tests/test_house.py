"""The package as a whole: names are distinct, and no code executes the data that it reads."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "src" / "runfolio"

TOPIC_FOLDERS = ("cli/commands", "cli/pages", "board", "integrations")
"""Folders whose modules are named after the topic that they show, which is often also a module of the library."""

MODULE_VARIANTS: dict[str, str] = {}
"""Module names that may be repeated in one tree, with the reason: variants of one interface."""

CLASS_VARIANTS: dict[str, str] = {}
"""Class names that may be repeated, with the reason: variants of one interface."""


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def repeated(named: Iterable[tuple[str, str]], variants: Iterable[str]) -> dict[str, list[str]]:
    """Return the names that occur in several places, without the names of variants, each with its places."""
    locations: defaultdict[str, list[str]] = defaultdict(list)
    for name, location in named:
        locations[name].append(location)
    return {name: where for name, where in locations.items() if len(where) > 1 and name not in variants}


def is_topic(path: Path) -> bool:
    return path.relative_to(PACKAGE).as_posix().startswith(tuple(f"{folder}/" for folder in TOPIC_FOLDERS))


def public_classes(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node.name for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]


def test_modules_of_one_tree_have_different_names():
    modules = [path for path in sources() if path.stem not in ("__init__", "__main__") and not is_topic(path)]
    relative = [path.relative_to(PACKAGE) for path in modules]
    named = [(f"{path.parts[0]}: {path.stem}", path.as_posix()) for path in relative if len(path.parts) > 1]
    assert repeated(named, MODULE_VARIANTS) == {}


def test_public_classes_have_different_names():
    named = [(name, path.relative_to(PACKAGE).as_posix()) for path in sources() for name in public_classes(path)]
    assert repeated(named, CLASS_VARIANTS) == {}


def test_no_module_evaluates_code_or_decodes_pickles():
    unsafe = re.compile(
        r"\b(pickle|marshal|shelve|dill|joblib)\.loads?\b|\btorch\.load\((?!.*weights_only=True)|allow_pickle=True|\byaml\.(load|unsafe_load)\b"
        r"|(?<![\w.])(eval|exec)\(|\bshell=True"
    )
    assert [f"{path}: {found[0]}" for path in sources() if (found := unsafe.search(path.read_text()))] == []


def test_every_exception_is_still_needed():
    modules = {path.stem for path in sources()}
    classes = {name for path in sources() for name in public_classes(path)}
    assert MODULE_VARIANTS.keys() <= modules
    assert CLASS_VARIANTS.keys() <= classes

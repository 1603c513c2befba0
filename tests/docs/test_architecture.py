"""The architecture page agrees with the code: its modules exist, and its list of names is complete."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from .commands import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "src" / "runfolio"
FILES = [
    path.as_posix() for folder in ("src", "tests", "examples", "benchmarks") for path in (ROOT / folder).rglob("*.py")
]
SOURCES = [path for ending in ("py", "js") for path in PACKAGE.rglob(f"*.{ending}")]
FOLDERS = {path.parent.relative_to(PACKAGE).as_posix() for path in SOURCES}


@pytest.mark.parametrize("module", sorted(set(re.findall(r"`([\w/]+\.py)`", PAGE))))
def test_module_on_the_page_exists(module: str):
    assert any(file.endswith(f"/{module}") for file in FILES)


@pytest.mark.parametrize("folder", sorted(set(re.findall(r"`([\w/]+)/`", PAGE))))
def test_folder_on_the_page_exists(folder: str):
    assert any(f"/{known}".endswith(f"/{folder}") for known in FOLDERS)


def test_every_package_is_in_the_table_of_layers():
    _, _, rest = PAGE.partition("## Layers")
    layers = rest.split("```")[1]
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert packages <= set(re.findall(r"\w+", layers))


def test_vision_imports_only_the_declared_names_of_tracking_and_query():
    _, _, table = PAGE.partition("it uses only these names:")
    declared = {
        f"runfolio.{row[0].strip().strip('`')}.{name}"
        for line in table.strip().partition("\n\n")[0].splitlines()[3:]
        if line.startswith("|") and (row := line.strip("|").split("|"))
        for name in re.findall(r"`([\w.]+)`", row[1])
    }
    assert _imported_names(PACKAGE / "vision", ("runfolio.tracking", "runfolio.query")) == declared


def _imported_names(folder: Path, packages: tuple[str, ...]) -> set[str]:
    """Return the full name of everything that modules of a folder import from some packages."""
    return {
        f"{node.module}.{alias.name}"
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith(packages)
        for alias in node.names
    }

"""Rules for the modules and style sheets of the web app."""

from __future__ import annotations

import graphlib
import json
import posixpath
import re
from pathlib import Path

import pytest

import runfolio.board

WEB = Path(runfolio.board.__file__).parent / "web"
SHELL = (WEB / "index.html").read_text()
LAYERS = ("", "parts", "charts", "table", "pages", "frame", "main.js")
"""Folders from the lowest to the highest layer. "" stands for the modules at the top level."""
LONGEST = 300
BUDGET = 312_000
"""Maximum number of bytes of all modules together, without comments."""
FORBIDDEN = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|dangerouslySetInnerHTML|document\.write|\beval\b|new Function|"
    r"set(?:Timeout|Interval)\(\s*['\"`]|https?://|\bstyle=\"|\bstyle='|cssText|setAttribute\(\s*['\"]style"
)
IMPORT = re.compile(
    r"""^\s*(?:import|export)\b(?:[^'"();]*?\bfrom)?\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)""",
    re.MULTILINE,
)
COMMENT = re.compile(r"/\*[\s\S]*?\*/|^\s*//.*$", re.MULTILINE)

MODULES = {
    path.relative_to(WEB).as_posix(): path.read_text() for path in WEB.rglob("*.js") if "vendor" not in path.parts
}
SHEETS = {
    path.relative_to(WEB).as_posix(): path.read_text() for path in WEB.rglob("*.css") if "vendor" not in path.parts
}
IMPORT_MAP = json.loads(re.search(r'<script type="importmap">(.*?)</script>', SHELL, re.DOTALL)[1])["imports"]


def imports(module: str, *, late: bool = True) -> list[str]:
    """Return the modules that a module imports, as names from the top folder. `late` adds imports by `import()`."""
    matches = [match[1] or (match[2] if late else None) for match in IMPORT.finditer(MODULES[module])]
    return [_resolved(module, target) for target in matches if target]


def _resolved(module: str, target: str) -> str:
    if target.startswith("."):
        return posixpath.normpath(posixpath.join(posixpath.dirname(module), target))
    assert target in IMPORT_MAP, f"{module} imports {target}, which the import map does not name"
    return IMPORT_MAP[target].removeprefix("{{web}}/")


def layer(module: str) -> int:
    folder = module if module == "main.js" else module.partition("/")[0] if "/" in module else ""
    return LAYERS.index(folder)


@pytest.mark.parametrize("module", MODULES)
def test_module_imports_existing_files_of_lower_layers(module: str) -> None:
    for target in imports(module):
        assert (WEB / target).is_file(), f"{module} imports {target}"
        if target in MODULES:
            assert layer(target) <= layer(module), f"{module} imports {target}, which is above it"


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("pages/")])
def test_page_imports_no_other_page(module: str) -> None:
    page = module.split("/")[1]

    assert [target for target in imports(module) if target.startswith("pages/")] == [
        target for target in imports(module) if target.startswith(f"pages/{page}/")
    ]


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    graph = {module: [target for target in imports(module) if target in MODULES] for module in MODULES}

    tuple(graphlib.TopologicalSorter(graph).static_order())


def test_every_module_is_reached_from_main() -> None:
    reached, pending = set[str](), ["main.js"]
    while pending:
        module = pending.pop()
        if module not in reached:
            reached.add(module)
            pending += [target for target in imports(module) if target in MODULES]

    assert reached == MODULES.keys()


@pytest.mark.parametrize("module", MODULES)
def test_module_is_short_checked_and_without_forbidden_calls(module: str) -> None:
    text = MODULES[module]

    assert text.count("\n") <= LONGEST
    assert text.startswith("// @ts-check\n")
    assert not (match := FORBIDDEN.search(text)), f"{module} contains {match[0]}"


@pytest.mark.parametrize(
    ("module", "call"),
    [("api.js", r"\bfetch\("), ("live.js", r"\bEventSource\("), ("url.js", r"\blocation\.|\bhistory\.")],
)
def test_call_is_made_by_one_module_only(module: str, call: str) -> None:
    assert [name for name, text in MODULES.items() if re.search(call, COMMENT.sub("", text))] == [module]


def test_sheets_of_the_app_are_linked_in_the_shell() -> None:
    linked = re.findall(r'<link rel="stylesheet" href="\{\{web\}\}/([^"]+)">', SHELL)

    assert set(linked) == {*SHEETS, "vendor/uPlot.min.css"}


@pytest.mark.parametrize("sheet", [name for name in SHEETS if name != "theme.css"])
def test_sheet_takes_its_colours_from_the_theme(sheet: str) -> None:
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|hsla?\(|https?://", SHEETS[sheet])


def test_shell_has_no_script_or_style_of_its_own_but_the_import_map() -> None:
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", SHELL, re.DOTALL)

    assert [attributes for attributes, content in scripts if content] == [' type="importmap"']
    assert not re.search(r"<style|\sstyle=|\son\w+=|https?://", SHELL)


def test_script_of_the_app_stays_within_its_budget() -> None:
    assert sum(len(COMMENT.sub("", text).encode()) for text in MODULES.values()) <= BUDGET

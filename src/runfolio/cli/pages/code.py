"""Print the captured code of a run, and the differences between two runs at their start."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from runfolio.cli.output import formatting
from runfolio.cli.output.console import (
    print_for_program,
    print_heading,
    print_line,
    print_lines,
    print_text,
    print_warnings,
)
from runfolio.cli.output.display_table import Column, DisplayTable, print_table

if TYPE_CHECKING:
    from runfolio.query.explain.run_diff import Change, RunDiff
    from runfolio.query.run import RecordedRun

_STYLES = {"+": "green", "-": "red", "@": "cyan"}
_SECTIONS = {
    "command": "Command",
    "code": "Code",
    "config": "Settings",
    "data": "Data",
    "packages": "Packages",
    "environment": "Environment",
    "seeds": "Seeds",
}


def print_captured_files(run: RecordedRun) -> None:
    """Print the code files that were captured, and the files that were left out."""
    captured = run.code.capture
    if captured is None:
        print_line(f"No code was stored with {run.name} ({run.id}).")
        return
    rows = [{"file": file.path, "why": file.why, "bytes": file.bytes} for file in captured.files]
    rows += [{"file": file.path, "why": f"left out: {file.why}", "bytes": file.bytes} for file in captured.left_out]
    columns = [
        Column(key="file", title="file", formatter=formatting.elementwise(str)),
        Column(key="bytes", title="bytes", formatter=formatting.elementwise(formatting.count), number=True),
        Column(key="why", title="why", formatter=formatting.elementwise(str)),
    ]
    print_table(DisplayTable(columns=columns, rows=rows))
    print_line("")
    print_line(f"Paths are relative to {captured.root}; the contents are in {run.folder / 'code' / 'files'}")


def print_uncommitted_diff(run: RecordedRun) -> None:
    """Print the uncommitted changes. The output has colours on a terminal, but not in a pipe, such as to `git
    apply`."""
    diff = run.code.diff
    if not diff:
        print_warnings([f"no uncommitted changes were stored when {run.name} ({run.id}) started"])
    elif sys.stdout.isatty():
        print_diff(diff)
    else:
        print_for_program(diff)


def print_run_diff(diff: RunDiff) -> None:
    """Print a summary of the differences, followed by the details."""
    before, after = diff.runs
    print_line(f"{before} -> {after}", style="bold")
    print_text(diff.sentence)
    for name, title in _SECTIONS.items():
        _print_changes(title, getattr(diff, name))
        if name == "data":
            for change in diff.items:
                print_line(f"{change.name}: {change.sentence}")
    for file in diff.files:
        print_heading(f"{file.path}, {file.kind}")
        print_diff(file.diff)


def print_diff(diff: str) -> None:
    for line in diff.removesuffix("\n").split("\n"):
        print_lines(line, _STYLES.get(line[:1]))


def _print_changes(title: str, changes: Sequence[Change]) -> None:
    if not changes:
        return
    print_heading(title)
    longest = max(len(change.name) for change in changes)
    for change in changes:
        print_line(f"{change.name:<{longest}}  {_value_text(change.before)} -> {_value_text(change.after)}")


def _value_text(value: Any) -> str:
    return "(none)" if value is None else formatting.setting_value(value)

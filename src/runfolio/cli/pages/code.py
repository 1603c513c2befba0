"""What was captured of a run's code, and how two runs were started differently, on the terminal."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from runfolio.cli.output import formatting
from runfolio.cli.output import output as out

if TYPE_CHECKING:
    from runfolio.query.explain.run_diff import Change, RunDiff
    from runfolio.query.run import RecordedRun

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
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


def print_files(run: RecordedRun) -> None:
    """The files that were kept, and those that were left out."""
    captured = run.code.capture
    if captured is None:
        out.line(f"No code was kept with {run.name} ({run.id}).")
        return
    rows = [{"file": file.path, "why": file.why, "bytes": file.bytes} for file in captured.files]
    rows += [{"file": left.path, "why": f"left out: {left.why}", "bytes": left.bytes} for left in captured.left_out]
    columns = [
        out.Column(key="file", title="file", show=formatting.each(harmless)),
        out.Column(key="bytes", title="bytes", show=formatting.each(formatting.count), number=True),
        out.Column(key="why", title="why", show=formatting.each(harmless)),
    ]
    out.show_table(out.Table(columns=columns, rows=rows), "table")
    out.line(f"\nBelow {captured.root}; contents: {run.folder / 'code' / 'files'}")


def print_uncommitted(run: RecordedRun) -> None:
    """What differed from the commit: coloured on a terminal, elsewhere as it is, for `git apply`."""
    diff = run.code.diff
    if not diff:
        out.warn([f"nothing was uncommitted, or none of it was kept, when {run.name} ({run.id}) began"])
    elif sys.stdout.isatty():
        print_diff(diff)
    else:
        click.echo(diff, nl=False, color=True)  # as it is, escapes in somebody's code too


def print_run_diff(diff: RunDiff) -> None:
    """The summary first, details after."""
    before, after = diff.runs
    out.line(f"{before} -> {after}", style="bold")
    out.say(diff.sentence)
    for name, title in _SECTIONS.items():
        _print_changes(title, getattr(diff, name))
        if name == "data":
            for change in diff.items:
                out.line(f"{change.name}: {harmless(change.told)}")
    for file in diff.files:
        out.line(f"\n{file.path}, {file.kind}", style="bold")
        print_diff(file.diff)


def print_diff(diff: str) -> None:
    for line in diff.splitlines():
        out.line(harmless(line), style=_STYLES.get(line[:1]))


def harmless(text: str) -> str:
    """Text of a file without what would steer the terminal."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def _print_changes(title: str, changes: Sequence[Change]) -> None:
    if not changes:
        return
    out.line(f"\n{title}", style="bold")
    longest = max(len(change.name) for change in changes)
    for change in changes:
        out.line(f"{change.name:<{longest}}  {_shown(change.before)} -> {_shown(change.after)}")


def _shown(value: Any) -> str:
    return "(none)" if value is None else harmless(formatting.value(value))

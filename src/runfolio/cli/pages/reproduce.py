"""What `runfolio reproduce` will execute, what is different today, and what came of it, on the terminal."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from runfolio.cli.output import formatting
from runfolio.cli.output.console import escape_controls

if TYPE_CHECKING:
    from rich.console import Console

    from runfolio.reproduce.deviation import Deviation
    from runfolio.reproduce.plan import Plan
    from runfolio.reproduce.repeat import ReproduceResult

_MAX_DIFFERENCES = 25
"""Differences that are listed; there may be a package each in hundreds."""
_MAX_CAUSES = 5
_STYLES = {"bit-equal": "bold green", "within tolerance": "bold yellow", "parts": "bold red"}


def print_plan(console: Console, plan: Plan, today: Sequence[Deviation], steps: int | None) -> None:
    """All that will be executed, and where; what is in the way; what is different from then."""
    start = plan.start
    _line(console, f"{start.run.name}  {start.run.id}, begun {formatting.timestamp(start.run.created)}", "bold")
    facts = [
        ("code", _code(plan)),
        ("kept", ", ".join(file.path for file in plan.captured_files)),
        *(("link", f"{link} -> {target}") for link, target in plan.links.items()),
        ("venv", _venv(plan) if plan.venv else ""),
        ("folder", os.fspath(plan.folder)),
        ("command", shlex.join(plan.command)),
        ("set", shlex.join(f"{name}={value}" for name, value in sorted(plan.variables.items()))),
        ("unset", " ".join(sorted(plan.unset))),
        ("steps", f"the first log call behind step {steps} ends it" if steps is not None else ""),
        *(("note", remark) for remark in plan.remarks),
    ]
    for name, text in facts:
        if text:
            _line(console, f"{name:<8} {text}", "yellow" if name == "note" else None)
    _line(console, "")
    _line(console, "Different today" if today else "Nothing is known to be different today.", "bold")
    _print_differences(console, today)


def plan_to_json(plan: Plan, today: Sequence[Deviation]) -> dict[str, Any]:
    """Return the plan and the differences to today as a JSON object."""
    return {
        "code": plan.source.kind,
        "command": plan.command,
        "folder": os.fspath(plan.folder),
        "set": plan.variables,
        "unset": plan.unset,
        "remarks": plan.remarks,
        "differences": [{"kind": difference.kind, "text": difference.text} for difference in today],
    }


def print_result(console: Console, result: ReproduceResult, store_flag: str) -> None:
    """The verdict first, then what it may be due to."""
    verdict = result.verdict
    _line(console, "")
    _line(console, verdict.sentence, _STYLES[verdict.word])
    for remark in result.remarks:
        _line(console, f"note: {remark}", "yellow")
    if verdict.left_out:
        _line(console, f"left out, as measures of time or by --ignore: {', '.join(verdict.left_out)}")
    if verdict.word != "bit-equal":
        _print_causes(console, result)
    elif harmless_causes := [cause.name for cause in result.causes if cause.kind != "seeds"]:
        more = ", ..." * (len(harmless_causes) > _MAX_CAUSES)
        _line(console, f"what is different made no difference: {', '.join(harmless_causes[:_MAX_CAUSES])}{more}")
    _line(console, f"\nnext  runfolio diff {result.original.id} {result.repeated.id}{store_flag}")


def _print_causes(console: Console, result: ReproduceResult) -> None:
    if result.chance:
        _line(console, "\nNothing else differs than what is left to chance:", "bold")
        for text in result.chance:
            _line(console, text)
    elif result.repeated.state != "finished":
        _line(console, "\nWhat is different:", "bold")
    else:
        _line(console, "\nThe likely cause is the first of these differences:", "bold")
    _print_differences(console, result.causes)


def _code(plan: Plan) -> str:
    origin, commit = plan.source, (plan.start.commit or "")[:12]
    changes = ", with its uncommitted changes" if plan.diff else ""
    return {
        "worktree": f"commit {commit} of {origin.repository}{changes}, in a fresh worktree",
        "clone": f"commit {commit} of {origin.repository}{changes}, in a fresh clone",
        "kept": "the files kept with the run alone, in a fresh folder",
        "here": f"{plan.tree} as it is today",
    }[origin.kind]


def _venv(plan: Plan) -> str:
    """Packages that come from elsewhere than an index run code of their own when they are installed: each is named."""

    from runfolio.reproduce.venv import requirements_of

    packages = requirements_of(plan)
    elsewhere = [package for package in packages if package.startswith("-e ") or " @ " in package]
    indexed = f"recorded packages in their versions, {len(packages) - len(elsewhere)} from the index"
    return f"{plan.venv}, by {plan.interpreter} -m venv and pip: {'; '.join((indexed, *elsewhere))}"


def _print_differences(console: Console, differences: Sequence[Deviation]) -> None:
    for difference in differences[:_MAX_DIFFERENCES]:
        _line(console, f"{difference.kind:<12}{difference.text}")
    if len(differences) > _MAX_DIFFERENCES:
        _line(console, f"and {len(differences) - _MAX_DIFFERENCES:,} more")


def _line(console: Console, text: str, style: str | None = None) -> None:
    console.print(escape_controls(text), style=style, markup=False, soft_wrap=True)

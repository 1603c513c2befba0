"""Print what `runfolio reproduce` will execute, the differences since the original run, and the result."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from runfolio.cli.output import formatting
from runfolio.cli.output.console import print_field, print_heading, print_line

if TYPE_CHECKING:
    from runfolio.reproduce.deviation import Deviation
    from runfolio.reproduce.plan import Plan
    from runfolio.reproduce.repeat import ReproduceResult

_MAX_DIFFERENCES = 25
"""Maximum number of printed differences. Without this limit, hundreds of packages could be listed."""
_MAX_CAUSES = 5
_STYLES = {"bit-equal": "bold green", "within tolerance": "bold yellow", "parts": "bold red"}


def print_plan(plan: Plan, today: Sequence[Deviation], steps: int | None, *, stderr: bool = False) -> None:
    """Print everything that will be executed, one line per field, and the differences since the original run."""
    from runfolio.reproduce.agreement import agreed_fields
    from runfolio.reproduce.venv import requirements_of

    start = plan.start
    print_line(
        f"{start.run.name}  {start.run.id}, started {formatting.timestamp(start.run.created)}", "bold", stderr=stderr
    )
    fields = [
        ("code", _code(plan)),
        *agreed_fields(plan),
        *(("install", requirement) for requirement in (requirements_of(plan) if plan.venv else ())),
        ("unset", shlex.join(sorted(plan.unset))),
        ("steps", f"ends at the first log call after step {steps}" if steps is not None else ""),
        *(("note", remark) for remark in plan.remarks),
    ]
    for name, text in fields:
        if text:
            print_field(name, text, "yellow" if name == "note" else None, stderr=stderr)
    print_heading("Different today" if today else "There are no known differences today.", stderr=stderr)
    _print_differences(today, stderr=stderr)


def plan_to_json(plan: Plan, today: Sequence[Deviation]) -> dict[str, Any]:
    """Return the plan and the differences since the original run as a JSON object."""
    from runfolio.reproduce.agreement import changed_paths
    from runfolio.reproduce.venv import requirements_of

    return {
        "code": plan.source.kind,
        "from": plan.source.repository,
        "changed": changed_paths(plan),
        "kept": [file.path for file in plan.captured_files],
        "links": plan.links,
        "install": requirements_of(plan) if plan.venv else [],
        "command": plan.command,
        "folder": os.fspath(plan.folder),
        "set": plan.variables,
        "unset": plan.unset,
        "remarks": plan.remarks,
        "differences": [{"kind": difference.kind, "text": difference.text} for difference in today],
    }


def print_result(result: ReproduceResult, store_flag: str) -> None:
    """Print the verdict, followed by possible causes of differences."""
    verdict = result.verdict
    print_line("")
    print_line(verdict.sentence, _STYLES[verdict.word])
    for remark in result.remarks:
        print_line(f"note: {remark}", "yellow")
    if verdict.left_out:
        print_line(f"not compared, because they measure time or are ignored: {', '.join(verdict.left_out)}")
    if verdict.word != "bit-equal":
        _print_causes(result)
    elif harmless_causes := [cause.name for cause in result.causes if cause.kind != "seeds"]:
        more = ", ..." * (len(harmless_causes) > _MAX_CAUSES)
        print_line(f"differences without effect: {', '.join(harmless_causes[:_MAX_CAUSES])}{more}")
    print_line("")
    print_line(f"next  runfolio diff {result.original.id} {result.repeated.id}{store_flag}")


def _print_causes(result: ReproduceResult) -> None:
    if result.chance:
        print_heading("The only known possible causes are sources of randomness:")
        for text in result.chance:
            print_line(text)
    elif result.repeated.state != "finished":
        print_heading("Differences:")
    else:
        print_heading("The likeliest cause is the first of these differences:")
    _print_differences(result.causes)


def _code(plan: Plan) -> str:
    origin, commit = plan.source, (plan.start.commit or "")[:12]
    changes = ", with its uncommitted changes" if plan.diff else ""
    return {
        "worktree": f"commit {commit}{changes}, in a fresh worktree",
        "clone": f"commit {commit}{changes}, in a fresh clone",
        "kept": "only the files stored with the run, in a fresh folder",
        "here": "today's code, in its own folder",
    }[origin.kind]


def _print_differences(differences: Sequence[Deviation], *, stderr: bool = False) -> None:
    for difference in differences[:_MAX_DIFFERENCES]:
        print_line(f"{difference.kind:<12}{difference.text}", stderr=stderr)
    if len(differences) > _MAX_DIFFERENCES:
        print_line(f"and {len(differences) - _MAX_DIFFERENCES:,} more", stderr=stderr)

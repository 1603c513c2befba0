"""Describe the parent and the children of a run in a few lines, for the run's page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runfolio.cli.output import formatting
from runfolio.query.durations import inherited_s
from runfolio.record.base.run_document import FORK, REPRODUCTION

if TYPE_CHECKING:
    from runfolio.query.run import RecordedRun


def origin_line(run: RecordedRun) -> str | None:
    """Return a line that names the parent, such as `forked from net (k3f9x2ab) at step 120`, or None without a
    parent."""
    if (lineage := run.document.lineage) is None:
        return None
    parent = f"{lineage.get('name')} ({lineage.get('run')})"
    if lineage.get("kind") != FORK:
        changed = "".join(f", with a different {flag}" for flag in lineage.get("changed") or ())
        return f"{lineage.get('kind')} of {parent}{changed}{_verdict(run, 'sentence')}"
    seconds = inherited_s(run)
    inherited = f"; {formatting.duration(seconds)} inherited" if seconds else ""
    return f"forked from {parent} at {_checkpoint_text(lineage)}{inherited}"


def child_lines(children: Sequence[RecordedRun]) -> list[str]:
    """Return up to two lines: one lists the run's forks, and the other lists its reproductions."""
    kinds = {FORK: "forks", REPRODUCTION: "reproductions"}
    return [
        f"{title}: {_child_names(of_kind)}"
        for kind, title in kinds.items()
        if (of_kind := [child for child in children if (child.document.lineage or {}).get("kind") == kind])
    ]


def _child_names(children: Iterable[RecordedRun]) -> str:
    return ", ".join(
        f"{child.name} ({child.id}){_at(child.document.lineage or {})}{_verdict(child, 'word')}" for child in children
    )


def _verdict(run: RecordedRun, part: str) -> str:
    """Return a colon and the verdict for a reproduction that has a verdict, or an empty string."""
    text = (run.edits.verdict or {}).get(part)
    return f": {text}" if text else ""


def _at(lineage: Mapping[str, Any]) -> str:
    return f" at step {lineage['step']}" if lineage.get("step") is not None else ""


def _checkpoint_text(lineage: Mapping[str, Any]) -> str:
    checkpoint = f"checkpoint {lineage.get('checkpoint')}"
    return checkpoint if lineage.get("step") is None else f"step {lineage['step']}, {checkpoint}"

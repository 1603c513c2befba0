"""Run the command of a plan after the checkout, and compare the repeated run with the original."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any, cast

from runfolio.query.run import RecordedRun
from runfolio.query.store import Folio
from runfolio.record.base.run_parts import VerdictEntry
from runfolio.reproduce import causes, child, venv
from runfolio.reproduce.deviation import Deviation, sort_deviations
from runfolio.reproduce.plan import Plan
from runfolio.reproduce.verdict import Tolerance, Verdict, compare_runs, verdict_as_json

_MISSING_DATA_TEXTS = ("No such file", "NotFound", "no file or folder")
"""Parts of error messages that suggest that data is missing in the fresh folder."""


@dataclass(frozen=True, kw_only=True)
class ReproduceResult:
    original: RecordedRun
    repeated: RecordedRun
    verdict: Verdict
    causes: list[Deviation]
    """All known differences. The likeliest causes of a different result come first."""
    chance: list[str]
    """Sources of uncontrolled randomness, if no known difference explains a different result."""
    remarks: list[str]

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as stored in the record (`docs/format.md`, Lineage)."""
        return {
            **verdict_as_json(self.verdict),
            "causes": [{"kind": cause.kind, "text": cause.text} for cause in self.causes],
        }


def reproduce_run(
    plan: Plan,
    folio: Folio,
    current_deviations: Sequence[Deviation],
    *,
    tolerance: Tolerance,
    ignore: Sequence[str] = (),
    steps: int | None = None,
    output: IO[Any] | None = None,
) -> ReproduceResult:
    """Execute a plan, compare the runs, and store the verdict with the repeated run.

    Args:
        current_deviations: Deviations found before the command is run.
        ignore, steps: As in `verdict.compare_runs`.
        output: Target of the program's output. None means the output of this process.
    Raises:
        ConfigError: The fresh virtual environment cannot be created.
        NotFound: The command opened no run, or there is nothing to compare.
        DamagedFile: A record cannot be read.
    """
    venv.make_venv(plan)
    earlier_folders = {run.folder for run in folio.runs(archived=True)}
    status = child.run_command(plan, output)
    repeated, other_runs = child.find_repeated_run(folio, plan, earlier_folders, status)
    verdict = compare_runs(plan.run, repeated, tolerance=tolerance, ignore=ignore, steps=steps)
    deviations = sort_deviations([*current_deviations, *causes.find_causes(plan, plan.run, repeated)])
    if verdict.word != "bit-equal":
        deviations = causes.missing_seed_first(deviations, plan.run, repeated)
    is_explained = verdict.word == "bit-equal" or _any_beyond_seeds(deviations)
    result = ReproduceResult(
        original=plan.run,
        repeated=repeated,
        verdict=verdict,
        causes=deviations,
        chance=[] if is_explained else causes.uncontrolled_randomness(plan.run),
        remarks=[*verdict.remarks, *_remarks(status, other_runs, repeated)],
    )
    repeated.edits.set_verdict(cast("VerdictEntry", result.to_json()))
    return result


def _any_beyond_seeds(deviations: Sequence[Deviation]) -> bool:
    """Return whether anything other than seeds differs. (The state of an unseeded generator always differs.)"""
    return any(deviation.kind != "seeds" for deviation in deviations)


def _remarks(status: int, other_runs: int, repeated: RecordedRun) -> list[str]:
    conditions = {
        f"the run finished, but the command then exited with status {status}": status and repeated.state == "finished",
        child.LINK_HINT: repeated.state == "failed"
        and any(text in (repeated.reason or "") for text in _MISSING_DATA_TEXTS),
        f"the command opened {other_runs + 1} runs; the one most similar to the original is compared": other_runs,
    }
    return [text for text, holds in conditions.items() if holds]

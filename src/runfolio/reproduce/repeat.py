"""Running a plan whose code is laid, and judging what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any

from runfolio.query.run import RecordedRun
from runfolio.query.store import Folio
from runfolio.reproduce import causes, child, venv
from runfolio.reproduce.difference import Difference, sort
from runfolio.reproduce.plan import Plan
from runfolio.reproduce.verdict import Tolerance, Verdict, as_json, judge

_NOT_THERE = ("No such file", "NotFound", "no file or folder")
"""Words of a failure that may be due to data which the fresh folder lacks."""


@dataclass(frozen=True, kw_only=True)
class Result:
    original: RecordedRun
    repeated: RecordedRun
    verdict: Verdict
    causes: list[Difference]
    """Every difference that is known, the likeliest cause of another result first."""
    chance: list[str]
    """What the run left to chance, where it came out otherwise and no difference is known."""
    remarks: list[str]

    def to_json(self) -> dict[str, Any]:
        """As the record keeps it (`docs/format.md`, Lineage)."""
        return {**as_json(self.verdict), "causes": [{"kind": it.kind, "text": it.text} for it in self.causes]}


def repeat(
    plan: Plan,
    folio: Folio,
    today: Sequence[Difference],
    *,
    tolerance: Tolerance,
    ignore: Sequence[str] = (),
    steps: int | None = None,
    output: IO[Any] | None = None,
) -> Result:
    """Execute a plan, compare, and keep the verdict with the repeated run.

    Args:
        today: What is known to be different before.
        ignore, steps: As of `verdict.judge`.
        output: Where the program prints. Default: where this process does.
    Raises:
        ConfigError: The fresh environment cannot be made.
        NotFound: The command left no run, or there is nothing to compare.
        DamagedFile: A record cannot be read.
    """
    venv.make(plan)
    known = {run.folder for run in folio.runs(archived=True)}
    status = child.run(plan, output)
    repeated, others = child.repeated(folio, plan, known, status)
    verdict = judge(plan.run, repeated, tolerance=tolerance, ignore=ignore, steps=steps)
    found = sort([*today, *causes.found(plan, plan.run, repeated)])
    result = Result(
        original=plan.run,
        repeated=repeated,
        verdict=verdict,
        causes=found,
        chance=[] if verdict.word == "bit-equal" or _explains(found) else causes.left_to_chance(plan.run),
        remarks=[*verdict.remarks, *_remarks(status, others, repeated)],
    )
    repeated.edits.set_verdict(result.to_json())
    return result


def _explains(found: Sequence[Difference]) -> bool:
    """Whether something else differs than where random numbers began: that of a generator nobody seeded always does."""
    return any(difference.kind != "seeds" for difference in found)


def _remarks(status: int, others: int, repeated: RecordedRun) -> list[str]:
    said = {
        f"the command ended with status {status} behind its run": status and repeated.state == "finished",
        child.LINK_HINT: repeated.state == "failed" and any(text in (repeated.reason or "") for text in _NOT_THERE),
        f"the command opened {others + 1} runs; the one most like the original is compared": others,
    }
    return [text for text, holds in said.items() if holds]

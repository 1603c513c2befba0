"""Runs a series, one run after another in this process, each experiment once for good."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rich.markup import escape
from rich.progress import Progress

from runfolio.errors import DamagedFile, NotFound, RunfolioError
from runfolio.query.run import RecordedRun
from runfolio.query.store import open_folio
from runfolio.record.base.flat_names import flatten, identity
from runfolio.record.checkpoints import manifests
from runfolio.series.grid import PlannedRun
from runfolio.series.stored_runs import StoredRuns
from runfolio.series.targets import Membership, Target
from runfolio.tracking.process import reproduction


@dataclass(frozen=True, kw_only=True)
class SeriesRunOutcome:
    """What became of one planned run."""

    plan: PlannedRun
    ending: Literal["finished", "resumed", "skipped", "busy", "failed"]
    """`resumed`: finished from a checkpoint. `skipped`: the store held it. `busy`: another process has it."""
    folder: Path | None
    """The run's folder; None for one that failed before it had any."""
    duration_s: float = 0.0
    reason: str | None = None
    """Of a failure, in one line."""

    def __str__(self) -> str:
        return {
            "finished": f"finished in {self.duration_s:.1f} s",
            "resumed": f"resumed and finished in {self.duration_s:.1f} s",
            "skipped": f"already finished: {self.folder and self.folder.name}",
            "busy": f"another process is running it: {self.folder and self.folder.name}",
            "failed": f"failed: {self.reason}",
        }[self.ending]


@dataclass(kw_only=True)
class SeriesReport:
    """What became of a series. `interrupted` where Ctrl-C ended it before the last run."""

    run_count: int
    outcomes: list[SeriesRunOutcome] = field(default_factory=list)
    interrupted: bool = False
    conclude_error: str | None = None
    """Why the target could not conclude the series."""

    @property
    def is_settled(self) -> bool:
        """Whether every run has come to an end, good or bad, so that which of them is best is settled too."""
        return not self.interrupted and all(outcome.ending != "busy" for outcome in self.outcomes)

    @property
    def failed(self) -> list[SeriesRunOutcome]:
        return [outcome for outcome in self.outcomes if outcome.ending == "failed"]

    @property
    def completed(self) -> list[SeriesRunOutcome]:
        return [outcome for outcome in self.outcomes if outcome.ending in ("finished", "resumed", "skipped")]


def execute(
    planned: Sequence[PlannedRun],
    target: Target,
    *,
    name: str,
    experiment: str,
    store: Path | None,
    progress: Progress,
) -> SeriesReport:
    """Run what the store does not hold as finished; a run that fails does not stop the others.

    Unfinished runs go on from their `last` checkpoint. `progress` shows the series as a bar; its console gets
    a line a run. Where `runfolio reproduce` started this process, the run it repeats is all that is run, and run anew.

    Raises:
        RunfolioError: The target refuses the settings of a run; none was begun then.
    """
    if (repeated := reproduction.requested_reproduction()) is not None:
        planned = [_most_similar(open_folio(repeated.store).run(repeated.run), planned)]
    if check := getattr(target, "check", None):
        for plan in planned:
            check(plan.settings, store=store)
    report = SeriesReport(run_count=len(planned))
    stored_runs = StoredRuns(store, experiment)
    bar = progress.add_task(name, total=len(planned))
    width = len(str(len(planned)))
    longest = max((len(plan.label) for plan in planned), default=0)
    for number, plan in enumerate(planned, start=1):
        try:
            outcome = _run_once(
                plan, target, stored_runs, name=name, experiment=experiment, store=store, progress=progress
            )
        except KeyboardInterrupt:
            report.interrupted = True
            break
        report.outcomes.append(outcome)
        progress.advance(bar)
        line = f"{number:>{width}}/{len(planned)}  {plan.label:<{longest}}  {outcome}"
        progress.console.print(escape(line), style="red" if outcome.ending == "failed" else None, soft_wrap=True)
    _conclude(report, target, store=store, progress=progress)
    return report


def _conclude(report: SeriesReport, target: Target, *, store: Path | None, progress: Progress) -> None:
    """Let the target look at all runs together, where it wants to and there are some. A repeated run is no series."""
    conclude = getattr(target, "conclude", None)
    finished = {outcome.folder: outcome.plan.settings for outcome in report.completed if outcome.folder}
    if conclude is None or not (report.is_settled and finished) or reproduction.requested_reproduction() is not None:
        return
    try:
        conclude(finished, store=store, progress=progress)
    except KeyboardInterrupt:
        report.interrupted = True
    except Exception as error:  # the runs are worth having without it
        report.conclude_error = _reason(error)


def _most_similar(run: RecordedRun, planned: Sequence[PlannedRun]) -> PlannedRun:
    """The planned run with the settings of a recorded one, or with the most of them: one may be changed on purpose."""

    def shared(plan: PlannedRun) -> int:
        settings = flatten(plan.settings.as_dict())
        return sum(identity(settings.get(name)) == identity(value) for name, value in run.flat_config.items())

    return max(planned, key=shared)


def _run_once(
    plan: PlannedRun,
    target: Target,
    stored_runs: StoredRuns,
    *,
    name: str,
    experiment: str,
    store: Path | None,
    progress: Progress,
) -> SeriesRunOutcome:
    """Finish one run: skip it if it is finished, resume it if it has a checkpoint, else run it."""
    is_repeated = reproduction.requested_reproduction() is not None
    earlier = [] if is_repeated else stored_runs.with_fingerprint(plan.fingerprint)
    if finished := next((run for run in earlier if run.state == "finished"), None):
        return SeriesRunOutcome(plan=plan, ending="skipped", folder=finished.folder)
    if busy := next((run for run in earlier if run.state == "running"), None):
        return SeriesRunOutcome(plan=plan, ending="busy", folder=busy.folder)
    resume = next((str(run.folder) for run in earlier if _can_resume(run)), None)
    began = time.monotonic()
    try:
        folder = target.run(
            plan.settings,
            store=store,
            experiment=experiment,
            series=Membership(name=name, fingerprint=plan.fingerprint, varied=dict(plan.varied)),
            resume=resume,
            progress=progress,
        )
    except Exception as error:  # whatever one run dies of, the others are worth having
        failed = None if is_repeated else next(iter(stored_runs.with_fingerprint(plan.fingerprint)), None)
        return SeriesRunOutcome(plan=plan, ending="failed", folder=failed and failed.folder, reason=_reason(error))
    ending = "resumed" if resume else "finished"
    return SeriesRunOutcome(plan=plan, ending=ending, folder=folder, duration_s=time.monotonic() - began)


def _reason(error: Exception) -> str:
    """In one line; an error of ours says enough without its class."""
    message = str(error) if isinstance(error, RunfolioError) else f"{type(error).__name__}: {error}"
    return message.splitlines()[0].strip()


def _can_resume(run: RecordedRun) -> bool:
    """Whether it has a whole checkpoint: of a damaged `last`, another one is gone on with."""
    try:
        manifests.read_intact(run.folder, manifests.LAST, lambda message: None)
    except (NotFound, DamagedFile):
        return False
    return True

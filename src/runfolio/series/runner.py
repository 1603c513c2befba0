"""Train the runs of a series one after another in this process."""

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
    """Outcome of one planned run."""

    plan: PlannedRun
    ending: Literal["finished", "resumed", "skipped", "busy", "failed"]
    """`resumed`: continued and finished. `skipped`: already finished earlier. `busy`: another process trains the
    run."""
    folder: Path | None
    """Folder of the run, or None if the run failed before its folder was created."""
    duration_s: float = 0.0
    reason: str | None = None
    """Reason for a failure, in one line."""

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
    """Outcomes of the runs of a series."""

    run_count: int
    outcomes: list[SeriesRunOutcome] = field(default_factory=list)
    interrupted: bool = False
    """True if Ctrl-C stopped the series early."""
    conclude_error: str | None = None
    """Error of the target's `conclude`, in one line. It is None if `conclude` succeeded or was not called."""

    @property
    def is_settled(self) -> bool:
        """Return True if no run is pending. The best run can then no longer change."""
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
    """Train the runs that are not finished in the store. If a run fails, the others are still trained.

    Unfinished runs continue from their `last` checkpoint. If `runfolio reproduce` started this process, only the run to
    repeat is trained, starting from the beginning.

    Args:
        planned: Runs of the series.
        target: Target that trains the runs.
        name: Name of the series.
        experiment: Experiment of the runs.
        store: Folder of the store.
        progress: Progress display for the series. Its console prints one line per run.

    Raises:
        RunfolioError: The target rejects the settings of a run. In this case, no run is started.
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
    """Call the method `conclude` of the target (the object that trains the runs) with the completed runs. Skip the call
    if runs are pending or this process repeats a single run."""
    conclude = getattr(target, "conclude", None)
    completed = {outcome.folder: outcome.plan.settings for outcome in report.completed if outcome.folder}
    if conclude is None or not (report.is_settled and completed) or reproduction.requested_reproduction() is not None:
        return
    try:
        conclude(completed, store=store, progress=progress)
    except KeyboardInterrupt:
        report.interrupted = True
    except Exception as error:  # a failed `conclude` does not invalidate the trained runs
        report.conclude_error = _reason(error)


def _most_similar(run: RecordedRun, planned: Sequence[PlannedRun]) -> PlannedRun:
    """Return the planned run that shares the most settings with a recorded run.

    Not all settings have to match, because the user may have changed some of them on purpose.
    """

    def count_shared(plan: PlannedRun) -> int:
        settings = flatten(plan.settings.as_dict())
        return sum(identity(settings.get(name)) == identity(value) for name, value in run.flat_config.items())

    return max(planned, key=count_shared)


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
    """Start a run, or resume it if it has a checkpoint. Skip it if it is finished or another process trains it."""
    is_repeated = reproduction.requested_reproduction() is not None
    earlier = [] if is_repeated else stored_runs.with_fingerprint(plan.fingerprint)
    if finished := next((run for run in earlier if run.state == "finished"), None):
        return SeriesRunOutcome(plan=plan, ending="skipped", folder=finished.folder)
    if busy := next((run for run in earlier if run.state == "running"), None):
        return SeriesRunOutcome(plan=plan, ending="busy", folder=busy.folder)
    resume = next((str(run.folder) for run in earlier if _can_resume(run)), None)
    start_s = time.monotonic()
    try:
        folder = target.run(
            plan.settings,
            store=store,
            experiment=experiment,
            series=Membership(name=name, fingerprint=plan.fingerprint, varied=dict(plan.varied)),
            resume=resume,
            progress=progress,
        )
    except Exception as error:  # one failing run must not stop the others
        failed = None if is_repeated else next(iter(stored_runs.with_fingerprint(plan.fingerprint)), None)
        return SeriesRunOutcome(plan=plan, ending="failed", folder=failed and failed.folder, reason=_reason(error))
    ending = "resumed" if resume else "finished"
    return SeriesRunOutcome(plan=plan, ending=ending, folder=folder, duration_s=time.monotonic() - start_s)


def _reason(error: Exception) -> str:
    """Return the first line of an error message. If runfolio did not raise the error, the class name of the error comes
    first."""
    message = str(error) if isinstance(error, RunfolioError) else f"{type(error).__name__}: {error}"
    return message.splitlines()[0].strip()


def _can_resume(run: RecordedRun) -> bool:
    """Return whether the run can continue from an intact checkpoint: `last`, or a replacement if `last` is damaged."""
    try:
        manifests.read_intact(run.folder, manifests.LAST, lambda message: None)
    except (NotFound, DamagedFile):
        return False
    return True

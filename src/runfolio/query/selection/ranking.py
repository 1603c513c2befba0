"""Selection of the run with the best value of a metric."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, NamedTuple

from runfolio.errors import ConfigError, NotFound, did_you_mean
from runfolio.query.run_view import RunT, RunView
from runfolio.query.selection.caption import Caption
from runfolio.query.selection.data_match import DataMatch, describe_matches, match_data
from runfolio.query.selection.duplicates import DistinctRuns, distinct_runs
from runfolio.query.selection.figures import CHOSEN_BY, Figure, Kind, figure_of, has_metric
from runfolio.query.selection.grouping import is_repeated
from runfolio.query.selection.metric_names import (
    Mode,
    Split,
    guess_mode,
    is_about_the_process,
    mode_of,
    split_of,
)
from runfolio.record.base.flat_names import as_number
from runfolio.record.liveness.heartbeats import CRASHED

BROKEN = ("failed", CRASHED)
"""States of runs that ended with an error."""
PARAMETERS = "parameters"
"""Name of the result that contains the number of network parameters."""

GUESSED = "The direction (higher or lower is better) was guessed from the metric's name."
"""Caption sentence for a guessed direction."""

_ACCURACIES = ("acc", "accuracy")
"""Last part of the name of a metric that is a proportion of images, such as `acc` in `val/acc`."""
_MOST_LISTED = 6
"""Maximum number of metrics that an error message lists."""
_USUAL = ("val/acc", "val/loss", "test/acc", "test/loss", "train/acc", "train/loss")


@dataclass(frozen=True, kw_only=True)
class Choice(Generic[RunT]):
    """Run with the best value of a metric, with details about its selection."""

    run: RunT
    metric: str
    value: float
    step: int | None
    """Step at which the value was logged, or None if the value was only reported in the summary."""
    kind: Kind
    """Kind of the value (see `figures.Kind`)."""
    mode: Mode
    guessed: bool
    """True if the mode was guessed from the name of the metric."""
    split: Split
    """Data split that the metric was measured on, guessed from the metric's name."""
    candidates: int
    """Number of competing runs."""
    left_out: int
    """Number of runs that did not compete because they failed or crashed."""
    duplicates: str = ""
    """Sentence about reproductions and copies that were left out, or an empty string if there are none."""
    equals: int = 0
    """Number of other runs with the same value."""
    decided_by: str = "age"
    """Criterion that broke the tie: the name of a loss, `parameters` or `age`."""
    is_setting_too: bool = False
    """True if a setting has the same name as the metric."""
    data: tuple[DataMatch, ...] = ()
    """Comparison of the data of each competing run with the data of the best run."""
    competing: tuple[RunT, ...] = ()

    @property
    def caption(self) -> Caption:
        """Readable description of the selected run and of its selection."""
        at_step = f" at step {self.step}" if self.step is not None else ""
        kind = "" if self.kind == "best" else f", {self.kind}"
        alone = "has" if not self.equals else f"and {_count(self.equals, 'other')} have"
        lead = (
            f"{self.run.name} ({self.run.id}) {alone} the best {self.metric} of {_count(self.candidates, 'run')}:"
            f" {self.value:.6g}{at_step}{kind} ({direction_text(self.mode)})."
        )
        return Caption.of(
            [
                lead,
                *describe_matches(self.data, self.metric, brief=True),
                f"{self.metric} is the metric here (not params.{self.metric})." if self.is_setting_too else "",
                selection_split_sentence(self.metric) if self.split != "validation" else "",
                self._chance or selection_split_sentence(self.metric),
            ],
            [
                GUESSED if self.guessed else "",
                self._tie,
                f"Left out: {_count(self.left_out, 'run')} that failed or crashed." if self.left_out else "",
                self.duplicates,
                *describe_matches(self.data, self.metric),
            ],
        )

    @property
    def _chance(self) -> str:
        """Advice for a best run that was not repeated. The text is empty if the run was repeated or had no
        competitor."""
        if len(self.competing) < 2 or is_repeated(self.run, self.competing):
            return ""
        measured = "Measured on the validation data in one run" if self.split == "validation" else "This is one run"
        advice = "repeat it with several seeds to check if it stays best"
        return f"{measured}; {advice} (`runfolio compare --group-by -seed`)."

    @property
    def _tie(self) -> str:
        if not self.equals:
            return ""
        subject = "1 other run has" if self.equals == 1 else f"{self.equals} other runs have"
        decided = {PARAMETERS: "this run has the fewest parameters", "age": "this run is the oldest"}
        return (
            f"{subject} the same value; {decided.get(self.decided_by, f'this run has the lowest {self.decided_by}')}."
        )


def choose(runs: Iterable[RunT], metric: str, mode: str | None = None) -> Choice[RunT]:
    """Return the run with the best value of a metric.

    Runs are compared by their representative value (see `figures.figure_of`), which must be finite. Runs that failed or
    crashed only compete if no other run has the metric. Reproductions and copies never compete. `ranking_key` breaks
    ties.

    Args:
        runs: Candidates.
        metric: Name of the metric.
        mode: `min` or `max`. Default: guessed from the name.

    Raises:
        NotFound: No run has the metric. The message lists the most similar names.
        ConfigError: The mode cannot be guessed.
    """
    distinct, direction, figures, competing = _compete(runs, metric, mode)
    run, figure = min(competing, key=lambda pair: ranking_key([pair[0]], metric, direction))
    return Choice(
        run=run,
        metric=metric,
        value=figure.value,
        step=figure.step,
        kind=figure.kind,
        mode=direction,
        guessed=mode is None,
        split=split_of(metric),
        candidates=len(competing),
        equals=sum(other.value == figure.value for _, other in competing) - 1,
        decided_by=_decided_by([run for run, other in competing if other.value == figure.value], metric, direction),
        left_out=len(figures) - len(competing),
        duplicates=distinct.sentence,
        is_setting_too=any(metric in other.flat_config for other, _ in competing),
        data=tuple(match_data(run, other, metric) for other, _ in competing),
        competing=tuple(run for run, _ in competing),
    )


def ranked(runs: Iterable[RunT], metric: str, mode: str | None = None) -> list[RunT]:
    """Return the runs that compete for the best value of a metric, best first. The arguments are the same as for
    `choose`.

    Raises:
        NotFound: No run has the metric. The message lists the most similar names.
        ConfigError: The mode cannot be guessed.
    """
    _, direction, _, competing = _compete(runs, metric, mode)
    return sorted((run for run, _ in competing), key=lambda run: ranking_key([run], metric, direction))


class _Competition(NamedTuple, Generic[RunT]):
    distinct: DistinctRuns[RunT]
    mode: Mode
    figures: list[tuple[RunT, Figure]]
    """Runs that have a finite value of the metric, each with this value."""
    competing: list[tuple[RunT, Figure]]


def _compete(runs: Iterable[RunT], metric: str, mode: str | None) -> _Competition[RunT]:
    distinct = distinct_runs(runs)
    if not any(has_metric(run, metric) for run in distinct.runs):
        raise NotFound(_no_metric(distinct.runs, metric, distinct.sentence))
    direction = _direction(distinct.runs, metric, mode)
    figures = [(run, figure) for run in distinct.runs if (figure := figure_of(run, metric, direction))]
    if not figures:
        raise NotFound(f"{metric!r} is not finite in any run, so there is no best run")
    sound = [pair for pair in figures if pair[0].state not in BROKEN]
    return _Competition(distinct, direction, figures, sound or figures)


def _no_metric(runs: Sequence[RunView], metric: str, left_out: str) -> str:
    recorded = {name for run in runs for name in (*run.metrics, *numbers_of(run))}
    if _is_setting(runs, metric):
        return (
            f"{metric!r} is a setting of these runs, not a metric; {_metrics_listed(recorded)};"
            f" `runfolio runs --sort {metric}` sorts the runs by it"
        )
    return f"no run here has a metric {metric!r}; {did_you_mean(metric, recorded)}" + (
        f". {left_out}" if left_out else ""
    )


def _direction(runs: Sequence[RunView], metric: str, mode: str | None) -> Mode:
    """Return the direction of a metric.

    Raises:
        ConfigError: The mode is not given and cannot be guessed. The message mentions a setting with the same name.
    """
    try:
        return mode_of(metric, mode)
    except ConfigError as error:
        if not _is_setting(runs, metric):
            raise
        recorded = {name for run in runs for name in (*run.metrics, *numbers_of(run))}
        raise ConfigError(
            f"{metric!r} is a setting of these runs; {_metrics_listed(recorded - {metric})}."
            f" It was also logged as a metric: {error}"
        ) from None


def _is_setting(runs: Sequence[RunView], name: str) -> bool:
    return any(name == setting or name == f"params.{setting}" for run in runs for setting in run.flat_config)


def _metrics_listed(names: Collection[str]) -> str:
    """Return text that lists the metrics with a known direction, which can select a best run. Usual metrics come
    first."""
    usable = [name for name in sorted(names) if guess_mode(name) and not is_about_the_process(name)]
    listed = sorted(usable, key=lambda name: _USUAL.index(name) if name in _USUAL else len(_USUAL))
    more = f" and {len(listed) - _MOST_LISTED} more" if len(listed) > _MOST_LISTED else ""
    return (
        f"metrics here: {', '.join(listed[:_MOST_LISTED])}{more}" if listed else "no metric here has a known direction"
    )


def _decided_by(equals: Sequence[RunView], metric: str, mode: Mode) -> str:
    """Return the criterion that decides between several runs with the same value."""
    if len(equals) < 2:
        return "age"
    (_, loss, size, _), (_, next_loss, next_size, _) = sorted(ranking_key([run], metric, mode) for run in equals)[:2]
    if loss != next_loss:
        return paired_loss(metric, mode) or "age"
    return PARAMETERS if size != next_size else "age"


def ranking_key(runs: Sequence[RunView], metric: str, mode: Mode) -> tuple[float, float, float, datetime]:
    """Return the sort key of a run or a group of runs. For a group, means over its runs are used. The smallest key is
    the best.

    Ties are broken by the lower loss on the same data, then by fewer parameters, then by age. A run without a value for
    one of these criteria comes after runs that have a value.
    """
    values = [figure.value for run in runs if (figure := figure_of(run, metric, mode))]
    loss = paired_loss(metric, mode)
    losses = [figure.value for run in runs if loss and (figure := figure_of(run, loss, "min"))]
    sizes = [size for run in runs if (size := as_number(run.flat_summary.get(PARAMETERS))) is not None]
    return (
        rank(statistics.fmean(values), mode),
        statistics.fmean(losses) if losses else math.inf,
        statistics.fmean(sizes) if sizes else math.inf,
        min(run.created for run in runs),
    )


def paired_loss(metric: str, mode: Mode) -> str | None:
    """Return the name of the loss that is measured on the same data as a score, such as `val/loss` for `val/acc`.

    Return None if the name of the score does not show the data, or if lower scores are better.
    """
    data, slash, _ = metric.rpartition("/")
    return f"{data}/loss" if slash and mode == "max" else None


def rank(value: float, mode: Mode) -> float:
    """Return a number that is smaller for better values."""
    return -value if mode == "max" else value


def direction_text(mode: Mode) -> str:
    """Return the direction of a metric in words."""
    return "higher is better" if mode == "max" else "lower is better"


def selection_split_sentence(metric: str) -> str:
    """Return a sentence about the data that a metric was measured on, with a warning if this data is unsuitable."""
    return {
        "validation": "Measured on the validation data.",
        "train": "Measured on the training data, so it does not show how well the model works on new data.",
        "test": "Measured on the test data, so the best value is too optimistic; choose by a validation metric.",
        "unknown": "The name of the metric does not show which data it was measured on.",
    }[split_of(metric)]


def numbers_of(run: RunView) -> list[str]:
    """Return the names of the numbers in a run's summary."""
    return [name for name, value in run.flat_summary.items() if as_number(value) is not None]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def default_metric(runs: Sequence[RunView]) -> str:
    """Return the metric by which runs are ranked. It is the metric by which the epochs of the runs were chosen, or else
    the first usual metric.

    Raises:
        NotFound: There are no runs.
    """
    if not runs:
        raise NotFound("there are no runs to rank")
    choosing = {str(metric) for run in runs if (metric := run.flat_summary.get(CHOSEN_BY))}
    if len(choosing) == 1:
        return choosing.pop()
    for metric in _USUAL:
        if any(metric in run.flat_summary or metric in run.metrics for run in runs):
            return metric
    # Without a usual metric, the runs are still listed, for example to show why they failed.
    guessable = sorted({name for run in runs for name in run.metrics if guess_mode(name)})
    return guessable[0] if guessable else _USUAL[0]


def images_of(run: RunView, metric: str, value: float | None) -> int | None:
    """Return the number of images that an accuracy was measured on, such as `val/images` for `val/acc`.

    Return None if the number is unknown or the metric is not an accuracy.
    """
    data, _, name = metric.rpartition("/")
    images = as_number(run.flat_summary.get(f"{data}/images"))
    if name not in _ACCURACIES or value is None or images is None or not (0 <= value <= 1 and images >= 1):
        return None
    return int(images)

"""Which run won: by what figure, on which data, and how far that figure can be believed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic

from runfolio.errors import ConfigError, NotFound, did_you_mean
from runfolio.query.run_view import RunT, RunView
from runfolio.query.selection.caption import Caption
from runfolio.query.selection.data_match import DataMatch, describe_matches, match_data
from runfolio.query.selection.duplicates import distinct_runs
from runfolio.query.selection.figures import CHOSEN_BY, Kind, figure_of, has_metric
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
"""States in which a run's figures are those of a run that went wrong."""
PARAMETERS = "parameters"
"""The name under which a run reports how large its network is."""

GUESSED = "Which direction is better was guessed from the metric's name."
"""Sentence of a caption."""

_SHARES = ("acc", "accuracy")
"""How a metric ends that says which share of its images was right."""
_MOST_LISTED = 6
"""Metrics that an error names."""
_USUAL = ("val/acc", "val/loss", "test/acc", "test/loss", "train/acc", "train/loss")


@dataclass(frozen=True, kw_only=True)
class Choice(Generic[RunT]):
    """The best run by one metric, and all that a reader must know to believe it."""

    run: RunT
    metric: str
    value: float
    step: int | None
    """None where the run reported the value in its summary but logged no such point."""
    kind: Kind
    """Kind of the value among the numbers that the run has for the metric."""
    mode: Mode
    guessed: bool
    """Whether the mode was guessed from the metric's name."""
    split: Split
    """Which data chose, by the metric's name."""
    candidates: int
    """How many runs competed."""
    left_out: int
    """How many have the metric but did not compete, because they failed or crashed."""
    duplicates: str = ""
    """One sentence on the reproductions and second copies that did not compete, empty if there are none."""
    equals: int = 0
    """How many others have the same value."""
    decided_by: str = "age"
    """What put this run before them: a loss by its name, `parameters`, or `age` where nothing else did."""
    is_setting_too: bool = False
    """True if a setting has the name of the metric."""
    data: tuple[DataMatch, ...] = ()
    """How what each competitor was measured on stands to the winner's."""

    @property
    def caption(self) -> Caption:
        """What was chosen how, in words for people."""
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
                selection_split_sentence(self.metric),
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
    def _tie(self) -> str:
        if not self.equals:
            return ""
        subject = "1 other run has" if self.equals == 1 else f"{self.equals} other runs have"
        decided = {PARAMETERS: "this one has the fewest parameters", "age": "this one is the oldest"}
        return f"{subject} the same; {decided.get(self.decided_by, f'this one has the lowest {self.decided_by}')}."


def choose(runs: Iterable[RunT], metric: str, mode: str | None = None) -> Choice[RunT]:
    """The best of the runs by `metric`.

    A run competes with its figure (`figures.figure_of`). What is not finite never wins. A run that failed or crashed
    wins only if no other run has the metric; a reproduction or a second copy of a run never does. `ranking_key` breaks
    ties, and the choice says by what.

    Raises:
        NotFound: No run has a number of that name; the message names the nearest metrics.
        ConfigError: No mode is given and the name does not say whether more or less is better.
    """
    distinct = distinct_runs(runs)
    if not any(has_metric(run, metric) for run in distinct.runs):
        raise NotFound(_no_metric(distinct.runs, metric, distinct.sentence))
    direction = _direction(distinct.runs, metric, mode)
    figures = [(run, figure) for run in distinct.runs if (figure := figure_of(run, metric, direction))]
    if not figures:
        raise NotFound(f"{metric!r} is not finite in any run that has it, so none is the best")
    sound = [pair for pair in figures if pair[0].state not in BROKEN]
    competing = sound or figures
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
    )


def _no_metric(runs: Sequence[RunView], metric: str, left_out: str) -> str:
    recorded = {name for run in runs for name in (*run.metrics, *numbers_of(run))}
    if _is_setting(runs, metric):
        return (
            f"{metric!r} is a setting of these runs, not a metric; {_metrics_listed(recorded)};"
            f" `runfolio runs --sort {metric}` orders the runs by it"
        )
    return f"no run here has a metric {metric!r}; {did_you_mean(metric, recorded)}" + (
        f". {left_out}" if left_out else ""
    )


def _direction(runs: Sequence[RunView], metric: str, mode: str | None) -> Mode:
    """Return the direction of a metric.

    Raises:
        ConfigError: None is given and the name does not say. If it is a setting too, the message says that first.
    """
    try:
        return mode_of(metric, mode)
    except ConfigError as error:
        if not _is_setting(runs, metric):
            raise
        recorded = {name for run in runs for name in (*run.metrics, *numbers_of(run))}
        raise ConfigError(
            f"{metric!r} is a setting of these runs; {_metrics_listed(recorded - {metric})}. It was logged too: {error}"
        ) from None


def _is_setting(runs: Sequence[RunView], name: str) -> bool:
    return any(name == setting or name == f"params.{setting}" for run in runs for setting in run.flat_config)


def _metrics_listed(names: Collection[str]) -> str:
    """Name the metrics that can choose a best run: their names say what is better. The usual ones come first."""
    sensible = [name for name in sorted(names) if guess_mode(name) and not is_about_the_process(name)]
    listed = sorted(sensible, key=lambda name: _USUAL.index(name) if name in _USUAL else len(_USUAL))
    more = f" and {len(listed) - _MOST_LISTED} more" if len(listed) > _MOST_LISTED else ""
    return f"metrics here: {', '.join(listed[:_MOST_LISTED])}{more}" if listed else "no metric here says what is better"


def _decided_by(equals: Sequence[RunView], metric: str, mode: Mode) -> str:
    """What tells the best of some runs of equal value from the next."""
    if len(equals) < 2:
        return "age"
    (_, loss, size, _), (_, next_loss, next_size, _) = sorted(ranking_key([run], metric, mode) for run in equals)[:2]
    if loss != next_loss:
        return paired_loss(metric, mode) or "age"
    return PARAMETERS if size != next_size else "age"


def ranking_key(runs: Sequence[RunView], metric: str, mode: Mode) -> tuple[float, float, float, datetime]:
    """What orders runs that have the metric, or groups of them by their means; the smallest is the best.

    Of equals the one of lower loss on the same data leads, then the one of fewer parameters, then the oldest. What of
    these a run does not report comes after what others do.
    """
    figures = [figure.value for run in runs if (figure := figure_of(run, metric, mode))]
    loss = paired_loss(metric, mode)
    losses = [figure.value for run in runs if loss and (figure := figure_of(run, loss, "min"))]
    sizes = [size for run in runs if (size := as_number(run.flat_summary.get(PARAMETERS))) is not None]
    return (
        rank(statistics.fmean(figures), mode),
        statistics.fmean(losses) if losses else math.inf,
        statistics.fmean(sizes) if sizes else math.inf,
        min(run.created for run in runs),
    )


def paired_loss(metric: str, mode: Mode) -> str | None:
    """The loss on the same data as a score: `val/loss` of `val/acc`; None of what is a loss or has no such prefix."""
    data, slash, _ = metric.rpartition("/")
    return f"{data}/loss" if slash and mode == "max" else None


def rank(value: float, mode: Mode) -> float:
    """A number that is the smaller, the better the value."""
    return -value if mode == "max" else value


def direction_text(mode: Mode) -> str:
    return "higher is better" if mode == "max" else "lower is better"


def selection_split_sentence(metric: str) -> str:
    """One sentence on which data chose, with a warning where the choice makes the figure too good."""
    return {
        "validation": "The validation data chose.",
        "train": "The training data chose: the figure shows the fit to seen data, not the result on new data.",
        "test": "The test data chose, so this figure is too good for new data; choose by a validation metric instead.",
        "unknown": "The metric's name does not say which data chose.",
    }[split_of(metric)]


def numbers_of(run: RunView) -> list[str]:
    """The names in a run's summary that hold numbers."""
    return [name for name, value in run.flat_summary.items() if as_number(value) is not None]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def default_metric(runs: Sequence[RunView]) -> str:
    """What runs are ranked by where nobody says: what they say chose their epochs, else the first of the usual ones.

    Raises:
        NotFound: There are none.
    """
    if not runs:
        raise NotFound("there are no runs to rank")
    chose = {str(by) for run in runs if (by := run.flat_summary.get(CHOSEN_BY))}
    if len(chose) == 1:
        return chose.pop()
    for metric in _USUAL:
        if any(metric in run.flat_summary or metric in run.metrics for run in runs):
            return metric
    # Nothing to rank by is no reason to show nothing: eight runs that all failed make a board of eight reasons.
    guessable = sorted({name for run in runs for name in run.metrics if guess_mode(name)})
    return guessable[0] if guessable else _USUAL[0]


def images_of(run: RunView, metric: str, value: float | None) -> int | None:
    """Of how many images a value of an accuracy is a share, as the run reports it: `val/images` of `val/acc`."""
    data, _, name = metric.rpartition("/")
    images = as_number(run.flat_summary.get(f"{data}/images"))
    if name not in _SHARES or value is None or images is None or not (0 <= value <= 1 and images >= 1):
        return None
    return int(images)

"""Learning rate range test. It trains with a rising rate, and finds the rates at which the loss falls or diverges."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

import runfolio
from runfolio.tracking.checkpointing import random_states
from runfolio.tracking.checkpointing.seeding import deterministic_algorithms
from runfolio.vision.loop.epochs import train_epoch
from runfolio.vision.loop.input_pipeline import InputPipeline
from runfolio.vision.loop.train_state import TrainState
from runfolio.vision.prepare import Preparation, prepare
from runfolio.vision.settings import AUTO, RANGE_TEST, TrainSettings
from runfolio.vision.tuning.batch_size import resolve_batch_size

if TYPE_CHECKING:
    import torch
    from matplotlib.figure import Figure
    from rich.progress import Progress

LOSS, SMOOTHED, RATE = "lr_finder/loss", "lr_finder/smoothed", "lr_finder/lr"
"""Metrics of the run: loss, smoothed loss and learning rate of each step."""
STEEPEST, SAFE = "lr_finder/steepest", "lr_finder/safe"
"""Names of the results in the run's summary."""
_LOWEST, _HIGHEST, _STEPS = 1e-7, 10.0, 100
_DIVERGED = 4.0
"""Maximum ratio of the current loss to the lowest loss. The test stops at a higher ratio. Both losses are means over
`_RECENT` steps."""
_RECENT, _WINDOW = 5, 9
_SAFE_SHARE = 0.1
_FALLS = 0.05
"""Required drop in the loss, as a fraction of its initial value. If the drop is smaller, no rate is suggested."""


@dataclass(frozen=True, kw_only=True)
class RangeTest:
    """Result of a range test: losses, and the suggested learning rates.

    Source: Smith, Cyclical Learning Rates for Training Neural Networks, arXiv:1506.01186, section 3.3
    """

    folder: Path
    """Folder of the run that records the test."""
    rates: NDArray[np.float64]
    """Learning rates, [steps]. Each rate is the previous rate times a constant factor."""
    losses: NDArray[np.float64]
    """Loss of each step, [steps], up to the end of the test."""
    smoothed: NDArray[np.float64]
    """Smoothed losses: weighted means of neighbouring losses, [steps]."""
    steepest: float | None
    """Rate at which the loss falls fastest, or None if the loss does not fall."""
    safe: float | None
    """One tenth of the rate with the lowest loss, or None if the loss does not fall."""

    @property
    def suggested(self) -> float | None:
        """Minimum of `steepest` and `safe`, or None if the loss does not fall."""
        return None if self.steepest is None or self.safe is None else min(self.steepest, self.safe)

    @property
    def sentence(self) -> str:
        if self.steepest is None or self.safe is None:
            return (
                f"The loss does not fall at any rate from {self.rates[0]:.1g} to {self.rates[-1]:.2g}, so no rate is"
                " suggested; check the network, its weights and the images."
            )
        return (
            f"The loss falls fastest at lr {self.steepest:.2g}; a tenth of the rate with the lowest loss is"
            f" {self.safe:.2g}. Start with the lower rate, {self.suggested:.2g}."
        )


class _TestOver(Exception):  # noqa: N818 - not an error
    """Signal that ends the test in the middle of an epoch."""


def find_lr(
    settings: TrainSettings,
    *,
    store: Path | str | None = None,
    experiment: str | None = None,
    name: str | None = None,
    progress: Progress | None = None,
) -> RangeTest:
    """Train for up to 100 steps with a learning rate that rises from 1e-7 to 10, and record the test as a run.

    The test trains like `run_experiment` with these settings, except for the schedule. A frozen backbone stays frozen.
    The test stops early if the loss diverges. The network is discarded, and the random generators are restored.

    Raises:
        NotFound: The model, data or weights are unknown.
        ConfigError: The settings cannot be used on this machine.
    """
    generators = random_states.capture_states()
    if settings.unfreeze_after is not None:  # unfreezing in the middle would change the network under test
        settings = replace(settings, unfreeze_after=None, layer_decay=None)
    preparation = prepare(settings, store=store, progress=progress)
    if settings.batch_size == AUTO:
        preparation, _ = resolve_batch_size(preparation, progress)
    runfolio.seed_everything(settings.seed)
    try:
        with (
            deterministic_algorithms(settings.deterministic),
            runfolio.init(
                name or f"{settings.run_name}-find-lr",
                experiment=experiment or settings.data_name,
                config={
                    **preparation.settings.as_dict(),
                    RANGE_TEST: {"lowest": _LOWEST, "highest": _HIGHEST, "steps": _STEPS},
                },
                tags=["lr-finder"],
                store=store,
                tensorboard=settings.tensorboard,
                recording=runfolio.RecordingConfig(announce=False),
            ) as run,
        ):
            return _record(run, _train(preparation, progress))
    finally:
        random_states.restore(generators)


def _train(preparation: Preparation, progress: Progress | None) -> list[float]:
    """Return the losses of all steps until the loss diverges."""
    settings = preparation.settings
    runfolio.seed_everything(settings.seed, deterministic=settings.deterministic)
    state = TrainState(preparation, schedule=lambda step: _rate(step) / settings.lr)
    inputs = InputPipeline(preparation)
    inputs.open_cache(state, progress)
    losses: list[float] = []
    task = progress.add_task("range test", total=_STEPS) if progress else None

    def on_step(loss: torch.Tensor) -> None:
        losses.append(loss.item())
        if progress and task is not None:
            progress.advance(task)
        if len(losses) == _STEPS or _has_diverged(losses):
            raise _TestOver

    try:
        while True:
            with inputs.connect(state) as batches:
                train_epoch(state, batches.train, on_step)
            state.epoch += 1
    except _TestOver:
        return losses
    finally:
        if progress and task is not None:
            progress.remove_task(task)


def _rate(step: int) -> float:
    """Return the learning rate of a step, counted from 0."""
    return _LOWEST * (_HIGHEST / _LOWEST) ** (min(step, _STEPS - 1) / (_STEPS - 1))


def _has_diverged(losses: list[float]) -> bool:
    if not math.isfinite(losses[-1]):
        return True
    means = np.convolve(losses, np.full(_RECENT, 1 / _RECENT), mode="valid")
    return len(means) > 0 and means[-1] > _DIVERGED * means.min()


def _record(run: runfolio.Run, losses: list[float]) -> RangeTest:
    test = analyze(run.folder, [_rate(step) for step in range(len(losses))], losses)
    run.define_metric("lr_finder/*", x=RATE)
    for step, (rate, loss, smooth) in enumerate(zip(test.rates, test.losses, test.smoothed, strict=True)):
        run.log({RATE: rate, LOSS: loss, SMOOTHED: smooth}, step=step)
    if test.steepest is not None:
        run.summary.update({STEEPEST: test.steepest, SAFE: test.safe})
    run.log_text("range test", test.sentence)
    run.log_figure("learning rate", range_figure(test))
    return test


def analyze(folder: Path, rates: list[float], losses: list[float]) -> RangeTest:
    """Return the result of a test, including the learning rates that the losses suggest.

    Args:
        folder: Run folder of the test.
        rates: Learning rate of each step.
        losses: Loss of each step. The last loss may be NaN or infinite.
    """
    lr, loss = np.array(rates), np.array(losses)
    smooth = _smooth(loss)
    lowest = int(np.argmin(np.where(np.isfinite(smooth), smooth, np.inf)))
    steepest = safe = None
    if smooth[lowest] < (1 - _FALLS) * smooth[0]:
        slopes = np.gradient(smooth[: lowest + 1], np.log10(lr[: lowest + 1]))
        steepest, safe = float(lr[np.argmin(slopes)]), float(lr[lowest] * _SAFE_SHARE)
    return RangeTest(folder=folder, rates=lr, losses=loss, smoothed=smooth, steepest=steepest, safe=safe)


def _smooth(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weighted means of the finite losses. The windows are centred, so they do not shift the curve."""
    weights = np.hanning(_WINDOW + 2)[1:-1]
    is_finite = np.isfinite(losses)
    sums = np.convolve(np.where(is_finite, losses, 0.0), weights)
    counts = np.convolve(is_finite.astype(float), weights)
    half = _WINDOW // 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return (sums / counts)[half : half + len(losses)]


def range_figure(test: RangeTest) -> Figure:
    """Draw the loss against the learning rate, and mark the suggested rates."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(test.rates, test.losses, color="0.75", linewidth=1, label="each step")
    axes.plot(test.rates, test.smoothed, color="C0", linewidth=1.8, label="smoothed")
    for rate, name, style in ((test.steepest, "steepest", "--"), (test.safe, "safe", ":")):
        if rate is not None:
            axes.axvline(rate, color="C1", linestyle=style, label=f"{name}: {rate:.2g}")
    start = test.smoothed[0]
    axes.set(
        xscale="log", xlabel="learning rate", ylabel="training loss", ylim=(None, 2 * start if start > 0 else None)
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure

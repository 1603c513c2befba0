"""Tracked image classification: data, models, training and prediction.

Importing this package is fast, because torch is imported only by the first call that needs it.

    from runfolio.vision import TrainSettings, run_experiment
    folder = run_experiment(TrainSettings(model="tinyvgg", epochs=5))
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runfolio.vision._extras import vision_extra
from runfolio.vision.settings import TrainSettings

if TYPE_CHECKING:
    from rich.progress import Progress

    from runfolio.vision.continuing.fork import Fork
    from runfolio.vision.drawing.evaluation_figures import draw_evaluation
    from runfolio.vision.drawing.predictions import draw_predictions
    from runfolio.vision.drawing.training_batch import draw_batch
    from runfolio.vision.evaluation.evaluate import EvaluationResult, evaluate
    from runfolio.vision.evaluation.predict import LoadedClassifier, Prediction, sample_test_images
    from runfolio.vision.models.summary import architecture
    from runfolio.vision.run import run_experiment
    from runfolio.vision.tuning.lr_finder import RangeTest, find_lr

__all__ = [
    "EvaluationResult",
    "Fork",
    "LoadedClassifier",
    "Prediction",
    "RangeTest",
    "TrainSettings",
    "architecture",
    "draw_batch",
    "draw_evaluation",
    "draw_predictions",
    "evaluate",
    "experiment",
    "find_lr",
    "run_experiment",
    "sample_test_images",
]

_LAZY = {
    "EvaluationResult": "runfolio.vision.evaluation.evaluate",
    "Fork": "runfolio.vision.continuing.fork",
    "LoadedClassifier": "runfolio.vision.evaluation.predict",
    "Prediction": "runfolio.vision.evaluation.predict",
    "RangeTest": "runfolio.vision.tuning.lr_finder",
    "architecture": "runfolio.vision.models.summary",
    "draw_batch": "runfolio.vision.drawing.training_batch",
    "draw_evaluation": "runfolio.vision.drawing.evaluation_figures",
    "draw_predictions": "runfolio.vision.drawing.predictions",
    "evaluate": "runfolio.vision.evaluation.evaluate",
    "find_lr": "runfolio.vision.tuning.lr_finder",
    "run_experiment": "runfolio.vision.run",
    "sample_test_images": "runfolio.vision.evaluation.predict",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with vision_extra("training and prediction"):
        return getattr(importlib.import_module(_LAZY[name]), name)


class _Experiment:
    """Experiment that a series can run under the name `runfolio.vision:experiment`."""

    settings = TrainSettings

    def check(self, settings: TrainSettings, *, store: Path | str | None = None) -> None:
        """Check that a run with these settings can start.

        Raises:
            RunfolioError: The model, data set, weights or device cannot be found, or they do not fit together.
        """
        with vision_extra("training"):
            from runfolio.vision.prepare import prepare
        prepare(settings, store=store)

    def run(
        self,
        settings: TrainSettings | None,
        *,
        store: Path | str | None = None,
        experiment: str | None = None,
        series: dict[str, Any] | None = None,
        resume: str | None = None,
        progress: Progress | None = None,
    ) -> Path:
        """Train one run and return its folder (see `runfolio.vision.run.run_experiment`)."""
        with vision_extra("training"):
            from runfolio.vision.run import run_experiment
        return run_experiment(
            settings, store=store, experiment=experiment, series=series, resume=resume, progress=progress
        )

    def conclude(self, runs: Mapping[Path, TrainSettings], *, store: Path | str | None, progress: Progress) -> None:
        """Test the chosen runs of a series (see `continuing.series_conclusion.conclude`)."""
        with vision_extra("testing"):
            from runfolio.vision.continuing.series_conclusion import conclude
        conclude(runs, store=store, progress=progress)


experiment = _Experiment()

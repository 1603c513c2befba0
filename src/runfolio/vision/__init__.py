"""Image classification, tracked: data, models, training, prediction.

Importing this package is cheap: torch comes in with the first call that needs it.

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

    from runfolio.vision.batch_picture import draw_batch
    from runfolio.vision.drawing import draw_predictions
    from runfolio.vision.evaluation import EvaluationResult, evaluate
    from runfolio.vision.evaluation_pictures import draw_evaluation
    from runfolio.vision.forking import Fork
    from runfolio.vision.lr_finder import RangeTest, find_lr
    from runfolio.vision.models.summary import architecture
    from runfolio.vision.predict import LoadedClassifier, Prediction, sample_test_images
    from runfolio.vision.training import run_experiment

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
    "EvaluationResult": "runfolio.vision.evaluation",
    "Fork": "runfolio.vision.forking",
    "LoadedClassifier": "runfolio.vision.predict",
    "Prediction": "runfolio.vision.predict",
    "RangeTest": "runfolio.vision.lr_finder",
    "architecture": "runfolio.vision.models.summary",
    "draw_batch": "runfolio.vision.batch_picture",
    "draw_evaluation": "runfolio.vision.evaluation_pictures",
    "draw_predictions": "runfolio.vision.drawing",
    "evaluate": "runfolio.vision.evaluation",
    "find_lr": "runfolio.vision.lr_finder",
    "run_experiment": "runfolio.vision.training",
    "sample_test_images": "runfolio.vision.predict",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with vision_extra("training and prediction"):
        return getattr(importlib.import_module(_LAZY[name]), name)


class _Experiment:
    """What a series runs when its target is `runfolio.vision:experiment`."""

    settings = TrainSettings

    def check(self, settings: TrainSettings, *, store: Path | str | None = None) -> None:
        """Refuse what could not be run: an unknown model or data set, weights that do not fit, a device not there."""
        with vision_extra("training"):
            from runfolio.vision.preparation import prepare
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
        """Train once and return the run's folder (see `runfolio.vision.training.run_experiment`)."""
        with vision_extra("training"):
            from runfolio.vision.training import run_experiment
        return run_experiment(
            settings, store=store, experiment=experiment, series=series, resume=resume, progress=progress
        )

    def conclude(self, runs: Mapping[Path, TrainSettings], *, store: Path | str | None, progress: Progress) -> None:
        """Test the runs of a series that validation chose (see `runfolio.vision.concluding.conclude`)."""
        with vision_extra("testing"):
            from runfolio.vision.concluding import conclude
        conclude(runs, store=store, progress=progress)


experiment = _Experiment()

"""Pictures of a run's results: the confusion matrix, a sample of predictions, and precision-recall curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from runfolio.vision.captioned_grid import RIGHT, WRONG, CaptionedImage, captioned_grid
from runfolio.vision.evaluation import class_report
from runfolio.vision.loop.epochs import Evaluation, evaluate
from runfolio.vision.loop.input_pipeline import InputPipeline
from runfolio.vision.loop.train_state import TrainState
from runfolio.vision.prepare import Preparation

if TYPE_CHECKING:
    from runfolio import Run

_SAMPLE = 24
_MOST_CURVES = 10
"""Maximum number of classes with separate precision-recall curves. If there are more classes, one curve covers all
classes."""
_NAME_LETTERS = 11
"""Maximum number of letters of a class name in a caption that also contains a probability."""


def record_validation(run: Run, state: TrainState, inputs: InputPipeline, preparation: Preparation, epoch: int) -> None:
    """Evaluate the weights of the best epoch on the validation images, and record the pictures of the result."""
    if not len(preparation.val):
        return
    logits: list[torch.Tensor] = []
    with inputs.connect(state) as batches:
        if batches.val is None:
            return
        validated = evaluate(state, batches.val, logits.append)
    classes = preparation.source.classes
    matrix = class_report.confusion_matrix(validated.predicted, validated.labels, len(classes))
    title = f"{run.name}: {validated.result.accuracy:.1%} of {validated.result.images:,} validation images"
    figure = class_report.confusion_figure(matrix, classes, title)
    figure.set_layout_engine("none")
    run.log_figure("val/confusion", figure, step=epoch)
    record_predictions(run, preparation, "val", validated, torch.cat(logits), epoch)


def record_predictions(
    run: Run,
    preparation: Preparation,
    part: Literal["val", "test"],
    evaluation: Evaluation,
    logits: torch.Tensor,
    epoch: int,
) -> None:
    """Record a sample of images with their predicted and true classes, and precision-recall curves."""
    source, classes = preparation.source, preparation.source.classes
    images, chosen = (source.train, preparation.val) if part == "val" else (source.test, preparation.test)
    probabilities = logits.float().softmax(dim=1).cpu()
    count = len(evaluation.labels)
    sample = sorted(np.random.RandomState(preparation.settings.seed).permutation(count)[:_SAMPLE].tolist())
    cells = []
    for position in sample:
        predicted, true = int(evaluation.predicted[position]), int(evaluation.labels[position])
        caption = f"{_shortened(classes[predicted])} ({probabilities[position, predicted]:.0%})"
        color = RIGHT if predicted == true else WRONG
        cells.append(CaptionedImage(images.image(int(chosen[position])), caption, f"truth: {classes[true]}", color))
    run.log_image(f"{part}/predictions", captioned_grid(cells, preparation.transform.value_range), step=epoch)
    if not torch.isfinite(probabilities).all():  # the training has diverged
        return
    truth = torch.nn.functional.one_hot(evaluation.labels, len(classes))
    if len(classes) > _MOST_CURVES:
        run.log_pr_curve(f"{part}/all classes", truth, probabilities, step=epoch)
        return
    for index, name in enumerate(classes):
        run.log_pr_curve(f"{part}/{name}", truth[:, index], probabilities[:, index], step=epoch)


def _shortened(name: str) -> str:
    return name if len(name) <= _NAME_LETTERS else f"{name[: _NAME_LETTERS - 3]}..."

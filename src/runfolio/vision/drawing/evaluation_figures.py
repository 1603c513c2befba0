"""Figures of an evaluation: confusion matrix, reliability diagram and most confident mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from runfolio.vision._extras import vision_extra
from runfolio.vision.data import ImageSource
from runfolio.vision.drawing.predictions import draw_predictions, save_figure
from runfolio.vision.evaluation.calibration import reliability_figure
from runfolio.vision.evaluation.class_report import confusion_figure
from runfolio.vision.evaluation.evaluate import EvaluationResult

MISTAKES_DRAWN = 24


def draw_evaluation(result: EvaluationResult, source: ImageSource, folder: str | Path, name: str) -> list[Path]:
    """Write the figures and return their paths: `confusion.png`, `reliability.png`, and `mistakes.png` if there are
    mistakes.

    Args:
        source: Images that were evaluated.
        name: Name of the model, for the titles.

    Raises:
        StoreError: A figure cannot be written.
    """
    folder = Path(folder)
    with vision_extra("drawing an evaluation"):
        return list(_write_figures(result, source, folder, name))


def _write_figures(result: EvaluationResult, source: ImageSource, folder: Path, name: str) -> Iterator[Path]:
    images = f"{result.images:,} {result.split} image{'s' * (result.images != 1)}"
    confusion = confusion_figure(
        torch.tensor(result.confusion), result.classes, f"{name}: {result.accuracy:.1%} of {images}"
    )
    reliability = reliability_figure(
        result.calibration, f"{name}: calibration error {result.calibration.error:.3f} on {images}"
    )
    for figure, file in ((confusion, "confusion.png"), (reliability, "reliability.png")):
        save_figure(figure, folder / file)
        yield folder / file
    if result.mistakes:
        yield _draw_mistakes(result, source, folder / "mistakes.png", name)


def _draw_mistakes(result: EvaluationResult, source: ImageSource, path: Path, name: str) -> Path:
    shown = result.mistakes[:MISTAKES_DRAWN]
    images = source.train if result.split == "train" else source.test
    count = len(result.mistakes)
    selection = f"the {len(shown)} most confident of {count:,} mistakes" if len(shown) < count else f"{count} mistakes"
    return draw_predictions(
        [images.image(mistake.index) for mistake in shown],
        shown,
        [mistake.truth for mistake in shown],
        path,
        title=f"{name}: {selection if count > 1 else 'the only mistake'} in {result.images:,} images",
    )

"""Figure of predictions: a grid of images with predicted class, probability and correctness."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from PIL import Image, ImageOps

from runfolio.errors import ConfigError, StoreError
from runfolio.vision._extras import vision_extra
from runfolio.vision.data.pictures import ValueRange, is_deep, to_channels, value_bands
from runfolio.vision.evaluation.predict import Picture, open_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_RIGHT, _WRONG, _UNKNOWN = "#1a7f37", "#cf222e", "#3d4451"
_MAX_COLUMNS = 6
_CELL_INCHES = (1.75, 2.12)
_MAX_PIXELS = 600
"""Maximum length of each side of a drawn image, in pixels. Larger images are scaled down, since a cell cannot show more
pixels and drawing them would be slow."""
_SHARP_PIXELS = 64
"""Maximum length of each side, in pixels, of images that are drawn without interpolation."""
_GREY_MODES = ("1", "L", "LA")


class ShownPrediction(Protocol):
    """Prediction that can be drawn: a `Prediction` or a mistake of an evaluation."""

    @property
    def label(self) -> str: ...

    @property
    def probability(self) -> float: ...


def draw_predictions(
    images: Sequence[Picture],
    predictions: Sequence[ShownPrediction],
    truths: Sequence[str | None] | None,
    path: str | Path,
    *,
    title: str | None = None,
) -> Path:
    """Draw a grid of images with their predicted classes and probabilities, and return the path.

    Correct predictions are green. Wrong predictions are red and show the true class. Images of unknown class are grey.

    Args:
        truths: True class of each image. An unknown class is None. Pass None instead of a list if all classes are
            unknown.
        path: File to write. The suffix selects the format. If there is no suffix, `.png` is added.

    Raises:
        ConfigError: There is nothing to draw, or the lists differ in length.
        StoreError: `path` cannot be written.
    """
    if not images or len(images) != len(predictions) or (truths is not None and len(truths) != len(images)):
        truth_count = "no" if truths is None else len(truths)
        raise ConfigError(
            f"cannot draw {len(images)} images with {len(predictions)} predictions and {truth_count} true classes"
        )
    with vision_extra("drawing predictions"):
        from matplotlib.figure import Figure

    columns = min(_MAX_COLUMNS, math.ceil(math.sqrt(len(images) * 1.5)), len(images))
    rows = math.ceil(len(images) / columns)
    size = (max(columns * _CELL_INCHES[0], 3.5), rows * _CELL_INCHES[1] + 0.5)
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    figure.suptitle(title if title is not None else _headline(predictions, truths), fontsize=12, color=_UNKNOWN)
    cells = figure.subplots(rows, columns, squeeze=False).flat
    for index, axes in enumerate(cells):
        axes.set_axis_off()
        if index < len(images):
            truth = truths[index] if truths is not None else None
            _draw_one(axes, images[index], predictions[index], truth)
    path = Path(path) if Path(path).suffix else Path(path).with_suffix(".png")
    save_figure(figure, path)
    return path


def _draw_one(axes: Axes, image: Picture, prediction: ShownPrediction, truth: str | None) -> None:
    axes.set_axis_on()
    show_picture(axes, open_picture(image))
    colour = _UNKNOWN if truth is None else _RIGHT if truth == prediction.label else _WRONG
    for spine in axes.spines.values():
        spine.set(color=colour, linewidth=2)
    axes.set_title(
        f"{shortened(prediction.label)} · {_percent(prediction.probability)}", fontsize=10, color=colour, weight="bold"
    )
    # A blank line below correct images gives all rows of the grid the same height.
    axes.set_xlabel(
        f"truth: {shortened(truth)}" if truth is not None and colour == _WRONG else " ", fontsize=9, color=colour
    )


def show_picture(axes: Axes, picture: Image.Image, value_range: ValueRange | None = None) -> None:
    """Draw a picture of any mode and size into a cell of a grid. The picture is converted like a network input.

    Args:
        value_range: Values that become black and white in pictures with more than 8 bits per channel. The default is
            the lowest and highest value of the picture.
    """
    if value_range is None and is_deep(picture.mode) and (bands := [(v.min(), v.max()) for v in value_bands(picture)]):
        value_range = float(min(low for low, _ in bands)), float(max(high for _, high in bands))
    channels = 1 if picture.mode in _GREY_MODES or is_deep(picture.mode) else 3
    picture = to_channels(picture, channels, value_range)
    if max(picture.size) > _MAX_PIXELS:
        picture = ImageOps.contain(picture, (_MAX_PIXELS, _MAX_PIXELS))
    sharp = max(picture.size) <= _SHARP_PIXELS
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest" if sharp else "antialiased")
    axes.set(xticks=[], yticks=[], anchor="N")  # this aligns the titles of a row even if the pictures differ in height


def _headline(predictions: Sequence[ShownPrediction], truths: Sequence[str | None] | None) -> str:
    count = len(predictions)
    labelled = sum(truth is not None for truth in truths or ())
    if truths is None or not labelled:
        return f"{count} prediction{'s' * (count != 1)}"
    right = sum(prediction.label == truth for prediction, truth in zip(predictions, truths, strict=True))
    return f"{right} of {labelled} right" + (f", {count - labelled} of unknown class" if labelled < count else "")


def _percent(probability: float) -> str:
    if math.isnan(probability):  # the probability is NaN if training has diverged
        return "nan"
    # The value is rounded down, since 99.96 % must not look like certainty.
    return f"{math.floor(probability * 1000) / 10:.1f} %"


def shortened(name: str) -> str:
    """Return a name, shortened to the width of a cell."""
    return name if len(name) <= 16 else f"{name[:15]}…"


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure to a file, and create the folder if necessary.

    Raises:
        StoreError: `path` cannot be written.
        ConfigError: The suffix is not a known image format.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror or error}") from None
    except ValueError as error:  # the image format is unknown
        raise ConfigError(f"cannot write {path}: {error}") from None

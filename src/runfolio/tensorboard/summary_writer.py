"""The methods of `torch.utils.tensorboard.SummaryWriter` on a run of its own, for scripts that know them."""

from __future__ import annotations

import logging
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from runfolio.errors import ConfigError, RunfolioError
from runfolio.tracking.init import init
from runfolio.tracking.pipeline import media_content
from runfolio.tracking.pipeline.pixels import StoredImage
from runfolio.tracking.pipeline.plain_values import detach_value
from runfolio.tracking.pipeline.queue_items import Media, Scalars
from runfolio.tracking.resume import resume
from runfolio.tracking.run import Run

log = logging.getLogger("runfolio")
_GRID_COLUMNS = 8
_LAST_MOMENT = 2**63 / 1e6
"""Seconds since 1970 whose microseconds 64 bits do not hold any more."""


def create_writer(
    experiment: str,
    model: str,
    extra: str | None = None,
    *,
    store: str | os.PathLike[str] | None = None,
    config: Any = None,
) -> SummaryWriter:
    """Open a run that TensorBoard shows too, named `model` or `model-extra`, and write to it as to a SummaryWriter.

    Raises:
        As `runfolio.init`.
    """
    name = model if extra is None else f"{model}-{extra}"
    return SummaryWriter(init(name, experiment=experiment, store=store, config=config, tensorboard=True))


def _refused(name: str) -> Callable[..., None]:
    def refuse(self: SummaryWriter, *args: Any, **kwargs: Any) -> None:
        raise ConfigError(
            f"{name} is not there: runfolio records scalars, histograms, images, figures, texts and graphs;"
            " run.artifact(path) keeps any other file with the run"
        )

    return refuse


class SummaryWriter:
    """A run behind the methods of torch's SummaryWriter; `run` is the run itself.

    Arguments have the names, the order and the meaning they have there. Where no step is given, each tag counts its
    own. Histograms have 64 bins of equal width, whatever is asked for; `new_style` and `double_precision` change
    nothing, for the record holds float64.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self._closed = False
        self._counted: dict[str, int] = {}

    @property
    def log_dir(self) -> str:
        """The run's folder."""
        return str(self.run.folder)

    def get_logdir(self) -> str:
        return self.log_dir

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        self._add_scalars({tag: scalar_value}, tag, global_step, walltime)

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: Mapping[str, Any],
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Metrics `main_tag/key` of this run; SummaryWriter makes a run of each."""
        values = {f"{main_tag}/{key}": value for key, value in tag_scalar_dict.items()}
        self._add_scalars(values, main_tag, global_step, walltime)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: int | None = None,
        bins: Any = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        copied = media_content.own_copy(values)
        self._add("histogram", tag, lambda: media_content.histogram(copied), global_step, walltime)

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        copied = media_content.own_copy(img_tensor)
        self._add("image", tag, lambda: media_content.png(_image(copied, dataformats)), global_step, walltime)

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """Several images as one, eight in a row."""
        self.add_image(tag, img_tensor, global_step, walltime, dataformats)

    def add_figure(
        self,
        tag: str,
        figure: Any,
        global_step: int | None = None,
        close: bool = True,
        walltime: float | None = None,
    ) -> None:
        """A matplotlib figure; of a list, each is one: `tag`, `tag/1`, and so on."""
        figures = list(figure) if isinstance(figure, (list, tuple)) else [figure]
        for index, single in enumerate(figures):
            drawn = media_content.figure_png(single)
            self._add("figure", f"{tag}/{index}" if index else tag, lambda drawn=drawn: drawn, global_step, walltime)
            if close and (pyplot := sys.modules.get("matplotlib.pyplot")):
                pyplot.close(single)

    def add_text(
        self, tag: str, text_string: str, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        content = {"text": str(text_string)}
        self._add("text", tag, lambda: content, global_step, walltime)

    def add_graph(
        self, model: Any, input_to_model: Any = None, verbose: bool = False, use_strict_trace: bool = True
    ) -> None:
        self._opened().log_graph(model, input_to_model)

    def add_hparams(
        self,
        hparam_dict: Mapping[str, Any],
        metric_dict: Mapping[str, Any],
        hparam_domain_discrete: Mapping[str, Any] | None = None,
        run_name: str | None = None,
        global_step: int | None = None,
    ) -> None:
        """Config and results of this run; SummaryWriter makes another run for them.

        Raises:
            ConfigError: One of them is no dict.
        """
        for values in (hparam_dict, metric_dict):
            if not isinstance(values, Mapping):
                raise ConfigError(f"add_hparams takes two dicts; one is a {type(values).__name__}")
        run = self._opened()
        run.config.update(hparam_dict)
        run.summary.update(metric_dict)

    def add_custom_scalars(self, layout: Mapping[str, Mapping[str, Sequence[Any]]]) -> None:
        """Which metrics go into one chart: `{"category": {"title": ["Multiline", [tag, ...]]}}`, or `["Margin", [value,
        lower, upper]]`.

        Raises:
            ConfigError: It is of another form.
        """
        try:
            charts = {
                str(category): {
                    str(title): [_chart_kind(kind), list(map(str, tags))] for title, (kind, tags) in titles.items()
                }
                for category, titles in layout.items()
            }
        except (AttributeError, TypeError, ValueError):
            raise ConfigError('a layout is {"category": {"title": ["Multiline" or "Margin", [tag, ...]]}}') from None
        self._add("layout", "layout", lambda: {"charts": charts}, 0, None)

    def add_custom_scalars_multilinechart(
        self, tags: Sequence[str], category: str = "default", title: str = "untitled"
    ) -> None:
        self.add_custom_scalars({category: {title: ["Multiline", tags]}})

    def add_custom_scalars_marginchart(
        self, tags: Sequence[str], category: str = "default", title: str = "untitled"
    ) -> None:
        self.add_custom_scalars({category: {title: ["Margin", tags]}})

    add_audio = _refused("add_audio")
    add_embedding = _refused("add_embedding")
    add_histogram_raw = _refused("add_histogram_raw")
    add_image_with_boxes = _refused("add_image_with_boxes")
    add_mesh = _refused("add_mesh")
    add_onnx_graph = _refused("add_onnx_graph")
    add_pr_curve = _refused("add_pr_curve")
    add_pr_curve_raw = _refused("add_pr_curve_raw")
    add_tensor = _refused("add_tensor")
    add_video = _refused("add_video")

    def flush(self) -> None:
        self.run.flush()

    def close(self) -> None:
        """End the run. What is added later opens it again, as with SummaryWriter: many close it in each epoch."""
        self.run.finish()
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run.__exit__(kind, error, trace)

    def _opened(self) -> Run:
        """The run; after `close`, a new attempt of it that keeps every point. Where that fails, it stays closed."""
        if self._closed:
            self._closed = False
            try:
                self.run = resume(self.run.folder, checkpoint=None)
            except RunfolioError as error:
                log.error("run %s cannot be opened again after close(): %s", self.run.id, error)
        return self.run

    def _add_scalars(self, values: Mapping[str, Any], counter: str, step: int | None, walltime: float | None) -> None:
        copied = {name: detach_value(value) for name, value in values.items()}
        recorder = self._opened().recorder
        moment = recorder.now() if walltime is None else _moment(walltime)
        recorder.record(Scalars(moment, self._step(counter, step), copied))

    def _add(
        self,
        kind: str,
        tag: str,
        content: Callable[[], StoredImage | bytes | dict[str, Any]],
        step: int | None,
        walltime: float | None,
    ) -> None:
        recorder = self._opened().recorder
        moment = recorder.now() if walltime is None else _moment(walltime)
        recorder.record(Media(moment, self._step(tag, step), kind, str(tag), content))

    def _step(self, tag: str, step: int | None) -> int:
        counted = self._counted.get(tag, 0)
        self._counted[tag] = counted + 1
        return counted if step is None else step


def _moment(walltime: float) -> float:
    try:
        moment = float(walltime)
    except (TypeError, ValueError):
        moment = math.nan
    if not abs(moment) < _LAST_MOMENT:
        raise ConfigError(f"walltime {walltime!r} is no time; give seconds since 1970, as time.time() does")
    return moment


def _chart_kind(kind: str) -> str:
    lowered = kind.lower()
    if lowered not in ("multiline", "margin"):
        raise ValueError(kind)
    return lowered


def _image(image: Any, dataformats: str) -> Any:
    """An image, or several as one, as an array [height, width, channels], from axes named N, C, H and W.

    Raises:
        ConfigError: The axes are not those of the array, or not of an image.
    """
    import numpy as np

    array, axes = media_content.as_numbers(image), dataformats.upper()
    if array.ndim != len(axes) or len(set(axes)) != len(axes) or not {"H", "W"} <= set(axes) <= set("NCHW"):
        raise ConfigError(f"an image of shape {array.shape} has not the axes {dataformats!r}")
    for missing in (axis for axis in "CN" if axis not in axes):
        array, axes = array[None], missing + axes
    batch = np.transpose(array, [axes.index(axis) for axis in "NHWC"])
    count, height, width, channels = batch.shape
    columns = min(count, _GRID_COLUMNS)
    rows = math.ceil(count / columns)
    grid = np.zeros((rows * columns, height, width, channels), batch.dtype)
    grid[:count] = batch
    grid = grid.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return grid.reshape(rows * height, columns * width, channels)

"""Replacement for `torch.utils.tensorboard.SummaryWriter` that records to a run."""

from __future__ import annotations

import logging
import math
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from runfolio.errors import ConfigError, RunfolioError
from runfolio.tensorboard import summary_content
from runfolio.tracking.guard import guarded
from runfolio.tracking.init import init
from runfolio.tracking.media import audio, image_layers, meshes, video
from runfolio.tracking.pipeline import figure_image, media_content
from runfolio.tracking.pipeline.config_values import plain_config
from runfolio.tracking.pipeline.plain_texts import shorten, text_of
from runfolio.tracking.pipeline.plain_values import detach_value, metric_value, named_number, whole_step
from runfolio.tracking.pipeline.queue_items import Media, Scalars
from runfolio.tracking.pipeline.stored_file import StoredFile
from runfolio.tracking.resume import resume
from runfolio.tracking.run import Run

log = logging.getLogger("runfolio")
_MOST_CHARTS = 1000
_LAST_MOMENT = 2**63 / 1e6
"""Seconds since 1970 beyond which a time in microseconds exceeds 64 bits."""


def create_writer(
    experiment: str,
    model: str,
    extra: str | None = None,
    *,
    store: str | os.PathLike[str] | None = None,
    config: Any = None,
) -> SummaryWriter:
    """Start a run named `model` or `model-extra`, and return a SummaryWriter for it. The run has a TensorBoard event
    file.

    Raises:
        RunfolioError: As in `runfolio.init`.
    """
    name = model if extra is None else f"{model}-{extra}"
    return SummaryWriter(init(name, experiment=experiment, store=store, config=config, tensorboard=True))


class SummaryWriter:
    """Writer with the methods of torch's SummaryWriter. The methods record to `run`.

    Arguments have the same names, order and meaning as in torch. If no step is given, each tag counts its own steps.
    Histograms always have 64 bins of equal width. `new_style` and `double_precision` have no effect, since the record
    always stores float64. Tensors, embeddings and precision-recall curves become artifacts. Like `Run`, this class
    counts the values that cannot be recorded, and reports them once.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self._closed = False
        self._step_counts: dict[str, int] = {}

    @property
    def log_dir(self) -> str:
        """Folder of the run."""
        return str(self.run.folder)

    def get_logdir(self) -> str:
        return self.log_dir

    @guarded(None)
    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        tag = text_of(tag, "tag")
        self._add_scalars({tag: scalar_value}, tag, global_step, walltime)

    @guarded(None)
    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: Mapping[str, Any],
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Record the metrics `main_tag/key`. TensorBoard draws them as lines of one card named `main_tag`.

        As with torch's SummaryWriter, TensorBoard lists each line as a run. After 1,000 main tags, each additional
        metric gets its own card.
        """
        main_tag = text_of(main_tag, "main_tag")
        charts = self._open_run().recorder.document.charts
        if main_tag not in charts and len(charts) < _MOST_CHARTS:
            charts.append(main_tag)
            self.run.recorder.note_change()
        values = {f"{main_tag}/{text_of(key, 'a key')}": value for key, value in tag_scalar_dict.items()}
        self._add_scalars(values, main_tag, global_step, walltime)

    @guarded(None)
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

    @guarded(None)
    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        copied, axes = media_content.own_copy(img_tensor), text_of(dataformats, "dataformats")
        self._add(
            "image", tag, lambda: media_content.png(summary_content.image_grid(copied, axes)), global_step, walltime
        )

    @guarded(None)
    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """Record several images as one image, which is a grid with eight images per row."""
        self.add_image(tag, img_tensor, global_step, walltime, dataformats)

    @guarded(None)
    def add_figure(
        self,
        tag: str,
        figure: Any,
        global_step: int | None = None,
        close: bool = True,
        walltime: float | None = None,
    ) -> None:
        """Record a matplotlib figure, or a list of figures as `tag`, `tag/1`, and so on."""
        tag = text_of(tag, "tag")
        figures = list(figure) if isinstance(figure, (list, tuple)) else [figure]
        for index, single in enumerate(figures):
            drawn = figure_image.figure_png(single)
            self._add("figure", f"{tag}/{index}" if index else tag, lambda drawn=drawn: drawn, global_step, walltime)
            if close and (pyplot := sys.modules.get("matplotlib.pyplot")):
                pyplot.close(single)

    @guarded(None)
    def add_text(
        self, tag: str, text_string: str, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        content = {"text": text_of(text_string, "text_string")}
        self._add("text", tag, lambda: content, global_step, walltime)

    @guarded(None)
    def add_graph(
        self, model: Any, input_to_model: Any = None, verbose: bool = False, use_strict_trace: bool = True
    ) -> None:
        self._open_run().log_graph(model, input_to_model)

    @guarded(None)
    def add_hparams(
        self,
        hparam_dict: Mapping[str, Any],
        metric_dict: Mapping[str, Any],
        hparam_domain_discrete: Mapping[str, Any] | None = None,
        run_name: str | None = None,
        global_step: int | None = None,
    ) -> None:
        """Record settings and results in this run. (torch's SummaryWriter creates a separate run for these values.)"""
        for values in (hparam_dict, metric_dict):
            if not isinstance(values, Mapping):
                raise ConfigError(f"add_hparams takes two dicts, but one argument is a {type(values).__name__}")
        run = self._open_run()
        run.config.update(hparam_dict)
        run.summary.update(metric_dict)

    @guarded(None)
    def add_custom_scalars(self, layout: Mapping[str, Mapping[str, Sequence[Any]]]) -> None:
        """Define charts that combine several metrics.

        The layout is `{"category": {"title": ["Multiline", [tag, ...]]}}`, or `["Margin", [value, lower, upper]]`.
        """
        try:
            charts = {
                text_of(category, "a category"): {
                    text_of(title, "a title"): [_chart_kind(kind), [text_of(tag, "a tag") for tag in tags]]
                    for title, (kind, tags) in titles.items()
                }
                for category, titles in layout.items()
            }
        except (AttributeError, TypeError, ValueError, ConfigError):
            raise ConfigError('a layout is {"category": {"title": ["Multiline" or "Margin", [tag, ...]]}}') from None
        self._add("layout", "layout", lambda: {"charts": charts}, 0, None)

    @guarded(None)
    def add_custom_scalars_multilinechart(
        self, tags: Sequence[str], category: str = "default", title: str = "untitled"
    ) -> None:
        self.add_custom_scalars({category: {title: ["Multiline", tags]}})

    @guarded(None)
    def add_custom_scalars_marginchart(
        self, tags: Sequence[str], category: str = "default", title: str = "untitled"
    ) -> None:
        self.add_custom_scalars({category: {title: ["Margin", tags]}})

    @guarded(None)
    def add_histogram_raw(
        self,
        tag: str,
        min: float,  # noqa: A002 - names of SummaryWriter
        max: float,  # noqa: A002
        num: float,
        sum: float,  # noqa: A002
        sum_squares: float,
        bucket_limits: Any,
        bucket_counts: Any,
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        content = summary_content.raw_histogram(
            named_number(min, "min"),
            named_number(max, "max"),
            named_number(num, "num"),
            named_number(sum, "sum"),
            named_number(sum_squares, "sum_squares"),
            bucket_limits,
            bucket_counts,
        )
        self._add("histogram", tag, lambda: content, global_step, walltime)

    @guarded(None)
    def add_image_with_boxes(
        self,
        tag: str,
        img_tensor: Any,
        box_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        rescale: float = 1,
        dataformats: str = "CHW",
        labels: Sequence[str] | None = None,
    ) -> None:
        """Record an image and boxes (x1, y1, x2, y2), which TensorBoard draws on the image."""
        image, corners = media_content.own_copy(img_tensor), media_content.as_numbers(box_tensor).reshape(-1, 4)
        axes, factor = text_of(dataformats, "dataformats"), named_number(rescale, "rescale")
        texts = [labels] if isinstance(labels, str) else labels
        boxes = {"boxes": corners * factor, "labels": texts if texts and len(texts) == len(corners) else None}
        layers = image_layers.layers_copy(boxes, None, None)

        def content() -> StoredFile:
            enlarged = summary_content.rescaled(summary_content.image_grid(image, axes), factor)
            return image_layers.with_layers(enlarged, layers)

        self._add("image", tag, content, global_step, walltime)

    @guarded(None)
    def add_video(
        self,
        tag: str,
        vid_tensor: Any,
        global_step: int | None = None,
        fps: float = 4,
        walltime: float | None = None,
    ) -> None:
        """Record videos [N, frames, channels, height, width] as one video, which is a grid with eight videos per
        row."""
        copied, rate = media_content.own_copy(vid_tensor), video.frame_rate(fps)
        self._add(
            "video",
            tag,
            lambda: video.stored_video(video.video_copy(summary_content.video_grid(copied)), rate),
            global_step,
            walltime,
        )

    @guarded(None)
    def add_audio(
        self,
        tag: str,
        snd_tensor: Any,
        global_step: int | None = None,
        sample_rate: int = 44100,
        walltime: float | None = None,
    ) -> None:
        copied, rate = audio.audio_copy(summary_content.sound(snd_tensor)), audio.whole_rate(sample_rate)
        self._add("audio", tag, lambda: audio.stored_audio(copied, rate), global_step, walltime)

    @guarded(None)
    def add_tensor(self, tag: str, tensor: Any, global_step: int | None = None, walltime: float | None = None) -> None:
        """Record a tensor as an artifact that contains an `.npy` file."""
        self._save_artifact("tensor", tag, global_step, {}, tensor=tensor)

    @guarded(None)
    def add_embedding(
        self,
        mat: Any,
        metadata: Any = None,
        label_img: Any = None,
        global_step: int | None = None,
        tag: str = "default",
        metadata_header: Any = None,
    ) -> None:
        """Record points with their metadata and images as an artifact."""
        details = {} if metadata is None else summary_content.table(metadata, metadata_header)
        self._save_artifact("embedding", tag, global_step, details, points=mat, images=label_img)

    @guarded(None)
    def add_mesh(
        self,
        tag: str,
        vertices: Any,
        colors: Any = None,
        faces: Any = None,
        config_dict: Mapping[str, Any] | None = None,
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Record a batch of meshes, or of point clouds if there are no faces, as `tag`, `tag/1`, and so on."""
        tag = text_of(tag, "tag")
        notes = {} if config_dict is None else {"config": plain_config(config_dict)}
        for index, parts in enumerate(summary_content.single_meshes(vertices, faces, colors)):
            copied = meshes.mesh_copy(*parts)

            def content(copied: Any = copied) -> StoredFile:
                stored = meshes.stored_mesh(copied)
                return stored._replace(notes=stored.notes | notes)

            self._add("mesh", f"{tag}/{index}" if index else tag, content, global_step, walltime)

    @guarded(None)
    def add_pr_curve(
        self,
        tag: str,
        labels: Any,
        predictions: Any,
        global_step: int | None = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Record precision and recall for thresholds from 0 to 1 as an artifact."""
        curves = summary_content.precision_recall(
            labels, predictions, round(named_number(num_thresholds, "num_thresholds")), weights
        )
        self._save_artifact("pr_curve", tag, global_step, curves)

    @guarded(None)
    def add_pr_curve_raw(
        self,
        tag: str,
        true_positive_counts: Any,
        false_positive_counts: Any,
        true_negative_counts: Any,
        false_negative_counts: Any,
        precision: Any,
        recall: Any,
        global_step: int | None = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        counts = (true_positive_counts, false_positive_counts, true_negative_counts, false_negative_counts)
        self._save_artifact("pr_curve", tag, global_step, summary_content.curves(*counts, precision, recall))

    @guarded(None)
    def add_onnx_graph(self, prototxt: str | os.PathLike[str]) -> None:
        """Record an ONNX file as an artifact."""
        self._open_run().artifact(prototxt, type="onnx")

    def flush(self) -> None:
        self.run.flush()

    def close(self) -> None:
        """End the run. Later calls of other methods open the run again, because many scripts close their writer in each
        epoch."""
        self.run.finish()
        self._closed = True

    def __enter__(self) -> Self:
        self.run.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run.__exit__(kind, error, trace)

    def _open_run(self) -> Run:
        """Return the run. If `close` or another `init` has ended the run, resume the run and keep all its points.

        If the run cannot be resumed, it remains closed.
        """
        if self._closed or self.run.recorder.is_replaced:
            self._closed = self.run.recorder.is_replaced = False
            try:
                self.run = resume(self.run.folder, checkpoint=None, keep_others=True)
            except RunfolioError as error:
                log.error("run %s cannot be opened again after close(): %s", self.run.id, error)
        self.run.recorder.note_call()
        return self.run

    def _add_scalars(self, values: Mapping[str, Any], counter: str, step: int | None, walltime: float | None) -> None:
        copied = {name: detach_value(value) for name, value in values.items()}
        recorder = self._open_run().recorder
        moment = recorder.now() if walltime is None else _moment(walltime)
        recorder.record(Scalars(moment, self._step(counter, step), copied))

    def _save_artifact(
        self,
        kind: str,
        tag: str,
        step: int | None,
        details: Mapping[str, Any],
        **arrays: Any,
    ) -> None:
        """Store values that are not media as an artifact for a tag and a step (see `docs/format.md`, Artifacts)."""
        tag = text_of(tag, "tag")
        step = whole_step(self._step(tag, step))
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            summary_content.write_files(folder, {"tag": tag, "step": step, **details}, arrays)
            self._open_run().artifact(folder, summary_content.artifact_name(tag, step), type=kind)

    def _note_failure(self, call: str, error: Exception) -> None:
        self.run.recorder.note_failure(call, error)

    def _add(
        self,
        kind: str,
        tag: str,
        content: Callable[[], StoredFile | bytes | dict[str, Any]],
        step: int | None,
        walltime: float | None,
    ) -> None:
        tag = text_of(tag, "tag")
        recorder = self._open_run().recorder
        moment = recorder.now() if walltime is None else _moment(walltime)
        recorder.record(Media(moment, self._step(tag, step), kind, tag, content))

    def _step(self, tag: str, step: Any) -> Any:
        step_count = self._step_counts.get(tag, 0)
        self._step_counts[tag] = step_count + 1
        return step_count if step is None else step if type(step) is int else detach_value(step)


def _moment(walltime: float) -> float:
    try:
        moment = metric_value(walltime)
    except ConfigError:
        moment = math.nan
    if not abs(moment) < _LAST_MOMENT:
        raise ConfigError(f"walltime {shorten(walltime)} is not a time; pass seconds since 1970, like time.time()")
    return moment


def _chart_kind(kind: str) -> str:
    lowered = kind.lower()
    if lowered not in ("multiline", "margin"):
        raise ValueError(kind)
    return lowered

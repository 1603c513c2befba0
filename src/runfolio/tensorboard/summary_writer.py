"""Replacement for `torch.utils.tensorboard.SummaryWriter` that records to a run."""

from __future__ import annotations

import json
import logging
import math
import os
import platform
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from runfolio.errors import ConfigError, RunfolioError, StoreError
from runfolio.record.base.layout import make_store, slug, store_folder
from runfolio.tensorboard import projector, summary_content
from runfolio.tensorboard.file_writer import FileWriter
from runfolio.tracking.guard import guarded
from runfolio.tracking.init import init
from runfolio.tracking.log_folder import open_log_folder
from runfolio.tracking.media import audio, image_layers, meshes, precision_recall, video
from runfolio.tracking.name_hints import hint_at
from runfolio.tracking.pipeline import figure_image, media_content
from runfolio.tracking.pipeline.config_values import plain_config
from runfolio.tracking.pipeline.plain_texts import shorten, text_of
from runfolio.tracking.pipeline.plain_values import detach_value, metric_value, named_number, whole_step
from runfolio.tracking.pipeline.queue_items import Media, Scalars
from runfolio.tracking.pipeline.stored_file import StoredFile
from runfolio.tracking.run import Run

log = logging.getLogger("runfolio")
_MOST_CHARTS = 1000
_LAST_MOMENT = 2**63 / 1e6
"""Seconds since 1970 beyond which a time in microseconds exceeds 64 bits."""


@hint_at({"experiment": "experiment_name=...", "model": "model_name=..."})
def create_writer(
    experiment_name: str,
    model_name: str,
    extra: str | None = None,
    *,
    store: str | os.PathLike[str] | None = None,
    config: Any = None,
) -> SummaryWriter:
    """Start a run named `model_name` or `model_name-extra`, and return a SummaryWriter for it. The run has a
    TensorBoard event file.

    Args:
        experiment_name: Experiment of the run.
        store: Folder of all runs, as in `runfolio.init`.
        config: Hyperparameters, as in `runfolio.init`.

    Raises:
        RunfolioError: As in `runfolio.init`.
    """
    name = model_name if extra is None else f"{model_name}-{extra}"
    return SummaryWriter.of_run(init(name, experiment=experiment_name, store=store, config=config, tensorboard=True))


class SummaryWriter:
    """Writer with the constructor and the methods of torch's SummaryWriter. It records to a run.

    Arguments have the same names, order and meaning as in torch. If no step is given, each tag counts its own steps.
    Histograms always have 64 bins of equal width. `new_style` and `double_precision` have no effect, since the record
    always stores float64. Tensors and embeddings become artifacts. Like `Run`, this class
    counts the values that cannot be recorded, and reports them once.

    Source: https://docs.pytorch.org/docs/stable/tensorboard.html
    """

    strict = False
    """True if `add_graph` raises an error where torch's `add_graph` does."""

    def __init__(
        self,
        log_dir: str | os.PathLike[str] | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
    ) -> None:
        """Open the run in `log_dir`, and write its record and an event file there.

        A run that is already in the folder continues after its last point. The run ends with the process, or with the
        next writer or run that is opened after `close`.

        Args:
            log_dir: Folder of the run. Default: a new folder in the store (`$RUNFOLIO_STORE` or `./runs`), named after
                the time and the host.
            comment: End of the name of the default folder.
            purge_step: Remove the points of this step and later steps from the curves of an existing run.
            max_queue: Without effect, because points are written in the background.
            flush_secs: Without effect, because points are written every second.
            filename_suffix: Without effect.

        Raises:
            ConfigError: `log_dir` is not a local path.
            StoreError: The folder cannot be written.
        """
        self.log_dir: str | os.PathLike[str] = log_dir or _default_folder(comment)
        self.purge_step = purge_step
        self.max_queue = max_queue
        self.flush_secs = flush_secs
        self.filename_suffix = filename_suffix
        self._set_up(open_log_folder(self.log_dir, purge_step=purge_step))

    @classmethod
    def of_run(cls, run: Run) -> Self:
        """Return a writer that records to an open run, such as the result of `runfolio.init`."""
        writer = cls.__new__(cls)
        writer.log_dir = os.fspath(run.folder)
        writer._set_up(run)
        return writer

    def _set_up(self, run: Run) -> None:
        self.run = run
        """Run that the methods record to."""
        self.file_writer: FileWriter | None = FileWriter(self)
        """Writer of the event file, or None after `close`."""
        self._closed = False
        self._lost_run: Run | None = None
        """Run that could not be opened again after its end. Further calls do not try it again."""
        self._step_counts: dict[str, int] = {}
        self._trials: dict[str, Path] = {}
        """Folder of the run of each trial that `add_hparams` recorded, keyed by its hyperparameters."""

    @property
    def all_writers(self) -> dict[str, FileWriter] | None:
        """Writer of the event file, keyed by its folder, or None after `close`."""
        return None if self.file_writer is None else {self.file_writer.get_logdir(): self.file_writer}

    def get_logdir(self) -> str:
        """Return the folder of the run as it was passed."""
        return os.fspath(self.log_dir)

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
        """Record the metrics `main_tag/key`. TensorBoard's Custom Scalars tab draws them as lines of one chart named
        `main_tag`. After 1,000 main tags, additional metrics only have separate charts.
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

    def add_graph(
        self, model: Any, input_to_model: Any = None, verbose: bool = False, use_strict_trace: bool = True
    ) -> None:
        """Record the structure of a network.

        If the model fails on the input, its layers are recorded, and a warning is logged. If `SummaryWriter.strict` is
        True, models that torch's `add_graph` cannot trace raise torch's error instead.
        """
        if self.strict:
            import torch

            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                torch.jit.trace(model, input_to_model, strict=use_strict_trace)
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
        """Record the hyperparameters and results of a trial.

        The first trial belongs to this run. A call with other hyperparameters records a separate run, in a folder next
        to this run. The folder is named after this run and `run_name`, or after this run and the number of the trial.
        """
        for values in (hparam_dict, metric_dict):
            if not isinstance(values, Mapping):
                raise ConfigError(f"add_hparams takes two dicts, but one argument is a {type(values).__name__}")
        own = self._open_run()
        trial = json.dumps(plain_config(hparam_dict), sort_keys=True)
        folder = self._trials.setdefault(trial, self._trial_folder(own, run_name))
        run = own if folder == own.folder else open_log_folder(folder)
        run.config.update(hparam_dict)
        run.summary.update(metric_dict)
        if run is not own:
            run.finish()

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
        """Record points with their metadata and images as an artifact, which TensorBoard's projector shows."""
        details = {} if metadata is None else summary_content.table(metadata, metadata_header)
        header, rows = details.get("header"), details.get("metadata", [])
        step = whole_step(self._step(text_of(tag, "tag"), global_step))
        saved = self._save_artifact(
            "embedding",
            tag,
            step,
            details,
            lambda folder: projector.write_projector_files(folder, mat, header, rows, label_img),
            points=mat,
            images=label_img,
        )
        if saved is not None:
            projector.add_to_config(self.run.folder, f"{tag}:{step:05d}", saved)

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
        """Record precision and recall for thresholds from 0 to 1."""
        curves = precision_recall.precision_recall(
            labels, predictions, round(named_number(num_thresholds, "num_thresholds")), weights
        )
        self._add("pr_curve", tag, lambda: curves, global_step, walltime)

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
        curves = precision_recall.curves(*counts, precision, recall)
        self._add("pr_curve", tag, lambda: curves, global_step, walltime)

    @guarded(None)
    def add_onnx_graph(self, prototxt: str | os.PathLike[str]) -> None:
        """Record an ONNX file as an artifact."""
        self._open_run().artifact(prototxt, type="onnx")

    def flush(self) -> None:
        """Wait until all values are written to the record and to the event file."""
        self.run.flush()

    def close(self) -> None:
        """Write all values. Later calls of other methods continue the run, because many scripts close their writer in
        each epoch. Without later calls, the time of this call is recorded as the end of the run."""
        if not self.run.recorder.has_ended:
            self.run.flush()
            self.run.recorder.is_writer_closed = True
        self._closed, self.file_writer = True, None

    def __enter__(self) -> Self:
        self.run.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run.__exit__(kind, error, trace)
        self._closed, self.file_writer = True, None

    def _open_run(self) -> Run:
        """Return the run. If the writer was closed or the run has ended, continue the run first.

        A run whose folder was deleted is recorded again as a new run. If the run cannot be opened, it remains closed.
        """
        if (self._closed or self.run.recorder.has_ended) and self.run is not self._lost_run:
            self._closed = False
            try:
                self.run = open_log_folder(self.run.folder)
            except RunfolioError as error:
                self._lost_run = self.run
                log.error("run %s cannot be opened again after its end: %s", self.run.id, error)
            self.run.recorder.is_writer_closed = False
            self.file_writer = FileWriter(self)
        self.run.recorder.note_call()
        return self.run

    def _trial_folder(self, own: Run, run_name: str | None) -> Path:
        """Return the folder for a trial with new hyperparameters."""
        if not self._trials:
            return own.folder
        name = text_of(run_name, "run_name") if run_name else f"trial-{len(self._trials) + 1}"
        return own.folder.with_name(f"{own.folder.name}-{slug(name)}")

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
        write_more: Callable[[Path], None] = lambda folder: None,
        **arrays: Any,
    ) -> Path | None:
        """Store values that are not media as an artifact for a tag and a step (see `docs/format.md`, Artifacts).

        Args:
            write_more: Function that writes further files to the folder of the artifact.

        Returns:
            Folder of the artifact, or None if it could not be stored.
        """
        tag = text_of(tag, "tag")
        step = whole_step(self._step(tag, step))
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            summary_content.write_files(folder, {"tag": tag, "step": step, **details}, arrays)
            write_more(folder)
            return self._open_run().artifact(folder, summary_content.artifact_name(tag, step), type=kind)

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


def _default_folder(comment: str) -> Path:
    """Return a new folder in the store, with the name that torch would give it."""
    store = store_folder()
    try:
        make_store(store)
    except OSError as error:
        raise StoreError(
            f"cannot create the store {store} ({error.strerror or error}); pass log_dir, or set RUNFOLIO_STORE"
        ) from None
    name = slug(f"{time.strftime('%b%d_%H-%M-%S')}_{platform.node()}{comment}")
    folder, number = store / name, 1
    while folder.exists():
        number += 1
        folder = store / f"{name}-{number}"
    return folder


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

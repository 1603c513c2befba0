"""Class `Run`, the interface that a training script uses to record a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from runfolio.errors import ConfigError
from runfolio.record.base.clock import steady
from runfolio.record.base.layout import STORE_VARIABLE
from runfolio.record.base.run_document import ENDED, RunDocument, State
from runfolio.record.checkpoints.image_transforms import class_names, plain_steps
from runfolio.record.checkpoints.manifests import LAST, Checkpoint
from runfolio.record.content import artifacts
from runfolio.tracking.checkpointing import restore
from runfolio.tracking.checkpointing.saver import checkpoint_metric
from runfolio.tracking.guard import guarded
from runfolio.tracking.media import image_layers
from runfolio.tracking.name_hints import RUN_NAMES, missing_name
from runfolio.tracking.pipeline import answer_content, figure_image, media_content
from runfolio.tracking.pipeline.config_values import plain_config
from runfolio.tracking.pipeline.live_dict import LiveDict
from runfolio.tracking.pipeline.live_tags import LiveTags
from runfolio.tracking.pipeline.plain_texts import path_of, text_of
from runfolio.tracking.pipeline.plain_values import check_name, detach_value, whole_step
from runfolio.tracking.pipeline.queue_items import Item, Media, Scalars
from runfolio.tracking.pipeline.stored_file import StoredFile
from runfolio.tracking.process import distributed, exit_hooks
from runfolio.tracking.process.outcome import RunOutcome
from runfolio.tracking.recorder import Recorder
from runfolio.tracking.recording_config import RecordingConfig

if TYPE_CHECKING:
    from torch.nn import Module

    from runfolio.tracking.monitors.watch import Logged

_EXACT = 2**53
"""Largest absolute value for which float64 represents all integers exactly."""
_MOST_AXES = 1000
_THRESHOLDS = 127
"""Number of thresholds of a precision-recall curve, as in torch's SummaryWriter."""


class Run:
    """Run that is being recorded. Recording ends when `finish` is called, the `with` block of the run ends, or the
    process ends."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        """Internal interface for monitors and other code that writes to the record."""
        self._clock_offset = recorder.clock.offset
        document = recorder.document
        self.folder = recorder.folder
        """Folder of the run's record."""
        self.config = document.config = LiveDict(document.config, recorder.note_change, self._failures_of("config"))
        """Hyperparameters of the run. Changes are saved within about a second."""
        self.summary = document.summary = LiveDict(document.summary, recorder.note_change, self._failures_of("summary"))
        """Results that tables of runs show, such as final values, sizes and times."""
        self._tags = document.tags = LiveTags(
            document.tags, lambda: recorder.note_edit("tags"), self._failures_of("tags")
        )
        recorder.handle = self

    @property
    def id(self) -> str:
        return self.recorder.id

    @property
    def name(self) -> str:
        return self.recorder.document.name

    @property
    def experiment(self) -> str:
        return self.recorder.document.experiment

    @property
    def env(self) -> dict[str, str]:
        """Environment variables that make `runfolio.init` in another process join this run.

        Pass these variables to the process, as in `subprocess.run(command, env={**os.environ, **run.env})`.
        """
        return {distributed.RUN_ID: self.id, STORE_VARIABLE: os.fspath(self.folder.parent.parent)}

    @property
    def last_step(self) -> int:
        """Step of the last call to `log` that a background thread has processed, or -1 before the first call."""
        return self.recorder.last_step

    @property
    def total_steps(self) -> int | None:
        """Step at which training will end, in the units of the logged steps. The value is None if it is unknown.

        If it is set, `runfolio show` prints the completed fraction and the remaining time. A resumed run keeps the
        value.
        """
        return self.recorder.document.total_steps

    @total_steps.setter
    @guarded(None)
    def total_steps(self, total_steps: int | None) -> None:
        steps = None if total_steps is None else whole_step(total_steps)
        if steps is not None and steps < 1:
            raise ConfigError(f"total_steps is {steps}; it must be a number of steps, at least 1, or None")
        self.recorder.document.total_steps = steps
        self.recorder.note_change()

    @property
    def resumed(self) -> bool:
        """True if the run continues an earlier execution of the script, or the run from which it was forked.

        The value is False if `RUNFOLIO_RUN_ID` named a run without a checkpoint, because there is no state to restore.
        """
        return self.recorder.document.attempts[-1].parent is not None and not self.recorder.restarts

    @property
    def tags(self) -> list[str]:
        """Tags of the run. Changes to the list, such as `run.tags.append("good")`, are recorded."""
        return self._tags

    @tags.setter
    def tags(self, tags: Iterable[str]) -> None:
        self._tags[:] = tags

    @property
    def notes(self) -> str:
        return self.recorder.document.notes

    @notes.setter
    @guarded(None)
    def notes(self, notes: str) -> None:
        self.recorder.document.notes = text_of(notes, "notes")
        self.recorder.note_edit("notes")

    def log(self, values: Mapping[str, Any], step: int | None = None) -> None:
        """Record metric values. The call returns at once, even if the disk or the GPU is busy.

        Args:
            values: Metric values by name. A value is a number, or an array or tensor with one element. The keys of
                nested dicts are joined, as in `a/b`. NaN and infinities are stored. Other values are omitted, counted
                and reported once. If two keys result in the same name (`"a/b"`, and `b` in `a`), the last value is
                stored.
            step: Value of the x axis: an integer. Default: one more than the step of the previous call.
        Raises:
            ConfigError: The run is strict (`init(strict=True)`), and `values` is not a dict, a value cannot be stored,
                or the step is not an integer. The whole call is then omitted.
        """
        moment = steady() + self._clock_offset
        try:
            copied = {**values}
            for value in copied.values():
                if value.__class__ is not float:
                    return self.recorder.append(_scalars(moment, step, copied))
            if step is not None and step.__class__ is not int:
                return self.recorder.append(_scalars(moment, step, copied))
            return self.recorder.append((moment, step, copied))
        except Exception as error:  # like `guarded`, but without its wrapper, which would slow down each call
            self._note_failure("log", error if issubclass(type(values), Mapping) else _no_dict(values))

    @guarded(None)
    def define_metric(self, metric: str, *, x: str) -> None:
        """Set the default x axis of a metric's curves.

        Args:
            metric: A name, or a pattern such as `val/*`. If several patterns match a metric, the pattern defined last
                applies.
            x: Name of another metric, "step", or "time" (since the start, without pauses). The value of another metric
                comes from the same log call. If that call does not contain the metric, the value comes from the last
                earlier call that contains it.
        Raises:
            ConfigError: The run is strict (`init(strict=True)`), and an argument is not a valid metric name, or more
                than 1,000 patterns are defined.
        """
        for name in (metric, x):
            check_name(name)
        metric, x = str.__str__(metric), str.__str__(x)
        axes = [axis for axis in self.recorder.document.axes if axis["metric"] != metric]
        if len(axes) == _MOST_AXES:
            raise ConfigError(f"{_MOST_AXES:,} axes are defined already; use patterns, such as define_metric('val/*')")
        self.recorder.document.axes[:] = [*axes, {"metric": metric, "x": "time" if x == "relative time" else x}]
        self.recorder.note_change()

    @guarded(None)
    def log_image(
        self,
        name: str,
        image: Any,
        step: int | None = None,
        caption: str | None = None,
        *,
        boxes: Any = None,
        masks: Any = None,
        classes: Any = None,
    ) -> None:
        """Record an image, together with boxes and masks if they are passed.

        Args:
            image: A Pillow image, an array or tensor (see `media_content.png`), or an image file as a path, a binary
                file object or bytes.
            boxes: A dict with `boxes` [number, 4], `labels` and `scores`, as torchvision's detection models return it.
                Alternatively, an array or tensor [number, 4], or a list of dicts with `box`, `label` and `score`.
                Several groups are passed as a dict keyed by name, such as `{"truth": ..., "predicted": ...}`. The four
                numbers are left, top, right and bottom in pixels. The entry `format` of a dict can be "xyxy", "xywh" or
                "cxcywh". With `"relative": True`, numbers are fractions of the image's width and height. Other entries
                are ignored.
            masks: Class numbers [height, width] as an array, tensor or Pillow image. Several masks are passed as a dict
                keyed by name.
            classes: Names of the classes in labels and masks: a list, or a dict keyed by number.
        """
        copied, layers = media_content.image_copy(image), image_layers.layers_copy(boxes, masks, classes)
        self._record_media(
            step, "image", name, lambda: image_layers.with_layers(media_content.png(copied), layers), caption
        )

    @guarded(None)
    def log_audio(
        self,
        name: str,
        audio: Any,
        sample_rate: float | None = None,
        step: int | None = None,
        caption: str | None = None,
    ) -> None:
        """Record audio.

        Args:
            audio: Array or tensor [samples] or [channels, samples] of floats from -1 to 1, or of int16. The samples are
                stored as 16-bit WAV. Alternatively, a WAV, FLAC, OGG or MP3 file as a path, a binary file object or
                bytes. A file is stored unchanged.
            sample_rate: Samples per second. The rate is required for an array and not used for a file.
        """
        from runfolio.tracking.media import audio as audio_content

        copied, rate = audio_content.audio_copy(audio), audio_content.whole_rate(sample_rate)
        self._record_media(step, "audio", name, lambda: audio_content.stored_audio(copied, rate), caption)

    @guarded(None)
    def log_video(
        self, name: str, frames: Any, fps: float = 4, step: int | None = None, caption: str | None = None
    ) -> None:
        """Record a video.

        Args:
            frames: A list of images of the same size, or an array or tensor with values as in `log_image`. The shape is
                [frames, channels, height, width], [frames, height, width, channels] or [frames, height, width]. The
                frames are stored as an animated WebP. Alternatively, an MP4, WebM, WebP or GIF file as a path, a binary
                file object or bytes. A file is stored unchanged.
            fps: Frames per second of an array or list.
        """
        from runfolio.tracking.media import video as video_content

        copied, rate = video_content.video_copy(frames), video_content.frame_rate(fps)
        self._record_media(step, "video", name, lambda: video_content.stored_video(copied, rate), caption)

    @guarded(None)
    def log_table(
        self,
        name: str,
        table: Any,
        step: int | None = None,
        caption: str | None = None,
        *,
        columns: Sequence[str] | None = None,
    ) -> None:
        """Record a table as Parquet.

        Cells are numbers, strings, booleans, datetime values, None, and images (Pillow images, arrays, tensors, bytes
        of image files). Any other value is stored as JSON. Rows beyond the limits (`docs/limits.md`) are omitted with a
        warning.

        Args:
            table: A pandas or Polars frame, an Arrow table, a list of dicts, or a dict of columns (lists, arrays,
                tensors). With `columns`, rows can be passed as a list of lists or an array.
            columns: Column names, if rows are passed.
        """
        from runfolio.tracking.media.table_cells import table_copy
        from runfolio.tracking.media.table_content import stored_table

        copied = table_copy(table, columns)
        self._record_media(step, "table", name, lambda: stored_table(copied), caption)

    @guarded(None)
    def log_mesh(
        self,
        name: str,
        vertices: Any,
        faces: Any = None,
        colors: Any = None,
        step: int | None = None,
        caption: str | None = None,
    ) -> None:
        """Record a mesh, or a point cloud if no faces are passed.

        Args:
            vertices: Positions as an array or tensor [vertices, 3], which are stored as binary PLY. Alternatively, a
                PLY, GLB, STL or OBJ file as a path, a binary file object or bytes. A file is stored unchanged.
            faces: Vertex indices of each triangle: [faces, 3].
            colors: Red, green and blue of each vertex [vertices, 3], as floats from 0 to 1 or integers from 0 to 255.
        """
        from runfolio.tracking.media import meshes

        copied = meshes.mesh_copy(vertices, faces, colors)
        self._record_media(step, "mesh", name, lambda: meshes.stored_mesh(copied), caption)

    @guarded(None)
    def log_figure(self, name: str, figure: Any, step: int | None = None, caption: str | None = None) -> None:
        """Record a matplotlib figure in its current state. Content far outside the figure is cropped
        (`docs/limits.md`)."""
        drawn = figure_image.figure_png(figure)
        self._record_media(step, "figure", name, lambda: drawn, caption)

    @guarded(None)
    def log_histogram(self, name: str, values: Any, step: int | None = None) -> None:
        """Record the distribution of the values of an array or tensor of any shape."""
        copied = media_content.own_copy(values)
        self._record_media(step, "histogram", name, lambda: media_content.histogram(copied))

    @guarded(None)
    def log_pr_curve(self, name: str, truths: Any, scores: Any, step: int | None = None) -> None:
        """Record precision and recall of a binary classifier at 127 evenly spaced thresholds from 0 to 1.

        Args:
            truths: Array or tensor with 1 for each positive item and 0 for each other item.
            scores: Predicted probabilities that the items are positive, in the same order.
        """
        from runfolio.tracking.media.precision_recall import precision_recall

        curve = precision_recall(truths, scores, _THRESHOLDS, None)
        self._record_media(step, "pr_curve", name, lambda: curve)

    @guarded(None)
    def log_text(self, name: str, text: str, step: int | None = None) -> None:
        """Record a text, such as a generated sample."""
        content = {"text": text_of(text, "the text")}
        self._record_media(step, "text", name, lambda: content)

    @guarded(None)
    def log_console(self, text: str) -> None:
        """Add lines to the console log (`runfolio logs`) without printing them. If the console is not recorded, do
        nothing."""
        self.recorder.add_console_lines(text_of(text, "the text"))

    @guarded(None)
    def log_graph(self, model: Module, example: Any = None, step: int | None = None) -> None:
        """Record the structure of a network: its layers, their connections and the shapes of their outputs.

        The model runs once on `example` in eval mode. This does not change the model or the random generators. Without
        an example, or if the model fails on the example, only the layers are recorded.

        Args:
            example: Input of the model: a tensor, a list or tuple of arguments, or a dict of keyword arguments.
        """
        from runfolio.tracking.monitors.model_graph import graph_of
        from runfolio.tracking.monitors.watch import unwrap

        content = {"nodes": graph_of(unwrap(model), example)}
        self._record_media(step, "graph", "graph", lambda: content)

    @guarded(None)
    def log_data(self, name: str, data: Any, *, source: str | None = None) -> None:
        """Record a data set that the run uses: a fingerprint of its content, and the list of its items.

        Fingerprints distinguish runs that used different data. If a run is resumed with different data, a warning is
        logged. A separate thread reads the files during training, except files that an earlier run has read. Arrays,
        which may change later, are read before this call returns.

        Args:
            name: Name that describes how the data is used, such as `train`, `val` or `test`. Metrics `val/...` belong
                to the data `val`.
            data: A file or folder (hidden files are skipped), a list of files, an array or tensor, nested dicts of
                arrays or tensors, or a `runfolio.Listing`. A function that returns a `Listing` is called on the
                separate thread. For a torch dataset, pass the data that it reads.
            source: Description of the data's origin. Default: the path, or the array's shape.
        """
        self.recorder.add_data(name, data, source)

    @guarded(None)
    def log_answers(
        self,
        split: str,
        names: Sequence[str] | None,
        truths: Any,
        scores: Any,
        *,
        probabilities: bool = False,
        classes: Sequence[str] | None = None,
        digests: Sequence[str] | Callable[[], Sequence[str] | None] | None = None,
    ) -> None:
        """Record the model's answers to the items of a split, one row per item. Mistakes can then be found and
        compared.

        The arrays are copied during the call. A background thread ranks the scores and creates the file. A second call
        for the same split replaces the answers of the first call. `RecordedRun.answers` reads the answers.

        Args:
            split: Name of the split, such as `test`: letters, digits, `.`, `_` and `-`.
            names: Name of each item, such as its path. If None, the names are the indices from 0.
            truths: True classes as indices from 0, shape [n]. For regression, true values, shape [n].
            scores: Logits, shape [n, classes]. The five most probable classes are stored. For regression, one value per
                item, shape [n].
            probabilities: True if the scores are probabilities from 0 to 1 instead of logits.
            classes: Names of the classes, in the order of the scores. Default: their indices.
            digests: Digest of each item's content, as in `log_data`. If a function is passed, the background thread
                calls the function, which must return the digests.
        """
        content = answer_content.answers_of(
            names, truths, scores, probabilities=probabilities, classes=classes, digests=digests
        )
        self.recorder.add_answers(answer_content.split_name(split), content)

    @guarded(None)
    def artifact(
        self,
        path: str | os.PathLike[str],
        name: str | None = None,
        type: str = "file",  # noqa: A002
    ) -> Path | None:
        """Store a copy of a file or folder with the run. The copy replaces an earlier artifact with the same name.

        Returns:
            Folder of the copy, or None if the copy could not be made.
        """
        self.recorder.note_call()
        source = path_of(path)
        name = source.absolute().name if name is None else text_of(name, "an artifact's name")
        return artifacts.save(self.folder, source, name, text_of(type, "an artifact's type"))

    @guarded(False)
    def checkpoint(
        self,
        *,
        step: int | None = None,
        metric: Any = None,
        mode: Literal["max", "min"] = "max",
        loader: str | None = None,
        meta: Mapping[str, Any] | None = None,
        classes: Sequence[str] | None = None,
        transform: Any = None,
        **state: Any,
    ) -> bool:
        """Save the training state as checkpoint `last`, and also as `best` if `metric` is the best so far.

        The method may be called at every step, because `init(checkpoints=CheckpointPolicy(...))` determines which calls
        save. The state is copied during the call and written in the background. `flush` and the end of the run wait
        until the state is written. A crash during the write leaves the earlier checkpoints intact. The checkpoint also
        contains the number of the last log call and the states of all random generators (under the name `generators`).
        A resumed run therefore continues exactly at this point.

        If the process was asked to stop (by SIGTERM or a similar signal), the call saves the state and waits for the
        disk. Then the signal ends the process.

        Args:
            step: Last step that was logged before this state. A resumed run continues after this step. If log calls
                count batches, pass the number of batches and store the epoch in the state, as `epoch=epoch`.
            metric: Quality of this state. NaN is never the best.
            mode: "max" if a higher metric is better, "min" if a lower metric is better.
            loader: Name of the installed loader that can rebuild the model from `meta` and the tensors.
            meta: Plain data that the loader receives.
            classes: Names of the classes, in the order of the model's outputs. If both `classes` and `transform` are
                passed, the commands `predict` and `evaluate` can load the run (`--module` names the class of the
                model).
            transform: Preprocessing of the images: deterministic torchvision steps such as `Resize`, `CenterCrop`,
                `Grayscale`, `ToTensor`, `ToImage`, `ToDtype` and `Normalize`.
            state: Named parts: modules, objects with a `state_dict`, tensors, arrays, numbers, strings, and lists,
                tuples and dicts of these values.
        Returns:
            True if this checkpoint is the best so far. False if this checkpoint is not the best, or if an object in the
            state cannot be saved. An invalid `step`, `metric` or `meta` is omitted. If the store cannot be written, an
            error is logged and the checkpoint no longer counts as the best.
        """
        if self.recorder.saver is None:
            self.recorder.log_joining()
            return False
        step = self._checkpoint_detail(whole_step, step)
        metric = self._checkpoint_detail(checkpoint_metric, metric)
        meta = self._checkpoint_detail(plain_config, meta)
        if classes is not None or transform is not None:
            classifier = {
                "classes": self._checkpoint_detail(class_names, classes),
                "transform": self._checkpoint_detail(plain_steps, transform),
            }
            meta = {**(meta or {}), "classifier": classifier}
        return self.recorder.saver.call(step, metric, mode, state, loader, meta)

    def restore(self, name: str = LAST, **targets: Any) -> Checkpoint:
        """Return a checkpoint of this run, and load its state into `targets`.

        The call waits for pending checkpoints. Until a resumed run saves a checkpoint, `last` is the checkpoint that
        the run was resumed from. If `last` is damaged, the newest intact checkpoint is used with a warning.

        Args:
            targets: Objects with a `load_state_dict`, keyed by the name of their saved state, such as `model=model`. If
                targets are passed, all random generators are restored too.
        Raises:
            NotFound: The checkpoint does not exist, or has no state with the name of a target.
            ConfigError: A target has no `load_state_dict`, or the saved state does not fit the target. The message says
                where the two differ.
            DamagedFile: The checkpoint cannot be read.
        """
        checkpoint = self.recorder.find_checkpoint(name)
        if targets:
            restore.restore(checkpoint, targets)
        return checkpoint

    @guarded(None)
    def watch(
        self,
        model: Module,
        every: int = 100,
        *,
        log: Logged = "all",
        histograms: bool = True,
        step: int = 0,
    ) -> None:
        """Record a model's gradients, weights, updates and dead units, and the origin of the first NaN.

        The values are read at every `every`-th step of each optimizer that updates the model. They are read after
        gradients were accumulated and unscaled. The `step` of these metrics counts optimizer steps from 0. The metrics
        are `grad_norm`, `weight_norm` and `update_ratio`, for the model and for each parameter
        (`grad_norm/conv.weight`). The update ratio is the norm of the change in one step divided by the norm of the
        weights. A usual value is about 0.001. `dead_units` is the proportion of units in ReLU layers whose output is
        zero for the whole batch. It is recorded for the model and for each layer. The histograms are `grad/conv.weight`
        and `weight/conv.weight`. The first layer output or gradient that is not finite is logged once and recorded.

        Args:
            model: The module, which may be compiled or wrapped for DDP. A second call for the same module replaces the
                first call.
            every: Number of optimizer steps between two readings.
            log: Values to record: "all", "gradients" or "weights" (with the update ratios).
            histograms: Record distributions in addition to norms.
            step: Number of earlier optimizer steps, if training is resumed. Batch numbers in messages continue from
                this number.
        """
        from runfolio.tracking.monitors.watch import Watch

        watch = Watch(model, every, log, histograms, step)
        self.unwatch(model)
        self.recorder.add_monitor(watch)

    @guarded(None)
    def unwatch(self, model: Module) -> None:
        """Stop watching a model. If the model is not watched, do nothing."""
        from runfolio.tracking.monitors.watch import Watch, unwrap

        model = unwrap(model)
        for watch in [monitor for monitor in self.recorder.monitors if isinstance(monitor, Watch)]:
            if watch.model is model:
                watch.stop()
                self.recorder.monitors.remove(watch)

    def flush(self) -> bool:
        """Wait until all logged values and checkpoints are written. Return False if the store cannot be written."""
        return self.recorder.flush()

    def finish(self, state: str = "finished", reason: str | None = None) -> None:
        """Write pending data and close the record. A second call does nothing.

        Args:
            state: finished, failed, interrupted or preempted.
            reason: Explanation in one sentence.
        Raises:
            ConfigError: `state` is not one of the listed states.
        """
        if state not in ENDED:
            raise ConfigError(f"state is {state!r}; it must be one of {', '.join(ENDED)}")
        self.recorder.end(RunOutcome(cast("State", state), reason, 0 if state == "finished" else None))

    def __enter__(self) -> Self:
        self.recorder.is_in_with = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.recorder.end(RunOutcome.from_exception(error))

    def __repr__(self) -> str:
        return f"<Run {self.experiment}/{self.name} {self.id}>"

    if not TYPE_CHECKING:  # with `__getattr__`, type checkers would accept any attribute

        def __getattr__(self, name: str) -> Any:
            raise missing_name(self, "'Run' object", name, RUN_NAMES)

    def __reduce__(self) -> tuple[Callable[..., Run], tuple[Any, ...]]:
        recorder = self.recorder
        return _unpickled, (
            recorder.folder,
            recorder.document,
            recorder.config,
            recorder.last_step,
            recorder.strict,
            recorder.has_ended,
        )

    def _record_media(
        self,
        step: int | None,
        kind: str,
        name: str,
        content: Callable[[], StoredFile | bytes | dict[str, Any]],
        caption: str | None = None,
    ) -> None:
        name = text_of(name, "the name")
        caption = None if caption is None else text_of(caption, "the caption")
        step = step if step is None or type(step) is int else detach_value(step)
        self.recorder.record(Media(self.recorder.now(), step, kind, name, content, caption))

    @guarded(None, call="checkpoint metadata")
    def _checkpoint_detail(self, read: Callable[[Any], Any], value: Any) -> Any:
        """Return `value` (a checkpoint's step, metric or metadata) as JSON values. Return None if `value` is None or
        invalid."""
        return None if value is None else read(value)

    def _failures_of(self, part: str) -> Callable[[str, Exception], None]:
        return lambda call, error: self.recorder.note_failure(part, error)

    def _note_failure(self, call: str, error: Exception) -> None:
        self.recorder.note_failure(call, error)


def _no_dict(values: object) -> ConfigError:
    return ConfigError(f"log takes a dict of metric names and values, not a {type(values).__name__}")


def _scalars(moment: float, step: Any, values: dict[str, Any]) -> Item:
    """Return the queue item of a log call whose values are not all floats. Values are converted to floats here if the
    conversion is exact."""
    is_plain = True
    for name, value in values.items():
        if value.__class__ is not float:
            number = value if value.__class__ is int else detach_value(value)
            if isinstance(number, int) and -_EXACT <= number <= _EXACT:
                number = float(number)
            values[name] = number
            is_plain = is_plain and number.__class__ is float
    if step is not None and step.__class__ is not int:
        step = detach_value(step)
    return (moment, step, values) if is_plain else Scalars(moment, step, values)


def _unpickled(
    folder: Path, document: RunDocument, config: RecordingConfig, last_step: int, strict: bool, has_ended: bool
) -> Run:
    """Return the run of a folder if it is open in this process, or else a `Run` that joins the run on first use."""
    for recorder in exit_hooks.open_runs():
        run = recorder.handle
        if isinstance(run, Run) and run.folder == folder:
            return run
    run = Run(Recorder(folder, document, config, last_step, strict=strict, role="process"))
    run.recorder.sleep()
    if has_ended:
        run.finish()
    return run

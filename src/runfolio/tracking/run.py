"""`Run`: the API of a training script for its record."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from runfolio.errors import ConfigError
from runfolio.record.base.clock import steady
from runfolio.record.base.layout import STORE_VARIABLE
from runfolio.record.base.run_document import ENDED, RunDocument
from runfolio.record.checkpoints.image_transforms import class_names, plain_steps
from runfolio.record.checkpoints.manifests import LAST, Checkpoint
from runfolio.record.content import artifacts
from runfolio.tracking.checkpointing import restore
from runfolio.tracking.checkpointing.saver import checkpoint_metric
from runfolio.tracking.guard import guarded
from runfolio.tracking.pipeline import figure_image, media_content
from runfolio.tracking.pipeline.config_values import plain_config
from runfolio.tracking.pipeline.live_dict import LiveDict
from runfolio.tracking.pipeline.live_tags import LiveTags
from runfolio.tracking.pipeline.pixels import StoredImage
from runfolio.tracking.pipeline.plain_texts import path_of, text_of
from runfolio.tracking.pipeline.plain_values import check_name, detach_value, whole_step
from runfolio.tracking.pipeline.queue_items import Item, Media, Scalars
from runfolio.tracking.process import distributed, exit_hooks
from runfolio.tracking.process.outcome import RunOutcome
from runfolio.tracking.recorder import Recorder
from runfolio.tracking.recording_config import RecordingConfig

if TYPE_CHECKING:
    from torch.nn import Module

    from runfolio.tracking.monitors.watch import Logged

_EXACT = 2**53
"""Whole numbers up to here are float64 as well."""
_MOST_AXES = 1000


class Run:
    """One experiment being recorded, from `init` to `finish`, the end of its `with`, or the end of the process."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        """Internal: the interface for monitors and other writers of the record."""
        self._clock_offset = recorder.clock.offset
        document = recorder.document
        self.folder = recorder.folder
        """Folder of the run's record."""
        self.config = document.config = LiveDict(document.config, recorder.note_change, self._failures_of("config"))
        """Hyperparameters; what is set here is saved within the flush interval."""
        self.summary = document.summary = LiveDict(document.summary, recorder.note_change, self._failures_of("summary"))
        """Results to be shown in tables: final figures, sizes, times."""
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
        """The environment variables that make `runfolio.init` of another process join this run.

        `subprocess.run(command, env={**os.environ, **run.env})`
        """
        return {distributed.RUN_ID: self.id, STORE_VARIABLE: os.fspath(self.folder.parent.parent)}

    @property
    def last_step(self) -> int:
        """Step of the last call of `log` that was encoded; -1 before the first."""
        return self.recorder.last_step

    @property
    def resumed(self) -> bool:
        """True if the run continues an earlier attempt, or the run it was forked from.

        Not if `RUNFOLIO_RUN_ID` named a run without a checkpoint: there is no state to restore.
        """
        return self.recorder.document.attempts[-1].parent is not None and not self.recorder.restarts

    @property
    def tags(self) -> list[str]:
        """The run's tags; `run.tags.append("good")` and the like are recorded."""
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
        """Record values of metrics; returns at once, whatever the disk or the GPU is doing.

        Args:
            values: Metric names and their values: numbers, one-element arrays or tensors; nested dicts become `a/b`.
                NaN and infinities are kept. What is not a number is left out, counted and warned of once.
                Of two keys that come to one name (`"a/b"`, and `b` in `a`) the last counts.
            step: The x axis: a whole number. Default: one more than the call before.
        Raises:
            ConfigError: With `init(strict=True)`: `values` is not a dict, something in it cannot be stored, or the
                step is no whole number; nothing of the call is stored then.
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
        except Exception as error:  # what `guarded` does; the decorator would add a call to each log
            self._note_failure("log", error if issubclass(type(values), Mapping) else _no_dict(values))

    @guarded(None)
    def define_metric(self, metric: str, *, x: str) -> None:
        """Say what the curves of a metric are drawn over, where nobody asks for something else.

        Args:
            metric: A name, or a pattern such as `val/*`. Of several that fit a metric, the one defined last counts.
            x: The name of another metric, whose value is taken from the same log call, else from the last before; or
                "step", or "time" (since the start, without pauses).
        Raises:
            ConfigError: With `init(strict=True)`: one of them is no name of a metric, or more than 1,000 patterns are
                defined.
        """
        for name in (metric, x):
            check_name(name)
        metric, x = str.__str__(metric), str.__str__(x)
        axes = [axis for axis in self.recorder.document.axes if axis["metric"] != metric]
        if len(axes) == _MOST_AXES:
            raise ConfigError(f"{_MOST_AXES:,} axes are defined already; use patterns, such as define_metric('val/*')")
        self.recorder.document.axes = [*axes, {"metric": metric, "x": "time" if x == "relative time" else x}]
        self.recorder.note_change()

    @guarded(None)
    def log_image(self, name: str, image: Any, step: int | None = None, caption: str | None = None) -> None:
        """Record a picture.

        Args:
            image: A Pillow image, an array or tensor (see `media_content.png`), or the path, the binary file or the
                bytes of an image file.
        """
        copied = media_content.image_copy(image)
        self._record_media(step, "image", name, lambda: media_content.png(copied), caption)

    @guarded(None)
    def log_figure(self, name: str, figure: Any, step: int | None = None, caption: str | None = None) -> None:
        """Record a matplotlib figure as it looks now; what lies far outside of it is cut off (`docs/limits.md`)."""
        drawn = figure_image.figure_png(figure)
        self._record_media(step, "figure", name, lambda: drawn, caption)

    @guarded(None)
    def log_histogram(self, name: str, values: Any, step: int | None = None) -> None:
        """Record how the numbers of an array or tensor of any shape are distributed."""
        copied = media_content.own_copy(values)
        self._record_media(step, "histogram", name, lambda: media_content.histogram(copied))

    @guarded(None)
    def log_text(self, name: str, text: str, step: int | None = None) -> None:
        """Record a text."""
        content = {"text": text_of(text, "the text")}
        self._record_media(step, "text", name, lambda: content)

    @guarded(None)
    def log_console(self, text: str) -> None:
        """Add lines to the console log (`runfolio logs`) without printing them; none if the console is not recorded."""
        self.recorder.add_console_lines(text_of(text, "the text"))

    @guarded(None)
    def log_graph(self, model: Module, example: Any = None, step: int | None = None) -> None:
        """Record the structure of a network: its layers, what goes from one to the next, and of what shape.

        The model runs once on `example`, in eval mode; nothing of it or of the random numbers is changed. Without an
        example, or where it does not run, the record has its layers alone.

        Args:
            example: What the model takes: a tensor, a list or tuple of arguments, a dict of named ones.
        """
        from runfolio.tracking.monitors.model_graph import graph_of
        from runfolio.tracking.monitors.watch import unwrap

        content = {"nodes": graph_of(unwrap(model), example)}
        self._record_media(step, "graph", "graph", lambda: content)

    @guarded(None)
    def log_data(self, name: str, data: Any, *, source: str | None = None) -> None:
        """Record what the run was given: a fingerprint of its content, and the list of its items.

        Runs on other data are told apart by it, and the same run resumed on other data hears of it. Files are read on
        a thread beside the training, one after another, and those that an earlier run has read not again. Arrays, which
        may change later, are read before this returns.

        Args:
            name: What it was given for: `train`, `val`, `test`, or any; a metric `val/...` is taken to be of `val`.
            data: A file or folder (all files below it that do not begin with a dot), a list of files, an array or
                tensor or nested dicts of such, a `runfolio.Listing`, or a function that makes one, called on that
                thread. A torch data set is none of these: what it reads is.
            source: Where the data comes from, for people. Default: the path, or the array's shape.
        """
        self.recorder.add_data(name, data, source)

    @guarded(None)
    def artifact(
        self,
        path: str | os.PathLike[str],
        name: str | None = None,
        type: str = "file",  # noqa: A002
    ) -> Path | None:
        """Keep a copy of a file or folder with the run, in the place of an earlier one of that name.

        Returns:
            The folder of the copy; None if it could not be made.
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
        """Save the state of the training as checkpoint `last`, and as `best` too when `metric` is the best so far.

        May be called at every step: `init(checkpoints=CheckpointPolicy(...))` says which calls save. A copy of the
        state is taken here, and written beside the training; `flush` does not wait for it, the run's end does. Whole
        or not at all: a crash meanwhile leaves the checkpoints before. It notes the record's position at this call, so
        that a resumed run continues exactly here, and the states of all random generators, as `generators`.

        Where the process was told to go (SIGTERM and its like), the call saves, waits for the disk, and the process
        ends as the signal asked.

        Args:
            metric: What tells how good this state is; NaN is never the best.
            mode: Whether a higher or a lower metric is better.
            loader: Name of the installed loader that can rebuild the model from `meta` and the tensors.
            meta: What that loader needs: plain data.
            classes: Names of the classes, in the order of the model's outputs. With them and the transform, `predict`
                and `evaluate` work on the run (`--module` names the class of the model).
            transform: What images go through before the model, of steps of torchvision that are not random: `Resize`,
                `CenterCrop`, `Grayscale`, `ToTensor`, `ToImage`, `ToDtype`, `Normalize` and such.
            state: By name: modules, anything with a `state_dict`, tensors, arrays, numbers, texts, and lists,
                tuples and dicts of them.
        Returns:
            Whether it is the best so far. What the store then does not take is told, and no longer counts as best.
            False if the state holds something that cannot be saved. A `step`, `metric` or `meta` that is none is left
            out, and the state is saved without it.
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
        """A checkpoint of this run; and the state of the training as it was then, put into `targets`.

        What is being saved is waited for. `last` of a run that was resumed and has not saved since is what it was
        resumed from. For a damaged `last` the newest whole one of the others is taken, and told.

        Args:
            targets: By the name it was saved under: what has a `load_state_dict`, such as `model=model`. Where there is
                one, all random generators go on as they were, too. Without any, nothing is changed.
        Raises:
            NotFound: There is none of that name, or nothing of a target's name in it.
            ConfigError: A target has no `load_state_dict`, or what was saved does not fit it; the message says where.
            DamagedFile: It cannot be read.
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
        """Record norms and histograms of a model's gradients and weights, and where NaN first comes from.

        Read at every N-th step of each optimizer that holds parameters of the model, as the optimizer gets them: after
        accumulation and unscaling, compiled or not. Metrics `grad_norm`, `weight_norm` and one of each a parameter
        (`grad_norm/conv.weight`), histograms `grad/conv.weight` and `weight/conv.weight`; their step counts optimizer
        steps from 0. The first layer, or gradient, that is not finite is logged once and noted in the record.

        Args:
            model: The module, also one that is compiled or wrapped for DDP. Watched anew, it is watched only so.
            every: How many steps lie between two readings.
            log: "all", "gradients" or "weights".
            histograms: Whether to record distributions, and not only norms.
            step: Optimizer steps done before, of a training that is resumed. What is told of batches counts on from it.
        """
        from runfolio.tracking.monitors.watch import Watch

        watch = Watch(model, every, log, histograms, step)
        self.unwatch(model)
        self.recorder.add_monitor(watch)

    @guarded(None)
    def unwatch(self, model: Module) -> None:
        """Stop watching a model; nothing happens where it is not watched."""
        from runfolio.tracking.monitors.watch import Watch, unwrap

        model = unwrap(model)
        for watch in [monitor for monitor in self.recorder.monitors if isinstance(monitor, Watch)]:
            if watch.model is model:
                watch.stop()
                self.recorder.monitors.remove(watch)

    def flush(self) -> bool:
        """Wait until all that was logged, checkpoints too, is in the record's files; False if the store refuses it."""
        return self.recorder.flush()

    def finish(self, state: str = "finished", reason: str | None = None) -> None:
        """Write what is left and close the record. Finishing twice does nothing.

        Args:
            state: finished, failed, interrupted or preempted.
            reason: One sentence for people.
        Raises:
            ConfigError: `state` is none of these.
        """
        if state not in ENDED:
            raise ConfigError(f"a run ends {', '.join(ENDED)}; not {state!r}")
        self.recorder.end(RunOutcome(state, reason, 0 if state == "finished" else None))

    def __enter__(self) -> Self:
        self.recorder.is_in_with = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.recorder.end(RunOutcome.from_exception(error))

    def __repr__(self) -> str:
        return f"<Run {self.experiment}/{self.name} {self.id}>"

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
        content: Callable[[], StoredImage | bytes | dict[str, Any]],
        caption: str | None = None,
    ) -> None:
        name = text_of(name, "the name")
        caption = None if caption is None else text_of(caption, "the caption")
        step = step if step is None or type(step) is int else detach_value(step)
        self.recorder.append(Media(self.recorder.now(), step, kind, name, content, caption))

    @guarded(None, call="checkpoint metadata")
    def _checkpoint_detail(self, read: Callable[[Any], Any], value: Any) -> Any:
        """Return the plain form of what a checkpoint is described by; None if it has none."""
        return None if value is None else read(value)

    def _failures_of(self, part: str) -> Callable[[str, Exception], None]:
        return lambda call, error: self.recorder.note_failure(part, error)

    def _note_failure(self, call: str, error: Exception) -> None:
        self.recorder.note_failure(call, error)


def _no_dict(values: object) -> ConfigError:
    return ConfigError(f"log takes a dict of metric names and values, not a {type(values).__name__}")


def _scalars(moment: float, step: Any, values: dict[str, Any]) -> Item:
    """Return the item of a call that is not of floats only: converted here as far as that is exact, else later."""
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
    """Return the run of that folder if it is open in this process, else one that joins it when it is used."""
    for recorder in exit_hooks.open_runs():
        run = recorder.handle
        if isinstance(run, Run) and run.folder == folder:
            return run
    run = Run(Recorder(folder, document, config, last_step, strict=strict, role="process"))
    run.recorder.sleep()
    if has_ended:
        run.finish()
    return run

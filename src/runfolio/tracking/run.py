"""`Run`: what a training script says to its record."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from runfolio.errors import ConfigError, StoreError
from runfolio.record.base.clock import Clock, steady
from runfolio.record.base.layout import STORE_VARIABLE, new_id
from runfolio.record.base.run_document import ENDED, RunDocument, Status
from runfolio.record.checkpoints import manifests
from runfolio.record.checkpoints.manifests import LAST, Checkpoint
from runfolio.record.checkpoints.retention import CheckpointPolicy
from runfolio.record.content import artifacts, run_edits
from runfolio.record.liveness.heartbeats import PRIMARY, Heartbeat, Role
from runfolio.record.sink import Sink
from runfolio.tracking.checkpointing import restore
from runfolio.tracking.checkpointing.saver import Saver
from runfolio.tracking.environment import seeds
from runfolio.tracking.environment.environment_recorder import EnvironmentRecorder
from runfolio.tracking.pipeline import media_content
from runfolio.tracking.pipeline.encoder_thread import EncoderThread
from runfolio.tracking.pipeline.live_dict import LiveDict
from runfolio.tracking.pipeline.plain_values import check_name, check_numbers, detach_value, whole_step
from runfolio.tracking.pipeline.queue_items import Item, Mark, Media, Scalars
from runfolio.tracking.pipeline.store_thread import StoreWriter
from runfolio.tracking.pipeline.writer_config import WriterConfig
from runfolio.tracking.process import distributed, exit_hooks
from runfolio.tracking.process.outcome import RunOutcome
from runfolio.tracking.process.stop_after import StopAfter

if TYPE_CHECKING:
    from torch.nn import Module

    from runfolio.tracking.data_log import DataLog
    from runfolio.tracking.monitors.watch import Logged

log = logging.getLogger("runfolio")
_EXACT = 2**53
"""Whole numbers up to here are float64 as well."""
_MOST_AXES = 1000
_FLUSH_WAIT_S = 30.0
_PREEMPTION_WAIT_S = 5.0
_BRAKE_S = 0.0005


def _nothing() -> None:
    """What a process that has joined finds out about the run."""


class Companion(Protocol):
    """What records something beside the training for as long as a run is open: the console, the machine's load."""

    def start(self, run: Run) -> None:
        """Begin; on the training thread, so quick. Called once, when the run's files are there."""
        ...

    def stop(self, ending: exit_hooks.Ending) -> None:
        """Log what is left, and end: within a second or so, or at once where the process is being killed."""
        ...


class Run:
    """One experiment being recorded. Made by `init`; ends by `finish`, by leaving its `with`, or with the process."""

    def __init__(
        self,
        folder: Path,
        document: RunDocument,
        pace: WriterConfig,
        last_step: int,
        companions: Sequence[Companion] = (),
        sinks: Sequence[Sink] = (),
        *,
        keep_code: bool = True,
        strict: bool = False,
        sync: bool = False,
        role: Role = PRIMARY,
        asleep: bool = False,
        stop_after: int | None = None,
        policy: CheckpointPolicy | None = None,
        resumed: Checkpoint | None = None,
    ) -> None:
        """Args:
        sinks: Receive what was written to the record.
        strict: Raise where something logged cannot be stored.
        sync: Bring every write to the disk itself.
        role: What this process is to the run; only the primary one keeps more of it than what is logged.
        asleep: Join at the first log call, and leave no trace before.
        stop_after: End the process at the first log call of a later step (see `reproduction.stop_after`).
        policy: When checkpoints are saved, and which are kept.
        resumed: The checkpoint that the run goes on from.
        """
        self._strict = strict
        self._stop_after = stop_after
        self._sync = sync
        self._clock = Clock()
        self._clock_offset = self._clock.offset
        self._seconds_before = _worked_on_before(document, self._clock.now())
        self._document = document
        self._attempt = document.attempts[-1]
        self._pace = pace
        self._role: Role = role
        self._asleep = False
        """It has joined, or is to: at its first log call."""
        self._told = False
        """That it only joined."""
        self._ended = False
        """Its end has begun."""
        self._closed = False
        self._companions: list[Companion] = []
        self._data: DataLog | None = None
        """Once there is any."""
        self.folder = folder
        """Where the run's record lies."""
        self._note_threads: Callable[[], None] = _nothing
        if role == PRIMARY:
            surroundings = EnvironmentRecorder(folder, document, self._changed, contents=keep_code)
            surroundings.begin()
            self._note_threads = surroundings.note_threads

            def look_again() -> None:
                surroundings.look_again()
                if self._data is not None:
                    self._data.bring()

            self._use(self._new_writer(last_step, surroundings.find_out, look_again, sinks))
        else:
            self._use(self._new_writer(last_step))
        self._instead = resumed if resumed is not None and resumed.name != LAST else None
        """What the run goes on from, and so what is restored until it saves anew."""
        self._saver = None if role != PRIMARY else Saver(self, self._writer, self._attempt, pace, policy, resumed)
        self.config = document.config = LiveDict(document.config, self._changed)
        """Hyperparameters; what is set here is saved within the flush interval."""
        self.summary = document.summary = LiveDict(document.summary, self._changed)
        """Results to be shown in tables: final figures, sizes, times."""
        if asleep:
            self._sleep()
            return
        try:
            self._writer.start()
        except RuntimeError as error:
            with contextlib.suppress(OSError):
                folder.rmdir()  # a new run's; one that is resumed is not empty
            raise StoreError(
                f"run {document.id} cannot start its writer thread ({error});"
                " raise the limit of threads and processes (`ulimit -u`, or the container's)"
            ) from None
        exit_hooks.register(self)
        for companion in companions:
            if self._guarded(companion, lambda it: it.start(self)):
                self._companions.append(companion)
        if role == PRIMARY:
            self._writer.store_writer.start_capture()

    @property
    def id(self) -> str:
        return self._document.id

    @property
    def name(self) -> str:
        return self._document.name

    @property
    def experiment(self) -> str:
        return self._document.experiment

    @property
    def writer(self) -> str:
        """The id of this process in the run's record."""
        return self._heartbeat.writer

    @property
    def env(self) -> dict[str, str]:
        """The environment variables that make `runfolio.init` of another process join this run.

        `subprocess.run(command, env={**os.environ, **run.env})`
        """
        return {distributed.RUN_ID: self.id, STORE_VARIABLE: os.fspath(self.folder.parent.parent)}

    @property
    def last_step(self) -> int:
        """The step of the last call of `log` that was taken up by the writer thread; -1 before the first."""
        return self._writer.last_step

    @property
    def tags(self) -> list[str]:
        return list(self._document.tags)

    @tags.setter
    def tags(self, tags: Iterable[str]) -> None:
        self._document.tags = plain_tags(tags)
        self._edited("tags")

    @property
    def notes(self) -> str:
        return self._document.notes

    @notes.setter
    def notes(self, notes: str) -> None:
        self._document.notes = str(notes)
        self._edited("notes")

    def now(self) -> float:
        """Seconds since 1970 as this run's record counts them: they never go back, although the clock be set."""
        return self._clock.now()

    def log(self, values: Mapping[str, Any], step: int | None = None) -> None:
        """Record values of metrics; returns at once, whatever the disk or the GPU is doing.

        Args:
            values: Metric names and their values: numbers, one-element arrays or tensors; nested dicts become `a/b`.
                NaN and infinities are kept. What is not a number is left out, counted and warned of once.
                Of two keys that come to one name (`"a/b"`, and `b` in `a`) the last counts.
            step: The x axis: a whole number. Default: one more than the call before.
        Raises:
            ConfigError: `values` is not a dict. With `init(strict=True)` also: something in it cannot be stored, or
                the step is no whole number; nothing of the call is stored then.
        """
        moment = steady() + self._clock_offset
        try:
            taken = dict(values)
        except (TypeError, ValueError):
            raise ConfigError(f"log takes a dict of metric names and values, not a {type(values).__name__}") from None
        for value in taken.values():
            if value.__class__ is not float:
                return self._log_others(moment, step, taken)
        if step is not None and step.__class__ is not int:
            return self._log_others(moment, step, taken)
        return self._append((moment, step, taken))

    def _log_others(self, moment: float, step: Any, values: dict[str, Any]) -> None:
        """A call that is not of floats alone: made so as far as that is exact, else left to the writer thread."""
        plain = True
        for name, value in values.items():
            if value.__class__ is not float:
                number = detach_value(value)
                if isinstance(number, int) and -_EXACT <= number <= _EXACT:
                    number = float(number)
                values[name] = number
                plain = plain and number.__class__ is float
        if step is not None and step.__class__ is not int:
            step = detach_value(step)
        self._append((moment, step, values) if plain else Scalars(moment, step, values))

    def define_metric(self, metric: str, *, x: str) -> None:
        """Say what the curves of a metric are drawn over, where nobody asks for something else.

        Args:
            metric: A name, or a pattern such as `val/*`. Of several that fit a metric, the one defined last counts.
            x: The name of another metric, whose value is taken from the same log call, else from the last before; or
                "step", or "time" (since the start, without pauses).
        Raises:
            ConfigError: One of them is no name of a metric, or more than 1,000 patterns are defined.
        """
        for name in (metric, x):
            check_name(name)
        axes = [axis for axis in self._document.axes if axis["metric"] != metric]
        if len(axes) == _MOST_AXES:
            raise ConfigError(f"{_MOST_AXES:,} axes are defined already; use patterns, such as define_metric('val/*')")
        self._document.axes = [*axes, {"metric": metric, "x": "time" if x == "relative time" else x}]
        self._changed()

    def log_system(self, values: Mapping[str, float]) -> None:
        """Record what was measured beside the training (`system/...`), by whole seconds that the run was worked on.

        The automatic steps of `log` do not count it.
        """
        seconds = int(self._seconds_before + self._clock.elapsed_s())
        # Not by `_append`: a sample taken while the run ends is nobody's loss, and not worth a warning.
        self._writer.pending.append(Scalars(self.now(), seconds, dict(values), aside=True))

    def log_image(self, name: str, image: Any, step: int | None = None, caption: str | None = None) -> None:
        """Record a picture: a Pillow image, a file's path, or an array or tensor (see `pictures.png`)."""
        taken = media_content.own_copy(image)
        self._append(Media(self.now(), step, "image", str(name), lambda: media_content.png(taken), caption))

    def log_figure(self, name: str, figure: Any, step: int | None = None, caption: str | None = None) -> None:
        """Record a matplotlib figure as it looks now.

        Raises:
            ConfigError: It is not a matplotlib figure.
        """
        drawn = media_content.figure_png(figure)
        self._append(Media(self.now(), step, "figure", str(name), lambda: drawn, caption))

    def log_histogram(self, name: str, values: Any, step: int | None = None) -> None:
        """Record how the numbers of an array or tensor of any shape are distributed."""
        taken = media_content.own_copy(values)
        self._append(Media(self.now(), step, "histogram", str(name), lambda: media_content.histogram(taken)))

    def log_text(self, name: str, text: str, step: int | None = None) -> None:
        """Record a text."""
        content = {"text": str(text)}
        self._append(Media(self.now(), step, "text", str(name), lambda: content))

    def log_graph(self, model: Module, example: Any = None, step: int | None = None) -> None:
        """Record the structure of a network: its layers, what goes from one to the next, and of what shape.

        The model runs once on `example`, in eval mode; nothing of it or of the random numbers is changed. Without an
        example, or where it does not run, the record has its layers alone.

        Args:
            example: What the model takes: a tensor, a list or tuple of arguments, a dict of named ones.
        Raises:
            ConfigError: `model` is no module.
        """
        from runfolio.tracking.monitors.model_graph import graph_of
        from runfolio.tracking.monitors.watch import unwrap

        content = {"nodes": graph_of(unwrap(model), example)}
        self._append(Media(self.now(), step, "graph", "graph", lambda: content))

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
        Raises:
            NotFound: There is no such file or folder.
            ConfigError: It is none of these, or has no name.
        """
        from runfolio.tracking.data_log import DataLog

        if self._role != PRIMARY:
            self._tell_joined()
            return
        if self._ended:
            log.warning("run %s records nothing more: it has ended", self.id)
            return
        taken = self._data = self._data or DataLog(self.folder, self._document, self._changed)
        taken.take(name, data, source)

        def measured() -> None:
            taken.measure()
            self._writer.store_writer.do(taken.bring)

        try:
            self._writer.store_writer.start_task(measured)
        except RuntimeError as error:  # no thread to be had
            log.warning("run %s: data %r has no fingerprint (%s)", self.id, name, error)

    def artifact(self, path: str | os.PathLike[str], name: str | None = None, type: str = "file") -> Path:  # noqa: A002
        """Keep a copy of a file or folder with the run; where it lies now.

        Raises:
            NotFound: `path` does not exist.
            ConfigError: The name is taken or is not a file name; or `path` holds the run itself.
            StoreError: It cannot be copied.
        """
        source = Path(path)
        return artifacts.save(self.folder, source, name or source.absolute().name, type)

    def checkpoint(
        self,
        *,
        step: int | None = None,
        metric: Any = None,
        mode: Literal["max", "min"] = "max",
        loader: str | None = None,
        meta: Mapping[str, Any] | None = None,
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
            state: By name: modules, anything with a `state_dict`, tensors, arrays, numbers, texts, and lists,
                tuples and dicts of them.
        Returns:
            Whether it is the best so far. What the store then does not take is told, and no longer counts as best.
        Raises:
            ConfigError: The state holds something else, or `metric` or `step` is no number.
        """
        if self._saver is None:
            self._tell_joined()
            return False
        return self._saver.call(step, metric, mode, state, loader, meta)

    def restore(self, name: str = LAST, **targets: Any) -> Checkpoint:
        """A checkpoint of this run; and the state of the training as it was then, put into `targets`.

        What is being saved is waited for. `last` of a run that was resumed and has not saved since is what it was
        resumed from. For a damaged `last` the newest whole one of the others is taken, and told.

        Args:
            targets: By the name it was saved under: what has a `load_state_dict`, such as `model=model`. Where there is
                one, all random generators go on as they were, too. Without any, nothing is changed.
        Raises:
            NotFound: There is none of that name, or nothing of a target's name in it.
            ConfigError: A target has no `load_state_dict`, or what was saved does not fit it.
            DamagedFile: It cannot be read, or a module's tensors do not fit; the message names them.
        """
        if self._saver is not None:
            self._saver.wait()
        found = self._instead if name == LAST else None
        if found is None or (self._saver is not None and self._saver.has_saved):
            found = manifests.read_intact(self.folder, name, lambda told: log.warning("run %s: %s", self.id, told))
        if targets:
            restore.restore(found, targets)
        return found

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
        steps from 0. The first layer, or gradient, that is not finite is told once and noted (see `note_trouble`).

        Args:
            model: The module, also one that is compiled or wrapped for DDP. Watched anew, it is watched only so.
            every: How many steps lie between two readings.
            log: "all", "gradients" or "weights".
            histograms: Whether to record distributions, and not only norms.
            step: Optimizer steps done before, of a training that is resumed. What is told of batches counts on from it.
        Raises:
            ConfigError: `model` is no module, `every` is below 1, or `log` none of the three.
        """
        from runfolio.tracking.monitors.watch import Watch

        watch = Watch(model, every, log, histograms, step)
        self.unwatch(model)
        if not self._ended and self._guarded(watch, lambda it: it.start(self)):
            self._companions.append(watch)

    def unwatch(self, model: Module) -> None:
        """Stop watching a model; nothing happens where it is not watched.

        Raises:
            ConfigError: `model` is no module.
        """
        from runfolio.tracking.monitors.watch import Watch, unwrap

        stopped = unwrap(model)
        for each in [watch for watch in self._companions if isinstance(watch, Watch)]:
            if each.model is stopped:
                each.stop()
                self._companions.remove(each)

    def note_trouble(self, text: str) -> None:
        """Record what first went wrong with the training itself, such as where NaN came from; the first note counts.

        `runfolio show` tells it however the run ends.
        """
        if self._document.status.trouble is None:
            self._document.status.trouble = str(text)
            self._changed()

    def note_seeds(self, values: Mapping[str, Any]) -> None:
        """Record what the generators were seeded with; for `seed_everything`. Other ranks have seeds of their own."""
        if self._role == PRIMARY:
            self._document.seeds = {**self._document.seeds, **values, **seeds.torch_seed()}
            self._changed()

    def record(self, item: Item) -> None:
        """Append what is already an item of the record; for companions. `log` and its like are for everybody else."""
        self._append(item)

    def flush(self) -> bool:
        """Wait until all that was logged is in the record's files; False where the store does not take it."""
        return self._asleep or self._writer.flush(_FLUSH_WAIT_S)

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
        self.end(RunOutcome(state, reason, 0 if state == "finished" else None))

    def end(self, outcome: RunOutcome, *, ending: exit_hooks.Ending = "run") -> None:
        """Close the record with an outcome; see `exits`.

        The run is forgotten only when that is done: interrupted meanwhile, the process waits for it at its own end.
        """
        if self._closed:
            return
        if not self._ended:
            self._ended = True
            self._note_threads()
            for companion in reversed(self._companions):
                self._guarded(companion, lambda it: it.stop(ending))
            self._append = self._refuse
        if self._asleep:
            exit_hooks.unregister(self)
            return
        if self._saver is not None:
            self._saver.close(ending)
        outcome = exit_hooks.preemption_outcome() or outcome
        whole = self._writer.close(lambda _: self._set_status(outcome), ending, exit_hooks.seconds_left(ending))
        self._closed = True
        exit_hooks.unregister(self)
        if not whole:
            left = self._writer.store_writer.left_in_spool
            rest = f"; they wait in {left[0].parent}, and `runfolio doctor --repair` brings them back" if left else ""
            log.error("run %s: the last points could not be written to %s%s", self.id, self.folder, rest)

    def awaited_s(self) -> float:
        """How long the process, told to go, may go on for the next checkpoint; see `exits`."""
        return 0.0 if self._saver is None or self._ended else self._saver.awaited_s()

    def note_preemption(self) -> None:
        """Bring all there is to the store, and that the run was told to go; see `exits`."""
        outcome = exit_hooks.preemption_outcome()
        if outcome is not None and self._role == PRIMARY and not self._ended:
            self._writer.store_writer.do(lambda: self._set_status(outcome))
            self._writer.store_writer.save_document()
        if not self._asleep:
            self._writer.flush(_PREEMPTION_WAIT_S, sync=True)

    def _set_status(self, outcome: RunOutcome) -> None:
        """Called by the store thread, which writes it."""
        self._document.status = Status(
            outcome.state,
            self._clock.moment(),
            outcome.reason,
            outcome.exit_code,
            outcome.traceback,
            outcome.cause,
            self._document.status.trouble,
        )
        self._attempt.seconds = self._clock.elapsed_s()
        self._document.seeds.update(seeds.torch_seed())

    def inherited(self) -> None:
        """Become the run of a forked child: one that joins with its first log call, as a process of its own.

        Nothing of the parent's is touched: what waits there is the parent's alone.
        """
        self._companions = []
        self._role = "process"
        self._told = False
        self._stop_after = None
        self._saver = self._instead = None
        self._use(self._new_writer(self._writer.last_step))
        if self._ended:  # in another thread of the parent
            self._append = _ignore
        else:
            self._sleep()

    def __reduce__(self) -> tuple[Callable[..., Run], tuple[Any, ...]]:
        return _handed_over, (
            self.folder,
            self._document,
            self._pace,
            self._writer.last_step,
            self._strict,
            self._sync,
            self._ended,
        )

    def _sleep(self) -> None:
        """Have whatever is logged first start the writer."""
        self._asleep = True
        wakers = iter((self._wake,))

        def first(item: Item) -> None:
            self._take(item)
            for wake in wakers:  # an iterator gives what it holds to one thread alone, without a lock
                wake()

        self._append = first

    def _wake(self) -> None:
        self._append = self._take
        self._asleep = False
        self._heartbeat.worker = distributed.data_loader_worker()
        self._heartbeat.role = "process" if self._heartbeat.worker is None else "worker"
        try:
            with exit_hooks.hold_signals():
                self._writer.start(wait=False)
                exit_hooks.register(self)
        except RuntimeError as error:
            log.warning("run %s: what process %d logs is not recorded (%s)", self.id, os.getpid(), error)
            self._ended = self._closed = True
            self._append = _ignore

    def _use(self, writer: EncoderThread) -> None:
        self._writer = writer
        take = self._take_checked if self._strict else writer.pending.append
        if self._stop_after is not None:
            take = StopAfter(self._stop_after, take, self)
        self._take: Callable[[Item], None] = take
        self._append: Callable[[Item], None] = self._take
        """What becomes of an item; exchanged where more is logged than can be encoded, and at the run's end."""

    def _new_writer(
        self,
        last_step: int,
        capture: Callable[[], None] = _nothing,
        notice: Callable[[], None] = _nothing,
        sinks: Sequence[Sink] = (),
    ) -> EncoderThread:
        writer = self._attempt.writer if self._role == PRIMARY else new_id()
        self._heartbeat = Heartbeat.of_this_process(
            writer, self._attempt.attempt, self._pace.heartbeat_s, self._role, distributed.rank()
        )
        store_writer = StoreWriter(
            self.folder, self._document, self._heartbeat, self._pace, capture, notice, sinks, sync=self._sync
        )
        return EncoderThread(store_writer, self._document, writer, self._pace, last_step, press=self._press)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(RunOutcome.from_exception(error))

    def __repr__(self) -> str:
        return f"<Run {self.experiment}/{self.name} {self.id}>"

    def _guarded(self, companion: Companion, task: Callable[[Companion], None]) -> bool:
        """Whether `task` went well; a companion that fails must not cost the training."""
        try:
            task(companion)
        except Exception as error:
            log.warning("run %s: %s is not recorded (%s)", self.id, type(companion).__name__.lower(), error)
            return False
        return True

    def _press(self, pressed: bool) -> None:
        """Called by the writer thread: more is logged than it can encode, or that is over."""
        self._append = self._take_slowly if pressed else self._take
        if self._ended:  # set meanwhile, and to stay
            self._append = self._refuse

    def _take_slowly(self, item: Item) -> None:
        self._take(item)
        time.sleep(_BRAKE_S)

    def _take_checked(self, item: Item) -> None:
        """`init(strict=True)`."""
        if not isinstance(item, Media | Mark):
            check_numbers(item[2])
            if item[1] is not None:
                whole_step(item[1])
        self._writer.pending.append(item)

    def _refuse(self, item: Item) -> None:
        log.warning("run %s records nothing more: it has ended", self.id)
        self._append = _ignore

    def _changed(self) -> None:
        if self._role != PRIMARY:
            self._tell_joined()
        self._writer.store_writer.save_document()

    def _tell_joined(self) -> None:
        if not self._told:
            self._told = True
            log.warning(
                "run %s: process %d has joined it, and what it logs is recorded; config, summary, tags, notes,"
                " data and checkpoints are kept of its primary process (rank 0, the one that opened it) alone",
                self.id,
                os.getpid(),
            )

    def _edited(self, key: str) -> None:
        """Note when, so that of this and somebody else's edit the later one counts (`record.notes`)."""
        self._document.edited[key] = self._clock.moment()
        self._changed()


def _handed_over(
    folder: Path, document: RunDocument, pace: WriterConfig, last_step: int, strict: bool, sync: bool, ended: bool
) -> Run:
    """A run that was pickled: the run itself where that is open here, else one that joins when it is used."""
    for run in exit_hooks.open_runs():
        if isinstance(run, Run) and run.folder == folder:
            return run
    run = Run(folder, document, pace, last_step, strict=strict, sync=sync, role="process", asleep=True)
    if ended:
        run.finish()
    return run


def _ignore(item: Item) -> None:
    """Where items go once a refusal has been told."""


def _worked_on_before(document: RunDocument, now: float) -> float:
    """Seconds from the run's begin to `now` (since 1970) without the pauses between its attempts."""
    *earlier, newest = document.attempts
    return sum(entry.seconds or 0.0 for entry in earlier) + max(0.0, now - newest.started.timestamp())


def plain_tags(tags: Iterable[str]) -> list[str]:
    """Tags as they are recorded.

    Raises:
        ConfigError: One cannot be a tag.
    """
    found = [tags] if isinstance(tags, str) else [str(tag) for tag in tags]
    for tag in found:
        run_edits.check_tag(tag)
    return found

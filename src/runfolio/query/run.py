"""Recorded runs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runfolio.errors import ConfigError, NotFound, RunfolioError, did_you_mean
from runfolio.query import durations, model_loading
from runfolio.query.arrow_frame import ArrowFrame
from runfolio.query.curve import Curve
from runfolio.query.explain import run_end
from runfolio.query.frames import x_axis
from runfolio.query.frames.points import open_points
from runfolio.query.index.scan import ScannedRun
from runfolio.query.recorded_code import RecordedCode
from runfolio.query.recorded_data import DataFacts
from runfolio.query.run_edits import RunEdits
from runfolio.record.base.flat_names import flatten
from runfolio.record.base.visible_text import visible_line
from runfolio.record.checkpoints import manifests
from runfolio.record.checkpoints.manifests import Checkpoint, CheckpointList
from runfolio.record.content import media
from runfolio.record.content.media import MediaEntry
from runfolio.record.points.metric_summary import MetricSummary, is_system_metric

if TYPE_CHECKING:
    import pyarrow as pa
    from torch.nn import Module

    from runfolio.query.histories.point_frame import PointFrame
    from runfolio.query.recorded_answers import Answers


class RecordedRun(ArrowFrame):
    """Run as of the last scan of the store. Curves, media and checkpoints are read on access."""

    def __init__(self, store: Path, scanned: ScannedRun) -> None:
        self.document = scanned.entry.document
        """Content of `run.json` (`docs/format.md`): status, attempts, environment, seeds, lineage, series."""
        self.run_path = scanned.run_path
        """Folder of the run, relative to the store. It is unique."""
        self.folder = store / scanned.run_path
        self.state = scanned.state
        """One of running, finished, failed, interrupted (Ctrl-C), preempted (SIGTERM) and crashed (no heartbeat)."""
        summaries = scanned.entry.metrics
        system = {name for name in summaries if is_system_metric(name)}
        self.metrics: dict[str, MetricSummary] = {
            name: summary for name, summary in summaries.items() if name not in system
        }
        """Summary of each metric: last value, extreme values, number of points."""
        self.system_metrics: dict[str, MetricSummary] = {
            name: summary for name, summary in summaries.items() if name in system
        }
        """Summary of each `system/...` metric: load of the machine and speed of the training."""
        self.metric_summaries: dict[str, MetricSummary] = summaries
        """Summary of each metric that `metric` can read: `metrics` and `system_metrics`."""
        self.problems: tuple[str, ...] = scanned.entry.problems
        """Descriptions of points and edits that could not be read, one line each."""
        self.edits = RunEdits(self.folder, self.document, scanned.entry.edits)
        """Edits of the run: `rename`, `tag`, `note`, `archive`, `set_verdict`; `archived`, `verdict`."""
        writers = [attempt.writer for attempt in self.document.attempts]
        self.code = RecordedCode(self.id, self.folder, self.document.code, writers)
        """Recorded code: `info` (command, commit), captured `files`, `read(path)`, uncommitted `diff`."""

    def __repr__(self) -> str:
        return visible_line(f"<RecordedRun {self.name} ({self.id}, {self.experiment}, {self.state})>")

    @property
    def id(self) -> str:
        return self.document.id

    @property
    def name(self) -> str:
        """Current name, given by the script or by an edit."""
        return self.edits.current_name

    @property
    def experiment(self) -> str:
        return self.document.experiment

    @property
    def tags(self) -> list[str]:
        return self.edits.current_tags

    @property
    def notes(self) -> str:
        return self.edits.current_notes

    @property
    def created(self) -> datetime:
        """Start of the run, in UTC."""
        return self.document.created

    @property
    def duration_s(self) -> float | None:
        """Seconds of work, without the pauses between attempts; up to now for a running run.

        Seconds inherited from the parent of a fork are not included. None for a crashed run, whose end is unknown.
        """
        return durations.worked_s(self)

    @property
    def progress(self) -> float | None:
        """Share of `run.total_steps` that is done, from 0 to 1; None if the script did not set it."""
        return durations.progress(self)

    @property
    def reason(self) -> str | None:
        """Reason of the end, without the state; None if there is none."""
        return self._reason

    @property
    def ending(self) -> str:
        """State and reason of the end, such as `failed: ValueError: bad shape in train.py line 41`."""
        return run_end.why(self)

    @cached_property
    def _reason(self) -> str | None:
        return run_end.reason(self)

    @cached_property
    def config(self) -> dict[str, Any]:
        """Config with its nested mappings."""
        return self.document.config

    @property
    def flat_config(self) -> dict[str, Any]:
        """Flattened config: `{"optimizer": {"lr": 0.1}}` becomes `{"optimizer/lr": 0.1}`."""
        return self._flat_config

    @cached_property
    def _flat_config(self) -> dict[str, Any]:
        return flatten(self.config)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Results that the run reported."""
        return self.document.summary

    @property
    def flat_summary(self) -> dict[str, Any]:
        """Flattened summary, like `flat_config`."""
        return self._flat_summary

    @cached_property
    def _flat_summary(self) -> dict[str, Any]:
        return flatten(self.summary)

    @property
    def data(self) -> dict[str, DataFacts]:
        """Recorded data by name (`train`, `val`, `test`, ...): fingerprint, number of items, source, items."""
        return self._data

    @cached_property
    def _data(self) -> dict[str, DataFacts]:
        return {name: DataFacts.of(self.folder, name, value) for name, value in self.document.data.items()}

    def metric(self, name: str, x: str | None = None, *, rank: int | None = None) -> Curve:
        """Read the current points of one metric from the files of the run.

        Args:
            name: Name of the metric.
            x: X axis: `step`, `time`, `epoch`, or any metric (see `x_axis.along`). Default: the axis that the run
                defined.
            rank: Rank of the writer, if several processes wrote the run. Default: the primary process (rank 0) of each
                attempt if it logged the metric, else all processes.

        Raises:
            NotFound: The metric or the rank does not exist; the message names similar metrics.
            ConfigError: The run has no metric `x`.
        """
        files = open_points(self.folder, self.document)
        points = files.read(name, rank=rank)
        x_name = x or x_axis.default_x(self, name)
        positions = x_axis.along(self, files, name, points, x_name, rank)
        return Curve(name, points.steps, points.times_us / 1e6, points.values, positions, x_name)

    def media(self, kind: str | None = None) -> list[MediaEntry]:
        """Return the logged media in order of arrival.

        Args:
            kind: `image`, `figure`, `audio`, `video`, `table`, `mesh`, `text`, `histogram`, `graph` or `layout`.
                Default: all kinds.

        Raises:
            ConfigError: The kind does not exist.
        """
        if kind is not None and kind not in media.KINDS:
            raise ConfigError(f"there is no kind of media {kind!r}; {did_you_mean(kind, media.KINDS)}")
        entries, _ = media.read(self.folder)
        return [entry for entry in entries if kind in (None, entry.kind)]

    def answers(self, split: str = "test") -> Answers:
        """Return the answers of the newest attempt to the items of a split: predictions, probabilities, losses.

        Raises:
            NotFound: The run has no answers to the split; the message names the others.
            DamagedFile: Their file is damaged.
            NewerFormat: A newer version of runfolio wrote it.
        """
        from runfolio.query.recorded_answers import read_answers  # imports Arrow, which tables of runs do not need

        return read_answers(self.folder, split)

    @property
    def checkpoints(self) -> CheckpointList:
        """Readable checkpoints, in the order in which they were saved. One checkpoint can have several names.

        A checkpoint has `name`, `step`, `metric`, `saved`, `size_bytes`, and `verify()` to check its files.
        """
        readable = CheckpointList()
        for name in manifests.names(self.folder):
            with suppress(RunfolioError, OSError):  # `runfolio doctor` reports it
                readable.append(manifests.read(self.folder, name))
        readable.sort(key=lambda checkpoint: (checkpoint.position_us, checkpoint.name))
        return readable

    def checkpoint(self, name: str = "best") -> Checkpoint:
        """Return a checkpoint by name. If there is no `best`, since no metric was given, `best` returns `last`.

        Raises:
            NotFound: The checkpoint does not exist.
            DamagedFile: One of its files does not match its manifest.
        """
        try:
            return manifests.read(self.folder, name)
        except NotFound:
            if name != "best":
                raise
            return manifests.read(self.folder, "last")

    def load_model(self, module: Module | Callable[[], Module] | None = None) -> Module:
        """Return the model of the best checkpoint, in eval mode.

        Args:
            module: Module that gets the tensors of the checkpoint, or its class or a function that is called without
                arguments. Default: the loader that the checkpoint names builds the module.

        Raises:
            ConfigError: The checkpoint names no installed loader, `module` is not a module, or the tensors do not fit;
                the message lists missing and unexpected tensors.
            DamagedFile: The checkpoint cannot be read.
            NotFound: The run has no checkpoint.
        """
        return model_loading.load_model(self.checkpoint(), module)

    def predict(self, images: Any, module: Module | Callable[[], Module] | None = None) -> Any:
        """Return the predictions of the best checkpoint.

        Args:
            images: Input of the loader. For image classifiers: paths, bytes, PIL images, arrays or tensors.
            module: Module as in `load_model`, for a run whose script gave `classes` and `transform` to `checkpoint`.

        Returns:
            Output of the loader. For image classifiers: a list of predictions.

        Raises:
            ConfigError: The model cannot be built or does not fit (see `load_model`).
            DamagedFile: The checkpoint cannot be read.
            NotFound: The run has no checkpoint.
        """
        return model_loading.load_classifier(self.checkpoint(), module).predict(images)

    def points(self, *metrics: str, **options: Any) -> PointFrame:
        """Return the points of some or all metrics as a table; arguments and errors as in `Runs.points`.

        By default it has the columns `metric`, `step`, `time` (UTC) and `value`.
        """
        from runfolio.query.histories.point_frame import PointFrame, PointOptions

        return PointFrame([self], metrics, PointOptions(**options), has_runs=False)

    def to_arrow(self) -> pa.Table:
        """Return one row per point of all metrics: `metric`, `step`, `time` (UTC) and `value` (see `points`)."""
        return self.points().to_arrow()

    def _repr_html_(self) -> str:
        """Return the state, settings, results and a small plot of the run for a notebook."""
        from runfolio.query.tables.notebook_pages import run_page

        return run_page(self)

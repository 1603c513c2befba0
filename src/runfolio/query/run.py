"""Recorded run of a store, with its settings, results, curves, media and checkpoints."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from runfolio.errors import ConfigError, NotFound, RunfolioError, did_you_mean
from runfolio.query import durations, model_loading
from runfolio.query.arrow_frame import ArrowFrame
from runfolio.query.curve import Curve
from runfolio.query.index.entries import Entry
from runfolio.query.index.rows import moment_of
from runfolio.query.index.run_columns import RunColumns, RunFacts, RunRow
from runfolio.query.recorded_code import RecordedCode
from runfolio.query.recorded_data import DataFacts
from runfolio.query.run_edits import RunEdits
from runfolio.record.base.flat_names import flatten
from runfolio.record.base.run_document import RunDocument
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

    cached_property = property  # pyright does not accept functools' class for a property of `RunView`
else:
    from functools import cached_property


class RecordedRun(ArrowFrame):
    """State of a run at the last scan of the store. Curves, media and checkpoints are read on access."""

    def __init__(self, store: Path, row: RunRow, columns: RunColumns) -> None:
        self._store = store
        self.row = row
        """Row of the run in the index, which is the database with the results of the last scan."""
        self._columns = columns
        self.run_path = os.fsdecode(row.folder)
        """Folder of the run, relative to the store. The path is unique."""
        self.state = row.state
        """State: running, finished, failed, interrupted (Ctrl-C), preempted (SIGTERM) or crashed (no heartbeat)."""

    def __repr__(self) -> str:
        return visible_line(f"<RecordedRun {self.name} ({self.id}, {self.experiment}, {self.state})>")

    @cached_property
    def folder(self) -> Path:
        """Folder of the run."""
        return self._store / self.run_path

    @cached_property
    def _entry(self) -> Entry:
        return self._columns.entry(self.row.key)

    @property
    def document(self) -> RunDocument:
        """Content of `run.json` (`docs/format.md`): status, attempts, environment, seeds, lineage and series."""
        return self._entry.document

    @property
    def problems(self) -> tuple[str, ...]:
        """Descriptions of points and edits that could not be read, one line each."""
        return self._entry.problems

    @cached_property
    def metrics(self) -> Mapping[str, MetricSummary]:
        """Summary of each metric: last, lowest and highest value, and number of points."""
        return self._summaries(lambda name: not is_system_metric(name))

    @cached_property
    def system_metrics(self) -> Mapping[str, MetricSummary]:
        """Summary of each `system/...` metric: machine load and training speed."""
        return self._summaries(is_system_metric)

    @cached_property
    def metric_summaries(self) -> Mapping[str, MetricSummary]:
        """Summary of each metric in `metrics` and `system_metrics`. The method `metric()` returns the points of any of
        these metrics."""
        return self._summaries(None)

    @cached_property
    def edits(self) -> RunEdits:
        """Methods that edit the run (`rename`, `tag`, `note`, `archive`, `set_verdict`), and the edited values."""
        return RunEdits(self.folder, self.document, self._entry.edits)

    @cached_property
    def code(self) -> RecordedCode:
        """Recorded code: `info` (such as the commit), captured `files`, `read(path)`, and the uncommitted `diff`."""
        writers = [attempt.writer for attempt in self.document.attempts]
        return RecordedCode(self.id, self.folder, self.document.code, writers)

    @property
    def id(self) -> str:
        return self.row.id

    @property
    def name(self) -> str:
        """Current name, as set by the script or by a later edit."""
        return self.edits.current_name if self._is_edited else self.row.name

    @property
    def experiment(self) -> str:
        return self.row.experiment

    @property
    def tags(self) -> list[str]:
        return self.edits.current_tags if self._is_edited else orjson.loads(self.row.tags)

    @property
    def notes(self) -> str:
        return self.edits.current_notes if self._is_edited else self.row.notes

    @property
    def archived(self) -> bool:
        """True if the run is excluded from tables, selections and plots."""
        return self.edits.archived if self._is_edited else bool(self.row.archived)

    @property
    def facts(self) -> RunFacts:
        """Facts that tables show: end, series, lineage, host, device and commit."""
        return RunFacts.of(self.row)

    @property
    def is_reproduction(self) -> bool:
        """True if the run was started to repeat another run with the same settings."""
        return bool(self.row.is_reproduction)

    @property
    def _is_edited(self) -> bool:
        """True if `edits` was used. The name or other values may then differ from the index."""
        return "edits" in self.__dict__

    @property
    def created(self) -> datetime:
        """Start of the run, in UTC."""
        return moment_of(self.row.created)

    @property
    def duration_s(self) -> float | None:
        """Seconds of work, without the pauses between attempts. The work of a running run is counted up to now.

        Seconds that a fork inherited from its parent are not included. The value is None for a crashed run, because its
        end is unknown.
        """
        since_us = self.row.working_since
        worked_s = self.row.worked_s
        return worked_s if worked_s is None or since_us is None else worked_s + max(0.0, time.time() - since_us / 1e6)

    @property
    def progress(self) -> float | None:
        """Fraction of `run.total_steps` that is done, from 0 to 1, or None if the script did not set `total_steps`."""
        return durations.progress(self)

    @property
    def reason(self) -> str | None:
        """Reason why the run ended, or None if no reason is known. The text does not include the state."""
        return self.row.reason

    @property
    def ending(self) -> str:
        """State and reason of the end, such as `failed: ValueError: bad shape in train.py line 41`."""
        return f"{self.state}: {self.reason}" if self.reason else self.state

    @cached_property
    def config(self) -> dict[str, Any]:
        """Settings of the run, with nested mappings."""
        return self.document.config

    @cached_property
    def flat_config(self) -> Mapping[str, Any]:
        """Settings without nesting: `{"optimizer": {"lr": 0.1}}` becomes `{"optimizer/lr": 0.1}`."""
        return self._columns.by_name(self.row.key, "params", lambda: flatten(self.config))

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Results that the run reported."""
        return self.document.summary

    @cached_property
    def flat_summary(self) -> Mapping[str, Any]:
        """Results without nesting, like `flat_config`."""
        return self._columns.by_name(self.row.key, "results", lambda: flatten(self.summary))

    @cached_property
    def data(self) -> dict[str, DataFacts]:
        """Facts about the data, keyed by name (such as `train`, `val` and `test`): fingerprint, source and items."""
        given = self._columns.by_name(self.row.key, "data", lambda: self.document.data)
        return {name: DataFacts.of(self.folder, name, value) for name, value in given.items()}

    def metric(self, name: str, x: str | None = None, *, rank: int | None = None) -> Curve:
        """Read the current points of one metric from the run's files.

        Args:
            name: Name of the metric.
            x: X axis: `step`, `time`, `epoch`, or any metric (see `x_axis.along`). Default: the axis that the run
                defined.
            rank: Rank of the process that logged the points. Default: the primary process (rank 0) of each attempt. If
                that process did not log the metric, the points of all processes are read.

        Raises:
            NotFound: The metric or the rank does not exist. The message names similar metrics.
            ConfigError: The run has no metric `x`.
        """
        from runfolio.query.frames import x_axis  # imports NumPy, which tables of runs do not need
        from runfolio.query.frames.points import open_points

        files = open_points(self.folder, self.document)
        points = files.read(name, rank=rank)
        x_name = x or x_axis.default_x(self, name)
        positions = x_axis.along(self, files, name, points, x_name, rank)
        return Curve(name, points.steps, points.times_us / 1e6, points.values, positions, x_name)

    def sparkline(self, metric: str) -> bytes | None:
        """Return a small version of a metric's curve from the index (see `Runs.sparklines`), or None if there is
        none."""
        return self._columns.column("sparklines", metric).get(self.row.key)

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
        """Return predictions, probabilities and losses for the items of a split. The values are from the newest attempt
        that logged answers to the split.

        Raises:
            NotFound: The run has no answers to the split. The message lists the splits that have answers.
            DamagedFile: The file with the answers is damaged.
            NewerFormat: A newer version of runfolio wrote the file.
        """
        from runfolio.query.recorded_answers import read_answers  # imports Arrow, which tables of runs do not need

        return read_answers(self.folder, split)

    @property
    def checkpoints(self) -> CheckpointList:
        """Readable checkpoints, oldest first. A checkpoint with several names appears once per name.

        A checkpoint has `name`, `step`, `metric`, `saved`, `size_bytes`, and `verify()` to check its files.
        """
        readable = CheckpointList()
        for name in manifests.names(self.folder):
            with suppress(RunfolioError, OSError):  # `runfolio doctor` reports unreadable checkpoints
                readable.append(manifests.read(self.folder, name))
        readable.sort(key=lambda checkpoint: (checkpoint.position_us, checkpoint.name))
        return readable

    def checkpoint(self, name: str = "best") -> Checkpoint:
        """Return a checkpoint by name. If `best` does not exist, because no metric was given, return `last` instead.

        Raises:
            NotFound: The checkpoint does not exist.
            DamagedFile: A file of the checkpoint does not match the checkpoint's manifest.
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
            module: Module that the checkpoint's tensors are copied to. If a class or a function is given, it is called
                without arguments and must return the module. By default, the loader of the checkpoint builds the
                module.

        Raises:
            ConfigError: The checkpoint names no installed loader, `module` is not a module, or the tensors do not fit.
                If tensors are missing or unexpected, the message lists them.
            DamagedFile: The checkpoint cannot be read.
            NotFound: The run has no checkpoint.
        """
        return model_loading.load_model(self.checkpoint(), module)

    def predict(self, images: Any, module: Module | Callable[[], Module] | None = None) -> Any:
        """Return the predictions of the best checkpoint.

        Args:
            images: Input of the model. For image classifiers: paths, bytes, PIL images, arrays or tensors.
            module: Module as in `load_model`. It can be given if the script passed `classes` and `transform` to
                `checkpoint`.

        Returns:
            Output of the model. For image classifiers: a list of predictions.

        Raises:
            ConfigError: The model cannot be built or does not fit (see `load_model`).
            DamagedFile: The checkpoint cannot be read.
            NotFound: The run has no checkpoint.
        """
        return model_loading.load_classifier(self.checkpoint(), module).predict(images)

    def points(self, *metrics: str, **options: Any) -> PointFrame:
        """Return the points of some or all metrics as a table. The arguments and errors are the same as for
        `Runs.points`.

        By default, the table has the columns `metric`, `step`, `time` (UTC) and `value`.
        """
        from runfolio.query.histories.point_frame import PointFrame, PointOptions

        return PointFrame([self], metrics, PointOptions(**options), has_runs=False)

    def to_arrow(self) -> pa.Table:
        """Return a table with one row per point of all metrics: `metric`, `step`, `time` (UTC) and `value`."""
        return self.points().to_arrow()

    def _repr_html_(self) -> str:
        """Return HTML for notebooks, with the state, settings, results and a small plot of the run."""
        from runfolio.query.tables.notebook_pages import run_page

        return run_page(self)

    def _summaries(self, has_name: Callable[[str], bool] | None) -> Mapping[str, MetricSummary]:
        def whole() -> dict[str, MetricSummary]:
            summaries = self._entry.metrics.items()
            return {name: summary for name, summary in summaries if has_name is None or has_name(name)}

        return self._columns.by_name(self.row.key, "metrics", whole, has_name)

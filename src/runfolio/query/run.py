"""One run, read back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runfolio.errors import ConfigError, NotFound, RunfolioError, did_you_mean
from runfolio.query import durations, model_loading
from runfolio.query.curve import Curve
from runfolio.query.explain import run_end
from runfolio.query.frames import x_axis
from runfolio.query.frames.points import open_points, points_frame
from runfolio.query.index.scan import ScannedRun
from runfolio.query.recorded_code import RecordedCode
from runfolio.query.recorded_data import DataFacts
from runfolio.query.run_edits import RunEdits
from runfolio.record.base.flat_names import flatten
from runfolio.record.checkpoints import manifests
from runfolio.record.checkpoints.manifests import Checkpoint, CheckpointList
from runfolio.record.content import media
from runfolio.record.content.media import MediaEntry
from runfolio.record.points.metric_summary import MetricSummary, is_system_metric

if TYPE_CHECKING:
    import pandas as pd
    from torch.nn import Module


class RecordedRun:
    """A run as its files were when the store was scanned; curves, media and checkpoints are read when asked for."""

    def __init__(self, store: Path, scanned: ScannedRun) -> None:
        self.document = scanned.entry.document
        """The run's `run.json` (`docs/format.md`): status, attempts, environment, seeds, lineage, series."""
        self.run_path = scanned.run_path
        """The folder below the store, which no other run shares."""
        self.folder = store / scanned.run_path
        self.state = scanned.state
        """running, finished, failed, interrupted (Ctrl-C), preempted (SIGTERM) or crashed (went silent)."""
        summaries = scanned.entry.metrics
        self.metrics: dict[str, MetricSummary] = {
            name: summary for name, summary in summaries.items() if not is_system_metric(name)
        }
        """Summary of each metric: last value, extremes, number of points."""
        self.system_metrics: dict[str, MetricSummary] = {
            name: summary for name, summary in summaries.items() if is_system_metric(name)
        }
        """Summary of each `system/...` metric: load of the machine and speed of the training."""
        self.metric_summaries: dict[str, MetricSummary] = summaries
        """`metrics` and `system_metrics` together: all that `metric` can read."""
        self.problems: tuple[str, ...] = scanned.entry.problems
        """Points and edits that could not be read, one line each; everything else was read."""
        self.edits = RunEdits(self.folder, self.document, scanned.entry.edits)
        """Edits of the run: `rename`, `tag`, `note`, `archive`, `set_verdict`; `archived`, `verdict`."""
        writers = [attempt.writer for attempt in self.document.attempts]
        self.code = RecordedCode(self.id, self.folder, self.document.code, writers)
        """Code of the run: `info` (command, commit), captured `files`, `read(path)`, uncommitted `diff`."""

    def __repr__(self) -> str:
        return f"<RecordedRun {self.name} ({self.id}, {self.experiment}, {self.state})>"

    @property
    def id(self) -> str:
        return self.document.id

    @property
    def name(self) -> str:
        """The name given last, by the script or by an edit."""
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
        """Seconds of work, without the pauses between attempts; up to now while the run is running. Never negative.

        Seconds inherited from the parent of a fork are not included. None for a run that went silent, because nobody
        saw its end.
        """
        return durations.worked_s(self)

    @property
    def reason(self) -> str | None:
        """Reason why the run ended as it did, without the state; None if there is nothing to say."""
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
        """The config, nested as it was given."""
        return self.document.config

    @property
    def flat_config(self) -> dict[str, Any]:
        """The config flattened: `{"optimizer": {"lr": 0.1}}` is `{"optimizer/lr": 0.1}`."""
        return self._flat_config

    @cached_property
    def _flat_config(self) -> dict[str, Any]:
        return flatten(self.config)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The results that the run itself reports."""
        return self.document.summary

    @property
    def flat_summary(self) -> dict[str, Any]:
        """The summary flattened, as `flat_config` is the config."""
        return self._flat_summary

    @cached_property
    def _flat_summary(self) -> dict[str, Any]:
        return flatten(self.summary)

    @property
    def data(self) -> dict[str, DataFacts]:
        """Its data by name (`train`, `val`, `test`, ...): fingerprint, number of items, source, the items."""
        return self._data

    @cached_property
    def _data(self) -> dict[str, DataFacts]:
        return {name: DataFacts.of(self.folder, name, value) for name, value in self.document.data.items()}

    def metric(self, name: str, x: str | None = None, *, rank: int | None = None) -> Curve:
        """Read the points of one metric from the run's files as they are now.

        Args:
            x: The x axis: `step`, `time`, `epoch`, or any metric (see `x_axis.along`). Default: as the run defined it.
            rank: Rank of the writer, of a run that several processes wrote. None: the primary process (rank 0) of each
                attempt if it logged the metric at all, else all of them.
        Raises:
            NotFound: The run has no such metric, and the message names the nearest; or no process of that rank.
            ConfigError: It has no metric `x`.
        """
        files = open_points(self.folder)
        points = files.read(name, rank=rank)
        x_name = x or x_axis.default_x(self, name)
        positions = x_axis.along(self, files, name, points, x_name, rank)
        return Curve(name, points.steps, points.times_us / 1e6, points.values, positions, x_name)

    def to_pandas(self, *, system: bool = False) -> pd.DataFrame:
        """Return every point of every metric as one row: `metric`, `step`, `time` (UTC), `value`, in order of arrival.

        Long rather than wide, because metrics need not share their steps;
        `.pivot_table(index="step", columns="metric", values="value")` makes it wide.

        Args:
            system: Also the points of `system_metrics`.
        Raises:
            MissingExtra: pandas is not installed.
        """
        return points_frame(self.folder, system=system)

    def media(self, kind: str | None = None) -> list[MediaEntry]:
        """Return the logged media in order of arrival; of one kind: image, figure, text or histogram.

        Raises:
            ConfigError: There is no such kind.
        """
        if kind is not None and kind not in media.KINDS:
            raise ConfigError(f"there is no kind of media {kind!r}; {did_you_mean(kind, media.KINDS)}")
        entries, _ = media.read(self.folder)
        return [entry for entry in entries if kind in (None, entry.kind)]

    @property
    def checkpoints(self) -> CheckpointList:
        """Readable checkpoints in the order in which they were saved; one may have several names.

        Each has `name`, `step`, `metric`, `saved`, `size_bytes`; `verify()` checks its files.
        """
        readable = CheckpointList()
        for name in manifests.names(self.folder):
            with suppress(RunfolioError, OSError):  # `runfolio doctor` names it
                readable.append(manifests.read(self.folder, name))
        readable.sort(key=lambda checkpoint: (checkpoint.position_us, checkpoint.name))
        return readable

    def checkpoint(self, name: str = "best") -> Checkpoint:
        """Return a checkpoint by name; `best` falls back to `last`, since a run that named no metric has no best.

        Raises:
            NotFound: The run has no such checkpoint.
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
            module: For a model of one's own: its class or a function, called without arguments, or an existing module;
                it gets the checkpoint's tensors. None: the loader that the checkpoint names makes it.

        Raises:
            ConfigError: No loader is named, or none of that name is installed, or `module` is not a module, or the
                tensors do not fit it; the message names missing and unexpected ones.
            DamagedFile: The checkpoint cannot be read.
            NotFound: The run has no checkpoint.
        """
        return model_loading.load_model(self.checkpoint(), module)

    def predict(self, images: Any, module: Module | Callable[[], Module] | None = None) -> Any:
        """Return what the best checkpoint's loader predicts for `images`; the loader defines both types.

        For image classifiers: paths, bytes, PIL images, arrays or tensors in, a list of predictions out.

        Args:
            module: As of `load_model`, for a run of one's own script that gave `classes` and `transform` to
                `checkpoint`.

        Raises:
            As `load_model` does.
        """
        return model_loading.load_classifier(self.checkpoint(), module).predict(images)

"""One run, read back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from runfolio.errors import ConfigError, MissingExtra, NotFound, RunfolioError, did_you_mean
from runfolio.query import model_loading
from runfolio.query.explain import run_end
from runfolio.query.frames import x_axis
from runfolio.query.index.scan import Sighting
from runfolio.query.recorded_data import DataFacts
from runfolio.query.recorded_writers import RecordedWriter, writers
from runfolio.record.base.flat_names import decode_numbers, flatten
from runfolio.record.base.run_document import RUNNING, Attempt, Status, now
from runfolio.record.checkpoints import manifests
from runfolio.record.checkpoints.manifests import Checkpoint
from runfolio.record.content import code, media, run_edits
from runfolio.record.content.code import Code, SourceFile
from runfolio.record.content.media import MediaEntry
from runfolio.record.points.metric_summary import SYSTEM, MetricSummary

if TYPE_CHECKING:
    import pandas as pd
    from torch.nn import Module

    from runfolio.record.points.reader import PointFiles


@dataclass(frozen=True, eq=False)
class Curve:
    """The points of one metric on a run's newest branch, in order of arrival; all arrays [n]."""

    metric: str
    steps: NDArray[np.int64]
    times: NDArray[np.float64]
    """Seconds since 1970 UTC, as `time.time()` counts them; exact to the microsecond."""
    values: NDArray[np.float64]
    """NaN and infinities as they were logged."""
    x: NDArray[np.float64]
    """What it is drawn over: NaN where that is not known."""
    x_name: str
    """What that is: `step`, `time` (seconds since the start, without pauses) or the name of a metric."""

    def __len__(self) -> int:
        return len(self.steps)


class RecordedRun:
    """A run as its files said when the folio looked; curves, media and checkpoints are read when asked for."""

    def __init__(self, store: Path, sighting: Sighting) -> None:
        self._document = sighting.entry.document
        self._edits = sighting.entry.edits
        self.place = sighting.place
        """The folder below the store: a run's one name that no other run shares."""
        self.folder = store / sighting.place
        self.state = sighting.state
        """running, finished, failed, interrupted (Ctrl-C), preempted (SIGTERM) or crashed (went silent)."""
        metrics = sighting.entry.metrics
        self.metrics: dict[str, MetricSummary] = {
            name: seen for name, seen in metrics.items() if not name.startswith(SYSTEM)
        }
        """Each metric in short, by name: last value, extremes, number of points."""
        self.load: dict[str, MetricSummary] = {name: seen for name, seen in metrics.items() if name.startswith(SYSTEM)}
        """The same of `system/...`: the machine's load and the training's speed, which no table of results shows."""
        self.curves: dict[str, MetricSummary] = metrics
        """Both: all that `metric` can read and a picture show."""
        self.problems: tuple[str, ...] = sighting.entry.problems
        """What of its points and edits could not be read, a line each; everything else is there."""

    def __repr__(self) -> str:
        return f"<RecordedRun {self.name} ({self.id}, {self.experiment}, {self.state})>"

    @property
    def id(self) -> str:
        return self._document.id

    @property
    def name(self) -> str:
        """The name it was given last, by its script or by `rename`."""
        return self._edits.get("name", self._document.name)

    @property
    def experiment(self) -> str:
        return self._document.experiment

    @property
    def created(self) -> datetime:
        """When the run was begun, in UTC."""
        return self._document.created

    @property
    def ended(self) -> datetime | None:
        """When it ended, in UTC; None while it runs, and for a run that crashed."""
        return self._document.status.ended

    @property
    def duration_s(self) -> float | None:
        """Seconds it was worked on, without the pauses between its attempts; to now while it runs. Never negative.

        Those of a fork are its own; `inherited_s` are those of the run it came of, up to there. None for a run that
        went silent, because nobody saw it end.
        """
        if self.ended is None and self.state != RUNNING:
            return None
        own = [attempt for attempt in self.attempts if attempt.inherited is None]
        if self.attempts and not own:  # a fork that nobody went on with
            return 0.0
        earlier = sum(attempt.seconds or 0.0 for attempt in own[:-1])
        last = own[-1] if own else None
        if last is not None and last.seconds is not None:
            return earlier + last.seconds
        started = last.started if last is not None else self.created
        return earlier + max(0.0, ((self.ended or now()) - started).total_seconds())

    @property
    def inherited_s(self) -> float:
        """Seconds that the run it is a fork of was worked on up to there; 0 where it is none."""
        return sum(attempt.seconds or 0.0 for attempt in self.attempts if attempt.inherited is not None)

    @property
    def status(self) -> Status:
        """How it ended, as the process itself recorded it."""
        return self._document.status

    @cached_property
    def ending(self) -> str:
        """How it ended and why, in one sentence."""
        return run_end.why(self)

    @cached_property
    def reason(self) -> str | None:
        """Why it ended as it did, without the state, where there is something to say."""
        return run_end.reason(self)

    @cached_property
    def exit_code(self) -> int | None:
        """The exit status of its process, where one is known."""
        seen = run_end.death_of(self) if self.state != self.status.state else None
        return self.status.exit_code if seen is None else seen.exit_code

    @property
    def traceback(self) -> str | None:
        """Python's text of the exception that ended it."""
        return self.status.traceback

    @property
    def refused(self) -> dict[str, int]:
        """How many logged values could not be stored, by name (`docs/format.md`, `refused`)."""
        return self._document.refused

    @cached_property
    def config(self) -> dict[str, Any]:
        """What it was given, nested as it was given."""
        return decode_numbers(self._document.config)

    @cached_property
    def params(self) -> dict[str, Any]:
        """The config flat: `{"optimizer": {"lr": 0.1}}` is `{"optimizer/lr": 0.1}`."""
        return flatten(self.config)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """What the run itself reports as its results."""
        return decode_numbers(self._document.summary)

    @cached_property
    def results(self) -> dict[str, Any]:
        """The summary flat, as `params` is the config."""
        return flatten(self.summary)

    @property
    def tags(self) -> list[str]:
        return list(self._edits.get("tags", self._document.tags))

    @property
    def notes(self) -> str:
        return self._edits.get("notes", self._document.notes)

    @property
    def archived(self) -> bool:
        """Whether it is left out of tables, choices and pictures."""
        return self._edits.get("archived", False)

    @property
    def lineage(self) -> dict[str, Any] | None:
        """The run it came of: `kind` (fork or reproduction), `run` (its id), `name` (`docs/format.md`, Lineage)."""
        return self._document.lineage

    @property
    def verdict(self) -> dict[str, Any] | None:
        """What came out of a reproduction: `word`, `sentence`, `causes` ... (`docs/format.md`, Lineage)."""
        return self._edits.get("verdict")

    def judged(self, verdict: dict[str, Any]) -> None:
        """Add the verdict to a reproduction; the last one counts.

        Raises:
            StoreError: The store cannot be written, or the run is gone.
        """
        self._edit(verdict=verdict)

    @property
    def series(self) -> dict[str, Any] | None:
        """The series it belongs to: `name` and `fingerprint`."""
        return self._document.series

    @property
    def code(self) -> dict[str, Any]:
        """What was run: `command`, `module`, `script`, `folder`; git's `remote`, `commit`, `branch`, `dirty`."""
        return self._document.code

    @cached_property
    def captured_code(self) -> Code | None:
        """The files kept of the code it was started from, and what was left out; None where none was kept.

        Raises:
            DamagedFile: The list of them cannot be read.
        """
        return code.read(self.folder, [attempt.writer for attempt in self.attempts])

    @property
    def source_files(self) -> list[SourceFile]:
        """The files that were kept: the script, modules of one's own, what git did not know; `source` gives them."""
        return self.captured_code.files if self.captured_code is not None else []

    def source(self, path: str) -> str:
        """A kept file as it was, but for secrets; `path` as in `source_files`.

        Raises:
            NotFound: No such file was kept; the message names the nearest.
            DamagedFile: It is not what it was.
        """
        for file in self.source_files:
            if file.path == path:
                return code.read_text(self.folder, file.sha256)
        raise NotFound(
            f"run {self.id} kept no file {path!r}; {did_you_mean(path, [it.path for it in self.source_files])}"
        )

    @property
    def uncommitted(self) -> str:
        """What differed from the commit, as `git diff` prints it, but for secrets; "" where nothing did.

        Raises:
            DamagedFile, NotFound: It is not what it was, or gone.
        """
        captured = self.captured_code
        return "" if captured is None or captured.diff is None else code.read_text(self.folder, captured.diff)

    @property
    def environment(self) -> dict[str, Any]:
        """Where: Python, host, processor, GPUs, what torch was set to, package versions (`docs/format.md`)."""
        return self._document.environment

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """Default values of settings, flat, as far as they were declared (by a dataclass)."""
        return flatten(decode_numbers(self._document.defaults))

    @property
    def seeds(self) -> dict[str, Any]:
        """Seeds that could be asked for; of generators that forget theirs, a digest of the state they began in."""
        return self._document.seeds

    @cached_property
    def data(self) -> dict[str, DataFacts]:
        """What it was given, by name (`train`, `val`, `test`, ...): fingerprint, number of items, source, the items."""
        return {name: DataFacts.of(self.folder, name, known) for name, known in self._document.data.items()}

    @property
    def attempts(self) -> list[Attempt]:
        """Its stretches, from the start or a resume to the next end; the last is the newest."""
        return self._document.attempts

    def rename(self, name: str) -> None:
        """Give it another name; its folder and id stay.

        Raises:
            ConfigError: It is empty, longer than 500 characters, or more than a line.
            StoreError: The store cannot be written, or the run is gone. So do the other edits.
        """
        self._edit(name=name)

    def tag(self, *add: str, remove: Iterable[str] = ()) -> None:
        """Add tags, and take some away; what it has already, or lacks, is no mistake.

        Raises:
            ConfigError: A tag to add is empty, longer than 100 characters, or holds a comma or a line's end.
        """
        for tag in add:
            run_edits.check_tag(tag)
        gone = set(remove)
        self._edit(tags=[tag for tag in dict.fromkeys([*self.tags, *add]) if tag not in gone])

    def note(self, text: str) -> None:
        """Replace its notes by a text."""
        self._edit(notes=text)

    def archive(self, archived: bool = True) -> None:
        """Leave it out of tables, choices and pictures from now on; False takes that back."""
        self._edit(archived=archived)

    @property
    def writers(self) -> list[RecordedWriter]:
        """The processes that wrote it: id, attempt, role, rank, host, pid and state of each, as they are now."""
        return writers(self.folder)

    def metrics_of(self, rank: int) -> dict[str, MetricSummary]:
        """Each metric in short as one rank logged it, of a run that several wrote.

        Raises:
            NotFound: No process of that rank wrote it.
        """
        found = self._points().summaries(rank)
        return {name: seen for name, seen in found.items() if not name.startswith(SYSTEM)}

    def metric(self, name: str, x: str | None = None, *, rank: int | None = None) -> Curve:
        """One metric's points, read from the run's files as they are now.

        Args:
            x: What it is to be drawn over: `step`, `time`, `epoch`, or any metric (see `x_axis.along`). Default: what
                the run defined.
            rank: Whose, of a run that several processes wrote. None: those of the primary process (rank 0) of each
                attempt where it logged the metric at all, else everybody's.
        Raises:
            NotFound: The run has no such metric, and the message names the nearest; or no process of that rank.
            ConfigError: It has nothing of the name `x` to draw over.
        """
        files = self._points()
        points = files.read(name, rank=rank)
        x_name = x or self.x_of(name)
        along = x_axis.along(self, files, name, points, x_name, rank)
        return Curve(name, points.steps, points.times_us / 1e6, points.values, along, x_name)

    def x_of(self, metric: str) -> str:
        """What a metric is drawn over where nobody asks for something else: `step`, `time` or another metric."""
        x = self._document.axis_of(metric)
        return x if x in x_axis.BUILT_IN or x in self.curves else "step"

    def to_pandas(self) -> pd.DataFrame:
        """Every point of every metric, one row a point: `metric`, `step`, `time` (UTC), `value`, in order of arrival.

        Long rather than wide, because metrics need not share their steps;
        `.pivot_table(index="step", columns="metric", values="value")` makes it wide.

        Raises:
            MissingExtra: pandas is not installed.
        """
        pd = pandas()
        points = self._points()
        pieces = {name: points.read(name) for name in points.names()}
        return pd.DataFrame(
            {
                "metric": np.repeat(np.array(list(pieces), dtype=object), [len(piece) for piece in pieces.values()]),
                "step": _joined([piece.steps for piece in pieces.values()], np.int64),
                "time": pd.to_datetime(
                    _joined([piece.times_us for piece in pieces.values()], np.int64), unit="us", utc=True
                ),
                "value": _joined([piece.values for piece in pieces.values()], np.float64),
            }
        )

    def media(self, kind: str | None = None) -> list[MediaEntry]:
        """What was logged beside numbers, in order of arrival; of one kind: image, figure, text or histogram.

        Raises:
            ConfigError: There is no such kind.
        """
        if kind is not None and kind not in media.KINDS:
            raise ConfigError(f"there is no kind of media {kind!r}; {did_you_mean(kind, media.KINDS)}")
        entries, _ = media.read(self.folder)
        return [entry for entry in entries if kind in (None, entry.kind)]

    @property
    def checkpoints(self) -> list[Checkpoint]:
        """Those that can be read, in the order in which they were saved; one may have several names.

        Of each `name`, `step`, `metric`, `saved`, `size_bytes`; `verify()` looks whether its files are whole.
        """
        found: list[Checkpoint] = []
        for name in manifests.names(self.folder):
            with suppress(RunfolioError, OSError):  # `runfolio doctor` names it
                found.append(manifests.read(self.folder, name))
        return sorted(found, key=lambda each: (each.position_us, each.name))

    def checkpoint(self, name: str = "best") -> Checkpoint:
        """A checkpoint by name; `best` falls back to `last`, since a run that named no metric has no best.

        Raises:
            NotFound: The run has no such checkpoint.
            DamagedFile: A file of it is not what its manifest says.
        """
        try:
            return manifests.read(self.folder, name)
        except NotFound:
            if name != "best":
                raise
            return manifests.read(self.folder, "last")

    def load_model(self, module: Module | Callable[[], Module] | None = None) -> Module:
        """The model of the best checkpoint, in eval mode.

        Args:
            module: For a model of one's own: its class or a function, called without arguments, or a module that is
                there already; it gets the checkpoint's tensors. None: the loader that the checkpoint names makes it.

        Raises:
            ConfigError: No loader is named, or none of that name is installed, or `module` is no module.
            DamagedFile: The tensors do not fit the module; the message names what is missing and what is too much.
            NotFound: The run has no checkpoint.
        """
        return model_loading.load_model(self.checkpoint(), module)

    def predict(self, images: Iterable[Any]) -> Any:
        """What the best checkpoint's loader predicts for `images` (what it takes and gives is the loader's to say).

        For runs of `runfolio train`: paths, PIL images or arrays in, a list of predictions out.

        Raises:
            As `load_model` does.
        """
        return model_loading.installed_loader(self.checkpoint()).predict(images)

    def _edit(self, **values: Any) -> None:
        run_edits.add(self.folder, self._document, values)
        self._edits = {**self._edits, **values}

    def _points(self) -> PointFiles:
        from runfolio.record.points.reader import PointFiles  # Arrow, which a table of runs need not load

        try:
            return PointFiles(self.folder)
        except FileNotFoundError:
            raise NotFound(f"the run's folder {self.folder} is gone; look again with `folio.runs()`") from None


def pandas() -> Any:
    """The package, imported only here: few users of a table need it.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise MissingExtra("pandas", "pandas", "to_pandas()") from None
    return pd


def _joined(pieces: list[NDArray[Any]], kind: type[np.generic]) -> NDArray[Any]:
    return np.concatenate([np.empty(0, kind), *pieces])

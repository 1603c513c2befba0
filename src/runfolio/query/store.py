"""Stores that are opened for reading, and lists of their runs."""

from __future__ import annotations

import math
import os
import posixpath
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from runfolio.errors import ConfigError, NotFound, did_you_mean, nearest
from runfolio.query.arrow_frame import ArrowFrame
from runfolio.query.filter.groups import RunGroup, select_groups
from runfolio.query.filter.select import Selection, select_rows, select_runs
from runfolio.query.filter.sql_text import Sql
from runfolio.query.index.database import Action, IndexDatabase, Result
from runfolio.query.index.rows import is_encodable, run_key
from runfolio.query.index.run_columns import RunColumns, RunRow
from runfolio.query.index.run_index import StoreIndex
from runfolio.query.index.scan import Progress, scan_runs, scan_store
from runfolio.query.run import RecordedRun
from runfolio.query.scan_rules import scan_rules
from runfolio.query.selection.columns import runs_frame
from runfolio.query.selection.metric_names import mode_of
from runfolio.query.selection.ranking import choose
from runfolio.query.store_trash import Trash
from runfolio.query.tables.run_labels import unique_labels
from runfolio.query.tables.runs_table import table
from runfolio.record.base.clock import steady
from runfolio.record.base.layout import expand_home, store_folder
from runfolio.record.base.name_lookup import LAST, find_by_name
from runfolio.record.base.run_document import ENDED, RUNNING
from runfolio.record.base.visible_text import visible_line
from runfolio.record.liveness.heartbeats import CRASHED

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.figure import Figure

    from runfolio.query.histories.point_frame import PointFrame
    from runfolio.query.sql.query_result import QueryResult

STATES = (RUNNING, *ENDED, CRASHED)
_NAMED = 20
"""Maximum number of runs that the `repr` of a list names."""
_FULL_SCAN_S = 60.0
"""Minimum seconds between two scans that compare all files. These scans are needed because network disks can report
folder times late."""


class Runs(Sequence[RecordedRun], ArrowFrame):
    """Sequence of runs. A `RecordedRun` is created only when an element is accessed."""

    def __init__(self, store: Path, index: StoreIndex, rows: Sequence[RunRow]) -> None:
        self._store = store
        self._index = index
        self._rows = rows
        self._columns = RunColumns(index, [row.key for row in rows])
        self._runs: dict[int, RecordedRun] = {}

    @overload
    def __getitem__(self, index: int) -> RecordedRun: ...
    @overload
    def __getitem__(self, index: slice) -> Runs: ...
    def __getitem__(self, index: int | slice) -> RecordedRun | Runs:
        if isinstance(index, slice):
            return self._of(self._rows[index])
        row = self._rows[index]
        if row.key not in self._runs:
            self._runs[row.key] = RecordedRun(self._store, row, self._columns)
        return self._runs[row.key]

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        names = [run.name for run in self[:_NAMED]] + ([f"{len(self) - _NAMED:,} more"] if len(self) > _NAMED else [])
        return visible_line(f"<Runs: {', '.join(names) or 'none'}>")

    def without_archived(self) -> Runs:
        """Return the runs that are not archived."""
        return self._of([row for row in self._rows if not row.archived])

    def _of(self, rows: Sequence[RunRow]) -> Runs:
        return Runs(self._store, self._index, rows)

    def plot(
        self,
        *metrics: str,
        title: str | None = None,
        size: tuple[float, float] | None = None,
        **options: Any,
    ) -> Figure:
        """Draw the curves of metrics as a matplotlib figure with one panel per metric.

        Reproductions and copies of a run are left out. A note in the figure states their number.

        Args:
            metrics: Names of the metrics.
            title: Title of the figure.
            size: Width and height in inches.
            options: Fields of `plots.curve_panels.CurveOptions`: `x`, `smooth`, `log`, `group_by` and `spread`.

        Raises:
            NotFound: No run has the metric. The message lists the most similar names.
            ConfigError: An option has an invalid value.
            MissingExtra: matplotlib is not installed.
        """
        from runfolio.query.plots.curve_drawing import draw_curves
        from runfolio.query.plots.curve_panels import CurveOptions, curve_panels

        curve_options = CurveOptions(**options)
        panels = curve_panels(metrics, self, curve_options)
        return draw_curves(panels, log=curve_options.log, title=title, size=size)

    def points(self, *metrics: str, **options: Any) -> PointFrame:
        """Return the points of some or all metrics of all runs. Convert the result with `to_arrow()`, `to_pandas()` or
        `to_polars()`.

        By default, the columns are `id`, `name`, `metric`, `step`, `time` (UTC) and `value`, with one row per point.
        `batches()` reads the points in batches. For the options, see `docs/frames.md`.

        Args:
            metrics: Names of the metrics. Default: all metrics.
            options: Fields of `histories.point_frame.PointOptions`: `x`, `wide`, `every`, `group_by`, `spread` and
                `system`.

        Raises:
            NotFound: No run has the metric. The message lists the most similar names.
            ConfigError: An option has an invalid value.
        """
        from runfolio.query.histories.point_frame import PointFrame, PointOptions

        return PointFrame(self, metrics, PointOptions(**options))

    def sparklines(self, metric: str) -> list[bytes | None]:
        """Return one sparkline, a small version of a metric's curve, per run. The entry of a run without a sparkline is
        None.

        The index has sparklines of up to four main metrics per run, such as `val/acc` and `train/loss`. A sparkline
        consists of 64 little-endian float32 numbers. Each number belongs to one of 64 equal parts of the range of
        steps. The number is the last finite value in this part, or NaN if there is none.

        Args:
            metric: Name of the metric.
        """
        column = self._columns.column("sparklines", metric)
        return [column.get(row.key) for row in self._rows]

    def to_arrow(self) -> pa.Table:
        """Return a table with one row per run, in order. `to_pandas()` and `to_polars()` return it as a data frame.

        The columns are `id`, `name`, `experiment`, `state`, `created` (UTC), `duration_s`, and one column per setting,
        metric and result. Examples are `params.lr` for a setting, `metrics.val/acc` for the last value of a metric, and
        `summary.x` for a result. `metrics.val/acc.best` is the best value of a metric whose name shows the direction.
        The column `lineage` contains the origin of forks and reproductions. A column with values of several types
        becomes a column of strings.
        """
        return runs_frame(self)

    def _repr_html_(self) -> str:
        """Return an HTML table of the runs for notebooks."""
        return table(self).as_html()


class Folio:
    """Store that is opened for reading. Each call scans the folders, so its result is up to date.

    Args:
        store: Folder of the store. Default: `$RUNFOLIO_STORE`, else `./runs`.
        refresh: Read all runs again instead of only the runs that changed.
        progress: Function that iterates over the folders of new runs while they are read, such as a progress bar.

    Raises:
        NotFound: The folder does not exist.
    """

    store: Path
    trash: Trash
    """Deleted runs."""

    def __init__(
        self, store: str | os.PathLike[str] | None = None, *, refresh: bool = False, progress: Progress = iter
    ) -> None:
        path = store_folder(store)
        check_store(path)
        self._open(path.resolve(), progress, fill_first=True)
        if refresh:
            self._index.clear()

    def _open(self, store: Path, progress: Progress, *, fill_first: bool) -> None:
        self.store = store
        self.trash = Trash(store)
        self._unread: dict[str, str] | None = None
        """Problem of each run that the last scan could not read, keyed by folder, or None before the first scan."""
        self._progress = progress
        self._rules = scan_rules()
        self._next_full_scan = -math.inf
        """Time on the `steady` (monotonic) clock after which a scan of a network disk also compares the files of ended
        runs."""
        self._index = StoreIndex(self.store, self._fill, fill_first=fill_first)

    @property
    def problems(self) -> list[str]:
        """One line for each run that the last scan could not read, with the problem and a remedy."""
        if self._unread is None:
            self._scan()
        return list((self._unread or {}).values())

    def __repr__(self) -> str:
        return f"<Folio {self.store}>"

    def runs(
        self,
        experiment: str | None = None,
        state: str | None = None,
        *,
        tags: Iterable[str] = (),
        where: str | None = None,
        sort: str | None = None,
        reverse: bool = False,
        limit: int | None = None,
        archived: bool = False,
    ) -> Runs:
        """Return runs of the store.

        Args:
            experiment: Only the runs of this experiment.
            state: Only the runs in this state.
            tags: Only the runs that have all of these tags.
            where: Only the runs that match a filter (`docs/filter.md`), such as `lr < 0.1 AND val/acc > 0.9`.
            sort: Column to sort by in ascending order, or in descending order with a leading `-`, such as `-val/acc`.
                Runs without a value come last. Default: the newest run first.
            reverse: Reverse the order. Runs without a value still come last.
            limit: Maximum number of runs. If more runs match, the first in the order are returned. Default: all.
            archived: Include archived runs.

        Raises:
            NotFound: The experiment or the column `sort` does not exist. The message lists the most similar names. In
                an empty store, this error is not raised.
            ConfigError: The state does not exist, `where` is not a valid filter, or it names an unknown column.
        """
        selection = self._selection(experiment, state, tags=tuple(tags), where=where, archived=archived)
        rows = self._index.read(
            lambda connection: select_runs(connection, selection, sort, reverse=reverse, limit=limit)
        )
        return Runs(self.store, self._index, rows)

    def groups(
        self,
        group_by: str | Sequence[str],
        metric: str,
        mode: str | None = None,
        *,
        experiment: str | None = None,
        where: str | None = None,
    ) -> list[RunGroup]:
        """Return groups of runs with the mean of a metric and its interval, best first. The runs of a group have the
        same values in `group_by`.

        The mean is computed from the values that tables show. Failed, crashed and archived runs are excluded.
        Reproductions are excluded too.

        Args:
            group_by: Names of columns, as a list or separated by commas, such as `model,lr`.
            metric: Name of the metric.
            mode: `min` or `max`. Default: guessed from the name of the metric.
            experiment: Only the runs of this experiment.
            where: Only the runs that match this filter (`docs/filter.md`).

        Raises:
            NotFound: A column or the metric does not exist. The message lists the most similar names.
            ConfigError: The mode cannot be guessed, or `where` is not a valid filter.
        """
        names = [name.strip() for name in (group_by.split(",") if isinstance(group_by, str) else group_by)]
        direction = mode_of(metric, mode)
        selection = self._selection(experiment, None, where=where)
        return self._index.read(lambda connection: select_groups(connection, selection, names, metric, direction))

    def run(self, name: str | os.PathLike[str]) -> RecordedRun:
        """Return the run that has a given id, id prefix, name, or folder (relative to the store, or any path).

        A full match takes precedence over an id prefix. `last` means the newest run, unless a run has this name.

        Raises:
            NotFound: No run matches. The message lists the most similar names.
            Ambiguous: Several runs match. The message lists the newest of them.
        """
        self._scan()
        return self._find(os.fspath(name))

    def _find(self, spelling: str) -> RecordedRun:
        """Return the run with the name, id or folder `spelling`, without a new scan."""
        run_paths = list(_possible_run_paths(self.store, spelling))
        runs = self._named(spelling, run_paths)
        run = find_by_name(spelling, runs, run_paths, _differences)
        if run is None and spelling == LAST:
            run = next(iter(self._select("NOT r.archived")), None)
        if run is None:
            raise NotFound(self._no_run(spelling))
        return run

    def runs_named(self, names: Iterable[str | os.PathLike[str]]) -> Runs:
        """Return the runs with the given names (see `run`), in the order of the names and without duplicates.

        Raises:
            NotFound: No run matches one of the names.
            Ambiguous: Several runs match one of the names.
        """
        self._scan()
        runs = dict.fromkeys(self._find(os.fspath(name)).row for name in names)
        return Runs(self.store, self._index, list(runs))

    def runs_in(self, folders: Iterable[Path]) -> list[RecordedRun]:
        """Return the runs in the given folders, in the same order. The store is scanned only once.

        Raises:
            NotFound: A folder does not contain a run of the store.
        """
        self._scan()
        runs = {run.folder: run for run in self._select()}
        return [runs.get(folder.resolve()) or self.run(folder) for folder in folders]

    def children(self, run: RecordedRun) -> Runs:
        """Return the forks and reproductions of a run, newest first."""
        self._scan()
        return self._select("r.parent = ?", [run.id])

    def best(self, metric: str, mode: str | None = None, experiment: str | None = None) -> RecordedRun:
        """Return the run with the best value of a metric (see `choose`).

        Args:
            metric: Name of the metric.
            mode: `min` or `max`. Default: guessed from the name of the metric.
            experiment: Only runs of this experiment.

        Raises:
            NotFound: No run has the metric.
            ConfigError: The mode cannot be guessed.
        """
        return choose(self.runs(experiment), metric, mode).run

    def _scan(self) -> None:
        check_store(self.store)
        self._unread = self._index.scan()

    def sql(self, query: str, runs: Runs | None = None) -> QueryResult:
        """Run one SELECT in DuckDB's SQL dialect. Convert the result with `to_arrow()`, `to_pandas()` or `to_polars()`.

        The tables are `runs`, `params`, `summary`, `metrics` and `points` (`docs/frames.md`). A query cannot change the
        runs, and it can only read files of the store.

        Args:
            query: One SELECT, or EXPLAIN followed by a SELECT.
            runs: Only these runs. Default: all runs, including archived runs.

        Raises:
            ConfigError: The query is not a SELECT, or it cannot be run.
            MissingExtra: DuckDB is not installed.
        """
        from runfolio.query.sql.query_result import run_query

        return run_query(query, self.runs(archived=True) if runs is None else runs, self.store)

    def _repr_html_(self) -> str:
        """Return an HTML table for notebooks, with the experiments and the number of their runs."""
        from runfolio.query.tables.notebook_pages import folio_page

        return folio_page(str(self.store), self.runs(archived=True))

    def _selection(self, experiment: str | None, state: str | None, **conditions: Any) -> Selection:
        """Scan the store, and return the conditions that select its runs.

        Raises:
            NotFound: The experiment does not exist.
            ConfigError: The state does not exist.
        """
        if state is not None and state not in STATES:
            raise ConfigError(f"there is no state {state!r}; {did_you_mean(state, STATES)}")
        self._scan()
        if experiment is not None:
            self._check_experiment(experiment)
        return Selection(experiment=experiment, state=state, **conditions)

    def _fill(self, database: IndexDatabase) -> dict[str, str]:
        is_full = self._is_on_network and steady() > self._next_full_scan
        unread = scan_store(database, self.store, self._rules, full=is_full, progress=self._progress)
        if is_full:
            self._next_full_scan = steady() + _FULL_SCAN_S
        return unread

    @cached_property
    def _is_on_network(self) -> bool:
        from runfolio.record.base.disk import is_local

        return not is_local(self.store)

    def _select(self, condition: str = "true", parameters: Sequence[Any] = ()) -> Runs:
        rows = self._index.read(lambda connection: select_rows(connection, Sql(condition, tuple(parameters))))
        return Runs(self.store, self._index, rows)

    def _named(self, spelling: str, run_paths: Iterable[str]) -> Runs:
        """Return the runs that `spelling` may refer to."""
        parameters: list[Any] = [run_key(run_path) for run_path in run_paths]
        condition = f"r.run IN ({', '.join('?' * len(parameters))})"
        if is_encodable(spelling):
            condition += " OR r.id = ? OR r.name = ? OR substr(r.id, 1, ?) = ?"
            parameters += [spelling, spelling, len(spelling), spelling]
        return self._select(condition, parameters)

    def _check_experiment(self, experiment: str) -> None:
        names = self._index.read(
            lambda connection: [name for (name,) in connection.execute("SELECT DISTINCT experiment FROM runs")]
        )
        if names and experiment not in names:
            raise NotFound(f"no experiment {experiment!r} in {self.store}; {did_you_mean(experiment, names)}")

    def _no_run(self, spelling: str) -> str:
        runs = self._select()
        for run_path, problem in (self._unread or {}).items():
            # `run.json` is unreadable, but the folder's name contains the name and id of the run.
            folder = posixpath.basename(run_path)
            if spelling in (folder, *folder.rsplit("-", 1)) or run_path in _possible_run_paths(self.store, spelling):
                return problem
        if any(spelling in (run.id, run.name, run.run_path) for run in self.trash.runs()):
            return f"run {spelling!r} was deleted; `runfolio undelete {spelling}` restores it"
        unread = f" ({len(self.problems)} could not be read)" if self.problems else ""
        if not runs:
            return f"no run {spelling!r}: {self.store} holds no runs yet{unread}"
        names = {run.name for run in runs} | {run.id for run in runs}
        if similar := nearest(spelling, names):
            return f"no run {spelling!r} in {self.store}{unread}; did you mean {' or '.join(similar)}?"
        return f"no run {spelling!r} in {self.store}{unread}; `runfolio runs` lists all {len(runs)} runs"


class IndexedFolio(Folio):
    """Store that is read from the index without a scan of the folders, for use in a server. Only `scan` and `scan_runs`
    read the folders.

    Args:
        store: Folder of the store. It need not exist yet.
        progress: Function that iterates over the folders of new runs while they are read.
    """

    def __init__(self, store: Path, progress: Progress = iter) -> None:
        self._open(store.resolve(), progress, fill_first=False)

    def scan(self) -> None:
        """Update the index from the folders. Only changed runs are read.

        Raises:
            NotFound: The folder of the store does not exist.
        """
        super()._scan()

    def scan_runs(self, run_paths: Iterable[str]) -> None:
        """Update the index for some runs only. `run_paths` are folders relative to the store."""
        self._index.use(lambda database: scan_runs(database, self.store, run_paths, self._rules))

    def read_index(self, action: Action[Result]) -> Result:
        """Call `action` with a connection to the index, and return its result."""
        return self._index.read(action)

    def runs_of(self, rows: Sequence[RunRow]) -> Runs:
        """Return the runs that belong to rows of the index, in the same order."""
        return Runs(self.store, self._index, rows)

    def _scan(self) -> None:
        """Do nothing, because only `scan` and `scan_runs` read the folders."""


def open_folio(store: str | os.PathLike[str] | None = None) -> Folio:
    """Open a store for reading.

    Args:
        store: Folder of the store. Default: `$RUNFOLIO_STORE`, else `./runs`.

    Raises:
        NotFound: The folder does not exist.
    """
    return Folio(store)


def check_store(store: Path) -> None:
    """Check that the folder of a store exists.

    Raises:
        NotFound: The folder does not exist.
    """
    if not store.is_dir():
        raise NotFound(
            f"there is no store at {store}; `runfolio train` or `runfolio.init()` creates one,"
            " and --store or RUNFOLIO_STORE selects another"
        )


def _possible_run_paths(store: Path, spelling: str) -> Iterator[str]:
    """Yield the folders that `spelling` can mean as a path relative to the store or to the working folder."""
    yield posixpath.normpath(spelling)  # not resolved, since a run can be a link to a folder outside of the store
    for path in (store / spelling, expand_home(spelling)):
        try:
            resolved = path.resolve()
        except (OSError, ValueError, RuntimeError):
            continue
        if resolved.is_relative_to(store):
            yield resolved.relative_to(store).as_posix()


def _differences(runs: Sequence[RecordedRun]) -> list[str]:
    """Describe each of several runs with the same name by the run's differing settings, state and start."""
    labels = [label.removeprefix(run.name).strip() for label, run in zip(unique_labels(runs), runs, strict=True)]
    settings = [f"{label}, " if "=" in label else "" for label in labels]
    return [f"{text}{run.state}, {run.created:%Y-%m-%d %H:%M} UTC" for text, run in zip(settings, runs, strict=True)]

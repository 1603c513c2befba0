"""A store opened for reading: its runs, one of them by name, the best of them."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from runfolio.errors import ConfigError, NotFound, did_you_mean, nearest
from runfolio.query.filter.evaluate import select
from runfolio.query.frames.points import points_of_runs
from runfolio.query.index.run_index import Entry, StoreIndex
from runfolio.query.index.scan import scan_store
from runfolio.query.run import RecordedRun
from runfolio.query.selection.columns import runs_frame
from runfolio.query.selection.ranking import choose
from runfolio.query.store_trash import Trash
from runfolio.query.tables.run_labels import unique_labels
from runfolio.query.tables.runs_table import table
from runfolio.record.base.layout import expand_home, store_folder
from runfolio.record.base.name_lookup import LAST, find_by_name
from runfolio.record.base.run_document import ENDED, RUNNING
from runfolio.record.liveness.heartbeats import CRASHED

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

STATES = (RUNNING, *ENDED, CRASHED)


class Runs(Sequence[RecordedRun]):
    """Runs, newest first."""

    def __init__(self, runs: Iterable[RecordedRun]) -> None:
        self._runs = sorted(runs, key=lambda run: (run.created, run.run_path), reverse=True)

    @overload
    def __getitem__(self, index: int) -> RecordedRun: ...
    @overload
    def __getitem__(self, index: slice) -> Runs: ...
    def __getitem__(self, index: int | slice) -> RecordedRun | Runs:
        return Runs(self._runs[index]) if isinstance(index, slice) else self._runs[index]

    def __len__(self) -> int:
        return len(self._runs)

    def __repr__(self) -> str:
        return f"<Runs: {', '.join(run.name for run in self) or 'none'}>"

    def without_archived(self) -> Runs:
        """Those of them that are not archived."""
        return Runs(run for run in self if not run.edits.archived)

    def plot(
        self,
        *metrics: str,
        title: str | None = None,
        size: tuple[float, float] | None = None,
        **options: Any,
    ) -> Figure:
        """Curves of one or more metrics, a small picture each, as a matplotlib figure.

        Reproductions and second copies of a run are left out; a note in the picture says how many.

        Args:
            size: Width and height in inches.
            options: `x`, `smooth`, `log`, `group_by`, `spread`: see `plots.curve_panels.CurveOptions`.
        Raises:
            NotFound: None of the runs has such a metric; the message names the nearest.
            ConfigError: An option is not what it must be.
            MissingExtra: matplotlib is not installed.
        """
        from runfolio.query.plots.curve_drawing import draw_curves
        from runfolio.query.plots.curve_panels import CurveOptions, curve_panels

        shown = CurveOptions(**options)
        return draw_curves(curve_panels(metrics, self, shown), log=shown.log, title=title, size=size)

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per run, newest first: `id`, `name`, `experiment`, `state`, `created` (UTC), `duration_s`;
        then `params.lr` for each config value, `metrics.val/acc` for the last value of each metric and
        `metrics.val/acc.best` for its best where the name gives a direction, `summary.x` for each result.

        Raises:
            MissingExtra: pandas is not installed.
        """
        return runs_frame(self)

    def points(self, *, system: bool = False) -> pd.DataFrame:
        """Return every point of every run as one row: `id`, `name`, `metric`, `step`, `time` (UTC), `value`.

        Args:
            system: Also the load of the machine and the speed of the training (`system/...`).
        Raises:
            MissingExtra: pandas is not installed.
        """
        return points_of_runs(self, system=system)

    def _repr_html_(self) -> str:
        """Return the table of runs for a notebook."""
        return table(self).as_html()


class Folio:
    """A store opened for reading. Each call looks at the folders again, so what it gives is what is there now."""

    def __init__(self, store: str | os.PathLike[str] | None = None) -> None:
        path = store_folder(store)
        check_store(path)
        self.store = path.resolve()
        self.trash = Trash(self.store)
        """The deleted runs."""
        self.problems: list[str] = []
        """The runs that the last scan could not read, one line each with the remedy."""
        self._unread: dict[str, str] = {}
        self._index = StoreIndex(self.store)
        self._entries: dict[str, Entry] | None = None
        """Entries of the last scan, by the folder of the run below the store."""
        self._scan()

    def __repr__(self) -> str:
        return f"<Folio {self.store}>"

    def runs(
        self,
        experiment: str | None = None,
        state: str | None = None,
        *,
        tags: Iterable[str] = (),
        where: str | None = None,
        archived: bool = False,
    ) -> Runs:
        """Return runs of the store, newest first.

        Args:
            experiment: Only the runs of this experiment.
            state: Only the runs in this state.
            tags: Only the runs with all of these tags.
            where: Only the runs that match a filter (`docs/filter.md`), such as `lr < 0.1 AND val/acc > 0.9`.
            archived: Also archived runs.

        Raises:
            NotFound: The store has runs, but none of that experiment; the message names the nearest.
            ConfigError: There is no such state, or `where` is not a filter or names an unknown column.
        """
        if state is not None and state not in STATES:
            raise ConfigError(f"there is no state {state!r}; {did_you_mean(state, STATES)}")
        scanned = self._scan()
        experiments = {run.experiment for run in scanned}
        if experiment is not None and experiments and experiment not in experiments:
            raise NotFound(f"no experiment {experiment!r} in {self.store}; {did_you_mean(experiment, experiments)}")
        required = set(tags)
        runs = Runs(
            run
            for run in scanned
            if experiment in (None, run.experiment) and state in (None, run.state) and required <= set(run.tags)
        )
        if where is not None:
            runs = Runs(select(where, runs))
        return runs if archived else runs.without_archived()

    def run(self, name: str | os.PathLike[str]) -> RecordedRun:
        """One run, by its id, the start of its id, its name, or its folder (below the store, or any path to it).

        What fits whole goes before what is only the start of an id. `last` is the newest run unless one has that name.

        Raises:
            NotFound: Nothing of that name; the message names the nearest.
            Ambiguous: Several runs fit; the message lists the newest.
        """
        spelling = os.fspath(name)
        runs = Runs(self._scan())
        run = find_by_name(spelling, runs, _possible_run_paths(self.store, spelling), _differences)
        if run is None and spelling == LAST:
            run = next(iter(runs.without_archived()), None)
        if run is None:
            raise NotFound(self._no_run(spelling, runs))
        return run

    def runs_in(self, folders: Iterable[Path]) -> list[RecordedRun]:
        """Return the runs of these folders in their order, all as of one look.

        Raises:
            NotFound, Ambiguous: As `run`.
        """
        runs = {run.folder: run for run in self._scan()}
        return [runs.get(folder.resolve()) or self.run(folder) for folder in folders]

    def children(self, run: RecordedRun) -> Runs:
        """The forks and reproductions of a run that the store holds, newest first."""
        return Runs(other for other in self._scan() if (other.document.lineage or {}).get("run") == run.id)

    def best(self, metric: str, mode: str | None = None, experiment: str | None = None) -> RecordedRun:
        """The run with the best `metric`; `choose` gives the same with the value and what chose.

        Args:
            mode: "min" or "max"; None guesses it from the metric's name.
        Raises:
            NotFound: No run has that metric.
            ConfigError: The name does not say whether more or less is better.
        """
        return choose(self.runs(experiment), metric, mode).run

    def _scan(self) -> list[RecordedRun]:
        check_store(self.store)
        scan = self._index.use(partial(scan_store, self.store, earlier=self._entries))
        self._entries = {run.run_path: run.entry for run in scan.runs}
        self._unread, self.problems = scan.problems, list(scan.problems.values())
        return [RecordedRun(self.store, run) for run in scan.runs]

    def _no_run(self, spelling: str, runs: Sequence[RecordedRun]) -> str:
        for run_path, problem in self._unread.items():
            # Its `run.json` does not say; the folder was named after the run and its id.
            folder = posixpath.basename(run_path)
            if spelling in (folder, *folder.rsplit("-", 1)) or run_path in _possible_run_paths(self.store, spelling):
                return problem
        if any(spelling in (run.id, run.name, run.run_path) for run in self.trash.runs()):
            return f"run {spelling!r} was deleted; `runfolio undelete {spelling}` brings it back"
        unread = f" ({len(self.problems)} could not be read)" if self.problems else ""
        if not runs:
            return f"no run {spelling!r}: {self.store} holds no runs yet{unread}"
        names = {run.name for run in runs} | {run.id for run in runs}
        if near := nearest(spelling, names):
            return f"no run {spelling!r} in {self.store}{unread}; did you mean {' or '.join(near)}?"
        return f"no run {spelling!r} in {self.store}{unread}; `runfolio runs` lists the {len(runs)} there are"


def open_folio(store: str | os.PathLike[str] | None = None) -> Folio:
    """Open a store for reading; None is `$RUNFOLIO_STORE`, else `./runs`.

    Raises:
        NotFound: There is no such folder.
    """
    return Folio(store)


def check_store(store: Path) -> None:
    """Raises:
    NotFound: There is no such folder.
    """
    if not store.is_dir():
        raise NotFound(
            f"there is no store at {store}; `runfolio train` or `runfolio.init()` begins one,"
            " --store or RUNFOLIO_STORE names another"
        )


def _possible_run_paths(store: Path, spelling: str) -> Iterator[str]:
    """The folders below the store that `spelling` could mean, written from the store or from where the user stands."""
    yield posixpath.normpath(spelling)  # first as written: a run may be a link to a folder elsewhere
    for path in (store / spelling, expand_home(spelling)):
        try:
            resolved = path.resolve()
        except (OSError, ValueError, RuntimeError):
            continue
        if resolved.is_relative_to(store):
            yield resolved.relative_to(store).as_posix()


def _differences(runs: Sequence[RecordedRun]) -> list[str]:
    """Describe each of several runs of one name: the settings that differ, its state and its start."""
    labels = [label.removeprefix(run.name).strip() for label, run in zip(unique_labels(runs), runs, strict=True)]
    settings = [f"{label}, " if "=" in label else "" for label in labels]
    return [f"{text}{run.state}, {run.created:%Y-%m-%d %H:%M} UTC" for text, run in zip(settings, runs, strict=True)]

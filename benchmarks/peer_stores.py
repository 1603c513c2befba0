"""Stores of runfolio and its peers. Each store adds runs, and reads a table of runs and curves.

Each class is used in the environment of its tracker, in which no other tracker is installed. Therefore, imports are
inside the methods.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.run_file import FileRun, read_runs

METRIC = "val/acc"
"""Metric by which the table is sorted, and whose curves are read."""
PAGE = 100
"""Number of runs per page of the table."""


class PeerStore(ABC):
    """Store of one tracker in a folder."""

    title: ClassVar[str]
    how: ClassVar[str]
    """Description of the calls, for the results page."""
    environment: ClassVar[str | None]
    """Name of the tracker's virtual environment, or None for the current environment."""

    @abstractmethod
    def __init__(self, folder: Path) -> None:
        """Import the peer, and open or create the store in `folder`."""

    @abstractmethod
    def add(self, run: FileRun) -> None:
        """Add a run with all its settings and points, and wait until it is stored."""

    @abstractmethod
    def page(self) -> list[str]:
        """Read the settings of the 100 runs with the highest last value of `METRIC`, and return the keys of these
        runs."""

    @abstractmethod
    def curve(self, run: str) -> list[float]:
        """Return the values of `METRIC` of a run, given its key from `page`."""


class Runfolio(PeerStore):
    title = "runfolio"
    how = (
        "`runfolio.init` and `run.log` for the 20 values of a step; `folio.runs(sort=..., limit=100)`, which also "
        "looks for changed runs, and `run.metric`."
    )
    environment = None

    def __init__(self, folder: Path) -> None:
        import runfolio

        self._runfolio = runfolio
        self._folder = folder
        self._folio: Any = None
        self._runs: dict[str, Any] = {}

    def add(self, run: FileRun) -> None:
        with self._runfolio.init(run.name, config=run.settings, store=self._folder) as live:
            for step, values in enumerate(run.rows()):
                live.log(values, step=step)

    def page(self) -> list[str]:
        self._folio = self._folio or self._runfolio.open(self._folder)
        runs = self._folio.runs(sort=f"-metrics.{METRIC}", limit=PAGE)
        self._runs = {run.run_path: run for run in runs if run.flat_config}
        return list(self._runs)

    def curve(self, run: str) -> list[float]:
        return self._runs[run].metric(METRIC).values.tolist()


class TensorBoard(PeerStore):
    title = "TensorBoard"
    how = (
        "tensorboardX writes the event files; the page needs `EventMultiplexer.Reload`, which reads all points, and "
        "does not include settings."
    )
    environment = "tensorboardx"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._events: Any = None

    def add(self, run: FileRun) -> None:
        from tensorboardX import SummaryWriter  # pyright: ignore[reportMissingImports]

        with SummaryWriter(str(self._folder / run.name)) as writer:
            for step, values in enumerate(run.rows()):
                for name, value in values.items():
                    writer.add_scalar(name, value, step)

    def page(self) -> list[str]:
        from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

        if self._events is None:
            self._events = EventMultiplexer(size_guidance={"scalars": 0})
            self._events.AddRunsFromDirectory(str(self._folder))
            self._events.Reload()
        return _highest(self._events.Runs(), lambda run: self.curve(run)[-1])

    def curve(self, run: str) -> list[float]:
        return [event.value for event in self._events.Scalars(run, METRIC)]


class MLflow(PeerStore):
    title = "MLflow"
    how = (
        "SQLite store; `log_batch` with 1,000 points at a time, `search_runs(order_by=...)`, and `get_metric_history`."
    )
    environment = "mlflow"

    def __init__(self, folder: Path) -> None:
        import mlflow  # pyright: ignore[reportMissingImports]

        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        self._client = mlflow.MlflowClient()
        experiment = self._client.get_experiment_by_name("bench")
        self._experiment = experiment.experiment_id if experiment else self._client.create_experiment("bench")

    def add(self, run: FileRun) -> None:
        from mlflow.entities import Metric, Param  # pyright: ignore[reportMissingImports]

        run_id = self._client.create_run(self._experiment, run_name=run.name).info.run_id
        time_ms = int(time.time() * 1000)
        points = [
            Metric(name, value, time_ms, step)
            for step, values in enumerate(run.rows())
            for name, value in values.items()
        ]
        self._client.log_batch(run_id, params=[Param(name, str(value)) for name, value in run.settings.items()])
        for start in range(0, len(points), 1000):
            self._client.log_batch(run_id, metrics=points[start : start + 1000])
        self._client.set_terminated(run_id)

    def page(self) -> list[str]:
        runs = self._client.search_runs([self._experiment], order_by=[f"metrics.`{METRIC}` DESC"], max_results=PAGE)
        return [run.info.run_id for run in runs if run.data.params]

    def curve(self, run: str) -> list[float]:
        return [point.value for point in self._client.get_metric_history(run, METRIC)]


class Aim(PeerStore):
    title = "Aim"
    how = (
        "`Run.track` for each value; `Repo.query_metrics` for the page and the curves. Aim has no query that sorts, so "
        "the page reads the last values of all runs."
    )
    environment = "aim"

    def __init__(self, folder: Path) -> None:
        from aim import Repo  # pyright: ignore[reportMissingImports]

        self._repo = Repo.from_path(str(folder), init=True)

    def add(self, run: FileRun) -> None:
        from aim import Run  # pyright: ignore[reportMissingImports]
        from aim.sdk.index_manager import RepoIndexManager  # pyright: ignore[reportMissingImports]

        aim_run = Run(repo=self._repo, system_tracking_interval=None, capture_terminal_logs=False)
        aim_run.name = run.name
        aim_run["hparams"] = run.settings
        for step, values in enumerate(run.rows()):
            aim_run.track(values, step=step)
        run_hash = aim_run.hash
        aim_run.close()
        # Queries skip runs without an index. `aim up` also adds one.
        RepoIndexManager.get_index_manager(self._repo).index(run_hash)

    def page(self) -> list[str]:
        last = {}
        for metric in self._metrics(f"metric.name == '{METRIC}'"):
            last[metric.run.hash] = metric.values.last_value() if metric.run["hparams"] else 0.0
        return _highest(last, last.__getitem__)

    def curve(self, run: str) -> list[float]:
        (metric,) = self._metrics(f"run.hash == '{run}' and metric.name == '{METRIC}'")
        return metric.values.sparse_numpy()[1].tolist()

    def _metrics(self, query: str) -> list[Any]:
        from aim.sdk.types import QueryReportMode  # pyright: ignore[reportMissingImports]

        runs = self._repo.query_metrics(query, report_mode=QueryReportMode.DISABLED).iter_runs()
        return [metric for run in runs for metric in run]


class Trackio(PeerStore):
    title = "Trackio"
    how = (
        "`SQLiteStorage.bulk_log` for each run, and `get_metric_values` for the page and the curves. Trackio has no "
        "query that sorts, so the page reads the values of all runs."
    )
    environment = "trackio"

    def __init__(self, folder: Path) -> None:
        os.environ["TRACKIO_DIR"] = str(folder)
        from trackio import SQLiteStorage  # pyright: ignore[reportMissingImports]

        self._storage = SQLiteStorage

    def add(self, run: FileRun) -> None:
        rows = list(run.rows())
        self._storage.bulk_log("bench", run.name, rows, steps=list(range(len(rows))), config=run.settings)

    def page(self) -> list[str]:
        settings = self._storage.get_all_run_configs("bench")
        return _highest(settings, lambda run: self.curve(run)[-1])

    def curve(self, run: str) -> list[float]:
        return [row["value"] for row in self._storage.get_metric_values("bench", run, METRIC)]


def _highest(runs: Sequence[str] | dict[str, Any], value: Callable[[str], float]) -> list[str]:
    return sorted(runs, key=value, reverse=True)[:PAGE]


STORES: dict[str, type[PeerStore]] = {
    "runfolio": Runfolio,
    "tensorboard": TensorBoard,
    "mlflow": MLflow,
    "aim": Aim,
    "trackio": Trackio,
}


def load(tracker: str, folder: str, runs: str, limit_s: float) -> dict[str, float]:
    """Add runs from a file to a store, until `limit_s` seconds have passed."""
    store, count, began = STORES[tracker](Path(folder)), 0, time.perf_counter()
    for run in read_runs(Path(runs)):
        store.add(run)
        count += 1
        if time.perf_counter() - began > limit_s:
            break
    return {"runs": count, "seconds": time.perf_counter() - began}


def look(tracker: str, folder: str, curves: int) -> dict[str, float]:
    """Measure the seconds for the first page with all imports, the next page, one curve, and many curves."""
    began = time.perf_counter()
    store = STORES[tracker](Path(folder))
    runs = store.page()
    first_s = time.perf_counter() - began
    page_s, _ = _timed(store.page)
    curve_s, values = _timed(lambda: store.curve(runs[0]))
    curves_s, _ = _timed(lambda: [store.curve(runs[index % len(runs)]) for index in range(curves)])
    return {"first_s": first_s, "page_s": page_s, "curve_s": curve_s, "curves_s": curves_s, "points": len(values)}


def _timed(action: Callable[[], Any]) -> tuple[float, Any]:
    """Return the median time of three calls, and the last result."""
    seconds, results = [], []
    for _ in range(3):
        began = time.perf_counter()
        results.append(action())
        seconds.append(time.perf_counter() - began)
    return sorted(seconds)[1], results[-1]

"""Adapters for the measured loggers. An adapter opens a run, logs, waits until points are durable, ends the run, and
reads a metric.

Each adapter runs in the environment of its logger, in which no other logger is installed. Therefore, imports are inside
the methods. `log` is the logger's own method if its signature fits. No additional call is then measured.
"""

from __future__ import annotations

import json
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

METRIC = "loss/0"
"""Metric that is read back."""


class Logger:
    """Adapter for one run of a logger. `log(values, step)` takes a dict that maps metric names to floats."""

    title: ClassVar[str]
    how: ClassVar[str]
    """Description of how the logger is used, for the results page."""
    environment: ClassVar[str | None] = None
    """Name of the logger's virtual environment, or None for the current environment."""
    imports: ClassVar[str]
    """Import statement that users of the logger write."""
    usual_imports: ClassVar[str] = ""
    """Import statement for packages that a training script imports even without the logger."""
    package: ClassVar[str] = ""
    """Distribution whose version is reported."""
    log: Callable[[dict[str, float], int], object]

    def __init__(self, folder: Path) -> None:
        """Import the logger, and open a run that is recorded in `folder`."""
        raise NotImplementedError

    def durable(self) -> None:
        """Wait until all points are passed to the operating system, as the logger's documentation recommends."""
        raise NotImplementedError

    def finish(self) -> None:
        """End the run. The caller calls `durable` before this method."""
        raise NotImplementedError

    @classmethod
    def read(cls, folder: Path) -> list[float]:
        """Return the values of `METRIC` that can be read, in any order."""
        raise NotImplementedError


class Floor(Logger):
    title = "list.append"
    how = (
        "`kept.append((time.time(), step, dict(values)))`, the minimum that a logger has to do; nothing is written to "
        "the disk."
    )
    imports = ""

    def __init__(self, folder: Path) -> None:
        now = time.time
        self._kept: list[tuple[float, int, dict[str, float]]] = []
        append = self._kept.append

        def log(values: dict[str, float], step: int) -> None:
            append((now(), step, dict(values)))

        self.log = log

    def durable(self) -> None: ...

    def finish(self) -> None: ...

    @classmethod
    def read(cls, folder: Path) -> list[float]:
        return []


class Runfolio(Logger):
    title = "runfolio"
    how = (
        "`runfolio.init()` and `run.log(values, step)`; `run.flush()` makes points durable. Code, console and "
        "load are recorded."
    )
    imports = "from runfolio import init"
    package = "runfolio"

    def __init__(self, folder: Path) -> None:
        import runfolio

        self._run = runfolio.init("bench", store=folder, **self._options())
        self.log = self._run.log

    def _options(self) -> dict[str, Any]:
        return {}

    def durable(self) -> None:
        self._run.flush()

    def finish(self) -> None:
        self._run.finish()

    @classmethod
    def read(cls, folder: Path) -> list[float]:
        import runfolio

        (run,) = runfolio.open(folder).runs()
        return run.metric(METRIC).values.tolist()


class RunfolioTensorBoard(Runfolio):
    title = "runfolio + TensorBoard"
    how = "The same with `init(tensorboard=True)`, which also writes event files."

    def _options(self) -> dict[str, Any]:
        return {"tensorboard": True}


class RunfolioSealing(Runfolio):
    title = "runfolio, sealing"
    how = (
        "The same with `RecordingConfig(seal_bytes=1_000_000)` instead of 16 MiB, so that points are sealed several "
        "times per minute."
    )

    def _options(self) -> dict[str, Any]:
        import runfolio

        return {"recording": runfolio.RecordingConfig(seal_bytes=1_000_000)}


class SummaryWriter(Logger):
    title = "SummaryWriter"
    how = "`writer.add_scalar(name, value, step)` for each value; `writer.flush()` makes points durable."
    environment = "summarywriter"
    imports = "from torch.utils.tensorboard import SummaryWriter"
    usual_imports = "import torch"
    package = "tensorboard"

    def __init__(self, folder: Path) -> None:
        self._writer = self._open(str(folder))
        add_scalar = self._writer.add_scalar

        def log(values: dict[str, float], step: int) -> None:
            for name, value in values.items():
                add_scalar(name, value, step)

        self.log = log

    def _open(self, folder: str) -> Any:
        from torch.utils.tensorboard import SummaryWriter  # pyright: ignore[reportPrivateImportUsage]

        return SummaryWriter(folder)

    def durable(self) -> None:
        self._writer.flush()

    def finish(self) -> None:
        self._writer.close()

    @classmethod
    def read(cls, folder: Path) -> list[float]:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
        events.Reload()
        return [event.value for event in events.Scalars(METRIC)]


class TensorBoardX(SummaryWriter):
    title = "tensorboardX"
    environment = "tensorboardx"
    imports = "from tensorboardX import SummaryWriter"
    usual_imports = ""
    package = "tensorboardX"

    def _open(self, folder: str) -> Any:
        from tensorboardX import SummaryWriter  # pyright: ignore[reportMissingImports]

        return SummaryWriter(folder)


class MLflow(Logger):
    title = "MLflow"
    how = "SQLite store; `mlflow.log_metric` for one value, `mlflow.log_metrics` for ten; both make points durable."
    environment = "mlflow"
    imports = "import mlflow"
    package = "mlflow"

    def __init__(self, folder: Path) -> None:
        self._mlflow = _mlflow(folder)
        self._mlflow.set_experiment("bench")
        self._run = self._mlflow.start_run()
        log_metric, log_metrics = self._mlflow.log_metric, self._mlflow.log_metrics

        def log(values: dict[str, float], step: int) -> None:
            if len(values) == 1:
                for name, value in values.items():
                    log_metric(name, value, step=step)
            else:
                log_metrics(values, step=step)

        self.log = log

    def durable(self) -> None: ...

    def finish(self) -> None:
        self._mlflow.end_run()

    @classmethod
    def read(cls, folder: Path) -> list[float]:
        client = _mlflow(folder).MlflowClient()
        experiment = client.get_experiment_by_name("bench")
        (run,) = client.search_runs([experiment.experiment_id])
        return [point.value for point in client.get_metric_history(run.info.run_id, METRIC)]


class MLflowBatch(MLflow):
    title = "MLflow log_batch"
    how = (
        "Values are collected and sent to `MlflowClient.log_batch` in batches of 1,000, its maximum; the rest is "
        "sent at the end."
    )

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        from mlflow.entities import Metric  # pyright: ignore[reportMissingImports]

        self._client = self._mlflow.MlflowClient()
        self._collected: list[Any] = []
        collected, durable = self._collected, self.durable

        def log(values: dict[str, float], step: int) -> None:
            time_ms = int(time.time() * 1000)
            collected.extend(Metric(name, value, time_ms, step) for name, value in values.items())
            if len(collected) >= 1000:
                durable()

        self.log = log

    def durable(self) -> None:
        self._client.log_batch(self._run.info.run_id, metrics=self._collected)
        self._collected.clear()


def _mlflow(folder: Path) -> Any:
    import mlflow  # pyright: ignore[reportMissingImports]

    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    return mlflow


class Aim(Logger):
    title = "Aim"
    how = "`run.track(value, name=name, step=step)` for each value; `run.close()` makes points durable."
    environment = "aim"
    imports = "from aim import Run"
    package = "aim"

    def __init__(self, folder: Path) -> None:
        from aim import Run  # pyright: ignore[reportMissingImports]

        self._run = Run(repo=str(folder), experiment="bench")
        track = self._run.track

        def log(values: dict[str, float], step: int) -> None:
            for name, value in values.items():
                track(value, name=name, step=step)

        self.log = log

    def durable(self) -> None:
        self._run.close()

    def finish(self) -> None: ...

    @classmethod
    def read(cls, folder: Path) -> list[float]:
        from aim import Run  # pyright: ignore[reportMissingImports]
        from aim.storage.context import Context  # pyright: ignore[reportMissingImports]

        # The run is opened for writing, because a run that is opened for reading shows nothing until a server has
        # indexed it.
        (run_hash,) = (path.name for path in (folder / ".aim/meta/chunks").iterdir())
        run = Run(run_hash, repo=str(folder), system_tracking_interval=None)
        metric = run.get_metric(METRIC, Context({}))
        values = [] if metric is None else metric.values.sparse_numpy()[1].tolist()
        run.close()
        return values


class WandB(Logger):
    title = "W&B offline"
    how = "`wandb.init(mode='offline')` and `run.log(values, step)`; `run.finish()` makes points durable."
    environment = "wandb"
    imports = "import wandb"
    package = "wandb"

    def __init__(self, folder: Path) -> None:
        import wandb  # pyright: ignore[reportMissingImports]

        self._run = wandb.init(project="bench", mode="offline", dir=str(folder))
        self.log = self._run.log

    def durable(self) -> None:
        self._run.finish()

    def finish(self) -> None: ...

    @classmethod
    def read(cls, folder: Path) -> list[float]:
        from wandb.proto import wandb_internal_pb2  # pyright: ignore[reportMissingImports]

        values = []
        (file,) = folder.glob("wandb/offline-run-*/*.wandb")
        for data in _leveldb_records(file.read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            for item in record.history.item:
                if METRIC in (item.key, "/".join(item.nested_key)):
                    values.append(float(json.loads(item.value_json)))
        return values


def _leveldb_records(data: bytes) -> list[bytes]:
    """Return the complete records of a `.wandb` file, because wandb has no Python reader. The file is a LevelDB log
    after a 7-byte header."""
    records, partial, offset = [], b"", 7
    while offset + 7 <= len(data):
        room = 32768 - offset % 32768
        if room < 7:
            offset += room
            continue
        length, kind = struct.unpack_from("<HB", data, offset + 4)
        piece = data[offset + 7 : offset + 7 + length]
        if kind == 0 or len(piece) < length:
            break
        partial = piece if kind in (1, 2) else partial + piece
        if kind in (1, 4):
            records.append(partial)
        offset += 7 + length
    return records


class Trackio(Logger):
    title = "Trackio"
    how = "`trackio.init(project)` and `trackio.log(values, step)`; `trackio.finish()` makes points durable."
    environment = "trackio"
    imports = "import trackio"
    package = "trackio"

    def __init__(self, folder: Path) -> None:
        self._trackio = _trackio(folder)
        self._trackio.init(project="bench", name="run")
        self.log = self._trackio.log

    def durable(self) -> None:
        self._trackio.finish()

    def finish(self) -> None: ...

    @classmethod
    def read(cls, folder: Path) -> list[float]:
        logs = _trackio(folder).SQLiteStorage.get_logs("bench", "run")
        return [entry[METRIC] for entry in logs if METRIC in entry]


def _trackio(folder: Path) -> Any:
    os.environ["TRACKIO_DIR"] = str(folder)
    import trackio  # pyright: ignore[reportMissingImports]

    return trackio


class DVCLive(Logger):
    title = "DVCLive"
    how = "`live.log_metric(name, value)` for each value, then `live.next_step()`, outside a DVC repository."
    environment = "dvclive"
    imports = "from dvclive import Live"
    package = "dvclive"

    def __init__(self, folder: Path) -> None:
        from dvclive import Live  # pyright: ignore[reportMissingImports]

        self._live = Live(dir=str(folder / "dvclive"), save_dvc_exp=False, dvcyaml=None)
        log_metric, next_step = self._live.log_metric, self._live.next_step

        def log(values: dict[str, float], step: int) -> None:
            for name, value in values.items():
                log_metric(name, value)
            next_step()

        self.log = log

    def durable(self) -> None: ...

    def finish(self) -> None:
        self._live.end()

    @classmethod
    def read(cls, folder: Path) -> list[float]:
        _, *lines = (folder / f"dvclive/plots/metrics/{METRIC}.tsv").read_text().splitlines()
        return [float(line.split("\t")[1]) for line in lines]


LOGGERS: dict[str, type[Logger]] = {
    "floor": Floor,
    "runfolio": Runfolio,
    "runfolio-tensorboard": RunfolioTensorBoard,
    "runfolio-sealing": RunfolioSealing,
    "summarywriter": SummaryWriter,
    "tensorboardx": TensorBoardX,
    "mlflow": MLflow,
    "mlflow-batch": MLflowBatch,
    "aim": Aim,
    "wandb": WandB,
    "trackio": Trackio,
    "dvclive": DVCLive,
}

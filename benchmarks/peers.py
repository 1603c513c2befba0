"""Measurements of all loggers. Each round measures every logger once, so changes of the machine's speed affect all
loggers alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import processes
from benchmarks.loggers import LOGGERS
from benchmarks.measure import ACKNOWLEDGED
from benchmarks.processes import MeasurementError, Workplace

OLD_S = 0.5
"""Age in seconds. Points that are at least this old when the process is killed must be readable afterwards."""
SEALING = "runfolio-sealing"


@dataclass(frozen=True, kw_only=True)
class Effort:
    """Amount of work to measure."""

    rounds: int
    import_rounds: int
    calls: int
    limit_s: float
    """Maximum number of seconds for one burst."""
    disk_s: float
    """Maximum number of seconds for logging the points whose size on disk is measured."""
    paced_s: float
    sealing_s: float
    kill_s: float


FULL = Effort(
    rounds=3, import_rounds=5, calls=100_000, limit_s=1.0, disk_s=10.0, paced_s=5.0, sealing_s=60.0, kill_s=3.0
)
QUICK = Effort(rounds=1, import_rounds=1, calls=2_000, limit_s=0.3, disk_s=0.3, paced_s=0.3, sealing_s=0.3, kill_s=0.8)


@dataclass
class PeerFigures:
    """Results keyed by measurement and logger, with one dict per round. Reasons for missing results are also stored."""

    figures: dict[str, dict[str, list[dict[str, float]]]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def add(self, kind: str, logger: str, figures: dict[str, float]) -> None:
        self.figures.setdefault(kind, {}).setdefault(logger, []).append(figures)


_NOT_MEASURED: dict[str, set[str]] = {
    "floor": {"import", "first", "disk-1", "disk-10", "kill"},  # it writes nothing to disk
    "runfolio-tensorboard": {"import"},  # the same import as runfolio
    SEALING: {"import", "first", "burst-1", "burst-10", "disk-1", "disk-10", "kill"},  # only for paced calls
    "mlflow": {"disk-1", "disk-10"},  # a batch is stored like individual values, but faster
    "mlflow-batch": {"import", "first"},  # the same as for MLflow
}
"""Measurements that are skipped, by logger."""

Measurement = Callable[[Path, str, Effort], dict[str, float]]


def imports(python: Path, logger: str, effort: Effort) -> dict[str, float]:
    """Measure the import time in seconds, without the start of Python. `over` also excludes packages that training
    scripts import even without the logger."""
    kind = LOGGERS[logger]
    bare, total = processes.wall(python, "pass"), processes.wall(python, kind.imports)
    with_usual_imports = processes.wall(python, kind.usual_imports) if kind.usual_imports else bare
    return {"seconds": total - bare, "over": total - with_usual_imports}


def first(python: Path, logger: str, effort: Effort) -> dict[str, float]:
    with processes.fresh_workplace() as workplace:
        return processes.call(python, "measure:first", workplace, logger=logger, folder=str(workplace.record))


def burst(scalars: int, *, for_size: bool = False) -> Measurement:
    def measure(python: Path, logger: str, effort: Effort) -> dict[str, float]:
        with processes.fresh_workplace() as workplace:
            figures = processes.call(
                python,
                "measure:burst",
                workplace,
                logger=logger,
                folder=str(workplace.record),
                scalars=scalars,
                calls=effort.calls // scalars if for_size else effort.calls,
                limit_s=effort.disk_s if for_size else effort.limit_s,
            )
            return {**figures, "bytes": workplace.record_bytes() / figures["points"]}

    return measure


def paced(python: Path, logger: str, effort: Effort) -> dict[str, float]:
    seconds = effort.sealing_s if logger == SEALING else effort.paced_s
    with processes.fresh_workplace() as workplace:
        figures = processes.call(
            python, "measure:paced", workplace, logger=logger, folder=str(workplace.record), rate=1000, seconds=seconds
        )
        return {**figures, "bytes": workplace.record_bytes() / figures["points"]}


def survival(python: Path, logger: str, effort: Effort) -> dict[str, float]:
    """Count the logged points and the readable points after SIGKILL. Also count the points of each kind that are older
    than `OLD_S` seconds."""
    with processes.fresh_workplace() as workplace:
        acknowledged = workplace.folder / "acknowledged"
        arguments = {"logger": logger, "folder": str(workplace.record), "acknowledged": str(acknowledged)}
        killed = processes.kill(
            python, "measure:log_until_killed", workplace, acknowledged, effort.kill_s, 1.0, **arguments
        )
        readable = set(_readable(python, logger, workplace))
        data = acknowledged.read_bytes()
        logged = list(ACKNOWLEDGED.iter_unpack(data[: len(data) // ACKNOWLEDGED.size * ACKNOWLEDGED.size]))
    old = [step for step, when in logged if when < killed - OLD_S]
    return {
        "logged": len(logged),
        "readable": sum(step in readable for step, _ in logged),
        "old": len(old),
        "old_readable": sum(step in readable for step in old),
    }


def _readable(python: Path, logger: str, workplace: Workplace) -> list[float]:
    return processes.call(python, "measure:read", workplace, logger=logger, folder=str(workplace.record))


KINDS: dict[str, tuple[Measurement, str]] = {
    "import": (imports, "importing"),
    "first": (first, "the first log call"),
    "burst-1": (burst(1), "logging one scalar per call"),
    "burst-10": (burst(10), "logging ten scalars per call"),
    "disk-1": (burst(1, for_size=True), "filling the disk, one scalar per call"),
    "disk-10": (burst(10, for_size=True), "filling the disk, ten scalars per call"),
    "paced": (paced, "logging 1,000 calls per second"),
    "kill": (survival, "kill -9"),
}


def rounds_of(kind: str, effort: Effort) -> int:
    if kind == "import":
        return effort.import_rounds
    return effort.rounds if kind in ("first", "burst-1", "burst-10") else 1


def takes_part(kind: str, logger: str) -> bool:
    return kind not in _NOT_MEASURED.get(logger, ())


def measure(pythons: dict[str, Path], effort: Effort, report: Callable[[str], None]) -> PeerFigures:
    """Measure all loggers in `pythons`. A measurement that fails is named in `missing` and is not repeated."""
    measured = PeerFigures()
    for logger, python in pythons.items():
        with processes.fresh_workplace() as workplace:
            measured.versions[logger] = processes.call(python, "measure:version", workplace, logger=logger)
    for kind, (measurement, activity) in KINDS.items():
        for number in range(rounds_of(kind, effort)):
            for logger, python in pythons.items():
                title = LOGGERS[logger].title
                name = f"{title}, {activity}"
                if not takes_part(kind, logger) or name in measured.missing:
                    continue
                report(f"{activity}, round {number + 1}: {title}")
                try:
                    measured.add(kind, logger, measurement(python, logger, effort))
                except MeasurementError as error:
                    measured.missing[name] = str(error)
    return measured


def steps(pythons: dict[str, Path], effort: Effort) -> int:
    """Return how often `measure` calls `report`."""
    return sum(rounds_of(kind, effort) for kind in KINDS for logger in pythons if takes_part(kind, logger))

"""File with runs. Programs of all environments can read it, because this module imports only the standard library."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO


@dataclass(frozen=True)
class FileRun:
    """Run of the file. Its points are at the steps 0, 1, 2 ..."""

    name: str
    settings: dict[str, Any]
    """Settings without nesting."""
    metrics: list[str]
    points: int
    """Number of points per metric."""
    values: array[float]
    """Values of the first metric, then of the second metric, and so on."""

    def rows(self) -> Iterator[dict[str, float]]:
        """Yield the values of all metrics at each step."""
        columns = [self.values[start : start + self.points] for start in range(0, len(self.values), self.points)]
        for row in zip(*columns, strict=True):
            yield dict(zip(self.metrics, row, strict=True))


def write_run(file: BinaryIO, run: FileRun) -> None:
    """Append a run to a file."""
    about = {"name": run.name, "settings": run.settings, "metrics": run.metrics, "points": run.points}
    file.write(json.dumps(about).encode() + b"\n" + run.values.tobytes())


def read_runs(path: Path) -> Iterator[FileRun]:
    """Yield the runs of a file one by one."""
    with path.open("rb") as file:
        while line := file.readline():
            about = json.loads(line)
            values = array("d")
            values.fromfile(file, len(about["metrics"]) * about["points"])
            yield FileRun(**about, values=values)

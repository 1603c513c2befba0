"""Scan of many new runs in several processes. Each process fills its own databases, which are then merged into the
index."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypedDict

from runfolio.query.index.database import IndexDatabase
from runfolio.query.index.merge import merge_part

WORKER = "runfolio.query.scan_worker"
_MOST_PROCESSES = 8


class Report(TypedDict):
    """Line that a process prints after some runs."""

    read: list[str]
    """Processed runs, as folders relative to the store. Runs that cannot be read are included."""
    part: str | None
    """Database with the runs that the process has read since its last complete database. It is None if this database is
    not complete yet."""


def process_count() -> int:
    """Return the number of processes that a scan of many runs uses."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, _MOST_PROCESSES)


def scan_in_processes(index: IndexDatabase, store: Path, run_paths: Sequence[str]) -> Iterator[str]:
    """Read new runs in several processes, add them to an index, and yield each run that was read.

    Runs that a process cannot read, for any reason, are not added.
    """
    count = process_count()
    with TemporaryDirectory(prefix="runfolio-index-") as folder:
        workers = [_start(store, Path(folder, str(number)), count, run_paths[number::count]) for number in range(count)]
        try:
            for report in _reports(workers):
                if report["part"] is not None:
                    merge_part(index, Path(report["part"]))
                yield from report["read"]
        finally:
            for worker in workers:
                worker.kill()
                worker.communicate()


def _start(store: Path, folder: Path, count: int, run_paths: Iterable[str]) -> subprocess.Popen[bytes]:
    folder.mkdir()
    (folder / "runs").write_bytes(b"\0".join(map(os.fsencode, run_paths)))
    with (folder / "runs").open("rb") as runs:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", WORKER, store, folder, str(count)],
            stdin=runs,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C must not reach the new process; this process ends it instead
        )


def _reports(workers: Sequence[subprocess.Popen[bytes]]) -> Iterator[Report]:
    """Yield the reports of all processes. Each round reads one report per process, because all processes read equally
    many runs."""
    active = [worker.stdout for worker in workers if worker.stdout is not None]
    while active:
        lines = [(stdout, stdout.readline()) for stdout in active]
        active = [stdout for stdout, line in lines if line]
        for _, line in lines:
            if line:
                yield json.loads(line)

"""Program that reads some runs of a store and writes them to separate databases (see `index.parallel_scan`).

Usage: `python -m runfolio.query.scan_worker STORE FOLDER PROCESSES < RUNS`. The input contains the folders of the runs,
separated by NUL.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from runfolio.query.index.database import IndexDatabase
from runfolio.query.index.parallel_scan import Report
from runfolio.query.index.scan import scan_runs
from runfolio.query.scan_rules import scan_rules

try:
    import resource
except ImportError:  # Windows does not have this module
    resource = None

_REPORTED_RUNS = 100
"""Number of runs between two reports. The reports advance a progress bar."""
_PART_RUNS = 2_000
"""Number of runs per database. If the scan is interrupted, runs in complete databases are not read again."""


def main() -> None:
    store, folder, processes = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    _share_memory_limit(processes)
    run_paths = [os.fsdecode(run_path) for run_path in sys.stdin.buffer.read().split(b"\0") if run_path]
    for start in range(0, len(run_paths), _PART_RUNS):
        _read_part(store, folder / f"{start}.db", run_paths[start : start + _PART_RUNS])


def _share_memory_limit(processes: int) -> None:
    """Give this process its share of the memory limit that the command line has set."""
    if resource is not None:
        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        if soft != resource.RLIM_INFINITY:
            resource.setrlimit(resource.RLIMIT_DATA, (soft // processes, hard))


def _read_part(store: Path, part: Path, run_paths: Sequence[str]) -> None:
    database, rules = IndexDatabase(part), scan_rules()
    for start in range(0, len(run_paths), _REPORTED_RUNS):
        reported = run_paths[start : start + _REPORTED_RUNS]
        scan_runs(database, store, reported, rules)
        is_last = start + _REPORTED_RUNS >= len(run_paths)
        report: Report = {"read": list(reported), "part": str(part) if is_last else None}
        sys.stdout.write(json.dumps(report) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

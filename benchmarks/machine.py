"""Description of the machine on which the results were measured."""

from __future__ import annotations

import datetime as dt
import os
import platform
import subprocess
from pathlib import Path

from benchmarks.venvs import ROOT


def describe() -> dict[str, str]:
    """Return processor, cores, memory, system, Python version, commit, date, and the load before the benchmark."""
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}, {platform.libc_ver()[0]} {platform.libc_ver()[1]}",
        "Python": platform.python_version(),
        "commit of runfolio": _commit(),
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def describe_torch() -> dict[str, str]:
    """Return `describe()` with PyTorch's version and number of threads, which affect the speed of PyTorch."""
    import torch

    return {**describe(), "PyTorch": torch.__version__, "threads of PyTorch": str(torch.get_num_threads())}


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    """Return the commit, with the suffix `-dirty` if any file other than the results page differs from the commit."""
    commit = _git("rev-parse", "--short", "HEAD").stdout.strip()
    clean = _git("diff", "--quiet", "HEAD", "--", ".", ":!docs/benchmarks.md").returncode == 0
    return (commit if clean else f"{commit}-dirty") if commit else "none"


def _git(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)

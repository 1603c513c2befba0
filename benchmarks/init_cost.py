"""Cost of `runfolio.init` in a git repository with uncommitted changes, and cost of the background work.

Each measurement runs in a fresh Python process that has imported torch, like a training script. "imports" is the time
of the imports that the first `init` needs, and "init" is the time of the call itself. Each kind of measurement records
more than the previous kind. "pause" is the longest interruption of a busy loop in the second after the call. For
comparison, "usual" is the longest interruption in the half second before the call. "kept" is the time until all code
was on disk. The background work consists of sampling the machine's load and timing a DataLoader step.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

MODULES = 50
LINES = 200
KINDS = {
    "the record only": "code=False, console=False, system_s=0",
    "... with the code": "console=False, system_s=0",
    "... with the code and the load": "console=False",
    "... with the code, the load and the console": "",
}
CHILD = """
import json, sys, time
import torch
import {modules}
clock = time.perf_counter
began = clock()
import psutil
import runfolio.tracking.init
imports = clock() - began
def longest_pause(seconds):
    until, last, longest = clock() + seconds, clock(), 0.0
    while last < until:
        now = clock()
        longest, last = max(longest, now - last), now
    return longest
usual = longest_pause(0.5)
began = clock()
run = runfolio.init("bench", store=sys.argv[1], recording=runfolio.RecordingConfig({options}))
init = clock() - began
pause = longest_pause(1.0)
run.finish()
files = [path.stat().st_mtime for path in (run.folder / "code").glob("*.json")]
kept = files[0] - run.recorder.document.created.timestamp() if files else None
print(json.dumps(dict(imports=imports, init=init, usual=usual, pause=pause, kept=kept)))
"""
BESIDE = """
import json, sys, time
import torch
import torch.utils.data.dataloader
from runfolio.tracking.monitors.machine_load import GpuGauge, MachineGauge
from runfolio.tracking.monitors.throughput import Throughput
from pathlib import Path
gauges = [MachineGauge(Path(sys.argv[1])), GpuGauge()]
began = time.process_time()
for _ in range(50):
    for gauge in gauges:
        gauge.read(1.0)
sample = (time.process_time() - began) / 50
def step(iterator, calls=100_000):
    began = time.process_time()
    for _ in range(calls):
        plain(iterator)
    bare = time.process_time() - began
    began = time.process_time()
    for _ in range(calls):
        timed(iterator)
    return (time.process_time() - began - bare) / calls
base = torch.utils.data.dataloader._BaseDataLoaderIter
batch = [torch.zeros(64, 3), torch.zeros(64)]
base.__next__ = lambda iterator: batch
plain = base.__next__
speed = Throughput(lambda: 0)
timed = base.__next__
cost = min(step(object()) for _ in range(5))
speed.close()
print(json.dumps(dict(sample=sample, batch=cost)))
"""


def repository(folder: Path, modules: int) -> list[str]:
    """Create a git repository of Python modules, change some modules after the commit, and return the names of all
    modules."""
    names = [f"module_{number}" for number in range(modules)]
    for name in names:
        lines = [f"def function_{line}(x):\n    return x * {line}\n" for line in range(LINES // 3)]
        (folder / f"{name}.py").write_text("\n".join(lines))
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.org"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run(["git", *identity, *words], cwd=folder, check=True)
    for name in names[:10]:
        path = folder / f"{name}.py"
        path.write_text(path.read_text().replace("x * 7", "x * 70"))
    return names


def child(script: str, folder: Path, store: Path) -> dict[str, float]:
    (folder / "train.py").write_text(script)
    command = [sys.executable, "train.py", str(store)]
    process = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return json.loads(process.stdout.strip().splitlines()[-1])


@dataclass
class InitCost:
    """Results of each process, keyed by the kind of measurement, and CPU seconds of the background work."""

    processes: dict[str, list[dict[str, float]]]
    background_s: dict[str, float]


def measure(rounds: int, modules: int, kinds: Sequence[str], report: Callable[[str], None]) -> InitCost:
    with tempfile.TemporaryDirectory() as parent:
        folder, store = Path(parent) / "project", Path(parent) / "runs"
        folder.mkdir()
        names = ", ".join(repository(folder, modules))
        measured: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
        for number in range(rounds):
            for kind in kinds:  # in each round, so changes of the machine's speed affect all kinds alike
                report(f"init, round {number + 1}: {kind}")
                measured[kind].append(child(CHILD.format(modules=names, options=KINDS[kind]), folder, store))
        return InitCost(measured, child(BESIDE, folder, store))

"""Explanation of the end of a run in one sentence, based only on known facts."""

from __future__ import annotations

import math
import os.path
import re
import signal
from pathlib import Path
from typing import Protocol

from runfolio.errors import NotFound
from runfolio.query.index.entries import ScannedRun
from runfolio.query.selection.metric_names import guess_mode
from runfolio.record.base.run_document import RUNNING, RunDocument
from runfolio.record.content.console_log import last_lines, log_path
from runfolio.record.liveness.heartbeats import CRASHED
from runfolio.record.liveness.process_exits import Death

_PREFIXES = {
    "out-of-memory": "out of memory: ",
    "cuda-out-of-memory": "out of GPU memory: ",
    "disk-full": "disk full: ",
}
_SIGNALS = {
    signal.SIGSEGV: "segmentation fault (SIGSEGV)",
    signal.SIGBUS: "bus error (SIGBUS)",
    signal.SIGFPE: "arithmetic fault (SIGFPE)",
    signal.SIGILL: "illegal instruction (SIGILL)",
    signal.SIGABRT: "aborted by its own C code (SIGABRT)",
}
_CRASH_LINES = 400
"""Number of lines at the end of the console log that are searched for a crash dump. A dump lists all threads, so it is
long."""
_FRAME = re.compile(r'^ +File "(?P<path>.+)", line (?P<line>\d+),? in (?P<name>.+)$', re.MULTILINE)
_CELL = re.compile(r" in cell \d+(, line \d+)?$")
"""Pattern for the suffix of a reason that was recorded in a notebook, such as ` in cell 3, line 2`."""
_LIBRARY_PATH = re.compile(
    r"/(site|dist)-packages/|/lib(64)?/python\d|^<frozen |/runfolio/(cli|query|record|series|tracking|vision)/"
)


class EndedRun(Protocol):
    """Interface of a recorded or scanned run whose end can be explained."""

    @property
    def folder(self) -> Path: ...
    @property
    def state(self) -> str: ...
    @property
    def document(self) -> RunDocument: ...


def reason(run: ScannedRun) -> str | None:
    """Return the reason why a run ended, or None if no reason is known. The text does not include the run's state."""
    parts = [_cause(run), _trouble(run)]
    return "; ".join(text for text in parts if text) or None


def exit_code(run: EndedRun) -> int | None:
    """Return the exit status of the run's process, or None if unknown."""
    death = death_of(run) if run.state != run.document.status.state else None
    return run.document.status.exit_code if death is None else death.exit_code


def death_of(run: EndedRun) -> Death | None:
    """Return the end of the newest attempt as another process observed it, or None if no process observed it."""
    return Death.read(run.folder, run.document.attempts[-1].writer) if run.document.attempts else None


def last_output(run: EndedRun, count: int) -> list[str]:
    """Return the last console lines of a run that ended before it was finished. Return an empty list for other runs."""
    if run.state in (RUNNING, "finished") or not run.document.attempts:
        return []
    return last_lines(log_path(run.folder, run.document.attempts[-1].writer), count)


def _cause(run: EndedRun) -> str | None:
    status = run.document.status
    if run.state == CRASHED:
        return _crash_reason(run)
    if status.state == "finished" and exit_code(run):
        return f"exited with status {exit_code(run)}"
    if status.reason is None:
        return None
    frames = [] if _CELL.search(status.reason) else _own_frames(status.traceback or "")
    location = f" in {_location(run, frames[-1])}" if frames else ""
    return f"{_PREFIXES.get(status.cause or '', '')}{status.reason}{location}"


def _crash_reason(run: EndedRun) -> str:
    death = death_of(run)
    crash = _crash(run)
    if death is None or (death.signal is None and death.exit_code is None):
        return f"its process crashed{crash}" if crash else "its process disappeared without reporting its end"
    if death.exit_code is not None:
        return f"exited with status {death.exit_code} without ending the run (os._exit, or C code)"
    if death.signal == signal.SIGKILL:
        return _killed(death)
    try:
        name = signal.Signals(death.signal or 0)
    except ValueError:
        return f"killed by signal {death.signal}{crash}"
    return _SIGNALS.get(name, f"killed by {name.name}") + crash


def _killed(death: Death) -> str:
    if not death.oom_kills:
        counted = "" if death.oom_kills is None else " (the kernel reported no out-of-memory kill)"
        return f"killed by SIGKILL{counted}"
    held = f"; it used {death.memory_bytes / 1e6:,.0f} MB when last seen" if death.memory_bytes else ""
    return f"killed by the kernel's out-of-memory killer{held}"


def _crash(run: EndedRun) -> str:
    """Return the location of a crash in C code, from the dump that Python printed. Without a dump, return an empty
    string."""
    log = (
        "\n".join(last_lines(log_path(run.folder, run.document.attempts[-1].writer), _CRASH_LINES))
        if run.document.attempts
        else ""
    )
    dump = log.rpartition("Fatal Python error: ")[2] if "Fatal Python error: " in log else ""
    current = re.split(r"^(?:Current thread .*|Stack \(most recent call first\)):$", dump, flags=re.MULTILINE)[-1]
    current = current.partition("\n\n")[0]
    frames = list(_FRAME.finditer(current))
    if not frames:
        return ""
    # The newest frame comes first. A line of the user's code is more useful than a line of a library.
    user_frames = _own_frames(current)
    return f" in {_location(run, (user_frames or frames)[0])}"


def _own_frames(text: str) -> list[re.Match[str]]:
    """Return the frames in a traceback that belong to the user's code, or all frames if no frame does."""
    frames = list(_FRAME.finditer(text))
    return [frame for frame in frames if not _LIBRARY_PATH.search(frame["path"])] or frames


def _location(run: EndedRun, frame: re.Match[str]) -> str:
    path, folder = frame["path"], run.document.code.get("folder")
    if isinstance(folder, str) and path.startswith(f"{folder}/"):
        path = os.path.relpath(path, folder)
    return f"{path} line {frame['line']}"


def _trouble(run: ScannedRun) -> str | None:
    """Return the problem that occurred during training: the recorded problem, or a loss that is no longer finite."""
    if run.document.status.trouble:
        return run.document.status.trouble
    metrics = run.entry.metrics
    diverged = [
        name for name, summary in metrics.items() if not math.isfinite(summary.last) and guess_mode(name) == "min"
    ]
    if not diverged:
        return None
    name = min(diverged, key=lambda name: ("loss" not in name.lower(), name))
    import numpy as np

    from runfolio.query.frames.points import open_points  # imports Arrow, which is needed only here

    try:
        points = open_points(run.folder).read(name)
    except NotFound:
        return None
    finite = np.flatnonzero(np.isfinite(points.values))
    first = int(finite[-1]) + 1 if len(finite) else 0
    if first == len(points):  # the values have become finite since the scan
        return None
    kind = "NaN" if math.isnan(metrics[name].last) else "infinite"
    tense = "is" if run.state == RUNNING else "was"
    return f"{name} {tense} {kind} from step {points.steps[first]} on"

"""Fresh processes for measurements, each in an empty folder that is gone afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.venvs import ROOT

LIMIT_S = 300.0
_MODULE = "benchmarks.child"


class MeasurementError(Exception):
    """A measurement ended with an error; the message is its last line."""


@dataclass
class Place:
    """A folder of a measurement's own: what it works in, and where the logger's record goes."""

    folder: Path

    @property
    def record(self) -> Path:
        return self.folder / "record"

    def record_bytes(self) -> int:
        """The size of all files of the record."""
        return sum(path.stat().st_size for path in self.record.rglob("*") if path.is_file() and not path.is_symlink())


@contextlib.contextmanager
def place() -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        made = Place(Path(folder))
        made.record.mkdir()
        yield made


def call(python: Path, function: str, where: Place, **arguments: Any) -> Any:
    """What `MODULE:FUNCTION` of benchmarks returns in a fresh process.

    Raises:
        MeasurementError: It ended with an error, or took longer than `LIMIT_S`.
    """
    with _started(_function(python, function, where, arguments), where) as process:
        try:
            process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            raise MeasurementError(f"still running after {LIMIT_S:.0f} s") from None
    _see_to(process, where)
    return json.loads(_result(where).read_text())


@dataclass(frozen=True)
class Spent:
    """What a process took from its start to its end."""

    wall_s: float
    cpu_s: float
    """Of the processes it waited for, too."""


def spend(command: Sequence[str], where: Place) -> Spent:
    """Run a command in a fresh process, however long it takes.

    Raises:
        MeasurementError: It ended with an error.
    """
    began = time.perf_counter()
    with _started(command, where) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall_s = time.perf_counter() - began
    _see_to(process, where)
    return Spent(wall_s, usage.ru_utime + usage.ru_stime)


def spend_calling(function: str, where: Place, **arguments: Any) -> tuple[Spent, Any]:
    """`spend` of `MODULE:FUNCTION` of benchmarks, and what it returned; raises as `spend` does."""
    spent = spend(_function(Path(sys.executable), function, where, arguments), where)
    return spent, json.loads(_result(where).read_text())


def kill(
    python: Path, function: str, where: Place, begun: Path, seconds: float, linger_s: float, **arguments: Any
) -> float:
    """Start `function`, wait until it has made the file `begun`, and send it SIGKILL after `seconds`; when that was.

    Processes that it has started, which may still be writing, have `linger_s` more.

    Raises:
        MeasurementError: It ended by itself.
    """
    with _started(_function(python, function, where, arguments), where) as process:
        until = time.monotonic() + LIMIT_S
        while not begun.exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(seconds)
        if process.poll() is not None or not begun.exists():
            raise MeasurementError(
                _last_line((where.folder / "errors").read_bytes()) or "it ended before it was killed"
            )
        when = time.time()
        process.kill()
        process.wait()
        time.sleep(linger_s)
    return when


def _function(python: Path, function: str, where: Place, arguments: dict[str, Any]) -> list[str]:
    return [str(python), "-m", _MODULE, function, json.dumps(arguments), str(_result(where))]


def _result(where: Place) -> Path:
    return where.folder / "result.json"


def _see_to(process: subprocess.Popen, where: Place) -> None:
    if process.returncode:
        raise MeasurementError(
            _last_line((where.folder / "errors").read_bytes()) or f"exit status {process.returncode}"
        )


@contextlib.contextmanager
def _started(command: Sequence[str], where: Place) -> Iterator[subprocess.Popen]:
    """A child in a process group of its own, of which nothing is left afterwards."""
    with (where.folder / "errors").open("wb") as errors:
        process = subprocess.Popen(
            command,
            cwd=where.folder,
            env=_environment(where),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wall(python: Path, statement: str) -> float:
    """Seconds that `python -c statement` takes from start to end.

    Raises:
        MeasurementError: The statement failed.
    """
    with place() as where:
        command = [str(python), "-c", statement]
        began = time.perf_counter()
        done = subprocess.run(command, cwd=where.folder, env=_environment(where), capture_output=True, check=False)
        seconds = time.perf_counter() - began
    if done.returncode:
        raise MeasurementError(_last_line(done.stderr) or f"exit status {done.returncode}")
    return seconds


def _environment(where: Place) -> dict[str, str]:
    """Ours, with this package to be found, no index left behind, and no usage statistics sent.

    Nor is compiled code kept from being stored: installed packages have it, and so has runfolio with its users.
    """
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        "PYTHONPATH": os.pathsep.join(paths),
        "RUNFOLIO_CACHE": str(where.folder / "cache"),
        "DO_NOT_TRACK": "1",
        "DVC_NO_ANALYTICS": "1",
        "ITERATIVE_DO_NOT_TRACK": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "WANDB_ERROR_REPORTING": "false",
    }


def _last_line(errors: bytes) -> str:
    lines = errors.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""

"""Fresh processes for measurements, each in an empty folder that is removed afterwards."""

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
    """Raised if a measurement ended with an error. The message is the last line of its output."""


@dataclass
class Workplace:
    """Working folder of one measurement. It also contains the logger's record."""

    folder: Path

    @property
    def record(self) -> Path:
        return self.folder / "record"

    def record_bytes(self) -> int:
        """Return the total size of the files of the record, in bytes."""
        return sum(path.stat().st_size for path in self.record.rglob("*") if path.is_file() and not path.is_symlink())


@contextlib.contextmanager
def fresh_workplace() -> Iterator[Workplace]:
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        workplace = Workplace(Path(folder))
        workplace.record.mkdir()
        yield workplace


def call(
    python: Path, function: str, workplace: Workplace, *, process_limit_s: float = LIMIT_S, **arguments: Any
) -> Any:
    """Call `MODULE:FUNCTION` of benchmarks in a fresh process, and return its result.

    Raises:
        MeasurementError: The function ended with an error, or took longer than `process_limit_s`.
    """
    with _running_process(_function_command(python, function, workplace, arguments), workplace) as process:
        try:
            process.wait(process_limit_s)
        except subprocess.TimeoutExpired:
            raise MeasurementError(f"still running after {process_limit_s:.0f} s") from None
    _check_status(process, workplace)
    return json.loads(_result(workplace).read_text())


@dataclass(frozen=True)
class ProcessCost:
    """Cost of a process from its start to its end."""

    wall_s: float
    cpu_s: float
    """CPU time of the process and of the child processes that it waited for."""


def measure_command(command: Sequence[str], workplace: Workplace) -> ProcessCost:
    """Run a command in a fresh process without a time limit, and return its cost.

    Raises:
        MeasurementError: The command ended with an error.
    """
    began = time.perf_counter()
    with _running_process(command, workplace) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall_s = time.perf_counter() - began
    _check_status(process, workplace)
    return ProcessCost(wall_s, usage.ru_utime + usage.ru_stime)


def measure_function(function: str, workplace: Workplace, **arguments: Any) -> tuple[ProcessCost, Any]:
    """Call `MODULE:FUNCTION` of benchmarks in a fresh process, as `measure_command` does. Return its cost and its
    result.

    Raises:
        MeasurementError: The function ended with an error.
    """
    cost = measure_command(_function_command(Path(sys.executable), function, workplace, arguments), workplace)
    return cost, json.loads(_result(workplace).read_text())


def kill(
    python: Path,
    function: str,
    workplace: Workplace,
    ready_file: Path,
    seconds: float,
    linger_s: float,
    **arguments: Any,
) -> float:
    """Start `function`, wait for `ready_file`, kill the process after `seconds`, and return the time of the kill.

    Child processes of the killed process may still be writing, so they are killed only `linger_s` seconds later.

    Raises:
        MeasurementError: The process ended before it was killed.
    """
    with _running_process(_function_command(python, function, workplace, arguments), workplace) as process:
        until = time.monotonic() + LIMIT_S
        while not ready_file.exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(seconds)
        if process.poll() is not None or not ready_file.exists():
            raise MeasurementError(
                _last_line((workplace.folder / "errors").read_bytes()) or "the process ended before it was killed"
            )
        when = time.time()
        process.kill()
        process.wait()
        time.sleep(linger_s)
    return when


def _function_command(python: Path, function: str, workplace: Workplace, arguments: dict[str, Any]) -> list[str]:
    return [str(python), "-m", _MODULE, function, json.dumps(arguments), str(_result(workplace))]


def _result(workplace: Workplace) -> Path:
    return workplace.folder / "result.json"


def _check_status(process: subprocess.Popen, workplace: Workplace) -> None:
    if process.returncode:
        raise MeasurementError(
            _last_line((workplace.folder / "errors").read_bytes()) or f"exit status {process.returncode}"
        )


@contextlib.contextmanager
def _running_process(command: Sequence[str], workplace: Workplace) -> Iterator[subprocess.Popen]:
    """Start a process in its own process group, and kill the whole group afterwards."""
    with (workplace.folder / "errors").open("wb") as errors:
        process = subprocess.Popen(
            command,
            cwd=workplace.folder,
            env=_environment(workplace),
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
    """Return the seconds that `python -c statement` takes from start to end.

    Raises:
        MeasurementError: The statement failed.
    """
    with fresh_workplace() as workplace:
        command = [str(python), "-c", statement]
        began = time.perf_counter()
        process = subprocess.run(
            command, cwd=workplace.folder, env=_environment(workplace), capture_output=True, check=False
        )
        seconds = time.perf_counter() - began
    if process.returncode:
        raise MeasurementError(_last_line(process.stderr) or f"exit status {process.returncode}")
    return seconds


def _environment(workplace: Workplace) -> dict[str, str]:
    """Return environment variables that make this package importable, move caches to the workplace, and disable
    telemetry.

    Bytecode may be written, because users also have bytecode of their installed packages.
    """
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        "PYTHONPATH": os.pathsep.join(paths),
        "RUNFOLIO_CACHE": str(workplace.folder / "cache"),
        "DO_NOT_TRACK": "1",
        "DVC_NO_ANALYTICS": "1",
        "ITERATIVE_DO_NOT_TRACK": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "WANDB_ERROR_REPORTING": "false",
    }


def _last_line(errors: bytes) -> str:
    lines = errors.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""

"""System calls that fail or take long, put into a living process by strace."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

STRACE = shutil.which("strace")


def require_strace() -> str:
    """Return the path of strace. It must be installed in CI; elsewhere the test is skipped without it."""
    if STRACE is None:
        if "CI" in os.environ:
            pytest.fail("strace is not installed: `apt-get install strace`")
        pytest.skip("strace is not installed")
    return STRACE


@contextmanager
def injected(process: int, what: str, log: Path | str = os.devnull, only: Path | None = None) -> Iterator[None]:
    """Inject faults, as specified by `strace -e inject=`, into the system calls of a process, its threads and children.

    Args:
        only: Only inject faults into calls for this file.
    """
    options = [*(["-P", str(only)] if only else []), "-f", "-p", str(process), "-o", str(log), "-e", f"inject={what}"]
    tracer = subprocess.Popen([require_strace(), *options], stderr=subprocess.PIPE, text=True)
    assert tracer.stderr is not None
    line = tracer.stderr.readline()
    if "attached" not in line:
        tracer.kill()
        tracer.communicate()
        pytest.skip(f"strace may not be used here: {line.strip()}")
    try:
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        try:
            tracer.communicate(timeout=3)
        except subprocess.TimeoutExpired:  # it keeps a call that it delays to the end of the delay
            tracer.kill()
            tracer.communicate()

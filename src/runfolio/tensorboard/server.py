"""Wrapper that runs TensorBoard's own server as a child process for one folder."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from runfolio.errors import StoreError
from runfolio.record.base.visible_text import visible_text

_STOP_TIMEOUT_S = 10.0


def serve(log_dir: Path, host: str, port: int | None, on_address: Callable[[str], None]) -> None:
    """Run TensorBoard until it exits or is stopped.

    TensorBoard's output is copied to stderr once the address is known. Earlier output is shown only if the start fails.

    Args:
        port: Port of the server. Default: the first free port, starting at 6006.
        on_address: Function that is called with the server's address once the server listens.
    Raises:
        StoreError: TensorBoard did not start. The message gives the reason.
    """
    command = [sys.executable, "-W", "ignore", "-m", "tensorboard.main", "--logdir", str(log_dir), "--host", host]
    if port is not None:
        command += ["--port", str(port)]
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    # Ctrl-C reaches all processes of the terminal, including TensorBoard.
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as server:
        try:
            startup_output = _forward_output(server, on_address)
            status = server.wait()
        except BaseException:
            _stop(server)
            raise
    if startup_output:
        error = next((line for line in startup_output if "ERROR" in line), startup_output[-1])
        raise StoreError(
            f"TensorBoard did not start (exit status {status}): {error.removeprefix('ERROR: ').strip()};"
            " if the address is in use, choose a different one with --port and --host"
        )


def _forward_output(server: subprocess.Popen[str], on_address: Callable[[str], None]) -> list[str]:
    """Report the address and copy all later output to stderr. If no address was printed, return the whole output."""
    output: list[str] = []
    for line in server.stderr or ():
        output.append(line)
        if match := re.search(r"http://\S+(?= \(Press)", line):
            on_address(match[0])
            for later in server.stderr or ():
                sys.stderr.write(visible_text(later))
            return []
    return output or ["no output"]


def _stop(server: subprocess.Popen[str]) -> None:
    server.terminate()
    try:
        server.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        server.kill()

"""Functions that start programs on a background thread while the training thread may fork.

`subprocess` opens pipes between parent and child. A DataLoader worker that is forked at that moment would inherit the
pipes. The thread that starts the program would then wait until the worker ends. Therefore forks are blocked while a
program is being started.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from typing import IO, Any, cast

_starting = threading.Lock()
os.register_at_fork(before=_starting.acquire, after_in_parent=_starting.release, after_in_child=_starting.release)


def start(arguments: list[str], **options: Any) -> subprocess.Popen[str]:
    """Start a program as `subprocess.Popen` does, but without standard input.

    Raises:
        OSError: The program cannot be started.
    """
    with _starting:
        return subprocess.Popen(arguments, stdin=subprocess.DEVNULL, text=True, **options)


def start_module(module: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a module as a separate program. The program does not use the memory or the time of the training process.

    Raises:
        OSError: The program cannot be started.
    """
    return start(
        [sys.executable, "-m", module, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C must not reach the program
    )


def start_brief(arguments: list[str], **options: Any) -> subprocess.Popen:
    """Start a program that may end within a millisecond. If the program is missing, the exit status is 127.

    A shell delays the program until `subprocess` has returned. While `subprocess` forks, it blocks all signals in this
    thread. If the child ended during that time, the training thread would receive SIGCHLD. A write of that thread to a
    full pipe could then return early. If PYTHONUNBUFFERED=1 is set, Python would lose the rest of the output.

    Raises:
        OSError: The program cannot be started.
    """
    held = ["/bin/sh", "-c", 'read -r _; exec "$@" < /dev/null', "sh", *arguments]
    with _starting:
        process = subprocess.Popen(held, stdin=subprocess.PIPE, bufsize=0, **options)
    with contextlib.suppress(OSError), cast("IO[bytes]", process.stdin) as gate:
        gate.write(b"\n")
    return process

"""Starting other programs from the writer thread while the training thread may fork.

`subprocess` opens pipes between parent and child; a DataLoader worker that is forked at that very moment inherits
them, and the writer would then wait for the worker's end. So no fork happens while a program is being started.
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
    """`subprocess.Popen`, with no terminal to read from.

    Raises:
        OSError: The program cannot be started.
    """
    with _starting:
        return subprocess.Popen(arguments, stdin=subprocess.DEVNULL, text=True, **options)


def start_module(module: str, *arguments: str) -> subprocess.Popen[str]:
    """Run a module as a program in the background, so that its memory and its work do not burden the training.

    Raises:
        OSError: The program cannot be started.
    """
    return start(
        [sys.executable, "-m", module, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C in the terminal is not meant for it
    )


def start_brief(arguments: list[str], **options: Any) -> subprocess.Popen:
    """The same for a program that may end within a millisecond; where it is not found, it ends with status 127.

    It is held until it may end. subprocess forks with all signals blocked in this thread; of a child that ends before
    they are let through again, the training thread is told instead, whose write to a full pipe then returns short. An
    unbuffered Python (PYTHONUNBUFFERED=1) takes that for the whole, and what it printed is cut.

    Raises:
        OSError: No program can be started.
    """
    held = ["/bin/sh", "-c", 'read -r _; exec "$@" < /dev/null', "sh", *arguments]
    with _starting:
        process = subprocess.Popen(held, stdin=subprocess.PIPE, bufsize=0, **options)
    with contextlib.suppress(OSError), cast("IO[bytes]", process.stdin) as gate:
        gate.write(b"\n")
    return process

"""Starting other programs from the writer thread while the training thread may fork.

`subprocess` opens pipes between parent and child; a DataLoader worker that is forked at that very moment inherits
them, and the writer would then wait for the worker's end. So no fork happens while a program is being started.
"""

from __future__ import annotations

import os
import subprocess
import threading
from typing import Any

_starting = threading.Lock()
os.register_at_fork(before=_starting.acquire, after_in_parent=_starting.release, after_in_child=_starting.release)


def start(arguments: list[str], *, text: bool = True, **options: Any) -> subprocess.Popen:
    """`subprocess.Popen`, with no terminal to read from.

    Raises:
        OSError: The program cannot be started.
    """
    with _starting:
        return subprocess.Popen(arguments, stdin=subprocess.DEVNULL, text=text, **options)

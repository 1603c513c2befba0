"""Copying of the output of notebook cells to the console log. A notebook kernel sends this output to the notebook
instead of writing it to the file descriptors 1 and 2."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from runfolio.tracking.process.run_context import ipython_shell

Write = Callable[[str], int]


class CellOutput:
    """Object that copies text into a file descriptor when the text is written to the streams of a notebook kernel."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor: int | None = descriptor
        """Descriptor that receives the copied text, or None if copying has stopped."""
        self._replaced: list[tuple[Any, Write, Write]] = []
        """Patched streams, each with the new and the original `write` function."""

    @staticmethod
    def exists() -> bool:
        """Return whether stdout or stderr is a stream of a notebook kernel."""
        return bool(_kernel_streams())

    def start(self) -> None:
        """Start copying."""
        self._replace()
        # After each cell, IPython restores the `write` that the stream had before the cell.
        ipython_shell().events.register("pre_run_cell", self._replace)

    def stop(self) -> None:
        """Undo `start`."""
        with contextlib.suppress(ValueError):  # `start` was not called
            ipython_shell().events.unregister("pre_run_cell", self._replace)
        for stream, write, original in self._replaced:
            if stream.write is write:
                stream.write = original
        self._replaced = []

    def _replace(self, info: object = None) -> None:
        patched = [stream for stream, write, _ in self._replaced if stream.write is write]
        for stream in _kernel_streams():
            if stream not in patched:
                original = stream.write
                stream.write = self._with_copy(original, getattr(stream, "watch_fd_thread", None))
                self._replaced = [entry for entry in self._replaced if entry[0] is not stream]
                self._replaced.append((stream, stream.write, original))

    def _with_copy(self, original: Write, echo: threading.Thread | None) -> Write:
        """Return a `write` function that also copies the text.

        Args:
            echo: Thread of the notebook kernel that prints the output of the file descriptors 1 and 2. Its text is not
                copied, because this output is already recorded.
        """

        def write(text: str) -> int:
            count = original(text)
            data = text.encode(errors="replace") if threading.current_thread() is not echo else b""
            with contextlib.suppress(OSError):  # the helper process has ended
                while data and self.descriptor is not None:
                    data = data[os.write(self.descriptor, data) :]
            return count

        return write


def _kernel_streams() -> list[Any]:
    iostream = sys.modules.get("ipykernel.iostream")
    if iostream is None or ipython_shell() is None:
        return []
    return [stream for stream in (sys.stdout, sys.stderr) if isinstance(stream, iostream.OutStream)]

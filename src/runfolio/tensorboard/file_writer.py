"""`FileWriter`: the part of torch's `FileWriter` that scripts use through `SummaryWriter.file_writer`."""

from __future__ import annotations

from typing import Protocol


class Closable(Protocol):
    """Part of `SummaryWriter` that `FileWriter` uses."""

    def get_logdir(self) -> str: ...

    def flush(self) -> None: ...

    def close(self) -> None: ...


class FileWriter:
    """Writer of the event file of a `SummaryWriter`."""

    def __init__(self, writer: Closable) -> None:
        self._writer = writer

    def get_logdir(self) -> str:
        """Return the folder of the event file."""
        return self._writer.get_logdir()

    def flush(self) -> None:
        """Wait until all values are written."""
        self._writer.flush()

    def close(self) -> None:
        """Close the `SummaryWriter`. The next call of one of its methods opens it again."""
        self._writer.close()

    def reopen(self) -> None:
        """Do nothing, because the next call of the `SummaryWriter` opens it again."""

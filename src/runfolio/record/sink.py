"""Interface of a sink: something that receives a copy of the record while it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from runfolio.record.base.run_document import RunDocument
from runfolio.record.content.media import MediaEntry
from runfolio.record.points.tails import LogCall


class Sink(Protocol):
    """A copy of one process's part of a run, such as TensorBoard's event file.

    A sink is fed only what the record holds already, so it can be made again from the record at any time.

    - Threads: every method is called on the thread that writes the record, never on the training thread. The record
      waits for a method to return, so a sink that waits for a network needs a thread of its own.
    - Order: `open` is called first, `close` last, and each of them once. In between, points and media arrive in the
      order in which they were written, each at most once. Nothing is called after `close`.
    - Failure: an exception costs only the sink. It is logged once, the sink is closed, and the run and its record
      continue. The message of a `RunfolioError` is logged as it is; any other exception is logged with its traceback.
    """

    def open(self, document: RunDocument, last_steps: Callable[[], Mapping[str, int]]) -> None:
        """Begin; the first files of the attempt are written.

        Args:
            document: The run, with the attempt that is recorded last in `attempts`. As in the record, without secrets.
            last_steps: Reads the last step of every metric and medium that a resumed run keeps, so that its attempt
                continues where the earlier one ended; empty for a new run. It reads all points, so call it only
                if it is needed, and only in `open`.
        """
        ...

    def points(self, calls: Sequence[LogCall]) -> None:
        """Receive log calls, in their order."""
        ...

    def media(self, entry: MediaEntry, picture: bytes | None) -> None:
        """Receive one medium, with the PNG of an image or a figure."""
        ...

    def document(self, document: RunDocument) -> None:
        """Receive the run document, without secrets; flush what was received before.

        Called after every write of the record, several times per second at most, also if nothing was changed.
        """
        ...

    def lost(self, reason: str) -> None:
        """Hear that the record has points or media that this sink did not receive."""
        ...

    def close(self) -> None:
        """End. Unless the sink has failed, `document` was called with the run's end before."""
        ...

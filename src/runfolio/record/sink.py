"""Interface of a sink, which receives a copy of the record while it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from runfolio.record.base.run_document import RunDocument
from runfolio.record.content.media import MediaEntry
from runfolio.record.points.tails import LogCall


class Sink(Protocol):
    """Copy of one process's part of a run, such as TensorBoard's event file.

    A sink receives only what is already in the record, so it can be rebuilt from the record at any time.

    - Threads: every method is called on the thread that writes the record, never on the training thread. The record
      waits for each method, so a sink that waits for a network needs its own thread.
    - Order: `open` is called first and `close` last, each once. In between, points and media arrive in the order in
      which they were written, each at most once. Nothing is called after `close`.
    - Failure: an exception affects only the sink. It is logged once, the sink is closed, and the run and its record
      continue. The message of a `RunfolioError` is logged without a traceback, any other exception with it.
    """

    def open(self, document: RunDocument, last_steps: Callable[[], Mapping[str, int]]) -> None:
        """Start, after the first files of the attempt were written.

        Args:
            document: The run without secrets, as in the record; the recorded attempt is the last of `attempts`.
            last_steps: Returns the last step of every metric and medium that a resumed run keeps, so that the new
                attempt continues there; empty for a new run. It reads all points, so call it only if needed, and only
                in `open`.
        """
        ...

    def points(self, calls: Sequence[LogCall]) -> None:
        """Receive log calls, in order."""
        ...

    def media(self, entry: MediaEntry, file_content: bytes | None) -> None:
        """Receive one medium, with the content of its file if it has one; masks of an image are not passed."""
        ...

    def document(self, document: RunDocument) -> None:
        """Receive the run document without secrets; flush what was received before.

        It is called after every write of the record, at most several times per second, even if nothing has changed.
        """
        ...

    def lost(self, reason: str) -> None:
        """Handle a loss: the record has points or media that this sink did not receive."""
        ...

    def close(self) -> None:
        """End. Unless the sink has failed, `document` was called with the run's end before."""
        ...

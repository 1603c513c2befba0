"""Interface of a sink, which receives a copy of the record while the record is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from runfolio.record.base.run_document import RunDocument
from runfolio.record.content.media import MediaEntry
from runfolio.record.points.tails import LogCall


class Sink(Protocol):
    """Receiver of a copy of the data that one process records, such as a writer of TensorBoard event files.

    A sink receives only data that is already in the record, so its output can be rebuilt from the record at any time.

    - Threads: every method is called on the thread that writes the record, never on the training thread. The record is
      not written until the method returns. Therefore, a sink that waits for a network needs a separate thread.
    - Order: `open` is called once at the start, and `close` is called once at the end. Between these calls, points and
      media arrive in the order in which they were written. No point and no media entry arrives twice. No method is
      called after `close`.
    - Failure: an exception affects only the sink. The exception is logged once, and the sink is closed. The run and its
      record continue. A `RunfolioError` is logged without a traceback. Any other exception is logged with its
      traceback.
    """

    def open(self, document: RunDocument, last_steps: Callable[[], Mapping[str, int]]) -> None:
        """Start the sink after the first files of the attempt (start of the run) have been written.

        Args:
            document: Run document, which is the content of `run.json`. Secrets are removed, as in the record. The last
                entry of `attempts` describes the attempt that is being recorded. An attempt is one start of the run.
            last_steps: Function that returns the last step of each metric and of each media name. The sink of a resumed
                run can continue from these steps, because steps that the resume discards are ignored. The result is
                empty for a new run. The function reads all points, so call it only if needed, and only in `open`.
        """
        ...

    def points(self, calls: Sequence[LogCall]) -> None:
        """Receive log calls, in order."""
        ...

    def media(self, entry: MediaEntry, file_content: bytes | None) -> None:
        """Receive one media entry, with the content of its file if there is a file. The masks of an image are not
        passed."""
        ...

    def document(self, document: RunDocument) -> None:
        """Receive the run document without secrets, and flush all data received so far.

        This method is called after every write of the record, even if nothing has changed, but only a few times per
        second.
        """
        ...

    def lost(self, reason: str) -> None:
        """Handle the loss of points or media that are in the record but did not reach this sink."""
        ...

    def close(self) -> None:
        """Close the sink.

        Before this call, the method `document` has received the final run document, unless the sink has failed.
        """
        ...

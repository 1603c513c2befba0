"""State of the store, as seen by the thread that writes to the store: working, failing or hanging."""

from __future__ import annotations

import os
import time
from pathlib import Path

from runfolio.tracking.pipeline.background_log import log


class StoreHealth:
    """Monitor of the store's availability. The monitor records when the store began to fail or hang, and logs failures
    and recoveries.

    Only the store thread updates this object, but any thread may read it.
    """

    def __init__(self, folder: Path, run_id: str, patience_s: float) -> None:
        self.last_failure = ""
        """Reason for the last failure."""
        self._folder = folder
        self._run_id = run_id
        self._patience_s = patience_s
        self._busy_since: float | None = None
        self._failing_since: float | None = None

    @property
    def is_failing(self) -> bool:
        return self._failing_since is not None

    @property
    def unavailable_s(self) -> float:
        """Seconds since the store began to fail or hang. The value is 0 if the store works."""
        since = [moment for moment in (self._busy_since, self._failing_since) if moment is not None]
        return time.monotonic() - min(since) if since else 0.0

    @property
    def failure(self) -> str:
        """Reason why the store cannot be written."""
        if self.is_failing:
            return self.last_failure
        return "it does not respond" if self.unavailable_s > self._patience_s else "writing is slower than logging"

    def note_progress(self) -> None:
        """Record that the store thread has started a task or made progress, and therefore does not hang."""
        self._busy_since = time.monotonic()

    def note_idle(self) -> None:
        self._busy_since = None

    def note_failure(self, error: Exception) -> None:
        self.last_failure = str(getattr(error, "strerror", None) or error)
        if self._failing_since is not None:
            return
        self._failing_since = time.monotonic()
        # `Path.exists` is not used, because it raises an error if the parent folder cannot be read.
        if isinstance(error, FileNotFoundError) and not os.path.exists(self._folder):  # noqa: PTH110
            log.warning(
                "run %s: its folder %s was deleted or moved; training continues, and recording continues"
                " when the folder is back",
                self._run_id,
                self._folder,
            )
            return
        log.warning(
            "run %s: cannot write %s (%s); training continues, and points stay in memory until a retry succeeds",
            self._run_id,
            self._folder,
            self.last_failure,
            exc_info=None if isinstance(error, OSError) else error,
        )

    def note_success(self, lost: int) -> None:
        """Record that all data is written, except `lost` log calls."""
        if self._failing_since is not None:
            self._failing_since = None
            log.warning(
                "run %s: the store can be written again; %s",
                self._run_id,
                f"{lost} log calls were lost" if lost else "nothing was lost",
            )

"""State of the store as the thread that writes to it sees it: working, failing or hanging."""

from __future__ import annotations

import os
import time
from pathlib import Path

from runfolio.tracking.pipeline.background_log import log


class StoreHealth:
    """Measures for how long the store has not taken anything; logs when it fails and when it works again.

    Written by the store thread, read by any.
    """

    def __init__(self, folder: Path, run_id: str, patience_s: float) -> None:
        self.last_failure = ""
        """The reason of the last failure."""
        self._folder = folder
        self._run_id = run_id
        self._patience_s = patience_s
        self._busy_since: float | None = None
        self._failing_since: float | None = None

    @property
    def is_failing(self) -> bool:
        return self._failing_since is not None

    @property
    def away_s(self) -> float:
        """Seconds for which the store has been failing or hanging; 0 if it does neither."""
        since = [moment for moment in (self._busy_since, self._failing_since) if moment is not None]
        return time.monotonic() - min(since) if since else 0.0

    @property
    def failure(self) -> str:
        """The reason why the store cannot be written."""
        if self.is_failing:
            return self.last_failure
        return "it does not answer" if self.away_s > self._patience_s else "it is slower than what is logged"

    def note_progress(self) -> None:
        """Note that the store thread begins something, or has got on with it: what goes on does not hang."""
        self._busy_since = time.monotonic()

    def note_idle(self) -> None:
        self._busy_since = None

    def note_failure(self, error: Exception) -> None:
        self.last_failure = str(getattr(error, "strerror", None) or error)
        if self._failing_since is not None:
            return
        self._failing_since = time.monotonic()
        # Not `Path.exists`, which raises if the folder cannot even be looked for.
        if isinstance(error, FileNotFoundError) and not os.path.exists(self._folder):  # noqa: PTH110
            log.warning(
                "run %s: its folder %s is gone, deleted or moved; training goes on, and is recorded again"
                " once the folder is back",
                self._run_id,
                self._folder,
            )
            return
        log.warning(
            "run %s: cannot write %s (%s); training goes on, what is logged waits in memory and is tried again",
            self._run_id,
            self._folder,
            self.last_failure,
            exc_info=None if isinstance(error, OSError) else error,
        )

    def note_success(self, lost: int) -> None:
        """Note that everything is written, apart from `lost` log calls."""
        if self._failing_since is not None:
            self._failing_since = None
            log.warning(
                "run %s: the store can be written again; %s",
                self._run_id,
                f"{lost} log calls were lost" if lost else "nothing was lost",
            )

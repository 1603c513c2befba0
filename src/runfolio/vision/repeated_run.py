"""Run that this process repeats, if `runfolio reproduce` started this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import runfolio
from runfolio.tracking.process import reproduction

if TYPE_CHECKING:
    from runfolio import RecordedRun


def repeated_run() -> RecordedRun | None:
    """Return the run that this process repeats, if any."""
    repeated = reproduction.requested_reproduction()
    return None if repeated is None else runfolio.open(repeated.store).run(repeated.run)

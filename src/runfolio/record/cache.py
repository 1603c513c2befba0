"""Where things are kept that can be made or fetched again: the index, downloaded images, what a check of them found."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path | None:
    """`$RUNFOLIO_CACHE`, else `$XDG_CACHE_HOME/runfolio`, else `~/.cache/runfolio`; None where there is no home."""
    if own := os.environ.get("RUNFOLIO_CACHE"):
        return Path(own).absolute()
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared).absolute() / "runfolio"
    try:
        return Path.home() / ".cache" / "runfolio"
    except RuntimeError:
        return None

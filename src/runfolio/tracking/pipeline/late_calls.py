"""Calls on a run after its end: they are counted, and added to the record when the process exits."""

from __future__ import annotations

import atexit
import contextlib
import os
from collections import Counter
from pathlib import Path

from runfolio.errors import RunfolioError
from runfolio.record.base.run_document import RunDocument
from runfolio.tracking.pipeline.plain_texts import type_or_text
from runfolio.tracking.pipeline.queue_items import FailedCall, Item, Mark, Media


class LateCalls:
    """Counter of calls after a run's end, by name of metric or medium."""

    def __init__(self, folder: Path, writer: str) -> None:
        self._folder = folder
        self._writer = writer
        self._pid = os.getpid()
        self._counts: Counter[str] = Counter()

    def count(self, item: Item) -> None:
        """Count an item that is not recorded."""
        if isinstance(item, Media | FailedCall):
            names = [item.name]
        elif isinstance(item, Mark):
            return
        else:
            names = map(type_or_text, item[2])
        if not self._counts:
            atexit.register(self._save)
        self._counts.update(names)

    def _save(self) -> None:
        """Add the counts to `refused`, unless another attempt was opened or the process is a forked child."""
        with contextlib.suppress(OSError, RunfolioError):
            document = RunDocument.read(self._folder)
            if document.attempts[-1].writer == self._writer and os.getpid() == self._pid:
                for name, count in self._counts.items():
                    document.count_refused(name, count)
                document.write(self._folder)

"""Reader of overviews. An overview contains the summaries and sparklines of a run's metrics, which the index stores."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from runfolio.record.base.run_document import RUNNING, RunDocument

if TYPE_CHECKING:
    from runfolio.record.points.summarize import Overview

_MOST_FOLLOWED = 128
"""Maximum number of running runs whose overviews are kept in memory, with at most 256 KB each."""


class ReadOverview(NamedTuple):
    """Overview of a run's points, and a line for each part of the run that cannot be read."""

    overview: Overview
    problems: tuple[str, ...]


class _Followed(NamedTuple):
    result: ReadOverview
    cursor: str


class OverviewReader:
    """Reader that follows runs while they are being written. If a run was read before, only its new points are read.

    Args:
        main_metrics: Function that selects the metrics that get a sparkline.
    """

    def __init__(self, main_metrics: Callable[[Collection[str]], Collection[str]]) -> None:
        self._main_metrics = main_metrics
        self._followed: OrderedDict[Path, _Followed] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, folder: Path, document: RunDocument) -> ReadOverview:
        """Return the overview of a run. The result is valid until the next call."""
        with self._lock:
            earlier = self._followed.pop(folder, None)
            current = None if earlier is None else _extended(folder, document, earlier)
            if current is None:
                current = self._read_all(folder, document)
            if document.status.state == RUNNING:
                self._followed[folder] = current
                if len(self._followed) > _MOST_FOLLOWED:
                    self._followed.popitem(last=False)
            return current.result

    def _read_all(self, folder: Path, document: RunDocument) -> _Followed:
        from runfolio.record.points.reader import (
            PointFiles,  # imports Arrow, which a scan without changes does not need
        )

        files = PointFiles(folder, document)
        overview = files.overview(self._main_metrics)
        cursor = files.cursor() if document.status.state == RUNNING else ""
        return _Followed(ReadOverview(overview, tuple(files.problems)), cursor)


def _extended(folder: Path, document: RunDocument, earlier: _Followed) -> _Followed | None:
    """Add the points that were logged since the last read to an overview. Return None if all points must be read
    again."""
    from runfolio.record.points.point_cursor import open_after
    from runfolio.record.points.reader import PointFiles

    opened = open_after(folder, document, earlier.cursor)
    if opened is None:
        return None
    files, cursor = opened
    overview = earlier.result.overview
    later = PointFiles(folder, document, files).overview(lambda names: overview.sparklines.keys() & set(names))
    if not later.summaries.keys() <= overview.summaries.keys():  # a new metric may be more important than the others
        return None
    overview.extend(later)
    return _Followed(earlier.result, cursor)

"""Points that a run has logged since an earlier read."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from runfolio.query.frames.points import current_document
from runfolio.record.base.run_document import RunDocument

if TYPE_CHECKING:
    from runfolio.record.points.reader import PointFiles, Points


class NewPoints(NamedTuple):
    """Points of some metrics of a run."""

    points: dict[str, Points]
    """Points of each metric, in order of arrival. Metrics without points are left out."""
    cursor: str
    """Cursor for the next call: a string that marks the end of the returned points. It has at most 2,048 URL-safe
    characters."""
    is_complete: bool
    """True if `points` contains all points of the metrics, so the caller must discard its earlier points. It is False
    if `points` contains only the points that follow the caller's earlier points."""


def read_new_points(
    folder: Path, document: RunDocument | None, metrics: Collection[str], cursor: str | None = None
) -> NewPoints:
    """Return the points that a run has logged since an earlier call, which returned `cursor`.

    All points are returned if there is no cursor, or if the cursor is no longer usable. A cursor is no longer usable if
    another attempt has started, or if files of points were closed, merged, restored or replaced. If processes other
    than the primary process logged points, all points are returned whenever there are new points.

    Args:
        folder: Folder of the run.
        document: Content of `run.json` from an earlier scan, as for `open_points`.
        metrics: Names of the metrics, as in the calls that returned the cursor.
        cursor: Cursor that an earlier call returned for this run. An invalid cursor is treated like None.

    Raises:
        NotFound: The folder no longer exists.
        StoreError: The files cannot be listed.
    """
    from runfolio.record.points.point_cursor import open_after  # imports Arrow
    from runfolio.record.points.reader import PointFiles

    document = current_document(folder, document)
    if cursor and (opened := open_after(folder, document, cursor)) is not None:
        files, after = opened
        return NewPoints(_read(PointFiles(folder, document, files), metrics), after, is_complete=False)
    whole = PointFiles(folder, document)
    return NewPoints(_read(whole, metrics), whole.cursor(), is_complete=True)


def _read(files: PointFiles, metrics: Collection[str]) -> dict[str, Points]:
    points = {name: files.find(name) for name in dict.fromkeys(metrics)}
    return {name: found for name, found in points.items() if len(found)}

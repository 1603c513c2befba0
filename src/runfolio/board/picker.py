"""`/api/columns`: columns that the runs have, for the picker of columns and for completion in the filter box."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runfolio.board.run_ranking import MAX_RANKED
from runfolio.board.run_selection import read_rows
from runfolio.board.state import BoardState
from runfolio.query.selection.duplicates import distinct_runs
from runfolio.query.selection.grouping import differing_settings, naming_settings

if TYPE_CHECKING:
    from runfolio.query.filter.select import Selection
    from runfolio.query.index.tables import Catalog


def varying_settings(board: BoardState, selection: Selection, catalog: Catalog) -> list[str]:
    """Return the columns of the settings that vary, those of most runs first, without settings that only name a run.

    Of many runs, only the newest are looked at.
    """
    return board.once(("varying", selection), lambda: _varying_settings(board, selection, catalog))


def _varying_settings(board: BoardState, selection: Selection, catalog: Catalog) -> list[str]:
    runs = board.folio.runs_of(read_rows(board, selection, catalog, limit=MAX_RANKED))
    distinct = distinct_runs(runs).runs
    naming = naming_settings(distinct)
    settings = [name for name in differing_settings(distinct) if name not in naming]
    settings.sort(key=lambda name: -sum(name in run.flat_config for run in distinct))
    return [f"params.{name}" for name in settings]

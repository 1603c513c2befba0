"""`/api/store`: name, experiments, running runs and ended runs of the store."""

from __future__ import annotations

import importlib.util
import os
import sqlite3
from collections import Counter
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from runfolio._version import __version__
from runfolio.board.query_args import QueryArgs, key_text
from runfolio.board.replies import entity_tag, is_current, json_bytes, tagged, unchanged
from runfolio.board.state import BoardState, board_of
from runfolio.record.base.layout import ALIVE
from runfolio.record.base.run_document import RUNNING

_EXPERIMENTS = """
    SELECT experiment, count(*), sum(state = 'running'), sum(state IN ('failed', 'crashed')), max(created)
    FROM runs WHERE NOT archived GROUP BY experiment ORDER BY max(created) DESC"""
_RUNNING = """
    SELECT run, name, experiment FROM runs
    WHERE state = 'running' AND NOT archived ORDER BY created DESC LIMIT 500"""
_LATEST_ENDED = """
    SELECT run, name, experiment, state, reason, ended, folder FROM runs
    WHERE state <> 'running' AND NOT archived ORDER BY coalesce(ended, created) DESC LIMIT 50"""


async def store(request: Request) -> Response:
    """Answer `GET /api/store` with a description of the store."""
    QueryArgs(request, ())
    board = board_of(request)
    tag = entity_tag(board.instance, board.generation, board.problems, "store")
    if is_current(request, tag):
        return unchanged(tag)
    return tagged(tag, json_bytes(await board.in_thread(_describe, board)))


def _describe(board: BoardState) -> dict[str, Any]:
    board.wait_for_runs()
    generation = board.generation
    return {
        "name": board.store.name,
        "folder": str(board.store),
        "version": __version__,
        "generation": generation,
        "stale": not board.is_scanned,
        "read_only": board.read_only,
        "can_draw": importlib.util.find_spec("matplotlib") is not None,
        "problems": board.problems,
        **board.folio.read_index(lambda connection: _read(connection, board)),
    }


def _last_sign(board: BoardState, run_path: str) -> float | None:
    """Return the time of the last heartbeat of a run that crashed, or None if no heartbeat was recorded."""
    try:
        with os.scandir(board.store / run_path / ALIVE) as entries:
            return max((entry.stat(follow_symlinks=False).st_mtime for entry in entries), default=None)
    except OSError:
        return None


def _read(connection: sqlite3.Connection, board: BoardState) -> dict[str, Any]:
    states = Counter(dict(connection.execute("SELECT state, count(*) FROM runs WHERE NOT archived GROUP BY state")))
    states.setdefault(RUNNING, 0)
    experiments = [
        {"name": name, "runs": runs, "running": running, "failed": failed, "newest": newest / 1e6}
        for name, runs, running, failed, newest in connection.execute(_EXPERIMENTS)
    ]
    running = [
        {"key": key_text(key), "name": name, "experiment": experiment, **board.progress_of(key)}
        for key, name, experiment in connection.execute(_RUNNING)
    ]
    ended = [
        {
            "key": key_text(key),
            "name": name,
            "experiment": experiment,
            "state": state,
            "reason": reason,
            "ended": _last_sign(board, os.fsdecode(folder)) if moment is None else moment / 1e6,
        }
        for key, name, experiment, state, reason, moment, folder in connection.execute(_LATEST_ENDED)
    ]
    ended.sort(key=lambda run: -(run["ended"] or 0.0))
    return {"states": states, "experiments": experiments, "running": running, "ended": ended}

"""`/api/trash`: deleted runs and pruned checkpoints, which can be restored or removed permanently."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from runfolio.board.bodies import Body
from runfolio.board.query_args import QueryArgs, key_text
from runfolio.board.replies import RefusedRequest, json_reply
from runfolio.board.state import BoardState, board_of
from runfolio.errors import RunfolioError, StoreError
from runfolio.query.index.rows import run_key
from runfolio.record import disk_use
from runfolio.record.base.run_document import RUNNING, RunDocument

if TYPE_CHECKING:
    from runfolio.query.store_trash import TrashedRun


async def trash(request: Request) -> Response:
    """Answer `GET /api/trash` with the contents of the trash."""
    QueryArgs(request, ())
    board = board_of(request)
    return json_reply(await board.in_heavy_thread(_describe, board))


async def change_trash(request: Request) -> Response:
    """Answer `POST /api/trash`, which deletes runs, restores them, or removes them permanently."""
    body = await Body.of(request, ("action", "runs", "confirm"))
    action, keys = body.choice("action", tuple(_ACTIONS)), body.keys()
    confirm = body.text("confirm") if "confirm" in body else ""
    board = board_of(request)
    return json_reply(await board.in_heavy_thread(_ACTIONS[action], board, keys, confirm))


def _describe(board: BoardState) -> dict[str, Any]:
    runs = [_entry(run) for run in board.folio.trash.runs()]
    return {"runs": runs, "total_bytes": sum(run["bytes"] for run in runs)}


def _entry(run: TrashedRun) -> dict[str, Any]:
    document = _document(run)
    return {
        "id": key_text(run_key(run.run_path)),
        "name": run.name,
        "experiment": document.experiment if document else run.run_path.partition("/")[0],
        "state": document.status.state if document else "",
        "deleted": run.deleted.timestamp(),
        "bytes": run.size(),
        "reason": "" if run.is_deleted else f"pruned checkpoints: {', '.join(run.checkpoints)}",
        "is_deleted": run.is_deleted,
        "checkpoints": run.checkpoints,
    }


def _document(run: TrashedRun) -> RunDocument | None:
    try:
        return RunDocument.read(run.folder) if run.is_deleted else None
    except (RunfolioError, OSError):
        return None


def _put(board: BoardState, keys: Sequence[int], confirm: str) -> dict[str, Any]:
    """Move runs to the trash, except runs that are running or cannot be moved."""
    board.scan_runs([run.run_path for run in board.runs(list(keys))])  # a run may have started again
    runs = board.runs(list(keys))
    moved, refused = [], []
    for run in runs:
        try:
            if run.state == RUNNING:
                raise StoreError("it is running; stop it first")
            size = disk_use.size(run.folder)
            board.folio.trash.put(run)
        except RunfolioError as error:
            refused.append({"key": key_text(run.row.key), "why": str(error)})
        else:
            moved.append({"key": key_text(run.row.key), "id": key_text(run.row.key), "bytes": size})
    board.scan_runs([run.run_path for run in runs])
    if not moved:
        raise RefusedRequest(409, f"{runs[0].name} was not deleted: {refused[0]['why']}")
    paths = [run.run_path for run in runs if key_text(run.row.key) in {entry["key"] for entry in moved}]
    undo = board.undo.add(partial(_restore_paths, board, paths))
    return {"undo": undo, "changed": len(moved), "freed": 0, "moved": moved, "refused": refused}


def _restore(board: BoardState, keys: Sequence[int], confirm: str) -> dict[str, Any]:
    """Restore runs from the trash."""
    runs = _trashed(board, keys)
    _restore_paths(board, [run.run_path for run in runs])
    deleted = [run_key(run.run_path) for run in runs if run.is_deleted]
    undo = board.undo.add(lambda: _put(board, deleted, "")["changed"]) if deleted else None
    return {"undo": undo, "changed": len(runs), "freed": 0}


def _restore_paths(board: BoardState, run_paths: Sequence[str]) -> int:
    folio = board.folio
    trashed = {run.run_path: run for run in folio.trash.runs()}
    runs = [trashed[run_path] for run_path in run_paths if run_path in trashed]
    try:
        for run in runs:
            if run.is_deleted:
                folio.trash.restore(run)
            else:
                folio.trash.restore_checkpoints(run)
    finally:
        board.scan_runs(run_paths)
    return len(runs)


def _purge(board: BoardState, keys: Sequence[int], confirm: str) -> dict[str, Any]:
    """Remove runs from the trash permanently."""
    runs = _trashed(board, keys)
    expected = runs[0].name if len(runs) == 1 else str(len(runs))
    if confirm != expected:
        what = "its name" if len(runs) == 1 else "the number of runs"
        raise RefusedRequest(400, f"the permanent removal of {expected!r} must be confirmed", f"send {what} as confirm")
    freed = sum(board.folio.trash.purge(run) for run in runs)
    return {"undo": None, "changed": len(runs), "freed": freed}


_ACTIONS: Mapping[str, Callable[[BoardState, Sequence[int], str], dict[str, Any]]] = {
    "put": _put,
    "restore": _restore,
    "purge": _purge,
}


def _trashed(board: BoardState, keys: Sequence[int]) -> list[TrashedRun]:
    """Return the runs in the trash that have the given keys.

    Raises:
        RefusedRequest: A run is not in the trash.
    """
    runs = {run_key(run.run_path): run for run in board.folio.trash.runs()}
    missing = next((key for key in keys if key not in runs), None)
    if missing is not None:
        raise RefusedRequest(404, f"run {key_text(missing)} is not in the trash", "reload the page")
    return [runs[key] for key in keys]

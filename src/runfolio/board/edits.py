"""`/api/edits` and `/api/undo`: changes to the names, tags and notes of runs, and archiving of runs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from runfolio.board.bodies import Body
from runfolio.board.replies import RefusedRequest, json_reply
from runfolio.board.state import BoardState, board_of
from runfolio.errors import RunfolioError
from runfolio.record.content import run_edits

if TYPE_CHECKING:
    from runfolio.query.run import RecordedRun

_FIELDS = ("name", "notes", "add_tags", "remove_tags", "archived")
Values = dict[str, Any]
"""Values that an edit sets, keyed by `name`, `notes`, `tags` and `archived`."""


async def edits(request: Request) -> Response:
    """Answer `POST /api/edits` with the id that undoes the changes."""
    body = await Body.of(request, ("runs", "set"))
    keys, change = body.keys(), body.fields("set", _FIELDS)
    board = board_of(request)
    return json_reply(await board.in_heavy_thread(_edit, board, keys, change))


async def undo(request: Request) -> Response:
    """Answer `POST /api/undo` with the number of changed runs."""
    word = (await Body.of(request, ("undo",))).text("undo")
    board = board_of(request)
    return json_reply(await board.in_heavy_thread(_undo, board, word))


def _undo(board: BoardState, word: str) -> dict[str, Any]:
    return {"changed": board.undo.take(word)()}


def _edit(board: BoardState, keys: list[int], change: Body) -> dict[str, Any]:
    if "name" in change and len(keys) > 1:
        raise RefusedRequest(400, f"{len(keys):,} runs cannot have the same name", "rename one run at a time")
    runs = board.runs(keys)
    values = {run.row.key: _changed(run, _new_values(run, change)) for run in runs}
    earlier = _write(board, {key: new for key, new in values.items() if new})
    return {"undo": board.undo.add(partial(_restore, board, earlier)), "changed": len(earlier)}


def _new_values(run: RecordedRun, change: Body) -> Values:
    """Return the values that a request sets for a run.

    Raises:
        RefusedRequest, ConfigError: A value is not allowed.
    """
    values: Values = {}
    if "name" in change:
        values["name"] = change.text("name")
        run_edits.check_name(values["name"])
    if "notes" in change:
        values["notes"] = change.text("notes")
    if "archived" in change:
        values["archived"] = change.flag("archived")
    added, removed = change.texts("add_tags"), set(change.texts("remove_tags"))
    for tag in added:
        run_edits.check_tag(tag)
    if added or removed:
        values["tags"] = [tag for tag in dict.fromkeys([*run.tags, *added]) if tag not in removed]
    return values


def _changed(run: RecordedRun, values: Values) -> Values:
    """Return the values that differ from the current values of the run."""
    return {name: value for name, value in values.items() if getattr(run, name) != value}


def _write(board: BoardState, values: Mapping[int, Values]) -> dict[int, Values]:
    """Set values of runs, and return the previous values. If a run cannot be changed, the previous values of the other
    runs are restored.

    Raises:
        StoreError: The store cannot be written to.
    """
    runs = board.runs(list(values)) if values else []
    earlier: dict[int, Values] = {}
    try:
        for run in runs:
            new = values[run.row.key]
            old = {name: getattr(run, name) for name in new}
            run_edits.add(run.folder, run.document, new)
            earlier[run.row.key] = old
    except RunfolioError:
        for run in runs[: len(earlier)]:
            with suppress(RunfolioError):
                run_edits.add(run.folder, run.document, earlier[run.row.key])
        raise
    finally:
        board.scan_runs([run.run_path for run in runs])
    return earlier


def _restore(board: BoardState, earlier: Mapping[int, Values]) -> int:
    """Restore the values that runs had before an edit, and return the number of changed runs."""
    return len(_write(board, earlier))

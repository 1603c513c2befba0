"""`/api/runs/KEY/console`: lines that a run printed, results of a search, and the rows of the error that ended the run.

A run that was resumed has several attempts, and each attempt has its own log. The console joins these logs. If the
error that ended the run was printed after the recording of the output ended, the recorded traceback follows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from runfolio.board.blobs import file_headers
from runfolio.board.log_lines import LogLines, log_lines
from runfolio.board.query_args import QueryArgs
from runfolio.board.replies import ALWAYS_ASK
from runfolio.board.run_reply import run_reply, with_run
from runfolio.errors import NotFound
from runfolio.query.run import RecordedRun
from runfolio.record.base import file_bounds
from runfolio.record.base.record_path import RecordPath
from runfolio.record.base.run_document import RUNNING
from runfolio.record.base.visible_text import visible_text
from runfolio.record.content.console_log import log_path

_MOST_LINES = 1_000
_MOST_MATCHES = 10_000
"""Maximum number of line numbers in the reply to a search."""
_LONGEST_SEARCH = 200
_MOST_TRACEBACK_LINES = 2_000
_CHUNK_BYTES = 1 << 18
_TRACEBACK = b"Traceback (most recent call last)"
_CRASH = b"Fatal Python error: "


@dataclass(frozen=True)
class _Part:
    """Lines of one attempt in the console of a run."""

    attempt: int
    started: float
    path: RecordPath
    lines: LogLines
    first: int
    """Row of the first line. If there are several attempts, the row before the first line names the attempt."""
    count: int


async def console(request: Request) -> Response:
    """Answer `GET /api/runs/KEY/console` with the rows that start at `from`. A negative `from` counts from the end."""
    args = QueryArgs(request, ("from", "limit", "search"))
    start, limit = args.integer("from", 0, -(10**9), 10**9), args.integer("limit", 300, 0, _MOST_LINES)
    search = (args.text("search") or "")[:_LONGEST_SEARCH]
    return await run_reply(request, lambda run: console_page(run, start, limit, search), heavy=bool(search))


async def console_text(request: Request) -> Response:
    """Answer `GET /api/runs/KEY/console.txt` with all lines, as a file for download."""
    QueryArgs(request, ())
    run, parts = await with_run(request, lambda run: (run, _parts(run)))
    if not parts:
        raise NotFound(f"run {run.id} has no console log: it printed nothing, or recording was turned off")
    headers = {**file_headers(f"{run.name}-console.txt", None), **ALWAYS_ASK}
    return StreamingResponse(_chunks([part.path for part in parts]), headers=headers)


def _chunks(paths: Sequence[RecordPath]) -> Iterator[bytes]:
    for path in paths:
        with path.open(file_bounds.CONSOLE) as file:
            while data := file.read(_CHUNK_BYTES):
                yield data


def console_page(run: RecordedRun, start: int, limit: int, search: str = "") -> dict[str, Any]:
    """Return some rows of a run's console. A row is a line of output or, if there are several attempts, the heading of
    an attempt.

    Args:
        start: Number of the first row. A negative number counts from the end.
        search: Text to search for in all lines, ignoring case.
    """
    parts = _parts(run)
    printed = parts[-1].first + parts[-1].count if parts else 0
    error = _error(run, parts[-1] if parts else None)
    traceback = _recorded_traceback(run) if error is None else []
    if traceback:
        error = {"row": printed, "end": printed + len(traceback) - 1}
    total = printed + len(traceback)
    start = max(0, total + start) if start < 0 else min(start, total)
    several = len(parts) > 1
    lines: list[str] = []
    for part in parts:
        row = start + len(lines)
        if several and row == part.first - 1 and len(lines) < limit:
            lines.append(f"attempt {part.attempt}")
            row += 1
        if part.first <= row < part.first + part.count:
            lines += part.lines.read(row - part.first, limit - len(lines))
    lines += traceback[max(0, start - printed) :][: limit - len(lines)]
    attempts = [{"attempt": part.attempt, "started": part.started, "row": part.first - 1} for part in parts]
    return {
        "rows": total,
        "from": start,
        "lines": lines,
        "attempts": attempts if several else [],
        "error": error,
        "search": _matches(parts, traceback, search) if search else None,
        "running": run.state == RUNNING,
    }


def _parts(run: RecordedRun) -> list[_Part]:
    """Return the logs of the attempts that printed something, oldest first."""
    attempts = [attempt for attempt in run.document.attempts if log_path(run.folder, attempt.writer).exists()]
    parts: list[_Part] = []
    row = 0
    for attempt in attempts:
        path = log_path(run.folder, attempt.writer)
        lines = log_lines(path)
        first = row + (len(attempts) > 1)
        parts.append(_Part(attempt.attempt, attempt.started.timestamp(), path, lines, first, lines.count()))
        row = first + parts[-1].count
    return parts


def _matches(parts: Sequence[_Part], traceback: Sequence[str], search: str) -> dict[str, Any]:
    total, rows = 0, []
    for part in parts:
        count, numbers = part.lines.search(search, _MOST_MATCHES - len(rows))
        total += count
        rows += [part.first + number for number in numbers]
    printed = parts[-1].first + parts[-1].count if parts else 0
    more = [printed + number for number, line in enumerate(traceback) if search.lower() in line.lower()]
    return {"total": total + len(more), "rows": (rows + more)[:_MOST_MATCHES]}


def _error(run: RecordedRun, newest: _Part | None) -> dict[str, int] | None:
    """Return the first and the last row of the traceback or crash dump that the newest attempt printed at its end.

    Return None if it printed neither.
    """
    attempts = run.document.attempts
    if newest is None or run.state in (RUNNING, "finished") or newest.attempt != attempts[-1].attempt:
        return None
    traceback, lines = (run.document.status.traceback or "").strip(), newest.lines
    if not traceback:
        first = lines.find_last(_TRACEBACK)
        last = first = lines.find_last(_CRASH) if first is None else first
    else:
        last = lines.find_last(traceback.rpartition("\n")[2].encode(errors="replace"))
        first = None if last is None else lines.find_last(_TRACEBACK, last + 1)
    return None if first is None or last is None else {"row": newest.first + first, "end": newest.first + last}


def _recorded_traceback(run: RecordedRun) -> list[str]:
    """Return the lines of the traceback in `run.json`, if an error ended the run."""
    if run.state in (RUNNING, "finished"):
        return []
    lines = visible_text((run.document.status.traceback or "").strip()).splitlines()
    return lines[-_MOST_TRACEBACK_LINES:]

"""`/api/runs/KEY/code`: command, captured files and uncommitted changes of a run.

Captured files are copies of source files that were recorded with the run.
"""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from runfolio.board.query_args import QueryArgs
from runfolio.board.run_reply import run_reply
from runfolio.board.unified_diff import parse_diff
from runfolio.errors import NotFound
from runfolio.query.explain.environment_facts import code_facts
from runfolio.query.run import RecordedRun
from runfolio.record.base.run_document import RUNNING
from runfolio.record.base.visible_text import visible_text

_MOST_LINES = 20_000
_LONGEST = 4_000
"""Maximum number of characters of a line in a reply."""
_FRAME = re.compile(r'^ +File "(.+)", line (\d+)', re.MULTILINE)


async def code(request: Request) -> Response:
    """Answer `GET /api/runs/KEY/code` with lists of files and packages.

    If the parameter `file` is the digest of a file, answer with the text of this file instead. If `diff` is set, answer
    with the uncommitted changes.
    """
    args = QueryArgs(request, ("file", "diff"))
    if (digest := args.text("file")) is not None:
        return await run_reply(request, lambda run: captured_file(run, digest))
    if args.flag("diff"):
        return await run_reply(request, lambda run: parse_diff(run.code.diff), heavy=True)
    return await run_reply(request, code_lists)


def code_lists(run: RecordedRun) -> dict[str, Any]:
    """Return the command and git state of a run, its captured files, and its installed packages."""
    captured = run.code.readable_capture
    return {
        "facts": {name: text for name, text in code_facts(run).items() if text},
        "root": captured.root if captured else None,
        "error": error_line(run),
        "files": [
            {"path": file.path, "sha": file.sha256, "bytes": file.bytes, "why": file.why}
            for file in (captured.files if captured else ())
        ],
        "left_out": [
            {"path": file.path, "bytes": file.bytes, "why": file.why}
            for file in (captured.left_out if captured else ())
        ],
        "diff": {"sha": captured.diff, "bytes": captured.diff_bytes} if captured and captured.diff else None,
        "packages": run.document.environment.get("packages") or {},
        "problem": run.code.problem,
    }


def error_line(run: RecordedRun) -> dict[str, Any] | None:
    """Return the captured file and the line in which the error that ended the run was raised.

    If the error was raised in a library, return the line that called the library. Return None if there is no such line.
    """
    captured = run.code.readable_capture
    if captured is None or run.state in (RUNNING, "finished"):
        return None
    paths = {name: file.path for file in captured.files for name in (f"{captured.root}/{file.path}", file.path)}
    frames = _FRAME.findall(run.document.status.traceback or "")
    own = [(paths[name], int(line)) for name, line in frames if name in paths]
    return {"path": own[-1][0], "line": own[-1][1]} if own else None


def captured_file(run: RecordedRun, digest: str) -> dict[str, Any]:
    """Return the text of a captured file.

    Raises:
        NotFound: The run has no captured file with this digest.
        DamagedFile: The stored text does not match its digest.
    """
    for file in run.code.files:
        if file.sha256 == digest:
            lines = visible_text(run.code.read(file.path)).removesuffix("\n").split("\n")
            shown = [line if len(line) <= _LONGEST else f"{line[:_LONGEST]} [...]" for line in lines[:_MOST_LINES]]
            return {"path": file.path, "lines": shown, "left_out": max(0, len(lines) - _MOST_LINES)}
    raise NotFound(f"run {run.id} has no captured file with this digest")

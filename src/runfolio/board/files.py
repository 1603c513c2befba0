"""`/api/runs/KEY/files`: files in the folder of a run, with their sizes."""

from __future__ import annotations

import stat
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from runfolio.board.blobs import artifact_manifests
from runfolio.board.query_args import QueryArgs
from runfolio.board.run_reply import run_reply
from runfolio.board.time_limit import check_time
from runfolio.errors import RunfolioError
from runfolio.query.run import RecordedRun
from runfolio.record.base import layout
from runfolio.record.base.record_path import RecordPath
from runfolio.record.content import artifacts

_MOST_FILES = 200
"""Maximum number of files that are listed for one folder. The other files are only counted."""
_MOST_ARTIFACT_FILES = 1_000
_CONTENT = {
    "": "run.json and event files",
    layout.METRICS: "points of metrics",
    layout.MEDIA: "images, figures, audio, videos, texts and tables",
    layout.CHECKPOINTS: "checkpoints (safetensors) and their manifests",
    layout.ARTIFACTS: "files that the script saved with the run",
    layout.CODE: "captured code and the uncommitted changes",
    layout.CONSOLE: "output of the process",
    layout.DATA: "lists of the items of each data set",
    layout.ANSWERS: "predictions for individual items",
    layout.NOTES: "edits: name, tags, notes",
    layout.ALIVE: "heartbeats of the processes",
    layout.CLAIMS: "files that reserve the numbers of attempts",
    layout.CHARTS: "event files of charts with several lines",
    layout.DAMAGED: "copies of damaged files",
}


async def files(request: Request) -> Response:
    """Answer `GET /api/runs/KEY/files` with the files of a run."""
    QueryArgs(request, ())
    return await run_reply(request, list_files)


def list_files(run: RecordedRun) -> dict[str, Any]:
    """Return the files of a run by folder, largest folder first. Also return the artifacts of the run, with the digests
    of their files."""
    groups: dict[str, dict[str, Any]] = {}
    for path in RecordPath(run.folder).walk():
        check_time()
        if any(part.startswith(".") for part in path.parts):
            continue
        try:
            status = path.status()
        except OSError:
            continue
        name = path.parts[0] if len(path.parts) > 1 else ""
        new = {"name": name, "what": _CONTENT.get(name, ""), "files": 0, "bytes": 0, "entries": []}
        group = groups.setdefault(name, new)
        group["files"] += 1
        group["bytes"] += status.st_size
        if len(group["entries"]) < _MOST_FILES:
            kind = None if stat.S_ISREG(status.st_mode) else path.kind()
            entry = {"path": path.relative, "bytes": status.st_size, "modified": status.st_mtime, "kind": kind}
            group["entries"].append(entry)
    return {
        "folder": str(run.folder),
        "bytes": sum(group["bytes"] for group in groups.values()),
        "groups": sorted(groups.values(), key=lambda group: -group["bytes"]),
        "artifacts": [_artifact(manifest) for manifest in artifact_manifests(run)],
    }


def _artifact(manifest: RecordPath) -> dict[str, Any]:
    try:
        artifact = artifacts.read(manifest)
    except (RunfolioError, OSError) as error:
        return {"name": manifest.stem, "problem": str(error), "files": []}
    shown = artifact.files[:_MOST_ARTIFACT_FILES]
    return {
        "name": artifact.name or manifest.stem,
        "type": artifact.type,
        "saved": artifact.saved and artifact.saved.timestamp(),
        "bytes": sum(file.bytes for file in artifact.files),
        "files": [{"path": file.file, "bytes": file.bytes, "sha": file.sha256} for file in shown],
        "left_out": len(artifact.files) - len(shown),
    }

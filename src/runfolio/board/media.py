"""`/api/runs/KEY/media`: names of the media of a run, and the media at one step.

Media are images, figures, videos, audio, texts, tables and meshes. The newest branch of a run contains everything that
the run logged, except work that was abandoned when the run resumed from an earlier checkpoint.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from runfolio.board.media_tables import table_rows
from runfolio.board.query_args import QueryArgs
from runfolio.board.run_reply import run_reply
from runfolio.errors import NotFound
from runfolio.query.run import RecordedRun
from runfolio.record.base.layout import MEDIA
from runfolio.record.base.record_path import RecordPath
from runfolio.record.base.visible_text import visible_text
from runfolio.record.content import media
from runfolio.record.content.media import MediaEntry

if TYPE_CHECKING:
    from runfolio.record.base.run_document import RunDocument

SHOWN = ("image", "figure", "video", "audio", "text", "table", "mesh")
"""Kinds of media that a page can show, in the order in which it shows them."""
_MOST_NAMES = 48
"""Maximum number of names whose media one reply contains."""
_MOST_AT_ONCE = 64
"""Maximum number of media with the same name and step in a reply."""
_MOST_STEPS = 10_000
_MOST_ROWS = 200
_LONGEST_TEXT = 20_000
_MOST_CACHED = 2
"""Maximum number of runs whose lists of media are kept in memory."""
_CACHE: dict[Path, tuple[object, VisibleMedia]] = {}
_LOCK = threading.Lock()
_DRAWN = ("caption", "frames", "width", "height", "fps", "sample_rate", "channels", "samples", "boxes_left_out", "rows")
"""Fields of a media item that are sent unchanged if they were recorded."""


@dataclass(frozen=True)
class VisibleMedia:
    """Media that a page can show, from the newest branch of a run."""

    entries: Mapping[tuple[str, str], Mapping[int, Sequence[MediaEntry]]]
    """Media items by kind and name, and then by step in ascending order."""
    files: Mapping[str, MediaEntry]
    """Media item to which each file belongs, keyed by the digest of the file's name."""
    hidden: Mapping[str, int]
    """Number of media items of each kind that a page cannot show."""
    problems: Sequence[str]


async def media_list(request: Request) -> Response:
    """Answer `GET /api/runs/KEY/media`. The answer contains all names, the media at `step`, or the rows of `table`."""
    args = QueryArgs(request, ("kind", "name", "step", "table", "from", "limit"))
    start, limit = args.integer("from", 0, 0, 10**9), args.integer("limit", _MOST_NAMES, 1, _MOST_ROWS)
    if (table := args.text("table")) is not None:
        return await run_reply(
            request, lambda run: table_rows(run.folder, table_file(run, table), start, limit), heavy=True
        )
    if "step" not in args:
        return await run_reply(request, media_names)
    step, kind, name = args.integer("step", 0, -(2**63), 2**63 - 1), args.text("kind"), args.text("name")
    most = min(limit, _MOST_NAMES)
    return await run_reply(request, lambda run: media_at(run, step, kind, name, start=start, limit=most))


def media_names(run: RecordedRun) -> dict[str, Any]:
    """Return the kinds and names of a run's media, and the steps at which media were logged."""
    visible = visible_media(run)
    names = [
        {
            "kind": kind,
            "name": name,
            "count": sum(map(len, by_step.values())),
            "first": next(iter(by_step)),
            "last": next(reversed(by_step)),
        }
        for (kind, name), by_step in visible.entries.items()
    ]
    steps = sorted({step for by_step in visible.entries.values() for step in by_step})
    thinned = steps[:: math.ceil(len(steps) / _MOST_STEPS)] if steps else []
    return {
        "names": names,
        "steps": [*thinned, *steps[-1:]] if thinned and thinned[-1] != steps[-1] else thinned,
        "hidden": dict(visible.hidden),
        "problems": list(visible.problems),
    }


def media_at(
    run: RecordedRun, step: int, kind: str | None = None, name: str | None = None, *, start: int = 0, limit: int = 48
) -> dict[str, Any]:
    """Return the media to show at `step`.

    If a name has no media at this step, the media of its latest earlier step are used. If there is no earlier step, the
    media of its first step are used.
    """
    selected = [
        (key, by_step)
        for key, by_step in visible_media(run).entries.items()
        if kind in (None, key[0]) and name in (None, key[1])
    ]
    items = []
    for (item_kind, item_name), by_step in islice(selected, start, start + limit):
        shown = max((known for known in by_step if known <= step), default=next(iter(by_step)))
        entries = by_step[shown]
        items.append(
            {
                "kind": item_kind,
                "name": item_name,
                "step": shown,
                "entries": [_described(entry) for entry in entries[:_MOST_AT_ONCE]],
                "left_out": max(0, len(entries) - _MOST_AT_ONCE),
            }
        )
    return {"step": step, "total": len(selected), "items": items}


def table_file(run: RecordedRun, digest: str) -> str:
    """Return the file name of a logged table.

    Raises:
        NotFound: The run has no table with this digest.
    """
    entry = visible_media(run).files.get(digest)
    if entry is None or entry.kind != "table":
        raise NotFound(f"run {run.id} has no table with this digest")
    return entry.content["file"]


def visible_media(run: RecordedRun) -> VisibleMedia:
    """Return the media of a run, without kinds that a page cannot show. The lists of media are read again if they or
    the newest branch have changed."""
    paths = [path for path in RecordPath(run.folder, MEDIA).files() if path.suffix == ".jsonl"]
    newest = run.document.attempts[-1] if run.document.attempts else None
    signature = (*((path.name, path.status().st_size) for path in paths), str(newest and (newest.attempt, newest.kept)))
    with _LOCK:
        cached = _CACHE.pop(run.folder, None)
    if cached is None or cached[0] != signature:
        cached = signature, _read(run.folder, run.document)
    with _LOCK:
        _CACHE[run.folder] = cached
        for folder in list(_CACHE)[:-_MOST_CACHED]:
            del _CACHE[folder]
    return cached[1]


def _read(folder: Path, document: RunDocument) -> VisibleMedia:
    everything, problems = media.read(folder)
    current = [entry for entry in everything if media.is_on_newest_branch(entry, document)]
    entries: dict[tuple[str, str], dict[int, list[MediaEntry]]] = {}
    files: dict[str, MediaEntry] = {}
    for entry in current:
        if entry.kind in SHOWN:
            entries.setdefault((entry.kind, entry.name), {}).setdefault(entry.step, []).append(entry)
            files |= {media_digest(name): entry for name in media.file_names(entry.content)}
    ordered = sorted(entries.items(), key=lambda item: (SHOWN.index(item[0][0]), item[0][1]))
    hidden = Counter(entry.kind for entry in current if entry.kind not in SHOWN)
    return VisibleMedia({key: dict(sorted(by_step.items())) for key, by_step in ordered}, files, hidden, problems)


def media_digest(name: str) -> str:
    """Return the digest with which a browser requests a file.

    The digest is the SHA-256 of the file's name, since names are never reused.
    """
    return hashlib.sha256(name.encode()).hexdigest()


def _described(entry: MediaEntry) -> dict[str, Any]:
    """Return the fields of a media item for a page."""
    content = entry.content
    described = {name: content[name] for name in _DRAWN if content.get(name) is not None}
    described |= {"time": entry.time_us / 1e6, "attempt": entry.attempt}
    if entry.kind == "text":
        text = visible_text(content["text"])
        return {**described, "text": text[:_LONGEST_TEXT], "left_out": max(0, len(text) - _LONGEST_TEXT)}
    described |= {"sha": media_digest(content["file"]), "type": entry.media_type, "bytes": content.get("bytes")}
    if entry.boxes:
        described["boxes"] = [_box(box) for box in entry.boxes]
    if masks := content.get("masks"):
        described |= {"masks": {mask: media_digest(name) for mask, name in masks.items()}, "classes": entry.classes}
    return described


def _box(box: Mapping[str, Any]) -> dict[str, Any]:
    score = box.get("score")
    is_finite = isinstance(score, (int, float)) and math.isfinite(score)
    return {**box, "score": score if is_finite else None}

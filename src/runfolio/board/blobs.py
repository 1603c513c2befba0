"""`/api/blobs`: files of a run, which are media, images in tables, artifacts, checkpoints and code.

A request names a file by a digest. The server sends only files that the run lists. A request may ask for one range of
bytes (RFC 9110), so browsers can seek in videos and continue downloads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import SEEK_END, BufferedReader
from pathlib import PurePosixPath
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from runfolio.board.media import media_digest, table_file, visible_media
from runfolio.board.media_tables import table_image
from runfolio.board.query_args import QueryArgs
from runfolio.board.replies import ErrorBody, error_reply
from runfolio.board.run_reply import with_run
from runfolio.errors import NotFound, RunfolioError
from runfolio.query.run import RecordedRun
from runfolio.record.base import file_bounds
from runfolio.record.base.layout import ARTIFACTS, CHECKPOINTS
from runfolio.record.base.record_path import RecordPath
from runfolio.record.content import artifacts, code, media
from runfolio.record.content.media_types import HEAD_BYTES, IMAGE_FILES, recognise, type_of

_SHOWN = re.compile(r"(image|audio|video)/")
"""MIME types that a page can show. Files of all other types are sent as downloads of unknown type."""
_UNKNOWN_TYPE = "application/octet-stream"
_CHUNK_BYTES = 1 << 18
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_LONGEST_NAME = 120
HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Headers of each reply that contains a file of a run."""
_IMMUTABLE = {"Cache-Control": "private, max-age=31536000, immutable"}


@dataclass(frozen=True)
class Blob:
    """File of a run."""

    path: RecordPath
    name: str
    """Name for a download."""
    media_type: str | None
    """MIME type, or None if pages must not show the file."""
    most_bytes: int
    """Maximum number of bytes in a file of this kind."""


async def blob(request: Request) -> Response:
    """Answer `GET /api/blobs/KEY/SHA` with a file. The parameters `row` and `column` select an image in a cell of a
    table."""
    args, digest = QueryArgs(request, ("row", "column")), request.path_params["sha"]
    row = args.integer("row", 0, 0, file_bounds.TABLE_ROWS)
    if "column" in args:
        column = args.integer("column", 0, 0, file_bounds.TABLE_COLUMNS)
        return await with_run(request, lambda run: _cell_reply(run, digest, row, column), heavy=True)
    ranges, condition = request.headers.getlist("range"), request.headers.get("if-range")
    asked = ranges[0] if len(ranges) == 1 and condition in (None, f'"{digest}"') else ""
    return await with_run(request, lambda run: _file_reply(run, digest, asked))


def _cell_reply(run: RecordedRun, digest: str, row: int, column: int) -> Response:
    image = table_image(run.folder, table_file(run, digest), row, column)
    known = recognise(image[:HEAD_BYTES], len(image), IMAGE_FILES)
    headers = file_headers(f"cell{known.suffix}", known.media_type) if known else file_headers("cell", None)
    return Response(image, headers=headers)


def _file_reply(run: RecordedRun, digest: str, asked: str) -> Response:
    found = find_blob(run, digest)
    try:
        file = found.path.open(found.most_bytes)
    except FileNotFoundError:
        raise NotFound(f"{found.path.relative} is gone; restore it from a copy of the run") from None
    size = file.seek(0, SEEK_END)
    headers = {**file_headers(found.name, found.media_type), "ETag": f'"{digest}"', "Accept-Ranges": "bytes"}
    part = byte_range(asked, size)
    if part is None:
        headers["Content-Length"] = str(size)
        return StreamingResponse(_chunks(file, range(size)), headers=headers)
    if not part:
        file.close()
        refusal = ErrorBody(f"the file has only {size:,} bytes")
        return error_reply(416, refusal, {**HEADERS, "Content-Range": f"bytes */{size}"})
    headers |= {"Content-Length": str(len(part)), "Content-Range": f"bytes {part[0]}-{part[-1]}/{size}"}
    return StreamingResponse(_chunks(file, part), 206, headers=headers)


def byte_range(asked: str, size: int) -> range | None:
    """Return the byte numbers that a Range header asks for, or None if the whole file must be sent.

    The range is empty if the file has none of the bytes. A header with several ranges is ignored, as RFC 9110 allows.
    """
    match = _RANGE.fullmatch(asked)
    if match is None or match[0] == "bytes=-":
        return None
    first, last = match[1], match[2]
    if not first:
        return range(max(0, size - int(last)), size)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(size, int(last) + 1) if last else size)


def _chunks(file: BufferedReader, part: range) -> Iterator[bytes]:
    with file:
        file.seek(part.start)
        left = len(part)
        while left and (data := file.read(min(left, _CHUNK_BYTES))):
            left -= len(data)
            yield data


def find_blob(run: RecordedRun, digest: str) -> Blob:
    """Find a file of a run by its digest.

    Raises:
        NotFound: The run lists no file with this digest.
    """
    if (entry := visible_media(run).files.get(digest)) is not None:
        name = next(name for name in media.file_names(entry.content) if media_digest(name) == digest)
        kind, suffix = type_of(name), PurePosixPath(name).suffix
        shown = kind if kind and _SHOWN.match(kind) else None
        path = media.file_path(run.folder, name)
        return Blob(path, f"{entry.name}-{entry.step}{suffix}", shown, file_bounds.MEDIUM)
    for find in (_artifact_file, _checkpoint_file, _code_file):
        if (blob := find(run, digest)) is not None:
            return blob
    raise NotFound(f"run {run.id} has no file with this digest")


def file_headers(name: str, media_type: str | None) -> dict[str, str]:
    """Return the headers of a reply with a file.

    The headers state the type and the name of the file, and whether the browser shows or saves the file (RFC 6266).

    Args:
        media_type: MIME type of a file that a page may show, or None for a download.
    """
    clean = re.sub(r"[\x00-\x1f\x7f-\x9f/\\]+", "_", name.encode(errors="replace").decode())[-_LONGEST_NAME:]
    clean = clean.strip(". ") or "file"
    ascii_name = re.sub(r"[^ !#$&+.0-9A-Z^_`a-z{}~-]", "_", clean)
    disposition = "inline" if media_type else "attachment"
    return {
        **HEADERS,
        **_IMMUTABLE,
        "Content-Type": media_type or _UNKNOWN_TYPE,
        "Content-Disposition": f"{disposition}; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(clean, safe='')}",
    }


def _artifact_file(run: RecordedRun, digest: str) -> Blob | None:
    for manifest in artifact_manifests(run):
        try:
            artifact = artifacts.read(manifest)
        except (RunfolioError, OSError):
            continue
        for entry in artifact.files:
            if entry.sha256 == digest:
                path = artifacts.files_folder(manifest, artifact).below(entry.file)
                return Blob(path, PurePosixPath(entry.file).name, None, file_bounds.ARTIFACT)
    return None


def _checkpoint_file(run: RecordedRun, digest: str) -> Blob | None:
    for checkpoint in run.checkpoints:
        for (part, sha256), file in zip(checkpoint.digests.items(), checkpoint.file_names, strict=True):
            if sha256 == digest:
                name = f"{run.name}-{checkpoint.name}-{part}.safetensors"
                return Blob(RecordPath(run.folder, CHECKPOINTS) / file, name, None, file_bounds.TENSORS)
    return None


def artifact_manifests(run: RecordedRun) -> list[RecordPath]:
    """Return the manifest files of a run's artifacts."""
    return [
        path for path in RecordPath(run.folder, ARTIFACTS).files() if path.suffix == ".json" and path.name[0] != "."
    ]


def _code_file(run: RecordedRun, digest: str) -> Blob | None:
    captured = run.code.readable_capture
    if captured is None:
        return None
    names = {file.sha256: PurePosixPath(file.path).name for file in captured.files}
    if captured.diff:
        names[captured.diff] = "uncommitted.diff"
    if digest not in names:
        return None
    return Blob(code.content_path(run.folder, digest), names[digest], None, file_bounds.CODE)

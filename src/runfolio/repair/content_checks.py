"""Checks of a run's other content: images, checkpoints, artifacts, code, data listings, edits."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from runfolio.errors import NewerFormat, NotFound, RunfolioError
from runfolio.record.base import files
from runfolio.record.base.layout import ARTIFACTS, CHECKPOINTS, CODE, CODE_FILES, DATA
from runfolio.record.base.plurals import counted
from runfolio.record.base.run_document import RunDocument
from runfolio.record.checkpoints import manifests
from runfolio.record.content import artifacts, code, data_listings, run_edits
from runfolio.repair.census import Census
from runfolio.repair.findings import Finding, Severity, describe_error
from runfolio.repair.line_scan import media_calls
from runfolio.repair.run_folders import list_files, relative_path

_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
_NAMED = 3


def findings(folder: Path, census: Census) -> Iterator[Finding]:
    yield from _pictures(folder, census)
    yield from _checkpoints(folder)
    yield from _artifacts(folder)
    yield from _code(folder)
    yield from _data(folder)
    for path, error in run_edits.find_damaged(folder):
        yield _unreadable_finding(path, folder, error)


def _unreadable_finding(path: Path, folder: Path, error: Exception) -> Finding:
    newer = isinstance(error, NewerFormat) or (isinstance(error, OSError) and not isinstance(error, FileNotFoundError))
    return Finding(
        relative_path(path, folder), Severity.UNCHECKED if newer else Severity.LOST, describe_error(error, path)
    )


def _pictures(folder: Path, census: Census) -> Iterator[Finding]:
    bad: list[str] = []
    for lines in census.media:
        bad += [call.path.name for _, call in media_calls(lines) if call.path is not None and not _is_png(call.path)]
    if bad:
        named = ", ".join(bad[:_NAMED]) + (", ..." if len(bad) > _NAMED else "")
        message = f"lacks {counted(len(bad), 'image')} of media lines, or contains damaged ones: {named}"
        yield Finding("media/files", Severity.LOST, message)


def _is_png(path: Path) -> bool:
    """Return whether a file starts and ends as a PNG; the content is left to the decoder."""
    try:
        with path.open("rb") as file:
            has_start = file.read(len(_PNG_START)) == _PNG_START
            file.seek(-min(len(_PNG_END), path.stat().st_size), 2)
            return has_start and file.read() == _PNG_END
    except OSError:
        return False


def _checkpoints(folder: Path) -> Iterator[Finding]:
    good: dict[str, int | None] = {}
    bad: list[tuple[str, Exception]] = []
    for name in manifests.names(folder):
        try:
            checkpoint = manifests.read(folder, name)
            checkpoint.verify()
            good[name] = checkpoint.step
        except (RunfolioError, OSError) as error:
            bad.append((name, error))
    for name, error in bad:
        path = folder / CHECKPOINTS / f"{name}.json"
        intact = ", ".join(f"{other!r} (step {step})" for other, step in good.items())
        alternatives = f"intact: {intact}" if intact else "no other checkpoint of the run is intact"
        finding = _unreadable_finding(path, folder, error)
        message = finding.message.replace(f"{path.parent}/", "")
        yield Finding(finding.file, finding.severity, f"{message}; {alternatives}")


def _artifacts(folder: Path) -> Iterator[Finding]:
    for manifest in list_files(folder / ARTIFACTS):
        if manifest.suffix != ".json" or manifest.name.startswith("."):
            continue
        try:
            about = files.read_json(manifest)
            entries = [(_inside(entry["file"]), str(entry["sha256"])) for entry in about["files"]]
            artifact_folder = artifacts.files_folder(manifest, about)
        except (RunfolioError, OSError) as error:
            yield _unreadable_finding(manifest, folder, error)
            continue
        except (KeyError, TypeError, ValueError) as error:
            yield Finding(relative_path(manifest, folder), Severity.LOST, f"is damaged (unexpected content: {error})")
            continue
        for name, digest in entries:
            if problem := _digest_problem(artifact_folder / name, digest, below=folder):
                yield Finding(relative_path(artifact_folder / name, folder), Severity.LOST, problem)


def _inside(name: Any) -> PurePosixPath:
    """Return a path relative to the artifact's folder.

    Raises:
        ValueError: It is outside of the folder.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ValueError(f"{name!r} is outside of its folder")
    return path


def _digest_problem(path: Path, digest: str, *, below: Path) -> str | None:
    """Describe the problem of a file with a recorded SHA-256; None if it is intact."""
    try:
        if not path.resolve().is_relative_to(below.resolve()):
            return "is a link, which is not followed"
        return None if files.sha256(path) == digest else "is damaged (its SHA-256 differs from the recorded one)"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _code(folder: Path) -> Iterator[Finding]:
    needed: set[str] = set()
    for path in list_files(folder / CODE):
        if path.suffix == ".json" and not path.name.startswith("."):
            try:
                run_code = code.read(folder, [path.stem])
            except (RunfolioError, OSError) as error:
                yield _unreadable_finding(path, folder, error)
                continue
            if run_code is not None:
                needed |= {entry.sha256 for entry in run_code.files} | (
                    {run_code.diff} if run_code.diff is not None else set()
                )
    content_folder = folder / CODE / CODE_FILES
    stored = {path.name for path in list_files(content_folder) if not path.name.startswith(".")}
    for digest in sorted(needed | stored):
        if problem := _content_problem(content_folder / digest):
            yield Finding(relative_path(content_folder / digest, folder), Severity.LOST, problem)


def _data(folder: Path) -> Iterator[Finding]:
    """Find listings whose content does not match their name, and listings that are missing."""
    needed = _named_data(folder)
    stored = {
        path.name.removesuffix(data_listings.ENDING)
        for path in list_files(folder / DATA)
        if not path.name.startswith(".")
    }
    for fingerprint in sorted(needed | stored):
        path = data_listings.listing_path(folder, fingerprint)
        if path.is_symlink():
            yield Finding(relative_path(path, folder), Severity.LOST, "is a link, which is not followed")
            continue
        try:
            data_listings.Listing.read(folder, fingerprint)
        except NotFound:
            yield Finding(relative_path(path, folder), Severity.LOST, "is missing")
        except RunfolioError as error:
            yield _unreadable_finding(path, folder, error)


def _named_data(folder: Path) -> set[str]:
    """Return the fingerprints of the listings that `run.json` refers to."""
    try:
        data_entries = RunDocument.read(folder).data.values()
    except (RunfolioError, OSError):
        return set()
    fingerprints: set[str] = set()
    for data_entry in data_entries:
        earlier = data_entry.get("earlier") if isinstance(data_entry, dict) else None
        for entry in (data_entry, *(earlier if isinstance(earlier, list) else ())):
            if isinstance(entry, dict) and data_listings.is_fingerprint(entry.get("fingerprint")):
                items = entry.get("items")
                if not (isinstance(items, int) and items > data_listings.LISTED_AT_MOST):
                    fingerprints.add(entry["fingerprint"])
    return fingerprints


def _content_problem(path: Path) -> str | None:
    if path.is_symlink():
        return "is a link, which is not followed"
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None if hashlib.sha256(data).hexdigest() == path.name else "is damaged (its content does not match its name)"

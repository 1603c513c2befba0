"""Checks of all files other than points: media, checkpoints, artifacts, code, data listings, answers and edits."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from runfolio.errors import NewerFormat, NotFound, RunfolioError
from runfolio.record.base import file_bounds, schema
from runfolio.record.base.layout import ARTIFACTS, CLAIMS, CODE, CODE_FILES, CONSOLE, DATA
from runfolio.record.base.plurals import counted
from runfolio.record.base.record_path import RecordPath, UnusableFile
from runfolio.record.base.run_document import RunDocument
from runfolio.record.checkpoints import manifests
from runfolio.record.content import answer_files, artifacts, code, data_listings, media, media_types, run_edits
from runfolio.repair.census import Census
from runfolio.repair.findings import Finding, Severity, describe_error
from runfolio.repair.line_scan import media_calls

_PNG_END = b"IEND\xaeB`\x82"
_NAMED = 3


def findings(folder: Path, census: Census) -> Iterator[Finding]:
    yield from _media_files(folder, census)
    yield from _checkpoints(folder)
    yield from _artifacts(folder)
    yield from _code(folder)
    yield from _data(folder)
    yield from _answers(folder)
    yield from _oversized(folder)
    for path, error in run_edits.find_damaged(folder):
        yield _unreadable_finding(path, error)


def _answers(folder: Path) -> Iterator[Finding]:
    try:
        answers = answer_files.list_answers(folder)
    except OSError:  # if the folder is a link, another check reports it
        return
    for file in answers:
        try:
            answer_files.read(file.path)
        except (RunfolioError, OSError) as error:
            yield _unreadable_finding(file.path, error)


def _oversized(folder: Path) -> Iterator[Finding]:
    """Yield a finding for each oversized console log or claim file. (A claim file names the process that owns an
    attempt.) No other check opens these files."""
    for part, most_bytes in ((CLAIMS, file_bounds.JSON_DOCUMENT), (CONSOLE, file_bounds.CONSOLE)):
        for path in RecordPath(folder, part).files():
            try:
                path.open(most_bytes).close()
            except UnusableFile as error:
                yield Finding(path.relative, Severity.UNCHECKED, error.problem)
            except OSError:
                continue  # the file was deleted in the meantime or is not readable


def _unreadable_finding(path: RecordPath, error: Exception) -> Finding:
    newer = isinstance(error, NewerFormat) or (isinstance(error, OSError) and not isinstance(error, FileNotFoundError))
    return Finding(path.relative, Severity.UNCHECKED if newer else Severity.LOST, describe_error(error, path))


def _media_files(folder: Path, census: Census) -> Iterator[Finding]:
    bad: list[str] = []
    for lines in census.media:
        for _, call in media_calls(lines):
            for number, name in enumerate(media.file_names(call.content)):
                recorded_bytes = None if number else call.content.get("bytes")
                if not _is_whole(media.file_path(folder, name), recorded_bytes):
                    bad.append(name)
    if bad:
        named = ", ".join(bad[:_NAMED]) + (", ..." if len(bad) > _NAMED else "")
        message = f"has {counted(len(bad), 'missing or damaged file')}: {named}"
        yield Finding("media/files", Severity.LOST, message)


def _is_whole(path: RecordPath, recorded_bytes: int | None) -> bool:
    """Return whether a file has its recorded size and the format that its suffix names. The content is not decoded.

    Masks and images that earlier versions of runfolio wrote have no recorded size. Therefore, the end marker of PNG
    files is checked too.
    """
    known = media_types.format_of(path.suffix)
    try:
        with path.open(file_bounds.MEDIUM) as file:
            head = file.read(media_types.HEAD_BYTES)
            size = file.seek(0, os.SEEK_END)
            file.seek(size - min(len(_PNG_END), size))
            has_end = path.suffix != ".png" or file.read() == _PNG_END
    except OSError:
        return False
    return has_end and recorded_bytes in (None, size) and known is not None and known.matches(head, size)


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
        path = manifests.manifest_path(folder, name)
        intact = ", ".join(f"{other!r} (step {step})" for other, step in good.items())
        alternatives = f"intact: {intact}" if intact else "no other checkpoint of the run is intact"
        finding = _unreadable_finding(path, error)
        message = finding.message.replace(f"{path.parent}/", "")
        yield Finding(finding.file, finding.severity, f"{message}; {alternatives}")


def _artifacts(folder: Path) -> Iterator[Finding]:
    for manifest in RecordPath(folder, ARTIFACTS).files():
        if manifest.suffix != ".json" or manifest.name.startswith("."):
            continue
        try:
            artifact = artifacts.read(manifest)
        except (RunfolioError, OSError) as error:
            yield _unreadable_finding(manifest, error)
            continue
        for entry in artifact.files:
            path = artifacts.files_folder(manifest, artifact).below(entry.file)
            if problem := _digest_problem(path, entry.sha256):
                yield Finding(path.relative, Severity.LOST, problem)


def _digest_problem(path: RecordPath, digest: str) -> str | None:
    """Return the problem with a file whose SHA-256 was recorded, or None if the file is intact."""
    try:
        intact = path.sha256(file_bounds.ARTIFACT) == digest
        return None if intact else "is damaged (its SHA-256 differs from the recorded one)"
    except FileNotFoundError:
        return "is missing"
    except UnusableFile as error:
        return error.problem
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _code(folder: Path) -> Iterator[Finding]:
    needed: set[str] = set()
    for path in RecordPath(folder, CODE).files():
        if path.suffix == ".json" and not path.name.startswith("."):
            try:
                run_code = code.read(folder, [path.stem])
            except (RunfolioError, OSError) as error:
                yield _unreadable_finding(path, error)
                continue
            if run_code is not None:
                if run_code.damage:
                    message = f"is damaged ({schema.shorten_damage(run_code.damage)})"
                    yield Finding(path.relative, Severity.DAMAGED, message)
                needed |= {entry.sha256 for entry in run_code.files} | (
                    {run_code.diff} if run_code.diff is not None else set()
                )
    content_folder = RecordPath(folder, CODE, CODE_FILES)
    stored = {path.name for path in content_folder.files() if not path.name.startswith(".")}
    for digest in sorted(needed | stored):
        path = RecordPath(folder, CODE, CODE_FILES, digest)
        if problem := _content_problem(path):
            yield Finding(path.relative, Severity.LOST, problem)


def _data(folder: Path) -> Iterator[Finding]:
    """Yield findings for data listings (lists of the files of a data set) that are missing or whose content does not
    match their name."""
    needed = _named_data(folder)
    stored = {
        path.name.removesuffix(data_listings.ENDING)
        for path in RecordPath(folder, DATA).files()
        if not path.name.startswith(".")
    }
    for fingerprint in sorted(needed | stored):
        path = RecordPath(folder, DATA, f"{fingerprint}{data_listings.ENDING}")
        try:
            data_listings.Listing.read(folder, fingerprint)
        except NotFound:
            yield Finding(path.relative, Severity.LOST, "is missing")
        except RunfolioError as error:
            yield _unreadable_finding(path, error)


def _named_data(folder: Path) -> set[str]:
    """Return the fingerprints of the listings that `run.json` refers to."""
    try:
        data_entries = RunDocument.read(folder).data.values()
    except (RunfolioError, OSError):
        return set()
    versions = [version for entry in data_entries for version in (entry, *entry.get("earlier", ()))]
    return {
        fingerprint
        for version in versions
        if (fingerprint := version.get("fingerprint")) and (version.get("items") or 0) <= data_listings.LISTED_AT_MOST
    }


def _content_problem(path: RecordPath) -> str | None:
    try:
        data = path.read_bytes(file_bounds.CODE)
    except FileNotFoundError:
        return "is missing"
    except UnusableFile as error:
        return error.problem
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None if hashlib.sha256(data).hexdigest() == path.name else "is damaged (its content does not match its name)"

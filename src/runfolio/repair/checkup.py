"""Check a run folder by reading every file in it. Points may also be in a spool, a folder on this machine for points of
runs whose store was not available."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from runfolio.errors import DamagedFile, NewerFormat, StoreError
from runfolio.record.base.layout import ALIVE, RUN_FILE
from runfolio.record.base.plurals import counted
from runfolio.record.base.record_path import RecordPath, UnusableFile
from runfolio.record.base.run_document import RunDocument
from runfolio.record.base.schema import shorten_damage
from runfolio.record.liveness.heartbeats import BeatHistory, derive_state
from runfolio.record.points import seq_ranges
from runfolio.record.points.seq_ranges import SeqRanges
from runfolio.record.spool import spools_of
from runfolio.repair import content_checks, leftovers
from runfolio.repair.activity import heartbeat_by_writer, is_at_work
from runfolio.repair.census import Census, missing_calls, noted_positions, subtract, take_census
from runfolio.repair.findings import Finding, Severity, describe_error
from runfolio.repair.row_groups import SegmentScan
from runfolio.repair.run_folders import unusable_files

_RANGES_SHOWN = 5


@dataclass
class Checkup:
    """Result of checking one run."""

    folder: Path
    state: str
    """State of the run that other commands show, or `unknown` if `run.json` is unreadable."""
    at_work: bool
    """True if a process may still be writing to the run."""
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        return all(finding.severity is Severity.LEFTOVER for finding in self.findings)


def check(folder: Path, history: BeatHistory) -> Checkup:
    """Read every file of a run without changing any file.

    If `run.json` has a newer format, the other files are not read.
    """
    document, problem = read_document(folder)
    at_work = is_at_work(folder, history)
    state = "unknown" if document is None else derive_state(folder, document, history)
    checkup = Checkup(folder, state, at_work)
    # `run.json` is written after the first heartbeat, so the file may be missing if a process has just started.
    if problem is not None and not (at_work and problem.message == _GONE):
        checkup.findings.append(problem)
    if problem is None or problem.severity is not Severity.UNCHECKED:
        checkup.findings += _findings(folder, document, at_work=at_work)
    return checkup


_GONE = "is missing, and with it the run's name, config and results"


def read_document(folder: Path) -> tuple[RunDocument | None, Finding | None]:
    """Return the content of `run.json` if it is readable, and the problem with the file if there is one."""
    path = RecordPath(folder, RUN_FILE)
    try:
        document = RunDocument.read(folder)
        if document.damage:
            return document, Finding(RUN_FILE, Severity.LOST, f"is damaged ({shorten_damage(document.damage)})")
        return document, None
    except FileNotFoundError:
        return None, Finding(RUN_FILE, Severity.LOST, _GONE)
    except UnusableFile as error:
        return None, Finding(RUN_FILE, Severity.UNCHECKED, error.problem)
    except DamagedFile as error:
        return None, Finding(RUN_FILE, Severity.LOST, describe_error(error, path))
    except (NewerFormat, StoreError, OSError) as error:
        return None, Finding(RUN_FILE, Severity.UNCHECKED, describe_error(error, path))


def attempts_of(folder: Path, document: RunDocument | None) -> dict[str, int]:
    """Return the attempt number of each writer, which is a process that recorded the run."""
    beats = {writer: beat.attempt for writer, beat in heartbeat_by_writer(folder).items() if beat is not None}
    return beats | ({entry.writer: entry.attempt for entry in document.attempts} if document is not None else {})


def _findings(folder: Path, document: RunDocument | None, *, at_work: bool) -> Iterator[Finding]:
    for path, kind in unusable_files(folder):
        yield Finding(path.relative, Severity.UNCHECKED, f"is {kind}")
    try:
        census = take_census(folder, attempts_of(folder, document))
    except (StoreError, OSError) as error:
        yield Finding("metrics", Severity.UNCHECKED, describe_error(error, folder))
        return
    yield from census.unread
    yield from _point_findings(folder, census)
    if not at_work:  # a running process may not have written all its log calls yet
        reported = seq_ranges.merge(*(segment.ranges for segment in census.segments if segment.lost))
        waiting = [take_census(spool.folder, {}).all_calls() for spool in spools_of(folder)]
        lost = subtract(missing_calls(census, noted_positions(folder, document)), seq_ranges.merge(reported, *waiting))
        for writer, ranges in seq_ranges.merge(*waiting).items():
            message = f"lacks {_calls({writer: ranges})}, which are in a spool on this machine"
            yield Finding("metrics", Severity.DAMAGED, message)
        for writer, ranges in lost.items():
            yield Finding("metrics", Severity.LOST, f"no readable file contains {_calls({writer: ranges})}")
    yield from content_checks.findings(folder, census)
    if not at_work:
        yield from leftovers.findings(folder, census)


def _point_findings(folder: Path, census: Census) -> Iterator[Finding]:
    for writer, beat in heartbeat_by_writer(folder).items():
        if beat is None:
            yield Finding(
                f"{ALIVE}/{writer}.json", Severity.DAMAGED, "is damaged; it is unknown how this process ended"
            )
    for segment in census.segments:
        if not segment.is_whole:
            yield Finding(segment.path.relative, *_describe_segment(segment, census))
    for lines in (*census.tails, *census.media):
        file = lines.path.relative
        if lines.header:
            yield Finding(file, Severity.DAMAGED, lines.header)
        if lines.damaged:
            yield Finding(file, Severity.DAMAGED, f"has {counted(lines.damaged, 'damaged line')}")
        if lines.disordered:
            yield Finding(file, Severity.DAMAGED, f"has {counted(lines.disordered, 'line')} out of order")


def _describe_segment(segment: SegmentScan, census: Census) -> tuple[Severity, str]:
    if not segment.ranges:
        return Severity.DAMAGED, f"{segment.problem}; it is unknown which log calls it contained"
    missing_ranges = subtract(segment.ranges, seq_ranges.merge(census.points(segment), census.media_calls()))
    if not missing_ranges:
        return Severity.DAMAGED, f"{segment.problem}; other files contain all its log calls"
    if not segment.lost:
        return Severity.DAMAGED, f"{segment.problem}"
    groups = ", ".join(segment.lost[:_RANGES_SHOWN]) + (
        f" and {len(segment.lost) - _RANGES_SHOWN} more" * (len(segment.lost) > _RANGES_SHOWN)
    )
    return Severity.LOST, f"{segment.problem}; lost: {groups}, from {_calls(missing_ranges)}"


def _calls(ranges: SeqRanges) -> str:
    """Describe the log calls of each writer, such as `3 log calls of a81kq0zd (5-6, 9)`."""
    return " and ".join(_calls_of(writer, pairs) for writer, pairs in ranges.items())


def _calls_of(writer: str, pairs: Iterable[tuple[int, int]]) -> str:
    pairs = list(pairs)
    number = sum(last - first + 1 for first, last in pairs)
    shown = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in pairs[:_RANGES_SHOWN])
    more = ", ..." if len(pairs) > _RANGES_SHOWN else ""
    return f"{counted(number, 'log call')} of {writer} ({shown}{more})"

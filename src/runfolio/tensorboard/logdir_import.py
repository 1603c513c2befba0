"""Import of a TensorBoard log directory into a store.

Every value is kept unless the program that wrote it declared it void. The state of the import is stored with each run,
so a later import reads only what is new.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from runfolio.errors import ConfigError, NotFound, RunfolioError, StoreError
from runfolio.events import messages as m
from runfolio.events.event_reader import EventChunk, OtherEvent, ScalarColumn, read_chunks
from runfolio.record.base.layout import TRASH, find_runs, make_experiment_folder, make_store, run_folder, slug
from runfolio.record.base.plurals import counted
from runfolio.record.base.run_document import RUNNING, RunDocument, Status
from runfolio.record.liveness.heartbeats import Heartbeat
from runfolio.tensorboard import event_values, run_files
from runfolio.tensorboard.event_values import HPARAMS, SCALARS, UNREADABLE, Files, Item, Medium, Scalar, ValueConverter
from runfolio.tensorboard.import_cursor import FilePart, ImportCursor, ReadFile, TagState, short_id
from runfolio.tensorboard.imported_run import ImportedRun
from runfolio.tensorboard.logdir_runs import LINE, TRIAL, LogdirRun, Part, plain_name, scan_logdir
from runfolio.tensorboard.settings_texts import settings_of_folder, settings_of_text

GROWING_S = 300.0
"""Number of seconds after the last change of an event file during which its run counts as running."""
_MOST_PROBLEMS = 100
_MOST_ARTIFACTS = 1_000
_NAME_LENGTH = 1_000
_FILE_NAME = re.compile(r"tfevents\.(\d{9,11})\.(.+?)(?:\.\d+){0,2}(?:\.v2)?")
_LONGEST_S = 3e7
"""Number of seconds (about a year) from which the creation time of a file is considered unrelated to its values."""
_LAST_SECOND = 2**63 / 1e6 - 1
_GZIP = b"\x1f\x8b"
Outcome = Literal["new", "updated", "unchanged", "skipped"]


@dataclass
class RunReport:
    """Result of the import of one run."""

    name: str
    """Name of the run in TensorBoard."""
    outcome: Outcome
    run_id: str = ""
    folder: Path | None = None
    points: int = 0
    media: int = 0
    artifacts: int = 0
    decisions: list[str] = field(default_factory=list)
    """Decisions that the import made about the run, one sentence each."""
    problems: list[str] = field(default_factory=list)
    """Damaged parts of the files, and values that were left out."""
    growing: bool = False
    """True if an event file changed within the last minutes."""


class ImportReport(NamedTuple):
    runs: list[RunReport]
    skipped: list[str]
    """Folders that were not searched, one sentence each."""


Progress = Callable[[str, int], object]
"""Function that receives the name of a run, and the number of bytes that were read since the last call."""


def import_logdir(
    logdir: Path,
    store: Path,
    *,
    experiment: str | None = None,
    live: bool = False,
    on_progress: Progress = lambda name, size: None,
) -> ImportReport:
    """Import all runs of a log directory, or only the values that were written since the last import.

    Args:
        logdir: Folder that contains event files at any depth.
        store: Folder of the store that receives the runs.
        experiment: Experiment of the runs. Default: the folder above the run.
        live: Runs whose files still grow are recorded as running while this process exists.
        on_progress: Function that is called while files are read.

    Raises:
        NotFound: The log directory does not exist.
        StoreError: The store cannot be written.
    """
    if not logdir.is_dir():
        raise NotFound(f"there is no folder {logdir}; name a folder that contains TensorBoard event files")
    real = Path(os.path.realpath(logdir))
    try:
        make_store(store)
        with _locked(store):
            cursors = _cursors(store, real)
            folded = frozenset(name for cursor in cursors.values() for name in cursor.folded_trials)
            runs, skipped = scan_logdir(real, folded)
            reports = [RunImport(real, store, run, cursors, experiment, on_progress).update(live=live) for run in runs]
    except OSError as error:
        raise StoreError(f"cannot import into {store}: {error.strerror or error}") from None
    return ImportReport([report for report in reports if report is not None], skipped)


def logdir_size(logdir: Path) -> int:
    """Return the total size of the event files of a log directory in bytes."""
    runs, _ = scan_logdir(Path(os.path.realpath(logdir)))
    return sum(_size(part.folder.path / name) for run in runs for part in run.parts for name in part.folder.files)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


@contextmanager
def _locked(store: Path) -> Iterator[None]:
    """Wait until no other process imports into the store."""
    descriptor = os.open(store / ".import.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _cursors(store: Path, logdir: Path) -> dict[Path, ImportCursor]:
    """Return the states of all runs in the store that were imported from a log directory."""
    cursors = ((folder, ImportCursor.read(folder)) for folder in find_runs(store))
    return {
        folder: cursor for folder, cursor in cursors if cursor is not None and cursor.logdir == plain_name(str(logdir))
    }


class RunImport:
    """Import of one run."""

    def __init__(
        self,
        logdir: Path,
        store: Path,
        source: LogdirRun,
        cursors: dict[Path, ImportCursor],
        experiment: str | None,
        on_progress: Progress,
    ) -> None:
        self._logdir = logdir
        self._source = source
        self._on_progress = on_progress
        main = next((part for part in source.parts if part.folder.files), source.parts[0])
        first_file = main.folder.files[0] if main.folder.files else ""
        self.run_id = short_id(str(logdir), source.name, main.folder.name, first_file)
        own_experiment, name = run_names(logdir, source.name)
        name = visible_name(name)
        self._experiment = visible_name(experiment or own_experiment)
        known = next((path for path in cursors if path.name.endswith(f"-{self.run_id}")), None)
        self._folder = known or run_folder(store, self._experiment, name, self.run_id)
        self._store = store
        self._cursor = cursors[known] if known is not None else ImportCursor(plain_name(str(logdir)), source.name)
        self._is_new = known is None
        document = RunDocument.read(known) if known is not None else None
        self._document = document or RunDocument(self.run_id, name, self._experiment, datetime.fromtimestamp(0, UTC))
        self.report = RunReport(source.name, "new" if self._is_new else "unchanged", self.run_id, self._folder)
        self._run = ImportedRun(self._folder, self._document, self._cursor)
        self._problems: Counter[str] = Counter()
        self._text_settings: dict[str, Any] = {}
        self._failed = self._document.status.state == "failed"
        self._has_changed = False

    def update(self, *, live: bool) -> RunReport | None:
        """Import the values that were written since the last import. Return None if the run has no content."""
        trashed = self._store / TRASH / self._folder.relative_to(self._store)
        if self._is_new and trashed.exists():
            self.report.outcome = "skipped"
            self.report.decisions.append("it was deleted from the store; `runfolio undelete` brings it back")
            return self.report
        newest = 0.0
        trials = [part.folder.name for part in self._source.parts if part.kind == TRIAL]
        self._cursor.folded_trials = sorted({*self._cursor.folded_trials, *trials})
        for part in self._source.parts:
            reader = FolderImport(self, part)
            for name in part.folder.files:
                newest = max(newest, reader.read_file(name))
        self.report.growing = time.time() - newest < GROWING_S
        self._add_settings()
        self._add_loose_files()
        self._note_problems()
        is_running = live and self.report.growing
        if not self._has_changed and self._has_state(is_running=is_running):
            return self._finished_report()
        if not self._cursor.parts:
            if not self._has_changed:
                return self._finished_report()
            self._cursor.parts.append(FilePart(short_id(self.run_id, "files"), 1, self._source.name))
        self._prepare()
        self._run.finish(self._status(is_running=is_running), compacts=not live or not is_running)
        return self._finished_report()

    def _has_state(self, *, is_running: bool) -> bool:
        """Return whether the recorded state of the run is still correct."""
        if self._document.status.state != RUNNING:
            return not is_running
        heartbeat = Heartbeat.read(self._folder, self._cursor.parts[-1].writer) if self._cursor.parts else None
        return is_running and heartbeat is not None and heartbeat.pid == os.getpid()

    def _finished_report(self) -> RunReport | None:
        run, report = self._run, self.report
        report.points, report.media, report.artifacts = run.points_added, run.media_added, run.artifacts_added
        if self._has_changed and not self._is_new:
            report.outcome = "updated"
        report.decisions += list(self._decisions())
        report.problems = self._cursor.problems[:_MOST_PROBLEMS] if self._cursor.parts else list(self._problems)
        if not self._cursor.parts:
            report.outcome = "skipped"
            report.decisions.append("its event files contain no readable values" if self._problems else "no values yet")
        return report

    def _status(self, *, is_running: bool) -> Status:
        if is_running:
            return Status()
        ends = [part.ended for part in self._cursor.parts if part.ended is not None]
        ended = datetime.fromtimestamp(max(ends), UTC) if ends else self._document.created
        return Status("failed" if self._failed else "finished", ended)

    # Content

    def make_folders(self) -> ImportedRun:
        """Create the folders of the run if they are missing, and return the run."""
        if not self._has_changed:
            self._has_changed = True
            make_experiment_folder(self._store, self._folder.parent.name)
            self._run.make_folders()
        return self._run

    @property
    def cursor(self) -> ImportCursor:
        return self._cursor

    def progress(self, size: int) -> None:
        self._on_progress(self._source.name, size)

    def note(self, problem: str) -> None:
        """Count a problem."""
        if problem in self._problems or len(self._problems) < _MOST_PROBLEMS:
            self._problems[problem] += 1
        else:
            self._problems["further problems"] += 1

    def set_results(self, values: dict[str, float]) -> None:
        self._document.summary |= values

    def set_settings(self, values: dict[str, Any], *, is_text: bool = False) -> None:
        if is_text:
            self._text_settings |= values
        else:
            self._document.config |= values

    def mark_settings(self) -> None:
        """Note that the run has hyperparameters, so that it is recorded even without other values."""
        self.make_folders()

    def set_failed(self, failed: bool) -> None:
        self._failed = failed

    def add_chart(self, tag: str) -> None:
        if tag not in self._document.charts:
            self._document.charts.append(tag)

    def _prepare(self) -> None:
        self.make_folders()
        document, parts = self._document, self._cursor.parts
        begins = [part.began for part in parts if part.began is not None]
        document.created = datetime.fromtimestamp(min(begins), UTC) if begins else self._file_time()
        for read in self._cursor.files:
            if "host" not in document.environment and (match := _file_name(read.file)):
                document.environment["host"] = match[2][:_NAME_LENGTH]

    def _file_time(self) -> datetime:
        paths = [part.folder.path / name for part in self._source.parts for name in part.folder.files]
        times = [path.stat().st_mtime for path in paths if path.exists()]
        return datetime.fromtimestamp(min(times, default=time.time()), UTC)

    def _add_settings(self) -> None:
        """Combine the settings from event files, logged texts and YAML files. YAML files have precedence, because event
        files store every number as a float."""
        of_files: dict[str, Any] = {}
        for part in self._source.parts:
            if part.kind != LINE:
                values, problems = settings_of_folder(part.folder.path)
                of_files |= plain_settings(values)
                for problem in problems:
                    self.note(f"{part.folder.name}: {problem}")
        config = self._document.config
        combined = {**{key: value for key, value in self._text_settings.items() if key not in config}, **config}
        combined |= of_files
        if combined != config:
            self._document.config = combined
            if self._cursor.parts or of_files:
                self.make_folders()

    def _add_loose_files(self) -> None:
        for part in self._source.parts:
            for found in run_files.loose_files(part.folder.path, part.folder.traces):
                name = run_files.loose_name(part.prefix, found)
                key = f"{part.folder.name}/{found.key}"
                if key in self._cursor.artifacts:
                    continue
                try:
                    with run_files.staged(part.folder.path, found) as source:
                        self.make_folders().save_artifact(source, name, found.kind)
                    self._cursor.artifacts.append(key)
                except (OSError, RunfolioError, ValueError) as error:
                    self.note(f"{found.files[0]} was left out ({error})")

    def _note_problems(self) -> None:
        for problem, count in self._problems.items():
            line = problem if count == 1 else f"{problem} ({count:,} times)"
            if line not in self._cursor.problems:
                self._cursor.problems.append(line)

    def _decisions(self) -> Iterator[str]:
        folded: dict[str, list[str]] = {}
        for part in self._source.parts:
            if part.kind:
                folded.setdefault(part.kind if part.kind != LINE else f"{LINE} {part.tag}", []).append(part.folder.name)
        for kind, names in folded.items():
            shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
            if kind.startswith(LINE):
                yield f"{shown}: {counted(len(names), 'line')} of the chart {kind.partition(' ')[2]}"
            elif kind == TRIAL:
                yield f"{shown}: hyperparameters and results of this run"
            else:
                yield f"{shown}: {counted(len(names), 'split')} of this run"
        for part in self._cursor.parts:
            if part.void_points:
                yield (
                    f"a restart at step {part.void_step} made {counted(part.void_points, 'earlier point')} void; they"
                    " are kept as an abandoned branch"
                )
        yield from _step_sentences(self._cursor.tags)
        if self.report.growing:
            yield "its files changed within the last minutes; import again to add what is new"


def _step_sentences(tags: Iterable[TagState]) -> Iterator[str]:
    unusual = [tag for tag in tags if tag.equal_steps or tag.falling_steps]
    if not unusual:
        return
    equal, falling = sum(tag.equal_steps for tag in unusual), sum(tag.falling_steps for tag in unusual)
    names = ", ".join(tag.name for tag in unusual[:3]) + (f" and {len(unusual) - 3} more" if len(unusual) > 3 else "")
    counts = " and ".join(
        counted(count, what) for count, what in ((equal, "equal step"), (falling, "falling step")) if count
    )
    yield f"{counts} in {names}; all points are kept"


class FolderImport:
    """Import of the event files of one folder."""

    def __init__(self, run: RunImport, part: Part) -> None:
        self._run = run
        self._part = part
        self._folder = part.folder.name
        self._converter = ValueConverter()
        self._tags = {tag.tag: tag for tag in run.cursor.tags if tag.folder == self._folder}
        self._names = {tag.name for tag in self._tags.values()}
        self._is_own = False
        """True if runfolio wrote the file."""

    def read_file(self, name: str) -> float:
        """Import the new records of a file, and return the time of its last change."""
        path, plain = self._part.folder.path / name, plain_name(name)
        read = next(
            (entry for entry in self._run.cursor.files if (entry.folder, entry.file) == (self._folder, plain)), None
        )
        if read is None:
            read = ReadFile(self._folder, plain)
            self._run.cursor.files.append(read)
        shown = plain if self._folder == "." else f"{self._folder}/{plain}"
        try:
            status = path.stat()
            if status.st_size < read.offset:
                self._run.note(f"{shown} is shorter than at the last import; its new content is not imported")
            elif status.st_size > read.offset and not (read.offset == 0 and self._is_compressed(path, shown)):
                self._read_new(path, shown, read, status.st_mtime)
        except OSError as error:
            self._run.note(f"{shown} cannot be read ({error.strerror or error})")
            return 0.0
        except StoreError as error:
            self._run.note(str(error))
            return 0.0
        return status.st_mtime

    def _is_compressed(self, path: Path, shown: str) -> bool:
        with path.open("rb") as file:
            if file.read(2) != _GZIP:
                return False
        self._run.note(f"{shown} is compressed and was not read; decompress it with gunzip and import again")
        return True

    def _read_new(self, path: Path, shown: str, read: ReadFile, changed_s: float) -> None:
        known = {raw for raw, tag in self._tags.items() if tag.plugin == SCALARS}
        for chunk in read_chunks(path, read.offset, read.order, known):
            for problem in chunk.problems:
                self._run.note(f"{shown}: {problem}; the records around it are kept")
            self._add_chunk(chunk, read, changed_s)
            self._run.progress(chunk.end - read.offset)
            read.offset, read.order = chunk.end, chunk.next_order
        for name in self._converter.unfinished():
            self._run.note(f"the mesh {name!r} is incomplete and was left out")

    def _add_chunk(self, chunk: EventChunk, read: ReadFile, changed_s: float) -> None:
        """Add the values of a chunk of events. A restart in the middle of a file begins a new part."""
        starts = [
            other
            for other in chunk.others
            if other.event.session_log is not None and other.event.session_log.status == m.SESSION_START
        ]
        begin = -1
        for start in [*starts, None]:
            end = start.order if start is not None else 2**62
            self._add_range(chunk, begin, end, read, changed_s)
            if start is not None:
                self._restart(read, start.event.step)
            begin = end

    def _restart(self, read: ReadFile, step: int) -> None:
        """Begin a new part, which makes earlier points from `step` on void. A start before the first point of the
        folder has no effect."""
        parts = [part for part in self._run.cursor.parts if part.folder == self._folder and part.last_seq]
        if parts:
            self._run.make_folders()
            part = self._new_part(read)
            part.purge_step = step
            for tag in self._tags.values():
                tag.last_step = None

    def _new_part(self, read: ReadFile) -> FilePart:
        cursor = self._run.cursor
        own = [part for part in cursor.parts if part.folder == self._folder]
        if own and own[-1].writer == read.writer and not own[-1].last_seq:
            return own[-1]
        number = own[-1].attempt + 1 if own else 1
        writer = short_id(self._run.run_id, self._folder, read.file, str(number))
        part = FilePart(writer, number, self._folder)
        cursor.parts.append(part)
        read.writer = writer
        return part

    def _current_part(self, read: ReadFile) -> FilePart:
        parts = self._run.cursor.parts
        part = next((part for part in parts if part.writer == read.writer), None)
        return self._new_part(read) if part is None else part

    def _add_range(self, chunk: EventChunk, begin: int, end: int, read: ReadFile, changed_s: float) -> None:
        """Add the records between two restarts."""
        columns = [part for column in chunk.scalars if len((part := _between(column, begin, end)).orders)]
        others = [other for other in chunk.others if begin < other.order < end]
        points, media, artifacts = self._convert(others)
        by_name: dict[tuple[str, bytes], list[ScalarColumn]] = {}
        for column in [*columns, *points]:
            tag = self._tag(column.tag)
            by_name.setdefault((tag.name, column.tag), []).append(column)
        calls = _Calls(list(by_name.values()), [order for order, *_ in media])
        if not calls.count and not artifacts:
            return
        run, part = self._run.make_folders(), self._current_part(read)
        first, created = part.last_seq + 1, _created(read.file)
        for (_, raw), column, seqs in zip(by_name, calls.columns, calls.seqs(first), strict=True):
            self._add_column(run, part, self._tags[raw], column, seqs)
            _extend_times(part, column.times, created, changed_s)
        for (_, event, medium), seq in zip(media, calls.media_seqs(first), strict=True):
            try:
                run.add_medium(part, int(seq), _microseconds(event.wall_time), event.step, medium)
            except (ConfigError, OSError) as error:
                self._run.note(f"the {medium.kind} {medium.name!r} was left out ({error})")
            _extend_times(part, np.array([event.wall_time]), created, changed_s)
        for item in artifacts:
            self._add_artifact(run, item)
        if calls.count:
            part.last_seq += calls.count
            run.flush_if_full()

    def _add_artifact(self, run: ImportedRun, item: Files) -> None:
        if run.artifacts_added >= _MOST_ARTIFACTS:
            self._run.note(f"tensors after the first {_MOST_ARTIFACTS:,} were left out")
            return
        try:
            run.add_artifact(item)
        except (OSError, RunfolioError, ValueError) as error:
            self._run.note(f"{item.name} was left out ({error})")

    def _add_column(self, run: ImportedRun, part: FilePart, tag: TagState, column: ScalarColumn, seqs: Any) -> None:
        name = self._metric_name(tag.name)
        if self._is_own and tag.name.startswith("summary/"):
            self._run.set_results({tag.name.removeprefix("summary/"): float(column.values[-1])})
            return
        if tag.name in self._run.cursor.result_tags:
            self._run.set_results({tag.name: float(column.values[-1])})
        times = _microseconds(column.times)
        run.add_points(part, name, seqs, column.steps, times, column.values)
        steps = column.steps if tag.last_step is None else np.concatenate([[tag.last_step], column.steps])
        tag.equal_steps += int((steps[1:] == steps[:-1]).sum())
        tag.falling_steps += int((steps[1:] < steps[:-1]).sum())
        tag.last_step = int(steps[-1])

    def _metric_name(self, name: str) -> str:
        part = self._part
        if part.kind == LINE and name == part.tag:
            self._run.add_chart(f"{part.outer}{name}")
            return f"{part.outer}{name}/{part.line}"[:_NAME_LENGTH]
        return f"{part.prefix}{name}"[:_NAME_LENGTH]

    # Other events

    def _convert(
        self, others: list[OtherEvent]
    ) -> tuple[list[ScalarColumn], list[tuple[int, m.Event, Medium]], list[Files]]:
        """Convert events that are not only simple scalars to points, media and artifacts."""
        points: dict[bytes, list[tuple[int, int, float, float]]] = {}
        media: list[tuple[int, m.Event, Medium]] = []
        artifacts: list[Files] = []
        for order, event in others:
            for raw, item in self._items(event):
                if isinstance(item, Scalar):
                    points.setdefault(raw, []).append((order, event.step, event.wall_time, item.value))
                elif isinstance(item, Medium):
                    media.append((order, event, item))
                else:
                    artifacts.append(item)
        columns = [
            ScalarColumn(
                raw,
                np.array([row[0] for row in rows], np.int64),
                np.array([row[1] for row in rows], np.int64),
                np.array([row[2] for row in rows], np.float64),
                np.array([row[3] for row in rows], np.float64),
            )
            for raw, rows in points.items()
        ]
        return columns, media, artifacts

    def _items(self, event: m.Event) -> Iterator[tuple[bytes, Item]]:
        if event.source_metadata is not None:
            self._is_own = event.source_metadata.writer == "runfolio"
        if event.graph_def is not None:
            yield from self._guarded("graph", lambda: event_values.graph(event.graph_def or b""))
        if (tagged := event.tagged_run_metadata) is not None:
            yield b"", event_values.trace(tagged.tag, tagged.run_metadata)
        for value in event.summary.value if event.summary is not None else ():
            raw = value.tag.encode(errors="surrogateescape")
            tag = self._tag(raw, value.plugin)
            if tag.plugin == HPARAMS:
                self._add_hparams(value)
                continue
            name = f"{self._part.prefix}{tag.name}"
            for _, item in self._guarded(
                tag.name,
                lambda value=value, tag=tag, name=name: self._converter.convert(name, tag.plugin, event.step, value),
            ):
                yield raw, item
                if isinstance(item, Medium) and item.kind == "text":
                    settings = settings_of_text(event_values.text_name(tag.name), item.content["text"])
                    self._run.set_settings(plain_settings(settings), is_text=True)

    def _guarded(self, name: str, convert: Callable[[], Iterable[Item]]) -> Iterator[tuple[bytes, Item]]:
        try:
            for item in convert():
                yield b"", item
        except UNREADABLE as error:
            self._run.note(f"a value of {name!r} was left out ({str(error) or type(error).__name__})")

    def _add_hparams(self, value: m.Value) -> None:
        for data in event_values.read_hparams([value]):
            if data.experiment is not None and self._part.kind == TRIAL:
                names = [info.name.tag for info in data.experiment.metric_infos if info.name is not None]
                known = self._run.cursor.result_tags
                known += [name for name in names if name not in known]
            if data.session_start_info is not None:
                self._run.set_settings(event_values.settings_of(data.session_start_info))
                self._run.mark_settings()
            if data.session_end_info is not None:
                self._run.set_failed(data.session_end_info.status == m.STATUS_FAILURE)

    def _tag(self, raw: bytes, plugin: str = "") -> TagState:
        """Return the state of a tag. Tags that are not UTF-8 get a readable name that no other tag has."""
        tag = self._tags.get(raw)
        if tag is None:
            name = base = _tag_name(raw)
            number = 1
            while name in self._names:
                number += 1
                name = f"{base} ({number})"
            tag = TagState(self._folder, name, None if name.encode() == raw else raw.hex())
            self._tags[raw] = tag
            self._names.add(name)
            self._run.cursor.tags.append(tag)
        tag.plugin = tag.plugin or plugin
        return tag


class _Calls:
    """Log calls in a range of records. Values of one record belong to one call. A second value of the same tag belongs
    to a separate call, and so does each medium."""

    def __init__(self, groups: list[list[ScalarColumn]], media_orders: list[int]) -> None:
        self.columns = [_joined(group) for group in groups]
        self._keys = [_call_keys(column.orders) for column in self.columns]
        orders = np.array(media_orders, np.int64)
        self._media_keys = _call_keys(orders) + (_CALLS_PER_RECORD >> 1)
        self._all = np.unique(np.concatenate([*self._keys, self._media_keys]))
        self.count = len(self._all)

    def seqs(self, first: int) -> list[Any]:
        return [np.searchsorted(self._all, keys) + first for keys in self._keys]

    def media_seqs(self, first: int) -> Any:
        return np.searchsorted(self._all, self._media_keys) + first


_CALLS_PER_RECORD = 1 << 20


def _call_keys(orders: Any) -> Any:
    """Return a key for each value. The key combines the value's record with the number of values of the same tag that
    precede the value in this record."""
    if not len(orders):
        return orders
    starts = np.flatnonzero(np.concatenate([[True], orders[1:] != orders[:-1]]))
    counts = np.diff(np.append(starts, len(orders)))
    repeats = np.arange(len(orders)) - np.repeat(starts, counts)
    return orders * _CALLS_PER_RECORD + repeats


def _joined(group: list[ScalarColumn]) -> ScalarColumn:
    if len(group) == 1:
        return group[0]
    fields = [np.concatenate(arrays) for arrays in zip(*(column[1:] for column in group), strict=True)]
    by_order = np.argsort(fields[0], kind="stable")
    return ScalarColumn(group[0].tag, *(values[by_order] for values in fields))


def _between(column: ScalarColumn, begin: int, end: int) -> ScalarColumn:
    if begin < 0 and end >= 2**62:
        return column
    low, high = np.searchsorted(column.orders, [begin + 1, end])
    return ScalarColumn(column.tag, *(values[low:high] for values in column[1:]))


def _tag_name(raw: bytes) -> str:
    name = raw.decode(errors="backslashreplace")
    if not name.strip():
        return f"(blank tag {raw.hex()[:20]})" if raw else "(no tag)"
    return name if len(name) <= _NAME_LENGTH // 2 else f"{name[:400]}...{short_id(name)}"


def _created(file: str) -> float | None:
    """Return the creation time of an event file, which is part of its name, or None if the name contains no time."""
    match = _file_name(file)
    return float(match[1]) if match else None


def _file_name(file: str) -> re.Match[str] | None:
    return _FILE_NAME.fullmatch(file, file.find("tfevents"))


def _extend_times(part: FilePart, times: Any, created: float | None, changed_s: float) -> None:
    """Extend the time range of a part to the times of values. Times before 1973, and times more than a day after the
    last change of the file, are ignored.

    Args:
        created: Creation time of the file. A run starts before its first value.
    """
    plausible = times[(times > 1e8) & (times <= changed_s + 86_400)]
    if len(plausible):
        first, last = float(plausible.min()), float(plausible.max())
        part.began = min(first, part.began if part.began is not None else first)
        part.ended = max(last, part.ended if part.ended is not None else last)
        if created is not None and created < part.began and part.ended - created < _LONGEST_S:
            part.began = created


def _microseconds(seconds: Any) -> Any:
    """Return times as integers of microseconds. Times that are not finite or too large are replaced."""
    if isinstance(seconds, float):
        return int(_microseconds(np.array([seconds]))[0])
    finite = np.nan_to_num(seconds, nan=0.0, posinf=_LAST_SECOND, neginf=-_LAST_SECOND)
    return np.rint(np.clip(finite, -_LAST_SECOND, _LAST_SECOND) * 1e6).astype(np.int64)


def plain_settings(values: dict[str, Any]) -> dict[str, Any]:
    """Return settings as JSON values, or an empty dict if they cannot be converted."""
    from runfolio.tracking.pipeline.config_values import plain_config

    try:
        return plain_config(values)
    except (ConfigError, ValueError, RecursionError):
        return {}


def visible_name(text: str) -> str:
    """Return a valid name of a run or an experiment."""
    name = re.sub(r"[\0\n\r]", " ", text.encode(errors="backslashreplace").decode())[:_NAME_LENGTH]
    return name if name.strip() else slug(name)


def run_names(logdir: Path, name: str) -> tuple[str, str]:
    """Return the experiment and the name of a run. The experiment is the folder above the run."""
    if name == ".":
        return logdir.name or "logdir", logdir.name or "logdir"
    above, _, base = name.rpartition("/")
    return above or logdir.name or "logdir", base

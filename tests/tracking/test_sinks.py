"""Sinks: each receives the content of the record, and does not affect the run."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from runfolio.errors import StoreError
from runfolio.record.base.layout import find_runs, new_id, run_folder
from runfolio.record.base.run_document import Attempt, RunDocument, now
from runfolio.record.content import media
from runfolio.record.content.media import MediaEntry
from runfolio.record.points.reader import PointFiles
from runfolio.record.points.tails import LogCall
from runfolio.record.sink import Sink
from runfolio.tracking.recorder import Recorder
from runfolio.tracking.recording_config import RecordingConfig
from runfolio.tracking.run import Run

QUICK = RecordingConfig(flush_s=0.02, heartbeat_s=0.05, patience_s=0.05, system_s=0)


class LineSink:
    """Sink that appends one JSON line per call to a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.threads: set[str] = set()

    def open(self, document: RunDocument, last_steps: Callable[[], Mapping[str, int]]) -> None:
        self._append("open", attempts=len(document.attempts), last_steps=last_steps(), config=document.config)

    def points(self, calls: Sequence[LogCall]) -> None:
        for call in calls:
            assert runs_points_include(self.path.parent, call)
            self._append("points", seq=call.seq, step=call.step, values=call.values)

    def media(self, entry: MediaEntry, file_content: bytes | None) -> None:
        self._append(
            "media",
            seq=entry.seq,
            name=entry.name,
            content=entry.content,
            png=file_content and file_content[1:4].decode(),
        )

    def document(self, document: RunDocument) -> None:
        self._append("document", state=document.status.state, config=document.config)

    def lost(self, reason: str) -> None:
        self._append("lost", reason=reason)

    def close(self) -> None:
        self._append("close")

    def _append(self, event: str, **content: object) -> None:
        self.threads.add(threading.current_thread().name)
        with self.path.open("a") as file:
            file.write(json.dumps([event, content]) + "\n")

    def events(self, name: str) -> list[dict]:
        return [content for event, content in self.lines() if event == name]

    def lines(self) -> list[tuple[str, dict]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()]


class BrokenSink:
    """Sink that fails in the given methods; it calls the original `open` first."""

    def __init__(self, *methods: str, error: Exception | None = None) -> None:
        self.calls: list[str] = []
        self._methods = methods
        self._error = error or ValueError("it is broken")

    def open(self, document: RunDocument, last_steps: Callable[[], Mapping[str, int]]) -> None:
        self._fail("open")

    def points(self, calls: Sequence[LogCall]) -> None:
        self._fail("points")

    def media(self, entry: MediaEntry, file_content: bytes | None) -> None:
        self._fail("media")

    def document(self, document: RunDocument) -> None:
        self._fail("document")

    def lost(self, reason: str) -> None:
        self._fail("lost")

    def close(self) -> None:
        self._fail("close")

    def _fail(self, method: str) -> None:
        self.calls.append(method)
        if method in self._methods:
            raise self._error


METHODS = ("open", "points", "media", "document", "lost", "close")


def runs_points_include(store: Path, call: LogCall) -> bool:
    """Return whether the tails of the only run in the store contain a call."""
    (folder,) = find_runs(store)
    return any(f'{{"seq":{call.seq},'.encode() in path.read_bytes() for path in folder.glob("metrics/tail-*"))


def open_run(store: Path, *sinks: Sink, config: RecordingConfig = QUICK) -> Run:
    """Open a new run with sinks, as `init` does with the event file."""
    document = RunDocument(id=new_id(), name="net", experiment="demo", created=now())
    document.attempts = [Attempt(1, None, {}, new_id(), document.created)]
    folder = run_folder(store, document.experiment, document.name, document.id)
    folder.mkdir(parents=True)
    return start(Recorder(folder, document, config, -1, sinks))


def resume_run(folder: Path, kept_seq: int, *sinks: Sink) -> Run:
    """Open the next attempt of a run, which keeps the first log calls of its only earlier one."""
    document = RunDocument.read(folder)
    (first,) = document.attempts
    document.attempts.append(Attempt(2, 1, {first.writer: kept_seq}, new_id(), now()))
    document.status.state = "running"
    return start(Recorder(folder, document, QUICK, 0, sinks))


def start(recorder: Recorder) -> Run:
    run = Run(recorder)
    recorder.start()
    return run


def log_all_kinds(run: Run) -> None:
    run.log({"loss": 1.0, "note": math.nan}, step=3)
    run.log({"loss": 1}, step=4)
    run.log_text("words", "hello", step=4)
    run.log_image("picture", np.eye(2), step=5)


@pytest.fixture
def sink(store: Path) -> LineSink:
    store.mkdir()
    return LineSink(store / "sink.jsonl")


def test_sink_receives_what_the_record_holds(store: Path, sink: LineSink):
    with open_run(store, sink) as run:
        log_all_kinds(run)
        run.log({"loss": "no number"})

    calls = [(entry["step"], repr(entry["values"])) for entry in sink.events("points")]
    assert calls == [(3, "{'loss': 1.0, 'note': nan}"), (4, "{'loss': 1.0}")]
    entries, _ = media.read(run.folder)
    assert [(entry["seq"], entry["name"], entry["content"]) for entry in sink.events("media")] == [
        (entry.seq, entry.name, entry.content) for entry in entries
    ]
    assert [entry["png"] for entry in sink.events("media")] == [None, "PNG"]


def test_sink_is_opened_first_and_closed_last_with_the_end(store: Path, sink: LineSink):
    with open_run(store, sink) as run:
        log_all_kinds(run)
        run.flush()
        run.log({"loss": 2.0})
    names = [name for name, _ in sink.lines()]
    assert (names[0], names[-1]) == ("open", "close")
    assert (names.count("open"), names.count("close")) == (1, 1)
    assert [entry["state"] for entry in sink.events("document")][-1] == "finished"


def test_sink_is_called_on_the_store_thread_only(store: Path, sink: LineSink):
    with open_run(store, sink) as run:
        log_all_kinds(run)
    assert sink.threads == {f"runfolio-store-{run.id}"}


def test_sink_receives_no_secrets(store: Path, sink: LineSink):
    with open_run(store, sink) as run:
        run.config["api_key"] = "sk-1234567890abcdef"
    assert "sk-1234567890abcdef" not in sink.path.read_text()


def test_last_steps_of_a_resumed_run_are_those_it_keeps(store: Path, sink: LineSink):
    with open_run(store) as run:
        log_all_kinds(run)
        run.log({"loss": 9.0}, step=90)

    with resume_run(run.folder, 4, sink) as run:
        run.log({"loss": 3.0}, step=5)

    (opened,) = sink.events("open")
    assert opened["attempts"] == 2
    assert opened["last_steps"] == {"loss": 4, "note": 3, "words": 4, "picture": 5}
    assert [entry["step"] for entry in sink.events("points")] == [5]


def test_last_steps_of_a_new_run_are_empty(store: Path, sink: LineSink):
    open_run(store, sink).finish()
    assert sink.events("open") == [{"attempts": 1, "last_steps": {}, "config": {}}]


def test_points_from_the_spool_are_reported_as_lost(store: Path, sink: LineSink):
    run = open_run(store, sink)
    away = run.folder.with_name("away")
    run.flush()
    run.folder.rename(away)
    while run.recorder.store_writer.unavailable_s < 2 * QUICK.patience_s:
        threading.Event().wait(0.01)
    run.log({"loss": 1.0})
    run.flush()
    away.rename(run.folder)
    while not run.flush():
        threading.Event().wait(0.01)
    run.finish()
    assert sink.events("lost") == [{"reason": "points from the spool were not passed on"}]
    assert PointFiles(run.folder).read("loss").values.tolist() == [1.0]


@pytest.mark.parametrize("methods", [METHODS, *((method,) for method in METHODS if method != "lost")])
def test_failing_sink_causes_one_warning(
    store: Path, sink: LineSink, caplog: pytest.LogCaptureFixture, methods: tuple[str, ...]
):
    broken = BrokenSink(*methods)
    with open_run(store, broken, sink) as run:
        log_all_kinds(run)
        assert run.flush()
        run.log({"loss": 2.0})

    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "BrokenSink failed and receives nothing more; the record is complete without it" in caplog.text
    assert PointFiles(run.folder).read("loss").steps.tolist() == [3, 4, 5]
    assert RunDocument.read(run.folder).status.state == "finished"
    assert len(sink.events("points")) == 3  # the other sink has everything
    assert broken.calls.count("close") == 1
    assert broken.calls[-1] == "close"


def test_sink_that_explains_its_end_is_quoted(store: Path, caplog: pytest.LogCaptureFixture):
    with open_run(store, BrokenSink("points", error=StoreError("the server has no room for more"))) as run:
        run.log({"loss": 1.0})
    assert caplog.messages == [f"run {run.id}: the server has no room for more"]

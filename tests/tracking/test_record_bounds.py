"""Writers refuse values that are too large for readers: one warning, a count, and training continues."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import runfolio
from runfolio import Run
from runfolio.record.base import file_bounds
from runfolio.record.base.run_document import RunDocument
from runfolio.record.content import media
from runfolio.record.points.reader import PointFiles
from runfolio.tracking.pipeline import run_folder_writer

RECORDING = runfolio.RecordingConfig(console=False, system_s=0, code=False)


@pytest.fixture
def run(store: Path) -> Iterator[Run]:
    with runfolio.init("net", store=store, recording=RECORDING) as run:
        yield run


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_log_call_larger_than_a_line_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch, caplog):
    monkeypatch.setattr(file_bounds, "JSON_LINE", 50_000)
    values = {f"m{index}": 0.5 for index in range(5000)}
    for _ in range(3):
        run.log(values)
        run.log({"loss": 1.0})
    assert run.flush()

    (warning,) = warnings(caplog)
    assert "a call with 5,000 values takes" in warning
    assert "the limit is 50,000; use several calls" in warning
    assert RunDocument.read(run.folder).refused == {"(log)": 3}
    files = PointFiles(run.folder)
    assert files.names() == ["loss"]
    assert (len(files.read("loss").steps), files.problems) == (3, [])


def test_text_larger_than_a_line_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch, caplog):
    monkeypatch.setattr(file_bounds, "JSON_LINE", 1000)
    for text in ("short", "x" * 1000, "x" * 1001):
        run.log_text("words", text)
    assert run.flush()

    (warning,) = warnings(caplog)
    assert "the limit is 1,000; store it as an artifact" in warning
    assert RunDocument.read(run.folder).refused == {"words": 2}
    entries, problems = media.read(run.folder)
    assert ([entry.content["text"] for entry in entries], problems) == (["short"], [])


def test_picture_larger_than_any_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch, caplog):
    monkeypatch.setattr(file_bounds, "MEDIUM", 1000)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    for picture in (noise, np.zeros((64, 64), np.uint8), noise):
        run.log_image("sample", picture)
    assert run.flush()

    (warning,) = warnings(caplog)
    assert "the limit is 1,000" in warning
    assert RunDocument.read(run.folder).refused == {"sample": 2}
    assert len(list((run.folder / "media" / "files").iterdir())) == len(media.read(run.folder)[0]) == 1


def test_full_list_of_media_is_followed_by_another(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(run_folder_writer, "_MEDIA_BYTES", 1000)
    texts = [f"{index} " + "x" * 400 for index in range(12)]
    for text in texts:
        run.log_text("words", text)
    assert run.flush()

    lists = list((run.folder / "media").glob("*.jsonl"))
    assert len(lists) == 6
    assert max(path.stat().st_size for path in lists) < 2000
    entries, problems = media.read(run.folder)
    assert ([entry.content["text"] for entry in entries], problems) == (texts, [])


def test_document_larger_than_any_stays_as_it_was(store: Path, monkeypatch: pytest.MonkeyPatch, caplog):
    with runfolio.init("net", store=store, recording=RECORDING) as run:
        run.log({"loss": 1.0})
        assert run.flush()
        before = len((run.folder / "run.json").read_bytes())
        monkeypatch.setattr(file_bounds, "JSON_DOCUMENT", before + 10_000)
        run.config["text"] = "x" * 20_000
        run.log({"loss": 2.0})
        run.flush()
        assert "text" not in RunDocument.read(run.folder).config
        del run.config["text"]
        run.log({"loss": 3.0})
        assert run.flush()

    assert len([warning for warning in warnings(caplog) if "it would hold more than" in warning]) == 1
    assert RunDocument.read(run.folder).status.state == "finished"
    assert PointFiles(run.folder).read("loss").values.tolist() == [1.0, 2.0, 3.0]


def test_checkpoint_larger_than_any_keeps_the_one_before(store: Path, monkeypatch: pytest.MonkeyPatch, caplog):
    with runfolio.init("net", store=store, recording=RECORDING) as run:
        run.checkpoint(step=0, counter={"text": "a"})
    before = (run.folder / "checkpoints" / "last.json").read_bytes()
    monkeypatch.setattr(file_bounds, "JSON_DOCUMENT", 100_000)
    with runfolio.resume(run, checkpoint=None, store=store, recording=RECORDING) as resumed:
        resumed.checkpoint(step=1, counter={"text": "x" * 200_000})
        resumed.log({"loss": 1.0})

    assert (run.folder / "checkpoints" / "last.json").read_bytes() == before
    assert [warning for warning in warnings(caplog) if "it would hold more than 100,000 bytes" in warning]
    assert RunDocument.read(run.folder).status.state == "finished"
    assert PointFiles(run.folder).names() == ["loss"]

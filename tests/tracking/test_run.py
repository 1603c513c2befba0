"""Runs record values exactly, and never block training."""

from __future__ import annotations

import argparse
import contextlib
import copy
import json
import math
import os
import pickle
import shutil
import threading
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import omegaconf
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

import runfolio
from runfolio.errors import ConfigError, StoreError
from runfolio.record.base import files
from runfolio.record.base.run_document import Attempt, RunDocument, now
from runfolio.record.content import artifacts, media
from runfolio.record.points.reader import PointFiles
from runfolio.tracking.monitors.monitor import MonitoredRun
from runfolio.tracking.pipeline.queue_items import Scalars
from runfolio.tracking.recorder import Recorder
from runfolio.tracking.run import Run


@pytest.fixture
def run(store: Path):
    with runfolio.init("net", experiment="demo", store=store) as run:
        yield run


def values(run: Run, metric: str) -> list[float]:
    run.flush()
    return PointFiles(run.folder).read(metric).values.tolist()


def steps(run: Run, metric: str) -> list[int]:
    run.flush()
    return PointFiles(run.folder).read(metric).steps.tolist()


def test_flushed_point_is_in_the_file(run: Run):
    run.log({"loss": 0.5, "acc": 0.25}, step=7)
    assert run.flush()
    assert (values(run, "loss"), steps(run, "acc")) == ([0.5], [7])


def test_point_reaches_the_file_within_the_flush_interval(store: Path):
    with runfolio.init(store=store, recording=runfolio.RecordingConfig(flush_s=0.05)) as run:
        run.log({"loss": 1.0})
        written = threading.Event()
        for _ in range(100):
            if PointFiles(run.folder).names() == ["loss"]:
                break
            written.wait(0.02)
        assert PointFiles(run.folder).read("loss").values.tolist() == [1.0]


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (1, 1.0),
        (True, 1.0),
        (-0.0, -0.0),
        (5e-324, 5e-324),
        (1.7976931348623157e308, 1.7976931348623157e308),
        (2**53, 2.0**53),
        (Decimal("0.1"), 0.1),
        (Fraction(1, 3), 1 / 3),
        (np.float32(0.1), float(np.float32(0.1))),
        (np.int8(-3), -3.0),
        (np.array([2.5]), 2.5),
        (torch.tensor(0.25), 0.25),
        (torch.tensor([[3]]), 3.0),
        (torch.tensor(0.1, dtype=torch.bfloat16), float(torch.tensor(0.1, dtype=torch.bfloat16))),
        (torch.tensor(2.0, requires_grad=True), 2.0),
        (math.inf, math.inf),
        (-math.inf, -math.inf),
    ],
)
def test_numbers_of_every_kind_are_stored_exactly(run: Run, given: object, stored: float):
    run.log({"x": given})
    (value_read,) = values(run, "x")
    assert (value_read, math.copysign(1, value_read)) == (stored, math.copysign(1, stored))


def test_nan_is_stored_as_a_value(run: Run):
    run.log({"x": math.nan})
    assert [math.isnan(value) for value in values(run, "x")] == [True]


@pytest.mark.parametrize(
    "bad",
    ["0.5", None, 1j, [1, 2], np.zeros(3), torch.zeros(2), 2**53 + 1, 10**400, object()],
    ids=lambda bad: type(bad).__name__,
)
def test_non_numeric_value_is_skipped_and_reported_once(run: Run, bad: object, caplog: pytest.LogCaptureFixture):
    for _ in range(3):
        run.log({"bad": bad, "good": 1.0})
    assert values(run, "good") == [1.0, 1.0, 1.0]
    assert PointFiles(run.folder).names() == ["good"]
    (record,) = caplog.records
    assert "metric 'bad'" in record.getMessage()
    assert "was not stored" in record.getMessage()


def test_later_change_of_a_tensor_does_not_affect_the_record(run: Run):
    total = torch.tensor(1.0)
    run.log({"total": total, "several": {"inner": total}})
    total += 41
    assert values(run, "total") == [1.0]
    assert values(run, "several/inner") == [1.0]


def test_dict_of_values_can_be_reused(run: Run):
    metrics = {"loss": 1.0}
    run.log(metrics)
    metrics["loss"] = 2.0
    run.log(metrics)
    assert values(run, "loss") == [1.0, 2.0]


def test_nested_dicts_become_slashes(run: Run):
    run.log({"train": {"loss": 1.0, "parts": {"kl": 2.0}}})
    run.flush()
    assert PointFiles(run.folder).names() == ["train/loss", "train/parts/kl"]


def test_steps_can_be_counted_given_repeated_or_decreased(run: Run):
    for step in (None, None, 10, None, 3, 3, -5, 2**40, np.int64(7), torch.tensor(8), 9.0):
        run.log({"x": 0.0}, step=step)  # type: ignore[arg-type] - more kinds of number than the signature promises
    assert steps(run, "x") == [0, 1, 10, 11, 3, 3, -5, 2**40, 7, 8, 9]


def test_invalid_step_is_reported_and_replaced(run: Run, caplog: pytest.LogCaptureFixture):
    run.log({"x": 0.0}, step="three")  # type: ignore[arg-type]
    run.log({"x": 0.0}, step=2**70)
    assert steps(run, "x") == [0, 1]
    assert "step 'three' is not an integer" in caplog.text


@pytest.mark.parametrize(
    "name", ["é/ü", "a" * 1000, "emoji 🙂", "__proto__", "null", "a\nb", '"; DROP TABLE runs', "nan"]
)
def test_any_text_is_a_metric_name(run: Run, name: str):
    run.log({name: 1.0})
    assert values(run, name) == [1.0]


@pytest.mark.parametrize("name", ["", "  ", "a" * 1001, "\ud800"])
def test_unsupported_names_are_reported(run: Run, name: str, caplog: pytest.LogCaptureFixture):
    run.log({name: 1.0, "good": 1.0})
    assert values(run, "good") == [1.0]
    assert "has a name that is" in caplog.text


def test_log_accepts_only_a_dict(run: Run, caplog: pytest.LogCaptureFixture):
    run.log(0.5)  # type: ignore[arg-type]
    run.flush()
    assert "log takes a dict of metric names and values, not a float" in caplog.text


def test_threads_can_log_at_once(run: Run):
    def work(name: str) -> None:
        for n in range(500):
            run.log({name: n}, step=n)

    threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n in range(4):
        assert values(run, f"t{n}") == list(range(500))


@dataclass
class Inner:
    heads: int = 4


@dataclass
class Net:
    lr: float = 1e-3
    inner: Inner = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("config", "recorded"),
    [
        ({"lr": 1e-3, "sizes": (1, 2)}, {"lr": 1e-3, "sizes": [1, 2]}),
        (argparse.Namespace(lr=1e-3, data=Path("a/b")), {"lr": 1e-3, "data": "a/b"}),
        (Net(inner=Inner()), {"lr": 1e-3, "inner": {"heads": 4}}),
        (omegaconf.OmegaConf.create({"lr": 1e-3, "twice": "${lr}"}), {"lr": 1e-3, "twice": 1e-3}),
        (
            {"device": torch.device("cpu"), "dtype": torch.float16, "n": np.int64(3)},
            {"device": "cpu", "dtype": "torch.float16", "n": 3},
        ),
        ({"big": 10**30, "tags": {"b", "a"}}, {"big": str(10**30), "tags": ["a", "b"]}),
        (None, {}),
    ],
)
def test_configs_of_every_kind_are_recorded(store: Path, config: object, recorded: dict):
    with runfolio.init(store=store, config=config) as run:
        pass
    assert RunDocument.read(run.folder).config == recorded


def test_invalid_config_is_refused_before_writing(store: Path):
    with pytest.raises(ConfigError, match="config is a int; pass a dict"):
        runfolio.init(store=store, config=3)
    assert not store.exists()


def test_config_summary_tags_and_notes_can_be_set_while_it_runs(store: Path):
    with runfolio.init("net", store=store, tags=["one"], notes="first try") as run:
        run.config["lr"] = 0.1
        run.config.update(batch=32)
        run.summary["test/acc"] = np.float64(0.5)
        run.tags = [*run.tags, "two"]
        run.notes = "better"
        run.flush()
        live = RunDocument.read(run.folder)
    for document in (live, RunDocument.read(run.folder)):
        assert document.config == {"lr": 0.1, "batch": 32}
        assert document.summary == {"test/acc": 0.5}
        assert (document.tags, document.notes) == (["one", "two"], "better")


def test_config_and_summary_can_be_serialized_as_dicts(store: Path):
    with runfolio.init(store=store, config={"net": {"depth": 3}, "lr": 0.1}) as run:
        run.config["net"]["depth"] = 4
        run.config |= {"more": {"a": 1}}
        run.config["more"].update(b=2)
        run.config["net"].setdefault("width", 8)
        assert run.config.pop("lr") == 0.1
        expected = {"net": {"depth": 4, "width": 8}, "more": {"a": 1, "b": 2}}
        assert json.loads(json.dumps(run.config)) == run.config == expected
        assert (dict(run.config), {**run.config}, repr(run.config)) == (expected, expected, repr(expected))
        for copied in (copy.deepcopy(run.config), pickle.loads(pickle.dumps(run.config))):
            assert (type(copied), type(copied["net"]), copied) == (dict, dict, expected)
        run.flush()
        assert RunDocument.read(run.folder).config == expected
    assert RunDocument.read(run.folder).config == expected


def test_environment_of_the_run_is_recorded(store: Path):
    with runfolio.init(store=store) as run:
        pass
    document = RunDocument.read(run.folder)
    assert document.code["command"]
    assert document.code["folder"] == str(Path.cwd())
    assert document.environment["packages"]["torch"].startswith("2.")
    assert document.environment["host"]
    assert document.seeds["torch"] == torch.initial_seed()


def test_media_round_trip(run: Run):
    photo = np.zeros((4, 6, 3), dtype=np.uint8)
    photo[0, 0] = 200
    figure = Figure(figsize=(1, 1))
    figure.subplots().plot([1, 2])
    run.log({"loss": 1.0}, step=5)
    run.log_image("photo", photo, caption="a corner")
    photo[:] = 0
    run.log_image("tensor", torch.ones(1, 4, 6), step=6)
    run.log_image("pillow", Image.new("CMYK", (3, 3)))
    run.log_figure("curve", figure)
    run.log_text("note", "hello\nworld")
    run.log_histogram("weights", torch.tensor([1.0, 2.0, 2.0, math.nan, math.inf]))
    run.flush()

    entries, problems = media.read(run.folder)

    assert problems == []
    assert [(entry.kind, entry.name, entry.step) for entry in entries] == [
        ("image", "photo", 5),
        ("image", "tensor", 6),
        ("image", "pillow", 5),
        ("figure", "curve", 5),
        ("text", "note", 5),
        ("histogram", "weights", 5),
    ]
    with Image.open(entries[0].path) as stored:  # type: ignore[arg-type]
        assert (stored.size, stored.getpixel((0, 0))) == ((6, 4), (200, 200, 200))
    with Image.open(entries[1].path) as stored:  # type: ignore[arg-type]
        assert (stored.size, stored.getpixel((0, 0))) == ((6, 4), 255)
    assert entries[0].content["caption"] == "a corner"
    assert entries[4].content["text"] == "hello\nworld"
    histogram = entries[5].content
    assert (sum(histogram["counts"]), histogram["nan"], histogram["inf"]) == (3, 1, 1)
    assert (histogram["min"], histogram["max"], len(histogram["edges"])) == (1.0, 2.0, 65)


@pytest.mark.parametrize(
    "image",
    [np.zeros((2, 2, 2, 2)), np.zeros((0, 3)), b"no image", b"\x89PNG\r\n\x1a\n" + b"cut off"],
    ids=lambda image: f"{type(image).__name__} {getattr(image, 'shape', '')}",
)
def test_invalid_image_is_reported_and_training_continues(run: Run, image: object, caplog: pytest.LogCaptureFixture):
    run.log_image("odd", image)
    run.log({"loss": 1.0})
    assert values(run, "loss") == [1.0]
    assert "image 'odd' was not stored" in caplog.text


def test_artifact_is_a_copy_with_digests(run: Run, tmp_path: Path):
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "a.csv").write_text("x")
    artifact = run.artifact(tmp_path / "report", type="report")
    (tmp_path / "report" / "a.csv").write_text("changed")
    assert artifact is not None
    assert (artifact / "a.csv").read_text() == "x"


def test_logging_to_an_ended_run_is_reported_once(run: Run, caplog: pytest.LogCaptureFixture):
    run.finish()
    run.finish()
    run.log({"x": 1.0})
    run.log({"x": 1.0})
    assert caplog.text.count("has ended and records nothing more") == 1


def test_store_can_be_set_in_three_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with runfolio.init("a") as run:
        assert run.folder.parent == tmp_path / "runs" / "default"
    monkeypatch.setenv("RUNFOLIO_STORE", str(tmp_path / "elsewhere"))
    with runfolio.init("a") as run:
        assert run.folder.parent == tmp_path / "elsewhere" / "default"
    with runfolio.init("a", store=tmp_path / "third", experiment="../odd name") as run:
        assert run.folder.parent == tmp_path / "third" / "odd-name"
        assert run.experiment == "../odd name"


def test_store_that_cannot_be_written_gives_one_clear_error(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot write to the store .*file .*; choose a different store with store="):
        runfolio.init(store=tmp_path / "file")


def test_training_survives_a_store_outage_without_losing_points(store: Path, caplog: pytest.LogCaptureFixture):
    with runfolio.init(store=store) as run:
        metrics = run.folder / "metrics"
        metrics.rename(run.folder / "away")
        run.log({"loss": 1.0})
        assert not run.flush()
        run.log({"loss": 2.0})
        assert not run.flush()
        (run.folder / "away").rename(metrics)
        run.log({"loss": 3.0})
        assert values(run, "loss") == [1.0, 2.0, 3.0]
    assert caplog.text.count("cannot write") == 1
    assert caplog.text.count("can be written again; nothing was lost") == 1


def test_long_tail_is_sealed_during_the_run(store: Path):
    with runfolio.init(store=store, recording=runfolio.RecordingConfig(seal_bytes=2000)) as run:
        for step in range(200):
            run.log({"loss": 1 / (step + 1)})
            if step % 50 == 49:
                run.flush()
        for _ in range(200):
            if len(list((run.folder / "metrics").glob("segment-*.parquet"))) == 4:
                break
            threading.Event().wait(0.05)
        assert values(run, "loss") == [1 / n for n in range(1, 201)]
    files = PointFiles(run.folder)
    assert files.read("loss").values.tolist() == [1 / n for n in range(1, 201)]
    assert files.problems == []


class Unwilling:
    def __float__(self) -> float:
        raise KeyError("mine")


def test_failing_value_affects_only_itself(run: Run, caplog: pytest.LogCaptureFixture):
    itself: dict = {}
    itself["itself"] = itself
    run.log({"bad": Unwilling(), "good": 1.0})
    run.log(itself)
    run.log_text("odd \ud800", "\ud800")
    run.log({"good": 2.0})
    assert values(run, "good") == [1.0, 2.0]
    assert media.read(run.folder)[0][0].content == {"text": "\\ud800"}
    assert "metric 'bad' is not one number but Unwilling" in caplog.text


def test_later_change_of_an_array_does_not_affect_the_record(run: Run):
    total = np.zeros(())
    run.log({"total": total})
    total += 41
    assert values(run, "total") == [0.0]


def test_media_are_stored_once_despite_a_store_failure(run: Run):
    folder = run.folder / "media"
    folder.rename(run.folder / "away")
    run.log_text("note", "hello")
    assert not run.flush()
    assert not run.flush()
    (run.folder / "away").rename(folder)
    assert run.flush()
    assert [entry.seq for entry in media.read(run.folder)[0]] == [1]


def test_deleted_run_folder_is_reported_once(store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    with runfolio.init(store=store, recording=runfolio.RecordingConfig(flush_s=0.02, heartbeat_s=0.02)) as run:
        run.log({"loss": 1.0})
        run.flush()
        run.folder.rename(tmp_path / "gone")  # in one step, since the run writes into it
        threading.Event().wait(0.3)
        run.log({"loss": 1.0})
    assert caplog.text.count("was deleted or moved") == 1
    assert "nothing was lost" not in caplog.text


def test_summary_can_grow_while_it_is_saved(run: Run):
    done = threading.Event()

    def grow() -> None:
        for n in range(20_000):
            run.summary[f"k{n % 400}"] = n
            run.summary.pop(f"k{(n + 200) % 400}", None)
        done.set()

    thread = threading.Thread(target=grow)
    thread.start()
    while not done.is_set():
        assert run.flush()
    thread.join()


def test_copy_of_the_config_is_a_plain_dict(store: Path):
    with runfolio.init("net", store=store, config={"optimizer": {"lr": 0.1}}) as run:
        copies = [copy.deepcopy(run.config), pickle.loads(pickle.dumps(run.config))]
        run.config["optimizer"]["lr"] = 0.5
    assert copies == [{"optimizer": {"lr": 0.1}}] * 2
    assert [type(copied) for copied in copies] == [dict, dict]


def test_nested_setting_that_is_changed_is_saved(run: Run):
    run.config["optimizer"] = {"lr": 0.1}
    run.config["optimizer"]["lr"] = np.float32(0.5)
    run.flush()
    assert RunDocument.read(run.folder).config == {"optimizer": {"lr": 0.5}}


def test_odd_settings_are_recorded(store: Path):
    with runfolio.init(store=store, config={"x": np.longdouble(1), "y": np.complex64(1)}, tags="one") as run:
        assert run.tags == ["one"]
    assert RunDocument.read(run.folder).config == {"x": "1.0", "y": "(1+0j)"}


def test_folder_that_contains_the_run_is_refused_as_an_artifact(
    run: Run, store: Path, caplog: pytest.LogCaptureFixture
):
    assert run.artifact(store.parent, name="all") is None
    run.flush()
    assert "contains this run's own record" in caplog.text


def test_artifacts_named_like_a_manifest_are_separate(run: Run, tmp_path: Path):
    (tmp_path / "f").write_text("x")
    for name in ("a.json", "a"):
        assert run.artifact(tmp_path / "f", name=name)
    assert [str(artifacts.find(run.folder, name)) for name in ("a.json", "a")] == [
        str(run.folder / "artifacts" / "a.json.2"),
        str(run.folder / "artifacts" / "a"),
    ]


def test_second_artifact_of_one_name_replaces_the_first(run: Run, tmp_path: Path):
    folder = tmp_path / "best"
    for content in ("first", "second", "third"):
        folder.mkdir()
        (folder / f"{content}.txt").write_text(content)
        target = run.artifact(folder)
        shutil.rmtree(folder)
        assert target is not None
        assert [path.name for path in target.iterdir()] == [f"{content}.txt"]
    entries = sorted(path.name for path in (run.folder / "artifacts").iterdir())
    assert entries == ["best", "best.json"]
    manifest = json.loads((run.folder / "artifacts" / "best.json").read_text())
    (entry,) = manifest["files"]
    assert files.sha256(run.folder / "artifacts" / manifest["folder"] / entry["file"]) == entry["sha256"]


def test_failed_copy_of_an_artifact_keeps_the_earlier_one(run: Run, tmp_path: Path):
    (tmp_path / "f").write_text("x")
    target = run.artifact(tmp_path / "f")
    assert target is not None
    (tmp_path / "f").unlink()
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "broken").symlink_to("nowhere")
    assert run.artifact(tmp_path / "f") is None
    assert str(artifacts.find(run.folder, "f")) == str(target)
    assert (target / "f").read_text() == "x"


@pytest.mark.parametrize("error", [OSError("disk"), KeyboardInterrupt()])
def test_artifact_with_an_unsynced_manifest_is_intact(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
):
    """The manifest was renamed when syncing the folder fails, or Ctrl-C arrives."""
    (tmp_path / "f").write_text("x")
    sync = os.fsync

    def fail_for_the_folder(descriptor: int) -> None:
        sync(descriptor)
        if Path(f"/proc/self/fd/{descriptor}").resolve().name == "artifacts":
            raise error

    monkeypatch.setattr(os, "fsync", fail_for_the_folder)
    for _ in range(2):
        with contextlib.suppress(KeyboardInterrupt):
            assert run.artifact(tmp_path / "f") is None
        kept = artifacts.find(run.folder, "f")
        assert kept is not None
        assert (kept.path / "f").read_text() == "x"


def test_interrupted_copy_of_an_artifact_leaves_no_folder(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "f").write_text("x")
    monkeypatch.setattr(files, "sha256", lambda path: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run.artifact(tmp_path / "f")
    assert not [*(run.folder / "artifacts").iterdir()]


def test_logging_while_a_run_ends_is_reported(store: Path, caplog: pytest.LogCaptureFixture):
    run = runfolio.init(store=store)
    stop = threading.Event()
    logged = []

    def work() -> None:
        while not stop.is_set():
            logged.append(run.log({"x": len(logged)}))
            stop.wait(0.0005)

    thread = threading.Thread(target=work)
    thread.start()
    while len(logged) < 10:
        stop.wait(0.001)
    run.finish()
    stop.wait(0.01)
    stop.set()
    thread.join()
    stored = PointFiles(run.folder).read("x").values.tolist()
    assert stored == list(range(len(stored)))
    assert caplog.text.count("has ended and records nothing more") == 1


@pytest.mark.parametrize(("body", "sealed"), [("pass", 0), ("run.log({'loss': 1.0})", 1)])
def test_only_a_run_with_points_starts_a_sealing_process(store, fresh_python, body, sealed):
    script = f"""
import sys, runfolio
started = []
sys.addaudithook(lambda event, about: started.append(about) if event == "subprocess.Popen" else None)
def say():  # called last: the run is ended by an exit handler of its own
    print(sum("runfolio.record.points.compaction" in map(str, about[1]) for about in started))
import atexit; atexit.register(say)
run = runfolio.init("net", store=sys.argv[1], recording=runfolio.RecordingConfig(code=False))
{body}
"""
    done = fresh_python(script, store)
    assert (done.stdout, done.stderr) == (f"{sealed}\n", "")


class Load:
    """Monitor that records at its start and its end."""

    def start(self, run: MonitoredRun) -> None:
        self.run = run
        run.record(Scalars(run.now(), None, {"load": 0.0}))

    def stop(self, ending: str) -> None:
        self.run.record(Scalars(self.run.now(), None, {"load": 1.0}))


class Broken:
    def start(self, run: MonitoredRun) -> None:
        raise OSError("no such sensor")

    def stop(self, ending: str) -> None:
        raise AssertionError("it never began")


def test_monitors_record_the_whole_run_and_a_failing_one_is_harmless(store, caplog):
    folder = store / "it-0"
    folder.mkdir(parents=True)
    document = RunDocument("abcd0000", "it", "e", now(), attempts=[Attempt(1, None, {}, "w1", now())])
    run = Run(Recorder(folder, document, runfolio.RecordingConfig(), -1))
    run.recorder.start([Load(), Broken()])
    run.log({"loss": 2.0})
    run.finish()

    assert "broken is not recorded (no such sensor)" in caplog.text
    read = runfolio.open(store).run(folder)
    assert read.metric("load").values.tolist() == [0.0, 1.0]
    assert read.metric("loss").values.tolist() == [2.0]

"""TensorBoard shows the content of records written with `tensorboard=True`, under the names of the run folders."""

from __future__ import annotations

import json
import math
import os
import re
import resource
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import runfolio
from runfolio.events.event_reader import read_events
from runfolio.events.rebuild import make_event_files
from runfolio.record.base.layout import event_files
from runfolio.record.base.run_document import RunDocument


def scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    """Return the content of a run according to TensorBoard's own reader."""
    reader = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    reader.Reload()
    return [(event.step, event.value) for event in reader.Scalars(tag)]


@pytest.fixture
def run(store: Path) -> Iterator[runfolio.Run]:
    with runfolio.init("net", experiment="demo", store=store, tensorboard=True) as run:
        yield run


def test_run_folder_has_one_event_file(run: runfolio.Run):
    run.log({"loss": 1.0})
    run.flush()
    (path,) = event_files(run.folder).values()
    writer = RunDocument.read(run.folder).attempts[-1].writer
    assert re.fullmatch(rf"events\.out\.tfevents\.\d{{10}}\..+\.\d+\.{writer}", path.name)


def test_run_without_tensorboard_has_no_event_file(store: Path):
    with runfolio.init("net", store=store) as run:
        run.log({"loss": 1.0})
    assert event_files(run.folder) == {}


def test_flushed_point_is_in_the_event_file_with_its_step_and_time(run: runfolio.Run):
    for step, value in enumerate((1.0, math.nan, math.inf, -0.25)):
        run.log({"loss": value}, step=step * 10)
    run.flush()

    assert repr(scalars(run.folder, "loss")) == "[(0, 1.0), (10, nan), (20, inf), (30, -0.25)]"
    reader = EventAccumulator(str(run.folder))
    reader.Reload()
    times = [event.wall_time for event in reader.Scalars("loss")]
    assert times == runfolio.open(run.folder.parents[1]).run(run.id).metric("loss").times.tolist()


def test_numbers_beyond_32_bits_are_infinite_only_in_the_event_file(run: runfolio.Run, store: Path):
    run.log({"huge": 1e300})
    run.finish()
    assert scalars(run.folder, "huge") == [(0, math.inf)]
    assert runfolio.open(store).run(run.id).metric("huge").values.tolist() == [1e300]


def test_only_runs_with_config_are_in_the_hparams_tab(store: Path):
    tags = []
    for config in ({}, {"lr": 0.1}):
        with runfolio.init("net", store=store, tensorboard=True, config=config) as run:
            run.log({"loss": 1.0})
        tags.append(EventAccumulator(str(run.folder)).Reload().Tags()["tensors"])

    assert tags == [[], ["_hparams_/session_start_info", "_hparams_/session_end_info"]]


def test_equal_numbers_are_a_bin_without_width(run: runfolio.Run):
    run.log_histogram("bias", np.full(62, 0.25))
    run.flush()
    (event,) = EventAccumulator(str(run.folder)).Reload().Tensors("bias")
    assert np.frombuffer(event.tensor_proto.tensor_content).tolist() == [0.25, 0.25, 62]


def test_media_before_the_first_point_have_its_step(run: runfolio.Run):
    run.log_text("plan", "at first")
    run.log({"loss": 1.0})
    run.flush()
    (event,) = EventAccumulator(str(run.folder)).Reload().Tensors("plan")
    assert (event.step, scalars(run.folder, "loss")) == (0, [(0, 1.0)])


def resumed(store: Path, run: runfolio.Run) -> runfolio.Run:
    return runfolio.init(resume=run.folder, store=store)


class TestResumed:
    """TensorBoard shows the newest branch, although it does not know branches."""

    @pytest.fixture
    def abandoned(self, store: Path) -> runfolio.Run:
        """Record ten batches and two epochs, a checkpoint, then three batches and one epoch that are abandoned."""
        with runfolio.init("net", store=store, tensorboard=True, config={"lr": 0.1}) as run:
            for batch in range(10):
                run.log({"batch/loss": 1.0}, step=batch)
            run.log({"epoch/loss": 1.0}, step=0)
            run.log({"epoch/loss": 1.0}, step=1)
            run.log_text("note", "kept", step=1)
            run.checkpoint(step=1, weights=torch.zeros(1))
            for batch in range(10, 13):
                run.log({"batch/loss": -1.0}, step=batch)
            run.log({"epoch/loss": -1.0}, step=2)
            run.log_text("note", "abandoned", step=2)
            run.finish("interrupted")
        return run

    def test_only_the_newest_branch_is_shown(self, store: Path, abandoned: runfolio.Run):
        with resumed(store, abandoned) as run:  # not requested again, but the run has event files
            run.log({"batch/loss": 2.0}, step=10)

        assert scalars(run.folder, "batch/loss") == [*((batch, 1.0) for batch in range(10)), (10, 2.0)]
        assert scalars(run.folder, "epoch/loss") == [(0, 1.0), (1, 1.0)]
        notes = EventAccumulator(str(run.folder)).Reload().Tensors("note")
        assert [event.tensor_proto.string_val[0] for event in notes] == [b"kept"]

    def test_end_and_hyperparameters_are_those_of_the_newest_attempt(self, store: Path, abandoned: runfolio.Run):
        with resumed(store, abandoned) as run:
            run.config["lr"] = 0.2
        with tensorboard(store) as ask:
            (group,) = ask_hparams(ask)["sessionGroups"]

        assert group["hparams"] == {"lr": 0.2}
        assert [session["status"] for session in group["sessions"]] == ["STATUS_SUCCESS"]

    def test_event_files_of_quick_successive_attempts_sort_in_order(self, store: Path, abandoned: runfolio.Run):
        for _ in range(3):
            with resumed(store, abandoned) as run:
                run.log({"batch/loss": 3.0})
                run.checkpoint(weights=torch.zeros(1))

        folder = abandoned.folder
        assert list(event_files(folder)) == [attempt.writer for attempt in RunDocument.read(folder).attempts]


class TestMadeFromTheRecord:
    """The event files of a run without any can be written later."""

    def test_files_written_later_equal_those_of_the_run(self, store: Path):
        with runfolio.init("net", store=store, tensorboard=True, config={"lr": 0.1}) as run:
            log_everything(run)
        (written,) = event_files(run.folder).values()
        original = contents(written.path)
        written.unlink()

        make_event_files(run.folder)

        (made,) = event_files(run.folder).values()
        assert contents(made.path) == original

    def test_damaged_media_are_left_out(self, store: Path):
        with runfolio.init("net", store=store) as run:
            run.log_image("image", np.zeros((2, 2)), step=1)
            run.log_text("text", "here", step=1)
        next((run.folder / "media" / "files").glob("*.png")).unlink()

        make_event_files(run.folder)

        assert EventAccumulator(str(run.folder)).Reload().Tags()["images"] == []
        assert "text" in EventAccumulator(str(run.folder)).Reload().Tags()["tensors"]


class TestTrouble:
    def test_full_disk_neither_stops_training_nor_loses_points(self, store: Path):
        run = runfolio.init("net", store=store, tensorboard=True, recording=runfolio.RecordingConfig(flush_s=0.05))
        with no_file_grows_past(20_000):
            for step in range(1000):
                run.log({"loss": float(step)}, step=step)
            assert not run.flush()
        run.flush()
        run.finish()

        assert scalars(run.folder, "loss") == [(step, float(step)) for step in range(1000)]
        assert len(runfolio.open(store).run(run.id).metric("loss").values) == 1000

    def test_file_that_falls_too_far_behind_is_removed_and_rewritten_later(
        self, store: Path, caplog: pytest.LogCaptureFixture
    ):
        run = runfolio.init("net", store=store, tensorboard=True)
        noise = np.random.default_rng(0).integers(0, 256, (580, 580, 3), dtype=np.uint8)
        with no_file_grows_past(1_100_000):  # room for each image, but not for all of them in one file
            for step in range(70):
                run.log_image("noise", noise, step=step)
            assert run.flush()
        run.log({"loss": 1.0})
        run.finish()

        assert event_files(run.folder) == {}
        assert len([line for line in caplog.messages if "events.out.tfevents" in line]) == 1
        assert "`runfolio tensorboard` writes a new one from the record" in caplog.text
        make_event_files(run.folder)
        (made,) = event_files(run.folder).values()
        assert len([1 for *_, value in contents(made.path) if "tag='loss'" in value or "tag='noise'" in value]) == 71


@contextmanager
def no_file_grows_past(size: int) -> Iterator[None]:
    """Make the system refuse writes, as with a full disk, until the end."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def log_everything(run: runfolio.Run) -> None:
    generator = np.random.default_rng(0)
    for step in range(20):
        run.log({"train/loss": 1 / (step + 1), "train/acc": step / 20}, step=step)
    for step in (1, 2):
        run.log_image("image", generator.random((4, 6, 3)), step=step, caption="noise")
        run.log_histogram("weights", generator.normal(size=500), step=step)
        run.log_text("note", "it *works*", step=step)
        run.log_image("boxes", generator.random((8, 8, 3)), step=step, boxes=[[1, 1, 6, 6]])
        run.log_audio("tone", generator.random(100), 8000, step=step)
        run.log_video("film", generator.random((3, 8, 8, 3)), step=step)
        run.log_mesh("cloud", generator.random((5, 3)), step=step)
        run.log_table("table", [{"a": 1}], step=step)
    run.summary["test/acc"] = 0.75
    run.summary["train/loss"] = 0.01


def contents(path: Path) -> list[tuple[float, int, str]]:
    problems: list[str] = []
    records = [
        (round(event.wall_time, 3), event.step, repr(value))
        for event in read_events(path, problems)
        if event.summary
        for value in event.summary.value
    ]
    assert problems == []
    return sorted(records)


Ask = Callable[..., Any]


@contextmanager
def tensorboard(logdir: Path) -> Iterator[Ask]:
    """Start TensorBoard on `logdir`; `ask(path, **query)` returns the answer of its HTTP API."""
    command = [sys.executable, "-W", "ignore", "-m", "tensorboard.main", "--logdir", str(logdir), "--port", "0"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        assert server.stderr
        url = next(match[0] for line in server.stderr if (match := re.search(r"http://\S+", line)))

        def ask(path: str, body: Any = None, **query: Any) -> Any:
            request = urllib.request.Request(
                f"{url}data/{path}{'?' * bool(query)}{urlencode(query)}",
                data=None if body is None else json.dumps(body).encode(),
                headers={"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=30) as answer:
                data = answer.read()
            return json.loads(data) if answer.headers.get_content_type() == "application/json" else data

        folders = {path.parent for path in logdir.rglob("*tfevents*")}
        deadline = time.monotonic() + 20
        while len(ask("runs")) < len(folders) and time.monotonic() < deadline:
            time.sleep(0.05)
        yield ask
    finally:
        server.kill()
        server.communicate()


def ask_hparams(ask: Ask) -> dict[str, Any]:
    states = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]
    return ask(
        "plugin/hparams/session_groups",
        {"colParams": [], "startIndex": 0, "sliceSize": 100, "allowedStatuses": states},
    )


@pytest.mark.parametrize("is_rebuilt", [False, True], ids=["written", "rebuilt"])
def test_results_of_a_later_attempt_leave_the_curve(store: Path, is_rebuilt: bool):
    with runfolio.init("net", store=store, tensorboard=True) as run:
        for epoch in range(5):
            run.log({"val/acc": epoch / 10}, step=epoch)
        run.checkpoint(weights=torch.zeros(1))
        run.summary["val/acc"] = 0.4
    with resumed(store, run) as run:
        run.summary["test/acc"] = 0.3
    if is_rebuilt:
        for path in event_files(run.folder).values():
            path.unlink()
        make_event_files(run.folder)

    with tensorboard(store) as ask:
        (name,) = ask("runs")
        curve = ask("plugin/scalars/scalars", run=name, tag="val/acc")
        tags = set(ask("plugin/scalars/tags")[name])

    assert [step for _, step, _ in curve] == [0, 1, 2, 3, 4]
    assert tags == {"val/acc", "summary/val/acc", "summary/test/acc"}


def test_steps_beyond_32_bits_leave_the_hparams_tab_intact(store: Path):
    for name, step in (("wide", 2**31), ("usual", 3)):
        with runfolio.init(name, store=store, tensorboard=True, config={"lr": 0.1, "name": name}) as run:
            run.log({"loss": 0.5}, step=step - 1)
            run.log({"loss": 0.25}, step=step)
            run.summary["loss"] = 0.25

    with tensorboard(store) as ask:
        groups = ask_hparams(ask)["sessionGroups"]
        (wide,) = [name for name in ask("runs") if "wide" in name]
        steps = [step for _, step, _ in ask("plugin/scalars/scalars", run=wide, tag="loss")]
        experiment = ask("plugin/hparams/experiment", {"experimentName": ""})

    results = [{metric["name"]["tag"]: metric["value"] for metric in group["metricValues"]} for group in groups]
    assert results == [{"summary/loss": 0.25}] * 2
    assert steps == [2**31 - 1, 2**31]
    assert [info["name"] for info in experiment["hparamInfos"]] == ["lr", "name"]


JOINING = """
import sys, runfolio
run = runfolio.init("net", store=sys.argv[1])
for step in range(5):
    run.log({"loss": -1.0, "joined": step / 10}, step=step)
run.finish()
"""


def test_points_of_joined_processes_are_in_the_event_file(store: Path, caplog: pytest.LogCaptureFixture):
    joined = [(step, float(np.float32(step / 10))) for step in range(5)]
    run = runfolio.init("net", store=store, tensorboard=True)
    run.log({"loss": 1.0}, step=0)
    run.flush()
    variables = {**os.environ, "RUNFOLIO_RUN_ID": run.id}
    subprocess.run([sys.executable, "-c", JOINING, str(store)], env=variables, check=True, timeout=100)
    deadline = time.monotonic() + 20
    while "joined" not in EventAccumulator(str(run.folder)).Reload().Tags()["scalars"]:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert scalars(run.folder, "joined") == joined

    run.log({"loss": 2.0}, step=1)
    run.finish()

    assert scalars(run.folder, "joined") == joined
    assert scalars(run.folder, "loss") == [(0, 1.0), (1, 2.0)]
    assert len(event_files(run.folder)) == 1


def test_result_named_like_a_metric_keeps_its_points(run: runfolio.Run):
    for step in range(3):
        run.log({"summary/acc": step / 10}, step=step)
    run.summary["acc"] = 0.9
    run.finish()
    assert [step for step, _ in scalars(run.folder, "summary/acc")] == [0, 1, 2, 2]


def test_tensorboard_shows_the_whole_run(store: Path):
    for experiment, config in (("small", {"lr": 0.1}), ("large", {"depth": 3})):
        with runfolio.init("net", experiment=experiment, store=store, tensorboard=True, config=config) as run:
            log_everything(run)
    names = sorted(recorded.run_path for recorded in runfolio.open(store).runs())
    large = names[0]

    with tensorboard(store) as ask:
        assert sorted(ask("runs")) == names
        assert {tag for tag in ask("plugin/scalars/tags")[large] if "_hparams_" not in tag} == {
            "train/loss",
            "train/acc",
            "summary/test/acc",
            "summary/train/loss",
        }
        losses = ask("plugin/scalars/scalars", run=large, tag="train/loss")
        assert [(step, value) for _, step, value in losses] == [
            (step, float(np.float32(1 / (step + 1)))) for step in range(20)
        ]
        (histogram, _) = ask("plugin/histograms/histograms", run=large, tag="weights")
        assert sum(count for _, _, count in histogram[2]) == 500
        (picture, _) = ask("plugin/images/images", run=large, tag="image", sample=0)
        assert ask(f"plugin/images/individualImage?{picture['query']}")[1:4] == b"PNG"
        (video, _) = ask("plugin/images/images", run=large, tag="film", sample=0)
        assert ask(f"plugin/images/individualImage?{video['query']}")[8:12] == b"WEBP"
        (sound, _) = ask("plugin/audio/audio", run=large, tag="tone", sample=0)
        assert ask(f"plugin/audio/individualAudio?{sound['query']}")[8:12] == b"WAVE"
        assert ask("plugin/mesh/tags")[large] == {"cloud": {"samples": 1}}
        (note, _) = ask("plugin/text/text", run=large, tag="note")
        assert note["text"] == "<p>it <em>works</em></p>"

        groups = ask_hparams(ask)["sessionGroups"]
        assert sorted(group["sessions"][0]["name"] for group in groups) == names
        assert sorted(repr(group["hparams"]) for group in groups) == ["{'depth': 3.0}", "{'lr': 0.1}"]
        results = {metric["name"]["tag"]: metric["value"] for metric in groups[0]["metricValues"]}
        assert results["summary/test/acc"] == 0.75
        experiment = ask("plugin/hparams/experiment", {"experimentName": ""})
        assert {info["name"] for info in experiment["hparamInfos"]} == {"lr", "depth"}


def test_tensorboard_shows_the_graph_and_a_layout(store: Path):
    with runfolio.create_writer("demo", "net", store=store) as writer:
        writer.add_graph(torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU()), torch.zeros(1, 2))
        writer.add_custom_scalars({"Losses": {"both": ["Multiline", ["train/loss", "val/loss"]]}})
        writer.add_scalar("train/loss", 1.0, 0)
        writer.add_hparams({"lr": 0.1}, {"hparam/accuracy": 0.5})
    run_path = writer.run.folder.relative_to(store).as_posix()

    with tensorboard(store) as ask:
        assert ask("runs") == [run_path]  # no separate run for the hyperparameters
        assert ask("plugin/graphs/info")[run_path]["run_graph"]
        graph = ask("plugin/graphs/graph", run=run_path).decode()
        assert re.findall(r'name: "(.+)"\n\s+op: "(.+)"', graph) == [
            ("input", "Input"),
            ("0", "Linear"),
            ("1", "ReLU"),
            ("output", "Output"),
        ]
        (category,) = ask("plugin/custom_scalars/layout")["category"]
        assert category["chart"][0]["multiline"]["tag"] == ["train/loss", "val/loss"]
        (group,) = ask_hparams(ask)["sessionGroups"]
        assert group["hparams"] == {"lr": 0.1}
        results = {metric["name"]["tag"]: metric["value"] for metric in group["metricValues"]}
        assert results == {"summary/hparam/accuracy": 0.5, "train/loss": 1.0}


def test_image_is_the_same_png(run: runfolio.Run):
    run.log_image("image", np.eye(8), step=3)
    run.flush()
    (event,) = EventAccumulator(str(run.folder)).Reload().Images("image")
    (stored,) = (run.folder / "media" / "files").glob("*.png")
    assert (event.step, event.width, event.height) == (3, 8, 8)
    assert event.encoded_image_string == stored.read_bytes()


def test_load_of_the_machine_is_not_in_the_event_file(store: Path):
    recording = runfolio.RecordingConfig(system_s=0.05)
    with runfolio.init("net", store=store, tensorboard=True, recording=recording) as run:
        run.log({"loss": 1.0, "system/queue": 2.0})
        time.sleep(0.3)
    assert runfolio.open(store).run("net").system_metrics
    reader = EventAccumulator(str(run.folder))
    reader.Reload()
    assert set(reader.Tags()["scalars"]) == {"loss", "system/queue"}

"""`create_writer` gives a run the methods of SummaryWriter, with the same arguments and conventions."""

from __future__ import annotations

import inspect
import io
import json
import os
import re
import shutil
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from google.protobuf import text_format
from matplotlib import pyplot as plt
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout  # type: ignore[attr-defined]
from tensorboard.plugins.mesh.metadata import parse_plugin_metadata
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig  # type: ignore[attr-defined]
from tensorboard.util.tensor_util import make_ndarray
from torch.utils import tensorboard
from torch.utils.tensorboard import summary

import runfolio
from runfolio.events.rebuild import make_event_files
from runfolio.record.base.layout import event_files
from runfolio.record.content import artifacts
from runfolio.tensorboard.summary_writer import SummaryWriter

METHODS = [name for name, _ in inspect.getmembers(tensorboard.SummaryWriter, inspect.isfunction) if name[0] != "_"]


@pytest.fixture
def writer(store: Path):
    with runfolio.create_writer("data_10_percent", "effnetb0", "5_epochs", store=store) as writer:
        yield writer


def recorded(writer: SummaryWriter) -> runfolio.RecordedRun:
    writer.flush()
    return runfolio.open(writer.run.folder.parents[1]).run(writer.run.id)


def shown_scalars(logdir: Path) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Return the scalars that TensorBoard reads from a folder, by run and tag."""
    multiplexer = EventMultiplexer(size_guidance={"scalars": 0}).AddRunsFromDirectory(str(logdir)).Reload()
    return {
        name: {tag: [(event.step, event.value) for event in multiplexer.Scalars(name, tag)] for tag in tags["scalars"]}
        for name, tags in multiplexer.Runs().items()
    }


def shown_charts(folder: Path) -> dict[tuple[str, str], list[str]]:
    """Return the patterns of the newest layout's charts, by category and title."""
    event = EventAccumulator(str(folder)).Reload().Tensors("custom_scalars__config__")[-1]
    layout = Layout.FromString(event.tensor_proto.string_val[0])
    return {
        (category.title, chart.title): list(chart.multiline.tag)
        for category in layout.category
        for chart in category.chart
    }


def test_writer_records_a_run_that_tensorboard_shows(writer: SummaryWriter):
    writer.add_scalar("Loss/train", 0.5, 3)
    run = recorded(writer)
    assert (run.experiment, run.name) == ("data_10_percent", "effnetb0-5_epochs")
    assert writer.log_dir == writer.get_logdir() == str(run.folder)
    assert len(event_files(run.folder)) == 1


def test_extra_can_be_omitted(store: Path):
    with runfolio.create_writer("data", "net", store=store, config={"lr": 0.1}) as writer:
        assert (writer.run.name, dict(writer.run.config)) == ("net", {"lr": 0.1})


@pytest.mark.parametrize("method", METHODS)
def test_every_method_exists_with_the_same_arguments(method: str):
    ours = inspect.signature(getattr(SummaryWriter, method))
    theirs = inspect.signature(getattr(tensorboard.SummaryWriter, method))
    assert _arguments(ours) == _arguments(theirs)


def test_the_constructor_has_the_same_arguments():
    ours, theirs = inspect.signature(SummaryWriter), inspect.signature(tensorboard.SummaryWriter)
    assert _arguments(ours) == _arguments(theirs)


def _arguments(signature: inspect.Signature) -> list[tuple[str, Any]]:
    return [(name, parameter.default) for name, parameter in signature.parameters.items()]


def test_scalars_are_recorded_singly_and_in_groups(writer: SummaryWriter):
    writer.add_scalar("loss", torch.tensor(0.5), global_step=3, walltime=7.5)
    writer.add_scalars(main_tag="Accuracy", tag_scalar_dict={"train": 0.5, "test": 0.25}, global_step=4)
    for value in (1.0, 2.0):
        writer.add_scalar("own", value)
    run = recorded(writer)
    loss = run.metric("loss")
    assert (loss.steps.tolist(), loss.times.tolist(), loss.values.tolist()) == ([3], [7.5], [0.5])
    assert run.metric("Accuracy/test").steps.tolist() == [4]
    assert run.metric("own").steps.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("shape", "dataformats"),
    [((3, 4, 6), "CHW"), ((4, 6, 3), "HWC"), ((4, 6), "HW"), ((2, 3, 4, 6), "NCHW"), ((9, 4, 6, 1), "NHWC")],
)
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_images_equal_those_of_torch(
    writer: SummaryWriter, shape: tuple[int, ...], dataformats: str, kind: type, tmp_path
):
    values = np.random.default_rng(0).random(shape).astype(np.float32)
    image = (values * 255).astype(np.uint8) if kind is np.uint8 else np.round(values * 255) / 255
    writer.add_images("image", image.astype(kind), 1, dataformats=dataformats)

    with tensorboard.SummaryWriter(str(tmp_path / "theirs")) as theirs:
        theirs.add_images("image", image.astype(kind), 1, dataformats=dataformats)
    (event,) = EventAccumulator(str(tmp_path / "theirs")).Reload().Images("image")
    (tmp_path / "theirs.png").write_bytes(event.encoded_image_string)
    (entry,) = recorded(writer).media("image")
    assert entry.path
    ours, expected = (np.asarray(Image.open(path).convert("RGB")) for path in (entry.path, tmp_path / "theirs.png"))
    assert np.abs(ours.astype(int) - expected.astype(int)).max() <= 1


def test_mismatched_axes_are_reported(writer: SummaryWriter, caplog: pytest.LogCaptureFixture):
    writer.add_image("image", np.zeros((4, 6)), dataformats="CHW")
    writer.flush()
    assert "an image of shape (4, 6) does not have the axes 'CHW'" in caplog.text


def test_figures_texts_histograms_and_graphs_are_recorded(writer: SummaryWriter):
    figure = plt.figure()
    writer.add_figure("figure", figure, 1)
    assert not plt.fignum_exists(figure.number)  # type: ignore[attr-defined]
    writer.add_text("text", "hello", 2)
    writer.add_histogram("weights", torch.arange(10.0), 3, bins="auto")
    writer.add_graph(torch.nn.Linear(2, 1), torch.zeros(1, 2))
    entries = recorded(writer).media()
    assert [(entry.kind, entry.name, entry.step) for entry in entries][:3] == [
        ("figure", "figure", 1),
        ("text", "text", 2),
        ("histogram", "weights", 3),
    ]
    assert [node["op"] for node in entries[3].content["nodes"]] == ["Input", "Linear", "Output"]


def test_first_trial_belongs_to_this_run(writer: SummaryWriter, store: Path, caplog):
    writer.add_hparams({"lr": 0.1, "bsize": 32}, {"hparam/accuracy": torch.tensor(0.5)})
    run = recorded(writer)
    assert (run.flat_config, run.summary) == ({"lr": 0.1, "bsize": 32}, {"hparam/accuracy": 0.5})
    assert len(runfolio.open(store).runs()) == 1
    writer.add_hparams([1], {})  # type: ignore[arg-type]
    writer.flush()
    assert "takes two dicts" in caplog.text


def test_custom_layouts_are_recorded(writer: SummaryWriter, caplog: pytest.LogCaptureFixture):
    writer.add_custom_scalars(
        {"Losses": {"both": ["Multiline", ["train", "val"]], "band": ["Margin", ["a", "b", "c"]]}}
    )
    (entry,) = recorded(writer).media("layout")
    assert entry.content == {
        "charts": {"Losses": {"both": ["multiline", ["train", "val"]], "band": ["margin", ["a", "b", "c"]]}}
    }
    writer.add_custom_scalars({"Losses": {"both": ["Pie", []]}})
    writer.flush()
    assert "a layout is" in caplog.text


def kept(writer: SummaryWriter, name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the details and the arrays of an artifact."""
    folder = artifacts.find(writer.run.folder, name)
    assert folder is not None
    arrays = {path.stem: np.load(path) for path in folder.path.glob("*.npy")}
    return json.loads((folder.path / "about.json").read_text()), arrays


def test_tensors_and_embeddings_are_artifacts(writer: SummaryWriter):
    points, images = np.random.default_rng(0).random((3, 2)), np.ones((3, 1, 2, 2))
    writer.add_tensor("a/tensor", torch.eye(2), 5)
    writer.add_embedding(points, ["a", "b", "c"], images, tag="points")
    (folder,) = (writer.run.folder / "artifacts").glob("a-tensor-*-5")
    details, arrays = kept(writer, folder.name)
    assert details == {"tag": "a/tensor", "step": 5}
    assert (arrays["tensor"] == np.eye(2)).all()
    details, arrays = kept(writer, "points-0")
    assert details["metadata"] == [["a"], ["b"], ["c"]]
    assert (arrays["points"] == points).all()
    assert (arrays["images"] == images).all()


def test_long_tags_of_any_script_name_artifacts(writer: SummaryWriter):
    for step, tag in enumerate(("loss" * 50, "\u635f\u5931" * 20, "\u635f\u5931" * 50)):
        writer.add_tensor(tag, [1.0], step)
        (folder,) = (writer.run.folder / "artifacts").glob(f"*-{step}")
        assert kept(writer, folder.name)[0]["tag"] == tag


def test_precision_and_recall_are_those_of_torch(writer: SummaryWriter):
    generator = np.random.default_rng(0)
    labels, predictions, weights = generator.integers(0, 2, 50), generator.random(50), generator.random(50)
    writer.add_pr_curve("pr", labels, predictions, 3, num_thresholds=11, weights=weights)
    names = ("true_positives", "false_positives", "true_negatives", "false_negatives", "precision", "recall")
    expected = summary.compute_curve(labels, predictions, num_thresholds=11, weights=weights)
    columns = [values.reshape(-1, 1) for values in (labels, predictions, weights)]
    writer.add_pr_curve("pr", columns[0], columns[1], 4, num_thresholds=11, weights=columns[2])
    writer.add_pr_curve_raw("pr", *map(np.asarray, expected), 5, num_thresholds=11)  # type: ignore[call-arg]
    run = recorded(writer)
    entries = run.media("pr_curve")
    assert [entry.step for entry in entries] == [3, 4, 5]
    for entry in entries:
        assert np.array([entry.content[name] for name in names]) == pytest.approx(expected)

    (shown, *_) = EventAccumulator(str(run.folder)).Reload().Tensors("pr")
    assert make_ndarray(shown.tensor_proto) == pytest.approx(expected.astype(np.float32))


def test_runs_record_precision_and_recall_too(writer: SummaryWriter):
    labels, scores = torch.tensor([0, 1, 1, 0]), torch.tensor([0.2, 0.9, 0.6, 0.7])
    writer.run.log_pr_curve("val/cat", labels, scores, step=3)
    (entry,) = recorded(writer).media("pr_curve")
    assert (entry.name, entry.step, len(entry.content["recall"])) == ("val/cat", 3, 127)
    assert entry.content["recall"][0] == 1.0


def test_embeddings_appear_in_the_projector(writer: SummaryWriter):
    points, images = np.random.default_rng(0).random((5, 3)), np.random.default_rng(0).random((5, 3, 4, 6))
    writer.add_embedding(points, [["a", "x"]] * 5, images, 2, "first", metadata_header=["label", "split"])
    writer.add_embedding(points, tag='q"uote\n', global_step=3)
    folder = Path(writer.log_dir)
    config = text_format.Parse((folder / "projector_config.pbtxt").read_text(), ProjectorConfig())
    first, second = config.embeddings
    assert (first.tensor_name, second.tensor_name) == ("first:00002", 'q"uote\n:00003')
    assert np.loadtxt(folder / first.tensor_path) == pytest.approx(points)
    assert (folder / first.metadata_path).read_text().splitlines() == ["label\tsplit", *["a\tx"] * 5]
    assert list(first.sprite.single_image_dim) == [6, 4]
    with Image.open(folder / first.sprite.image_path) as sprite:
        assert sprite.size == (3 * 6, 3 * 4)


def test_graph_that_torch_cannot_trace(writer: SummaryWriter, caplog: pytest.LogCaptureFixture):
    model, wrong_size = torch.nn.Linear(3, 5), torch.rand(1, 9)
    writer.add_graph(model, wrong_size)
    assert "has only its layers" in caplog.text
    SummaryWriter.strict = True
    try:
        with pytest.raises(RuntimeError):
            writer.add_graph(model, wrong_size)
    finally:
        SummaryWriter.strict = False


def test_sounds_are_wav_files(writer: SummaryWriter):
    writer.add_audio("sound", torch.tensor([[0.0, 1.0, -2.0]]), sample_rate=8000)
    (entry,) = recorded(writer).media("audio")
    with wave.open(str(entry.path)) as file:
        assert file.getframerate() == 8000
        assert np.frombuffer(file.readframes(3), "<i2").tolist() == [0, 32767, -32767]
    (event,) = EventAccumulator(writer.log_dir).Reload().Audio("sound")
    assert (event.encoded_audio_string, event.content_type) == (entry.read_bytes(), "audio/wav")
    assert (event.sample_rate, event.length_frames) == (8000, 3)


def test_videos_are_shown_in_a_grid(writer: SummaryWriter):
    frames = torch.tensor([0.0, 1.0]).reshape(1, 2, 1, 1, 1).expand(9, 2, 3, 8, 8)
    writer.add_video("video", frames, fps=2)
    (entry,) = recorded(writer).media("video")
    (event,) = EventAccumulator(writer.log_dir).Reload().Images("video")
    assert (event.encoded_image_string, event.width, event.height) == (entry.read_bytes(), 64, 16)
    with Image.open(entry.path) as video:  # type: ignore[arg-type]
        video.load()
        assert (video.n_frames, video.size, video.info["duration"]) == (2, (64, 16), 500)  # type: ignore[attr-defined]


def test_boxes_are_recorded_and_drawn_for_tensorboard(writer: SummaryWriter):
    writer.add_image_with_boxes("boxes", torch.zeros(3, 20, 30), [[5, 5, 15, 15]], labels="cat", rescale=2)
    (entry,) = recorded(writer).media("image")
    assert entry.boxes == [{"box": [10.0, 10.0, 30.0, 30.0], "label": "cat"}]
    (event,) = EventAccumulator(writer.log_dir).Reload().Images("boxes")
    plain, drawn = (Image.open(io.BytesIO(content)) for content in (entry.read_bytes(), event.encoded_image_string))
    assert plain.size == drawn.size == (60, 40)
    assert (plain.convert("RGB").getpixel((20, 11)), drawn.getpixel((20, 11))) == ((0, 0, 0), (255, 0, 0))


def test_meshes_are_those_of_torch_in_tensorboard(writer: SummaryWriter, tmp_path: Path):
    vertices, faces = torch.rand(2, 3, 3), torch.tensor([[[0, 1, 2]]] * 2)
    colors = torch.randint(0, 256, (2, 3, 3), dtype=torch.uint8)
    config = {"material": {"cls": "PointsMaterial"}}
    writer.add_mesh("mesh", vertices, colors, faces, config, 4)
    entries = recorded(writer).media("mesh")
    assert [(entry.name, entry.step, entry.media_type) for entry in entries] == [
        ("mesh", 4, "model/ply"),
        ("mesh/1", 4, "model/ply"),
    ]
    with tensorboard.SummaryWriter(str(tmp_path / "theirs")) as theirs:
        theirs.add_mesh("mesh", vertices[:1], colors[:1], faces[:1], config, 4)
    ours, expected = (EventAccumulator(str(path)).Reload() for path in (writer.log_dir, tmp_path / "theirs"))
    for part in ("VERTEX", "COLOR", "FACE"):
        (event,), (other,) = ours.Tensors(f"mesh_{part}"), expected.Tensors(f"mesh_{part}")
        assert (make_ndarray(event.tensor_proto) == make_ndarray(other.tensor_proto)).all()
        about, wanted = (
            parse_plugin_metadata(reader.SummaryMetadata(f"mesh_{part}").plugin_data.content)
            for reader in (ours, expected)
        )
        assert (about.name, about.json_config, about.shape) == (wanted.name, wanted.json_config, wanted.shape)
        assert (about.content_type, about.components) == (wanted.content_type, wanted.components)


def test_raw_histograms_are_stored_without_empty_ends(writer: SummaryWriter):
    limits = [-1e12, 0.0, 1.0, 2.0, 1e12, 1.7e308]
    writer.add_histogram_raw("raw", 0.5, 3.0, 4, 7.0, 15.0, limits, [0, 0, 1, 2, 1, 0])
    (entry,) = recorded(writer).media("histogram")
    assert (entry.content["edges"], entry.content["counts"]) == ([0.0, 1.0, 2.0, 3.0], [1, 2, 1])
    assert (entry.content["mean"], entry.content["min"], entry.content["max"]) == (1.75, 0.5, 3.0)


def test_exception_ends_the_run_as_failed(store: Path):
    writer = runfolio.create_writer("data", "net", store=store)
    with pytest.raises(ZeroDivisionError), writer:
        _ = 1 / 0
    assert recorded(writer).state == "failed"


class TestClose:
    """`close` ends nothing by itself, because many scripts call it in each epoch."""

    def test_run_ends_when_another_writer_is_opened(self, tmp_path: Path):
        first = SummaryWriter(tmp_path / "runs" / "first")
        first.add_scalar("loss", 0.5, 0)
        first.close()
        assert recorded(first).state == "running"

        SummaryWriter(tmp_path / "runs" / "second").close()

        run = runfolio.open(tmp_path / "runs").run("first")
        assert run.state == "finished"
        assert run.metric("loss").values.tolist() == [0.5]

    def test_writer_closed_in_every_epoch_keeps_its_attempt(self, tmp_path: Path):
        writer = SummaryWriter(tmp_path / "runs" / "net")
        for epoch in range(3):
            writer.add_scalar("loss", epoch + 0.5, epoch)
            writer.close()
            assert (writer.file_writer, writer.all_writers) == (None, None)
        run = recorded(writer)
        assert len(run.document.attempts) == len(event_files(run.folder)) == 1
        assert run.metric("loss").values.tolist() == [0.5, 1.5, 2.5]
        assert shown_scalars(run.folder)["."] == {"loss": [(0, 0.5), (1, 1.5), (2, 2.5)]}

    def test_writer_of_an_ended_run_opens_the_next_attempt(self, tmp_path: Path):
        writer = SummaryWriter(tmp_path / "runs" / "net")
        writer.add_scalar("loss", 0.5)
        writer.close()
        SummaryWriter(tmp_path / "runs" / "other")

        writer.add_scalar("loss", 1.5)

        run = recorded(writer)
        assert len(run.document.attempts) == 2
        assert run.metric("loss").values.tolist() == [0.5, 1.5]
        assert writer.file_writer is not None

    def test_deleted_folder_is_recorded_again(self, tmp_path: Path):
        writer = SummaryWriter(tmp_path / "runs" / "net")
        writer.add_scalar("loss", 0.5)
        writer.close()
        shutil.rmtree(writer.log_dir)

        writer.add_scalar("loss", 1.5)

        assert recorded(writer).metric("loss").values.tolist() == [1.5]

    def test_with_block_ends_the_run(self, tmp_path: Path):
        with SummaryWriter(tmp_path / "runs" / "net") as writer:
            writer.add_scalar("loss", 0.5)
        assert writer.file_writer is None
        assert recorded(writer).state == "finished"


class TestLogFolder:
    """`log_dir` is the folder of the run."""

    def test_record_and_event_file_are_in_the_folder(self, tmp_path: Path):
        folder = tmp_path / "logs" / "resnet" / "lr=0.1"
        with SummaryWriter(str(folder)) as writer:
            writer.add_scalar("loss", 0.5, 3)
        (run,) = runfolio.open(tmp_path / "logs").runs()
        assert (run.folder, run.experiment, run.name) == (folder, "resnet", "lr=0.1")
        assert writer.log_dir == writer.get_logdir() == str(folder)
        assert shown_scalars(tmp_path / "logs") == {"resnet/lr=0.1": {"loss": [(3, 0.5)]}}

    def test_default_is_a_folder_in_the_store(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("RUNFOLIO_STORE", raising=False)
        with SummaryWriter(comment="_lr_0.1") as first, SummaryWriter(comment="_lr_0.1") as second:
            pass
        runs = runfolio.open("runs").runs()
        assert {run.folder for run in runs} == {Path(first.log_dir).absolute(), Path(second.log_dir).absolute()}
        assert "_lr_0.1" in runs[0].name
        assert runs[0].experiment == "default"

    def test_deep_folders_of_the_store_name_the_run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("RUNFOLIO_STORE", str(tmp_path / "runs"))
        with SummaryWriter(tmp_path / "runs" / "2026-12-01" / "data_10" / "effnetb0" / "5_epochs"):
            pass
        (run,) = runfolio.open(tmp_path / "runs").runs()
        assert (run.experiment, run.name) == ("2026-12-01", "data_10/effnetb0/5_epochs")

    def test_second_writer_of_a_folder_shares_the_run(self, tmp_path: Path):
        first, second = (SummaryWriter(tmp_path / "runs" / "net") for _ in range(2))
        assert first.run is second.run

    def test_closing_one_of_two_writers_loses_no_points_of_the_other(self, tmp_path: Path):
        first, second = (SummaryWriter(tmp_path / "runs" / "net") for _ in range(2))
        second.close()
        SummaryWriter(tmp_path / "runs" / "other")  # ends the runs of closed writers
        first.add_scalar("loss", 0.5)
        with second:
            second.add_scalar("loss", 1.5)
        first.add_scalar("loss", 2.5)
        assert recorded(first).metric("loss").values.tolist() == [0.5, 1.5, 2.5]

    def test_folder_may_be_spelled_with_dots(self, tmp_path: Path):
        folder = tmp_path / "runs" / "net"
        first, second = SummaryWriter(folder), SummaryWriter(folder / ".." / "net")
        assert first.run is second.run

    def test_run_of_another_process_is_joined(self, tmp_path: Path):
        with SummaryWriter(tmp_path / "runs" / "net") as writer:
            writer.add_scalar("main", 1.0, 0)
            writer.flush()
            child = (
                "import sys; from runfolio import SummaryWriter\n"
                "with SummaryWriter(sys.argv[1]) as writer: writer.add_scalar('child', 2.0, 0)"
            )
            subprocess.run([sys.executable, "-c", child, os.fspath(writer.log_dir)], check=True)
        run = recorded(writer)
        assert (len(run.document.attempts), list(run.metrics)) == (1, ["child", "main"])

    def test_earlier_run_continues_after_its_last_point(self, tmp_path: Path):
        with SummaryWriter(tmp_path / "runs" / "net") as writer:
            writer.add_scalar("loss", 0.5, 0)
        with SummaryWriter(tmp_path / "runs" / "net") as writer:
            writer.add_scalar("loss", 1.5, 1)
        run = recorded(writer)
        assert run.metric("loss").values.tolist() == [0.5, 1.5]

    def test_purge_step_removes_later_points(self, tmp_path: Path):
        with SummaryWriter(tmp_path / "runs" / "net") as writer:
            for step in range(4):
                writer.add_scalar("loss", 1.0, step)
        with SummaryWriter(tmp_path / "runs" / "net", purge_step=2) as writer:
            writer.add_scalar("loss", 2.0, 2)
        run = recorded(writer)
        assert run.metric("loss").values.tolist() == [1.0, 1.0, 2.0]
        assert shown_scalars(run.folder)["."] == {"loss": [(0, 1.0), (1, 1.0), (2, 2.0)]}

    def test_deleted_folder_belongs_to_the_next_writer(self, tmp_path: Path):
        first = SummaryWriter(tmp_path / "runs" / "net")
        first.add_scalar("old", 1.0)
        first.flush()
        shutil.rmtree(first.log_dir)

        with SummaryWriter(tmp_path / "runs" / "net") as writer:
            writer.add_scalar("new", 1.0)

        assert writer.run.id != first.run.id
        assert list(recorded(writer).metrics) == ["new"]

    def test_runs_are_never_inside_each_other(self, tmp_path: Path, caplog: pytest.LogCaptureFixture):
        folder = tmp_path / "runs" / "net"
        for log_dir in (folder, folder / "val", folder / "val", tmp_path / "runs"):
            with SummaryWriter(log_dir) as writer:
                writer.add_scalar("loss", 1.0)
        runs = runfolio.open(tmp_path / "runs").runs()
        assert sorted(run.name for run in runs) == ["net", "net-val", "runs"]
        assert "is inside the run" in caplog.text
        assert "is a folder of runs" in caplog.text

    def test_remote_folders_are_refused(self):
        with pytest.raises(runfolio.ConfigError, match="local folder"):
            SummaryWriter("s3://bucket/runs")


def test_further_trials_are_runs_of_their_own(tmp_path: Path):
    with SummaryWriter(tmp_path / "runs" / "net") as writer:
        for lr in (0.1, 0.2, 0.3):
            writer.add_hparams({"lr": lr}, {"accuracy": lr / 2})
        writer.add_hparams({"lr": 0.2}, {"accuracy": 0.9})
        writer.add_hparams({"lr": 0.4}, {"accuracy": 0.4}, run_name="last")
    runs = runfolio.open(tmp_path / "runs").runs()
    assert {run.name: (run.config["lr"], run.summary["accuracy"]) for run in runs} == {
        "net": (0.1, 0.05),
        "net-trial-2": (0.2, 0.9),
        "net-trial-3": (0.3, 0.15),
        "net-last": (0.4, 0.4),
    }


class TestScalarsTogether:
    """Values of `add_scalars` are lines of one chart in the Custom Scalars tab, and metrics of the run itself."""

    @pytest.fixture
    def folder(self, store: Path) -> Path:
        with runfolio.create_writer("data", "net", store=store) as writer:
            for epoch in range(2):
                writer.add_scalar("lr", 0.5, epoch)
                writer.add_scalars("Loss", {"train": epoch + 0.5, "test": epoch + 1.5}, epoch)
            writer.add_custom_scalars({"own": {"rates": ["Multiline", ["lr"]]}})
            writer.add_scalars("Acc/top", {"1, of 10": 0.25}, 7)
        return writer.run.folder

    def test_lines_are_metrics_of_the_run(self, folder: Path):
        assert shown_scalars(folder) == {
            ".": {
                "lr": [(0, 0.5), (1, 0.5)],
                "Loss/train": [(0, 0.5), (1, 1.5)],
                "Loss/test": [(0, 1.5), (1, 2.5)],
                "Acc/top/1, of 10": [(7, 0.25)],
            }
        }

    def test_layout_has_a_chart_for_each_tag(self, folder: Path):
        charts = shown_charts(folder)
        assert list(charts) == [("add_scalars", "Loss"), ("add_scalars", "Acc/top"), ("own", "rates")]
        assert all(re.match(pattern, "Loss/test") for pattern in charts["add_scalars", "Loss"])
        assert charts["own", "rates"] == ["lr"]

    def test_the_record_has_metrics_of_the_run_itself(self, folder: Path):
        run = runfolio.open(folder.parents[1]).run(folder)
        assert run.metric("Loss/test").values.tolist() == [1.5, 2.5]
        assert run.document.charts == ["Loss", "Acc/top"]

    def test_file_made_afterwards_has_the_same_charts(self, folder: Path):
        scalars, charts = shown_scalars(folder), shown_charts(folder)
        for path in folder.rglob("*tfevents*"):
            path.unlink()

        make_event_files(folder)

        assert shown_scalars(folder) == scalars
        assert shown_charts(folder) == charts

    def test_lines_follow_the_newest_branch_of_a_resumed_run(self, store: Path):
        with runfolio.create_writer("data", "net", store=store) as writer:
            writer.add_scalars("Loss", {"train": 1.0}, 0)
            writer.add_custom_scalars({"own": {"rates": ["Multiline", ["lr"]]}})
            writer.run.checkpoint(step=0, weights=torch.zeros(1))
            writer.add_scalars("Loss", {"train": -1.0}, 1)

        with runfolio.resume(writer.run, store=store) as run:
            SummaryWriter.of_run(run).add_scalars("Loss", {"train": 2.0}, 1)

        assert shown_scalars(run.folder) == {".": {"Loss/train": [(0, 1.0), (1, 2.0)]}}
        assert list(shown_charts(run.folder)) == [("add_scalars", "Loss"), ("own", "rates")]


def test_two_writers_can_be_used_in_turn(store: Path):
    train = runfolio.create_writer("data", "train", store=store)
    test = runfolio.create_writer("data", "test", store=store)
    for step in range(3):
        train.add_scalar("loss", 1.0, step)
        test.add_scalar("loss", 2.0, step)
    for writer, loss in ((train, 1.0), (test, 2.0)):
        assert recorded(writer).metric("loss").values.tolist() == [loss] * 3
        writer.close()

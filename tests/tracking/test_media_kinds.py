"""Audio, video, tables, meshes, boxes and masks: stored in open formats, bounded, and never changed silently."""

from __future__ import annotations

import io
import math
import re
import wave
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

import runfolio
from runfolio.errors import ConfigError, NotFound
from runfolio.record.base import file_bounds
from runfolio.record.content.media import MediaEntry
from runfolio.tracking.media import audio, image_layers, meshes, table_cells, video

RECORDING = runfolio.RecordingConfig(code=False, console=False, system_s=0)
RNG = np.random.default_rng(0)
PHOTO = np.zeros((40, 60, 3), np.uint8)

Log = Callable[[Callable[[runfolio.Run], None]], MediaEntry]


@pytest.fixture
def run(store: Path) -> Iterator[runfolio.Run]:
    with runfolio.init("net", store=store, recording=RECORDING) as run:
        yield run


@pytest.fixture
def logged(run: runfolio.Run) -> Log:
    """Return a function that records one medium and reads it back."""

    def log(call: Callable[[runfolio.Run], None]) -> MediaEntry:
        call(run)
        run.flush()
        return runfolio.open(run.folder.parents[1]).run(run.id).media()[-1]

    return log


def sound(entry: MediaEntry) -> tuple[int, int, list[int]]:
    """Return rate, channels and samples of a WAV file."""
    with wave.open(io.BytesIO(entry.read_bytes())) as file:
        assert file.getsampwidth() == 2
        frames = file.readframes(file.getnframes())
        return file.getframerate(), file.getnchannels(), np.frombuffer(frames, "<i2").tolist()


class TestAudio:
    def test_floats_become_a_wav_file_of_16_bits(self, logged: Log):
        samples = np.array([0.0, 0.5, 1.0, -1.0])
        entry = logged(lambda run: run.log_audio("tone", samples, 8000, step=3, caption="a tone"))
        assert sound(entry) == (8000, 1, [0, 16384, 32767, -32767])
        assert (entry.kind, entry.step, entry.caption, entry.media_type) == ("audio", 3, "a tone", "audio/wav")
        assert (entry.content["samples"], entry.content["channels"]) == (4, 1)

    @pytest.mark.parametrize("transposed", [False, True])
    def test_int16_in_two_channels_is_exact(self, logged: Log, transposed: bool):
        samples = RNG.integers(-32768, 32768, (2, 100)).astype(np.int16)
        entry = logged(lambda run: run.log_audio("both", samples.T if transposed else samples, 44100))
        assert sound(entry) == (44100, 2, samples.T.ravel().tolist())

    def test_clipped_and_missing_samples_are_counted_and_reported(self, logged: Log, caplog):
        samples = torch.tensor([[2.0, -1.5, math.nan, math.inf, 0.0]])
        entry = logged(lambda run: run.log_audio("loud", samples, sample_rate=8000))
        assert sound(entry)[2] == [32767, -32767, 0, 32767, 0]
        assert (entry.content["clipped"], entry.content["not_finite"]) == (2, 2)
        assert "audio 'loud' has samples outside of -1 to 1" in caplog.text

    def test_samples_are_those_of_the_call(self, logged: Log):
        samples = np.full(3, 0.5)

        def log_and_change(run: runfolio.Run) -> None:
            run.log_audio("tone", samples, 8000)
            samples[:] = 0

        assert sound(logged(log_and_change))[2] == [16384] * 3

    @pytest.mark.parametrize(
        ("value", "why"),
        [
            (np.zeros((3, 9, 9)), "is neither [samples], [channels, samples]"),
            (np.zeros(3, np.int32), "audio of int32; pass floats from -1 to 1, or int16"),
            (b"text", "its 4 bytes are not an audio file; supported formats are WAV, FLAC, OGG, MP3"),
        ],
    )
    def test_other_audio_is_refused(self, run: runfolio.Run, value: Any, why: str, caplog):
        run.log_audio("tone", value, 8000)
        run.flush()
        assert why in caplog.text

    def test_array_needs_a_sample_rate(self, run: runfolio.Run, caplog):
        run.log_audio("tone", np.zeros(3))
        run.log_audio("tone", np.zeros(3), sample_rate=0)
        run.flush()
        assert "an array of samples needs sample_rate=" in caplog.text
        assert "sample_rate is 0, not a number of samples per second from 1" in caplog.text


def frames_of(entry: MediaEntry) -> list[np.ndarray]:
    with Image.open(io.BytesIO(entry.read_bytes())) as animation:
        frames = []
        for number in range(animation.n_frames):  # type: ignore[attr-defined]
            animation.seek(number)
            frames.append(np.asarray(animation.convert("RGB")))
        assert animation.info["duration"] == 100
        return frames


class TestVideo:
    LEVELS = np.arange(0, 250, 50, dtype=np.uint8)
    FILM = np.broadcast_to(LEVELS[:, None, None, None], (5, 8, 12, 3))

    @pytest.mark.parametrize(
        "frames",
        [
            FILM,
            FILM.transpose(0, 3, 1, 2),
            torch.tensor(FILM.transpose(0, 3, 1, 2)),
            torch.tensor(FILM[:, None, :, :, 0] / 255),
            FILM[..., 0],
            [Image.fromarray(frame) for frame in FILM],
            list(torch.tensor(FILM.transpose(0, 3, 1, 2))),
        ],
        ids=["THWC", "TCHW", "tensor", "grey floats", "THW", "images", "list of tensors"],
    )
    def test_frames_become_an_animation_that_browsers_show(self, logged: Log, frames: Any):
        entry = logged(lambda run: run.log_video("film", frames, fps=10))
        shown = frames_of(entry)
        assert (entry.media_type, entry.content["frames"], entry.content["fps"]) == ("image/webp", 5, 10)
        assert [frame.shape for frame in shown] == [(8, 12, 3)] * 5
        assert np.abs(np.stack(shown).astype(int) - self.FILM).max() <= 2

    def test_floats_have_one_scale_for_all_frames(self, logged: Log, caplog):
        frames = np.stack([np.full((8, 8), -1.0), np.full((8, 8), 3.0), np.full((8, 8), math.nan)])
        entry = logged(lambda run: run.log_video("film", frames, fps=10))
        assert (entry.content["range"], entry.content["not_finite"]) == ([-1.0, 3.0], 64)
        assert [int(frame.mean()) for frame in frames_of(entry)] == [0, 255, 0]
        assert "video 'film' has values outside of 0 to 1" in caplog.text

    @pytest.mark.parametrize(
        ("frames", "fps", "why"),
        [
            (np.zeros((1, 2, 3, 8, 8)), 4, "a video of shape (1, 2, 3, 8, 8) is neither"),
            ([np.zeros((8, 8)), np.zeros((8, 9))], 4, "frames have different shapes"),
            ([], 4, "a video has 0 frames"),
            (np.zeros((2, 8, 8)), 0, "fps is 0, not a number of frames per second"),
            (np.zeros((2, 8, 8)), "fast", "fps is not one number"),
        ],
    )
    def test_other_videos_are_refused(self, run: runfolio.Run, frames: Any, fps: Any, why: str, caplog):
        run.log_video("film", frames, fps=fps)
        run.flush()
        assert why in caplog.text


def wav() -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 1, 8000, 0, "NONE", ""))
        file.writeframes(b"\x80" * 10)
    return buffer.getvalue()


def gif() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (4, 4)).save(buffer, "GIF", save_all=True, append_images=[Image.new("L", (4, 4), 9)])
    return buffer.getvalue()


STL = b"\0" * 80 + (1).to_bytes(4, "little") + b"\0" * 50
FILES: dict[str, tuple[str, bytes]] = {
    "audio/wav": ("log_audio", wav()),
    "audio/flac": ("log_audio", b"fLaC\0\0\0\x22"),
    "audio/ogg": ("log_audio", b"OggS\0\2"),
    "audio/mpeg": ("log_audio", b"\xff\xfb\x90\x64"),
    "video/mp4": ("log_video", b"\0\0\0\x18ftypmp42"),
    "video/webm": ("log_video", b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm"),
    "image/gif": ("log_video", gif()),
    "model/ply": ("log_mesh", b"ply\nformat ascii 1.0\nelement vertex 0\nend_header\n"),
    "model/gltf-binary": ("log_mesh", b"glTF\2\0\0\0\x0c\0\0\0"),
    "model/stl": ("log_mesh", STL),
    "model/obj": ("log_mesh", b"# cube\no cube\nv 0 0 0\n"),
}


@pytest.mark.parametrize("media_type", FILES)
def test_files_are_stored_unchanged(logged: Log, media_type: str, tmp_path: Path):
    method, content = FILES[media_type]
    (tmp_path / "file").write_bytes(content)
    for value in (content, tmp_path / "file", io.BytesIO(content)):
        entry = logged(lambda run, value=value: getattr(run, method)("file", value))
        assert (entry.read_bytes(), entry.media_type) == (content, media_type)


@pytest.mark.parametrize("method", ["log_image", "log_audio", "log_video", "log_mesh"])
def test_file_larger_than_any_medium_is_not_read_whole(run: runfolio.Run, method: str, tmp_path: Path, caplog):
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 40)
    getattr(run, method)("file", tmp_path / "large")
    run.flush()
    assert f"file has more than {file_bounds.MEDIUM:,} bytes; store it as an artifact" in caplog.text


def ply(entry: MediaEntry) -> tuple[list[str], dict[str, Any]]:
    """Return the header of a binary PLY file, and its elements as arrays."""
    content = entry.read_bytes()
    head, _, body = content.partition(b"end_header\n")
    lines = head.decode("ascii").splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    codes = {"float": "<f4", "uchar": "u1"}
    elements: dict[str, Any] = {}
    for name, count, properties in re.findall(r"element (\w+) (\d+)\n((?:property .*\n?)+)", "\n".join(lines)):
        fields = [
            (words[-1], codes[words[1]]) if words[1] != "list" else (words[-1], [("n", "u1"), ("is", "<i4", 3)])
            for words in map(str.split, properties.splitlines())
        ]
        elements[name] = np.frombuffer(body, np.dtype(fields), int(count))
        body = body[elements[name].nbytes :]
    assert body == b""
    return lines, elements


class TestMesh:
    POINTS = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])

    def test_vertices_faces_and_colors_become_a_ply_file(self, logged: Log):
        colors = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 0.5]])
        entry = logged(lambda run: run.log_mesh("tri", self.POINTS, [[0, 1, 2]], colors, step=2))
        _, elements = ply(entry)
        vertices = elements["vertex"]
        assert [vertices[axis].tolist() for axis in "xyz"] == self.POINTS.T.tolist()
        assert [vertices[name].tolist() for name in ("red", "green", "blue")] == [[255, 0, 0], [0, 255, 0], [0, 0, 128]]
        assert (elements["face"]["vertex_indices"]["n"], elements["face"]["vertex_indices"]["is"].tolist()) == (
            [3],
            [[0, 1, 2]],
        )
        assert (entry.content["vertices"], entry.content["faces"], entry.step) == (3, 1, 2)

    def test_vertices_alone_are_a_point_cloud(self, logged: Log):
        lines, elements = ply(logged(lambda run: run.log_mesh("cloud", np.ones((7, 3)))))
        assert "element vertex 7" in lines
        assert elements.keys() == {"vertex"}

    def test_vertices_that_are_not_finite_are_counted(self, logged: Log, caplog):
        points = np.array([[0.0, 1, math.nan], [1e300, 0, 0], [1, 2, 3]])
        entry = logged(lambda run: run.log_mesh("cloud", points))
        assert ply(entry)[1]["vertex"].tolist() == [(0, 0, 0), (0, 0, 0), (1, 2, 3)]
        assert entry.content["not_finite"] == 2
        assert "mesh 'cloud' has vertices that are not finite" in caplog.text

    @pytest.mark.parametrize(
        ("parts", "why"),
        [
            ((np.zeros((3, 2)),), "vertices have the shape (3, 2); it must be [number, 3]"),
            ((np.zeros((3, 3)), [[0, 1, 3]]), "faces have vertex indices from 0 to 3; they must be from 0 to 2"),
            ((np.zeros((3, 3)), [[0.0, 1.0, 2.0]]), "faces have the type float64; pass vertex indices"),
            (
                (np.zeros((3, 3)), None, np.zeros((2, 3))),
                "there are 3 vertices but 2 colors; pass a color",
            ),
            ((np.zeros((1, 3)), None, [[2.0, 0.0, 0.0]]), "colors must be floats from 0 to 1"),
        ],
    )
    def test_other_meshes_are_refused(self, run: runfolio.Run, parts: tuple[Any, ...], why: str, caplog):
        run.log_mesh("mesh", *parts)
        run.flush()
        assert why in caplog.text


class TestBoxes:
    def test_result_of_a_detection_model_becomes_boxes_in_pixels(self, logged: Log):
        detected = {
            "boxes": torch.tensor([[1.0, 2, 30, 20], [5, 5, 6, 6]]),
            "labels": torch.tensor([1, 7]),
            "scores": torch.tensor([0.5, 0.25]),
            "masks": torch.zeros(2, 1, 40, 60),
        }
        entry = logged(lambda run: run.log_image("photo", PHOTO, boxes=detected, classes=["background", "cat"]))
        assert entry.boxes == [
            {"box": [1.0, 2.0, 30.0, 20.0], "label": "cat", "score": 0.5},
            {"box": [5.0, 5.0, 6.0, 6.0], "label": "7", "score": 0.25},
        ]
        assert entry.media_type == "image/png"

    @pytest.mark.parametrize(
        ("boxes", "expected"),
        [
            ([[1, 2, 3, 4]], {"box": [1, 2, 3, 4]}),
            ([{"box": [1, 2, 3, 4], "label": "a", "score": 0.5}], {"box": [1, 2, 3, 4], "label": "a", "score": 0.5}),
            ({"boxes": [[10, 20, 4, 6]], "format": "xywh"}, {"box": [10, 20, 14, 26]}),
            ({"boxes": [[10, 20, 4, 6]], "format": "cxcywh"}, {"box": [8, 17, 12, 23]}),
            ([{"box": [0.25, 0.5, 0.75, 1], "relative": True}], {"box": [15, 20, 45, 40]}),
            ({"truth": [{"box": [1, 2, 3, 4], "label": 0}]}, {"box": [1, 2, 3, 4], "label": "bird", "group": "truth"}),
        ],
        ids=["array", "dicts", "xywh", "cxcywh", "relative", "group"],
    )
    def test_each_form_of_boxes_is_stored_in_pixels(self, logged: Log, boxes: Any, expected: dict[str, Any]):
        entry = logged(lambda run: run.log_image("photo", PHOTO, boxes=boxes, classes={0: "bird"}))
        assert entry.boxes == [expected]

    def test_boxes_that_are_not_finite_are_left_out_and_counted(self, logged: Log, caplog):
        entry = logged(lambda run: run.log_image("photo", PHOTO, boxes=[[0, 0, math.nan, 1], [0, 0, 1, 1]]))
        assert (len(entry.boxes), entry.content["boxes_left_out"]) == (1, 1)
        assert "image 'photo' has boxes that are not finite" in caplog.text

    def test_no_boxes_are_recorded_as_none(self, logged: Log):
        empty = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64), "scores": torch.zeros(0)}
        assert logged(lambda run: run.log_image("photo", PHOTO, boxes=empty)).content["boxes"] == []

    @pytest.mark.parametrize(
        ("boxes", "why"),
        [
            (np.zeros((2, 5)), "boxes have the shape (2, 5); it must be [number, 4]"),
            ({"boxes": [[0, 0, 1, 1]], "labels": ["a", "b"]}, "there are 1 boxes but 2 labels"),
            (
                {"boxes": [[0, 0, 1, 1]], "format": "yxyx"},
                "the format of boxes is 'yxyx'; it must be one of xyxy, xywh, cxcywh",
            ),
            ([{"bbox": [0, 0, 1, 1]}], "boxes have the keys 'bbox'; the key 'boxes' is missing"),
        ],
    )
    def test_other_boxes_are_refused(self, run: runfolio.Run, boxes: Any, why: str, caplog):
        run.log_image("photo", PHOTO, boxes=boxes)
        run.flush()
        assert why in caplog.text


class TestMasks:
    def test_masks_are_png_files_of_class_numbers(self, logged: Log):
        classes = RNG.integers(0, 3, (40, 60))
        masks = {"truth": classes, "instances": torch.tensor(classes)[None] * 500}
        entry = logged(lambda run: run.log_image("photo", PHOTO, masks=masks, classes={0: "background", 2: "cat"}))
        assert entry.classes == {0: "background", 2: "cat"}
        read = {name: np.asarray(Image.open(path)) for name, path in entry.masks.items()}
        assert (read["truth"] == classes).all()
        assert (read["instances"] == classes * 500).all()
        assert (read["truth"].dtype, read["instances"].dtype) == (np.uint8, np.uint16)

    @pytest.mark.parametrize("mask", [np.ones((40, 60), bool), Image.new("P", (60, 40), 1)])
    def test_one_mask_needs_no_name(self, logged: Log, mask: Any):
        entry = logged(lambda run: run.log_image("photo", PHOTO, masks=mask))
        (path,) = entry.masks.values()
        assert np.asarray(Image.open(path)).min() == 1

    @pytest.mark.parametrize(
        ("mask", "why"),
        [
            (np.zeros((60, 40), int), "mask 'mask' has the shape (60, 40), but the image is [40, 60]"),
            (np.zeros((40, 60)), "must contain class numbers"),
            (np.full((40, 60), -100), "such as -100, with 255"),
        ],
    )
    def test_other_masks_are_refused(self, run: runfolio.Run, mask: Any, why: str, caplog):
        run.log_image("photo", PHOTO, masks=mask)
        run.flush()
        assert why in caplog.text

    def test_fork_and_doctor_know_masks(self, store: Path):
        with runfolio.init("net", store=store, recording=RECORDING) as run:
            run.log_image("photo", PHOTO, masks=np.ones((40, 60), int))
            run.log_audio("tone", np.zeros(9), 8000)
            run.checkpoint(step=1, weights=torch.zeros(1))
        with runfolio.fork(run, store=store, recording=RECORDING) as fork:
            pass
        entries = runfolio.open(store).run(fork.id).media()
        assert [path.is_file() for entry in entries for path in (entry.path, *entry.masks.values()) if path] == [
            True
        ] * 3


TIME = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


class TestTable:
    @pytest.mark.parametrize(
        "table",
        [
            pd.DataFrame({"n": [1, 2], "text": ["a", None]}),
            pl.DataFrame({"n": [1, 2], "text": ["a", None]}),
            pa.table({"n": [1, 2], "text": ["a", None]}),
            [{"n": 1, "text": "a"}, {"n": 2}],
            {"n": torch.tensor([1, 2]), "text": ["a", None]},
        ],
        ids=["pandas", "Polars", "Arrow", "list of dicts", "dict of columns"],
    )
    def test_every_form_of_a_table_is_read_back(self, logged: Log, table: Any):
        entry = logged(lambda run: run.log_table("errors", table, step=4))
        assert entry.table().to_pydict() == {"n": [1, 2], "text": ["a", None]}
        assert (entry.content["rows"], entry.content["columns"], entry.step) == (2, ["n", "text"], 4)
        assert entry.path is not None
        assert pq.read_table(entry.path).num_rows == 2  # and by any other reader

    def test_cells_keep_their_types(self, logged: Log):
        rows = [[True, 0.5, math.nan, TIME, np.float32(0.5), 2**40], [None] * 6]
        entry = logged(lambda run: run.log_table("types", rows, columns=list("abcdef")))
        first, second = entry.table().to_pylist()
        assert first["c"] != first.pop("c")  # NaN
        assert list(first.values()) == [True, 0.5, TIME, 0.5, 2**40]
        assert set(second.values()) == {None}

    def test_other_cells_become_texts(self, logged: Log):
        rows = [{"mixed": 1, "list": [1, 2], "large": 2**70, "lone": "\ud800"}, {"mixed": "a", "list": {"a": math.inf}}]
        entry = logged(lambda run: run.log_table("texts", rows))
        assert entry.table().to_pylist() == [
            {"mixed": "1", "list": "[1,2]", "large": str(2**70), "lone": "\\ud800"},
            {"mixed": "a", "list": '{"a":"Infinity"}', "large": None, "lone": None},
        ]

    def test_images_in_cells_follow_hugging_face(self, logged: Log):
        pixels = RNG.integers(0, 256, (4, 6, 3)).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        cells = [pixels, torch.tensor(pixels).permute(2, 0, 1), Image.fromarray(pixels), buffer.getvalue(), None]
        entry = logged(lambda run: run.log_table("photos", [{"image": cell, "n": 1} for cell in cells]))
        *images, last = entry.table()["image"].to_pylist()
        for image in images:
            assert image["path"] is None
            assert (np.asarray(Image.open(io.BytesIO(image["bytes"]))) == pixels).all()
        assert last is None
        assert entry.content["images"] == ["image"]
        features = pq.read_schema(entry.path).metadata[b"huggingface"]  # type: ignore[index]
        assert features == b'{"info":{"features":{"image":{"_type":"Image"}}}}'

    def test_batch_of_images_is_a_column(self, logged: Log):
        batch = torch.rand(3, 3, 4, 4)
        entry = logged(lambda run: run.log_table("batch", {"image": batch, "label": np.array(["a", "b", "c"])}))
        assert [len(row["image"]["bytes"]) > 60 for row in entry.table().to_pylist()] == [True] * 3

    def test_table_is_that_of_the_call(self, logged: Log):
        frame, rows = pd.DataFrame({"n": [1.0]}), [{"n": np.zeros((2, 2), np.uint8)}]

        def log_and_change(run: runfolio.Run) -> None:
            run.log_table("frame", frame)
            frame.loc[0, "n"] = 2.0
            run.log_table("rows", rows)
            rows[0]["n"][:] = 255
            rows.clear()

        entry = logged(log_and_change)
        assert np.asarray(Image.open(io.BytesIO(entry.table()["n"].to_pylist()[0]["bytes"]))).max() == 0

    def test_rows_beyond_the_limit_are_counted_and_reported(self, logged: Log, monkeypatch, caplog):
        monkeypatch.setattr(file_bounds, "TABLE_ROWS", 3)
        entry = logged(lambda run: run.log_table("long", {"n": range(5), "f": np.arange(5.0)}))
        assert (entry.table()["n"].to_pylist(), entry.content["rows_left_out"]) == ([0, 1, 2], 2)
        assert "table 'long' has more than" in caplog.text

    def test_images_beyond_the_limit_are_left_out_by_row(self, logged: Log, monkeypatch):
        monkeypatch.setattr(table_cells.media_content, "MOST_PIXEL_BYTES", 5 * 64)
        table = {"image": np.zeros((9, 8, 8), np.uint8), "n": pd.Series(range(9))}
        entry = logged(lambda run: run.log_table("photos", table))
        assert (entry.content["rows"], entry.content["rows_left_out"]) == (5, 4)

    @pytest.mark.parametrize(
        ("table", "columns", "why"),
        [
            ("text", None, "a table is a str; pass a frame of pandas, Polars or Arrow"),
            ([[1, 2]], ["a"], "row 0 has 2 cells, but there are 1 columns"),
            ({"a": [1], "b": [1, 2]}, None, "column 'a' has 1 cells, but a longer column has 2"),
            ([{"a": PHOTO}, {"a": 1}], None, "column 'a' has images and other values"),
            ([[1, 2]], ["a", "a"], "two columns have the name 'a'"),
        ],
    )
    def test_other_tables_are_refused(self, run: runfolio.Run, table: Any, columns: Any, why: str, caplog):
        run.log_table("table", table, columns=columns)
        run.flush()
        assert why in caplog.text


@pytest.mark.parametrize(
    ("module", "limit", "call", "why"),
    [
        (
            audio,
            "MOST_SAMPLES",
            lambda run: run.log_audio("x", np.zeros(9), 8000),
            "audio has 9 samples, but the limit is 8",
        ),
        (video, "MOST_FRAMES", lambda run: run.log_video("x", np.zeros((9, 4, 4))), "9 frames and 144 values, but"),
        (video, "MOST_VALUES", lambda run: run.log_video("x", np.zeros((1, 3, 3))), "9 values, but the limits"),
        (
            video,
            "LONGEST_SIDE",
            lambda run: run.log_video("x", np.zeros((1, 3, 9))),
            "a side of 9 pixels, but the limit is 8",
        ),
        (meshes, "MOST_VERTICES", lambda run: run.log_mesh("x", np.zeros((9, 3))), "9 vertices, but the limit is 8"),
        (meshes, "MOST_FACES", lambda run: run.log_mesh("x", PHOTO[0], PHOTO[0, :9]), "9 faces, but the limit is 8"),
        (image_layers, "MOST_MASKS", lambda run: run.log_image("x", PHOTO, masks=dict.fromkeys(range(9))), "9 masks"),
        (
            file_bounds,
            "TABLE_COLUMNS",
            lambda run: run.log_table("x", {n: [1] for n in range(9)}),
            "9 columns, but the",
        ),
    ],
)
def test_larger_media_are_refused_with_the_limit(
    store: Path, module: Any, limit: str, call: Callable[[runfolio.Run], None], why: str, monkeypatch
):
    monkeypatch.setattr(module, limit, 8)
    with (
        runfolio.init("net", store=store, recording=RECORDING, strict=True) as run,
        pytest.raises(ConfigError, match=re.escape(why)),
    ):
        call(run)


def test_medium_without_a_file_says_so(logged: Log):
    entry = logged(lambda run: run.log_text("words", "text"))
    assert (entry.media_type, entry.boxes, entry.masks, entry.classes) == (None, [], {}, {})
    with pytest.raises(NotFound, match="the text 'words' is not in a file"):
        entry.read_bytes()
    with pytest.raises(NotFound, match="'words' is not a table but a text"):
        entry.table()

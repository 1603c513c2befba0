"""TensorBoard reads event files of runfolio, runfolio reads event files of torch, and damage affects one record."""

from __future__ import annotations

import contextlib
import itertools
import math
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event as TheirEvent  # type: ignore[attr-defined] - generated
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData  # type: ignore[attr-defined] - generated
from torch.utils.tensorboard import SummaryWriter

from runfolio.events import messages as m
from runfolio.events.checksums import masked_crc
from runfolio.events.event_encoder import EventEncoder
from runfolio.events.event_reader import read_events
from runfolio.events.framing import frame
from runfolio.events.wire import WireError
from runfolio.record.base.run_document import RunDocument, Status, now
from runfolio.record.points.tails import LogCall

int64 = st.integers(-(2**63), 2**63 - 1)
int32 = st.integers(-(2**31), 2**31 - 1)
text = st.text(st.characters(exclude_categories=["Cs"]))
float32 = st.floats(width=32)
shapes = st.builds(m.TensorShape, st.lists(st.builds(m.Dim, int64), max_size=3))
tensors = st.builds(
    m.Tensor,
    dtype=st.integers(0, 23),
    tensor_shape=st.none() | shapes,
    tensor_content=st.binary(),
    float_val=st.lists(float32),
    double_val=st.lists(st.floats()),
    int_val=st.lists(int32),
    string_val=st.lists(st.binary()),
    int64_val=st.lists(int64),
    bool_val=st.lists(st.booleans()),
)
values = st.builds(
    m.Value,
    tag=text,
    metadata=st.none() | st.builds(m.Metadata, st.none() | st.builds(m.PluginData, text, st.binary()), text, text),
    simple_value=st.none() | float32,
)
pictures = st.builds(m.Value, tag=text, image=st.builds(m.Image, int32, int32, int32, st.binary()))
with_tensors = st.builds(m.Value, tag=text, tensor=tensors)
summaries = st.builds(m.Summary, st.lists(values | pictures | with_tensors, max_size=3))
events = st.builds(m.Event, st.floats(), int64, st.none() | text) | st.builds(
    m.Event, st.floats(), int64, summary=summaries
)


def written(folder: Path, *records: bytes) -> Path:
    path = folder / "events.out.tfevents.1.here.1.writer01"
    path.write_bytes(b"".join(records))
    return path


def read(path: Path) -> tuple[list[m.Event], list[str]]:
    problems: list[str] = []
    return list(read_events(path, problems)), problems


def document() -> RunDocument:
    return RunDocument(id="k3f9x2ab", name="net", experiment="demo", created=now())


_encoder = EventEncoder(document())
RECORDS = [_encoder.scalars(LogCall(n, n, n, {"loss": n / 2, "acc": 1 / n})) for n in range(1, 1001)]
SIZE = sum(map(len, RECORDS))


class TestWireFormat:
    @given(event=events)
    def test_message_round_trips(self, event: m.Event):
        assert repr(m.Event.decode(event.encode())) == repr(event)  # repr, because NaN does not equal itself

    @given(event=events)
    def test_protobuf_and_runfolio_read_each_others_events(self, event: m.Event):
        theirs = TheirEvent.FromString(event.encode())

        assert repr(m.Event.decode(theirs.SerializeToString())) == repr(event)

    @given(data=st.binary(max_size=200))
    def test_any_bytes_are_decoded_or_rejected(self, data: bytes):
        with contextlib.suppress(WireError):
            m.Event.decode(data)

    def test_tensor_numbers_are_read_from_either_encoding(self):
        filled = m.Tensor(m.DT_FLOAT, m.TensorShape.of(2, 2), float_val=[7.0])
        packed = m.Tensor(m.DT_DOUBLE, m.TensorShape.of(2), struct.pack("<2d", 1.5, math.inf))

        assert filled.numbers == [7.0, 7.0, 7.0, 7.0]
        assert packed.numbers == [1.5, math.inf]


class TestDamage:
    """Files of 1,000 records, some of them damaged; all others must be read."""

    def steps(self, path: Path) -> list[int]:
        return [event.step for event in read(path)[0]]

    def test_damaged_payload_affects_only_its_record(self, tmp_path: Path):
        bad = bytearray(RECORDS[500])
        bad[20] ^= 0xFF
        events, problems = read(written(tmp_path, *RECORDS[:500], bytes(bad), *RECORDS[501:]))

        assert [event.step for event in events] == [*range(1, 501), *range(502, 1001)]
        assert [line.rpartition(": ")[2] for line in problems] == [
            f"the record at offset {sum(map(len, RECORDS[:500]))} is damaged"
        ]

    @settings(max_examples=50)
    @given(where=st.integers(0, SIZE - 1), flip=st.integers(1, 255))
    def test_flipped_byte_affects_only_one_record(
        self, where: int, flip: int, tmp_path_factory: pytest.TempPathFactory
    ):
        data = bytearray(b"".join(RECORDS))
        data[where] ^= flip

        events, problems = read(written(tmp_path_factory.mktemp("flip"), bytes(data)))

        assert len(events) == 999
        assert len(problems) == 1

    @given(cut=st.integers(0, SIZE))
    def test_incomplete_file_yields_its_complete_records(self, cut: int, tmp_path_factory: pytest.TempPathFactory):
        events, problems = read(written(tmp_path_factory.mktemp("cut"), b"".join(RECORDS)[:cut]))

        complete = sum(end <= cut for end in itertools.accumulate(map(len, RECORDS)))
        assert ([event.step for event in events], problems) == ([*range(1, complete + 1)], [])

    def test_megabytes_of_zeros_and_noise_are_skipped(self, tmp_path: Path):
        noise = np.random.default_rng(0).bytes(1_000_000)
        path = written(tmp_path, *RECORDS[:3], bytes(5_000_000), noise, *RECORDS[3:6], bytes(1_000_000))

        assert self.steps(path) == [1, 2, 3, 4, 5, 6]

    def test_invalid_event_is_reported(self, tmp_path: Path):
        events, problems = read(written(tmp_path, RECORDS[0], frame(b"\xff\xff\xff"), RECORDS[1]))

        assert len(events) == 2
        assert "is not an event" in problems[0]

    def test_absurd_length_with_valid_checksum_is_rejected(self, tmp_path: Path):
        length = struct.pack("<Q", 2**40)
        endless = length + struct.pack("<I", masked_crc(length))
        assert self.steps(written(tmp_path, RECORDS[0], endless, RECORDS[1])) == [1, 2]

    def test_empty_file_has_no_events(self, tmp_path: Path):
        assert read(written(tmp_path)) == ([], [])


class TestTensorBoardReadsRunfolio:
    def theirs(self, path: Path) -> list[TheirEvent]:
        return list(LegacyEventFileLoader(str(path)).Load())

    @given(
        calls=st.lists(
            st.builds(
                LogCall,
                int64,
                st.integers(0, 2**50),
                int64,
                st.dictionaries(text.filter(bool), st.floats(), min_size=1, max_size=4),
            ),
            max_size=4,
        )
    )
    def test_scalars_have_their_times_and_steps(self, calls: list[LogCall], tmp_path_factory: pytest.TempPathFactory):
        encoder = EventEncoder(document())
        records = [encoder.header(1.0), *map(encoder.scalars, calls)]

        header, *events = self.theirs(written(tmp_path_factory.mktemp("events"), *records))

        assert header.file_version == "brain.Event:2"
        for event, call in zip(events, calls, strict=True):
            assert (event.wall_time, event.step) == (call.time_us / 1e6, call.step)
            assert [value.tag for value in event.summary.value] == list(call.values)
            with np.errstate(over="ignore"):
                expected = [float(np.float32(value)) for value in call.values.values()]
            assert repr([value.simple_value for value in event.summary.value]) == repr(expected)

    def test_name_shared_by_metric_and_medium_gives_two_tags(self, tmp_path: Path):
        encoder = EventEncoder(document())
        scalars = encoder.scalars(LogCall(1, 1, 0, {"loss": 1.0}))
        path = written(tmp_path, scalars, encoder.medium(1, 0, "text", "loss", {"text": "high"}, None))

        assert [value.tag for event in self.theirs(path) for value in event.summary.value] == ["loss", "loss (text)"]

    def test_hyperparameters_of_every_type_are_encoded(self, tmp_path: Path):
        run = document()
        run.config = {
            "lr": 0.1,
            "amp": True,
            "opt": {"name": "sgd"},
            "sizes": [1, 2],
            "drop": None,
            "top": float("nan"),
        }
        run.status = Status("failed", now())
        encoder = EventEncoder(run)
        path = written(tmp_path, encoder.session_start(), encoder.session_end(5.0))

        started, ended = (
            HParamsPluginData.FromString(value.metadata.plugin_data.content)
            for event in self.theirs(path)
            for value in event.summary.value
        )
        assert started.session_start_info.group_name == "net-k3f9x2ab"
        hyperparameters = {
            key: getattr(value, value.WhichOneof("kind")) for key, value in started.session_start_info.hparams.items()
        }
        assert hyperparameters == {
            "lr": 0.1,
            "amp": True,
            "opt/name": "sgd",
            "sizes": "[1, 2]",
            "drop": "null",
            "top": "NaN",
        }
        assert (ended.session_end_info.status, ended.session_end_info.end_time_secs) == (m.STATUS_FAILURE, 5.0)


def test_event_files_of_torch_summary_writer_are_read(tmp_path: Path):
    numbers = np.random.default_rng(0).normal(size=1000)
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_scalar("loss", 0.25, 3, walltime=7.5)
        writer.add_scalar("precise", 0.1, 4, new_style=True, double_precision=True)
        writer.add_histogram("weights", numbers, 5)
        writer.add_image("image", torch.rand(3, 4, 6), 6)
        writer.add_text("text", "äöü", 7)
        with pytest.warns(DeprecationWarning, match="jit.trace"):
            writer.add_graph(torch.nn.Linear(2, 1), torch.zeros(1, 2))
    (path,) = tmp_path.glob("events*")

    events, problems = read(path)

    assert problems == []
    by_tag = {value.tag: (event, value) for event in events if event.summary for value in event.summary.value}
    event, loss = by_tag["loss"]
    assert (event.wall_time, event.step, loss.simple_value) == (7.5, 3, 0.25)
    _, precise = by_tag["precise"]
    assert precise.tensor
    assert (precise.plugin, precise.tensor.numbers) == ("scalars", [0.1])
    _, weights = by_tag["weights"]
    assert weights.histo
    assert (weights.histo.num, sum(weights.histo.bucket)) == (1000.0, 1000.0)
    assert (weights.histo.min, weights.histo.max) == (numbers.min(), numbers.max())
    _, image = by_tag["image"]
    assert image.image
    assert (image.image.height, image.image.width, image.image.encoded_image_string[1:4]) == (4, 6, b"PNG")
    _, note = by_tag["text/text_summary"]
    assert note.tensor
    assert (note.plugin, note.tensor.string_val) == ("text", ["äöü".encode()])
    (graph,) = (m.Graph.decode(event.graph_def) for event in events if event.graph_def is not None)
    assert {"input/input", "output/output.1"} <= {node.name for node in graph.node}

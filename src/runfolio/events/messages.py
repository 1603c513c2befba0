"""Protobuf messages of an event file. Only the fields in use are declared.

Sources, all in the package `tensorboard`: compat/proto/{event, summary, tensor, tensor_shape, types, histogram, graph,
node_def, attr_value}.proto, plugins/hparams/{plugin_data, api}.proto, plugins/custom_scalar/layout.proto,
plugins/{audio, mesh, pr_curve}/plugin_data.proto. `Hparam` comes from struct.proto, which is part of protobuf itself.
"""

# ruff: noqa: RUF009 - `part` and `parts` are `dataclasses.field`

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from runfolio.events.wire import BOOL, BYTES, DOUBLE, FLOAT, INT, RAW_TEXT, TEXT, Message, part, parts

FILE_VERSION = "brain.Event:2"

DT_FLOAT, DT_DOUBLE, DT_INT32, DT_UINT8, DT_STRING = 1, 2, 3, 4, 7
DT_BFLOAT16 = 14
_FORMS = {1: "f", 2: "d", 3: "i", 4: "B", 5: "h", 6: "b", 9: "q", 10: "?", 14: "H", 17: "H", 19: "e", 22: "I", 23: "Q"}
"""`struct` format of the numbers in `Tensor.tensor_content`, by DataType."""

STATUS_SUCCESS, STATUS_FAILURE = 1, 2

STRING_TYPE, BOOL_TYPE, FLOAT64_TYPE = 1, 2, 3
"""Types of hyperparameters (`DataType` in api.proto)."""


@dataclass(slots=True)
class Dim(Message):
    size: int = part(1, INT, 0)


@dataclass(slots=True)
class TensorShape(Message):
    dim: list[Dim] = parts(2, Dim)

    @classmethod
    def of(cls, *sizes: int) -> TensorShape:
        return cls([Dim(size) for size in sizes])

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(dim.size for dim in self.dim)


@dataclass(slots=True)
class Tensor(Message):
    dtype: int = part(1, INT, 0)
    tensor_shape: TensorShape | None = part(2, TensorShape)
    tensor_content: bytes = part(4, BYTES, b"")
    float_val: list[float] = parts(5, FLOAT)
    double_val: list[float] = parts(6, DOUBLE)
    int_val: list[int] = parts(7, INT)
    string_val: list[bytes] = parts(8, BYTES)
    int64_val: list[int] = parts(10, INT)
    bool_val: list[bool] = parts(11, BOOL)
    half_val: list[int] = parts(13, INT)
    """Bits of 16-bit floats, one integer per number."""
    uint32_val: list[int] = parts(16, INT)
    uint64_val: list[int] = parts(17, INT)

    @property
    def numbers(self) -> list[float]:
        """Elements of the tensor in row-major order. The list of elements is empty for strings and unknown dtypes.

        Raises:
            ValueError: The content is not a multiple of the element size.
        """
        if not self.tensor_content:
            values = self._values()
            sizes = self.tensor_shape.sizes if self.tensor_shape else ()
            count = math.prod(sizes) if 0 < len(sizes) <= _MOST_DIMENSIONS else len(values)
            # If elements are missing at the end, each of them equals the last number.
            return [*values, *values[-1:] * (count - len(values))] if count <= _MOST_NUMBERS else list(values)
        form = _FORMS.get(self.dtype)
        if form is None:
            return []
        form_size = struct.calcsize(f"<{form}")
        if len(self.tensor_content) % form_size:
            raise ValueError(f"{len(self.tensor_content)} bytes are not a multiple of the size of type {self.dtype}")
        if self.dtype == DT_BFLOAT16:
            return _bfloat16(number for (number,) in struct.iter_unpack("<H", self.tensor_content))
        return [value for (value,) in struct.iter_unpack(f"<{form}", self.tensor_content)]

    def _values(self) -> list[float]:
        """Return the numbers that are not in `tensor_content`."""
        if self.half_val:
            if self.dtype == DT_BFLOAT16:
                return _bfloat16(self.half_val)
            return [struct.unpack("<e", struct.pack("<H", bits & 0xFFFF))[0] for bits in self.half_val]
        numbers = self.float_val or self.double_val or self.int_val or self.int64_val or self.uint32_val
        return [*(numbers or self.bool_val or (number % (1 << 64) for number in self.uint64_val))]


def _bfloat16(values: Iterable[int]) -> list[float]:
    return [struct.unpack("<f", struct.pack("<I", (bits & 0xFFFF) << 16))[0] for bits in values]


_MOST_DIMENSIONS = 254
"""TensorFlow's limit for the rank of a tensor."""
_MOST_NUMBERS = 1 << 24
"""Maximum number of elements in a tensor whose missing elements must be filled in. Without this limit, a damaged shape
could exhaust the memory."""


@dataclass(slots=True)
class PluginData(Message):
    plugin_name: str = part(1, TEXT, "")
    content: bytes = part(2, BYTES, b"")


@dataclass(slots=True)
class Metadata(Message):
    plugin_data: PluginData | None = part(1, PluginData)
    display_name: str = part(2, TEXT, "")
    summary_description: str = part(3, TEXT, "")


@dataclass(slots=True)
class Image(Message):
    height: int = part(1, INT, 0)
    width: int = part(2, INT, 0)
    colorspace: int = part(3, INT, 0)
    encoded_image_string: bytes = part(4, BYTES, b"")


@dataclass(slots=True)
class Histogram(Message):
    """Histogram of SummaryWriter: the number of values between `bucket_limit[i - 1]` and `bucket_limit[i]` is
    `bucket[i]`."""

    min: float = part(1, DOUBLE, 0.0)
    max: float = part(2, DOUBLE, 0.0)
    num: float = part(3, DOUBLE, 0.0)
    sum: float = part(4, DOUBLE, 0.0)
    sum_squares: float = part(5, DOUBLE, 0.0)
    bucket_limit: list[float] = parts(6, DOUBLE)
    bucket: list[float] = parts(7, DOUBLE)


@dataclass(slots=True)
class Audio(Message):
    sample_rate: float = part(1, FLOAT, 0.0)
    num_channels: int = part(2, INT, 0)
    length_frames: int = part(3, INT, 0)
    encoded_audio_string: bytes = part(4, BYTES, b"")
    content_type: str = part(5, TEXT, "")


AUDIO_WAV = 11
"""The only audio encoding that TensorBoard defines."""


@dataclass(slots=True)
class AudioData(Message):
    encoding: int = part(2, INT, 0)
    converted_to_tensor: bool = part(3, BOOL, False)


@dataclass(slots=True)
class PrCurveData(Message):
    version: int = part(1, INT, 0)
    num_thresholds: int = part(2, INT, 0)


@dataclass(slots=True)
class MeshData(Message):
    name: str = part(2, TEXT, "")
    content_type: int = part(3, INT, 0)
    json_config: str = part(5, TEXT, "")
    shape: list[int] = parts(6, INT)
    components: int = part(7, INT, 0)


@dataclass(slots=True)
class Value(Message):
    """Entry of a summary. Exactly one of `simple_value`, `image`, `histo`, `audio` and `tensor` is set."""

    tag: str = part(1, RAW_TEXT, "")
    metadata: Metadata | None = part(9, Metadata)
    simple_value: float | None = part(2, FLOAT)
    image: Image | None = part(4, Image)
    histo: Histogram | None = part(5, Histogram)
    audio: Audio | None = part(6, Audio)
    tensor: Tensor | None = part(8, Tensor)

    @property
    def plugin(self) -> str:
        """Name of the TensorBoard plugin to which the value belongs. The name is empty if there is no plugin."""
        return self.metadata.plugin_data.plugin_name if self.metadata and self.metadata.plugin_data else ""


@dataclass(slots=True)
class Summary(Message):
    value: list[Value] = parts(1, Value)


@dataclass(slots=True)
class LogMessage(Message):
    level: int = part(1, INT, 0)
    message: str = part(2, TEXT, "")


SESSION_START, SESSION_STOP, SESSION_CHECKPOINT = 1, 2, 3


@dataclass(slots=True)
class SessionLog(Message):
    """Start, end or checkpoint of a training session. A start makes earlier points void if their step equals or exceeds
    the step of the start."""

    status: int = part(1, INT, 0)
    checkpoint_path: str = part(2, TEXT, "")
    msg: str = part(3, TEXT, "")


@dataclass(slots=True)
class SourceMetadata(Message):
    writer: str = part(1, TEXT, "")
    """Name of the program that wrote the file."""


@dataclass(slots=True)
class TaggedRunMetadata(Message):
    tag: str = part(1, TEXT, "")
    run_metadata: bytes = part(2, BYTES, b"")
    """Encoded `tensorflow.RunMetadata`, with the times of one step."""


@dataclass(slots=True)
class Event(Message):
    """Content of one record. At most one of the fields from `file_version` to `meta_graph_def` is set."""

    wall_time: float = part(1, DOUBLE, 0.0)
    """Seconds since 1970."""
    step: int = part(2, INT, 0)
    file_version: str | None = part(3, TEXT)
    graph_def: bytes | None = part(4, BYTES)
    """Encoded `Graph`."""
    summary: Summary | None = part(5, Summary)
    log_message: LogMessage | None = part(6, LogMessage)
    session_log: SessionLog | None = part(7, SessionLog)
    tagged_run_metadata: TaggedRunMetadata | None = part(8, TaggedRunMetadata)
    meta_graph_def: bytes | None = part(9, BYTES)
    """Encoded `tensorflow.MetaGraphDef`."""

    source_metadata: SourceMetadata | None = part(10, SourceMetadata)

    @property
    def has_content(self) -> bool:
        """Return whether the event has any other field than the time and the step."""
        if self.summary is not None and self.summary.value:
            return True
        texts = (self.file_version, self.graph_def, self.meta_graph_def)
        messages = (self.log_message, self.session_log, self.tagged_run_metadata, self.source_metadata)
        return any(content is not None for content in (*texts, *messages))


@dataclass(slots=True)
class AttrList(Message):
    shape: list[TensorShape] = parts(7, TensorShape)


@dataclass(slots=True)
class AttrValue(Message):
    s: bytes | None = part(2, BYTES)
    list: AttrList | None = part(1, AttrList)


@dataclass(slots=True)
class AttrEntry(Message):
    key: str = part(1, TEXT, "")
    value: AttrValue | None = part(2, AttrValue)


@dataclass(slots=True)
class Node(Message):
    name: str = part(1, TEXT, "")
    op: str = part(2, TEXT, "")
    input: list[str] = parts(3, TEXT)
    attr: list[AttrEntry] = parts(5, AttrEntry)


@dataclass(slots=True)
class Versions(Message):
    producer: int = part(1, INT, 0)


@dataclass(slots=True)
class Graph(Message):
    node: list[Node] = parts(1, Node)
    versions: Versions | None = part(4, Versions)


@dataclass(slots=True)
class Hparam(Message):
    """Message google.protobuf.Value without its field for objects."""

    number_value: float | None = part(2, DOUBLE)
    string_value: str | None = part(3, TEXT)
    bool_value: bool | None = part(4, BOOL)
    null_value: int | None = part(1, INT)
    list_value: bytes | None = part(6, BYTES)
    """Encoded `HparamList`."""


@dataclass(slots=True)
class HparamEntry(Message):
    key: str = part(1, TEXT, "")
    value: Hparam | None = part(2, Hparam)


@dataclass(slots=True)
class SessionStart(Message):
    hparams: list[HparamEntry] = parts(1, HparamEntry)
    group_name: str = part(4, TEXT, "")
    start_time_secs: float = part(5, DOUBLE, 0.0)
    model_uri: str = part(2, TEXT, "")
    monitor_url: str = part(3, TEXT, "")


@dataclass(slots=True)
class SessionEnd(Message):
    status: int = part(1, INT, 0)
    end_time_secs: float = part(2, DOUBLE, 0.0)


@dataclass(slots=True)
class HparamInterval(Message):
    min_value: float = part(1, DOUBLE, 0.0)
    max_value: float = part(2, DOUBLE, 0.0)


@dataclass(slots=True)
class HparamList(Message):
    values: list[Hparam] = parts(1, Hparam)


@dataclass(slots=True)
class HparamInfo(Message):
    name: str = part(1, TEXT, "")
    display_name: str = part(2, TEXT, "")
    description: str = part(3, TEXT, "")
    type: int = part(4, INT, 0)
    domain_discrete: HparamList | None = part(5, HparamList)
    domain_interval: HparamInterval | None = part(6, HparamInterval)
    differs: bool = part(7, BOOL, False)


@dataclass(slots=True)
class MetricName(Message):
    group: str = part(1, TEXT, "")
    tag: str = part(2, TEXT, "")


@dataclass(slots=True)
class MetricInfo(Message):
    name: MetricName | None = part(1, MetricName)
    display_name: str = part(3, TEXT, "")
    description: str = part(4, TEXT, "")
    dataset_type: int = part(5, INT, 0)


@dataclass(slots=True)
class Experiment(Message):
    """Declaration of the hyperparameters and metrics of all runs in a logdir."""

    description: str = part(1, TEXT, "")
    user: str = part(2, TEXT, "")
    time_created_secs: float = part(3, DOUBLE, 0.0)
    hparam_infos: list[HparamInfo] = parts(4, HparamInfo)
    metric_infos: list[MetricInfo] = parts(5, MetricInfo)
    name: str = part(6, TEXT, "")


@dataclass(slots=True)
class HparamsData(Message):
    session_start_info: SessionStart | None = part(3, SessionStart)
    session_end_info: SessionEnd | None = part(4, SessionEnd)
    experiment: Experiment | None = part(2, Experiment)
    version: int = part(1, INT, 0)


@dataclass(slots=True)
class MultilineChart(Message):
    tag: list[str] = parts(1, TEXT)


@dataclass(slots=True)
class MarginSeries(Message):
    value: str = part(1, TEXT, "")
    lower: str = part(2, TEXT, "")
    upper: str = part(3, TEXT, "")


@dataclass(slots=True)
class MarginChart(Message):
    series: list[MarginSeries] = parts(1, MarginSeries)


@dataclass(slots=True)
class Chart(Message):
    title: str = part(1, TEXT, "")
    multiline: MultilineChart | None = part(2, MultilineChart)
    margin: MarginChart | None = part(3, MarginChart)


@dataclass(slots=True)
class Category(Message):
    title: str = part(1, TEXT, "")
    chart: list[Chart] = parts(2, Chart)
    closed: bool = part(3, BOOL, False)


@dataclass(slots=True)
class Layout(Message):
    category: list[Category] = parts(2, Category)

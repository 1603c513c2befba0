"""Conversion of a run's log calls, media, config and results to records of TensorBoard event files."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from runfolio.events import messages as m
from runfolio.events import wire
from runfolio.events.drawn_boxes import draw_boxes
from runfolio.events.framing import frame
from runfolio.events.mesh_tensors import COLOR, FACE, VERTEX, mesh_tensors
from runfolio.record.base.files import plain_json
from runfolio.record.base.flat_names import as_number, decode_numbers, encode_numbers, flatten
from runfolio.record.base.run_document import RUNNING, RunDocument
from runfolio.record.content import media_types
from runfolio.record.points.metric_summary import is_system_metric
from runfolio.record.points.tails import LogCall

_NULL = m.Tensor(m.DT_FLOAT, m.TensorShape.of(0))
"""Placeholder tensor for a value that consists only of metadata."""
_PR_CURVE_ROWS = (
    "true_positives", "false_positives", "true_negatives", "false_negatives", "precision", "recall"
)  # fmt: skip
_MESH_PARTS = {VERTEX: "VERTEX", FACE: "FACE", COLOR: "COLOR"}
_MESH_TYPES = {VERTEX: m.DT_FLOAT, FACE: m.DT_INT32, COLOR: m.DT_UINT8}


class EventEncoder:
    """Encoder for one run. Pass log calls and media in the order in which they were recorded. Names become TensorBoard
    tags.

    Each tag belongs to one TensorBoard plugin. If two values have the same name but belong to different plugins, the
    tag of the later value gets a suffix, such as `name (image)`. A metric `CHART/LINE` that belongs to a chart is not
    written to the file of the run. Instead, each line has its own file, and all lines use the chart's name as their
    tag. TensorBoard then draws them in one card.
    """

    def __init__(self, charts: Collection[str] = ()) -> None:
        """Prepare to encode a run.

        Args:
            charts: Names of the run's charts. More names may be added later.
        """
        self._charts = charts
        self._heads: dict[str, bytes] = {}
        self._plugins: dict[str, str] = {}
        self._last_step = 0

    @staticmethod
    def header(time_s: float) -> bytes:
        """Return the first record of every file."""
        return _record(time_s, file_version=m.FILE_VERSION)

    def scalars(self, call: LogCall) -> bytes:
        """Encode one log call. Return empty bytes for a call with system metrics.

        TensorBoard would show so many charts of system metrics that the other metrics would be hard to find.
        """
        if is_system_metric(next(iter(call.values), "")):  # no call mixes system metrics with other metrics
            return b""
        if not self._charts:
            return self._scalars(call, call.values)
        own = {name: value for name, value in call.values.items() if self._chart_of(name) is None}
        return self._scalars(call, own) if own else b""

    def lines(self, call: LogCall) -> Iterator[tuple[tuple[str, str], bytes]]:
        """Yield the (chart, line) pair and the encoded record of each value in a log call. Values outside of charts are
        skipped."""
        for name, value in call.values.items() if self._charts else ():
            if (chart := self._chart_of(name)) is not None:
                yield (chart, name[len(chart) + 1 :]), self._scalars(call, {chart: value})

    def _chart_of(self, name: str) -> str | None:
        return max((chart for chart in self._charts if name.startswith(f"{chart}/")), key=len, default=None)

    def _scalars(self, call: LogCall, named: Mapping[str, float]) -> bytes:
        """Encode values with the step and time of their log call.

        This method does not use the classes of `messages`, which are too slow for a run with a million calls.
        """
        values = []
        for name, value in named.items():
            head = self._heads.get(name) or self._head(name)
            content = head + wire.float32(value)
            values.append(b"\x0a" + wire.varint(len(content)) + content)
        if call.step > self._last_step:
            self._last_step = call.step
        moment = b"\x09" + struct.pack("<d", call.time_us / 1e6)
        step = b"\x10" + wire.varint(call.step) if call.step else b""
        return frame(moment + step + wire.length_field(5, b"".join(values)))

    def _head(self, name: str) -> bytes:
        """Return the part of an encoded scalar that precedes its number: the tag, and the field key of
        `simple_value`."""
        tag = self._tag(name, "scalars", "scalar").encode(errors="backslashreplace")
        self._heads[name] = head = wire.length_field(1, tag) + b"\x15"
        return head

    def medium(
        self, time_us: int, step: int, kind: str, name: str, content: Mapping[str, Any], file_content: bytes | None
    ) -> bytes:
        """Encode one media entry of the record (`docs/format.md`, Media) with the content of its file.

        Boxes are drawn on their image, since TensorBoard cannot display them separately. TensorBoard displays a video
        only if the video is an animated image, and a mesh only if it was logged as arrays. TensorBoard cannot display
        tables.
        """
        time_s = time_us / 1e6
        if "file" in content:
            return b"" if file_content is None else self._file(time_s, step, kind, name, content, file_content)
        if kind == "histogram":
            return self._histogram(time_s, step, name, content)
        if kind == "pr_curve":
            return self._pr_curve(time_s, step, name, content)
        if kind == "text":
            tag = self._tag(name, "text", kind)
            return _summary(time_s, step, m.Value(tag, _metadata("text"), tensor=_text(content["text"].encode())))
        if kind == "graph":
            return _record(time_s, step=step, graph_def=_graph(content["nodes"]).encode())
        layout = _text(_layout(content["charts"]).encode())
        return _summary(time_s, step, m.Value("custom_scalars__config__", _metadata("custom_scalars"), tensor=layout))

    def session_start(self, document: RunDocument) -> bytes:
        """Encode the run's hyperparameters as the start of a session, TensorBoard's term for a run. Return empty bytes
        if the run has no hyperparameters.

        No `Experiment` message is written. TensorBoard would apply the first such message to all runs, and would hide
        hyperparameters and metrics that the message does not list. Without such a message, TensorBoard collects
        hyperparameters and metrics from the runs.
        """
        params = _flat(document.config)
        if not params:
            return b""
        entries = [m.HparamEntry(name, _hparam(value)) for name, value in params.items()]
        start = m.SessionStart(entries, f"{document.name}-{document.id}", document.created.timestamp())
        data = m.HparamsData(session_start_info=start)
        return _session("_hparams_/session_start_info", start.start_time_secs, data)

    def results(self, document: RunDocument, time_s: float) -> bytes:
        """Encode each number in the summary as the scalar `summary/NAME`.

        The step of the scalar is the last step of the attempt. TensorBoard drops all earlier points of a tag when a
        lower step follows. Therefore, each result has its own tag, whose steps never decrease.
        """
        numbers = {key: as_number(value) for key, value in _flat(document.summary).items()}
        values = [
            m.Value(self._tag(f"summary/{key}", "scalars", "scalar"), simple_value=value)
            for key, value in numbers.items()
            if value is not None
        ]
        return _summary(time_s, self._last_step, *values) if values else b""

    def session_end(self, document: RunDocument, time_s: float) -> bytes:
        """Encode the end of the session. Return empty bytes if the run has not ended or has no hyperparameters."""
        if document.status.state == RUNNING or not document.config:
            return b""
        status = m.STATUS_SUCCESS if document.status.state == "finished" else m.STATUS_FAILURE
        data = m.HparamsData(session_end_info=m.SessionEnd(status, time_s))
        return _session("_hparams_/session_end_info", time_s, data)

    def _file(
        self, time_s: float, step: int, kind: str, name: str, content: Mapping[str, Any], file_content: bytes
    ) -> bytes:
        caption, media_type = content.get("caption") or "", media_types.type_of(content["file"])
        if kind == "audio":
            return self._audio(time_s, step, name, content, file_content)
        if kind == "mesh":
            return self._mesh(time_s, step, name, content, file_content)
        if media_type is None or not media_type.startswith("image/"):
            return b""
        if kind == "video":
            width, height = content.get("width", 0), content.get("height", 0)
        else:
            width, height = struct.unpack_from(">II", file_content, 16)  # a PNG's first chunk contains them
            if boxes := content.get("boxes"):
                file_content = draw_boxes(file_content, boxes)
        # The colour space 4 is RGBA. TensorBoard passes the file to the browser unchanged.
        image = m.Image(height, width, 4, file_content)
        return _summary(
            time_s, step, m.Value(self._tag(name, "images", kind), _metadata("images", caption), image=image)
        )

    def _audio(self, time_s: float, step: int, name: str, content: Mapping[str, Any], file_content: bytes) -> bytes:
        rate, channels, samples = (content.get(key, 0) for key in ("sample_rate", "channels", "samples"))
        media_type = media_types.type_of(content["file"]) or ""
        audio = m.Audio(rate, channels, samples, file_content, media_type)
        data = m.AudioData(m.AUDIO_WAV if media_type == "audio/wav" else 0)
        metadata = m.Metadata(m.PluginData("audio", data.encode()), summary_description=content.get("caption") or "")
        return _summary(time_s, step, m.Value(self._tag(name, "audio", "audio"), metadata, audio=audio))

    def _mesh(self, time_s: float, step: int, name: str, content: Mapping[str, Any], file_content: bytes) -> bytes:
        tensors, caption = mesh_tensors(file_content), content.get("caption") or ""
        if not tensors:
            return b""
        tag = self._tag(name, "mesh", "mesh")
        components = sum(1 << tensor.kind for tensor in tensors)
        config = json.dumps(plain_json(content.get("config", {})), sort_keys=True)
        values = []
        for kind, rows in tensors:
            about = m.MeshData(tag, kind, config, [1, *rows.shape], components)
            metadata = m.Metadata(m.PluginData("mesh", about.encode()), summary_description=caption)
            tensor = m.Tensor(_MESH_TYPES[kind], m.TensorShape.of(1, *rows.shape), rows.tobytes())
            values.append(m.Value(f"{tag}_{_MESH_PARTS[kind]}", metadata, tensor=tensor))
        return _summary(time_s, step, *values)

    def _histogram(self, time_s: float, step: int, name: str, content: Mapping[str, Any]) -> bytes:
        edges, counts = content["edges"], content["counts"]
        if counts and content["min"] == content["max"]:  # equal numbers form one bin of width 0
            edges, counts = [content["min"]] * 2, [sum(counts)]
        rows = [part for row in zip(edges[:-1], edges[1:], counts, strict=True) for part in row]
        packed = struct.pack(f"<{len(rows)}d", *rows)
        tensor = m.Tensor(m.DT_DOUBLE, m.TensorShape.of(len(counts), 3), packed)
        tag = self._tag(name, "histograms", "histogram")
        return _summary(time_s, step, m.Value(tag, _metadata("histograms"), tensor=tensor))

    def _pr_curve(self, time_s: float, step: int, name: str, content: Mapping[str, Any]) -> bytes:
        count = min(len(content[row]) for row in _PR_CURVE_ROWS)
        packed = b"".join(wire.float32(value) for row in _PR_CURVE_ROWS for value in content[row][:count])
        data = m.PrCurveData(num_thresholds=count).encode()
        tensor = m.Tensor(m.DT_FLOAT, m.TensorShape.of(len(_PR_CURVE_ROWS), count), packed)
        tag = self._tag(name, "pr_curves", "pr_curve")
        return _summary(time_s, step, m.Value(tag, m.Metadata(m.PluginData("pr_curves", data)), tensor=tensor))

    def _tag(self, name: str, plugin: str, kind: str) -> str:
        return name if self._plugins.setdefault(name, plugin) == plugin else f"{name} ({kind})"


def _flat(live: dict[str, Any]) -> dict[str, Any]:
    """Return a flat copy of a config or summary. The script may change the original at the same time."""
    return flatten(decode_numbers(plain_json(encode_numbers(live))))


def _record(time_s: float, **content: Any) -> bytes:
    return frame(m.Event(time_s, **content).encode())


def _summary(time_s: float, step: int, *values: m.Value) -> bytes:
    return _record(time_s, step=step, summary=m.Summary(list(values)))


def _session(tag: str, time_s: float, data: m.HparamsData) -> bytes:
    metadata = m.Metadata(m.PluginData("hparams", data.encode()))
    return _summary(time_s, 0, m.Value(tag, metadata, tensor=_NULL))


def _metadata(plugin: str, description: str = "") -> m.Metadata:
    return m.Metadata(m.PluginData(plugin), summary_description=description)


def _text(text: bytes) -> m.Tensor:
    return m.Tensor(m.DT_STRING, m.TensorShape(), string_val=[text])  # TensorBoard shows a vector as a table


def _hparam(value: Any) -> m.Hparam:
    """Encode a value of the config. Non-finite numbers become strings, because TensorBoard's JSON does not support
    them."""
    if isinstance(value, bool):
        return m.Hparam(bool_value=value)
    if isinstance(value, (int, float)) and math.isfinite(value):
        return m.Hparam(number_value=float(value))
    return m.Hparam(string_value=value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _graph(nodes: list[dict[str, Any]]) -> m.Graph:
    return m.Graph([_node(node) for node in nodes], m.Versions(22))  # torch's SummaryWriter also writes version 22


def _node(node: Mapping[str, Any]) -> m.Node:
    attributes = []
    for key, text in node["attributes"].items():
        if key == "shape" and (sizes := re.fullmatch(r"\[(\d+(?:, \d+)*)?\]", text)):
            shape = m.TensorShape.of(*map(int, re.findall(r"\d+", sizes[0])))
            attributes.append(m.AttrEntry("_output_shapes", m.AttrValue(list=m.AttrList([shape]))))
        else:
            attributes.append(m.AttrEntry(key, m.AttrValue(s=text.encode())))
    return m.Node(node["name"], node["op"], node["inputs"], attributes)


def _layout(categories: Mapping[str, Mapping[str, Any]]) -> m.Layout:
    return m.Layout(
        [m.Category(title, [_chart(*entry) for entry in charts.items()]) for title, charts in categories.items()]
    )


def _chart(title: str, chart: tuple[str, list[str]]) -> m.Chart:
    kind, tags = chart
    if kind == "margin":
        return m.Chart(title, margin=m.MarginChart([m.MarginSeries(*tags)]))
    return m.Chart(title, multiline=m.MultilineChart(tags))

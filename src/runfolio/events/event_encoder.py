"""Conversion of a run's log calls, media, config and results to records of TensorBoard event files."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterable, Mapping
from typing import Any

from runfolio.events import hparams_tab, wire
from runfolio.events import messages as m
from runfolio.events.drawn_boxes import draw_boxes
from runfolio.events.framing import frame
from runfolio.events.mesh_tensors import COLOR, FACE, VERTEX, mesh_tensors
from runfolio.events.scalar_tags import (
    MAIN_RESULTS,
    ScalarTags,
    charted_results,
    grouped_tag,
    has_main_metrics,
    result_tag,
)
from runfolio.record.base.files import plain_json
from runfolio.record.base.flat_names import as_number, decode_numbers, encode_numbers, flatten
from runfolio.record.base.run_document import RUNNING, RunDocument
from runfolio.record.content import media_types
from runfolio.record.content.media import PR_CURVE_ROWS
from runfolio.record.points.tails import LogCall

_NULL = m.Tensor(m.DT_FLOAT, m.TensorShape.of(0))
"""Placeholder tensor for a value that consists only of metadata."""
_LARGEST_HPARAMS_STEP = 2**31 - 1
"""Largest step of a metric in the HParams tab. If one run has a larger step, TensorBoard returns an error for all
runs."""
_LAYOUT_TAG = "custom_scalars__config__"
_LINES = "add_scalars"
"""Category of the charts with several lines."""
_MESH_PARTS = {VERTEX: "VERTEX", FACE: "FACE", COLOR: "COLOR"}
_MESH_TYPES = {VERTEX: m.DT_FLOAT, FACE: m.DT_INT32, COLOR: m.DT_UINT8}


class EventEncoder:
    """Encoder for one attempt of a run. Pass log calls and media in the order in which they were recorded.

    Each tag belongs to one TensorBoard plugin. If two values have the same name but belong to different plugins, the
    tag of the later value gets a suffix, such as `name (image)`.
    """

    def __init__(self, document: RunDocument, charts: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        """Prepare to encode an attempt.

        Args:
            document: Content of `run.json`.
            charts: Charts that earlier attempts defined, by category and title.
        """
        self.document = document
        """Newest content of `run.json`."""
        self._tags = ScalarTags()
        self._heads: dict[str, bytes] = {}
        self._plugins: dict[str, str] = {}
        self._last_step = 0
        self._has_wide_steps = False
        self._has_experiment = False
        self._layout: dict[str, Mapping[str, Any]] = dict(charts or {})
        self._known_charts = 0

    @staticmethod
    def header(time_s: float) -> bytes:
        """Return the first record of every file. The record names runfolio as the writer. An import therefore
        recognizes the scalars `summary/NAME` as results."""
        return _record(time_s, file_version=m.FILE_VERSION, source_metadata=m.SourceMetadata("runfolio"))

    def scalars(self, call: LogCall) -> bytes:
        """Encode the values of one log call whose metrics have charts (see `ScalarTags`). Return empty bytes if no
        metric has a chart.

        This method does not use the classes of `messages`, which are too slow for a run with a million calls.
        """
        values = []
        for name, value in call.values.items():
            head = self._heads.get(name)
            if head is None:
                head = self._head(name, call.values)
            if head:
                content = head + wire.float32(value)
                values.append(b"\x0a" + wire.varint(len(content)) + content)
        if not values:
            return b""
        if call.step > self._last_step:
            self._last_step = call.step
        moment = b"\x09" + struct.pack("<d", call.time_us / 1e6)
        step = b"\x10" + wire.varint(call.step) if call.step else b""
        record = frame(moment + step + wire.length_field(5, b"".join(values)))
        if call.step > _LARGEST_HPARAMS_STEP and not self._has_wide_steps:
            self._has_wide_steps = True
            record += self._chosen_columns(call.time_us / 1e6)
        return record

    def _head(self, name: str, values: Mapping[str, float]) -> bytes:
        """Return the part of an encoded scalar that precedes its number: the tag, and the field key of `simple_value`.

        The result is empty for a metric without a chart.
        """
        tag = self._tags.tag(self.document, name, values)
        if tag is None:
            self._heads[name] = b""
            return b""
        tag = self._tag(tag, "scalars", "scalar")
        self._heads[name] = head = wire.length_field(1, tag.encode(errors="backslashreplace")) + b"\x15"
        return head

    def new_charts(self, time_s: float) -> bytes:
        """Encode the layout of the Custom Scalars tab if the run has new charts with several lines. Otherwise, return
        empty bytes.

        TensorBoard reads only the last layout of a run. Each layout therefore contains all charts.
        """
        charts = self.document.charts
        if len(charts) == self._known_charts:
            return b""
        self._known_charts = len(charts)
        return self._encoded_layout(time_s)

    def _encoded_layout(self, time_s: float) -> bytes:
        lines = {chart: ["multiline", [f"{re.escape(chart)}/"]] for chart in self.document.charts}
        categories = {**({_LINES: lines} if lines else {}), **self._layout}
        return _summary(
            time_s,
            0,
            m.Value(_LAYOUT_TAG, _metadata("custom_scalars"), tensor=_text(_layout(categories).encode())),
        )

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
            text = content["text"]
            if has_main_metrics(self.document) and "\n" in text and "  " in text and "```" not in text:
                text = f"```\n{text}\n```"  # Markdown would join aligned columns
            return _summary(time_s, step, m.Value(tag, _metadata("text"), tensor=_text(text.encode())))
        if kind == "graph":
            return _record(time_s, step=step, graph_def=_graph(content["nodes"]).encode())
        for category, titles in content["charts"].items():
            self._layout[category] = titles
        return self._encoded_layout(time_s)

    def session_start(self) -> bytes:
        """Encode the run's hyperparameters as the start of a session, TensorBoard's term for a run. Return empty bytes
        if the run has no hyperparameters.

        Only a run with main metrics (see `scalar_tags`), or with steps that the HParams tab does not support, defines
        the columns of the tab. TensorBoard applies the columns of the first such run to all runs. Without such a run,
        it collects the hyperparameters and metrics of all runs.
        """
        params = _flat(self.document.config)
        if not params:
            return b""
        started = self.document.created.timestamp()
        record = _session(
            hparams_tab.START,
            started,
            hparams_tab.session_start(params, f"{self.document.name}-{self.document.id}", started),
        )
        return record + (self._chosen_columns(started) if has_main_metrics(self.document) else b"")

    def _chosen_columns(self, time_s: float) -> bytes:
        """Encode the columns of the HParams tab, unless the file already has them.

        The columns show the run's results instead of its curves, because the tab supports the steps of results.
        """
        params = _flat(self.document.config)
        if self._has_experiment or not params:
            return b""
        self._has_experiment = True
        if has_main_metrics(self.document):
            results: Iterable[str] = MAIN_RESULTS
        else:
            results = {**dict.fromkeys(_flat(self.document.summary)), **dict.fromkeys(self._heads)}
        tags = [(result_tag(self.document, key), key) for key in results]
        metrics = [(tag, key) for tag, key in tags if tag not in self._heads]
        series = self.document.series
        varied = {name.replace("-", "_") for name in series.get("varied", {})} if series else ()
        return _session(hparams_tab.EXPERIMENT, time_s, hparams_tab.experiment(params, varied, metrics))

    def results(self, time_s: float) -> bytes:
        """Encode each number in the summary as the scalar `summary/NAME`. A run with main metrics has scalars only for
        its main results, and a text with all results.

        The step of the scalar is the last step of the attempt. If the HParams tab does not support this step, the
        largest supported step is used. TensorBoard drops all earlier points of a tag when a lower step follows.
        Therefore, each result has its own tag, whose steps never decrease.
        """
        flat = _flat(self.document.summary)
        numbers = {key: number for key, value in flat.items() if (number := as_number(value)) is not None}
        values = []
        for key in charted_results(self.document, numbers):
            tag = result_tag(self.document, key)
            is_metric = tag in self._heads
            step = self._last_step if is_metric else min(self._last_step, _LARGEST_HPARAMS_STEP)
            value = m.Value(self._tag(tag, "scalars", "scalar"), simple_value=numbers[key])
            values.append(_summary(time_s, step, value))
        if has_main_metrics(self.document) and flat:
            tensor = _text(_results_table(flat).encode())
            value = m.Value(self._tag("results", "text", "text"), _metadata("text"), tensor=tensor)
            values.append(_summary(time_s, self._last_step, value))
        return b"".join(values)

    def session_end(self, time_s: float) -> bytes:
        """Encode the end of the session, TensorBoard's term for a run. Return empty bytes if the run has not ended or
        has no hyperparameters."""
        if self.document.status.state == RUNNING or not self.document.config:
            return b""
        data = hparams_tab.session_end(time_s, is_success=self.document.status.state == "finished")
        return _session(hparams_tab.END, time_s, data)

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
            time_s,
            step,
            m.Value(
                self._tag(grouped_tag(self.document, name), "images", kind), _metadata("images", caption), image=image
            ),
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
        tag = self._tag(grouped_tag(self.document, name), "histograms", "histogram")
        return _summary(time_s, step, m.Value(tag, _metadata("histograms"), tensor=tensor))

    def _pr_curve(self, time_s: float, step: int, name: str, content: Mapping[str, Any]) -> bytes:
        count = min(len(content[row]) for row in PR_CURVE_ROWS)
        packed = b"".join(wire.float32(value) for row in PR_CURVE_ROWS for value in content[row][:count])
        data = m.PrCurveData(num_thresholds=count).encode()
        tensor = m.Tensor(m.DT_FLOAT, m.TensorShape.of(len(PR_CURVE_ROWS), count), packed)
        tag = self._tag(name, "pr_curves", "pr_curve")
        return _summary(time_s, step, m.Value(tag, m.Metadata(m.PluginData("pr_curves", data)), tensor=tensor))

    def _tag(self, name: str, plugin: str, kind: str) -> str:
        return name if self._plugins.setdefault(name, plugin) == plugin else f"{name} ({kind})"


def _flat(live: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of a config or summary without nested dicts. The script may change the original during the call."""
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


def _results_table(flat: Mapping[str, Any]) -> str:
    """Return a Markdown table of the results that are not lists."""
    rows = [
        f"| {key} | {value:.6g} |" if isinstance(value, float) else f"| {key} | {value} |"
        for key, value in flat.items()
        if isinstance(value, (int, float, str))
    ]
    return "\n".join(["| result | value |", "|---|---|", *rows])


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

"""Conversion of the values in an event file to metrics, media, artifacts and settings of a run.

Nothing is unpickled or executed. Values that the record cannot hold raise `ValueError`, so that the importer can report
them.
"""

from __future__ import annotations

import io
import json
import math
import struct
import wave
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from runfolio.errors import ConfigError
from runfolio.events import messages as m
from runfolio.events.mesh_tensors import COLOR, FACE, VERTEX
from runfolio.record.base import file_bounds
from runfolio.record.content import media_types
from runfolio.record.content.media import PR_CURVE_ROWS
from runfolio.record.content.picture_bounds import excess
from runfolio.tensorboard import summary_content
from runfolio.tensorboard.tensor_arrays import tensor_array, tensor_texts
from runfolio.tracking.media.meshes import stored_mesh
from runfolio.tracking.pipeline import media_content

_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
_TEXT_SUFFIX = "/text_summary"
"""Suffix that torch's SummaryWriter adds to the tags of texts."""
_LARGEST = float(np.finfo(np.float64).max)
HPARAMS, SCALARS = "hparams", "scalars"
"""Names of TensorBoard plugins."""
TRACES = ("graph_run_metadata", "graph_run_metadata_graph", "graph_keras_model")
"""Plugins whose values are stored as artifacts without changes."""


class Scalar(NamedTuple):
    """Point of a metric."""

    value: float


class Medium(NamedTuple):
    """Entry of a media list, such as an image, a text or a histogram."""

    kind: str
    name: str
    content: dict[str, Any]
    file: bytes = b""
    """Content of the media file. It is empty for kinds of media without a file."""
    suffix: str = ""


class Files(NamedTuple):
    """Artifact, given as the content of its files."""

    name: str
    kind: str
    files: dict[str, bytes]


Item = Scalar | Medium | Files


class ValueConverter:
    """Converter for the values in the event files of one folder.

    The parts of a mesh may be in several events. The parts are collected until the mesh is complete.
    """

    def __init__(self) -> None:
        self._mesh_parts: dict[tuple[str, int], dict[int, Any]] = {}

    def convert(self, name: str, plugin: str, step: int, value: m.Value) -> Iterator[Item]:
        """Yield the points, media and artifacts that result from one value.

        Args:
            name: Name of the metric or medium.
            plugin: TensorBoard plugin of the tag. The plugin may be known from an earlier value of the tag.

        Raises:
            ValueError, ConfigError: The value is damaged or exceeds a limit.
        """
        caption = (value.metadata.summary_description if value.metadata else "") or None
        if value.simple_value is not None:
            yield Scalar(value.simple_value)
        elif value.image is not None:
            yield picture(name, value.image.encoded_image_string, caption)
        elif value.histo is not None:
            yield Medium("histogram", name, _histogram(value.histo))
        elif value.audio is not None:
            yield sound(name, value.audio.encoded_audio_string, caption)
        elif value.tensor is not None:
            yield from self._tensor(name, plugin, step, value, value.tensor, caption)

    def _tensor(
        self, name: str, plugin: str, step: int, value: m.Value, tensor: m.Tensor, caption: str | None
    ) -> Iterator[Item]:
        if plugin == SCALARS:
            yield Scalar(_single_number(tensor))
        elif plugin == "mesh":
            yield from self._mesh(name, step, value, tensor, caption)
        elif plugin in _MEDIA_OF_PLUGIN:
            yield from _MEDIA_OF_PLUGIN[plugin](name, tensor, caption)
        elif plugin in TRACES:
            yield Files(summary_content.artifact_name(name, step), "graph", _raw_files(tensor, plugin))
        elif plugin != HPARAMS:
            yield Files(summary_content.artifact_name(name, step), "tensor", _tensor_files(name, step, tensor))

    def _mesh(self, name: str, step: int, value: m.Value, tensor: m.Tensor, caption: str | None) -> Iterator[Medium]:
        data = _mesh_data(value)
        if data is None:
            raise ValueError("its plugin data is damaged")
        tag = data.name or name.rpartition("_")[0] or name
        parts = self._mesh_parts.setdefault((tag, step), {})
        parts[data.content_type] = _mesh_rows(tensor)
        expected = {kind for kind in (VERTEX, FACE, COLOR) if data.components >> kind & 1} or {VERTEX}
        if not expected <= parts.keys():
            return
        del self._mesh_parts[tag, step]
        config = _object(data.json_config)
        meshes = _meshes(parts)
        for index, (vertices, faces, colors) in enumerate(meshes):
            stored = stored_mesh((vertices, faces, colors))
            content = {"caption": caption, **stored.notes, **({"config": config} if config else {})}
            own_name = tag if len(meshes) == 1 else f"{tag}/{index}"
            yield Medium("mesh", own_name, content, stored.content, stored.suffix)

    def unfinished(self) -> list[str]:
        """Return the names of the meshes with missing parts."""
        return sorted({name for name, _ in self._mesh_parts})


def text_name(tag: str) -> str:
    """Return the name under which a text was logged."""
    return tag.removesuffix(_TEXT_SUFFIX) or tag


def picture(name: str, content: bytes, caption: str | None) -> Medium:
    """Return an image, or a video if the file is an animated GIF. PNG files are stored unchanged.

    Raises:
        ValueError, ConfigError: The file is not an image, or its decoded pixels exceed a limit.
    """
    from PIL import Image

    _check_size(content)
    if content.startswith(_PNG_START) and content.endswith(_PNG_END):
        try:
            with Image.open(io.BytesIO(content), formats=("PNG",)) as opened:
                problem = excess(opened)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise ValueError(f"its image file is broken: {error}") from None
        if problem:
            raise ValueError(f"its image file {problem}")
        return Medium("image", name, {"caption": caption}, content, ".png")
    if content.startswith((b"GIF87a", b"GIF89a")) and (video := _animation(content)):
        return Medium("video", name, {"caption": caption, **video}, content, ".gif")
    stored = media_content.png(content)
    return Medium("image", name, {"caption": caption, **stored.notes}, stored.content, ".png")


def _animation(content: bytes) -> dict[str, Any] | None:
    """Return the size and the number of frames of an animated GIF. Return None if the GIF has one frame."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=("GIF",)) as opened:
            frames, size = getattr(opened, "n_frames", 1), opened.size
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError(f"its image file is broken: {error}") from None
    return {"width": size[0], "height": size[1], "frames": frames} if frames > 1 else None


def _pictures(name: str, tensor: m.Tensor, caption: str | None) -> Iterator[Medium]:
    """Yield the images of a tensor. The tensor's first two strings are the width and the height."""
    images = tensor.string_val[2:]
    for index, content in enumerate(images):
        yield picture(name if len(images) == 1 else f"{name}/{index}", content, caption)


def sound(name: str, content: bytes, caption: str | None) -> Medium:
    """Return a sound file, which is stored unchanged.

    Raises:
        ValueError: The format of the file is unknown.
    """
    _check_size(content)
    known = media_types.recognise(content[: media_types.HEAD_BYTES], len(content), media_types.AUDIO)
    if known is None:
        raise ValueError(f"its {len(content):,} bytes are not an audio file of a known format")
    return Medium("audio", name, {"caption": caption, **_wave_facts(content)}, content, known.suffix)


def _sounds(name: str, tensor: m.Tensor, caption: str | None) -> Iterator[Medium]:
    """Yield the sounds of a tensor. A tensor of shape [n, 2] contains pairs of a sound and its label."""
    sizes = tensor.tensor_shape.sizes if tensor.tensor_shape else ()
    sounds = tensor.string_val[::2] if len(sizes) == 2 and sizes[1] == 2 else tensor.string_val
    for index, content in enumerate(sounds):
        yield sound(name if len(sounds) == 1 else f"{name}/{index}", content, caption)


def _wave_facts(content: bytes) -> dict[str, int]:
    try:
        with wave.open(io.BytesIO(content), "rb") as file:
            return {
                "sample_rate": file.getframerate(),
                "channels": file.getnchannels(),
                "samples": file.getnframes(),
            }
    except (wave.Error, EOFError, struct.error, RuntimeError):
        return {}


def _check_size(content: bytes) -> None:
    if not content:
        raise ValueError("it is empty")
    if len(content) > file_bounds.MEDIUM:
        raise ValueError(f"it has {len(content):,} bytes, but the limit is {file_bounds.MEDIUM:,}")


def _histogram(histo: m.Histogram) -> dict[str, Any]:
    """Convert a histogram with upper bin edges, as SummaryWriter and TensorFlow 1 write it."""
    numbers = [histo.min, histo.max, histo.num, histo.sum, histo.sum_squares, *histo.bucket_limit, *histo.bucket]
    if not np.isfinite(numbers).all() or min(histo.bucket, default=0.0) < 0:
        raise ValueError("its bins contain NaN, infinity or negative counts")
    content = summary_content.raw_histogram(
        histo.min,
        histo.max,
        histo.num,
        histo.sum,
        histo.sum_squares,
        np.array(histo.bucket_limit, np.float64),
        np.array(histo.bucket, np.float64),
    )
    if content["counts"] and histo.min == histo.max:
        return _constant_histogram(histo.min, sum(content["counts"]))
    return _ascending(content)


def histogram_of_buckets(rows: Any) -> dict[str, Any]:
    """Convert an array of shape [k, 3] with the left edge, the right edge and the count of each bin.

    Raises:
        ValueError: The array has a different shape, or contains NaN, infinity or negative counts.
    """
    if rows.size == 0:
        return _empty_histogram()
    if rows.ndim != 2 or rows.shape[1] != 3:
        raise ValueError(f"its shape is {list(rows.shape)} instead of [k, 3]")
    lefts, rights, counts = rows.astype(np.float64).T
    if not np.isfinite(rows).all() or (counts < 0).any() or (rights < lefts).any():
        raise ValueError("its bins contain NaN, infinity, negative counts or edges in descending order")
    used = np.flatnonzero(counts)
    if not used.size:
        return _empty_histogram()
    lefts, rights, counts = (column[used[0] : used[-1] + 1] for column in (lefts, rights, counts))
    low, high = float(lefts[0]), float(rights[-1])
    if low == high:
        return _constant_histogram(low, counts.sum())
    edges, bins = [low], []
    for left, right, count in zip(lefts.tolist(), rights.tolist(), counts.tolist(), strict=True):
        if left > edges[-1]:  # values between two bins were not counted
            edges.append(left)
            bins.append(0)
        edges.append(right)
        bins.append(count)
    content = {"edges": edges, "counts": bins, "mean": None, "std": None, "min": low, "max": high, "nan": 0, "inf": 0}
    return _ascending(content)


def _empty_histogram() -> dict[str, Any]:
    return {"edges": [], "counts": [], **dict.fromkeys(("mean", "std", "min", "max")), "nan": 0, "inf": 0}


def _constant_histogram(value: float, count: float) -> dict[str, Any]:
    edges = media_content.bin_edges(value, value)
    return {
        "edges": [edges[0], edges[-1]],
        "counts": [_count(count)],
        "mean": value,
        "std": 0.0,
        "min": value,
        "max": value,
        "nan": 0,
        "inf": 0,
    }


def _ascending(content: dict[str, Any]) -> dict[str, Any]:
    """Merge bins of width 0 with the next bin, because the record requires ascending bin edges."""
    edges, counts = [content["edges"][0]] if content["edges"] else [], []
    pending = 0.0
    for right, count in zip(content["edges"][1:], content["counts"], strict=True):
        if right > edges[-1]:
            edges.append(right)
            counts.append(_count(count + pending))
            pending = 0.0
        else:
            pending += count
    if pending and counts:
        counts[-1] = _count(counts[-1] + pending)
    return {**content, "edges": [max(-_LARGEST, min(_LARGEST, edge)) for edge in edges], "counts": counts}


def _count(count: float) -> int | float:
    return int(count) if float(count).is_integer() else float(count)


def text_of_tensor(tensor: m.Tensor) -> str:
    """Return the texts of a tensor. Several texts become a Markdown table, as in TensorBoard."""
    texts = [text.decode(errors="backslashreplace") for text in tensor_texts(tensor)]
    sizes = tensor.tensor_shape.sizes if tensor.tensor_shape else ()
    if len(texts) <= 1:
        return texts[0] if texts else ""
    columns = max(1, sizes[-1]) if len(sizes) > 1 else 1
    cells = [text.replace("|", "\\|").replace("\n", "<br>") for text in texts]
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    lines = ["|" + "|".join(row) + "|" for row in rows]
    return "\n".join(["|" * (columns + 1), "|" + "---|" * columns, *lines])


def _pr_curve(rows: Any) -> dict[str, list[float]]:
    if rows.ndim != 2 or rows.shape[0] != len(PR_CURVE_ROWS):
        raise ValueError(f"its shape is {list(rows.shape)} instead of [6, thresholds]")
    if not np.isfinite(rows).all():
        raise ValueError("it contains NaN or infinity")
    return {name: row.tolist() for name, row in zip(PR_CURVE_ROWS, rows.astype(np.float64), strict=True)}


def _mesh_data(value: m.Value) -> m.MeshData | None:
    plugin = value.metadata.plugin_data if value.metadata else None
    try:
        return None if plugin is None else m.MeshData.decode(plugin.content)
    except ValueError:
        return None


def _mesh_rows(tensor: m.Tensor) -> Any:
    rows = _numbers(tensor)
    if rows.ndim == 2:
        rows = rows[None]
    if rows.ndim != 3 or rows.shape[-1] not in (3, 4):
        raise ValueError(f"its shape is {list(rows.shape)} instead of [batch, count, 3]")
    return rows


def _meshes(parts: dict[int, Any]) -> list[tuple[Any, Any, Any]]:
    count = len(parts[VERTEX]) if VERTEX in parts else 0
    arrays = [parts.get(kind) for kind in (VERTEX, FACE, COLOR)]
    if not count or any(array is not None and len(array) != count for array in arrays):
        raise ValueError("its parts have different sizes")
    return [tuple(None if array is None else array[index] for array in arrays) for index in range(count)]  # type: ignore[misc] - there are three arrays


def _charts(parts: Sequence[bytes]) -> dict[str, dict[str, Any]]:
    layout = m.Layout.decode(parts[0] if parts else b"")
    charts: dict[str, dict[str, Any]] = {}
    for category in layout.category:
        titles = charts.setdefault(category.title, {})
        for chart in category.chart:
            if chart.multiline is not None:
                titles[_free(chart.title, titles)] = ["multiline", list(chart.multiline.tag)]
            for series in chart.margin.series if chart.margin is not None else ():
                titles[_free(chart.title, titles)] = ["margin", [series.value, series.lower, series.upper]]
    return charts


def _free(title: str, taken: dict[str, Any]) -> str:
    number, free = 1, title
    while free in taken:
        number += 1
        free = f"{title} ({number})"
    return free


def graph(data: bytes) -> Iterator[Item]:
    """Yield a graph as nodes, and as an artifact with the original bytes, which other tools can read.

    Raises:
        ValueError: The data is not a graph.
    """
    nodes = [
        {
            "name": node.name[:1000],
            "op": node.op[:1000],
            "inputs": [source[:1000] for source in node.input],
            "attributes": dict(_attributes(node)),
        }
        for node in m.Graph.decode(data).node
    ]
    if nodes:
        yield Medium("graph", "graph", {"nodes": nodes})
    yield Files("graph", "graph", {"graph.pb": data})


def _attributes(node: m.Node) -> Iterator[tuple[str, str]]:
    for entry in node.attr:
        if entry.value is None:
            continue
        if entry.key == "_output_shapes" and entry.value.list is not None and entry.value.list.shape:
            yield "shape", str(list(entry.value.list.shape[0].sizes))
        elif entry.value.s is not None:
            yield entry.key[:1000], entry.value.s.decode(errors="backslashreplace")


def trace(tag: str, data: bytes) -> Files:
    """Return the recorded execution of a graph as an artifact."""
    return Files(summary_content.artifact_name(tag or "run_metadata", 0), "graph", {"run_metadata.pb": data})


def _raw_files(tensor: m.Tensor, plugin: str) -> dict[str, bytes]:
    suffix = "json" if plugin == "graph_keras_model" else "pb"
    texts = tensor_texts(tensor)
    if len(texts) == 1:
        return {f"graph.{suffix}": texts[0]}
    return {f"graph-{index}.{suffix}": text for index, text in enumerate(texts)}


def _tensor_files(name: str, step: int, tensor: m.Tensor) -> dict[str, bytes]:
    about = json.dumps({"tag": name, "step": step}).encode()
    array = tensor_array(tensor)
    if array is None:
        texts = [text.decode(errors="backslashreplace") for text in tensor_texts(tensor)]
        return {"about.json": about, "texts.json": json.dumps(texts).encode()}
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return {"about.json": about, "tensor.npy": buffer.getvalue()}


def _numbers(tensor: m.Tensor) -> Any:
    array = tensor_array(tensor)
    if array is None:
        raise ValueError(f"it does not contain numbers (data type {tensor.dtype})")
    return array


def _single_number(tensor: m.Tensor) -> float:
    numbers = _numbers(tensor)
    if numbers.size != 1 or numbers.dtype.kind == "c":
        raise ValueError(f"it is not a single number, but a tensor of shape {list(numbers.shape)}")
    return float(numbers.reshape(-1)[0])


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def settings_of(start: m.SessionStart) -> dict[str, Any]:
    """Return the hyperparameters of a session."""
    return {entry.key: _hparam(entry.value) for entry in start.hparams if entry.key}


def _hparam(value: m.Hparam | None) -> Any:
    """Return the value of a hyperparameter. TensorBoard stores integers as floats, and lists as strings."""
    if value is None:
        return None
    if value.bool_value is not None:
        return value.bool_value
    if (number := value.number_value) is not None:
        is_whole = math.isfinite(number) and number.is_integer() and abs(number) < 2**53
        return int(number) if is_whole and str(number) != "-0.0" else number
    text = value.string_value
    if text in ("NaN", "Infinity", "-Infinity"):
        return float(text.lower())
    if text and text[0] + text[-1] in ("[]", "{}"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text


def read_hparams(values: Iterable[m.Value]) -> list[m.HparamsData]:
    """Return the plugin data of the hparams plugin. Damaged data is skipped."""
    decoded = []
    for value in values:
        plugin = value.metadata.plugin_data if value.metadata else None
        if plugin is not None and plugin.plugin_name == HPARAMS:
            try:
                decoded.append(m.HparamsData.decode(plugin.content))
            except ValueError:
                continue
    return decoded


def _histograms(name: str, tensor: m.Tensor, caption: str | None) -> Iterator[Medium]:
    yield Medium("histogram", name, histogram_of_buckets(_numbers(tensor)))


def _texts(name: str, tensor: m.Tensor, caption: str | None) -> Iterator[Medium]:
    yield Medium("text", text_name(name), {"text": text_of_tensor(tensor)})


def _pr_curves(name: str, tensor: m.Tensor, caption: str | None) -> Iterator[Medium]:
    yield Medium("pr_curve", name, _pr_curve(_numbers(tensor)))


def _layouts(name: str, tensor: m.Tensor, caption: str | None) -> Iterator[Medium]:
    yield Medium("layout", "layout", {"charts": _charts(tensor.string_val)})


_MEDIA_OF_PLUGIN: dict[str, Callable[[str, m.Tensor, str | None], Iterator[Medium]]] = {
    "histograms": _histograms,
    "images": _pictures,
    "audio": _sounds,
    "text": _texts,
    "pr_curves": _pr_curves,
    "custom_scalars": _layouts,
}
"""Function that converts the tensors of each plugin."""
UNREADABLE = (ValueError, ConfigError, OverflowError, MemoryError)
"""Errors that are raised for values that cannot be stored."""

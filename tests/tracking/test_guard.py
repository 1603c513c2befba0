"""Calls in the training loop never raise: values that cannot be recorded are reported once and counted."""

from __future__ import annotations

import collections
import io
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib import pyplot as plt
from PIL import Image

import runfolio
from runfolio.errors import ConfigError, NotFound
from runfolio.record.base.run_document import RunDocument
from runfolio.tensorboard.summary_writer import SummaryWriter
from runfolio.tracking.run import Run

MODEL = torch.nn.Linear(1, 1)
RECORDING = runfolio.RecordingConfig(code=False, console=False, system_s=0)
CALLED: list[str] = []
"""Methods of foreign objects that must never be called, but were."""


def forbidden(name: str) -> Callable[..., Any]:
    def hang(self: object, *args: object) -> Any:
        CALLED.append(name)
        time.sleep(20)

    return hang


class Foreign:
    """User object whose string conversions, comparisons and length never return."""

    __repr__ = forbidden("__repr__")
    __str__ = forbidden("__str__")
    __format__ = forbidden("__format__")
    __eq__ = forbidden("__eq__")
    __ne__ = forbidden("__ne__")
    __len__ = forbidden("__len__")
    __hash__ = object.__hash__


class ForeignError(Exception):
    __repr__ = forbidden("__repr__")
    __str__ = forbidden("__str__")


def raising(name: str, error: type[BaseException]) -> type[Foreign]:
    def fail(self: object, *args: object, **kwargs: object) -> Any:
        raise error("broken", Foreign())

    return type(f"Raises{name.strip('_')}", (Foreign,), {name: fail})


class Nested(Foreign):
    """Object whose attributes are all foreign too."""

    shape = dtype = size = mask = property(lambda self: Foreign())

    def item(self) -> object:
        return Foreign()

    detach = clone = numel = copy = read = seekable = state_dict = item


class Things(Foreign):
    def __iter__(self) -> Iterator[object]:
        return iter([Foreign()])


class Liar(Foreign):
    """Object whose class cannot be read."""

    __class__ = property(lambda self: 1 / 0)  # type: ignore[assignment]


class Text(str):
    __slots__ = ()
    __str__ = __repr__ = __len__ = forbidden("of a text")


def closed_file() -> io.BytesIO:
    file = io.BytesIO(b"x")
    file.close()
    return file


METHODS = (
    *("__array__", "item", "detach", "__float__", "__iter__", "__int__", "__index__", "__bool__", "__getitem__"),
    *("__fspath__", "keys", "copy", "read", "savefig", "state_dict", "__contains__", "__call__", "__getattr__"),
)
ERRORS = (AttributeError, TypeError, OSError, ForeignError)
HOSTILE: dict[str, Callable[[], Any]] = {
    "foreign": Foreign,
    "nested": Nested,
    "an iterable of foreign objects": Things,
    "a class that lies": Liar,
    "an object array": lambda: np.array([Foreign(), Foreign()], dtype=object),
    "a list of foreign objects": lambda: [Foreign()],
    "a dict of foreign objects": lambda: {Foreign(): Foreign(), "a": Foreign()},
    "a set of foreign objects": lambda: {Foreign()},
    "a text of its own kind": lambda: Text("text"),
    "a tensor without values": lambda: torch.zeros(2, device="meta"),
    "a sparse tensor": lambda: torch.eye(2).to_sparse(),
    "a closed file": closed_file,
    "a huge number": lambda: 10**5000,
    "a lone surrogate": lambda: "\ud800",
}


def plain_values() -> st.SearchStrategy[Any]:
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5)
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    )


def calls(run: Run, value: Any) -> Iterator[Callable[[], object]]:
    """Return every recording call of a run, with the value in each of its arguments."""
    yield lambda: run.log(value)
    yield lambda: run.log({"x": value})
    yield lambda: run.log({"x": 1.0}, step=value)
    yield lambda: run.define_metric(value, x="x")
    yield lambda: run.define_metric("x", x=value)
    media = (run.log_image, run.log_figure, run.log_histogram, run.log_text)
    for call in (*media, run.log_audio, run.log_video, run.log_table, run.log_mesh):
        yield lambda call=call: call(value, "text")
        yield lambda call=call: call("name", value)
        yield lambda call=call: call("name", value, step=value)
    yield lambda: run.log_image("name", np.zeros((2, 2)), caption=value)
    for layer in ("boxes", "masks", "classes"):
        yield lambda layer=layer: run.log_image("name", np.zeros((2, 2)), **{layer: value})
    yield lambda: run.log_image("name", np.zeros((2, 2)), boxes={"boxes": [[0, 0, 1, 1]], "labels": [value]})
    yield lambda: run.log_image("name", np.zeros((2, 2)), boxes={"boxes": [[0, 0, 1, 1]], "scores": value})
    yield lambda: run.log_image("name", np.zeros((2, 2)), boxes={"boxes": value, "format": value})
    yield lambda: run.log_audio("name", np.zeros(2), value)
    yield lambda: run.log_video("name", np.zeros((1, 2, 2)), value)
    yield lambda: run.log_video("name", [value])
    yield lambda: run.log_table("name", [[value]], columns=["a"])
    yield lambda: run.log_table("name", [[1]], columns=value)
    yield lambda: run.log_table("name", {"a": value, "b": [value]})
    yield lambda: run.log_table("name", [{"a": value}])
    yield lambda: run.log_mesh("name", np.zeros((2, 3)), value, value)
    yield lambda: run.log_graph(value)
    yield lambda: run.log_graph(MODEL, value)
    yield lambda: run.log_data(value, [])
    yield lambda: run.log_data("train", value)
    yield lambda: run.log_data("train", np.zeros(1), source=value)
    yield lambda: run.artifact(value)
    yield lambda: run.artifact(__file__, value)
    yield lambda: run.artifact(__file__, "name", type=value)
    for name in ("step", "metric", "mode", "loader", "meta", "state"):
        yield lambda name=name: run.checkpoint(**{name: value})
    yield lambda: run.watch(value)
    yield lambda: run.watch(MODEL, value)
    yield lambda: run.watch(MODEL, log=value)
    yield lambda: run.unwatch(MODEL)
    yield lambda: run.unwatch(value)
    for settings_ in (run.config, run.summary):
        yield lambda settings_=settings_: settings_.update(value)
        yield lambda settings_=settings_: settings_.update(a=value)
        yield lambda settings_=settings_: settings_.__setitem__("a", value)
        yield lambda settings_=settings_: settings_.__setitem__(value, 1)
        yield lambda settings_=settings_: settings_.setdefault("b", value)
    yield lambda: setattr(run, "tags", value)
    yield lambda: run.tags.append(value)
    yield lambda: run.tags.extend(value)
    yield lambda: run.tags.insert(0, value)
    yield lambda: setattr(run, "notes", value)


def writer_calls(writer: SummaryWriter, value: Any) -> Iterator[Callable[[], object]]:
    """Return every recording call of a SummaryWriter, with the value in each of its arguments."""
    two: list[Callable[..., None]] = [writer.add_scalar, writer.add_scalars, writer.add_histogram, writer.add_image]
    two += [writer.add_images, writer.add_figure, writer.add_text, writer.add_audio, writer.add_tensor]
    two += [writer.add_video, writer.add_mesh]
    for call in two:
        yield lambda call=call: call(value, 1.0)
        yield lambda call=call: call("tag", value)
        yield lambda call=call: call("tag", value, value)
        yield lambda call=call: call("tag", 1.0, walltime=value)
    yield lambda: writer.add_image("tag", np.zeros((1, 2, 2)), dataformats=value)
    yield lambda: writer.add_image_with_boxes("tag", value, value)
    yield lambda: writer.add_image_with_boxes("tag", np.zeros((1, 2, 2)), value, labels=value)
    yield lambda: writer.add_histogram_raw("tag", value, value, value, value, value, value, value)
    yield lambda: writer.add_histogram_raw("tag", 0, 1, 1, 1, 1, value, value)
    yield lambda: writer.add_pr_curve("tag", value, value)
    yield lambda: writer.add_pr_curve("tag", [0, 1], [0.5, 1.0], value, value, value)
    yield lambda: writer.add_pr_curve_raw("tag", *[value] * 6)
    yield lambda: writer.add_embedding(value, value, value)
    yield lambda: writer.add_embedding(np.zeros((2, 2)), metadata=value, metadata_header=value, tag=value)
    yield lambda: writer.add_audio("tag", np.zeros(2), sample_rate=value)
    yield lambda: writer.add_video("tag", np.zeros((1, 1, 1, 2, 2)), fps=value)
    yield lambda: writer.add_mesh("tag", np.zeros((1, 2, 3)), value, value, value)
    yield lambda: writer.add_onnx_graph(value)
    yield lambda: writer.add_graph(value, value)
    yield lambda: writer.add_hparams(value, {})
    yield lambda: writer.add_hparams({"a": value}, {"b": value})
    yield lambda: writer.add_custom_scalars(value)
    yield lambda: writer.add_custom_scalars({"a": {"b": value}})
    yield lambda: writer.add_custom_scalars_multilinechart(value, value, value)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with runfolio.init("net", store=tmp_path_factory.mktemp("guard"), recording=RECORDING) as run:
        yield run


def refused(run: Run) -> dict[str, int]:
    run.flush()
    return RunDocument.read(run.folder).refused


def run_all(run: Run, value: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for call in calls(run, value):
            call()
        for call in writer_calls(SummaryWriter.of_run(run), value):
            call()
    run.flush()


@pytest.mark.parametrize("kind", HOSTILE)
def test_odd_objects_are_left_out_of_every_call(kind: str, run: Run):
    CALLED.clear()
    run_all(run, HOSTILE[kind]())
    assert CALLED == []
    run.log({"after": 1.0})
    assert not run.recorder.has_ended


@pytest.mark.parametrize("method", METHODS)
def test_objects_whose_methods_raise_are_left_out_of_every_call(method: str, run: Run):
    CALLED.clear()
    for error in ERRORS:
        run_all(run, raising(method, error)())
    assert CALLED == []


@given(value=plain_values())
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_plain_values_of_any_kind_are_recorded_or_omitted(value: Any, run: Run):
    before = repr(value)
    run_all(run, value)
    assert repr(value) == before


def test_each_cause_is_reported_once_with_its_call_and_counted(store: Path, caplog: pytest.LogCaptureFixture):
    with runfolio.init(store=store, recording=RECORDING) as run:
        for step in range(3):
            run.log_figure("curve", "no figure", step=step)
            run.artifact(f"missing-{step}.pt")
            run.artifact(store.parent, "all")
        run.log({"loss": 1.0})
    own = f"{store.parent} contains this run's own record, {run.folder}; choose a file or a different folder"
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [
        "log_figure was left out, and training continues: log_figure takes a matplotlib figure, not a str",
        "artifact was left out, and training continues: there is no file or folder missing-0.pt to save as an artifact",
        f"artifact was left out, and training continues: {own}",
    ]
    assert refused(run) == {"(log_figure)": 3, "(artifact)": 6}


def test_strict_run_raises_the_error(store: Path):
    broken = raising("__array__", ZeroDivisionError)()
    with runfolio.init(store=store, strict=True, recording=RECORDING) as run:
        with pytest.raises(ConfigError, match="log takes a dict"):
            run.log(1.0)  # type: ignore[arg-type]
        with pytest.raises(NotFound, match=r"no file or folder missing\.pt"):
            run.artifact("missing.pt")
        with pytest.raises(ConfigError, match="two keys"):
            run.config["lr"] = {1: 0.1, "1": 0.2}
        with pytest.raises(ZeroDivisionError):
            run.log_histogram("name", broken)
        with pytest.raises(ConfigError, match="are not an image file; supported formats are PNG"):
            run.log_image("name", b"no image")
        with pytest.raises(ConfigError, match="an array of samples needs sample_rate="):
            run.log_audio("name", np.zeros(3))
        with pytest.raises(ConfigError, match="a tag must have 1 to 100 characters"):
            run.tags.append("")
        with pytest.raises(ConfigError, match="not an array of numbers"):
            SummaryWriter.of_run(run).add_tensor("tag", "text")
    assert refused(run) == {}


def test_interrupts_and_wrong_arguments_are_raised(run: Run):
    with pytest.raises(KeyboardInterrupt):
        run.log_histogram("name", raising("__array__", KeyboardInterrupt)())  # type: ignore[type-var]
    with pytest.raises(KeyboardInterrupt):
        run.log({"x": raising("item", KeyboardInterrupt)()})  # type: ignore[type-var]
    with pytest.raises(TypeError, match="unexpected keyword argument 'stepp'"):
        run.log_text("name", "text", stepp=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        run.log_text("name")  # type: ignore[call-arg]


def test_errors_of_signal_handlers_are_raised(run: Run):
    """Handler that raises, like torch's for a DataLoader worker that was killed."""

    def stop(number: int, frame: object) -> None:
        raise RuntimeError("worker is killed")

    def interrupt(self: object) -> None:
        signal.raise_signal(signal.SIGUSR2)

    interrupted: Any = type("Interrupted", (), {"read": interrupt, "seekable": interrupt, "__iter__": interrupt})()
    before = refused(run)
    previous = signal.signal(signal.SIGUSR2, stop)
    try:
        with pytest.raises(RuntimeError, match="worker is killed"):
            run.log_image("name", interrupted)
        with pytest.raises(RuntimeError, match="worker is killed"):
            run.log(collections.ChainMap(interrupted))
    finally:
        signal.signal(signal.SIGUSR2, previous)
    assert refused(run) == before


def test_failed_artifact_does_not_end_the_training(store: Path, tmp_path: Path):
    (tmp_path / "f").write_text("x")
    with runfolio.init(store=store, recording=RECORDING) as run:
        (run.folder / "artifacts").write_text("in the way")
        assert run.artifact(tmp_path / "f") is None
    assert refused(run) == {"(artifact)": 1}


def test_changes_of_the_tags_are_recorded(store: Path):
    with runfolio.init(store=store, tags=["a"], recording=RECORDING) as run:
        run.tags.append("b")
        run.tags += ["c", "d"]
        run.tags.remove("a")
        run.tags[0] = "e"
        del run.tags[1]
        assert run.tags == ["e", "d"]
    assert runfolio.open(store).run(run.id).tags == ["e", "d"]


def image_file(mode: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (3, 2), "red").save(buffer, mode)
    return buffer.getvalue()


def recorded_images(run: Run) -> dict[str, Image.Image]:
    run.flush()
    entries = runfolio.open(run.folder.parents[1]).run(run.id).media()
    images = {}
    for entry in entries:
        if entry.kind in ("image", "figure"):
            with Image.open(cast("Path", entry.path)) as image:
                images[entry.name] = image.copy()
    return images


def test_image_files_are_read_at_the_call(store: Path, tmp_path: Path):
    path = tmp_path / "image.jpg"
    path.write_bytes(image_file("JPEG"))
    buffer = io.BytesIO(image_file())
    buffer.seek(7)
    with runfolio.init(store=store, recording=RECORDING) as run:
        with path.open("rb") as file:
            for name, image in {"path": path, "file": file, "buffer": buffer, "bytes": buffer.getvalue()}.items():
                run.log_image(name, image)
        path.unlink()
        assert buffer.tell() == 7
    assert {name: image.size for name, image in recorded_images(run).items()} == dict.fromkeys(
        ["path", "file", "buffer", "bytes"], (3, 2)
    )


@pytest.mark.parametrize(
    ("image", "why"),
    [
        ("missing.png", "cannot read an image file: FileNotFoundError: No such file or directory: missing.png"),
        (io.StringIO("text"), "an image file must be read as bytes, not as str; open it in mode 'rb'"),
        (image_file()[:-30], "its image file is broken"),
        (closed_file(), "I/O operation on closed file"),
    ],
    ids=["missing", "text", "cut off", "closed"],
)
def test_broken_image_files_are_reported(store: Path, image: Any, why: str, caplog: pytest.LogCaptureFixture):
    with runfolio.init(store=store, recording=RECORDING) as run:
        run.log_image("name", image)
    assert why in caplog.text
    assert recorded_images(run) == {}


@pytest.fixture
def axes() -> Iterator[Any]:
    figure, axes = plt.subplots()
    axes.plot([1.0, 0.9])
    axes.set_ylim(0, 2)
    yield axes
    plt.close(figure)


@pytest.mark.parametrize("height", [5.0, 5e5, -1e30, 1e308, float("inf")])
def test_texts_far_outside_of_a_figure_are_cut_off(height: float, run: Run, axes: Any):
    run.log_figure("usual", axes.figure)
    text = axes.text(1, height, "5e5")
    run.log_figure("cut", axes.figure)
    images = recorded_images(run)
    assert images["cut"].size == images["usual"].size
    assert text.get_visible()


def test_legend_outside_of_the_axes_is_in_the_image(run: Run, axes: Any):
    run.log_figure("alone", axes.figure)
    axes.legend(["a long label of a curve"], loc="upper left", bbox_to_anchor=(1.05, 1))
    run.log_figure("legend", axes.figure)
    images = recorded_images(run)
    assert images["legend"].width > 1.3 * images["alone"].width


def test_pixels_of_a_huge_figure_are_bounded(run: Run):
    figure = plt.figure(figsize=(1000, 3))
    run.log_figure("huge", figure)
    plt.close(figure)
    assert recorded_images(run)["huge"].width == 8000


def test_dots_per_inch_of_a_figure_are_bounded_before_it_is_drawn(run: Run):
    figure = plt.figure(figsize=(6, 3), dpi=200_000)  # its pixels would need 3 TB
    run.log_figure("dots", figure)
    plt.close(figure)
    image = recorded_images(run)["dots"]
    assert max(image.size) <= 8000
    assert figure.dpi == 200_000


def test_figures_that_cannot_be_drawn_are_reported(
    store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("PATH", "")
    with runfolio.init(store=store, recording=RECORDING) as run, mpl.rc_context({"text.usetex": True}):
        figure, axes = plt.subplots()
        axes.set_title("a title without LaTeX")
        run.log_figure("curve", figure)
        plt.close(figure)
    assert "log_figure was left out, and training continues: RuntimeError" in caplog.text
    assert "init(strict=True) raises it from the call" in caplog.text


def test_warnings_of_matplotlib_name_the_line_of_the_call(run: Run, axes: Any):
    axes.set_title("\N{CJK UNIFIED IDEOGRAPH-65E5}")
    with pytest.warns(UserWarning, match="Glyph") as caught:
        run.log_figure("glyph", axes.figure)
    assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.parametrize("values", [np.full(10, 1e17), np.full(3, -1.7e308), [torch.finfo(torch.float32).min]])
def test_histograms_of_large_constants_have_one_bin(store: Path, values: Any):
    with runfolio.init(store=store, recording=RECORDING) as run:
        run.log_histogram("values", values)
    (entry,) = runfolio.open(store).run(run.id).media()
    low, high = entry.content["edges"]
    assert low <= values[0] <= high
    assert low < high
    assert entry.content["counts"] == [len(values)]


def test_histogram_as_wide_as_float64_counts_both_ends(store: Path):
    with runfolio.init(store=store, recording=RECORDING) as run:
        run.log_histogram("values", [-1.7e308, 1.7e308])
    (entry,) = runfolio.open(store).run(run.id).media()
    assert (entry.content["counts"][0], entry.content["counts"][-1], len(entry.content["counts"])) == (1, 1, 64)

"""Values passed to `log` are stored exactly or refused by name: every row of `docs/limits.md`."""

from __future__ import annotations

import gc
import math
import struct
import weakref
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import runfolio
from runfolio.errors import ConfigError
from runfolio.query.store import open_folio
from runfolio.record.base.run_document import OTHERS, RunDocument
from runfolio.record.content import media
from runfolio.record.points.reader import PointFiles
from runfolio.tracking.pipeline.plain_values import metric_numbers
from runfolio.tracking.run import Run
from runfolio.vision import _torchvision  # noqa: F401 - torchmetrics imports torchvision, which it makes importable

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.float8_e4m3fn, torch.float8_e5m2)
WHOLES = (torch.int8, torch.uint8, torch.int16, torch.uint16, torch.int32, torch.uint32, torch.int64, torch.uint64)
NUMPY = "?bBhHiIlLqQefdg"


@pytest.fixture
def run(store: Path):
    with runfolio.init("net", store=store) as run:
        yield run


def stored(run: Run, metric: str = "x") -> list[float]:
    run.flush()
    return PointFiles(run.folder).read(metric).values.tolist()


def refused(run: Run) -> dict[str, int]:
    run.flush()
    return RunDocument.read(run.folder).refused


@given(st.floats(allow_nan=False))
def test_every_float64_is_kept_bit_for_bit(value: float):
    numbers, problems = metric_numbers({"x": value, "numpy": np.float64(value), "tensor": torch.tensor(value).double()})
    assert problems == []
    assert struct.pack("<d", numbers["x"]) == struct.pack("<d", value) == struct.pack("<d", numbers["numpy"])


@given(st.integers())
def test_integer_is_stored_exactly_or_not_at_all(value: int):
    numbers, problems = metric_numbers({"x": value})
    assert (numbers == {"x": value}) != bool(problems)


def test_float64_extremes_round_trip_in_both_file_kinds(run: Run):
    given = [-0.0, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, math.inf, -math.inf, math.nan, 2**62]
    for value in given:
        run.log({"x": value})
    live = stored(run)
    run.finish()
    for stored_values in (live, stored(run)):
        assert [struct.pack("<d", value) for value in stored_values] == [
            struct.pack("<d", float(value)) for value in given
        ]


@pytest.mark.parametrize("dtype", [*FLOATS, *WHOLES, torch.bool], ids=str)
def test_one_element_tensors_of_every_dtype_and_shape_are_stored(run: Run, dtype: torch.dtype):
    for shape in [(), (1,), (1, 1, 1)]:
        run.log({"x": torch.ones(shape).to(dtype)})
    assert stored(run) == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("kind", NUMPY)
def test_numpy_numbers_of_every_dtype_are_stored(run: Run, kind: str):
    for value in (np.ones((), kind), np.ones(1, kind), np.dtype(kind).type(1)):
        run.log({"x": value})
    assert stored(run) == [1.0, 1.0, 1.0]


def test_values_finer_than_float64_are_rounded(run: Run):
    for value in (Decimal("0.1"), Fraction(1, 3), np.longdouble("0.1"), Decimal(2**53 + 1)):
        run.log({"x": value})
    assert stored(run) == [0.1, 1 / 3, 0.1, 2.0**53]


def test_results_of_torchmetrics_are_stored(run: Run):
    from torchmetrics import MeanMetric, MetricCollection
    from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score

    several = MetricCollection({"acc": MulticlassAccuracy(3), "f1": MulticlassF1Score(3)})
    several.update(torch.tensor([0, 1, 2, 2]), torch.tensor([0, 1, 2, 1]))
    mean = MeanMetric()
    mean.update(torch.tensor([1.0, 2.0]))
    run.log({"mean": mean.compute(), "val": several.compute(), **several.compute()})
    assert stored(run, "mean") == [1.5]
    assert stored(run, "val/acc") == stored(run, "acc") == [float(several.compute()["acc"])]
    assert stored(run, "val/f1") == [float(several.compute()["f1"])]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (2**53 + 1, "is 9007199254740993, an integer that float64 cannot represent exactly"),
        (torch.tensor(2**53 + 1), "is 9007199254740993, an integer that float64 cannot represent exactly"),
        (np.uint64(2**64 - 1), "is 18446744073709551615, an integer that float64 cannot represent exactly"),
        (np.array([2**53 + 1]), "is 9007199254740993, an integer that float64 cannot represent exactly"),
        (10**400, "which exceeds float64"),
        (10**5000, "is a int, which exceeds float64"),
        (Decimal("1e400"), "is Decimal('1E+400'), which exceeds float64"),
        (Fraction(10**400), "which exceeds float64"),
        (np.longdouble("1e4000"), "which exceeds float64"),
        (1j, "is not one number but complex"),
        (torch.tensor(1j), "is not one number but complex"),
        (np.complex64(1), "is not one number but complex"),
        ("0.5", "is not one number but '0.5'"),
        (b"0.5", "is not one number but b'0.5'"),
        (np.array("0.5"), "is not one number but a <U3"),
        (np.timedelta64(5, "ns"), "is not one number but a timedelta64[ns]"),
        (np.ma.masked, "is masked"),
        (None, "is not one number but None"),
        ([0.5], "is not one number but list"),
        (np.zeros(0), "is not one number but ndarray of shape (0,)"),
        (torch.zeros(2, 3), "is not one number but Tensor of shape (2, 3)"),
        (torch.zeros((), device="meta"), "is not one number but Tensor of shape ()"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_refused_value_is_named_counted_and_reported_once(store: Path, bad: object, why: str, caplog):
    with runfolio.init(store=store) as run:
        for _ in range(3):
            run.log({"bad": bad, "good": 1.0})
        assert stored(run, "good") == [1.0, 1.0, 1.0]
        assert refused(run) == {"bad": 3}
    (record,) = caplog.records
    assert "metric 'bad' is " in record.getMessage()
    assert why in record.getMessage()
    assert PointFiles(run.folder).names() == ["good"]
    assert open_folio(store).run(run.id).document.refused == {"bad": 3}

    with runfolio.init(store=store, strict=True) as strict:
        with pytest.raises(ConfigError) as error:
            strict.log({"good": 1.0, "bad": bad})
        assert "metric 'bad' is " in str(error.value)
        assert why in str(error.value)
        strict.log({"good": 2.0})
    assert (stored(strict, "good"), strict.last_step, refused(strict)) == ([2.0], 0, {})


@pytest.mark.parametrize("values", [{"": 1.0}, {"a" * 1001: 1.0}, {"\ud800": 1.0}, {"a/b": 1, "a": {"b": 2}}])
def test_strict_runs_refuse_names_too(store: Path, values: dict):
    with runfolio.init(store=store, strict=True) as run:
        with pytest.raises(ConfigError, match="the whole call was not stored"):
            run.log(values)
        with pytest.raises(ConfigError, match=r"step 0\.5 is not an integer"):
            run.log({"x": 1.0}, step=0.5)  # type: ignore[arg-type]
        run.flush()
    assert PointFiles(run.folder).names() == []


def test_resumed_run_continues_its_counts(store: Path):
    with runfolio.init(store=store) as run:
        run.log({"bad": "x"})
    with runfolio.resume(run.id, store=store, checkpoint=None) as run:
        run.log({"bad": "x"})
    assert refused(run) == {"bad": 2}


def test_many_invalid_names_are_counted_in_bounded_space(run: Run, caplog):
    for number in range(300):
        run.log({f"bad {number} {'n' * 2000}": 1.0})
    counts = refused(run)
    assert (len(counts), counts[OTHERS], sum(counts.values())) == (101, 200, 300)
    assert max(map(len, counts)) == 100
    assert len(caplog.records) == 101


def test_neither_graph_nor_memory_of_logged_values_is_kept(run: Run):
    weights = torch.ones(1000, requires_grad=True)
    loss, several = (weights * 2).sum(), weights * 3
    alive = [weakref.ref(loss), weakref.ref(several), weakref.ref(weights)]
    run.log({"x": loss, "nested": {"loss": loss}, "several": several})
    del loss, several, weights
    gc.collect()
    assert [ref() for ref in alive] == [None, None, None]  # before a flush
    assert stored(run) == [2000.0]


def test_steps_given_as_arrays_are_read_at_the_call(run: Run):
    step, array = torch.tensor(3), np.array([5])
    run.log({"x": 0.0}, step=step)  # type: ignore[arg-type]
    run.log({"x": 0.0}, step=array)  # type: ignore[arg-type]
    step += 100
    array += 100
    run.flush()
    assert PointFiles(run.folder).read("x").steps.tolist() == [3, 5]


STEPS = [0, 5, 5, 3, -7, 2**31, 2**31 - 1, 2**62, -(2**63), 2**63 - 1, 9.0, 2.0**62, np.float32(4), Decimal(8), True]


def test_steps_of_every_kind_keep_their_order_of_arrival_in_every_file(store: Path):
    with runfolio.init(store=store) as run:
        for step in STEPS:
            run.log({"x": 0.0}, step=step)  # type: ignore[arg-type]
        run.log({"x": 0.0}, step=2**63 - 1)
        run.log({"x": 0.0})  # no step follows the largest one
        run.flush()
        live = PointFiles(run.folder).read("x").steps.tolist()
    expected = [*map(int, STEPS), 2**63 - 1, 2**63 - 1]
    assert live == PointFiles(run.folder).read("x").steps.tolist() == expected
    with runfolio.resume(run.id, store=store, checkpoint=None) as run:
        run.log({"x": 0.0}, step=-3)
    assert PointFiles(run.folder).read("x").steps.tolist() == [*expected, -3]
    assert open_folio(store).run(run.id).metric("x").steps.tolist() == [*expected, -3]


@pytest.mark.parametrize(
    "bad",
    [0.5, math.nan, math.inf, "3", b"3", 2**63, -(2**63) - 1, 10**5000, 1j, [1]],
    ids=lambda value: type(value).__name__,
)
def test_invalid_step_is_replaced_counted_and_reported(run: Run, bad: object, caplog):
    run.log({"x": 0.0}, step=4)
    run.log({"x": 0.0}, step=bad)  # type: ignore[arg-type]
    run.flush()
    assert PointFiles(run.folder).read("x").steps.tolist() == [4, 5]
    assert refused(run) == {"(steps)": 1}
    assert "the next automatic step is used" in caplog.text


class Phase(str, Enum):  # noqa: UP042 - many scripts still have such
    TRAIN = "train"


NAUGHTY = [
    " lead", "/", "..", "../../etc/passwd", "a//b", "\0", "a\0b", "a\nb", "\t.", "\u202eevil", "🏳️‍🌈", "👩‍👩‍👧",
    "CON", "NUL", "__proto__", "constructor", "%00", "%2e%2e", "'; DROP TABLE runs;--", "<script>alert(1)</script>",
    "null", "NaN", "true", "\ufeffbom", "\uffff", "\U0010ffff", "\x1b[31mred", "é", "e\u0301", "ﬁ",
    "\U0001d54f" * 1000, "\u200b",
]  # fmt: skip


def test_names_round_trip_in_every_file_and_reader(store: Path):
    with runfolio.init(store=store) as run:
        for number, name in enumerate(NAUGHTY):
            run.log({name: number})
        run.flush()
        live = PointFiles(run.folder).names()
    expected = sorted(NAUGHTY)
    assert live == PointFiles(run.folder).names() == expected
    for _ in range(2):  # the second time from the index
        read = open_folio(store).run(run.id)
        assert sorted(read.metrics) == expected
        assert [read.metric(name).values.tolist() for name in NAUGHTY] == [[n] for n in range(len(NAUGHTY))]


def test_composed_and_decomposed_letters_are_two_names(run: Run):
    run.log({"é": 1.0, "e\u0301": 2.0})
    assert (stored(run, "é"), stored(run, "e\u0301")) == ([1.0], [2.0])


@pytest.mark.parametrize("name", ["", "   ", "\n", "a" * 1001, "a" * 10_000, "\ud800", "a\udfff"])
def test_other_names_are_refused_with_the_rule(run: Run, name: str, caplog):
    run.log({name: 1.0, "good": 1.0})
    assert stored(run, "good") == [1.0]
    assert "has a name that is" in caplog.text
    assert len(caplog.text) < 300


def test_last_of_two_keys_of_one_name_counts_with_a_warning(run: Run, caplog):
    run.log({"a/b": 1.0, "a": {"b": 2.0}})
    run.log({"a": {"b": 2.0}, "a/b": 1.0})
    run.log({1: 3.0, "1": 4.0})  # type: ignore[dict-item]
    assert (stored(run, "a/b"), stored(run, "1")) == ([2.0, 1.0], [4.0])
    assert refused(run) == {"a/b": 2, "1": 1}
    assert "metric 'a/b' is given twice in one call, and only the last value is stored" in caplog.text


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError


def test_keys_of_other_types_become_texts(run: Run):
    run.log({1: 1.0, None: 1.0, (0, 1): 1.0, Phase.TRAIN: 1.0, Unspeakable(): 1.0, "val": {2: 1.0}})  # type: ignore[dict-item]
    run.flush()
    assert PointFiles(run.folder).names() == ["(0, 1)", "1", "None", "train", "val/2"]
    assert refused(run) == {"<Unspeakable>": 1}


def test_names_of_text_subclasses_are_texts(run: Run):
    for name in ("train", np.str_("train"), Phase.TRAIN):
        run.log({name: 1.0})
        run.flush()
    assert stored(run, "train") == [1.0, 1.0, 1.0]


def test_nested_dicts_become_flat_names(run: Run):
    itself: dict = {"good": 1.0}
    itself |= {"left": itself, "right": itself}
    deep: object = 1.0
    for _ in range(99):
        deep = {"d": deep}
    run.log({"itself": itself, "deep": deep, "too": {"deep": {"d": deep}}, "empty": {}})
    run.flush()
    assert PointFiles(run.folder).names() == ["deep" + "/d" * 99, "itself/good"]
    assert len(refused(run)) == 3


def test_config_nested_too_deeply_is_refused(store: Path):
    deep: object = 1
    for _ in range(100):
        deep = {"d": deep}
    with runfolio.init(store=store, config=deep) as run:
        run.config["deeper"] = {"d": deep}
        run.summary["list"] = [1, [2]]
    assert runfolio.open(store).run(run.id).config == deep
    assert refused(run) == {"(config)": 1}
    itself: dict = {}
    itself["itself"] = itself
    with pytest.raises(ConfigError, match="or contain themselves"):
        runfolio.init(store=store, config=itself)


@pytest.mark.parametrize(
    "given",
    [
        {"name": "a" * 501},
        {"name": "two\nlines"},
        {"name": 3},
        {"experiment": " "},
        {"experiment": 3},
        {"tags": ["a,b"]},
        {"tags": "t" * 101},
    ],
    ids=lambda given: str(given)[:20],
)
def test_too_long_names_and_tags_are_refused_before_writing(store: Path, given: dict):
    with pytest.raises(ConfigError, match=r"a (name|tag) must (be a string of|have) 1 to"):
        runfolio.init(store=store, **given)
    assert not store.exists()


def test_names_and_tags_at_their_limits_are_kept(store: Path):
    run = runfolio.init("n" * 500, experiment="e" * 500, tags=["t" * 100], store=store)
    run.tags = [""]
    run.finish()
    assert run.tags == ["t" * 100]
    assert refused(run) == {"(tags)": 1}
    read = runfolio.open(store).run(run.id)
    assert (read.name, read.experiment, read.tags) == ("n" * 500, "e" * 500, ["t" * 100])


def test_calls_are_numbered_without_gaps_and_empty_ones_are_skipped(run: Run):
    for values in ({"x": 1.0}, {}, {"x": 2.0}, {"x": "no number"}, {"x": 3}, {"x": 4.0}):
        run.log(values)
    run.log_image("odd", "no image")
    run.log_text("note", "hello")
    run.log({"x": 5.0})
    run.flush()
    calls = list(PointFiles(run.folder).log_calls(run.recorder.writer))
    assert [(call.seq, call.step) for call in calls] == [(1, 0), (2, 2), (3, 4), (4, 5), (6, 6)]
    assert [entry.seq for entry in media.read(run.folder)[0]] == [5]

"""Config values: each kind is stored as in `docs/limits.md`, equally in every process, and never changed silently."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import datetime as dt
import enum
import functools
import json
import math
import random
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import attrs
import numpy as np
import omegaconf
import pandas as pd
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from hypothesis import given
from hypothesis import strategies as st

import runfolio
from runfolio.errors import ConfigError
from runfolio.record.base.flat_names import flatten, identity
from runfolio.record.base.run_document import RunDocument
from runfolio.tracking.pipeline.config_values import MOST_NUMBERS, plain_config, plain_value

from ..docs.limits import rows_of

HERE = __name__


class Mode(enum.Enum):
    MAX = "max"


class Level(enum.StrEnum):
    HIGH = "high"


class Point(NamedTuple):
    x: float
    y: float


@dataclasses.dataclass
class Adam:
    lr: float


@dataclasses.dataclass
class SGD:
    lr: float


@dataclasses.dataclass
class Training:
    optimizer: Adam
    other: Adam | SGD


@attrs.define
class Augment:
    flip: bool = True


class Schedule:
    def __init__(self, warmup: int, scale: Any) -> None:
        self.warmup = warmup
        self.scale = scale
        self.owner = self

    def rate(self, step: int) -> float:
        return step / self.warmup


class Slotted:
    __slots__ = ("alpha",)

    def __init__(self, alpha: float) -> None:
        self.alpha = alpha


CASES: dict[str, list[tuple[Any, Any]]] = {
    "strings, None, `True`, `False`, finite floats": [("a", "a"), (None, None), (True, True), (0.1, 0.1)],
    "NaN and infinities": [(math.inf, math.inf)],
    "64-bit integers": [(3, 3), (2**64 - 1, 2**64 - 1)],
    "larger integers": [(10**30, str(10**30)), (10**5000, hex(10**5000))],
    "dicts, `argparse.Namespace`, `SimpleNamespace`": [
        ({"a": {"b": 1}}, {"a": {"b": 1}}),
        (argparse.Namespace(a=1), {"a": 1}),
        (types.SimpleNamespace(a=1), {"a": 1}),
    ],
    "dataclasses, attrs and pydantic objects, namedtuples": [
        (Adam(0.1), {"type": f"{HERE}.Adam", "lr": 0.1}),
        (
            Training(Adam(0.1), SGD(0.1)),
            {
                "type": f"{HERE}.Training",
                "optimizer": {"lr": 0.1},
                "other": {"type": f"{HERE}.SGD", "lr": 0.1},
            },
        ),
        (Augment(), {"type": f"{HERE}.Augment", "flip": True}),
        (Point(1, 2), {"type": f"{HERE}.Point", "x": 1, "y": 2}),
    ],
    "OmegaConf configs": [
        (omegaconf.OmegaConf.create({"a": 1, "b": "${a}"}), {"a": 1, "b": 1}),
        (omegaconf.OmegaConf.create([1, "???"]), [1, "???"]),
    ],
    "lists, tuples, deques": [((1, [2]), [1, [2]]), (collections.deque([1, 2]), [1, 2])],
    "sets": [({"b", "a"}, ["a", "b"]), (frozenset({2, "2", 1}), ["2", 1, 2])],
    "keys that are not strings": [
        ({1: "a", None: "b"}, {"1": "a", "None": "b"}),
        ({F.relu: 1, (1, 2): 2}, {"torch.nn.functional.relu": 1, "[1, 2]": 2}),
    ],
    "NumPy and torch scalars, and zero-dimensional arrays": [
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (torch.tensor(2.5), 2.5),
        (np.bool_(True), True),
    ],
    "arrays and tensors of up to 1,000 numbers": [
        (np.array([0.1, 0.123456789]), [0.1, 0.123456789]),
        (torch.ones(2, 1), [[1.0], [1.0]]),
        (torch.tensor([1.0, 0.0]).to_sparse(), [1.0, 0.0]),
        (np.array(["a", "b"]), ["a", "b"]),
        (np.array(["2026-01-02T03:04:05.000000006"], dtype="M8[ns]"), ["2026-01-02T03:04:05.000000006"]),
    ],
    "complex numbers, long doubles, bytes, times, `Decimal`, `torch.device`, `torch.dtype`, `range`": [
        (1 + 2j, "(1+2j)"),
        (np.longdouble(1), "1.0"),
        (b"ab", "b'ab'"),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (torch.device("cuda:1"), "cuda:1"),
        (torch.float16, "torch.float16"),
        (range(3), "range(0, 3)"),
    ],
    "paths": [(Path("a/b"), "a/b")],
    "members of an `Enum`": [(Mode.MAX, "Mode.MAX")],
    "members of an enum whose members are strings or numbers": [
        (Level.HIGH, "high"),
        (enum.IntEnum("N", "ONE").ONE, 1),
    ],
    "functions, classes, modules": [
        (F.relu, "torch.nn.functional.relu"),
        (math.sin, "math.sin"),
        (Schedule, f"{HERE}.Schedule"),
        (F, "torch.nn.functional"),
        (np.exp, "numpy.exp"),
        (list[int], "list[int]"),
    ],
    "methods, `functools.partial`": [
        (
            Schedule(3, 1).rate,
            {
                "method": f"{HERE}.Schedule.rate",
                "self": {
                    "type": f"{HERE}.Schedule",
                    "warmup": 3,
                    "scale": 1,
                    "owner": {"type": f"{HERE}.Schedule"},
                },
            },
        ),
        (
            functools.partial(F.relu, inplace=True),
            {
                "type": "functools.partial",
                "func": "torch.nn.functional.relu",
                "args": [],
                "keywords": {"inplace": True},
            },
        ),
    ],
    "other objects": [
        (Slotted(0.5), {"type": f"{HERE}.Slotted", "alpha": 0.5}),
    ],
}
"""Values, and their form in the record, by the row of the table in `docs/limits.md`."""


@pytest.mark.parametrize("row", CASES)
def test_config_value_is_stored_as_documented(row: str):
    for value, stored in CASES[row]:
        assert plain_value(value) == stored
        assert identity(plain_value(value)) == identity(stored)


@pytest.mark.parametrize(
    "make",
    [
        random.Random,
        np.random.default_rng,
        np.random.RandomState,
        np.random.PCG64,
        lambda seed: torch.Generator().manual_seed(seed),
    ],
)
def test_generators_are_told_apart_by_their_state(make: Callable[[int], Any]):
    generator = make(1)
    stored = plain_value({"generator": generator})

    assert stored == plain_value({"generator": make(1)})
    assert stored != plain_value({"generator": make(2)})
    assert stored["generator"].keys() == {"type", "digest"}
    assert plain_value({"generator": generator}) == stored  # reading it draws nothing


def test_every_documented_kind_of_config_value_is_tested():
    tested_alone = [
        "random generators of Python, NumPy and torch",
        "larger arrays and tensors",
        "networks, losses",
        "pandas tables",
    ]
    assert sorted(rows_of("Config")) == sorted([*CASES, *tested_alone])


def test_array_beyond_a_size_is_stored_as_shape_dtype_and_digest():
    weights = torch.ones(MOST_NUMBERS + 1)
    changed = weights.clone()
    changed[500] = 5

    stored = plain_value(weights)

    assert {**stored, "digest": None} == {"shape": [MOST_NUMBERS + 1], "dtype": "float32", "digest": None}
    assert plain_value(weights.numpy()) == stored
    assert plain_value(changed) != stored
    assert len(plain_value(weights[:-1])) == MOST_NUMBERS


def test_lambdas_of_different_code_or_values_differ():
    def scaled(factor: float) -> Any:
        return lambda x: x * factor

    assert plain_value(scaled(2)) == plain_value(scaled(2))
    assert plain_value(scaled(2)) != plain_value(scaled(3))
    assert plain_value(lambda x: x + 1) != plain_value(lambda x: x + 2)
    assert plain_value(lambda x: x in {"a", "b"}) != plain_value(lambda x: x in {"a", "c"})


def test_losses_with_different_options_and_weights_differ():
    losses = [
        torch.nn.CrossEntropyLoss(),
        torch.nn.CrossEntropyLoss(label_smoothing=0.1),
        torch.nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0])),
        torch.nn.CrossEntropyLoss(weight=torch.tensor([1.0, 3.0])),
    ]
    assert len({identity(plain_value(loss)) for loss in losses}) == 4


def test_network_is_alike_whatever_its_weights_are():
    first, second = (torch.nn.Linear(4, 2) for _ in range(2))
    wide = torch.nn.Sequential(*(torch.nn.Linear(4, 4) for _ in range(50)))
    assert plain_value(first) == plain_value(second) != plain_value(torch.nn.Linear(4, 3))
    assert plain_value(wide).keys() == {"type", "digest"}
    assert plain_value(torch.nn.LazyLinear(3))["weight"] == "uninitialized"


def test_tables_of_pandas_differ_with_their_values():
    frame = pd.DataFrame({"a": range(200), "b": 0.5})
    assert plain_value(frame) == plain_value(frame.copy())
    assert plain_value(frame) != plain_value(frame.replace(150, 151))
    assert plain_value(pd.Series([1, 2], index=["x", "y"])) != plain_value(pd.Series([1, 2], index=["x", "z"]))


def test_object_of_many_values_is_stored_as_type_and_digest():
    stored = plain_value(Schedule(1, list(range(200))))
    assert stored.keys() == {"type", "digest"}
    assert stored != plain_value(Schedule(1, list(range(1, 201))))


def test_object_without_bound_is_stored_as_its_type():
    endless: list[Any] = []
    endless.append(endless)
    stored = plain_value(Schedule(1, {"a": Schedule(2, endless)}))
    assert stored["scale"]["a"] == {"type": f"{HERE}.Schedule"}


def test_object_whose_text_raises_is_stored_as_its_type():
    class Odd:
        def __repr__(self) -> str:
            raise ValueError

    assert plain_value(Odd())["type"].endswith("Odd")


def test_values_that_cannot_be_resolved_stay_as_written(store: Path, caplog: pytest.LogCaptureFixture):
    config = omegaconf.OmegaConf.create({"a": "???", "b": "${a}", "root": "${oc.env:NOT_SET}/x", "net": {"lr": 0.1}})
    with runfolio.init(store=store, config=config) as run:
        assert run.config == {"a": "???", "b": "${a}", "root": "${oc.env:NOT_SET}/x", "net": {"lr": 0.1}}
    assert [record.message for record in caplog.records if "as written" in record.message] == [
        "config: values that cannot be read are stored as written: a, b, root (Missing mandatory value: a)"
    ]


def test_value_of_a_mapping_that_raises_is_named(caplog: pytest.LogCaptureFixture):
    class Lazy(dict):
        def __getitem__(self, key: str) -> Any:
            raise RuntimeError("no server")

    assert plain_config({"lr": 0.1, "remote": Lazy(url=1)}) == {"lr": 0.1, "remote": {"url": "[unreadable]"}}
    assert "config: values that cannot be read are stored as written: remote/url (no server)" in caplog.text


@pytest.mark.parametrize("config", [argparse.Namespace(lr=1), types.SimpleNamespace(lr=1), Adam(1), Point(1, 2)])
def test_records_and_namespaces_are_whole_configs(config: Any):
    assert plain_config(config) == {name: getattr(config, name) for name in plain_config(config)}


def test_pydantic_model_is_a_config():
    import pydantic

    model = pydantic.create_model("Model", lr=(float, 0.1), sizes=(list[int], [1, 2]))()
    assert plain_config(model) == {"lr": 0.1, "sizes": [1, 2]}


@pytest.mark.parametrize("config", [{1: "a", "1": "b"}, {"net": {None: 1, "None": 2}}])
def test_two_keys_of_one_text_are_refused_by_name(config: dict):
    with pytest.raises(ConfigError, match=r"two keys of .* have the same name '(1|None)'; rename one"):
        plain_config(config)


@pytest.mark.parametrize("config", [3, Schedule, "text", [1], omegaconf.OmegaConf.create([1])])
def test_value_without_names_is_no_config(config: Any):
    with pytest.raises(ConfigError, match=r"config is .* pass"):
        plain_config(config)


@pytest.mark.parametrize("value", ["NaN", "-Infinity", {"$text": "NaN"}, {"$text": "x"}, [math.inf], 0.5])
def test_numbers_that_json_lacks_and_their_names_are_told_apart(store: Path, value: Any):
    with runfolio.init(store=store, config={"x": value}) as run:
        run.summary["y"] = [value]
    runfolio.resume(run.folder, checkpoint=None).finish()
    recorded = runfolio.open(store).runs()[0]
    assert (recorded.config["x"], recorded.summary["y"]) == (value, [value])


def test_unset_field_of_a_dataclass_is_left_out():
    @dataclasses.dataclass
    class Partial:
        lr: float
        steps: int = dataclasses.field(init=False)

    assert plain_config(Partial(0.1)) == {"lr": 0.1}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(value=json_values)
def test_plain_data_is_stored_unchanged(value: Any):
    assert repr(plain_value(value)) == repr(value)


@given(
    nested=st.dictionaries(st.text("a/\\", min_size=1), st.dictionaries(st.text("a/\\"), st.integers()) | st.integers())
)
def test_flat_names_lose_no_value(nested: dict[str, Any]):
    count = sum(len(value) if isinstance(value, dict) and value else 1 for value in nested.values())
    assert len(flatten(nested)) == count


def test_flat_names_do_not_depend_on_the_order_of_keys():
    flat = {"a/b": 2, "a\\/b": 1}
    assert flatten({"a/b": 1, "a": {"b": 2}}) == flatten({"a": {"b": 2}, "a/b": 1}) == flat


@given(first=json_values, second=json_values)
def test_different_values_have_different_identities(first: Any, second: Any):
    assert identity(first) == identity(json.loads(json.dumps(first)))
    if identity(first) == identity(second) and first == first:
        assert json.dumps(first) == json.dumps(second) or first == second


@pytest.mark.parametrize(("first", "second"), [(1, 1.0), (0.0, -0.0), (math.nan, math.nan), ({"a": 1}, {"a": 1.0})])
def test_equal_settings_have_one_identity(first: Any, second: Any):
    assert identity(first) == identity(second)


@pytest.mark.parametrize(("first", "second"), [(True, 1), (True, "True"), (1, "1"), (math.nan, "NaN"), (None, "None")])
def test_settings_of_different_types_have_two_identities(first: Any, second: Any):
    assert identity(first) != identity(second)


def test_setting_is_recorded_alike_in_every_process(store: Path, python):
    script = """
import sys, runfolio
class Loss:
    def __init__(self, weight): self.weight = weight
def act(x): return x
config = {"act": act, "loss": Loss({"b", "a", "c"}), "key": lambda x: x in {"b", "a", "c"}, "seed": int(sys.argv[2])}
with runfolio.init(store=sys.argv[1], config=config): pass
"""
    for seed in (1, 2):
        assert python(script, store, seed).returncode == 0
    first, second = (RunDocument.read(path.parent).config for path in store.glob("*/*/run.json"))
    assert {**first, "seed": 0} == {**second, "seed": 0}


def test_spawned_process_names_types_of_the_script_alike(tmp_path: Path):
    (tmp_path / "train.py").write_text(
        """
import multiprocessing
from runfolio.tracking.pipeline.config_values import plain_value
class Loss: pass
def show(): print(plain_value({"class": Loss, "object": Loss()}), flush=True)
if __name__ == "__main__":
    show()
    process = multiprocessing.get_context("spawn").Process(target=show)
    process.start()
    process.join()
"""
    )
    done = subprocess.run([sys.executable, tmp_path / "train.py"], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["{'class': 'train.Loss', 'object': {'type': 'train.Loss'}}"] * 2

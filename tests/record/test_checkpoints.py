"""Checkpoints restore any training state, name damage before a tensor is used, and never unpickle anything."""

from __future__ import annotations

import io
import json
import math
import os
import pickle
import random
import re
import zipfile
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import runfolio
from runfolio.errors import ConfigError, DamagedFile, NotFound
from runfolio.record.base.layout import CHECKPOINTS
from runfolio.record.checkpoints import manifests
from runfolio.record.checkpoints.manifests import Snapshot
from runfolio.record.checkpoints.state_codec import (
    Packer,
    Unpacker,
    host_copies,
    read_tensors,
    unsafe_format,
    write_tensors,
)
from runfolio.record.checkpoints.wrappers import ModuleState

from ..docs.limits import rows_of

ABOUT = {"step": 1, "metric": 0.5, "attempt": 1, "position": {"w": 1}, "position_us": 1, "loader": None, "meta": {}}


def save(
    folder: Path, stem: str = "w-1", names: tuple[str, ...] = ("last",), modules: Any = None, **state: Any
) -> None:
    parts = {part: ModuleState(dict(tensors), {}, []) for part, tensors in (modules or {}).items()}
    manifests.save(folder, names, stem, Snapshot.capture(parts, state).copy(), ABOUT)


def test_training_state_round_trips_bit_for_bit(tmp_path: Path):
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.randn(8, 4)).sum().backward()
    optimizer.step()
    rng = {"python": random.getstate(), "numpy": np.random.get_state(), "torch": torch.get_rng_state()}
    save(tmp_path, modules={"model": model.state_dict()}, optimizer=optimizer.state_dict(), rng=rng)

    checkpoint = manifests.read(tmp_path, "last")

    assert all(torch.equal(tensor, model.state_dict()[key]) for key, tensor in checkpoint.tensors("model").items())
    state = checkpoint.state
    optimizer.load_state_dict(state["optimizer"])
    assert state["optimizer"]["state"][0]["exp_avg"].equal(optimizer.state_dict()["state"][0]["exp_avg"])
    assert state["rng"]["python"] == rng["python"]
    random.setstate(state["rng"]["python"])
    np.random.set_state(state["rng"]["numpy"])
    torch.set_rng_state(state["rng"]["torch"])


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.complex_numbers()
leaves |= (
    st.sets(st.integers(), max_size=1)
    | st.frozensets(st.text(), max_size=1)
    | st.dictionaries(st.text(), st.integers()).map(Counter)
)
leaves |= st.sampled_from(
    [np.float32(0.1), np.float64(0.1), np.int8(3), np.str_("a"), np.bool_(True), np.complex64(1j)]
)
leaves |= st.sampled_from([bytearray(b"a"), range(1, 9, 2), torch.Size([2, 3]), torch.float16, torch.device("cuda:1")])
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text() | st.sampled_from(["$tensor", "$map"]), inner, max_size=4)
        | st.dictionaries(st.integers() | st.booleans(), inner, max_size=4)
        | st.dictionaries(st.text(), inner, max_size=4).map(OrderedDict)
        | st.dictionaries(st.integers(), inner, max_size=4).map(lambda entries: defaultdict(list, entries))
        | st.lists(inner, max_size=4).map(lambda entries: deque(entries, 5))
    ),
    max_leaves=12,
)


@given(tree=trees)
def test_any_tree_of_plain_values_survives(tree: Any):
    packed = orjson.loads(orjson.dumps(Packer().pack(tree, "x")))
    assert repr(Unpacker({}).unpack(packed)) == repr(tree)


class Mode(str, Enum):  # noqa: UP042 - as people write them
    MAX = "max"


class Point(NamedTuple):
    x: float


@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        (Mode.MAX, r"save odd/a\.value"),
        (Point(1), r"save tuple\(odd/a\) or odd/a\._asdict\(\)"),
        (defaultdict(lambda: 3), r"convert it with dict\(\.\.\.\)"),
        (type("Settings", (dict,), {})(), r"convert it with dict\(\.\.\.\)"),
        (type("Name", (str,), {})("a"), r"convert it with str\(\.\.\.\)"),
        (np.ma.masked_array([1, 2], [True, False]), "MaskedArray"),
        (np.longdouble(1), "longdouble"),
    ],
)
def test_type_that_cannot_come_back_is_refused_with_the_remedy(tmp_path: Path, value: Any, remedy: str):
    with pytest.raises(ConfigError, match=rf"checkpoint entry odd/a is a .*{remedy}"):
        save(tmp_path, odd={"a": value})


@pytest.mark.parametrize(
    "hostile",
    [
        {"$dtype": ["load"]},
        {"$device": ["x"]},
        {"$defaultdict": ["eval"]},
        {"$scalar": ["O", 1]},
        {"$scalar": ["(,)f4", 1]},
        {"$scalar": ["float64", {"$range": [0, 10**12, 1]}]},
        {"$tuple": {"$range": [0, 10**12, 1]}},
        {"$Counter": [{"$range": [0, 10**12, 1]}]},
        {"$defaultdict": ["int", {"$range": [0, 10**12, 1]}]},
        {"$bytes": ["?"]},
        {"$set": [[]]},
        {"$complex": ["a"]},
        {"$enum": []},
        {"$namedtuple": ["a", 3]},
        {"$deque": []},
    ],
)
def test_mark_of_other_content_is_damaged(tmp_path: Path, hostile: dict):
    save(tmp_path)
    path = tmp_path / CHECKPOINTS / "last.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "state": {"x": hostile}}))
    with pytest.raises(DamagedFile, match="state: "):
        manifests.read(tmp_path).state  # noqa: B018


def test_tied_and_strided_tensors_round_trip(tmp_path: Path):
    base = torch.arange(12.0).reshape(3, 4)
    tensors = {"a": base, "b": base, "c": base.T, "d": base[1:], "e": torch.empty(0)}
    write_tensors(tmp_path / "t.safetensors", host_copies(tensors))
    read_back = read_tensors(tmp_path / "t.safetensors")
    assert read_back["b"].equal(base)
    assert read_back["c"].equal(base.T)
    assert read_back["d"].equal(base[1:])
    assert read_back["e"].shape == (0,)


@pytest.mark.parametrize("keys", range(1, 30))
def test_tensor_files_of_every_size_of_header_are_read(tmp_path: Path, keys: int):
    """The header's length comes first, so some files begin with the two bytes of a pickle."""
    tensors = {f"layer{n}.weight": torch.ones(2, 1) for n in range(keys)}
    write_tensors(tmp_path / "t.safetensors", tensors)
    assert read_tensors(tmp_path / "t.safetensors").keys() == tensors.keys()


def test_a_shared_tensor_of_the_state_is_stored_once():
    packer = Packer()
    tensor = torch.ones(3)
    assert packer.pack([tensor, tensor], "x") == [{"$tensor": "state.0"}, {"$tensor": "state.0"}]


def test_unsupported_value_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"checkpoint entry hooks/f is a function"):
        save(tmp_path, hooks={"f": lambda: None})


def test_names_share_files_and_unnamed_files_are_deleted(tmp_path: Path):
    weights = {"model": {"w": torch.ones(2)}}
    save(tmp_path, "w-1", ("best", "last"), weights)
    save(tmp_path, "w-2", ("last",), weights)
    assert sorted(path.name for path in (tmp_path / CHECKPOINTS).glob("*.safetensors")) == [
        "w-1.model.safetensors",
        "w-2.model.safetensors",
    ]
    save(tmp_path, "w-3", ("best", "last"), weights)
    assert [path.name for path in (tmp_path / CHECKPOINTS).glob("*.safetensors")] == ["w-3.model.safetensors"]
    assert manifests.names(tmp_path) == ["best", "last"]


def test_a_missing_checkpoint_is_answered_with_those_there_are(tmp_path: Path):
    save(tmp_path)
    with pytest.raises(NotFound, match=r"no checkpoint 'best' .* it has last"):
        manifests.read(tmp_path, "best")
    with pytest.raises(NotFound, match="holds no 'head'"):
        manifests.read(tmp_path).tensors("head")


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "gone"])
def test_a_damaged_tensor_file_is_named_before_it_is_used(tmp_path: Path, damage: str):
    save(tmp_path, modules={"model": {"w": torch.ones(100)}})
    path = tmp_path / CHECKPOINTS / "w-1.model.safetensors"
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[-5] ^= 1
        path.write_bytes(bytes(data))
    elif damage == "gone":
        path.unlink()
    else:
        path.write_bytes(bytes(data[:200]) if damage == "cut" else b"")
    with pytest.raises(DamagedFile, match=r"w-1\.model\.safetensors"):
        manifests.read(tmp_path).tensors("model")


@pytest.mark.parametrize("cut", [0, 1, 50, 150])
def test_a_damaged_manifest_is_named(tmp_path: Path, cut: int):
    save(tmp_path)
    path = tmp_path / CHECKPOINTS / "last.json"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DamagedFile, match=r"last\.json is damaged"):
        manifests.read(tmp_path)


def test_a_manifest_cannot_name_files_elsewhere(tmp_path: Path):
    save(tmp_path, modules={"model": {"w": torch.ones(1)}})
    path = tmp_path / CHECKPOINTS / "last.json"
    manifest = json.loads(path.read_text())
    manifest["files"]["model"]["file"] = "../../secret.safetensors"
    path.write_text(json.dumps(manifest))
    with pytest.raises(DamagedFile, match="must be a file name"):
        manifests.read(tmp_path)


class Exploit:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self):
        return (Path.touch, (self.canary,))


@pytest.mark.parametrize("form", ["pickle", "torch.save", "legacy torch.save", "numpy object array"])
def test_a_pickle_is_refused_naming_what_it_would_import_and_never_run(tmp_path: Path, form: str):
    canary, path = tmp_path / "canary", tmp_path / "weights.safetensors"
    if form == "pickle":
        path.write_bytes(pickle.dumps(Exploit(canary)))
    elif form == "numpy object array":
        np.save(path.with_suffix(".npy"), np.array([Exploit(canary)], dtype=object), allow_pickle=True)
        path.with_suffix(".npy").rename(path)
    else:
        buffer = io.BytesIO()
        torch.save(Exploit(canary), buffer, _use_new_zipfile_serialization=form == "torch.save")
        path.write_bytes(buffer.getvalue())

    with pytest.raises(DamagedFile) as refused:
        read_tensors(path)

    assert not canary.exists()
    if form in ("pickle", "torch.save"):
        assert "pathlib" in str(refused.value)
        assert "safetensors files only" in str(refused.value)


@given(data=st.binary(max_size=300))
def test_no_bytes_make_the_reader_run_or_break(data: bytes, tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp("any") / "t.safetensors"
    path.write_bytes(data)
    unsafe_format(path)
    with pytest.raises(DamagedFile):
        read_tensors(path)


def test_a_safetensors_file_shorter_than_it_declares_is_refused(tmp_path: Path):
    path = tmp_path / "t.safetensors"
    header = json.dumps({"w": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * 16)
    with pytest.raises(DamagedFile, match="not a complete safetensors file"):
        read_tensors(path)


def test_infinite_numbers_survive(tmp_path: Path):
    save(tmp_path, worst=-math.inf, unknown=math.nan)
    state = manifests.read(tmp_path).state
    assert state["worst"] == -math.inf
    assert math.isnan(state["unknown"])


def test_numbers_of_numpy_survive_as_they_were(tmp_path: Path):
    generator = np.random.default_rng(3)
    save(tmp_path, rng=generator.bit_generator.state, scalar=np.float64(0.5), point=np.array(2.0))
    state = manifests.read(tmp_path).state
    assert state["rng"] == generator.bit_generator.state
    assert state["scalar"] == 0.5
    assert state["point"].shape == ()


def nested(deep: int, wrap: Callable[[Any], Any]) -> Any:
    value: Any = 1
    for _ in range(deep):
        value = wrap(value)
    return value


WRAPS: list[Callable[[Any], Any]] = [
    lambda x: [x],
    lambda x: (x,),
    lambda x: {"a": x},
    lambda x: {1: x},
    lambda x: OrderedDict(a=x),
    lambda x: deque([x]),
]


@pytest.mark.parametrize("wrap", WRAPS)
def test_saved_nesting_is_never_too_deep_to_read(tmp_path: Path, wrap: Callable[[Any], Any]):
    save(tmp_path, deep=nested(60, wrap))
    assert manifests.read(tmp_path).state == {"deep": nested(60, wrap)}
    for deep in (61, 5000):
        with pytest.raises(
            ConfigError, match=r"checkpoint entry deep.* is nested in more than 60 lists, tuples and dicts"
        ):
            save(tmp_path, deep=nested(deep, wrap))


@pytest.mark.parametrize(
    "odd",
    [
        np.array(["a"]),
        torch.eye(2).to_sparse(),
        "\ud800",
        {"\ud800": 1},
        np.datetime64("2026"),
        np.zeros(2, complex),
        torch.zeros(2, dtype=torch.complex128),
        torch.empty(2, device="meta"),
    ],
)
def test_value_unsupported_in_a_checkpoint_is_named(tmp_path: Path, odd: Any):
    with pytest.raises(ConfigError, match="checkpoint entry odd"):
        save(tmp_path, odd=odd)
    with pytest.raises(ConfigError, match="checkpoint entry extra is a dict; a module"):
        save(tmp_path, modules={"model": {"extra": {}}})
    with pytest.raises(ConfigError, match=r"checkpoint entry w is a Tensor of torch\.complex128; a module"):
        save(tmp_path, modules={"model": {"w": torch.zeros(2, dtype=torch.complex128)}})


def test_superseded_process_deletes_no_checkpoint_of_its_successor(tmp_path: Path):
    folder = tmp_path / CHECKPOINTS
    save(tmp_path, "new-1", w=torch.ones(2))

    def is_ours() -> bool:
        (folder / "new-2.state.safetensors").touch()  # whose manifest the other process is about to write
        return False

    assert (
        manifests.save(tmp_path, ["last"], "old-9", Snapshot.capture({}, {"w": torch.zeros(2)}), ABOUT, is_ours=is_ours)
        is None
    )
    assert sorted(path.name for path in folder.glob("*.safetensors")) == [
        "new-1.state.safetensors",
        "new-2.state.safetensors",
    ]


@pytest.mark.parametrize("damage", [b"", b'{"runfolio": 0}'])
def test_damaged_manifest_protects_only_files_it_may_have_named(tmp_path: Path, damage: bytes):
    for number in range(1, 6):
        save(tmp_path, f"w-{number}", ("step-1", "last") if number == 1 else ("last",), w=torch.ones(2))
        if number == 2:
            (tmp_path / CHECKPOINTS / "step-1.json").write_bytes(damage)
            for path in (tmp_path / CHECKPOINTS).iterdir():
                os.utime(path, (1, 1))
    assert sorted(path.name for path in (tmp_path / CHECKPOINTS).glob("*.safetensors")) == [
        "w-1.state.safetensors",
        "w-2.state.safetensors",
        "w-5.state.safetensors",
    ]


def test_files_left_by_a_killed_process_are_cleared_away(tmp_path: Path):
    weights = {"model": {"w": torch.ones(2)}}
    save(tmp_path, "w-1", modules=weights)
    folder = tmp_path / CHECKPOINTS
    for name in ("w-2.model.safetensors", ".tmp-1-w-3.model.safetensors", ".tmp-1-last.json", ".tmpYlFRPt"):
        (folder / name).write_text("{")
    save(tmp_path, "x-1", modules=weights)
    assert sorted(path.name for path in folder.iterdir()) == ["last.json", "x-1.model.safetensors"]


@pytest.mark.parametrize(
    "change", [{"step": "x"}, {"attempt": None}, {"metric": "low"}, {"meta": 5}, {"position": {"w": 0.5}}]
)
def test_a_manifest_of_other_types_is_damaged(tmp_path: Path, change: dict):
    save(tmp_path)
    path = tmp_path / CHECKPOINTS / "last.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(DamagedFile, match="must be"):
        manifests.read(tmp_path)


def test_a_broken_archive_is_refused_like_any_other_file(tmp_path: Path):
    path = tmp_path / "t.safetensors"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.pkl", bytes(range(200)) * 5)
    data = bytearray(path.read_bytes())
    data[40:50] = b"\xff" * 10
    path.write_bytes(bytes(data))
    with pytest.raises(DamagedFile):
        read_tensors(path)


def test_checkpoints_print_as_one_short_line(store: Path):
    with runfolio.init("net", store=store, checkpoints=runfolio.CheckpointPolicy(keep_every=1)) as run:
        for step in range(9):
            run.checkpoint(step=step, metric=step / 10, model=torch.nn.Linear(2, 2))
    recorded = runfolio.open(store).run("net")
    assert re.fullmatch(r"<Checkpoint best, step 8, metric 0\.8, \S+ MB>", repr(recorded.checkpoint()))
    assert repr(recorded.checkpoints).startswith(f"[{len(recorded.checkpoints) - 5} more, <Checkpoint ")
    assert len(repr(recorded.checkpoints)) < 400


STATES: dict[str, list[Any]] = {
    "dense tensors, and arrays with a dtype of safetensors": [torch.ones(2), np.arange(3), np.array(1.5)],
    "None, booleans, numbers, strings, bytes": [None, True, 3, 0.5, 1j, 2**80, "a", b"a", bytearray(b"a")],
    "NumPy scalars of up to 64 bits (complex: 128)": [np.float32(0.1), np.float64(0.1), np.int8(1), np.complex128(1j)],
    "lists, tuples, dicts, sets, frozensets, ranges": [[1], (1,), {1: 2}, {1}, frozenset({1}), range(3)],
    "`OrderedDict`, `defaultdict` of standard types, `Counter`, `deque`": [
        OrderedDict(b=1, a=2),
        defaultdict(list, {1: [2]}),
        defaultdict(None, {1: 2}),
        Counter("aab"),
        deque([1, 2], maxlen=2),
    ],
    "`torch.Size`, `torch.dtype`, `torch.device`": [torch.Size([2]), torch.bfloat16, torch.device("cpu")],
}
REFUSED: dict[str, list[Any]] = {
    "sparse, meta and complex128 tensors, arrays of strings, times or complex numbers, masked arrays": [
        torch.eye(2).to_sparse(),
        torch.empty(2, device="meta"),
        torch.zeros(2, dtype=torch.complex128),
        np.array(["a"]),
        np.array(["2026"], dtype="M8[s]"),
        np.zeros(2, complex),
        np.ma.masked_array([1], [True]),
    ],
    "your own enum members and namedtuples elsewhere": [Mode.MAX, Point(1)],
    "other types, including subclasses of these": [io.BytesIO(), Path("a"), type("Settings", (dict,), {})()],
}
"""Values by the row of the table in `docs/limits.md`."""
OF_OBJECTS = {
    "modules",
    "compiled, DataParallel, DDP, FSDP and averaged modules, at any depth",
    "lazy modules",
    "values that `get_extra_state` returns",
    "objects with `state_dict`",
    "your own enum members and namedtuples in an object with `state_dict`",
}
"""Rows that tests/tracking/test_wrapped_models.py and test_checkpoint.py check."""


@pytest.mark.parametrize("row", STATES)
def test_state_comes_back_as_documented(tmp_path: Path, row: str):
    save(tmp_path, values=STATES[row])
    for value, stored in zip(STATES[row], manifests.read(tmp_path).state["values"], strict=True):
        assert type(stored) is type(value)
        assert repr(stored) == repr(value)


@pytest.mark.parametrize("row", REFUSED)
def test_state_is_refused_as_documented(tmp_path: Path, row: str):
    for value in REFUSED[row]:
        with pytest.raises(ConfigError, match=r"checkpoint entry odd is a "):
            save(tmp_path, odd=value)


def test_every_documented_kind_of_state_is_tested():
    assert sorted(rows_of("Checkpoint state")) == sorted([*STATES, *REFUSED, *OF_OBJECTS])

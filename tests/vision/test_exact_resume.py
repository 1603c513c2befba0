"""Bit-identical results of killed and resumed training runs."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import runfolio
from runfolio import RecordedRun
from runfolio.vision.models.tinyvgg import TinyVGG

from ..forked import Forked

TIMES = {"epoch_seconds", "images_per_second", "predict_ms", "seconds"}
"""Names of values that differ between two equal trainings."""

SMALL = {"hidden_units": 4, "data_fraction": 0.1, "batch_size": 16, "device": "cpu", "tensorboard": False, "watch": 3}
"""Settings with 115 images: 8 batches per epoch, the last one of 3 images."""
EVERYTHING = SMALL | {
    "epochs": 3,
    "augment": "trivial",
    "dropout": 0.3,
    "mixup": 0.3,
    "cutmix": 1.0,
    "schedule": "one-cycle",
    "accumulate": 3,
    "precision": "bf16",
    "ema": 0.8,
    "clip": 0.5,
    "patience": 2,
    "label_smoothing": 0.1,
    "test_at": "epoch",
    "checkpoint_steps": 1,
    "keep_best": 2,
}
PLAIN = SMALL | {
    "epochs": 3,
    "augment": "flip-crop",
    "optimizer": "sgd",
    "momentum": 0.9,
    "nesterov": True,
    "lr": 0.1,
    "warmup_epochs": 0.5,
    "weight_decay": 1e-3,
    "checkpoint_steps": 3,
}
ADAMW = SMALL | {"epochs": 3, "model": "mlp", "optimizer": "adamw", "schedule": "step", "step_epochs": 1, "ema": 0.5}
"""Settings that only save at the end of epochs."""
UNFREEZING = SMALL | {
    "epochs": 3,
    "weights": "start.safetensors",
    "freeze_backbone": True,
    "unfreeze_after": 1,
    "dropout": 0.3,
    "optimizer": "adamw",
    "ema": 0.8,
    "checkpoint_steps": 1,
}
"""Settings that unfreeze the backbone after one epoch, with a learning rate per block."""
HEAD = SMALL | {
    "epochs": 3,
    "weights": "start.safetensors",
    "freeze_backbone": True,
    "augment": "flip-crop",
    "cached_views": 2,
    "precision": "bf16",
    "dropout": 0.3,
    "ema": 0.8,
    "checkpoint_steps": 1,
}
"""Settings with cached features, which are kept or removed before training continues."""
SETTINGS = {"everything": EVERYTHING, "plain": PLAIN, "adamw": ADAMW, "unfreezing": UNFREEZING, "head": HEAD}


class Victims:
    """Trainings in separate processes (`victims.py`)."""

    def __init__(self, forked: Forked, folder: Path) -> None:
        self._forked, self._folder = forked, folder
        self.features = folder / "features"
        save_file(TinyVGG((1, 8, 8), 10, 4).state_dict(), folder / UNFREEZING["weights"])
        self._environment = os.environ | {
            "RUNFOLIO_CONSOLE": "off",
            "RUNFOLIO_CODE": "off",
            "RUNFOLIO_CACHE": str(folder),
        }

    def train(self, store: Path, after_s: float | None = None, **request: Any) -> dict[str, Any]:
        """Return `code` (-9: killed; -15: terminated), `places`, the number passed of each kind, and `seconds`.

        Args:
            after_s: Seconds after which it is killed from outside.
        """
        began = time.monotonic()
        with (self._folder / "output.txt").open("w+") as stdout, (self._folder / "errors.txt").open("w+") as stderr:
            words = [Path(__file__).with_name("victims.py"), json.dumps({"store": str(store), **request})]
            process = self._forked.start(*words, cwd=self._folder, env=self._environment, stdout=stdout, stderr=stderr)
            if after_s is not None:
                time.sleep(after_s)
                process.kill()
            code = process.wait()
            for stream in (stdout, stderr):
                stream.seek(0)
            assert code in (0, -9, -15), stderr.read()
            places = json.loads(stdout.read().splitlines()[-1]) if code == 0 else None
        return {"code": code, "places": places, "seconds": time.monotonic() - began}


@pytest.fixture(scope="module")
def victims(forked: Forked, tmp_path_factory: pytest.TempPathFactory) -> Victims:
    return Victims(forked, tmp_path_factory.mktemp("victims"))


class Straight:
    """Uninterrupted training runs, each executed once, without workers."""

    def __init__(self, victims: Victims, folder: Path) -> None:
        self._victims, self._place = victims, folder
        self._done: dict[str, tuple[dict[str, Any], dict[str, int], float]] = {}

    def __call__(self, name: str) -> tuple[dict[str, Any], dict[str, int], float]:
        """Return the content of the finished run without times, the numbers of passed places, and the seconds."""
        if name not in self._done:
            store = self._place / name
            answer = self._victims.train(store, settings=SETTINGS[name])
            assert answer["code"] == 0
            self._done[name] = everything(the_run(store)), answer["places"], answer["seconds"]
        return self._done[name]


@pytest.fixture(scope="module")
def straight(victims: Victims, tmp_path_factory: pytest.TempPathFactory) -> Straight:
    return Straight(victims, tmp_path_factory.mktemp("straight"))


def the_run(store: Path) -> RecordedRun:
    (run,) = runfolio.open(store).runs()
    return run


def everything(run: RecordedRun) -> dict[str, Any]:
    """Return metrics, media, summary and checkpoints of a run as plain values, without times."""
    media = [with_bytes(entry) for entry in recorded_media(run) if entry["kind"] != "figure"]
    return {
        "state": (run.state, run.document.status.reason),
        "metrics": {
            name: (run.metric(name).steps.tolist(), [value.hex() for value in run.metric(name).values.tolist()])
            for name in run.metrics
            if name not in TIMES
        },
        "media": media,
        "results": plain(run.flat_summary),
        **{name: whole_state(run, name) for name in ("last", "best")},
    }


def with_bytes(entry: dict[str, Any]) -> dict[str, Any]:
    """Replace the file of a medium, whose name contains its writer, with the content of the file."""
    if entry["path"] is None:
        return entry
    content = {key: value for key, value in entry["content"].items() if key != "file"}
    return {**entry, "path": entry["path"].read_bytes(), "content": content}


def recorded_media(run: RecordedRun) -> list[dict[str, Any]]:
    from runfolio.record.base.run_document import RunDocument
    from runfolio.record.content import media

    attempt = RunDocument.read(run.folder).attempts[-1]
    entries, _ = media.read(run.folder)
    newest = [
        entry for entry in entries if entry.attempt == attempt.attempt or entry.seq <= attempt.kept.get(entry.writer, 0)
    ]
    return [
        {key: value for key, value in vars(entry).items() if key not in {"seq", "time_us", "writer", "attempt", "file"}}
        for entry in newest
    ]


def whole_state(run: RecordedRun, name: str) -> dict[str, Any]:
    checkpoint = run.checkpoint(name)
    parts = {part: plain(checkpoint.tensors(part)) for part in checkpoint.parts}
    return {"step": checkpoint.step, "metric": checkpoint.metric, "state": plain(checkpoint.state), **parts}


def plain(value: Any) -> Any:
    """Return tensors as bytes and floats as bits, so that only identical values are equal."""
    if isinstance(value, Mapping):
        return {key: plain(entry) for key, entry in value.items() if key not in TIMES}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, torch.Tensor):
        return (
            str(value.dtype),
            tuple(value.shape),
            value.reshape(-1).contiguous().view(torch.uint8).numpy().tobytes(),
        )
    if hasattr(value, "tobytes"):
        return (str(value.dtype), value.shape, value.tobytes())
    return value.hex() if isinstance(value, float) else value


def assert_same(ours: Mapping[str, Any], theirs: Mapping[str, Any], where: str) -> None:
    """Check equality, and report the name of the first difference instead of long values."""
    assert ours.keys() == theirs.keys(), where
    for name, expected in theirs.items():
        if isinstance(expected, Mapping):
            assert_same(ours[name], expected, f"{where}/{name}")
        else:
            assert ours[name] == expected, f"{where}/{name}"


def kill_and_resume(
    victims: Victims, straight: Straight, store: Path, name: str, workers: int, draw: random.Random
) -> None:
    """Kill a training run one to three times at random places or times, finish it, and compare the results."""
    expected, places, seconds = straight(name)
    events: list[Any] = []
    begin: dict[str, Any] = {"settings": SETTINGS[name] | {"workers": workers}}
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        if draw.random() < 0.8:
            kind = draw.choice(list(places))
            kill: dict[str, Any] = {"fatal": [kind, draw.randint(1, places[kind])]}
        else:
            kill = {"after_s": draw.uniform(0.2, seconds)}
        events.append(kill)
        answer = victims.train(store, **begin, **kill)
        runs = runfolio.open(store).runs() if store.exists() else []
        if answer["code"] == 0 or (runs and runs[0].state == "finished"):
            break
        if runs:  # otherwise training has not started
            begin = {"resume": runs[0].id}
        if draw.random() < 0.5:
            events.append("cleared")
            shutil.rmtree(victims.features, ignore_errors=True)
    else:
        assert victims.train(store, **begin)["code"] == 0
    assert_same(everything(the_run(store)), expected, f"{name}, {workers} workers, killed at {events}")


CASES = [(name, workers) for name in SETTINGS for workers in (0, 2, 4)]


@pytest.mark.parametrize("seed", range(20))
def test_training_killed_at_random_ends_with_the_same_bits(victims, straight, tmp_path, seed):
    name, workers = CASES[seed % len(CASES)]

    kill_and_resume(victims, straight, tmp_path / "runs", name, workers, random.Random(seed))


@pytest.mark.parametrize(("batches_before", "saved_at"), [(2, 3), (8, 8)], ids=["in mid-epoch", "in validation"])
def test_terminated_training_saves_and_resumes_to_the_same_bits(victims, straight, tmp_path, batches_before, saved_at):
    store = tmp_path / "runs"
    expected, places, _ = straight("adamw")
    layers = places["layer"] // (3 * (8 + 2) + 23)  # passes: training, validation, final test
    place = ["layer", batches_before * layers + 1]

    answer = victims.train(store, settings=ADAMW | {"workers": 2}, fatal=place, signal="SIGTERM")

    stopped = the_run(store)
    assert (answer["code"], stopped.state) == (-signal.SIGTERM, "preempted")
    last = stopped.checkpoint("last")
    assert (last.state["training"]["epoch"], last.step) == (0, saved_at)
    assert victims.train(store, resume=stopped.id)["code"] == 0
    assert_same(everything(the_run(store)), expected, f"told to go at {place}")


@pytest.mark.soak
@pytest.mark.parametrize("number", range(100))
def test_killed_at_random_a_hundred_times(victims, straight, tmp_path, number):
    seed = random.SystemRandom().randrange(2**32)
    print("seed", seed)
    name, workers = CASES[number % len(CASES)]

    kill_and_resume(victims, straight, tmp_path / "runs", name, workers, random.Random(seed))

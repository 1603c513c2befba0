"""Machine load and training speed are recorded during a run, separate from its metrics."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset
from torch.utils.data.dataloader import _BaseDataLoaderIter

import runfolio
from runfolio.query.run import RecordedRun
from runfolio.tracking.monitors.throughput import samples_in
from runfolio.tracking.run import Run

QUICK = runfolio.RecordingConfig(system_s=0.1)


class Slow(Dataset):
    """Data set that needs some time for every sample."""

    def __init__(self, seconds: float, length: int) -> None:
        self.seconds = seconds
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> torch.Tensor:
        if index >= self.length:
            raise IndexError(index)
        time.sleep(self.seconds)
        return torch.zeros(3)


def read(store: Path, run: Run) -> RecordedRun:
    run.finish()
    return runfolio.open(store).run(run.id)


def test_machine_load_is_sampled_during_the_whole_run(store: Path):
    run = runfolio.init(store=store, recording=QUICK)
    time.sleep(0.6)
    recorded = read(store, run)

    assert {"system/cpu", "system/process_cpu", "system/memory", "system/memory_mb", "system/disk_free_gb"} <= {
        *recorded.system_metrics
    }
    assert recorded.system_metrics["system/cpu"].count >= 3
    assert 0 <= recorded.system_metrics["system/cpu"].max <= 100
    assert recorded.system_metrics["system/memory_mb"].min > 10
    assert recorded.metric("system/memory_mb").steps.tolist()[0] == 0
    assert recorded.metrics == {}


def test_busy_process_is_measured(store: Path):
    run = runfolio.init(store=store, recording=QUICK)
    sampled = False
    while not sampled:  # the sampling thread runs when the busy one allows it
        until = time.process_time() + 0.4
        while time.process_time() < until:
            pass
        run.flush()
        sampled = any(b"system/process_cpu" in tail.read_bytes() for tail in run.folder.glob("metrics/tail-*"))
    assert read(store, run).system_metrics["system/process_cpu"].max > 20


def test_steps_of_the_training_are_not_affected(store: Path):
    with runfolio.init(store=store, recording=QUICK) as run:
        for _ in range(4):
            run.log({"loss": 1.0})
            time.sleep(0.15)
    with runfolio.resume(run.id, store=store, checkpoint=None, recording=QUICK) as again:
        again.log({"loss": 1.0})
    recorded = runfolio.open(store).run(run.id)
    assert recorded.metric("loss").steps.tolist() == [0, 1, 2, 3, 4]
    assert recorded.system_metrics["system/cpu"].count > 1


def test_short_run_and_disabled_sampling_give_no_samples(store: Path):
    for recording, seconds in ((runfolio.RecordingConfig(), 0.0), (runfolio.RecordingConfig(system_s=0), 0.3)):
        run = runfolio.init(store=store, recording=recording)
        time.sleep(seconds)
        assert read(store, run).system_metrics == {}


def test_waiting_for_data_is_distinguished_from_training(store: Path):
    run = runfolio.init(store=store, recording=runfolio.RecordingConfig(system_s=0.5))
    for _ in DataLoader(Slow(0.01, 60), batch_size=4):
        time.sleep(0.04)
        run.log({"loss": 1.0})
    recorded = read(store, run)
    assert 0.2 < recorded.system_metrics["system/data_wait"].min < 0.8
    per_batch = (
        recorded.system_metrics["system/samples_per_s"].last / recorded.system_metrics["system/batches_per_s"].last
    )
    assert per_batch == pytest.approx(4)
    assert recorded.system_metrics["system/steps_per_s"].max > 1


class Nested(IterableDataset):
    """Data set that reads through its own loader."""

    def __iter__(self) -> Iterator[torch.Tensor]:
        return iter(DataLoader(Slow(0.0, 12), batch_size=None))


def test_loader_within_a_loader_counts_once(store: Path):
    run = runfolio.init(store=store, recording=runfolio.RecordingConfig(system_s=0.2))
    for _ in DataLoader(Nested(), batch_size=4):
        pass
    time.sleep(0.3)
    recorded = read(store, run)
    rates = recorded.metric("system/batches_per_s").values
    assert len(rates) == 1
    assert recorded.system_metrics["system/samples_per_s"].last / rates[0] == pytest.approx(4)


@pytest.mark.parametrize("workers", [0, 1])
def test_loaders_are_unchanged_by_the_measurement(store: Path, workers: int):
    before = _BaseDataLoaderIter.__next__
    with runfolio.init(store=store), runfolio.init(store=store):
        assert _BaseDataLoaderIter.__next__ is not before
        loader = DataLoader(TensorDataset(torch.arange(6)), batch_size=4, num_workers=workers)
        assert [batch[0].tolist() for batch in loader] == [[0, 1, 2, 3], [4, 5]]
        with pytest.raises(IndexError):
            next(iter(DataLoader(Slow(0, 3), sampler=[7])))
    assert _BaseDataLoaderIter.__next__ is before


def test_wrappers_of_a_loader_by_other_code_are_preserved(store: Path, monkeypatch: pytest.MonkeyPatch):
    seen = []
    first = runfolio.init(store=store)
    ours = _BaseDataLoaderIter.__next__

    def theirs(self: Any) -> Any:
        seen.append(1)
        return ours(self)

    monkeypatch.setattr(_BaseDataLoaderIter, "__next__", theirs)
    first.finish()
    list(DataLoader(Slow(0, 2)))
    assert _BaseDataLoaderIter.__next__ is theirs
    run = runfolio.init(store=store, recording=QUICK)
    list(DataLoader(Slow(0.06, 3)))
    assert read(store, run).system_metrics["system/batches_per_s"].max > 0
    assert len(seen) == 3 + 4
    monkeypatch.undo()
    runfolio.init(store=store).finish()
    assert _BaseDataLoaderIter.__next__ is not ours


@pytest.mark.parametrize(
    ("batch", "samples"),
    [
        (torch.zeros(5, 2), 5),
        ([torch.zeros(4), torch.zeros(9)], 4),
        ({"image": torch.zeros(3, 2), "label": torch.zeros(3)}, 3),
        (({"x": (torch.zeros(2, 1),)}, 7), 2),
        (torch.tensor(1.0), 0),
        ([], 0),
        ({}, 0),
        (["a", "b"], 0),
        (None, 0),
    ],
)
def test_batch_has_as_many_samples_as_its_first_tensor(batch: Any, samples: int):
    assert samples_in(batch) == samples


LATE = """
import sys, time, runfolio
run = runfolio.init(store=sys.argv[1], recording=runfolio.RecordingConfig(system_s=0.1))
import torch
from torch.utils.data import DataLoader
time.sleep(0.3)
for _ in range(3):
    list(DataLoader(torch.zeros(4, 1)))
    time.sleep(0.1)
run.finish()
"""


def test_torch_imported_later_is_timed_too(store: Path, fresh_python: Callable):
    assert fresh_python(LATE, store).stderr == ""
    (run,) = runfolio.open(store).runs()
    assert run.system_metrics["system/samples_per_s"].max > 0


@pytest.mark.parametrize(
    "last_words", ["os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)", "sys.exit(0)", "os._exit(0)"]
)
def test_timer_does_not_delay_the_exit_and_is_silent(store: Path, python: Callable, last_words: str):
    script = """
import os, signal, sys, time, runfolio
run = runfolio.init(store=sys.argv[1], recording=runfolio.RecordingConfig(system_s=0.02))
time.sleep(0.5)
"""
    began = time.monotonic()
    done = python(script + last_words, store)
    assert done.stderr == ""
    assert done.returncode in (0, -signal.SIGTERM)
    assert time.monotonic() - began < 50


def test_failing_gauge_is_reported_once_and_others_continue(store: Path, python: Callable):
    script = """
import sys, time, psutil, runfolio
run = runfolio.init(store=sys.argv[1], recording=runfolio.RecordingConfig(system_s=0.1))
time.sleep(0.3)
psutil.PROCFS_PATH = "/nowhere"
for step in range(4):
    run.log({"loss": 1.0})
    run.flush()
    time.sleep(0.15)
psutil.PROCFS_PATH = "/proc"
run.finish()
"""
    done = python(script, store)
    assert done.stderr.count("part of the machine's load is not recorded") == 1
    (run,) = runfolio.open(store).runs()
    assert run.state == "finished"
    assert run.system_metrics["system/steps_per_s"].count > run.system_metrics["system/cpu"].count

"""One seed for all generators, recorded in the run."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

import runfolio
from runfolio.errors import ConfigError
from runfolio.record.base.run_document import RunDocument
from runfolio.tracking.checkpointing.seeding import deterministic_algorithms


def draws() -> tuple[float, float, float, float]:
    """Return a number of each generator, and one drawn by a DataLoader's worker."""
    loader = torch.utils.data.DataLoader(Noise(), num_workers=1)
    (of_worker,) = (float(batch) for batch in loader)
    return random.random(), float(np.random.random()), float(torch.rand(())), of_worker


class Noise(torch.utils.data.Dataset):
    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> float:
        return random.random() + float(np.random.random()) + float(torch.rand(()))


def test_random_numbers_of_all_generators_depend_on_the_seed():
    def drawn(seed: int) -> tuple[float, ...]:
        runfolio.seed_everything(seed)
        return draws()

    first, second, other = drawn(7), drawn(7), drawn(8)
    assert first == second
    assert all(ours != theirs for ours, theirs in zip(first, other, strict=True))


def test_libraries_that_are_imported_later_are_seeded_too(fresh_python):
    script = """
import sys, runfolio
runfolio.seed_everything(3)
import numpy as np, torch
print(np.random.random(), torch.initial_seed())
"""
    runfolio.seed_everything(3)
    assert fresh_python(script).stdout.split() == [str(np.random.random()), "3"]


def test_open_run_records_the_seed(store: Path):
    with runfolio.init(store=store) as run:
        runfolio.seed_everything(42)
    noted = RunDocument.read(run.folder).seeds
    assert (noted["seed"], noted["deterministic"], noted["torch"]) == (42, False, 42)


def test_seed_set_before_init_is_recorded_only_by_the_next_run(store: Path):
    runfolio.seed_everything(5)
    with runfolio.init(store=store) as first:
        pass
    with runfolio.init(store=store) as second:
        pass
    assert RunDocument.read(first.folder).seeds["seed"] == 5
    assert "seed" not in RunDocument.read(second.folder).seeds


def test_seed_can_be_an_integer_of_numpy():
    runfolio.seed_everything(np.array([9])[0])
    assert torch.initial_seed() == 9


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, "1", True, None])
def test_invalid_seed_is_refused(seed):
    with pytest.raises(ConfigError, match=r"the seed is .*; it must be an integer from 0 to 4294967295"):
        runfolio.seed_everything(seed)


def test_deterministic_changes_every_setting_and_the_run_records_them(store: Path, fresh_python):
    script = """
import sys, runfolio
run = runfolio.init(store=sys.argv[1])
import torch
torch.backends.cudnn.benchmark = True
torch.set_float32_matmul_precision("high")
runfolio.seed_everything(42, deterministic=True)
run.finish()
print(run.folder)
"""
    folder = Path(fresh_python(script, store).stdout.strip())
    document = RunDocument.read(folder)
    expected = {
        "deterministic_algorithms": True,
        "deterministic_warn_only": False,
        "cudnn_deterministic": True,
        "cudnn_benchmark": False,
        "cudnn_tf32": False,
        "matmul_tf32": False,
        "matmul_precision": "highest",
        "cublas_workspace": ":4096:8",
    }
    assert {name: document.environment["torch"][name] for name in expected} == expected
    assert document.seeds["deterministic"] is True


def test_deterministic_settings_of_a_block_are_restored_after_it():
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = True
    with deterministic_algorithms(True):
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.backends.cudnn.deterministic
        assert not torch.backends.cudnn.benchmark
        assert not torch.backends.cudnn.allow_tf32
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.backends.cudnn.benchmark
    assert torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.benchmark = False

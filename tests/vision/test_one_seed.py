"""The seed is the only source of randomness in training."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import runfolio

from .test_exact_resume import EVERYTHING, assert_same, everything

SCRIPT = """
import json, random, sys
import numpy as np
import torch
from runfolio.vision import TrainSettings, run_experiment
settings, store, drawn = json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3])
torch.set_num_threads(1)
random.seed(drawn), np.random.seed(drawn), torch.manual_seed(drawn)
torch.rand(drawn)
run_experiment(TrainSettings(**settings), store=store)
"""


@pytest.fixture
def trained(fresh_python: Callable, tmp_path: Path) -> Callable[..., runfolio.RecordedRun]:
    """Train in a new process with the hash seed `hashing`, after drawing `drawn` random numbers."""

    def train(hashing: str, drawn: int, **settings) -> runfolio.RecordedRun:
        store = tmp_path / f"runs-{hashing}-{len(list(tmp_path.iterdir()))}"
        environment = os.environ | {"PYTHONHASHSEED": hashing, "OMP_NUM_THREADS": "1"}
        done = fresh_python(SCRIPT, json.dumps(EVERYTHING | settings), store, drawn, env=environment)
        assert done.returncode == 0, done.stderr
        (run,) = runfolio.open(store).runs()
        return run

    return train


def test_processes_that_share_only_the_seed_end_with_the_same_bits(trained):
    one, other = trained("1", 10), trained("2", 999, workers=2)

    assert_same(everything(other), everything(one), "2 workers, other hashes, other numbers drawn")

"""The first training step in a new process is computed like every later step."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]

PROCESSES = 120
"""Number of processes. Without our seeding, about 5 % get a wrong first square root if torch uses an affected MKL."""
SCRIPT = """
import numpy as np, runfolio, torch

torch.set_num_threads(2)
squares = torch.from_numpy((np.random.RandomState(0).randn(3840) ** 2).astype(np.float32))
runfolio.seed_everything(0)
first, second = squares.sqrt(), squares.sqrt()
print(int((first != second).sum()))
"""


def test_the_first_roots_of_a_process_are_those_of_its_later_calls():
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    wrong = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(PROCESSES)
    ]
    assert [int(count) for count in wrong] == [0] * PROCESSES

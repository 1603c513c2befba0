"""Fixtures for small training runs: 4 hidden units on a tenth of the digits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
import torch

import runfolio
from runfolio import RecordedRun
from runfolio.vision import TrainSettings, run_experiment

# Without a deadline, since busy cores would make tests fail.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")

MakeSettings = Callable[..., TrainSettings]


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Use one thread, since test workers share the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny() -> MakeSettings:
    """Return a function that creates settings for a short training run. Its arguments replace settings."""

    def make(**changes) -> TrainSettings:
        return TrainSettings(**{"hidden_units": 4, "data_fraction": 0.1, "epochs": 2, "device": "cpu"} | changes)

    return make


@pytest.fixture(scope="session")
def trained_folder(tiny: MakeSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("trained")
    return run_experiment(tiny(hidden_units=16, data_fraction=0.5, epochs=4, batch_size=50), store=store)


@pytest.fixture
def trained(trained_folder: Path) -> RecordedRun:
    """Return a finished run: tinyvgg, 4 epochs on half of the digits. Read only."""
    return runfolio.open(trained_folder.parent.parent).run(trained_folder)

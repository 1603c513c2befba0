"""Groups of runs, and the settings that only name a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from runfolio.errors import ConfigError
from runfolio.query.selection.grouping import group_runs, naming_settings
from runfolio.query.store import Runs, open_folio


@pytest.fixture
def runs_of(store, write) -> Callable[[Sequence[Mapping[str, Any]]], Runs]:
    """Return one run for each config."""

    def runs_of(configs: Sequence[Mapping[str, Any]]) -> Runs:
        for config in configs:
            write(config=config)
        return open_folio(store).runs()

    return runs_of


SEEDS = (0, 1)
GRID = [{"lr": lr, "seed": seed} for lr in (0.1, 0.01) for seed in SEEDS]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("out", ["out/1", "out/2", "out/3", "out/4"]),
        ("log_dir", ["a", "b", "c", "d"]),
        ("run_name", ["lr1", "lr2", "lr3", "lr4"]),
        ("job_id", [101, 102, 103, 104]),
        ("started", [1.5, 2.5, 3.5, 4.5]),
        ("label", ["x-0", "x-1", "y-0", "y-1"]),
        ("checkpoint_dir", ["/tmp/a0", "/tmp/a1", "/tmp/b0", "/tmp/b1"]),
    ],
)
def test_setting_that_only_names_runs_makes_no_groups(runs_of, name, values):
    runs = runs_of([{**config, name: value} for config, value in zip(GRID, values, strict=True)])
    grouping = group_runs(runs, "-seed")

    assert {label: len(members) for label, members in grouping.members.items()} == {"lr=0.01": 2, "lr=0.1": 2}
    assert grouping.notes == [f"{name} differs in each run and was ignored, as with --group-by -seed,-{name}."]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("hidden", [16, 32, 64, 128]),
        ("model", ["mlp", "cnn", "vit", "rnn"]),
        ("data_dir", ["/data/a", "/data/b", "/data/c", "/data/d"]),
        ("init_from", ["/tmp/a", "/tmp/b", "/tmp/c", "/tmp/d"]),
        ("checkpoint_path", ["a.pt", "b.pt", "c.pt", "d.pt"]),
        ("optimizer/name", ["sgd", "adam", "adamw", "lion"]),
        ("out", ["a", "a", "b", "b"]),
    ],
)
def test_settings_that_differ_in_each_run_make_groups(runs_of, name, values):
    runs = runs_of([{"seed": number, name: value} for number, value in enumerate(values)])

    assert len(group_runs(runs, "-seed").members) == len(set(values))


def test_repeated_training_can_share_its_folder(runs_of):
    runs = runs_of([{"lr": 0.1, "seed": seed, "out": f"out/{seed}"} for seed in (0, 1, 1)])

    assert naming_settings(runs, ["seed"]) == ["out"]
    assert list(group_runs(runs, "-seed").members) == ["all runs"]


def test_names_can_be_separated_by_commas(runs_of):
    runs = runs_of(GRID)

    assert group_runs(runs, "lr, seed,").members.keys() == group_runs(runs, ["lr", "seed"]).members.keys()
    with pytest.raises(ConfigError, match="either all names or no name must start with -"):
        group_runs(runs, "lr,-seed")


def test_groups_of_one_run_are_reported_with_the_remedy(runs_of):
    runs = runs_of([{"lr": 0.1 * (seed + 1), "seed": seed} for seed in range(3)])

    assert group_runs(runs, ["-seed"]).notes == [
        "Each group has one run, since lr differs in each run; give --group-by -seed,-lr."
    ]

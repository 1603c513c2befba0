"""Heads of a series that see the same features are trained side by side, and are to the bit what they are alone."""

from __future__ import annotations

import math
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rich.progress import Progress
from torch import nn

import runfolio
from runfolio import RecordedRun
from runfolio.series import Report, Series, execute, expand, load_target
from runfolio.settings import Located
from runfolio.vision import TrainSettings, run_experiment
from runfolio.vision.models import ModelSpec
from runfolio.vision.optim import make_optimizer
from runfolio.vision.together.group import HeadsTogether
from runfolio.vision.together.optimizers import stacked_optimizer

from .interruption import PowerCut
from .photos import dishes_and_weights
from .test_exact_resume import everything

TARGET = "runfolio.vision:experiment"
SPEC = ModelSpec(name="tinyvgg", channels=3, height=32, width=32, classes=2, hidden_units=4)
SMALL = {
    "model": SPEC.name,
    "hidden_units": SPEC.hidden_units,
    "freeze_backbone": True,
    "image_size": SPEC.height,
    "batch_size": 5,
    "epochs": 4,
    "dropout": 0.3,
    "device": "cpu",
    "tensorboard": False,
    "watch": 3,
    "test_at": "end",
    "lr": [1e-3, 1e-2],
}
RunSeries = Callable[..., Report]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Photographs of two dishes, and weights."""
    return dishes_and_weights(tmp_path_factory.mktemp("inputs"), SPEC, images=14)


@pytest.fixture
def run_series(inputs: dict[str, str], tmp_path: Path) -> RunSeries:
    """Run a series of heads into a store; lists are its grid."""

    def run(
        store: str, *, share: bool = True, display: Progress | None = None, may_fail: bool = False, **changes: Any
    ) -> Report:
        random.seed()  # as in another process
        named = {key.replace("_", "-"): Located(value, "") for key, value in {**SMALL, **inputs, **changes}.items()}
        series = Series(
            name="heads",
            target=Located(TARGET, ""),
            settings={key: each for key, each in named.items() if not isinstance(each.value, list)},
            grid={key: each for key, each in named.items() if isinstance(each.value, list)},
        )
        target = load_target(TARGET)
        with display or Progress(disable=True) as progress:
            report = execute(
                expand(series, target.settings),
                target,
                name="heads",
                experiment="heads",
                store=tmp_path / store,
                progress=progress,
                share=share,
            )
        assert may_fail or [outcome.reason for outcome in report.failed] == []
        return report

    return run


@pytest.fixture
def runs(tmp_path: Path) -> Callable[[str], list[RecordedRun]]:
    """Of a store, in the order of what was varied."""

    def found(store: str) -> list[RecordedRun]:
        return sorted(runfolio.open(tmp_path / store).runs(), key=lambda run: repr(sorted(run.config.items())))

    return found


def whole(run: RecordedRun) -> dict[str, Any]:
    """All there is to a run but its times, and with how many it was trained."""
    found = everything(run)
    found["results"].pop("heads_together", None)
    return found | {"config": run.config, "trouble": run.document.status.trouble}


def beside(found: list[RecordedRun]) -> list[int | None]:
    """With how many each was trained, itself included."""
    return [run.flat_summary.get("heads_together") for run in found]


@pytest.mark.parametrize(
    ("settings", "groups"),
    [
        ({"weight_decay": [0.0, 0.1], "label_smoothing": [0.0, 0.1], "schedule": "one-cycle"}, [8] * 8),
        ({"optimizer": "adamw", "weight_decay": [0.01, 0.1], "epochs": [3, 4], "watch": 0}, [8] * 8),
        ({"optimizer": ["sgd", "adam"], "dropout": None, "watch": 1}, [2] * 4),
        ({"optimizer": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 0.1, "patience": 1}, [2, 2]),
        ({"augment": "flip-crop", "cached_views": 2, "batch_size": 4, "keep_best": 2}, [2, 2]),
        ({"keep_every": 5, "lr": [1e-2, 3.0]}, [2, 2]),
        ({"seed": [1, 2], "test_at": "epoch", "val_fraction": 0.0}, [2] * 4),
    ],
)
def test_heads_trained_together_are_to_the_bit_what_they_are_alone(run_series, runs, settings, groups):
    run_series("together", **settings)
    run_series("alone", share=False, **settings)

    together, alone = runs("together"), runs("alone")
    assert beside(together) == groups
    assert beside(alone) == [None] * len(groups)
    for ours, own in zip(together, alone, strict=True):
        assert whole(ours) == whole(own)


def test_a_head_that_goes_on_from_a_shorter_one_is_trained_with_others_all_the_same(run_series, runs):
    lengths = {"schedule": "constant", "epochs": [2, 4]}
    report = run_series("together", **lengths)
    run_series("alone", share=False, **lengths)

    said = sorted(str(outcome.sharing) for outcome in report.outcomes)
    assert [line.partition(",")[2] for line in said[:2]] == [" trained with 1 other head"] * 2
    assert all(line.startswith("continues ") for line in said[:2])
    assert said[2:] == ["trained with 1 other head"] * 2
    for ours, own in zip(runs("together"), runs("alone"), strict=True):
        assert whole(ours) == whole(own)


KILLED = {"lr": [1e-3, 1e-2, 1e-1], "checkpoint_minutes": 1e-6}
"""A checkpoint is due at each step: where an epoch is taken over, only at its end."""


@pytest.mark.parametrize("after", [30, 38, 46, 56])
def test_a_series_that_is_killed_goes_on_together_to_the_same_bits(run_series, runs, after):
    run_series("together", display=PowerCut(after=after), **KILLED)
    assert "interrupted" in [run.state for run in runs("together")]
    run_series("together", **KILLED)
    run_series("alone", share=False, **KILLED)

    assert len(runs("together")) == 3
    for ours, own in zip(runs("together"), runs("alone"), strict=True):
        assert whole(ours) == whole(own)


def test_a_head_that_diverges_tells_where_as_it_would_alone(run_series, runs):
    decay = {"lr": 1.0, "weight_decay": [0.0, 1e4], "optimizer": "sgd", "watch": 2}
    run_series("together", **decay)
    run_series("alone", share=False, **decay)

    together, alone = runs("together"), runs("alone")
    finite = [math.isfinite(loss) for loss in together[1].metric("train/loss").values]
    assert finite == [True, True, False, False]  # the first one it trained itself anyway, the second it took over
    assert "first non-finite" in str(together[1].status.trouble)
    for ours, own in zip(together, alone, strict=True):
        assert whole(ours) == whole(own)


def test_a_head_that_diverges_at_once_tells_it_once_and_is_trained_by_itself(run_series, runs, caplog):
    run_series("together", lr=[1e-3, 3e38], optimizer="sgd")
    assert beside(runs("together")) == [2, None]
    assert caplog.text.count("first non-finite") == 1


def test_a_head_that_cannot_be_trained_fails_alone(run_series, runs):
    """Adam's first step divides the rate by a tenth, which no float holds then."""
    report = run_series("store", lr=[1e-3, 1e-2, 3e38], may_fail=True)
    assert [outcome.ending for outcome in report.outcomes] == ["finished", "finished", "failed"]
    run_series("alone", share=False, lr=[1e-3, 1e-2])
    for ours, own in zip(runs("store"), runs("alone"), strict=False):
        assert whole(ours) == whole(own)


def test_a_head_whose_images_changed_meanwhile_is_trained_by_itself(run_series, runs, inputs, tmp_path):
    """Its first epoch comes to something else than was foreseen for it."""

    class Exchanging(Progress):
        """Exchanges two images once the first run is done."""

        done = 0

        def advance(self, task_id, advance=1):
            super().advance(task_id, advance)
            self.done += self.tasks[0].id == task_id
            if self.done == 1 and self.tasks[0].id == task_id:
                exchange()

    folder = shutil.copytree(inputs["data"].removeprefix("folder:"), tmp_path / "food")
    data = f"folder:{folder}"
    pictures = [folder / "pizza" / "0.png", folder / "sushi" / "0.png"]

    def exchange() -> None:
        contents = [path.read_bytes() for path in pictures]
        for path, content in zip(pictures, reversed(contents), strict=True):
            path.write_bytes(content)

    with Exchanging(disable=True) as display:
        run_series("together", display=display, data=data)
    first, second = runs("together")
    assert beside([first, second]) == [2, None]
    run_series("alone", share=False, lr=[1e-2], data=data)
    assert whole(second) == whole(runs("alone")[0])


@pytest.mark.parametrize(
    "how",
    [
        {"ema": 0.9},
        {"clip": 1.0},
        {"accumulate": 2},
        {"precision": "bf16"},
        {"checkpoint_steps": 2},
        {"cache": False},
        {"unfreeze_after": 2},
        {"epochs": 1},
        {"batch_size": [4, 5], "lr": 1e-3},
    ],
)
def test_what_cannot_be_trained_together_is_trained_by_itself(run_series, runs, how):
    run_series("store", **{"epochs": 3, **how})
    assert beside(runs("store")) == [None, None]


def test_of_a_group_that_takes_too_much_memory_a_part_is_trained_at_a_time(inputs, store):
    """A head of 514 numbers, with what Adam remembers and the generator's 5 kB, takes 11 kB a state."""
    rates = (1e-3, 2e-3, 3e-3, 4e-3, 5e-3)
    settings = [TrainSettings(**{**SMALL, **inputs, "lr": rate, "watch": 0}) for rate in rates]
    together = HeadsTogether(settings, memory_bytes=100_000)
    folders = [run_experiment(each, store=store, together=together) for each in settings]
    assert beside([runfolio.open(store).run(folder) for folder in folders]) == [2, 2, 2, 2, None]


def test_the_memory_is_that_of_all_groups_that_wait_to_be_recorded(inputs, store):
    """Each seed is a group of two; the second begins while the first one's second head is still to be recorded."""
    places = [(rate, seed) for rate in (1e-3, 1e-2) for seed in (1, 2)]
    settings = [TrainSettings(**{**SMALL, **inputs, "lr": rate, "seed": seed, "watch": 0}) for rate, seed in places]
    together = HeadsTogether(settings, memory_bytes=100_000)
    folders = [run_experiment(each, store=store, together=together) for each in settings]
    assert beside([runfolio.open(store).run(folder) for folder in folders]) == [2, None, 2, None]


HYPER = st.fixed_dictionaries(
    {
        "optimizer": st.sampled_from(["adam", "adamw", "sgd"]),
        "momentum": st.sampled_from([0.0, 0.9]),
        "nesterov": st.booleans(),
    }
)


@given(
    classes=st.integers(2, 7),
    size=st.integers(1, 70),
    which=HYPER,
    each=st.lists(st.tuples(st.floats(1e-6, 1.0), st.sampled_from([0.0, 1e-3, 0.5])), min_size=1, max_size=5),
    seed=st.integers(0, 1000),
)
def test_stacked_optimizers_come_to_the_bits_of_torchs_own(classes, size, which, each, seed):
    if which["optimizer"] != "sgd":
        which = {**which, "momentum": 0.0}
    which["nesterov"] = which["nesterov"] and which["momentum"] > 0
    settings = [TrainSettings(**which, lr=rate, weight_decay=decay) for rate, decay in each]
    torch.manual_seed(seed)
    layers = [nn.Linear(size, classes) for _ in settings]
    own = [make_optimizer(layer, one) for layer, one in zip(layers, settings, strict=True)]
    stacked = [
        torch.stack([tensor.detach() for tensor in group])
        for group in zip(*map(nn.Module.parameters, layers), strict=True)
    ]
    optimizer = stacked_optimizer(stacked, settings)

    for _ in range(4):
        gradients = [torch.randn_like(parameter) for parameter in stacked]
        for head, (layer, one) in enumerate(zip(layers, own, strict=True)):
            for parameter, gradient in zip(layer.parameters(), gradients, strict=True):
                parameter.grad = gradient[head].clone()
            one.step()
        optimizer.step(gradients, [one.lr for one in settings])

    for head, (layer, one) in enumerate(zip(layers, own, strict=True)):
        for parameter, ours, slots in zip(layer.parameters(), stacked, optimizer.slots(), strict=True):
            assert torch.equal(parameter, ours[head])
            state = one.state[parameter]
            assert {name: slot[head].tolist() for name, slot in slots.items()} == {
                name: value.tolist() for name, value in state.items() if value is not None
            }

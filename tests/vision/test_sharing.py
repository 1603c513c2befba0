"""A longer run of a series continues a shorter one, and is to the bit what it would be alone."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from rich.progress import Progress

import runfolio
from runfolio import RecordedRun
from runfolio.cli import main
from runfolio.series import Series, execute, expand, load_target
from runfolio.settings import Located, build
from runfolio.vision import TrainSettings
from runfolio.vision.prefix import objection
from runfolio.vision.preparation import prepare

from .interruption import PowerCut
from .test_exact_resume import everything

TARGET = "runfolio.vision:experiment"
SMALL = {
    "hidden_units": 4,
    "data_fraction": 0.1,
    "batch_size": 16,
    "device": "cpu",
    "tensorboard": False,
    "watch": 3,
    "test_at": "end",
}
CONSTANT = SMALL | {"schedule": "constant", "augment": "flip-crop", "dropout": 0.3, "keep_best": 2, "keep_every": 5}
STEPS = SMALL | {
    "schedule": "step",
    "step_epochs": 1,
    "warmup_epochs": 0.5,
    "accumulate": 3,
    "ema": 0.8,
    "mixup": 0.3,
    "patience": 3,
    "test_at": "epoch",
    "checkpoint_steps": 2,
}

NO_BETTER = SMALL | {"schedule": "constant", "lr": 1e-9, "patience": 1}


def run_series(
    store: Path,
    settings: dict[str, Any],
    epochs: list[int],
    *,
    share: bool = True,
    display: Progress | None = None,
) -> list[str]:
    """What was said of each run."""
    target = load_target(TARGET)
    given = {name.replace("_", "-"): Located(value, "") for name, value in settings.items()}
    series = Series(name="lengths", target=Located(TARGET, ""), settings=given, grid={"epochs": Located(epochs, "")})
    with display or Progress(disable=True) as progress:
        report = execute(
            expand(series, target.settings),
            target,
            name="lengths",
            experiment="lengths",
            store=store,
            progress=progress,
            share=share,
        )
    assert [outcome.reason for outcome in report.failed] == []
    return [str(outcome) for outcome in report.outcomes]


def the_run(store: Path, epochs: int) -> RecordedRun:
    (run,) = (run for run in runfolio.open(store).runs() if run.flat_config["epochs"] == epochs)
    return run


def whole(run: RecordedRun) -> dict[str, Any]:
    """All there is to a run but its times: also its name, figures, and the other checkpoints."""
    figures = [(entry.name, entry.step, entry.path and entry.path.read_bytes()) for entry in run.media("figure")]
    return everything(run) | {"name": run.name, "figures": figures, "config": run.config}


class Alone:
    """Runs that share nothing, each trained once."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._done: dict[tuple[int, int], dict[str, Any]] = {}

    def __call__(self, settings: dict[str, Any], epochs: int) -> dict[str, Any]:
        key = id(settings), epochs
        if key not in self._done:
            random.seed()  # as in another process
            store = self._place / f"{len(self._done)}"
            run_series(store, settings, [epochs], share=False)
            self._done[key] = whole(the_run(store, epochs))
        return self._done[key]


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Alone:
    return Alone(tmp_path_factory.mktemp("alone"))


def test_runs_that_share_their_beginnings_are_to_the_bit_what_they_are_alone(tmp_path, alone):
    said = run_series(tmp_path, STEPS, [3, 1, 2])
    one, two, three = (the_run(tmp_path, epochs) for epochs in (1, 2, 3))
    assert f"continues {one.id} at epoch 1" in said[1]
    assert f"continues {two.id} at epoch 2" in said[2]
    assert [entry.inherited for entry in three.document.attempts] == [one.id, two.id, None]
    assert whole(two) == alone(STEPS, 2)
    assert whole(three) == alone(STEPS, 3)


def test_a_run_continues_one_of_an_earlier_call_to_the_bit(tmp_path, alone):
    run_series(tmp_path, CONSTANT, [1])
    (said,) = run_series(tmp_path, CONSTANT, [2])
    shorter, longer = the_run(tmp_path, 1), the_run(tmp_path, 2)
    assert f"continues {shorter.id} at epoch 1" in said
    assert longer.document.lineage == {
        "kind": "prefix",
        "run": shorter.id,
        "name": shorter.name,
        "checkpoint": "last",
        "step": 8,
    }
    assert whole(longer) == alone(CONSTANT, 2)


@pytest.mark.parametrize("cache", [True, False])
def test_heads_on_a_frozen_backbone_share_their_beginnings_with_the_cache_and_without(
    tmp_path, monkeypatch, finished, cache
):
    monkeypatch.setenv("RUNFOLIO_CACHE", str(tmp_path / "cache"))
    weights = tmp_path / "weights.pth"
    torch.save(the_run(finished, 1).checkpoint("last").tensors("model"), weights)
    frozen = CONSTANT | {"augment": "none", "weights": str(weights), "freeze_backbone": True, "cache": cache}

    said = run_series(tmp_path / "shared", frozen, [1, 2])
    run_series(tmp_path / "alone", frozen, [2])

    assert "continues" in said[1]
    assert (tmp_path / "cache" / "features").exists() is cache
    assert whole(the_run(tmp_path / "shared", 2)) == whole(the_run(tmp_path / "alone", 2))


def test_a_run_that_is_killed_behind_its_beginning_goes_on_from_there_in_the_next_call(tmp_path, alone):
    run_series(tmp_path, STEPS, [1])
    run_series(tmp_path, STEPS, [2], display=PowerCut(after=2))
    begun = the_run(tmp_path, 2)
    assert (begun.state, begun.document.lineage and begun.document.lineage["kind"]) == ("interrupted", "prefix")
    random.seed()  # as in another process
    (said,) = run_series(tmp_path, STEPS, [2])
    assert said.startswith("resumed")
    assert whole(the_run(tmp_path, 2)) == alone(STEPS, 2)


def test_a_run_that_continues_one_that_stopped_early_stops_there_too(tmp_path, alone):
    run_series(tmp_path, NO_BETTER, [3, 5])
    longer = the_run(tmp_path, 5)
    assert (longer.document.status.reason or "").startswith("stopped after epoch 2 of 5")
    assert whole(longer) == alone(NO_BETTER, 5)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A store with a run of one epoch."""
    store = tmp_path_factory.mktemp("finished")
    run_series(store, SMALL | {"schedule": "constant"}, [1])
    return store


def remove_the_best(run: RecordedRun) -> None:
    (run.folder / "checkpoints" / "best.json").unlink()


def have_another_torch(run: RecordedRun) -> None:
    change(run, lambda document: document["environment"]["packages"].update(torch="1.0.0"))


def have_met_nan(run: RecordedRun) -> None:
    change(run, lambda document: document["status"].update(trouble="layers.0 gave NaN first"))


def have_other_images(run: RecordedRun) -> None:
    change(run, lambda document: document["data"]["val"].update(fingerprint="0" * 32))


def change(run: RecordedRun, edit: Callable[[dict[str, Any]], None]) -> None:
    path = run.folder / "run.json"
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (remove_the_best, "no checkpoint 'best'"),
        (have_another_torch, "torch was 1.0.0, and is"),
        (have_met_nan, "it met numbers that are not finite"),
        (have_other_images, "its val images changed"),
    ],
)
def test_a_run_is_not_continued_where_the_bits_are_in_doubt(finished, tmp_path, spoil, said):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    preparation = prepare(replace(build(TrainSettings, the_run(tmp_path, 1).config), epochs=2))
    assert objection(the_run(tmp_path, 1), preparation) is None
    spoil(the_run(tmp_path, 1))
    assert said in (objection(the_run(tmp_path, 1), preparation) or "")


def test_where_it_cannot_continue_a_run_trains_from_its_first_step_and_says_why(finished, tmp_path):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    shorter = the_run(tmp_path, 1)
    next((shorter.folder / "checkpoints").glob("*.model.safetensors")).write_bytes(b"")

    (line,) = run_series(tmp_path, SMALL | {"schedule": "constant"}, [2])

    longer = the_run(tmp_path, 2)
    assert ("continues" in line, longer.document.lineage) == (False, None)
    (notice,) = (entry.content["text"] for entry in longer.media("text") if entry.name == "notice")
    assert notice.startswith(f"trains from its first step: {shorter.name} ({shorter.id}) is not continued: ")
    assert "is damaged" in notice


@pytest.mark.parametrize(
    ("changes", "yes"),
    [
        ({"epochs": 6}, True),
        ({"epochs": 6, "schedule": "step"}, False),
        ({"epochs": 5}, False),
        ({"epochs": 4}, False),
        ({"epochs": 6, "seed": 7}, False),
        ({"epochs": 6, "test_at": "epoch"}, False),
    ],
)
def test_a_training_continues_another_where_only_its_epochs_are_more(changes, yes):
    shorter = TrainSettings(epochs=5, schedule="constant")
    assert replace(shorter, **changes).continues(shorter) is yes


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle"])
def test_a_schedule_that_goes_by_the_number_of_epochs_is_not_continued(schedule):
    shorter = TrainSettings(epochs=5, schedule=schedule)
    assert not replace(shorter, epochs=10).continues(shorter)


def test_the_commands_say_what_was_shared(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["series", "--model", "mlp", "--epochs", "2", "1", "--schedule", "constant", "--data-fraction", "0.1"]

    def said(*arguments: str) -> str:
        done = CliRunner().invoke(main, [*arguments], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return " ".join(done.output.split())

    assert re.search(r"shared 1 of 3 epochs: [\d.]+ s spent, [\d.]+ s as if alone\.", said(*words))
    shorter, longer = the_run(tmp_path / "runs", 1), the_run(tmp_path / "runs", 2)
    page = said("show", longer.id)
    assert f"continues {shorter.name} ({shorter.id}) at epoch 1" in page
    assert "as if alone" in page
    assert f"continued by: {longer.name} ({longer.id})" in said("show", shorter.id)
    compared = said("compare", shorter.id, longer.id)
    assert f"{longer.name} continues {shorter.id} at epoch 1" in compared
    assert "shared" not in said(*words, "--seed", "7", "--no-share")

"""Learning rate range test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import runfolio
from runfolio.cli import main
from runfolio.errors import ConfigError, NotFound
from runfolio.vision import find_lr, run_experiment
from runfolio.vision.tuning.lr_finder import LOSS, RATE, RangeTest, analyze

RATES = np.geomspace(1e-7, 10, 100)


@pytest.fixture(scope="module")
def tested(tiny, tmp_path_factory) -> RangeTest:
    """Return a range test of tinyvgg on a tenth of the digits: 4 steps per epoch. Read only."""
    torch.manual_seed(11)
    return find_lr(tiny(hidden_units=8, tensorboard=False), store=tmp_path_factory.mktemp("range"))


def test_suggested_rate_trains_better_than_extreme_rates(tested, tiny, tmp_path):
    assert tested.safe is not None
    (tmp_path / "runs").mkdir()
    losses = []
    for factor in (1, 1e-3, 1e3):
        settings = tiny(hidden_units=8, lr=tested.safe * factor, schedule="constant", watch=0, tensorboard=False)
        run = runfolio.open(tmp_path / "runs").run(run_experiment(settings, store=tmp_path / "runs"))
        losses.append(run.metric("train/loss").values[-1])

    assert losses[0] < min(losses[1:])


def test_rate_rises_geometrically_until_the_loss_diverges(tested):
    np.testing.assert_allclose(tested.rates, RATES[: len(tested.rates)])
    assert 50 < len(tested.rates) < 100
    assert tested.losses[-5:].mean() > 4 * tested.losses[:20].mean() / 2


def test_backbone_stays_frozen_in_a_range_test(tiny, trained_folder, tmp_path):
    store = tmp_path / "runs"
    weights = str(next((trained_folder / "checkpoints").glob("*.model.safetensors")))
    head = tiny(hidden_units=16, weights=weights, freeze_backbone=True, epochs=3, tensorboard=False)
    later = replace(head, unfreeze_after=1, layer_decay=0.5)
    assert find_lr(later, store=store).losses.tolist() == find_lr(head, store=store).losses.tolist()


def test_range_test_is_a_finished_run_with_a_figure(tested):
    folio = runfolio.open(tested.folder.parent.parent)
    run = folio.run(tested.folder)

    assert run.state == "finished"
    assert run.tags == ["lr-finder"]
    assert run.flat_summary["lr_finder/steepest"] == tested.steepest
    assert run.metric(LOSS).values.tolist() == tested.losses.tolist()
    assert run.metric(RATE).values.tolist() == tested.rates.tolist()
    assert [picture.name for picture in run.media("figure")] == ["learning rate"]
    assert run.checkpoints == []
    with pytest.raises(NotFound):
        folio.best("val/acc")


def test_range_test_does_not_affect_later_trainings(tiny, tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)

    find_lr(tiny(model="mlp", tensorboard=False), store=tmp_path / "runs")

    assert torch.equal(torch.rand(3), expected)


def test_interrupted_range_test_is_not_resumed(tiny, store):
    from runfolio.vision.settings import RANGE_TEST

    with (
        pytest.raises(KeyboardInterrupt),
        runfolio.init(config=tiny().as_dict() | {RANGE_TEST: {}}, store=store) as run,
    ):
        raise KeyboardInterrupt

    with pytest.raises(ConfigError, match="--find-lr` starts a new one"):
        run_experiment(resume=run.folder, store=store)


def test_suggested_rates_follow_from_the_curve():
    heights = np.interp(np.log10(RATES), [-7, -4, -2, -1, 0, 1], [2.3, 2.3, 0.9, 0.8, 2.5, 9.0])

    result = analyze(Path(), RATES.tolist(), heights.tolist())

    assert result.steepest is not None
    assert 1e-4 < result.steepest < 1e-2
    assert result.safe == pytest.approx(1e-2, rel=0.5)


@pytest.mark.parametrize("losses", [[2.3] * 100, [2.3] * 50 + [np.nan], [np.nan], np.linspace(2.3, 9, 100).tolist()])
def test_no_rate_is_suggested_if_the_loss_never_falls(losses):
    result = analyze(Path(), RATES[: len(losses)].tolist(), losses)

    assert result.steepest is result.safe is None
    assert "check the network" in result.sentence


def test_command_draws_the_test_and_prints_the_next_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SystemExit) as end:
        main(["train", "--model", "mlp", "--find-lr", "--device", "cpu", "--no-tensorboard", "--lr", "1"])

    output = capsys.readouterr().out
    assert end.value.code in (0, None)
    assert "lr_finder/smoothed" in output
    assert "The loss falls fastest at lr" in output
    (picture,) = [line.split()[1] for line in output.splitlines() if line.startswith("plot ")]
    assert Path(picture).suffix == ".png"
    assert Path(picture).exists()
    (following,) = [line for line in output.splitlines() if line.startswith("next ")]
    assert "runfolio train --model mlp --device cpu --no-tensorboard --lr 0.0" in following.replace("  ", " ")

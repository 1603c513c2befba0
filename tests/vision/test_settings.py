from __future__ import annotations

import math

import pytest

from runfolio.errors import ConfigError
from runfolio.settings import build, fields_of
from runfolio.vision import TrainSettings


def test_default_settings_are_valid():
    settings = TrainSettings()

    assert (settings.data, settings.model, settings.epochs) == ("digits", "tinyvgg", 5)


def test_every_setting_is_explained_and_grouped():
    fields = fields_of(TrainSettings)

    assert [field.name for field in fields if not field.help.endswith((".", "..."))] == []
    assert list(dict.fromkeys(field.group for field in fields)) == [
        "common",
        "data",
        "model",
        "optimisation",
        "schedule",
        "run",
        "checkpoints",
    ]


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({}, "tinyvgg-5ep"),
        ({"model": "mlp", "data_fraction": 0.2, "epochs": 10}, "mlp-20pct-10ep"),
        ({"data_fraction": 0.125}, "tinyvgg-12.5pct-5ep"),
        ({"data": "zip:https://example.org/sushi.zip#sha256=00"}, "tinyvgg-5ep-sushi"),
    ],
)
def test_default_run_name_has_the_varied_settings(settings, name):
    assert TrainSettings(**settings).run_name == name


def test_run_name_in_a_series_has_the_varied_settings():
    varied = {"epochs": 5, "lr": 0.01, "seed": 3, "weights": "folder/start.pth", "freeze-backbone": True}
    assert TrainSettings().name_in_series(varied) == "tinyvgg-5ep-lr=0.01-weights=start.pth-freeze-backbone=True"
    assert TrainSettings().name_in_series({}) == "tinyvgg-5ep"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"lr": math.nan}, "lr is nan; it must be a number above 0"),
        ({"lr": -1}, "lr is -1; it must be a number above 0"),
        ({"weight_decay": math.inf}, "weight-decay is inf; it must be a number at least 0"),
        ({"data_fraction": 0}, "data-fraction is 0; it must be a number above 0 and at most 1"),
        ({"val_fraction": 1}, "val-fraction is 1; it must be a number at least 0 and below 1"),
        ({"epochs": 0}, "epochs is 0; it must be a whole number at least 1"),
        ({"optimizer": "adamm"}, "did you mean adam or adamw?"),
        ({"nesterov": True}, "nesterov needs optimizer sgd and a momentum above 0"),
        ({"momentum": 0.9}, "only sgd has momentum; set optimizer to sgd or momentum to 0"),
        ({"accumulate": 0}, "accumulate is 0; it must be a whole number at least 1"),
        ({"clip": 0}, "clip is 0; it must be a number above 0"),
        ({"ema": 1}, "ema is 1; it must be a number above 0 and below 1"),
        ({"mixup": -0.1}, "mixup is -0.1; it must be a number at least 0"),
        ({"cutmix": 1, "batch_size": 1}, "mix the images of a batch, but batch-size is 1; increase batch-size"),
        ({"patience": 0}, "patience is 0; it must be a whole number at least 1"),
        ({"precision": "16"}, "it must be one of 32, bf16, fp16"),
        ({"checkpoint_minutes": 0}, "checkpoint-minutes is 0; it must be a number above 0"),
        ({"warmup_epochs": 5}, "warmup-epochs is 5 of 5 epochs; it must be smaller than epochs"),
    ],
)
def test_invalid_setting_is_refused_by_name(wrong, message):
    with pytest.raises(ConfigError) as refusal:
        TrainSettings(**wrong)

    assert message in str(refusal.value)


def test_nesterov_needs_sgd_with_momentum():
    assert TrainSettings(optimizer="sgd", momentum=0.9, nesterov=True).nesterov


def test_yaml_number_32_is_a_precision():
    assert build(TrainSettings, {"precision": 32}).precision == "32"

"""Definition of a series, and errors for invalid ones."""

from dataclasses import dataclass

import pytest

from runfolio.errors import ConfigError
from runfolio.series import Series, expand, fingerprint, load_target, read_series
from runfolio.settings import LocatedValue, Settings, build
from runfolio.vision.settings import TrainSettings

ALL_RUNS = """\
series: faces
settings: {model: mlp, lr: 1e-3}
grid:
  data-fraction: [0.1, 1.0]
  epochs: [1, 2]
"""


@pytest.fixture
def written(tmp_path):
    def write(text: str) -> Series:
        path = tmp_path / "faces.yaml"
        path.write_text(text)
        return read_series(path, default_target="walk:target")

    return write


@pytest.fixture
def settings() -> type[Settings]:
    return load_target("walk:target").settings


def test_grid_has_every_combination_and_its_first_key_changes_slowest(written, settings):
    planned = expand(written(ALL_RUNS), settings)

    assert [plan.varied for plan in planned] == [
        {"data-fraction": 0.1, "epochs": 1},
        {"data-fraction": 0.1, "epochs": 2},
        {"data-fraction": 1.0, "epochs": 1},
        {"data-fraction": 1.0, "epochs": 2},
    ]
    assert all(plan.settings.as_dict()["lr"] == 0.001 for plan in planned)


def test_series_without_a_grid_is_one_run(written, settings):
    (plan,) = expand(written("settings: {epochs: 3}"), settings)

    assert plan.settings.as_dict()["epochs"] == 3


def test_default_name_of_a_series_is_that_of_its_file(written):
    assert written("grid: {epochs: [1, 2]}").name == "faces"


def test_flag_replaces_the_values_of_the_file(written, settings):
    series = written(ALL_RUNS).with_flags({"epochs": ["5"], "lr": ["0.1", "0.2"]})

    assert [(p.settings.as_dict()["epochs"], p.varied) for p in expand(series, settings)] == [
        (5, {"data-fraction": 0.1, "lr": 0.1}),
        (5, {"data-fraction": 0.1, "lr": 0.2}),
        (5, {"data-fraction": 1.0, "lr": 0.1}),
        (5, {"data-fraction": 1.0, "lr": 0.2}),
    ]


def test_fingerprint_does_not_depend_on_the_spelling_of_values(written, settings):
    spelled = [
        expand(written(text), settings)[0].fingerprint
        for text in ("settings: {lr: 1e-3, epochs: 5}", "grid: {epochs: ['5']}\nsettings: {lr: 0.001}")
    ]

    assert spelled[0] == spelled[1]
    assert spelled[0] != fingerprint("other:target", build(settings, {"epochs": 5, "lr": 0.001}))
    assert spelled[0] != fingerprint("walk:target", build(settings, {"epochs": 6, "lr": 0.001}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("serie: x", "faces.yaml:1: unknown key 'serie'; did you mean series?"),
        (
            "settings: {lr: 1}\ngrid:\n  epoch: [1]",
            "faces.yaml:3: unknown setting 'epoch'; did you mean epochs?",
        ),
        ("settings: {stop-at: 2}\ngrid: {epochs: [2, 1]}", "stop-at 2 is beyond epochs 1 (in the run with epochs 1)"),
        ("settings:\n  learning: 1", "faces.yaml:2: unknown setting 'learning'; known: "),
        ("grid:\n  epochs: 5", "faces.yaml:2: 'epochs' in grid is 5; it must be a list, such as [5] "),
        ("grid:\n\n  epochs: []", "faces.yaml:3: 'epochs' in grid is an empty list; "),
        ("grid:\n  epochs: [1, -2]", "faces.yaml:2: epochs is -2; it must be a whole number at least 1"),
        ("grid:\n  lr: [1e-3, .nan]", "faces.yaml:2: lr is nan; it must be a number above 0"),
        ("grid:\n  lr: [1e-3, 0.001]", "faces.yaml:2: lr contains 0.001 twice; give each value once"),
        (
            "grid:\n  model: [mpl]",
            "faces.yaml:2: model is 'mpl'; it must be one of mlp, tinyvgg; did you mean mlp?",
        ),
        ("settings: {lr: 1}\ngrid: {lr: [2]}", "faces.yaml:2: 'lr' is both in grid and in settings ("),
        ("grid: {data-fraction: [1], data_fraction: [2]}", "faces.yaml:1: 'data-fraction' is given twice"),
        ("series: [a]", "faces.yaml:1: 'series' is ['a']; it must be a non-empty string"),
        ("grid: 5", "faces.yaml:1: 'grid' must contain `key: value` lines"),
    ],
)
def test_mistake_is_reported_with_line_and_correction(written, settings, text, message):
    with pytest.raises(ConfigError) as caught:
        expand(written(text), settings)

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("walk", "target is 'walk'; it must be module:attribute"),
        ("wlk:target", "cannot import 'wlk' for target 'wlk:target': No module named 'wlk'"),
        ("walk:targt", "walk has no 'targt'; did you mean target?"),
        ("json:dumps", "'json:dumps' is not a target: it must have `settings`"),
    ],
)
def test_invalid_target_is_refused_by_name(name, message):
    with pytest.raises(ConfigError) as caught:
        load_target(name)

    assert message in str(caught.value)


def test_combinations_are_repeated_with_consecutive_seeds(written, settings):
    series = written("settings: {seed: 7}\ngrid: {epochs: [1, 2]}")

    planned = expand(series.with_seeds(3, settings), settings)

    assert [plan.varied for plan in planned] == [{"epochs": n, "seed": seed} for n in (1, 2) for seed in (7, 8, 9)]


def test_seeds_start_with_the_default_seed(written, settings):
    planned = expand(written("grid: {epochs: [1]}").with_seeds(2, settings), settings)
    assert [plan.settings.as_dict()["seed"] for plan in planned] == [42, 43]


def test_seeds_given_twice_or_too_large_are_refused(written, settings):
    with pytest.raises(ConfigError, match="the series already has several seeds; remove them or omit --seeds"):
        written("grid: {seed: [1, 2]}").with_seeds(5, settings)
    with pytest.raises(ConfigError, match="seed is 100; it must be a whole number at least 0 and at most 99"):
        expand(written("settings: {seed: 98}").with_seeds(3, settings), settings)


def test_combinations_are_cross_validated_with_several_seeds():
    unwritten = Series(name="faces", target=LocatedValue("runfolio.vision:experiment", ""), settings={}, grid={})

    planned = expand(unwritten.with_seeds(2, TrainSettings).with_folds(3, TrainSettings), TrainSettings)

    assert [(plan.varied["seed"], plan.varied["fold"]) for plan in planned] == [
        (seed, fold) for seed in (42, 43) for fold in ("1/3", "2/3", "3/3")
    ]


def test_fold_with_number_of_folds_is_refused():
    one = Series(
        name="faces",
        target=LocatedValue("runfolio.vision:experiment", ""),
        settings={"fold": LocatedValue("2/3", "")},
        grid={},
    )
    with pytest.raises(ConfigError, match="the series sets fold to 2/3; remove this setting to run all 3"):
        one.with_folds(3, TrainSettings)


def test_target_without_folds_cannot_be_cross_validated(written, settings):
    with pytest.raises(ConfigError, match="walk:target has no setting 'fold', so it cannot be repeated over folds"):
        written("grid: {epochs: [1]}").with_folds(2, settings)


def test_target_without_seed_cannot_be_repeated(written):
    class Seedless(Settings):
        pass

    with pytest.raises(ConfigError, match="walk:target has no setting 'seed'"):
        written("grid: {epochs: [1]}").with_seeds(2, dataclass(Seedless))

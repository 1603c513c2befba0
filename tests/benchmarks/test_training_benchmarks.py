"""The training benchmarks measure what they list. The figures are not checked, because a full run takes an hour."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.processes import ProcessCost

import runfolio
from benchmarks import overhead, parts, sampler, series, series_accuracy, series_cost, usual

ROOT = Path(__file__).resolve().parents[2]


def cells(text: str, first: str) -> list[str]:
    """A table's row by its first cell."""
    (line,) = (line for line in text.splitlines() if line.startswith(f"| {first} |"))
    return line.strip("| ").split(" | ")


# The page


def test_new_section_replaces_only_its_earlier_version(tmp_path):
    page = tmp_path / "page.md"
    for part in ("# One\n\nfirst\n", "# Two\n\n## Below\n\nsecond\n", "# One\n\nthird\n", "# Three\n"):
        parts.replace_part(page, part)
    assert page.read_text() == "# One\n\nthird\n\n# Two\n\n## Below\n\nsecond\n\n# Three\n"


def test_a_whole_run_without_its_files_says_what_to_give(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["series", "--weights", "nowhere.pth"])
    with pytest.raises(SystemExit):
        series.main()
    assert "--weights nowhere.pth: give an existing file, or --quick" in capsys.readouterr().err


# The usual loop


@pytest.fixture
def colours(tmp_path) -> list[str]:
    return [series.tiny_data(tmp_path, share, pixels=40) for share in (1, 2)]


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # it is how the usual loop traces graphs
def test_the_usual_loop_trains_every_cell_and_leaves_what_it_always_leaves(tmp_path, colours):
    nets = {series.REAL: series.random_weights(series.REAL, tmp_path)}
    cells = usual.series(str(tmp_path), colours, nets, (3,), 32, 42, only_epochs=1)
    assert [(cell["data"], cell["epochs"]) for cell in cells] == [("colours_1", 3), ("colours_2", 3)]
    assert all(len(cell["seconds"]) == len(cell["right"]) == 1 for cell in cells)
    assert len(list(tmp_path.glob("models/*.pth"))) == 2
    a_run = 1 + 4  # each curve of the two add_scalars is a writer of its own
    assert len(list(tmp_path.glob("runs/**/events.out.*"))) == 2 * a_run


@pytest.mark.parametrize("truly_frozen", [False, True])
def test_the_usual_backbone_moves_unless_it_is_truly_frozen(tmp_path, colours, truly_frozen: bool):
    data = usual.unpack(colours[0], tmp_path)
    weights = series.random_weights(series.REAL, tmp_path)
    batches, test_batches, classes = usual.loaders(data / "train", data / "test", 32)
    model = usual.network(series.REAL, weights, len(classes), 42)
    backbone = model.get_submodule("features")
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    usual.train(model, batches, test_batches, epochs=1, truly_frozen=truly_frozen)
    same = all(value.equal(before[name]) for name, value in backbone.state_dict().items())
    assert same == truly_frozen


# What is made of the figures


def test_a_series_is_projected_by_the_epochs_that_were_left_out():
    cell = {"epochs": 10, "seconds": [3.0]}
    assert series._skipped_seconds(cell) == 27


def test_ratio_uses_the_median_and_reports_the_target():
    def rendered(usual_s: float) -> str:
        ours = series.Ours([ProcessCost(wall_s, 2 * wall_s) for wall_s in (30, 50, 40)], [ProcessCost(10, 15)] * 3)
        size = series.Size(data=("a.zip", "b.zip"), epochs=(5, 10), pixels=224, repeats=3, projected=())
        usual = {series.REAL: ProcessCost(usual_s, 1500)}
        return series.render(series.Results({}, size, "w.pth", usual, {series.REAL: ours}, {"imports": 4.0}, 41.5))

    row = cells(rendered(1000), series.REAL)
    assert row == [
        series.REAL,
        *("measured", "1,000", "1,500"),
        *("40.0 (30.0 to 50.0)", "80.0 (60.0 to 100.0)", "25.0 x", "10.0 (10.0 to 10.0)", "100 x"),
    ]
    assert rendered(1000).count("It is 25.0 x: met") == 1
    assert rendered(700).count("It is 17.5 x: **not met**") == 1
    assert cells(rendered(700), "start and end of the process")[1] == "37.5"


def test_accuracies_are_compared_seed_by_seed():
    right = {
        "usual": {42: [30, 50], 43: [31, 51], 44: [32, 52]},
        "frozen": {42: [60, 66], 43: [60, 68], 44: [60, 67]},
        "ours": {42: [61, 67], 43: [61, 67], 44: [61, 68]},
    }
    size = series_accuracy.Size(data="a.zip", weights="w.pth", seeds=(42, 43, 44), epochs=2, pixels=224)
    page = series_accuracy.render(series_accuracy.Results({}, size, right, 75))
    assert cells(page, "(a) the usual loop")[1:3] == ["50, 51, 52", "0.680"]
    assert cells(page, "(c) - (b)")[-1] == "yes"
    assert cells(page, "(c) - (a)")[1:] == ["+0.218", "+0.199 to +0.237", "not worse", "yes"]
    worse = {**right, "frozen": {seed: [75, 75] for seed in right["frozen"]}}
    page = series_accuracy.render(series_accuracy.Results({}, size, worse, 75))
    assert cells(page, "(c) - (b)")[-1] == "**no**"


def test_figures_of_the_usual_loop_that_were_kept_are_found_again(tmp_path):
    series_accuracy.SavedFigures(tmp_path / "kept.json").put("usual", 42, [36, 51])
    figures = series_accuracy.SavedFigures(tmp_path / "kept.json")
    assert figures.get("usual", 42) == [36, 51]
    assert figures.get("usual", 43) is None


def test_the_overhead_is_the_mean_of_the_pairs_with_its_interval():
    results = overhead.Results({}, overhead.FULL, [10.0, 10.0, 20.0], [10.1, 10.2, 20.2])
    page = overhead.render(results)
    assert cells(page, "tracked / bare, mean of the pairs")[1] == "1.0133"
    assert "It is 1.0277: met" in page


def test_cost_of_a_further_run_is_the_difference_of_two_series_per_run():
    size = series_cost.Size(data="a.zip", weights="w.pth", heads=16, epochs=10, pixels=224, trivial_runs=9, rounds=3)
    walls = {"heads": (20, 21, 25), "single": (5, 5, 6), "several": (5.8, 5.4, 7.6)}
    measured = series_cost.Measured(
        **{name: [ProcessCost(wall_s, 1.0) for wall_s in times] for name, times in walls.items()}
    )
    page = series_cost.render(series_cost.Results({}, size, {"this one": measured}))
    assert cells(page, "this one")[1:] == [
        "21.0 (20.0 to 25.0)",
        "1.0 (1.0 to 1.0)",
        "5.0 (5.0 to 6.0)",
        "100 (50 to 200)",
    ]


# What is measured


def test_only_a_tracked_block_is_a_run_with_losses_and_watched_steps(store):
    size = overhead.Size(network="squeezenet1_1", pixels=32, batch=2, pairs=1, steps=2, watch=4)
    bench = overhead.Bench(size, str(store))
    assert bench.seconds(6) > 0
    assert bench.seconds(None) > 0
    (run,) = runfolio.open(store).runs()
    assert run.metric("train/loss").steps.tolist() == [6, 7, 8]
    assert run.metric("grad_norm").steps.tolist() == [8]


@pytest.mark.parametrize("size", [overhead.FULL, overhead.QUICK])
def test_steps_that_are_watched_are_on_the_clock_too(size: overhead.Size):
    on_the_clock = [size.first(pair) + step for pair in range(size.pairs) for step in range(1, 1 + size.steps)]
    assert any(step % size.watch == 0 for step in on_the_clock)


def test_seconds_of_a_command_are_split_by_part(tmp_path):
    result = tmp_path / "sampled.json"
    command = [sys.executable, "-m", "benchmarks.sampler", str(result), "runs", "--store", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    profile = json.loads(result.read_text())
    assert profile["parts"]["imports"] > 0
    assert sum(profile["functions"].values()) == pytest.approx(sum(profile["parts"].values()))


@pytest.mark.parametrize(
    ("part", "stack"),
    [
        ("imports", ["<frozen importlib._bootstrap>", "/x/runfolio/vision/loop/epochs.py"]),
        (
            "computing or reading features and pixels",
            ["/x/torch/nn/conv.py", "/x/runfolio/vision/features/feature_cache.py"],
        ),
        ("training, validation and test", ["/x/torch/nn/conv.py", "/x/runfolio/vision/loop/epochs.py"]),
        (sampler.REST, ["/x/torch/nn/conv.py"]),
    ],
)
def test_a_moment_belongs_to_the_part_that_its_stack_names(part: str, stack: list[str]):
    assert sampler.part_of(stack) == part


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("module", "heading"),
    [
        ("series", "# The classic series"),
        ("series_accuracy", "# Accuracy of the classic series"),
        ("overhead", "# Tracking overhead"),
        ("series_cost", "# Cost of a run in a series"),
    ],
)
def test_the_quick_form_of_each_measures_all_and_writes_its_part(tmp_path, module: str, heading: str):
    page = tmp_path / "page.md"
    command = [sys.executable, "-m", f"benchmarks.{module}", "--quick", "--page", str(page)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert page.read_text().startswith(heading)

"""Marks and sentences for runs on different data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

import runfolio
from runfolio import Listing, RecordedRun
from runfolio.cli import main
from runfolio.query.explain.run_diff import diff
from runfolio.query.selection.ranking import choose
from runfolio.query.selection.seed_groups import group_by_seed
from runfolio.query.tables.comparison import compare
from runfolio.query.tables.leaderboard import leaderboard
from runfolio.query.tables.runs_table import table

IMAGES = [(f"{name}/{number}.jpg", f"{name} {number}", name) for name in ("cat", "dog") for number in range(10)]
TEST = [(f"test/{number}.jpg", f"test {number}", "cat") for number in range(360)]


@pytest.fixture
def write(store: Path) -> Callable[..., Path]:
    """Write a run on images that are split after the fourth, and return its folder."""

    def write(name: str, accuracy: float, images: list | None = IMAGES, test: list | None = TEST, val: int = 4) -> Path:
        with runfolio.init(
            name, store=store, experiment="photos", recording=runfolio.RecordingConfig(code=False)
        ) as run:
            run.log({"val/acc": accuracy})
            run.summary.update({"val/acc": accuracy, "test/acc": accuracy, "val/images": 360, "test/images": 360})
            if images is not None:
                run.log_data("train", Listing(images[val:]), source="photos")
                run.log_data("val", Listing(images[:val]), source="photos")
            if test is not None:
                run.log_data("test", Listing(test))
        return run.folder

    return write


def edited(items: list) -> list:
    """Return the items, with different content for the first item."""
    return [(items[0][0], "another content", items[0][2]), *items[1:]]


def runs(store: Path) -> dict[str, RecordedRun]:
    return {run.name: run for run in runfolio.open(store).runs()}


def marks(store: Path) -> dict[str, tuple[str, str, bool]]:
    """Return for each row the marks of metric and test accuracy, and whether it is tied with the best."""
    rows = leaderboard(list(runs(store).values())).rows
    return {row.label: (row.data.mark, row.test_data.mark, row.tied) for row in rows}


def test_runs_on_the_same_data_are_ranked_as_equals(write, store: Path):
    write("best", 0.95)
    write("near", 0.94)

    assert marks(store) == {"best": ("", "", False), "near": ("", "", True)}
    assert "had" not in str(leaderboard(list(runs(store).values())).caption)


def test_run_on_silently_changed_data_is_marked_and_explained(write, store: Path):
    write("best", 0.95)
    write("near", 0.94, edited(IMAGES), edited(TEST))

    assert marks(store) == {"best": ("", "", False), "near": ("!", "!", False)}
    caption = leaderboard(list(runs(store).values())).caption
    assert caption.short[1] == "val/acc: 1 run (marked !) had changed data and cannot be compared with the first run."
    assert caption.details[-2:] == (
        "val/acc: 1 run (marked !) had changed data (1 changed (cat/0.jpg)) and cannot be compared with the first run.",
        (
            "test/acc: 1 run (marked !) had changed data (1 changed (test/0.jpg))"
            " and cannot be compared with the first run."
        ),
    )
    assert "val/acc: 1 run had changed data" in choose(runs(store).values(), "val/acc").caption.short[1]


def test_other_seed_is_not_marked_as_other_data(write, store: Path):
    write("best", 0.95)
    write("near", 0.94, [*IMAGES[8:], *IMAGES[:8]])

    assert marks(store) == {"best": ("", "", False), "near": ("~", "", True)}
    assert (
        "val/acc: 1 run (marked ~) had the same data in a different split, as with a different seed or fold."
        in (leaderboard(list(runs(store).values())).caption.details[-1])
    )


def test_share_of_the_same_images_is_described_by_its_sizes(write, store: Path):
    write("best", 0.95)
    write("near", 0.94, IMAGES[:15], val=3)

    assert marks(store)["near"] == ("~", "", True)
    assert (
        "more, fewer or different items (5 removed (dog/5.jpg, dog/6.jpg, dog/7.jpg, ...))"
        in (leaderboard(list(runs(store).values())).caption.details[-1])
    )


def test_very_different_shares_are_described_by_numbers_only(write, store: Path):
    write("best", 0.95, IMAGES[:15])
    write("near", 0.94, IMAGES[9:])

    assert "different items (5 added, 9 removed)" in leaderboard(list(runs(store).values())).caption.details[-1]


def test_relabelled_images_are_other_data(write, store: Path):
    write("best", 0.95)
    write("near", 0.94, [(IMAGES[0][0], IMAGES[0][1], "dog"), *IMAGES[1:]])

    assert marks(store)["near"][0] == "!"


def test_run_without_recorded_data_is_marked_as_unknown(write, store: Path):
    write("best", 0.95)
    write("near", 0.94, None, None)

    assert marks(store) == {"best": ("", "", False), "near": ("?", "?", True)}
    caption = leaderboard(list(runs(store).values())).caption
    assert "possibly different data, since not all runs recorded their data" in caption.short[1]


def test_runs_without_recorded_data_are_not_marked(write, store: Path):
    write("best", 0.95, None, None)
    write("near", 0.94, None, None)

    assert marks(store) == {"best": ("", "", False), "near": ("", "", True)}


def test_compare_has_no_winner_on_changed_data(write, store: Path):
    for name, images in (("a", IMAGES), ("b", edited(IMAGES))):
        write(name, 0.9 if name == "a" else 0.8, images)
    comparison = compare([runs(store)["a"], runs(store)["b"]])

    assert [row.key for row in comparison.data] == ["val"]
    assert [row.winner for row in comparison.metrics if row.metric == "val/acc"] == [None]
    assert comparison.caption.short[0] == "val: 1 run had changed data and cannot be compared with the first run."
    assert comparison.caption.details == (
        "val: 1 run had changed data (1 changed (cat/0.jpg)) and cannot be compared with the first run.",
    )


def test_diff_names_the_items_that_differ(write, store: Path):
    folders = [write("a", 0.9), write("b", 0.9, IMAGES, [*TEST[1:], ("test/new.jpg", "new", "cat")])]
    (change,) = diff(runs(store)["a"], runs(store)["b"]).items

    assert (change.name, change.sentence) == ("test", "1 added (test/new.jpg), 1 removed (test/0.jpg)")
    shown = CliRunner().invoke(main, ["diff", *map(str, folders), "--store", str(store)]).output
    assert "test: 1 added (test/new.jpg), 1 removed (test/0.jpg)" in shown
    as_json = CliRunner().invoke(main, ["diff", *map(str, folders), "--store", str(store), "--json"]).output
    assert json.loads(as_json)["items"][0]["items"]["added"] == {"count": 1, "first": ["test/new.jpg"]}


def test_show_and_runs_print_the_fingerprint(write, store: Path):
    folder = write("net", 0.9)
    run = runs(store)["net"]
    fingerprint = run.data["val"].fingerprint or ""

    page = CliRunner().invoke(main, ["show", str(folder), "--store", str(store)]).output
    assert f"val    4 items, {fingerprint[:8]}, photos" in page
    about = json.loads(CliRunner().invoke(main, ["show", str(folder), "--store", str(store), "--json"]).output)["data"]
    assert (about["val"]["fingerprint"], about["val"]["items"]) == (fingerprint, 4)
    assert table([run], ["name", "data.val"]).rows == [["net", fingerprint]]
    listed = CliRunner().invoke(main, ["runs", "--columns", "name,data.val", "--store", str(store)]).output
    assert fingerprint[:8] in listed


def test_runs_without_listings_are_still_distinguished(write, store: Path):
    write("best", 0.95)
    folder = write("near", 0.94, edited(IMAGES))
    for path in (folder / "data").iterdir():
        path.unlink()

    assert marks(store)["near"][0] == "!"
    assert [change.sentence for change in diff(runs(store)["best"], runs(store)["near"]).items] == [
        "it is not known which items differ"
    ]


def test_doctor_finds_a_damaged_listing(write, store: Path):
    folder = write("net", 0.9)
    listings = sorted((folder / "data").iterdir())
    listings[0].write_bytes(listings[0].read_bytes()[:-5])
    listings[1].unlink()

    said = CliRunner().invoke(main, ["doctor", "--store", str(store)]).output

    assert f"data/{listings[0].name}" in said
    assert f"data/{listings[1].name} is missing" in said.replace(": ", " ")


def test_means_over_seeds_report_changed_data(write, store: Path):
    for seed, images in enumerate((IMAGES, [*IMAGES[8:], *IMAGES[:8]], edited(IMAGES))):
        write(f"seed {seed}", 0.9 + seed / 100, images)
    every = list(runs(store).values())
    two = [run for run in every if run.name != "seed 2"]

    warning = "val/acc: 1 run had changed data (1 changed (cat/0.jpg))"
    assert warning in str(group_by_seed(every, "val/acc", "max", []).caption)
    assert "had" not in str(group_by_seed(two, "val/acc", "max", []).caption)


def test_doctor_reads_the_data_entries_of_a_damaged_record(write, store: Path):
    path = write("net", 0.9) / "run.json"
    document = json.loads(path.read_text())
    entry = next(iter(document["data"].values()))
    document["data"] |= {"odd": {**entry, "items": "many", "earlier": 7}, "odder": {"earlier": [3, {"fingerprint": 1}]}}
    path.write_text(json.dumps(document))
    done = CliRunner().invoke(main, ["doctor", "--store", str(store)], catch_exceptions=False)
    assert done.exit_code == 1, done.output
    assert "data/odd/items must be a non-negative integer or null" in done.output

"""`du` and `prune`: where the disk space is, and how it is freed and taken back."""

import csv
import io
import json
from pathlib import Path

import pytest
import torch

import runfolio as rf
from runfolio.errors import NotFound


@pytest.fixture
def store(tmp_path) -> Path:
    """Three runs, `a` to `c`, with val/acc 0.1 to 0.3 and checkpoints `best` and `last` of 40 kB; `b` failed."""
    store = tmp_path / "runs"
    for number, name in enumerate("abc", start=1):
        run = rf.init(name, experiment="tune", store=store, config={"lr": number})
        run.log({"val/acc": number / 10})
        run.checkpoint(step=1, metric=number / 10, model=torch.nn.Linear(100, 100))
        run.finish("failed" if name == "b" else "finished")
    return store


def checkpoints(store: Path) -> dict[str, list[str]]:
    """Return the names of the checkpoints of each run."""
    runs = sorted(rf.open(store).runs(archived=True), key=lambda run: run.name)
    return {run.name: sorted(checkpoint.name for checkpoint in run.checkpoints) for run in runs}


def id_of(store: Path, name: str) -> str:
    return rf.open(store).run(name).id


BOTH = ["best", "last"]


def test_du_lists_the_largest_runs_first_with_the_sum(runfolio, store):
    large = rf.open(store).run("b").folder / "artifacts"
    large.mkdir()
    (large / "data.bin").write_bytes(bytes(2_000_000))

    heading, _, *rows, total = runfolio("du", "--limit", "2").stdout.splitlines()
    assert heading.split() == ["id", "name", "checkpoints", "media", "points", "artifacts", "other", "total"]
    assert rows[0].split()[1] == "b"
    assert rows[2] == "1 more: --limit N, --all"
    assert total.startswith("3 runs: 2.")
    assert total.endswith(" MB")

    whole = json.loads(runfolio("du", "--json").stdout)
    assert whole[0]["name"] == "b"
    assert len(whole) == len(list(csv.DictReader(io.StringIO(runfolio("du", "--csv").stdout)))) == 3
    assert len(json.loads(runfolio("du", "--json", "--limit", "2").stdout)) == 2
    assert all(row["checkpoints"] > 40_000 for row in whole)
    assert {row["media"] for row in whole} == {0}  # an empty folder is not media
    for row in whole:
        assert row["total"] == sum(row[part] for part in ("checkpoints", "media", "points", "artifacts", "other"))
    assert [row["name"] for row in json.loads(runfolio("du", "a", "--json").stdout)] == ["a"]
    assert [row["name"] for row in json.loads(runfolio("du", "--state", "failed", "--json").stdout)] == ["b"]


def test_prune_keeps_the_best_and_undelete_takes_it_back(runfolio, store):
    done = runfolio("prune", "--experiment", "tune", "--keep", "best:1", "--yes")
    assert done.exit_code == 0, done.output
    assert checkpoints(store) == {"a": [], "b": [], "c": BOTH}
    assert f"pruned a ({id_of(store, 'a')}): best, last\n" in done.stdout
    assert f"undo  runfolio undelete {id_of(store, 'b')} {id_of(store, 'a')}\n" in done.stdout
    assert "which `runfolio purge` frees" in runfolio("du").stdout
    (row, _) = json.loads(runfolio("trash", "--json").stdout)
    assert (row["content"], row["bytes"] > 40_000) == ("2 checkpoints", True)

    restored = runfolio("undelete", "a").stdout
    assert restored == f"restored the checkpoints best, last of a ({id_of(store, 'a')})\n"
    assert runfolio("purge", "--yes").stdout.startswith("purged the checkpoints of 1 run, ")
    assert checkpoints(store) == {"a": BOTH, "b": [], "c": BOTH}
    assert runfolio("trash").stdout.startswith("The trash of ")


@pytest.mark.parametrize(
    ("words", "pruned"),
    [
        (["a"], "a"),
        (["--state", "failed"], "b"),
        (["--where", "val/acc < 0.25"], "ab"),
        (["--experiment", "tune", "--keep", "newest:2"], "a"),
        (["--experiment", "tune", "--keep", "best:1", "--metric", "lr", "--min"], None),
        (["--experiment", "tune", "--keep", "best:1", "--metric", "val/acc", "--min"], "bc"),
        (["--experiment", "tune", "--keep", "best:1", "--keep", "newest:2"], "a"),
        (["--experiment", "tune", "--keep", "best:9"], "b"),  # failed runs are not ranked
        (["a", "--names", "other"], ""),
        (["a", "--dry-run"], ""),
    ],
)
def test_prune_takes_only_the_selected_runs(runfolio, store, words: list[str], pruned: str | None):
    done = runfolio("prune", *words, "--yes")

    assert done.exit_code == (2 if pruned is None else 0), done.output
    assert checkpoints(store) == {name: [] if name in (pruned or "") else BOTH for name in "abc"}


def test_prune_of_one_name_keeps_the_other_and_its_files(runfolio, store):
    dry = runfolio("prune", "a", "--names", "last", "--dry-run").stdout
    runfolio("prune", "a", "--names", "last", "--yes")

    assert "1 checkpoint of 1 run" in dry
    assert checkpoints(store)["a"] == ["best"]
    rf.open(store).run("a").checkpoint("best").verify()


def test_run_that_is_named_twice_counts_once(runfolio, store):
    words = ["a", id_of(store, "a")]

    assert len(json.loads(runfolio("du", *words, "--json").stdout)) == 1
    assert "2 checkpoints of 1 run" in runfolio("prune", *words, "--dry-run").stdout
    assert runfolio("delete", *words, "--yes").exit_code == 0


def test_prune_asks_only_a_terminal_and_without_one_needs_yes(runfolio, store):
    done = runfolio("prune", "--state", "failed")

    assert done.exit_code == 2
    assert done.stderr == "error: no terminal to ask for confirmation; add --yes\n"
    assert checkpoints(store)["b"] == BOTH


def test_live_runs_and_their_parents_are_left_out_and_named(runfolio, store):
    with rf.fork("a", name="child", store=store) as child:
        done = runfolio("prune", "--experiment", "tune", "--yes")
        parent = id_of(store, "a")
    assert f"left out: child ({child.id}) is being written\n" in done.stdout
    assert f"left out: a ({parent}) is the parent of child ({child.id}), which is being written\n" in done.stdout
    assert checkpoints(store) == {"a": BOTH, "b": [], "c": [], "child": BOTH}

    runfolio("prune", "a", "--yes")
    rf.open(store).run("child").checkpoint("best").verify()


def test_model_of_a_pruned_run_names_the_remedy(runfolio, store, tmp_path):
    run = rf.open(store).run("a")
    runfolio("prune", "a", "--yes")
    remedy = f"checkpoints were pruned, and `runfolio undelete {run.run_path}` restores best, last"

    with pytest.raises(NotFound, match=remedy):
        run.load_model(torch.nn.Linear(100, 100))
    (tmp_path / "x.png").touch()
    for words in (["predict", "a", "x.png"], ["resume", "a"], ["fork", "a"]):
        done = runfolio(*words)
        assert done.exit_code == 2
        assert remedy in done.stderr
    runfolio("undelete", run.run_path)
    run.load_model(torch.nn.Linear(100, 100))


def test_requeued_job_of_a_pruned_run_does_not_start_again(runfolio, store, monkeypatch):
    run = rf.open(store).run("b")
    runfolio("prune", "b", "--yes")
    monkeypatch.setenv("RUNFOLIO_RUN_ID", run.id)

    with pytest.raises(NotFound, match=f"`runfolio undelete {run.run_path}` restores best, last"):
        rf.init("b", experiment="tune", store=store)
    runfolio("undelete", "b")
    with rf.init("b", experiment="tune", store=store) as resumed:
        assert resumed.restore().step == 1


def test_deleted_run_comes_back_before_its_pruned_checkpoints(runfolio, store):
    runfolio("prune", "a", "--yes")
    runfolio("delete", "a", "--yes")
    (row,) = json.loads(runfolio("trash", "--json").stdout)
    assert row["content"] == "run, 2 checkpoints"

    runfolio("undelete", "a")
    assert checkpoints(store)["a"] == []
    runfolio("undelete", "a")
    assert checkpoints(store)["a"] == BOTH

    runfolio("prune", "a", "--yes")
    runfolio("delete", "a", "--yes")
    assert runfolio("purge", "a", "--yes").stdout.startswith("purged 1 run, ")
    assert runfolio("trash").stdout.startswith("The trash of ")


def test_damaged_runs_do_not_stop_du_and_prune(runfolio, store, tmp_path):
    folio = rf.open(store)
    (folio.run("a").folder / "checkpoints" / "best.json").write_text("{")
    (folio.run("b").folder / "checkpoints").rename(tmp_path / "elsewhere")
    (folio.run("b").folder / "checkpoints").symlink_to(tmp_path / "elsewhere")
    (store / "tune" / "broken").mkdir()
    (store / "tune" / "broken" / "run.json").write_text("{")

    sizes = {row["name"]: row["checkpoints"] for row in json.loads(runfolio("du", "--json").stdout)}
    assert sizes["b"] < 10_000
    assert runfolio("prune", "--experiment", "tune", "--yes").exit_code == 0
    assert checkpoints(store) == {"a": [], "b": [], "c": []}
    assert (tmp_path / "elsewhere" / "last.json").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("prune", "name the runs, or select them with --experiment"),
        ("prune --keep best:3", "name the runs, or select them with --experiment"),
        ("prune a --keep best", "'best' must be best:N or newest:N, such as best:3"),
        ("prune a --metric val/acc", "--metric, --min and --max need --keep best:N"),
        ("prune --state failed --keep best:1 --metric nope --yes", "no run here has a metric 'nope'"),
        ("du a --state failed", "--where; not both"),
    ],
)
def test_wrong_arguments_of_du_and_prune_change_nothing(runfolio, store, words: str, message: str):
    done = runfolio(*words.split())

    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr
    assert checkpoints(store) == dict.fromkeys("abc", BOTH)

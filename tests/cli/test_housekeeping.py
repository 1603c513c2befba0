"""`rename`, `tag`, `note`, `archive`, `delete`, `undelete`, `trash`, `purge`."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

import runfolio as rf


@pytest.fixture
def store(tmp_path) -> Path:
    """Three runs, `a` to `c`, with val/acc 0.1 to 0.3; `b` failed."""
    store = tmp_path / "runs"
    for number, name in enumerate("abc", start=1):
        run = rf.init(name, experiment="tune", store=store, config={"lr": number})
        run.log({"val/acc": number / 10})
        run.finish("failed" if name == "b" else "finished")
    return store


def names(store: Path, **filters) -> list[str]:
    return [run.name for run in rf.open(store).runs(**filters)]


def test_rename_by_id_or_the_best(runfolio, store):
    run = rf.open(store).run("a")
    assert runfolio("rename", run.id, "alpha").stdout == f"a ({run.id}) is now alpha\n"
    runfolio("rename", "best", "the winner")

    assert names(store) == ["the winner", "b", "alpha"]


def test_tag_adds_takes_away_and_prints(runfolio, store):
    runfolio("tag", "a", "b", "+good", "+x")
    done = runfolio("tag", "a", "+new", "-x")

    assert done.stdout == f"a ({rf.open(store).run('a').id}): good, new\n"
    assert runfolio("tag", "c").stdout.endswith(": no tags\n")
    assert names(store, tags=["good"]) == ["b", "a"]
    assert [row["name"] for row in json.loads(runfolio("runs", "--tag", "good", "--json").stdout)] == ["b", "a"]


def test_a_wrong_tag_or_flag_changes_nothing(runfolio, store):
    for words in (["a", "+good", "--yse"], ["+good"], ["a", "+x,y"], ["a", "zzz", "+good"]):
        done = runfolio("tag", *words)
        assert done.exit_code == 2
        assert len(done.stderr.splitlines()) == 1
    assert names(store, tags=["good"]) == []


def test_tags_have_a_column_once_there_are_any(runfolio, store):
    assert "tags" not in runfolio("runs").stdout.splitlines()[0]
    runfolio("tag", "a", "+good")
    heading, _, *rows = runfolio("runs").stdout.splitlines()

    assert heading.split() == ["id", "name", "state", "started", "took", "tags", "lr", "val/acc", "best"]
    assert [row.split()[-3] for row in rows] == ["-", "-", "good"]


def test_tags_and_archive_take_the_runs_that_match_filters(runfolio, store):
    assert runfolio("tag", "--where", "val/acc > 0.15", "+good", "-x").stdout == "2 runs changed\n"
    assert runfolio("tag", "--experiment", "tune", "+good").stdout == "1 run changed\n"
    assert runfolio("tag", "--state", "failed").stdout == f"b ({rf.open(store).run('b').id}): good\n"
    assert names(store, tags=["good"]) == ["c", "b", "a"]

    assert runfolio("archive", "--state", "failed").stdout == "1 run archived\n"
    assert names(store) == ["c", "a"]
    assert runfolio("archive", "--tag", "good").stdout == "2 runs archived\n"
    assert runfolio("unarchive", "--where", "lr < 3").stdout == "2 runs no longer archived\n"
    assert names(store) == ["b", "a"]


@pytest.mark.parametrize("words", ["tag +good", "tag a --state failed +good", "archive", "unarchive a --tag x"])
def test_runs_are_named_or_filtered(runfolio, store, words: str):
    done = runfolio(*words.split())

    assert (done.exit_code, done.stdout) == (2, "")
    assert "name the runs, or select them with --experiment, --state, --tag or --where" in done.stderr
    assert names(store, tags=["good"]) == []


def test_note_replaces_appends_and_prints(runfolio, store):
    runfolio("note", "a", "diverges")
    assert runfolio("note", "a").stdout == "diverges\n"
    runfolio("note", "a", "--append", "lr 1e-4 helps")

    assert runfolio("note", "a").stdout == "diverges\nlr 1e-4 helps\n"


def test_on_a_terminal_the_notes_open_in_the_editor(store, tmp_path):
    rf.open(store).run("a").edits.note("before")
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\ngrep -q before "$1" && echo after > "$1"\n')
    editor.chmod(0o755)
    primary, secondary = pty.openpty()
    program = [sys.executable, "-m", "runfolio", "note", "a", "--store", str(store)]
    environment = {**os.environ, "EDITOR": str(editor), "VISUAL": str(editor)}
    done = subprocess.run(program, stdin=secondary, stdout=secondary, env=environment, timeout=60)
    os.close(primary)
    os.close(secondary)

    assert done.returncode == 0
    assert rf.open(store).run("a").notes == "after"


def test_archived_runs_are_left_out_and_said_to_be(runfolio, store):
    runfolio("archive", "a", "c")

    assert "2 archived runs not shown; --archived shows them." in runfolio("runs").stdout
    assert [row["name"] for row in json.loads(runfolio("runs", "--json").stdout)] == ["b"]
    assert "not shown" not in runfolio("runs", "--archived").stdout
    assert runfolio("best", "val/acc").stdout.startswith("b (")
    assert "Left out: 2 archived runs." in runfolio("best", "val/acc", "--explain").stdout
    assert runfolio("best", "val/acc", "--archived").stdout.startswith("c (")
    assert runfolio("show", "a").exit_code == 0

    runfolio("unarchive", "c")
    assert names(store) == ["c", "b"]


def test_runs_sorted_by_any_column_either_way(runfolio, store):
    def order(*words: str) -> list[str]:
        return [row["name"] for row in json.loads(runfolio("runs", "--json", *words).stdout)]

    assert order("--sort", "val/acc") == ["a", "b", "c"]
    assert order("--sort", "val/acc", "-r") == ["c", "b", "a"]
    assert order("--sort", "-val/acc", "-r") == ["a", "b", "c"]
    assert order("-r") == ["a", "b", "c"]
    assert order("--state", "failed") == ["b"]
    assert "No run in" in runfolio("runs", "--state", "crashed").stdout


def test_deleted_listed_undeleted_and_purged(runfolio, store):
    run = rf.open(store).run("a")
    assert f"deleted a ({run.id})\nundo  runfolio undelete {run.id}\n" in runfolio("delete", "a").stdout
    assert names(store) == ["c", "b"]
    (row,) = json.loads(runfolio("trash", "--json").stdout)
    assert (row["id"], row["name"], row["place"]) == (run.id, "a", run.run_path)
    assert run.id in runfolio("undelete").stdout

    assert runfolio("undelete", "a").stdout == f"a ({run.id}) is back in {run.folder}\n"
    assert names(store) == ["c", "b", "a"]

    runfolio("delete", "a", "c")
    assert runfolio("purge", "--older-than", "1h", "--yes").stdout == "purged 0 runs, 0 B freed\n"
    os.utime(rf.open(store).trash.run("c").folder, (0, 0))
    assert runfolio("purge", "--older-than", "30d", "--yes").stdout.startswith("purged 1 run, ")
    assert [trashed.name for trashed in rf.open(store).trash.runs()] == ["a"]
    assert runfolio("purge", "a", "--yes").stdout.startswith("purged 1 run, ")
    assert runfolio("trash").stdout == f"The trash of {store} is empty.\n"


def test_many_are_deleted_by_filters_once_somebody_agrees(runfolio, store):
    unasked = runfolio("delete", "--experiment", "tune", "--state", "failed")
    assert unasked.exit_code == 2
    assert unasked.stderr == "error: no terminal to ask for confirmation; add --yes\n"
    assert [line.split()[1] for line in unasked.stdout.splitlines()[2:]] == ["b"]
    assert names(store) == ["c", "b", "a"]

    runfolio("delete", "--experiment", "tune", "--state", "failed", "--yes")
    assert names(store) == ["c", "a"]
    assert runfolio("purge").exit_code == 2


@pytest.mark.parametrize("answer", ["y", "n"])
def test_a_terminal_is_asked(store, answer: str):
    primary, secondary = pty.openpty()
    os.write(primary, f"{answer}\n".encode())
    program = [sys.executable, "-m", "runfolio", "delete", "a", "--store", str(store)]
    done = subprocess.run(program, stdin=secondary, capture_output=True, text=True, timeout=60)
    os.close(primary)
    os.close(secondary)

    assert "Move 1 run to the trash?" in done.stdout
    assert ("a" in names(store)) == (answer == "n")


def test_a_question_that_is_left_unanswered_ends_its_line(store):
    primary, secondary = pty.openpty()
    os.write(primary, b"\x04")
    program = [sys.executable, "-m", "runfolio", "delete", "a", "--store", str(store)]
    done = subprocess.run(program, stdin=secondary, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    os.close(primary)
    os.close(secondary)

    assert done.returncode == 130
    assert done.stdout.endswith(b"[y/N]: \n")
    assert "a" in names(store)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "delete",
            "name the runs, or select them with --experiment, --state, --tag or --where; see `runfolio delete",
        ),
        ("delete a --state failed", "--where; not both"),
        ("delete no-such", "no run 'no-such' in "),
        ("undelete a", "no run 'a' in the trash of "),
        ("purge --older-than 3x", "must be a number followed by s, m, h, d or w, such as 12h or 30d"),
        ("note a --append", "--append needs TEXT"),
        ("delete --state fialed", "there is no state 'fialed'; did you mean failed"),
    ],
)
def test_mistyped_arguments_are_refused_in_one_line(runfolio, store, words: str, message: str):
    done = runfolio(*words.split())

    assert (done.exit_code, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert message in line
    assert names(store) == ["c", "b", "a"]


def test_limit_shows_the_newest_runs_and_any_column_of_the_store(runfolio, tmp_path):
    for name, results in (("a", {"val/acc": 0.5}), ("b", {}), ("c", {})):
        with rf.init(name, store=tmp_path / "runs") as run:
            run.log({"loss": 1.0, **results})

    rows = json.loads(runfolio("runs", "--limit", "2", "--columns", "name,val/acc", "--json").stdout)
    assert [row["name"] for row in rows] == ["c", "b"]
    assert [row["metrics.val/acc.best"] for row in rows] == [None, None]
    assert runfolio("runs", "--last", "2").stdout == runfolio("runs", "--limit", "2").stdout
    assert "--last" not in runfolio("runs", "--help").stdout

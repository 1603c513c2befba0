import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import runfolio
from runfolio.errors import Ambiguous, ConfigError, NotFound
from runfolio.query.store import open_folio


def test_runs_are_listed_newest_first(store, write):
    for name in ("one", "two", "three"):
        write(name)

    assert [run.name for run in open_folio(store).runs()] == ["three", "two", "one"]


def test_representation_of_many_runs_names_the_newest(store, write, edit, copy):
    first = write("net-0")
    for number in range(1, 22):
        edit(copy(first, store / "digits" / f"net-{number}"), id=f"run{number:05}", name=f"net-{number}")

    runs = open_folio(store).runs(sort="name")
    assert repr(runs[:2]) == "<Runs: net-0, net-1>"
    assert repr(runs).endswith(", 2 more>")


def test_runs_are_filtered_by_experiment_and_state(store, write):
    write("a", experiment="digits")
    write("b", experiment="pets", state="failed", reason="out of memory")
    folio = open_folio(store)

    assert [run.name for run in folio.runs("digits")] == ["a"]
    assert [run.name for run in folio.runs(state="failed")] == ["b"]
    assert len(folio.runs("digits", "failed")) == 0


def test_names_that_are_not_utf8_find_no_run_and_keep_the_index(store, write, cache: Path):
    write("net")
    folio = open_folio(store)
    folio.runs()
    (index,) = cache.rglob("index.db")
    inode, odd = index.stat().st_ino, os.fsdecode(b"\xff")

    assert len(folio.runs(tags=[odd])) == 0
    for ask in (lambda: folio.runs(odd), lambda: folio.run(odd), lambda: folio.runs(sort=odd)):
        with pytest.raises(NotFound):
            ask()
    with pytest.raises(ConfigError):
        folio.runs(where=f"name = '{odd}'")
    assert index.stat().st_ino == inode


def test_unknown_experiment_is_refused_with_similar_names(store, write):
    write(experiment="digits")

    with pytest.raises(NotFound, match=r"no experiment 'digit' .* did you mean digits\?"):
        open_folio(store).runs("digit")


def test_unknown_state_is_refused_with_all_states(store, write):
    write()

    with pytest.raises(ConfigError, match=r"did you mean finished\?"):
        open_folio(store).runs(state="finish")


def test_run_is_found_by_id_prefix_name_and_folder(store, write, monkeypatch):
    folder = write("tinyvgg 20%")
    write("other")
    folio = open_folio(store)
    run = folio.run("tinyvgg 20%")
    monkeypatch.chdir(store.parent)

    names = [run.id, run.id[:5], run.run_path, folder, str(folder), f"runs/{run.run_path}", f"digits/{folder.name}/"]
    assert [folio.run(name).folder for name in names] == [folder] * len(names)


def test_ambiguous_prefix_lists_the_runs_with_their_folders(store, write, edit):
    edit(write("a"), id="abcd0001")
    edit(write("b"), id="abcd0002")

    with pytest.raises(Ambiguous, match=r"'abcd' matches 2 runs; give more of the id, or the folder:\n") as caught:
        open_folio(store).run("abcd")
    assert all(part in str(caught.value) for part in ("abcd0001  digits/a-", "abcd0002  digits/b-"))


def test_full_name_takes_precedence_over_a_prefix(store, write, edit):
    edit(write("other"), id="netnetne")
    folder = write("net")

    assert open_folio(store).run("net").folder == folder


def test_one_name_for_two_runs_is_ambiguous(store, write):
    write("net")
    write("net")

    with pytest.raises(Ambiguous, match="'net' matches 2 runs"):
        open_folio(store).run("net")


def test_unknown_run_is_refused_with_similar_names(store, write):
    write("tinyvgg")

    with pytest.raises(NotFound, match=r"no run 'tinyvg' in .*; did you mean tinyvgg\?"):
        open_folio(store).run("tinyvg")


@pytest.mark.parametrize("name", ["", ".", "..", "zzzzzz", "/", "a\0b", "x" * 5000])
def test_any_other_text_finds_no_run(store, write, name: str):
    write("net")

    with pytest.raises(NotFound, match=r"no run .*"):
        open_folio(store).run(name)


def test_missing_store_is_reported_with_advice(tmp_path: Path):
    with pytest.raises(NotFound, match=r"there is no store at .*nowhere; `runfolio train` or `runfolio.init"):
        open_folio(tmp_path / "nowhere")


def test_a_store_without_runs_is_empty(store):
    store.mkdir()
    folio = open_folio(store)

    assert len(folio.runs()) == 0
    with pytest.raises(NotFound, match="holds no runs yet"):
        folio.run("net")


def test_default_store_is_runs_or_from_the_environment(store, write, monkeypatch, tmp_path):
    write("net")
    monkeypatch.chdir(tmp_path)
    assert open_folio().store == store

    monkeypatch.chdir("/")
    monkeypatch.setenv("RUNFOLIO_STORE", str(store))
    assert open_folio().store == store


def test_copied_folder_is_a_separate_run(store, write, copy):
    folder = write("net", points={"val/acc": [0.5]})
    folio = open_folio(store)
    twin = copy(folder, store / "elsewhere" / "twin")

    assert {run.folder for run in folio.runs()} == {folder, twin}
    assert folio.run("elsewhere/twin").metrics["val/acc"].last == 0.5
    with pytest.raises(Ambiguous, match="elsewhere/twin"):
        folio.run(folio.run(folder).id)


def test_moved_and_removed_folders_are_noticed(store, write):
    moved, removed = write("moved"), write("removed")
    folio = open_folio(store)
    shutil.move(moved, store / "shelf")
    shutil.rmtree(removed)

    assert [run.run_path for run in folio.runs()] == ["shelf"]
    assert [run.run_path for run in open_folio(store).runs()] == ["shelf"]


def test_link_to_a_run_outside_of_the_store_is_not_followed(store, write, tmp_path):
    write("net", points={"loss": [1.0]}).rename(tmp_path / "far-away")
    (store / "link").symlink_to(tmp_path / "far-away")

    assert len(open_folio(store).runs()) == 0


def test_link_to_a_run_of_the_store_is_that_run(store, write):
    folder = write("net", points={"loss": [1.0]})
    (store / "link").symlink_to(folder)

    assert [run.metric("loss").values.tolist() for run in open_folio(store).runs()] == [[1.0]]


def test_a_folder_may_have_any_name(store, write):
    name = "größe 50% 'a' \n?#"
    write("net", points={"loss": [1.0]}).rename(store / name)

    assert [open_folio(store).run(name).metrics["loss"].last for _ in range(2)] == [1.0, 1.0]


def test_name_that_is_not_utf8_does_not_hide_other_runs(store, write):
    write("odd", points={"loss": [1.0]}).rename(store / os.fsdecode(b"caf\xe9"))
    write("net")
    folio = open_folio(store)

    assert "net" in {run.name for run in folio.runs()}
    assert len(folio.runs()) + len(folio.problems) == 2


def test_unreadable_heartbeat_does_not_hide_other_runs(store, write, edit):
    folder = write("odd")
    edit(folder, status={"state": "running"})
    (heart,) = (folder / "alive").iterdir()
    heart.unlink()
    heart.mkdir()
    write("net")

    assert {run.name: run.state for run in open_folio(store).runs()} == {"net": "finished", "odd": "crashed"}


def test_store_can_be_moved(store, write):
    write("net", points={"loss": [1.0]})
    open_folio(store)
    store.rename(store.with_name("archive"))

    assert open_folio(store.with_name("archive")).run("net").metric("loss").values.tolist() == [1.0]
    with pytest.raises(NotFound):
        open_folio(store)


def test_run_of_a_newer_format_does_not_hide_other_runs(store, write, edit):
    edit(write("future"), runfolio=999)
    write("net")
    folio = open_folio(store)

    assert [run.name for run in folio.runs()] == ["net"]
    (problem,) = folio.problems
    assert "future" in problem
    assert "pip install -U runfolio" in problem
    with pytest.raises(NotFound, match="pip install -U runfolio"):
        folio.run("future")


@pytest.mark.parametrize("how", ["name", "id", "folder"])
def test_unreadable_run_is_reported_with_reason_and_advice(store, write, edit, how: str):
    folder = write("later")
    run_id = open_folio(store).run("later").id
    edit(folder, runfolio=999)
    write("soon")

    with pytest.raises(NotFound, match=r"later.*newer.*upgrade"):
        open_folio(store).run({"name": "later", "id": run_id, "folder": str(folder)}[how])


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b'{"runfolio": "x"}'])
def test_damaged_run_does_not_hide_other_runs(store, write, content: bytes):
    folder = write("broken")
    write("net")
    open_folio(store)
    (folder / "run.json").write_bytes(content)
    folio = open_folio(store)

    assert [run.name for run in folio.runs()] == ["net"]
    assert [str(folder) in problem for problem in folio.problems] == [True]


def test_damaged_file_of_points_leaves_the_rest_readable(store, write):
    folder = write("net", points={"loss": [1.0]})
    (folder / "metrics" / "segment-zzzzzzzz-9.parquet").write_bytes(b"PAR1 not really")
    run = open_folio(store).run("net")

    assert run.metric("loss").values.tolist() == [1.0]
    assert len(run.problems) == 1
    assert "segment-zzzzzzzz-9.parquet" in run.problems[0]


def test_points_of_a_live_run_are_followed(store):
    with runfolio.init("live", experiment="digits", store=store) as run:
        run.log({"loss": 2.0}, step=0)
        run.flush()
        folio = open_folio(store)
        assert (folio.run("live").state, folio.run("live").metrics["loss"].last) == ("running", 2.0)
        assert (folio.run("live").duration_s or 0) > 0

        run.log({"loss": 1.0}, step=1)
        run.flush()
        assert folio.run("live").metrics["loss"].last == 1.0

    assert folio.run("live").state == "finished"


def test_run_whose_process_disappeared_is_crashed(store, write, edit):
    folder = write("gone")
    edit(folder, status={"state": "running"})
    for beat in (folder / "alive").glob("*.json"):
        beat.unlink()
    run = open_folio(store).run("gone")

    assert run.state == "crashed"
    assert run.reason == "its process disappeared without reporting its end"
    assert run.duration_s is None


def test_unchanged_runs_are_listed_without_reading_them(store, write, copy, edit):
    first = write("net-0", config={"lr": 0.1}, points={f"metric-{number}": [0.5] for number in range(20)})
    for number in range(1, 50):
        edit(copy(first, store / "digits" / f"net-{number}"), id=f"run{number:05}", name=f"net-{number}")
    open_folio(store).runs()
    for path in store.rglob("*"):
        if path.is_file():
            overwrite_unnoticed(path)

    runs = open_folio(store).runs()

    assert {run.name for run in runs} == {f"net-{number}" for number in range(50)}
    assert all(len(run.metrics) == 20 for run in runs)
    assert open_folio(store).problems == []


def overwrite_unnoticed(path: Path) -> None:
    """Overwrite a file with other content of the same size and modification time, so that reading it again fails."""
    status = path.stat()
    with path.open("r+b") as file:
        file.write(b"?" * status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_reading_a_run_imports_no_pandas(store: Path, fresh_python: Callable):
    """Arrow imports pandas if it is installed, which takes half a second."""
    script = """
import sys, runfolio
with runfolio.init("net", store=sys.argv[1]) as run:
    for step in range(100):
        run.log({"loss": 1 / (step + 1), "acc": 1.0})
(read,) = runfolio.open(sys.argv[1]).runs()
assert len(read.metric("loss")) == read.metrics["acc"].count == 100
print("pandas" in sys.modules)
"""
    assert fresh_python(script, store).stdout == "False\n"


def test_runs_in_returns_the_runs_of_folders_in_their_order(store):
    folders = []
    for name in ("first", "second", "third"):
        with runfolio.init(name, store=store) as run:
            folders.append(run.folder)

    assert [run.name for run in open_folio(store).runs_in([folders[2], folders[0]])] == ["third", "first"]


def test_runs_in_names_a_folder_without_a_run(store):
    with runfolio.init("net", store=store):
        pass
    with pytest.raises(NotFound):
        open_folio(store).runs_in([store / "default" / "gone"])


def test_last_is_the_newest_run(store, write):
    write("older")
    newest = write("newer")
    assert open_folio(store).run("last").folder == newest


def test_ambiguous_name_lists_the_newest_runs_with_differences(store):
    for rate in range(7):
        with runfolio.init("net", store=store, config={"lr": rate, "epochs": 3}):
            pass
    with pytest.raises(Ambiguous, match="'net' matches 7 runs") as caught:
        open_folio(store).run("net")
    _, *lines = str(caught.value).splitlines()
    assert [text for line in lines for text in line.split() if text.startswith("(lr")] == [
        f"(lr={rate}," for rate in (6, 5, 4, 3, 2)
    ]
    assert lines[-1] == "  and 2 older ones"

"""Runs of unknown origin: whatever they contain, nothing outside the store is touched, and no command hangs."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

import runfolio
from runfolio.cli import main
from runfolio.errors import RunfolioError
from runfolio.events.rebuild import make_event_files
from runfolio.record.base import file_bounds
from runfolio.record.base.layout import find_runs

RECORDING = runfolio.RecordingConfig(console=False, system_s=0, code=False)
FOLDERS = ("alive", "claims", "metrics", "media", "media/files", "console", "notes", "checkpoints", "artifacts", "data")
CODE_FOLDERS = ("code", "code/files")


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two whole runs, `good` and `bad`, with a file of each kind; not to be written to."""
    store = tmp_path_factory.mktemp("sent") / "runs"
    (store.parent / "report").write_text("x")
    for name in ("good", "bad"):
        with runfolio.init(name, experiment="demo", store=store, recording=RECORDING) as run:
            for step in range(4):
                run.log({"loss": 1.0 / (step + 1)})
            run.log_text("words", "hello")
            run.log_image("picture", [[0, 255], [255, 0]])
            run.log_data("train", runfolio.Listing([("a", "1")]))
            run.artifact(store.parent / "report")
            run.checkpoint(step=3, metric=0.5, counter={"images": 7})
        for folder in (*FOLDERS, *CODE_FOLDERS):
            (run.folder / folder).mkdir(exist_ok=True)
        writer = json.loads((run.folder / "run.json").read_text())["attempts"][0]["writer"]
        (run.folder / "console" / f"{writer}.log").write_text("printed\n")
    return store


@pytest.fixture
def store(sent: Path, tmp_path: Path) -> Path:
    shutil.copytree(sent, tmp_path / "runs")
    return tmp_path / "runs"


@pytest.fixture
def bad(store: Path) -> Path:
    return folder_of(store, "bad")


def folder_of(store: Path, name: str) -> Path:
    (folder,) = (folder for folder in find_runs(store) if folder.name.startswith(f"{name}-"))
    return folder


def writer_of(folder: Path) -> str:
    return json.loads((folder / "run.json").read_text())["attempts"][0]["writer"]


def typed(store: Path, *words: str) -> Result:
    return CliRunner().invoke(main, [*words, "--store", str(store)])


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def home_files(folder: Path) -> Path:
    """Files as a user has them, that commands which follow a link would read, replace or delete."""
    folder.mkdir()
    for name in ("settings.json", "last.json", "old.safetensors", ".tmp-half", "secret.log", "a.png"):
        (folder / name).write_text("mine")
    return folder


def contents(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return times and content of each file and folder below a folder."""
    return {
        path.relative_to(folder).as_posix(): (
            path.lstat().st_mtime_ns,
            path.lstat().st_ino,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in (folder, *folder.rglob("*"))
    }


def test_writer_that_names_a_path_makes_fork_write_nothing_there(store: Path, bad: Path, tmp_path: Path):
    home = home_files(tmp_path / "home")
    writer, path = writer_of(bad), f"../../../../{home.name}/settings"
    shutil.copy(bad / "alive" / f"{writer}.json", bad / "alive" / "x.json")
    edit(bad / "alive" / "x.json", writer=path)
    manifest = bad / "checkpoints" / "last.json"
    before = contents(home)
    for position in ({writer: 9}, {writer: 9, path: 9}):
        edit(manifest, position=position)
        with contextlib.suppress(RunfolioError):
            runfolio.fork(bad, store=store, recording=RECORDING).finish()
    assert contents(home) == before
    assert "must be a writer id" in typed(store, "doctor", "bad").output


def test_media_header_that_names_a_path_makes_fork_write_nothing_there(store: Path, bad: Path, tmp_path: Path):
    home = home_files(tmp_path / "home")
    path = f"../../../../{home.name}/settings"
    index = bad / "media" / f"{writer_of(bad)}.jsonl"
    header, *lines = index.read_text().splitlines(keepends=True)
    index.write_text("".join([json.dumps({**json.loads(header), "writer": path}) + "\n", *lines]))
    before = contents(home)
    runfolio.fork(bad, store=store, recording=RECORDING).finish()
    assert contents(home) == before


def test_link_in_place_of_checkpoints_loses_no_file_behind_it(store: Path, bad: Path, tmp_path: Path):
    home = home_files(tmp_path / "home")
    shutil.rmtree(bad / "checkpoints")
    (bad / "checkpoints").symlink_to(home)
    before = contents(home)
    with runfolio.resume(bad, checkpoint=None, store=store, recording=RECORDING) as run:
        run.checkpoint(step=9, counter={"images": 8})
    assert contents(home) == before
    assert "checkpoints" in typed(store, "doctor", "bad").output
    assert "is a link, which is not followed" in typed(store, "doctor", "bad").output


def test_log_that_is_a_link_is_not_printed(store: Path, bad: Path, tmp_path: Path):
    home = home_files(tmp_path / "home")
    log = bad / "console" / f"{writer_of(bad)}.log"
    log.unlink()
    log.symlink_to(home / "secret.log")
    for words in (["logs", "bad"], ["logs", "bad", "-n", "5"]):
        done = typed(store, *words)
        assert (done.exit_code, "mine" in done.output) == (2, False)
        assert f"{log} is a link, which is not followed" in done.output


def put_fifo(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def put_endless_file(path: Path) -> None:
    """A file of 1 TB without anything in it."""
    path.unlink(missing_ok=True)
    with path.open("wb") as file:
        file.truncate(file_bounds.SEGMENT + 1)


@pytest.mark.parametrize("put", [put_fifo, put_endless_file])
def test_fifos_and_endless_files_are_named_and_the_rest_is_shown(store: Path, bad: Path, put: Callable[[Path], None]):
    writer = writer_of(bad)
    names = (
        *(f"alive/{writer}.json", f"metrics/tail-{writer}-9.jsonl", f"metrics/segment-{writer}-9.parquet"),
        *("media/other.jsonl", f"console/{writer}.log", "checkpoints/last.json", "artifacts/report.json"),
        *("claims/attempt-2.json", "notes/1763810013123456-abcdefgh.json"),
    )
    for name in names:
        put(bad / name)
    assert {"good", "bad"} <= set(typed(store, "runs").output.split())
    shown = typed(store, "show", "bad")
    assert shown.exit_code == 0, shown.output
    assert "loss" in shown.output
    report = typed(store, "doctor").output
    assert [name for name in names if name not in report] == []


@pytest.mark.parametrize("put", [put_fifo, put_endless_file])
def test_run_whose_document_is_no_file_hides_no_other_run(store: Path, bad: Path, put: Callable[[Path], None]):
    put(bad / "run.json")
    listed = typed(store, "runs")
    assert listed.exit_code == 0, listed.output
    assert "good" in listed.output
    assert f"{bad / 'run.json'} {'is a FIFO' if put is put_fifo else 'has 1,099,511,627,777 bytes'}" in listed.output
    assert "run.json" in typed(store, "doctor").output


@pytest.mark.parametrize(
    "document", [b"[" * 10_000 + b"]" * 10_000, b'{"runfolio":0,"a":' + b'{"a":' * 500 + b"1" + b"}" * 501]
)
def test_deeply_nested_document_is_damaged(store: Path, bad: Path, document: bytes):
    (bad / "run.json").write_bytes(document)
    listed = typed(store, "runs")
    assert listed.exit_code == 0, listed.output
    assert f"{bad / 'run.json'} is damaged (" in listed.output


def test_document_of_too_many_lists_is_damaged_before_it_is_decoded(store: Path, bad: Path):
    (bad / "run.json").write_bytes(b'{"a":[' + b"[]," * file_bounds.JSON_CONTAINERS + b"[]]}")
    assert "more than 2,000,000 objects and lists" in typed(store, "runs").output


def test_endless_line_costs_no_other_line(store: Path, bad: Path):
    writer = writer_of(bad)
    with (bad / "metrics" / f"tail-{writer}-9.jsonl").open("wb") as file:
        file.write(json.dumps({"runfolio": 0, "writer": writer, "attempt": 1}).encode() + b"\n")
        file.seek(file_bounds.JSON_LINE * 3, os.SEEK_CUR)
        file.write(b"\n" + json.dumps({"seq": 99, "time_us": 1, "step": 99, "values": {"loss": 0.5}}).encode() + b"\n")
    assert runfolio.open(store).run("bad").metric("loss").steps.tolist() == [0, 1, 2, 3, 99]
    assert "has 1 damaged line" in typed(store, "doctor", "bad").output


def test_folder_of_runs_behind_a_link_out_of_the_store_is_not_searched(store: Path, tmp_path: Path):
    (store / "demo").rename(tmp_path / "elsewhere")
    (store / "demo").symlink_to(tmp_path / "elsewhere")
    before = contents(tmp_path / "elsewhere")
    assert len(runfolio.open(store).runs()) == 0
    assert "demo is a link, which is not followed" in typed(store, "doctor").output
    with pytest.raises(RunfolioError, match="leads out of the store"):
        runfolio.init(experiment="demo", store=store)
    assert contents(tmp_path / "elsewhere") == before


HOSTILE_NAMES = st.sampled_from(["../../../../home/settings", "/home/settings", "..", "a/b", ".hidden", "x" * 300])


def plant_link(run: Path, folder: str, target: Path) -> None:
    shutil.rmtree(run / folder, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError, FileExistsError, NotADirectoryError):
        (run / folder).symlink_to(target)


def plant_in(run: Path, folder: str, name: str, put: Callable[[Path], None]) -> None:
    with contextlib.suppress(OSError):  # another change has taken the folder away
        put(run / folder / name)


def rename_writer(run: Path, name: str) -> None:
    """Put `name` in the place of the writer's id wherever a record says it."""
    writer = writer_of(run)
    for path in run.rglob("*.json*"):
        if path.is_file() and not path.is_symlink() and path.suffix in (".json", ".jsonl"):
            path.write_text(path.read_text().replace(json.dumps(writer), json.dumps(name)))


def rename_files(run: Path, name: str) -> None:
    """Put `name` in the place of file names in manifests and lines."""
    for path in (*run.glob("artifacts/*.json"), *run.glob("checkpoints/*.json"), *run.glob("media/*.jsonl")):
        with contextlib.suppress(ValueError, OSError):
            lines = [json.loads(line) for line in path.read_text().splitlines() if path.suffix == ".jsonl"]
            for value in lines or [json.loads(path.read_text())]:
                value.update({key: name for key in ("file", "folder") if key in value})
                if lines:
                    path.write_text("".join(json.dumps(value) + "\n" for value in lines))
                else:
                    path.write_text(json.dumps(value))


CHANGES = st.one_of(
    st.tuples(st.just("link"), st.sampled_from([*FOLDERS, *CODE_FOLDERS])),
    st.tuples(st.just("file link"), st.sampled_from([*FOLDERS, *CODE_FOLDERS])),
    st.tuples(st.just("fifo"), st.sampled_from([*FOLDERS, *CODE_FOLDERS])),
    st.tuples(st.just("writer"), HOSTILE_NAMES),
    st.tuples(st.just("files"), HOSTILE_NAMES),
)


def spoil(run: Path, home: Path, kind: str, value: str) -> None:
    writer = writer_of(run)
    names = {"alive": f"{writer}.json", "console": f"{writer}.log", "media": f"{writer}.jsonl"}
    names |= {"checkpoints": "last.json", "metrics": f"tail-{writer}-9.jsonl"}
    name = names.get(value, "report.json")

    def put_link(path: Path) -> None:
        path.unlink(missing_ok=True)
        path.symlink_to(home / "settings.json")

    match kind:
        case "link":
            plant_link(run, value, home)
        case "file link":
            plant_in(run, value, name, put_link)
        case "fifo":
            plant_in(run, value, name, put_fifo)
        case "writer":
            rename_writer(run, value)
        case "files":
            rename_files(run, value)


def every_command(store: Path, run: Path) -> Iterator[Callable[[], object]]:
    """Commands that read a run, and commands that write or move one."""
    name = f"demo/{run.name}"
    for words in (
        *(("runs",), ("show", name), ("show", name, "--json"), ("logs", name), ("compare", name, "good")),
        *(("diff", name, "good"), ("best", "loss"), ("reproduce", name, "--dry-run"), ("predict", name, "x")),
        *(("tag", name, "+a"), ("note", name, "b"), ("rename", name, "c"), ("archive", name), ("doctor",)),
    ):
        yield lambda words=words: typed(store, *words)
    yield lambda: make_event_files(run)
    yield lambda: runfolio.fork(run, store=store, recording=RECORDING).finish()
    yield lambda: resume_and_save(store, run)
    for words in (("doctor", "--repair"), ("delete", name), ("undelete", name), ("delete", name)):
        yield lambda words=words: typed(store, *words)
    yield lambda: typed(store, "purge", "--yes")


def resume_and_save(store: Path, run: Path) -> None:
    with runfolio.resume(run, checkpoint=None, store=store, recording=RECORDING) as resumed:
        resumed.log({"loss": 0.1})
        resumed.log_text("words", "again")
        resumed.checkpoint(step=9, counter={"images": 8})


@settings(max_examples=6)
@given(changes=st.lists(CHANGES, min_size=1, max_size=6))
def test_no_command_touches_anything_outside_of_the_store(
    sent: Path, tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, str]]
):
    folder = tmp_path_factory.mktemp("received")
    store = folder / "runs"
    shutil.copytree(sent, store)
    home = home_files(folder / "home")
    run = folder_of(store, "bad")
    for kind, value in sorted(changes, key=lambda change: change[0] in ("link", "file link", "fifo")):
        spoil(run, home, kind, value)
    before = contents(home)
    for command in every_command(store, run):
        with contextlib.suppress(RunfolioError, FileNotFoundError):
            command()
    assert contents(home) == before
    assert sorted(path.name for path in folder.iterdir()) == ["home", "runs"]


def test_deeply_nested_folders_stop_no_command(store: Path, bad: Path):
    path = bad / "media"
    descriptor = os.open(path, os.O_RDONLY)
    for _ in range(1_200):
        os.mkdir("d", dir_fd=descriptor)
        inner = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)
    name = f"demo/{bad.name}"
    for words in (["show", name], ["doctor", name], ["delete", name, "--yes"], ["trash"], ["undelete", name]):
        done = typed(store, *words)
        assert done.exit_code in (0, 1), done.output
        assert "run again with --debug" not in done.output
    typed(store, "delete", name, "--yes")
    assert "nested too deeply; remove it by hand" in typed(store, "purge", "--yes").output
    subprocess.run(["rm", "-r", store], check=True)  # Python cannot


def test_edit_that_cannot_follow_a_note_of_the_far_future_is_refused(store: Path, bad: Path):
    note = bad / "notes" / "9999999999999999-abcdefgh.json"
    note.write_text(json.dumps({"runfolio": 0, "time": "", "host": "", "set": {"tags": ["theirs"]}}))
    done = typed(store, "tag", "bad", "+mine")
    assert done.exit_code == 2
    assert "has an edit dated after the year 2286" in done.output


def test_traceback_of_blanks_alone_is_left_out(store: Path, bad: Path):
    document = json.loads((bad / "run.json").read_text())
    edit(bad / "run.json", status={**document["status"], "traceback": "\n \t"})
    assert typed(store, "show", "bad").exit_code == 0

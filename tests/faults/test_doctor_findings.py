"""Files that a stranger may put into a run: the doctor names each kind and changes nothing outside of the run."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

import runfolio
from runfolio.cli import main
from runfolio.record.base import file_bounds

RECORDING = runfolio.RecordingConfig(console=False, system_s=0, code=False)


@pytest.fixture
def run(store: Path, tmp_path: Path) -> Path:
    """The folder of a whole run."""
    (tmp_path / "report").write_text("fine")
    with runfolio.init("net", store=store, recording=RECORDING) as run:
        run.log({"loss": 1.0})
        run.log_text("words", "hello")
        run.artifact(tmp_path / "report")
        run.checkpoint(step=0, counter={"images": 7})
    return run.folder


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Files of the user's own that a link may lead to."""
    folder = tmp_path / "outside"
    folder.mkdir()
    for name in ("settings.json", "last.json", ".tmp-half", "half.safetensors"):
        (folder / name).write_text("mine")
        os.utime(folder / name, (1, 1))
    return folder


def doctor(run: Path, *words: str) -> dict[str, str]:
    """Return the findings of `runfolio doctor --json` by file, without leftovers, which are not damage."""
    answer = CliRunner().invoke(main, ["doctor", "--json", *words, "--store", str(run.parents[1])])
    (examined,) = json.loads(answer.stdout)["runs"]
    found = [finding for finding in examined["findings"] if finding["severity"] != "leftover"]
    assert examined["whole"] == (not found)
    assert answer.exit_code == bool(found)
    return {
        file: "\n".join(finding["what"] for finding in found if finding["file"] == file)
        for file in {finding["file"] for finding in found}
    }


def writer(run: Path) -> str:
    return json.loads((run / "run.json").read_text())["attempts"][0]["writer"]


def edit(path: Path, change: Callable[[dict], object]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def put_link(path: Path, outside: Path) -> None:
    path.symlink_to(outside / "settings.json")


def put_fifo(path: Path, outside: Path) -> None:
    os.mkfifo(path)


def put_socket(path: Path, outside: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path.name)
    os.chdir(here)


def put_folder(path: Path, outside: Path) -> None:
    path.mkdir()


def put_device(path: Path, outside: Path) -> None:
    try:
        os.mknod(path, 0o20666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root makes devices")


KINDS: dict[Callable[[Path, Path], None], str] = {
    put_link: "is a link, which is not followed",
    put_fifo: "is a FIFO",
    put_socket: "is a socket",
    put_device: "is a device",
}
FILES = ("alive/{}.json", "metrics/tail-{}-9.jsonl", "metrics/segment-{}-9.parquet", "media/{}-9.jsonl")
"""One of each way in which files of a record are read."""


@pytest.mark.parametrize("put", KINDS)
def test_doctor_names_what_is_no_regular_file(run: Path, outside: Path, put: Callable[[Path, Path], None]):
    names = [name.format(writer(run)) for name in (*FILES, "checkpoints/other.json", "artifacts/other.json")]
    for name in names:
        (run / name).unlink(missing_ok=True)
        put(run / name, outside)

    found = doctor(run)

    assert [name for name in names if KINDS[put] not in found.get(name, "")] == []


@pytest.mark.parametrize(
    "folder", ["alive", "metrics", "media", "checkpoints", "artifacts", "answers", "notes", "claims"]
)
def test_doctor_names_a_folder_that_is_a_link(run: Path, outside: Path, folder: str):
    if (run / folder).exists():
        (run / folder).rename(run.parent / ".moved")
    (run / folder).symlink_to(outside)

    assert "is a link, which is not followed" in doctor(run)[folder]


def test_doctor_names_a_link_in_an_artifact(run: Path, outside: Path):
    file = run / "artifacts" / "report" / "report"
    file.unlink()
    file.symlink_to(outside / "settings.json")

    assert "is a link, which is not followed" in doctor(run)["artifacts/report/report"]


def test_doctor_names_damaged_answers(run: Path):
    (run / "answers").mkdir()
    (run / "answers/test-1.parquet").write_bytes(b"PAR1")
    assert "is damaged" in doctor(run)["answers/test-1.parquet"]


def test_doctor_names_oversized_files(run: Path):
    names = {
        f"metrics/tail-{writer(run)}-9.jsonl": file_bounds.JSON_LINES,
        f"metrics/segment-{writer(run)}-9.parquet": file_bounds.SEGMENT,
        "checkpoints/other.json": file_bounds.JSON_DOCUMENT,
        "artifacts/other.json": file_bounds.JSON_DOCUMENT,
    }
    for name, most in names.items():
        with (run / name).open("wb") as file:
            file.truncate(most + 1)

    found = doctor(run)

    for name, most in names.items():
        assert f"has {most + 1:,} bytes; at most {most:,} are allowed" in found[name]


@pytest.mark.parametrize("name", ["../../../outside/settings", "/etc/passwd", "a/b", "..", ".hidden", "con", "x" * 300])
def test_doctor_names_file_names_that_are_not_allowed(run: Path, name: str):
    def set_tensor_file(manifest: dict) -> None:
        manifest["files"] = {"model": {"file": name, "bytes": 1, "sha256": "0" * 64}}

    edit(run / "checkpoints" / "last.json", set_tensor_file)
    edit(run / "artifacts" / "report.json", lambda manifest: manifest.update(folder=name))
    edit(run / "alive" / f"{writer(run)}.json", lambda heartbeat: heartbeat.update(writer=name))

    found = doctor(run)

    assert {"checkpoints/last.json", "artifacts/report.json", f"alive/{writer(run)}.json"} <= found.keys()


def test_doctor_names_damaged_fields(run: Path):
    edit(run / "run.json", lambda document: document.update(tags="no list", environment={"cpu": 5}))
    edit(run / "checkpoints" / "last.json", lambda manifest: manifest.update(step="first"))
    edit(run / "artifacts" / "report.json", lambda manifest: manifest.update(files=7))

    found = doctor(run)

    assert "tags must be" in found["run.json"]
    assert "environment/cpu must be" in found["run.json"]
    assert "step must be" in found["checkpoints/last.json"]
    assert "files must be" in found["artifacts/report.json"]


@pytest.mark.parametrize("put", [put_link, put_fifo, put_folder])
def test_repair_changes_nothing_outside_of_the_run(
    run: Path, outside: Path, store: Path, put: Callable[[Path, Path], None]
):
    for name in (*(name.format(writer(run)) for name in FILES), "checkpoints/other.json", ".tmp-planted"):
        (run / name).unlink(missing_ok=True)
        put(run / name, outside)
    for folder in ("claims", "notes"):
        if (run / folder).exists():
            (run / folder).rename(run.parent / f".{folder}")
        (run / folder).symlink_to(outside)
    (run / "metrics" / ".tmp-link").symlink_to(outside / ".tmp-half")
    before = contents(outside), contents(store, without=run)

    doctor(run, "--repair")

    assert (contents(outside), contents(store, without=run)) == before


def contents(folder: Path, without: Path | None = None) -> dict[str, tuple[int, int, bytes]]:
    """Return time, inode and content of each file below a folder."""
    return {
        str(path): (path.lstat().st_mtime_ns, path.lstat().st_ino, path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
        if without is None or not (path == without or path.is_relative_to(without) or path in without.parents)
    }

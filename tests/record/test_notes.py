"""Each edit is a file, the last value of a key counts, and a damaged edit does not affect the others."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runfolio.errors import ConfigError, StoreError
from runfolio.record.base.run_document import RunDocument
from runfolio.record.content import run_edits


@pytest.fixture
def document() -> RunDocument:
    return RunDocument(id="k3f9x2ab", name="net", experiment="digits", created=datetime.now(UTC))


def write(folder: Path, time_us: int, **values: object) -> Path:
    """An edit as another program would write it."""
    path = folder / "notes" / f"{time_us:016}-abcdefgh.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"runfolio": 0, "time": "2026-11-22T11:15:00.000000Z", "set": values}))
    return path


def test_of_each_key_the_last_value_counts(tmp_path, document):
    run_edits.add(tmp_path, document, {"name": "first", "tags": ["a"]})
    run_edits.add(tmp_path, document, {"name": "second"})
    run_edits.add(tmp_path, document, {"archived": True, "notes": "good\nindeed"})

    assert run_edits.read(tmp_path, document) == (
        {"name": "second", "tags": ["a"], "archived": True, "notes": "good\nindeed"},
        [],
    )


def test_every_edit_is_a_file_with_time_host_and_user(tmp_path, document):
    run_edits.add(tmp_path, document, {"name": "best"})
    (path,) = (tmp_path / "notes").iterdir()
    edit = json.loads(path.read_text())

    assert edit["set"] == {"name": "best"}
    assert set(edit) == {"runfolio", "time", "host", "user", "set"}
    written = datetime.fromisoformat(edit["time"])
    assert abs(written - datetime.now(UTC)) < timedelta(minutes=1)
    assert path.name.startswith(f"{round(written.timestamp() * 1e6):016}-")


def test_edit_counts_although_an_earlier_one_has_a_later_clock(tmp_path, document):
    write(tmp_path, 4_000_000_000_000_000, name="from the year 2096")
    run_edits.add(tmp_path, document, {"name": "now"})

    assert run_edits.read(tmp_path, document).values == {"name": "now"}


def test_later_value_of_the_run_overrides_an_edit(tmp_path, document):
    run_edits.add(tmp_path, document, {"tags": ["theirs"], "notes": "theirs"})
    document.edited["tags"] = datetime.now(UTC) + timedelta(seconds=1)
    assert run_edits.read(tmp_path, document).values == {"notes": "theirs"}

    run_edits.add(tmp_path, document, {"tags": ["theirs again"]})
    assert run_edits.read(tmp_path, document).values == {"notes": "theirs", "tags": ["theirs again"]}


def test_keys_of_a_later_version_are_passed_over(tmp_path, document):
    write(tmp_path, 1, name="net", stop="please")

    assert run_edits.read(tmp_path, document) == ({"name": "net"}, [])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"runfolio": 0}',
        b'{"runfolio": 0, "set": []}',
        b'{"runfolio": 0, "set": {"name": 5}}',
        b'{"runfolio": 0, "set": {"tags": "a"}}',
        b'{"runfolio": 0, "set": {"tags": [1]}}',
        b'{"runfolio": 0, "set": {"archived": 1}}',
        b'{"runfolio": 99, "set": {"name": "x"}}',
    ],
)
def test_damaged_edit_is_reported_and_the_others_apply(tmp_path, document, content: bytes):
    write(tmp_path, 1, name="net")
    damaged = write(tmp_path, 2, name="damaged")
    damaged.write_bytes(content)
    edits = run_edits.read(tmp_path, document)

    assert edits.values == {"name": "net"}
    assert len(edits.problems) == 1
    assert str(damaged) in edits.problems[0]


@given(content=st.binary(max_size=200))
def test_whatever_stands_in_an_edit_reading_goes_on(tmp_path_factory, content: bytes):
    folder = tmp_path_factory.mktemp("run")
    write(folder, 1, name="net")
    write(folder, 2).write_bytes(content)
    document = RunDocument(id="k3f9x2ab", name="net", experiment="digits", created=datetime.now(UTC))

    assert run_edits.read(folder, document).values == {"name": "net"}


def test_other_files_in_the_edits_folder_are_ignored(tmp_path, document):
    write(tmp_path, 1, name="net")
    for name in (".tmp-x-0000000000000002-abcdefgh.json", "README", "2-abcdefgh.json"):
        (tmp_path / "notes" / name).write_text("{")

    assert run_edits.read(tmp_path, document) == ({"name": "net"}, [])


def test_many_editors_at_once_lose_nothing(tmp_path, document):
    def edit() -> None:
        for _ in range(10):
            run_edits.add(tmp_path, document, {"archived": True})

    editors = [threading.Thread(target=edit) for _ in range(4)]
    for editor in editors:
        editor.start()
    for editor in editors:
        editor.join()

    assert len(list((tmp_path / "notes").iterdir())) == 40


@pytest.mark.parametrize("name", ["", " ", "a\nb", " a", "x" * 501, "a\0b", "\x1b[31m"])
def test_invalid_run_name_is_refused(tmp_path, document, name: str):
    with pytest.raises(ConfigError, match="a name must have 1 to 500 characters"):
        run_edits.add(tmp_path, document, {"name": name})
    assert not (tmp_path / "notes").exists()


@pytest.mark.parametrize("tag", ["", " ", "a,b", "a\tb", "x" * 101])
def test_invalid_tag_is_refused(tag: str):
    with pytest.raises(ConfigError, match="a tag must have 1 to 100 characters"):
        run_edits.check_tag(tag)


def test_edit_of_a_deleted_run_does_not_recreate_it(tmp_path, document):
    with pytest.raises(StoreError, match=r"cannot write to .*gone"):
        run_edits.add(tmp_path / "gone", document, {"name": "net"})
    assert not (tmp_path / "gone").exists()

"""`run.log_data`: fingerprints of a run's data."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import runfolio
from runfolio.errors import ConfigError, NotFound
from runfolio.record.content import hashing
from runfolio.record.content.data_listings import Listing, compare_listings


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name in ("cat/1.jpg", "cat/2.jpg", "dog/1.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"a photo, {name}")
    return folder


@pytest.fixture
def given(store: Path) -> Callable[..., dict[str, Any]]:
    """Return the record's entry for data of a new run."""

    def given(data: Any, **options: Any) -> dict[str, Any]:
        run = runfolio.init(store=store, recording=runfolio.RecordingConfig(code=False))
        run.log_data("train", data, **options)
        run.finish()
        return recorded(run)

    return given


@pytest.fixture
def fingerprints(store: Path) -> Callable[..., list[str]]:
    """Return the record's entries for several data of one run."""

    def fingerprints(*several: Any) -> list[str]:
        run = runfolio.init(store=store, recording=runfolio.RecordingConfig(code=False))
        for number, data in enumerate(several):
            run.log_data(str(number), data)
        run.finish()
        entries = json.loads((run.folder / "run.json").read_text())["data"]
        return [entries[str(number)]["fingerprint"] for number in range(len(several))]

    return fingerprints


def recorded(run: runfolio.Run) -> dict[str, Any]:
    return json.loads((run.folder / "run.json").read_text())["data"]["train"]


def test_folder_is_listed_by_its_files(given, store: Path, photos: Path):
    facts = given(photos)

    assert (facts["items"], facts["source"], facts["trouble"]) == (3, str(photos), None)
    assert facts["bytes"] == sum(path.stat().st_size for path in photos.rglob("*.jpg"))
    (run,) = runfolio.open(store).runs()
    assert [item.name for item in Listing.read(run.folder, facts["fingerprint"])] == [
        *("cat/1.jpg", "cat/2.jpg", "dog/1.jpg")
    ]


def test_equal_folders_at_different_places_are_equal(given, photos: Path, tmp_path: Path):
    elsewhere = shutil.copytree(photos, tmp_path / "a copy")
    (elsewhere / ".DS_Store").write_text("hidden files are no data")
    (elsewhere / "empty").mkdir()
    os.mkfifo(elsewhere / "pipe")

    assert given(elsewhere)["fingerprint"] == given(photos)["fingerprint"]


def test_one_byte_changes_the_fingerprint_but_a_new_mtime_does_not(given, photos: Path):
    before = given(photos)["fingerprint"]
    os.utime(photos / "cat" / "1.jpg", (1, 1))
    assert given(photos)["fingerprint"] == before

    content = (photos / "cat" / "1.jpg").read_bytes()
    (photos / "cat" / "1.jpg").write_bytes(content[:-1] + b"!")
    assert given(photos)["fingerprint"] != before


def test_list_of_files_equals_their_folder(given, photos: Path):
    assert given(sorted(photos.rglob("*.jpg")))["fingerprint"] == given(photos)["fingerprint"]
    assert given(photos / "cat" / "1.jpg")["items"] == 1


def test_files_are_read_once_for_all_runs(given, photos: Path, monkeypatch: pytest.MonkeyPatch):
    before = given(photos)["fingerprint"]
    monkeypatch.setattr(hashing, "digest", lambda path: pytest.fail(f"{path} is read again"))

    assert given(photos)["fingerprint"] == before


def test_links_are_followed_and_a_cycle_is_read_once(given, photos: Path, tmp_path: Path):
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "cat").symlink_to(photos / "cat")
    (linked / "dog").mkdir()
    (linked / "dog" / "1.jpg").symlink_to(photos / "dog" / "1.jpg")
    (linked / "dog" / "again").symlink_to(linked)

    assert given(linked)["items"] == 3


@pytest.mark.parametrize("kind", ["float32", "float16", "int64", "uint8", "bool", "complex64"])
def test_arrays_and_tensors_of_equal_content_are_equal(fingerprints, kind: str):
    numbers = (np.arange(24).reshape(4, 6) % 5).astype(kind)
    swapped = numbers.astype(numbers.dtype.newbyteorder())
    alike = (numbers, torch.from_numpy(numbers), np.asfortranarray(numbers), swapped)

    assert len(set(fingerprints(*alike))) == 1
    assert len(set(fingerprints(numbers, numbers.reshape(6, 4), numbers.T, numbers[:3], numbers[::-1]))) == 5


def test_array_is_fingerprinted_at_the_call(store: Path):
    images = np.zeros((100, 8, 8), dtype=np.uint8)
    with runfolio.init(store=store, recording=runfolio.RecordingConfig(code=False)) as run:
        run.log_data("before", {"images": images, "labels": {"fine": torch.arange(100)}})
        images[17, 3, 3] = 1
        run.log_data("after", {"images": images, "labels": {"fine": torch.arange(100)}})

    entries = json.loads((run.folder / "run.json").read_text())["data"]
    before, after = (Listing.read(run.folder, entries[name]["fingerprint"]) for name in ("before", "after"))
    assert [item.name for item in before] == ["images", "labels/fine"]
    assert compare_listings(before, after).changed == ("images",)


def test_arrays_of_every_kind_have_a_fingerprint(fingerprints):
    prints = fingerprints(
        np.array(3.0),
        np.empty((0, 3)),
        np.array(["a", "bc"]),
        np.array(["2020-01-01"], dtype="datetime64[s]"),
        torch.zeros(3, dtype=torch.bfloat16),
        torch.zeros(2, requires_grad=True),
        torch.empty(0),
        torch.zeros(2, dtype=torch.float8_e5m2),
    )
    assert None not in prints
    assert len(set(prints)) == 8


def test_tuple_of_arrays_is_recorded_by_its_indices(store: Path):
    tensors = (torch.zeros(5, 3), torch.arange(5))
    with runfolio.init(store=store, strict=True, recording=runfolio.RecordingConfig(code=False)) as run:
        run.log_data("train", tensors)

    entry = json.loads((run.folder / "run.json").read_text())["data"]["train"]
    assert [item.name for item in Listing.read(run.folder, entry["fingerprint"])] == ["0", "1"]


def test_data_without_fingerprint_is_refused_at_the_call(store: Path, photos: Path):
    refused = [
        torch.utils.data.TensorDataset(torch.zeros(3)),
        [1, 2],
        [],
        None,
        7,
        np.array([object()]),
        torch.zeros(2, 2).to_sparse(),
        {"x": [1, 2]},
        {"images": np.zeros(3), "names": None},
    ]
    with runfolio.init(store=store, strict=True, recording=runfolio.RecordingConfig(code=False)) as run:
        for data in refused:
            with pytest.raises(ConfigError, match=r"log_data takes|pass|not an array"):
                run.log_data("train", data)
        for name in ("", " ", "x" * 101, 3, None):
            with pytest.raises(ConfigError, match="name of data must be a string"):
                run.log_data(name, photos)  # type: ignore[arg-type] - the refused value


def test_missing_path_is_refused_at_the_call(store: Path, tmp_path: Path):
    with (
        runfolio.init(store=store, strict=True) as run,
        pytest.raises(NotFound, match=r"no file or folder .*/gone"),
    ):
        run.log_data("train", tmp_path / "gone")
    with (
        runfolio.init(store=store, strict=True) as run,
        pytest.raises(NotFound, match=r"no file or folder .*/~nobody-here"),
    ):
        run.log_data("train", "~nobody-here/photos")


def test_listing_or_function_returning_one_is_accepted(given):
    listing = runfolio.Listing([("s3://bucket/1.jpg", "etag-1", "cat"), ("s3://bucket/2.jpg", "etag-2", "dog")])

    assert given(listing)["fingerprint"] == listing.fingerprint
    assert given(lambda: listing, source="s3://ann:secretpass9@bucket") | {"bytes": None} == {
        "fingerprint": listing.fingerprint,
        "items": 2,
        "bytes": None,
        "trouble": None,
        "attempt": 1,
        "earlier": [],
        "source": "s3://ann:[redacted]@bucket",
    }


def test_unreadable_data_is_reported_and_training_continues(given, photos: Path, caplog):
    (photos / "cat" / "3.jpg").symlink_to(photos / "gone.jpg")
    with caplog.at_level(logging.WARNING):
        facts = given(photos)

    assert (facts["fingerprint"], facts["items"]) == (None, None)
    assert facts["trouble"] == f"the link {photos / 'cat' / '3.jpg'} has no target"
    assert "data 'train' has no fingerprint: the link" in caplog.text


def test_failing_data_function_is_reported_and_training_continues(given, caplog):
    assert given(lambda: 1 / 0)["trouble"] == "ZeroDivisionError: division by zero"
    assert "not a runfolio.Listing" in given(lambda: [1])["trouble"]


def test_data_is_recorded_at_once_and_fingerprinted_in_the_background(store: Path):
    import threading

    may_go_on = threading.Event()

    def slow() -> Listing:
        may_go_on.wait()
        return Listing([("a", "b")])

    with runfolio.init(store=store) as run:
        run.log_data("train", slow)
        run.flush()
        assert recorded(run)["fingerprint"] is None
        may_go_on.set()
    assert recorded(run)["items"] == 1


def test_resume_on_other_data_keeps_both_fingerprints_and_warns(store: Path, photos: Path, caplog):
    with runfolio.init(store=store) as run:
        run.log_data("train", photos)
    before = recorded(run)
    (photos / "cat" / "2.jpg").write_text("another photo")

    with runfolio.resume(run.folder, checkpoint=None, store=store) as run:
        run.log_data("train", photos)

    after = recorded(run)
    assert after["fingerprint"] != before["fingerprint"]
    assert (after["attempt"], after["earlier"][0]["fingerprint"]) == (2, before["fingerprint"])
    assert "differs from the data of attempt 1: 1 changed (cat/2.jpg)" in caplog.text
    assert len(list((run.folder / "data").iterdir())) == 2


def test_resume_on_the_same_data_is_silent(store: Path, photos: Path, caplog):
    with runfolio.init(store=store) as run:
        run.log_data("train", photos)
    before = recorded(run)

    with runfolio.resume(run.folder, checkpoint=None, store=store) as run:
        run.log_data("train", photos)

    assert recorded(run) == before
    assert "given before" not in caplog.text


def test_joined_process_reports_that_it_records_no_data(python, store: Path):
    done = python(
        "import os, sys, runfolio, numpy\n"
        "run = runfolio.init(store=sys.argv[1])\n"
        "if os.fork() == 0:\n"
        "    run.log_data('train', numpy.zeros(3)); run.finish(); os._exit(0)\n"
        "os.wait()\n"
        "run.finish()\n",
        store,
    )
    assert "data, answers and checkpoints are recorded only from the primary process" in done.stderr
    (run,) = runfolio.open(store).runs()
    assert json.loads((run.folder / "run.json").read_text())["data"] == {}

"""Listings of data: their fingerprints, their storage, and the differences between two listings."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runfolio.errors import ConfigError, DamagedFile, NewerFormat, NotFound
from runfolio.record.content.data_listings import Item, Listing, compare_listings, listing_path

CAT, DOG = Item("cat/1.jpg", "aa" * 16, "cat"), Item("dog/1.jpg", "bb" * 16, "dog")

names = st.text(max_size=8)
some_items = st.lists(
    st.builds(Item, names, st.sampled_from(["00" * 16, "11" * 16, "22" * 16]), st.none() | st.sampled_from("ab")),
    max_size=12,
)


@given(some_items, st.randoms())
def test_fingerprint_ignores_the_order_of_items(items: list[Item], random):
    shuffled = random.sample(items, len(items))

    assert Listing(shuffled) == Listing(items)
    assert Listing(shuffled).fingerprint == Listing(items).fingerprint


@given(some_items, some_items)
def test_other_items_have_another_fingerprint(some: list[Item], others: list[Item]):
    assert (Listing(some).fingerprint == Listing(others).fingerprint) == (Counter(some) == Counter(others))


@given(some_items)
def test_listing_is_read_as_written(tmp_path_factory: pytest.TempPathFactory, items: list[Item]):
    folder = tmp_path_factory.mktemp("run")
    written = Listing(items)
    written.write(folder)

    read = Listing.read(folder, written.fingerprint)

    assert read == written
    assert Counter(read) == Counter(items)


def test_the_file_is_as_the_specification_says(tmp_path: Path):
    Listing([DOG, CAT]).write(tmp_path)

    (path,) = (tmp_path / "data").iterdir()
    header, *lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)

    assert json.loads(header) == {"runfolio": 0, "items": 2}
    assert [json.loads(line) for line in lines] == [[*CAT], [*DOG]]
    assert path.name == hashlib.blake2b(b"".join(lines), digest_size=16).hexdigest() + ".jsonl.gz"


def test_a_name_of_odd_bytes_is_kept_as_text(tmp_path: Path):
    listing = Listing([("caf\udce9.jpg", "aa" * 16)])
    listing.write(tmp_path)

    assert [item.name for item in Listing.read(tmp_path, listing.fingerprint)] == ["caf\\udce9.jpg"]


@pytest.mark.parametrize(
    "item", ["a name", ("a",), ("a", "b", "c", "d"), ("a", 1), ("a", "b", 3), (b"a", "b"), None, {"name": "a"}]
)
def test_invalid_item_is_refused(item):
    with pytest.raises(ConfigError, match=r"an item of a listing must be \(name, digest\)"):
        Listing([item])


@given(some_items, some_items)
def test_the_difference_accounts_for_every_item(some: list[Item], others: list[Item]):
    difference = compare_listings(Listing(some), Listing(others))

    both = len(difference.changed) + len(difference.relabelled) + len(difference.renamed)
    same = (Counter(some) & Counter(others)).total()
    assert same + both + len(difference.removed) == len(some)
    assert same + both + len(difference.added) == len(others)
    assert bool(difference.sentence) == (Counter(some) != Counter(others))


def test_every_kind_of_change_names_its_items():
    before = [Item("a/1", "11", "a"), Item("a/2", "22", "a"), Item("a/3", "33", "a"), Item("a/4", "44", "a"), DOG, CAT]
    after = [Item("a/1", "1f", "a"), Item("b/2", "22", "b"), Item("a/3b", "33", "a"), Item("a/4", "44", "b"), DOG]
    after.append(Item("new", "99"))

    difference = compare_listings(Listing(before), Listing(after))

    assert difference.changed == ("a/1",)
    assert difference.relabelled == ("a/2 -> b/2", "a/4")
    assert difference.renamed == ("a/3 -> a/3b",)
    assert (difference.added, difference.removed) == (("new",), ("cat/1.jpg",))
    assert difference.sentence == (
        "1 added (new), 1 removed (cat/1.jpg), 1 changed (a/1), 2 relabelled (a/2 -> b/2, a/4), 1 renamed (a/3 -> a/3b)"
    )


def test_of_many_changes_the_first_are_named():
    after = Listing([(f"{number:02}.jpg", "aa") for number in range(25)])

    difference = compare_listings(Listing(), after)

    assert difference.sentence == "25 added (00.jpg, 01.jpg, 02.jpg, ...)"
    assert difference.counts_and_names()["added"]["count"] == 25
    assert len(difference.counts_and_names()["added"]["first"]) == 20


def test_missing_damaged_or_newer_listing_is_reported(tmp_path: Path):
    listing = Listing([CAT, DOG])
    listing.write(tmp_path)
    path = listing_path(tmp_path, listing.fingerprint).path
    whole = path.read_bytes()
    lines = gzip.decompress(whole)

    damages = {
        "cut off": whole[:-9],
        "a flipped bit": whole[:30] + bytes([whole[30] ^ 1]) + whole[31:],
        "no gzip": b"hello",
        "empty": b"",
        "another item": gzip.compress(lines.replace(b"cat", b"bat")),
        "an item less": gzip.compress(lines.rpartition(b"[")[0]),
        "no items": gzip.compress(b'{"runfolio":0,"items":1}\n{}\n'),
        "no header": gzip.compress(b"7\n"),
    }
    for what, content in damages.items():
        path.write_bytes(content)
        with pytest.raises(DamagedFile, match="is damaged"):
            print(what, Listing.read(tmp_path, listing.fingerprint))

    path.write_bytes(gzip.compress(b'{"runfolio":99}\n'))
    with pytest.raises(NewerFormat, match="newer runfolio"):
        Listing.read(tmp_path, listing.fingerprint)
    path.unlink()
    with pytest.raises(NotFound, match="is gone; restore it"):
        Listing.read(tmp_path, listing.fingerprint)


def test_a_listing_that_unpacks_to_more_than_any_that_is_kept_is_damaged(tmp_path: Path):
    listing = Listing([CAT, DOG])
    listing.write(tmp_path)
    path = listing_path(tmp_path, listing.fingerprint).path
    size = len(gzip.decompress(path.read_bytes()))
    assert Listing.read(tmp_path, listing.fingerprint, most_bytes=size) == listing
    with pytest.raises(DamagedFile, match="unpacks to more than"):
        Listing.read(tmp_path, listing.fingerprint, most_bytes=size - 1)


def test_listing_that_unpacks_to_too_many_lines_is_damaged(tmp_path: Path):
    path = listing_path(tmp_path, "0" * 32).path
    path.parent.mkdir()
    path.write_bytes(gzip.compress(b'{"runfolio": 0, "items": 1}' + b"\n" * 1_000_002))
    with pytest.raises(DamagedFile, match="it lists more than 1,000,000 items"):
        Listing.read(tmp_path, "0" * 32)

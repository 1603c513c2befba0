"""Unpacking of untrusted zips."""

from __future__ import annotations

import io
import stat
import struct
import time
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runfolio.errors import ConfigError, DamagedFile, DownloadFailed, NotFound
from runfolio.record.base.files import sha256
from runfolio.vision.data import load_data
from runfolio.vision.data.folder_layout import read_layout
from runfolio.vision.data.unzip import MAX_DEPTH, MAX_MEMBERS, extract

from .photos import zipped

PHOTOS = zipped({"pizza": 5, "sushi": 5})


def member(name: str, mode: int = 0, content: bytes = b"x") -> bytes:
    """Return a zip with a valid member and this one."""
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("good.txt", "good")
        file.writestr(info, content)
    return packed.getvalue()


def renamed(archive: bytes, old: bytes, new: bytes, where: int = -1) -> bytes:
    """Replace a name in the bytes; with `where` 1 only in the header of the member."""
    assert len(old) == len(new)
    return archive.replace(old, new, where)


def method(number: int) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", number) as file:
        file.writestr("x", "x")
    return packed.getvalue()


HOSTILE = {
    "above": (member("../x"), "'../x' would be written outside the folder"),
    "absolute": (member("/abs/x"), "'/abs/x' would be written outside the folder"),
    "inside, then above": (member("a/../../x"), "'a/../../x' would be written outside the folder"),
    "backslashes": (member("..\\x"), "has a backslash or a control character in its name"),
    "drive": (member("C:/x"), "'C:/x' names a drive"),
    "link": (member("link", stat.S_IFLNK | 0o777, b"/etc/passwd"), "'link' is a link"),
    "link to a long path": (member("link", stat.S_IFLNK | 0o777, b"a/" * 5000), "'link' is a link"),
    "device": (member("null", stat.S_IFCHR | 0o666), "'null' is neither a file nor a folder"),
    "pipe": (member("pipe", stat.S_IFIFO | 0o666), "'pipe' is neither a file nor a folder"),
    "NUL": (renamed(member("aXb"), b"aXb", b"a\0b"), "has a backslash or a control character in its name"),
    "newline": (member("a\nb"), "has a backslash or a control character in its name"),
    "twice": (renamed(member("gXXd.txt"), b"gXXd.txt", b"good.txt"), "'good.txt' occurs twice"),
    "a file and a folder": (member("good.txt/x"), "'good.txt' is a file and a folder"),
    "no name": (member("./"), "'./' has no name"),
    "two names": (renamed(member("inside"), b"inside", b"../out", 1), "is damaged (File name in directory"),
    "deep": (member("d/" * 400 + "x"), "is in more than 64 folders"),
    "a file and an empty folder": (member("good.txt/"), "'good.txt' is a file and a folder"),
    "a very long name": (member("a" * 300), "has an invalid file name"),
    "another method": (method(zipfile.ZIP_LZMA), "'x' has a compression method other than deflate"),
    "encrypted": (
        member("x").replace(b"PK\x01\x02\x14\x03\x14\0\0\0", b"PK\x01\x02\x14\x03\x14\0\x01\0"),
        "is encrypted",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_member_is_named_and_nothing_remains(tmp_path, kind):
    content, reason = HOSTILE[kind]
    (tmp_path / "hostile.zip").write_bytes(content)

    with pytest.raises(DamagedFile) as refusal:
        extract(tmp_path / "hostile.zip", tmp_path / "out")

    assert str(refusal.value).startswith(str(tmp_path / "hostile.zip"))
    assert reason in str(refusal.value)
    assert [path.name for path in tmp_path.iterdir() if path.name not in ("hostile.zip", "cache")] == []


def test_file_modes_of_a_zip_are_ignored(tmp_path):
    (tmp_path / "a.zip").write_bytes(member("program", stat.S_IFREG | 0o4755))

    extract(tmp_path / "a.zip", tmp_path / "out")

    assert (tmp_path / "out" / "program").stat().st_mode & 0o7111 == 0


def zeros(path: Path, size: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("zeros", "w") as out:
        for _ in range(size // 2**20):
            out.write(bytes(2**20))
    return path


def test_zip_with_high_compression_ratio_is_refused(tmp_path):
    bomb = zeros(tmp_path / "bomb.zip", 100 * 2**20)

    with pytest.raises(DamagedFile, match=r"bytes would become 104,857,600, most of them in member 'zeros'"):
        extract(bomb, tmp_path / "out")


def test_archive_member_never_exceeds_its_declared_size(tmp_path):
    bomb = zeros(tmp_path / "bomb.zip", 100 * 2**20)
    content = bomb.read_bytes()
    bomb.write_bytes(content.replace(struct.pack("<L", 100 * 2**20), struct.pack("<L", 1000)))

    with pytest.raises(DamagedFile, match="is damaged"):
        extract(bomb, tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_zip_in_a_zip_is_not_unpacked(tmp_path):
    inner = zeros(tmp_path / "inner.zip", 100 * 2**20)
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as file:
        file.write(inner, "inner.zip")

    extract(tmp_path / "outer.zip", tmp_path / "out")

    assert [path.name for path in (tmp_path / "out").iterdir()] == ["inner.zip"]


def million_members(path: Path) -> Path:
    """Write a zip that lists a million empty members."""
    count = 1_000_000
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 0, 20, 0, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"x"
    directory = entry * count
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count & 0xFFFF, count & 0xFFFF, len(directory), 0, 0)
    path.write_bytes(directory + end)
    return path


def deep_zip(path: Path, chains: int) -> Path:
    """Write a zip whose members make far more folders than there are members."""
    with zipfile.ZipFile(path, "w") as file:
        for chain in range(chains):
            file.writestr(f"{chain}/" + "d/" * (MAX_DEPTH - 1) + "x.png", b"")
    return path


def test_deep_folders_are_unpacked_and_listed_in_linear_time(tmp_path):
    path = deep_zip(tmp_path / "deep.zip", 60)
    began = time.process_time()

    extract(path, tmp_path / "out")
    layout = read_layout(tmp_path / "out")

    assert len(layout.classes) == 60
    assert time.process_time() - began < 5


def ten_gigabytes(path: Path, declared: int) -> Path:
    """Write a zip of 10 MB with one member of 10 GB of zeros."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    content = piece * 10_000 + packer.flush()
    name, sizes = b"zeros", struct.pack("<3L", 0, len(content), declared)
    local = struct.pack("<4s5H", b"PK\x03\x04", 20, 0, 8, 0, 33) + sizes + struct.pack("<2H", len(name), 0) + name
    central = struct.pack("<4s6H", b"PK\x01\x02", 20, 20, 0, 8, 0, 33) + sizes
    central += struct.pack("<5H2L", len(name), 0, 0, 0, 0, 0, 0) + name
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(central), len(local) + len(content), 0)
    path.write_bytes(local + content + central + end)
    return path


BOMBS = {
    "a declared size": (lambda path: ten_gigabytes(path, 2**32 - 2), "would become 4,294,967,294, most of them in"),
    "a lying size": (lambda path: ten_gigabytes(path, 1000), "is damaged"),
    "members": (million_members, "has more than 250,000 files and folders, which may be unsafe"),
    "folders": (lambda path: deep_zip(path, MAX_MEMBERS // MAX_DEPTH + 1), "has more than 250,000 files and folders"),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_bomb_is_refused_in_little_time_and_memory(tmp_path, python, kind):
    write, reason = BOMBS[kind]
    path = write(tmp_path / "bomb.zip")
    script = """
import resource, sys, time
from pathlib import Path
from runfolio.errors import DamagedFile
from runfolio.vision.data.unzip import extract
try:
    extract(Path(sys.argv[1]), Path(sys.argv[2]))
except DamagedFile as error:
    print(time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, error)
"""
    done = python(script, path, tmp_path / "out")

    seconds, megabytes, said = done.stdout.split(" ", 2)
    assert reason in said
    assert float(seconds) < 5
    assert float(megabytes) < 256
    assert not (tmp_path / "out").exists()


@given(cut=st.integers(0, len(PHOTOS) - 1))
def test_truncated_zip_leaves_nothing(tmp_path_factory, cut):
    folder = tmp_path_factory.mktemp("cut")
    (folder / "cut.zip").write_bytes(PHOTOS[:cut])

    with pytest.raises(DamagedFile, match=r"cut.zip is damaged"):
        extract(folder / "cut.zip", folder / "out")

    assert not (folder / "out").exists()


@given(offset=st.integers(0, len(PHOTOS) - 1), bit=st.integers(0, 7))
def test_flipped_bit_is_detected_or_harmless(tmp_path_factory, offset, bit):
    folder = tmp_path_factory.mktemp("flipped")
    content = bytearray(PHOTOS)
    content[offset] ^= 1 << bit
    (folder / "flipped.zip").write_bytes(content)

    refused = False
    try:
        extract(folder / "flipped.zip", folder / "out")
    except DamagedFile:
        refused = True

    assert (folder / "out").exists() is not refused


def test_local_zip_is_loaded(tmp_path):
    (tmp_path / "food.zip").write_bytes(PHOTOS)

    source = load_data(f"zip:{tmp_path / 'food.zip'}")

    assert source.classes == ("pizza", "sushi")
    assert len(source.train) + len(source.test) == 10
    assert source.name == f"zip:{tmp_path / 'food.zip'}"


def test_zip_is_unpacked_once_and_again_after_a_change(tmp_path, cache):
    path = tmp_path / "food.zip"
    path.write_bytes(PHOTOS)
    first = load_data(f"zip:{path}").train
    assert load_data(f"zip:{path}").train.root == first.root  # type: ignore[attr-defined]

    path.write_bytes(zipped({"pizza": 6, "ramen": 6}))

    assert load_data(f"zip:{path}").classes == ("pizza", "ramen")
    unpacked = [entry.name for entry in (cache / "data").iterdir() if not entry.name.startswith(".")]
    assert len(unpacked) == 2


def test_zip_with_the_required_digest_is_accepted(tmp_path):
    path = tmp_path / "food.zip"
    path.write_bytes(PHOTOS)
    name = f"zip:{path}#sha256={sha256(path).upper()}"

    assert load_data(name).name == f"zip:{path}#sha256={sha256(path)}"


def test_zip_of_another_digest_is_refused_with_an_accepted_name(tmp_path):
    path = tmp_path / "food.zip"
    path.write_bytes(PHOTOS)

    with pytest.raises(DownloadFailed) as refusal:
        load_data(f"zip:{path}#sha256={'0' * 64}")

    name = str(refusal.value).rpartition(" give ")[2]
    assert name == f"zip:{path}#sha256={sha256(path)}"
    assert load_data(name).classes == ("pizza", "sushi")


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("zip:nowhere.zip", NotFound, "no zip .*nowhere.zip; check the path"),
        ("zip:~nobody-here/a.zip", NotFound, "no zip .*a.zip; check the path"),
        ("zip:.", NotFound, "did you mean folder:"),
        ("zip:x.zip#sha256=12", ConfigError, "'12' is not a SHA-256 digest; #sha256= needs 64 hexadecimal digits"),
        ("zip:ftp://example.org/x.zip", ConfigError, "must start with http:// or https://"),
    ],
)
def test_non_zip_file_is_refused(name, kind, message):
    with pytest.raises(kind, match=message):
        load_data(name)


def test_web_page_saved_as_a_zip_is_reported(tmp_path):
    (tmp_path / "page.zip").write_text("\n<!doctype html><title>404</title>")

    with pytest.raises(DownloadFailed, match=r"page.zip is a web page, not a zip"):
        load_data(f"zip:{tmp_path / 'page.zip'}")

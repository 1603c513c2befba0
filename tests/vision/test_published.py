"""Data `torchvision:NAME`, with small data sets of the same format from a local server."""

from __future__ import annotations

import functools
import gzip
import hashlib
import inspect
import re
import struct
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.progress import Progress

from runfolio.errors import DownloadFailed, NotFound
from runfolio.tracking.pipeline.arrays import digest
from runfolio.vision._torchvision import datasets
from runfolio.vision.data import load_data
from runfolio.vision.data.published import _SETS

CLOTHES = np.random.RandomState(0).randint(0, 256, (30, 28, 28)).astype(np.uint8)
LABELS = np.arange(30, dtype=np.uint8) % 10


def idx(array: np.ndarray) -> bytes:
    """Return data in the format of MNIST: http://yann.lecun.com/exdb/mnist"""
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(header + array.tobytes())


FILES = {
    "train-images-idx3-ubyte.gz": idx(CLOTHES[:20]),
    "train-labels-idx1-ubyte.gz": idx(LABELS[:20]),
    "t10k-images-idx3-ubyte.gz": idx(CLOTHES[20:]),
    "t10k-labels-idx1-ubyte.gz": idx(LABELS[20:]),
}


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the folder of a local server that replaces the FashionMNIST server."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    folder = tmp_path / "mirror"
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.01,)).start()
    monkeypatch.setattr(datasets.FashionMNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
    sums = [(name, hashlib.md5(content).hexdigest()) for name, content in FILES.items()]
    monkeypatch.setattr(datasets.FashionMNIST, "resources", sums)
    yield folder
    server.shutdown()
    server.server_close()


@pytest.mark.usefixtures("mirror")
def test_published_set_is_downloaded_and_read():
    source = load_data("torchvision:FashionMNIST")

    assert source.name == "torchvision:FashionMNIST"
    assert source.classes[:2] == ("T-shirt/top", "Trouser")
    assert (source.channels, source.image_size) == (1, (28, 28))
    assert source.mean == pytest.approx([CLOTHES[:20].mean() / 255], abs=1e-4)
    assert source.std == pytest.approx([CLOTHES[:20].std() / 255], abs=1e-4)
    assert source.train.labels.tolist() == LABELS[:20].tolist()
    assert (np.asarray(source.test.image(3)) == CLOTHES[23]).all()
    assert source.test.reference(3) == "FashionMNIST test image 3"
    assert source.test.digests()[3] == digest(CLOTHES[23])


def test_published_set_is_downloaded_once(mirror):
    load_data("torchvision:FashionMNIST")
    for file in mirror.iterdir():
        file.unlink()

    assert len(load_data("torchvision:FashionMNIST").test) == 10


def test_incomplete_download_is_not_used(mirror):
    (mirror / "t10k-labels-idx1-ubyte.gz").write_bytes(b"half")
    with pytest.raises(DownloadFailed, match=r"cannot download torchvision:FashionMNIST .*; check the network"):
        load_data("torchvision:FashionMNIST")

    (mirror / "t10k-labels-idx1-ubyte.gz").write_bytes(FILES["t10k-labels-idx1-ubyte.gz"])

    assert len(load_data("torchvision:FashionMNIST").test) == 10


@pytest.mark.usefixtures("mirror")
def test_prints_of_torchvision_are_hidden_and_the_display_is_paused(capsys):
    with Progress() as progress:
        load_data("torchvision:FashionMNIST", progress=progress)
        assert progress.live.is_started

    assert "Extracting" not in capsys.readouterr().out


def test_offline_error_is_one_line(monkeypatch):
    monkeypatch.setattr(datasets.FashionMNIST, "mirrors", ["http://nowhere.invalid/"])

    with pytest.raises(DownloadFailed) as refusal:
        load_data("torchvision:FashionMNIST")

    assert str(refusal.value).startswith("cannot download torchvision:FashionMNIST (")
    assert str(refusal.value).endswith("); check the network connection and try again")
    assert "\n" not in str(refusal.value)


def test_unknown_set_is_refused_with_similar_names():
    with pytest.raises(NotFound, match="no data 'torchvision:Cifar10'; did you mean CIFAR10 or CIFAR100"):
        load_data("torchvision:Cifar10")


def test_torchvision_has_all_named_sets():
    assert [name for name in _SETS if not hasattr(datasets, name)] == []


def test_photographs_keep_their_sizes(cache):
    """The files have the structure of DTD: images, and lists of the parts."""
    root = cache / "data" / "torchvision-DTD" / "dtd" / "dtd"
    (root / "labels").mkdir(parents=True)
    for number, texture in enumerate(("banded", "dotted")):
        (root / "images" / texture).mkdir(parents=True)
        for part in ("train", "test"):
            name = f"{texture}/{part}.jpg"
            Image.new("RGB", (30 + number, 20)).save(root / "images" / name)
            with (root / "labels" / f"{part}1.txt").open("a") as file:
                file.write(f"{name}\n")

    source = load_data("torchvision:DTD")

    assert (source.classes, source.channels, source.image_size) == (("banded", "dotted"), 3, (224, 224))
    assert [source.test.image(index).size for index in range(2)] == [(30, 20), (31, 20)]
    files = [root / "images" / texture / "test.jpg" for texture in ("banded", "dotted")]
    assert source.test.digests() == [hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest() for file in files]


@pytest.mark.parametrize("name", [name for name, published in _SETS.items() if published.photos])
def test_files_of_each_set_of_photos_are_found(name: str):
    """The attributes match the attributes that torchvision's code sets."""
    bases = [base for base in getattr(datasets, name).__mro__ if base.__module__.startswith("torchvision")]
    code = "".join(map(inspect.getsource, bases))

    assert re.search(r"self\.(samples|_image_files|_images)\b[^\n]*=", code)
    assert not re.search(r"self\.data\b[^\n]* = ", code)

"""Cache of features and pixels: kills, damage, full disks and several processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.progress import Progress
from torch import nn
from torch.nn import functional

from runfolio.errors import ConfigError
from runfolio.vision import TrainSettings
from runfolio.vision.batches import cache_budget
from runfolio.vision.batches.augment import Augmentation
from runfolio.vision.batches.cache_budget import CacheUnavailable, evict_to_fit, open_row_store, parse_size
from runfolio.vision.batches.cache_rows import RowStore, remove_unused
from runfolio.vision.batches.loaders import EpochOrder, PreparedImages, batch_loader
from runfolio.vision.batches.pixel_cache import CachedPixels
from runfolio.vision.data import load_data
from runfolio.vision.data.base import ImageSource
from runfolio.vision.data.files import ImageFiles
from runfolio.vision.data.transform import ImageTransform
from runfolio.vision.features import feature_cache
from runfolio.vision.features.feature_cache import CachedFeatures, FeatureCache, Views
from runfolio.vision.features.feature_computer import feature_computer
from runfolio.vision.loop.inputs import Inputs
from runfolio.vision.models import ModelSpec, build_model
from runfolio.vision.models.freezing import freeze_backbone, train_mode
from runfolio.vision.models.network_cut import cut_network
from runfolio.vision.prepare import prepare

from ..forked import Forked
from .photos import fill, picture
from .test_features import features_of
from .test_real_weights import PHOTOS, WEIGHTS

MORE_PHOTOS = PHOTOS.with_name("pizza_steak_sushi_20_percent.zip")
SPEC = ModelSpec(name="mobilenet_v3_small", channels=3, height=32, width=32, classes=2, hidden_units=1)


def ids(*numbers: int) -> list[bytes]:
    return [number.to_bytes(16, "little") for number in numbers]


def rows_of(*numbers: int, size: int = 100) -> np.ndarray:
    return np.stack([np.random.RandomState(number).randint(0, 256, size).astype(np.uint8) for number in numbers])


class TestRowStore:
    """Files of the cache (`cache_rows.py`)."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path / "rows"

    def test_added_rows_are_read_by_id(self, folder):
        rows = RowStore(folder, 100)
        rows.add(ids(1, 2, 3), rows_of(1, 2, 3))

        for opened in (rows, RowStore(folder, 100)):
            assert len(opened) == 3
            assert ids(4)[0] not in opened
            assert np.array_equal(opened.gather(opened.addresses_of(ids(3, 1, 3))), rows_of(3, 1, 3))
            assert opened.read(ids(4)[0]) is None

    def test_two_processes_read_each_others_rows(self, folder):
        one, other = RowStore(folder, 100), RowStore(folder, 100)
        one.add(ids(1), rows_of(1))
        other.add(ids(2), rows_of(2))
        one.add(ids(3), rows_of(3))

        for rows in (one, other):
            rows.refresh()
            assert np.array_equal(rows.gather(rows.addresses_of(ids(1, 2, 3))), rows_of(1, 2, 3))
        assert len(list(folder.glob("*.rows"))) == 2

    @pytest.mark.parametrize("cut", range(33))
    def test_truncated_index_keeps_its_complete_entries(self, folder, cut):
        RowStore(folder, 100).add(ids(1, 2), rows_of(1, 2))
        (index,) = folder.glob("*.index")
        os.truncate(index, 64 - cut)

        rows = RowStore(folder, 100)
        assert len(rows) == (2 if cut == 0 else 1)
        assert np.array_equal(rows.gather(rows.addresses_of(ids(1))), rows_of(1))

    def test_entry_beyond_the_end_of_the_rows_is_ignored(self, folder):
        RowStore(folder, 100).add(ids(1, 2), rows_of(1, 2))
        (file,) = folder.glob("*.rows")
        os.truncate(file, 150)

        rows = RowStore(folder, 100)
        assert ids(1)[0] in rows
        assert ids(2)[0] not in rows

    def test_flipped_byte_of_the_index_only_affects_one_row(self, folder):
        RowStore(folder, 100).add(ids(1, 2, 3), rows_of(1, 2, 3))
        (index,) = folder.glob("*.index")
        for offset in range(32, 64):
            whole = index.read_bytes()
            flip(index, offset)
            rows = RowStore(folder, 100)
            assert {row_id for row_id in ids(1, 2, 3) if row_id in rows} == set(ids(1, 3))
            index.write_bytes(whole)

    def test_damaged_row_is_noticed_and_replaced_for_all_processes(self, folder):
        RowStore(folder, 100).add(ids(1, 2), rows_of(1, 2))
        (file,) = folder.glob("*.rows")
        flip(file, 105)

        rows = RowStore(folder, 100)
        assert rows.drop_damaged(ids(1, 2)) == 1
        assert ids(2)[0] not in rows
        rows.add(ids(2), rows_of(2))

        for opened in (rows, RowStore(folder, 100)):
            assert opened.drop_damaged(ids(1, 2)) == 0
            assert np.array_equal(opened.gather(opened.addresses_of(ids(1, 2))), rows_of(1, 2))

    def test_addresses_are_valid_in_a_worker_process(self, folder):
        import pickle

        rows, other = RowStore(folder, 100), RowStore(folder, 100)
        other.add(ids(1), rows_of(1))
        rows.add(ids(2), rows_of(2))
        addresses = rows.addresses_of(ids(1, 2))

        assert np.array_equal(pickle.loads(pickle.dumps(rows)).gather(addresses), rows_of(1, 2))

    def test_a_folder_that_is_open_is_not_removed(self, folder):
        rows = RowStore(folder, 100)
        assert not remove_unused(folder)
        rows.close()
        assert remove_unused(folder)
        assert not folder.exists()

    def test_killed_process_leaves_only_complete_rows(self, folder):
        script = (
            "import sys; from pathlib import Path; import numpy as np\n"
            "from runfolio.vision.batches.cache_rows import RowStore\n"
            "rows = RowStore(Path(sys.argv[1]), 5000)\n"
            "for n in range(10**6):\n"
            "    numbers = range(8 * n, 8 * n + 8)\n"
            "    rows.add([i.to_bytes(16, 'little') for i in numbers],\n"
            "             np.stack([np.full(5000, i % 251, np.uint8) for i in numbers]))\n"
            "    if n == 3: print('going', flush=True)\n"
        )
        for kill in range(3):
            with subprocess.Popen([sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE) as process:
                assert process.stdout is not None
                process.stdout.readline()
                time.sleep(0.01 * kill)
                process.kill()
            rows = RowStore(folder, 5000)
            every = [number for number in range(10**4) if number.to_bytes(16, "little") in rows]
            assert len(every) == len(rows) >= 32
            assert rows.drop_damaged(ids(*every)) == 0
            gathered = rows.gather(rows.addresses_of(ids(*every)))
            assert np.array_equal(gathered, np.repeat(np.array(every)[:, None] % 251, 5000, axis=1))

    def test_full_disk_keeps_complete_rows(self, folder, python):
        script = (
            "import resource, signal, sys; from pathlib import Path; import numpy as np\n"
            "from runfolio.vision.batches.cache_rows import RowStore\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (12_050, 12_050))\n"
            "rows = RowStore(Path(sys.argv[1]), 5000)\n"
            "rows.add([bytes(16)], np.ones((1, 5000), np.uint8))\n"
            "try:\n"
            "    rows.add([b'%016d' % n for n in range(9)], np.ones((9, 5000), np.uint8))\n"
            "except OSError:\n"
            "    print(len(rows), rows.drop_damaged([bytes(16)]))\n"
        )
        assert python(script, folder).stdout == "1 0\n"
        assert len(RowStore(folder, 5000)) == 1


def flip(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


class TestRoom:
    """Budget of the cache (`cache_budget.py`)."""

    def filled(self, name: str, used: float) -> RowStore:
        """Return a folder of slightly more than 10,000 bytes."""
        rows = open_row_store("features", {"name": name}, 1000)
        rows.add(ids(*range(10)), rows_of(*range(10), size=1000))
        os.utime(rows.folder / ".lock", (used, used))
        return rows

    def test_least_recently_used_rows_are_evicted_unless_open(self, monkeypatch):
        opened = self.filled("open", used=1)
        middle, newest, oldest = (self.filled(name, used) for name, used in (("m", 3), ("n", 4), ("o", 2)))
        for rows in (middle, newest, oldest):
            rows.close()
        monkeypatch.setenv("RUNFOLIO_CACHE_BUDGET", "45kB")

        assert evict_to_fit(10_000) == 10_000
        assert [rows.folder.exists() for rows in (opened, oldest, middle, newest)] == [True, False, True, True]

        left = [opened, middle, newest]
        assert evict_to_fit(50_000) == 45_000 - sum(size_of(rows.folder) for rows in left)
        assert all(rows.folder.exists() for rows in left), "removed for what does not fit anyway"

        monkeypatch.setenv("RUNFOLIO_CACHE_BUDGET", "0")
        assert evict_to_fit(1) == 0

    def test_reserved_disk_space_is_not_used(self, monkeypatch):
        self.filled("a", used=1).close()
        monkeypatch.setattr(cache_budget, "RESERVED_BYTES", 10**18)

        assert evict_to_fit(1) == 0

    def test_interrupted_removal_is_finished(self, cache):
        left = cache / "features" / ".tmp-1234-abc"
        left.mkdir(parents=True)
        (left / "1.rows").write_bytes(bytes(10))

        evict_to_fit(1)

        assert not left.exists()

    @pytest.mark.parametrize(
        ("text", "size"),
        [("5GB", 5 * 10**9), ("500 mb", 5 * 10**8), ("1.5T", 1.5 * 10**12), ("10kB", 10**4), ("0", 0), ("7 B", 7)],
    )
    def test_sizes_have_the_usual_units(self, text, size):
        assert parse_size(text) == size

    @pytest.mark.parametrize("text", ["", "5 apples", "GB", "-1GB", "5GBs"])
    def test_invalid_size_is_refused(self, text):
        with pytest.raises(ConfigError, match="is not a size; give a number followed by kB, MB, GB"):
            parse_size(text)


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


@pytest.fixture
def food(tmp_path: Path) -> ImageSource:
    return load_data(f"folder:{fill(tmp_path / 'food', {'pizza': 12, 'sushi': 12})}")


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    model = build_model(SPEC)
    freeze_backbone(model)
    return model


class Counting(Progress):
    """Progress display that counts the images whose features are computed."""

    def __init__(self) -> None:
        super().__init__(disable=True)
        self.computed = 0

    def add_task(self, description: str, *args, **fields):
        if description.startswith("features"):
            self.computed += fields["total"]
        return super().add_task(description, *args, **fields)


def transform_of(source: ImageSource, size: int = 32) -> ImageTransform:
    return ImageTransform.for_source(source, image_size=size)


def cached(model: nn.Module, source: ImageSource, **options) -> tuple[CachedFeatures, int]:
    """Return the features of the training images, and the number of features that were computed."""
    progress = Counting()
    opened = FeatureCache(model, SPEC, transform_of(source), progress=progress, **options)
    return opened.features_of(source.train, np.arange(len(source.train))), progress.computed


def through(model: nn.Module, features: CachedFeatures) -> torch.Tensor:
    return torch.stack([row for row, _ in features.__getitems__(range(len(features)))])


def expected(model: nn.Module, source: ImageSource) -> torch.Tensor:
    """Return the input of the head, computed image by image."""
    got: list[torch.Tensor] = []
    hook = model.get_submodule("classifier.2").register_forward_pre_hook(lambda module, inputs: got.append(inputs[0]))
    transform = transform_of(source)
    images = PreparedImages(source.train, np.arange(len(source.train)), transform)
    with torch.no_grad():
        for image, _ in (images[index] for index in range(len(images))):
            model.eval()(transform.normalised(image.unsqueeze(0)))
    hook.remove()
    return torch.cat(got)


def test_features_of_the_network_are_computed_once_for_all_runs(model, food):
    features, computed = cached(model, food)
    assert computed == len(food.train) == len(features)
    torch.testing.assert_close(through(model, features), expected(model, food), rtol=1e-4, atol=1e-5)
    assert [label for _, label in features.__getitems__(range(len(features)))] == food.train.labels.tolist()

    again, computed = cached(model, food)
    assert computed == 0
    assert torch.equal(through(model, again), through(model, features))


@pytest.mark.parametrize("precision", ["32", "bf16"])
@pytest.mark.parametrize("name", ["mobilenet_v2", "swin_t"])
def test_features_do_not_depend_on_batch_or_number_of_threads(name, precision):
    spec = replace(SPEC, name=name)
    torch.manual_seed(0)
    model = build_model(spec)
    freeze_backbone(model)
    transform = ImageTransform(channels=3, height=32, width=32, mean=(0.5,) * 3, std=(0.25,) * 3)
    pixels = list(torch.randint(0, 256, (17, 3, 32, 32), dtype=torch.uint8))
    cut = cut_network(model, spec.image_shape)

    def computed(indices: Sequence[int], threads: int = 1) -> np.ndarray:
        torch.set_num_threads(threads)
        try:
            with feature_computer(cut, model, transform, precision) as compute:
                return compute([pixels[index] for index in indices])
        finally:
            assert torch.get_num_threads() == threads
            torch.set_num_threads(1)

    together = computed(range(17))
    alone = np.concatenate([computed([index]) for index in (0, 7, 16)])
    assert np.array_equal(alone, together[[0, 7, 16]])
    mixed = np.random.RandomState(0).permutation(17)[:11]
    assert np.array_equal(computed(mixed.tolist()), together[mixed])
    assert np.array_equal(computed(range(17), threads=3), together)


def test_features_are_shared_across_heads_but_not_backbones(model, food):
    cached(model, food)
    torch.manual_seed(5)
    with torch.no_grad():
        model.get_submodule("classifier.3").weight.normal_()  # type: ignore[operator,union-attr]
    assert cached(model, food)[1] == 0

    assert cached(model, food, precision="bf16")[1] == len(food.train)
    with torch.no_grad():
        next(model.parameters())[0, 0, 0, 0] += 1
    assert cached(model, food)[1] == len(food.train)
    opened = FeatureCache(
        model, SPEC, transform_of(food).with_normalisation((0.5,), (0.5,)), progress=(p := Counting())
    )
    opened.features_of(food.train, np.arange(3))
    assert p.computed == 3


def test_only_new_and_changed_images_are_computed(model, food, tmp_path):
    cached(model, food)
    assert isinstance(food.train, ImageFiles)
    picture(77).save(food.train.path(0))
    (food.train.root / "sushi" / "copy.png").write_bytes(food.train.path(1).read_bytes())

    source = load_data(f"folder:{food.train.root}")
    progress = Counting()
    opened = FeatureCache(model, SPEC, transform_of(source), progress=progress)
    opened.features_of(source.train, np.arange(len(source.train)))
    opened.features_of(source.test, np.arange(len(source.test)))

    test_images = len(food.test)
    assert progress.computed in range(1, test_images + 2)  # the changed image, and those that were not requested before


def test_only_damaged_rows_are_computed_again(model, food, cache):
    features, _ = cached(model, food)
    before = through(model, features)
    (file,) = (cache / "features").glob("*/*.rows")
    (index,) = (cache / "features").glob("*/*.index")
    flip(file, 10)
    flip(index, 32 * 5 + 3)
    os.truncate(file, file.stat().st_size - 1)

    again, computed = cached(model, food)

    assert computed == 3
    torch.testing.assert_close(through(model, again), before, rtol=1e-4, atol=1e-5)


def test_unwritable_or_too_small_cache_is_reported(model, food, tmp_path, monkeypatch):
    monkeypatch.setenv("RUNFOLIO_CACHE_BUDGET", "1kB")
    with pytest.raises(CacheUnavailable, match=r"the features of 20 images take 0.0819 MB, but the cache budget"):
        cached(model, food)

    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("RUNFOLIO_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(CacheUnavailable, match=r"cannot be used: Not a directory"):
        cached(model, food)


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Mount the cache with these options. A further call mounts it again with different options."""
    mount_point = tmp_path / "disk"
    mount_point.mkdir()
    monkeypatch.setenv("RUNFOLIO_CACHE", str(mount_point))

    def mount(options: str) -> None:
        if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", mount_point], capture_output=True).returncode:
            pytest.skip("no disk can be mounted here")

    yield mount
    subprocess.run(["umount", mount_point], capture_output=True)


def test_read_only_cache_serves_its_rows(model, food, mounted):
    mounted("size=2g")
    cached(model, food)
    mounted("remount,ro")

    assert cached(model, food)[1] == 0
    opened = FeatureCache(model, SPEC, transform_of(food))
    with pytest.raises(CacheUnavailable, match="cannot be written: Read-only file system"):
        opened.features_of(food.test, np.arange(len(food.test)))
    with pytest.raises(CacheUnavailable, match="cannot be used: Read-only file system"):
        cached(model, food, precision="bf16")


def test_full_disk_is_reported_and_written_rows_are_used(model, food, mounted, monkeypatch):
    monkeypatch.setattr(cache_budget, "RESERVED_BYTES", -(10**9))  # as if other processes had filled the disk
    monkeypatch.setattr(feature_cache, "_BATCH", 2)
    mounted("size=80k")

    with pytest.raises(CacheUnavailable, match="cannot be written: No space left on device"):
        cached(model, food)

    mounted("remount,size=2g")
    computed = cached(model, food)[1]
    assert 0 < computed < len(food.train)


def test_a_network_that_cannot_be_cut_is_not_cached(food, model):
    with pytest.raises(
        CacheUnavailable, match=r"mobilenet_v3_small cannot be cut: its output does not come from a layer"
    ):
        FeatureCache(model.requires_grad_(False), SPEC, transform_of(food))


def test_views_equal_the_augmented_images_of_the_epochs(model, food):
    views = Views(count=2, augment="flip-crop", seed=7)
    features, computed = cached(model, food, views=views)
    assert computed == 2 * len(food.train)
    assert cached(model, food, views=Views(count=3, augment="flip-crop", seed=7))[1] == len(food.train)

    transform = transform_of(food)
    changes = Augmentation("flip-crop", height=32, width=32, seed=7)
    order = EpochOrder(len(features), 4, seed=1)
    opened = FeatureCache(model, SPEC, transform, views=views)
    for epoch in range(4):
        order.begin(epoch)
        samples = next(iter(order))
        rows = torch.stack([row for row, _ in features.__getitems__(samples)])
        images = torch.stack(
            [
                transform.normalised(
                    changes(transform.pixels(food.train.image(sample.position)), epoch=epoch % 2, index=sample.position)
                )
                for sample in samples
            ]
        )
        with torch.no_grad():
            torch.testing.assert_close(rows, features_of(opened.cut, model, images), rtol=1e-4, atol=1e-5)


def trained(
    network: Callable[[], nn.Module], spec: ModelSpec, source: ImageSource, transform: ImageTransform, **how
) -> dict[str, torch.Tensor]:
    """Return the weights after a short training of the head, on cached features or through the whole network."""
    on_features, workers, images = how["on_features"], how["workers"], how["images"]
    chosen = np.arange(0, len(source.train), len(source.train) // images)
    torch.manual_seed(0)
    model = network()
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    opened = FeatureCache(model, spec, transform)
    data = opened.features_of(source.train, chosen) if on_features else AsVisited(source, chosen, transform)
    order = EpochOrder(len(chosen), 5, seed=3)
    loader = batch_loader(data, workers=workers, seed=3, order=order)
    inputs = Inputs(transform)
    torch.manual_seed(1)
    train_mode(model, frozen_backbone=True)
    with opened.cut.head_alone(model) if on_features else nullcontext():
        for epoch in range(3):
            order.begin(epoch)
            for batch, labels in loader:
                optimizer.zero_grad()
                functional.cross_entropy(model(inputs(batch)), labels).backward()
                optimizer.step()
    return model.state_dict()


def check_the_same_head(*what, **how) -> None:
    """Check that heads trained with the same seed are equal up to float tolerance."""
    through_network, on_features = (trained(*what, **how, on_features=on) for on in (False, True))
    for key, tensor in through_network.items():
        torch.testing.assert_close(on_features[key], tensor, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("workers", [0, 2])
def test_head_trained_on_features_equals_one_trained_on_images(food, workers):
    def network() -> nn.Module:
        model = build_model(SPEC)
        freeze_backbone(model)
        return model

    check_the_same_head(network, SPEC, food, transform_of(food), workers=workers, images=len(food.train))


@pytest.mark.skipif(not (WEIGHTS.exists() and PHOTOS.exists()), reason="no real weights and photographs here")
def test_head_on_real_features_equals_one_on_real_photos():
    prepared = prepare(real(PHOTOS, image_size=128))
    check_the_same_head(prepared.network, prepared.spec, prepared.source, prepared.transform, workers=0, images=20)


def real(data: Path, image_size: int) -> TrainSettings:
    return TrainSettings(
        data=f"zip:{data}",
        model="mobilenet_v2",
        weights=str(WEIGHTS),
        freeze_backbone=True,
        image_size=image_size,
        val_fraction=0,
        device="cpu",
    )


class AsVisited(torch.utils.data.Dataset):
    """Data set of the images, indexed by sample."""

    def __init__(self, source: ImageSource, chosen: np.ndarray, transform: ImageTransform) -> None:
        self._images = PreparedImages(source.train, chosen, transform)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, sample):
        return self._images[sample.position]


FILLING = """
import sys, numpy as np, torch
from runfolio.vision.features.feature_cache import FeatureCache
from runfolio.vision.data import load_data
from runfolio.vision.data.transform import ImageTransform
from runfolio.vision.models import ModelSpec, build_model
from runfolio.vision.models.freezing import freeze_backbone
from runfolio.vision.features import feature_cache
feature_cache._BATCH = 4
torch.set_num_threads(1)
torch.manual_seed(0)
spec = ModelSpec(name="mobilenet_v3_small", channels=3, height=32, width=32, classes=2, hidden_units=1)
model = build_model(spec)
freeze_backbone(model)
source = load_data("folder:" + sys.argv[1])
computed = 0
class Telling(FeatureCache):
    def _add(self, ids, pixels, compute):
        def telling(pixels):
            global computed
            computed += len(pixels)
            print("computing", flush=True)
            return compute(pixels)
        super()._add(ids, pixels, telling)
opened = Telling(model, spec, ImageTransform.for_source(source, image_size=32))
print("open", flush=True)
sys.stdin.readline()
found = opened.features_of(source.train, np.arange(len(source.train)))
print(computed, float(sum(row.double().sum() for row, _ in found.__getitems__(range(len(found))))))
"""


class Filling:
    """Process that fills the cache after a signal to start."""

    def __init__(self, forked: Forked, source: ImageSource) -> None:
        assert isinstance(source.train, ImageFiles)
        (stdin, self._go), (said, stdout) = os.pipe(), os.pipe()
        self.said = os.fdopen(said)
        with os.fdopen(stdin) as commands, os.fdopen(stdout, "w") as output:
            words = ["-W", "error", "-c", FILLING, source.train.root]
            self.process = forked.start(*words, cwd=source.train.root, stdin=commands, stdout=output)

    def go(self) -> None:
        os.write(self._go, b"go\n")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.said.close()
        os.close(self._go)


def test_two_processes_share_the_computation_of_features(food, forked):
    with closing(Filling(forked, food)) as one, closing(Filling(forked, food)) as other:
        for filling in (one, other):
            assert filling.said.readline() == "open\n"
        for filling in (one, other):
            filling.go()
        said = [filling.said.read().splitlines()[-1].split() for filling in (one, other)]

    assert sum(int(computed) for computed, _ in said) == len(food.train)
    assert said[0][1] == said[1][1]


def test_features_finished_before_a_kill_are_not_recomputed(food, model, forked):
    with closing(Filling(forked, food)) as filling:
        filling.go()
        for line in ("open\n", "computing\n", "computing\n", "computing\n"):
            assert filling.said.readline() == line

    features, computed = cached(model, food)
    assert computed in (len(food.train) - 8, len(food.train) - 12)
    torch.testing.assert_close(through(model, features), expected(model, food), rtol=1e-4, atol=1e-5)


class TestPixels:
    @pytest.fixture
    def images(self, food) -> ImageFiles:
        assert isinstance(food.train, ImageFiles)
        return food.train

    def test_each_image_is_decoded_once(self, food, images):
        transform = transform_of(food)
        first = CachedPixels(images, transform)
        seen = [first.pixels(index) for index in range(len(images))]
        other = CachedPixels(images, transform)
        for path in (images.path(index) for index in range(len(images))):
            path.unlink()

        for index, pixels in enumerate(seen):
            assert torch.equal(other.pixels(index), pixels)
            assert pixels.dtype == torch.uint8
            assert pixels.shape == (3, 32, 32)

    def test_cached_pixels_do_not_depend_on_the_normalisation(self, food, images):
        transform = transform_of(food)
        pixels = CachedPixels(images, transform)
        for index in (0, 5, 0):
            assert torch.equal(pixels.pixels(index), transform.pixels(images.image(index)))

        images.path(0).unlink()
        other = transform.with_normalisation((0.5,), (0.5,))
        shared = CachedPixels(ImageFiles(images.root, images.names[5:6], images.labels[5:6]), other)
        images.path(5).unlink()
        assert torch.equal(shared.pixels(0), pixels.pixels(5))

    def test_worker_processes_share_what_they_decode(self, food, images):
        prepared = CachedPixels(images, transform_of(food))
        loader = torch.utils.data.DataLoader(AsDataset(prepared), batch_size=3, num_workers=2)
        once = torch.cat(list(loader))
        for index in range(len(images)):
            images.path(index).unlink()

        assert torch.equal(torch.cat(list(loader)), once)

    def test_a_damaged_row_is_decoded_again(self, food, images, cache):
        pixels = CachedPixels(images, transform_of(food))
        before = pixels.pixels(0)
        (file,) = (cache / "pixels").glob("*/*.rows")
        flip(file, 100)

        again = CachedPixels(images, transform_of(food))
        assert torch.equal(again.pixels(0), before)
        later = CachedPixels(images, transform_of(food))
        images.path(0).unlink()
        assert torch.equal(later.pixels(0), before)

    def test_all_processes_cache_the_same_share_of_images(self, food, images, cache, monkeypatch):
        row = 3 * 32 * 32
        monkeypatch.setenv("RUNFOLIO_CACHE_BUDGET", str(9 * row + 2000))
        pixels = CachedPixels(images, transform_of(food))
        assert 0.3 < pixels.share < 0.7

        for _ in range(2):
            for index in range(len(images)):
                pixels.pixels(index)

        stored = sum(file.stat().st_size for file in (cache / "pixels").glob("*/*.rows")) / row
        assert 0 < stored < len(images)
        assert stored == len(pixels._rows)


class AsDataset(torch.utils.data.Dataset):
    def __init__(self, pixels: CachedPixels) -> None:
        self._pixels = pixels

    def __len__(self) -> int:
        return len(self._pixels)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self._pixels.pixels(index)


@pytest.mark.skipif(
    not (WEIGHTS.exists() and PHOTOS.exists() and MORE_PHOTOS.exists()),
    reason="no real weights and photographs beside this checkout",
)
def test_common_images_of_two_data_sets_are_computed_once():
    def computed(data: Path) -> int:
        prepared = prepare(real(data, image_size=32))
        opened = FeatureCache(prepared.network(), prepared.spec, prepared.transform, progress=(progress := Counting()))
        opened.features_of(prepared.source.train, prepared.train)
        return progress.computed

    assert computed(MORE_PHOTOS) == 450
    assert computed(PHOTOS) == 225 - 195


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_features_of_20000_images_take_bounded_memory(tmp_path, fresh_python):
    script = (
        "import os, resource, sys\nfrom pathlib import Path\n"
        "import numpy as np\nfrom PIL import Image\n"
        "base = np.random.RandomState(0).randint(0, 256, (64, 64, 3)).astype(np.uint8)\n"
        "for n in range(20_000):\n"
        "    place = Path(sys.argv[1]) / 'ab'[n % 2]\n"
        "    place.mkdir(parents=True, exist_ok=True)\n"
        "    base[0, :3, 0] = n % 256, n // 256, 7\n"
        "    Image.fromarray(base).save(place / f'{n}.png', compress_level=0)\n"
    )
    folder = tmp_path / "many"
    assert fresh_python(script, folder).returncode == 0
    measured = (
        FILLING.replace("features._BATCH = 4\n", "")
        .replace('print("open", flush=True)', 'before = peak(); print("open", flush=True)')
        .replace(
            "import sys,",
            "import resource\npeak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000\nimport sys,",
        )
    )
    measured += "\nprint(before, peak())\n"
    done = subprocess.run([sys.executable, "-c", measured, str(folder)], input="go\n", capture_output=True, text=True)
    before, after = map(int, done.stdout.splitlines()[-1].split())
    print(f"peak before {before} MB, after {after} MB")
    assert after - before < 300

"""Inspection of images before training: unusual ones are accepted, bad ones refused or skipped."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.progress import Progress

import runfolio
from runfolio.errors import DamagedFile
from runfolio.vision import TrainSettings, run_experiment
from runfolio.vision.data import load_data
from runfolio.vision.data.files import ImageFiles
from runfolio.vision.data.inspection import inspect_images
from runfolio.vision.data.transform import ImageTransform
from runfolio.vision.loop.notices import TrainingWarning

from .photos import fill, picture


@pytest.fixture
def food(tmp_path: Path) -> Path:
    return fill(tmp_path / "food", {"pizza": 10, "sushi": 10})


def truncated(path: Path) -> str:
    picture(1, 200, 200).save(path, format="jpeg")
    path.write_bytes(path.read_bytes()[:5000])
    return "cannot be read as an image: image file is truncated"


def web_page(path: Path) -> str:
    path.write_text("<html>404</html>")
    return "is not an image of a known format"


def empty(path: Path) -> str:
    path.write_bytes(b"")
    return "is not an image of a known format"


def bomb(path: Path) -> str:
    Image.new("1", (10_000, 9_000)).save(path, format="png")
    return "claims 10,000 x 9,000 pixels"


def dead_link(path: Path) -> str:
    path.symlink_to("nowhere")
    return "cannot be read: the link is broken"


def pipe(path: Path) -> str:
    os.mkfifo(path)
    return "is not a file"


@pytest.mark.parametrize("spoil", [truncated, web_page, empty, bomb, dead_link, pipe])
def test_bad_image_is_named_with_the_reason(food, spoil):
    path = food / "pizza" / "bad.jpg"
    reason = spoil(path)

    with pytest.raises(DamagedFile) as refusal:
        load_data(f"folder:{food}")

    assert str(refusal.value).startswith(f"{path} {reason}")
    assert str(refusal.value).endswith("repair or remove the file, or give --skip-bad-images")


def test_bad_images_are_skipped_on_request(food):
    truncated(food / "pizza" / "bad.jpg")
    web_page(food / "sushi" / "page.png")

    source = load_data(f"folder:{food}", skip_bad_images=True)

    assert len(source.train) + len(source.test) == 20
    assert sorted(Path(line.split()[0]).name for line in source.bad_images) == ["bad.jpg", "page.png"]


def test_many_bad_images_are_counted(food):
    for number in range(5):
        web_page(food / "sushi" / f"page{number}.png")

    with pytest.raises(DamagedFile, match=r"page\d.png is not an image .* \(and 4 more\); repair"):
        load_data(f"folder:{food}")


def test_class_without_readable_images_is_refused(tmp_path):
    fill(tmp_path / "train", {"pizza": 2, "sushi": 2})
    fill(tmp_path / "test", {"pizza": 2, "sushi": 1}, seed=50)
    web_page(tmp_path / "test" / "sushi" / "0.png")

    with pytest.raises(DamagedFile, match=r"class 'sushi' has no test image that can be read; .*0.png"):
        load_data(f"folder:{tmp_path}", skip_bad_images=True)


def test_unusual_images_are_accepted(food):
    sideways = Image.Exif()
    sideways[0x0112] = 6
    colours = picture(3, 20, 10)
    colours.convert("RGBA").save(food / "pizza" / "transparent.png")
    colours.convert("CMYK").save(food / "pizza" / "print.jpg")
    colours.convert("L").save(food / "pizza" / "grey.jpg")
    colours.resize((1, 1)).save(food / "pizza" / "dot.png")
    colours.save(food / "pizza" / "sideways.jpg", exif=sideways)
    colours.save(food / "sushi" / "moving.gif", save_all=True, append_images=[picture(4, 20, 10)])
    Image.fromarray(np.arange(200, dtype=np.uint16).reshape(10, 20) * 300).save(food / "sushi" / "deep.png")

    source = load_data(f"folder:{food}")
    transform = ImageTransform.for_source(source)

    for images in (source.train, source.test):
        for index in range(len(images)):
            assert transform(images.image(index)).shape == (3, 224, 224)
    assert len(source.train) + len(source.test) == 27


class Counting(Progress):
    """Progress display that counts the files that are read."""

    read = 0

    def advance(self, task_id, advance=1):
        self.read += 1
        super().advance(task_id, advance)


def look_at(food: Path) -> int:
    with Counting(disable=True) as progress:
        load_data(f"folder:{food}", progress=progress)
        assert progress.tasks == []
    return progress.read


def test_image_is_only_read_again_after_a_change(food):
    assert look_at(food) == 20
    assert look_at(food) == 0

    picture(99).save(food / "pizza" / "0.png")
    os.utime(food / "pizza" / "1.png", ns=(1, 1))

    assert look_at(food) == 2


def test_image_damaged_later_is_detected(food):
    look_at(food)
    web_page(food / "pizza" / "0.png")

    with pytest.raises(DamagedFile, match=r"pizza/0.png"):
        look_at(food)


@pytest.mark.parametrize("damage", [b"", b"nonsense", b"\xff" * 100])
def test_deleted_inspections_are_repeated(food, cache, damage):
    look_at(food)
    for path in (cache / "images").iterdir():
        path.write_bytes(damage)

    assert look_at(food) == 20


def test_flipped_bit_in_the_cache_is_detected(food, cache):
    web_page(food / "pizza" / "0.png")
    for _ in range(2):
        with pytest.raises(DamagedFile):
            load_data(f"folder:{food}")
    (path,) = [path for path in (cache / "images").iterdir() if b"not an image" in path.read_bytes()]
    path.write_bytes(path.read_bytes().replace(b'"width"', b'"w1dth"').replace(b"not an image", b"now an image"))

    with pytest.raises(DamagedFile, match="not an image"):
        load_data(f"folder:{food}")


def test_images_are_inspected_each_time_without_a_cache_folder(food, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("RUNFOLIO_CACHE", str(tmp_path / "file" / "cache"))

    assert [look_at(food), look_at(food)] == [20, 20]


def test_equal_files_have_equal_digests(food):
    (food / "sushi" / "copy.png").write_bytes((food / "pizza" / "0.png").read_bytes())
    names = ("pizza/0.png", "pizza/1.png", "sushi/copy.png")

    first, other, copy = inspect_images(ImageFiles(food, names, np.zeros(3, dtype=np.int64)))

    assert first.digest == copy.digest != other.digest
    assert (first.width, first.height, first.mode, first.problem) == (12, 8, "RGB", "")


def test_run_reports_the_number_of_skipped_bad_images(food, store):
    web_page(food / "sushi" / "page.png")
    settings = TrainSettings(
        data=f"folder:{food}", skip_bad_images=True, image_size=8, hidden_units=4, epochs=1, device="cpu"
    )

    with pytest.warns(TrainingWarning, match=r"left out 1 image that cannot be read: .*page.png is not an image"):
        folder = run_experiment(settings, store=store)

    run = runfolio.open(store).run(folder)
    assert run.flat_summary["bad_images"] == 1
    assert run.experiment == "food"
    media = [json.loads(line) for path in (folder / "media").glob("*.jsonl") for line in path.read_text().splitlines()]
    assert any("page.png" in entry.get("text", "") for entry in media if entry.get("name") == "bad images")

"""Figure of training images: as stored, as the network sees them, augmented."""

import numpy as np
import torch
from PIL import Image

from runfolio.vision.drawing.training_batch import batch_pictures, draw_batch
from runfolio.vision.prepare import prepare


def test_images_are_taken_from_each_class_in_turn(tiny):
    batch = batch_pictures(prepare(tiny()), images=20)

    assert batch.classes == list("0123456789") * 2
    assert [len(pictures) for pictures in batch.rows.values()] == [20, 20]


def test_figure_shows_the_pixels_that_the_network_gets(tiny):
    preparation = prepare(tiny(image_size=12))

    stored, seen = batch_pictures(preparation, images=3).rows.values()

    assert {picture.size for picture in seen} == {(12, 12)}
    for before, after in zip(stored, seen, strict=True):
        normalised = preparation.transform.normalised(torch.from_numpy(np.array(after)[None]))
        assert torch.equal(normalised, preparation.transform(before))


def test_augmented_rows_equal_those_of_the_training(tiny):
    preparation = prepare(tiny(augment="trivial"))

    (_, _, first, second), again = batch_pictures(preparation).rows.values(), batch_pictures(preparation).rows
    other = batch_pictures(prepare(tiny(augment="trivial", seed=7))).rows

    assert list(again) == ["as stored", "tinyvgg sees\n8 x 8", "trivial\nepoch 1", "trivial\nepoch 2"]
    assert first == again["trivial\nepoch 1"]
    assert first != second
    assert first != other["trivial\nepoch 1"]


def test_figure_of_fewer_images_is_drawn(tiny, tmp_path):
    drawn = draw_batch(prepare(tiny()), tmp_path / "new" / "batch.png", images=1)

    with Image.open(drawn) as picture:
        assert picture.width < picture.height

"""Boxes on images for TensorBoard: whatever a record says, an image is shown."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from runfolio.events.drawn_boxes import draw_boxes
from runfolio.record.content import picture_bounds


def png(mode: str = "L") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (60, 40)).save(buffer, "PNG")
    return buffer.getvalue()


def pixel(content: bytes, x: int, y: int) -> Any:
    with Image.open(io.BytesIO(content)) as image:
        return image.getpixel((x, y))


def test_groups_of_boxes_have_colors_of_their_own():
    boxes = [{"box": [5, 5, 20, 20], "group": "truth"}, {"box": [30, 5, 50, 20], "group": "predicted"}]
    drawn = draw_boxes(png("I;16"), boxes)
    assert (pixel(drawn, 5, 10), pixel(drawn, 30, 10), pixel(drawn, 10, 10)) == ((255, 0, 0), (0, 255, 0), (0, 0, 0))


def test_labels_and_edges_of_any_kind_are_drawn():
    box = {"box": [50, 30, 10, 1e300], "label": "two\nlines \u4e2d " * 100, "score": float("nan")}
    assert pixel(draw_boxes(png(), [box]), 10, 35) == (255, 0, 0)


def test_image_that_cannot_be_decoded_stays_as_it_is(monkeypatch: pytest.MonkeyPatch):
    boxes = [{"box": [1, 2, 3, 4]}]
    assert draw_boxes(png()[:60], boxes) == png()[:60]
    monkeypatch.setattr(picture_bounds, "MAX_DECODED_BYTES", 1000)
    assert draw_boxes(png(), boxes) == png()

"""Grid of images with captions. Every run draws such grids, so they are drawn with Pillow and without matplotlib."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont, ImageOps

from runfolio.vision.data.pictures import ValueRange, to_channels

_CELL, _CAPTION, _GAP, _COLUMNS = 112, 16, 8, 8
_LETTERS = 18
_SHARP_PIXELS = 56
INK, RIGHT, WRONG = "#3d4451", "#1a7f37", "#c62828"


class CaptionedImage(NamedTuple):
    image: Image.Image
    caption: str
    second_line: str = ""
    color: str = INK


def captioned_grid(cells: Sequence[CaptionedImage], value_range: ValueRange | None = None) -> Image.Image:
    """Draw images of any size and mode with up to two lines of text below each.

    Args:
        value_range: Values that become black and white in images with more than 8 bits per channel.
    """
    lines = 2 if any(cell.second_line for cell in cells) else 1
    columns = min(_COLUMNS, len(cells))
    width, height = _CELL + _GAP, _CELL + lines * _CAPTION + _GAP
    grid = Image.new("RGB", (columns * width + _GAP, math.ceil(len(cells) / columns) * height + _GAP), "white")
    draw, font = ImageDraw.Draw(grid), ImageFont.load_default(12)
    for number, cell in enumerate(cells):
        left, top = _GAP + number % columns * width, _GAP + number // columns * height
        picture = to_channels(cell.image, 3, value_range)
        is_small = max(picture.size) <= _SHARP_PIXELS
        resampling = Image.Resampling.NEAREST if is_small else Image.Resampling.BILINEAR
        picture = ImageOps.contain(picture, (_CELL, _CELL), resampling)
        grid.paste(picture, (left + (_CELL - picture.width) // 2, top + (_CELL - picture.height) // 2))
        draw.rectangle((left - 1, top - 1, left + _CELL, top + _CELL), outline=cell.color)
        for line, text in enumerate((cell.caption, cell.second_line)):
            position = (left, top + _CELL + 2 + line * _CAPTION)
            draw.text(position, _shortened(text), fill=cell.color, font=font)
    return grid


def _shortened(text: str) -> str:
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 3]}..."

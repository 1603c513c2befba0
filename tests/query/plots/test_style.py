"""Colours of plots."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np

import runfolio.board
from runfolio.query.plots.style import COLOURS

PAGE_COLOURS = (Path(runfolio.board.__file__).parent / "web/colours.js").read_text()
DEFICIENCIES = {
    "none": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
"""Source: Machado, Oliveira and Fernandes, A Physiologically-based Model for Simulation of Color Vision Deficiency
(2009), severity 1."""


def linear_rgb(colour: str) -> np.ndarray:
    values = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def oklab(rgb: np.ndarray) -> np.ndarray:
    """Source: Ottosson, A perceptual color space for image processing (2020)."""
    cone = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    lab = np.array(
        [
            [0.2104542553, 0.793617785, -0.0040720468],
            [1.9779984951, -2.428592205, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.808675766],
        ]
    )
    return lab @ np.cbrt(cone @ np.clip(rgb, 0, 1))


def test_figures_have_the_colours_of_the_board() -> None:
    row = re.search(r'light: \[("#.*?)\]', PAGE_COLOURS)

    assert row is not None
    assert tuple(re.findall(r"#\w{6}", row[1])) == COLOURS


def test_any_two_colours_differ_for_colour_blind_readers_too() -> None:
    for matrix in DEFICIENCIES.values():
        seen = [oklab(np.asarray(matrix) @ linear_rgb(colour)) for colour in COLOURS]
        assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 0.09


def test_colours_have_a_contrast_of_three_on_white() -> None:
    for colour in COLOURS:
        luminance = np.dot([0.2126, 0.7152, 0.0722], linear_rgb(colour))
        assert 1.05 / (luminance + 0.05) >= 3

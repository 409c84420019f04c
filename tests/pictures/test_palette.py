"""The colours of all pictures, as people see them who lack one kind of cone.

Source of the simulation: Machado, Oliveira & Fernandes 2009, severity 1.0, for linear RGB.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from netspec.pictures.palette import COLORS

SEEN = {
    "all": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def linear(color: str) -> np.ndarray:
    value = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of linear RGB, white D65."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ rgb.clip(0, 1)
    x, y, z = np.cbrt(xyz / [0.9505, 1.0, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("eyes", SEEN)
def test_any_two_colours_differ(eyes: str) -> None:
    seen = [lab(SEEN[eyes] @ linear(color)) for color in COLORS]
    assert min(float(np.linalg.norm(one - other)) for one, other in combinations(seen[:6], 2)) > 12  # CIE 1976


def test_every_colour_can_be_seen_on_white_and_on_black() -> None:
    luminances = [float([0.2126, 0.7152, 0.0722] @ linear(color)) for color in COLORS]
    assert min(1.05 / (one + 0.05) for one in luminances) > 2.2
    assert min((one + 0.05) / (0.0075 + 0.05) for one in luminances) > 3.0  # on #14171b

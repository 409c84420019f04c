"""The worst samples of a test, and their pictures."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from netspec.training.judging.worst import Worst, thumbnail


def test_the_worst_in_whatever_blocks() -> None:
    losses = np.array([1.0, 5.0, 2.0, 5.0, 0.0, 5.0, 3.0])
    for size in (1, 2, 3, 7):
        worst = Worst(3)
        for first in range(0, 7, size):
            worst.offer(losses[first : first + size], first, lambda n, first=first: {"n": first + n})  # type: ignore[misc]
        assert worst.found == [(5.0, 1, {"n": 1}), (5.0, 3, {"n": 3}), (5.0, 5, {"n": 5})]
    none = Worst(0)
    none.offer(losses, 0, lambda n: {})
    assert not none.found


def opened(text: str | None) -> Image.Image:
    assert text is not None
    return Image.open(io.BytesIO(base64.b64decode(text)))


def test_thumbnails() -> None:
    color = np.zeros((3, 4, 5), np.uint8)
    color[1, 2, 3] = 200
    picture = opened(thumbnail(color))
    assert picture.format == "PNG" and picture.size == (5, 4) and picture.getpixel((3, 2)) == (0, 200, 0)
    grey = opened(thumbnail(np.linspace(-1, 3, 20, dtype=np.float32).reshape(1, 4, 5)))
    assert grey.mode == "L" and grey.getpixel((0, 0)) == 0 and grey.getpixel((4, 3)) == 255
    assert opened(thumbnail(np.zeros((1, 100, 300), np.uint8))).size == (64, 21)
    assert opened(thumbnail(np.full((1, 4, 5), np.nan))).size == (5, 4)
    assert thumbnail(np.zeros(7)) is None and thumbnail(np.zeros((2, 4, 5))) is None

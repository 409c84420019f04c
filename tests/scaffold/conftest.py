"""Folders of drawn images, tables and texts, as users bring them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def images(tmp_path, monkeypatch):
    """Makes folders of images: `images(path, classes, each, sizes, colour)`; the current folder is a new one."""
    monkeypatch.chdir(tmp_path)

    def make(path, classes=("cat", "dog"), each=6, sizes=((28, 24),), colour=False):
        random = np.random.default_rng(0)
        for number, name in enumerate(classes):
            folder = tmp_path / path / name
            folder.mkdir(parents=True)
            for i in range(each):
                height, width = sizes[i % len(sizes)]
                pixels = random.integers(0, 100, (height, width, 3) if colour else (height, width)).astype(np.uint8)
                Image.fromarray(pixels + np.uint8(100 * number)).save(folder / f"{i}.png")
        return path

    return make

"""A folder of JPEGs of 1/f noise, whose spectrum is that of photographs: as hard to decode as these."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CLASSES = 4


def picture(size: int, seed: int) -> Any:
    """Pixels (size, size, 3): amplitudes fall as 1/f, phases are random; channels share most of their values."""
    random, frequency = np.random.default_rng(seed), np.fft.fftfreq(size)
    distance = np.hypot(frequency[:, None], abs(frequency[: size // 2 + 1])[None])
    distance[0, 0] = 1
    phases = np.exp(2j * np.pi * random.random((4, *distance.shape))) / distance
    shared, *own = np.fft.irfft2(phases, (size, size))
    pixels = np.stack([shared / shared.std() + 0.4 * one / one.std() for one in own], 2)
    return np.clip(128 + 50 * pixels, 0, 255).astype(np.uint8)


def write(folder: Path, images: int, size: int = 256, quality: int = 90) -> None:
    """Write so many JPEGs into folders of classes, where they are not there yet."""
    for number in range(images):
        path = folder / f"class{number % CLASSES}" / f"{number}.jpg"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture(size, number)).save(path, quality=quality)

"""Worst: the samples of a test with the greatest loss, and small pictures of them.

Of equal losses the earlier sample stands first.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netspec.core.calls import Array

SIDE = 64
"""The longer side of a thumbnail in pixels, at most."""

Verdict = dict[str, Any]
"""What is said of a sample: its label, its prediction, their probabilities."""


@dataclass
class Worst:
    """The `most` samples with the greatest losses: for each its loss, its position, and what is said of it."""

    most: int
    found: list[tuple[float, int, Verdict]] = field(default_factory=list)

    def offer(self, losses: Array, first: int, verdict: Callable[[int], Verdict]) -> None:
        """Look at samples from position `first` on, with losses (N,); `verdict` of n says what is said of sample n."""
        import numpy as np

        for n in np.argsort(-losses, kind="stable")[: self.most].tolist():
            loss = float(losses[n])
            if len(self.found) == self.most and loss <= self.found[-1][0]:
                break
            self.found.append((loss, first + n, verdict(n)))
            self.found.sort(key=lambda one: (-one[0], one[1]))
            del self.found[self.most :]


def thumbnail(sample: Array) -> str | None:
    """A picture (C, H, W) of 1, 3 or 4 channels as a small PNG, in base64; None for what is no picture.

    Bytes are shown as they are, other numbers between the least and the greatest.
    """
    import numpy as np
    from PIL import Image

    if sample.ndim != 3 or sample.shape[0] not in {1, 3, 4} or min(sample.shape[1:]) < 2:
        return None
    if sample.dtype != np.uint8:
        values = np.nan_to_num(sample.astype(np.float64))
        least, most = values.min(), values.max()
        sample = ((values - least) * (255 / (most - least or 1))).round().astype(np.uint8)
    pixels = np.moveaxis(sample[:3], 0, -1)
    picture = Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels))
    picture.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode("ascii")

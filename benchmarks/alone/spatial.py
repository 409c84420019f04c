"""Layers that pool, resize and move the values of images, lines and volumes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.nn.functional as functional
from torch import Tensor

from benchmarks.alone.case import Case

IMAGES, VOLUMES, LINES = [32, 64, 28, 28], [8, 16, 16, 28, 28], [32, 64, 784]


def enlarged(mode: str) -> Case:
    """Images twice as high and wide."""
    layer = {"type": "Upsample", "mode": mode, "scale_factor": 2}
    return Case(layer, [IMAGES], lambda x, p: functional.interpolate(x[0], scale_factor=2, mode=mode))


def halved(pool: str, shape: list[int], torch: Callable[[Tensor], Tensor]) -> Case:
    """Windows of 2, side by side."""
    layer: dict[str, Any] = {"type": "Pooling", "pool": pool, "kernel_size": 2, "stride": 2}
    return Case(layer, [shape], lambda x, p: torch(x[0]))


def padded(mode: str) -> Case:
    """One value more on each side."""
    return Case({"type": "Pad", "pad": 1, "mode": mode}, [IMAGES], lambda x, p: functional.pad(x[0], (1,) * 4, mode))


CASES: dict[str, Case] = {
    "upsample nearest": enlarged("nearest"),
    "upsample bilinear": enlarged("bilinear"),
    "upsample bicubic": enlarged("bicubic"),
    "max pooling of lines": halved("MAX", LINES, lambda x: functional.max_pool1d(x, 2, 2)),
    "max pooling of volumes": halved("MAX", VOLUMES, lambda x: functional.max_pool3d(x, 2, 2)),
    "mean pooling of volumes": halved("AVE", VOLUMES, lambda x: functional.avg_pool3d(x, 2, 2)),
    "l2 pooling": halved("L2", IMAGES, lambda x: functional.lp_pool2d(x, 2.0, 2, 2)),
    "adaptive mean pooling": Case(
        {"type": "AdaptivePooling", "output_size": 7}, [IMAGES], lambda x, p: functional.adaptive_avg_pool2d(x[0], 7)
    ),
    "adaptive max pooling": Case(
        {"type": "AdaptivePooling", "pool": "MAX", "output_size": 7},
        [IMAGES],
        lambda x, p: functional.adaptive_max_pool2d(x[0], 7),
    ),
    "pad by zeros": padded("constant"),
    "pad by reflection": padded("reflect"),
    "pad by repetition": padded("replicate"),
    "permute": Case(
        {"type": "Permute", "order": [0, 2, 3, 1]}, [IMAGES], lambda x, p: x[0].permute(0, 2, 3, 1).contiguous()
    ),
    "crop": Case(
        {"type": "Crop", "offset": 2},
        [IMAGES, [32, 64, 24, 24]],
        lambda x, p: x[0][:, :, 2:26, 2:26].contiguous(),
    ),
    "tile": Case({"type": "Tile", "tiles": 3}, [IMAGES], lambda x, p: x[0].repeat(1, 3, 1, 1)),
    "pixel shuffle": Case(
        {"type": "PixelShuffle", "upscale_factor": 2}, [IMAGES], lambda x, p: functional.pixel_shuffle(x[0], 2)
    ),
    "pixel unshuffle": Case(
        {"type": "PixelUnshuffle", "downscale_factor": 2}, [IMAGES], lambda x, p: functional.pixel_unshuffle(x[0], 2)
    ),
    "shuffle channels": Case(
        {"type": "ShuffleChannel", "group": 4}, [IMAGES], lambda x, p: functional.channel_shuffle(x[0], 4)
    ),
}

"""Samples as images that one can look at, and names that fit beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netspec.core.visible import cut
from netspec.pictures.saving import plain

if TYPE_CHECKING:
    from netspec.core.calls import Array


def shown_image(x: Array, order: str = "rgb") -> Array | None:
    """A sample (C, H, W) as (H, W), or as (H, W, 3) of three channels, from its least value to its greatest as 0 to 1.

    None for what is no image. `order` says how the three channels lie.
    """
    if x.ndim != 3 or x.shape[0] not in {1, 3} or min(x.shape[1:]) < 2:
        return None
    low, high = float(x.min()), float(x.max())
    values: Array = (x.astype("float64") - low) / ((high - low) or 1.0)
    image: Array = values[0] if len(values) == 1 else values[:: -1 if order == "bgr" else 1].transpose(1, 2, 0)
    return image


def short(name: str, most: int) -> str:
    """A name in at most so many letters, without its middle where it is longer, in which matplotlib sees no formula."""
    return plain(cut(name, most))

"""Which values of a sample move the score of a class: the sample, the gradient, and what speaks for and against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netspec.pictures.images import short, shown_image
from netspec.pictures.palette import BLUE, VERMILLION
from netspec.pictures.saving import plain
from netspec.study.saliency import Saliencies, Saliency

if TYPE_CHECKING:
    from netspec.core.calls import Array

_NAMED = 16
"""Values of a sample that have their names below them, at most."""
_HEADS = ("the sample, as the net sees it", "|gradient| of the score", "sample x gradient")


def figure(found: Saliencies) -> Any:
    """A row for every sample: itself, the size of the gradient from 0 (dark), and for (red) and against (blue)."""
    from matplotlib.figure import Figure

    rows = len(found.found)
    drawn: Any = Figure(figsize=(7.6, 2.1 * rows + 0.75), layout="constrained")
    drawn.suptitle(plain(f"gradient of '{found.blob}' in {found.net}"), fontsize=10)
    for n, (axes, one) in enumerate(zip(drawn.subplots(rows, 3, squeeze=False), found.found, strict=True)):
        image = shown_image(one.x, one.sample.order)
        _picture(axes[0], image if image is not None else one.x, "gray")
        _picture(axes[1], one.strength, "viridis", low=0.0)
        _picture(axes[2], one.share, "RdBu_r", low=None, even=True)
        axes[0].set_ylabel(_label(one), fontsize=8, rotation=0, ha="right", va="center")
        for head, each in zip(_HEADS, axes if n == 0 else (), strict=n == 0):
            each.set_title(head, fontsize=9)
        if found.columns and n == rows - 1 and len(found.columns) <= _NAMED:
            for each in axes:
                names = [short(name, 20) for name in found.columns]
                each.set_xticks(range(len(names)), names, rotation=30, ha="right", fontsize=7)
    return drawn


def _label(one: Saliency) -> str:
    true = f"\nshould be {short(one.truth, 22)}" if one.truth not in {None, one.name} else ""
    return f"{short(one.sample.name, 25)}\n{short(one.name, 22)}: {one.score:.3g}{true}"


def _picture(axes: Any, values: Array, colours: str, low: float | None = None, even: bool = False) -> None:
    """Draw an image (H, W) or (H, W, 3), or values of a row (M,) as bars; `even` has 0 in the middle of the scale."""
    import numpy as np

    axes.set_xticks([])
    axes.set_yticks([])
    size = float(np.abs(values).max()) or 1.0
    if values.ndim == 1:
        axes.set_yticks([-size, 0, size] if (values < 0).any() else [0, size])
        axes.yaxis.set_major_formatter("{x:.3g}")
        axes.tick_params("y", labelsize=7)
        axes.bar(range(len(values)), values, color=np.where(values < 0, BLUE, VERMILLION))
        axes.axhline(0, color="black", linewidth=0.6)
        axes.set_ylim(-1.1 * size if (values < 0).any() else 0, 1.1 * size)
        return
    values = values if values.ndim == 2 or values.shape[-1] == 3 else values.reshape(-1, values.shape[-1])
    limits = {"vmin": -size, "vmax": size} if even else {"vmin": low}
    axes.imshow(
        values, cmap=colours, interpolation="nearest", aspect="equal" if image_like(values) else "auto", **limits
    )
    for spine in axes.spines.values():
        spine.set_visible(False)


def image_like(values: Array) -> bool:
    """Whether neither side of a picture is more than four times as long as the other."""
    h, w = map(int, values.shape[:2])
    return max(h, w) <= 4 * min(h, w)

"""Windows over blobs of one to three axes behind their channels: the geometry that kernels/windows.py reads."""

from __future__ import annotations

from collections.abc import Sequence

from netspec.codegen.geometry import Planes, Slide
from netspec.core.shape import Shape, Window, count


def planes(bottom: Shape, top: Shape, windows: Sequence[Window], layout: str) -> Planes:
    """The windows of a bottom (N, C, ...) that give a top (N, C, ...), each blob in its layout."""
    slides = [Slide(size, number, *w[:3]) for size, number, w in zip(bottom[2:], top[2:], windows, strict=True)]
    return _planes(bottom, slides, layout)


def shares(bottom: Shape, top: Shape, layout: str) -> Planes:
    """Windows that share each axis of a bottom as evenly as whole numbers can, as many as the top is long."""
    slides = [Slide(size, number, 0, 0, 0) for size, number in zip(bottom[2:], top[2:], strict=True)]
    return _planes(bottom, slides, layout)


def _planes(bottom: Shape, slides: list[Slide], layout: str) -> Planes:
    depth, rows, columns = [Slide(1, 1, 1, 1, 0)] * (3 - len(slides)) + slides
    channels_last = layout == "NHWC" and len(bottom) == 4
    outer, inner = (bottom[0], bottom[1]) if channels_last else (count(bottom[:2]), 1)
    return Planes(outer, inner, depth, rows, columns)

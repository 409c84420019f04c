"""The lines that a depthwise or grouped convolution writes, and what each reads, as its kernels take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from netspec.core.shape import Shape
from netspec.lowering.conv_passes import PassAxis

if TYPE_CHECKING:
    from netspec.kernels.conv_geometry import DepthwiseImages, Phase, SourceRows


def distinct(axes: Sequence[PassAxis]) -> list[PassAxis]:
    """The axes, each once."""
    return list(dict.fromkeys(axes))


def images_geometry(images: tuple[Any, Any], weight: Shape, ys: Sequence[PassAxis]) -> DepthwiseImages:
    """The images of a pass, both (N, H, W, C), for a weight (C, G, Fh, Fw)."""
    from netspec.kernels.conv_geometry import DepthwiseImages

    (n, h, width, c), (_, p, q, _) = images[0].shape, images[1].shape
    row_step, tap_step = max(step_of(y.shifts) for y in ys), min((step_of(y.taps) for y in ys), key=lambda d: -abs(d))
    return DepthwiseImages(n, h, width, c, weight[1], p, q, weight[3], row_step, tap_step)


def phase_of(x: PassAxis, pixels: int) -> Phase:
    """A phase as the kernel takes it, written in strips of `pixels` pixels."""
    from netspec.kernels.conv_geometry import Phase

    return Phase(
        number=x.length,
        step=x.step,
        shift=x.first,
        taps=len(x.taps),
        first_tap=x.taps[0] if x.taps else 0,
        next_tap=step_of(x.taps),
        stride=x.stride,
        place=x.place,
        pixels=pixels,
        apart=step_of(x.shifts),
    )


def step_of(numbers: Sequence[int]) -> int:
    """The step of an evenly spaced sequence; 1 where it has fewer than two numbers."""
    return numbers[1] - numbers[0] if len(numbers) > 1 else 1


def row_table(axes: Sequence[PassAxis], size: int, lines: int) -> list[SourceRows]:
    """For each line that is written: the first source row that it reads, the number of rows, and the first row's tap.

    Only rows inside a source of `size` rows count.
    """
    from netspec.kernels.conv_geometry import SourceRows

    rows = [SourceRows(0, 0, 0)] * lines
    for axis in axes:
        for i in range(axis.length):
            pairs = [(i * axis.step + shift, tap) for shift, tap in zip(axis.shifts, axis.taps, strict=True)]
            inside = [(row, tap) for row, tap in pairs if 0 <= row < size]
            row, tap = inside[0] if inside else (0, 0)
            rows[i * axis.stride + axis.place] = SourceRows(row, len(inside), tap)
    return rows

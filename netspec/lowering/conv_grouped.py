"""Convolution in groups of few channels (codegen/grouped.py, kernels/depthwise.py), as in ResNeXt.

It goes the way of depthwise convolution, which is the case of one channel a group: strips of pixels, vectors along
channels, so that a vector holds several groups. Nothing is multiplied that does not belong together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from netspec.codegen.geometry import MOST_PARTS, MOST_TAPS
from netspec.core.beside import Beside
from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.shape import count
from netspec.lowering.beside import pull_of
from netspec.lowering.conv import Conv, Way
from netspec.lowering.conv_depthwise import (
    band_lines,
    band_values,
    gradient_geometry,
    line_pass,
    line_scratch,
    part_count,
    piece_count,
    tap_count,
)
from netspec.lowering.conv_lines import distinct
from netspec.lowering.conv_passes import PassAxis, bottom_passes, forward_pass
from netspec.lowering.seen import asked, left_back, left_forward, seen_back, seen_forward

if TYPE_CHECKING:
    from netspec.core.calls import Array

GROUPS = (2, 4, 8, 16)
"""Channels of a group: powers of two, so that groups fill vectors or vectors groups, on every kind of CPU."""

BAND = 131072
"""Values of the lines that a part goes over once for every line of taps: they stay in the second cache."""
PIECES = 2**18
"""Values of all pieces of a weight's gradient: if they are more, parts share channels instead."""

Axes = tuple[list[PassAxis], list[PassAxis]]


def _axes(conv: Conv) -> tuple[Axes, Axes]:
    """The vertical and the horizontal axes of all passes, forward and back to the bottom."""
    ahead, back = forward_pass(conv), list(bottom_passes(conv))
    return ([ahead.y], [ahead.x]), (distinct([one.y for one in back]), distinct([one.x for one in back]))


def _sizes(axis: PassAxis, most: int) -> tuple[int, int]:
    """(pixels of a strip, of the last strip)."""
    from netspec.codegen.geometry import share

    return share(axis.length, most)


def _cut(conv: Conv) -> tuple[int, int]:
    """(pieces of the weight's gradient, parts that share the channels of a piece)."""
    pieces, shares = piece_count(conv), 1
    while pieces > 1 and pieces * count(conv.weight) > PIECES and conv.filters % (32 * shares) == 0:
        pieces, shares = -(-pieces // 2), 2 * shares
    return pieces, shares


def _in_strips(axes: Axes, width: int) -> bool:
    """Whether strips can write lines from lines of `width` pixels: of one phase, or of both phases of a stride."""
    return len(axes[1]) <= 2 and all(_in_strip(axis, width) for axis in axes[1])


def _in_strip(axis: PassAxis, width: int) -> bool:
    """Whether taps are few and adjacent, and no more columns outside of the image are read than there are taps."""
    taps, last = len(axis.taps), axis.first + (axis.length - 1) * axis.step
    return 0 < taps <= MOST_TAPS and axis.together and -axis.first <= taps and last <= width


def _write(run: Run, suffix: str, bias: Any, images: tuple[Any, Any], axes: Axes, mode: int) -> Calls:
    """Calls that write one image from another, both (N, H, W, C); with a suffix, backward to the bottom."""
    from netspec.codegen.grouped import MOST_PIXELS, strip
    from netspec.kernels import depthwise

    w, (_, xs) = run.param[0], axes
    filters, packed = w.reshape(*w.shape[:2], -1), run.workspace["packed" + suffix]
    yield Call(
        depthwise.pack_groups, filters, packed, int(bool(suffix)), parts=max(1, min(MOST_PARTS, w.size // 16384))
    )
    sizes = [_sizes(x, MOST_PIXELS) for x in xs]
    codes = [
        strip("strip", s, len(x.taps), x.step, w.shape[1]) for x, size in zip(xs, sizes, strict=True) for s in size
    ]
    arrays = (images[0].reshape(-1), packed.reshape(-1), bias, images[1].reshape(-1))
    lines = line_pass(images, w.shape, axes, [pixels for pixels, _ in sizes], codes, mode)
    scratch = run.workspace["near" + suffix]
    seen, left = (
        (seen_back(run, scratch), left_back(run)) if suffix else (seen_forward(run, scratch), left_forward(run))
    )
    parts = part_count((len(images[1]), w.shape[0], *images[1].shape[1:3]), w.size // w.shape[0], few=asked(seen, left))
    yield Call(depthwise.strips, *arrays, lines, seen, left, parts=parts)


class Grouped(Way):
    """Strips of pixels with vectors along channels; for groups of few channels."""

    wanted: ClassVar[str] = "groups of 2, 4, 8 or 16 channels with as many filters, without dilation, of stride 1 or 2"
    pitched: ClassVar[bool] = False

    def fits(self, conv: Conv) -> bool:
        """Whether groups are small and equal, and strips fit forward and backward."""
        group = conv.weight[1]
        if conv.group == 1 or group not in GROUPS or conv.filters != conv.bottom[1]:
            return False
        if any(axis.stride > 2 or axis.dilation > 1 for axis in conv.window):
            return False
        ahead, back = _axes(conv)
        return _in_strips(ahead, conv.bottom[3]) and _in_strips(back, conv.top[3])

    def beside(self, conv: Conv) -> Beside:
        """Reads through a lens and a pull, and leaves moments and products, a piece for each part."""
        parts = [part_count(image, tap_count(conv) * conv.weight[1]) for image in (conv.top, conv.bottom)]
        return Beside(frozenset({0}), parts[0], True, (parts[1],))

    def forward_spaces(self, conv: Conv) -> dict[str, Workspace]:
        """The packed filters, and lines of the bottom as they are seen."""
        parts = part_count(conv.top, tap_count(conv) * conv.weight[1])
        packed = {"packed": Workspace((tap_count(conv), *conv.weight[1::-1]), use="forward", fixed=True)}
        return packed | line_scratch("near", _axes(conv)[0][0], parts, conv.bottom, "forward")

    def bottom_spaces(self, conv: Conv) -> dict[str, Workspace]:
        """The filters, packed for backward, and lines of the top's diff as they are seen."""
        parts = part_count(conv.bottom, tap_count(conv) * conv.weight[1])
        packed = {"packed_bottom": Workspace((tap_count(conv), *conv.weight[1::-1]), use="backward")}
        return packed | line_scratch("near_bottom", _axes(conv)[1][0], parts, conv.top, "backward")

    def weight_spaces(self, conv: Conv) -> dict[str, Workspace]:
        """The pieces of the gradient, and the lines of a band of bottom and top's diff as they are seen."""
        pieces, shares = _cut(conv)
        return {
            "pieces": Workspace((pieces, count(conv.weight)), use="backward"),
            "near_weight": Workspace((pieces * shares, band_values(conv, band_lines(conv, BAND))), use="backward"),
        }

    def forward(self, conv: Conv, run: Run, mode: int) -> Calls:
        """Pack the filters, then one pass."""
        bias = run.param[1] if conv.bias else run.param[0].reshape(-1)[:0]
        yield from _write(run, "", bias, (run.bottom[0], run.top[0]), _axes(conv)[0], mode)

    def bottom(self, conv: Conv, run: Run, mode: int, bias: Array) -> Calls:
        """Pack the filters, then all phases of the stride."""
        images = (run.top_diff[0], run.bottom_diff[0])
        yield from _write(run, "_bottom", bias, images, _axes(conv)[1], mode)

    def weight(self, conv: Conv, run: Run, dw: Array) -> Calls:
        """Sum the gradient in pieces, then add these up."""
        from netspec.codegen.grouped import gradient_pixels, strip
        from netspec.kernels import depthwise

        (across, step, *_), group, pieces = conv.window[1], conv.weight[1], run.workspace["pieces"]
        pixels, rest = _sizes(forward_pass(conv).x, gradient_pixels(across, group))
        rest = rest if across > 1 else 1  # a tap alone leaves out the columns outside, so any number is left over
        codes = strip("grad", pixels, across, step, group), strip("grad", rest, across, step, group)
        geometry = gradient_geometry(conv, across, pixels, codes, band_lines(conv, BAND), _cut(conv)[1])
        arrays = (run.bottom[0].reshape(-1), run.top_diff[0].reshape(-1), pieces)
        seen, parts = seen_forward(run, run.workspace["near_weight"]), len(pieces) * geometry.shares
        yield Call(depthwise.weight_gradient, *arrays, geometry, seen, pull_of(run), parts=parts)
        filters, adding = dw.reshape(*dw.shape[:2], -1), int(run.param_add[0])
        yield Call(depthwise.join, pieces, filters, adding, parts=max(1, min(MOST_PARTS, pieces.size // 65536)))

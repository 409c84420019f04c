"""Convolution without gathering: the images are multiplied with packed filters where they lie (kernels/conv.py).

A pass writes some pixels of an image from the taps that reach them. Forward is one pass. Backward to the bottom is one
pass for every phase of the stride: a convolution of the top's diff with those taps that meet this phase, so that no
zero is ever multiplied. Shapes alone decide all cuts, so that sums do not depend on threads.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from netspec.codegen.geometry import ADD
from netspec.core.beside import Beside
from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.shape import Shape
from netspec.lowering import conv_direct_weight, conv_pixels, conv_pixels_both, conv_pixels_weight
from netspec.lowering.conv import Conv, Way
from netspec.lowering.conv_passes import (
    PARTS,
    SCRATCH,
    Pass,
    bottom_passes,
    even,
    flat,
    forward_pass,
    padded,
    windows_of,
)
from netspec.lowering.seen import left_back, left_forward, seen_back, seen_forward

if TYPE_CHECKING:
    from netspec.core.calls import Array


def _lines(one: Pass, images: int, channels: int) -> tuple[int, int]:
    """(lines of a block, values of its padded source): a few thousand values, and enough blocks for all parts."""
    wide = (one.x.length - 1) * one.x.step + one.x.extent
    most = min((SCRATCH // (wide * channels) - one.y.extent) // one.y.step + 1, one.y.length * images // PARTS)
    lines = even(one.y.length, most)
    return lines, ((lines - 1) * one.y.step + one.y.extent) * wide * channels


class Sent(NamedTuple):
    """Height and width of the padded image that backward to the bottom scatters into.

    Every pixel of the top's diff adds its products there.
    """

    tall: int
    wide: int


def sent(conv: Conv) -> Sent | None:
    """The padded image for scattering the bottom's gradient; None where gathering takes fewer products."""
    x = conv.bottom
    (kh, sh, ph, dh), (kw, sw, pw, dw) = conv.window
    n, c, h, w = x
    _, _, p, q = conv.top
    image = Sent(max((p - 1) * sh + (kh - 1) * dh + 1, ph + h), max((q - 1) * sw + kw, pw + w))
    if conv.group > 1 or dw > 1 or n < PARTS // 2 or image.tall * image.wide * c > 2 * SCRATCH:
        return None
    taps = sum(one.y.length * one.x.length * len(one.y.taps) * len(one.x.taps) for one in bottom_passes(conv))
    gathered, scattered = taps * -(-c // 16), p * q * kh * -(-kw * c // 16)
    return image if 1.2 * scattered < gathered else None


def _scratch(name: str, passes: list[Pass], images: int, channels: int, use: Any) -> dict[str, Workspace]:
    return {name: Workspace((PARTS, max(_lines(one, images, channels)[1] for one in passes)), use=use)}


def _parts(one: Pass, images: int, channels: int) -> int:
    """Parts of a pass over images that are read."""
    lines, _ = _lines(one, images, channels)
    return min(PARTS, images * -(-one.y.length // lines))


def _send(conv: Conv, run: Run, image: Sent, mode: int) -> Calls:
    """Pack lines of taps, then scatter every pixel of the top's diff into the padded image."""
    from netspec.codegen.tiles import tiling
    from netspec.kernels import conv as loops
    from netspec.kernels.conv_geometry import Sending

    (n, c, h, w), (_, k, p, q), weight = run.bottom_shapes[0], run.top_shapes[0], run.param[0]
    (kh, sh, ph, dh), (kw, sw, pw, _) = conv.window
    cut, packed = tiling(q, kw * c, str(weight.dtype)), run.workspace["packed_bottom"]
    blocks, (dy, pitch) = kh * -(-kw * c // cut.panel), flat(run.top_diff[0])
    yield Call(loops.pack_lines, weight.reshape(-1), packed, k, c, kh, kw, cut.panel, parts=min(PARTS, blocks))
    sending = Sending(
        images=n,
        lines=p,
        columns=q,
        filters=k,
        pitch=pitch,
        height=h,
        width=w,
        channels=c,
        pad_y=ph,
        pad_x=pw,
        stride_y=sh,
        stride_x=sw,
        dilation=dh,
        taps=kh,
        run=kw * c,
        tall=image.tall,
        wide=image.wide,
    )
    arrays = (dy, packed, run.bottom_diff[0], seen_back(run, run.workspace["lines_bottom"]))
    yield Call(loops.convolve_back, *arrays, sending, cut, mode, left_back(run), parts=min(PARTS, n))


def _passes(
    conv: Conv,
    run: Run,
    passes: list[Pass],
    images: Any,
    shapes: tuple[Shape, Shape],
    bias: Any,
    mode: int,
    suffix: str,
) -> Calls:
    """For each pass, pack the filters and convolve.

    `images` and `shapes` are (source, destination); a shape is N, C, H, W.
    """
    import numpy as np

    from netspec.codegen.tiles import tiling
    from netspec.kernels import conv as loops
    from netspec.kernels.conv_geometry import Filters, Target

    (n, c, *_), (_, k, *_) = shapes
    groups, weight = conv.group, run.param[0]
    m, dtype = k // groups, str(weight.dtype)
    packed, scratch = run.workspace["packed" + suffix], run.workspace["lines" + suffix]
    seen, left = (
        (seen_back(run, scratch), left_back(run)) if suffix else (seen_forward(run, scratch), left_forward(run))
    )
    copied = bool(seen.how.of_dy.size or seen.how.lens.factor.size)
    (source, pitch), (target, out_pitch) = map(flat, images)
    area, across = weight.shape[2] * weight.shape[3], weight.shape[3]
    for one in passes:
        taps = one.taps(across)
        cut = tiling(one.x.length, m, dtype, "rows")
        if taps:
            filters = Filters(groups, weight.shape[0], weight.shape[1], area, cut.panel, int(bool(suffix)))
            blocks = groups * -(-m // cut.panel)
            yield Call(
                loops.pack, weight.reshape(-1), packed, np.array(taps, np.int64), filters, parts=min(PARTS, blocks)
            )
        lines, _ = _lines(one, n, c)
        table, windows = windows_of(one, shapes[0], pitch, groups, lines, copied)
        y, x = one.y, one.x
        _, _, height, width = shapes[1]
        place = Target(height, width, out_pitch, y.stride, x.stride, y.place, x.place, m)
        arrays = (source, packed, bias, target, np.array(table or (0,), np.int64), seen)
        yield Call(loops.convolve, *arrays, windows, place, cut, mode, left, parts=_parts(one, n, c))


def _spread(bias: Array, image: Any, mode: int) -> Calls:
    """Write, or add to, every pixel of an image (N, H, W, C) the constants of its channels, (C,)."""
    from netspec.kernels import conv_planes

    yield Call(conv_planes.spread, bias, image, mode, parts=PARTS)


class Direct(Way):
    """Products straight from the images where they lie; computes every convolution."""

    wanted: ClassVar[str] = "every convolution"
    pitched: ClassVar[bool] = True

    def fits(self, conv: Conv) -> bool:
        """Always true."""
        return True

    def beside(self, conv: Conv) -> Beside:
        """Reads through a lens and a pull, and leaves moments, and products unless several passes write the bottom."""
        if conv.single:
            return conv_pixels.beside(conv)
        (n, c, *_), passes = conv.bottom, list(bottom_passes(conv))
        products = _parts(passes[0], n, conv.filters) if len(passes) == 1 else 0
        if sent(conv) is not None:
            products = min(PARTS, n)
        return Beside(frozenset({0}), _parts(forward_pass(conv), n, c), True, (products,))

    def squares(self, conv: Conv) -> bool:
        """That of filters of one tap."""
        return conv.single

    def forward_spaces(self, conv: Conv) -> dict[str, Workspace]:
        """The packed filters, and padded lines of each part."""
        x = conv.bottom
        one = forward_pass(conv)
        kernel = len(one.y.taps) * len(one.x.taps)
        spaces = {
            "packed": Workspace(
                (conv.group * kernel * (x[1] // conv.group) * padded(conv.filters // conv.group),),
                use="forward",
                fixed=True,
            )
        }
        if conv.single:
            return spaces | {"lines": conv_pixels.scratch(conv, "")}
        return spaces | _scratch("lines", [one], x[0], x[1], "forward")

    def bottom_spaces(self, conv: Conv) -> dict[str, Workspace]:
        """The packed filters for backward to the bottom, and the scratch of each part.

        All phases together hold every tap once.
        """
        x, top, image = conv.bottom, conv.top, sent(conv)
        if image is not None:
            (kh, *_), (kw, *_) = conv.window
            packed = Workspace((kh * conv.filters * padded(kw * x[1]),), use="backward")
            return {
                "packed_bottom": packed,
                "lines_bottom": Workspace(
                    (PARTS, image.tall * image.wide * x[1] + top[3] * conv.filters), use="backward"
                ),
            }
        passes = list(bottom_passes(conv))
        kernel = max(len(one.y.taps) * len(one.x.taps) for one in passes)
        values = conv.group * kernel * (conv.filters // conv.group) * padded(x[1] // conv.group)
        spaces = {"packed_bottom": Workspace((values,), use="backward")}
        if conv.single:
            return spaces | {"lines_bottom": conv_pixels.scratch(conv, "_bottom")}
        return spaces | _scratch("lines_bottom", passes, top[0], top[1], "backward")

    def weight_spaces(self, conv: Conv) -> dict[str, Workspace]:
        """The pieces of the gradient, and scratch of each part."""
        return conv_pixels_weight.spaces(conv) if conv.single else conv_direct_weight.spaces(conv)

    def forward(self, conv: Conv, run: Run, mode: int) -> Calls:
        """Pack the filters, then one pass."""
        x, w = run.bottom_shapes[0], run.param[0]
        bias = run.param[1] if conv.bias else w.reshape(-1)[:0]
        if conv.single:
            yield from conv_pixels.calls(conv, run, (run.bottom[0], run.top[0]), bias, mode, "")
            return
        one = forward_pass(conv)
        yield from _passes(conv, run, [one], (run.bottom[0], run.top[0]), (x, run.top_shapes[0]), bias, mode, "")

    def bottom(self, conv: Conv, run: Run, mode: int, bias: Array) -> Calls:
        """Pack the turned filters and write the pixels of each phase of the stride."""
        x, image = run.bottom_shapes[0], sent(conv)
        if not conv.single and conv_direct_weight.pulls(conv, run):
            run = replace(run, pull=None)
        if bias.size and (image is not None or (conv.single and not conv.pixelwise)):
            yield from _spread(bias, run.bottom_diff[0], mode)
            bias, mode = bias[:0], mode | ADD
        if image is not None:
            yield from _send(conv, run, image, mode)
            return
        images = (run.top_diff[0], run.bottom_diff[0])
        if conv.single:
            yield from conv_pixels.calls(conv, run, images, bias, mode, "_bottom")
            return
        yield from _passes(conv, run, list(bottom_passes(conv)), images, (run.top_shapes[0], x), bias, mode, "_bottom")

    def weight(self, conv: Conv, run: Run, dw: Array) -> Calls:
        """The weight's gradient."""
        return conv_pixels_weight.calls(conv, run, dw) if conv.single else conv_direct_weight.calls(conv, run, dw)

    def backward_spaces(self, conv: Conv) -> dict[str, Workspace]:
        """Those of one pass for both diffs too, where shapes are such that it pays."""
        return super().backward_spaces(conv) | (conv_pixels_both.spaces(conv) if conv_pixels_both.fits(conv) else {})

    def backward(self, conv: Conv, run: Run, mode: int, bias: Array) -> Calls:
        """Both diffs in one pass, where they are wanted, the top's is pulled and shapes are such that it pays."""
        (dx, *_), (dw, *_) = run.bottom_diff, run.param_diff
        if dx is None or dw is None or bias.size or run.pull is None or not conv_pixels_both.fits(conv):
            return super().backward(conv, run, mode, bias)
        return conv_pixels_both.calls(conv, run, mode, dx, dw)

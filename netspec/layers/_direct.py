"""Convolution without gathering: the images are multiplied with packed filters where they lie (kernels/conv.py).

A pass writes some pixels of an image from the taps that reach them: forward is one pass; backward to the bottom is one for every phase of
the stride, a convolution of the top's diff with those taps of the filter that meet this phase, so that no zero is ever multiplied.
All cuts are made by shapes alone, so that sums do not depend on threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from netspec.layers.base import Call, Calls, Run, Shape, Workspace

if TYPE_CHECKING:
    from netspec.layers.convolution import Convolution

FOR = "every convolution"
PARTS = 16
"""Parts of a step: enough for as many cores, few enough that each has scratch of its own."""
SCRATCH = 49152
"""Values of padded lines that a part holds at a time, so that they stay in the second cache."""
PIECES = 2**21
"""Values of all pieces of a weight's gradient, at most."""
DEEP = 256
"""Pixels that are packed at a time for a weight's gradient."""
LONG = 512
"""Values of a pixel that are multiplied at a time."""


def fits(layer: Convolution, x: Shape) -> bool:
    """Whether a convolution can be computed so: all can."""
    return True


class Axis(NamedTuple):
    """One axis of a pass: output i of `count` reads source i*step + shift for every shift, and is written at i*stride + place.

    `taps[j]` is the tap of the filter that meets shifts[j]; shifts ascend.
    """

    count: int
    step: int
    shifts: tuple[int, ...]
    taps: tuple[int, ...]
    stride: int = 1
    place: int = 0

    @property
    def first(self) -> int:
        """The first source that output 0 reads."""
        return self.shifts[0] if self.shifts else 0

    @property
    def extent(self) -> int:
        """Sources from the first to the last that one output reads."""
        return self.shifts[-1] - self.shifts[0] + 1 if self.shifts else 1

    def outside(self, size: int) -> bool:
        """Whether some output reads outside of a source of this size."""
        return bool(self.shifts) and (self.first < 0 or self.first + (self.count - 1) * self.step + self.extent > size)

    @property
    def together(self) -> bool:
        """Whether the sources that one output reads are neighbours."""
        return all(b - a == 1 for a, b in zip(self.shifts, self.shifts[1:], strict=False))


class Pass(NamedTuple):
    """What is written by one call: its two axes."""

    y: Axis
    x: Axis

    def merged(self, groups: int) -> bool:
        """Whether a line of taps meets one contiguous run of the source."""
        return groups == 1 and self.x.together

    def taps(self, width: int) -> tuple[int, ...]:
        """Taps of a filter with lines of `width` taps, in the order of the source."""
        return tuple(a * width + b for a, b in product(self.y.taps, self.x.taps))


def forward_pass(layer: Convolution, x: Shape) -> Pass:
    """Forward: every output reads all taps."""
    _, _, p, q = layer.top_shapes((x,))[0]
    axes = (
        Axis(count, stride, tuple(tap * dilation - pad for tap in range(kernel)), tuple(range(kernel)))
        for count, (kernel, stride, pad, dilation) in zip((p, q), layer.window, strict=True)
    )
    return Pass(*axes)


def bottom_passes(layer: Convolution, x: Shape) -> Iterator[Pass]:
    """Backward to the bottom: input i of phase (i + pad) mod stride = a reads the taps f with f*dilation = a (mod stride)."""
    for pair in product(*(_phases(size, *axis) for size, axis in zip(x[2:], layer.window, strict=True))):
        if all(axis.count for axis in pair):
            yield Pass(*pair)


def _phases(size: int, kernel: int, stride: int, pad: int, dilation: int) -> Iterator[Axis]:
    for a in range(stride):
        taps = tuple(f for f in reversed(range(kernel)) if (f * dilation - a) % stride == 0)
        first = max(0, -((a - pad) // stride))
        last = (size - 1 + pad - a) // stride
        shifts = tuple(first - (f * dilation - a) // stride for f in taps)
        yield Axis(last - first + 1, 1, shifts, taps, stride, first * stride + a - pad)


def is_pixelwise(layer: Convolution, strides: bool = False) -> bool:
    """Whether every output pixel is a product of one input pixel: one tap, no padding, no groups, and stride 1 unless `strides` may be."""
    single = all(kernel == 1 and pad == 0 and (strides or stride == 1) for kernel, stride, pad, _ in layer.window)
    return layer.group == 1 and single


def even(total: int, most: int) -> int:
    """The largest share when `total` is split evenly into the fewest shares of at most `most`."""
    return -(-total // -(-total // max(1, most)))


def _lines(one: Pass, images: int, channels: int) -> tuple[int, int]:
    """(lines of a block, values of its padded source): a few thousand values, and blocks enough for all parts."""
    wide = (one.x.count - 1) * one.x.step + one.x.extent
    most = min((SCRATCH // (wide * channels) - one.y.extent) // one.y.step + 1, one.y.count * images // PARTS)
    lines = even(one.y.count, most)
    return lines, ((lines - 1) * one.y.step + one.y.extent) * wide * channels


def padded(columns: int) -> int:
    """Columns of all panels, at most, on any kind of CPU."""
    return -(-columns // 16) * 16 + 16


def forward_spaces(layer: Convolution, x: Shape) -> dict[str, Workspace]:
    """The packed filters, and padded lines of each part."""
    one = forward_pass(layer, x)
    kernel = len(one.y.taps) * len(one.x.taps)
    spaces = {"packed": Workspace((layer.group * kernel * (x[1] // layer.group) * padded(layer.num_output // layer.group),), use="forward")}
    return spaces | _scratch("lines", [one], x[0], x[1], x[2:], "forward")


class Sent(NamedTuple):
    """Backward to the bottom where every pixel of the top's diff sends back to a padded image: that image's height and width."""

    tall: int
    wide: int


def sent(layer: Convolution, x: Shape) -> Sent | None:
    """How backward to the bottom is sent back, where that takes fewer products than gathering it: few channels, or little padding."""
    (kh, sh, ph, dh), (kw, sw, pw, dw) = layer.window
    n, c, h, w = x
    _, _, p, q = layer.top_shapes((x,))[0]
    image = Sent(max((p - 1) * sh + (kh - 1) * dh + 1, ph + h), max((q - 1) * sw + kw, pw + w))
    if layer.group > 1 or dw > 1 or n < PARTS // 2 or image.tall * image.wide * c > 2 * SCRATCH:
        return None
    gathered = sum(one.y.count * one.x.count * len(one.y.taps) * len(one.x.taps) for one in bottom_passes(layer, x)) * -(-c // 16)
    return image if 1.2 * p * q * kh * -(-kw * c // 16) < gathered else None


def bottom_spaces(layer: Convolution, x: Shape) -> dict[str, Workspace]:
    """The same for backward to the bottom; all phases together have every tap once."""
    top, image = layer.top_shapes((x,))[0], sent(layer, x)
    if image is not None:
        (kh, *_), (kw, *_) = layer.window
        packed = Workspace((kh * layer.num_output * padded(kw * x[1]),), use="backward")
        return {"packed_bottom": packed, "lines_bottom": Workspace((PARTS, image.tall * image.wide * x[1]), use="backward")}
    passes = list(bottom_passes(layer, x))
    kernel = max(len(one.y.taps) * len(one.x.taps) for one in passes)
    packed = layer.group * kernel * (layer.num_output // layer.group) * padded(x[1] // layer.group)
    return {"packed_bottom": Workspace((packed,), use="backward")} | _scratch("lines_bottom", passes, top[0], top[1], top[2:], "backward")


def _scratch(name: str, passes: list[Pass], images: int, channels: int, size: Shape, use: Any) -> dict[str, Workspace]:
    copied = [one for one in passes if one.y.outside(size[0]) or one.x.outside(size[1])]
    most = max((_lines(one, images, channels)[1] for one in copied), default=0)
    return {name: Workspace((PARTS, most), use=use)}


class Cut(NamedTuple):
    """How a weight's gradient is cut: pieces of images that are added up at the end, shares of its rows, images x blocks of lines."""

    pieces: int
    shares: int
    lines: int
    scratch: int


def weight_cut(layer: Convolution, x: Shape) -> Cut:
    """As many pieces as fit PIECES, and shares for the other parts."""
    one, (weight, *_) = forward_pass(layer, x), layer.param_shapes((x,))
    n, c, h, w = x
    size, rows = weight[0] * weight[1] * weight[2] * weight[3], weight[1] * weight[2] * weight[3] * layer.group
    if is_pixelwise(layer, strides=True):
        pieces = max(1, min(PARTS, n * one.y.count * one.x.count // 64, PIECES // size))
        shares = min(PARTS // pieces, -(-weight[0] // 14))
        packed = _far_apart(weight[0]) * (-(-weight[0] // shares) + 28)
        return Cut(pieces, shares, 0, DEEP * (48 + packed))
    q, m = one.x.count, layer.num_output
    wide = (q - 1) * one.x.step + one.x.extent
    lines = even(one.y.count, min(2 * SCRATCH // (wide * c * one.y.step + q * m), one.y.count * n // PARTS))
    pieces = max(1, min(PARTS, n * -(-one.y.count // lines), PIECES // size))
    shares = min(PARTS // pieces, -(-rows // 14))
    copied = one.y.outside(h) or one.x.outside(w)
    return Cut(pieces, shares, lines, ((lines - 1) * one.y.step + one.y.extent) * wide * c if copied else 0)


def _far_apart(channels: int) -> bool:
    """Whether neighbouring pixels lie so far apart that reading a few values of each misses the nearest cache."""
    return channels >= 512


def weight_spaces(layer: Convolution, x: Shape) -> dict[str, Workspace]:
    """The pieces, and padded lines or packed pixels of each part."""
    cut, (weight, *_) = weight_cut(layer, x), layer.param_shapes((x,))
    size = weight[0] * weight[1] * weight[2] * weight[3]
    spaces = {"pieces": (cut.pieces, size), "windows": (cut.pieces * cut.shares, cut.scratch)}
    if is_pixelwise(layer, strides=True) and not is_pixelwise(layer):
        n, _, p, q = layer.top_shapes((x,))[0]
        spaces["thinned"] = (n * p * q, x[1])
    return {name: Workspace(shape, use="backward") for name, shape in spaces.items()}


def forward(layer: Convolution, run: Run, mode: int) -> Calls:
    """Pack the filters, then one pass."""
    x, w = run.bottom_shapes[0], run.param[0]
    bias = run.param[1] if layer.bias_term else w.reshape(-1)[:0]
    one = forward_pass(layer, x)
    yield from _passes(layer, run, [one], (run.bottom[0], run.top[0]), (x, run.top_shapes[0]), bias, mode, "")


def bottom(layer: Convolution, run: Run, mode: int) -> Calls:
    """Pack the turned filters and write the pixels of each phase of the stride."""
    x = run.bottom_shapes[0]
    image = sent(layer, x)
    if image is not None:
        yield from _send(layer, run, image, mode)
        return
    none = run.param[0].reshape(-1)[:0]
    images = (run.top_diff[0], run.bottom_diff[0])
    yield from _passes(layer, run, list(bottom_passes(layer, x)), images, (run.top_shapes[0], x), none, mode, "_bottom")


def _send(layer: Convolution, run: Run, image: Sent, mode: int) -> Calls:
    """Pack lines of taps and send every pixel's back."""
    import numpy as np

    from netspec.kernels import conv
    from netspec.kernels.tiles import tiling

    (n, c, h, w), (_, k, p, q), weight = run.bottom_shapes[0], run.top_shapes[0], run.param[0]
    (kh, sh, ph, dh), (kw, sw, pw, _) = layer.window
    cut, packed = tiling(q, kw * c, str(weight.dtype)), run.workspace["packed_bottom"]
    blocks = kh * -(-kw * c // cut.panel)
    yield Call(conv.pack_lines, weight.reshape(-1), packed, k, c, kh, kw, cut.panel, parts=min(PARTS, blocks))
    g = (n, p, q, k, h, w, c, ph, pw, sh, sw, dh, kh, kw * c, image.tall, image.wide, cut.panel, cut.blocks, cut.rows, cut.more)
    arrays = (run.top_diff[0], packed, run.bottom_diff[0], np.zeros(1, np.int64), run.workspace["lines_bottom"], np.array(g, np.int64))
    yield Call(conv.convolve_back, *arrays, cut.lanes, mode, *cut.tiles, parts=min(PARTS, n))


def _passes(
    layer: Convolution, run: Run, passes: list[Pass], images: Any, shapes: tuple[Shape, Shape], bias: Any, mode: int, suffix: str
) -> Calls:
    """Pack and convolve, for each pass; images and shapes are (source, destination), N, C, H, W."""
    import numpy as np

    from netspec.kernels import conv
    from netspec.kernels.tiles import tiling

    (n, c, h, w), (_, k, height, width) = shapes
    groups, weight = layer.group, run.param[0]
    r, m, dtype = c // groups, k // groups, str(weight.dtype)
    packed, scratch = run.workspace["packed" + suffix], run.workspace["lines" + suffix]
    area, across = weight.shape[2] * weight.shape[3], weight.shape[3]
    for one in passes:
        taps = one.taps(across)
        pixels = n * h * w if is_pixelwise(layer) else one.x.count
        cut = tiling(pixels, m, dtype)
        sizes = (groups, weight.shape[0], weight.shape[1], area, cut.panel, int(bool(suffix)))
        if taps:
            blocks = groups * -(-m // cut.panel)
            yield Call(conv.pack, weight.reshape(-1), packed, np.array(taps, np.int64), *sizes, parts=min(PARTS, blocks))
        if is_pixelwise(layer):
            g = (c, r, k, m, cut.panel, cut.blocks, cut.rows, cut.more, LONG, max(1, 224 // cut.rows))
            arrays = (images[0], packed, bias, images[1], np.zeros(1, np.int64), np.array(g, np.int64))
            yield Call(conv.convolve_pixels, *arrays, cut.lanes, mode, *cut.tiles, parts=min(PARTS, cut.blocks))
            continue
        copied = one.y.outside(h) or one.x.outside(w)
        wide = (one.x.count - 1) * one.x.step + one.x.extent
        lines, _ = _lines(one, n, c)
        table, run_length = _table(one, groups, r, (wide if copied else w) * c, c)
        g = (n, h, w, c, groups, r, one.y.first, one.x.first, one.y.step, one.x.step, one.y.extent, wide, int(copied))
        g += (len(table) if taps else 0, run_length, one.y.count, height, width, k, one.y.stride, one.x.stride, one.y.place, one.x.place)
        g += (m, cut.panel, lines, cut.blocks, cut.rows, cut.more)
        arrays = (images[0], packed, bias, images[1], np.array(table or (0,), np.int64), scratch, np.array(g, np.int64))
        yield Call(conv.convolve, *arrays, cut.lanes, mode, *cut.tiles, parts=min(PARTS, n * -(-one.y.count // lines)))


def _table(one: Pass, groups: int, r: int, line: int, pixel: int) -> tuple[tuple[int, ...], int]:
    """Where each run of taps begins in the source, and its length."""
    ys = [(shift - one.y.first) * line for shift in one.y.shifts]
    if one.merged(groups):
        return tuple(ys), len(one.x.shifts) * r
    return tuple(y + (shift - one.x.first) * pixel for y in ys for shift in one.x.shifts), r


def weight(layer: Convolution, run: Run) -> Calls:
    """Pieces of the gradient, added up in order."""
    import numpy as np

    from netspec.kernels import conv
    from netspec.kernels.tiles import tiling

    x, dw = run.bottom_shapes[0], run.param_diff[0]
    assert dw is not None
    n, c, h, w = x
    groups, cut, one = layer.group, weight_cut(layer, x), forward_pass(layer, x)
    r, k = c // groups, layer.num_output
    m, dtype, pieces = k // groups, str(dw.dtype), run.workspace["pieces"]
    parts = cut.pieces * cut.shares
    if is_pixelwise(layer, strides=True):
        yield from _weight_of_pixels(layer, run, cut)
        return
    copied = one.y.outside(h) or one.x.outside(w)
    wide = (one.x.count - 1) * one.x.step + one.x.extent
    line = (wide if copied else w) * c
    taps, length = _table(one, groups, r, line, c)
    tiles = tiling(length, m, dtype)
    g = (n, h, w, c, groups, r, one.y.first, one.x.first, one.y.step, one.x.step, one.y.extent, wide, int(copied))
    g += (len(taps), length, one.y.count, one.x.count, k, m, tiles.panel, cut.lines, tiles.blocks, tiles.rows, tiles.more, cut.shares)
    lines = np.arange(cut.lines, dtype=np.int64) * one.y.step * line
    arrays = (run.bottom[0], run.top_diff[0], pieces, lines, np.array(taps, np.int64), run.workspace["windows"], np.array(g, np.int64))
    yield Call(conv.weight_gradient, *arrays, tiles.lanes, *tiles.tiles, parts=parts)
    if cut.pieces > 1:
        yield Call(conv.join_pieces, pieces, parts=min(PARTS, max(1, pieces.shape[1] // 4096)))
    sizes = (groups, k, r, dw.shape[2] * dw.shape[3], int(run.param_add[0]))
    yield Call(conv.piece_to_filters, pieces[0], dw, *sizes, parts=max(1, min(PARTS, k // 16)))


def _weight_of_pixels(layer: Convolution, run: Run, cut: Cut) -> Calls:
    """The same where every pixel stands alone: dw is dy^T x as it is, and made in place where it is in one piece."""
    import numpy as np

    from netspec.kernels import conv
    from netspec.kernels.tiles import tiling

    (_, c, h, w), (n, k, p, q) = run.bottom_shapes[0], run.top_shapes[0]
    x, dw, pixels, add = run.bottom[0], run.param_diff[0], n * p * q, int(run.param_add[0])
    assert dw is not None
    if "thinned" in run.workspace:
        sizes = (h, w, c, p, q, layer.window[0][1], layer.window[1][1])
        yield Call(conv.thin, x, run.workspace["thinned"], *sizes, parts=min(PARTS, n * p))
        x = run.workspace["thinned"]
    pieces = dw.reshape(1, -1) if cut.pieces == 1 else run.workspace["pieces"]
    tiles = tiling(k, c, str(dw.dtype))
    g = (pixels, c, k, c, tiles.panel, tiles.blocks, tiles.rows, tiles.more, cut.shares, DEEP, int(_far_apart(k)))
    arrays = (x, run.top_diff[0], pieces, np.zeros(1, np.int64), run.workspace["windows"], np.array(g, np.int64))
    in_place = add * (cut.pieces == 1)
    yield Call(conv.weight_gradient_pixels, *arrays, tiles.lanes, in_place, *tiles.tiles, parts=cut.pieces * cut.shares)
    if cut.pieces > 1:
        yield Call(conv.add_pieces, pieces, dw.reshape(-1), add, parts=min(PARTS, max(1, dw.size // 4096)))

"""Depthwise convolution (kernels/depthwise.py): one filter for each channel, images with their channels last.

Forward is one pass. Backward to the bottom takes all phases of the stride in one step, so that each line is finished
while it is in the cache. Shapes alone decide all cuts, so that sums do not depend on threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from netspec.codegen.geometry import MOST_PARTS, MOST_TAPS, STRIP_PIXELS, even_parts, share
from netspec.core.beside import Beside
from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.shape import Shape, count
from netspec.lowering import conv_depthwise_both
from netspec.lowering.beside import pull_of
from netspec.lowering.conv import Conv, Way
from netspec.lowering.conv_depthwise_both import MOST_SUMS
from netspec.lowering.conv_lines import distinct, images_geometry, phase_of, row_table
from netspec.lowering.conv_passes import PARTS, SCRATCH, PassAxis, bottom_passes, forward_pass
from netspec.lowering.seen import asked, is_held, left_back, left_forward, seen_back, seen_forward

if TYPE_CHECKING:
    from netspec.core.calls import Array
    from netspec.kernels.conv_geometry import DepthwiseGradient, LinePass
    from netspec.kernels.seen import Leaving, Seen

    Axes = tuple[list[PassAxis], list[PassAxis]]

WORK = 2**17
"""Products of a part."""
PIECES = 16
"""Greatest number of pieces of a weight's gradient."""
PIXELS = 64
"""Least number of pixels in a piece."""
BAND = 65536
"""Values of the lines that a piece goes over once for every tap."""
STRIPS = 24
"""Pixels of the lines that are summed at a time then, at least, but at most LINES."""
LINES = 4
WIDE = 512
"""Channels from which few lines are better at a time, as pixels lie far apart."""
NARROW = 128
"""Channels up to which short strips are better where a stride skips pixels: they read memory more nearly in order."""
BAND_LINES, BAND_PIXELS = 4, 4
"""Lines and pixels that are written at a time where rows are shared: more lines would share sets of the first cache."""


def part_count(written: Shape, taps: int, few: bool = True) -> int:
    """Parts of a pass that writes an image (N, C, H, W), by windows of so many taps.

    They are `few` where each sees its source near itself, or leaves sums of its own.
    """
    parts = even_parts(count(written) * taps, WORK, written[0] * written[2])
    return min(PARTS, parts) if few else parts


def line_scratch(name: str, axes: Sequence[PassAxis], parts: int, source: Shape, use: Any) -> dict[str, Workspace]:
    """Scratch for lines of a source (N, C, H, W) that are seen: those of a window and one more, for each part."""
    reach = max(axis.extent for axis in axes)
    lines = max(reach + 1, min(source[2], SCRATCH // (source[3] * source[1])))
    return {name: Workspace((parts, lines * source[3] * source[1]), use=use)}


def _passes(w: Any, packed: Any, bias: Any, images: Any, axes: Axes, mode: int, seen: Seen, left: Leaving) -> Calls:
    """Calls that write one image from another, both (N, H, W, C)."""
    import numpy as np

    from netspec.kernels import depthwise
    from netspec.kernels.conv_geometry import SpotCodes

    (n, h, width, c), (_, p, q, _), (down, across) = images[0].shape, images[1].shape, w.shape[2:]
    ys, xs = axes
    yield _pack(w, packed)
    sizes, together = _sizes(xs, width, c)
    parts = part_count((n, c, p, q), down * across, few=asked(seen, left))
    arrays = (images[0].reshape(-1), packed.reshape(-1), bias, images[1].reshape(-1))
    if together:
        yield Call(depthwise.strips, *arrays, _line_pass(images, w.shape, axes, mode, seen), seen, left, parts=parts)
    else:
        from netspec.codegen.strips import strip

        phases = [phase_of(x, pixels) for x, (pixels, _) in zip(xs, sizes, strict=True)]
        tables = [np.array(table, np.int64).reshape(-1) for table in (row_table(ys, h, p), phases)]
        spots = SpotCodes(strip("spot", sizes[0][0]), strip("spot", 1))
        geometry = images_geometry(images, w.shape, ys)
        yield Call(depthwise.spots, *arrays, geometry, *tables, mode, spots, seen, left, parts=parts)


def _pack(w: Any, packed: Any) -> Call:
    from netspec.kernels import depthwise

    return Call(depthwise.pack, w.reshape(len(w), -1), packed, parts=max(1, min(MOST_PARTS, w.size // 16384)))


def _line_pass(images: Any, weight: Shape, axes: Axes, mode: int, seen: Seen) -> LinePass:
    """The pass that writes one image from another, both (N, H, W, C), in strips, as they see the first."""
    from netspec.codegen.strips import READ, WRITTEN, strip
    from netspec.kernels.conv_geometry import Bands

    (_, _, width, c), (ys, xs) = images[0].shape, axes
    banded = len(ys) == 1 and ys[0].together and len(ys[0].taps) > 1 and not is_held(seen)
    sizes, _ = _sizes(xs, width, c, banded)
    lens, ahead = int(seen.lens.factor.size > 0), WRITTEN if is_held(seen) else READ | WRITTEN
    codes: list[Any] = []
    for x, (pixels, _) in zip(xs, sizes, strict=True):
        for number in (pixels, x.length % pixels or pixels):
            if banded:
                codes.append(strip("band", number, len(x.taps), x.step, len(ys[0].taps), ys[0].step, lens))
            else:
                codes.append(strip("strip", number, len(x.taps), x.step, ahead, lens))
    lines = line_pass(images, weight, axes, [pixels for pixels, _ in sizes], codes, mode)
    if not banded:
        return lines
    return lines._replace(bands=Bands(BAND_LINES, ys[0].step, ys[0].first, ys[0].taps[0]))


def line_pass(
    images: Any, weight: Shape, axes: Axes, pixels: Sequence[int], codes: Sequence[Any], mode: int
) -> LinePass:
    """As the kernel takes it, with the pixels of each phase's strips, and their codes, two for a phase."""
    import numpy as np

    from netspec.kernels.conv_geometry import Bands, LinePass, StripCodes

    ys, phases = axes[0], [phase_of(x, number) for x, number in zip(axes[1], pixels, strict=True)]
    lines = row_table(ys, images[0].shape[1], images[1].shape[1])
    tables = np.array(lines, np.int64).reshape(-1), np.array(phases, np.int64).reshape(-1)
    codes = StripCodes(*codes, *codes[: 4 - len(codes)])
    return LinePass(images_geometry(images, weight, ys), *tables, codes, Bands(0, 0, 0, 0), mode)


def _sizes(
    axes: Sequence[PassAxis], width: int, channels: int, banded: bool = False
) -> tuple[list[tuple[int, int]], bool]:
    """For each phase of a line (pixels of a strip, of the last strip); and whether strips fit, else spots are used."""

    if banded:
        sizes = [share(axis.length, BAND_PIXELS) for axis in axes]
        if all(_fits_strips(axis, size, width) for axis, size in zip(axes, sizes, strict=True)):
            return sizes, True
    sizes = [share(axis.length, 2 if axis.step > 1 and channels <= NARROW else STRIP_PIXELS) for axis in axes]
    if len(axes) <= 2 and all(_fits_strips(axis, size, width) for axis, size in zip(axes, sizes, strict=True)):
        return sizes, True
    return [(4, 1)] * len(axes), False


def _fits_strips(axis: PassAxis, size: tuple[int, int], width: int) -> bool:
    """Whether strips can write this axis.

    A line's taps must be few and adjacent, and no strip may read more columns outside of the image than it has taps, on
    either side.
    """
    taps, last = len(axis.taps), (axis.length - 1) // size[0] * size[0]
    ends = [(o, size[0] if o < last else size[1]) for o in range(0, axis.length, size[0])]
    columns = [(o * axis.step + axis.first, ((o + pixels - 1) * axis.step + axis.first + taps)) for o, pixels in ends]
    near = all(-first <= taps and last <= width + taps for first, last in columns)
    return 0 < taps <= MOST_TAPS and axis.step <= 2 and axis.together and near


def _together(channels: int, taps: int, bytes: int) -> int:
    """Vectors of a pixel that are taken together: all where they and their sums fit the registers, else 1."""
    from netspec.codegen import simd

    vectors, rest = divmod(channels * bytes, simd.BYTES)
    return vectors if vectors > 1 and not rest and vectors * taps <= simd.REGISTERS * 3 // 8 else 1


def tap_count(conv: Conv) -> int:
    """Taps of a filter."""
    (down, *_), (across, *_) = conv.window
    return down * across


def piece_count(conv: Conv) -> int:
    """Pieces of a weight's gradient, where it is small."""
    n, _, p, q = conv.top
    return max(1, min(PIECES, n * p * q // PIXELS, n * p))


def _in_windows(conv: Conv) -> bool:
    """Whether the weight's gradient is summed for all taps at a time: they are few, and strips fit."""

    x = forward_pass(conv).x
    return tap_count(conv) <= MOST_SUMS and _fits_strips(x, share(x.length, STRIP_PIXELS), conv.bottom[3])


def _band(conv: Conv) -> int:
    """Lines that a piece goes over at a time, once for every tap or for all taps."""
    if _in_windows(conv):
        return min(LINES, -(-STRIPS // conv.top[3]))
    return band_lines(conv, BAND if conv.filters < WIDE else BAND // 4)


def band_lines(conv: Conv, band: int) -> int:
    """Lines of the top's diff in a band of about `band` values of it and the bottom."""
    return max(1, band // (conv.filters * (conv.bottom[3] * conv.window[0].stride + conv.top[3])))


def band_values(conv: Conv, lines: int) -> int:
    """Values of a band's lines of the bottom, and of the top's diff."""
    kernel, stride, _, dilation = conv.window[0]
    read = (lines - 1) * stride + (kernel - 1) * dilation + 1
    return (read * conv.bottom[3] + lines * conv.top[3]) * conv.filters


def gradient_geometry(
    conv: Conv, together: int, pixels: int, codes: tuple[Any, Any], band: int, shares: int = 1
) -> DepthwiseGradient:
    """The weight's gradient in strips of `pixels` pixels and `together` taps, by the codes of whole and last strips.

    `band` lines of the top's diff are gone over at a time.
    """
    from netspec.kernels.conv_geometry import DepthwiseGradient

    (n, c, h, width), (_, _, p, q) = conv.bottom, conv.top
    (down, step_y, pad_y, apart_y), (across, step_x, pad_x, apart_x) = conv.window
    return DepthwiseGradient(
        images=n,
        height=h,
        width=width,
        channels=c,
        group=conv.weight[1],
        lines=p,
        columns=q,
        down=down,
        across=across,
        stride_y=step_y,
        stride_x=step_x,
        pad_y=pad_y,
        pad_x=pad_x,
        dilation_y=apart_y,
        dilation_x=apart_x,
        shares=shares,
        band=band,
        together=together,
        pixels=pixels,
        whole=codes[0],
        rest=codes[1],
    )


def _windows(conv: Conv, seen: Seen) -> DepthwiseGradient:
    """The weight's gradient for all taps at a time, by codes that may see the bottom through a lens."""
    from netspec.codegen.strips import strip

    (down, *_), (across, step, *_) = conv.window
    size, lens = share(conv.top[3], STRIP_PIXELS), int(seen.lens.factor.size > 0)
    codes = strip("window", size[0], across, step, down, lens), strip("window", size[1], across, step, down, lens)
    return gradient_geometry(conv, across, size[0], codes, _band(conv))


def _join(pieces: Any, run: Run, dw: Array) -> Call:
    from netspec.kernels import depthwise

    parts = max(1, min(MOST_PARTS, pieces.size // 65536))
    return Call(depthwise.join, pieces, dw.reshape(len(dw), 1, -1), int(run.param_add[0]), parts=parts)


def _back(conv: Conv) -> Axes:
    """The axes of the passes back to the bottom."""
    passes = list(bottom_passes(conv))
    return distinct([one.y for one in passes]), distinct([one.x for one in passes])


class Depthwise(Way):
    """Strips of pixels with vectors along channels; for convolutions with one filter a channel."""

    wanted: ClassVar[str] = "one filter for each channel"
    pitched: ClassVar[bool] = False

    def fits(self, conv: Conv) -> bool:
        """Whether each channel has a filter of its own."""
        return 1 < conv.group == conv.bottom[1] == conv.filters

    def beside(self, conv: Conv) -> Beside:
        """Reads through a lens and a pull, and leaves moments and products, a piece for each part."""
        parts = [part_count(image, tap_count(conv)) for image in (conv.top, conv.bottom)]
        return Beside(frozenset({0}), parts[0], True, (parts[1],))

    def forward_spaces(self, conv: Conv) -> dict[str, Workspace]:
        """The packed filters, and lines of the bottom as they are seen."""
        parts = part_count(conv.top, tap_count(conv))
        packed = {"packed": Workspace((tap_count(conv), conv.filters), use="forward", fixed=True)}
        one = forward_pass(conv)
        _, coded = _sizes([one.x], conv.bottom[3], conv.filters)
        near = Workspace((1, 0), use="forward")
        return packed | ({"near": near} if coded else line_scratch("near", [one.y], parts, conv.bottom, "forward"))

    def bottom_spaces(self, conv: Conv) -> dict[str, Workspace]:
        """The packed filters, which backward packs anew, and lines of the top's diff as they are seen."""
        parts, (axes, _) = part_count(conv.bottom, tap_count(conv)), _back(conv)
        packed = {"packed_bottom": Workspace((tap_count(conv), conv.filters), use="backward")}
        alone = line_scratch("near_bottom", axes, parts, conv.top, "backward")["near_bottom"].shape[1]
        lines = alone // (conv.top[3] * conv.filters)
        near = max(alone, conv_depthwise_both.scratch(conv, lines)) if conv_depthwise_both.fits(conv) else alone
        return packed | {"near_bottom": Workspace((parts, near), use="backward")}

    def backward_spaces(self, conv: Conv) -> dict[str, Workspace]:
        """Both gradients may be computed in one pass, so nothing takes turns."""
        return self.weight_spaces(conv) | self.bottom_spaces(conv)

    def weight_spaces(self, conv: Conv) -> dict[str, Workspace]:
        """The pieces of the gradient, and the lines of a band of bottom and top's diff as they are seen."""
        pieces, band, parts = piece_count(conv), _band(conv), part_count(conv.bottom, tap_count(conv))
        near = band * conv.top[3] * conv.filters if _in_windows(conv) else band_values(conv, band)
        return {
            "pieces": Workspace((max(pieces, parts), tap_count(conv) * conv.filters), use="backward"),
            "near_weight": Workspace((pieces, near), use="backward"),
        }

    def forward(self, conv: Conv, run: Run, mode: int) -> Calls:
        """Pack the filters, then one pass."""
        w, packed = run.param[0], run.workspace["packed"]
        one = forward_pass(conv)
        bias = run.param[1] if conv.bias else w.reshape(-1)[:0]
        _, coded = _sizes([one.x], conv.bottom[3], conv.filters)
        seen, left = seen_forward(run, run.workspace["near"], coded), left_forward(run)
        yield from _passes(w, packed, bias, (run.bottom[0], run.top[0]), ([one.y], [one.x]), mode, seen, left)

    def bottom(self, conv: Conv, run: Run, mode: int, bias: Array) -> Calls:
        """Pack the filters, then all phases of the stride."""
        images = (run.top_diff[0], run.bottom_diff[0])
        seen, left = seen_back(run, run.workspace["near_bottom"]), left_back(run)
        yield from _passes(run.param[0], run.workspace["packed_bottom"], bias, images, _back(conv), mode, seen, left)

    def weight(self, conv: Conv, run: Run, dw: Array) -> Calls:
        """Sum the gradient in pieces, then add these up."""
        from netspec.codegen.strips import strip
        from netspec.kernels import depthwise

        (_, c, _, width), q, (across, step_x, *_) = conv.bottom, conv.top[3], conv.window[1]
        pieces, near, coded = run.workspace["pieces"], run.workspace["near_weight"], _in_windows(conv)
        pieces = pieces[: piece_count(conv)]
        arrays = (run.bottom[0].reshape(-1), run.top_diff[0].reshape(-1), pieces)
        kernel, seen = depthwise.weight_gradient, seen_forward(run, near, coded)
        if coded:
            kernel, geometry = depthwise.window_gradient, _windows(conv, seen)
        else:
            together = _together(c, across, dw.itemsize)
            size = share(q, 2 if together > 1 else STRIP_PIXELS)
            taps = across if _fits_strips(forward_pass(conv).x, size, width) else 1
            pixels, rest = (size[0], (q - 1) % size[0] + 1) if taps > 1 else (4, 1)
            codes = strip("grad", pixels, taps, step_x, together), strip("grad", rest, taps, step_x, together)
            geometry = gradient_geometry(conv, taps, pixels, codes, _band(conv))
        yield Call(kernel, *arrays, geometry, seen, pull_of(run), parts=len(pieces))
        yield _join(pieces, run, dw)

    def backward(self, conv: Conv, run: Run, mode: int, bias: Array) -> Calls:
        """Both diffs in one pass, where they are wanted and fit: the top's diff is read once."""
        (dx, *_), (dw, *_) = run.bottom_diff, run.param_diff
        if dx is None or dw is None or bias.size or not conv_depthwise_both.fits(conv):
            yield from super().backward(conv, run, mode, bias)
            return
        packed, parts = run.workspace["packed_bottom"], part_count(conv.bottom, tap_count(conv))
        yield _pack(run.param[0], packed)
        yield conv_depthwise_both.call(conv, run, packed, _back(conv)[0], mode, parts)
        yield _join(run.workspace["pieces"][:parts], run, dw)

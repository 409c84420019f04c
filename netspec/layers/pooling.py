"""Pooling: one value for each window of a plane: its maximum, average or length, or a value drawn from it.

MAX: y = max of the window, the first of equals. AVE: y = sum of the window / its area; the area counts the padding, but
not what hangs over beyond it. L2: y = sqrt(sum x^2); where that is 0, so is the gradient. STOCHASTIC: while training, y
is the x of the window that was drawn with probability x / sum x; while testing, y = sum x^2 / sum x, or 0 where sum x
is not above 0.
The output size is ceil((N+2P-F)/S)+1, and one less where padding would let the last window start past the image.
Source: Caffe pooling_layer.cpp, pooling_layer.cu; Zeiler & Fergus 2013 (STOCHASTIC); Sermanet, Chintala & LeCun 2012
(L2).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from netspec.codegen.geometry import Planes, PoolWindow
from netspec.core.beside import Beside
from netspec.core.calls import Call, Calls, Phase, Run, Workspace
from netspec.core.model import wrong
from netspec.core.receptive import ReceptiveField, union
from netspec.core.shape import Shape, ShapeError, Shapes, Window, count, counted, pooled, pooled_text
from netspec.core.worked import LayerArrays, Term, Worked, greatest, total
from netspec.layers._engine import Engine
from netspec.layers._spatial import once
from netspec.layers._window import Meeting, Windowed, meetings
from netspec.layers.base import ANY_LAYOUT, BOTTOM, NOTHING, TOP, Abilities, Arity, Passing, Purpose
from netspec.lowering.beside import lens_of, pieces, products_of
from netspec.lowering.conv_passes import PARTS
from netspec.lowering.planes import planes

if TYPE_CHECKING:
    from netspec.core.calls import Array, Arrays, Move

Place = tuple[int, ...]

FAR = 2**24
"""Bytes of a bottom's diff from which on it is written past the caches: smaller ones may be near when they are read."""
WAITING = 2**13
"""Values that wait in a part's scratch, at most: they stay in its nearest cache."""


class Pooling(Engine, Windowed):
    """Shrink each plane of an image to the maximum or average of its windows.

    Bottom: x (N, C, H, W); also (N, C, W) or (N, C, D, H, W). Top: y (N, C, P, Q), or as many axes as x has; with MAX
    an optional second top of that shape holds the place of each maximum, (d*H + h)*W + w. Not in place: y has another
    shape. Unlike in Caffe, a window that lies wholly outside the image is an error.
    """

    tops: ClassVar[Arity] = Arity(1, 2)
    purpose: ClassVar[Purpose] = "pooling"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 7, 6]]}
- {name: most, type: Pooling, kernel_size: 3, stride: 2}
- {name: mean, type: Pooling, pool: AVE, kernel_size: [2, 3], pad: [0, 1], stride: 2, bottom: data}
- {name: length, type: Pooling, pool: L2, kernel_size: 2, round_mode: FLOOR, bottom: data}
- {name: drawn, type: Pooling, pool: STOCHASTIC, kernel_size: 2, stride: 2, bottom: data}
"""

    pool: Literal["MAX", "AVE", "STOCHASTIC", "L2"] = Field(
        "MAX", description="Maximum or average of a window, a value drawn from it, or its length."
    )
    global_pooling: bool = Field(
        False, description="The window is the whole plane; then no kernel, stride or pad is given."
    )
    round_mode: Literal["CEIL", "FLOOR"] = Field("CEIL", description="Rounding of the output size.")

    @property
    def alone(self) -> bool:
        """Always: every item is computed by itself."""
        return True

    @property
    def abilities(self) -> Abilities:
        """Channels last, L2 and STOCHASTIC in any layout; backward of the first two reads nothing."""
        reads = {"L2": BOTTOM | TOP, "STOCHASTIC": BOTTOM}.get(self.pool, NOTHING)
        return Abilities(layouts=("NHWC",) if self.pool in {"MAX", "AVE"} else ANY_LAYOUT, reads=reads)

    def beside(self, bottoms: Shapes) -> Beside:
        """Reads its bottom through a lens and leaves products, by whole rows of pixels or of windows."""
        if self._general(bottoms[0]) or (self.pool == "MAX" and self._large(bottoms[0])):
            return Beside()
        rows = min(bottoms[0][2], self.top_shapes(bottoms)[0][2])
        return Beside(frozenset({0}), products=(pieces(bottoms[0], bottoms[0][0] * rows),))

    @model_validator(mode="after")
    def _check(self) -> Pooling:
        for name in ("kernel_size", "kernel_h", "kernel_w", "stride", "stride_h", "stride_w", "pad", "pad_h", "pad_w"):
            value = getattr(self, name)
            values = {*value} if isinstance(value, tuple) else {value} - {None}
            idle = values <= {{"stride": 1, "pad": 0}.get(name.split("_")[0])}
            if self.global_pooling and not idle:
                raise wrong(f"`global_pooling` takes the whole plane, so `{name}` has no meaning", field=name)
            if self.pool == "STOCHASTIC" and name.startswith("pad") and not idle:
                raise wrong("STOCHASTIC pooling draws from real values, so it takes no padding", field=name)
        if not self.global_pooling and not self.kernel_size and self.kernel_h is None:
            raise wrong(
                "the window has no size",
                help="give `kernel_size`, or `kernel_h` and `kernel_w`, or `global_pooling: true`",
            )
        if self.pool != "MAX" and len(self.top_names()) > 1:
            raise wrong("only MAX pooling has a second top, the places of the maxima", field="top")
        return self

    def windows(self, bottom: Shape) -> tuple[Window, ...]:
        """The window along each axis behind the channels; with `global_pooling` it is as long as the axis."""
        return tuple(map(Window, bottom[2:])) if self.global_pooling else self.axes(len(bottom) - 2)

    @property
    def passing(self) -> Passing:
        """Zeros stay; each channel is pooled alone, and draws of its own make channels unequal."""
        return Passing("all", channels=None if self.pool == "STOCHASTIC" else "alike")

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """(N, C, P, Q), once or twice."""
        if not 3 <= len(bottoms[0]) <= 5:
            text = "pooling reads N x C x H x W (or one or three axes behind N x C), not {bottom[0]}"
            raise ShapeError(text, field="bottom.0")
        sizes = tuple(self._size(bottoms[0], axis) for axis in range(len(bottoms[0]) - 2))
        return ((*bottoms[0][:2], *sizes),) * len(self.top_names())

    def moves(self, phase: Phase) -> Move | None:
        """Every so many values along each axis, where a window is a single value."""
        single = {*self.kernel_size, self.kernel_h, self.kernel_w} <= {1, None} and not self.global_pooling
        summed = self.pool == "L2" or (self.pool == "STOCHASTIC" and phase == "TEST")
        return self._sampled if single and not summed and len(self.top_names()) == 1 else None

    def _sampled(self, bottoms: Arrays) -> Arrays:
        steps = (slice(None, None, window.stride) for window in self.windows(bottoms[0].shape))
        return (bottoms[0][(slice(None), slice(None), *steps)],)

    def _size(self, bottom: Shape, axis: int) -> int:
        """Windows along one spatial axis. Raises ShapeError where one would lie wholly outside the image."""
        size, (kernel, stride, pad, _) = bottom[2 + axis], self.windows(bottom)[axis]
        suffix = "hw"[axis % 2]
        if pad >= kernel:
            field = "pad" if self.pad else f"pad_{suffix}"
            raise ShapeError(f"the padding, {pad}, must be smaller than the window, {kernel}", field=field)
        windows = pooled(size, kernel, stride, pad, self.round_mode == "CEIL") - self._dropped(bottom, axis)
        if windows < 1:
            field = "kernel_size" if self.kernel_size else f"kernel_{suffix}"
            raise ShapeError(
                f"the window is {kernel} wide, but {{bottom[0]}} with its padding only {size + 2 * pad}", field=field
            )
        if (windows - 1) * stride - pad >= size:
            field = "stride" if self.stride else f"stride_{suffix}"
            start = (windows - 1) * stride - pad
            raise ShapeError(
                f"the last of {windows} windows would start at {start}, "
                f"past the {counted(size, 'value')} of {{bottom[0]}} along this axis",
                field=field,
                help="use `round_mode: FLOOR`, or a stride no larger than the window",
            )
        return windows

    def _dropped(self, bottom: Shape, axis: int) -> int:
        """1 where Caffe drops the last window of an unpadded axis, else 0.

        Caffe drops it where it starts past the image and another axis is padded.
        """
        size, (kernel, stride, pad, _) = bottom[2 + axis], self.windows(bottom)[axis]
        if pad or not any(window.pad for window in self.windows(bottom)):
            return 0
        start = (pooled(size, kernel, stride, 0, self.round_mode == "CEIL") - 1) * stride
        return int(start >= size)

    def shape_arithmetic(self, bottoms: Shapes) -> str:
        """ceil((24+2*0-2)/2)+1 = 12, for each axis where they differ."""
        ceil = self.round_mode == "CEIL"
        words = []
        for axis, (size, window) in enumerate(zip(bottoms[0][2:], self.windows(bottoms[0]), strict=True)):
            words.append(pooled_text(size, *window[:3], ceil))
            if self._dropped(bottoms[0], axis):
                terms, _, _ = words[axis].replace(" = ", " - 1 (starts past the image) = ").rpartition(" ")
                words[axis] = f"{terms} {self._size(bottoms[0], axis)}"
        return once(words)

    def receptive_field(self, bottoms: Shapes, fields: Sequence[ReceptiveField]) -> ReceptiveField:
        """The bottom's field, widened by the window; or the whole image."""
        field = union(bottoms, fields).through(self.windows(bottoms[0]))
        return field.whole(*(True for _ in field.axes)) if self.global_pooling else field

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """The places of the maxima, or of drawn values, when backward or a second top wants them."""
        wanted = backward or self._general(bottoms[0])
        spaces = {}
        if self.pool == "STOCHASTIC" or (self.pool == "MAX" and (wanted or len(self.top_names()) > 1)):
            small = not self._general(bottoms[0]) and not self._large(bottoms[0])
            spaces["mask"] = Workspace(self.top_shapes(bottoms)[0], "uint8" if small else "int32", kept=backward)
        if backward and not self._general(bottoms[0]) and self._waiting(bottoms[0]):
            spaces["lines"] = Workspace((PARTS, self._waiting(bottoms[0])), use="backward")
        return spaces

    def _waiting(self, bottom: Shape) -> int:
        """Values of a line of the bottom's diff, which waits in scratch until it is whole, where that is far; else 0.

        Where windows do not overlap, they are written at once.
        """
        line = bottom[1] * bottom[3]
        return line if count(bottom) >= FAR // 4 and line <= WAITING and not self._apart(self._window(bottom)) else 0

    def _apart(self, window: PoolWindow) -> bool:
        """Whether windows do not overlap."""
        return window.height <= window.stride_y and window.width <= window.stride_x

    def _general(self, bottom: Shape) -> bool:
        """Whether the kernels for any number of axes compute it, whose masks hold places in planes, not in windows."""
        return len(bottom) != 4 or self.pool not in {"MAX", "AVE"}

    def _large(self, bottom: Shape) -> bool:
        """Whether a window has more places than a byte can count."""
        return count(window.kernel for window in self.windows(bottom)) > 255

    def forward(self, run: Run) -> Calls:
        """One pass over the windows; then, for a second top, the places as real numbers."""
        from netspec.kernels import pooling

        shape = run.bottom_shapes[0]
        if self._general(shape):
            yield from self._general_forward(run, planes(shape, run.top_shapes[0], self.windows(shape), run.layout))
            return
        window, large, lens = self._window(shape), self._large(shape), lens_of(run)
        x, y, seen = run.bottom[0], run.top[0], lens.factor.size > 0
        if self.pool == "AVE":
            yield Call(pooling.average_forward_seen if seen else pooling.average_forward, x, y, lens, window)
        elif "mask" not in run.workspace:
            yield Call(pooling.max_forward_only_seen if seen else pooling.max_forward_only, x, y, lens, window)
        else:
            kernel = pooling.max_forward_seen if seen else pooling.max_forward
            yield Call(pooling.max_forward_large if large else kernel, x, y, run.workspace["mask"], lens, window)
            for top in run.top[1:]:
                yield Call(
                    pooling.mask_top_large if large else pooling.mask_top, run.workspace["mask"], top, shape[3], window
                )

    def _general_forward(self, run: Run, over: Planes) -> Calls:
        from netspec.kernels import window_sums, windows

        x, y = run.bottom[0], run.top[0]
        if self.pool == "MAX":
            yield Call(windows.max_places, x, y, run.workspace["mask"], over)
            for top in run.top[1:]:
                yield Call(windows.places_top, run.workspace["mask"], top)
        elif self.pool == "STOCHASTIC" and run.phase == "TRAIN":
            yield Call(window_sums.draw_places, x, y, run.workspace["mask"], over, run.clock, run.seed % 2**63)
        else:
            yield Call({"AVE": window_sums.mean, "L2": window_sums.l2}.get(self.pool, window_sums.expected), x, y, over)

    def backward(self, run: Run) -> Calls:
        """Each pixel gathers the diffs of the windows that hold it; the places have no gradient."""
        from netspec.kernels import pooling

        dx, shape = run.bottom_diff[0], run.bottom_shapes[0]
        if dx is None:
            return
        if self._general(shape):
            yield self._general_backward(run, planes(shape, run.top_shapes[0], self.windows(shape), run.layout))
            return
        window, products = self._window(shape), products_of(run)
        number, average = len(products.pieces.values), self.pool == "AVE"
        large = self._large(shape) and not average
        apart = self._apart(window) and not large
        kernel = pooling.max_backward_large if large else pooling.BACKWARD[average, apart, number > 0]
        arrays = (run.top_diff[0], dx) if average else (run.top_diff[0], run.workspace["mask"], dx)
        waits = "lines" in run.workspace and number > 0 and not apart
        if not apart:
            arrays = (*arrays, run.workspace["lines"] if waits else dx.reshape(-1, shape[1])[:0])
        far = int(dx.nbytes >= FAR and (waits or not number))  # what is read again at once is not far
        yield Call(kernel, *arrays, far, products, window, parts=number or None)

    def _general_backward(self, run: Run, over: Planes) -> Call:
        from netspec.kernels import window_sums, windows

        dy, dx = run.top_diff[0], run.bottom_diff[0]
        if self.pool == "AVE":
            return Call(window_sums.mean_backward, dy, dx, over, 0)
        if self.pool == "L2":
            return Call(window_sums.l2_backward, run.bottom[0], run.top[0], dy, dx, over)
        if self.pool == "STOCHASTIC" and run.phase == "TEST":
            return Call(window_sums.expected_backward, run.bottom[0], dy, dx, over)
        return Call(windows.put_places, dy, run.workspace["mask"], dx, over, 0)

    def _window(self, bottom: Shape) -> PoolWindow:
        (fh, sh, ph, _), (fw, sw, pw, _) = self.windows(bottom)
        return PoolWindow(fh, fw, sh, sw, ph, pw)

    def worked(self, arrays: LayerArrays, index: Place) -> Iterator[Worked]:
        """The value of a window."""
        if self.pool == "STOCHASTIC":
            return
        (n, c, *own), shape = index, arrays.bottoms[0].shape
        plane, at = arrays.bottoms[0][n, c], tuple(own)
        met = [
            list(meetings(*axis)) for axis in zip(shape[2:], arrays.tops[0].shape[2:], self.windows(shape), strict=True)
        ]
        pixels = _pixels(met, at)
        yield self._value(plane, pixels, self._area(shape, at)).at("y", index)

    def _value(self, plane: Array, pixels: list[Place], area: int) -> Term:
        """The value of a window."""
        values = [Term(plane[pixel]) for pixel in pixels]
        if self.pool == "L2":
            return total([value.power(2.0) for value in values]).sqrt()
        return greatest(values) if self.pool == "MAX" else total(values) / area

    def _area(self, bottom: Shape, window: Place) -> int:
        """The divisor of a window's sum: padding counts, the overhang beyond it does not."""
        area = 1
        for place, size, (kernel, stride, pad, _) in zip(window, bottom[2:], self.windows(bottom), strict=True):
            start = place * stride - pad
            area *= min(start + kernel, size + pad) - start
        return area


def _pixels(met: list[list[Meeting]], window: Place) -> list[Place]:
    """The pixels of a window."""
    return list(product(*([m.pixel for m in axis if m.window == i] for axis, i in zip(met, window, strict=True))))

"""Pooling: the maximum or the average of each window of a plane.

MAX: y = max of the window, the first of equals. AVE: y = sum of the window / its area; the area counts the padding, but
not what hangs over beyond it.
The output size is ceil((N+2P-F)/S)+1, and one less where padding would let the last window start past the image.
Source: Caffe pooling_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from netspec.codegen.geometry import PoolWindow
from netspec.core.calls import Call, Calls, Phase, Run, Workspace
from netspec.core.model import wrong
from netspec.core.receptive import ReceptiveField, union
from netspec.core.shape import Shape, ShapeError, Shapes, Window, counted, pooled, pooled_text
from netspec.core.worked import LayerArrays, Term, Worked, greatest, total
from netspec.layers._window import Meeting, Windowed, meetings
from netspec.layers.base import NOTHING, Abilities, Arity, Passing, Purpose

if TYPE_CHECKING:
    from netspec.core.calls import Array, Arrays, Move


class Pooling(Windowed):
    """Shrink each plane of an image to the maximum or average of its windows.

    Bottom: x (N, C, H, W). Top: y (N, C, P, Q); with MAX an optional second top of that shape holds the place of each
    maximum, h*W + w. Not in place: y has another shape.
    """

    purpose: ClassVar[Purpose] = "pooling"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 7, 6]]}
- {name: pool, type: Pooling, kernel_size: 3, stride: 2}
- {name: mean, type: Pooling, pool: AVE, global_pooling: true}
"""

    tops: ClassVar[Arity] = Arity(1, 2)

    pool: Literal["MAX", "AVE"] = Field("MAX", description="Maximum or average of a window.")
    global_pooling: bool = Field(
        False, description="The window is the whole plane; then no kernel, stride or pad is given."
    )
    round_mode: Literal["CEIL", "FLOOR"] = Field("CEIL", description="Rounding of the output size.")

    @property
    def abilities(self) -> Abilities:
        """Channels last; backward reads the mask alone."""
        return Abilities(layouts=("NHWC",), reads=NOTHING)

    @model_validator(mode="after")
    def _check(self) -> Pooling:
        for name in ("kernel_size", "kernel_h", "kernel_w", "stride", "stride_h", "stride_w", "pad", "pad_h", "pad_w"):
            neutral = {"stride": 1, "pad": 0}.get(name.split("_")[0])
            value = getattr(self, name)
            idle = [None, ()] if neutral is None else [None, (), neutral, (neutral,), (neutral, neutral)]
            if self.global_pooling and value not in idle:
                raise wrong(f"`global_pooling` takes the whole plane, so `{name}` has no meaning", field=name)
        if not self.global_pooling and not self.kernel_size and self.kernel_h is None:
            raise wrong(
                "the window has no size",
                help="give `kernel_size`, or `kernel_h` and `kernel_w`, or `global_pooling: true`",
            )
        if self.pool == "AVE" and len(self.top_names()) > 1:
            raise wrong("only MAX pooling has a second top, the places of the maxima", field="top")
        return self

    @property
    def window(self) -> tuple[Window, Window]:
        """(kernel, stride, pad, dilation) of the vertical and the horizontal axis; a kernel of 0 is the whole plane."""
        return self.axes()

    def windows(self, bottom: Shape) -> tuple[Window, Window]:
        """Both axes for a bottom (N, C, H, W); with `global_pooling` the kernel is the whole plane."""
        if self.global_pooling:
            return Window(bottom[2]), Window(bottom[3])
        return self.window

    @property
    def passing(self) -> Passing:
        """Zeros stay; each channel is pooled alone."""
        return Passing("all", channels="alike")

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """(N, C, P, Q), once or twice."""
        if len(bottoms[0]) != 4:
            raise ShapeError("pooling reads N x C x H x W, not {bottom[0]}", field="bottom.0")
        sizes = tuple(self._size(bottoms[0], axis) for axis in (0, 1))
        return ((*bottoms[0][:2], *sizes),) * len(self.top_names())

    def moves(self, phase: Phase) -> Move | None:
        """Every so many rows and columns, where a window is a single value."""
        single = all(window.kernel == 1 and window.pad == 0 for window in self.window)
        return self._sampled if single and len(self.top_names()) == 1 else None

    def _sampled(self, bottoms: Arrays) -> Arrays:
        (_, down, _, _), (_, across, _, _) = self.window
        return (bottoms[0][:, :, ::down, ::across],)

    def _size(self, bottom: Shape, axis: int) -> int:
        """Windows along one spatial axis. Raises ShapeError where one would lie wholly outside the image."""
        size, (kernel, stride, pad, _) = bottom[2 + axis], self.windows(bottom)[axis]
        suffix = "hw"[axis]
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

        Caffe drops it where it starts past the image and the other axis is padded.
        """
        size, (kernel, stride, pad, _) = bottom[2 + axis], self.windows(bottom)[axis]
        other = self.windows(bottom)[1 - axis][2]
        if pad or not other:
            return 0
        start = (pooled(size, kernel, stride, 0, self.round_mode == "CEIL") - 1) * stride
        return int(start >= size)

    def shape_arithmetic(self, bottoms: Shapes) -> str:
        """ceil((24+2*0-2)/2)+1 = 12, for both axes when they differ."""
        ceil = self.round_mode == "CEIL"
        words = [
            pooled_text(size, *axis[:3], ceil)
            for size, axis in zip(bottoms[0][2:], self.windows(bottoms[0]), strict=True)
        ]
        for axis in (0, 1):
            if self._dropped(bottoms[0], axis):
                terms, _, _ = words[axis].replace(" = ", " - 1 (starts past the image) = ").rpartition(" ")
                words[axis] = f"{terms} {self._size(bottoms[0], axis)}"
        return words[0] if words[0] == words[1] else ", ".join(words)

    def receptive_field(self, bottoms: Shapes, fields: Sequence[ReceptiveField]) -> ReceptiveField:
        """The bottom's field, widened by the window; or the whole image."""
        field = union(bottoms, fields)
        return field.whole(True, True) if self.global_pooling else field.through(self.window)

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """The places of the maxima in their windows, when backward or a second top wants them."""
        if self.pool == "MAX" and (backward or len(self.top_names()) > 1):
            kind: Literal["uint8", "int32"] = "int32" if self._large(bottoms[0]) else "uint8"
            return {"mask": Workspace(self.top_shapes(bottoms)[0], kind, kept=backward)}
        return {}

    def _large(self, bottom: Shape) -> bool:
        """Whether a window has more places than a byte can count."""
        window = self._window(bottom)
        return window.height * window.width > 255

    def forward(self, run: Run) -> Calls:
        """One pass over the windows; then, for a second top, the places as real numbers."""
        from netspec.kernels import pooling

        shape = run.bottom_shapes[0]
        window, large = self._window(shape), self._large(shape)
        if self.pool == "AVE":
            yield Call(pooling.average_forward, run.bottom[0], run.top[0], window)
        elif "mask" not in run.workspace:
            yield Call(pooling.max_forward_only, run.bottom[0], run.top[0], window)
        else:
            kernel = pooling.max_forward_large if large else pooling.max_forward
            yield Call(kernel, run.bottom[0], run.top[0], run.workspace["mask"], window)
            for top in run.top[1:]:
                yield Call(
                    pooling.mask_top_large if large else pooling.mask_top, run.workspace["mask"], top, shape[3], window
                )

    def backward(self, run: Run) -> Calls:
        """Each pixel gathers the diffs of the windows that hold it; the places have no gradient."""
        from netspec.kernels import pooling

        dx = run.bottom_diff[0]
        if dx is None:
            return
        window = self._window(run.bottom_shapes[0])
        if self.pool == "AVE":
            yield Call(pooling.average_backward, run.top_diff[0], dx, window)
        else:
            apart = window.height <= window.stride_y and window.width <= window.stride_x
            kernel = pooling.max_backward_apart if apart else pooling.max_backward
            kernel = pooling.max_backward_large if self._large(run.bottom_shapes[0]) else kernel
            yield Call(kernel, run.top_diff[0], run.workspace["mask"], dx, window)

    def _window(self, bottom: Shape) -> PoolWindow:
        (fh, sh, ph, _), (fw, sw, pw, _) = self.windows(bottom)
        return PoolWindow(fh, fw, sh, sw, ph, pw)

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """The maximum or average of a window; then the gradient of the maximum, or of the window's first pixel."""
        (n, c, i, j), shape = index, arrays.bottoms[0].shape
        plane, (high, wide) = arrays.bottoms[0][n, c], arrays.tops[0].shape[2:]
        axes = self.windows(shape)
        rows, columns = list(meetings(shape[2], high, axes[0])), list(meetings(shape[3], wide, axes[1]))
        pixels = _pixels(rows, columns, i, j)
        values = [Term(plane[pixel]) for pixel in pixels]
        yield (greatest(values) if self.pool == "MAX" else total(values) / self._area(shape, i, j)).at("y", index)
        if not arrays.top_diffs:
            return
        dy = arrays.top_diffs[0][n, c]
        most = self.pool == "MAX"
        h, w = pixel = _place(plane, pixels) if most else pixels[0]
        holding = [(r.window, s.window) for r in rows if r.pixel == h for s in columns if s.pixel == w]
        if most:
            chosen = [at for at in holding if _place(plane, _pixels(rows, columns, *at)) == pixel]
            yield total([Term(dy[at]) for at in chosen]).at("dx", (n, c, *pixel))
        else:
            yield total([Term(dy[at]) / self._area(shape, *at) for at in holding]).at("dx", (n, c, *pixel))

    def _area(self, bottom: Shape, *window: int) -> int:
        """The divisor of a window's sum: padding counts, the overhang beyond it does not."""
        area = 1
        for place, size, (kernel, stride, pad, _) in zip(window, bottom[2:], self.windows(bottom), strict=True):
            start = place * stride - pad
            area *= min(start + kernel, size + pad) - start
        return area


def _pixels(rows: list[Meeting], columns: list[Meeting], i: int, j: int) -> list[tuple[int, int]]:
    """The pixels of window (i, j)."""
    return [(r.pixel, s.pixel) for r in rows if r.window == i for s in columns if s.window == j]


def _place(plane: Array, pixels: list[tuple[int, int]]) -> tuple[int, int]:
    """The place of the largest pixel; of equal pixels, the first."""
    return max(pixels, key=lambda pixel: plane[pixel])

"""Convolution of any number of spatial axes, of blobs with channels first: a convolution of planes, channels last.

The last two axes are planes. What the taps along the leading axes meet is gathered as further channels, on the way from
channels first to channels last: so every way of computing works for lines and volumes too, on a wider image. Lines are
planes of one row. A few images are taken at a time, so that the gathered planes stay small.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.shape import Shape, Window, count
from netspec.lowering.conv import Conv, Way
from netspec.lowering.conv_passes import PARTS
from netspec.lowering.windows import met

if TYPE_CHECKING:
    from netspec.core.calls import Array
    from netspec.kernels.conv_geometry import Volume

MOST = 2**23
"""Values of the gathered planes, about: more images than these fill are taken a chunk at a time."""
TRIED = 4096
"""Numbers of images that are tried at most."""
TILE = 128
"""Pixels that are turned at a time, as kernels/copy.py has it."""


@dataclass(frozen=True)
class Planes:
    """A convolution of x (N, C, S...) into y (N, K, P...), as one of planes.

    `weight` is (K, C/group, F...), `windows` one for each spatial axis. A deconvolution writes x from y.
    """

    x: Shape
    y: Shape
    weight: Shape
    windows: tuple[Window, ...]
    group: int

    @property
    def images(self) -> int:
        """Images of a chunk: a divisor of N, the largest whose planes are not too many."""
        gathered = self.places * self.taps * self.x[1] * count(self.plane(self.x))
        each = max(gathered, count(self.y[1:]))
        most = max(1, min(self.x[0], MOST // each))
        return next((n for n in range(most, max(0, most - TRIED), -1) if self.x[0] % n == 0), 1)

    @property
    def chunks(self) -> int:
        """Chunks of all images."""
        return self.x[0] // self.images

    @property
    def places(self) -> int:
        """Windows along the leading axes."""
        return count(self.y[2:-2])

    @property
    def taps(self) -> int:
        """Taps along the leading axes."""
        return count(self.weight[2:-2])

    @property
    def depth(self) -> int:
        """Planes of x."""
        return count(self.x[2:-2])

    @staticmethod
    def plane(shape: Shape) -> Shape:
        """Height and width of a blob's planes; lines have a height of 1."""
        return (1, 1, *shape[2:])[-2:]

    @cached_property
    def conv(self) -> Conv:
        """The convolution of the planes of a chunk."""
        n, taps = self.images * self.places, self.taps
        down, across = ((Window(1),) * 2 + self.windows)[-2:]
        return Conv(
            bottom=(n, self.x[1] * taps, *self.plane(self.x)),
            top=(n, self.y[1], *self.plane(self.y)),
            weight=(self.weight[0], self.weight[1] * taps, *self.plane(self.weight)),
            window=(down, across),
            group=self.group,
            bias=False,
        )

    def table(self) -> list[int]:
        """For each place and tap of the leading axes, in this order, the plane of x that it meets, or -1."""
        return met(self.x[2:-2], self.windows[:-2], self.y[2:-2])

    @property
    def swapped(self) -> bool:
        """Whether the filters' channels and leading taps change their order."""
        return self.taps > 1 and self.weight[1] > 1

    def spaces(self, way: Way, forward: bool, bottom: bool, weight: bool) -> dict[str, Workspace]:
        """Workspaces of the way's passes that are wanted, and of the planes, the other image and the filters."""
        conv = self.conv
        spaces = {
            "planes": Workspace((count(conv.bottom),)),
            "pixels": Workspace((count(conv.top),)),
            "plane": Workspace((PARTS, TILE * self.x[1])),
        }
        if self.swapped:
            spaces["filters"] = Workspace((count(self.weight),), fixed=True)
            if weight:
                spaces["filters_diff"] = Workspace((count(self.weight),), use="backward")
        spaces |= way.forward_spaces(conv) if forward else {}
        spaces |= way.bottom_spaces(conv) if bottom else {}
        return spaces | (way.weight_spaces(conv) if weight else {})

    # --- calls

    def forward(self, way: Way, run: Run, arrays: tuple[Any, Any], bias: Any, mode: int) -> Calls:
        """y = x * w + bias, in arrays (x, y); `mode` as ways take it."""
        from netspec.codegen.geometry import ADD

        yield from self._filters(run)
        for x, y in self._chunks(arrays):
            yield from self.gather(run, x)
            if mode & ADD:
                yield self.turn(run, y)
            weighted = (self._weight(run), bias) if bias.size else (self._weight(run),)
            conv = replace(self.conv, bias=bool(bias.size))
            yield from way.forward(conv, self._inner(run, weighted), mode)
            yield self.turn_back(run, y)

    def backward(self, way: Way, run: Run, arrays: tuple[Any, Any], bias: Any, mode: int) -> Calls:
        """The way back: x = the transposed product of y, plus the bias, in arrays (x, y)."""
        yield from self._filters(run)
        for x, y in self._chunks(arrays):
            yield self.turn(run, y)
            yield from way.bottom(self.conv, self._inner(run, (self._weight(run),)), 0, bias[:0])
            yield from self._scatter(run, x, bias, mode)

    def gradient(self, way: Way, run: Run, arrays: tuple[Any, Any], dw: Array) -> Calls:
        """dw = the products of x and y, in arrays (x, y): the bottom and the top's diff, or the other way round."""
        from netspec.kernels import conv_planes

        conv, add = self.conv, bool(run.param_add[0])
        mine = run.workspace["filters_diff"].reshape(conv.weight) if self.swapped else dw.reshape(conv.weight)
        for i, (x, y) in enumerate(self._chunks(arrays)):
            yield from self.gather(run, x)
            yield self.turn(run, y)
            adds = i > 0 or (add and not self.swapped)
            inner = replace(self._inner(run, (self._weight(run),)), param_add=(adds,), param_diff=(mine,))
            yield from way.weight(conv, inner, mine)
        if self.swapped:
            sizes = (self.taps, self.weight[1], count(self.plane(self.weight)), int(add))
            yield Call(conv_planes.exchange, mine, dw, *sizes, parts=min(PARTS, self.weight[0]))

    def gather(self, run: Run, x: Any) -> Calls:
        """Gather the planes of a chunk of x."""
        import numpy as np

        from netspec.kernels import conv_planes

        table, tiles = np.array(self.table(), np.int64), -(-count(self.plane(self.x)) // TILE)
        parts = min(PARTS, self.images * self.places * tiles)
        yield Call(conv_planes.gather_planes, x, run.workspace["planes"], table, self._volume(), parts=parts)

    def _scatter(self, run: Run, x: Any, bias: Any, mode: int) -> Calls:
        """Sum what the planes say of a chunk of x."""
        import numpy as np

        from netspec.kernels import conv_planes

        said: list[list[int]] = [[] for _ in range(self.depth)]
        for at, plane in enumerate(self.table()):
            if plane >= 0:
                said[plane].append(at)
        most = max(1, *map(len, said))
        table = np.array([(one + [-1] * most)[:most] for one in said], np.int64).reshape(-1)
        arrays, tiles = (run.workspace["planes"], x, bias, table), -(-count(self.plane(self.x)) // TILE)
        parts = min(PARTS, self.images * self.depth * tiles)
        yield Call(conv_planes.scatter_planes, *arrays, self._volume(), run.workspace["plane"], mode, parts=parts)

    def turn(self, run: Run, y: Any) -> Call:
        """A chunk of y to channels last."""
        from netspec.kernels import copy

        return Call(copy.to_channels_last, y, run.workspace["pixels"], *self._pixels, parts=self._parts)

    def turn_back(self, run: Run, y: Any) -> Call:
        """A chunk of y from channels last."""
        from netspec.kernels import copy

        return Call(copy.to_channels_first, run.workspace["pixels"], y, *self._pixels, parts=self._parts)

    @property
    def _pixels(self) -> tuple[int, int, int]:
        return self.images, self.y[1], count(self.y[2:])

    @property
    def _parts(self) -> int:
        return min(PARTS, self.images * -(-count(self.y[2:]) // TILE))

    def _volume(self) -> Volume:
        from netspec.kernels.conv_geometry import Volume

        groups = self.group if self.taps > 1 else 1
        sizes = (self.depth, count(self.plane(self.x)), self.places, self.taps)
        return Volume(self.images, groups, self.x[1] // groups, *sizes)

    def _filters(self, run: Run) -> Calls:
        """Bring the filters' taps along the leading axes before their channels."""
        from netspec.kernels import conv_planes

        if self.swapped:
            sizes = (self.weight[1], self.taps, count(self.plane(self.weight)), 0)
            arrays = (run.param[0], run.workspace["filters"])
            yield Call(conv_planes.exchange, *arrays, *sizes, parts=min(PARTS, self.weight[0]))

    def _weight(self, run: Run) -> Any:
        filters = run.workspace["filters"] if self.swapped else run.param[0]
        return filters.reshape(self.conv.weight)

    def _chunks(self, arrays: tuple[Any, Any]) -> Iterator[tuple[Any, Any]]:
        """Both blobs, a chunk at a time."""
        x, y = arrays[0].reshape(self.x), arrays[1].reshape(self.y)
        for first in range(0, self.x[0], self.images):
            yield x[first : first + self.images], y[first : first + self.images]

    def _inner(self, run: Run, param: tuple[Any, ...]) -> Run:
        """The run of a way, on planes with channels last."""
        conv = self.conv
        (n, c, h, w), (_, k, p, q) = conv.bottom, conv.top
        x, y = run.workspace["planes"].reshape(n, h, w, c), run.workspace["pixels"].reshape(n, p, q, k)
        return replace(
            run,
            bottom=(x,),
            top=(y,),
            bottom_diff=(x,),
            top_diff=(y,),
            param=param,
            layout="NHWC",
            bottom_shapes=(conv.bottom,),
            top_shapes=(conv.top,),
        )

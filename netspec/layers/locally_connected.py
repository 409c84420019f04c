"""LocallyConnected: windows as in a convolution, but every place has filters of its own.

y[n,k,i,j] = b[k,i,j] + sum over c,u,v of w[(k,i,j),c,u,v] * x[n, c, i*S - P + u*D, j*S - P + v*D].
Source: LeCun 1989, "Generalization and network design strategies"; Taigman, Yang, Ranzato & Wolf 2014 (DeepFace).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from netspec.codegen.geometry import ADD
from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.model import Aka
from netspec.core.shape import Shape, Shapes, count
from netspec.core.worked import LayerArrays, Term, Worked, dot
from netspec.fillers.base import AnyFiller
from netspec.fillers.constant import Constant
from netspec.layers._spatial import Spatial
from netspec.layers.base import BOTTOM, Abilities, Param, Passing, Purpose
from netspec.lowering.conv_passes import PARTS, padded
from netspec.lowering.windows import met

if TYPE_CHECKING:
    from netspec.core.calls import Array
    from netspec.kernels.conv_geometry import Unshared


class LocallyConnected(Spatial):
    """Multiply each window with filters of its own.

    Bottom: x (N, C, H, W), or with any number of spatial axes, (N..., C, S...). Top: y (N, K, H', W'). Params: weight
    (K*H'*W', C, Fh, Fw), whose rows are the filters of the top's values in their order, so that fillers see the fan-in
    of one value; bias (K, H', W'). There are no groups.
    """

    action: ClassVar[str] = "a locally connected layer"
    purpose: ClassVar[Purpose] = "product"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 6, 5]]}
- {name: local, type: LocallyConnected, num_output: 4, kernel_size: 3, stride: 2, pad: 1, weight_filler: xavier}
"""

    num_output: Annotated[
        int, Aka("channels", "features", "filters", "out_channels", "out_features", "units", "width")
    ] = Field(gt=0, description="Number of filters of each place, K.")
    bias_term: Annotated[bool, Aka("bias", "use_bias")] = Field(
        True, description="Whether each output adds a learned constant."
    )
    weight_filler: Annotated[AnyFiller, Aka("init", "initializer", "kernel_initializer", "weight_init")] = Field(
        Constant(value=0.0), description="Initial weights."
    )
    bias_filler: Annotated[AnyFiller, Aka("bias_init", "bias_initializer")] = Field(
        Constant(value=0.0), description="Initial biases."
    )

    @property
    def abilities(self) -> Abilities:
        """Backward reads the bottom, and stores."""
        return Abilities(reads=BOTTOM, stores=True)

    @property
    def passing(self) -> Passing:
        """The weight mixes all channels; the bias is added."""
        return Passing("all", factor=0, added=frozenset({1}))

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """(N..., K, P...)."""
        batch, _, _ = self.cut(bottoms[0])
        return ((*batch, self.num_output, *self.convolved(bottoms[0])),)

    def params(self) -> tuple[Param, ...]:
        """Weight, and bias unless `bias_term: false`."""
        weight = Param("weight", self.weight_filler)
        return (weight, Param("bias", self.bias_filler)) if self.bias_term else (weight,)

    def param_shapes(self, bottoms: Shapes) -> Shapes:
        """(K*P, C, F...) and (K, P...)."""
        outputs = (self.num_output, *self.convolved(bottoms[0]))
        weight = (count(outputs), self.cut(bottoms[0])[1], *(w.kernel for w in self.windows(bottoms[0])))
        return (weight, outputs) if self.bias_term else (weight,)

    def param_arithmetic(self, bottoms: Shapes) -> str:
        """(3*3*3+1)*4x6x5 = 3360."""
        (rows, c, *kernels), outputs = self.param_shapes(bottoms)[0], (self.num_output, *self.convolved(bottoms[0]))
        inside = "*".join(map(str, (*kernels, c)))
        each = f"({inside}+1)" if self.bias_term else inside
        total = (count((c, *kernels)) + self.bias_term) * rows
        return f"{each}*{'*'.join(map(str, outputs))} = {total}"

    def macs(self, bottoms: Shapes, tops: Shapes) -> int:
        """N times the values of the weight."""
        return count(self.cut(bottoms[0])[0]) * count(self.param_shapes(bottoms)[0])

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """Bottom and top with the images innermost, and for each part a window of all images."""
        shape = self._unshared(bottoms[0])
        n, values = shape.images, shape.channels * shape.taps
        return {
            "bottom": Workspace((shape.channels * shape.pixels, n)),
            "top": Workspace((shape.filters * shape.places, n)),
            "window": Workspace((PARTS, max(values * n, shape.taps * padded(n) if backward else 0))),
        }

    def _unshared(self, x: Shape) -> Unshared:
        from netspec.kernels.conv_geometry import Unshared

        batch, c, spatial = self.cut(x)
        taps = count(tuple(window.kernel for window in self.windows(x)))
        return Unshared(count(batch), c, count(spatial), self.num_output, count(self.convolved(x)), taps)

    def _table(self, x: Shape) -> Any:
        import numpy as np

        return np.array(met(self.cut(x)[2], self.windows(x), self.convolved(x)), np.int64)

    def forward(self, run: Run) -> Calls:
        """Turn the images innermost, multiply every place, turn back, and add the bias."""
        from netspec.codegen.tiles import tiling
        from netspec.kernels import conv_planes, locally_connected

        shape, spaces = self._unshared(run.bottom_shapes[0]), run.workspace
        yield _inward(run.bottom[0], spaces["bottom"])
        tiles = tiling(shape.filters, shape.images, str(run.top[0].dtype))
        arrays = (spaces["bottom"], run.param[0], spaces["top"], self._table(run.bottom_shapes[0]), spaces["window"])
        kernel = locally_connected.locally_connected_forward
        yield Call(kernel, *arrays, shape, tiles, parts=min(PARTS, shape.places))
        yield _outward(spaces["top"], run.top[0])
        if self.bias_term:
            yield Call(conv_planes.spread, run.param[1], run.top[0], ADD, parts=min(PARTS, shape.images))

    def backward(self, run: Run) -> Calls:
        """The diffs of bias and weight, then the bottom's."""
        from netspec.codegen.tiles import tiling
        from netspec.kernels import conv_planes, locally_connected

        shape, spaces, dtype = self._unshared(run.bottom_shapes[0]), run.workspace, str(run.top_diff[0].dtype)
        dw, db, dx = run.param_diff[0], run.param_diff[1] if self.bias_term else None, run.bottom_diff[0]
        table, dy = self._table(run.bottom_shapes[0]), spaces["top"]
        yield _inward(run.top_diff[0], dy)
        if db is not None:
            yield Call(conv_planes.plane_sums, dy, db, shape.images, int(run.param_add[1]), parts=PARTS)
        if dw is not None:
            tiles = tiling(shape.filters, shape.channels * shape.taps, dtype)
            arrays, mode = (run.bottom[0], dy, dw, table, spaces["window"]), ADD * run.param_add[0]
            kernel = locally_connected.locally_connected_weight
            yield Call(kernel, *arrays, shape, tiles, mode, parts=min(PARTS, shape.places))
        if dx is not None:
            tiles = tiling(shape.taps, shape.images, dtype)
            arrays = (dy, run.param[0], spaces["bottom"], table, spaces["window"])
            yield Call(locally_connected.locally_connected_bottom, *arrays, shape, tiles, parts=PARTS)
            yield _outward(spaces["bottom"], dx)

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """The products of a window."""
        import numpy as np

        x, y, w = arrays.bottoms[0], arrays.tops[0], arrays.params[0]
        axis, shape = len(self.cut(x.shape)[0]), self._unshared(x.shape)
        place = int(np.ravel_multi_index(index[axis + 1 :], y.shape[axis + 1 :])) if index[axis + 1 :] else 0
        row = index[axis] * shape.places + place
        pixels = self._table(x.shape)[place * shape.taps : (place + 1) * shape.taps]
        met, filters = pixels >= 0, w.reshape(len(w), shape.channels, -1)
        seen = x[index[:axis]].reshape(shape.channels, -1)[:, pixels[met]]
        value = dot(filters[row][:, met], seen)
        yield (value + Term(arrays.params[1].reshape(-1)[row]) if self.bias_term else value).at("y", index)


def _inward(x: Array, turned: Array) -> Call:
    """Turn images (N, ...) innermost: (M, N)."""
    from netspec.kernels import copy

    return Call(copy.to_channels_last, x, turned, 1, turned.shape[1], turned.shape[0])


def _outward(turned: Array, y: Array) -> Call:
    """Turn images (M, N) outermost: (N, ...)."""
    from netspec.kernels import copy

    return Call(copy.to_channels_first, turned, y, 1, turned.shape[1], turned.shape[0])

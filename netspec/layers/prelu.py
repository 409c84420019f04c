"""PReLU: y = x where x > 0, else a * x, with a learned for each channel.

Source: He et al. 2015; Caffe prelu_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.model import Aka
from netspec.core.shape import Shape, ShapeError, Shapes, count
from netspec.core.worked import LayerArrays, Term, Worked
from netspec.fillers.base import AnyFiller
from netspec.fillers.constant import Constant
from netspec.layers._broadcast import check_filler
from netspec.layers.base import ANY_LAYOUT, BOTTOM, Abilities, Layer, Param, Passing, Purpose
from netspec.lowering.channels import adds, slots, wide


class PReLU(Layer):
    """Rectify a blob with a learned slope below 0.

    Bottom: x (N, C, ...). Top: y, the shape of x; may be computed in place.
    Param: weight (C,), or a single number with `channel_shared`.
    """

    purpose: ClassVar[Purpose] = "activation"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: prelu, type: PReLU, filler: {type: constant, value: 0.1}}
"""

    filler: AnyFiller = Field(Constant(value=0.25), description="Initial slopes.")
    channel_shared: Annotated[bool, Aka("shared")] = Field(False, description="One slope for all channels.")

    @property
    def alone(self) -> bool:
        """Always: every item is computed by itself."""
        return True

    @property
    def abilities(self) -> Abilities:
        """Any layout; backward reads the bottom."""
        return Abilities(layouts=ANY_LAYOUT, stores=True, reads=BOTTOM)

    @property
    def passing(self) -> Passing:
        """Zeros stay, whatever the slopes."""
        return Passing("all", channels="alike")

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's shape."""
        if len(bottoms[0]) < 2:
            raise ShapeError("{bottom[0]} has no axis of channels", field="bottom.0")
        check_filler(self.filler, self.param_shapes(bottoms)[0])
        return bottoms

    def params(self) -> tuple[Param, ...]:
        """The slopes."""
        return (Param("weight", self.filler),)

    def param_shapes(self, bottoms: Shapes) -> Shapes:
        """(C,), or a scalar."""
        return ((),) if self.channel_shared else ((bottoms[0][1],),)

    def _around(self, shape: Shape, layout: str) -> tuple[int, int, int]:
        """(outer, slopes, inner) of x as it lies in memory."""
        if self.channel_shared:
            return count(shape), 1, 1
        if layout == "NHWC" and len(shape) == 4:
            return shape[0] * shape[2] * shape[3], shape[1], 1
        return shape[0], shape[1], count(shape[2:])

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """The slopes of a row; sums of pieces, and of each channel."""
        _, c, _ = self._around(bottoms[0], "NCHW")
        width, pieces = slots(c, count(bottoms[0]) // c)
        space = {"wide": Workspace((2, width))}
        if not backward:
            return space
        sums = {"partial": (pieces, 2, width), "sums": (2, c)}
        return space | {name: Workspace(shape, "float64", use="backward") for name, shape in sums.items()}

    def forward(self, run: Run) -> Calls:
        """One pass."""
        from netspec.kernels import copy, prelu

        around = self._around(run.bottom_shapes[0], run.layout)
        x, y, a = run.bottom[0], run.top[0], run.param[0].reshape(-1)
        if around[2] == 1:
            slopes, _ = wide(run, around)
            yield Call(copy.repeat, a, slopes, 1.0, parts=1)
            yield Call(prelu.prelu_forward, x, slopes, y)
        else:
            yield Call(prelu.plane_prelu_forward, x.reshape(around), a, y.reshape(around))

    def backward(self, run: Run) -> Calls:
        """One pass for the slopes' diffs, and one for dx."""
        from netspec.kernels import copy, norm, prelu

        around, a = self._around(run.bottom_shapes[0], run.layout), run.param[0].reshape(-1)
        x, dy, dx, da = run.bottom[0], run.top_diff[0], run.bottom_diff[0], run.param_diff[0]
        slopes, _ = wide(run, around)
        partial, sums = run.workspace["partial"], run.workspace["sums"]
        if around[2] > 1:
            x, dy, partial = x.reshape(around), dy.reshape(around), partial[:0]
        if da is not None:
            if around[2] == 1:
                yield Call(prelu.prelu_sums, x, dy, partial, slopes.size, parts=len(partial))
            else:
                yield Call(prelu.plane_prelu_sums, x, dy, sums[0])
            yield Call(norm.fold_into, partial, sums, a[:0], da.reshape(-1), slopes.size, 0, adds(run, 0), parts=1)
        if dx is not None and around[2] == 1:
            yield Call(copy.repeat, a, slopes, 1.0, parts=1)
            yield Call(prelu.prelu_backward, x, slopes, dy, dx)
        elif dx is not None:
            yield Call(prelu.plane_prelu_backward, x, a, dy, dx.reshape(around))

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """The value, or the slope times it."""
        at = () if self.channel_shared else index[1:2]
        x, slope = arrays.bottoms[0], Term(arrays.params[0][at])
        positive = bool(x[index] > 0)
        yield Term(x[index]).where(positive, slope * Term(x[index])).at("y", index)

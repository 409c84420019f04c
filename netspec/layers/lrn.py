"""LRN: local response normalisation, y = x * s^-beta.

ACROSS_CHANNELS: s = k + alpha/n * the sum of x^2 over the n channels around a value's own channel (Krizhevsky et al.
2012). WITHIN_CHANNEL: s = 1 + alpha/n^2 * the sum of x^2 over the n x n places around its own place. Values outside the
image, or beyond the first and last channel, count as 0.
dx = dy * s^-beta - 2 * alpha * beta / n * x * the sum over the same window of dy * x * s^(-beta-1). Source: Caffe
lrn_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from netspec.codegen.geometry import GRAIN, LRN_PIXELS, MOST_PARTS
from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.model import Aka, wrong
from netspec.core.receptive import ReceptiveField, union
from netspec.core.shape import Shape, ShapeError, Shapes, Window
from netspec.core.worked import LayerArrays, Term, Worked, indices, sum_of_squares, total, unravelled
from netspec.layers._engine import Engine
from netspec.layers.base import BOTTOM, Abilities, Passing, Purpose

if TYPE_CHECKING:
    from netspec.core.calls import Array


class LRN(Engine):
    """Divide every value by the size of its neighbours, among the channels or in its plane.

    Bottom: x (N, C, H, W). Top: y, the shape of x.
    """

    purpose: ClassVar[Purpose] = "normalization"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 7, 5, 4]]}
- {name: norm, type: LRN, local_size: 3, alpha: 0.5}
- {name: norm_in_plane, type: LRN, local_size: 3, alpha: 0.5, norm_region: WITHIN_CHANNEL}
"""

    local_size: Annotated[int, Aka("depth_radius", "radius")] = Field(
        5, gt=0, description="Length of the window, n: channels, or places along each axis of a plane; odd."
    )
    alpha: float = Field(1.0, description="Weight of the neighbours.")
    beta: float = Field(0.75, description="The exponent.")
    norm_region: Literal["ACROSS_CHANNELS", "WITHIN_CHANNEL"] = Field(
        "ACROSS_CHANNELS", description="Where the neighbours are."
    )
    k: float = Field(1.0, description="What is added to the neighbours; always 1 within a channel.")

    @property
    def alone(self) -> bool:
        """Always: every item is computed by itself."""
        return True

    @property
    def abilities(self) -> Abilities:
        """Neighbours are best side by side in memory."""
        within = self.norm_region == "WITHIN_CHANNEL"
        return Abilities(layouts=("NCHW",) if within else ("NHWC",), reads=BOTTOM)

    @model_validator(mode="after")
    def _check(self) -> LRN:
        if self.local_size % 2 == 0:
            raise wrong(
                f"`local_size` must be odd, so that a window has a middle, not {self.local_size}", field="local_size"
            )
        if self.norm_region == "WITHIN_CHANNEL" and self.k != 1:
            raise wrong(
                "within a channel `k` is always 1", field="k", help="leave it out: Caffe does not read it there"
            )
        return self

    @property
    def passing(self) -> Passing:
        """Zeros stay; channels are alike where none sees another."""
        return Passing("all", channels="alike" if self.norm_region == "WITHIN_CHANNEL" else None)

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's shape."""
        if len(bottoms[0]) != 4:
            raise ShapeError("local response normalisation reads N x C x H x W, not {bottom[0]}", field="bottom.0")
        return bottoms

    def receptive_field(self, bottoms: Shapes, fields: Sequence[ReceptiveField]) -> ReceptiveField:
        """The bottom's field; with WITHIN_CHANNEL widened by the neighbours in the plane."""
        field, size = union(bottoms, fields), self.local_size
        return field.through((Window(size, pad=size // 2),) * 2) if self.norm_region == "WITHIN_CHANNEL" else field

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """For each part a plane, or the squares of a few pixels and the sums of backward, with zeros around them."""
        n, c, h, w = bottoms[0]
        if self.norm_region == "WITHIN_CHANNEL":
            return {"window": Workspace((min(MOST_PARTS, n * c), h * w), use="backward")} if backward else {}
        shape = (max(1, min(MOST_PARTS, n * c * h * w // GRAIN)), LRN_PIXELS * (c + self.local_size - 1))
        return {"square": Workspace(shape)} | ({"ratio": Workspace(shape, use="backward")} if backward else {})

    def forward(self, run: Run) -> Calls:
        """One pass."""
        from netspec.kernels import lrn

        n, c, h, w = run.bottom_shapes[0]
        if self.norm_region == "WITHIN_CHANNEL":
            x, y = (a.reshape(n * c, h, w) for a in (run.bottom[0], run.top[0]))
            yield Call(lrn.within_forward, x, y, self.local_size, self.alpha, self.beta)
        else:
            pixels, square = (n * h * w, c), run.workspace["square"]
            arrays = (run.bottom[0].reshape(pixels), run.top[0].reshape(pixels), square)
            yield Call(lrn.across_forward, *arrays, self.local_size, self.alpha, self.beta, self.k, parts=len(square))

    def backward(self, run: Run) -> Calls:
        """One pass over the bottom and the top's diff; the sums of forward are computed again."""
        from netspec.kernels import lrn

        if run.bottom_diff[0] is None:
            return
        n, c, h, w = run.bottom_shapes[0]
        arrays: tuple[Any, ...] = (run.bottom[0], run.top_diff[0], run.bottom_diff[0])
        if self.norm_region == "WITHIN_CHANNEL":
            arrays, window = tuple(a.reshape(n * c, h, w) for a in arrays), run.workspace["window"]
            yield Call(lrn.within_backward, *arrays, window, self.local_size, self.alpha, self.beta, parts=len(window))
        else:
            arrays = tuple(a.reshape(n * h * w, c) for a in arrays)
            scratch = (run.workspace["square"], run.workspace["ratio"])
            yield Call(
                lrn.across_backward,
                *arrays,
                *scratch,
                self.local_size,
                self.alpha,
                self.beta,
                self.k,
                parts=len(scratch[0]),
            )

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """The value over a power of what its neighbours add up to."""
        x = arrays.bottoms[0]
        yield (Term(x[index]) / self._size(x, index).power(self.beta)).at("y", index)

    def worked_diffs(self, arrays: LayerArrays) -> Iterator[Worked]:
        """The gradient of every value, over the same neighbours."""
        x, dy = arrays.bottoms[0], arrays.top_diffs[0]
        factor = 2.0 * Term(self.alpha) * Term(self.beta) / Term(self._places)
        sizes = {index: Term(self._size(x, index).value) for index in indices(x.shape)}
        for index, size in sizes.items():
            terms = []
            for i in range(x[self._window(index)].size):
                near = self._neighbour(index, i, x.shape)
                terms.append(Term(dy[near]) * Term(x[near]) / sizes[near].power(self.beta + 1.0))
            own = Term(dy[index]) / size.power(self.beta)
            yield (own - factor * Term(x[index]) * total(terms)).at("dx", index)

    @property
    def _places(self) -> int:
        """Values of a window."""
        return self.local_size**2 if self.norm_region == "WITHIN_CHANNEL" else self.local_size

    def _window(self, index: tuple[int, ...]) -> tuple[Any, ...]:
        """The neighbours of a place, as far as they are in the blob."""
        axes, half = ((2, 3) if self.norm_region == "WITHIN_CHANNEL" else (1,)), self.local_size // 2
        return tuple(
            slice(max(0, i - half), i + half + 1) if a in axes else slice(i, i + 1) for a, i in enumerate(index)
        )

    def _neighbour(self, index: tuple[int, ...], number: int, shape: Shape) -> tuple[int, ...]:
        """The place of a neighbour, by its number in the window."""
        spans = [part.indices(size) for part, size in zip(self._window(index), shape, strict=True)]
        within = unravelled(number, tuple(end - begin for begin, end, _ in spans))
        return tuple(begin + i for (begin, _, _), i in zip(spans, within, strict=True))

    def _size(self, x: Array, index: tuple[int, ...]) -> Term:
        """What the neighbours of a place add up to, s."""
        return self.k + Term(self.alpha) / Term(self._places) * sum_of_squares(x[self._window(index)])

"""A layer alone: on arrays of its own in float64, forward and backward as often as wanted."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from netspec.core import rng
from netspec.core.calls import Call, Phase, Run
from netspec.core.shape import Shape, Shapes
from netspec.engine.program import Step, Table
from netspec.layers.base import Layer
from netspec.lowering.layout import memory_order

if TYPE_CHECKING:
    from netspec.core.calls import Array

DTYPE = "float64"


class Alone:
    """One layer with its own arrays, all float64 and seen in the order N, C, H, W; in memory they lie as it likes best.

    `bottom` and `param` are for the caller to fill, as `top_diff` is before `backward`. `bottom_diff[i]` is None where
    the layer has no gradient for a bottom, `param_diff[i]` for a stored param. Random masks repeat, since the clock
    stands still, and every `forward` begins with the stored params as `hold` found them, and with the states at 0.
    """

    def __init__(self, layer: Layer, phase: Phase, bottoms: Shapes, seed: int) -> None:
        import numpy as np

        self.layer, self.phase, self.bottom_shapes = layer, phase, bottoms
        self.top_shapes = layer.top_shapes(bottoms)
        self.layout = layer.abilities.layouts[0]
        self.params = layer.params()
        shapes = layer.param_shapes(bottoms)
        closed = layer.without_diff(len(bottoms))
        able = [layer.differentiable and slot not in closed for slot in range(len(bottoms))]
        self.bottom, self.top = self._arrays(bottoms), self._arrays(self.top_shapes)
        self.top_diff = self._arrays(self.top_shapes)
        pairs = zip(self._arrays(bottoms), able, strict=True)
        self.bottom_diff = tuple(array if yes else None for array, yes in pairs)
        self.param = tuple(np.zeros(shape) for shape in shapes)
        learned = [param.learned and layer.differentiable for param in self.params]
        self.param_diff = tuple(np.zeros(shape) if yes else None for shape, yes in zip(shapes, learned, strict=True))
        self.state = {name: np.zeros(shape) for name, shape in layer.states(bottoms).items()}
        self._held: list[tuple[Array, Array]] = []
        self._seed = rng.key(seed, "layer", layer.name) & (2**63 - 1)

    def _arrays(self, shapes: Shapes) -> tuple[Array, ...]:
        """Zeroed arrays, which take no memory until they are written, axes in the order N, C, H, W."""
        import numpy as np

        def array(shape: Shape) -> Array:
            order = memory_order(len(shape), self.layout)
            return np.zeros([shape[axis] for axis in order]).transpose(np.argsort(order))

        return tuple(map(array, shapes))

    @property
    def reshapes(self) -> bool:
        """Whether nothing runs: the tops are the bottom's memory under other shapes."""
        return bool(self.bottom_shapes) and self.layer.aliases(self.phase)

    @property
    def learns(self) -> bool:
        """Whether the layer writes any gradient."""
        return not self.reshapes and any(diff is not None for diff in (*self.bottom_diff, *self.param_diff))

    @cached_property
    def calls(self) -> tuple[list[Call], list[Call]]:
        """The Calls of forward, and of backward."""
        if self.reshapes or self.layer.fed:
            return [], []
        run = self._run()
        forward = [*self.layer.forward(run)]
        return forward, [*self.layer.backward(run)] if self.learns else []

    def _run(self) -> Run:
        import numpy as np

        def lying(arrays: Sequence[Array | None]) -> tuple[Array | None, ...]:
            return tuple(a if a is None else a.transpose(memory_order(a.ndim, self.layout)) for a in arrays)

        def all_lying(arrays: Sequence[Array]) -> tuple[Array, ...]:
            return tuple(a for a in lying(arrays) if a is not None)

        work = self.layer.workspaces(self.bottom_shapes, self.learns)
        kinds = {name: DTYPE if space.kind == "real" else space.kind for name, space in work.items()}
        return Run(
            phase=self.phase,
            bottom=all_lying(self.bottom),
            top=all_lying(self.top),
            bottom_diff=lying(self.bottom_diff),
            top_diff=all_lying(self.top_diff),
            param=self.param,
            param_diff=self.param_diff,
            clock=np.zeros(2, np.int64),
            seed=self._seed,
            state=self.state,
            workspace={name: np.zeros(space.shape, kinds[name]) for name, space in work.items()},
            layout=self.layout,
            bottom_shapes=self.bottom_shapes,
            top_shapes=self.top_shapes,
            bottom_add=(False,) * len(self.bottom_shapes),
            param_add=(True,) * len(self.params),
            param_squares=(None,) * len(self.params),
            placed=(False,) * len(self.bottom_shapes),
        )

    @cached_property
    def _table(self) -> Table:
        forward, backward = self.calls
        named = [("forward", call) for call in forward] + [("backward", call) for call in backward]
        parts = (call.parts if call.parts is not None else call.kernel.parts(call.args) for _, call in named)
        steps = (
            Step(section, self.layer.name, 0, call, cut) for (section, call), cut in zip(named, parts, strict=True)
        )
        return Table(steps, DTYPE)

    def hold(self) -> None:
        """Remember the stored params."""
        pairs = zip(self.param, self.params, strict=True)
        self._held = [(array, array.copy()) for array, param in pairs if not param.learned]

    def forward(self) -> None:
        """Write the tops."""
        if self.layer.fed:
            return
        if self.reshapes:
            for top in self.top:
                top[...] = self.bottom[0].reshape(top.shape)
            return
        for param, values in self._held:
            param[...] = values
        for array in self.state.values():
            array[...] = 0
        self._table.run(0, len(self.calls[0]))

    def backward(self) -> None:
        """Write the gradients of sum(top * top_diff); what the layer leaves out stays NaN, or 0 for a param."""
        import numpy as np

        for diff in self.bottom_diff:
            if diff is not None:
                diff[...] = np.nan
        for diff in self.param_diff:
            if diff is not None:
                diff[...] = 0
        forward, backward = self.calls
        self._table.run(len(forward), len(forward) + len(backward))

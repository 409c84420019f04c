"""Base of layers like InnerProduct whose weight is drawn anew at every iteration of a training.

The weight that was drawn fills a workspace, so the products are those of InnerProduct. It holds for all samples of the
batch; a weight for each sample would take a batch times its memory.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.shape import Shapes
from netspec.layers.base import BOTTOM, Abilities, Layer
from netspec.layers.inner_product import InnerProduct


class NoisyWeight(InnerProduct):
    """An InnerProduct with a random weight, the mean of which is its own weight; while testing, its own weight."""

    @property
    def abilities(self) -> Abilities:
        """A ReLU along; backward reads the bottom, adds and stores."""
        return Abilities(reads=BOTTOM, along=frozenset({"ReLU"}), adds=True, stores=True)

    def squares(self, bottoms: Shapes) -> frozenset[int]:
        """None: the product's gradient is not yet the weight's."""
        return frozenset()

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """Those of the product, the weight that is drawn, and the gradient with regard to it."""
        weight = self.param_shapes(bottoms)[0]
        diff = {"noisy_diff": Workspace(weight, use="backward")} if backward else {}
        return super().workspaces(bottoms, backward) | {"noisy": Workspace(weight)} | diff

    def forward(self, run: Run) -> Calls:
        """Draw the weight, then multiply."""
        if run.phase == "TRAIN":
            yield self.draw(run, run.param[0], run.workspace["noisy"])
            run = replace(run, param=(run.workspace["noisy"], *run.param[1:]))
        yield from super().forward(run)

    def backward(self, run: Run) -> Calls:
        """Draw the same weight, take the gradients of the product, and that of the weight on to its own."""
        if run.phase != "TRAIN":
            yield from super().backward(run)
            return
        noisy, own = run.workspace["noisy"], run.param_diff[0]
        if run.bottom_diff[0] is not None:
            yield self.draw(run, run.param[0], noisy)
        diffs = (None if own is None else run.workspace["noisy_diff"], *run.param_diff[1:])
        add = (False, *run.param_add[1:])
        yield from super().backward(replace(run, param=(noisy, *run.param[1:]), param_diff=diffs, param_add=add))
        if own is not None:
            yield self.draw_diff(run, run.workspace["noisy_diff"], own)

    def draw(self, run: Run, weight: Any, noisy: Any) -> Call:
        """The Call that draws a weight."""
        raise NotImplementedError

    def draw_diff(self, run: Run, diff: Any, own: Any) -> Call:
        """The Call that takes the diff of the drawn weight to the weight's own; it adds where `run.param_add` says."""
        raise NotImplementedError

    worked: ClassVar[Any] = Layer.worked  # the numbers that were drawn are not among a net's arrays


def clocked(run: Run) -> tuple[Any, int]:
    """Clock and seed of a draw."""
    return run.clock, run.seed % 2**63

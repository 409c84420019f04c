"""KFAC: v = (G + r / pi I)^-1 g (A + r pi I)^-1 of each layer's gradient g; h = momentum * h + rate * s * v; w -= h.

A and G are running means of the Kronecker factors of the layer's Fisher block, r is the root of damping + weight decay,
and pi balances the two. s <= 1 keeps rate^2 * sum(v * g), about twice the KL divergence of the step, within `kl_clip`.
The k-th statistics enter the means with the weight max(1 / k, 1 - factor_decay). They are those of the batch's own
gradients (the empirical Fisher), so they cost no pass of their own; Martens and Grosse draw labels from the model
instead. The loss is taken as a mean over the batch.

InnerProduct and Convolution have factors, where their weight is not shared. All other params, and layers with a factor
larger than `max_factor`, take plain steps of SGD with momentum at the same rate.

Source: Martens & Grosse 2015 (damping: section 6.3; running means: section 5); Grosse & Martens 2016 for convolutions;
Ba, Grosse & Martens 2017, Distributed Second-Order Optimization using Kronecker-Factored Approximations, for s, which
stands for the rescaling and the adapted damping of the first. Here too the norm is taken once for all layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from netspec.core.calls import Calls, Slot, SolverState, Update
from netspec.core.model import Aka
from netspec.core.shape import Shape
from netspec.net.shaped import ShapedGraph
from netspec.training.solvers._kronecker import Factored, factored
from netspec.training.solvers.base import UpdateRule

if TYPE_CHECKING:
    from netspec.training.solvers._preconditioner import Kronecker


class KFAC(UpdateRule):
    """Natural gradient by Kronecker-factored curvature, with momentum."""

    slots: ClassVar[tuple[str, ...]] = ("momentum",)

    momentum: float = Field(0.9, ge=0, lt=1, description="Share of the last step that is taken again.")
    damping: float = Field(0.03, gt=0, description="Added to the curvature, as Tikhonov damping of both factors.")
    factor_decay: Annotated[float, Aka("stat_decay")] = Field(
        0.95, ge=0, lt=1, description="Share of the running means of the factors that stays."
    )
    update_interval: Annotated[int, Aka("factor_update_steps", "stats_steps")] = Field(
        10, gt=0, le=10**9, description="Iterations between statistics of the factors."
    )
    inverse_interval: Annotated[int, Aka("inv_update_steps", "inversion_steps")] = Field(
        50, gt=0, le=10**9, description="Iterations between inversions of the factors."
    )
    kl_clip: float = Field(0.0003, ge=0, description="Bound on about twice the KL divergence of a step; 0: none.")
    max_factor: int = Field(4096, gt=0, description="Largest side of a factor; layers with larger ones go by SGD.")

    def factored(self, net: ShapedGraph) -> tuple[Factored, ...]:
        """The layers of a net that have factors."""
        return tuple(factored(net, self.max_factor))

    def net_state(self, net: ShapedGraph, params: Sequence[Shape]) -> SolverState:
        """The momentum of every param; the factors and inverses of a layer with its weight."""
        learned = [param.index for param in net.graph.params if param.learned]
        slots = [{"momentum": Slot(shape)} for shape in params]
        for one in self.factored(net):
            slots[learned.index(one.weight)] |= {name: Slot(shape) for name, shape in one.shapes.items()}
        return SolverState(tuple(slots))

    def update(self, run: Update) -> Calls:
        """SGD with momentum, for a param without factors."""
        from netspec.kernels import update_rules

        yield run.by(update_rules.sgd, self.momentum)

    without: ClassVar[frozenset[str]] = frozenset({"on_read", "pulled"})

    def preconditioner(self, net: ShapedGraph, dtype: str) -> Kronecker:
        """What collects statistics, and updates all params."""
        from netspec.training.solvers._preconditioner import Kronecker, Settings

        fields = self.model_dump(include=set(Settings._fields))
        return Kronecker(Settings(**fields, plain=self.update), self.factored(net), dtype)

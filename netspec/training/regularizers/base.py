"""Regularizers: what pulls at weights beside the loss.

Most are a term of the gradient that is a multiple of w or of sign(w): its factors are `coefficients`, and the rule adds
it as it goes. Others have Calls of their own, before the rule's or after. Caffe has L1 and L2.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator

from netspec.core.calls import Calls, Update
from netspec.core.model import Model
from netspec.core.rooms import Room


class Regularizer(Model):
    """A pull at the weights. `decay` is weight_decay * decay_mult; a param with a decay_mult of 0 is never asked."""

    @property
    def has_loss(self) -> bool:
        """Whether it is the gradient of a loss, l2 / 2 * w^2 + l1 * |w|, and has no Calls of its own."""
        return type(self).before is Regularizer.before and type(self).after is Regularizer.after

    def coefficients(self, decay: float) -> tuple[float, float]:
        """(l1, l2): the rule adds l2 * w + l1 * sign(w) to the gradient, or what it does in its place."""
        return 0.0, 0.0

    def before(self, run: Update, decay: float) -> Calls:
        """Calls that add to the gradient, which is clipped and divided by iter_size already."""
        return iter(())

    def after(self, run: Update, decay: float) -> Calls:
        """Calls that change the new weight; nothing while the gate is shut."""
        return iter(())


REGULARIZERS: Room[Regularizer] = Room("netspec.training.regularizers", Regularizer, "regularizer")

AnyRegularizer = Annotated[Regularizer, BeforeValidator(REGULARIZERS.parse)]

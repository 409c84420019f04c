"""Regularizers: the term that weight decay adds to a gradient, as the coefficients of w and of sign(w)."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator

from netspec.core.model import Model
from netspec.core.rooms import Room


class Regularizer(Model):
    """The penalty that pulls weights towards zero; its gradient is l2 * w + l1 * sign(w)."""

    def coefficients(self, decay: float) -> tuple[float, float]:
        """(l1, l2) for a local decay of weight_decay * decay_mult."""
        raise NotImplementedError


REGULARIZERS: Room[Regularizer] = Room("netspec.training.regularizers", Regularizer, "regularizer")

AnyRegularizer = Annotated[Regularizer, BeforeValidator(REGULARIZERS.parse)]

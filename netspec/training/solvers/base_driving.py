"""Base of the solver types that drive passes: they ask for losses and gradients where they like, and give a new point.

The session carries an iteration out (`training/driving.py`): where anything raises, or nothing finite comes of it, the
state is as before; else the new point and the arrays of the state become those of the training in one call.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Protocol

from netspec.training.solvers.base import UpdateRule

if TYPE_CHECKING:
    from netspec.core.calls import Array


class Objective(Protocol):
    """What an iteration minimises: the mean loss of its `iter_size` batches, plus the regularizer.

    A point is an array (n,), float64: the values of all learned params, one behind the other. At every point the
    batches and all random numbers are those of the iteration, so loss and gradient are functions of the point. A loss
    that is no number is inf.

    `start` is the point at which the iteration begins, and `spans` are the places of the params in a point. `lr_mult`
    (n,) holds the `lr_mult` of each value's param. `iteration` counts from 0, `rate` is the policy's, and `eps` the
    distance of 1 from the next number of the net's type. `params` (one mapping a param) and `whole` are the arrays of
    the solver type's state by name: copies, which the type changes as it likes.
    """

    start: Array
    spans: tuple[slice, ...]
    lr_mult: Array
    iteration: int
    rate: float
    eps: float
    params: tuple[dict[str, Array], ...]
    whole: dict[str, Array]

    def loss(self, at: Array) -> float:
        """The loss at a point, with the regularizer."""
        ...

    def gradient(self, at: Array) -> Array:
        """The gradient (n,) at a point, with the regularizer's share."""
        ...

    def slope(self, at: Array) -> tuple[float, Array]:
        """Loss and gradient at a point, by one pass over the batches."""
        ...

    def product(self, at: Array, v: Array) -> Array:
        """The Hessian at a point times v (n,), by a central difference of gradients along v."""
        ...


RATE = ("base_lr", "lr_policy", "warmup")
"""Fields of the learning rate, for types that have none."""


class DrivingRule(UpdateRule):
    """A solver type that drives passes. Gradients that are clipped or noisy would not be those of its loss."""

    unused: ClassVar[tuple[str, ...]] = ("clip_gradients", "gradient_noise")

    @abstractmethod
    def step(self, objective: Objective) -> Array:
        """The point (n,) at which the iteration ends; arrays of the state are changed in place.

        The loss and the stored params that count are those of the pass at `start`. Where the point is not finite, the
        training has diverged.
        """

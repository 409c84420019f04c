"""Solver types: the update rule. A rule is data; its Calls turn gradients and history into new weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.call import Call, Calls
from netspec.model import Model
from netspec.registry import Room

if TYPE_CHECKING:
    from netspec.call import Array, Kernel


@dataclass(frozen=True)
class Update:
    """The arrays of one param blob in an update, and what it decays by.

    `rate` (1,) holds the learning rate, `gate` (2,) whether the gradients are finite (1 or 0) and the factor on them
    (clipping and 1/iter_size); both are written anew every iteration.
    """

    weight: Array
    diff: Array
    history: tuple[Array, ...]
    rate: Array
    gate: Array
    lr_mult: float
    l1: float
    l2: float

    def by(self, kernel: Kernel, *settings: float) -> Call:
        """The Call of a kernel of (w, diff, each history, rate, gate, each setting of the rule, lr_mult, l1, l2)."""
        arrays = (self.weight, self.diff, *self.history, self.rate, self.gate)
        return Call(kernel, *arrays, *settings, self.lr_mult, self.l1, self.l2)


class UpdateRule(Model):
    """How a gradient changes a weight."""

    slots: ClassVar[int] = 0
    """Arrays of history per param blob, each of the param's shape, zero at the start."""

    def update(self, run: Update) -> Calls:
        """Calls that write the weight and its history; nothing where the gate is shut."""
        raise NotImplementedError


SOLVERS: Room[UpdateRule] = Room("netspec.solvers", UpdateRule, "solver type")

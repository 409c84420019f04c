"""Base of the solver types: an update rule yields the Calls that turn gradients and history into new weights."""

from __future__ import annotations

from typing import ClassVar

from netspec.core.calls import Calls, Update
from netspec.core.model import Model
from netspec.core.rooms import Room


class UpdateRule(Model):
    """How a gradient changes a weight."""

    slots: ClassVar[int] = 0
    """Arrays of history per param blob, each of the param's shape, zero at the start."""

    def update(self, run: Update) -> Calls:
        """Calls that write the weight and its history; nothing where the gate is shut."""
        raise NotImplementedError


SOLVERS: Room[UpdateRule] = Room("netspec.training.solvers", UpdateRule, "solver type")

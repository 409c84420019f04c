"""Base of the solver types: an update rule yields the Calls that turn gradients and history into new weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from netspec.core.calls import Calls, Slot, SolverState, Update
from netspec.core.model import Model
from netspec.core.rooms import Room
from netspec.core.shape import Shape

if TYPE_CHECKING:
    from netspec.engine.updating import Preconditioner
    from netspec.net.shaped import ShapedGraph


class UpdateRule(Model):
    """How a gradient changes a weight."""

    slots: ClassVar[tuple[str, ...]] = ()
    """Names of the arrays of history of each param: of the param's shape, zero at the start."""
    unused: ClassVar[tuple[str, ...]] = ()
    """Fields that every solver has, but for which this type has no use: where one is written, that is an error."""

    def state(self, params: Sequence[Shape]) -> SolverState:
        """The arrays to keep for learned params of these shapes; snapshots hold them under these names."""
        return SolverState(tuple({name: Slot(shape) for name in self.slots} for shape in params))

    def net_state(self, net: ShapedGraph, params: Sequence[Shape]) -> SolverState:
        """The state for a net with learned params of these shapes: `state`, unless the type looks at layers."""
        return self.state(params)

    def preconditioner(self, net: ShapedGraph, dtype: str) -> Preconditioner | None:
        """For a type that reads what layers read and updates all params together: its part in a program of a net."""
        return None

    def check(self, net: ShapedGraph, dtype: str) -> None:
        """Raise a SpecError where the type cannot train a net with numbers of a type."""

    def update(self, run: Update) -> Calls:
        """Calls that write the weight and its history; nothing where the gate is shut."""
        raise NotImplementedError


SOLVERS: Room[UpdateRule] = Room("netspec.training.solvers", UpdateRule, "solver type")

"""Base of the solver types: each turns gradients, and what it keeps of earlier ones, into new weights.

A type does that in one of three ways. Most have `update`, the Calls for one param. A type with a `preconditioner` gives
the Calls for all params together, and reads what layers read. A type that drives passes (`base_driving.py`) has a
`step` instead, and yields no Calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.core.calls import Calls, Slot, SolverState, Update
from netspec.core.model import Model
from netspec.core.rooms import Room
from netspec.core.shape import Shape
from netspec.core.worked import Term, Worked

if TYPE_CHECKING:
    from netspec.engine.updating import Preconditioner
    from netspec.net.shaped import ShapedGraph


@dataclass(frozen=True)
class OneWeight:
    """One weight before an update, for a reader: `diff` is its gradient, clipped and divided, `history` what is kept.

    `pull` is what the regularizer would add to the gradient, None where there is none. `rate` has the lr_mult in it.
    """

    w: Term
    diff: Term
    pull: Term | None
    history: Mapping[str, Term]
    rate: Term
    iteration: int

    @property
    def g(self) -> Term:
        """The gradient with the decay."""
        return self.diff if self.pull is None else self.diff + self.pull

    @property
    def t(self) -> float:
        """The iteration, counted from 1."""
        return self.iteration + 1.0


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

    without: ClassVar[frozenset[str]] = frozenset()
    """Rewrites that a net is trained without, as a preconditioner looks at what they hide."""

    def preconditioner(self, net: ShapedGraph, dtype: str) -> Preconditioner | None:
        """Its part in a program of a net, which takes the place of `update`; None for a type without one."""
        return None

    def check(self, net: ShapedGraph, dtype: str) -> None:
        """Raise a SpecError where the type cannot train a net with numbers of a type."""

    def update(self, run: Update) -> Calls:
        """Calls that write the weight of a param and its history; nothing where the gate is shut."""
        raise NotImplementedError

    def worked(self, one: OneWeight) -> Iterator[Worked]:
        """Explanations of the new history of a weight, by its name, and of the new weight, w; none where it has none.

        What is kept of the weight before is found under the same names.
        """
        yield from ()


SOLVERS: Room[UpdateRule] = Room("netspec.training.solvers", UpdateRule, "solver type")

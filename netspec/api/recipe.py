"""Recipe: all that a Net is made of besides its arrays, so that copies and pickles can make it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from netspec.core.nodes import Document
from netspec.engine.bind import Keep, bind, compile_net
from netspec.engine.program import Program
from netspec.engine.weights import fill_weights, new_weights
from netspec.net.graph import Gradients, State
from netspec.net.load import load_net


@dataclass(frozen=True)
class Recipe:
    """A net's expanded document, and how it is shaped, bound and run."""

    document: Document
    state: State
    batch: int | None
    gradients: Gradients
    dtype: Literal["float32", "float64"]
    seed: int
    threads: int | None
    keep: Keep = True

    def program(self, filled: bool = True) -> Program:
        """A program on new memory, its params at their fillers' values, or at 0. Raises the errors of the spec."""
        from netspec.codegen import environment

        environment.load()
        from netspec.codegen import driver

        driver.limit_threads(self.threads)
        shaped = load_net(self.document, (), self.state, self.batch, self.gradients)
        shaped, memory = compile_net(shaped, self.dtype, self.keep)
        weights = fill_weights(shaped, self.dtype, self.seed) if filled else new_weights(shaped, self.dtype)
        return bind(shaped, memory, weights, self.seed)


def twin(program: Program, seed: int) -> Program:
    """A program like another, with equal contents on memory of its own."""
    weights = new_weights(program.shaped, program.plan.dtype)
    for mine, theirs in zip(weights.data, program.weights.data, strict=True):
        mine[...] = theirs
    for key, array in weights.states.items():
        array[...] = program.weights.states[key]
    weights.flat_diff[:] = program.weights.flat_diff
    copy = bind(program.shaped, program.plan, weights, seed)
    copy.table.threads = program.table.threads
    copy.arena[:] = program.arena[: copy.arena.size]
    copy.clock[:], copy.loss[:] = program.clock, program.loss
    copy.prepare()
    return copy

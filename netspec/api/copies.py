"""Copies of a Net: by `copy`, `deepcopy` and `pickle`, each a net of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from netspec.api.recipe import Recipe, twin

if TYPE_CHECKING:
    from netspec.api.passes import Passes
    from netspec.engine.program import Program


class Copied:
    """What makes a Net copy and pickle."""

    _program: Program
    _recipe: Recipe
    _memory: Passes
    _forwards: int
    _sub: int

    if TYPE_CHECKING:

        def _hold(self, program: Program, recipe: Recipe) -> None: ...

    def __copy__(self) -> Self:
        copy = type(self).__new__(type(self))
        with self._program.weights.turn.lock():
            copy._hold(twin(self._program, self._recipe.seed), self._recipe)
            held = vars(self)
            vars(copy).update({name: held[name] for name in (*self._others(), "_ran", "_forwards", "_sub")})
            copy._memory.hold(self._memory)
        return copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        from copy import deepcopy

        copy = memo[id(self)] = self.__copy__()
        vars(copy).update(deepcopy(self._others(), memo))
        return copy

    def _others(self) -> dict[str, Any]:
        """Attributes that a caller or a subclass gave to the net."""
        own = {
            "_program",
            "_recipe",
            "_ran",
            "_forwards",
            "_sub",
            "_labels",
            "_packed",
            "_memory",
            "_params",
            "_alone",
            "_feeding",
            "_hooks",
            "_rows",
        }
        return {name: value for name, value in vars(self).items() if name not in own}

    def __getstate__(self) -> dict[str, Any]:
        weights, memory = self._program.weights, self._memory
        with weights.turn.lock():
            return {
                "recipe": self._recipe,
                "params": dict(zip(weights.names, (array.copy() for array in weights.data), strict=True)),
                "diffs": weights.flat_diff.copy(),
                "inputs": [cell.data.copy() for cell in memory.inputs.values()],
                "ends": [memory.cells[number].gradient().copy() for number in memory.ends],
                "forwards": (self._forwards, self._sub),
                "others": self._others(),
            }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._hold(state["recipe"].program(filled=False), state["recipe"])
        weights, memory = self._program.weights, self._memory
        for name, array in zip(weights.names, weights.data, strict=True):
            array[...] = state["params"][name]
        weights.flat_diff[:] = state["diffs"]
        for cell, values in zip(memory.inputs.values(), state["inputs"], strict=True):
            cell.data[...] = values
        for number, values in zip(memory.ends, state["ends"], strict=True):
            memory.cells[number].gradient()[...] = values
        self._forwards, self._sub = state["forwards"]
        vars(self).update(state["others"])
        self._program.prepare()

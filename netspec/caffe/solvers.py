"""Solvers by pycaffe's names: `get_solver` takes the type that the file says, the classes their own."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from netspec.api.solver import Solver


def get_solver(solver_file: str | Path) -> Solver:
    """The solver of a file."""
    return Solver(solver_file)


class _Typed(Solver):
    """A solver of one type, whatever its file says."""

    word: ClassVar[str]

    def __init__(self, solver_file: str | Path) -> None:
        super().__init__(solver_file, [f"type={self.word}"])


class SGDSolver(_Typed):
    """Of type SGD."""

    word = "SGD"


class NesterovSolver(_Typed):
    """Of type Nesterov."""

    word = "Nesterov"


class AdaGradSolver(_Typed):
    """Of type AdaGrad."""

    word = "AdaGrad"


class RMSPropSolver(_Typed):
    """Of type RMSProp."""

    word = "RMSProp"


class AdaDeltaSolver(_Typed):
    """Of type AdaDelta."""

    word = "AdaDelta"


class AdamSolver(_Typed):
    """Of type Adam."""

    word = "Adam"

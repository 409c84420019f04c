"""The Python API: `Net` and `Solver`, as in pycaffe, `Run` and `Predictor`; each is imported when it is first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netspec.api.net import Net
    from netspec.api.predictor import Predictor
    from netspec.api.run import Run
    from netspec.api.solver import Solver

__all__ = ["Net", "Predictor", "Run", "Solver"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(f"netspec.api.{name.lower()}"), name)
    raise AttributeError(f"module 'netspec.api' has no attribute '{name}'")

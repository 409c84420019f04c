"""netspec: describe a network in a text file and train it on the CPU you have.

The public names are loaded when they are first used, so that `import netspec` is cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netspec.api import Net, Predictor, Run, Solver
    from netspec.core.code_files import load_code, register
    from netspec.core.errors import NetspecError, NetspecWarning

__all__ = [
    "Net",
    "NetspecError",
    "NetspecWarning",
    "Predictor",
    "Run",
    "Solver",
    "__version__",
    "load_code",
    "register",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in {"Net", "Predictor", "Run", "Solver"}:
        from netspec import api

        return getattr(api, name)
    if name in {"NetspecError", "NetspecWarning"}:
        from netspec.core import errors

        return getattr(errors, name)
    if name in {"load_code", "register"}:
        from netspec.core import code_files

        return getattr(code_files, name)
    raise AttributeError(f"module 'netspec' has no attribute '{name}'")

"""The operators that become layers: modules of operators that are alike, each with a table `OPS`, found by listing."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netspec.interop.from_onnx.op import Convert


@cache
def operators() -> dict[str, Convert]:
    """By the name of an operator: the function that adds its layers to the net."""
    found: dict[str, Convert] = {}
    for module in pkgutil.iter_modules(__path__):
        found |= importlib.import_module(f"{__name__}.{module.name}").OPS
    return found

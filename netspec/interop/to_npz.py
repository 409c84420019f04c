"""The params of a net as NumPy's .npz: an array for each, called layer.param."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.core.errors import UsageError
from netspec.net.graph import ParamKey
from netspec.training.container import replacing

if TYPE_CHECKING:
    from netspec.core.calls import Array


class NoParamsError(UsageError):
    """A net without params has nothing to write."""

    code = "NS742"


def save(path: Path, arrays: Mapping[ParamKey, Array]) -> None:
    """Write arrays to a file, whole or not at all. Raises NoParamsError, WriteError."""
    import numpy as np

    if not arrays:
        raise NoParamsError("the net has no params")
    with replacing(path) as temporary, temporary.open("wb") as file:
        held: dict[str, Any] = {str(key): array for key, array in arrays.items()}
        np.savez(file, **held)

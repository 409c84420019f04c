"""pycaffe's words for the machine: modes, devices, seeds and logs, as far as they mean something on a CPU."""

from __future__ import annotations

import warnings

from netspec.api.arguments import whole
from netspec.caffe.nets import Net
from netspec.core.errors import NetspecWarning
from netspec.layers.base import LAYERS


def set_mode_cpu() -> None:
    """Nothing: netspec computes on the CPU."""


def set_mode_gpu() -> None:
    """Warn that all is computed on the CPU."""
    warnings.warn("netspec computes on the CPU, also in mode GPU", NetspecWarning, stacklevel=2)


def set_device(device: int) -> None:
    """Nothing: there is one device, the CPU."""
    whole(device, "device", 0)


def set_random_seed(seed: int) -> None:
    """Let the fillers and random masks of nets that are made from now on be those of a seed."""
    Net.random_seed = whole(seed, "seed", 0)


def set_multiprocess(multiprocess: bool) -> None:
    """Nothing: a process trains by itself, on all cores."""


def set_solver_count(count: int) -> None:
    """Nothing; see `set_multiprocess`."""


def set_solver_rank(rank: int) -> None:
    """Nothing; see `set_multiprocess`."""


def solver_count() -> int:
    """1."""
    return 1


def solver_rank() -> int:
    """0."""
    return 0


def has_nccl() -> bool:
    """False."""
    return False


def init_log(level: int = 0, console: bool = False) -> None:
    """Nothing: netspec prints nothing by itself."""


def log(message: str) -> None:
    """Nothing; see `init_log`."""


def layer_type_list() -> list[str]:
    """The names of all layer types."""
    return sorted(LAYERS.words())

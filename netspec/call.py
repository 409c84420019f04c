"""What layers and solvers hand to the program: Calls on arrays. Nothing here runs anything, or imports numpy or numba."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Clock = NDArray[np.int64]


class Kernel(Protocol):
    """A compiled family of loops; `netspec.kernels.jit.kernel` makes them."""

    name: str

    def parts(self, args: tuple[Any, ...]) -> int:
        """Into how many parts a call on `args` is cut: a function of shapes alone."""
        ...


@dataclass(frozen=True)
class Call:
    """One kernel on arrays and scalars, cut into `parts` that run in any order; None lets the kernel's default rule decide."""

    kernel: Kernel
    args: tuple[Any, ...]
    parts: int | None

    def __init__(self, kernel: Kernel, *args: Any, parts: int | None = None) -> None:
        object.__setattr__(self, "kernel", kernel)
        object.__setattr__(self, "args", args)
        object.__setattr__(self, "parts", parts)


Calls = Iterator[Call]


@dataclass(frozen=True)
class Run:
    """The arrays of one layer in one net, as they lie in memory.

    `layout` is that of all its blobs of four axes: with NHWC such a blob is an array (N, H, W, C). `bottom_shapes` and `top_shapes` say
    N, C, H, W all the same. `bottom_diff[i]` is None where no gradient is wanted, `param_diff[i]` where the parameter is frozen or stored.
    `clock` holds (iteration, sub-iteration) and `seed` the layer's own stream: together they key every random number.

    What the rewrites decided: with `relu` the layer rectifies its top itself, and masks the top's diff; `scale` is the run of a Scale that
    is computed here; `placed[i]` says that bottom i lies inside the top already, and its diff in the top's. A top with channels last that
    lies inside a wider blob is a part of it, an array with strides. Where `bottom_add[i]` or `param_add[i]` holds, backward adds to that
    diff, which holds something already; else it overwrites it.
    """

    phase: str
    bottom: tuple[Array, ...]
    top: tuple[Array, ...]
    bottom_diff: tuple[Array | None, ...]
    top_diff: tuple[Array, ...]
    param: tuple[Array, ...]
    param_diff: tuple[Array | None, ...]
    clock: Clock
    seed: int
    workspace: Mapping[str, Array] = field(default_factory=dict)
    layout: str = "NCHW"
    bottom_shapes: tuple[tuple[int, ...], ...] = ()
    top_shapes: tuple[tuple[int, ...], ...] = ()
    bottom_add: tuple[bool, ...] = ()
    param_add: tuple[bool, ...] = ()
    relu: bool = False
    scale: Run | None = None
    placed: tuple[bool, ...] = ()

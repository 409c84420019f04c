"""What layers and solvers hand to the program: Calls on arrays. Nothing here runs anything, or imports numpy or numba."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from netspec.core.shape import Shape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Clock = NDArray[np.int64]

Phase = Literal["TRAIN", "TEST"]


@dataclass(frozen=True)
class Workspace:
    """Memory beside the blobs: `kept` from forward to backward, or scratch within one direction.

    `kind` is real (the net's float type), uint8, int32, int64, or float64; `use` says which direction scratch serves.
    """

    shape: Shape
    kind: Literal["real", "uint8", "int32", "int64", "float64"] = "real"
    kept: bool = False
    use: Literal["forward", "backward", "both"] = "both"


class Kernel(Protocol):
    """A compiled family of loops; `netspec.codegen.kernel.kernel` makes them."""

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

    def values(self) -> Iterator[Any]:
        """The arguments; of a tuple, what it holds at any depth."""
        return _flattened(self.args)


def _flattened(value: Any) -> Iterator[Any]:
    if isinstance(value, tuple):
        for part in value:
            yield from _flattened(part)
    else:
        yield value


Calls = Iterator[Call]


@dataclass(frozen=True)
class Run:
    """The arrays of one layer in one net, as they lie in memory.

    `layout` is that of all its blobs of four axes: with NHWC such a blob is an array (N, H, W, C). `bottom_shapes` and `top_shapes` say
    N, C, H, W all the same. `bottom_diff[i]` is None where no gradient is wanted, `param_diff[i]` where the parameter is frozen or stored.
    `clock` holds (iteration, sub-iteration) and `seed` the layer's own stream: together they key every random number.

    What the rewrites decided: `along` holds, by type, the runs of layers that are computed along with this one, such as the ReLU or the
    Scale that reads its top; `placed[i]` says that bottom i lies inside the top already, and its diff in the top's. A top with channels
    last that lies inside a wider blob is a part of it, an array with strides. Where `bottom_add[i]` or `param_add[i]` holds, backward adds
    to that diff, which holds something already; else it overwrites it.
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
    along: Mapping[str, Run] = field(default_factory=dict)
    placed: tuple[bool, ...] = ()

    @property
    def relu(self) -> bool:
        """Whether the layer rectifies its top itself, and masks the top's diff."""
        return "ReLU" in self.along


@dataclass(frozen=True)
class Update:
    """The arrays of one param blob in an update, and what it decays by.

    `rate` (1,) holds the learning rate, `gate` (2,) whether the gradients are finite (1 or 0) and the factor on them
    (clipping and 1/iter_size); both are written anew every iteration.
    """

    weight: Array
    diff: Array
    history: tuple[Array, ...]
    rate: Array
    gate: Array
    lr_mult: float
    l1: float
    l2: float

    def by(self, kernel: Kernel, *settings: float) -> Call:
        """The Call of a kernel of (w, diff, each history, rate, gate, each setting of the rule, lr_mult, l1, l2)."""
        arrays = (self.weight, self.diff, *self.history, self.rate, self.gate)
        return Call(kernel, *arrays, *settings, self.lr_mult, self.l1, self.l2)

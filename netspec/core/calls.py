"""Calls: the kernels, with their arrays, that layers and solvers hand to the program.

Nothing here runs a kernel, or imports numpy or numba.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from netspec.core.beside import Lens, Pieces, Products, Pull
from netspec.core.shape import Shape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Arrays = tuple[Array, ...]
    Move = Callable[[Arrays], Arrays]
    Clock = NDArray[np.int64]
    Vector = NDArray[Any]

Phase = Literal["TRAIN", "TEST"]


@dataclass(frozen=True)
class Workspace:
    """Memory of a layer beside its blobs: `kept` from forward to backward, or scratch within one direction.

    `kind` is real (the net's float type), uint8, int32, int64, or float64. `use` names the direction that needs it.
    `score`: a Metric reads it when all layers have run forward; so it is kept to the end.
    `turn`: 1 or 2 where backward is done with all of turn 1 before it begins with turn 2; then they may share memory.
    `fixed`: forward may fill it from the params alone, as it packs filters. Where params stand still, it has memory of
    its own, and Calls that touch nothing but params and such memory run once, not at every forward.
    """

    shape: Shape
    kind: Literal["real", "uint8", "int32", "int64", "float64"] = "real"
    kept: bool = False
    use: Literal["forward", "backward", "both"] = "both"
    score: bool = False
    fixed: bool = False
    turn: int = 0


class Kernel(Protocol):
    """A compiled family of loops, made by `netspec.codegen.kernel.kernel`."""

    name: str
    tables: int
    """Number of arguments that are tables of addresses, which every description makes anew."""

    def parts(self, args: tuple[Any, ...]) -> int:
        """Number of parts that a call on `args` is cut into; it depends on shapes alone."""
        ...

    def describe(self, args: tuple[Any, ...], parts: int, dtype: str) -> tuple[list[int], list[Array]]:
        """The words of a call's descriptor, and the arrays that must stay alive. Raises TypeError."""
        ...

    def address(self, dtype: str) -> int:
        """Address of the compiled code for nets of a float type."""
        ...


class Routine:
    """A Python function in the place of a kernel. The program calls it between compiled steps, on the caller's thread.

    `function` gets the arguments of the Call, and is not cut into parts. `name` is for people.
    """

    tables = 0

    def __init__(self, name: str, function: Callable[..., None]) -> None:
        self.name, self.function = name, function

    def __repr__(self) -> str:
        return self.name

    def parts(self, args: tuple[Any, ...]) -> int:
        """One part."""
        return 1

    def describe(self, args: tuple[Any, ...], parts: int, dtype: str) -> tuple[list[int], list[Array]]:
        """No words: nothing compiled reads them."""
        return [], []

    def address(self, dtype: str) -> int:
        """No code."""
        return 0


@dataclass(frozen=True)
class Call:
    """One kernel with its arrays and scalars, cut into `parts` that run in any order.

    With `parts` None the kernel's own rule sets the number.
    """

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
    """The arrays of one layer in one net, axes in memory order.

    `layout` holds for all blobs of four axes: with NHWC such a blob is an array (N, H, W, C). `bottom_shapes` and
    `top_shapes` are in the order N, C, H, W in every layout. `bottom_diff[i]` is None where no gradient is wanted,
    `param_diff[i]` is None where the param is frozen or stored. `clock` holds (iteration, sub-iteration), and `seed`
    names the layer's own stream: together they key every random number.

    The rewrites set the other fields. `along` holds, by type, the runs of the layers that this layer computes along
    with itself, such as a ReLU or Scale that reads its top. `placed[i]`: bottom i lies inside the top already, and its
    diff inside the top's diff. A top that lies inside a wider NHWC blob is a view of that blob, with strides. Where
    `bottom_add[i]` or `param_add[i]` is true, backward adds to that diff; elsewhere it overwrites the diff.
    `param_squares[i]`, float64 with a value for each part of a Call, takes the sum of squares of the diff that is
    written, by parts, from the last Call that writes it; it is None where that is not wanted. Where the layer takes
    factors by channel into its params, `param` holds such a weight and a bias, whether it has one or not. `objects` is
    for what a layer of Python code keeps from forward to backward, and to the next iteration.

    `state` holds by name what `Layer.states` declares: forward finds what the batch before left, and leaves its own.

    The next are what BatchNorms beside the layer ask of it (`core/beside.py`): `lenses[i]`, how bottom i is seen;
    `moments`, what forward leaves of top 0; `pull`, how the diff of top 0 is seen; `products[i]`, what backward does to
    the diff of bottom i when that is complete. `fused`: of a BatchNorm, what others do for it, and `known`, mean and
    variance of its first channels, where an earlier one computed them.

    `every`: how many lines and columns of top 0, counted in its bottoms, lie between those that it has; `top_shapes`
    says what it has. (1, 1): all.
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
    param_squares: tuple[Array | None, ...] = ()
    along: Mapping[str, Run] = field(default_factory=dict)
    placed: tuple[bool, ...] = ()
    objects: dict[str, Any] = field(default_factory=dict)
    state: Mapping[str, Array] = field(default_factory=dict)
    lenses: tuple[Lens | None, ...] = ()
    moments: Pieces | None = None
    pull: Pull | None = None
    products: tuple[Products | None, ...] = ()
    fused: Mapping[str, int] = field(default_factory=dict)
    known: tuple[Array, ...] = ()
    every: tuple[int, int] = (1, 1)

    @property
    def relu(self) -> bool:
        """Whether the layer applies a ReLU to its top itself, and masks the top's diff."""
        return "ReLU" in self.along

    @property
    def sums(self) -> bool:
        """Whether the layer adds to what its top's memory holds: the other bottom of a sum that it computes along."""
        return "Eltwise" in self.along


@dataclass(frozen=True)
class Slot:
    """An array of a solver type's state: its shape, its numbers (real: the net's float type), and its first value."""

    shape: Shape
    kind: Literal["real", "float64"] = "real"
    start: float = 0.0


@dataclass(frozen=True)
class SolverState:
    """The arrays that a solver type keeps from iteration to iteration: of each learned param, and of all together."""

    params: tuple[Mapping[str, Slot], ...] = ()
    whole: Mapping[str, Slot] = field(default_factory=dict)


class Now(NamedTuple):
    """What every update reads of the iteration that is under way, as kernels take it."""

    rate: Vector  # (1,): the learning rate
    gate: Vector  # (2,): 1 where the gradients are finite, else 0; the factor on them (clipping and 1 / iter_size)
    clock: Clock  # (2,): the iteration, counted from 0, and the batch within it


class Local(NamedTuple):
    """The settings of one param, as kernels take them."""

    lr_mult: float
    l1: float  # factor of sign(w) in the decay
    l2: float  # factor of w


@dataclass(frozen=True)
class Update:
    """The arrays of one param blob in an update, and its decay coefficients.

    `history` holds the arrays of the solver type's state for this param by name, in the order in which the type names
    them, and `whole` those that all params share. `rate` (1,) holds the learning rate. `gate` (2,) holds whether the
    gradients are finite (1 or 0), and the factor on them (clipping and 1/iter_size). `clock` (2,) holds the iteration,
    counted from 0, and the batch within it. All three are rewritten every iteration. `l1` and `l2` have `decay_mult` in
    them already; where that is 0, the param is exempt from all that pulls at weights.
    """

    weight: Array
    diff: Array
    history: Mapping[str, Array]
    rate: Array
    gate: Array
    lr_mult: float
    l1: float
    l2: float
    clock: Clock
    whole: Mapping[str, Array] = field(default_factory=dict)
    decay_mult: float = 1.0

    @property
    def now(self) -> Now:
        """The iteration, as kernels take it."""
        return Now(self.rate, self.gate, self.clock)

    @property
    def local(self) -> Local:
        """The param's settings, as kernels take them."""
        return Local(self.lr_mult, self.l1, self.l2)

    def by(self, kernel: Kernel, *settings: Any, parts: int | None = None) -> Call:
        """The Call of an update kernel on (w, diff, *history, Now, Local, *settings)."""
        arrays = (self.weight, self.diff, *self.history.values())
        return Call(kernel, *arrays, self.now, self.local, *settings, parts=parts)

"""The blobs and params of a net in Python: arrays that are written into, found by name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from weakref import WeakMethod

from netspec.api.arguments import BadArgumentError, fitting, whole
from netspec.core.errors import UsageError
from netspec.core.four_axes import FourAxes
from netspec.core.shape import Shape, text
from netspec.core.spelling import suggest

if TYPE_CHECKING:
    from netspec.core.calls import Array
    from netspec.engine.bind import Keep
    from netspec.net.graph import Graph

T = TypeVar("T")


class UnknownNameError(UsageError, KeyError):
    """A blob, input or layer of that name is not in the net."""

    code = "NS002"


class NoDiffError(UsageError):
    """The blob has no gradient."""

    code = "NS003"


class Spare:
    """The diff of blobs that have none in the program: 0, until a layer or a caller writes there.

    Without `shared` it is that of a single blob, and lies in memory as its data do.
    """

    __slots__ = ("array", "shared")

    def __init__(self, shared: bool = False) -> None:
        self.array: Array | None = None
        self.shared = shared

    def like(self, data: Array) -> Array:
        """The diff in the shape of a blob's data."""
        import numpy as np

        if self.array is None:
            self.array = np.zeros(data.size, data.dtype) if self.shared else np.zeros_like(data)
        return self.array.reshape(data.shape) if self.shared else self.array


class Cell:
    """Where a blob's values lie now, for all Blobs that show them; it keeps no net alive.

    `number` is that of the blob among all of a net.
    `diff` is None where no array of the program is shown, until somebody asks for it: it then lies in `spare`, and
    begins as the diff `source` of the program, if there is one. `held` (1,) is the number of items that the blob holds,
    where only the run of the net says that. `reshape` gives an input other shapes. `late` computes the diff, where that
    is left until somebody asks for it.
    """

    __slots__ = ("data", "diff", "held", "late", "name", "number", "reshape", "source", "spare")

    def __init__(self, name: str, number: int = 0) -> None:
        self.name, self.number = name, number
        self.data: Array
        self.diff: Array | None = None
        self.source: Array | None = None
        self.spare = Spare()
        self.held: Array | None = None
        self.reshape: WeakMethod[Callable[[str, Shape], None]] | None = None
        self.late: WeakMethod[Callable[[], None]] | None = None

    def gradient(self) -> Array:
        """The diff, of zeros where none is computed."""
        if self.late is not None:
            compute, self.late = self.late(), None
            if compute is not None:
                compute()
        if self.diff is None:
            begins = self.source if self.spare.array is None else None
            self.diff, self.source = self.spare.like(self.data), None
            if begins is not None:
                self.diff[...] = begins
        return self.diff

    def items(self, array: Array) -> Array:
        """An array of the blob, data or diff, without the items that a layer left out."""
        return array if self.held is None else array[: self.held[0]]


class Blob(FourAxes):
    """A named array in N, C, H, W order: `data`, and `diff`, which stays 0 where no gradient is computed.

    Both are views of the net's own memory. What is written into them, `blob.data[...] = x` or `blob.data = x`, is what
    the net reads next. Their memory may lie in another order: `reshape` and `ravel` of a view can be copies.
    """

    __slots__ = ("_cell",)

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    @property
    def data(self) -> Array:
        """The values."""
        return self._cell.items(self._cell.data)

    @data.setter
    def data(self, value: Any) -> None:
        data = self.data
        if not data.flags.writeable:
            help = "`load` them from a file, or say keep=True"
            raise BadArgumentError(f"'{self._cell.name}' is packed, and so it cannot be written into", help=help)
        data[...] = fitting(self._cell.name, data, value)

    @property
    def diff(self) -> Array:
        """The gradient of the loss with respect to the values; 0 where none is computed."""
        return self._cell.items(self._cell.gradient())

    @diff.setter
    def diff(self, value: Any) -> None:
        diff = self.diff
        diff[...] = fitting(self._cell.name, diff, value)

    @property
    def shape(self) -> Shape:
        """The lengths of its axes."""
        return tuple(map(int, self.data.shape))

    @property
    def count(self) -> int:
        """The number of its values."""
        return int(self.data.size)

    def _axis(self, axis: int) -> int:
        shape = self.shape
        if len(shape) > 4:
            raise BadArgumentError(f"blob '{self._cell.name}' has {len(shape)} axes, not 4", help="say blob.shape")
        return shape[axis] if axis < len(shape) else 1

    def reshape(self, *shape: Any) -> None:
        """Give an input another shape; the other blobs follow in `net.reshape()`, or in the next forward.

        Raises BadArgumentError for a blob that is no input.
        """
        given = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        sizes = tuple(whole(size, "length of an axis", 1) for size in given)
        resize = self._cell.reshape() if self._cell.reshape is not None else None
        if resize is None:
            help = "reshape the net's inputs; the other blobs follow"
            raise BadArgumentError(f"'{self._cell.name}' is no input, so its shape is not free", help=help)
        resize(self._cell.name, sizes)

    def __repr__(self) -> str:
        data, diff = self.data, self._cell.diff
        shape = text(data.shape) if data.shape else "scalar"
        words = "no diff" if diff is None else f"diff {_range(self._cell.items(diff))}"
        return f"<Blob {self._cell.name!r} {shape} {data.dtype}: data {_range(data)}, {words}>"


def check_kept(keep: Keep, *graphs: Graph) -> None:
    """Raise UnknownNameError where a name of `keep` is that of no blob in any of these nets."""
    named = {name: None for graph in graphs for name in graph.named}
    for name in () if isinstance(keep, bool) else keep:
        if name not in named:
            raise UnknownNameError(f"the net has no blob {name!r} to keep", help=suggest(str(name), named))


def no_diff(name: str) -> NoDiffError:
    """The error for a blob without a gradient."""
    return NoDiffError(f"blob '{name}' has no gradient: nothing below it learns", help="say force_backward=True")


def _range(array: Array) -> str:
    """The least and the greatest value: -1.5..2; a single value as it is; nothing where there are no values."""
    if not array.size:
        return "nothing"
    least, most = float(array.min()), float(array.max())
    return f"{least:.4g}" if least == most else f"{least:.4g}..{most:.4g}"


class Named(Mapping[str, T]):
    """Blobs by name, or params by layer, in the net's order. They are written into, never replaced.

    `hidden` are the names of blobs that the net has, but does not keep.
    """

    def __init__(self, items: Mapping[str, T], what: str, example: str, hidden: Collection[str] = ()) -> None:
        self._items, self._what, self._example, self._hidden = items, what, example, hidden

    def __getitem__(self, name: str) -> T:
        try:
            return self._items[name]
        except (KeyError, TypeError):
            text, help = f"the net has no {self._what} {name!r}", None
            if isinstance(name, str):
                help = suggest(name, self._items)
            if isinstance(name, str) and name in self._hidden:
                text = f"the {self._what} {name!r} is not kept: other blobs use its memory"
                help = f"say keep=True, or keep=[{name!r}]"
            raise UnknownNameError(text, help=help) from None

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __setitem__(self, name: str, value: Any) -> NoReturn:
        raise BadArgumentError(f"{name!r} cannot be replaced, only written into", help=self._example)

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {item!r}" for name, item in self._items.items())

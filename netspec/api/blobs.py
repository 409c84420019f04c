"""The blobs and params of a net in Python: arrays that are written into, found by name."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from netspec.api.arguments import BadArgumentError, fitting
from netspec.core.errors import UsageError
from netspec.core.shape import text
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


class Blob:
    """A named array in N, C, H, W order: `data`, and `diff` where a gradient is computed (None elsewhere).

    Both are views of the net's own memory. What is written into them, `blob.data[...] = x` or `blob.data = x`, is what
    the net reads next. Their memory may lie in another order: `reshape` and `ravel` of a view can be copies.
    """

    __slots__ = ("_data", "_diff", "_name")

    def __init__(self, name: str, data: Array, diff: Array | None) -> None:
        self._name, self._data, self._diff = name, data, diff

    @property
    def data(self) -> Array:
        """The values."""
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        if not self._data.flags.writeable:
            help = "`load` them from a file, or say keep=True"
            raise BadArgumentError(f"'{self._name}' is packed, and so it cannot be written into", help=help)
        self._data[...] = fitting(self._name, self._data, value)

    @property
    def diff(self) -> Array | None:
        """The gradient of the loss with respect to the values; None where none is computed."""
        return self._diff

    @diff.setter
    def diff(self, value: Any) -> None:
        if self._diff is None:
            raise no_diff(self._name)
        self._diff[...] = fitting(self._name, self._diff, value)

    def __repr__(self) -> str:
        shape = text(self._data.shape) if self._data.shape else "scalar"
        diff = "no diff" if self._diff is None else f"diff {_range(self._diff)}"
        return f"<Blob {self._name!r} {shape} {self._data.dtype}: data {_range(self._data)}, {diff}>"


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

"""Classes in the style of pycaffe's layers, run as PythonLayers. Source: Caffe python_layer.hpp, pycaffe's tests."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import PrivateAttr

from netspec.core.calls import Run
from netspec.core.four_axes import FourAxes
from netspec.core.places import Place
from netspec.core.shape import Shape, ShapeError, Shapes, count, text
from netspec.fillers.base import Filler
from netspec.layers.base import Arity, Param
from netspec.layers.base_python import PythonLayer

if TYPE_CHECKING:
    from numpy.random import Generator

    from netspec.core.calls import Array


class Blob(FourAxes):
    """A blob as a pycaffe layer sees it. While a net is planned, its data are zeros."""

    def __init__(self, shape: Shape, data: Array | None = None, diff: Array | None = None) -> None:
        self._shape, self._data, self._diff, self.fixed = tuple(shape), data, diff, False

    @property
    def shape(self) -> Shape:
        """The length of each axis."""
        return self._shape

    @property
    def data(self) -> Array:
        """The values."""
        if self._data is None:
            self._data = self._zeros()
        return self._data

    @property
    def diff(self) -> Array:
        """The gradient; where nobody wants it, an array of its own."""
        if self._diff is None:
            self._diff = self._zeros()
        return self._diff

    def _zeros(self) -> Array:
        import numpy as np

        return np.zeros(self._shape, np.float32)

    def reshape(self, *shape: int) -> None:
        """Take another shape, which a program's blobs cannot. Raises ValueError."""
        new = tuple(int(size) for size in shape)
        if self.fixed and new != self._shape:
            raise ValueError(f"a top of {text(self._shape)} cannot become {text(new)}: the net was planned with it")
        if new != self._shape:
            self._shape, self._data, self._diff = new, None, None

    def lie(self, data: Array, diff: Array | None) -> None:
        """Stand for arrays of a program."""
        self._shape, self._data, self._diff, self.fixed = data.shape, data, diff, True

    @property
    def count(self) -> int:
        """The number of values."""
        return count(self._shape)

    def _axis(self, axis: int) -> int:
        return self._shape[axis] if axis < len(self._shape) else 1


class Blobs(list[Blob]):
    """The param blobs of a pycaffe layer."""

    def add_blob(self, *shape: int) -> None:
        """One more, of zeros."""
        self.append(Blob(shape))


@dataclass
class _Made:
    """An object of the user's class, and the blobs that it was set up with."""

    object: Any
    bottoms: list[Blob]
    tops: list[Blob]
    blobs: Blobs = field(default_factory=Blobs)


class _AsSetUp(Filler):
    """The values that `setup` wrote into a param blob."""

    random: ClassVar[bool] = False
    _made: Callable[[], _Made | None] = PrivateAttr()
    _number: int = PrivateAttr()

    def of(self, made: Callable[[], _Made | None], number: int) -> Self:
        """For blob `number` of what `made` gives when the net has been planned."""
        self._made, self._number = made, number
        return self

    def fill(self, shape: Shape, random: Generator) -> Any:
        """Copy them."""
        import numpy as np

        made = self._made()
        assert made is not None
        return made.blobs[self._number].data.astype(np.float64)


class Pycaffe(PythonLayer):
    """A PythonLayer around a class of pycaffe's style."""

    bottoms: ClassVar[Arity] = Arity(0, None)
    tops: ClassVar[Arity] = Arity(0, None)

    _cls: Any = PrivateAttr()
    _param_str: str = PrivateAttr("")
    _where: Callable[..., Place | None] = PrivateAttr()
    _planned: dict[Shapes, _Made] = PrivateAttr(default_factory=dict)
    _number: int | None = PrivateAttr(None)

    def around(self, cls: Any, param_str: str, where: Callable[..., Place | None]) -> Self:
        """Around a class, with the text that it gets; `where` finds the place of a field of the layer."""
        self._cls, self._param_str, self._where = cls, param_str, where
        return self

    def place(self, *path: str | int, key: bool = False) -> Place | None:
        """That of the layer of type Python."""
        return self._where(*path, key=key)

    @property
    def type(self) -> str:
        """The word in YAML."""
        return "Python"

    def coded(self) -> builtins.type:
        """The user's class."""
        found: builtins.type = self._cls
        return found

    def _set_up(self, made: _Made, phase: str) -> _Made:
        made.object.param_str, made.object.phase = self._param_str, 0 if phase == "TRAIN" else 1
        made.object.blobs = made.blobs
        self.guarded("setup", lambda: made.object.setup(made.bottoms, made.tops))
        return made

    def _new(self, bottoms: Sequence[Blob], tops: Sequence[Blob]) -> _Made:
        found: list[Any] = []
        self.guarded("__init__", lambda: found.append(self._cls()))
        return _Made(found[0], list(bottoms), list(tops))

    def _plan(self, bottoms: Shapes) -> _Made:
        """An object that was set up and reshaped for bottoms of these shapes."""
        if bottoms not in self._planned:
            import numpy as np

            zeros = [Blob(shape, *(np.broadcast_to(np.float32(0), shape),) * 2) for shape in bottoms]
            made = self._set_up(self._new(zeros, [Blob(()) for _ in self.top_names()]), "TRAIN")
            self.guarded("reshape", lambda: made.object.reshape(made.bottoms, made.tops))
            self._planned[bottoms] = made
        return self._planned[bottoms]

    def _params(self) -> int:
        """The number of param blobs: what `setup` adds for bottoms of a single value; none where it refuses those."""
        if self._number is None:
            few = [Blob((1, 1, 1, 1)) for _ in range(1 if self.bottom is None else len(self.bottom))]
            made = self._new(few, [Blob(()) for _ in self.top_names()])
            try:
                self._set_up(made, "TRAIN")
            except Exception:
                made.blobs.clear()
            self._number = len(made.blobs)
        return self._number

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """Those that `reshape` gave the tops. Raises ShapeError."""
        made = self._plan(bottoms)
        if len(made.blobs) != self._params():
            text = f"setup of {self._cls.__name__} adds {len(made.blobs)} blobs for these bottoms, and "
            help = "their number may not depend on the shapes, nor may setup refuse single values"
            raise ShapeError(f"{text}{self._params()} for bottoms of a single value", field="layer", help=help)
        return tuple(top.shape for top in made.tops)

    def params(self) -> tuple[Param, ...]:
        """The blobs that `setup` adds, with the values that it gives them."""
        return tuple(
            Param(f"blob{i}", _AsSetUp().of(lambda: next(reversed(self._planned.values()), None), i))
            for i in range(self._params())
        )

    def param_shapes(self, bottoms: Shapes) -> Shapes:
        """Those that `setup` gives them."""
        return tuple(blob.shape for blob in self._plan(bottoms).blobs)

    def _here(self, run: Run) -> _Made:
        """The object of a program, which is made and set up at its first forward."""
        if "made" not in run.objects:
            bottoms, tops = [Blob(b.shape) for b in run.bottom], [Blob(t.shape) for t in run.top]
            run.objects["made"] = self._set_up(self._new(bottoms, tops), run.phase)
        made: _Made = run.objects["made"]
        top_diffs = run.top_diff or (None,) * len(run.top)
        groups = (
            (made.bottoms, run.bottom, run.bottom_diff),
            (made.tops, run.top, top_diffs),
            (made.blobs, run.param, run.param_diff),
        )
        for blobs, data, diffs in groups:
            for blob, values, diff in zip(blobs, data, diffs, strict=True):
                blob.lie(values, diff)
        return made

    def compute(self, run: Run) -> None:
        """Reshape, then forward; tops that it does not write are 0."""
        made = self._here(run)
        for top in run.top:
            top.fill(0.0)
        self.guarded("reshape", lambda: made.object.reshape(made.bottoms, made.tops))
        self.guarded("forward", lambda: made.object.forward(made.bottoms, made.tops))

    def gradients(self, run: Run) -> None:
        """Backward; bottom diffs that it does not write are 0."""
        made = self._here(run)
        for diff in run.bottom_diff:
            if diff is not None:
                diff.fill(0.0)
        wanted = [diff is not None for diff in run.bottom_diff]
        self.guarded("backward", lambda: made.object.backward(made.tops, wanted, made.bottoms))

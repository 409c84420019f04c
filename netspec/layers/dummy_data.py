"""DummyData: constants, or random numbers that are new at every forward. Source: Caffe dummy_data_layer.cpp."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, model_validator

from netspec.core.calls import Call, Calls, Routine, Run
from netspec.core.model import Aka, Listed, wrong
from netspec.core.shape import ShapeError, Shapes
from netspec.fillers.base import AnyFiller, Filler
from netspec.fillers.constant import Constant
from netspec.layers._fed import AnyShapes, each, one_for_each
from netspec.layers.base import MANY, NONE, NOTHING, Abilities, Arity, Layer, Purpose

if TYPE_CHECKING:
    from netspec.core.calls import Array


class DummyData(Layer):
    """Fill blobs with constants or random numbers, where there are no data.

    Bottom: none. Tops: one or more blobs of the declared shapes, whose sizes no batch size replaces. Random numbers are
    a function of (seed, iteration, sub-iteration, top). Constants are the same at every forward; but a Net from a
    prototxt fills them once, as Caffe does, and keeps what a caller writes over them.
    """

    purpose: ClassVar[Purpose] = "data"
    example: ClassVar[str] = """
- name: dummy
  type: DummyData
  top: [data, wanted]
  shape: [[3, 4], [3, 2]]
  data_filler: [{type: gaussian, std: 1}, {type: constant, value: 0.5}]
- {name: ip, type: InnerProduct, bottom: data, num_output: 2, weight_filler: xavier}
- {name: loss, type: EuclideanLoss, bottom: [ip, wanted]}
"""
    bottoms: ClassVar[Arity] = NONE
    tops: ClassVar[Arity] = MANY
    differentiable: ClassVar[bool] = False

    shape: Annotated[AnyShapes, Aka("num", "channels", "height", "width")] = Field(
        description="One shape for all tops, or a list with one shape for each."
    )
    data_filler: Listed[AnyFiller] = Field(
        (Constant(value=0.0),), description="One filler for all tops, or a list with one filler for each."
    )

    @model_validator(mode="after")
    def _check(self) -> DummyData:
        tops, fillers = len(self.top_names()), len(self.data_filler)
        one_for_each(self.shape, tops)
        if fillers not in {1, tops}:
            text = f"{fillers} filler{'s' * (fillers != 1)} for {tops} top{'s' * (tops != 1)}"
            raise wrong(text, field="data_filler", help="give one filler for all, or one for each")
        return self

    @property
    def abilities(self) -> Abilities:
        """There is no backward."""
        return Abilities(reads=NOTHING)

    def identity(self) -> dict[str, object]:
        """With the fillers: they are what it computes."""
        fillers = [filler.model_dump() | {"type": type(filler).__name__} for filler in self.data_filler]
        return super().identity() | {"data": fillers}

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The declared shapes."""
        shapes = each(self.shape, len(self.top_names()))
        for i, (filler, shape) in enumerate(zip(self.fillers, shapes, strict=True)):
            try:
                filler.check(shape)
            except ShapeError as error:
                field = f"data_filler.{i % len(self.data_filler)}"
                raise ShapeError(f"the filler of top {i}: {error.message}", field=field, help=error.help) from None
        return shapes

    @property
    def fillers(self) -> tuple[Filler, ...]:
        """The filler of each top."""
        tops = len(self.top_names())
        return self.data_filler if len(self.data_filler) > 1 else self.data_filler * tops

    def forward(self, run: Run) -> Calls:
        """Fill the tops: with one value by a kernel, else by the filler, with a stream of its own for each forward."""
        from netspec.core import rng
        from netspec.kernels import copy

        def fill(filler: Filler, number: int, top: Array) -> None:
            top[...] = filler.fill(top.shape, rng.generator(run.seed, "data", number, *run.clock.tolist()))

        for number, (filler, top) in enumerate(zip(self.fillers, run.top, strict=True)):
            if filler.level is not None:
                yield Call(copy.fill, top, filler.level)
            else:
                yield Call(Routine("filler.fill", lambda top, f=filler, n=number: fill(f, n, top)), top)

    def backward(self, run: Run) -> Calls:
        """No Calls."""
        yield from ()

"""PositionalEmbedding: y[n, t] = x[n, t] + w[t], a row of the table w for each position t of a sequence.

Source: Vaswani et al. 2017, "Attention is all you need", section 3.5; learned tables: Gehring et al. 2017.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from netspec.codegen.geometry import ADD
from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.model import Aka, wrong
from netspec.core.shape import Shape, ShapeError, Shapes, count
from netspec.core.worked import LayerArrays, Term, Worked
from netspec.fillers.base import AnyFiller
from netspec.fillers.gaussian import Gaussian
from netspec.fillers.sinusoidal import Sinusoidal
from netspec.layers.base import NOTHING, Abilities, Layer, Param, Passing, Purpose
from netspec.lowering import products


class PositionalEmbedding(Layer):
    """Add to every position of a sequence a row of numbers that says where it stands.

    Bottom: x (N, T, E). Top: y, the shape of x; may be computed in place. Param: weight (L, E), of which the first T
    rows are added; L is `max_length`, or T. With kind LEARNED it is learned; with kind SINUSOIDAL it holds sines and
    cosines, and is stored but not learned.
    """

    purpose: ClassVar[Purpose] = "sequence"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 5, 6]]}
- {name: position, type: PositionalEmbedding, max_length: 7}
"""

    kind: Annotated[Literal["LEARNED", "SINUSOIDAL"], Aka("mode")] = Field(
        "LEARNED", description="Rows that are learned, or sines and cosines of fixed wavelengths."
    )
    max_length: Annotated[int | None, Aka("num_embeddings", "sequence_length", "max_len")] = Field(
        None, gt=0, description="Rows of the table; left out: the length of the bottom's sequences."
    )
    weight_filler: Annotated[AnyFiller, Aka("init", "initializer", "weight_init")] = Field(
        Gaussian(std=0.02), description="Initial rows, of kind LEARNED."
    )

    @model_validator(mode="after")
    def _fills(self) -> PositionalEmbedding:
        if "weight_filler" in self.model_fields_set and self.kind == "SINUSOIDAL":
            text = "`weight_filler` has nothing to fill: the table holds sines and cosines"
            raise wrong(text, field="weight_filler", help="say `kind: LEARNED`")
        if self.kind == "SINUSOIDAL" and self.param and self.param[0].lr_mult:
            raise wrong("the table of sines and cosines is not learned, so its `lr_mult` must be 0", field="param")
        return self

    @property
    def alone(self) -> bool:
        """Always: every item is computed by itself."""
        return True

    @property
    def abilities(self) -> Abilities:
        """In place: backward reads nothing."""
        return Abilities(reads=NOTHING, in_place=True)

    @property
    def passing(self) -> Passing:
        """The table is added."""
        return Passing("all", added=frozenset({0}))

    def _rows(self, x: Shape) -> int:
        """L. Raises ShapeError."""
        if len(x) != 3:
            raise ShapeError("{bottom[0]} is not (samples, positions, values)", field="bottom.0")
        if self.max_length is not None and x[1] > self.max_length:
            raise ShapeError(
                f"the sequences of {{bottom[0]}} are longer than `max_length` {self.max_length}", field="max_length"
            )
        return self.max_length or x[1]

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's shape."""
        self._rows(bottoms[0])
        return bottoms

    def params(self) -> tuple[Param, ...]:
        """The table."""
        learned = self.kind == "LEARNED"
        return (Param("weight", self.weight_filler if learned else Sinusoidal(), learned=learned),)

    def param_shapes(self, bottoms: Shapes) -> Shapes:
        """(L, E)."""
        return ((self._rows(bottoms[0]), bottoms[0][2]),)

    def param_arithmetic(self, bottoms: Shapes) -> str:
        """7*6 = 42, where the table is learned."""
        rows, size = self.param_shapes(bottoms)[0]
        return f"{rows}*{size} = {rows * size}" if self.kind == "LEARNED" else ""

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """The table's gradient in float64."""
        learning = backward and self.kind == "LEARNED"
        return {"sums": Workspace((count(bottoms[0][1:]),), "float64", use="backward")} if learning else {}

    def forward(self, run: Run) -> Calls:
        """One pass."""
        from netspec.kernels import embed

        n, size = run.bottom_shapes[0][0], count(run.bottom_shapes[0][1:])
        x, y = run.bottom[0].reshape(n, size), run.top[0].reshape(n, size)
        yield Call(embed.add_table, x, run.param[0].reshape(-1)[:size], y)

    def backward(self, run: Run) -> Calls:
        """dx = dy; dw = the sum of dy over the samples."""
        from netspec.kernels import copy

        n, size = run.bottom_shapes[0][0], count(run.bottom_shapes[0][1:])
        dy = run.top_diff[0].reshape(n, size)
        if run.param_diff[0] is not None:
            dw = run.param_diff[0].reshape(-1)[:size]
            yield from products.bias_gradient(dy, dy, dw, run.workspace["sums"], ADD)
        if run.bottom_diff[0] is not None:
            yield Call(copy.copy, run.top_diff[0], run.bottom_diff[0])

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """The sum."""
        yield (Term(arrays.bottoms[0][index]) + Term(arrays.params[0][index[1:]])).at("y", index)

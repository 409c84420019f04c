"""Embed: every index becomes a row of a table: y = w[x] + b. Source: Caffe embed_layer.cpp."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from netspec.codegen.geometry import ADD, even_parts
from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.model import Aka
from netspec.core.shape import Shapes, count
from netspec.core.worked import LayerArrays, Term, Worked
from netspec.fillers.base import AnyFiller
from netspec.fillers.constant import Constant
from netspec.layers.base import BOTTOM, Abilities, Layer, Param, Purpose
from netspec.lowering import products
from netspec.lowering.channels import adds

_WORK = 1 << 15
"""Values that a part moves."""


class Embed(Layer):
    """Replace each whole number by a learned row of numbers.

    Bottom: x, whole numbers 0..V-1 of any shape (N, ...), V being `input_dim`; no gradient flows to it. Top: y (N, ...,
    M). Params: weight (V, M); bias (M,) unless `bias_term: false`. A number that is no index is an error that names the
    sample, as a wrong label is; Caffe looks beside the table.
    """

    label_word: ClassVar[str] = "index"
    no_diff: ClassVar[frozenset[int]] = frozenset({0})
    purpose: ClassVar[Purpose] = "sequence"
    example: ClassVar[str] = """
- {name: words, type: Input, shape: [[2, 5]]}
- {name: embed, type: Embed, input_dim: 7, num_output: 3, weight_filler: xavier}
"""

    num_output: Annotated[int, Aka("embedding_dim", "output_dim", "features")] = Field(
        gt=0, description="Numbers in a row, M."
    )
    input_dim: Annotated[int, Aka("num_embeddings", "vocab_size", "vocabulary")] = Field(
        gt=0, lt=2**24, description="Number of rows, V; every index is below it."
    )
    bias_term: Annotated[bool, Aka("bias", "use_bias")] = Field(
        True, description="Whether a learned row is added to all."
    )
    weight_filler: Annotated[AnyFiller, Aka("init", "initializer", "embeddings_initializer", "weight_init")] = Field(
        Constant(value=0.0), description="Initial rows."
    )
    bias_filler: Annotated[AnyFiller, Aka("bias_init", "bias_initializer")] = Field(
        Constant(value=0.0), description="Initial values of the row that is added to all."
    )

    @property
    def alone(self) -> bool:
        """Always: every item is computed by itself."""
        return True

    @property
    def abilities(self) -> Abilities:
        """Backward reads the indices, and stores."""
        return Abilities(reads=BOTTOM, stores=True)

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """(N, ..., M)."""
        return ((*bottoms[0], self.num_output),)

    def classes(self, bottoms: Shapes) -> dict[int, tuple[int, int | None]]:
        """Indices are checked as labels are."""
        return {0: (self.input_dim, None)}

    def params(self) -> tuple[Param, ...]:
        """Weight, and bias unless `bias_term: false`."""
        weight = Param("weight", self.weight_filler)
        return (weight, Param("bias", self.bias_filler)) if self.bias_term else (weight,)

    def param_shapes(self, bottoms: Shapes) -> Shapes:
        """(V, M); (M,)."""
        weight = (self.input_dim, self.num_output)
        return (weight, (self.num_output,)) if self.bias_term else (weight,)

    def param_arithmetic(self, bottoms: Shapes) -> str:
        """(7+1)*3 = 24."""
        total = (self.input_dim + self.bias_term) * self.num_output
        rows = f"({self.input_dim}+1)" if self.bias_term else f"{self.input_dim}"
        return f"{rows}*{self.num_output} = {total}"

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """Chains of the positions that have one index; sums of a row for each part, and of the bias' gradient."""
        if not backward:
            return {}
        sums = (self._parts(count(bottoms[0])), self.num_output)
        return {
            "heads": Workspace((self.input_dim,), "int32", use="backward"),
            "others": Workspace((count(bottoms[0]),), "int32", use="backward"),
            "sums": Workspace(sums, "float64", use="backward"),
        }

    def _parts(self, positions: int) -> int:
        """Parts that share the rows' gradients."""
        return even_parts((self.input_dim + positions) * self.num_output, _WORK, self.input_dim)

    def forward(self, run: Run) -> Calls:
        """One pass."""
        from netspec.kernels import embed

        w = run.param[0]
        y = run.top[0].reshape(-1, self.num_output)
        bias = run.param[1] if self.bias_term else w.reshape(-1)[:0]
        yield Call(embed.embed_forward, run.bottom[0], w, bias, y, parts=even_parts(y.size, _WORK, len(y)))

    def backward(self, run: Run) -> Calls:
        """Each row's gradient, over the positions that have its index; db = the columns of dy."""
        from netspec.kernels import embed

        dy, space = run.top_diff[0].reshape(-1, self.num_output), run.workspace
        dw, db = run.param_diff[0], run.param_diff[1] if self.bias_term else None
        heads, others, sums = space["heads"], space["others"], space["sums"]
        if dw is not None:
            yield Call(embed.chain, run.bottom[0], heads, others, parts=even_parts(heads.size, _WORK, heads.size))
            yield Call(embed.embed_backward, dy, heads, others, sums, dw, adds(run, 0), parts=len(sums))
        if db is not None:
            yield from products.bias_gradient(dy, dy, db, sums[0], ADD * adds(run, 1))

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """The number of the row."""
        x, column = arrays.bottoms[0], index[-1]
        row = int(x[index[:-1]])
        y = Term(arrays.params[0][row, column])
        yield (y + Term(arrays.params[1][column]) if self.bias_term else y).at("y", index)

"""Maxout: every output is the greatest of k weighted sums of all inputs, each plus a constant.

y = max over p of (x w_p^T + b_p), for x (N, K) and each piece's w_p (M, K), b_p (M,). Source: Goodfellow et al. 2013,
"Maxout networks".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import Field

from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.model import Aka
from netspec.core.shape import Shapes
from netspec.core.worked import LayerArrays, Term, Worked, dot, greatest
from netspec.layers.base import BOTTOM, Abilities, Layer, Param, Purpose
from netspec.layers.inner_product import InnerProduct


class Maxout(InnerProduct):
    """Multiply with several learned matrices, and keep the greatest result of each output.

    Bottom: x (N..., K...), flattened from `axis` on. Top: y (N..., M). Params: those of an InnerProduct with pieces * M
    outputs, weight (pieces * M, K), or (K, pieces * M) with `transpose`, and bias (pieces * M,); the first M of them
    are the first piece. Of equal results, the first piece gets the gradient. Not in place.
    """

    purpose: ClassVar[Purpose] = "product"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[5, 4]]}
- {name: maxout, type: Maxout, num_output: 3, pieces: 2, weight_filler: xavier, bias_filler: {type: uniform}}
"""

    pieces: Annotated[int, Aka("k", "num_pieces", "pool_size", "group_size")] = Field(
        2, gt=0, description="Number of weighted sums that each output is the greatest of."
    )

    @property
    def product(self) -> InnerProduct:
        """All pieces as one product."""
        fields = {name: getattr(self, name) for name in InnerProduct.model_fields if name not in Layer.model_fields}
        return InnerProduct(name=self.name, **(fields | {"num_output": self.pieces * self.num_output}))

    @property
    def abilities(self) -> Abilities:
        """Backward reads the bottom, adds and stores."""
        return Abilities(reads=BOTTOM, adds=True, stores=True)

    def params(self) -> tuple[Param, ...]:
        """Those of the product."""
        return self.product.params()

    def param_shapes(self, bottoms: Shapes) -> Shapes:
        """Those of the product."""
        return self.product.param_shapes(bottoms)

    def param_arithmetic(self, bottoms: Shapes) -> str:
        """(4+1)*6 = 30, for 2 pieces of 3 outputs."""
        return self.product.param_arithmetic(bottoms)

    def macs(self, bottoms: Shapes, tops: Shapes) -> int:
        """Those of the product: N K pieces M."""
        return self.product.macs(bottoms, tops)

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """Those of the product; its result or the diff of that; which piece each output is from."""
        n, _ = self._sizes(bottoms[0])
        own = {
            "pieces": Workspace((n, self.pieces * self.num_output)),
            "arg": Workspace((n, self.num_output), "int32", kept=backward),
        }
        return own | self.product.workspaces(bottoms, backward)

    def forward(self, run: Run) -> Calls:
        """The product, then the maximum over its pieces."""
        from netspec.kernels import groups

        pieces, arg = run.workspace["pieces"], run.workspace["arg"]
        yield from self.product.forward(replace(run, top=(pieces,)))
        yield Call(groups.max_forward, pieces, run.top[0], arg, self.pieces, self.num_output)

    def backward(self, run: Run) -> Calls:
        """The top's diff goes to the greatest pieces, then through the product."""
        from netspec.kernels import groups

        pieces, arg = run.workspace["pieces"], run.workspace["arg"]
        yield Call(groups.max_backward, run.top_diff[0], arg, pieces, self.pieces, self.num_output)
        yield from self.product.backward(replace(run, top=(pieces,), top_diff=(pieces,)))

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """The pieces of an output."""
        x, (*row, m) = arrays.bottoms[0], index
        w = arrays.params[0].T if self.transpose else arrays.params[0]
        own = x[tuple(row)].reshape(-1)
        terms = [dot(w[i], own) for i in range(m, len(w), self.num_output)]
        if self.bias_term:
            terms = [term + Term(arrays.params[1][m + p * self.num_output]) for p, term in enumerate(terms)]
        yield greatest(terms).at("y", index)

"""RNN: a state that each step bends anew, and an output made of it.

h_t = tanh(W_hh (cont_t h_{t-1}) + W_xh x_t + b_h [+ W_xh_static s]); o_t = tanh(W_ho h_t + b_o).
Source: Elman 1990; Caffe rnn_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from netspec.core.calls import Call, Calls, Workspace
from netspec.core.shape import Shape
from netspec.layers._recurrent import Blob, Recurrent
from netspec.layers.base import Abilities, Purpose
from netspec.lowering import products

if TYPE_CHECKING:
    from netspec.core.calls import Array
    from netspec.lowering.recurrent import Diff, Scan


class RNN(Recurrent):
    """Walk through sequences with units that see their own last values.

    Bottom: x (T, N, ...); cont (T, N), 0 where a row begins a sequence, else 1; a static input (N, ...); with
    `expose_hidden` the state (L, N, H), where L counts layers times directions; with `lengths` the lengths (N,).
    Without cont every batch begins anew, with it each batch begins where the last one ended. Top: o (T, N, H), twice as
    wide with both directions; with `expose_hidden` the last h. Params of each layer and direction: weight_xh (H, D),
    bias_h (H,), weight_xh_static (H, S), weight_hh (H, H), weight_ho (H, H), bias_o (H,). Exposed states
    take part in the gradient, unless `state_gradient: false` says Caffe's way. The walk in reverse begins anew at the
    end of every batch.
    """

    purpose: ClassVar[Purpose] = "sequence"
    example: ClassVar[str] = """
- {name: data, type: Input, top: [x, cont], shape: [[4, 3, 5], [4, 3]], batch_axis: 1}
- {name: rnn, type: RNN, bottom: [x, cont], num_output: 6, num_layers: 2, weight_filler: {type: xavier}}
"""
    blob_names: ClassVar[tuple[str, str, str, str]] = ("weight_xh", "bias_h", "weight_xh_static", "weight_hh")

    @property
    def abilities(self) -> Abilities:
        """Backward reads the outputs too."""
        return Abilities(stores=True)

    def extra(self, inputs: int) -> Iterator[Blob]:
        """The output's weight and bias."""
        yield Blob("out", "weight_ho", (self.num_output, self.num_output), self.weight_filler)
        yield Blob("out_bias", "bias_o", (self.num_output,), self.bias_filler)

    def kept(self, t: int, n: int) -> dict[str, Workspace]:
        """The states of all steps, and what the output bends; a transposed weight."""
        h = self.num_output
        turned = {f"out_{name}": space for name, space in products.turning(t * n, h, h, "forward").items()}
        return {
            "values": Workspace((t, n, h), kept=True),
            "sum": Workspace((t, n, h), use="forward"),
            **turned,
        }

    def scratch(self, t: int, n: int) -> dict[str, Shape]:
        """The gradients of the states and of what the output bends."""
        shape = (t, n, self.num_output)
        return super().scratch(t, n) | {"dvalues": shape, "dsum": shape}

    def steps(self, scan: Scan) -> Calls:
        """One product and tanh, step by step; then the outputs of all steps."""
        from netspec.kernels import recurrent

        space, h = scan.space, self.num_output
        values, own = space["values"], scan.beside(h)
        yield from own.walk(recurrent.rnn_forward, h, space["gates"], space["across"], space["hidden"], values)
        turned = (space.get("out_turned"), space.get("out_product"))
        x, total = scan.flat(values), scan.flat(space["sum"])
        yield from products.multiply_transposed(x, scan.param["out"], scan.param["out_bias"], total, 0, *turned)
        yield Call(recurrent.squash, total, scan.y, scan.marks, scan.pitch, scan.offset)

    def steps_back(self, scan: Scan, dy: Array, diffs: dict[str, Diff]) -> Any:
        """The gradients of the outputs, then of the states from the last step to the first."""
        from netspec.kernels import recurrent

        space, h = scan.space, self.num_output
        dsum, dvalues, values = (scan.flat(space[name]) for name in ("dsum", "dvalues", "values"))
        none, sums, own = dsum.reshape(-1)[:0], space["sums"], scan.beside(h)
        yield Call(recurrent.squash_diff, scan.y, dy, dsum, scan.pitch, scan.offset, scan.marks)
        if "out" in diffs:
            yield from products.multiply_columns(dsum, values, diffs["out"].array, sums[:0], diffs["out"].mode)
        if "out_bias" in diffs:
            diff = diffs["out_bias"]
            yield from products.bias_gradient(none.reshape(0, 1), dsum, diff.array, sums, diff.mode)
        yield from products.multiply_rows(dsum, scan.param["out"], none, dvalues, 0)
        arrays = (space["gates"], dvalues, scan.param["h"], space["dgates"], space["dhidden"])
        yield from own.walk(recurrent.rnn_backward, h, *arrays)
        return scan.flat(space["dgates"])

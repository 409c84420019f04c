"""GRU: units that mix what they held with what they would become.

r, z = sigmoid of W_x x_t + b_x + W_h (cont_t h_{t-1}) + b_h; n = tanh(W_xn x_t + b_xn + r (W_hn (cont_t h_{t-1}) +
b_hn)); h_t = (1 - z) n + z (cont_t h_{t-1}). Source: Cho et al. 2014, in the form of cuDNN and torch.nn.GRU.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from netspec.core.calls import Calls, Workspace
from netspec.core.shape import Shape
from netspec.layers._recurrent import Blob, Recurrent
from netspec.layers.base import Purpose

if TYPE_CHECKING:
    from netspec.core.calls import Array
    from netspec.lowering.recurrent import Diff, Scan


class GRU(Recurrent):
    """Walk through sequences with units of two gates, reset and update.

    Bottom: x (T, N, ...); cont (T, N), 0 where a row begins a sequence, else 1; a static input (N, ...); with
    `expose_hidden` the state (L, N, H), where L counts layers times directions; with `lengths` the lengths (N,).
    Without cont every batch begins anew, with it each batch begins where the last one ended. Top: h (T, N, H), twice as
    wide with both directions; with `expose_hidden` the last h. Params of each layer and direction: weight_x (3H, D),
    bias_x (3H,), weight_x_static (3H, S), weight_h (3H, H), bias_h (3H,), with gates in the order r, z, n. The walk in
    reverse begins anew at the end of every batch.
    """

    purpose: ClassVar[Purpose] = "sequence"
    example: ClassVar[str] = """
- {name: data, type: Input, top: [x, cont], shape: [[4, 3, 5], [4, 3]], batch_axis: 1}
- {name: gru, type: GRU, bottom: [x, cont], num_output: 6, bidirectional: true, weight_filler: {type: xavier}}
"""
    gates: ClassVar[int] = 3
    blob_names: ClassVar[tuple[str, str, str, str]] = ("weight_x", "bias_x", "weight_x_static", "weight_h")

    def extra(self, inputs: int) -> Iterator[Blob]:
        """The biases of the state's part."""
        yield Blob("own", "bias_h", (3 * self.num_output,), self.bias_filler)

    def kept(self, t: int, n: int) -> dict[str, Workspace]:
        """What the state adds to each gate."""
        return {"own": Workspace((t, n, 3 * self.num_output), kept=True)}

    def scratch(self, t: int, n: int) -> dict[str, Shape]:
        """The gradients of what the gates add up of x, and of the state: the reset gate stands between the two."""
        return super().scratch(t, n) | {"down": (t, n, 3 * self.num_output)}

    def steps(self, scan: Scan) -> Calls:
        """One product and the gates, step by step."""
        from netspec.kernels import gru

        space = scan.space
        arrays = (space["gates"], space["across"], scan.param["own"], space["own"], space["hidden"], scan.y)
        yield from scan.walk(gru.gru_forward, 3 * self.num_output, *arrays)

    def steps_back(self, scan: Scan, dy: Array, diffs: dict[str, Diff]) -> Any:
        """The gates' gradients and one product, from the last step to the first."""
        from netspec.kernels import gru

        space = scan.space
        arrays = (space["gates"], space["own"], space["hidden"], dy, scan.param["h"], space["dgates"], space["down"])
        yield from scan.walk(gru.gru_backward, self.num_output, *arrays, space["dhidden"])
        return scan.flat(space["down"])

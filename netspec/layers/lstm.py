"""LSTM: units whose cells keep what they hold until a gate lets them forget.

i, f, o = sigmoid and g = tanh of W_xc x_t + b_c + W_hc (cont_t h_{t-1}) [+ W_xc_static s];
c_t = f (cont_t c_{t-1}) + i g, h_t = o tanh(c_t). With `peephole`, i and f also see p_i, p_f times cont_t c_{t-1}, and
o sees p_o c_t. Source: Hochreiter & Schmidhuber 1997; peepholes Gers & Schmidhuber 2000; Caffe lstm_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from netspec.core.calls import Call, Calls
from netspec.layers._recurrent import Blob, Recurrent
from netspec.layers.base import Purpose

if TYPE_CHECKING:
    from netspec.core.calls import Array
    from netspec.lowering.recurrent import Diff, Scan


class LSTM(Recurrent):
    """Walk through sequences with units that keep a cell as long as their gates want.

    Bottom: x (T, N, ...); cont (T, N), 0 where a row begins a sequence, else 1; a static input (N, ...); with
    `expose_hidden` the states h and c, each (L, N, H), where L counts layers times directions; with `lengths` the
    lengths (N,). Without cont every batch begins anew, with it each begins where the last one ended. Top: h (T, N,
    H), twice as wide with both directions; with `expose_hidden` the last h and c. Params of each layer and direction:
    weight_xc (4H, D), bias_c (4H,), weight_xc_static (4H, S), weight_hc (4H, H), with gates in the order i, f, o, g;
    peephole (3, H). Exposed states take part in the gradient, unless `state_gradient: false` says Caffe's way. The walk
    in reverse begins anew at the end of every batch.
    """

    purpose: ClassVar[Purpose] = "sequence"
    example: ClassVar[str] = """
- {name: data, type: Input, top: [x, cont, static], shape: [[4, 3, 5], [4, 3], [3, 2]], batch_axis: [1, 1, 0]}
- {name: lstm, type: LSTM, bottom: [x, cont, static], num_output: 6, weight_filler: {type: xavier}}
"""
    gates: ClassVar[int] = 4
    memories: ClassVar[tuple[str, ...]] = ("hidden", "cell")
    blob_names: ClassVar[tuple[str, str, str, str]] = ("weight_xc", "bias_c", "weight_xc_static", "weight_hc")

    peephole: bool = Field(False, description="Whether the gates see the cell too, through a weight for each unit.")

    def extra(self, inputs: int) -> Iterator[Blob]:
        """The peepholes of i, f and o."""
        if self.peephole:
            yield Blob("peephole", "peephole", (3, self.num_output), self.weight_filler)

    def steps(self, scan: Scan) -> Calls:
        """One product and the gates, step by step."""
        from netspec.kernels import lstm

        space, peephole = scan.space, scan.param.get("peephole", scan.y.reshape(-1)[:0])
        arrays = (space["gates"], space["across"], peephole, space["hidden"], space["cell"], scan.y)
        yield from scan.walk(lstm.lstm_forward, 4 * self.num_output, *arrays)

    def steps_back(self, scan: Scan, dy: Array, diffs: dict[str, Diff]) -> Any:
        """The gates' gradients and one product, from the last step to the first; then those of the peepholes."""
        from netspec.kernels import lstm

        space, peephole = scan.space, scan.param.get("peephole", scan.y.reshape(-1)[:0])
        arrays = (space["gates"], space["cell"], dy, scan.param["h"], peephole, space["dgates"])
        yield from scan.walk(lstm.lstm_backward, self.num_output, *arrays, space["dhidden"], space["dcell"])
        if "peephole" in diffs:
            diff = diffs["peephole"]
            yield Call(
                lstm.peephole_diff, space["gates"], space["cell"], space["dgates"], diff.array, space["sums"],
                diff.mode, int(scan.reverse), parts=max(1, self.num_output // 64),
            )  # fmt: skip
        return scan.flat(space["dgates"])

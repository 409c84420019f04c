"""Silence: reads blobs and writes none, so that they are no outputs of the net. Source: Caffe silence_layer.cpp."""

from __future__ import annotations

from typing import ClassVar

from netspec.core.calls import Call, Calls, Run
from netspec.core.shape import Shapes
from netspec.layers.base import ANY_LAYOUT, MANY, NONE, NOTHING, Abilities, Arity, Layer, Passing, Purpose


class Silence(Layer):
    """Read blobs that no other layer reads, so that they are not among the outputs of the net.

    Bottoms: one or more blobs, any shapes. No top. Its gradient is 0.
    """

    purpose: ClassVar[Purpose] = "other"
    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, label], shape: [[3, 4], [3]]}
- {name: ip, type: InnerProduct, bottom: data, num_output: 2, weight_filler: xavier}
- {name: quiet, type: Silence, bottom: [ip, label]}
- {name: sum, type: Reduction, bottom: ip, operation: SUMSQ, loss_weight: 1}
"""
    bottoms: ClassVar[Arity] = MANY
    tops: ClassVar[Arity] = NONE

    @property
    def abilities(self) -> Abilities:
        """Any layout; to a gradient that other layers wrote it adds nothing."""
        return Abilities(layouts=ANY_LAYOUT, reads=NOTHING, adds=True)

    @property
    def passing(self) -> Passing:
        """It passes no gradient."""
        return Passing(stops=True)

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """None."""
        return ()

    def forward(self, run: Run) -> Calls:
        """No Calls."""
        yield from ()

    def backward(self, run: Run) -> Calls:
        """Zeros, where no other layer has written."""
        from netspec.kernels import copy

        for diff, added in zip(run.bottom_diff, run.bottom_add, strict=True):
            if diff is not None and not added:
                yield Call(copy.fill, diff, 0.0)

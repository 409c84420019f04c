"""Recurrent layers: 64 steps of 64 sequences, 256 numbers in and 256 hidden units."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.alone.case import Case

STEPS, LANES, UNITS = 64, 64, 256


def walk(type: str, make: Callable[..., torch.nn.RNNBase]) -> Case:
    """PyTorch's module with weights of its own; its params take their gradients too."""
    module = make(UNITS, UNITS)
    layer: dict[str, Any] = {"type": type, "num_output": UNITS, "weight_filler": "xavier"}

    def run(x: list[Tensor], params: list[Tensor]) -> Tensor:
        params[:] = list(module.parameters())
        top: Tensor = module(x[0])[0]
        return top

    return Case(layer, [[STEPS, LANES, UNITS]], run)


CASES: dict[str, Case] = {
    "lstm": walk("LSTM", torch.nn.LSTM),
    "gru": walk("GRU", torch.nn.GRU),
    "rnn": walk("RNN", torch.nn.RNN),
}

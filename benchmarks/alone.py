"""Layers alone, forward and backward beside PyTorch eager, at sizes that people use.

`python -m benchmarks.alone [NAME ...]` runs the cases whose names begin so. Each side keeps its arrays from step to
step; netspec runs the layer's steps in a bound program, PyTorch the function and torch.autograd.grad.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as functional
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.clock import PAUSE, TURN, milliseconds
from benchmarks.nets import Stepper, random_batch
from netspec.codegen import driver
from netspec.net.graph import State
from netspec.net.load import load_net

Torch = Callable[[list[Tensor], list[Tensor]], Tensor]
"""(bottoms, params) -> the top."""


class Case(NamedTuple):
    """A layer with its bottoms' shapes, and PyTorch's function of the same."""

    layer: dict[str, Any]
    shapes: list[list[int]]
    torch: Torch
    indices: bool = False  # whether the bottom holds indices, which get no gradient


def attention(x: list[Tensor], params: list[Tensor], heads: int) -> Tensor:
    """Self-attention, as torch.nn.MultiheadAttention computes it where its probabilities are not asked for."""
    rows, size = x[0].transpose(0, 1), x[0].shape[2]
    return functional.multi_head_attention_forward(
        rows, rows, rows, size, heads, torch.cat(params[:3]), torch.cat(params[4:7]), None, None, False, 0.0,
        params[3], params[7], need_weights=False,
    )[0].transpose(0, 1)  # fmt: skip


def self_attention(size: int, **fields: Any) -> Case:
    """Eight heads on 32 sequences of 128 positions."""
    layer = {"type": "MultiHeadAttention", "num_heads": 8, **fields}
    return Case(layer, [[32, 128, size]], lambda x, p: attention(x, p, 8))


def filters(type: str, shape: list[int], torch: Callable[..., Tensor], **fields: int) -> Case:
    """A Convolution or Deconvolution; PyTorch's function takes its stride, padding and groups by its own words."""
    settings = {"stride": fields.get("stride", 1), "padding": fields.get("pad", 0), "groups": fields.get("group", 1)}
    layer = {"type": type, "weight_filler": "xavier", **fields}
    return Case(layer, [shape], lambda x, p: torch(x[0], *p, **settings))


def locally_connected(x: list[Tensor], p: list[Tensor]) -> Tensor:
    """Windows times filters of their own, place by place in one product of batches; 3x3 filters, padding of 1."""
    windows = functional.unfold(x[0], 3, padding=1).permute(2, 0, 1)
    filters = p[0].reshape(-1, windows.shape[0], windows.shape[2]).permute(1, 2, 0)
    return torch.bmm(windows, filters).permute(1, 2, 0).reshape(len(x[0]), *p[1].shape) + p[1]


def recurrent(kind: Any, x: Tensor, wx: Tensor, bx: Tensor, wh: Tensor, bh: Tensor) -> Tensor:
    """torch.nn.LSTM or GRU on sequences (T, N, D); the order of the gates changes no time."""
    net = kind(x.shape[2], wh.shape[1], device="meta")
    own = {"weight_ih_l0": wx, "weight_hh_l0": wh, "bias_ih_l0": bx, "bias_hh_l0": bh}
    found: Tensor = torch.func.functional_call(net, own, (x,))[0]
    return found


def sequences(type: str, rows: int) -> Case:
    """64 steps of 256 values, 256 hidden units."""

    def in_torch(x: list[Tensor], p: list[Tensor]) -> Tensor:
        if type == "GRU":
            return recurrent(torch.nn.GRU, x[0], *p)
        wx, bias, wh = p
        return recurrent(torch.nn.LSTM, x[0], wx, bias, wh, torch.zeros_like(bias))

    return Case({"type": type, "num_output": 256, "weight_filler": "xavier"}, [[64, rows, 256]], in_torch)


CASES = {
    "deconvolution 4x4 stride 2, 64 to 32 of 32x64x32x32": filters(
        "Deconvolution", [32, 64, 32, 32], functional.conv_transpose2d, num_output=32, kernel_size=4, stride=2, pad=1
    ),
    "deconvolution 4x4 stride 2, 128 to 64 of 64x128x8x8": filters(
        "Deconvolution", [64, 128, 8, 8], functional.conv_transpose2d, num_output=64, kernel_size=4, stride=2, pad=1
    ),
    "deconvolution 2x2 stride 2, 128 to 64 of 32x128x16x16": filters(
        "Deconvolution", [32, 128, 16, 16], functional.conv_transpose2d, num_output=64, kernel_size=2, stride=2
    ),
    "deconvolution 3x3x3 stride 2, 16 to 8 of 8x16x8x14x14": filters(
        "Deconvolution", [8, 16, 8, 14, 14], functional.conv_transpose3d, num_output=8, kernel_size=3, stride=2, pad=1
    ),
    "convolution 3x3x3, 16 to 32 of 8x16x16x28x28": filters(
        "Convolution", [8, 16, 16, 28, 28], functional.conv3d, num_output=32, kernel_size=3, pad=1
    ),
    "convolution 3x3x3, 64 to 64 of 4x64x8x28x28": filters(
        "Convolution", [4, 64, 8, 28, 28], functional.conv3d, num_output=64, kernel_size=3, pad=1
    ),
    "convolution 3x3x3, 3 to 32 of 8x3x16x56x56": filters(
        "Convolution", [8, 3, 16, 56, 56], functional.conv3d, num_output=32, kernel_size=3, pad=1
    ),
    "convolution of lines 5, 64 to 128 of 32x64x256": filters(
        "Convolution", [32, 64, 256], functional.conv1d, num_output=128, kernel_size=5, pad=2
    ),
    "convolution of lines 3 stride 2, 32 to 64 of 64x32x1024": filters(
        "Convolution", [64, 32, 1024], functional.conv1d, num_output=64, kernel_size=3, stride=2, pad=1
    ),
    "im2col 3x3 of 32x16x32x32": Case(
        {"type": "Im2col", "kernel_size": 3, "pad": 1},
        [[32, 16, 32, 32]],
        lambda x, p: functional.unfold(x[0], 3, padding=1).reshape(32, 144, 32, 32),
    ),
    "locally connected 3x3, 16 to 32 of 64x16x16x16": Case(
        {"type": "LocallyConnected", "num_output": 32, "kernel_size": 3, "pad": 1, "weight_filler": "xavier"},
        [[64, 16, 16, 16]],
        locally_connected,
    ),
    "lstm 64x32x256": sequences("LSTM", 32),
    "lstm 64x64x256": sequences("LSTM", 64),
    "gru 64x32x256": sequences("GRU", 32),
    "gru 64x64x256": sequences("GRU", 64),
    "attention 32x128x256": self_attention(256),
    "attention 32x128x512": self_attention(512),
    "linear 32x128x256": Case(
        {"type": "InnerProduct", "num_output": 256, "axis": 2, "weight_filler": "xavier"},
        [[32, 128, 256]],
        lambda x, p: functional.linear(x[0], p[0], p[1]),
    ),
    "linear 32x128x512 to 2048": Case(
        {"type": "InnerProduct", "num_output": 2048, "axis": 2, "weight_filler": "xavier"},
        [[32, 128, 512]],
        lambda x, p: functional.linear(x[0], p[0], p[1]),
    ),
    "layer norm 32x128x512": Case(
        {"type": "LayerNorm"}, [[32, 128, 512]], lambda x, p: functional.layer_norm(x[0], (512,), p[0], p[1])
    ),
    "layer norm 32x128x256": Case(
        {"type": "LayerNorm"}, [[32, 128, 256]], lambda x, p: functional.layer_norm(x[0], (256,), p[0], p[1])
    ),
    "rms norm 32x128x512": Case(
        {"type": "RMSNorm"}, [[32, 128, 512]], lambda x, p: functional.rms_norm(x[0], (512,), p[0], 1e-6)
    ),
    "group norm 32x64x28x28": Case(
        {"type": "GroupNorm"}, [[32, 64, 28, 28]], lambda x, p: functional.group_norm(x[0], 32, p[0], p[1])
    ),
    "instance norm 32x64x28x28": Case(
        {"type": "InstanceNorm", "affine": True},
        [[32, 64, 28, 28]],
        lambda x, p: functional.instance_norm(x[0], weight=p[0], bias=p[1]),
    ),
    "l2 normalize 32x64x28x28": Case(
        {"type": "L2Normalize"}, [[32, 64, 28, 28]], lambda x, p: functional.normalize(x[0])
    ),
    "embed 32x128 of 10000 to 256": Case(
        {"type": "Embed", "input_dim": 10000, "num_output": 256, "bias_term": False, "weight_filler": "xavier"},
        [[32, 128]],
        lambda x, p: functional.embedding(x[0].long(), p[0]),
        indices=True,
    ),
    "embed 64x64 of 65 to 256": Case(
        {"type": "Embed", "input_dim": 65, "num_output": 256, "bias_term": False, "weight_filler": "xavier"},
        [[64, 64]],
        lambda x, p: functional.embedding(x[0].long(), p[0]),
        indices=True,
    ),
    "positions 32x128x512": Case({"type": "PositionalEmbedding"}, [[32, 128, 512]], lambda x, p: x[0] + p[0]),
}


class Ours:
    """The layer in a net; a learned Bias below it makes its bottom want a gradient."""

    def __init__(self, case: Case) -> None:
        given = [f"x{i}" for i in range(len(case.shapes))]
        layers: list[dict[str, Any]] = [{"name": "data", "type": "Input", "top": given, "shape": case.shapes}]
        if not case.indices:
            layers.append({"name": "below", "type": "Bias", "axis": 0, "num_axes": 0, "bottom": "x0", "top": "x"})
        bottoms = given if case.indices else ["x", *given[1:]]
        layers.append({"name": "layer", "bottom": bottoms, "top": "y", "loss_weight": 1, **case.layer})
        shaped = load_net({"name": "alone", "layers": layers}, (), State("TRAIN"))
        self.batch = random_batch(shaped)
        self.stepper = Stepper(shaped, self.batch)
        self.stepper.step()
        program = self.stepper.program
        self.node = next(node for node in program.graph.nodes if node.layer.name == "layer")
        own = [program.weights.data[param] for param in self.node.params]
        self.params = [torch.tensor(array) for array in own]
        self.bottoms = [torch.tensor(program.data[b]) for b in self.node.bottoms]

    def step(self) -> tuple[float, float]:
        """Milliseconds forward and backward, with the clearing of gradients that are added to."""
        program, node = self.stepper.program, self.node.index
        ahead = milliseconds(lambda: program.run_node("forward", node))
        clearing = 0.0 if self.node.stores else milliseconds(lambda: program.run("clear"))
        return ahead, clearing + milliseconds(lambda: program.run_node("backward", node))


class Theirs:
    """PyTorch's function on equal arrays."""

    def __init__(self, case: Case, ours: Ours) -> None:
        self.function, self.params = case.torch, [p.requires_grad_() for p in ours.params]
        self.bottoms = [b.requires_grad_(not case.indices) for b in ours.bottoms]
        self.seed = torch.ones_like(self.function(self.bottoms, self.params))

    def step(self) -> tuple[float, float]:
        """Milliseconds forward and backward."""
        tops: list[Tensor] = []
        wanted = [*(b for b in self.bottoms if b.requires_grad), *self.params]
        ahead = milliseconds(lambda: tops.append(self.function(self.bottoms, self.params)))
        return ahead, milliseconds(lambda: torch.autograd.grad(tops[0], wanted, self.seed))


def measure(case: Case, turns: int) -> list[float]:
    """Median milliseconds: netspec forward and backward, PyTorch forward and backward. The sides take turns."""
    ours = Ours(case)
    sides = (ours, Theirs(case, ours))
    times: list[list[tuple[float, float]]] = [[], []]
    for _ in range(turns):
        for side, kept in zip(sides, times, strict=True):
            time.sleep(PAUSE)
            side.step()
            until, first = time.monotonic() + TURN, len(kept)
            while time.monotonic() < until or len(kept) < first + 2:
                kept.append(side.step())
    return [statistics.median(way) for kept in times for way in zip(*kept, strict=True)]


def main() -> None:
    """Measure the cases and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="beginnings of cases' names; none: all")
    parser.add_argument("--turns", type=int, default=4, help="turns of each side, of a quarter of a second")
    parser.add_argument("--threads", type=int, default=2, help="threads of each side")
    given = parser.parse_args()
    driver.limit_threads(given.threads)
    torch.set_num_threads(given.threads)
    table = Table("case", *(f"{side} {way}" for side in ("netspec", "torch") for way in ("fwd", "bwd")), "ratio")
    for name, case in CASES.items():
        if not given.names or any(name.startswith(word) for word in given.names):
            ahead, back, its_ahead, its_back = took = measure(case, given.turns)
            table.add_row(name, *(f"{value:.3f}" for value in took), f"{(its_ahead + its_back) / (ahead + back):.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()

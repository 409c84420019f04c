"""The chain, and a stage of ResNet-20, as nets of netspec and as PyTorch's users write them."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from benchmarks.bfloat16.chain import EPS, Array, Case, Results, Values
from benchmarks.clock import milliseconds
from benchmarks.in_torch import LAYOUTS
from benchmarks.nets import Stepper, random_batch
from netspec.net.graph import State
from netspec.net.load import load_net

Layers = list[dict[str, Any]]


def stepper(shape: tuple[int, ...], layers: Layers) -> Stepper:
    """netspec's program of a net of one input, whose last top has a loss_weight: the gradient is 1 everywhere."""
    data = {"name": "data", "type": "Input", "top": ["data"], "shape": [list(shape)]}
    layers = [data, *layers[:-1], {**layers[-1], "loss_weight": 1}]
    shaped = load_net({"name": "experiment", "layers": layers}, (), State("TRAIN"))
    return Stepper(shaped, random_batch(shaped))


def run(stepper: Stepper) -> float:
    """Milliseconds forward and backward, after a batch was fed; no weight is updated."""
    stepper.feed()
    program = stepper.program
    program.loss[0] = 0.0
    return milliseconds(lambda: program.run("clear", "backward"))


def chain_layers(case: Case) -> Layers:
    """Convolutions of one pixel, each with BatchNorm and ReLU."""
    return [
        layer
        for i, k in enumerate(case.channels[1:])
        for layer in (
            {"name": f"conv{i}", "type": "Convolution", "num_output": k, "kernel_size": 1, "bias_term": False},
            {"name": f"bn{i}", "type": "BatchNorm", "affine": True, "eps": EPS},
            {"name": f"relu{i}", "type": "ReLU"},
        )
    ]


def stage_layers(units: int, channels: int) -> Layers:
    """Residual units of two convolutions of 3 x 3, as in ResNet-20."""
    layers: Layers = []
    bottom = "data"
    for u in range(units):
        for i in (1, 2):
            conv = {"num_output": channels, "kernel_size": 3, "pad": 1, "bias_term": False}
            read = {"bottom": bottom} if i == 1 else {}
            layers.append({"name": f"conv{u}{i}", "type": "Convolution", "weight_filler": "msra", **conv, **read})
            layers.append({"name": f"bn{u}{i}", "type": "BatchNorm", "affine": True})
            if i == 1:
                layers.append({"name": f"relu{u}{i}", "type": "ReLU"})
        layers.append({"name": f"sum{u}", "type": "Eltwise", "bottom": [f"bn{u}2", bottom]})
        layers.append({"name": f"relu{u}2", "type": "ReLU"})
        bottom = f"relu{u}2"
    return layers


def images(values: Array, case: Case) -> Array:
    """(P, C) as (N, C, H, H)."""
    shaped: Array = values.reshape(case.n, case.h, case.h, -1).transpose(0, 3, 1, 2)
    return shaped


class NetspecChain:
    """The chain as a net, with these values."""

    def __init__(self, case: Case, values: Values) -> None:
        self.case = case
        self.stepper = stepper((case.n, case.channels[0], case.h, case.h), chain_layers(case))
        self.stepper.batch = [images(values.x, case)]
        given = zip(values.weights, values.gammas, values.betas, strict=True)
        graph = self.stepper.program.graph
        self.learned = [i for i, param in enumerate(graph.params) if param.learned]
        arrays = [self.stepper.program.weights.data[i] for i in self.learned]
        for array, value in zip(arrays, (each for three in given for each in three), strict=True):
            array[...] = value.reshape(array.shape)

    def step(self) -> float:
        """Milliseconds forward and backward."""
        return run(self.stepper)

    def results(self) -> Results:
        """The gradients; the last top is not asked for: a rewrite may have moved it."""
        diffs = [np.array(self.stepper.program.weights.diff[i], float) for i in self.learned]
        dw = [diff.reshape(diff.shape[:2]) for diff in diffs[::3]]
        return Results(np.zeros((0, 0)), dw, diffs[1::3], diffs[2::3])


class TorchSide:
    """Leaves, and a function of them: forward, then backward for `wanted`, with autocast to bfloat16 or without."""

    def __init__(self, function: Callable[[], Tensor], wanted: list[Tensor], seed: Tensor, autocast: bool) -> None:
        self.function, self.wanted, self.seed, self.autocast = function, wanted, seed, autocast

    def step(self) -> None:
        """Forward and backward."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.autocast):
            self.y = self.function()
        self.diffs = torch.autograd.grad(self.y, self.wanted, self.seed.to(self.y.dtype))


def keep_memory() -> None:
    """Let glibc keep what PyTorch frees: else every step takes its blobs from the system anew, page by page."""
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(-4, 0)  # M_MMAP_MAX
        library.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD


def layout(name: str) -> Any:
    """The memory format of a name; autocast runs channels_last."""
    return LAYOUTS.get(name, torch.channels_last)


class TorchChain(TorchSide):
    """The chain; name: of LAYOUTS, or `autocast`."""

    def __init__(self, case: Case, values: Values, name: str) -> None:
        form = layout(name)
        self.case = case
        x = torch.tensor(images(values.x, case)).contiguous(memory_format=form)
        seed = torch.tensor(images(values.dy, case)).contiguous(memory_format=form)
        weights = [torch.tensor(w)[:, :, None, None].requires_grad_() for w in values.weights]
        gammas, betas = ([torch.tensor(v).requires_grad_() for v in side] for side in (values.gammas, values.betas))

        def compute() -> Tensor:
            y = x
            for w, gamma, beta in zip(weights, gammas, betas, strict=True):
                z = functional.batch_norm(functional.conv2d(y, w), None, None, gamma, beta, training=True, eps=EPS)
                y = functional.relu_(z)
            return y

        super().__init__(compute, [*weights, *gammas, *betas], seed, name == "autocast")

    def results(self) -> Results:
        """Those of the last step."""
        y = self.y.detach().float().permute(0, 2, 3, 1).reshape(-1, self.case.channels[-1]).numpy()
        diffs = [diff.numpy() for diff in self.diffs]
        count = len(diffs) // 3
        return Results(y, [d[:, :, 0, 0] for d in diffs[:count]], diffs[count : 2 * count], diffs[2 * count :])


def torch_stage(n: int, channels: int, h: int, units: int, name: str) -> TorchSide:
    """A stage of residual units; the input wants no gradient."""
    form = layout(name)
    torch.manual_seed(1)
    x = torch.randn(n, channels, h, h).contiguous(memory_format=form)
    weights = [torch.randn(channels, channels, 3, 3) * (2 / (9 * channels)) ** 0.5 for _ in range(2 * units)]
    weights = [w.contiguous(memory_format=form).requires_grad_() for w in weights]
    affine = [(torch.ones(channels).requires_grad_(), torch.zeros(channels).requires_grad_()) for _ in weights]

    def normalised(y: Tensor, i: int) -> Tensor:
        return functional.batch_norm(functional.conv2d(y, weights[i], None, 1, 1), None, None, *affine[i], True)

    def compute() -> Tensor:
        y = x
        for u in range(units):
            z = normalised(functional.relu_(normalised(y, 2 * u)), 2 * u + 1)
            y = functional.relu_(z.add_(y))
        return y

    return TorchSide(
        compute, [*weights, *(each for two in affine for each in two)], torch.ones_like(x), name == "autocast"
    )

"""Rounding error of each convolution engine: rms error / rms of the result in float32, against float64.

Data and weights are standard normal.

python -m benchmarks.accuracy_winograd [--write]
"""

from __future__ import annotations

import argparse
import contextlib
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as functional
from rich.console import Console

from benchmarks import machine, tables
from netspec import Net
from netspec.core import rng
from netspec.core.shape import ShapeError

AUTO, *ENGINES = ("AUTO", "WINOGRAD", "DIRECT")
WAYS = ("torch", *ENGINES)
PARTS = ("y", "dX", "dW")
Results = tuple[np.ndarray[Any, Any], ...]
"""y, dX and dW."""


class Case(NamedTuple):
    """Images N x C x H x H, K filters of F x F, stride, pad, groups."""

    n: int
    c: int
    h: int
    k: int
    f: int
    stride: int = 1
    pad: int = 0
    group: int = 1

    def __str__(self) -> str:
        groups = f", {self.group} groups" if self.group > 1 else ""
        return f"{self.n}x{self.c}x{self.h}x{self.h}, {self.k} of {self.f}x{self.f}, stride {self.stride}{groups}"


CASES = (
    Case(32, 16, 32, 16, 3, pad=1),
    Case(16, 64, 32, 64, 3, pad=1),
    Case(4, 64, 56, 192, 3, pad=1),
    Case(16, 128, 16, 128, 3, pad=1),
    Case(4, 256, 28, 256, 3, pad=1),
    Case(4, 512, 14, 512, 3, pad=1),
    Case(8, 384, 13, 384, 3, pad=1, group=2),
    Case(4, 128, 56, 128, 3, stride=2, pad=1),
    Case(64, 20, 12, 50, 5),
    Case(16, 32, 16, 32, 5, pad=2),
    Case(4, 96, 27, 256, 5, pad=2, group=2),
    Case(8, 48, 7, 128, 5, pad=2),
    Case(4, 3, 227, 96, 11, stride=4),
    Case(4, 256, 28, 512, 1),
)
COLUMNS = (
    tables.Column("case", "layer"),
    *(tables.Column(f"{way} {part}", f"{way} {part}", ".1e") for way in WAYS for part in PARTS),
    tables.Column("auto", f"{AUTO} takes"),
)


def drawn(case: Case) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """x, w and dy, float32."""
    random = rng.generator(1, "accuracy", str(case))
    size = (case.h + 2 * case.pad - case.f) // case.stride + 1
    shapes = (
        (case.n, case.c, case.h, case.h),
        (case.k, case.c // case.group, case.f, case.f),
        (case.n, case.k, size, size),
    )
    x, w, dy = (random.standard_normal(shape).astype(np.float32) for shape in shapes)
    return x, w, dy


def by_torch(case: Case, dtype: torch.dtype) -> Results:
    """PyTorch's results in a float type; those in float64 are the reference."""
    x, w, dy = (torch.tensor(array, dtype=dtype) for array in drawn(case))
    x.requires_grad_(), w.requires_grad_()
    y = functional.conv2d(x, w, None, case.stride, case.pad, 1, case.group)
    return y.detach().numpy(), *(gradient.numpy() for gradient in torch.autograd.grad(y, (x, w), dy))


def by_netspec(case: Case, engine: str) -> Results:
    """netspec's results under one engine. Raises ShapeError where the engine does not take the layer."""
    x, w, dy = drawn(case)
    fields = {
        "num_output": case.k,
        "kernel_size": case.f,
        "stride": case.stride,
        "pad": case.pad,
        "group": case.group,
        "engine": engine,
    }
    data = {"name": "data", "type": "Input", "top": ["data"], "shape": [list(x.shape)]}
    net = Net(
        {"layers": [data, {"name": "conv", "type": "Convolution", "bias_term": False, **fields}]},
        phase="TRAIN",
        force_backward=True,
    )
    weight = net.params["conv"][0]
    weight.data[...] = w
    y = net.forward(data=x)["conv"]
    dx = net.backward(conv=dy)["data"]
    assert dx is not None and weight.diff is not None
    return y, dx, np.array(weight.diff)


def errors(way: str, results: Results, judge: Results) -> dict[str, float]:
    """rms of the error / rms of the result, for y, dX and dW."""
    pairs = zip(PARTS, results, judge, strict=True)
    return {f"{way} {part}": float(np.linalg.norm(mine - true) / np.linalg.norm(true)) for part, mine, true in pairs}


def row(case: Case) -> dict[str, Any]:
    """Errors of PyTorch in float32, errors of every engine that takes the layer, and the engine chosen by default."""
    judge = by_torch(case, torch.float64)
    found: dict[str, Any] = {"case": str(case), **errors("torch", by_torch(case, torch.float32), judge)}
    chosen = by_netspec(case, AUTO)
    for engine in ENGINES:
        with contextlib.suppress(ShapeError):
            results = by_netspec(case, engine)
            found |= errors(engine, results, judge)
            if all(map(np.array_equal, results, chosen)):
                found["auto"] = engine
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    given = parser.parse_args()
    found = [row(case) for case in CASES]
    Console(width=None if Console().is_terminal else 180).print(
        tables.rich("rms error / rms of the result, float32", COLUMNS, found)
    )
    if given.write:
        tables.write("accuracy_winograd", machine.describe(2).sentence, COLUMNS, found)


if __name__ == "__main__":
    main()

"""ResNet-20 on the bundled images, in float32 and with everything in bfloat16 that a net in bfloat16 would hold so.

Rounded are: what convolutions write, what they read (so also a BatchNorm's top, which is an operand of products), the
sums of the shortcuts, the gradients of all these, and the convolutions' weights while an iteration reads them. Sums,
moments, masters of the weights, their gradients and the momentum are float32. Tests round blobs too.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from benchmarks.bfloat16.numbers import rounded, to_bfloat16, to_float32
from benchmarks.trainings import BUNDLED, overrides
from netspec import register
from netspec.codegen.kernel import kernel, span
from netspec.codegen.kinds import Vector
from netspec.core.calls import Call, Calls, Run
from netspec.core.shape import Shapes
from netspec.layers.base import Abilities, Layer
from netspec.training.events import Tested
from netspec.training.job import Job, load_solver
from netspec.training.session import Session
from netspec.training.solve import solve

ROOT = Path(__file__).parents[2]
READERS = {"ReLU", "Convolution"}
"""Types of layers whose tops are rounded."""


@kernel
def round_all(x: Vector, y: Vector, part: int, parts: int) -> None:
    """y = x in bfloat16; both (M,)."""
    for i in range(*span(x.size, part, parts)):
        y[i] = rounded(x[i])


class Bfloat16(Layer):
    """Round a blob, and its gradient, to bfloat16. Bottom: x, any shape. Top: y, the shape of x."""

    @property
    def abilities(self) -> Abilities:
        """Backward reads neither bottom nor top."""
        return Abilities()

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's."""
        return bottoms

    def forward(self, run: Run) -> Calls:
        """One pass."""
        yield Call(round_all, run.bottom[0], run.top[0])

    def backward(self, run: Run) -> Calls:
        """One pass."""
        if run.bottom_diff[0] is not None:
            yield Call(round_all, run.top_diff[0], run.bottom_diff[0])


def behind(layers: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The layers, with a Bfloat16 behind each one that writes what is rounded."""
    for layer in layers:
        yield layer
        if layer.get("type") in READERS:
            yield {"name": f"{layer['name']}_rounded", "type": "Bfloat16"}


def job(kind: str, seed: int, epochs: int) -> Job:
    """The training of `resnet8_fashion` with 20 layers, for so many epochs; kind: float32 or bfloat16."""
    solver = yaml.safe_load((ROOT / "solvers/resnet8_fashion.yaml").read_text())
    net = yaml.safe_load((ROOT / "models/resnet20.yaml").read_text())
    del net["expect"]
    for group in (net, net["blocks"]["residual"]) if kind == "bfloat16" else ():
        group["layers"] = list(behind(group["layers"]))
    net["layers"][0]["shape"] = solver["net"]["layers"][0]["shape"]
    net["defaults"]["BatchNorm"] |= solver["net"]["defaults"]["BatchNorm"]
    solver["net"] = net
    del solver["reached"]
    loop = {"test_initialization": False, "snapshot": 0, "snapshot_after_train": False, "display": 0}
    said = {**BUNDLED, **loop, "random_seed": seed, "max_epoch": epochs, "test_interval": "1 epoch"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "solver.yaml"
        path.write_text(yaml.safe_dump(solver, sort_keys=False))
        return load_solver(str(path), overrides(said))


def with_rounded_weights(session: Session) -> None:
    """Let every iteration read the convolutions' weights in bfloat16, and update their float32 masters."""
    weights = [array for array in session.train.weights.data if array.ndim == 4]
    masters = [array.copy() for array in weights]

    def begin() -> None:
        for array, master in zip(weights, masters, strict=True):
            master[...] = array
            array[...] = to_float32(to_bfloat16(array))

    def end() -> None:
        for array, master in zip(weights, masters, strict=True):
            array[...] = master

    session.hooks = begin, end


def train(kind: str, seed: int, epochs: int, threads: int | None = None) -> tuple[list[float], list[float]]:
    """The accuracies after each epoch, and the losses of the last 50 iterations."""
    session = Session(job(kind, seed, epochs), threads=threads)
    if kind == "bfloat16":
        with_rounded_weights(session)
    try:
        scores = [float(event.outputs["accuracy"]) for event in solve(session) if isinstance(event, Tested)]
        return scores, [row[0] for row in list(session._recent)[-50:]]
    finally:
        session.close()


def rows(seeds: list[int], epochs: int) -> Iterator[dict[str, Any]]:
    """A row for each kind and seed, float32 and bfloat16 by turns; then the means."""
    register(Bfloat16)
    found: dict[str, list[dict[str, Any]]] = {"float32": [], "bfloat16": []}
    for seed in seeds:
        for kind, list_ in found.items():
            scores, losses = train(kind, seed, epochs)
            row = {
                "kind": kind,
                "seed": seed,
                "accuracy": scores[-1],
                "best": max(scores),
                "loss": statistics.mean(losses),
            }
            list_.append({**row, "epochs": epochs})
            yield list_[-1]
    for kind, list_ in found.items():
        means = {key: statistics.mean(row[key] for row in list_) for key in ("accuracy", "best", "loss")}
        yield {"kind": kind, "seed": "mean", **means, "epochs": epochs}

"""A net's TRAIN graph in Keras: its description for `benchmarks/keras_child.py`, and the process that computes it.

A description is a list of layers: `make`, a class of keras.layers (or `pick`, every so many pixels, or `zeros`), its
`settings`, the names of its `bottoms`, and its `top`, which names its weights too. Images are N, H, W, C, as Keras
wants them on CPUs; filters and weights are turned alike.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from benchmarks.nets import DECAY, MOMENTUM, RATE, Arrays
from netspec.net.graph import Node
from netspec.net.shaped import ShapedGraph

CHILD = Path(__file__).with_name("keras_child.py")
PATIENCE = 120.0
"""Seconds that an answer may take: TensorFlow starts, and compiles the net."""
Array = np.ndarray[Any, Any]
Described = dict[str, Any]
Chain = list[tuple[str, dict[str, Any]]]
"""Layers of Keras, one behind the other, that compute one of netspec's."""


class NotRacedError(Exception):
    """Why Keras does not run a net."""


def interpreter(given: str | None) -> str:
    """The Python that has Keras and TensorFlow: the one given, that of NETSPEC_KERAS, or this one.

    Raises NotRacedError if none is named and this one does not have them.
    """
    found = given or os.environ.get("NETSPEC_KERAS")
    if not found and not all(importlib.util.find_spec(name) for name in ("keras", "tensorflow")):
        raise NotRacedError("no Python that has keras and tensorflow is named, by --keras or NETSPEC_KERAS")
    return found or sys.executable


def describe(shaped: ShapedGraph) -> list[Described]:
    """The layers up to the scores, bottoms before tops. Raises NotRacedError."""
    found = []
    for node in shaped.graph.nodes:
        if node.layer.type in {"Input", "SoftmaxWithLoss"}:
            continue
        if node.layer.type not in _CHAINS:
            raise NotRacedError(f"{node.layer.type} is not translated")
        bottoms, chain = [str(bottom) for bottom in node.bottoms], _CHAINS[node.layer.type](node, shaped)
        for place, (make, settings) in enumerate(chain):
            top = str(node.tops[0]) if place == len(chain) - 1 else f"{node.tops[0]}.{place}"
            found.append({"make": make, "settings": settings, "bottoms": bottoms, "top": top})
            bottoms = [top]
    return found


def _convolution(node: Node, shaped: ShapedGraph) -> Chain:
    """Padding `same` where that is the padding wanted, else zeros put around the image first."""
    layer: Any = node.layer
    kernel, stride, pad, dilation = map(list, zip(*layer.windows(shaped.blobs[node.bottoms[0]]), strict=True))
    reach = zip(kernel, pad, dilation, strict=True)
    same = any(pad) and stride == [1, 1] and all(2 * p == d * (f - 1) for f, p, d in reach)
    settings = {
        "filters": shaped.blobs[node.tops[0]][1],
        "kernel_size": kernel,
        "strides": stride,
        "padding": "same" if same else "valid",
        "dilation_rate": dilation,
        "groups": layer.group,
        "use_bias": len(node.params) > 1,
    }
    around: Chain = [] if same or not any(pad) else [("ZeroPadding2D", {"padding": pad})]
    return [*around, ("Conv2D", settings)]


def _pooling(node: Node, shaped: ShapedGraph) -> Chain:
    """Padding `same` where windows lie a pixel over the border at its end. Raises NotRacedError for other padding."""
    layer: Any = node.layer
    x, y = shaped.blobs[node.bottoms[0]][2:], shaped.blobs[node.tops[0]][2:]
    if layer.global_pooling and layer.pool == "AVE":
        return [("GlobalAveragePooling2D", {"keepdims": True})]
    kernel, stride, pad, _ = map(list, zip(*layer.windows((1, 1, *x)), strict=True))
    if kernel == [1, 1] and not any(pad):
        return [("pick", {"step": stride})]
    over = [(q - 1) * s + f - size for size, q, s, f in zip(x, y, stride, kernel, strict=True)]
    same = any(o > 0 for o in over)
    if any(pad) or (
        same and (over != [1, 1] or any(-(-size // s) != q for size, q, s in zip(x, y, stride, strict=True)))
    ):
        raise NotRacedError(f"the padding of {layer.name} is not translated")
    make = {"MAX": "MaxPooling2D", "AVE": "AveragePooling2D"}[layer.pool]
    return [(make, {"pool_size": kernel, "strides": stride, "padding": "same" if same else "valid"})]


def _inner_product(node: Node, shaped: ShapedGraph) -> Chain:
    flat: Chain = [("Flatten", {})] if len(shaped.blobs[node.bottoms[0]]) > 2 else []
    return [*flat, ("Dense", {"units": shaped.blobs[node.tops[0]][1], "use_bias": len(node.params) > 1})]


def _batch_norm(node: Node, shaped: ShapedGraph) -> Chain:
    layer: Any = node.layer
    affine = len(node.params) > 3
    momentum = layer.moving_average_fraction
    return [("BatchNormalization", {"momentum": momentum, "epsilon": layer.eps, "center": affine, "scale": affine})]


def _power(node: Node, shaped: ShapedGraph) -> Chain:
    layer: Any = node.layer
    if (layer.scale, layer.shift) != (0, 0):
        raise NotRacedError("a Power other than zeros is not translated")
    return [("zeros", {})]


def _eltwise(node: Node, shaped: ShapedGraph) -> Chain:
    layer: Any = node.layer
    if layer.operation != "SUM":
        raise NotRacedError(f"an Eltwise of {layer.operation} is not translated")
    return [("Add", {})]


_CHAINS: dict[str, Callable[[Node, ShapedGraph], Chain]] = {
    "BatchNorm": _batch_norm,
    "Concat": lambda node, shaped: [("Concatenate", {"axis": -1})],
    "Convolution": _convolution,
    "Eltwise": _eltwise,
    "InnerProduct": _inner_product,
    "Pooling": _pooling,
    "Power": _power,
    "ReLU": lambda node, shaped: [("ReLU", {})],
}


def to_keras(shaped: ShapedGraph, weights: Sequence[Array]) -> dict[str, Array]:
    """Keras's weights, named by the top of their layer and their place among its weights."""
    found: dict[str, Array] = {}
    for node in shaped.graph.nodes:
        own = [weights[p] for p in node.params]
        if node.layer.type == "BatchNorm":
            own = [*own[3:], np.zeros_like(own[0]), np.ones_like(own[1])]
        elif own:
            own[0] = _turned(node, shaped, own[0])
        found |= {f"{node.tops[0]}.{i}": array for i, array in enumerate(own)}
    return found


def from_keras(shaped: ShapedGraph, found: dict[str, Array]) -> list[Array | None]:
    """The gradients of netspec's params from those of Keras's weights; None for params without."""
    gradients: list[Array | None] = [None] * len(shaped.params)
    for node in shaped.graph.nodes:
        params = node.params[3:] if node.layer.type == "BatchNorm" else node.params
        for i, param in enumerate(params):
            array = found[f"{node.tops[0]}.{i}"]
            turn = i == 0 and node.layer.type != "BatchNorm"
            gradients[param] = _turned_back(node, shaped, array, shaped.params[param]) if turn else array
    return gradients


def _turned(node: Node, shaped: ShapedGraph, array: Array) -> Array:
    """Filters (K, C, f, f) as (f, f, C, K); weights (K, M) as (M, K), M in the order H, W, C behind an image."""
    bottom = shaped.blobs[node.bottoms[0]]
    if node.layer.type == "InnerProduct":
        array = array.reshape(len(array), *bottom[1:])
        return np.moveaxis(array, (0, 1), (-1, -2)).reshape(-1, len(array))
    return np.ascontiguousarray(array.transpose(2, 3, 1, 0))


def _turned_back(node: Node, shaped: ShapedGraph, array: Array, shape: tuple[int, ...]) -> Array:
    """The inverse of `_turned`."""
    bottom = shaped.blobs[node.bottoms[0]]
    if node.layer.type == "InnerProduct":
        array = array.reshape(*bottom[2:], bottom[1], -1)
        return np.moveaxis(array, (-1, -2), (0, 1)).reshape(shape)
    return array.transpose(3, 2, 0, 1)


class KerasStepper:
    """A net in a process that has Keras: `side` is its loss and gradients, `step` trains. Use it in a `with`."""

    def __init__(self, python: str, threads: int) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._log = Path(self._folder.name, "log")
        try:
            with self._log.open("w") as log:
                words = [python, str(CHILD), str(threads)]
                self._child = subprocess.Popen(
                    words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
                )
        except OSError as error:
            self._folder.cleanup()
            raise NotRacedError(f"{python}: {error.strerror}") from error

    def __enter__(self) -> KerasStepper:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._child.kill()
        self._child.communicate()
        self._folder.cleanup()

    def build(self, shaped: ShapedGraph, weights: Sequence[Array], batch: Arrays) -> dict[str, str]:
        """Build the net there, with these weights and this batch: the versions of Keras and TensorFlow."""
        self._shaped, loss = shaped, shaped.graph.nodes[-1]
        x, y = batch
        stored = str(Path(self._folder.name, "weights.npz"))
        channels_last = np.ascontiguousarray(np.moveaxis(x, 1, -1))
        np.savez(stored, x=channels_last, y=y, **to_keras(shaped, weights))  # type: ignore[arg-type]
        solver = {"learning_rate": RATE, "momentum": MOMENTUM, "weight_decay": DECAY}
        ends = {"input": str(shaped.graph.inputs[0]), "output": str(loss.bottoms[0])}
        answer = self._ask("build", file=stored, layers=describe(shaped), solver=solver, **ends)
        return dict(answer["versions"])

    def side(self) -> tuple[float, list[Array | None]]:
        """The loss and the gradient of every param."""
        stored = str(Path(self._folder.name, "gradients.npz"))
        loss = self._ask("check", file=stored)["loss"]
        with np.load(stored) as arrays:
            return loss, from_keras(self._shaped, {name: arrays[name] for name in arrays.files})

    def step(self) -> float:
        """One step of training: the milliseconds that it took there."""
        return float(self._ask("step")["ms"])

    def _ask(self, do: str, **settings: Any) -> dict[str, Any]:
        """The answer to a command. Raises NotRacedError."""
        assert self._child.stdin and self._child.stdout
        patience = threading.Timer(PATIENCE, self._child.kill)
        patience.start()
        try:
            self._child.stdin.write(json.dumps({"do": do, **settings}) + "\n")
            self._child.stdin.flush()
            line = self._child.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            patience.cancel()
        if not line:
            said = self._log.read_text().strip().splitlines() or ["it ended"]
            raise NotRacedError(f"no answer to '{do}': {said[-1]}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise NotRacedError(answer["error"])
        return answer

"""The nets of the benchmarks: their batch sizes, floating-point operations, netspec programs, and groups of layers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from netspec.core import rng
from netspec.core.calls import Phase
from netspec.engine.bind import bind, compile_net
from netspec.engine.program import Program
from netspec.engine.updating import Learning, local_decay
from netspec.engine.weights import Weights, fill_weights
from netspec.language.references import open_net
from netspec.net.graph import Graph, State
from netspec.net.labels import label_rules
from netspec.net.load import load_net
from netspec.net.shaped import ShapedGraph
from netspec.training.regularizers.l2 import L2
from netspec.training.solvers.sgd import SGD

Arrays = list[np.ndarray[Any, Any]]

RATE, MOMENTUM, DECAY = 1e-4, 0.9, 5e-4
"""SGD's settings on both sides. The rate is small, because training on random labels must not diverge while timed."""
SEED = 1


@dataclass(frozen=True)
class Entry:
    """A net of the race: its batch, and the speeds wanted, in multiples of its peers'.

    Those are PyTorch's (eager, and channels_last) and, where it is not 0, Keras's. `counted` nets are in the mean.
    """

    net: str
    batch: int
    eager: float
    channels_last: float
    keras: float = 0.0
    counted: bool = True

    @property
    def speeds(self) -> dict[str, float]:
        """The speed wanted beside each peer."""
        return {"eager": self.eager, "channels_last": self.channels_last, "keras": self.keras}

    @property
    def wanted(self) -> str:
        """The speeds as text."""
        return " / ".join(f"{speed:g}" for speed in self.speeds.values() if speed)


ENTRIES = {
    entry.net: entry
    for entry in (
        Entry("mlp", 64, 2.2, 2.1, 1.3),
        Entry("lenet", 64, 2.6, 2.3, 1.3),
        Entry("cifar10_quick", 100, 2.4, 1.6, 1.3),
        Entry("resnet20", 128, 2.2, 1.9, 1.3),
        Entry("wrn_16_4", 64, 2.2, 1.9),
        Entry("alexnet", 32, 3.1, 2.6),
        Entry("googlenet", 16, 2.6, 2.2),
        Entry("vgg16", 8, 3.5, 2.9),
        Entry("resnet50", 8, 2.0, 1.6),
        Entry("mobilenet_v1", 16, 2.2, 1.9),
        Entry("squeezenet", 8, 1.3, 1.1, counted=False),
        Entry("densenet121", 8, 1.8, 1.5, counted=False),
        Entry("resnext50", 8, 1.3, 1.1, counted=False),
    )
}
MEAN = 2.5
"""Speed wanted beside eager PyTorch: the geometric mean of the counted nets."""
METRICS = ("Accuracy", "SoftmaxWithLoss")
"""Layer types that a deployed net does without."""


def training(net: str, batch: int) -> ShapedGraph:
    """The TRAIN net, before any rewrite."""
    return load_net(net, (), State("TRAIN"), batch)


def deployed(net: str, batch: int) -> ShapedGraph:
    """The TEST net up to its scores: without loss and metrics."""
    plain = open_net(net).plain()
    kept = [layer for layer in plain["layers"] if layer["type"] not in METRICS]
    return load_net({"name": net, "layers": kept}, (), State("TEST"), batch)


def undropped(shaped: ShapedGraph) -> ShapedGraph:
    """A copy of a net with every dropout_ratio at 0, so that results of two programs can be equal."""
    nodes = tuple(
        replace(node, layer=node.layer.model_copy(update={"dropout_ratio": 0.0}))
        if node.layer.type == "Dropout"
        else node
        for node in shaped.graph.nodes
    )
    return replace(shaped, graph=replace(shaped.graph, nodes=nodes))


def random_batch(shaped: ShapedGraph, seed: int = SEED) -> Arrays:
    """Standard normal images and random labels for the net's inputs, float32."""
    random = rng.generator(seed, "benchmark")
    classes = {shaped.graph.inputs[rule.output]: rule.classes for rule in label_rules(shaped)}

    def values(blob: int) -> np.ndarray[Any, Any]:
        shape = shaped.blobs[blob]
        drawn = random.integers(0, classes[blob], shape) if blob in classes else random.standard_normal(shape)
        return drawn.astype(np.float32)

    return [values(blob) for blob in shaped.graph.inputs]


class Stepper:
    """A netspec program of one net, fed with one batch: `step` trains, `infer` runs forward.

    A program that trains is compiled without the rewrites named in `without`.
    """

    def __init__(self, shaped: ShapedGraph, batch: Sequence[np.ndarray[Any, Any]], without: Iterable[str] = ()) -> None:
        self.shaped, self.batch = shaped, batch
        self.program = _train(shaped, without) if shaped.graph.phase == "TRAIN" else _test(shaped)
        self.program.rate[0] = RATE

    @property
    def weights(self) -> Arrays:
        """The params' values in the shapes that the net declares."""
        arrays = [np.asarray(array) for array in self.program.weights.data]
        assert [array.shape for array in arrays] == list(self.shaped.params)
        return arrays

    def feed(self) -> None:
        """Copy the batch into the inputs, as the training loop does before every iteration."""
        for array, values in zip(self.program.inputs, self.batch, strict=True):
            array[...] = values

    def step(self) -> None:
        """One iteration of training: what netspec.train does between two batches."""
        program = self.program
        self.feed()
        program.loss[0] = 0.0
        program.run("clear", "commit")
        program.clock[0] += 1

    def gradients(self) -> tuple[float, list[np.ndarray[Any, Any] | None]]:
        """The loss and each param's gradient, None where it is not learned."""
        self.feed()
        self.program.loss[0] = 0.0
        self.program.run("clear", "backward")
        return float(self.program.loss[0]), [
            None if diff is None else np.array(diff) for diff in self.program.weights.diff
        ]

    def infer(self) -> None:
        """One forward pass of weights that stand still."""
        self.feed()
        self.program.infer()

    def scores(self) -> np.ndarray[Any, Any]:
        """A copy of the last layer's top, after a forward pass."""
        self.infer()
        return np.array(self.program.data[self.shaped.graph.nodes[-1].tops[0]])


def _train(shaped: ShapedGraph, without: Iterable[str]) -> Program:
    """The program of `netspec train` with SGD, momentum and weight decay."""
    shaped, memory = compile_net(shaped, "float32", without=without)
    rule = SGD(momentum=MOMENTUM)
    weights = fill_weights(shaped, "float32", SEED, rule.state)
    _stir(shaped, weights)
    learning = Learning(rule.update, local_decay(shaped.graph.params, L2(), DECAY))
    return bind(shaped, memory, weights, SEED, learning)


def _stir(shaped: ShapedGraph, weights: Weights) -> None:
    """Change biases and factors from their equal initial values.

    Between two BatchNorms, many gradients are 0 at these values, and float32 would show only noise.
    """
    random = rng.generator(SEED, "stir")
    for param, array in zip(shaped.graph.params, weights.data, strict=True):
        if param.learned and array.ndim == 1:
            array += random.normal(scale=0.1, size=array.shape).astype(array.dtype)


def _test(shaped: ShapedGraph) -> Program:
    """The program of `netspec test`, its running statistics as if it had been trained."""
    shaped, memory = compile_net(shaped, "float32")
    weights = fill_weights(shaped, "float32", SEED)
    for node in shaped.graph.nodes:
        if node.layer.type == "BatchNorm":
            _, variance, factor = (weights.data[index] for index in node.params[:3])
            variance[...], factor[...] = 1.0, 1.0
    program = bind(shaped, memory, weights, SEED)
    program.prepare()
    return program


def flops(shaped: ShapedGraph, phase: Phase = "TRAIN") -> dict[int, tuple[int, int]]:
    """(forward, backward) floating-point operations of each node with any; backward counts only wanted gradients."""
    counted = {}
    for node, cost in zip(shaped.graph.nodes, shaped.costs, strict=True):
        wanted = any(shaped.graph.params[p].learned for p in node.params) + any(node.propagate)
        if cost.macs:
            counted[node.index] = (2 * cost.macs, 2 * cost.macs * wanted if node.backward and phase == "TRAIN" else 0)
    return counted


def total_flops(shaped: ShapedGraph, phase: Phase = "TRAIN") -> int:
    """Floating-point operations of one step, or of one forward pass."""
    return sum(ahead + back for ahead, back in flops(shaped, phase).values())


class Group(NamedTuple):
    """Layers computed together: nodes of netspec's program, and of the net as written (none for a conversion)."""

    compiled: list[int]
    written: list[int]


def grouped(compiled: Graph, written: Graph) -> dict[int, Group]:
    """The groups by the first node of each in the program; Inputs are left out."""
    places = {node.layer.name: node.index for node in written.nodes}
    leader: dict[int, int] = {}
    groups: dict[int, Group] = defaultdict(lambda: Group([], []))
    for node in compiled.nodes:
        if node.bottoms:
            maker = compiled.blobs[node.bottoms[0]].producer
            group = leader[node.index] = leader.get(maker, node.index) if node.absorbed else node.index
            groups[group].compiled.append(node.index)
            if node.layer.name in places:
                groups[group].written.append(places[node.layer.name])
    return groups

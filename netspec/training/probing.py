"""Probing: runs a few batches of a training through a copy of its net, and measures what they show.

The copy has weights of its own and keeps every blob; it takes the first step of the training, which stays as it was.
Batches are those of the first iterations, with the random numbers of the training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from math import sqrt
from typing import TYPE_CHECKING

from netspec.core.errors import Findings
from netspec.core.shape import count
from netspec.core.task import Task
from netspec.data.feed import Feed, copy_batch
from netspec.engine.bind import bind, compile_net
from netspec.engine.conversion import Conversion
from netspec.engine.weights import fill, new_weights
from netspec.layers.relu import ReLU
from netspec.net.graph import GraphParam, Node
from netspec.net.infer import infer
from netspec.net.shaped import ShapedGraph
from netspec.training.debugging import fired, l2
from netspec.training.glance import look
from netspec.training.job import Job
from netspec.training.learning import learning_of
from netspec.training.probe import BlobProbe, HeadProbe, Probe, WeightProbe
from netspec.training.rehearsal import load_own
from netspec.training.solvers.base_driving import DrivingRule

if TYPE_CHECKING:
    from netspec.core.calls import Array

MOST_BATCHES = 4
"""Batches that are looked at."""

MOST_MACS = 3 * 10**10
"""Multiply-accumulates of all forwards: some seconds."""

MOST_BLOBS = 2**27
"""Values of all blobs of a batch: a gigabyte with their gradients."""

LEAST_BATCH = 4
"""Samples below which a batch is not made smaller."""

_APART = {"data", "loss", "score", "shape"}
"""Purposes of layers whose tops are no activations."""

_POINTS = 64
"""Iterations at which a policy is asked for its rate."""


def probe(job: Job, feeds: Mapping[str, Feed]) -> Probe:
    """What the first batches of a training show; its feeds are open. Raises DataError, SnapshotError."""
    return replace(measured(job, feeds.get("train")), data=look(job, feeds))


def measured(job: Job, feed: Feed | None) -> Probe:
    """What the net shows on the first batches of a feed, apart from what the data are. Raises as `probe`."""
    return _Probing(job, feed).measured()


def resized(job: Job, batch: int) -> ShapedGraph | None:
    """The training net at another batch size; None where it, or its data, have sizes of their own."""
    net, feed = job.train, job.spec.data.train
    if feed is None or feed.net_batch is None:
        return None
    found = Findings()
    other = infer(net.graph, found, batch)
    return None if found or other.params != net.params else other


class _Seen:
    """Sums over the values of a blob, batch after batch: `flat` counts saturated ones, `steep` sums squared slopes."""

    def __init__(self) -> None:
        self.number = self.bad = self.slopes = self.flat = 0
        self.total = self.squares = self.largest = self.steep = 0.0
        self.fired: Array | None = None

    def add(self, values: Array, diff: Array | None) -> None:
        import numpy as np

        good = values[np.isfinite(values)].astype(np.float64)
        self.bad += values.size - good.size
        self.number += good.size
        self.total += float(good.sum())
        self.squares += float(np.square(good).sum())
        self.largest = max(self.largest, float(np.abs(good).max(initial=0.0)))
        if diff is not None:
            self.slopes += diff.size
            self.steep += float(np.square(diff, dtype=np.float64).sum())

    @property
    def mean(self) -> float:
        return self.total / self.number if self.number else float("nan")

    @property
    def deviation(self) -> float:
        return sqrt(max(0.0, self.squares / self.number - self.mean**2)) if self.number else float("nan")


class _Probing:
    """A copy of a training's net at its first iteration, and what is seen there."""

    def __init__(self, job: Job, feed: Feed | None) -> None:
        spec, self.job, self.feed = job.spec, job, feed
        net = _affordable(job)
        shaped, memory = compile_net(net, spec.dtype, keep=True)
        weights = new_weights(shaped, spec.dtype, partial(spec.rule.net_state, shaped))
        fill(shaped, weights, spec.random_seed)
        loaded = load_own(job, weights)
        self.loaded = set() if loaded is None else set(loaded[1].loaded)
        self.drives = isinstance(spec.rule, DrivingRule)
        self.learning = learning_of(spec, shaped, True)
        self.kept = bind(shaped, memory, weights, spec.random_seed, None if self.drives else self.learning)
        self.batch = net.batch if net.batch != job.train.batch or feed is None else job.batch
        affordable = MOST_MACS // max(1, net.total_macs)
        self.batches = max(1, min(MOST_BATCHES, affordable))
        self.course = job.course(None if feed is None else len(feed))
        self.seen: dict[int, _Seen] = {}
        self.losses: dict[int, list[float]] = {}

    def measured(self) -> Probe:
        """Run the batches, and say what they show; data are looked at elsewhere."""
        import numpy as np

        spec, weights = self.job.spec, self.kept.weights
        first = [data.copy() for data in weights.data]
        sub = min(spec.iter_size, self.batches)
        with np.errstate(all="ignore"):
            for number in range(sub, self.batches):
                self._run(number, True)
            for number in range(sub):
                self._run(number, number == 0)
            norms = [None if diff is None else l2(diff) / sub for diff in weights.diff]
            rate = spec.rate(0, self.course)
            steps = self._step(first, rate, spec.iter_size / sub)
            heads = tuple(self._heads())
        params = zip(self.kept.graph.params, first, norms, steps, strict=True)
        return Probe(
            sum(head.weight * head.loss for head in heads),
            self._penalty(first),
            rate * max((decay.l1 + decay.l2 for decay in self.learning.decay), default=0.0),
            rate,
            self._top_rate(rate),
            self.batch,
            self.batches,
            None if self.feed is None else len(self.feed),
            heads,
            tuple(self._blobs()),
            tuple(self._weight(*each) for each in params),
        )

    def _run(self, number: int, begins: bool) -> None:
        """A batch forward and backward; `begins`: with gradients that begin at 0."""
        kept, spec = self.kept, self.job.spec.data.train
        if self.feed is not None:
            inputs = kept.inputs if spec is None else spec.among(kept.inputs)
            copy_batch(self.feed.batch(number * self.batch, self.batch), inputs)
        if begins:
            kept.weights.flat_diff[:] = 0
        kept.clock[:] = divmod(number, self.job.spec.iter_size)
        kept.loss[0] = 0.0
        kept.run("clear" if begins else "resume", "suspend")
        for blob in kept.graph.losses:
            self.losses.setdefault(blob, []).append(float(kept.data[blob].reshape(-1)[0]))
        for node in kept.graph.nodes:
            if _activates(node, kept.shaped):
                for top in node.tops:
                    self._see(node, top)

    def _see(self, node: Node, top: int) -> None:
        import numpy as np

        kept, seen = self.kept, self.seen.setdefault(top, _Seen())
        values, diff = kept.items(top, kept.data[top]), kept.diff[top]
        seen.add(values, None if diff is None else kept.items(top, diff))
        if isinstance(node.layer, ReLU) and not node.layer.negative_slope:
            one = fired(kept, top)
            seen.fired = one if seen.fired is None else seen.fired | one
        elif node.layer.type == "Sigmoid":
            seen.flat += int((np.abs(values - 0.5) > 0.4975).sum())  # y (1 - y) < .01 / 4
        elif node.layer.type == "TanH":
            seen.flat += int((np.abs(values) > 0.995).sum())  # 1 - y^2 < .01

    def _step(self, first: list[Array], rate: float, factor: float) -> list[float | None]:
        """Take the first step, and give its L2 norm over that of each param; `factor` makes up for batches left out."""
        kept = self.kept
        if self.drives:
            return [None] * len(first)
        if factor != 1:
            kept.weights.flat_diff[:] *= factor
        kept.rate[0], kept.share[0] = rate, 0.0
        kept.run("watch", "commit")
        if kept.iterations.iteration == 0:  # the gate was shut: something is not finite
            return [None] * len(first)
        pairs = zip(first, kept.weights.data, kept.weights.diff, strict=True)
        return [
            l2(after.astype("float64") - before) / l2(before) if diff is not None and before.any() else None
            for before, after, diff in pairs
        ]

    def _top_rate(self, first: float) -> float:
        """The largest rate of the training."""
        last = self.course.last or 1
        points = sorted({last * point // _POINTS for point in range(_POINTS)})
        return max(first, *(self.job.spec.rate(point, self.course) for point in points))

    def _penalty(self, first: list[Array]) -> float:
        """The loss whose gradient the decay is, at the first weights."""
        import numpy as np

        pairs = zip(self.learning.decay, first, self.kept.weights.diff, strict=True)
        return sum(
            decay.l2 / 2 * l2(data) ** 2 + decay.l1 * float(np.abs(data).sum())
            for decay, data, diff in pairs
            if diff is not None and (decay.l1 or decay.l2)
        )

    def _heads(self) -> Iterator[HeadProbe]:
        for blob, losses in self.losses.items():
            made = self.kept.graph.blobs[blob]
            node = self.kept.graph.nodes[made.producer]
            mean = sum(losses) / len(losses)
            task = node.layer.task(self.kept.shaped.bottom_shapes(node)) if node.layer.is_loss else None
            numbers = task is not None and task.kind == "numbers"
            guesses = self._guesses(node, task)
            yield HeadProbe(node.layer.name, node.layer.type, made.loss_weight, mean, *guesses, numbers)

    def _guesses(self, node: Node, task: Task | None) -> tuple[float | None, float | None]:
        """The loss of the last batch if the scores of a head were a guess, and if they were 0; they are put back."""
        import numpy as np

        kept, shapes = self.kept, self.kept.shaped.bottom_shapes(node)
        inside = node.layer.inner_activation is not None
        numbers = task is not None and task.kind == "numbers" and task.makes == "itself" and not inside
        if task is None or not (inside or numbers or task.makes == "scores"):
            return node.layer.chance(shapes), node.layer.chance(shapes)
        scores, truth = (kept.data[blob] for blob in node.bottoms[:2])
        if not np.isfinite(truth).all():
            return None, None
        own, mean = scores.copy(), np.broadcast_to(truth.mean(axis=0), truth.shape)
        blank = self._loss_of(node, scores, 0.0)
        guess = self._loss_of(node, scores, mean.reshape(scores.shape)) if numbers else blank
        scores[...] = own
        return guess, blank

    def _loss_of(self, node: Node, scores: Array, values: Array | float) -> float:
        """The loss of a head whose scores are these values."""
        scores[...] = values
        self.kept.run_node("forward", node.index)
        return float(self.kept.data[node.tops[0]].reshape(-1)[0])

    def _blobs(self) -> Iterator[BlobProbe]:
        for top, seen in self.seen.items():
            blob = self.kept.graph.blobs[top]
            layer = self.kept.graph.nodes[blob.producer].layer
            yield BlobProbe(
                layer.name,
                layer.type,
                blob.name,
                seen.mean,
                seen.deviation,
                seen.largest,
                sqrt(seen.steep / seen.slopes) if seen.slopes else None,
                seen.bad,
                None if seen.fired is None or not seen.fired.size else 1.0 - float(seen.fired.mean()),
                seen.flat / seen.number if layer.type in {"Sigmoid", "TanH"} and seen.number else None,
            )

    def _weight(self, param: GraphParam, data: Array, gradient: float | None, step: float | None) -> WeightProbe:
        node, slot = self.kept.graph.nodes[param.users[0][0]], param.users[0][1]
        size = l2(data)
        return WeightProbe(
            node.layer.name,
            param.name.removeprefix(f"{node.layer.name}."),
            data.size,
            size / sqrt(data.size) if data.size else 0.0,
            self._usual(node) if slot == 0 else None,
            None if gradient is None or not size else gradient / size,
            step,
            param.learned,
            param.name not in self.loaded and param.param.filler.level is None,
        )

    def _usual(self, node: Node) -> float | None:
        """The deviation of the msra filler by the number of values that an output of a product is a sum over."""
        shaped = self.kept.shaped
        if node.layer.purpose != "product" or not 0 < len(node.params) < 3:
            return None
        bottoms, tops = shaped.bottom_shapes(node), shaped.top_shapes(node)
        summed = node.layer.macs(bottoms, tops) / max(1, count(tops[0]))
        return sqrt(2 / summed) if summed else None


def _activates(node: Node, shaped: ShapedGraph) -> bool:
    """Whether the tops of a layer are activations of their own."""
    layer = node.layer
    apart = layer.fed or layer.purpose in _APART or isinstance(layer, Conversion)
    return not apart and not layer.aliases(shaped.graph.phase) and all(count(shaped.blobs[top]) for top in node.tops)


def _affordable(job: Job) -> ShapedGraph:
    """The training net, at a smaller batch size where its own would take very long or very much memory."""
    net = job.train
    values, macs = sum(map(count, net.blobs)), net.total_macs
    share = min(1.0, MOST_BLOBS / max(1, values), MOST_MACS / max(1, macs))
    smaller = max(LEAST_BATCH, int(net.batch * share))
    return net if share == 1 or smaller >= net.batch else resized(job, smaller) or net

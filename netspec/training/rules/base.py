"""Rule: a judgement about what is known of a training; and `judge`, which asks all rules of a room.

The rules here judge nets, solvers, their data and their first losses, for every `check` and every training. Those that
need more are rooms of their own, which only the doctor asks: `probed/` and `recorded/`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from netspec.core.calls import Phase
from netspec.core.counts import in_epochs
from netspec.core.errors import Findings, NetspecError
from netspec.core.model import Model
from netspec.core.rooms import Room
from netspec.net.shaped import ShapedGraph

if TYPE_CHECKING:  # a net alone is judged too, without what a training needs
    from netspec.core.calls import Array
    from netspec.data.feed import Feed
    from netspec.training.course import Course
    from netspec.training.history import History
    from netspec.training.job import Job
    from netspec.training.probe import Probe


FIRST = 100
"""Iterations whose losses rules look at."""


@dataclass(frozen=True)
class Known:
    """What is known of a training; empty or None where it is not known yet.

    `nets` holds the net of each phase, of a net without a solver too. `weights` are the params by name, before the
    first iteration; `losses` are those of the first iterations, at most `FIRST`, in order. `feeds` are by name. Only
    `netspec doctor` looks closer: `probe` is what the first batches show, `history` what a training has recorded.
    """

    nets: Mapping[Phase, ShapedGraph]
    job: Job | None = None
    feeds: Mapping[str, Feed] = field(default_factory=dict)
    weights: Mapping[str, Array] | None = None
    losses: Sequence[float] = ()
    probe: Probe | None = None
    history: History | None = None

    @property
    def learner(self) -> ShapedGraph | None:
        """The net of TRAIN, if it has a loss."""
        net = self.nets.get("TRAIN")
        return net if net is not None and net.graph.losses else None

    @property
    def guess(self) -> float | None:
        """The loss of a net that finds all classes equally likely: ln C for C classes; None where it is not known."""
        if self.learner is None:
            return None
        net, guess = self.learner, 0.0
        for blob in net.graph.losses:
            node = net.graph.nodes[net.graph.blobs[blob].producer]
            chance = node.layer.chance(net.bottom_shapes(node))
            if chance is None:
                return None
            guess += net.graph.blobs[blob].loss_weight * chance
        return guess

    @property
    def course(self) -> Course | None:
        """What the rate depends on; None where data that are not open yet say when the training or an epoch ends."""
        if self.job is None:
            return None
        feed, spec = self.feeds.get("train"), self.job.spec
        course = self.job.course(None if feed is None else len(feed))
        known = feed is not None or not in_epochs((spec.lr_policy, spec.warmup))
        return course if known and course.last is not None else None

    def fed(self) -> Iterator[tuple[str, Feed, ShapedGraph]]:
        """Every feed with its name and the net that it feeds; that for training may feed the TEST net, where alone."""
        for name, feed in self.feeds.items():
            net = self.nets.get("TRAIN" if name == "train" else "TEST")
            yield name, feed, net if net is not None else next(iter(self.nets.values()))

    def levels(self, net: ShapedGraph) -> list[float | None]:
        """For each param the one value that it begins with, by its weights or else its filler; None where they differ.

        Also None where the solver names a file of weights that is not read yet.
        """
        if self.weights is None and self.job is not None and self.job.spec.weights is not None:
            return [None] * len(net.params)
        if self.weights is None:
            return [param.param.filler.level for param in net.graph.params]
        arrays = (self.weights[param.name] for param in net.graph.params)
        return [float(array.flat[0]) if array.size and array.min() == array.max() else None for array in arrays]


@dataclass(frozen=True)
class Example:
    """A solver as plain values, with its data inside, and what else is known of its training.

    `losses` are those of its first iterations, `history` is what it recorded.
    """

    solver: Mapping[str, Any]
    losses: Sequence[float] = ()
    history: History | None = None


class Judgement(Model):
    """A rule of any room: a finding where what is known says that a training cannot do what it is meant to.

    It says nothing where it does not know enough.
    """

    finding: ClassVar[type[NetspecError]]
    """The class of its findings: an error makes `check` fail and the training not start; a `Caution` is shown."""
    wrong: ClassVar[Example]
    """A training that it finds fault with."""
    fine: ClassVar[Example]
    """One that is as near as can be, and that it lets pass."""
    hinders: ClassVar[bool] = False
    """Whether its fault can keep a net from learning even a few samples: `netspec overfit` then names it as the reason.
    """

    def judge(self, known: Known) -> Iterator[NetspecError]:
        """The findings."""
        raise NotImplementedError


class Rule(Judgement):
    """A judgement before a training, and during its first iterations: it claims only what is sure."""


RULES: Room[Rule] = Room("netspec.training.rules", Rule, "rule")


def judge(
    known: Known, severity: Literal["error", "warning"] = "warning", room: Room[Any] = RULES
) -> list[NetspecError]:
    """The findings of a severity of all rules of a room, in the order of the rules' names."""
    rules = (rule() for rule in room.members() if rule.finding.severity == severity)
    return [finding for rule in rules for finding in rule.judge(known)]


def refuse(known: Known) -> None:
    """Raise the errors that the rules find."""
    found = Findings()
    for error in judge(known, "error"):
        found.add(error)
    found.raise_if_any()


def named(layers: Sequence[str], most: int = 6) -> str:
    """'conv1', 'conv2' and 'ip'; of many only the first."""
    words = [f"'{layer}'" for layer in layers[:most]]
    more = len(layers) - most
    words += [f"{more} more"] if more > 0 else []
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def example(layers: Sequence[Mapping[str, Any]], sample: Sequence[int] = (3,), **fields: Any) -> dict[str, Any]:
    """A solver for examples: two samples with labels below 4, these layers between an Input and a loss, more fields."""
    source = {"type": "Arrays", "values": [[_sample(0.5, sample), _sample(-1.5, sample)], [0, 3]]}
    first = {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[2, *sample], [2]]}
    last = {"name": "loss", "type": "SoftmaxWithLoss", "bottom": [layers[-1]["name"], "label"]}
    solver = {"base_lr": 0.1, "lr_policy": "fixed", "max_iter": 1, **fields, "net": {"layers": [first, *layers, last]}}
    return solver if "data" in solver else {**solver, "data": {"train": {"source": source, "batch_size": 2}}}


def _sample(value: float, shape: Sequence[int]) -> Any:
    """Nested lists of a shape, of numbers that differ."""
    return [_sample(value + i, shape[1:]) for i in range(shape[0])] if shape else value

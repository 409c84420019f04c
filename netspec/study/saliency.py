"""Saliency: how much each value of a sample moves the score of a class.

With the score s of a class, before any softmax, and the sample x, the map is max over the channels of |ds/dx|; the sum
over the channels of x ds/dx says what speaks for the class and what against it.
Source: Simonyan, Vedaldi & Zisserman 2014, Deep Inside Convolutional Networks, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netspec.core.shape import counted
from netspec.core.spelling import suggest
from netspec.engine.program import Program
from netspec.study.shown import NothingToShowError, NotThereError, Sample, Shown, facts_columns, forward, of_samples

if TYPE_CHECKING:
    from netspec.core.calls import Array


@dataclass(frozen=True, eq=False)
class Saliency:
    """The gradient of a score at a sample; `x` and `gradient` have the shape of the net's first input.

    `number` is the class, or the number of the output, `name` what it is called, and `score` its score. `truth` is the
    name of the class that the sample belongs to, where that is known.
    """

    sample: Sample
    number: int
    name: str
    score: float
    x: Array
    gradient: Array
    truth: str | None = None

    @property
    def strength(self) -> Array:
        """The largest |ds/dx| of the channels, (H, W); of what is no image |ds/dx| itself."""
        import numpy as np

        size = np.abs(self.gradient)
        return size.max(axis=0) if size.ndim == 3 else size

    @property
    def share(self) -> Array:
        """The sum of x ds/dx over the channels, (H, W); of what is no image x ds/dx itself."""
        product = self.x * self.gradient
        return product.sum(axis=0) if product.ndim == 3 else product


@dataclass(frozen=True, eq=False)
class Saliencies:
    """The gradients of a net's scores at some samples; `columns` are the names of a sample's values in a table."""

    net: str
    blob: str
    found: tuple[Saliency, ...]
    columns: tuple[str, ...] | None = None

    @property
    def said(self) -> str:
        """Which scores of which samples."""
        return "; ".join(f"{one.sample.name}: {one.name} {one.score:.3g}" for one in self.found)


def saliency(shown: Shown, samples: Sequence[Sample], wanted: str | None = None) -> Saliencies:
    """The gradient of the score of a class at each sample; by default of the class that the net answers with.

    `wanted` is the name or the number of a class. Raises NotThereError, NothingToShowError.
    """
    import numpy as np

    shown.blob(shown.scores)
    program = shown.program(len(samples), gradients="inputs")
    graph, count = program.graph, len(samples)
    blob, source = graph.named[shown.scores].index, graph.inputs[0]
    forward(program, [np.stack(each) for each in zip(*(sample.inputs for sample in samples), strict=True)])
    scores = of_samples(program, blob, count)
    if program.diff[blob] is None or program.diff[source] is None:
        fault = f"no gradient of '{shown.scores}' reaches the input '{graph.blobs[source].name}'"
        raise NothingToShowError(fault, help="it reaches inputs of real numbers, through layers with a backward")
    if scores[0].ndim != 1:
        fault = (
            f"'{shown.scores}' is {'x'.join(map(str, scores[0].shape))} for a sample, and not a score for each class"
        )
        raise NothingToShowError(fault)
    number = None if wanted is None else _number(shown, wanted, scores.shape[1])
    chosen = [int(one.argmax()) if number is None else number for one in scores]
    _backward(program, blob, chosen)
    gradients = of_samples(program, source, count, diff=True)
    names = [_name(shown, number) for number in chosen]
    found = (
        Saliency(sample, number, name, float(own[number]), sample.inputs[0], gradient, shown.true_name(sample))
        for sample, number, name, own, gradient in zip(samples, chosen, names, scores, gradients, strict=True)
    )
    columns = facts_columns(shown.trained.facts, gradients[0].size)
    return Saliencies(shown.title, shown.scores, tuple(found), columns)


def _backward(program: Program, blob: int, chosen: Sequence[int]) -> None:
    """Run backward from one score of each sample: its diff is 1, and that of all other scores 0."""
    import numpy as np

    graph = program.graph
    start = graph.blobs[blob].producer
    for storage, flow in program.flows.items():
        diff = program.diff[storage]
        if diff is not None and (not flow.writers or flow.writers[0][0] > start):
            diff[...] = 0
    diff, batch = program.diff[blob], program.shaped.batch_axes[blob]
    assert diff is not None and batch is not None
    diff[...] = 0
    np.moveaxis(diff, batch, 0)[np.arange(len(chosen)), list(chosen)] = 1
    for node in reversed(graph.nodes[: start + 1]):
        program.run_node("backward", node.index)


def _name(shown: Shown, number: int) -> str:
    """What a score is called: a class, or an output."""
    return shown.class_name(number) if shown.trained.answer.axis is not None else f"{shown.scores}[{number}]"


def _number(shown: Shown, wanted: str, many: int) -> int:
    """The number of a class, of which the name or the number is known. Raises NotThereError."""
    names = shown.classes or ()
    if wanted in names[:many]:
        return names.index(wanted)
    if wanted.isdecimal() and int(wanted) < many:
        return int(wanted)
    what = counted(many, "class", "classes") if shown.trained.answer.axis is not None else counted(many, "output")
    help = suggest(wanted, names) or f"the net has {what}, counted from 0"
    raise NotThereError(f"there is no class '{wanted}'", help=help)

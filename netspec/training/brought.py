"""Data that a net brings with it: where a solver names none, the data layers of its net say the feeds."""

from __future__ import annotations

from netspec.core.calls import Phase
from netspec.core.errors import Findings, SpecError
from netspec.data.spec import FeedSpec, ScoredFeedSpec
from netspec.layers.base import Layer
from netspec.net.graph import State
from netspec.net.spec import NetSpec
from netspec.training.spec import SolverSpec


class SeveralSourcesError(SpecError):
    """In one phase of a net two layers bring data, or others wait for data beside the one that brings them."""

    code = "NS641"


def with_brought(spec: SolverSpec, net: NetSpec, found: Findings) -> SolverSpec:
    """The solver with the data of the net's own layers in each phase for which it has none. Mistakes go to `found`."""
    train = None if spec.data.train else _brought(spec, net, "TRAIN", found)
    others = Findings()
    test = None if spec.data.scored else _brought(spec, net, "TEST", others)
    found.merge(others)
    if train is None and test is None:
        return spec
    data = spec.data
    if train is not None:
        data = data.model_copy(update={"train": train})
    if test is not None:
        scored = ScoredFeedSpec.model_construct(**dict(test)).read_from(test.written)
        data = data.model_copy(update={"test": scored})
    return spec.model_copy(update={"data": data})


def _brought(spec: SolverSpec, net: NetSpec, phase: Phase, found: Findings) -> FeedSpec | None:
    """The data that a layer brings to a phase of the net; None where none does."""
    state = State(phase, spec.level, spec.stage)
    fed = _fed(net, state)
    bringing = [layer for layer in fed if layer.brings is not None]
    if bringing and len(fed) > 1:
        other = next(layer for layer in fed if layer is not bringing[0])
        if other.brings is not None:
            text = f"layers '{bringing[0].name}' and '{other.name}' both bring data to phase {phase}"
            help = "one layer brings all: put what belongs to a sample into the datasets of one HDF5 file"
        else:
            text = f"layer '{bringing[0].name}' brings data to phase {phase}, but '{other.name}' waits for others"
            help = "give the data of all in the solver's `data:`"
        found.add(SeveralSourcesError(text, at=other.place(), help=help))
    return brought_by(net, state)


def brought_by(net: NetSpec, state: State) -> FeedSpec | None:
    """The data that the first such layer brings to a net in a state; None where none does."""
    feeds = (layer.brings for layer in _fed(net, state))
    return next((feed for feed in feeds if isinstance(feed, FeedSpec)), None)


def _fed(net: NetSpec, state: State) -> list[Layer]:
    """The layers of a net in a state whose tops are filled from outside."""
    return [layer for layer in net.layers if layer.fed and state.keeps(layer)]

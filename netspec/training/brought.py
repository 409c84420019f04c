"""Data that a net brings with it: where a solver names none, the data layers of its net say the feeds."""

from __future__ import annotations

from netspec.data.joined import JoinedPart, JoinedSpec
from netspec.data.spec import FeedSpec, ScoredFeedSpec
from netspec.layers.base import Layer
from netspec.net.graph import State
from netspec.net.spec import NetSpec
from netspec.net.wire import within
from netspec.training.spec import SolverSpec


def with_brought(spec: SolverSpec, net: NetSpec) -> SolverSpec:
    """The solver with the data of the net's own layers in each phase for which it has none."""
    train = None if spec.data.train else brought_by(net, State("TRAIN", spec.level, spec.stage))
    test = None if spec.data.scored else brought_by(net, State("TEST", spec.level, spec.stage))
    own: dict[str, FeedSpec] = {} if train is None else {"train": train}
    if test is not None:
        own["test"] = scored(test)
    return spec.model_copy(update={"data": spec.data.model_copy(update=own)}) if own else spec


def scored(feed: FeedSpec) -> ScoredFeedSpec:
    """Data that are tested on, of the data that a layer brings."""
    if isinstance(feed, ScoredFeedSpec):
        return feed
    return ScoredFeedSpec.model_construct(**dict(feed)).read_from(feed.written)


def brought_by(net: NetSpec, state: State) -> FeedSpec | None:
    """The data that the layers of a net bring in a state, joined where there are several; None where there are none.

    Where other inputs stand beside such a layer, a caller fills these.
    """
    parts, inputs = [], 0
    for layer in _fed(net, state):
        tops = len(layer.top_names())
        if isinstance(layer.brings, FeedSpec):
            parts.append(JoinedPart(feed=layer.brings, tops=tuple(range(inputs, inputs + tops))))
        inputs += tops
    if not parts:
        return None
    first = parts[0].feed
    if len(parts) == 1 and len(parts[0].tops) == inputs:
        return first
    fields = dict(ScoredFeedSpec.model_construct(**dict(first)))
    return JoinedSpec.model_construct(**fields, parts=tuple(parts), inputs=inputs).read_from(first.written)


def _fed(net: NetSpec, state: State) -> list[Layer]:
    """The layers of a net in a state whose tops are filled from outside."""
    state = within(net, state)
    return [layer for layer in net.layers if layer.fed and state.keeps(layer)]

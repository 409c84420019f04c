"""The passes from a net's name to its ShapedGraph in one call, for both phases at once.

Every stage reports all its mistakes, and the later stages still check the sound layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from netspec.core.calls import Phase
from netspec.core.errors import Findings
from netspec.core.nodes import Document, Mapping, Node, Scalar
from netspec.core.nodes import Sequence as Items
from netspec.language.references import Reference, open_net
from netspec.net.graph import Gradients, State
from netspec.net.infer import infer
from netspec.net.shaped import ShapedGraph
from netspec.net.spec import NetSpec, net_spec
from netspec.net.wire import wire, within


@dataclass(frozen=True)
class Phases:
    """A net with its shaped graph in each phase.

    The graph is None for a phase that no layer takes part in, or that has mistakes of its own.
    """

    spec: NetSpec
    train: ShapedGraph | None
    test: ShapedGraph | None

    def of(self, phase: Phase) -> ShapedGraph | None:
        """The shaped graph of a phase."""
        return self.train if phase == "TRAIN" else self.test


def load_phases(
    reference: Reference,
    overrides: Sequence[str] = (),
    state: State | None = None,
    batch: int | None = None,
) -> Phases:
    """A net in both phases; `state` holds the phase that is asked for. Raises every mistake found on the way to it.

    Mistakes of the other phase are raised too where TRAIN is asked for and the net has layers of one phase only.
    """
    return _load(reference, overrides, state or State(), batch, None)[0]


def load_net(
    reference: Reference,
    overrides: Sequence[str] = (),
    state: State | None = None,
    batch: int | None = None,
    gradients: Gradients | None = None,
) -> ShapedGraph:
    """The shaped net of one state. Raises every mistake found on the way.

    Of a net of Caffe the other phase does not count: there each phase is a net of its own.
    """
    return _load(reference, overrides, state or State(), batch, gradients, alone=True)[1]


def _load(
    reference: Reference,
    overrides: Sequence[str],
    state: State,
    batch: int | None,
    gradients: Gradients | None,
    alone: bool = False,
) -> tuple[Phases, ShapedGraph]:
    """A net in both phases, and its shaped graph in the phase of `state`."""
    found, others = Findings(), Findings()
    document = open_net(reference, overrides)
    spec = net_spec(document, found)
    wanted = _shaped(spec, state, found, batch, gradients)
    if alone and document.source.caffe:
        found.raise_if_any()
        return Phases(spec, wanted, None) if state.phase == "TRAIN" else Phases(spec, None, wanted), wanted
    other = _other_phase(spec, state, others, batch)
    if state.phase == "TRAIN" and _differ(spec) and any(map(within(spec, state).keeps, spec.layers)):
        found.merge(others)
    found.raise_if_any()
    sound = None if others else other
    phases = Phases(spec, wanted, sound) if state.phase == "TRAIN" else Phases(spec, sound, wanted)
    return phases, wanted


def check_both(spec: NetSpec, found: Findings) -> None:
    """Find the mistakes of both phases of a net whose solver cannot be read."""
    others = Findings()
    _shaped(spec, State(), found, None, None)
    _other_phase(spec, State(), others, None)
    if _differ(spec):
        found.merge(others)


def kept(net: Document, state: State, found: Findings) -> Document:
    """A flat net without the layers that take part in neither phase. Mistakes in its layers go to `found`.

    A layer that reads the first top of the layer above it, without saying so, says so where that layer is left out.
    """
    node = net.root.items.get("layers")
    spec = net_spec(net, found)
    layers, state = spec.layers, within(spec, state)
    states = [replace(state, phase="TRAIN"), replace(state, phase="TEST")]
    items: list[Node] = []
    above = last = None
    for item, layer in zip(node.items if isinstance(node, Items) else (), layers, strict=False):
        top = next(iter(layer.top_names()), None)
        if any(one.keeps(layer) for one in states):
            if layer.bottom is None and above is not None and above != last and layer.bottoms.most != 0:
                assert isinstance(item, Mapping)
                item = item.with_item("bottom", Scalar(above, item.at), item.at)
            items.append(item)
            last = top or last
        above = top or above
    if not isinstance(node, Items):
        return net
    return replace(net, root=net.root.with_item("layers", replace(node, items=tuple(items)), net.root.keys["layers"]))


def _shaped(
    spec: NetSpec, state: State, found: Findings, batch: int | None, gradients: Gradients | None
) -> ShapedGraph:
    usual: Gradients = "loss" if state.phase == "TRAIN" else "none"
    return infer(wire(spec, state, found, gradients or usual), found, batch)


def _other_phase(spec: NetSpec, state: State, found: Findings, batch: int | None) -> ShapedGraph:
    other: Phase = "TEST" if state.phase == "TRAIN" else "TRAIN"
    return _shaped(spec, replace(state, phase=other), found, batch, None)


def _differ(spec: NetSpec) -> bool:
    """Whether the phases of a net may differ: some layer says when it takes part."""
    return any(layer.include is not None or layer.exclude is not None for layer in spec.layers)

"""The net that a word of the command line means: of a net file, or of a solver or a run, as that trains it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from netspec.core.calls import Phase
from netspec.core.errors import Findings
from netspec.core.nodes import Document
from netspec.language.asked import NOTHING_ASKED, AskedState
from netspec.language.references import Documents, Reference, open_any
from netspec.net.deploy import deploy
from netspec.net.graph import State
from netspec.net.load import check_both, kept
from netspec.net.spec import NetSpec, net_spec

if TYPE_CHECKING:
    from netspec.training.spec import SolverSpec


@dataclass(frozen=True)
class Chosen:
    """A net to look at: its flat document, the state of its layers, its batch size and its number type.

    A `batch` of None leaves the Inputs' shapes as they are written.
    """

    net: Document
    state: State
    batch: int | None = None
    dtype: Literal["float32", "float64"] = "float32"

    def deployed(self) -> Chosen:
        """The deploy view of the net. Raises every mistake of the net."""
        view = deploy(self.net, self.state)
        return replace(self, net=view.document, state=view.state)


def choose(
    reference: Reference, overrides: Sequence[str] = (), phase: Phase = "TRAIN", asked: AskedState = NOTHING_ASKED
) -> Chosen:
    """The net of a reference in one phase. Of a solver it is the net with the solver's state, batch size and dtype.

    Raises every mistake that the language finds, and those of the solver.
    """
    return chosen(open_any(reference, overrides, asked=asked), phase, asked)


def chosen(opened: Documents, phase: Phase = "TRAIN", asked: AskedState = NOTHING_ASKED) -> Chosen:
    """The net of opened documents in one phase, as `choose` has it. Raises every mistake of the solver."""
    from netspec.training.patterns import in_document  # a net alone has no use for it

    if opened.solver is None:
        return Chosen(opened.named, State(phase, asked.level or 0, asked.stages))
    found = Findings()
    spec, net = specs(opened, found)
    found.raise_if_any()
    assert opened.net is not None
    document = in_document(net, opened.net) if spec.params else opened.net
    feed = spec.feed(phase)
    state = State(phase, spec.level, spec.stage)
    if phase == "TEST" and spec.test_nets:
        name, first = next(iter(spec.test_nets.items()))
        return Chosen(opened.tested.get(name, document), State(phase, first.level, first.stage), None, spec.dtype)
    return Chosen(document, state, feed.net_batch if feed is not None else None, spec.dtype)


def flat(reference: Reference, overrides: Sequence[str] = (), asked: AskedState = NOTHING_ASKED) -> Document:
    """The flat document of a net or solver; where a state is asked for, without layers that take part in no phase.

    Raises every mistake that the language finds, and where layers are left out those of the layers and the solver.
    """
    opened = open_any(reference, overrides, asked=asked)
    if asked == NOTHING_ASKED or opened.net is None:
        return opened.flat
    found = Findings()
    state = State("TRAIN", asked.level or 0, asked.stages)
    if opened.solver is not None:
        spec, _ = specs(opened, found)
        state = State("TRAIN", spec.level, spec.stage)
    net = kept(opened.net, state, found)
    found.raise_if_any()
    return replace(opened, net=net).flat


def specs(opened: Documents, found: Findings) -> tuple[SolverSpec, NetSpec]:
    """The specs of an opened solver and of its net. Where either cannot be read, raises all mistakes in `found`."""
    from netspec.training.brought import with_brought
    from netspec.training.patterns import applied
    from netspec.training.spec import solver_spec  # a net alone has no use for its rooms

    assert opened.solver is not None
    spec = solver_spec(opened.solver, found)
    net = net_spec(opened.net, found) if opened.net is not None else None
    if net is None or spec is None:
        if net is not None:
            check_both(net, found)
        found.raise_if_any()
        raise AssertionError("a solver without errors has a net")
    if not spec.level:
        spec = spec.model_copy(update={"level": net.state.level})
    spec = with_brought(spec, net)
    return spec, applied(spec.params, net, found) if spec.params else net

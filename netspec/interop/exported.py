"""What is exported: the net that a word names, in the view that is asked for, and its weights.

A word is a net file, a solver file, a zoo name, a run folder or a snapshot. A run and a snapshot bring weights; a
snapshot holds its net too, so it is enough alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from netspec.core.calls import Phase
from netspec.core.errors import UsageError
from netspec.core.nodes import Document, Mapping
from netspec.core.nodes import Sequence as Items
from netspec.engine.weights import fill_weights, params_by_key
from netspec.language.asked import NOTHING_ASKED, AskedState
from netspec.language.references import open_net
from netspec.net.deploy import Deployed, deploy, written
from netspec.net.graph import ParamKey, State
from netspec.net.load import Phases, load_net, load_phases
from netspec.net.shaped import ShapedGraph
from netspec.training import folders, snapshot
from netspec.training.answering.trained import NoNetError, with_known_shapes
from netspec.training.loading import LoadReport, load
from netspec.training.nets import choose
from netspec.training.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netspec.core.calls import Array

SUFFIX = ".safetensors"
"""The ending of snapshots, which are told from nets by it."""


@dataclass(frozen=True)
class Weighted:
    """The params of a net by layer and name; those that layers share stand under each of them.

    `report` says which came from a file; None where all come from their fillers.
    """

    arrays: dict[ParamKey, Array]
    report: LoadReport | None


@dataclass(frozen=True)
class Exported:
    """A net on its way out: its flat document, the state of its layers, its batch size and its number type.

    A `batch` of None leaves the Inputs' shapes as they are written. `weights` is the file of its params; without one
    they come from their fillers. `average` is a kind of average of weights to take from it. `view` is the deploy view
    where that is exported, and `state` then its state. `snapshot` is that of a run or snapshot that was named.
    """

    net: Document
    state: State
    batch: int | None = None
    dtype: Literal["float32", "float64"] = "float32"
    weights: Path | None = None
    average: str | None = None
    view: Deployed | None = None
    snapshot: Snapshot | None = None

    def deployed(self) -> Exported:
        """Its deploy view. Raises every mistake of the net."""
        view = deploy(self.net, self.state)
        return replace(self, net=view.document, state=view.state, view=view)

    @cached_property
    def shaped(self) -> ShapedGraph:
        """The net in its state, with shapes. Raises every mistake of the net."""
        return load_net(self.net, (), self.state, self.batch)

    @cached_property
    def phases(self) -> Phases:
        """The net in both phases, at its level and stages. Raises every mistake of the net."""
        return load_phases(self.net, (), replace(self.state, phase="TRAIN"), self.batch)

    @property
    def every(self) -> tuple[ShapedGraph, ...]:
        """The shaped nets of all phases; the deploy view has one."""
        if self.view is not None:
            return (self.shaped,)
        return tuple(one for one in (self.phases.train, self.phases.test) if one is not None)

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The names of the classes among which the deploy view answers; None where they are not known."""
        if self.snapshot is None or self.view is None:
            return None
        return self.snapshot.data.classes(self.view.main.truth)

    def weighted(self, shaped: ShapedGraph, seed: int = 1) -> Weighted:
        """The params of a shaped form of the net; the seed is that of fillers. Raises SnapshotError."""
        weights = fill_weights(shaped, self.dtype, seed)
        report = None
        if self.weights is not None and shaped.graph.params:
            report = load(shaped, weights, self.weights, average=self.average)
        return Weighted(params_by_key(shaped, weights), report)

    def values(self, seed: int = 1) -> Weighted:
        """The params of all phases. Raises SnapshotError."""
        first, *others = self.every
        found = self.weighted(first, seed)
        for shaped in others:
            if not found.arrays.keys() >= shaped.graph.param_keys.keys():
                found = replace(found, arrays=self.weighted(shaped, seed).arrays | found.arrays)
        return found


def exported(
    word: str,
    overrides: Sequence[str] = (),
    asked: AskedState = NOTHING_ASKED,
    weights: Path | None = None,
    best: bool = False,
    average: str | None = None,
    phase: Phase = "TEST",
) -> Exported:
    """The net that a word names, whole, in a phase. `weights` is a file to take in place of the word's own.

    `best` asks for the best weights of a run. A solver says the batch size of a phase. Raises UsageError,
    SnapshotError, and every mistake of the net.
    """
    path = folders.named(word)
    if path.is_file() and path.suffix == SUFFIX:
        if overrides or best:
            said = "overrides change" if overrides else "--best chooses"
            raise UsageError(f"'{word}' is a snapshot, and {said} nothing in it", help="name the run or the net")
        return _of_snapshot(path, weights, average)
    if not folders.holds(path):
        if best:
            raise UsageError(f"'{word}' is not a run folder, so it has no best weights", help="leave --best out")
        chosen = choose(word, overrides, phase, asked)
        return Exported(chosen.net, chosen.state, chosen.batch, chosen.dtype, weights, average)
    chosen = choose(str(path), overrides, phase, asked)
    own = folders.weights_for(path, None, best) if weights is None else weights
    held = snapshot.read(own) if weights is None else None
    net = chosen.net if held is None else _known(chosen.net, held)
    return Exported(net, chosen.state, chosen.batch, chosen.dtype, own, average, snapshot=held)


def _of_snapshot(path: Path, weights: Path | None, average: str | None) -> Exported:
    """The net of a snapshot with its weights."""
    held = snapshot.read(path)
    if not held.net:
        raise NoNetError(f"'{path}' holds weights, but not their net", help="name the net, and say --weights FILE")
    solver: dict[str, Any] = held.solver
    state = State("TEST", solver.get("level") or 0, tuple(solver.get("stage") or ()))
    dtype: Literal["float32", "float64"] = "float64" if solver.get("dtype") == "float64" else "float32"
    return Exported(_known(open_net(held.net), held), state, None, dtype, weights or path, average, snapshot=held)


def _known(net: Document, held: Snapshot) -> Document:
    """A flat net whose data layers say the shapes of samples as the training knew them."""
    node = net.root.items["layers"]
    assert isinstance(node, Items)
    plain = with_known_shapes(net.plain(), held.data)["layers"]
    items = [
        item.with_item("shape", written(tuple(map(tuple, layer["shape"])), item.at), item.at)
        if isinstance(item, Mapping) and "shape" in layer and "shape" not in item.items
        else item
        for item, layer in zip(node.items, plain, strict=True)
    ]
    return replace(net, root=net.root.with_item("layers", Items(tuple(items), node.at), net.root.keys["layers"]))

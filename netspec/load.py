"""The front half of the road in one call: a file's name to a ShapedGraph, or to a Job that can be trained.

Every stage reports all its mistakes, and the later stages still check what is sound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from netspec import locate
from netspec.diagnostics import Findings, Place, SpecError
from netspec.document import Document, Mapping, Node, Scalar, from_python
from netspec.expand import expand
from netspec.extend import extended, open_spec, typed_paths
from netspec.graph import Gradients, Graph, State, graph
from netspec.infer import ShapedGraph, infer
from netspec.layers.base import Phase
from netspec.schema import NetSpec, SolverSpec, net_spec, solver_spec
from netspec.words import SYNONYMS


class NothingToLearnError(SpecError):
    """The training net has no loss, or no param that learns."""

    code = "NS308"


class NoDataError(SpecError):
    """A net has Inputs, but the solver has no data for its phase."""

    code = "NS530"


class WrongFileError(SpecError):
    """A solver was given where a net belongs, or the other way round."""

    code = "NS107"


def is_net(document: Document) -> bool:
    """Whether a document is meant as a net: it has layers, or nothing that only a solver has."""
    keys, solver = document.root.items, {*SolverSpec.model_fields, "net", "type"}
    return "layers" in keys or not any(key in solver or SYNONYMS.get(key) in solver for key in keys)


def net_document(
    reference: str | Path | dict[str, Any],
    overrides: Sequence[str] = (),
    base: Path | None = None,
    via: Place | None = None,
    prefix: str = "",
) -> Document:
    """The expanded document of a net: a path (relative to `base`), a zoo name, or plain values."""
    if isinstance(reference, dict):
        return expand(extended(from_python(reference, "<net>"), "models"), overrides, prefix)
    document = open_spec(str(reference), "models", base, via)
    if not is_net(document):
        at = document.root.keys.get("net") or next(iter(document.root.keys.values()))
        help = "`netspec train` takes solvers; its `net:` names the net"
        raise WrongFileError(f"'{document.source.name}' is a solver, not a net", at=at, help=help)
    return expand(document, overrides, prefix)


def flat(reference: str, overrides: Sequence[str] = ()) -> Document:
    """The expanded document of a net, or of a solver with its net inside. Raises every mistake that expansion finds."""
    solver = reference in locate.names("solvers") and reference not in locate.names("models") and not locate.exists(Path(reference))
    raw = open_spec(reference, "solvers" if solver else "models")
    if is_net(raw):
        return expand(raw, overrides)
    document, net = _solver_document(raw, overrides)
    return replace(document, root=document.root.with_item("net", net().root, document.root.keys["net"])) if net else document


def load_net(
    reference: str | Path | dict[str, Any] | Document,
    overrides: Sequence[str] = (),
    state: State | None = None,
    batch: int | None = None,
    gradients: Gradients | None = None,
) -> ShapedGraph:
    """The shaped net of one state. Raises every mistake found on the way."""
    state = state or State()
    found = Findings()
    document = reference if isinstance(reference, Document) else net_document(reference, overrides)
    spec = net_spec(document, found)
    gradients = gradients or ("loss" if state.phase == "TRAIN" else "none")
    shaped = infer(graph(spec, state, found, gradients), found, batch)
    if state.phase == "TRAIN":
        _other_phase(spec, replace(state, phase="TEST"), found, batch)
    found.raise_if_any()
    return shaped


def _other_phase(spec: NetSpec, state: State, found: Findings, batch: int | None) -> None:
    """Mistakes that only the other phase has."""
    filtered = any(layer.include is not None or layer.exclude is not None for layer in spec.layers)
    if filtered and any(map(state.keeps, spec.layers)):
        others = Findings()
        infer(graph(spec, state, others), others, batch)
        found.merge(others)


@dataclass(frozen=True)
class Job:
    """A training: the solver, the net, and the shaped net of each phase. `document` is the solver with its net written inside."""

    spec: SolverSpec
    net: NetSpec
    train: ShapedGraph
    test: ShapedGraph | None
    document: Document
    base: Path

    @property
    def name(self) -> str:
        """The solver file's name without its ending."""
        return self.spec.document.path.stem if self.spec.document.path else self.net.name

    def shaped(self, phase: Phase, batch: int) -> ShapedGraph:
        """The net of one phase at another batch size."""
        found = Findings()
        of = self.train if phase == "TRAIN" else self.test
        assert of is not None
        result = infer(of.graph, found, batch)
        found.raise_if_any()
        return result

    def node(self, phase: Phase) -> Node | None:
        """The part of the solver file that describes a phase's data."""
        data = self.spec.document.root.items.get("data")
        return data.items.get(phase.lower()) if isinstance(data, Mapping) else None


def load_solver(reference: str | Path | dict[str, Any], overrides: Sequence[str] = (), keep: bool = False) -> Job:
    """The job in a solver file (or a zoo name, or plain values). Raises every mistake found in it and in its net.

    `keep` prepares nets whose backward may start from any top.
    """
    found = Findings()
    given = extended(from_python(reference, "<solver>"), "solvers") if isinstance(reference, dict) else None
    raw = given or open_spec(str(reference), "solvers")
    if "net" not in raw.root.items and "layers" in raw.root.items:
        at = raw.root.keys["layers"]
        raise WrongFileError(f"'{raw.source.name}' is a net, not a solver", at=at, help="a solver names its net: `net: this-file.yaml`")
    document, net_document_of = _solver_document(raw, overrides)
    spec = solver_spec(document, found)
    net: NetSpec | None = None
    if net_document_of:
        with found.catching():
            net = net_spec(net_document_of(), found)
    if net is None or spec is None:
        if net is not None:
            infer(graph(net, State(), found), found)
            _other_phase(net, State("TEST"), found, None)
        found.raise_if_any()
        raise AssertionError("a solver without errors has a net")
    spec._document = document
    train, test = _phases(spec, net, found, keep)
    found.raise_if_any()
    resolved = document.root.with_item("net", net.document.root, document.root.at)
    return Job(spec, net, train, test, replace(document, root=resolved), raw.path.parent if raw.path else Path())


def _solver_document(raw: Document, overrides: Sequence[str]) -> tuple[Document, Callable[[], Document] | None]:
    """A solver's expanded document, and what opens that of its net, if it names one."""
    inside = [text for text in overrides if text.startswith("net.")]
    document = expand(raw, [text for text in overrides if text not in inside], apart="net")
    base = raw.path.parent if raw.path else Path()
    document = replace(document, root=typed_paths(document.root, base))
    node = document.root.items.get("net")
    return document, (lambda: _net_of(node, document, inside, base)) if node is not None else None


def _net_of(node: Node, document: Document, overrides: Sequence[str], base: Path) -> Document:
    if isinstance(node, Mapping):
        return expand(extended(Document(node, document.source, document.path), "models"), overrides, "net.")
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        raise WrongFileError("`net` must name a net file or a zoo net, or hold a net", at=node.at, help="like `net: ../models/lenet.yaml`")
    return net_document(node.value, overrides, base, node.at, "net.")


def _phases(spec: SolverSpec, net: NetSpec, found: Findings, keep: bool) -> tuple[ShapedGraph, ShapedGraph | None]:
    """The shaped nets of training and, where there are test data or a net that needs none, of testing."""
    root = spec.document.root
    train_graph = graph(net, State("TRAIN", spec.level, spec.stage), found, "any" if keep else "loss")
    _check_data(train_graph, spec, found)
    if not found:
        _check_learning(train_graph, found)
    train = infer(train_graph, found, spec.data.train.batch_size if spec.data.train else None)
    test_state = State("TEST", spec.level, spec.stage)
    test: ShapedGraph | None = None
    wants = spec.data.test is not None or (spec.test_interval is not None)
    if wants and any(map(test_state.keeps, net.layers)):
        others = Findings()
        test_graph = graph(net, test_state, others, "any" if keep else "none")
        test = infer(test_graph, others, spec.data.test.batch_size if spec.data.test else None)
        found.merge(others)
        _check_data(test_graph, spec, found)
        if spec.data.test is None and spec.test_iter is None and not test_graph.inputs:
            help = "say how many batches of the net's own data a test takes"
            found.add(NoDataError("a test without test data needs `test_iter`", at=root.keys["test_interval"], help=help))
    return train, test


def _check_data(net: Graph, spec: SolverSpec, found: Findings) -> None:
    feed = spec.data.train if net.phase == "TRAIN" else spec.data.test
    word = net.phase.lower()
    names = [net.blobs[i].name for i in net.inputs]
    root = spec.document.root
    at = root.keys.get("data") or root.keys.get("net")
    if names and feed is None:
        listed = ", ".join(f"'{name}'" for name in names)
        text = f"the net has the inputs {listed} in phase {net.phase}, but the solver has no `data: {word}:`"
        found.add(NoDataError(text, at=at, help=f"like `{word}: {{source: {{type: FashionMNIST, split: {word}}}, batch_size: 64}}`"))


def _check_learning(net: Graph, found: Findings) -> None:
    at = net.nodes[-1].place() if net.nodes else None
    if not net.losses:
        help = "end it with a loss layer, like SoftmaxWithLoss"
        found.add(NothingToLearnError(f"net '{net.name}' has no loss in phase TRAIN", at=at, help=help))
    elif not net.params:
        help = "give it a layer with weights, like InnerProduct"
        found.add(NothingToLearnError(f"net '{net.name}' has nothing to learn: none of its layers has a param", at=at, help=help))
    elif not any(param.learned for param in net.params):
        found.add(NothingToLearnError(f"net '{net.name}' has nothing to learn: every lr_mult is 0", at=at))

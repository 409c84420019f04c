"""The front half of the road in one call: a net's name to its ShapedGraph.

Every stage reports all its mistakes, and the later stages still check what is sound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from netspec.core import locate
from netspec.core.errors import Findings, SpecError
from netspec.core.nodes import Document, Mapping, Node, Scalar
from netspec.core.places import Place
from netspec.language.document import from_python
from netspec.language.expand import expand
from netspec.language.extend import extended, open_spec
from netspec.language.paths import typed_paths
from netspec.language.words import SYNONYMS
from netspec.net.graph import Gradients, State
from netspec.net.infer import ShapedGraph, infer
from netspec.net.spec import NetSpec, net_spec
from netspec.net.wire import graph
from netspec.training.spec import SolverSpec


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
    solver = (
        reference in locate.names("solvers")
        and reference not in locate.names("models")
        and not locate.exists(Path(reference))
    )
    raw = open_spec(reference, "solvers" if solver else "models")
    if is_net(raw):
        return expand(raw, overrides)
    document, net = solver_document(raw, overrides)
    return (
        replace(document, root=document.root.with_item("net", net().root, document.root.keys["net"]))
        if net
        else document
    )


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
        check_other_phase(spec, replace(state, phase="TEST"), found, batch)
    found.raise_if_any()
    return shaped


def check_other_phase(spec: NetSpec, state: State, found: Findings, batch: int | None) -> None:
    """Mistakes that only the other phase has."""
    filtered = any(layer.include is not None or layer.exclude is not None for layer in spec.layers)
    if filtered and any(map(state.keeps, spec.layers)):
        others = Findings()
        infer(graph(spec, state, others), others, batch)
        found.merge(others)


def solver_document(raw: Document, overrides: Sequence[str]) -> tuple[Document, Callable[[], Document] | None]:
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
        raise WrongFileError(
            "`net` must name a net file or a zoo net, or hold a net",
            at=node.at,
            help="like `net: ../models/lenet.yaml`",
        )
    return net_document(node.value, overrides, base, node.at, "net.")

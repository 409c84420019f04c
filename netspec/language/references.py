"""References: opens what names a net or a solver, and expands its documents.

A reference is a path, a zoo name, plain Python values, or a document. It is opened once. A solver is opened together
with its net. Each is expanded with its own overrides: `net.layers.conv1.num_output=32` belongs to the net.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from netspec.core import locate
from netspec.core.errors import Findings, SpecError
from netspec.core.nodes import Document, Mapping, Node, Scalar
from netspec.language.document import from_python
from netspec.language.expand import expand
from netspec.language.extend import Shelf, extended, kind_of, open_spec
from netspec.language.override import Override, parse_overrides
from netspec.language.paths import typed_paths

Reference = str | Path | dict[str, Any] | Document


class WrongFileError(SpecError):
    """A solver was given where a net belongs, or the other way round."""

    code = "NS107"


@dataclass(frozen=True)
class Documents:
    """The expanded documents of a reference: a solver (without its net) and its net, or a net alone.

    `net` is None if the solver names no net, or a net that cannot be opened.
    """

    solver: Document | None
    net: Document | None

    @property
    def path(self) -> Path | None:
        """The file that was named."""
        document = self.solver or self.net
        return document.path if document is not None else None

    @property
    def base(self) -> Path:
        """The folder that relative paths start from."""
        return self.path.parent if self.path else Path()

    @property
    def flat(self) -> Document:
        """The solver with its net inside; the net where there is no solver."""
        if self.solver is None:
            assert self.net is not None
            return self.net
        root = self.solver.root
        if self.net is None:
            return self.solver
        return replace(self.solver, root=root.with_item("net", self.net.root, root.keys["net"]))


def is_net(document: Document) -> bool:
    """Whether a document is meant as a net: it has `layers`, or no key that only a solver has."""
    return kind_of(document) != "solvers"


def open_net(reference: Reference, overrides: Sequence[str] = ()) -> Document:
    """The expanded document of a net. Raises every mistake that the language finds."""
    if isinstance(reference, Document):
        return reference
    return _net(_raw(reference, "models"), parse_overrides(overrides))


def open_solver(reference: Reference, found: Findings, overrides: Sequence[str] = ()) -> Documents:
    """The expanded documents of a solver and its net. Mistakes in the net go to `found`; others are raised."""
    raw = _raw(reference, "solvers")
    if "net" not in raw.root.items and "layers" in raw.root.items:
        at = raw.root.keys["layers"]
        help = "a solver names its net: `net: this-file.yaml`"
        raise WrongFileError(f"'{raw.source.name}' is a net, not a solver", at=at, help=help)
    return _solver(raw, parse_overrides(overrides), found)


def open_any(reference: str, overrides: Sequence[str] = (), prefer: Shelf = "models") -> Documents:
    """The expanded documents of a net or a solver. Raises every mistake.

    `prefer` is the shelf of the zoo to search for a name that stands for both a net and a solver.
    """
    other: Shelf = "solvers" if prefer == "models" else "models"
    shelf = other if reference in locate.names(other) and reference not in locate.names(prefer) else prefer
    raw, changes = _raw(reference, shelf), parse_overrides(overrides)
    if is_net(raw):
        return Documents(None, expand(raw, changes))
    found = Findings()
    opened = _solver(raw, changes, found)
    found.raise_if_any()
    return opened


def _raw(reference: Reference, shelf: Shelf) -> Document:
    """The document of a reference, merged over its parents, not yet expanded."""
    if isinstance(reference, Document):
        return reference
    if isinstance(reference, dict):
        return extended(from_python(reference, "<net>" if shelf == "models" else "<solver>"), shelf)
    return open_spec(str(reference), shelf)


def _solver(raw: Document, overrides: Iterable[Override], found: Findings) -> Documents:
    """Expand a solver, and its net with the overrides that begin with `net.`."""
    inside = [(one, one.inside("net")) for one in overrides]
    document = expand(raw, [one for one, inner in inside if inner is None], apart="net")
    base = raw.path.parent if raw.path else Path()
    document = replace(document, root=typed_paths(document.root, base))
    node, net = document.root.items.get("net"), None
    if node is not None:
        with found.catching():
            net = _net_of(node, document, [inner for _, inner in inside if inner is not None], base)
    return Documents(document, net)


def _net_of(node: Node, document: Document, overrides: Sequence[Override], base: Path) -> Document:
    """The expanded net that a solver holds or names under `net`. Raises WrongFileError and what the language finds."""
    if isinstance(node, Mapping):
        return expand(extended(Document(node, document.source, document.path), "models"), overrides)
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        text = "`net` must name a net file or a zoo net, or hold a net"
        raise WrongFileError(text, at=node.at, help="like `net: ../models/lenet.yaml`")
    return _net(open_spec(node.value, "models", base, node.at), overrides)


def _net(document: Document, overrides: Sequence[Override]) -> Document:
    """Expand a net. Raises WrongFileError if the document is a solver."""
    if not is_net(document):
        at = document.root.keys.get("net") or next(iter(document.root.keys.values()))
        help = "`netspec train` takes solvers; its `net:` names the net"
        raise WrongFileError(f"'{document.source.name}' is a solver, not a net", at=at, help=help)
    return expand(document, overrides)

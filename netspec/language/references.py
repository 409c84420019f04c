"""References: opens what names a net or a solver, and expands its documents.

A reference is a path, a zoo name, plain Python values, or a document. It is opened once. A solver is opened together
with its net. Each is expanded with its own overrides: `net.layers.conv1.num_output=32` belongs to the net.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from netspec.core import locate
from netspec.core.errors import Findings, SpecError, UsageError
from netspec.core.nodes import Document, Mapping, Node, Scalar
from netspec.language.asked import NOTHING_ASKED, AskedState
from netspec.language.document import from_python
from netspec.language.expand import expand
from netspec.language.extend import Shelf, extended, kind_of, open_spec
from netspec.language.files import read
from netspec.language.override import Override, parse_overrides
from netspec.language.paths import settled, settled_net

Reference = str | Path | dict[str, Any] | Document


class WrongFileError(SpecError):
    """A solver was given where a net belongs, or the other way round."""

    code = "NS107"


@dataclass(frozen=True)
class Documents:
    """The expanded documents of a reference: a solver (without its net) and its net, or a net alone.

    `net` is None if the solver names no net, or a net that cannot be opened. `tested` are the files of its test nets
    by their names, where these have files of their own.
    """

    solver: Document | None
    net: Document | None
    tested: dict[str, Document] = field(default_factory=dict)

    @property
    def named(self) -> Document:
        """The document that was named."""
        document = self.solver or self.net
        assert document is not None
        return document

    @property
    def path(self) -> Path | None:
        """The file that was named; None for a pipe and for plain values."""
        return self.named.path

    @property
    def title(self) -> str:
        """What was named, for people: the file, `zoo:NAME`, or `standard input`."""
        return self.named.source.name

    @property
    def base(self) -> Path:
        """The folder that relative paths start from."""
        return self.named.source.folder

    @property
    def flat(self) -> Document:
        """The solver with its net inside; the net where there is no solver."""
        if self.solver is None:
            assert self.net is not None
            return self.net
        root = self.solver.root
        if self.net is None:
            return self.solver
        if self.tested:
            entries = root.items["test_nets"]
            assert isinstance(entries, Mapping)
            for name, net in self.tested.items():
                entry = entries.items[name]
                assert isinstance(entry, Mapping)
                entry = entry.with_item("net", net.root, entry.keys["net"])
                entries = entries.with_item(name, entry, entries.keys[name])
            root = root.with_item("test_nets", entries, root.keys["test_nets"])
        return replace(self.solver, root=root.with_item("net", self.net.root, root.keys["net"]))


def is_net(document: Document) -> bool:
    """Whether a document is meant as a net: it has `layers`, or no key that only a solver has."""
    return kind_of(document) != "solvers"


def open_net(reference: Reference, overrides: Sequence[str] = ()) -> Document:
    """The expanded document of a net. Raises every mistake that the language finds."""
    if isinstance(reference, Document):
        return reference
    return _net(_raw(reference, "models"), parse_overrides(overrides))


def open_solver(
    reference: Reference, found: Findings, overrides: Sequence[str] = (), asked: AskedState = NOTHING_ASKED
) -> Documents:
    """The expanded documents of a solver and its net. Mistakes in the net go to `found`; others are raised."""
    raw = _raw(reference, "solvers")
    if "net" not in raw.root.items and "layers" in raw.root.items:
        at = raw.root.keys["layers"]
        name = f'"{raw.source.name}"' if raw.source.caffe else "this-file.yaml"
        help = f"a solver names its net: `net: {name}`"
        raise WrongFileError(f"'{raw.source.name}' is a net, not a solver", at=at, help=help)
    return _solver(raw, parse_overrides(overrides), found, asked)


def open_any(
    reference: Reference,
    overrides: Sequence[str] = (),
    prefer: Shelf = "models",
    asked: AskedState = NOTHING_ASKED,
) -> Documents:
    """The expanded documents of a net or a solver. Raises every mistake.

    `prefer` is the shelf of the zoo to search for a name that stands for both a net and a solver.
    """
    raw, changes = _raw(reference, _shelf(reference, prefer)), parse_overrides(overrides)
    if is_net(raw):
        return Documents(None, asked.checked(expand(raw, changes)))
    found = Findings()
    opened = _solver(raw, changes, found, asked)
    found.raise_if_any()
    return opened


def only_solver() -> str:
    """The only solver in the current folder; `.` in a run folder. Raises UsageError if there is none, or several."""
    if os.path.isfile(locate.RUN_CONFIG):
        return os.curdir
    kinds = {path: _trains(path) for path in locate.specs(Path())}
    found = [path for path, trains in kinds.items() if trains] or [path for path in kinds if kinds[path] is None]
    if len(found) == 1:
        return str(found[0])
    if not found:
        help = "name a solver file, a run folder, or a solver of the zoo; `netspec zoo list` has their names"
        raise UsageError("which solver? there is none in the current folder", help=help)
    several = ", ".join(f"'{path}'" for path in found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
    help = f"like `netspec train {shlex.quote(str(found[0]))}`"
    raise UsageError(f"which solver? the current folder has {several}", help=help)


def _trains(path: Path) -> bool | None:
    """Whether a file is a solver; None for a file that cannot be read."""
    try:
        document = read(path)
    except SpecError:
        return None
    return not is_net(document) and not document.root.items.keys().isdisjoint({"net", "extends"})


def _shelf(reference: Reference, prefer: Shelf) -> Shelf:
    """The preferred shelf of the zoo, or the other if it alone has the name that a reference says."""
    if not isinstance(reference, str):
        return prefer
    other: Shelf = "solvers" if prefer == "models" else "models"
    name = locate.zoo_name(reference) or reference
    return other if name in locate.names(other) and name not in locate.names(prefer) else prefer


def _raw(reference: Reference, shelf: Shelf) -> Document:
    """The document of a reference, merged over its parents, not yet expanded."""
    if isinstance(reference, Document):
        return reference
    if isinstance(reference, dict):
        return extended(from_python(reference, "<net>" if shelf == "models" else "<solver>"), shelf)
    return open_spec(str(reference), shelf)


def _solver(raw: Document, overrides: Iterable[Override], found: Findings, asked: AskedState) -> Documents:
    """Expand a solver, and its net with the overrides that begin with `net.`."""
    inside = [(one, one.inside("net")) for one in overrides]
    document = expand(raw, [one for one, inner in inside if inner is None], apart="net")
    root = asked.added_to(settled(document.root, document.source.folder))
    document = replace(document, root=root)
    node, net = root.items.get("net"), None
    if node is not None:
        with found.catching():
            net = _net_of(node, document, [inner for _, inner in inside if inner is not None])
            net = replace(net, root=settled_net(net.root, document.source.folder))
            net = asked.checked(net)
    return Documents(document, net, _tested(document, found))


def _tested(solver: Document, found: Findings) -> dict[str, Document]:
    """The expanded nets that a solver's `test_nets` hold or name. Mistakes go to `found`."""
    entries, nets = solver.root.items.get("test_nets"), {}
    for name, entry in entries.items.items() if isinstance(entries, Mapping) else ():
        node = entry.items.get("net") if isinstance(entry, Mapping) else None
        if isinstance(node, Mapping) or (isinstance(node, Scalar) and isinstance(node.value, str)):
            with found.catching():
                net = _net_of(node, solver, ())
                nets[name] = replace(net, root=settled_net(net.root, solver.source.folder))
    return nets


def _net_of(node: Node, document: Document, overrides: Sequence[Override]) -> Document:
    """The expanded net that a solver holds or names under `net`. Raises WrongFileError and what the language finds."""
    if isinstance(node, Mapping):
        return expand(extended(Document(node, document.source, document.path), "models"), overrides)
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        text = "`net` must name a net file or a zoo net, or hold a net"
        raise WrongFileError(text, at=node.at, help="like `net: ../models/lenet.yaml`")
    return _net(open_spec(node.value, "models", node.at.source.folder, node.at), overrides)


def _net(document: Document, overrides: Sequence[Override]) -> Document:
    """Expand a net. Raises WrongFileError if the document is a solver."""
    if not is_net(document):
        at = document.root.keys.get("net") or next(iter(document.root.keys.values()))
        help = "`netspec train` takes solvers; its `net:` names the net"
        raise WrongFileError(f"'{document.source.name}' is a solver, not a net", at=at, help=help)
    return expand(document, overrides)

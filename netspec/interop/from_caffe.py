"""A net or a solver of Caffe as a file of netspec's: the YAML that a person would have written, and its weights.

What was written is read back: it must be the net that the prototxt is, by the digest of each phase.
"""

from __future__ import annotations

import os
from bisect import bisect
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.core.calls import Phase
from netspec.core.errors import Findings, NetspecError, SpecError, UsageError
from netspec.core.locate import expanded, tidy
from netspec.core.nodes import Document, Mapping, Note, Scalar, Sequence
from netspec.core.shape import counted
from netspec.interop.folding import folded
from netspec.interop.yaml_text import Written, comments, net_text
from netspec.language.document import parse
from netspec.language.expand import expand
from netspec.language.files import read, read_stdin
from netspec.language.paths import layer_paths, settled_net
from netspec.language.write import write
from netspec.net.digest import digest
from netspec.net.graph import State
from netspec.net.infer import infer
from netspec.net.shaped import ShapedGraph
from netspec.net.spec import net_spec
from netspec.net.wire import EmptyNetError, wire

if TYPE_CHECKING:
    from netspec.training.loading import LoadReport

PHASES: tuple[Phase, ...] = ("TRAIN", "TEST")


class OtherNetError(SpecError):
    """The file that an import would write is not the net that it was made from: a mistake of netspec."""

    code = "NS709"


@dataclass(frozen=True)
class Imported:
    """What became of a file of Caffe: its text in YAML, and what is worth knowing.

    `layers` are those of the file. `params` are how many values the net learns, and how many else it stores; None where
    its shapes need data that are not there. `faults` are what keeps a net that was read leniently from running.
    """

    text: str
    kind: str
    notes: tuple[Note, ...]
    layers: int = 0
    params: tuple[int, int] | None = None
    faults: tuple[NetspecError, ...] = ()

    def __str__(self) -> str:
        if self.kind == "solver":
            return "a solver"
        params = "" if self.params is None else f", {counted(self.params[0], 'parameter')}"
        return f"a net of {counted(self.layers, 'layer')}{params}"

    def record(self) -> dict[str, Any]:
        """Its figures and notes, for machines."""
        return {
            "kind": self.kind,
            "layers": self.layers,
            "params": self.params and self.params[0],
            "stored": self.params and self.params[1],
            "notes": [{"text": note.text, "at": str(note.at)} for note in self.notes],
            "faults": [fault.message for fault in self.faults],
        }


def imported(path: Path, folder: Path, lenient: bool = False, compact: bool = False) -> Imported:
    """The net or solver in a prototxt, as a text for a file in `folder`.

    When `lenient`, what Caffe and netspec do not have is kept as it stands; when `compact`, layers that repeat become
    blocks. Raises every mistake in the prototxt.
    """
    document = read_stdin() if str(path) == "-" else read(path, lenient=lenient)
    if not document.root.at.source.caffe:
        raise UsageError(f"'{path}' is in YAML already", help="an import makes YAML of a prototxt")
    if "layers" not in document.root.items:
        return _solver(document, folder)
    return _net(document, folder, lenient, compact)


def _solver(document: Document, folder: Path) -> Imported:
    root = document.root
    for key in ("net", "test_nets"):
        if key in root.items:
            root = root.with_item(key, _net_paths(root.items[key], folder), root.keys[key])
    if isinstance(weights := root.items.get("weights"), Scalar | Sequence):
        root = root.with_item("weights", _moved(weights, folder), root.keys["weights"])
    lines = [*comments(note.text for note in document.notes), write(replace(document, root=root))]
    return Imported("\n".join(lines) + "\n", "solver", document.notes)


def _net_paths(node: Any, folder: Path) -> Any:
    """A value with every net that it names under `net` as a path from another folder."""
    if isinstance(node, Scalar):
        return _moved(node, folder)
    if isinstance(node, Mapping) and "layers" in node.items:
        return settled_net(node, folder)
    if isinstance(node, Mapping):
        items = {
            key: value if key in ("stage", "level", "test_iter") else _net_paths(value, folder)
            for key, value in node.items.items()
        }
        return replace(node, items=items)
    return node


def _moved(node: Any, folder: Path) -> Any:
    """A path, or a list of some, as it is written in a file in another folder."""
    if isinstance(node, Sequence):
        return replace(node, items=tuple(_moved(item, folder) for item in node.items))
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        return node
    path = expanded(node.value)
    own = node.at.source.folder
    if path.is_absolute() or os.path.realpath(own) == os.path.realpath(folder):
        return node
    return replace(node, value=os.path.relpath(tidy(own / path), folder))


def _net(document: Document, folder: Path, lenient: bool, compact: bool) -> Imported:
    found = Findings()
    flat = expand(document)
    own = _digests(flat, found)
    if not lenient:
        found.raise_if_any()
    root = document.root
    head = {key: value for key, value in root.plain().items() if key != "layers"}
    layers, notes = _written(root, document.notes, folder)
    text = net_text(head, layers, notes)
    if compact:
        text = min(folded(head, layers, notes), text, key=len)
    if not found:
        _same(text, own, [layer.fields["name"] for layer in layers], folder)
    shaped = None if found else _shaped(flat, Findings())
    params = None if shaped is None else (shaped.total_params, shaped.stored_params)
    return Imported(text, "net", document.notes, len(layers), params, tuple(found))


def _digests(flat: Document, found: Findings) -> dict[Phase, str]:
    """The digest of a net in each phase in which it is sound; mistakes go to `found` where that is none."""
    faults = Findings()
    spec = net_spec(flat, faults)
    sound: dict[Phase, str] = {}
    for phase in () if faults else PHASES:
        own = Findings()
        graph = wire(spec, State(phase), own, "loss" if phase == "TRAIN" else "none")
        if not own:
            sound[phase] = digest(graph)
        elif not any(isinstance(fault, EmptyNetError) for fault in own):
            faults.merge(own)
    if not sound:
        found.merge(faults)
    return sound


def _shaped(flat: Document, found: Findings) -> ShapedGraph | None:
    """The net in the phase in which it has most params; None where both need data that are not there."""
    graphs = []
    for phase in PHASES[::-1]:
        faults = Findings()
        shaped = infer(wire(net_spec(flat, faults), State(phase), faults, "none"), faults, None)
        found.merge(faults)
        if not faults:
            graphs.append(shaped)
    return max(graphs, key=lambda shaped: len(shaped.params), default=None)


def convert_weights(net: Path, weights: Path, target: Path) -> LoadReport:
    """Write the weights in a file of Caffe as a snapshot of netspec with the net of a prototxt. Raises SnapshotError.

    The file is read where it lies: nothing of it is held twice. Raises UsageError where there is no net to fit.
    """
    from netspec.training.converting import convert

    if str(net) == "-":
        raise UsageError("weights need a net in a file, not on standard input", help="name the prototxt")
    document = read(net)
    if "layers" not in document.root.items:
        help = "import the net that it names, with --weights; `netspec train SOLVER --weights FILE` trains from them"
        raise UsageError(f"'{net}' is a solver, and weights belong to a net", help=help)
    found, flat = Findings(), expand(document)
    shaped = _shaped(flat, found)
    if shaped is None:
        found.raise_if_any()
    assert shaped is not None
    return convert(shaped, flat.plain(), weights, target)


def _same(text: str, own: dict[Phase, str], names: list[str], folder: Path) -> None:
    """Read the text of a net back. Raises OtherNetError where that is another net, or has other names."""
    found = Findings()
    with found.catching():
        flat = expand(parse(text, "the imported net", folder=folder))
        if _digests(flat, found) == own and [layer["name"] for layer in flat.plain()["layers"]] == names:
            return
    why = next(iter(found)).message if found else "it computes something else"
    raise OtherNetError(f"the net that was written is not the one that was read: {why}")


def _written(root: Mapping, notes: tuple[Note, ...], folder: Path) -> tuple[list[Written], list[str]]:
    """The layers of a net, each with the notes on it, and the notes on the net as a whole."""
    held = root.items["layers"]
    nodes = [node for node in held.items if isinstance(node, Mapping)] if isinstance(held, Sequence) else []
    lines = [node.at.line for node in nodes]
    apart: list[list[str]] = [[] for _ in nodes]
    whole: list[str] = []
    for note in notes:
        place = bisect(lines, note.at.line) - 1
        (whole if place < 0 or note.text.endswith(" times)") else apart[place]).append(note.text)
    paths = {path[1:] for path in layer_paths(root.plain())}
    written = []
    for number, (node, said) in enumerate(zip(nodes, apart, strict=True)):
        for path in paths:
            if path[0] == number and len(path) == 2:
                node = node.with_item(str(path[1]), _moved(node.items[str(path[1])], folder), node.keys[str(path[1])])
        written.append(Written(node.plain(), tuple(said)))
    return written, whole

"""A trained net for other classes: its last layer begins anew, all others go on from their weights, more slowly.

A layer that is to begin anew gets a new name, as in Caffe: weights are loaded by the names of layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netspec.core.errors import UsageError
from netspec.core.model import spec_paths
from netspec.data.transforms.base import TRANSFORMS
from netspec.data.transforms.base_geometric import Geometric
from netspec.language.document import from_python
from netspec.language.references import open_net
from netspec.language.write import write
from netspec.net.graph import State
from netspec.net.heads import heads
from netspec.net.load import load_net
from netspec.training import snapshot
from netspec.training.folders import weights_for


class UnfitTrunkError(UsageError):
    """A net that was trained cannot be given other classes."""

    code = "NS668"


@dataclass(frozen=True)
class Trunk:
    """A trained net whose head is made for `classes`: its text, its new layer, its weights, and what it takes.

    `shape` is (C, H, W) of an image, `steps` are the transforms of values that it was trained with, as written.
    """

    net: str
    head: str
    weights: Path
    shape: tuple[int, int, int]
    steps: tuple[Any, ...]


def trunk(weights: Path, name: str, classes: int) -> Trunk:
    """The net of a snapshot, or of the latest of a run folder. Raises UnfitTrunkError, SnapshotError."""
    path = weights_for(weights, weights, of_best=False)
    state = snapshot.read(path)
    if not state.net:
        raise UnfitTrunkError(f"'{path}' holds weights, but not their net", help="give a snapshot or a run of netspec")
    shaped = load_net(state.net, state=State("TEST"))
    judged = [head for head in heads(shaped) if head.task.kind == "classes"]
    if len(judged) != 1:
        raise UnfitTrunkError(f"the net of '{path}' does not tell classes apart by one loss")
    shapes = [shaped.blobs[blob][1:] for blob in shaped.graph.inputs]
    if not shapes or len(shapes[0]) != 3:
        raise UnfitTrunkError(f"the net of '{path}' takes no images")
    last = shaped.graph.nodes[shaped.graph.blobs[judged[0].scores].producer].layer
    if "num_output" not in type(last).model_fields:
        text = f"the scores of the net of '{path}' come from '{last.name}' ({last.type}), which learns nothing"
        raise UnfitTrunkError(text)
    head = f"{last.name}_{name.lower()}"
    layers = [_headed(layer, last.name, head, classes) for layer in state.net["layers"]]
    net = {key: value for key, value in state.net.items() if key != "expect"} | {"layers": layers}
    data = state.solver.get("data") or {}
    feed = data.get("train") or data.get("test") or {}
    steps = from_python({"steps": feed.get("transform") or ()}, path.name).plain()["steps"]
    c, h, w = shapes[0]
    return Trunk(write(open_net(net)), head, path, (c, h, w), tuple(step for step in steps if _of_values(step)))


def _of_values(step: Any) -> bool:
    """Whether a transform changes values by what stands in it, and moves no pixels."""
    transform = TRANSFORMS.parse(step)
    return not isinstance(transform, Geometric) and not any(spec_paths(type(transform), step))


def _headed(layer: dict[str, Any], name: str, head: str, classes: int) -> dict[str, Any]:
    """A layer of the net, its keys in the usual order; the one called `name` as a new one, under the top it had."""
    if layer.get("name") == name:
        layer = {**layer, "name": head, "top": layer.get("top", name), "num_output": classes}
    first = [key for key in ("name", "type", "bottom", "top") if key in layer]
    return {key: layer[key] for key in dict.fromkeys([*first, *layer])}

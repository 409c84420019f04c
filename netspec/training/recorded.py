"""Recorded: what a snapshot holds of its solver and its net, and what has changed in them since."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from netspec.core import code_files, locate
from netspec.core.changes import Changes, compare
from netspec.core.model import Model
from netspec.training.job import Job
from netspec.training.spec import SolverSpec

ASIDE = frozenset(
    {
        "debug_info",
        "display",
        "max_rss",
        "max_time",
        "reached",
        "snapshot",
        "snapshot_after_train",
        "snapshot_diff",
        "snapshot_keep",
        "tensorboard",
    }
)
"""Fields of a solver that change no number of a training: what it shows and keeps. All others are recorded."""


def settings(job: Job) -> dict[str, Any]:
    """All settings of a job that its snapshots hold, as values of JSON; of a path only its last part.

    A field of the solver that is left out stands there with its default; None where that default is a model.
    """
    written = job.with_paths(lambda path: Path(locate.whole(job.base, path)).name)
    fields = [name for name, field in SolverSpec.model_fields.items() if name not in ASIDE and not field.exclude]
    models = {name for name in fields if isinstance(getattr(job.spec, name), Model)}
    defaults = job.spec.model_dump(mode="json", include={*fields} - models)
    values = {name: written.get(name, defaults.get(name)) for name in fields}
    values |= {"type": type(job.spec.rule).__name__, **job.spec.rule.model_dump(mode="json")}
    values |= {"code": code} if (code := code_files.recorded()) else {}
    return {key: _brief(_jsonable(value)) for key, value in values.items()}


def changes(then: dict[str, Any], now: dict[str, Any]) -> Changes:
    """The differences between the settings of two snapshots; a setting that one of them does not know is none."""
    both = {key for key in then if key in now and key != "code"}
    before, after = ({key: _brief(one[key]) for key in sorted(both)} for one in (then, now))
    return (*code_files.changes(then.get("code"), now.get("code", [])), *compare(before, after))


def flat_net(job: Job) -> dict[str, Any]:
    """The net of a job as plain values to store in a snapshot; every `$` is doubled, so that they are a net to read.

    A layer that brings its data says the shapes of their samples, so that the net can be read without them.
    """
    net = plain_net(job.values["net"])
    layers: list[dict[str, Any]] = [*net["layers"]]
    for shaped in job.nets.values():
        kept = (i for i, layer in enumerate(job.net.layers) if shaped.graph.state.keeps(layer))
        for i, node in zip(kept, shaped.graph.nodes, strict=True):
            if node.layer.brings is not None:
                layers[i] = {**layers[i], "shape": [list(shaped.blobs[top][1:]) for top in node.tops]}
    return {**net, "layers": layers}


def plain_net(net: dict[str, Any]) -> dict[str, Any]:
    """The flat plain values of a net as they are stored; every `$` is doubled, so that they are a net to read."""
    found: dict[str, Any] = _jsonable(literal(net))
    return found


def net_changes(then: dict[str, Any], now: dict[str, Any]) -> Changes:
    """The differences between the layers of two flat nets, but for fillers, which a resume does not ask."""
    found = compare(then.get("layers"), now.get("layers"), ("layers",)) if then else ()
    return tuple(change for change in found if not any(str(step).endswith("filler") for step in change.path[2:]))


def literal(value: Any) -> Any:
    """Plain values with every `$` doubled: resolved text has no variables, and `$$` is read as a dollar sign."""
    if isinstance(value, dict):
        return {key: literal(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [literal(item) for item in value]
    return value.replace("$", "$$") if isinstance(value, str) else value


def _brief(value: Any) -> Any:
    """Values of JSON in which a long list stands as its length and digest: a solver may hold its data."""
    if isinstance(value, dict):
        return {key: _brief(item) for key, item in value.items()}
    if not isinstance(value, list) or len(text := json.dumps(value)) < 10_000:
        return value
    return f"{len(value)} items, sha256 {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _jsonable(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return [_jsonable(item) for item in value]
    return {key: _jsonable(item) for key, item in value.items()} if isinstance(value, dict) else value

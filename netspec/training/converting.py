"""Converting: the weights of another program in a file of netspec, by the names of a net that is never run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from netspec.engine.weights import Weights
from netspec.net.shaped import ShapedGraph
from netspec.training import snapshot
from netspec.training.loading import LoadReport, match
from netspec.training.reading import read
from netspec.training.recorded import plain_net
from netspec.training.snapshot import Snapshot


def convert(shaped: ShapedGraph, net: dict[str, Any], source: Path, target: Path) -> LoadReport:
    """Write the weights in a file that fit a net as a snapshot of it; `net` are its flat plain values.

    Arrays are written from where they lie in the file, so that it may be larger than the memory. Raises SnapshotError.
    """
    import numpy as np

    nothing = np.zeros((), np.float32)
    params = tuple(np.broadcast_to(nothing, shape) for shape in shaped.params)
    names = tuple(param.name for param in shaped.graph.params)
    found = match(shaped, Weights(names, params, (), nothing, nothing), read(source), source)
    arrays = dict(zip(found.keys, (array for _, array in found.pairs), strict=True))
    snapshot.write(target, Snapshot(None, arrays, net=plain_net(net)))
    return found.report

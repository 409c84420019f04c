"""Writes an imported net: its YAML, and beside it its weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from netspec.interop.agreement import Difference
from netspec.interop.from_onnx.convert import Imported
from netspec.interop.places import places
from netspec.interop.yaml_text import net_text
from netspec.training import snapshot
from netspec.training.container import write_whole
from netspec.training.snapshot import Snapshot


def yaml(imported: Imported) -> str:
    """The net as YAML."""
    return net_text({"name": imported.name}, imported.layers, imported.notes)


def save(imported: Imported, path: Path, force: bool = False) -> list[Path]:
    """Write net.yaml, and net.safetensors where there are weights; their paths.

    Raises UsageError, ExistsError, WriteError, NotFiniteError.
    """
    paths = places(path, bool(imported.weights), force)
    for weights in paths[1:]:
        snapshot.write(weights, Snapshot(None, imported.weights))
    write_whole(path, yaml(imported).encode())
    return paths


def record(imported: Imported, paths: Sequence[Path], differences: Sequence[Difference]) -> dict[str, Any]:
    """All that there is to say of an import, for machines."""
    return {
        "name": imported.name,
        "layers": len(imported.layers),
        "params": imported.params,
        "notes": [*imported.notes],
        "files": [str(path) for path in paths],
        "differences": [asdict(each) for each in differences],
    }


def told(one: Difference) -> str:
    """A difference as a line of text."""
    return f"{one.blob}: on {one.inputs} at most {one.relative:.1e} of its largest value from onnxruntime's"

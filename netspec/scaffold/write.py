"""Writes a draft into files that are not there yet, both or neither."""

from __future__ import annotations

from pathlib import Path

from netspec.core.outputs import refuse_existing, writing
from netspec.scaffold.draft import Draft


def write(draft: Draft, name: str, folder: Path) -> tuple[Path, Path]:
    """Write NAME_net.yaml and NAME_solver.yaml; their paths. Raises ExistsError, WriteError."""
    paths = folder / f"{name}_net.yaml", folder / f"{name}_solver.yaml"
    for path in paths:
        refuse_existing(path, "say another --name, or move the file away; nothing was written")
    begun: list[Path] = []
    try:
        for path, text in zip(paths, draft, strict=True):
            with writing(path), path.open("x", encoding="utf-8") as file:
                begun.append(path)
                file.write(text)
    except BaseException:
        for path in begun:
            path.unlink(missing_ok=True)
        raise
    return paths

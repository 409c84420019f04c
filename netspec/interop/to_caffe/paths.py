"""Paths as Caffe reads them: from the folder that it is started in."""

from __future__ import annotations

from pathlib import Path

from netspec.core.locate import beside


def from_here(folder: Path | None, path: str) -> str:
    """A path that is written in a folder, from the current folder on; an absolute one where it leads out of that."""
    here = Path.cwd()
    found = here / beside(folder, path)
    return str(found.relative_to(here) if found.is_relative_to(here) else found)

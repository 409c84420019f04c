"""Finds the file that a word names: a path, or the name of a bundled net or solver.

Bundled files lie in `netspec/bundled/` of an installed wheel, and at the top of a checkout. Relative references between
them (`net: ../models/lenet.yaml`) hold in both.
"""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def bundled(folder: str) -> Path:
    """The folder of bundled `models` or `solvers`, or of bundled data (`fashion_mnist`)."""
    installed = _PACKAGE / "bundled" / folder
    return installed if installed.is_dir() else _PACKAGE.parent / folder


def shelves(folder: str) -> list[Path]:
    """Folders in which zoo names of `models` or `solvers` are looked up: NETSPEC_ZOO_PATH, then the bundled folder."""
    extra = [Path(p) for p in os.environ.get("NETSPEC_ZOO_PATH", "").split(os.pathsep) if p]
    return [*(path / folder for path in extra), bundled(folder)]


def names(folder: str) -> dict[str, Path]:
    """Every zoo name of `models` or `solvers` with its file."""
    found: dict[str, Path] = {}
    for shelf in shelves(folder):
        for path in sorted(shelf.glob("*.yaml")):
            found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def find(reference: str, folder: str, base: Path | None = None) -> Path:
    """The file that `reference` names: a path (relative to `base`, the folder of the referring file), else a zoo name.

    A file wins over a zoo name. When neither exists the path is returned, so that reading it says what is missing.
    """
    try:
        path = (base or Path()) / Path(reference).expanduser()
    except RuntimeError:  # a ~user that does not exist
        path = (base or Path()) / reference
    return path if exists(path) or is_path(reference) else names(folder).get(reference, path)


def shown(path: Path) -> str:
    """A path as a user would type it: `zoo:NAME` for a zoo file, relative where it lies below the current folder.

    Someone who works in the folder of `models` and `solvers` types a path.
    """
    try:
        whole, here = path.resolve(), Path.cwd()
    except (ValueError, OSError, RuntimeError):
        return str(path)
    relative = whole.relative_to(here) if whole.is_relative_to(here) else None
    if relative is not None and len(relative.parts) <= 2:
        return str(relative)
    shelved = (shelf for folder in ("models", "solvers") for shelf in shelves(folder))
    if whole.suffix == ".yaml" and any(whole.parent == shelf.resolve() for shelf in shelved):
        return f"zoo:{whole.stem}"
    return str(path if relative is None else relative)


def exists(path: Path) -> bool:
    """Whether a path exists; False where the system refuses to say."""
    try:
        return path.exists()
    except OSError:
        return False


def is_path(reference: str) -> bool:
    """Whether a reference can only be a path: it has a YAML suffix or a separator."""
    return Path(reference).suffix in {".yaml", ".yml"} or os.sep in reference

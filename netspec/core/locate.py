"""Finds the file that a word names: a path, a run folder, or the name of a bundled net or solver.

A path means what the operating system means by it. `link/..` is the parent of the folder that the link leads to, so a
path is never shortened by its text alone.

Bundled files lie in `netspec/bundled/` of an installed wheel, and at the top of a checkout. Relative references between
them (`net: ../models/lenet.yaml`) hold in both.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent

ZOO = "zoo:"
"""Before the name of a bundled net or solver it says that no file is meant."""
RUN_CONFIG = "config.yaml"
"""The file that makes a folder a run folder: the solver, with its net inside."""


def expanded(text: str) -> Path:
    """The path in a text, where `~` and `~user` at its beginning stand for a home folder."""
    return Path(os.path.expanduser(text))


def folder_of(variable: str) -> Path | None:
    """The folder that an environment variable names, if it is set."""
    text = os.environ.get(variable)
    return expanded(text) if text else None


def cache_root() -> Path:
    """The folder of what may be deleted at any time: NETSPEC_CACHE_DIR, or one in the user's cache folder."""
    from platformdirs import user_cache_dir

    given = folder_of("NETSPEC_CACHE_DIR")
    root = given or Path(user_cache_dir("netspec"))
    if given is None and not root.is_absolute():  # a user without a home: the path would begin in the current folder
        root = Path(os.devnull)
    return root.absolute()


def runs_folder() -> Path:
    """The folder of runs whose folder nobody names."""
    return folder_of("NETSPEC_RUNS_DIR") or Path("runs")


def beside(base: Path | None, path: str) -> Path:
    """A path that a spec names, relative to the folder `base` of that spec."""
    return tidy((base or Path()) / expanded(path))


def tidy(path: Path) -> Path:
    """A path to the same file, without steps `NAME/..` that lead nowhere: where NAME is a folder, and not a link."""
    kept = Path(path.anchor)
    for part in path.parts[1 if path.anchor else 0 :]:
        inner = part == ".." and kept.name not in {"", ".."} and os.path.isdir(kept) and not os.path.islink(kept)
        kept = kept.parent if inner else kept / part
    return kept


def whole(base: Path, path: str) -> str:
    """The absolute path, through no link, of the file that `path` means in the folder `base`."""
    found = base / expanded(path)
    return os.path.realpath(found) if "\0" not in path else str(found)  # the system has no file of such a name


def bundled(folder: str) -> Path:
    """The folder of bundled `models` or `solvers`, or of bundled data (`fashion_mnist`)."""
    installed = _PACKAGE / "bundled" / folder
    return installed if installed.is_dir() else _PACKAGE.parent / folder


def shelves(folder: str) -> list[Path]:
    """Folders in which zoo names of `models` or `solvers` are looked up: NETSPEC_ZOO_PATH, then the bundled folder."""
    extra = [expanded(p) for p in os.environ.get("NETSPEC_ZOO_PATH", "").split(os.pathsep) if p]
    return [*(path / folder for path in extra), bundled(folder)]


def names(folder: str) -> dict[str, Path]:
    """Every zoo name of `models` or `solvers` with its file."""
    found: dict[str, Path] = {}
    for shelf in shelves(folder):
        for path in specs(shelf):
            if path.suffix == ".yaml":
                found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def specs(folder: Path) -> Iterator[Path]:
    """The YAML files in a folder, by name; not those that begin with a dot, which editors and systems leave behind."""
    try:
        inside = sorted(os.listdir(folder))
    except OSError:
        return
    for name in inside:
        path = folder / name
        if not name.startswith(".") and path.suffix in _SUFFIXES and os.path.isfile(path):
            yield path


def find(reference: str, folder: str, base: Path | None = None) -> Path | None:
    """The file that a reference names, or None for a word that names nothing.

    It is a path (relative to `base`, the folder of the referring file), a run folder, whose config.yaml is meant, or a
    zoo name of `models` or `solvers`. What exists wins over a zoo name, except for a folder that is no run. After
    `zoo:` there is always a zoo name.
    """
    if (name := zoo_name(reference)) is not None:
        return names(folder).get(name)
    if not reference:
        return None
    path = tidy((base or Path()) / expanded(reference))
    if os.path.isfile(path / RUN_CONFIG):
        return path / RUN_CONFIG
    if is_path(reference) or (exists(path) and not os.path.isdir(path)):
        return path
    return names(folder).get(reference) or (path if exists(path) else None)


def zoo_name(reference: str) -> str | None:
    """The name in `zoo:NAME`; None for any other word, such as a path through a folder that is called so."""
    name = reference.removeprefix(ZOO)
    return None if name == reference or has_separator(name) else name


def shown(path: Path) -> str:
    """A path as a user would type it: `zoo:NAME` for a zoo file, relative where it lies below the current folder.

    Someone who works in the folder of `models` and `solvers` types a path.
    """
    path = tidy(path)
    try:
        relative = path.relative_to(Path.cwd()) if path.is_absolute() else path
    except (ValueError, OSError):
        relative = None
    if relative is not None and len(relative.parts) <= 2:
        return str(relative)
    if path.suffix == ".yaml" and path.is_absolute() and path.parent in (*shelves("models"), *shelves("solvers")):
        return f"{ZOO}{path.stem}"
    return str(path if relative is None else relative)


def from_here(text: str) -> str:
    """A text in which paths of files below the current folder begin there: `line 3 of /home/me/a.csv` of a.csv."""
    try:
        here = os.path.join(os.getcwd(), "")
    except OSError:  # the folder is gone
        return text
    return text if here == os.sep else re.sub(rf"(?<![^\s'\"(]){re.escape(here)}", "", text)


MOST_ABOVE = 8
"""Folders above a file in which what it names is looked for."""


def homes(folder: Path, text: str) -> Iterator[Path]:
    """The folders in which a path of a file may begin, where it lies in `folder` and other programs have written it.

    They start in the folder of their sources, so it may be the file's own, the current one, or one above the file.
    """
    yield folder
    if not expanded(text).is_absolute():
        yield Path()
        yield from [*Path(os.path.abspath(folder)).parents][:MOST_ABOVE]


def home(folder: Path, text: str) -> Path:
    """The first of these folders in which a path leads to something; the file's own where none does."""
    return next((one for one in homes(folder, text) if "\0" not in text and exists(one / expanded(text))), folder)


def exists(path: Path) -> bool:
    """Whether a path exists; False where the system refuses to say."""
    return os.path.exists(path)


def is_path(reference: str) -> bool:
    """Whether a reference can only be a path: it has a YAML suffix or a separator."""
    return Path(reference).suffix in _SUFFIXES or has_separator(reference)


def has_separator(text: str) -> bool:
    """Whether a text has a separator of paths; Windows has two, and drives."""
    return os.sep in text or (os.altsep or os.sep) in text or bool(Path(text).drive)


_SUFFIXES = {".yaml", ".yml"}

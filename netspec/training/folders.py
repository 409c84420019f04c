"""Which folder a run lives in: the next that is free, the latest, or that of a snapshot to resume from."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from netspec.core import code_files, locate
from netspec.core.errors import UsageError
from netspec.core.locate import RUN_CONFIG, runs_folder, tidy
from netspec.core.outputs import WriteError
from netspec.core.spelling import nearest
from netspec.training import snapshot


class NoRunError(UsageError):
    """There is no run in that folder, or nothing to resume."""

    code = "NS524"


SNAPSHOTS = "snapshots"
"""The folder of snapshots in a run folder."""


COMPUTED = "data"
"""The folder, in a run folder, of what was computed over training data."""


def best(folder: Path) -> Path | None:
    """The snapshot of the best test in a run folder, if it is kept."""
    path = folder / SNAPSHOTS / snapshot.BEST
    return path if path.is_file() else None


def weights_for(solver: Path, weights: Path | None, of_best: bool) -> Path:
    """The weights to test: a file, or of a run folder its latest snapshot or that of the best test.

    Left out, the solver is the run folder. Raises UsageError.
    """
    path = solver if weights is None else weights
    if not holds(path):
        if of_best:
            raise UsageError(f"'{path}' is not a run folder, so it has no best weights", help="leave --best out")
        if weights is None:
            raise UsageError("which weights?", help="say --weights FILE, or name a run folder")
        return path
    found = best(path) if of_best else snapshot.latest(path / SNAPSHOTS)
    if found is None:
        what = "keeps no best weights" if of_best else "has no snapshot yet"
        help = "train with `best: {}` in the solver" if of_best else "say --weights FILE"
        raise UsageError(f"the run '{path}' {what}", help=help)
    return found


def holds(folder: Path) -> bool:
    """Whether a folder is a run folder."""
    return (folder / RUN_CONFIG).is_file()


def instead_of(path: Path) -> str:
    """The help line for a path that is no run folder: a run in it, or the run beside it of the nearest name."""
    inside = path if path.is_dir() else path.parent
    found: list[Path] = []
    with contextlib.suppress(OSError):
        found = sorted(each for each in inside.iterdir() if holds(each))
    if found and path.is_dir():
        return f"name a run in it, like '{found[0]}'"
    near = nearest(path.name, [each.name for each in found])
    return f"did you mean '{near}'?" if near else "`netspec runs` lists the runs, and `netspec train` begins one"


def named(word: str) -> Path:
    """The path of a word, or of a name in the folder of runs where there is no such path."""
    path = locate.expanded(word)
    return path if path.exists() or locate.has_separator(word) else runs_folder() / path


def _numbered(name: str) -> Iterator[Path]:
    """runs/NAME-1, runs/NAME-2, ...; a name of any text becomes a single step of a path."""
    return (runs_folder() / f"{_step(name)}-{number}" for number in itertools.count(1))


def _step(name: str) -> str:
    """A name as a file name: without separators, and short enough for a number behind it."""
    separators = "/\0" + (os.altsep or "") + os.sep
    return "".join("_" if letter in separators else letter for letter in name)[:100]


def fresh_folder(name: str) -> Path:
    """The first of runs/NAME-1, runs/NAME-2, ... that does not exist."""
    return next(path for path in _numbered(name) if not os.path.lexists(path))


def claimed_folder(name: str) -> Path:
    """Make the first of runs/NAME-1, runs/NAME-2, ... that does not exist; no other process makes the same folder."""
    for path in _numbered(name):
        if not os.path.lexists(path):
            with writable(path), contextlib.suppress(FileExistsError):
                path.mkdir(parents=True)
                return path
    raise AssertionError("numbers do not end")


def latest_folder(name: str) -> Path:
    """The run folder of this name with the highest number among those with a snapshot. Raises NoRunError."""
    root, numbers = runs_folder(), {}
    for path in root.iterdir() if root.is_dir() else ():
        stem, _, number = path.name.rpartition("-")
        if stem == _step(name) and number.isdecimal() and snapshot.latest(path / SNAPSHOTS):
            numbers[int(number)] = path
    if not numbers:
        raise NoRunError(
            f"no run of '{name}' in '{root}' has a snapshot to resume from", help="say --output DIR or --resume FILE"
        )
    return numbers[max(numbers)]


def places(name: str, folder: Path | None, resume: bool | Path) -> tuple[Path, Path | None]:
    """The folder of a run of this name, and the snapshot to resume from; None for a start at the first iteration.

    `resume` is a snapshot, a folder of snapshots, or True for the latest of the run folder. If no folder is
    given, it is that of the snapshot; else, among runs/NAME-1, runs/NAME-2, ..., the last for a resume and the next for
    a new run. Raises NoRunError.
    """
    if resume is False:
        return folder or fresh_folder(name), None
    if resume is True:
        folder = folder or latest_folder(name)
        file = snapshot.latest(folder / SNAPSHOTS)
        if file is None and not (folder / RUN_CONFIG).exists():
            raise NoRunError(
                f"'{folder}' holds no snapshot to resume from", help="say --resume FILE, or leave --resume out"
            )
        return folder, file
    file = resume
    if file.is_dir():
        file = snapshot.latest(file / SNAPSHOTS) or snapshot.latest(file) or file
    above = (tidy(file.parent), Path(os.path.realpath(file.parent)))
    home = next((place.parent for place in above if place.name == SNAPSHOTS), None)
    folder = folder or home or fresh_folder(name)
    stopped_early = file.is_dir() and file == folder / SNAPSHOTS
    return folder, None if stopped_early else file


def ask_for_code(name: str, folder: Path | None, snapshot: Path | None) -> None:
    """Raise MissingCodeError if the run to resume was trained with a code file that is not given now.

    `name` is the solver's. It finds the run if neither its folder nor a snapshot is given.
    """
    folders = [folder] if folder else []
    folders += [snapshot, snapshot.parent, snapshot.parent.parent] if snapshot else []
    if not folders:
        with contextlib.suppress(NoRunError):
            folders = [latest_folder(name)]
    for each in folders:
        code_files.ask_for(each)


@contextlib.contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Refusals of the system in the body become a WriteError that names the folder."""
    try:
        yield
    except OSError as error:
        raise WriteError(f"'{folder}' cannot be written: {error.strerror}", help="choose another --output") from None

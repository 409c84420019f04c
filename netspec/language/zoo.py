"""The zoo: bundled nets and solvers by name, found in a checkout and in an installed wheel."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from netspec.core import locate
from netspec.core.errors import MachineError, UsageError
from netspec.core.spelling import suggest
from netspec.language.extend import Shelf
from netspec.language.files import read


class UnknownZooError(UsageError):
    """The zoo has no net or solver of that name."""

    code = "NS004"


class ExistsError(MachineError):
    """A copy would overwrite a file."""

    code = "NS525"


@dataclass(frozen=True)
class Entry:
    """A net with the solvers that train it."""

    name: str
    path: Path
    title: str
    cite: str
    solvers: tuple[str, ...]


def entries() -> list[Entry]:
    """Every net in the zoo."""
    solvers = {name: _net_of(path) for name, path in locate.names("solvers").items()}
    found = []
    for name, path in locate.names("models").items():
        values = read(path).plain()
        mine = tuple(solver for solver, net in solvers.items() if net == name)
        found.append(Entry(name, path, str(values.get("name", name)), str(values.get("cite", "")), mine))
    return found


def _net_of(path: Path) -> str:
    """The zoo name of the net that a solver trains, by name or by `extends` of a net inside the solver."""
    for solver in _with_parents([path]):
        net = read(solver).plain().get("net")
        net = net.get("extends") if isinstance(net, dict) else net
        if isinstance(net, str):
            return Path(net).stem
    return ""


def files(name: str) -> list[Path]:
    """The net of a name and its solvers, or the solver of that name and its net; then the files that these extend.

    Raises UnknownZooError.
    """
    models, solvers = locate.names("models"), locate.names("solvers")
    for entry in entries():
        if entry.name == name:
            return _with_parents([entry.path, *(solvers[solver] for solver in entry.solvers)])
    if name in solvers:
        return _with_parents([models[_net_of(solvers[name])], solvers[name]])
    raise UnknownZooError(f"the zoo has no '{name}'", help=suggest(name, [*models, *solvers]))


def _with_parents(paths: list[Path]) -> list[Path]:
    """The given files, followed by every file that they extend."""
    found = list(paths)
    for path in found:
        parent = read(path).plain().get("extends")
        if isinstance(parent, str):
            shelf: Shelf = "solvers" if path in locate.names("solvers").values() else "models"
            above = locate.find(parent, shelf, path.parent)
            if above.resolve() not in {other.resolve() for other in found}:
                found.append(above)
    return found


def copy(name: str, folder: Path, force: bool = False) -> list[Path]:
    """Copy a net and its solvers to folder/models and folder/solvers; returns the new paths.

    The JSON Schemas for editors are written too, over those of an earlier copy. Raises UnknownZooError, ExistsError.
    """
    pairs = [(path, folder / path.parent.name / path.name) for path in files(name)]
    taken = [str(target) for _, target in pairs if target.exists()]
    if taken and not force:
        raise ExistsError(f"'{taken[0]}' already exists", help="say --force to write over it")
    for shelf in sorted({path.parent.name for _, path in pairs}):
        pairs += [(path, folder / shelf / path.name) for path in locate.bundled(shelf).glob("*.schema.json")]
    for source, target in pairs:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return [target for _, target in pairs]

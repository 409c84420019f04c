"""The zoo: bundled nets and solvers by name, found in a checkout and in an installed wheel."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netspec.core import locate
from netspec.core.errors import SpecError, UsageError
from netspec.core.outputs import ExistsError
from netspec.core.spelling import suggest
from netspec.language.extend import Shelf
from netspec.language.files import read
from netspec.language.paths import same_file


class UnknownZooError(UsageError):
    """The zoo has no net or solver of that name."""

    code = "NS004"


@dataclass(frozen=True)
class Entry:
    """A net with the solvers that train it."""

    name: str
    path: Path
    title: str
    cite: str
    solvers: tuple[str, ...]


def entries() -> list[Entry]:
    """Every net in the zoo, those too whose files cannot be read."""
    solvers = {name: _net_of(path) for name, path in locate.names("solvers").items()}
    found = []
    for name, path in locate.names("models").items():
        values = _plain(path)
        mine = tuple(solver for solver, net in solvers.items() if net == name)
        found.append(Entry(name, path, str(values.get("name", name)), str(values.get("cite", "")), mine))
    return found


def _net_of(path: Path) -> str:
    """The zoo name of the net that a solver trains, by name or by `extends` of a net inside the solver."""
    for solver in _with_parents([path]):
        net = _plain(solver).get("net")
        net = net.get("extends") if isinstance(net, dict) else net
        if isinstance(net, str):
            return Path(net.removeprefix(locate.ZOO)).stem
    return ""


def _plain(path: Path) -> dict[str, Any]:
    """The values of a file; none of a file that cannot be read."""
    try:
        return read(path).plain()
    except SpecError:
        return {}


def files(name: str) -> list[Path]:
    """The net of a name and its solvers, or the solver of that name and its net; then the files that these extend.

    Raises UnknownZooError.
    """
    models, solvers, name = locate.names("models"), locate.names("solvers"), name.removeprefix(locate.ZOO)
    if name in models:
        mine = [path for path in solvers.values() if _net_of(path) == name]
        return _with_parents([models[name], *mine])
    if name in solvers:
        net = models.get(_net_of(solvers[name]))
        return _with_parents([*([net] if net else []), solvers[name]])
    raise _unknown(name)


def _unknown(name: str) -> UnknownZooError:
    return UnknownZooError(
        f"the zoo has no '{name}'", help=suggest(name, [*locate.names("models"), *locate.names("solvers")])
    )


def text(name: str, solver: bool = False) -> str:
    """A net or solver of the zoo as it is written; `solver` for a name that both have. Raises UnknownZooError."""
    name = name.removeprefix(locate.ZOO)
    net, trains = locate.names("models").get(name), locate.names("solvers").get(name)
    path = (trains or net) if solver else (net or trains)
    if path is None:
        raise _unknown(name)
    return path.read_text(encoding="utf-8", errors="replace")


def _with_parents(paths: list[Path]) -> list[Path]:
    """The given files, followed by every file that they extend."""
    found = list(paths)
    for path in found:
        parent = _plain(path).get("extends")
        if isinstance(parent, str):
            shelf: Shelf = "solvers" if path in locate.names("solvers").values() else "models"
            above = locate.find(parent, shelf, path.parent)
            if above is not None and not any(same_file(above, other) for other in found):
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
        unfinished = target.with_name(f".{target.name}.tmp")
        try:
            shutil.copyfile(source, unfinished)
            os.replace(unfinished, target)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
    return [target for _, target in pairs]

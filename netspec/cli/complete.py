"""Completion in the shell: zoo names, spec files, run folders, keys of overrides, error codes, layer types.

Loads no numbers.
"""

from __future__ import annotations

import contextlib
import csv
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import typer

from netspec.core import locate

if TYPE_CHECKING:
    from netspec.core.nodes import Document
    from netspec.language.extend import Shelf


def solvers(incomplete: str) -> list[str]:
    """Zoo solvers, spec files and run folders."""
    runs = _runs(incomplete)
    files = [path for path in _files(incomplete) if path.removesuffix("/") not in runs]
    return [*_beginning(incomplete, locate.names("solvers")), *files, *runs]


def runs(incomplete: str) -> list[str]:
    """Run folders, and the names of those in the folder of runs."""
    paths = _runs("")
    names = [os.path.basename(path) for path in paths]
    return [word for word in (*names, *paths) if word.startswith(incomplete)]


def specs(incomplete: str) -> list[str]:
    """Zoo nets and solvers, spec files and run folders."""
    return sorted({*_beginning(incomplete, locate.names("models")), *solvers(incomplete)})


def zoo(incomplete: str) -> list[str]:
    """Zoo nets and solvers."""
    return _beginning(incomplete, {**locate.names("models"), **locate.names("solvers")})


def codes(incomplete: str) -> list[tuple[str, str]]:
    """Error codes with their meaning."""
    from netspec.core.explained import explained

    return [(one.code, one.summary) for one in explained() if one.code.startswith(incomplete.upper())]


def layer_types(incomplete: str) -> list[str]:
    """Layer types, and the sources and transforms of data."""
    from netspec.data.sources.base import SOURCES
    from netspec.data.transforms.base import TRANSFORMS
    from netspec.layers.base import LAYERS

    words = sorted({word for room in (LAYERS, SOURCES, TRANSFORMS) for word in room.words()})
    return [word for word in words if word.lower().startswith(incomplete.lower())]


def net_keys(ctx: typer.Context, incomplete: str) -> list[str]:
    """Keys of overrides of the net that the command line names."""
    named = (ctx.params.get(name) for name in ("net", "file", "after", "before"))
    return _keys(next(filter(None, named), None), "models", incomplete)


def solver_keys(ctx: typer.Context, incomplete: str) -> list[str]:
    """Keys of overrides of the solver that the command line names, and of its net below `net.`."""
    return _keys(ctx.params.get("solver"), "solvers", incomplete)


def feeds(ctx: typer.Context, incomplete: str) -> list[str]:
    """Feeds of any solver, and the further test sets of the one that the command line names."""
    further = {key.removeprefix("data.tests.").rstrip(".=") for key in solver_keys(ctx, "data.tests.")} - {"data.tests"}
    return sorted(name for name in {"train", "validation", "test"} | further if name.startswith(incomplete))


def curves(ctx: typer.Context, incomplete: str) -> list[str]:
    """Panels of curves, and what the runs that the command line names have recorded."""
    from netspec.study.quantities import PANELS

    return [word for word in (*PANELS, *_recorded(ctx)) if word.startswith(incomplete)]


def metrics(ctx: typer.Context, incomplete: str) -> list[str]:
    """Scores that the runs that the command line names have recorded."""
    return [word for word in _recorded(ctx) if "/" in word and word.startswith(incomplete)]


def _recorded(ctx: typer.Context) -> list[str]:
    """The columns of metrics.csv of the runs that the command line names."""
    from netspec.training.figures import CLOCK, COMMON, WHEN
    from netspec.training.folders import named
    from netspec.training.runs import FIGURES

    found: dict[str, None] = {}
    for run in ctx.params.get("runs") or ctx.args:  # the parser leaves the words of an unfinished line there
        with contextlib.suppress(OSError, UnicodeDecodeError):
            line = (named(run) / FIGURES).read_text(encoding="utf-8").partition("\n")[0]
            found |= dict.fromkeys(*csv.reader([line]))
    return [name for name in found if name not in {*WHEN, *COMMON, *CLOCK}]


def _beginning(incomplete: str, words: Mapping[str, Any]) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]


def _files(incomplete: str) -> list[str]:
    """YAML files, and folders to go on in, that a path begins."""
    folder, begun = os.path.split(incomplete)
    return sorted(
        entry + "/" * is_folder
        for entry, is_folder in _entries(folder, begun)
        if is_folder or entry.endswith((".yaml", ".yml"))
    )


def _runs(incomplete: str) -> list[str]:
    """Run folders in the folder of runs."""
    found = [path for path, is_folder in _entries(str(locate.runs_folder()), "") if is_folder]
    runs = (path for path in found if os.path.isfile(os.path.join(path, locate.RUN_CONFIG)))
    return sorted(path for path in runs if path.startswith(incomplete))


def _entries(folder: str, begun: str) -> Iterator[tuple[str, bool]]:
    """(path, whether it is a folder) of what is in a folder and begins with some letters; hidden files on demand."""
    try:
        with os.scandir(folder or ".") as entries:
            for entry in entries:
                if entry.name.startswith(begun) and (begun or not entry.name.startswith(".")):
                    yield os.path.join(folder, entry.name), entry.is_dir()
    except OSError:
        return


def _keys(name: str | None, shelf: Shelf, incomplete: str) -> list[str]:
    """Keys that begin with some letters, of the spec of a name: those with keys below end in a dot, others in `=`."""
    from netspec.core.errors import NetspecError
    from netspec.language.extend import open_spec

    if not name or "=" in incomplete:
        return []
    try:
        document = open_spec(str(name), shelf)
        found = _below(document, shelf, incomplete)
        while len(found) == 1 and found[0].endswith("."):  # the shell would put a space behind it
            found = _below(document, shelf, found[0])
    except NetspecError:
        return []
    return found


def _below(document: Document, shelf: Shelf, incomplete: str) -> list[str]:
    from netspec.cli._keys import keys

    above, dot, begun = incomplete.rpartition(".")
    path = above.split(".") if above else []
    return [f"{above}{dot}{key}" for key in keys(document, shelf, path) if key.startswith(begun)]

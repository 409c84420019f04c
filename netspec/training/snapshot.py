"""Snapshots: weights, history, iteration, seed, net and solver settings in a safetensors file, written and read.

A snapshot is complete or absent: it is written to a temporary file, flushed to the disk, and renamed. The position in
the data and every random number are functions of (seed, iteration), so a snapshot stores only these two.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.core import code_files
from netspec.core.errors import DivergedError, MachineError, SnapshotError
from netspec.core.shape import counted, text
from netspec.core.spelling import suggest
from netspec.language.foreign import weights_of

if TYPE_CHECKING:
    from netspec.core.calls import Array
    from netspec.engine.weights import Weights

FORMAT = 1
_NAME = re.compile(r"iter_(\d+)\.safetensors")


class MissingSnapshotError(SnapshotError):
    """The snapshot file does not exist."""

    code = "NS511"


class UnreadableSnapshotError(SnapshotError):
    """The file is not a snapshot, or has a format that this version does not read."""

    code = "NS512"


class OtherNetError(SnapshotError):
    """The snapshot belongs to another net."""

    code = "NS513"


class NotFiniteError(DivergedError):
    """A weight is NaN or infinite: no snapshot may hold it."""

    code = "NS503"


class WriteError(MachineError):
    """The disk is full, or the folder may not be written."""

    code = "NS521"


@dataclass(frozen=True)
class Snapshot:
    """The contents of a snapshot file. `weights` by 'layer.param', `history` by (slot, 'layer.param')."""

    iteration: int
    weights: dict[str, Array]
    history: dict[tuple[int, str], Array] = field(default_factory=dict)
    net: str = ""
    solver: dict[str, Any] = field(default_factory=dict)
    losses: tuple[float, ...] = ()


@dataclass(frozen=True)
class LoadReport:
    """Names of params: loaded from the file; in the file but not in the net; in the net but left at their fillers.

    `changed` lists differences between the code files in use and those the weights were trained with.
    """

    loaded: tuple[str, ...]
    skipped: tuple[str, ...]
    left: tuple[str, ...]
    changed: tuple[str, ...] = ()

    def __str__(self) -> str:
        rows = [f"{counted(len(self.loaded), 'param')} loaded"]
        rows += [f"skipped (not in the net): {', '.join(self.skipped)}"] if self.skipped else []
        rows += [f"left at their fillers: {', '.join(self.left)}"] if self.left else []
        rows += [f"changed: {'; '.join(self.changed)}"] if self.changed else []
        return "; ".join(rows)


def name(iteration: int) -> str:
    """File name of an iteration's snapshot: iter_000500.safetensors."""
    return f"iter_{iteration:06d}.safetensors"


def write(path: Path, state: Snapshot) -> None:
    """Write a snapshot, whole or not at all. Raises NotFiniteError, WriteError."""
    tensors = dict(state.weights)
    tensors |= {f"history.{slot}:{param}": array for (slot, param), array in state.history.items()}
    about = {
        "format": FORMAT,
        "iteration": state.iteration,
        "net": state.net,
        "solver": state.solver,
        "losses": state.losses,
    }
    write_weights(path, tensors, {"netspec": json.dumps(about, sort_keys=True)})


def write_weights(path: Path, tensors: dict[str, Array], about: dict[str, str] | None = None) -> None:
    """Write arrays by name, whole or not at all. Raises NotFiniteError, WriteError."""
    import numpy as np
    from safetensors.numpy import save

    for key, array in tensors.items():
        if not np.isfinite(array).all():
            raise NotFiniteError(
                f"'{key}' is not finite, so no snapshot was written", help="lower base_lr, or set clip_gradients"
            )
    write_whole(path, save(tensors, about))


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file's content; the old content stays until the new is safely on the disk. Raises WriteError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with _refusals(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WriteError(
            f"'{path}' cannot be written: {error.strerror}", help="free some space, or choose another --output"
        ) from None


def read(path: Path) -> Snapshot:
    """Read a snapshot file. Raises MissingSnapshotError, UnreadableSnapshotError."""
    tensors, about = read_tensors(path)
    if about is None:
        raise UnreadableSnapshotError(
            f"'{path}' holds weights, but no solver state to resume from",
            help="to start from its weights, say --weights",
        )
    weights = {key: array for key, array in tensors.items() if not key.startswith("history.")}
    history: dict[tuple[int, str], Array] = {}
    try:
        for key, array in tensors.items():
            if key.startswith("history."):
                slot, _, param = key.removeprefix("history.").partition(":")
                history[int(slot), param] = array
        return Snapshot(
            int(about["iteration"]), weights, history, about["net"], dict(about["solver"]), tuple(about["losses"])
        )
    except (KeyError, ValueError, TypeError):
        raise UnreadableSnapshotError(
            f"'{path}' does not say what it belongs to", help="to start from its weights, say --weights"
        ) from None


def read_tensors(path: Path) -> tuple[dict[str, Array], dict[str, Any] | None]:
    """All arrays in a safetensors file, and netspec's metadata (None in a file of another program)."""
    from safetensors import SafetensorError, safe_open

    if path.is_dir():
        raise MissingSnapshotError(f"'{path}' is a folder, not a snapshot", help="name a .safetensors file in it")
    if not path.is_file():
        there = [p.name for p in path.parent.glob("*.safetensors")] if path.parent.is_dir() else []
        raise MissingSnapshotError(f"there is no snapshot '{path}'", help=suggest(path.name, there) if there else None)
    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
            about = (file.metadata() or {}).get("netspec")
    except (SafetensorError, OSError, TypeError, AttributeError) as error:
        raise UnreadableSnapshotError(
            f"'{path}' is not a snapshot: {error}", help=f"{weights_of(path) or ''}snapshots are safetensors files"
        ) from None
    if not about:
        return tensors, None
    try:
        parsed = dict(json.loads(about))
    except (TypeError, ValueError):
        parsed = {}
    if parsed.get("format") != FORMAT:
        raise UnreadableSnapshotError(f"'{path}' has format {parsed.get('format')}, this version reads {FORMAT}")
    return tensors, parsed


def listing(folder: Path) -> list[Path]:
    """The snapshots in a folder, oldest iteration first."""
    found = {int(match[1]): path for path in folder.glob("iter_*.safetensors") if (match := _NAME.fullmatch(path.name))}
    return [found[iteration] for iteration in sorted(found)]


def latest(folder: Path) -> Path | None:
    """The snapshot of the highest iteration, if there is one."""
    return next(reversed(listing(folder)), None) if folder.is_dir() else None


def prune(folder: Path, keep: int) -> None:
    """Delete all but the last `keep` snapshots, and the temporary files of interrupted writes."""
    for path in [*listing(folder)[:-keep], *folder.glob(".iter_*.tmp")]:
        path.unlink(missing_ok=True)


def set_aside(folder: Path, iteration: int) -> list[Path]:
    """Move the snapshots after an iteration to the subfolder `replaced`: a resumed run writes its own."""
    later = [path for path in listing(folder) if int(path.stem.removeprefix("iter_")) > iteration]
    for path in later:
        (folder / "replaced").mkdir(exist_ok=True)
        os.replace(path, folder / "replaced" / path.name)
    return later


def load_file(weights: Weights, path: Path, also: Mapping[str, str] | None = None) -> LoadReport:
    """Copy the arrays of a file into a net's params by name. Raises SnapshotError.

    `also` holds for some params another name, under which they are looked for too.
    """
    tensors, about = read_tensors(path)
    other = {own: name for own, name in (also or {}).items() if own not in tensors and name in tensors}
    found = {own: tensors[name] for own, name in other.items()}
    used = set(other.values()) - set(weights.names)
    tensors = {name: array for name, array in tensors.items() if name not in used} | found
    report = load_weights(weights, tensors, path)
    code = (about or {}).get("solver", {}).get("code")
    return replace(report, changed=tuple(code_files.changes(code, code_files.recorded()))) if code else report


def load_weights(weights: Weights, tensors: dict[str, Array], path: Path) -> LoadReport:
    """Copy arrays into a net's params by name. Raises OtherNetError when a shape differs or no name matches."""
    tensors = {key: array for key, array in tensors.items() if not key.startswith("history.")}
    extra, missing = compare(weights, tensors, path)
    for key, array in tensors.items():
        if key in weights.names:
            weights.data[weights.index(key)][...] = array
    return LoadReport(tuple(k for k in weights.names if k in tensors), tuple(extra), tuple(missing))


def compare(
    weights: Weights, tensors: dict[str, Array], path: Path, strict: bool = False
) -> tuple[list[str], list[str]]:
    """Match arrays and params by name: the arrays without a param, and the params without an array.

    Raises OtherNetError when a shape differs, when no name matches, or with `strict` when any name has no match.
    """
    wrong = [
        f"'{key}' is {text(array.shape)} in the snapshot and {text(weights.data[weights.index(key)].shape)} in the net"
        for key, array in tensors.items()
        if key in weights.names and array.shape != weights.data[weights.index(key)].shape
    ]
    missing, extra = (_but(weights.names, tensors), _but(tensors, weights.names))
    if strict:
        wrong += [f"'{key}' is only in the net" for key in missing] + [
            f"'{key}' is only in the snapshot" for key in extra
        ]
    elif not wrong and len(extra) == len(tensors):
        wrong = [f"it has {', '.join(list(tensors)[:6]) or 'nothing'}", f"the net has {', '.join(weights.names[:6])}"]
    if wrong:
        rest = f" (and {len(wrong) - 4} more)" if len(wrong) > 4 else ""
        hint = None if strict else "give the layer another name to start it from its filler"
        raise OtherNetError(f"'{path}' belongs to another net: {'; '.join(wrong[:4])}{rest}", help=hint)
    return extra, missing


def _but(these: Sequence[str] | dict[str, Array], those: Sequence[str] | dict[str, Array]) -> list[str]:
    return [key for key in these if key not in those]

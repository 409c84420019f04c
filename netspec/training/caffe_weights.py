"""Caffe's files of weights as snapshots, and their blobs by the names that a net has for its params.

Layers are matched by name, and their blobs by number. Source: Caffe net.cpp, CopyTrainedLayersFrom; blob.cpp,
ShapeEquals.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from netspec.core.errors import SnapshotError
from netspec.core.shape import Shape, counted
from netspec.formats import caffe_hdf5, caffemodel
from netspec.formats.files import FileError, opened
from netspec.net.graph import ParamKey
from netspec.training.snapshot import Snapshot

if TYPE_CHECKING:
    from netspec.core.calls import Array

SUFFIX = ".caffemodel"
STATES = (".solverstate", ".solverstate.h5")
"""Suffixes of Caffe's states of a solver."""


class CaffeFileError(SnapshotError):
    """A file of Caffe's weights, or of the state of its solver, is damaged or of another kind."""

    code = "NS730"


class _Blob(Protocol):
    """A blob of a file: its values, and whether its shape is of the time when all had four axes."""

    @property
    def data(self) -> Array: ...
    @property
    def legacy(self) -> bool: ...


@contextmanager
def caffe_file() -> Iterator[None]:
    """What is wrong with a data file is wrong with a file of Caffe in the body."""
    try:
        yield
    except FileError as error:
        raise CaffeFileError(error.message, help=error.help) from None


def is_state(path: Path) -> bool:
    """Whether a path is that of a state of Caffe's solver, by its name."""
    return path.name.lower().endswith(STATES)


def is_weights(path: Path) -> bool:
    """Whether a file holds weights of Caffe, by its name or its first bytes."""
    if path.suffix.lower() == SUFFIX:
        return True
    with caffe_file(), opened(path) as file:
        head = file.read(9)
    return head.startswith(caffe_hdf5.MAGIC) or (head[8:] != b"{" and head.startswith(caffemodel.BEGINNINGS))


def read(path: Path) -> Snapshot:
    """The weights in a `.caffemodel` or `.caffemodel.h5`, their params called by numbers. Raises CaffeFileError."""
    layers: list[tuple[str, Mapping[int, _Blob]]]
    with caffe_file():
        if caffe_hdf5.is_hdf5(path):
            layers = [(layer.name, layer.blobs) for layer in caffe_hdf5.read_layers(path)]
        else:
            layers = [(layer.name, dict(enumerate(layer.blobs))) for layer in caffemodel.read_layers(path)]
    weights: dict[ParamKey, Array] = {}
    legacy: set[ParamKey] = set()
    for name, blobs in layers:
        for number, blob in blobs.items():
            key = ParamKey(name, str(number))
            weights[key] = blob.data
            (legacy.add if blob.legacy else legacy.discard)(key)
    return Snapshot(None, weights, numbered=True, legacy=frozenset(legacy))


def named(state: Snapshot, own: Mapping[ParamKey, Array], shared: Collection[ParamKey]) -> tuple[Snapshot, list[str]]:
    """A snapshot whose params have the net's names, and what does not fit: other numbers of blobs than params.

    `own` are the net's params, `shared` those that belong to an earlier layer, which files may leave out.
    """
    if not state.numbered:
        return state, []
    params: dict[str, list[ParamKey]] = {}
    for key in own:
        params.setdefault(key.layer, []).append(key)
    held: dict[str, dict[ParamKey, Array]] = {}
    for key, array in state.weights.items():
        held.setdefault(key.layer, {})[key] = array
    weights: dict[ParamKey, Array] = {}
    wrong: list[str] = []
    for layer, blobs in held.items():
        if layer not in params or any(key in own for key in blobs):
            weights |= blobs
            continue
        keys = {ParamKey(layer, str(number)): key for number, key in enumerate(params[layer])}
        missing = [key for number, key in keys.items() if number not in blobs and key not in shared]
        if missing or not blobs.keys() <= keys.keys():
            here, there = counted(len(blobs), "blob"), counted(len(keys), "param")
            wrong.append(f"layer '{layer}' has {here} in the file and {there} in the net")
            continue
        for number, array in blobs.items():
            key = keys[number]
            weights[key] = _as(own[key].shape, array) if number in state.legacy else array
    return replace(state, weights=weights), wrong


def _as(shape: Shape, array: Array) -> Array:
    """An array of four axes in a shape of fewer, where those in front are all 1; as it is where it does not fit."""
    fits = len(shape) <= 4 and (1,) * (4 - len(shape)) + shape == array.shape
    return array.reshape(shape) if fits else array

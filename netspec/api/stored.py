"""The params of a Net in files, and shared with other nets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.api.arguments import BadArgumentError, path_of
from netspec.core.shape import text
from netspec.engine.bind import bind
from netspec.engine.weights import params_by_key
from netspec.training import caffe_saving, snapshot
from netspec.training.loading import LoadReport, load
from netspec.training.snapshot import Snapshot

if TYPE_CHECKING:
    from netspec.api.passes import Passes
    from netspec.api.recipe import Recipe
    from netspec.core.calls import Array
    from netspec.engine.program import Program
    from netspec.formats.caffemodel import Written
    from netspec.net.graph import ParamKey


class Stored:
    """What reads, writes and shares the params of a Net."""

    _program: Program
    _recipe: Recipe
    _memory: Passes
    _alone: bool

    if TYPE_CHECKING:

        def _take(self, program: Program) -> None: ...

    def save(self, path: str | Path) -> None:
        """Write the params of every layer to a file, a shared one under each layer that has it.

        A name that ends in .caffemodel, .caffemodel.h5 or .h5 is written in Caffe's format, any other as safetensors.
        A .caffemodel of a net from a prototxt has the fields of its layers too, as Caffe's own.
        Raises WriteError, NotFiniteError.
        """
        program, target = self._program, path_of(path, "a file of weights")
        with program.weights.turn.lock():
            params = params_by_key(program.shaped, program.weights)
            if caffe_saving.is_caffe(target):
                caffe_saving.save(target, program.shaped, params, self._layers(target, params))
            else:
                snapshot.write(target, Snapshot(None, params))

    def _layers(self, target: Path, params: dict[ParamKey, Array]) -> list[Written] | None:
        """The layers of a net from a prototxt, for a .caffemodel; None of others."""
        if not self._recipe.exact or target.suffix.lower() == caffe_saving.HDF5:
            return None
        from netspec.interop.to_caffe.files import saved
        from netspec.net.load import load_net

        recipe = self._recipe
        return saved(load_net(recipe.document, (), recipe.state, recipe.batch), params)

    def load(self, path: str | Path, average: str | None = None) -> LoadReport:
        """Read params by layer and name from a snapshot or a safetensors file of any program, or from Caffe's files.

        `average` is the kind of a snapshot's average of weights, such as "ema", to take in place of the weights.
        Returns a report of the params loaded, skipped and left. Raises SnapshotError.
        """
        source = path_of(path, "a file of weights")
        program = self._program
        with program.weights.turn.lock():
            try:
                return load(program.shaped, program.weights, source, average=average)
            finally:  # whatever was loaded when an interrupt came
                program.prepare()

    def copy_from(self, path: str | Path) -> LoadReport:
        """pycaffe's word for `load`."""
        return self.load(path)

    def save_hdf5(self, path: str | Path) -> None:
        """Write the params in Caffe's HDF5 format. Raises BadArgumentError unless the name ends in .h5."""
        self.save(_hdf5(path))

    def load_hdf5(self, path: str | Path) -> LoadReport:
        """Read params in Caffe's HDF5 format, as `load` does."""
        return self.load(path)

    def share_with(self, other: Any) -> None:
        """Let the params of layers that `other` has by that name be the same memory as its own; diffs stay apart.

        Raises BadArgumentError where shapes differ, or where either does not keep its params as they are.
        """
        mine, theirs = self._program, other._program
        if not self._alone or mine.plan.fixed or theirs.plan.fixed or mine.plan.dtype != theirs.plan.dtype:
            what = "params are shared between nets of one number type that keep theirs"
            raise BadArgumentError(what, help="make both with keep=True, and share a Net that no Solver trains")
        own, found = mine.graph.param_keys, theirs.graph.param_keys
        data = list(mine.weights.data)
        for key, index in own.items():
            if key in found:
                array = theirs.weights.data[found[key]]
                if array.shape != data[index].shape:
                    shapes = f"{text(data[index].shape)} here and {text(array.shape)} there"
                    raise BadArgumentError(f"param '{key}' is {shapes}, so it cannot be shared")
                data[index] = array
        weights = replace(mine.weights, data=tuple(data), turn=theirs.weights.turn)
        self._take(bind(mine.shaped, mine.plan, weights, self._recipe.seed))


def _hdf5(path: str | Path) -> Path:
    target = path_of(path, "a file of weights")
    if target.suffix.lower() != ".h5":
        raise BadArgumentError(f"'{target}' is no name of an HDF5 file", help="like weights.caffemodel.h5")
    return target

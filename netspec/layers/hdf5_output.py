"""HDF5Output: writes two blobs to an HDF5 file. Source: Caffe hdf5_output_layer.cpp."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from netspec.core.calls import Run
from netspec.core.errors import MachineError
from netspec.core.locate import expanded
from netspec.core.model import Aka, SpecPath
from netspec.core.optional import library
from netspec.core.shape import Shapes
from netspec.layers.base import NONE, NOTHING, TWO, Abilities, Arity, Passing, Purpose
from netspec.layers.base_python import PythonLayer


class UnwritableOutputError(MachineError):
    """The file that a layer writes its bottoms to cannot be written."""

    code = "NS640"


class HDF5Output(PythonLayer):
    """Write two blobs to the datasets `data` and `label` of a file, batch behind batch.

    Bottoms: data (N, ...) and label (N, ...). No top. The first batch of a training or of a test begins the file anew;
    the others are appended. Caffe's file holds a single batch.
    """

    purpose: ClassVar[Purpose] = "data"
    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, label], shape: [[3, 4], [3]]}
- {name: ip, type: InnerProduct, bottom: data, num_output: 2, weight_filler: xavier}
- {name: kept, type: HDF5Output, bottom: [ip, label], file_name: scores.h5}
- {name: loss, type: SoftmaxWithLoss, bottom: [ip, label]}
"""
    bottoms: ClassVar[Arity] = TWO
    tops: ClassVar[Arity] = NONE

    file_name: Annotated[SpecPath, Aka("file", "source")] = Field(description="The file that is written.")

    @property
    def abilities(self) -> Abilities:
        """Backward reads nothing."""
        return Abilities(reads=NOTHING)

    @property
    def passing(self) -> Passing:
        """It passes no gradient."""
        return Passing(stops=True)

    def identity(self) -> dict[str, object]:
        """Nothing: the file is no part of the computation."""
        return {}

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """None."""
        return ()

    def compute(self, run: Run) -> None:
        """Append a batch, or begin with it. Raises UnwritableOutputError, NoLibraryError."""
        h5py = library("h5py", "hdf5", "HDF5Output")
        place = self.place("file_name")
        path = (place.source.folder if place else Path()) / expanded(self.file_name)
        try:
            with h5py.File(path, "a" if run.clock.any() else "w") as file:
                for key, values in zip(("data", "label"), run.bottom, strict=True):
                    if key not in file:
                        file.create_dataset(key, data=values, maxshape=(None, *values.shape[1:]), chunks=True)
                        continue
                    rows = len(file[key])
                    file[key].resize(rows + len(values), axis=0)
                    file[key][rows:] = values
        except (OSError, ValueError, TypeError) as error:
            text = f"layer '{self.name}' cannot write '{path}': {error}"
            raise UnwritableOutputError(text, at=self.place("file_name")) from None

    def gradients(self, run: Run) -> None:
        """Zeros."""
        for diff in run.bottom_diff:
            if diff is not None:
                diff.fill(0)

"""HDF5Data: arrays of HDF5 files. Source: Caffe hdf5_data_layer.cpp."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from netspec.core.model import SpecPath
from netspec.core.shape import Shape
from netspec.layers._brings import Brings
from netspec.layers.base import MANY, Arity


class HDF5Data(Brings):
    """Hold arrays of HDF5 files, one dataset for each top, which has the name of its dataset.

    Bottom: none. Tops: one or more (N, ...), rows of the datasets. With `shuffle` all samples are shuffled together,
    where Caffe shuffles the files, and the rows within a file.
    """

    example: ClassVar[str] = """
- {name: hdf5, type: HDF5Data, top: [data, wanted], source: train.txt, batch_size: 3, shape: [[4, 5], [2]]}
- {name: ip, type: InnerProduct, bottom: data, num_output: 2, weight_filler: xavier}
- {name: loss, type: EuclideanLoss, bottom: [ip, wanted]}
"""
    tops: ClassVar[Arity] = MANY
    sample: ClassVar[Shape] = (10,)

    source: SpecPath = Field(description="A text file with the path of an HDF5 file a line, or one such file.")
    batch_size: int = Field(gt=0, description="Samples in a batch.")
    shuffle: bool = Field(False, description="A new order in each epoch.")

    @property
    def batch(self) -> int:
        """The `batch_size`."""
        return self.batch_size

    def feed(self) -> dict[str, Any]:
        """Hdf5, with the names of the tops as those of the datasets."""
        files = (self.source,)
        return {"source": {"type": "Hdf5", "files": files, "keys": self.top_names()}}

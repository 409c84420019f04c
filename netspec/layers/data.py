"""Data: images and labels of an LMDB database. Source: Caffe data_layer.cpp."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from netspec.core.model import SpecPath, wrong
from netspec.layers._brings import Brings, TransformParam, Transforms
from netspec.layers.base import Arity


class Data(Brings):
    """Hold images of an LMDB database, and their labels.

    Bottom: none. Tops: data (N, C, H, W), and label (N,) if it is wanted. Caffe reads records in the order of their
    keys, as here; `shuffle` draws a new order in each epoch. Caffe's default backend is LevelDB, which is not read.
    """

    example: ClassVar[str] = """
- {name: lmdb, type: Data, top: [data, label], source: train_lmdb, batch_size: 3, shape: [[2, 4, 5], []]}
- {name: ip, type: InnerProduct, bottom: data, num_output: 6, weight_filler: xavier}
- {name: loss, type: SoftmaxWithLoss, bottom: [ip, label]}
"""
    tops: ClassVar[Arity] = Arity(1, 2)

    source: SpecPath = Field(description="The folder of the database.")
    batch_size: int = Field(gt=0, description="Images in a batch.")
    backend: Literal["LMDB", "LEVELDB"] = Field("LMDB", description="The kind of database.")
    shuffle: bool = Field(False, description="A new order in each epoch.")
    transform_param: Transforms = Field(TransformParam(), description="What is done to each image.")

    @field_validator("backend")
    @classmethod
    def _readable(cls, backend: str) -> str:
        if backend == "LEVELDB":
            raise wrong("netspec does not read LevelDB", help="convert_imageset writes LMDB with `-backend lmdb`")
        return backend

    @property
    def batch(self) -> int:
        """The `batch_size`."""
        return self.batch_size

    def feed(self) -> dict[str, Any]:
        """Lmdb."""
        source: dict[str, Any] = {"type": "Lmdb", "path": self.source, "force": self.transform_param.force}
        if self.transform_param.crop_size and not self.transform_param.mean_file:
            source["uneven"] = True  # windows of any images are equal, but a mean of each pixel asks for equal images
        return {"source": source, "transform": self.transform_param.transforms()}

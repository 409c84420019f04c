"""MemoryData: images and labels that are in memory. Source: Caffe memory_data_layer.cpp."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from netspec.core.shape import Shapes
from netspec.layers._fed import Fed
from netspec.layers.base import TWO, Arity, BatchAxes, Purpose


class MemoryData(Fed):
    """Hold images and their labels: an Input by another name.

    Bottom: none. Tops: data (N, C, H, W) and label (N,); N is `batch_size`. Caffe's layer keeps all samples and walks
    through them; here the solver's data (the source Arrays takes arrays of a program) or the caller of a Net fills one
    batch at a time, as it fills an Input, and its batch size replaces `batch_size`.
    """

    purpose: ClassVar[Purpose] = "data"
    example: ClassVar[str] = """
- {name: memory, type: MemoryData, top: [data, label], batch_size: 3, channels: 2, height: 4, width: 5}
- {name: ip, type: InnerProduct, bottom: data, num_output: 6, weight_filler: xavier}
- {name: loss, type: SoftmaxWithLoss, bottom: [ip, label]}
"""
    tops: ClassVar[Arity] = TWO

    batch_size: int = Field(gt=0, description="Images in a batch.")
    channels: int = Field(gt=0, description="Channels of an image.")
    height: int = Field(gt=0, description="Rows of an image.")
    width: int = Field(gt=0, description="Columns of an image.")

    def identity(self) -> dict[str, Any]:
        """Without the batch size, which is the feed's."""
        return super().identity() | {"batch_size": 1}

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """Images, and a label for each."""
        return (self.batch_size, self.channels, self.height, self.width), (self.batch_size,)

    def batch_axes(self, bottoms: Shapes, axes: BatchAxes) -> BatchAxes:
        """The first of both."""
        return 0, 0

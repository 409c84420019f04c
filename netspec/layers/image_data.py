"""ImageData: image files that a text file lists, with their labels. Source: Caffe image_data_layer.cpp."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, model_validator

from netspec.core.model import SpecPath, wrong
from netspec.layers._brings import Brings, TransformParam, Transforms
from netspec.layers.base import TWO, Arity


class ImageData(Brings):
    """Hold images of files that a list names, and their labels; channels are blue, green, red.

    Bottom: none. Tops: data (N, C, H, W) and label (N,).
    """

    example: ClassVar[str] = """
- {name: images, type: ImageData, top: [data, label], source: train.txt, batch_size: 3, shape: [[3, 4, 5], []]}
- {name: ip, type: InnerProduct, bottom: data, num_output: 6, weight_filler: xavier}
- {name: loss, type: SoftmaxWithLoss, bottom: [ip, label]}
"""
    tops: ClassVar[Arity] = TWO

    source: SpecPath = Field(description="The list: `path label` in each line.")
    batch_size: int = Field(1, gt=0, description="Images in a batch.")
    root_folder: SpecPath | None = Field(
        None, description="The folder that the paths start from; left out: that of the list."
    )
    new_height: int = Field(0, ge=0, description="Height that images are resized to; 0: as they are.")
    new_width: int = Field(0, ge=0, description="Width that images are resized to; 0: as they are.")
    smooth: bool = Field(True, description="Images that shrink are smoothed; in Caffe they are not.")
    is_color: bool = Field(True, description="Three channels, or one of grey.")
    shuffle: bool = Field(False, description="A new order in each epoch.")
    transform_param: Transforms = Field(TransformParam(), description="What is done to each image.")

    @model_validator(mode="after")
    def _both_or_none(self) -> ImageData:
        if bool(self.new_height) != bool(self.new_width):
            field = "new_height" if self.new_height else "new_width"
            raise wrong("`new_height` and `new_width` belong together", field=field, help="give both, or none")
        return self

    @property
    def batch(self) -> int:
        """The `batch_size`."""
        return self.batch_size

    def feed(self) -> dict[str, Any]:
        """ImageList, with the channels in the order of OpenCV, and a Resize."""
        source: dict[str, Any] = {"type": "ImageList", "file": self.source}
        source["color"] = "bgr" if self.is_color else "gray"
        if self.root_folder:
            source["root"] = self.root_folder
        before: list[dict[str, Any]] = []
        if self.new_height:
            word = "Resize" if self.smooth else "Interpolate"
            before.append({"type": word, "size": (self.new_height, self.new_width)})
        return {"source": source, "transform": (*before, *self.transform_param.transforms())}

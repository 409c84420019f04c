"""WindowData: windows of images with their classes, as R-CNN is trained. Source: Caffe window_data_layer.cpp."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from netspec.core.model import SpecPath, wrong
from netspec.layers._brings import Brings, TransformParam, Transforms
from netspec.layers.base import TWO, Arity


class WindowData(Brings):
    """Hold windows of images, and their classes: background first in each batch, then objects.

    Bottom: none. Tops: data (N, 3, S, S), blue, green, red, where S is the `crop_size`; and label (N,). What a window
    shows beyond the edge of its image is 0. The source Windows says in which order they come.
    """

    example: ClassVar[str] = """
- name: windows
  type: WindowData
  top: [data, label]
  source: windows.txt
  batch_size: 3
  transform_param: {crop_size: 4}
  shape: [[3, 4, 4], []]
- {name: ip, type: InnerProduct, bottom: data, num_output: 6, weight_filler: xavier}
- {name: loss, type: SoftmaxWithLoss, bottom: [ip, label]}
"""
    tops: ClassVar[Arity] = TWO

    source: SpecPath = Field(description="The list of images and of the windows in each.")
    batch_size: int = Field(gt=0, description="Windows in a batch.")
    root_folder: SpecPath | None = Field(
        None, description="The folder that the paths start from; left out: that of the list."
    )
    fg_threshold: float = Field(0.5, ge=0, description="Overlap from which on a window shows an object.")
    bg_threshold: float = Field(0.5, ge=0, description="Overlap below which a window shows background.")
    fg_fraction: float = Field(0.25, ge=0, le=1, description="Share of objects in a batch, rounded down.")
    context_pad: int = Field(0, ge=0, description="Pixels around the window, of those it is resized to.")
    crop_mode: Literal["warp", "square"] = Field("warp", description="Change proportions, or take a square around.")
    transform_param: Transforms = Field(TransformParam(), description="What is done to each window.")

    @model_validator(mode="after")
    def _has_a_size(self) -> WindowData:
        if not self.transform_param.crop_size:
            help = "like `transform_param: {crop_size: 227}`"
            raise wrong("`transform_param` has no `crop_size`, the size of windows", field="transform_param", help=help)
        if 2 * self.context_pad >= self.transform_param.crop_size:
            raise wrong("`context_pad` leaves nothing of the window", field="context_pad")
        return self

    @property
    def batch(self) -> int:
        """The `batch_size`."""
        return self.batch_size

    def feed(self) -> dict[str, Any]:
        """Windows, which subtract the mean themselves; a mirror and a factor are left."""
        param = self.transform_param
        same = ("fg_threshold", "bg_threshold", "fg_fraction", "context_pad", "crop_mode")
        source: dict[str, Any] = {"type": "Windows", "file": self.source, "size": param.crop_size}
        source |= {name: getattr(self, name) for name in same} | {"mean": param.mean_value}
        if self.root_folder:
            source["root"] = self.root_folder
        if param.mean_file:
            source["mean_file"] = param.mean_file
        rest = param.model_copy(update={"mean_value": (), "mean_file": None, "crop_size": 0})
        return {"source": source, "transform": rest.transforms(), "shuffle": None}

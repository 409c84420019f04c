"""Base of Caffe's data layers, which bring their data: each says them as the feed of a solver is written.

A training opens that feed for the phases in which the layer takes part, where the solver has no data of its own; then
all goes the way of data from a solver. What looks at the net alone finds the shapes of the samples by opening the data,
or in the field `shape`.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from netspec.core.model import Aka, Listed, Model, SpecPath, wrong
from netspec.core.nodes import placed
from netspec.core.places import Place
from netspec.core.shape import ANY, Shape, ShapeError, Shapes, text
from netspec.data.spec import FeedSpec
from netspec.formats.files import MissingDataError
from netspec.layers._fed import AnyShapes, Fed, each, one_for_each
from netspec.layers.base import BatchAxes, Purpose


class TransformParam(Model, defer_build=False):
    """Changes of an image, in Caffe's words: (x - mean) * scale, of a window of the image, mirrored at random.

    In Caffe a mirror is random in TEST too; here TEST shows each image as it is.
    """

    scale: float = Field(1.0, description="Factor on every value, after the mean is subtracted.")
    mirror: bool = Field(False, description="In TRAIN half of the images change left and right.")
    crop_size: int = Field(0, ge=0, description="Side of a square window, anywhere in TRAIN and in the middle in TEST.")
    mean_value: Listed[float] = Field((), description="The mean: one value, or one of each channel.")
    mean_file: SpecPath | None = Field(
        None, description="The mean of each pixel before the crop: Caffe's .binaryproto, or .npy."
    )
    force_color: bool = Field(False, description="Encoded images have three channels, grey ones too.")
    force_gray: bool = Field(False, description="Encoded images have one channel, coloured ones too.")

    @model_validator(mode="after")
    def _one_of_each(self) -> TransformParam:
        for one, other in (("mean_value", "mean_file"), ("force_color", "force_gray")):
            if getattr(self, one) and getattr(self, other):
                raise wrong(f"`{one}` and `{other}` exclude each other", field=other, help="leave one of them out")
        return self

    @property
    def force(self) -> str | None:
        """What encoded images are turned into."""
        return "color" if self.force_color else "gray" if self.force_gray else None

    def transforms(self) -> tuple[dict[str, Any], ...]:
        """The changes as transforms of a feed, in their order: the mean belongs to the image before it is cropped."""
        found: list[dict[str, Any]] = []
        if self.mean_value:
            found.append({"type": "SubtractMean", "values": self.mean_value})
        if self.mean_file is not None:
            found.append({"type": "SubtractMean", "file": self.mean_file})
        if self.crop_size:
            found.append({"type": "Crop", "size": self.crop_size})
        if self.mirror:
            found.append({"type": "Mirror"})
        if self.scale != 1:
            found.append({"type": "Scale", "factor": self.scale})
        return tuple(found)


Transforms = Annotated[
    TransformParam, Aka("scale", "mirror", "crop_size", "mean_value", "mean_file", "transform", "transforms")
]
"""The type of a field `transform_param`."""


class Brings(Fed):
    """A layer that brings its data. A subclass says its fields, and of them the feed."""

    purpose: ClassVar[Purpose] = "data"

    sample: ClassVar[Shape] = (3, 224, 224)
    """A shape of the first top's samples that errors show as an example."""

    shape: AnyShapes | None = Field(
        None, description="Shape of one sample for each top; left out: the data are opened to find it."
    )

    @model_validator(mode="after")
    def _shapes_fit(self) -> Brings:
        if self.shape is not None:
            one_for_each(self.shape, len(self.top_names()))
        return self

    @property
    @abstractmethod
    def batch(self) -> int:
        """Samples in a batch."""

    @abstractmethod
    def feed(self) -> dict[str, Any]:
        """The source and the transforms, as a feed of a solver is written."""

    @cached_property
    def brings(self) -> FeedSpec:
        """The data, as a solver would name them; their paths start where those of the layer do."""
        words = {"batch_size": self.batch, "shuffle": getattr(self, "shuffle", False), **self.feed()}
        return FeedSpec.model_validate(words).read_from(self.written)

    def identity(self) -> dict[str, Any]:
        """Nothing: the net is the same on other data, and the shapes of its params say the rest."""
        return {}

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """A batch of the samples' shapes. Raises ShapeError, DataError."""
        tops = len(self.top_names())
        found = each(self.shape, tops) if self.shape is not None else self._found
        if tops > len(found):
            held = f"{len(found)} output{'s' * (len(found) != 1)}"
            raise ShapeError(f"the data have {held}, but there are {tops} tops", field="top")
        return tuple((self.batch, *shape) for shape in found[:tops])

    @cached_property
    def _found(self) -> Shapes:
        """The shapes of a sample after its transforms. Raises ShapeError, DataError."""
        spec, place = self.brings, self.place("source")
        with placed(self.written, "source"):
            try:
                data = spec.source.open(place.source.folder if place else None)
            except MissingDataError as error:
                raise error.changed(help=self._shape_help(error.help)) if _of_caffe(place) else error from None
        try:
            shapes = data.shapes
        finally:
            data.close()
        try:
            for transform in spec.transform:
                shapes = transform.output_shapes(shapes)
        except ShapeError as error:
            raise ShapeError(error.message, field="transform_param", help=error.help) from None
        if any(ANY in shape for shape in shapes):
            uneven = text(next(shape for shape in shapes if ANY in shape))
            help = "`transform_param: {crop_size: 224}` cuts equal windows"
            raise ShapeError(f"the images differ in size: {uneven}", field="source", help=help)
        return shapes

    def _shape_help(self, help: str | None) -> str:
        """How the shapes are given from outside where the data are not there: a prototxt has no field for them."""
        first, others = f"[{','.join(map(str, self.sample))}]", ",[]" * (len(self.top_names()) - 1)
        shapes = f"[{first}{others}]" if others else first
        told = f"without the data, say their shape, like 'defaults.{type(self).__name__}.shape={shapes}'"
        return f"{help}; {told}" if help else told

    def batch_axes(self, bottoms: Shapes, axes: BatchAxes) -> BatchAxes:
        """The first of all."""
        return (0,) * len(self.top_names())


def _of_caffe(place: Place | None) -> bool:
    """Whether a layer was written in a prototxt."""
    return place is not None and place.source.caffe

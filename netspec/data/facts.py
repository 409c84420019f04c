"""What a snapshot holds of the data that a net was trained on: enough to read new samples as those were read."""

from __future__ import annotations

from typing import Any, Self

from pydantic import ConfigDict, Field, JsonValue

from netspec.core.model import Model
from netspec.core.shape import Shape, Shapes
from netspec.data.dataset import Dataset


class _Kept(Model):
    """Base of both. Keys that this version does not know are for later versions."""

    model_config = ConfigDict(extra="ignore")


class OutputFacts(_Kept):
    """One output of the data: the shape of a sample, the names of its classes, whether it is a picture of labels."""

    shape: Shape
    classes: tuple[str, ...] | None = None
    mask: bool = False


class Facts(_Kept):
    """The outputs of data, and what else their source must know to read new samples in the same way."""

    outputs: tuple[OutputFacts, ...] = ()
    fed: tuple[Shape, ...] = ()
    """The shapes of a sample after its transforms, where they are others."""
    source: dict[str, JsonValue] = Field({})

    @classmethod
    def of(cls, data: Dataset, fed: Shapes = ()) -> Self:
        """The facts of opened data, of which samples have the shapes `fed` after their transforms."""
        outputs = (
            OutputFacts(shape=shape, classes=data.classes(number), mask=number in data.masks)
            for number, shape in enumerate(data.shapes)
        )
        return cls(outputs=tuple(outputs), fed=() if fed == data.shapes else fed, source=data.facts())

    def classes(self, output: int | None) -> tuple[str, ...] | None:
        """The names of the classes of an output; None where they have none."""
        return self.outputs[output].classes if output is not None and output < len(self.outputs) else None

    @property
    def shapes(self) -> Shapes:
        """The shapes of a sample as the net gets it; none where they are not known."""
        return self.fed or tuple(one.shape for one in self.outputs)

    def plain(self) -> dict[str, Any]:
        """The facts as values of JSON, without what is as usual; empty where there are none."""
        return self.model_dump(mode="json", exclude_defaults=True)


NO_FACTS = Facts()

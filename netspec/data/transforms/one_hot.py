"""OneHot: a label c becomes a row of zeros with a one at place c."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from netspec.core.model import Aka
from netspec.core.shape import ANY, ShapeError, Shapes, text
from netspec.data.transforms.base import ApplyAll, Setting
from netspec.data.transforms.base_soft import Classes, of_output

if TYPE_CHECKING:
    from netspec.data.dataset import Outputs
    from netspec.data.transforms.base import Draw


class OneHot(Classes):
    """Turn labels (...) into rows (C, ...), for losses that take soft labels, or numbers to regress on."""

    classes: Annotated[int, Aka("num_classes", "depth")] = Field(gt=0, description="Number of classes, C.")
    output: int = Field(1, ge=0, description="Which output of a sample, from 0: usually 1 is the label.")

    @property
    def changes(self) -> frozenset[int]:
        """The labels."""
        return frozenset({self.output})

    @property
    def softens(self) -> frozenset[int]:
        """The labels."""
        return frozenset({self.output})

    def output_shapes(self, shapes: Shapes) -> Shapes:
        """The axis of classes comes first. Raises NoSuchOutputError, ShapeError."""
        label = of_output(shapes, self.output, "OneHot")
        if ANY in label:
            raise ShapeError(f"OneHot takes labels of one size, but these are {text(label)}")
        return (*shapes[: self.output], (self.classes, *label), *shapes[self.output + 1 :])

    def bind_all(self, setting: Setting) -> ApplyAll:
        """Comparison with the number of each class. Raises BadLabelError."""
        self.check_labels(setting, self.output, self.classes)

        def apply(batch: Outputs, draw: Draw) -> Outputs:
            outputs: list[Any] = list(batch)
            outputs[self.output] = self.one_hot(setting, self.output, outputs[self.output], self.classes, draw)
            return tuple(outputs)

        return apply

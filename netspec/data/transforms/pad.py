"""Pad: sequences of any length to one length, with their own lengths and the marks that recurrent layers read.

Marks are Caffe's: 0 where a sequence begins, else 1. Recurrent layers read marks as their second bottom, and lengths as
their last with `lengths: true`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from netspec.core.errors import DataError
from netspec.core.model import Aka
from netspec.core.shape import ANY, ShapeError, Shapes, counted, text
from netspec.data.transforms.base import ApplyAll, Setting, Transform
from netspec.data.transforms.base_soft import of_output

if TYPE_CHECKING:
    from netspec.data.dataset import Outputs
    from netspec.data.transforms.base import Array, Draw


class LongSequenceError(DataError):
    """A sequence has more steps than all are padded to."""

    code = "NS650"


class Pad(Transform):
    """Bring sequences (steps, ...) to a length T. Behind all outputs come the lengths (), and perhaps marks (T,).

    The sequences' targets, one for each step, are another output: Pad it too, with `lengths: false`, and with a value
    that the loss ignores.
    """

    length: Annotated[int, Aka("max_length", "maxlen", "steps")] = Field(gt=0, description="Steps that come out, T.")
    value: float = Field(0.0, description="What stands behind the last step.")
    longer: Annotated[Literal["error", "cut_end", "cut_begin"], Aka("truncating", "truncation")] = Field(
        "error", description="What becomes of a sequence of more than T steps: its end or its beginning is cut off."
    )
    lengths: bool = Field(True, description="Whether the lengths become an output, behind the others.")
    cont: bool = Field(False, description="Whether marks become the last output: 0 at the first step, then 1.")
    output: int = Field(0, ge=0, description="Which output of a sample, from 0, are the sequences.")

    @property
    def changes(self) -> frozenset[int]:
        """The sequences."""
        return frozenset({self.output})

    def output_shapes(self, shapes: Shapes) -> Shapes:
        """(T, ...), and behind all outputs () and (T,). Raises ShapeError, NoSuchOutputError."""
        shape = of_output(shapes, self.output, "Pad")
        if not shape:
            raise ShapeError("Pad takes sequences (steps, ...), but a sample is a single number")
        if ANY in shape[1:]:
            raise ShapeError(f"Pad takes sequences whose steps have one size, but a sample is {text(shape)}")
        more: Shapes = ((),) * self.lengths + ((self.length,),) * self.cont
        padded = (self.length, *shape[1:])
        return (*shapes[: self.output], padded, *shapes[self.output + 1 :], *more)

    def bind_all(self, setting: Setting) -> ApplyAll:
        """Copies into arrays that are filled with the value. Raises LongSequenceError for a batch."""
        import numpy as np

        def apply(batch: Outputs, draw: Draw) -> Outputs:
            outputs: list[Any] = list(batch)
            given: list[Array] = list(outputs[self.output])
            shape = (len(given), self.length, *given[0].shape[1:])
            padded = np.full(shape, self.value, np.result_type(given[0].dtype, setting.real))
            for i, sequence in enumerate(given):
                if len(sequence) > self.length and self.longer == "error":
                    self._refuse(setting.data.name(int(draw.index[i]), self.output), len(sequence))
                kept = sequence[-self.length :] if self.longer == "cut_begin" else sequence[: self.length]
                padded[i, : len(kept)] = kept
            outputs[self.output] = padded
            if self.lengths:
                outputs.append(np.array([min(len(sequence), self.length) for sequence in given]))
            if self.cont:
                marks = np.ones((len(given), self.length), np.uint8)
                marks[:, 0] = 0
                outputs.append(marks)
            return tuple(outputs)

        return apply

    def _refuse(self, name: str, steps: int) -> None:
        raise LongSequenceError(
            f"{name} has {counted(steps, 'step')}, more than the length of {self.length:,}",
            at=self.place("length"),
            help="say a larger `length`, or `longer: cut_end`",
        )

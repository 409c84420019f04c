"""Clipping: limits of the gradient, as `clip_gradients` says them.

A number is Caffe's: the largest L2 norm of all gradients together. As in Caffe, what is limited is the sum over
`iter_size` batches, before it is divided, and before weight decay; the rate plays no part. Source: Caffe
sgd_solver.cpp, ClipGradients.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticKnownError

from netspec.core.model import Aka, Model
from netspec.training.amounts import as_float


class Clip(Model):
    """A limit of the summed gradient: of its norm, of its norm in each layer, or of each of its values."""

    type: Literal["norm", "layer_norm", "value"] = Field(
        "norm",
        description="norm: the L2 norm of all gradients together; layer_norm: that of each layer's params together; "
        "value: every value.",
    )
    limit: Annotated[float, Aka("max_norm", "max_value", "clip_value", "threshold")] = Field(
        gt=0, description="Largest norm, or largest absolute value."
    )


def _of_a_number(value: Any) -> Any:
    """A Clip of a number is one of the norm."""
    if type(value) not in {int, float}:
        return value
    if not value > 0:
        raise PydanticKnownError("greater_than", {"gt": 0})
    return {"limit": as_float(value)}


_LIMIT = {"type": "number", "exclusiveMinimum": 0}
_FORMS = {
    "anyOf": [
        _LIMIT,
        {
            "type": "object",
            "properties": {"type": {"enum": ["norm", "layer_norm", "value"]}, "limit": _LIMIT},
            "required": ["limit"],
            "additionalProperties": False,
        },
    ]
}

AnyClip = Annotated[Clip, BeforeValidator(_of_a_number), WithJsonSchema(_FORMS)]
"""A Clip, or a number for its limit of the norm."""

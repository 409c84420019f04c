"""The loop of a training in another program's way, as `loop` says it: a word, or {type, ...}."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from netspec.core.model import Model, SpecPath


class Loop(Model):
    """Caffe's way to train and to test, and the files that `Solver.snapshot` of the API writes."""

    type: Literal["caffe"] = Field("caffe", description="Whose way it is.")
    test_compute_loss: bool = Field(False, description="A test also has the sum of all losses, as `total_loss`.")
    snapshot_prefix: SpecPath | None = Field(
        None, description="How the names of Caffe's snapshots begin; left out: the solver's file without its ending."
    )
    snapshot_format: Literal["BINARYPROTO", "HDF5"] = Field(
        "BINARYPROTO", description="The format of Caffe's snapshots: .caffemodel and .solverstate, or these with .h5."
    )


def _of_a_word(value: Any) -> Any:
    """A Loop of its type alone."""
    return {"type": value} if isinstance(value, str) else value


AnyLoop = Annotated[
    Loop,
    BeforeValidator(_of_a_word),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": ["caffe"]},
                {
                    "type": "object",
                    "properties": {
                        "type": {"enum": ["caffe"]},
                        "test_compute_loss": {"type": "boolean"},
                        "snapshot_prefix": {"type": "string"},
                        "snapshot_format": {"enum": ["BINARYPROTO", "HDF5"]},
                    },
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
"""A Loop, or its word."""

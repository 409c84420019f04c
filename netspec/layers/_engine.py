"""`engine` of Caffe's layers, which chooses between its own code and cuDNN's: read, so that nets can keep it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from netspec.layers.base import Layer


class Engine(Layer):
    """A layer with an `engine` in Caffe."""

    engine: Literal["DEFAULT", "CAFFE", "CUDNN"] = Field(
        "DEFAULT", description="For Caffe's sake, where it chooses whose code computes the layer; it changes nothing."
    )

    def identity(self) -> dict[str, Any]:
        """Without `engine`, which changes nothing."""
        return {name: value for name, value in super().identity().items() if name != "engine"}

"""Goals: by which score the best weights are kept, and when a training that gains nothing more ends."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from netspec.core.model import Aka, Model

Mode = Literal["max", "min"]

_METRIC = (
    "The score, as FEED/blob, like validation/accuracy; left out: the first score of the watched feed, or its loss."
)
_MODE = "Whether more is better or less; left out: more of an accuracy, less of a loss."


class Best(Model):
    """The score by which the best weights are kept, in snapshots/best.safetensors."""

    metric: Annotated[str | None, Aka("monitor")] = Field(None, description=_METRIC)
    mode: Mode | None = Field(None, description=_MODE)


class EarlyStop(Model):
    """The end of a training whose score has not become better for some tests."""

    patience: Annotated[int, Aka("epochs", "tests")] = Field(
        gt=0, description="Tests in a row without a gain that end the training."
    )
    min_gain: Annotated[float, Aka("delta", "min_delta", "threshold")] = Field(
        0.0, ge=0, description="A score must be better than the best by more than this to count as a gain."
    )
    metric: Annotated[str | None, Aka("monitor")] = Field(None, description=_METRIC)
    mode: Mode | None = Field(None, description=_MODE)
    restore_best: Annotated[bool, Aka("restore_best_weights")] = Field(
        True, description="End with the weights of the best test, and keep them in snapshots/best.safetensors."
    )

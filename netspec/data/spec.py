"""The data of one phase as they are written in a solver, or in a layer that brings its data with it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from netspec.core.model import Aka, Listed, Model
from netspec.data.sources.base import AnySource
from netspec.data.transforms.base import AnyTransform


class FeedSpec(Model):
    """The data of one phase: the source, the transforms, the batch size."""

    source: Annotated[AnySource, Aka("data", "dataset")] = Field(description="Which data, and where they lie.")
    limit: int | None = Field(None, gt=0, description="Only the first so many samples of the source; left out: all.")
    batch_size: Annotated[int, Aka("batch")] = Field(
        gt=0, description="Samples in a batch: the first axis of the net's Inputs."
    )
    transform: Annotated[Listed[AnyTransform], Aka("augment", "augmentation", "transforms")] = Field(
        (), description="What is done to each image, in this order."
    )
    shuffle: bool | None = Field(
        None, description="A new order in each epoch; left out: in TRAIN, unless batches follow on."
    )


class FeedsSpec(Model):
    """The data of each phase."""

    train: FeedSpec | None = Field(None, description="What the TRAIN net's Inputs are fed with.")
    test: FeedSpec | None = Field(None, description="What the TEST net's Inputs are fed with.")

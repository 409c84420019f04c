"""The data of a training as they are written in a solver; one feed alone also in a layer that brings its data."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from netspec.core.counts import PositiveCount
from netspec.core.model import Aka, Listed, Model, wrong
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


class ScoredFeedSpec(FeedSpec):
    """Data that the net is tested on, with the tests' own interval and length."""

    test_interval: Annotated[PositiveCount | None, Aka("eval_every", "eval_interval", "test_every", "val_interval")] = (
        Field(
            None,
            description="Iterations or epochs between tests on these data; left out: the solver's, where these are the "
            "data that it watches, and else only at the end.",
        )
    )
    test_iter: int | None = Field(
        None, gt=0, description="Batches of a test on these data; left out: as many as the solver says."
    )


WATCHED = ("validation", "test")
"""The feeds that a training watches, by which its best weights and its end are chosen: the first that is there."""

_TAKEN = ("train", *WATCHED, "all")
_NAME = re.compile(r"\w[\w.-]*")


def _named(tests: Any) -> Any:
    for name in tests if isinstance(tests, dict) else ():
        if name in _TAKEN:
            raise wrong(f"a further test set cannot be called '{name}'", field=name, help="choose another name")
        if not _NAME.fullmatch(name):
            raise wrong(f"'{name}' cannot name a test set", field=name, help="use letters, digits, _, - and dots")
    return tests


class FeedsSpec(Model):
    """The data of each phase: one feed to train with, and any number to test on."""

    train: Annotated[FeedSpec | None, Aka("training", "train_set")] = Field(
        None, description="What the TRAIN net's Inputs are fed with."
    )
    validation: Annotated[ScoredFeedSpec | None, Aka("dev", "eval", "val", "valid")] = Field(
        None, description="What the training is watched by: tests on the way, the best weights, an early stop."
    )
    test: ScoredFeedSpec | None = Field(
        None, description="What the trained net is tested on; without `validation`, also on the way."
    )
    tests: Annotated[dict[str, ScoredFeedSpec], BeforeValidator(_named)] = Field(
        {}, description="Further test sets by name, each tested at the end, or at an interval of its own."
    )

    @property
    def scored(self) -> dict[str, ScoredFeedSpec]:
        """The feeds that the net is tested on, by name, in the order in which they are tested."""
        first = {"validation": self.validation, "test": self.test}
        return {name: feed for name, feed in first.items() if feed is not None} | self.tests

    @property
    def watched(self) -> str | None:
        """The name of the feed that a training watches, if there is one."""
        return next((name for name in WATCHED if name in self.scored), None)

    def named(self, name: str) -> FeedSpec | None:
        """The feed of a name: `train`, or one that the net is tested on."""
        return self.train if name == "train" else self.scored.get(name)

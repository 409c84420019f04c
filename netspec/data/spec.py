"""The data of a training as they are written in a solver; one feed alone also in a layer that brings its data."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from netspec.core.counts import PositiveCount
from netspec.core.model import Aka, Listed, Model, wrong
from netspec.data.sources.base import AnySource, Source
from netspec.data.splits import Part, SplitSpec
from netspec.data.subset import AnySubset
from netspec.data.transforms.base import AnyTransform

T = TypeVar("T")


def _may_lack_source(schema: dict[str, Any]) -> None:
    """Where all feeds stand together, a feed without a source has a part of `all`."""
    schema["required"].remove("source")


class FeedSpec(Model):
    """The data of one phase: the source, the transforms, the batch size."""

    model_config = ConfigDict(json_schema_extra=_may_lack_source)

    source: Annotated[AnySource, Aka("data", "dataset")] = Field(
        description="Which data, and where they lie; left out: the feed's part of `data.all`."
    )
    subset: AnySubset | None = Field(
        None, description="Only some of the samples: 0.1 of them or 500, drawn by class; a list of numbers or its file."
    )
    limit: int | None = Field(None, gt=0, description="Only the first so many of the samples; left out: all.")
    batch_size: Annotated[int, Aka("batch")] = Field(
        gt=0, description="Samples in a batch: the first axis of the net's Inputs."
    )
    transform: Annotated[Listed[AnyTransform], Aka("augment", "augmentation", "transforms")] = Field(
        (), description="What is done to each image, in this order."
    )
    shuffle: bool | None = Field(
        None, description="A new order in each epoch; left out: in TRAIN, unless batches follow on."
    )
    balance: Annotated[Literal["classes"] | None, Aka("sampler", "class_balance", "balanced")] = Field(
        None,
        description="`classes`: every class equally often, in TRAIN; an epoch has as many samples as without it.",
    )

    @property
    def net_batch(self) -> int | None:
        """The batch size of the net's Inputs; None where they keep the sizes that they say themselves."""
        return self.batch_size

    def among(self, inputs: tuple[T, ...]) -> tuple[T, ...]:
        """Of something for every input of the net, that of the inputs that these data fill: all."""
        return inputs

    @property
    def origin(self) -> Source:
        """The source; of a part of `all` the source that is split."""
        return self.source.all.source if isinstance(self.source, Part) else self.source


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

    @model_validator(mode="after")
    def _tests_each_once(self) -> Self:
        if self.balance is not None:
            raise wrong(
                "a test has each sample once", field="balance", help="leave `balance` out, or put it in `train`"
            )
        return self


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


_SOURCE: Any = {"required": ["source"]}  # in an editor, without `all`


class FeedsSpec(Model):
    """The data of each phase: one feed to train with, and any number to test on."""

    model_config = ConfigDict(
        json_schema_extra={
            "needs": {
                "if": {"required": ["all"]},
                "else": {
                    "properties": {
                        **dict.fromkeys(("train", "validation", "test"), _SOURCE),
                        "tests": {"additionalProperties": _SOURCE},
                    }
                },
            }
        }
    )

    all: Annotated[SplitSpec | None, Aka("split", "shared")] = Field(
        None, description="One source for several feeds: those without a `source` take their part of its split."
    )
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

    @model_validator(mode="before")
    @classmethod
    def _takes_parts(cls, values: Any) -> Any:
        """Give feeds without a source their part of `all`; a mistake in `all` is reported where all fields are."""
        written = values.get("all") if isinstance(values, dict) else None
        if written is None:
            return values
        try:
            split = SplitSpec.model_validate(written)
        except ValidationError:
            split = None

        def with_part(name: str, feed: Any) -> Any:
            return (
                {**feed, "source": Part(all=split, part=name) if split else Source()}
                if isinstance(feed, dict) and "source" not in feed
                else feed
            )

        taken = {name: with_part(name, feed) for name, feed in values.items() if name in _TAKEN and name != "all"}
        if isinstance(tests := values.get("tests"), dict):
            taken["tests"] = {name: with_part(name, feed) for name, feed in tests.items()}
        return {**values, **taken, "all": split or written}

    @model_validator(mode="after")
    def _have_parts(self) -> Self:
        if self.all is None:
            return self
        feeds = {name: feed for name in ("train", *self.scored) if (feed := self.named(name)) is not None}
        parts = [name for name, feed in feeds.items() if isinstance(feed.source, Part)]
        for name in parts:
            if name not in self.all.split:
                field, help = (
                    f"tests.{name}" if name in self.tests else name,
                    "say its share in `all.split`, or give it a `source`",
                )
                raise wrong(f"the split has no part '{name}'", field=field, help=help)
        for name in self.all.split:
            if name not in ("train", *WATCHED, *self.tests):
                help = "a part has the name of a feed: train, validation, test, or one of `tests`"
                raise wrong(f"there is no feed '{name}' to take that part", field=f"all.split.{name}", help=help)
        if feeds and not parts:
            help = "leave out the `source` of those that it is for"
            raise wrong("no feed takes a part of `all`: each has a source of its own", field="all", help=help)
        return self

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

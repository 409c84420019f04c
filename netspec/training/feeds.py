"""The feeds of a job, each checked against the inputs and labels of the net of its phase.

A feed is called as it is in the solver's `data`: `train`, `validation`, `test`, or by the name of a further test set.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netspec.core.calls import Phase
from netspec.core.errors import DataError, Findings
from netspec.data.computed import Computed
from netspec.data.facts import Facts
from netspec.data.feed import Feed
from netspec.data.joined import open_any_feed
from netspec.data.spec import FeedSpec
from netspec.net.labels import label_rules
from netspec.training.job import Job
from netspec.training.rules.base import Known, refuse


class OtherClassesError(DataError):
    """Test data number their classes or columns otherwise than the training data, so that they mean something else."""

    code = "NS630"


class TooFewSamplesError(DataError):
    """The data of a phase have no samples."""

    code = "NS621"


def open_phase(job: Job, phase: Phase, seed: int) -> Feed | None:
    """The feed of a phase, of TEST the one that `netspec test` looks at; None for a net without inputs.

    Raises DataError.
    """
    return open_named(job, job.spec.feed_name(phase), phase, seed)


def open_named(job: Job, name: str, phase: Phase, seed: int, computed: Computed | None = None) -> Feed | None:
    """The feed of a name, as it is in a phase, checked against that net's inputs and labels.

    What is computed over training data is looked up in `computed`, and added to it.
    None where there is none, or for a net without inputs. Raises DataError.
    """
    spec, shaped = job.spec.data.named(name), job.nets.get(phase)
    if spec is None or shaped is None or not shaped.graph.inputs:
        return None
    return opened(job, name, spec, phase, seed, computed)


def opened(
    job: Job, name: str, spec: FeedSpec, phase: Phase, seed: int, computed: Computed | None, still: bool = False
) -> Feed:
    """A feed of some name, checked against the inputs and labels of a phase's net. Raises DataError.

    A `still` one has no random transforms, in TRAIN too.
    """
    dtype, train = job.spec.dtype, job.spec.data.train
    way: Phase = "TEST" if still else phase
    feed = open_any_feed(spec, way, seed, job.base, dtype=dtype, train=train, computed=computed)
    if len(feed) == 0:
        raise TooFewSamplesError("there are no samples", at=spec.place("source"))
    refuse(Known({phase: job.phase(phase)}, job, {name: feed}))
    _check_labels(feed, job, phase, spec)
    return feed


def open_phases(job: Job, seed: int, computed: Computed | None = None) -> dict[str, Feed]:
    """The feeds of all phases of a job by name, with what is computed once for all. Raises all DataErrors at once."""
    found, feeds, computed = Findings(), {}, computed or Computed()
    for phase in job.nets:
        for name in ("train",) if phase == "TRAIN" else job.spec.data.scored:
            with found.catching():
                feeds[name] = open_named(job, name, phase, seed, computed)
    for name, own in job.tested.items():
        with found.catching():
            feeds[name] = open_named(own, name, "TEST", seed, computed)
    known = {name: feed for name, feed in feeds.items() if feed is not None}
    train = known.get("train")
    for name, feed in known.items() if train is not None else ():
        assert train is not None
        with found.catching():
            check_alike(job.tested.get(name, job), name, feed, Facts.of(train.data))
    found.raise_if_any()
    return known


def check_alike(job: Job, name: str, feed: Feed, train: Facts) -> None:
    """Raise OtherClassesError where labels or columns of a feed mean something else than in the training data."""
    _check_classes(job, name, feed, train)
    _check_columns(job, name, feed, train.source)


def _check_classes(job: Job, name: str, feed: Feed, train: Facts) -> None:
    """Raise OtherClassesError where a label of a feed has another name than in the training data."""
    for output in range(min(len(feed.data.shapes), len(train.outputs))):
        names, known = feed.data.classes(output), train.classes(output)
        if names is None or known is None or names == known[: len(names)]:
            continue
        i = next(i for i, other in enumerate(names) if i >= len(known) or other != known[i])
        there = f"but '{known[i]}' in the training data" if i < len(known) else "which is no class of the training data"
        spec = job.spec.data.named(name)
        raise OtherClassesError(
            f"class {i} is '{names[i]}' here, {there}",
            at=spec.place("source") if spec else None,
            help=f"name the classes of both alike: `classes: [{', '.join(known[:6])}{', ...' if known[6:] else ''}]`",
        )


def _check_columns(job: Job, name: str, feed: Feed, there: dict[str, Any]) -> None:
    """Raise OtherClassesError where the features of a table are not those of the training table, in their order."""
    here = feed.data.facts()
    for what, help in (
        ("columns", "name the columns in both, in one order: `features: [...]`"),
        ("categories", "name the training table here: `like: FILE`"),
    ):
        if here.get(what, there.get(what)) != there.get(what, here.get(what)):
            spec, difference = job.spec.data.named(name), _first_difference(here, there, what)
            raise OtherClassesError(
                f"the {what} of the features are not those of the training data: {difference}",
                at=spec.place("source") if spec else None,
                help=help,
            )


def _first_difference(here: dict[str, Any], there: dict[str, Any], what: str) -> str:
    """Where columns, or the categories of a column, begin to differ."""
    lists = [facts[what] for facts in (here, there)]
    if what == "categories":
        column = next(name for name in lists[1] if lists[0].get(name) != lists[1][name])
        lists = [categories.get(column, []) for categories in lists]
    words = [", ".join(values[:6]) + (", ..." if values[6:] else "") for values in lists]
    return f"{words[0]} here, {words[1]} there"


def sample_names(feed: Feed | None, position: int) -> Callable[[int, int], str]:
    """The name of sample n of input i in the batch that begins at a position, in messages."""

    def name(sample: int, source: int) -> str:
        return f"sample {position + sample}" if feed is None else feed.name(position + sample, source)

    return name


def _check_labels(feed: Feed, job: Job, phase: Phase, spec: FeedSpec) -> None:
    """Check the labels of a feed; where batches matter, of the first epoch: in TEST with its short last one."""
    batch = spec.batch_size
    rules = label_rules(job.phase(phase) if spec is job.spec.feed(phase) else job.shaped(phase, batch))
    whole, rest = range(0, len(feed) - batch + 1, batch), len(feed) % batch
    feed.check_labels(rules, whole if whole or phase == "TEST" else (0,))
    if phase == "TEST" and rest and not all(rule.alike for rule in rules):
        short = label_rules(job.shaped(phase, rest))
        feed.check_labels((rule for rule in short if not rule.alike), (len(feed) - rest,))

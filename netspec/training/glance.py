"""A glance at the data of a training: what inputs and labels look like, and what samples of two sets have in common.

Of large data it looks at some samples: at runs of neighbours, spread evenly. All of it repeats exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING

from netspec.core.shape import count
from netspec.data.feed import Feed
from netspec.data.joined import JoinedFeed, JoinedSpec
from netspec.data.labels import LabelRule
from netspec.net.heads import source
from netspec.net.labels import label_rules
from netspec.net.shaped import ShapedGraph
from netspec.training.feeds import opened
from netspec.training.job import Job
from netspec.training.probe import DataProbe, InputProbe, LabelProbe, SharedProbe, ShiftProbe

if TYPE_CHECKING:
    from netspec.core.calls import Array

MOST_SAMPLES = 1024
"""Samples of a feed whose inputs are looked at."""

MOST_VALUES = 4_000_000
"""Values of the samples that are looked at."""

MOST_COMPARED = 100_000
"""Samples of a set that are compared with those of others, where reading is cheap; a hundredth of it elsewhere."""

MOST_READ = 2**28
"""Values of the samples that are compared with those of others."""

_RUNS = 32
"""Runs of neighbours that are looked at."""

_IN_ORDER = 2048
"""Samples whose order is looked at."""

_TOGETHER = 256
"""Samples that are read at a time."""

_MOST_CLASSES = 1000
"""Classes up to which shifts of labels are looked for."""


def still_feed(job: Job, shuffled: bool = False) -> Feed | None:
    """The training data without what transforms change at random, in the order of the source or a random one.

    Data whose batches follow one another stay in their order. None without training data. Raises DataError.
    """
    spec = job.spec.data.train
    if spec is None or not job.train.graph.inputs:
        return None

    def ordered(shuffle: bool) -> Feed:
        changed = (
            spec if isinstance(spec, JoinedSpec) else spec.model_copy(update={"shuffle": shuffle, "balance": None})
        )
        return opened(job, "train", changed, "TRAIN", job.spec.random_seed, None, still=True)

    feed = ordered(False)
    return ordered(True) if shuffled and not feed.data.ordered and not isinstance(spec, JoinedSpec) else feed


def look(job: Job, feeds: Mapping[str, Feed]) -> DataProbe:
    """What the feeds of a training look like, and what they have in common. Raises DataError."""
    train = still_feed(job)
    if train is None:
        return DataProbe()
    inputs: list[InputProbe] = []
    labels: list[LabelProbe] = []
    shifts: list[ShiftProbe] = []
    own: tuple[Array, ...] = ()
    for name, feed in {"train": train, **{name: feed for name, feed in feeds.items() if name != "train"}}.items():
        net = job.train if name == "train" else job.tested.get(name, job).phase("TEST")
        spec = job.spec.data.named(name)
        blobs = net.graph.inputs if spec is None else spec.among(net.graph.inputs)
        read = feed.batch(0, spec.batch_size) if isinstance(spec, JoinedSpec) else some_samples(feed)
        own, whole = own or read, {} if isinstance(feed, JoinedFeed) else index_outputs(net)
        arrays = dict(enumerate(read[: len(blobs)]))
        inputs += input_probes(name, net, {blobs[n]: array for n, array in arrays.items() if n not in whole})
        for number, rule in whole.items():
            if rule.word != "label":
                continue
            seen = label_probe(name, net.graph.blobs[blobs[number]].name, feeds.get(name, feed), rule, read[number])
            labels += [] if seen is None else [seen]
            if name != "train" and 0 < number < len(own):
                shift = shift_probe(name, rule.classes, (own[0], own[number]), (read[0], read[number]))
                shifts += [] if shift is None else [shift]
    first = next((number for number, rule in index_outputs(job.train).items() if rule.word == "label"), None)
    shared, twisted, paired = _compared(feeds, first)
    return DataProbe(tuple(inputs), tuple(labels), shared, tuple(shifts), twisted, paired)


def _compared(feeds: Mapping[str, Feed], label: int | None) -> tuple[tuple[SharedProbe, ...], int, int]:
    """The samples that other feeds share with training; how many training samples are equal but for their labels."""
    train = feeds.get("train")
    if train is None or not comparable(train):
        return (), 0, 0
    seen = Digests(train, label)
    found = (seen.shared(name, feed) for name, feed in feeds.items() if name != "train" and comparable(feed))
    return tuple(one for one in found if one is not None), seen.twisted, seen.looked if label is not None else 0


def some_samples(feed: Feed) -> tuple[Array, ...]:
    """Some samples of a feed, spread evenly over its order: each output (n, ...). Raises DataError."""
    import numpy as np

    size = max(1, sum(map(count, feed.shapes)))
    number = min(len(feed), MOST_SAMPLES, max(16, MOST_VALUES // size))
    if number == len(feed):
        return feed.batch(0, number)
    runs = min(_RUNS, number)
    length = number // runs
    starts = [len(feed) * run // runs for run in range(runs)]
    parts = [feed.batch(min(start, len(feed) - length), length) for start in starts]
    return tuple(np.concatenate(outputs) for outputs in zip(*parts, strict=True))


def input_probes(feed: str, net: ShapedGraph, arrays: Mapping[int, Array]) -> Iterator[InputProbe]:
    """What inputs of a net look like; `arrays` are samples of them, each (n, ...), by the blob."""
    import numpy as np

    losses = [node for node in net.graph.nodes if node.layer.is_loss]
    truths = {source(net.graph, blob) for node in losses for blob in node.bottoms[1:2]}
    for blob, array in arrays.items():
        name, truth = net.graph.blobs[blob].name, net.graph.inputs.index(blob) in truths
        values = array.astype(np.float64).reshape(len(array), -1)
        good = np.isfinite(values)
        sound = values[good]
        if not sound.size:
            yield InputProbe(feed, name, 0.0, 0.0, 0.0, 0.0, int((~good).sum()), 0, values.shape[1], truth)
            continue
        constant = int((values == values[:1]).all(axis=0).sum()) if len(values) > 1 else 0
        figures = (float(sound.min()), float(sound.max()), float(sound.mean()), float(sound.std()))
        yield InputProbe(feed, name, *figures, int((~good).sum()), constant, values.shape[1], truth)


def index_outputs(net: ShapedGraph) -> dict[int, LabelRule]:
    """The inputs of a net that layers read as labels or as other whole numbers, each with the first rule about it."""
    return {rule.output: rule for rule in reversed(label_rules(net))}


def label_probe(name: str, blob: str, feed: Feed, rule: LabelRule, read: Array) -> LabelProbe | None:
    """The labels of a feed: all where the source knows them, else those that were `read`, (n, ...).

    None where transforms make other labels of them, or they lie among other values.
    """
    import numpy as np

    if rule.output in feed.soft or not rule.alike or not rule.places[0].all():
        return None
    known = None if isinstance(feed, JoinedFeed) else feed.data.labels(rule.output)
    labels = read if known is None else known
    whole = labels.reshape(-1)
    good = (whole >= 0) & (whole < rule.classes) & (whole != (-1 if rule.ignore is None else rule.ignore))
    counts = np.bincount(whole[good].astype(np.int64), minlength=rule.classes)
    repeats = None
    if known is not None and known.ndim == 1 and len(feed) > 2 and not feed.data.ordered:
        turns = known[feed.samples(0, min(len(feed), _IN_ORDER))]
        repeats = float((turns[1:] == turns[:-1]).mean())
    titles = None if isinstance(feed, JoinedFeed) else feed.data.classes(rule.output)
    return LabelProbe(name, blob, tuple(map(int, counts)), int(counts.sum()), repeats, tuple(titles or ()))


class Digests:
    """Digests of the samples of a set as its source has them, by which equal ones are found; the first of each counts.

    `label` is the output that holds labels: `twisted` counts samples that equal another but for their label.
    """

    def __init__(self, feed: Feed, label: int | None) -> None:
        self.first: dict[bytes, int] = {}
        self.data, self.looked, self.twisted, self.values = feed.data, 0, 0, 0
        own: dict[bytes, float] = {}
        for index, digest, value in _digests(feed, label):
            self.first.setdefault(digest, index)
            self.looked += 1
            if value is not None:
                self.twisted += own.setdefault(digest, value) != value
        self.values = _values(feed)

    def shared(self, name: str, feed: Feed) -> SharedProbe | None:
        """The samples of another feed that this set has too; None where there are none."""
        found, looked, first = 0, 0, ("", "")
        for index, digest, _ in _digests(feed, None):
            looked += 1
            if digest in self.first:
                first = first if found else (feed.data.name(index), self.data.name(self.first[digest]))
                found += 1
        return SharedProbe(name, found, looked, self.values, first) if found else None


def comparable(feed: Feed) -> bool:
    """Whether samples can be told apart one by one: those of one source, that do not go on from batch to batch."""
    return not isinstance(feed, JoinedFeed) and not feed.data.ordered


def _values(feed: Feed) -> int:
    """Values of a sample; sizes that differ from sample to sample count as 1."""
    return count(tuple(max(1, size) for size in feed.data.shapes[0]))


def _digests(feed: Feed, label: int | None) -> Iterator[tuple[int, bytes, float | None]]:
    """Number, digest and label of each sample that is compared."""
    import numpy as np

    data = feed.data
    most = min(MOST_COMPARED // 100 if data.readers > 1 else MOST_COMPARED, max(100, MOST_READ // _values(feed)))
    for start in range(0, min(len(data), most), _TOGETHER):
        index = np.arange(start, min(start + _TOGETHER, len(data), most))
        outputs = data.read(index)
        labels = outputs[label] if label is not None and label < len(outputs) else None
        for row, number in enumerate(index):
            sample = np.ascontiguousarray(outputs[0][row])
            digest = blake2b(sample.tobytes() + repr(sample.shape).encode(), digest_size=16).digest()
            value = None if labels is None or np.ndim(labels[row]) else float(labels[row])
            yield int(number), digest, value


def shift_probe(name: str, classes: int, train: tuple[Array, Array], other: tuple[Array, Array]) -> ShiftProbe | None:
    """Whether the labels of a feed mean other classes than those of training: by which shift they agree best.

    A sample's guess is the class whose training samples have the nearest mean. `train` and `other` are samples with
    their labels: (n, ...) and (n,). None where they are too few to tell, or not finite.
    """
    import numpy as np

    if train[1].ndim != 1 or other[1].ndim != 1 or not all(np.isfinite(x).all() for x in (train[0], other[0])):
        return None
    least = 5 * classes
    if min(len(train[0]), len(other[0])) < least or not 1 < classes <= _MOST_CLASSES:
        return None
    (x, labels), (y, asked) = (
        (a.reshape(len(a), -1).astype(np.float64), b.astype(np.int64)) for a, b in (train, other)
    )
    if x.shape[1:] != y.shape[1:]:
        return None
    present = np.unique(labels)
    means = np.stack([x[labels == one].mean(axis=0) for one in present])
    distances = (means * means).sum(axis=1) - 2 * y @ means.T
    guesses = present[distances.argmin(axis=1)]
    apart = np.bincount((guesses - asked) % classes, minlength=classes) / len(asked)
    best = int(apart.argmax())
    shift = best if 2 * best <= classes else best - classes
    return ShiftProbe(name, shift, float(apart[0]), float(apart[best]), len(asked))

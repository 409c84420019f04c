"""Probe: what a few batches through a training net show before it is trained."""

from __future__ import annotations

from dataclasses import dataclass

WIDE = 10
"""Times the usual deviation from which weights are far too large: fillers differ by 2 or so, and two layers with ten
times as large weights give outputs a hundred times as large.
"""

HIGH = 3
"""Times the loss of a guess from which a first loss is far too large: scores of deviation s add about s^2 / 2 to ln C,
so for ten classes they have a deviation of 3 there.
"""

TINY = 0.01
"""Inputs below it are too small: weights would have to grow a hundredfold before scores come near 1."""

FAR_OFF = 100
"""The same where numbers are asked for, whose squares may be small beside those of the first outputs of a net."""

LARGE = 30
"""Largest value from which inputs that are never below 0 seem unscaled: bytes that were scaled are below 2."""

MOST = 0.5
"""Share of dead units, or of saturated values, that passes: where most units work, a layer learns."""


@dataclass(frozen=True)
class InputProbe:
    """The values of an input of the net over some samples of a feed, after its transforms.

    `constant` of the `features` values of a sample are equal in all samples that were looked at; `bad` values are not
    finite, and count for nothing else. `truth`: a loss compares with it.
    """

    feed: str
    name: str
    least: float
    most: float
    mean: float
    deviation: float
    bad: int
    constant: int
    features: int
    truth: bool = False


@dataclass(frozen=True)
class LabelProbe:
    """The labels that a feed brings to an input: `counts[c]` samples of class c, over `looked` labels.

    `repeats` is the share of labels that equal the label before, in the order in which the training reads them; None
    where the order says nothing.
    """

    feed: str
    name: str
    counts: tuple[int, ...]
    looked: int
    repeats: float | None = None
    titles: tuple[str, ...] = ()

    @property
    def chance_repeats(self) -> float:
        """The share of labels that equal the label before where the order is random."""
        return sum((count / self.looked) ** 2 for count in self.counts) if self.looked else 1.0

    def title(self, label: int) -> str:
        """A class in words: its number, and its name where it has one."""
        return f"{label} ({self.titles[label]})" if label < len(self.titles) else str(label)


@dataclass(frozen=True)
class SharedProbe:
    """Samples of a feed that are also training samples: `found` of `looked`, the first with both its names."""

    feed: str
    found: int
    looked: int
    values: int
    """Values of a sample: samples of few values may be equal by chance."""
    first: tuple[str, str]


@dataclass(frozen=True)
class ShiftProbe:
    """How often the class whose training samples are nearest on the mean is that of a feed's sample.

    `own` is the share with the labels as they are, `other` the share where `shift` is added to the labels of the feed.
    """

    feed: str
    shift: int
    own: float
    other: float
    samples: int


@dataclass(frozen=True)
class HeadProbe:
    """The loss of a loss layer without its weight, and what it would be of a guess.

    `guess`: if all scores were 0 (ln C of C classes), or for numbers the mean of the truth. `blank`: if all were 0.
    None where scores cannot be made a guess so.
    """

    layer: str
    type: str
    weight: float
    loss: float
    guess: float | None
    blank: float | None
    numbers: bool = False
    """Whether it asks for numbers instead of classes."""


@dataclass(frozen=True)
class BlobProbe:
    """The values of a layer's top, and the root mean square of its gradient; None where it has none.

    `bad` values are not finite. `dead` is the share of a ReLU's units that no sample switches on, `saturated` the share
    of a Sigmoid's or TanH's values where the slope is below a hundredth of the steepest.
    """

    layer: str
    type: str
    top: str
    mean: float
    deviation: float
    largest: float
    gradient: float | None
    bad: int = 0
    dead: float | None = None
    saturated: float | None = None


@dataclass(frozen=True)
class WeightProbe:
    """A param: root mean square of its values, and the L2 norms of its gradient and of its first step over its own.

    `usual` is the deviation that the msra filler would give it; None for others than factors of products.
    `drawn`: its values are those that its filler has drawn. `learned`: the solver changes it.
    """

    layer: str
    param: str
    count: int
    size: float
    usual: float | None
    gradient: float | None
    step: float | None
    learned: bool
    drawn: bool


@dataclass(frozen=True)
class DataProbe:
    """What is seen of the data of a training without running its net.

    `inputs` are of all feeds, without what transforms change at random. `twisted` counts training samples with equal
    values and different labels, of the `paired` samples that were compared.
    """

    inputs: tuple[InputProbe, ...] = ()
    labels: tuple[LabelProbe, ...] = ()
    shared: tuple[SharedProbe, ...] = ()
    shifts: tuple[ShiftProbe, ...] = ()
    twisted: int = 0
    paired: int = 0

    @property
    def unscaled(self) -> tuple[InputProbe, ...]:
        """The training inputs that lie in 0..255 or so: large, and all on one side of 0."""
        own = (one for one in self.inputs if one.feed == "train" and not one.truth)
        return tuple(one for one in own if one.least >= 0 and one.most > LARGE)

    @property
    def tiny(self) -> tuple[InputProbe, ...]:
        """The training inputs that differ, but have no value beyond `TINY`."""
        own = (one for one in self.inputs if one.feed == "train" and not one.truth and one not in self.constant)
        return tuple(one for one in own if 0 < max(-one.least, one.most) < TINY)

    @property
    def constant(self) -> tuple[InputProbe, ...]:
        """The training inputs that are equal in all samples that were looked at."""
        return tuple(one for one in self.inputs if one.feed == "train" and one.constant == one.features > 0)


@dataclass(frozen=True)
class Probe:
    """What the first batches show, with the weights as they are. Nothing is changed by looking.

    `loss` is the loss of the net without regularization, `penalty` what weight decay adds to it, and `shrink` the
    largest share that it takes from a weight in an iteration. `rate` is that of the first iteration, `top_rate` the
    largest of the training. `batch` and `batches` say what was run, `samples` is the number of training samples.
    """

    loss: float
    penalty: float = 0.0
    shrink: float = 0.0
    rate: float = 0.0
    top_rate: float = 0.0
    batch: int = 1
    batches: int = 1
    samples: int | None = None
    heads: tuple[HeadProbe, ...] = ()
    blobs: tuple[BlobProbe, ...] = ()
    weights: tuple[WeightProbe, ...] = ()
    data: DataProbe = DataProbe()

    @property
    def seen(self) -> int:
        """Samples that were run."""
        return min(self.batch * self.batches, self.samples or self.batch)

    @property
    def finite(self) -> bool:
        """Whether all inputs and blobs are finite."""
        return not any(one.bad for one in self.data.inputs) and not any(blob.bad for blob in self.blobs)

    @property
    def guess(self) -> float | None:
        """The loss of the net if it guessed; None where a head does not say."""
        return _summed([(head.weight, head.guess) for head in self.heads])

    @property
    def blank(self) -> float | None:
        """The loss of the net if all scores were 0; None where a head does not say."""
        return _summed([(head.weight, head.blank) for head in self.heads])

    @property
    def exploded(self) -> bool:
        """Whether the loss is far above that of a guess."""
        if self.guess is None or self.blank is None:
            return False
        times = FAR_OFF if any(head.numbers for head in self.heads) else HIGH
        return self.loss > times * max(self.guess, self.blank) > 0

    @property
    def dead(self) -> tuple[BlobProbe, ...]:
        """The tops of ReLUs whose units are mostly dead."""
        return tuple(blob for blob in self.blobs if blob.dead is not None and blob.dead > MOST)

    @property
    def saturated(self) -> tuple[BlobProbe, ...]:
        """The tops of Sigmoids and TanHs whose values are mostly saturated."""
        return tuple(blob for blob in self.blobs if blob.saturated is not None and blob.saturated > MOST)

    @property
    def wide(self) -> tuple[WeightProbe, ...]:
        """The weights that are far larger than a filler would make them by their number of inputs."""
        return tuple(one for one in self.weights if one.usual is not None and one.size > WIDE * one.usual)


def _summed(losses: list[tuple[float, float | None]]) -> float | None:
    """The sum of losses by their weights; None without any, or where one is not known."""
    known = [weight * loss for weight, loss in losses if loss is not None]
    return sum(known) if known and len(known) == len(losses) else None

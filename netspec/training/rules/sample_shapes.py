"""SampleShapes: data whose samples have not the shape that the net's inputs take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import TYPE_CHECKING, Any, ClassVar

from netspec.core.errors import DataError, NetspecError
from netspec.core.shape import ANY, CHANNELS_FIRST, Shape, channels_last, count, text
from netspec.formats.images import CHANNELS
from netspec.net.shaped import ShapedGraph
from netspec.training.rules.base import Example, Known, Rule, example, named

if TYPE_CHECKING:
    from netspec.data.feed import Feed
    from netspec.data.spec import FeedSpec


class MisfitError(DataError):
    """The data do not have the shape of the net's inputs."""

    code = "NS620"


def _solver(shape: list[int]) -> dict[str, Any]:
    source = {"type": "Arrays", "values": [[[[0.5, -1.0, 2.0], [1.0, 3.0, -0.5]]] * 2, [0, 3]]}
    data = {"train": {"source": source, "batch_size": 2}}
    return example([{"name": "ip", "type": "InnerProduct", "num_output": 4}], shape, data=data)


class SampleShapes(Rule):
    """Samples of another shape than an input, with the help that fits: axes in another order, too many, too few."""

    finding: ClassVar[type[NetspecError]] = MisfitError
    wrong: ClassVar[Example] = Example(_solver([3, 2]))
    fine: ClassVar[Example] = Example(_solver([2, 3]))

    def judge(self, known: Known) -> Iterator[NetspecError]:
        """An error for each input of a phase whose data are there; one if the outputs of the source are swapped."""
        for feed_name, feed, shaped in known.fed():
            spec = known.job.spec.data.named(feed_name) if known.job else None
            at = spec.place("source") if spec else None
            names = [shaped.graph.blobs[i].name for i in shaped.graph.inputs]
            if (alone := next((i for i in shaped.graph.inputs if shaped.batch_axes[i] is None), None)) is not None:
                which = f"'{shaped.graph.blobs[alone].name}' ({text(shaped.blobs[alone])})"
                message = f"input {which} has no axis for the samples, so that no source can fill it"
                yield MisfitError(message, at=at, help="a constant is the top of a DummyData layer")
                continue
            wanted = [shaped.sample_shape(blob) for blob in shaped.graph.inputs]
            if len(feed.shapes) < len(names):
                outputs = f"{len(feed.shapes)} output{'s' * (len(feed.shapes) != 1)}"
                listed = ", ".join(f"'{name}'" for name in names)
                message = f"the net has {len(names)} inputs ({listed}), but the source has {outputs}"
                help = "name the source's labels, or take the top out of the net's Input"
                yield MisfitError(message, at=at, help=help)
                continue
            pairs = list(zip(names, wanted, feed.shapes, strict=False))
            wrong = [i for i, (_, shape, given) in enumerate(pairs) if shape != given]
            swapped = len(wrong) > 1 and sorted(feed.shapes[: len(wanted)]) == sorted(wanted)
            for i in wrong[:1] if swapped else wrong:
                name, shape, given = pairs[i]
                message = f"input '{name}' takes samples of {text(shape)}, but the data have {text(given)}"
                help = f"give the outputs of the source in the order of the inputs: {named(names)}"
                help = help if swapped else _images(spec, given, shape) or _advice(shaped, feed, i)
                yield MisfitError(message, at=at, help=help)


def _images(spec: FeedSpec | None, given: Shape, wanted: Shape) -> str | None:
    """Help where image files have other channels than an input, or sizes that differ; None for other samples."""
    if len(given) != 3 or len(wanted) != 3:
        return None
    colors = {channels: color for color, channels in CHANNELS.items()}
    steps = []
    if hasattr(spec and spec.origin, "color") and given[0] != wanted[0] in colors:
        steps.append(f"say `color: {colors[wanted[0]]}` in the source")
    if ANY in given:
        steps.append(f"bring the images to one size: `transform: {{type: Resize, size: {list(wanted[1:])}}}`")
    return ", and ".join(steps) or None


def _advice(shaped: ShapedGraph, feed: Feed, number: int) -> str:
    """What to do where output `number` of a feed does not fit its input."""
    blob = shaped.graph.inputs[number]
    wanted, given = shaped.sample_shape(blob), feed.shapes[number]
    net = f"say `shape: {_input_shape(shaped, blob, given)}` for '{shaped.graph.blobs[blob].name}' in the net"
    from netspec.net.labels import label_rules

    if number in feed.soft:
        return f"a transform makes these labels soft: {net}, and let a loss that takes soft labels read it"
    classes = min((rule.classes for rule in label_rules(shaped) if rule.output == number), default=None)
    if classes is not None and (call := _one_hot(wanted, given, classes)) is not None:
        return f"labels are numbers of classes, not a row of scores each: {call}"
    if (order := _order(given, wanted)) is not None:
        if channels_last(given) and order == (2, 0, 1):
            return CHANNELS_FIRST
        if channels_last(wanted) and order == (1, 2, 0):
            return f"channels come first: {net}"
        return f"array.transpose{(0, *(axis + 1 for axis in order))}, or {net}"
    if channels_last(given) and len(wanted) == 3 and given[2] == wanted[0]:
        return f"{CHANNELS_FIRST}, which makes samples of {text((given[2], *given[:2]))}"
    if count(given) == count(wanted):
        changed = f"save array.reshape({', '.join(map(str, (-1, *wanted)))})"
        return changed if classes is None and len(given) < len(wanted) else f"{net}, or {changed}"
    larger = len(given) == len(wanted) == 3 and all(a >= b for a, b in zip(given, wanted, strict=True))
    if number == 0 and larger and given[0] == wanted[0]:
        return f"{net}, or cut the images: `transform: {{type: Crop, size: {_size(wanted[1:])}}}`"
    return net


def _size(size: Sequence[int]) -> str:
    return f"{size[0]}" if len(set(size)) == 1 else str(list(size))


def _one_hot(wanted: Shape, given: Shape, classes: int) -> str | None:
    """The call that makes labels of samples with a score for each class along one axis; None where they are not so."""
    for axis in (i for i, size in enumerate(given) if size == classes):
        before, after = given[:axis], given[axis + 1 :]
        if (*before, *after) == wanted:
            return f"array.argmax({axis + 1})"
        if (*before, 1, *after) == wanted:
            return f"array.argmax({axis + 1}, keepdims=True)"
    return None


def _order(given: Shape, wanted: Shape) -> Shape | None:
    """The order of the given axes that makes the wanted shape; channels from the back first, where several do."""
    if len(given) != len(wanted) or sorted(given) != sorted(wanted) or len(given) > 5:
        return None
    rotations = (tuple(range(k, len(given))) + tuple(range(k)) for k in (len(given) - 1, 1))
    orders = (*rotations, *permutations(range(len(given))))
    return next(order for order in orders if tuple(given[axis] for axis in order) == wanted)


def _input_shape(shaped: ShapedGraph, blob: int, sample: Shape) -> list[int]:
    """The shape to write for an input that takes such samples, with the batch size that is written now."""
    top, axis = shaped.graph.blobs[blob], shaped.batch_axes[blob] or 0
    batch = shaped.graph.nodes[top.producer].layer.top_shapes(())[top.slot][axis]
    return [*sample[:axis], batch, *sample[axis:]]

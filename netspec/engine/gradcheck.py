"""Gradient check: the gradients of every layer of a net, alone and in float64, against central differences.

A layer's bottoms are as the net's forward gives them, its tops' diffs are random. What is compared is the slope of
sum(top * diff) along random directions through a whole blob, which see every element, and along a sample of single
elements. `engine/slopes.py` finds slopes, and what is at a kink, from forward values alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite, nan
from typing import TYPE_CHECKING, Any, NamedTuple

from netspec.core import rng
from netspec.core.calls import Phase
from netspec.core.errors import CheckFailed, Findings
from netspec.core.shape import Shape
from netspec.engine.alone import DTYPE, Alone
from netspec.engine.slopes import Asked, Line, Slopes, Target
from netspec.engine.weights import fill_weights
from netspec.net.labels import draw_labels
from netspec.net.shaped import ShapedGraph

if TYPE_CHECKING:
    from netspec.core.calls import Array

Index = tuple[int, ...]


class WrongGradientError(CheckFailed):
    """A layer's backward gives another gradient than its forward has."""

    code = "NS507"


class NothingComparedError(CheckFailed):
    """Every value of a blob is at a kink, or its layer's top is not finite: no gradient could be checked."""

    code = "NS508"


DIRECTIONS = 2
"""Random directions through a whole blob."""


@dataclass(frozen=True)
class BlobCheck:
    """The comparison of one gradient: of a bottom or a param, with the largest relative error.

    It is at the element `at`, or along a direction where that is None. `elements` and `directions` were compared;
    `kinks` are elements that were left out, `kinked_tops` is the number of top values left out of directions.
    """

    what: str
    name: str
    shape: Shape
    error: float
    at: Index | None
    analytic: float
    numeric: float
    elements: int
    directions: int
    kinks: tuple[Index, ...] = ()
    kinked_tops: int = 0


@dataclass(frozen=True)
class LayerCheck:
    """The comparisons of one layer; without any, `why` says why there is nothing to compare."""

    name: str
    type: str
    blobs: tuple[BlobCheck, ...] = ()
    why: str = ""


@dataclass(frozen=True)
class NetCheck:
    """The check of a net."""

    net: str
    phase: Phase
    batch: int
    asked: Asked
    layers: tuple[LayerCheck, ...] = ()

    @property
    def worst(self) -> float:
        """The largest relative error; infinite where a blob has no point that could be compared."""
        return max((blob.error for layer in self.layers for blob in layer.blobs), default=0.0)


def gradcheck(shaped: ShapedGraph, asked: Asked, inputs: Sequence[Array] | None = None) -> NetCheck:
    """Check every layer of a net. `inputs` are the values of its inputs, N, C, H, W; left out, they are random.

    Params are at their fillers' values plus normal numbers of a tenth, since zeros hide mistakes and are kinks.
    """
    import numpy as np

    from netspec.codegen.compile import codes, prepare

    graph = shaped.graph
    prepare(codes(c for alone in _alone(shaped, asked.seed) for calls in alone.calls for c in calls), DTYPE)
    weights = fill_weights(shaped, DTYPE, asked.seed)
    for param, array in zip(graph.params, weights.data, strict=True):
        if param.param.learned:
            array += 0.1 * rng.generator(asked.seed, "gradcheck", param.name).standard_normal(array.shape)
    values = dict(zip(graph.inputs, random_inputs(shaped, asked.seed) if inputs is None else inputs, strict=True))
    last = {blob: max((node for node, _ in graph.readers(blob)), default=-1) for blob in range(len(graph.blobs))}
    layers = []
    for node, alone in zip(graph.nodes, _alone(shaped, asked.seed), strict=True):
        for bottom, blob in zip(alone.bottom, node.bottoms, strict=True):
            bottom[...] = values[blob]
        for array, index in zip(alone.param, node.params, strict=True):
            array[...] = weights.data[index].reshape(array.shape)
        alone.hold()
        labels = [graph.blobs[blob].label for blob in node.bottoms]
        with np.errstate(all="ignore"):  # what is not finite is left out
            layers.append(check_alone(alone, labels, asked))
        alone.forward()
        if not node.layer.fed:
            values.update(zip(node.tops, alone.top, strict=True))
        for blob in [blob for blob in values if last[blob] <= node.index]:
            del values[blob]
    return NetCheck(graph.name, graph.phase, shaped.batch, asked, tuple(layers))


def mistakes(checked: NetCheck, shaped: ShapedGraph) -> Findings:
    """An error for each gradient that is beyond the limit, and for each that could not be compared."""
    found = Findings()
    for node, layer in zip(shaped.graph.nodes, checked.layers, strict=True):
        for blob in layer.blobs:
            what = f"its {blob.what} '{blob.name}'"
            if not blob.elements + blob.directions:
                text = f"layer '{layer.name}' ({layer.type}): no value of {what} can be checked"
                help = "each is at a kink, or the top is not finite; try another --seed, or --data"
                found.add(NothingComparedError(text, at=node.layer.place(), help=help))
            elif not blob.error <= checked.asked.limit:
                where = "along a direction through all of it" if blob.at is None else f"at {blob.at}"
                text = f"layer '{layer.name}' ({layer.type}): backward says that the gradient of {what} {where} is "
                text += f"{blob.analytic:.6g}, and its forward says {blob.numeric:.6g}"
                help = f"the relative error is {blob.error:.2g}, the limit {checked.asked.limit:g}"
                found.add(WrongGradientError(text, at=node.layer.place(), help=help))
    return found


def _alone(shaped: ShapedGraph, seed: int) -> Iterator[Alone]:
    for node in shaped.graph.nodes:
        yield Alone(node.layer, shaped.graph.phase, shaped.bottom_shapes(node), seed)


def random_inputs(shaped: ShapedGraph, seed: int) -> list[Array]:
    """Normal numbers for each input, N, C, H, W; random classes where a layer reads labels."""
    import numpy as np

    random = rng.generator(seed, "gradcheck inputs")
    values = [np.array(random.standard_normal(shaped.blobs[blob])) for blob in shaped.graph.inputs]
    draw_labels(shaped, by_sample(shaped, values), random)
    return values


def by_sample(shaped: ShapedGraph, values: Sequence[Array]) -> tuple[Array, ...]:
    """Views of the inputs' values with samples on the first axis; without a batch axis there is one sample."""
    import numpy as np

    axes = (shaped.batch_axes[blob] for blob in shaped.graph.inputs)
    pairs = zip(values, axes, strict=True)
    return tuple(array[None] if axis is None else np.moveaxis(array, axis, 0) for array, axis in pairs)


def check_alone(alone: Alone, labels: Sequence[str], asked: Asked) -> LayerCheck:
    """Compare all gradients of a layer whose bottoms and params hold values. `labels` are the names of its bottoms."""
    layer = alone.layer
    if layer.fed:
        return LayerCheck(layer.name, layer.type, why="is filled from outside")
    if not layer.differentiable:
        return LayerCheck(layer.name, layer.type, why="has no gradient")
    if alone.reshapes:
        return LayerCheck(layer.name, layer.type, why="its top is its bottom's memory")
    names = [("bottom", label) for label in labels] + [("param", param.name) for param in alone.params]
    arrays = zip((*alone.bottom, *alone.param), (*alone.bottom_diff, *alone.param_diff), strict=True)
    checks = [
        _Check(alone, Target(*name, values, diff), asked).run()
        for name, (values, diff) in zip(names, arrays, strict=True)
        if diff is not None and values.size
    ]
    return LayerCheck(layer.name, layer.type, tuple(checks), "" if checks else "has nothing that takes a gradient")


class _Compared(NamedTuple):
    """A slope along a line by forward and by backward, and the rounding error that the first may have."""

    line: Line
    numeric: float
    analytic: float
    noise: float


class _Check:
    """The comparison of one gradient of a layer."""

    def __init__(self, alone: Alone, target: Target, asked: Asked) -> None:
        self.target, self.asked = target, asked
        self.random = rng.generator(asked.seed, "gradcheck", alone.layer.name, target.what, target.name)
        self.slopes = Slopes(alone, target, [_signed(self.random, top.shape) for top in alone.top], asked)
        self.diff = self.slopes.backward(self.slopes.v)
        self.kinks: list[Index] = []

    def run(self) -> BlobCheck:
        """Compare elements and directions."""
        shape, size = self.target.values.shape, self.target.values.size
        elements = [one for one in map(self.element, self.points()) if one is not None]
        usual = (sum(one.numeric**2 for one in elements) / max(1, len(elements))) ** 0.5
        lines = [Line((), _signed(self.random, shape)) for _ in range(DIRECTIONS if size > 1 else 0)]
        found = [*map(self.direction, lines)]
        whole = [one for one, _ in found if one is not None]
        counts = (len(elements), len(whole))
        nothing = BlobCheck(self.target.what, self.target.name, shape, inf, None, nan, nan, *counts)
        nothing = replace(nothing, kinks=tuple(self.kinks), kinked_tops=sum(kinked for _, kinked in found))
        if not elements and not whole:
            return nothing
        worst = max([*elements, *whole], key=lambda one: self.error(one, usual))
        error = self.error(worst, usual)
        if error > self.asked.limit and _index(worst.line) is None:
            worst = self.narrowed(worst)
            error = max(error, self.error(worst, usual))
        return replace(nothing, error=error, at=_index(worst.line), analytic=worst.analytic, numeric=worst.numeric)

    def points(self) -> Iterator[Index]:
        """The elements to compare, in order."""
        import numpy as np

        shape, size = self.target.values.shape, self.target.values.size
        for flat in np.sort(self.random.choice(size, min(size, self.asked.samples), replace=False)):
            yield tuple(int(place) for place in np.unravel_index(int(flat), shape))

    def error(self, one: _Compared, usual: float) -> float:
        """The relative error, judged against both slopes, slopes as they are `usual` here, and what rounding allows."""
        import numpy as np

        if not np.isfinite(one.analytic):
            return inf
        size = float(np.sqrt(np.sum(np.square(one.line.u))))
        scale = max(abs(one.numeric), abs(one.analytic), 0.01 * usual * size, one.noise / self.asked.limit)
        return abs(one.numeric - one.analytic) / scale if scale else 0.0

    def element(self, point: Index) -> _Compared | None:
        """Both slopes along one element; None where it is at a kink."""
        line, analytic = Line(point, 1.0), float(self.diff[point])
        slope = self.slopes.along(line, single=True)
        if slope.lost or slope.kinks or not (self.slopes.finite or isfinite(analytic)):
            self.kinks.append(point)
            return None
        return _Compared(line, slope.value, analytic, slope.noise)

    def direction(self, line: Line) -> tuple[_Compared | None, int]:
        """Both slopes along a direction without the top values at a kink, None where no top is left; their number."""
        import numpy as np

        slope, v = self.slopes.along(line), self.slopes.v
        if slope.lost or not self.slopes.finite or slope.kinks == sum(map(np.count_nonzero, v)):
            return None, slope.kinks
        diff = self.diff
        if slope.kinks:
            diff = self.slopes.backward([np.where(at, 0, each) for at, each in zip(slope.kinked, v, strict=True)])
        return _Compared(line, slope.value, float(np.sum(diff[line.index] * line.u)), slope.noise), slope.kinks

    def narrowed(self, wrong: _Compared) -> _Compared:
        """The element that makes most of a wrong slope, found by halving the elements that move."""
        import numpy as np

        shape = self.target.values.shape
        flat, u = np.arange(self.target.values.size), wrong.line.u.reshape(-1)
        while flat.size > 1:
            halves = np.array_split(flat, 2)
            lines = [Line(np.unravel_index(half, shape), u[half]) for half in halves]
            tried = [(one, half) for (one, _), half in zip(map(self.direction, lines), halves, strict=True) if one]
            if not tried:
                break
            wrong, flat = max(tried, key=lambda each: _gap(each[0]))
        return wrong


def _gap(one: _Compared) -> float:
    """How far both slopes are apart; infinite where backward gives no number."""
    gap = abs(one.numeric - one.analytic)
    return gap if isfinite(gap) else inf


def _index(line: Line) -> Index | None:
    """The element that a line moves; None where it moves several."""
    import numpy as np

    return tuple(int(np.ravel(place)[0]) for place in line.index) if np.size(line.u) == 1 else None


def _signed(random: Any, shape: Shape) -> Array:
    """Numbers of size 0.5 to 1.5 with random signs."""
    result: Array = random.uniform(0.5, 1.5, shape) * random.choice([-1.0, 1.0], shape)
    return result

"""Random nets and data: a plain oracle says whether they can run, and `check` and the training both say the same."""

from __future__ import annotations

import math
import random
import re
from typing import Any

import numpy as np
import pytest

from netspec.core.errors import NetspecError
from tests.helpers.judged import Judge
from tests.helpers.mutations import seeds

Values = dict[str, Any]

CLASSES = 5


def solver(layers: list[Values], test: Values | None = None, **fields: Any) -> Values:
    """A solver of one iteration for arrays x.npy and y.npy; `test` are further fields of its test data."""
    source = {"type": "Arrays", "outputs": ["x.npy", "y.npy"]}
    data = {"train": {"source": source, "batch_size": 4}}
    if test is not None:
        data["test"] = {"source": {"type": "Arrays", "outputs": ["tx.npy", "ty.npy"]}, **test}
    own = {"base_lr": 0.01, "lr_policy": "fixed", "max_iter": 1, "snapshot_after_train": False}
    return {"net": {"name": "m", "layers": layers}, "data": data, **own, **fields}


def arrays(draw: random.Random, samples: int, shape: tuple[int, ...], prefix: str = "") -> dict[str, np.ndarray]:
    numbers = np.random.default_rng(draw.randrange(2**32))
    x = numbers.normal(size=(samples, *shape)).astype(np.float32)
    return {f"{prefix}x.npy": x, f"{prefix}y.npy": numbers.integers(0, CLASSES, samples)}


@pytest.mark.parametrize("seed", seeds(6))
def test_batches(seed: int, judged: Judge) -> None:
    draw = random.Random(seed)
    written, train = draw.choice([2, 3, 4, 5]), draw.choice([2, 3, 4, 5])
    train = draw.choice([train, written])
    test, samples, limit = draw.choice([train, written, 3]), draw.randrange(1, 13), draw.choice([None, None, 1, 2])
    first = draw.choice([0, -1, written])
    column = draw.choice([None, 0, written])
    order = draw.random() < 0.3  # an input whose second axis counts the samples
    layers: list[Values] = [
        {"name": "data", "type": "Input", "shape": [[2, written, 3] if order else [written, 2, 3]]},
        {"name": "label", "type": "Input", "shape": [draw.choice([1, written])]},
    ]
    if order:
        layers[0]["batch_axis"] = 1
        layers += [{"name": "ip", "type": "InnerProduct", "bottom": "data", "num_output": CLASSES, "axis": 2}]
        layers += [{"name": "rows", "type": "Reshape", "shape": [-1, CLASSES]}]
        layers += [{"name": "some", "type": "Slice", "axis": 0, "top": ["some", "rest"]}]
        fixed = column == written  # the halves of T x N rows hold N rows each
        scores = "some"
    else:
        layers += [{"name": "rows", "type": "Reshape", "bottom": "data", "shape": [first, 6]}]
        layers += [{"name": "ip", "type": "InnerProduct", "num_output": CLASSES, "weight_filler": "xavier"}]
        fixed = first == written or column == written
        scores = "ip"
    labels = "label"
    if column is not None:
        layers += [{"name": "column", "type": "Reshape", "bottom": "label", "shape": [column, 1]}]
        labels = "column"
    layers += [{"name": "loss", "type": "SoftmaxWithLoss", "bottom": [scores, labels]}]
    values = solver(layers, {"batch_size": test}, **({"test_iter": limit} if limit else {}))
    values["data"]["train"]["batch_size"] = train
    total = samples if limit is None else min(samples, limit * test)
    sizes = {min(test, total - start) for start in range(0, total, test)}
    runs = not fixed or (train == written and test == written and sizes == {written})
    data = arrays(draw, draw.randrange(1, 9), (2, 3)) | arrays(draw, samples, (2, 3), "t")
    found = judged(values, data)
    assert found.agree and runs == (not found.stopped), found
    assert set(found.stopped) <= {"NS313", "NS624"}


HELPED = re.compile(r"array\.\w+\([-\w, =]*\)|array\[[^\]]*\]")
SHAPED = re.compile(r"`shape: (\[[\d, ]*\])` for '(\w+)'")


@pytest.mark.parametrize("seed", seeds(8))
def test_shapes_of_samples_and_the_help_on_them(seed: int, judged: Judge) -> None:
    """Whatever the help says makes the training run: the call on the array, or the shape in the net."""
    draw = random.Random(seed)
    c, h, w = draw.choice([(1, 4, 6), (3, 6, 5), (3, 7, 7), (2, 4, 4)])
    wanted = draw.choice([(c, h, w), (c * h * w,), (h, w), (c, h * w), (h, w, c)])
    data = arrays(draw, 8, (c, h, w))
    x, y = data["x.npy"], data["y.npy"]
    size = math.prod(wanted)
    forms = [x, x.transpose(0, 2, 3, 1), x.reshape(8, -1), x.reshape(8, c, -1), x.transpose(0, 1, 3, 2), x[:, 0]]
    forms += [x[..., None], np.concatenate([x, x], 1), x[:, :, :3, :3], x.reshape(8, -1)[:, :size].reshape(8, *wanted)]
    given, targets = draw.choice([*forms, forms[-1]]), [y, y, y[:, None], np.eye(CLASSES)[y], y[:, None, None]]
    truth = draw.choice([*targets, np.stack([y, y], 1)])
    label = draw.choice([[4], [4], [4, 1]])
    layers = [
        {"name": "data", "type": "Input", "shape": [4, *wanted]},
        {"name": "label", "type": "Input", "shape": label},
        {"name": "ip", "type": "InnerProduct", "bottom": "data", "num_output": CLASSES, "weight_filler": "xavier"},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"]},
    ]
    stored, values, swapped = {"x.npy": given, "y.npy": truth}, solver(layers), draw.random() < 0.2
    shapes = [given.shape[1:], truth.shape[1:]]
    if swapped:
        values["data"]["train"]["source"]["outputs"].reverse()
        shapes.reverse()
    fits = shapes == [wanted, tuple(label[1:])]
    found = judged(values, stored)
    assert found.agree and fits == (not found.stopped), found
    assert all("transform" not in help or "Crop" in help for help in found.helps)
    if fits or swapped:
        return
    mended = dict(stored)
    for help, name in zip(found.helps, _wrong(layers, stored), strict=True):
        _follow(help, name, mended, layers)
    if truth.shape[1:] == (2,):  # two labels a sample are no labels of one row of scores
        return
    again = judged(values, mended)
    assert again.agree and not again.stopped, (found, again)


def _wrong(layers: list[Values], stored: dict[str, np.ndarray]) -> list[str]:
    """The arrays that do not fit, in the order of the inputs."""
    pairs = zip(layers[:2], stored.items(), strict=True)
    return [name for layer, (name, array) in pairs if tuple(layer["shape"][1:]) != array.shape[1:]]


def _follow(help: str, name: str, stored: dict[str, np.ndarray], layers: list[Values]) -> None:
    """Do what a help line says: change the array in `stored`, or the shape in `layers`."""
    if call := HELPED.search(help):
        stored[name] = eval(call.group(), {"array": stored[name]})
    if (shape := SHAPED.search(help)) and not call:
        layer = next(layer for layer in layers if layer["name"] == shape.group(2))
        layer["shape"] = [int(size) for size in shape.group(1)[1:-1].split(",")]


ZERO, DRAWN = {"type": "constant", "value": 0.0}, {"type": "uniform", "min": 0.1, "max": 0.6}
FILLERS: list[Values] = [ZERO, ZERO, {"type": "constant", "value": 0.3}, DRAWN]
"""None is negative: a ReLU that is 0 by chance would stop a gradient that no rule knows of."""


BETWEEN = ["ReLU", "ReLU", "TanH", "Sigmoid", "PReLU", "Scale", "Power", None, None]
OTHERS = ["ELU", "Bias", "Split", "Dropout", "BatchNorm"]


def _random_net(draw: random.Random) -> list[Values]:
    """A chain, sometimes with a sum of two branches, of layers whose weights are often constant."""
    layers: list[Values] = [{"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[4, 2, 5, 4], [4]]}]

    def fill() -> Values:
        return dict(draw.choice(FILLERS))

    def bias() -> Values:
        return dict(draw.choice([*FILLERS, ZERO, ZERO]))

    def add(type: str, **fields: Any) -> str:
        name = f"{type.lower()}{len(layers)}"
        layers.append({"name": name, "type": type, **fields})
        return name

    def between(last: str) -> str:
        kind = draw.choice([*BETWEEN, *BETWEEN, *OTHERS])
        if kind is None:
            return last
        own = {"filler": fill()} if kind in {"Scale", "Bias"} else {"power": 2.0} if kind == "Power" else {}
        own |= {"bias_term": True, "bias_filler": bias()} if kind == "Scale" else {}
        return add(kind, bottom=last, **own)

    last = "data"
    if draw.random() < 0.6:
        last = add("Convolution", bottom=last, num_output=3, kernel_size=2, weight_filler=fill(), bias_filler=bias())
        last = between(last)
        if draw.random() < 0.5:
            last = add("Pooling", bottom=last, kernel_size=2, pool=draw.choice(["MAX", "AVE"]))
        last = add("Flatten", bottom=last) if draw.random() < 0.3 else last
    for _ in range(draw.choice([0, 1, 1, 2])):
        frozen = {"param": [{"lr_mult": 0}]} if draw.random() < 0.15 else {}
        wide = add("InnerProduct", bottom=last, num_output=6, weight_filler=fill(), bias_filler=bias(), **frozen)
        if draw.random() < 0.2:
            other = add("InnerProduct", bottom=last, num_output=6, weight_filler=fill(), bias_filler=bias())
            both = [between(wide), between(other)]
            kind = draw.choice(["SUM", "PROD", "MAX", "Concat", "Slice"])
            if kind in {"Concat", "Slice"}:
                wide = add("Concat", bottom=both)
            else:
                wide = add("Eltwise", bottom=both, operation=kind)
            if kind == "Slice":
                add("Slice", bottom=wide, top=["left", "right"])
                add("Power", bottom="right")
                wide = "left"
        last = between(wide)
    # equal weights above 0 would give gradients that cancel out, as those of a softmax add up to 0
    end = dict(draw.choice([ZERO, DRAWN]))
    last = add("InnerProduct", bottom=last, num_output=CLASSES, weight_filler=end, bias_filler=bias())
    add("SoftmaxWithLoss", bottom=[last, "label"])
    return layers


@pytest.mark.parametrize("seed", seeds(10))
def test_weights_that_cannot_learn(seed: int, judged: Judge) -> None:
    """The oracle trains, in float64: no warning unless a gradient stays 0, or outputs stay equal."""
    from tests.helpers.sessions import session

    draw = random.Random(seed)
    values = solver(_random_net(draw), dtype="float64")
    data = arrays(draw, 8, (2, 5, 4))
    data["x.npy"] = abs(data["x.npy"]) * 0.1  # so small that no TanH has a gradient of 0
    found = judged(values, data)
    if found.stopped:
        assert found.stopped == ("NS308",)
        return
    assert found.agree, found
    one = session({**values, "base_lr": 0.05, "max_iter": 20})
    weights, moved = one.train.weights, set()
    before = [array.copy() for array in weights.data]
    try:
        for _ in range(12):  # a gradient passes one layer of zeros in each
            one.step()
            moved |= {
                name for name, diff in zip(weights.names, weights.diff, strict=True) if diff is not None and diff.any()
            }
    except NetspecError:
        return  # it diverged, and no oracle speaks
    finally:
        one.close()
    learned = [i for i, name in enumerate(weights.names) if weights.diff[i] is not None and "prelu" not in name]
    stuck = [weights.names[i] for i in learned if weights.names[i] not in moved]
    wide = [i for i in learned if weights.data[i].ndim > 1 and len(weights.data[i]) != CLASSES]
    equal = [i for i in wide if weights.names[i] in moved and np.ptp(weights.data[i], axis=0).max() < 1e-12]
    surely = [i for i in equal if abs(weights.data[i] - before[i]).max() > 1e-9]
    case = (found, stuck, equal)
    assert bool(stuck) >= ("NS320" in found.noted) and bool(equal) >= ("NS321" in found.noted), case
    kinds = {layer["type"] for layer in values["net"]["layers"]}
    kinds |= {layer["operation"] for layer in values["net"]["layers"] if "operation" in layer}
    # a BatchNorm makes 0 of equal values, half of a sliced blob leads nowhere, and a MAX may ignore a bottom
    if not kinds & {"BatchNorm", "Slice", "MAX"}:
        assert ("NS320" in found.noted) >= bool(stuck) and ("NS321" in found.noted) >= bool(surely), case

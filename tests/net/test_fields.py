"""Receptive fields of random nets with branches: every value depends on just the rows and columns that are said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netspec
from netspec.net.load import load_net
from netspec.net.shaped import ShapedGraph
from tests.helpers.mutations import seeds

HEIGHT, WIDTH = 17, 19
Layers = list[dict[str, Any]]


def window(random: np.random.Generator, name: str, bottom: str, kernel: list[int], **more: Any) -> dict[str, Any]:
    """A convolution or an average pooling; all weights are positive, so that no gradient cancels."""
    layer = {"name": name, "bottom": bottom, "kernel_size": kernel, **more}
    if random.random() < 0.4:
        return {**layer, "type": "Pooling", "pool": "AVE"}
    filler = {"type": "constant", "value": 1}
    return {**layer, "type": "Convolution", "num_output": 2, "weight_filler": filler}


def windowed(random: np.random.Generator, name: str, bottom: str, shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    """A window of any kind; or one of stride 1 whose top is as large as a smaller blob, which has another stride."""
    (_, _, height, width), kind = shapes[bottom], random.random()
    smaller = [(height - h + 1, width - w + 1) for _, _, h, w in shapes.values() if h < height and w < width]
    if smaller and kind < 0.4:
        return window(random, name, bottom, list(random.choice(smaller).tolist()))
    kernel = random.integers(1, 4, 2).tolist()
    pad = [int(random.integers(0, side)) for side in kernel]
    stride = random.integers(1, 3, 2).tolist()
    if kind < 0.7:  # keeps the shape
        kernel, pad, stride = [3, 5], [1, 2], [1, 1]
    one = window(random, name, bottom, kernel, pad=pad, stride=stride)
    return one if one["type"] == "Pooling" or kind < 0.85 else {**one, "dilation": random.integers(1, 3, 2).tolist()}


def added(random: np.random.Generator, number: int, shapes: dict[str, tuple[int, ...]], cuts: bool) -> dict[str, Any]:
    """A layer on blobs that exist: two blobs joined where their shapes allow it, else a window, or a cut."""
    name, blobs = f"layer{number}", list(shapes)
    one = blobs[-1] if random.random() < 0.5 else str(random.choice(blobs))
    alike = [blob for blob, shape in shapes.items() if blob != one and shape == shapes[one]]
    kind = random.random()
    if alike and kind < 0.7:
        join = [{"type": "Eltwise"}, {"type": "Concat"}, {"type": "Scale", "axis": 0}][int(random.integers(3))]
        return {"name": name, "bottom": [one, str(random.choice(alike))], **join}
    if cuts and kind > 0.8 and shapes[one][2] > 3:
        cut = int(random.integers(1, shapes[one][2] - 1))
        return {"name": name, "type": "Slice", "bottom": one, "axis": 2, "slice_point": cut, "top": [name, f"{name}b"]}
    return windowed(random, name, one, shapes)


def net(seed: int) -> tuple[Layers, ShapedGraph]:
    """A net of up to twelve layers on an image; a layer that does not fit is left out. Every third net has cuts."""
    random = np.random.default_rng(seed)
    layers: Layers = [{"name": "data", "type": "Input", "shape": [1, 2, HEIGHT, WIDTH]}]
    if seed % 4 == 1:  # two branches of different strides, 8 x 9 both
        layers.append(window(random, "coarse", "data", [3, 3], stride=[2, 2]))
        layers.append(window(random, "fine", "data", [10, 11]))
        layers.append({"name": "both", "type": "Concat", "bottom": ["coarse", "fine"]})
    shaped = load_net({"name": "n", "layers": layers})
    for number in range(12):
        shapes = {blob.name: shape for blob, shape in zip(shaped.graph.blobs, shaped.blobs, strict=True)}
        more = [*layers, added(random, number, shapes, cuts=seed % 3 == 2)]
        try:
            shaped = load_net({"name": "n", "layers": more})
        except netspec.NetspecError:
            continue
        layers = more
    return layers, shaped


def seen(gradient: np.ndarray, axis: int) -> tuple[int, int] | None:
    """The first and the last place along an axis that a gradient reaches."""
    places = np.nonzero(np.abs(gradient[0]).sum(0).sum(1 - axis))[0]
    return (int(places[0]), int(places[-1])) if len(places) else None


@pytest.mark.parametrize("seed", seeds(40))
def test_a_field_is_what_the_gradient_reaches(seed: int) -> None:
    """Equal where the field lies within the image; at its border no more than the field is reached.

    Where a blob was cut, the padding of a layer above stands in the midst of the image: there also no more.
    """
    layers, shaped = net(seed)
    cut = any(layer["type"] == "Slice" for layer in layers)
    one = netspec.Net({"name": "n", "layers": layers}, phase="TRAIN", force_backward=True, dtype="float64")
    one.forward(data=np.ones((1, 2, HEIGHT, WIDTH)))
    random = np.random.default_rng(seed)
    for blob in shaped.graph.outputs:
        name, shape, field = shaped.graph.blobs[blob].name, shaped.blobs[blob], shaped.fields[blob]
        for at in zip(*(random.integers(0, side, 4) for side in shape[2:]), strict=True):
            diff = np.zeros(shape)
            diff[0, :, at[0], at[1]] = 1
            gradient = one.backward(**{name: diff})["data"]
            for axis, (place, side) in enumerate(zip(at, (HEIGHT, WIDTH), strict=True)):
                here = field.shifted(axis + 2, int(place)).over((1, 1, 1, 1))
                first, last = here.start[axis], here.start[axis] + here.size[axis] - 1
                reached = seen(gradient, axis)
                if first >= 0 and last < side and not cut:
                    assert reached == (first, last), (layers, name, at)
                else:
                    assert reached is None or (first <= reached[0] and reached[1] <= last), (layers, name, at)


def test_most_random_nets_have_branches_that_meet() -> None:
    """The check above would mean little on chains alone, or on branches of one stride alone."""
    nets = [net(seed) for seed in range(40)]
    assert sum(any(isinstance(layer.get("bottom"), list) for layer in layers) for layers, _ in nets) >= 25
    assert sum(any(len(reach) > 1 for field in shaped.fields for reach in field) for _, shaped in nets) >= 8

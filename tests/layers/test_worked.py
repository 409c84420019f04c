"""Explanations of values: every layer that explains itself says what its kernels compute, in right arithmetic."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from netspec.core.worked import SHORTENED, LayerArrays, Term, Worked, dot, greatest, short, softmax, total
from netspec.layers.base import LAYERS, Layer
from tests.helpers.checks import Array, make_layer, random_params, run_layer

EXPLAINED = [
    layer
    for layer in LAYERS.members()
    if layer.worked is not Layer.worked or layer.worked_top is not Layer.worked_top or layer.moves is not Layer.moves
]

NEEDED = {"num_output": 4, "kernel_size": 2, "group_size": 2, "min": -0.75, "max": 0.5}
"""Fields that some layers cannot do without."""
USUAL: dict[str, dict[str, Any]] = {
    "Embed": {"input_dim": 3},
    "GroupNorm": {"group": 2},
    "LSTMUnit": {"top": ("c", "h")},
    "Log": {"shift": 9.0},
}
"""Fields of layers whose defaults are not for all numbers."""
MORE: dict[str, list[dict[str, Any]]] = {
    "Convolution": [
        {"kernel_size": (3, 2), "stride": (1, 2), "pad": (2, 1), "dilation": (2, 1)},
        {"group": 2, "pad": 1, "num_output": 6},
        {"axis": 2, "pad": 1},
    ],
    "Deconvolution": [
        {"kernel_size": (3, 2), "stride": (1, 2), "pad": (2, 1), "dilation": (2, 1)},
        {"group": 2, "pad": 1, "num_output": 6},
        {"axis": 2, "stride": 2},
    ],
    "Im2col": [{"kernel_size": (3, 2), "stride": (1, 2), "pad": (2, 1), "dilation": (2, 1)}, {"axis": 2}],
    "BatchNorm": [{"affine": True, "use_global_stats": True}, {"affine": True, "eps": 0.5}],
    "Bias": [{"axis": 2, "num_axes": 2}, {"num_axes": 0}],
    "CELU": [{"alpha": 0.5}],
    "Eltwise": [{"coeff": [0.5, -2.0]}],
    "Exp": [{"base": 2.0, "scale": -0.5, "shift": 0.25}],
    "FeaturePooling": [{"group_size": 4}, {"group_size": 5, "axis": 2}, {"axis": 0, "pool": "L2"}],
    "GLU": [{"axis": 1}, {"axis": 0}],
    "HardTanh": [{"min_val": -0.5, "max_val": 0.25}],
    "InnerProduct": [{"axis": 2}, {"axis": 3, "transpose": True}],
    "L2Normalize": [
        {"axis": 2, "num_axes": 2, "affine": True},
        {"axis": 1, "affine": True},
        {"axis": 3},
        {"axis": 3, "eps": 2.5},
    ],
    "LRN": [
        {"local_size": 3, "alpha": 0.5, "k": 2.0},
        {"local_size": 3, "alpha": 0.5, "beta": 0.5, "norm_region": "WITHIN_CHANNEL"},
    ],
    "LayerNorm": [{"axis": 2}, {"axis": 1, "affine": False, "eps": 0.5}],
    "LocallyConnected": [{"kernel_size": (3, 2), "stride": (1, 2), "pad": (2, 1), "dilation": (2, 1)}, {"axis": 2}],
    "Log": [{"base": 2.0, "scale": -0.5, "shift": 9.0}],
    "Maxout": [{"pieces": 3}, {"axis": 2, "bias_term": False}],
    "Pooling": [
        {"kernel_size": 3, "stride": 2},
        {"kernel_size": 3, "stride": 2, "pool": "AVE"},
        {"kernel_size": (2, 3), "stride": 1, "pad": 1, "pool": "AVE"},
        {"kernel_size": 3, "stride": 1, "pad": 1},
        {"kernel_size": (3, 2), "stride": 2, "pad": 1, "pool": "L2"},
    ],
    "Power": [
        {"scale": -2.0, "shift": 0.5},
        {"power": 2.0, "scale": 0.5, "shift": -0.25},
        {"power": 3.0, "shift": 7.0},
        {"power": -0.5, "shift": 9.0},
        {"power": 2.5, "scale": 0.0, "shift": 1.5},
        {"power": 0.0},
    ],
    "RMSNorm": [{"axis": 2}, {"axis": 3, "affine": False}],
    "ReLU": [{"negative_slope": 0.25}, {"negative_slope": -0.5}],
    "Scale": [{"axis": 2, "num_axes": 2, "bias_term": True}, {"num_axes": 0}],
    "Softmax": [{"axis": 2}],
    "SoftmaxWithLoss": [
        {"ignore_label": 1},
        {"axis": 3},
        {"label_smoothing": 0.25},
        {"class_weights": [0.5, 2.0, 3.0, 1.5]},
        {"class_weights": [0.5, 2.0, 3.0, 1.5], "label_smoothing": 0.25, "ignore_label": 1},
    ],
    "PositionalEmbedding": [{"max_length": 7}],
    "SigmoidCrossEntropyLoss": [
        {"ignore_label": 1},
        {"class_weights": [0.5, 2.0, 3.0, 1.5], "label_smoothing": 0.25, "normalization": "VALID"},
    ],
    "Softplus": [{"beta": 2.0}],
    "Swish": [{"beta": 1.5}],
    "Threshold": [{"threshold": 0.25}],
    "ContrastiveLoss": [
        {"margin": margin, "legacy_version": legacy} for margin, legacy in ((12.0, False), (99.0, True))
    ],
    "CosineEmbeddingLoss": [{"margin": -0.5}],
    "FocalLoss": [
        {"alpha": None, "gamma": 0.5, "ignore_label": 0},
        {"form": "SOFTMAX", "class_weights": [0.5, 2.0, 3.0, 1.5], "ignore_label": 1},
    ],
    "DiceLoss": [{"ignore_label": 1}],
    "CTCLoss": [{"blank": 3}],
    "TripletLoss": [{"margin": 20.0}],
    "SmoothL1Loss": [{"beta": 0.1}],
}
"""Values that are tried beside the defaults, each choice and each flag."""
SILENT = {"Pooling": {"pool": "STOCHASTIC"}}
"""Choices with which a layer does not explain itself: a draw has no arithmetic."""
DRAWING = {"DropPath", "Dropout", "GaussianNoise", "SpatialDropout"}
"""Layers that explain themselves while testing alone."""


def configurations(layer: type[Layer]) -> Iterator[dict[str, Any]]:
    """Fields of a layer: the defaults, each flag turned, each choice made, and what stands in MORE."""
    silent = SILENT.get(layer.__name__, {})
    base = {name: value for name, value in NEEDED.items() if name in layer.model_fields}
    base |= USUAL.get(layer.__name__, {})
    yield base
    for name, info in layer.model_fields.items():
        if name not in Layer.model_fields:
            values = (value for value in choices(info.annotation) if value != info.default)
            yield from (base | {name: value} for value in values if silent.get(name) != value)
    yield from (base | more for more in MORE.get(layer.__name__, []))


def choices(kind: Any) -> tuple[Any, ...]:
    """All values of a flag or a choice, which may also be left out."""
    if kind is bool:
        return True, False
    if get_origin(kind) is Literal:
        return get_args(kind)
    return tuple(value for one in get_args(kind) if get_origin(kind) is not tuple for value in choices(one))


def rounded(*shape: int, seed: int) -> Array:
    """Numbers of two digits after the point: what words show of them is all there is."""
    return np.round(np.random.default_rng(seed).standard_normal(shape), 2)


OWN = {
    "Embed": [np.array([[2.0, 0.0], [1.0, 2.0], [2.0, 2.0]])],
    "LSTMUnit": [rounded(1, 3, 2, seed=1), rounded(1, 3, 8, seed=2), np.array([[1.0, 0.0, 1.0]])],
    "PositionalEmbedding": [rounded(2, 4, 3, seed=1)],
}
"""Bottoms of layers that not any blob fits."""


def bottoms(layer: Layer) -> list[Array] | None:
    """Blobs that fit the layer; None where the layer takes none of those tried."""
    x = rounded(2, 4, 5, 3, seed=1)
    if layer.type in OWN:
        return OWN[layer.type]
    if layer.type == "PoissonLoss":  # of rates
        x = np.abs(x) + 0.01
    truths = (np.random.default_rng(2).integers(0, 3, shape).astype(float) for shape in ((2,), (2, 5, 3), (2, 4, 5)))
    pairs = [*([x, truth] for truth in truths), [x, rounded(2, 4, 5, 3, seed=3) > 0]]
    other, alike, matrix = rounded(2, 4, 5, 3, seed=4), np.array([0.0, 1.0]), rounded(4, 4, seed=5)
    spread = [rounded(5, 3, 4, seed=6), np.array([[1.0, 2], [2, 2], [1, 0]])]
    triples = [[x, other, alike], [x, other, rounded(2, 4, 5, 3, seed=7)], [x, pairs[1][1], matrix], spread]
    for blobs in [[x], *([x, np.asarray(b, float)] for x, b in pairs), *triples]:
        if layer.bottoms.holds(len(blobs)):
            try:
                layer.top_shapes(tuple(b.shape for b in blobs))
            except ShapeError:
                continue
            return blobs
    return None


CASES = [
    pytest.param(layer.__name__, fields, id=f"{layer.__name__}-{i}")
    for layer in EXPLAINED
    for i, fields in enumerate(configurations(layer))
]


def evaluated(words: str) -> float:
    """The value of the words, computed by Python."""
    known = {"e": math.e, "ln": math.log, "tanh": math.tanh, "erf": math.erf, "sqrt": math.sqrt}
    known |= {"abs": abs, "max": max, "min": min}
    return float(eval(words.replace("^", "**"), {"__builtins__": {}}, known))


WAY = {"p", "m", "v", "c"}
"""What is explained before the top's value."""


def test_layers_that_explain_themselves() -> None:
    assert {"Convolution", "Pooling", "InnerProduct", "ReLU", "Sigmoid", "TanH", "ELU", "Power", "Softmax"} < {
        layer.__name__ for layer in EXPLAINED
    }
    assert {layer.__name__ for layer in LAYERS.members() if layer.is_loss} <= {layer.__name__ for layer in EXPLAINED}


@pytest.mark.parametrize(("kind", "fields"), CASES)
def test_words_and_values_are_those_of_the_kernels(kind: str, fields: dict[str, Any]) -> None:
    """Every value of the top, and the gradients that come with it."""
    try:
        layer = make_layer(kind, **fields)
    except ValidationError:
        pytest.skip("these fields exclude each other")
    blobs = bottoms(layer)
    if blobs is None:
        pytest.skip("not for these shapes")
    explains(layer, blobs)


WEIGHTS = np.round(np.random.default_rng(8).uniform(0.1, 2, (2, 5, 3)), 2)


@pytest.mark.parametrize("fields", [{}, {"class_weights": (0.5, 2.0, 3.0, 1.5)}, {"label_smoothing": 0.25}])
@pytest.mark.parametrize("soft", [False, True])
def test_losses_with_weights(fields: dict[str, Any], soft: bool) -> None:
    x = rounded(2, 4, 5, 3, seed=1)
    truth = np.full(x.shape, 0.25) if soft else np.random.default_rng(2).integers(0, 3, (2, 5, 3)).astype(float)
    explains(make_layer("SoftmaxWithLoss", **fields), [x, truth, WEIGHTS])
    if soft:
        weights = np.broadcast_to(WEIGHTS[:, None], x.shape)
        explains(make_layer("SigmoidCrossEntropyLoss", **fields), [x, truth, weights])


def explains(layer: Layer, blobs: list[Array]) -> None:
    """Check what a layer says of every value of its tops, and of every gradient that its kernels write."""
    params = [np.round(p, 2) for p in random_params(layer, blobs)]
    shapes = layer.top_shapes(tuple(b.shape for b in blobs))
    if layer.type in DRAWING:
        assert not [*layer.worked_top(LayerArrays(blobs, blobs), 0, (0,) * blobs[0].ndim)]
        steps = [*layer.worked_top(LayerArrays(blobs, blobs, phase="TEST"), 0, (0,) * blobs[0].ndim)]
        assert [step.value for step in steps] == [blobs[0].item(0)]
        return
    diffs = [rounded(*shape, seed=4 + i) for i, shape in enumerate(shapes)]
    layout = "NCHW" if any(len(shape) != 4 for shape in shapes) else None
    result = run_layer(layer, *blobs, params=params, top_diffs=diffs, layout=layout)
    before, arrays = LayerArrays(blobs, result.tops, params), LayerArrays(blobs, result.tops, params, result.top_diffs)
    for top, shape in enumerate(shapes):
        for index in np.ndindex(*shape):
            *way, value = layer.worked_top(before, top, index)
            assert {step.what for step in way} <= WAY and (value.what, value.at) == ("y", index)
            right(value, result.tops[top][index])
            for step in way:
                prob = result.workspace.get("prob", blobs[0]).reshape(blobs[0].shape)
                right(step, prob[step.at] if step.what == "p" else step.value)
    if not layer.differentiable:
        return
    found = {(step.what, step.slot, step.at): step for step in layer.worked_diffs(arrays)}
    for what, written in (("dx", result.bottom_diffs), ("dw", result.param_diffs)):
        for slot, diff in enumerate(written):
            for index in np.ndindex(*np.shape(diff)) if diff is not None else ():
                right(found[what, slot, index], diff[index])


def right(step: Worked, truth: Any) -> None:
    """Check the value of a step, and that its words come to that value."""
    np.testing.assert_allclose(step.value, truth, rtol=1e-10, atol=1e-13, err_msg=str(step))
    if SHORTENED not in step.words:
        np.testing.assert_allclose(evaluated(step.words), step.value, rtol=3e-3, atol=3e-3, err_msg=str(step))


@pytest.mark.parametrize("bias_term", [False, True])
def test_a_scale_by_a_second_bottom(bias_term: bool) -> None:
    layer = make_layer("Scale", bottom=("x", "w"), bias_term=bias_term)
    x, w = rounded(2, 4, 3, seed=1), rounded(4, seed=2)
    explains(layer, [x, w])


def test_a_small_batch_normalisation() -> None:
    """Four numbers of a channel: 1, 2, 3, 6 with the mean 3 and the variance 3.5."""
    x, dy = [[1], [2], [3], [6]], [[1], [0], [0], [0]]
    layer = make_layer("BatchNorm", eps=0.0, affine=True)
    params = [[9], [9], [9], [2], [0.5]]
    assert set(steps_of(layer, (0, 0), x, params=params, diff=dy)) >= {
        "m[0] = (1 + 2 + 3 + 6)/4 = 3",
        "v[0] = ((1 - 3)^2 + (2 - 3)^2 + (3 - 3)^2 + (6 - 3)^2)/4 = 3.5",
        "y[0,0] = (1 - 3)/sqrt(3.5 + 0)*2 + .5 = -1.638",
        "dx[0,0] = (2 - (2 + 0 + 0 + 0)/4 + 1.069*(2*(-1.069) + 0*(-.5345) + 0*0 + 0*1.604)/4)/1.871 = .4963",
        "dw3[0] = 1*(-1.069) + 0*(-.5345) + 0*0 + 0*1.604 = -1.069",
    }
    running = make_layer("BatchNorm", eps=0.0, use_global_stats=True)
    assert set(steps_of(running, (1, 0), x, params=[[8], [18], [2]], diff=dy)) >= {
        "m[0] = 8/2 = 4",
        "v[0] = 18/2 = 9",
        "y[1,0] = (2 - 4)/sqrt(9 + 0) = -.6667",
    }


@pytest.mark.parametrize(
    ("kind", "fields", "x", "words"),
    [
        ("LayerNorm", {"affine": False}, [[1, 3]], "y[0,0] = (1 - 2)/sqrt(1 + 1e-5) = -1"),
        ("MVN", {}, [[[1, 3]]], "y[0,0,0] = (1 - 2)/(sqrt(1) + 1e-9) = -1"),
        ("RMSNorm", {"affine": False}, [[3, 4]], "y[0,0] = 3/sqrt(12.5 + 1e-6) = .8485"),
        ("L2Normalize", {}, [[3, 4]], "y[0,0] = 3/max(sqrt(3^2 + 4^2), 1e-12) = .6"),
        ("LRN", {"local_size": 3}, [[[[3]], [[4]]]], "y[0,0,0,0] = 3/(1 + 1/3*(3^2 + 4^2))^.75 = .5618"),
        ("PReLU", {}, [[-2]], "y[0,0] = .25*(-2) = -.5"),
        ("Scale", {}, [[-2]], "y[0,0] = -2*.25 = -.5"),
        ("Bias", {}, [[-2]], "y[0,0] = -2 + .25 = -1.75"),
        ("Embed", {"input_dim": 1, "num_output": 1, "bias_term": False}, [0], "y[0,0] = .25 = .25"),
    ],
)
def test_small_layers(kind: str, fields: dict[str, Any], x: Any, words: str) -> None:
    layer, index = make_layer(kind, **fields), tuple(0 for _ in np.shape(x)) + (0,) * (kind == "Embed")
    shapes = layer.param_shapes((np.shape(x),))
    top = layer.top_shapes((np.shape(x),))[0]
    steps = steps_of(layer, index, x, params=[np.full(shape, 0.25) for shape in shapes], diff=np.ones(top))
    assert words in steps


def test_an_element_of_two_blobs_and_a_step_of_a_unit() -> None:
    both = make_layer("Eltwise", coeff=(1.0, -0.5))
    assert set(steps_of(both, (0,), [3], [4], diff=[2])) >= {
        "y[0] = 1*3 - .5*4 = 1",
        "dx[0] = 2*1 = 2",
        "dx1[0] = 2*(-.5) = -1",
    }
    unit, one = make_layer("LSTMUnit", top=("c", "h")), np.ones((1, 1, 1))
    result = run_layer(unit, one, np.zeros((1, 1, 4)), one[0], top_diffs=[one, one])
    steps = [*unit.worked_top(LayerArrays([one, np.zeros((1, 1, 4)), one[0]], result.tops), 0, (0, 0, 0))]
    assert [*map(str, steps)] == ["y[0,0,0] = 1/(1 + e^0)*1*1 + 1/(1 + e^0)*tanh(0) = .5"]


def steps_of(layer: Layer, index: tuple[int, ...], *blobs: Any, params: Any = (), diff: Any = None) -> list[str]:
    """The steps to the value at an index, and after them those to all gradients, as text."""
    values = [np.asarray(b, float) for b in blobs]
    params = [np.asarray(p, float) for p in params]
    result = run_layer(layer, *values, params=params, top_diffs=[np.asarray(diff, float)])
    arrays = LayerArrays(values, result.tops, params, result.top_diffs)
    return [str(step) for step in (*layer.worked_top(arrays, 0, index), *layer.worked_diffs(arrays))]


def test_the_two_layers_that_are_worked_by_hand() -> None:
    """Mazur's example, models/two_layer_sigmoid.yaml: 0.15*0.05 + 0.20*0.10 + 0.35 = 0.3775, sigmoid 0.593269992."""
    hidden = make_layer("InnerProduct", num_output=2)
    params, x = [[[0.15, 0.20], [0.25, 0.30]], [0.35, 0.35]], [[0.05, 0.10]]
    assert set(steps_of(hidden, (0, 0), x, params=params, diff=[[0.00877135, 0.00995425]])) >= {
        "y[0,0] = .15*.05 + .2*.1 + .35 = .3775",
        "dx[0,0] = .008771*.15 + .009954*.25 = .003804",
        "dw[0,0] = .008771*.05 = .0004386",
    }
    sigmoid = make_layer("Sigmoid")
    assert set(steps_of(sigmoid, (0, 0), [[0.3775, 0.3925]], diff=[[0.0363503, 0.0413703]])) >= {
        "y[0,0] = 1/(1 + e^-.3775) = .5933",
        "dx[0,0] = .03635*.5933*(1 - .5933) = .008771",
    }
    x = np.array([[0.3775, 0.3925]])
    result = run_layer(sigmoid, x, top_diffs=[np.ones_like(x)])
    (value, *_) = sigmoid.worked(LayerArrays([x], result.tops), (0, 0))
    assert value.value == pytest.approx(0.593269992, abs=5e-10)
    loss = make_layer("EuclideanLoss")
    assert set(steps_of(loss, (), [[0.75136507, 0.772928465]], [[0.01, 0.99]], diff=1.0)) >= {
        "y = ((.7514 - .01)^2 + (.7729 - .99)^2)/(2*1) = .2984",
        "dx[0,0] = 1/(2*1)*2*(.7514 - .01) = .7414",
        "dx1[0,0] = -1/(2*1)*2*(.7514 - .01) = -.7414",
    }


def test_a_small_convolution() -> None:
    """3x3 pixels 1..9 under a 2x2 filter: 1*1 + 2*2 + 3*4 + 4*5 - 10 = 27."""
    x, w = np.arange(1.0, 10).reshape(1, 1, 3, 3), np.arange(1.0, 5).reshape(1, 1, 2, 2)
    layer = make_layer("Convolution", num_output=1, kernel_size=2)
    diff = [[[[1, 2], [3, 4]]]]
    assert set(steps_of(layer, (0, 0, 0, 0), x, params=[w, [-10]], diff=diff)) >= {
        "y[0,0,0,0] = 1*1 + 2*2 + 3*4 + 4*5 - 10 = 27",
        "dx[0,0,0,0] = 1*1 = 1",
        "dw[0,0,0,0] = 1*1 + 2*2 + 3*4 + 4*5 = 37",
    }
    assert "dx[0,0,1,1] = 1*4 + 2*3 + 3*2 + 4*1 = 20" in steps_of(layer, (0, 0, 1, 1), x, params=[w, [-10]], diff=diff)


def test_a_small_pooling() -> None:
    x = [[[[1, 2, 0], [4, 3, 0], [0, 0, 0.5]]]]
    most = make_layer("Pooling", kernel_size=2, stride=1)
    assert set(steps_of(most, (0, 0, 0, 0), x, diff=[[[[0.25, 2], [0.5, 4]]]])) >= {
        "y[0,0,0,0] = max(1, 2, 4, 3) = 4",
        "dx[0,0,1,0] = .25 + .5 = .75",
    }
    mean = make_layer("Pooling", kernel_size=2, stride=1, pool="AVE")
    assert set(steps_of(mean, (0, 0, 0, 1), x, diff=[[[[0.25, 2], [0.5, 4]]]])) >= {
        "y[0,0,0,1] = (2 + 0 + 3 + 0)/4 = 1.25",
        "dx[0,0,0,1] = .25/4 + 2/4 = .5625",
    }


def test_a_small_softmax_and_its_loss() -> None:
    assert set(steps_of(make_layer("Softmax"), (0, 1), [[1, 2]], diff=[[0.5, -1]])) >= {
        "y[0,1] = e^2/(e^1 + e^2) = .7311",
        "dx[0,1] = .7311*(-1 - (.2689*.5 + .7311*(-1))) = -.2949",
    }
    assert set(steps_of(make_layer("SoftmaxWithLoss"), (), [[1, 2], [0, 0]], [1, 0], diff=1)) >= {
        "p[0,1] = e^2/(e^1 + e^2) = .7311",
        "y = (-ln(.7311) - ln(.5))/2 = .5032",
        "dx[0,1] = (.7311 - 1)*1/2 = -.1345",
    }


def test_scores_too_large_for_their_words() -> None:
    assert softmax([1000.0, 1001.0], 1).value == pytest.approx(1 / (1 + math.exp(-1)))


def test_a_long_sum_shows_its_ends() -> None:
    numbers = np.arange(1.0, 14)
    term = dot(numbers, np.ones(13))
    assert term.words == "1*1 + 2*1 + 3*1 + 4*1 + ... + 10*1 + 11*1 + 12*1 + 13*1"
    assert term.value == 91
    assert total([Term(x) for x in numbers]).words == "1 + 2 + 3 + 4 + ... + 10 + 11 + 12 + 13"
    assert greatest([Term(x) for x in numbers]).words == "max(1, 2, 3, 4, ..., 10, 11, 12, 13)"
    assert SHORTENED not in dot(numbers[:12], np.ones(12)).words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.15, ".15"),
        (-0.05, "-.05"),
        (0, "0"),
        (-0.0, "0"),
        (1, "1"),
        (12.3456, "12.35"),
        (1e-5, "1e-5"),
        (-123456, "-1.235e5"),
        (math.inf, "inf"),
    ],
)
def test_short_numbers(value: float, words: str) -> None:
    assert short(value) == words


def test_words_hold_together_as_their_values_do() -> None:
    """Every two operations on numbers of every sign: the words say what was computed."""
    operations = {
        "add": lambda a, b: a + b,
        "subtract": lambda a, b: a - b,
        "multiply": lambda a, b: a * b,
        "divide": lambda a, b: a / b,
        "negative": lambda a, b: -a,
        "exp": lambda a, b: a.exp(),
        "tanh": lambda a, b: a.tanh(),
        "square": lambda a, b: a.power(2),
        "power of e": lambda a, b: a.exp().power(b),
    }
    made = [Term(value) for value in (0.5, -0.25, 2.0)]
    for first, second, third in itertools.product(operations.values(), repeat=3):
        for a, b, c in itertools.permutations(made, 3):
            one, other = first(a, b), third(b, c)
            for term in (second(one, c), second(c, one), second(one, other)):
                if math.isfinite(term.value) and abs(term.value) < 1e6:
                    assert evaluated(term.words) == pytest.approx(term.value, rel=1e-9), term


def test_a_value_prints_as_a_line() -> None:
    assert str((Term(1.0) + 0.5).at("y", (0, 3))) == "y[0,3] = 1 + .5 = 1.5"

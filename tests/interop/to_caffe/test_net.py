"""Nets in Caffe's words: every layer type, those that become several layers, names, and round trips of the zoo."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import netspec
from netspec.core.errors import Mistakes
from netspec.interop.exported import exported
from netspec.interop.to_caffe.case import NoMeaningError
from netspec.interop.to_caffe.files import prototxt
from netspec.interop.to_caffe.net import caffe_net
from netspec.layers.base import LAYERS
from netspec.net.digest import digest
from netspec.net.graph import State
from netspec.net.load import load_net
from tests.interop.to_caffe.nets import both, net_of, with_statistics, written

NOTHING = {
    *("AveragePrecision", "CTCLoss", "Calibration", "ConfusionMatrix", "CosineEmbeddingLoss", "DiceLoss", "FocalLoss"),
    *("GRU", "GroupNorm", "InstanceNorm", "KLDivLoss", "L1Loss", "LayerNorm", "LocallyConnected", "MeanIoU"),
    *("MultiClassHingeLoss", "MultiHeadAttention", "PerceptronLoss", "PixelShuffle", "PixelUnshuffle", "PoissonLoss"),
    *("PositionalEmbedding", "PrecisionRecallF1", "RMSNorm", "RegressionScores", "RocAuc", "TripletLoss"),
}
"""Types that cannot be said in Caffe's layers."""
PARTLY = {
    "AdaptivePooling": "differ in size",
    "DropBlock": "no such noise",
    "DropConnect": "no such noise",
    "DropPath": "no such noise",
    "FeaturePooling": "nothing for `pool: L2`",
    "GELU": "no erf",
    "GaussianNoise": "no such noise",
    "InfogainLoss": "no filler 'values'",
    "Pad": "zeros, as many on both sides",
    "Pooling": "no `pool: L2`",
    "Shakeout": "no such noise",
    "SmoothL1Loss": "nothing like it",
    "SoftmaxWithLoss": "no `label_smoothing`",
    "SpatialDropout": "no such noise",
    "Upsample": "`mode: nearest` and whole factors",
    "Whiteout": "no such noise",
}
"""Types whose examples use what Caffe does not have."""


def _own() -> list[str]:
    return [word for word in LAYERS.words() if LAYERS.owner(word) == "netspec" and word != "Python"]


@pytest.mark.parametrize("word", _own())
def test_every_layer_type_is_said_or_refused(word: str) -> None:
    net = net_of(LAYERS.get(word).example)
    if word in NOTHING | PARTLY.keys():
        with pytest.raises((NoMeaningError, Mistakes), match=PARTLY.get(word, "Caffe has nothing like it")):
            caffe_net(net, forks=True)
    else:
        assert prototxt(caffe_net(net, forks=True)).count("layer {") >= 2


_ELEMENTWISE = """
- {name: data, type: Input, shape: [3, 4, 5]}
- {name: celu, type: CELU, alpha: 0.7, bottom: data}
- {name: gelu, type: GELU, approximate: tanh, bottom: data}
- {name: glu, type: GLU, axis: 1, bottom: data}
- {name: sigmoid6, type: HardSigmoid, bottom: data}
- {name: swish6, type: HardSwish, bottom: data}
- {name: bounded, type: HardTanh, min_val: -0.5, max_val: 0.7, bottom: data}
- {name: leaky, type: LeakyReLU, negative_slope: 0.2, bottom: data}
- {name: mish, type: Mish, bottom: data}
- {name: relu6, type: ReLU6, bottom: data}
- {name: selu, type: SELU, bottom: data}
- {name: silu, type: SiLU, bottom: data}
- {name: plus, type: Softplus, bottom: data}
- {name: sharp, type: Softplus, beta: 2.5, bottom: data}
- {name: sign, type: Softsign, bottom: data}
- {name: swish, type: Swish, beta: 1.5, bottom: data}
"""


@pytest.mark.parametrize("forks", [False, True])
def test_activations_that_caffe_lacks_give_the_same_outputs(forks: bool, tmp_path: Path) -> None:
    _, own, theirs = both(net_of(_ELEMENTWISE), tmp_path, forks)
    assert own.keys() == theirs.keys()
    for name, values in own.items():
        np.testing.assert_allclose(theirs[name], values, rtol=1e-5, atol=1e-6, err_msg=name)


_SHAPING = """
- {name: data, type: Input, shape: [2, 6, 4, 8]}
- {name: norm, type: BatchNorm, affine: true, eps: 0.001, bottom: data}
- {name: quarter, type: AdaptivePooling, output_size: [2, 2], bottom: data}
- {name: mean, type: AdaptivePooling, output_size: 1, pool: AVE, bottom: data}
- {name: most, type: FeaturePooling, group_size: 3, bottom: data}
- {name: average, type: FeaturePooling, group_size: 2, pool: AVE, bottom: data}
- {name: greatest, type: Maxout, num_output: 5, pieces: 3, bottom: data}
- {name: larger, type: Upsample, scale_factor: [3, 2], bottom: data}
- {name: frame, type: Pad, pad: [1, 2], bottom: data}
- {name: pool, type: Pooling, kernel_size: [2, 3], stride: 2, round_mode: FLOOR, bottom: data}
- {name: steps, type: Reshape, shape: [2, 6, 32], bottom: data}
- {name: stack, type: LSTM, num_output: 3, num_layers: 2, bottom: steps}
- {name: walk, type: RNN, num_output: 4, bottom: steps}
"""
_FORKS = """
- {name: corners, type: Upsample, size: [7, 9], mode: bilinear, align_corners: true, bottom: data}
- {name: down, type: Pooling, kernel_size: 2, stride: 2, top: [pooled, places], bottom: data}
- {name: up, type: Unpooling, bottom: [pooled, places, data]}
- {name: turned, type: Permute, order: [0, 2, 3, 1], bottom: data}
- {name: dealt, type: ShuffleChannel, group: 3, bottom: data}
- {name: unit, type: L2Normalize, affine: true, bottom: data}
- {name: sized, type: Interp, height: 5, width: 6, bottom: data}
"""


@pytest.mark.parametrize("forks", [False, True])
def test_layers_that_move_and_pool_give_the_same_outputs(forks: bool, tmp_path: Path) -> None:
    _, own, theirs = both(net_of(_SHAPING + (_FORKS if forks else "")), tmp_path, forks)
    assert own.keys() == theirs.keys()
    for name, values in own.items():
        np.testing.assert_allclose(theirs[name], values, rtol=1e-5, atol=1e-5, err_msg=name)


def test_scores_and_a_second_top_of_a_loss(tmp_path: Path) -> None:
    net = net_of("""
- {name: data, type: Input, top: [data, label], shape: [[7, 5], [7]]}
- {name: ranks, type: TopK, top_k: [1, 3], top: [first, third], bottom: [data, label]}
- {name: loss, type: SoftmaxWithLoss, top: [loss, prob], loss_weight: [2, 0], bottom: [data, label]}
""")
    _, own, theirs = both(net, tmp_path, classes=5)
    assert {name: values.shape for name, values in theirs.items()} == {name: own[name].shape for name in theirs}
    for name in ("first", "third", "loss", "prob"):
        np.testing.assert_allclose(theirs[name], own[name], rtol=1e-6)


def test_noise_does_nothing_in_a_net_that_answers(tmp_path: Path) -> None:
    layers = """
- {name: data, type: Input, top: [data, label], shape: [[2, 3, 4, 5], [2]]}
- {name: channels, type: SpatialDropout, bottom: data}
- {name: sum, type: DropConnect, num_output: 6, weight_filler: xavier}
- {name: loss, type: SoftmaxWithLoss, bottom: [sum, label]}
"""
    with pytest.raises(Mistakes, match="`--deploy` exports the net as it predicts"):
        caffe_net(net_of(layers))
    made = caffe_net(net_of(layers).deployed()).layers
    assert [layer.values["type"] for layer in made] == ["Input", "Power", "InnerProduct", "Softmax"]
    assert made[2].values["inner_product_param"] == {"num_output": 6}  # no filler: its weights are read


def test_a_top_that_would_be_overwritten_gets_a_name_of_its_own(tmp_path: Path) -> None:
    net = net_of("""
- {name: data, type: Input, shape: [3, 4]}
- {name: ip, type: InnerProduct, num_output: 5}
- {name: mish, type: Mish, bottom: ip, top: ip}
- {name: relu, type: ReLU, bottom: ip, top: ip}
- {name: out, type: Power, scale: 2, bottom: ip}
""")
    _, own, theirs = both(net, tmp_path)
    np.testing.assert_allclose(theirs["out"], own["out"], rtol=1e-5)
    made = {layer.name: layer.values for layer in caffe_net(net).layers}
    assert made["relu"]["bottom"] == made["relu"]["top"] == made["mish"]["top"] == ["ip_mish"]


def test_rules_and_settings_of_params_are_written() -> None:
    net = net_of("""
- {name: data, type: Input, top: [data, label], shape: [[3, 4], [3]]}
- {name: a, type: InnerProduct, bottom: data, num_output: 4, param: [{name: w, lr_mult: 2}, {decay_mult: 0}]}
- name: norm
  type: BatchNorm
  affine: true
  param: [{}, {}, {}, {lr_mult: 0.5}]
- {name: b, type: InnerProduct, num_output: 4, param: {name: w}, propagate_down: false}
- {name: accuracy, type: Accuracy, bottom: [b, label], include: [{phase: TEST, not_stage: quick}]}
- {name: loss, type: SoftmaxWithLoss, bottom: [b, label], loss_weight: 0.5}
""")
    made = {layer.name: layer.values for layer in caffe_net(net).layers}
    assert made["a"]["param"] == [{"name": "w", "lr_mult": 2.0}, {"decay_mult": 0.0}]
    assert "param" not in made["norm"] and made["norm_scale"]["param"] == [{"lr_mult": 0.5}]
    assert made["norm_scale"]["bottom"] == made["norm_scale"]["top"] == ["norm"]
    assert made["b"]["propagate_down"] == [False]
    assert made["accuracy"]["include"] == [{"phase": "TEST", "not_stage": ["quick"]}]
    assert made["loss"]["loss_weight"] == [0.5]


def test_all_layers_without_meaning_are_refused_at_once() -> None:
    net = net_of("""
- {name: data, type: Input, shape: [3, 4]}
- {name: norm, type: LayerNorm}
- {name: line, type: Input, shape: [2, 3, 8]}
- {name: pool, type: Pooling, kernel_size: 2}
""")
    with pytest.raises(Mistakes) as raised:
        caffe_net(net)
    assert [error.message for error in raised.value.errors()] == [
        "layer 'norm' (LayerNorm): Caffe has nothing like it",
        "layer 'pool' (Pooling): it can be said in Caffe for four axes, not for 2x3x8",
    ]


_EQUAL = ["lenet", "alexnet", "cifar10_quick", "googlenet", "squeezenet", "mlp", "rosenbrock"]


@pytest.mark.parametrize("name", _EQUAL)
def test_a_net_of_the_zoo_comes_back_with_its_digest(name: str, tmp_path: Path) -> None:
    net = exported(name, phase="TRAIN")
    (tmp_path / "net.prototxt").write_text(prototxt(caffe_net(net)))
    for phase in ("TRAIN", "TEST"):
        there, back = (load_net(one, (), State(phase)) for one in (net.net, str(tmp_path / "net.prototxt")))
        assert digest(back.graph) == digest(there.graph)
        assert back.blobs == there.blobs


_OTHERS = [
    *("alexnet", "char_lstm", "cifar10_quick", "densenet121", "densenet40", "googlenet", "iris_mlp", "lenet", "mlp"),
    *("linear_svm", "logistic_regression", "mobilenet_v1", "quadratic", "resnet152", "resnet20", "resnet50"),
    *("resnext50", "rosenbrock", "squeezenet", "two_layer_sigmoid", "vgg16", "wrn_16_4"),
]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] if name != "resnet20" else []) for name in _OTHERS]
)
def test_a_net_of_the_zoo_answers_as_before(name: str, tmp_path: Path) -> None:
    net = replace(exported(name).deployed(), batch=2)
    _, text, model = written(net, tmp_path)
    own = netspec.Net(net.net, phase="TEST", batch=2, seed=3)
    theirs = netspec.Net(text, phase="TEST", weights=model)
    random = np.random.default_rng(1)
    shapes = {blob: own.blobs[blob].data.shape for blob in own.inputs}
    numbers = name == "char_lstm"  # its inputs are characters and marks
    given = {
        blob: random.integers(0, 2, shape) if numbers else random.normal(size=shape) for blob, shape in shapes.items()
    }
    before, after = own.forward(**given), theirs.forward(**given)
    assert before.keys() == after.keys()
    for blob, values in before.items():
        assert np.abs(after[blob] - values).max() <= 1e-5 * max(np.abs(values).max(), 1)


def test_a_trained_batch_norm_keeps_its_statistics(tmp_path: Path) -> None:
    net = net_of("""
- {name: data, type: Input, shape: [3, 4]}
- {name: norm, type: BatchNorm}
""")
    own = netspec.Net(net.net, phase="TEST")
    with_statistics(own)
    _, before, after = both(net, tmp_path)
    np.testing.assert_array_equal(after["norm"], before["norm"])
    assert own.params["norm"][2].data[0] != 1

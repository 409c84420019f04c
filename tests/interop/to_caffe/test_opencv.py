"""OpenCV's reader of Caffe's files gives the outputs that netspec gives, for every layer that it knows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.interop.exported import exported
from netspec.interop.to_caffe.files import prototxt
from netspec.interop.to_caffe.net import caffe_net
from tests.interop.to_caffe.nets import Arrays, both, net_of, written

cv2 = pytest.importorskip("cv2", reason="OpenCV is an optional oracle")
if not hasattr(cv2.dnn, "readNetFromCaffe"):
    pytest.skip("OpenCV 5 does not read Caffe's files", allow_module_level=True)


def _answers(folder: Path, given: Arrays, names: list[str]) -> list[Any]:
    net = cv2.dnn.readNetFromCaffe(str(folder / "net.prototxt"), str(folder / "net.caffemodel"))
    for name, values in given.items():
        net.setInput(np.ascontiguousarray(values, np.float32), name)
    return list(net.forward(names))


_KNOWN = """
- {name: data, type: Input, shape: [2, 6, 7, 9]}
- {name: size, type: AbsVal, bottom: data}
- {name: bnll, type: BNLL, bottom: data}
- {name: norm, type: BatchNorm, eps: 0.001, bottom: data}
- {name: beside, type: Concat, bottom: [data, norm]}
- {name: conv, type: Convolution, num_output: 4, group: 2, kernel_size: [3, 2], stride: [2, 1], pad: 1, bottom: data}
- {name: wide, type: Convolution, num_output: 3, kernel_size: 3, dilation: 2, bias_term: false, bottom: data}
- {name: small, type: Input, shape: [2, 6, 4, 5]}
- {name: cut, type: Crop, offset: [1, 2], bottom: [data, small]}
- {name: deconv, type: Deconvolution, num_output: 5, kernel_size: 4, stride: 2, pad: 1, bottom: data}
- {name: drop, type: Dropout, bottom: data}
- {name: elu, type: ELU, bottom: data}
- {name: sum, type: Eltwise, coeff: [0.5, -2], bottom: [data, norm]}
- {name: product, type: Eltwise, operation: PROD, bottom: [data, norm]}
- {name: greatest, type: Eltwise, operation: MAX, bottom: [data, norm]}
- {name: exp, type: Exp, bottom: data}
- {name: flat, type: Flatten, axis: 2, bottom: data}
- {name: ip, type: InnerProduct, num_output: 8, bottom: data}
- {name: across, type: LRN, local_size: 3, alpha: 0.5, bottom: data}
- {name: within, type: LRN, local_size: 3, alpha: 0.5, norm_region: WITHIN_CHANNEL, bottom: data}
- {name: leaky, type: ReLU, negative_slope: 0.1, bottom: data}
- {name: moments, type: MVN, bottom: data}
- {name: prelu, type: PReLU, bottom: data}
- {name: most, type: Pooling, kernel_size: 3, stride: 2, bottom: data}
- {name: mean, type: Pooling, pool: AVE, kernel_h: 3, kernel_w: 2, stride: 2, bottom: data}
- {name: whole, type: Pooling, pool: AVE, global_pooling: true, bottom: data}
- {name: power, type: Power, power: 2, scale: 0.5, shift: 3, bottom: data}
- {name: relu, type: ReLU, bottom: data}
- {name: shaped, type: Reshape, shape: [0, 3, -1, 9], bottom: data}
- {name: scaled, type: Scale, bias_term: true, bottom: data}
- {name: sigmoid, type: Sigmoid, bottom: data}
- {name: softmax, type: Softmax, axis: 2, bottom: data}
- {name: swish, type: SiLU, bottom: data}
- {name: tanh, type: TanH, bottom: data}
"""
_FORKS = """
- {name: turned, type: Permute, order: [0, 2, 3, 1], bottom: data}
- {name: unit, type: L2Normalize, affine: true, bottom: data}
- {name: dealt, type: ShuffleChannel, group: 3, bottom: data}
- {name: relu6, type: ReLU6, bottom: data}
- {name: down, type: Pooling, kernel_size: 2, stride: 2, round_mode: FLOOR, bottom: data}
"""
_MADE_OF = """
- {name: celu, type: CELU, alpha: 0.7, bottom: data}
- {name: gelu, type: GELU, approximate: tanh, bottom: data}
- {name: mish, type: Mish, bottom: data}
- {name: selu, type: SELU, bottom: data}
- {name: sharp, type: Softplus, beta: 2.5, bottom: data}
- {name: sign, type: Softsign, bottom: data}
- {name: maxout, type: Maxout, num_output: 5, pieces: 3, bottom: data}
- {name: pooled, type: FeaturePooling, group_size: 3, bottom: data}
- {name: larger, type: Upsample, scale_factor: [3, 2], bottom: data}
- {name: frame, type: Pad, pad: [1, 2], bottom: data}
"""


def test_every_layer_that_opencv_knows(tmp_path: Path) -> None:
    given, own, _ = both(net_of(_KNOWN + _FORKS + _MADE_OF), tmp_path, forks=True)
    for name, values in zip(own, _answers(tmp_path, given, list(own)), strict=True):
        expected = own[name].reshape(values.shape)
        np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max(), err_msg=name)


def test_its_names_are_those_of_the_layers() -> None:
    made = caffe_net(net_of(_KNOWN)).layers
    assert [layer.name for layer in made] == [layer.values["top"][0] for layer in made]
    assert 'type: "Convolution"' in prototxt(caffe_net(net_of(_KNOWN)))


_QUICK = ("lenet", "resnet20", "squeezenet")
_LONG = (
    *("alexnet", "cifar10_quick", "densenet121", "densenet40", "googlenet", "iris_mlp", "logistic_regression", "mlp"),
    *("mobilenet_v1", "resnet152", "resnet50", "resnext50", "two_layer_sigmoid", "vgg16", "wrn_16_4"),
)


@pytest.mark.parametrize("name", [*_QUICK, *(pytest.param(name, marks=pytest.mark.long) for name in _LONG)])
def test_a_net_of_the_zoo(name: str, tmp_path: Path) -> None:
    net = replace(exported(name).deployed(), batch=2)
    written(net, tmp_path, forks=True)
    own = netspec.Net(net.net, phase="TEST", batch=2, seed=3)
    (blob,) = own.inputs
    given = {blob: np.random.default_rng(1).normal(size=own.blobs[blob].data.shape).astype(np.float32)}
    assert net.view is not None
    answer = net.view.main.blob
    expected = own.forward(**given)[answer]
    (values,) = _answers(tmp_path, given, [answer])
    assert np.abs(values.reshape(expected.shape) - expected).max() <= 1e-5 * np.abs(expected).max()

"""A net of a few layers as ONNX, run by onnxruntime beside netspec."""

from __future__ import annotations

import numpy as np
import yaml

from netspec.interop.agreement import Difference
from netspec.interop.exported import Exported
from netspec.interop.to_onnx.model import OnnxModel, onnx_model
from netspec.interop.to_onnx.verify import Comparison
from netspec.language.references import open_net
from netspec.net.graph import ParamKey, State


def deployed(layers: str) -> Exported:
    """The deploy view of a net whose layers are written as YAML."""
    return Exported(open_net({"name": "net", "layers": yaml.safe_load(layers)}), State("TEST")).deployed()


def params(net: Exported) -> dict[ParamKey, np.ndarray]:
    """Params of a net at random: deviations around 1 where they are divided by, else small numbers around 0."""
    random = np.random.default_rng(3)
    arrays = net.weighted(net.shaped).arrays
    for key, array in sorted(arrays.items()):
        near = {"variance": 1.0, "scale_factor": 2.0}.get(key.param, 0.0)
        array[...] = near + random.uniform(-0.5, 0.5, array.shape)
    return arrays


def model(layers: str, folded: bool = False) -> OnnxModel:
    """The ONNX model of a net with random params."""
    net = deployed(layers)
    return onnx_model(net, params(net), folded)


def differences(layers: str, folded: bool = False) -> list[Difference]:
    """How far apart onnxruntime and netspec are on random inputs of several batch sizes."""
    net = deployed(layers)
    arrays = params(net)
    return list(Comparison(net, arrays, onnx_model(net, arrays, folded), "net").random())

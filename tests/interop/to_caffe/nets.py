"""Nets on their way to Caffe, for the tests of what arrives there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import netspec
from netspec.engine.weights import params_by_key
from netspec.interop.exported import Exported
from netspec.interop.to_caffe.files import layers_of, prototxt, values_of
from netspec.interop.to_caffe.net import CaffeNet, caffe_net
from netspec.language.document import parse
from netspec.language.references import open_net
from netspec.net.graph import State
from netspec.training.caffe_saving import save

Arrays = dict[str, Any]


def net_of(layers: str) -> Exported:
    """A net of some layers, written in YAML."""
    return Exported(open_net(parse(f"name: small\nlayers:{layers}")), State("TEST"))


def written(net: Exported, folder: Path, forks: bool = False, seed: int = 3) -> tuple[CaffeNet, Path, Path]:
    """The net in Caffe's words, its prototxt and its caffemodel. Params of BatchNorms are random too."""
    caffe = caffe_net(net, forks)
    values, _ = values_of(net, seed)
    text, model = folder / "net.prototxt", folder / "net.caffemodel"
    text.write_text(prototxt(caffe))
    save(model, net.every[0], values, layers_of(caffe, values))
    return caffe, text, model


def with_statistics(net: netspec.Net, seed: int = 5) -> None:
    """Give every param of a net random values; those of BatchNorms are sums over some batches."""
    random = np.random.default_rng(seed)
    shaped = net.program.shaped
    for key, array in params_by_key(shaped, net.program.weights).items():
        array[...] = random.uniform(0.5, 1.5, array.shape) if key.param in _SUMS else random.normal(size=array.shape)


_SUMS = {"variance", "scale_factor"}


def inputs_of(net: netspec.Net, classes: int = 2, seed: int = 7) -> Arrays:
    """Random inputs by name: classes for the blobs that are called label, else normal numbers."""
    random = np.random.default_rng(seed)

    def values(name: str) -> Any:
        shape = net.blobs[name].data.shape
        if name in ("label", "cont"):
            return random.integers(0, classes, shape).astype(np.float32)
        return random.normal(size=shape).astype(np.float32)

    return {name: values(name) for name in net.inputs}


def both(net: Exported, folder: Path, forks: bool = False, classes: int = 2) -> tuple[Arrays, Arrays, Arrays]:
    """Inputs, the outputs of the net itself for them, and those of its prototxt with its caffemodel."""
    own = netspec.Net(net.net, phase="TEST")
    with_statistics(own)
    own.save(folder / "own.safetensors")
    weighted = Exported(net.net, net.state, weights=folder / "own.safetensors")
    _, text, model = written(weighted, folder, forks)
    given = inputs_of(own, classes)
    return given, own.forward(**given), netspec.Net(text, phase="TEST", weights=model).forward(**given)

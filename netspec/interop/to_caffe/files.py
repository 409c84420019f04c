"""A net's files for Caffe: its prototxt, and its caffemodel with the values of all params."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from netspec.core.errors import NetspecError
from netspec.formats import caffe_messages, caffemodel
from netspec.interop.exported import Exported
from netspec.interop.to_caffe.case import Blob, CaffeLayer, Filled
from netspec.interop.to_caffe.net import CaffeNet, phase_layers
from netspec.layers.batch_norm import BatchNorm
from netspec.net.graph import ParamKey
from netspec.net.shaped import ShapedGraph

if TYPE_CHECKING:
    from netspec.core.calls import Array

Values = Mapping[ParamKey, "Array"]


def message(name: str, values: Mapping[str, Any]) -> Any:
    """A message of Caffe with some values, in protobuf's form."""
    from google.protobuf.json_format import ParseDict

    return ParseDict(dict(values), caffe_messages.message_class(name)())


def text_of(name: str, values: Mapping[str, Any]) -> str:
    """A message of Caffe with some values, as text."""
    from google.protobuf.text_format import MessageToString

    return str(MessageToString(message(name, values)))


def prototxt(net: CaffeNet) -> str:
    """A net as text."""
    values: dict[str, Any] = {"name": net.name, "layer": [layer.values for layer in net.layers]}
    also = {"force_backward": net.force_backward, "state": net.state}
    return text_of("NetParameter", values | {key: value for key, value in also.items() if value})


def layers_of(net: CaffeNet, values: Values) -> list[caffemodel.Written]:
    """The layers of a net's caffemodel: their texts, and the arrays of their params."""
    return _written(net.layers, values)


def saved(shaped: ShapedGraph, values: Values) -> list[caffemodel.Written] | None:
    """The layers of a net in its phase with all their fields and the params that they have in netspec.

    None where Caffe does not have each of them as one layer with these params, so that they are not found by its name.
    """
    try:
        layers = phase_layers(shaped)
    except NetspecError:
        return None
    held = [(node.layer.name, [param.name for param in node.layer.params()]) for node in shaped.graph.nodes]
    own = [(name, tuple(ParamKey(name, param) for param in params)) for name, params in held]
    if own != [(layer.name, layer.blobs) for layer in layers]:
        return None
    return _written(layers, values)


def _written(layers: Iterable[CaffeLayer], values: Values) -> list[caffemodel.Written]:
    return [caffemodel.Written(parameter(layer), [_array(blob, values) for blob in layer.blobs]) for layer in layers]


def parameter(layer: CaffeLayer) -> bytes:
    """A layer without its blobs as the bytes of a LayerParameter; without fields of forks, whose numbers differ."""
    values = _without_forks("LayerParameter", layer.values)
    return bytes(message("LayerParameter", values).SerializeToString())


def _without_forks(kind: str, values: Mapping[str, Any]) -> dict[str, Any]:
    known = caffe_messages.fields(kind)
    own = {key: value for key, value in values.items() if not known[key].fork}
    nested = {key: _without_forks(known[key].type, value) for key, value in own.items() if isinstance(value, dict)}
    return own | nested


def _array(blob: Blob, values: Values) -> Array:
    import numpy as np

    return np.full(blob.shape, blob.value, np.float32) if isinstance(blob, Filled) else values[blob]


def values_of(net: Exported, seed: int = 1) -> tuple[dict[ParamKey, Array], list[str]]:
    """The params of a net by layer and name, and what there is to say of them. Raises SnapshotError.

    In the deploy view, a BatchNorm that has not seen a batch gets a mean of 0 and a variance of 1, as netspec has it:
    Caffe would divide by the root of eps.
    """
    weighted = net.values(seed)
    notes = ["the weights are those of fillers"] if weighted.report is None else weighted.report.rows[1:]
    for node in net.shaped.graph.nodes if net.view is not None else ():
        if isinstance(node.layer, BatchNorm):
            _settle(weighted.arrays, node.layer)
    return weighted.arrays, notes


def _settle(values: dict[ParamKey, Array], layer: BatchNorm) -> None:
    """Give a BatchNorm that has not seen a batch a mean of 0 and a variance of 1."""
    import numpy as np

    mean, variance, factor = (ParamKey(layer.name, name) for name in ("mean", "variance", "scale_factor"))
    if layer.first_variance and not values[factor].any():
        values |= {mean: np.zeros_like(values[mean]), variance: np.ones_like(values[variance])}
        values[factor] = np.ones_like(values[factor])

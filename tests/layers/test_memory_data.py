"""MemoryData is an Input of images and labels: the sizes of Caffe's memory_data_layer test, and a caller's batches."""

from __future__ import annotations

import numpy as np

import netspec
from tests.helpers.checks import blob, make_layer

LAYER = {"type": "MemoryData", "top": ["data", "label"], "batch_size": 8, "channels": 4, "height": 7, "width": 11}


def test_shapes_and_the_batch_size() -> None:
    layer = make_layer(**LAYER)
    assert layer.top_shapes(()) == ((8, 4, 7, 11), (8,))
    assert layer.for_batch(layer.top_shapes(()), 3) == ((3, 4, 7, 11), (3,))
    assert layer.identity() == make_layer(**{**LAYER, "batch_size": 5}).identity()


def test_a_caller_fills_it() -> None:
    last = {"name": "sum", "type": "Reduction", "bottom": "data", "axis": 1}
    net = netspec.Net({"layers": [{"name": "memory", **LAYER}, last]}, batch=3, dtype="float64")
    assert net.inputs == ["data", "label"] and net.outputs == ["sum"]
    x = blob(3, 4, 7, 11)
    np.testing.assert_allclose(net.forward(data=x, label=[0, 1, 2])["sum"], x.sum(axis=(1, 2, 3)), rtol=1e-12)

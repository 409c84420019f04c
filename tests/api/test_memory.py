"""Every data and diff of a prototxt's net is what Caffe's memory holds, whichever layers ran."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.core.shape import ShapeError
from tests.helpers.small_caffe import Row, SmallCaffe, prototxt

Params = dict[str, list[np.ndarray]]


def ip(name: str, bottom: str, top: str | None = None, **fields: Any) -> Row:
    return ("InnerProduct", name, [bottom], [top or name], fields)


def row(kind: str, name: str, bottoms: str, top: str, **fields: Any) -> Row:
    return (kind, name, bottoms.split(), [top], fields)


DATA: Row = ("Input", "in", [], ["data"], {"shape": (4, 3, 5, 2)})
TARGET: Row = ("Input", "wanted", [], ["target"], {"shape": (4, 6)})

NETS: dict[str, list[Row]] = {
    "in place, and read by several": [
        DATA,
        TARGET,
        ip("a", "data"),
        row("ReLU", "a1", "a", "a"),
        row("Scale", "a2", "a", "a"),
        row("Eltwise", "sum", "a a a", "sum"),
        ip("b", "a"),
        row("EuclideanLoss", "l1", "b target", "l1", loss_weight=0.5),
        row("EuclideanLoss", "l2", "sum target", "l2"),
    ],
    "an input in place": [
        DATA,
        TARGET,
        row("ReLU", "r", "data", "data"),
        ip("a", "data"),
        row("EuclideanLoss", "l", "a target", "l"),
    ],
    "views, changed in place below and above": [
        DATA,
        TARGET,
        row("Scale", "s", "data", "s"),
        row("ReLU", "s1", "s", "s"),
        row("Flatten", "f", "s", "f"),
        row("ReLU", "f1", "f", "f"),
        row("Reshape", "g", "f", "g"),
        ip("b", "g"),
        row("EuclideanLoss", "l", "b target", "l"),
    ],
    "a copy that is no view in Caffe": [
        DATA,
        TARGET,
        ip("a", "data"),
        row("ReLU", "a1", "a", "a"),
        row("Dropout", "d", "a", "d"),
        row("ReLU", "d1", "d", "d"),
        row("EuclideanLoss", "l", "d target", "l"),
    ],
    "a loss weight on a blob that is read": [
        DATA,
        TARGET,
        ip("a", "data", loss_weight=0.75),
        row("EuclideanLoss", "l", "a target", "l", loss_weight=2),
    ],
    "nothing under a loss beside": [
        DATA,
        TARGET,
        ip("a", "data"),
        row("ReLU", "side", "a", "side"),
        ip("b", "a"),
        row("EuclideanLoss", "l", "b target", "l"),
    ],
    "propagate_down": [
        DATA,
        TARGET,
        ip("a", "data", propagate_down=[True]),
        row("ReLU", "r", "a", "r", propagate_down=[False]),
        ip("b", "r"),
        row("Eltwise", "sum", "b a", "sum"),
        row("EuclideanLoss", "l", "sum target", "l"),
    ],
    "frozen below": [
        DATA,
        TARGET,
        ip("a", "data", lr_mult=0),
        row("ReLU", "a1", "a", "a"),
        row("Scale", "a2", "a", "a"),
        ip("b", "a"),
        row("EuclideanLoss", "l", "b target", "l"),
    ],
    "a Split that is written": [
        DATA,
        TARGET,
        ip("a", "data"),
        ("Split", "split", ["a"], ["p", "q"], {}),
        row("ReLU", "p1", "p", "r"),
        row("Eltwise", "sum", "r q", "sum"),
        row("EuclideanLoss", "l", "sum target", "l"),
    ],
    "no loss": [DATA, ip("a", "data"), row("ReLU", "a1", "a", "a")],
}


def params_of(rows: list[Row]) -> Params:
    random, found, width = np.random.default_rng(5), {}, {"data": 30}
    for kind, name, bottoms, tops, _ in rows:
        if kind == "InnerProduct":
            found[name] = [random.standard_normal((6, width[bottoms[0]])), random.standard_normal(6)]
        elif kind == "Scale":
            found[name] = [random.uniform(0.5, 2, 3 if "data" in bottoms else 6)]
        known = 6 if kind == "InnerProduct" else width.get(bottoms[0], 6) if bottoms else 30
        width |= dict.fromkeys(tops, known)
    return found


def pair(rows: list[Row], folder: Path) -> tuple[netspec.Net, SmallCaffe]:
    """The same net, data and params in netspec, phase TEST, and in a small Caffe."""
    params = params_of(rows)
    path = folder / "net.prototxt"
    path.write_text(prototxt(rows, params))
    net, caffe = netspec.Net(path, dtype="float64"), SmallCaffe(rows, params)
    for name, values in params.items():
        for mine, value in zip(net.params[name], values, strict=True):
            mine.data[...] = value
    fill(net, caffe)
    return net, caffe


def fill(net: netspec.Net, caffe: SmallCaffe) -> None:
    random = np.random.default_rng(6)
    for name in net.inputs:
        caffe.blobs[name].data[...] = random.standard_normal(caffe.blobs[name].data.shape)
        net.blobs[name].data[...] = caffe.blobs[name].data


def check(net: netspec.Net, caffe: SmallCaffe) -> None:
    assert list(net.blobs) == list(caffe.blobs)
    assert list(net.layer_dict) == [name for _, name, _, _, _ in caffe.rows]
    for name, blob in net.blobs.items():
        np.testing.assert_allclose(blob.data, caffe.blobs[name].data, rtol=1e-9, atol=1e-12, err_msg=name)
        np.testing.assert_allclose(blob.diff, caffe.blobs[name].diff, rtol=1e-9, atol=1e-12, err_msg=f"{name} diff")
    for name, blobs in net.params.items():
        for mine, theirs in zip(blobs, caffe.params[name], strict=True):
            np.testing.assert_allclose(mine.diff, theirs.diff, rtol=1e-9, atol=1e-12, err_msg=f"{name} param diff")


@pytest.mark.filterwarnings("ignore:no layer runs backward")
@pytest.mark.parametrize("name", NETS)
def test_whole_passes(name: str, tmp_path: Path) -> None:
    net, caffe = pair(NETS[name], tmp_path)
    check(net, caffe)
    for again in range(2):
        for one in (net, caffe):
            one.forward()
            one.backward()
        check(net, caffe)
        if again:
            net.clear_param_diffs()
            assert not any(blob.diff.any() for blobs in net.params.values() for blob in blobs)


@pytest.mark.filterwarnings("ignore:no layer runs backward")
@pytest.mark.parametrize("name", NETS)
def test_passes_over_some_layers(name: str, tmp_path: Path) -> None:
    """Each from where the one before left every array, with values of a caller in between."""
    net, caffe = pair(NETS[name], tmp_path)
    names = net._layer_names
    random = np.random.default_rng(7)
    middle, late = names[len(names) // 2], names[-2]
    first, second = names.index(middle), names.index(late)
    net.forward(end=middle)
    caffe.forward(0, first)
    check(net, caffe)
    changed = net.top_names[middle][0]
    caffe.blobs[changed].data[...] *= random.uniform(0.5, 2, caffe.blobs[changed].data.shape)
    net.blobs[changed].data[...] = caffe.blobs[changed].data
    net.forward(start=names[first + 1])
    caffe.forward(first + 1)
    check(net, caffe)
    net.forward(start=middle, end=late)
    caffe.forward(first, second)
    check(net, caffe)
    net.backward(end=middle)
    caffe.backward(None, first)
    check(net, caffe)
    caffe.blobs[changed].diff[...] = random.standard_normal(caffe.blobs[changed].diff.shape)
    net.blobs[changed].diff[...] = caffe.blobs[changed].diff
    net.backward(start=middle)
    caffe.backward(first)
    check(net, caffe)


def test_an_input_keeps_its_shape(tmp_path: Path) -> None:
    """Caffe would give the bottom itself the shape of the top, and read it in that shape the next time."""
    text = """layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 6 dim: 5 } } }
    layer { name: "y" type: "Reduction" bottom: "x" top: "x" reduction_param { axis: -1 } }"""
    path = tmp_path / "net.prototxt"
    path.write_text(text)
    with pytest.raises(ShapeError, match="layers work in place on 'x', which is filled from outside, and change its"):
        netspec.Net(path)

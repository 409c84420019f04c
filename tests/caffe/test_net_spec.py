"""Nets written in Python, as prototxts."""

from __future__ import annotations

from pathlib import Path

import pytest

import netspec.caffe as caffe
from netspec.caffe import layers as L
from netspec.caffe import params as P


def small() -> caffe.NetSpec:
    n = caffe.NetSpec()
    n.data, n.label = L.Input(shape=[{"dim": [2, 3, 8, 7]}, {"dim": [2]}], ntop=2)
    n.conv = L.Convolution(n.data, num_output=4, kernel_size=3, weight_filler={"type": "xavier"}, param={"lr_mult": 2})
    n.relu = L.ReLU(n.conv, in_place=True)
    n["pool"] = L.Pooling(n.relu, pool=P.Pooling.AVE, kernel_size=2, stride=2)
    n.loss = L.SoftmaxWithLoss(L.InnerProduct(n.pool, num_output=3), n.label, include={"phase": caffe.TRAIN})
    return n


def test_messages() -> None:
    net = small().to_proto()
    rows = [(one.name, one.type, list(one.bottom), list(one.top)) for one in net.layer]
    assert rows == [
        ("data", "Input", [], ["data", "label"]),
        ("conv", "Convolution", ["data"], ["conv"]),
        ("relu", "ReLU", ["conv"], ["conv"]),
        ("pool", "Pooling", ["conv"], ["pool"]),
        ("InnerProduct1", "InnerProduct", ["pool"], ["InnerProduct1"]),
        ("loss", "SoftmaxWithLoss", ["InnerProduct1", "label"], ["loss"]),
    ]
    conv = net.layer[1]
    assert conv.convolution_param.kernel_size == [3] and conv.convolution_param.weight_filler.type == "xavier"
    assert [param.lr_mult for param in conv.param] == [2] and net.layer[3].pooling_param.pool == P.Pooling.AVE == 1
    assert net.layer[5].include[0].phase == caffe.TRAIN


def test_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(str(small().to_proto()))
    net = caffe.Net(str(path), caffe.TRAIN)
    assert net.forward()["loss"] > 0 and net.blobs["pool"].shape == (2, 4, 3, 3)


def test_layers_without_names() -> None:
    first = L.Input(shape={"dim": [2, 3]})
    net = caffe.to_proto(L.Eltwise(L.Power(first, scale=2), L.Power(first, scale=3), name="sum"))
    assert [one.name for one in net.layer] == ["Input1", "Power1", "Power2", "sum"]
    silent = L.Silence(L.Input(ntop=1), ntop=0)
    assert [one.type for one in caffe.to_proto(silent).layer] == ["Input", "Silence"]


def test_mistakes() -> None:
    with pytest.raises(TypeError, match=r"Convolution input 0 is not a Top \(type is <class 'str'>\)"):
        L.Convolution("data", num_output=4)
    with pytest.raises(AttributeError, match="LayerParameter has no field 'kernel'"):
        caffe.to_proto(L.ReLU(L.Input(), kernel=3))
    for word in ("MOX", "kernel_size"):
        with pytest.raises(AttributeError):
            getattr(P.Pooling, word)
    with pytest.raises(AttributeError, match="no blob 'x' yet"):
        _ = caffe.NetSpec().x
    with pytest.raises(AttributeError, match="no message"):
        _ = caffe.proto.caffe_pb2.NetParam

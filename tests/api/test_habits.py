"""pycaffe's habits of a Net: names, lists, shapes of inputs, batches, files and shared params."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.core.errors import NetspecError, NetspecWarning

TEXT = """
name: "small"
layer { name: "in" type: "Input" top: "data" top: "label"
        input_param { shape { dim: 4 dim: 3 dim: 6 dim: 5 } shape { dim: 4 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 2 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { pool: AVE global_pooling: true } }
layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "ip" param { lr_mult: 0 } param { lr_mult: 2 }
        inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" include { phase: TRAIN } }
"""
X = np.random.default_rng(1).standard_normal((4, 3, 6, 5)).astype(np.float32)
LABEL = np.array([0, 4, 2, 1], np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "net.prototxt"
    file.write_text(TEXT)
    return file


def test_what_is_said_without_words(path: Path) -> None:
    for given in (("TRAIN",), (0,), (None, 0)):
        assert netspec.Net(path, *given)._program.graph.phase == "TRAIN"
    assert netspec.Net(path, 1)._program.graph.phase == "TEST"
    saved = path.with_name("w.caffemodel")
    one = netspec.Net(path, 0)
    one.save(saved)
    two = netspec.Net(path, saved, 1)
    np.testing.assert_array_equal(one.params["conv"][0].data, two.params["conv"][0].data)
    with pytest.raises(NetspecError, match="at most 3 arguments"):
        netspec.Net(path, None, 0, 1)


def test_lists(path: Path) -> None:
    net = netspec.Net(path, 0)
    assert net.inputs == ["data", "label"] and net.outputs == []
    assert list(net.blobs) == ["data", "label", "conv", "pool", "ip", "(automatic)"]
    assert net._layer_names == ["in", "conv", "relu", "pool", "ip", "loss"]
    assert [(layer.type, len(layer.blobs)) for layer in net.layers] == [
        ("Input", 0),
        ("Convolution", 2),
        ("ReLU", 0),
        ("Pooling", 0),
        ("InnerProduct", 2),
        ("SoftmaxWithLoss", 0),
    ]
    assert net.top_names["in"] == ["data", "label"] and net.bottom_names["loss"] == ["ip", "label"]
    assert net.blob_loss_weights == {**dict.fromkeys(net.blobs, 0.0), "(automatic)": 1.0}
    net.forward(data=X, label=LABEL)
    assert net.blobs["(automatic)"].data == np.float32(net.loss) and net.blobs["(automatic)"].diff == 1
    blob = net.blobs["data"]
    assert (blob.num, blob.channels, blob.height, blob.width, blob.count) == (4, 3, 6, 5, 360)
    assert (net.blobs["label"].num, net.blobs["label"].channels) == (4, 1)
    assert netspec.Net(path).outputs == ["label", "prob"], "a label that nobody reads is an output in Caffe"


def test_params_that_are_not_learned_have_a_diff_of_zeros(path: Path) -> None:
    net = netspec.Net(path, 0)
    net.forward(data=X, label=LABEL)
    net.backward()
    weight, bias = net.params["ip"]
    assert weight.diff.shape == (5, 2) and not weight.diff.any() and bias.diff.any()
    forced = path.with_name("forced.prototxt")
    forced.write_text("force_backward: true\n" + TEXT)
    net = netspec.Net(forced, 0)
    net.forward(data=X, label=LABEL)
    found = net.backward()["data"]
    assert net.params["ip"][0].diff.any() and found is not None and found.any()


def test_a_net_without_a_loss_runs_no_backward_and_says_so(path: Path) -> None:
    net = netspec.Net(path)
    net.forward(data=X)
    with pytest.warns(NetspecWarning, match="no layer runs backward"):
        found = net.backward(prob=np.ones((4, 5)))
    assert not any(diff.any() for diff in found.values() if diff is not None)
    assert net.blobs["prob"].diff.all() and not net.blobs["conv"].diff.any()


def test_inputs_of_any_shape(path: Path) -> None:
    net = netspec.Net(path)
    weight, data = net.params["conv"][0], net.blobs["data"]
    wanted = net.forward(data=X)["prob"]
    for shape, given in (((2, 3, 6, 5), X[:2]), ((7, 3, 6, 5), np.concatenate([X, X[:3]])), ((1, 3, 9, 8), None)):
        net.blobs["label"].reshape(shape[0])
        data.reshape(*shape)
        assert data.shape == shape and net.blobs["conv"].shape[0] != shape[0]
        if given is None:
            net.reshape()
            assert net.blobs["conv"].shape == (1, 2, 7, 6)
            continue
        data.data[...] = given
        np.testing.assert_allclose(net.forward()["prob"], wanted[np.arange(len(given)) % 4], rtol=1e-5)
    assert weight.data is net.params["conv"][0].data
    for name, shape, said in (
        ("conv", (1,), "is no input"),
        ("data", (0, 3, 6, 5), "from 1"),
        ("data", (1, 3), "conv"),
    ):
        with pytest.raises(NetspecError, match=said):
            net.blobs[name].reshape(*shape)
            net.reshape()


def test_a_shape_that_params_do_not_fit(tmp_path: Path) -> None:
    file = tmp_path / "ip.prototxt"
    file.write_text(
        TEXT.replace('type: "Pooling" bottom: "conv" top: "pool"', 'type: "ReLU" bottom: "conv" top: "pool"')
    )
    net = netspec.Net(file)
    net.blobs["data"].reshape(4, 3, 7, 5)
    with pytest.raises(NetspecError, match=r"param 'ip\.weight' would be 5x30 instead of 5x24"):
        net.forward()


def test_samples_in_batches(path: Path) -> None:
    net = netspec.Net(path)
    many = np.random.default_rng(2).standard_normal((10, 3, 6, 5)).astype(np.float32)
    found = net.forward_all(data=many, label=np.zeros(10), blobs=["conv"])
    assert found["prob"].shape == (10, 5) and found["conv"].shape == (10, 2, 4, 3)
    np.testing.assert_allclose(found["prob"][8:], net.forward(data=many[[8, 9, 0, 0]])["prob"][:2], rtol=1e-6)
    train = netspec.Net(path, 0)
    ahead, back = train.forward_backward_all(data=many, label=np.ones(10), blobs=["ip"], diffs=["ip"])
    assert ahead["ip"].shape == back["ip"].shape == (10, 5)
    for words, said in (({}, "nothing to go through"), ({"data": many, "label": LABEL}, "same number of samples")):
        with pytest.raises(NetspecError, match=said):
            net.forward_all(**words)


def test_parts_of_a_net_are_named_by_their_layers(path: Path) -> None:
    net = netspec.Net(path)
    whole = net.forward(data=X, blobs=["pool"])
    assert list(whole) == ["pool", "label", "prob"]
    assert list(net.forward(end="relu")) == ["conv"]
    np.testing.assert_array_equal(net.forward(start="pool")["prob"], whole["prob"])
    for words, said in (
        ({"start": "poll"}, "no layer 'poll'"),
        ({"blobs": ["x"]}, "no blob 'x'"),
        ({"daat": X}, "no input 'daat'"),
    ):
        with pytest.raises(NetspecError, match=said):
            net.forward(**words)
    with pytest.raises(NetspecError, match="say keep=True"):
        netspec.Net(path, keep=False).forward(end="conv")


def test_copies_have_all_of_it(path: Path) -> None:
    net = netspec.Net(path, 0)
    net.forward(data=X, label=LABEL)
    net.backward()
    for one in (copy.copy(net), copy.deepcopy(net)):
        for name, blob in net.blobs.items():
            np.testing.assert_array_equal(one.blobs[name].data, blob.data)
            np.testing.assert_array_equal(one.blobs[name].diff, blob.diff)
    again = pickle.loads(pickle.dumps(net))
    again.forwards = net.forwards = 0
    for one in (net, again):
        one.forward()
        one.clear_param_diffs()
        one.backward()
    np.testing.assert_array_equal(again.params["conv"][0].diff, net.params["conv"][0].diff)


def test_params_that_two_nets_share(path: Path) -> None:
    one, two = netspec.Net(path, seed=1), netspec.Net(path, 0, seed=2)
    two.forward(data=X, label=LABEL)
    two.share_with(one)
    one.params["conv"][0].data[...] = 0.5
    assert (two.params["conv"][0].data == 0.5).all()
    np.testing.assert_array_equal(two.blobs["data"].data, X)
    np.testing.assert_array_equal(two.forward(blobs=["ip"])["ip"], one.forward(data=X, blobs=["ip"])["ip"])
    with pytest.raises(NetspecError, match="of one number type"):
        two.share_with(netspec.Net(path, dtype="float64"))


@pytest.mark.parametrize("name", ["w.caffemodel", "w.safetensors", "w.caffemodel.h5"])
def test_files(path: Path, name: str) -> None:
    if name.endswith("h5"):
        pytest.importorskip("h5py")
    one, two = netspec.Net(path, seed=1), netspec.Net(path, seed=2)
    target = path.with_name(name)
    one.save(target)
    two.copy_from(target)
    for mine, theirs in zip(one.params["ip"], two.params["ip"], strict=True):
        np.testing.assert_array_equal(mine.data, theirs.data)
    with pytest.raises(NetspecError, match="no name of an HDF5 file"):
        one.save_hdf5(path.with_name("x.bin"))


def test_a_caffemodel_has_the_fields_of_its_layers(path: Path) -> None:
    from netspec.formats.caffe_messages import message_class

    net = netspec.Net(path)
    net.save(path.with_name("w.caffemodel"))
    model = message_class("NetParameter").FromString(path.with_name("w.caffemodel").read_bytes())
    layers = {layer.name: layer for layer in model.layer}
    assert [layer.name for layer in model.layer] == [node.layer.name for node in net.program.graph.written]
    assert layers["ip"].inner_product_param.num_output == net.params["ip"][0].data.shape[0]
    assert layers["conv"].convolution_param.num_output == net.params["conv"][0].data.shape[0]
    np.testing.assert_array_equal(list(layers["ip"].blobs[1].data), net.params["ip"][1].data)


CONSTANT = """
layer { name: "d" type: "DummyData" top: "x" top: "r"
        dummy_data_param { shape { dim: 3 dim: 2 } data_filler { value: 2 } data_filler { type: "gaussian" } } }
layer { name: "w" type: "Parameter" top: "w" parameter_param { shape { dim: 3 dim: 2 } } }
layer { name: "l" type: "EuclideanLoss" bottom: "x" bottom: "w" top: "l" }
layer { name: "s" type: "Silence" bottom: "r" }
"""


def test_constants_are_filled_once_and_a_parameter_is_its_top(tmp_path: Path) -> None:
    file = tmp_path / "net.prototxt"
    file.write_text(CONSTANT)
    net = netspec.Net(file, 0)
    assert (net.blobs["x"].data == 2).all() and not net.blobs["r"].data.any()
    net.blobs["x"].data[0] = 7
    net.forward()
    assert net.blobs["x"].data[0, 0] == 7 and net.blobs["x"].data[1, 0] == 2
    drawn = net.blobs["r"].data.copy()
    net.params["w"][0].data[...] = 1
    for _ in range(2):
        net.forward()
        net.backward()
    assert net.blobs["l"].data == np.float32((2 * 36 + 4) / 6) and not np.array_equal(drawn, net.blobs["r"].data)
    np.testing.assert_allclose(net.params["w"][0].diff, (1 - net.blobs["x"].data) / 3, rtol=1e-6)
    np.testing.assert_array_equal(net.params["w"][0].diff, net.blobs["w"].diff)


LEFT = """
layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 4 dim: 3 } } }
layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 4 } } }
layer { name: "hinge" type: "HingeLoss" bottom: "data" bottom: "label" top: "hinge" }
"""


NORM = """
layer { name: "d" type: "Input" top: "data" top: "t" input_param { shape { dim: 4 dim: 3 } shape { dim: 4 dim: 2 } } }
layer { name: "bn" type: "BatchNorm" bottom: "data" top: "bn" PARAM }
layer { name: "ip" type: "InnerProduct" bottom: "bn" top: "ip"
        inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "l" type: "EuclideanLoss" bottom: "ip" bottom: "t" top: "l" }
"""


@pytest.mark.parametrize("rates", [0, 1, 3])
def test_a_batch_norm_without_three_rates_of_0_runs_backward_whatever_lies_below(tmp_path: Path, rates: int) -> None:
    file = tmp_path / "net.prototxt"
    file.write_text(NORM.replace("PARAM", "param { lr_mult: 0 } " * rates))
    net = netspec.Net(file, 0)
    net.forward(data=X[:, :, 0, 0], t=X[:, :2, 1, 1])
    net.backward()
    assert net.blobs["data"].diff.any() == net.blobs["bn"].diff.any() == (rates < 3)


def test_a_hinge_loss_leaves_its_margins(tmp_path: Path) -> None:
    file = tmp_path / "net.prototxt"
    file.write_text(LEFT)
    net = netspec.Net(file, 0)
    scores = np.array([[1, -0.5, 0.2], [-2, 0.3, 0.4], [0, 0, 0], [-3, 1.5, 2]], np.float32)
    net.forward(data=scores, label=[0, 2, 1, 1])
    signs = np.ones((4, 3))
    signs[np.arange(4), [0, 2, 1, 1]] = -1
    np.testing.assert_allclose(net.blobs["data"].diff, np.maximum(0, 1 + signs * scores), rtol=1e-6)


def test_blobs_of_a_yaml_net_have_no_names_of_caffe() -> None:
    layers: list[dict[str, Any]] = [
        {"name": "data", "type": "Input", "shape": [4, 3]},
        {"name": "ip", "type": "InnerProduct", "num_output": 3, "weight_filler": "xavier"},
        {"name": "act", "type": "TanH", "bottom": "ip", "top": "ip"},
        {"name": "sum", "type": "Eltwise", "bottom": ["ip", "data"]},
        {"name": "loss", "type": "EuclideanLoss", "bottom": ["sum", "ip"]},
    ]
    net = netspec.Net({"layers": layers}, dtype="float64")
    assert list(net.blobs) == ["data", "ip", "sum", "loss"]
    net.forward(data=np.random.default_rng(3).standard_normal((4, 3)))
    net.backward()
    flat, data = net.blobs["ip"].diff, net.blobs["data"].data
    np.testing.assert_allclose(net.params["ip"][0].diff, flat.T @ data, rtol=1e-12, err_msg="the first version's diff")
    assert net.layer_dict["ip"].type == "InnerProduct" and net.bottom_names["loss"] == ["sum", "ip"]

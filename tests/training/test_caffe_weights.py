"""Weights of Caffe in nets of netspec: matched by layer and number, with Caffe's shapes, and a report of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.core.shape import count
from netspec.formats import caffe_hdf5, wire
from netspec.formats.caffe_messages import message_class
from netspec.formats.caffemodel import Written, parameter, pieces
from netspec.training.caffe_saving import TooLargeError, is_caffe, save
from netspec.training.caffe_weights import CaffeFileError
from netspec.training.container import MissingSnapshotError, NotFiniteError, UnreadableSnapshotError
from netspec.training.loading import OtherNetError

NET: dict[str, Any] = {
    "name": "small",
    "layers": [
        {"name": "data", "type": "Input", "shape": [2, 3, 6, 5]},
        {"name": "conv/1", "type": "Convolution", "num_output": 4, "kernel_size": 3, "top": "c"},
        {"name": "norm", "type": "BatchNorm", "bottom": "c"},
        {"name": "relu", "type": "ReLU", "bottom": "norm"},
        {"name": "ip", "type": "InnerProduct", "num_output": 7, "bottom": "relu"},
    ],
}
SHAPES: dict[str, list[tuple[int, ...]]] = {
    "conv/1": [(4, 3, 3, 3), (4,)],
    "norm": [(4,), (4,), (1,)],
    "ip": [(7, 48), (7,)],
}
Blobs = dict[str, list[np.ndarray]]


def blobs(shapes: dict[str, list[tuple[int, ...]]] = SHAPES, first: int = 1) -> Blobs:
    numbers = iter(range(first, 10**6, 1000))
    return {
        name: [np.arange(count(shape), dtype="f4").reshape(shape) + next(numbers) for shape in own]
        for name, own in shapes.items()
    }


def written(path: Path, held: Blobs) -> Path:
    """A `.caffemodel` or a `.caffemodel.h5`."""
    if path.suffix == ".h5":
        caffe_hdf5.write_layers(path, held.items())
    else:
        layers = [Written(parameter(name, "Any"), arrays) for name, arrays in held.items()]
        path.write_bytes(b"".join(pieces("small", layers)))
    return path


def legacy(path: Path, held: Blobs, version: int) -> Path:
    """A `.caffemodel` of an earlier version, whose blobs all have four axes."""
    net = message_class("NetParameter")()
    for name, arrays in held.items():
        layer = net.layers.add()
        layer = layer.layer if version == 0 else layer
        layer.name = name
        for array in arrays:
            n, c, h, w = (1,) * (4 - array.ndim) + array.shape
            layer.blobs.add(num=n, channels=c, height=h, width=w).data.extend(array.reshape(-1).tolist())
    path.write_bytes(net.SerializeToString())
    return path


def equal(net: netspec.Net, wanted: Blobs) -> bool:
    return all(
        len(net.params[name]) == len(arrays)
        and all(np.array_equal(own.data, array) for own, array in zip(net.params[name], arrays, strict=True))
        for name, arrays in wanted.items()
    )


@pytest.fixture(scope="module")
def net() -> netspec.Net:
    return netspec.Net(NET)


@pytest.fixture(autouse=True)
def cleared(request: pytest.FixtureRequest) -> None:
    if "net" in request.fixturenames:
        for own in request.getfixturevalue("net").params.values():
            for param in own:
                param.data[...] = 0


@pytest.mark.parametrize("name", ["x.caffemodel", "x.caffemodel.h5", "x.bin"])
def test_layers_are_matched_by_name(net: netspec.Net, tmp_path: Path, name: str) -> None:
    held = blobs()
    report = net.load(written(tmp_path / name, held))
    assert equal(net, held) and len(report.loaded) == 7 and not report.skipped and not report.left


@pytest.mark.parametrize("version", [0, 1])
def test_shapes_of_four_axes(net: netspec.Net, tmp_path: Path, version: int) -> None:
    held = blobs()
    net.load(legacy(tmp_path / "x.caffemodel", held, version))
    assert equal(net, held)


def test_the_net_begins_with_them(tmp_path: Path) -> None:
    held = blobs()
    path = written(
        tmp_path / "x.caffemodel", {name: [array.astype("f8") for array in own] for name, own in held.items()}
    )
    assert equal(netspec.Net(NET, weights=path), held)


def test_layers_that_only_one_of_them_has(net: netspec.Net, tmp_path: Path) -> None:
    held = blobs({"ip": SHAPES["ip"], "fc8": [(3, 2), (3,)]})
    for name in ("x.caffemodel", "x.caffemodel.h5"):
        report = net.load(written(tmp_path / name, held))
        assert equal(net, {"ip": held["ip"]}) and report.loaded == ("ip.weight", "ip.bias")
        assert report.skipped == ("fc8.0", "fc8.1") and report.left[:2] == ("conv/1.weight", "conv/1.bias")
    other = written(tmp_path / "other.caffemodel", blobs({"fc8": [(3, 2)]}))
    assert str(net.load(other)).startswith("0 params loaded; skipped (not in the net): fc8.0; left at their fillers: ")
    assert equal(net, {"ip": held["ip"]})


def test_the_last_layer_of_a_name_counts(net: netspec.Net, tmp_path: Path) -> None:
    first, last = blobs({"ip": SHAPES["ip"]}), blobs({"ip": SHAPES["ip"]}, 50)
    layers = [Written(parameter("ip", "Any"), own["ip"]) for own in (first, last)]
    (tmp_path / "x.caffemodel").write_bytes(b"".join(pieces("small", layers)))
    net.load(tmp_path / "x.caffemodel")
    assert equal(net, last)


@pytest.mark.parametrize("name", ["x.caffemodel", "x.caffemodel.h5"])
@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ({"ip": [(7, 48)]}, "layer 'ip' has 1 blob in the file and 2 params in the net"),
        ({"ip": [(7, 48), (7,), (1,)]}, "layer 'ip' has 3 blobs in the file and 2 params in the net"),
        ({"ip": [(7, 47), (7,)]}, "'ip.weight' is 7x47 in the snapshot and 7x48 in the net"),
        ({"ip": [(48, 7), (7,)]}, "'ip.weight' is 48x7 in the snapshot and 7x48 in the net"),
        ({"ip": [(1, 1, 7, 48), (7,)]}, "'ip.weight' is 1x1x7x48 in the snapshot"),
    ],
)
def test_what_does_not_fit(
    net: netspec.Net, tmp_path: Path, name: str, shapes: dict[str, list[tuple[int, ...]]], said: str
) -> None:
    path = written(tmp_path / name, blobs({"conv/1": SHAPES["conv/1"], **shapes}))
    with pytest.raises(OtherNetError, match=said) as caught:
        net.load(path)
    assert caught.value.exit_code == 7 and equal(net, {"conv/1": [np.zeros(s) for s in SHAPES["conv/1"]]})


def test_four_axes_that_do_not_fit(net: netspec.Net, tmp_path: Path) -> None:
    """Axes in front that are not 1, and a file of today with four axes."""
    path = legacy(tmp_path / "x.caffemodel", blobs({"ip": [(7, 1, 1, 48), (7,)]}), 1)
    with pytest.raises(OtherNetError, match=r"'ip\.weight' is 7x1x1x48 in the snapshot and 7x48 in the net"):
        net.load(path)


SHARED: dict[str, Any] = {
    "layers": [
        {"name": "data", "type": "Input", "shape": [2, 3]},
        {"name": "one", "type": "InnerProduct", "num_output": 3, "param": [{"name": "w"}, {"name": "b"}]},
        {
            "name": "two",
            "type": "InnerProduct",
            "num_output": 3,
            "param": [{"name": "w"}, {"name": "c"}],
            "bottom": "one",
        },
    ]
}


def test_shared_params(tmp_path: Path) -> None:
    """Written under every layer in a `.caffemodel`, and under the layer that owns it in HDF5."""
    held = blobs({"one": [(3, 3), (3,)], "two": [(3, 3), (3,)]})
    held["two"][0] = held["one"][0]
    net = netspec.Net(SHARED)
    net.load(written(tmp_path / "x.caffemodel", held))
    assert equal(net, held)
    program = net.program
    arrays = {key: array for key, array in _params(net).items()}
    save(tmp_path / "y.caffemodel.h5", program.shaped, arrays)
    assert [sorted(layer.blobs) for layer in caffe_hdf5.read_layers(tmp_path / "y.caffemodel.h5")] == [[0, 1], [1]]
    again = netspec.Net(SHARED, weights=tmp_path / "y.caffemodel.h5")
    assert equal(again, held)


def _params(net: netspec.Net) -> dict[Any, np.ndarray]:
    from netspec.engine.weights import params_by_key

    return params_by_key(net.program.shaped, net.program.weights)


@pytest.mark.parametrize("name", ["x.caffemodel", "x.caffemodel.h5"])
def test_what_is_saved_is_what_caffe_saves(net: netspec.Net, tmp_path: Path, name: str) -> None:
    held = blobs()
    net.load(written(tmp_path / "first.caffemodel", held))
    diffs = {key: array + 1 for key, array in _params(net).items() if key.layer == "ip"}
    save(tmp_path / name, net.program.shaped, _params(net), diffs=diffs)
    assert is_caffe(tmp_path / name)
    assert equal(netspec.Net(NET, weights=tmp_path / name), held)
    if name == "x.caffemodel":
        found = message_class("NetParameter").FromString((tmp_path / name).read_bytes())
        names = [layer.name for layer in found.layer]
        assert found.name == "small" and names == ["data", "conv/1", "norm", "relu", "ip"]
        assert list(found.layer[4].bottom) == ["relu"] and list(found.layer[4].blobs[1].shape.dim) == [7]
        np.testing.assert_array_equal(found.layer[4].blobs[1].diff, held["ip"][1] + 1)


def test_what_is_not_finite_is_not_saved(net: netspec.Net, tmp_path: Path) -> None:
    net.params["ip"][1].data[2] = np.nan
    with pytest.raises(NotFiniteError, match=r"'ip\.bias' is not finite"):
        save(tmp_path / "x.caffemodel", net.program.shaped, _params(net))
    path = written(tmp_path / "x.caffemodel", {"ip": [array * np.inf for array in blobs()["ip"]]})
    with pytest.raises(UnreadableSnapshotError, match=r"'ip\.weight' is not finite"):
        net.load(path)


def test_a_file_that_caffe_could_not_read(net: netspec.Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MOST", 1000)
    with pytest.raises(TooLargeError, match=r"would take .* bytes, and Caffe reads no more than 1,000"):
        save(tmp_path / "x.caffemodel", net.program.shaped, _params(net))
    assert not list(tmp_path.iterdir())


def test_files_that_are_no_weights(net: netspec.Net, tmp_path: Path) -> None:
    path = written(tmp_path / "x.caffemodel", blobs())
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(CaffeFileError, match=r"is no caffemodel: at byte [0-9,]+ it has a value of") as caught:
        net.load(path)
    assert caught.value.exit_code == 7
    (tmp_path / "x.solverstate").write_bytes(b"\x08\x07")
    with pytest.raises(CaffeFileError, match="holds the state of a solver of Caffe, and no weights"):
        net.load(tmp_path / "x.solverstate")
    with pytest.raises(MissingSnapshotError, match="there is no snapshot") as missing:
        net.load(tmp_path / "y.caffemodel")
    assert missing.value.help == "one of: x.caffemodel"
    (tmp_path / "y.h5").write_bytes(b"no HDF5")
    with pytest.raises(UnreadableSnapshotError):
        net.load(tmp_path / "y.h5")


def test_predictions_from_imported_weights(tmp_path: Path) -> None:
    from netspec.interop.from_caffe import convert_weights

    prototxt = """
        name: "small" input: "data" input_dim: 2 input_dim: 3 input_dim: 6 input_dim: 5
        layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 4 } }
        layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }"""
    (tmp_path / "net.prototxt").write_text(prototxt)
    draw = np.random.default_rng(1)
    held = {"ip": [draw.standard_normal((4, 90)).astype("f4"), draw.standard_normal(4).astype("f4")]}
    path = written(tmp_path / "x.caffemodel", {**held, "left": [np.ones(3, "f4")]})
    report = convert_weights(tmp_path / "net.prototxt", path, tmp_path / "net.safetensors")
    assert report.loaded == ("ip.weight", "ip.bias") and report.skipped == ("left.0",)
    x = draw.random((3, 3, 6, 5)).astype("f4")
    found = netspec.Predictor(tmp_path / "net.safetensors").predict(x)
    y = x.reshape(3, -1) @ held["ip"][0].T + held["ip"][1]
    wanted = np.exp(y) / np.exp(y).sum(1, keepdims=True)
    np.testing.assert_allclose(np.asarray(found.values), wanted, rtol=1e-5)

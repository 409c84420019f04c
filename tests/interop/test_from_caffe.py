"""Prototxts as YAML: word for word for small nets, read back to the same digest, paths and weights included."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import netspec
from netspec.core.errors import NetspecError, UsageError
from netspec.formats import caffemodel
from netspec.interop import from_caffe
from netspec.interop.from_caffe import OtherNetError, convert_weights, imported
from netspec.net.digest import digest
from netspec.net.load import load_net

Cli = Callable[..., tuple[int, str, str]]

NET = """
name: "small"
input: "data"
input_dim: 2
input_dim: 3
input_dim: 8
input_dim: 9
layers {
  name: "conv" type: CONVOLUTION bottom: "data" top: "conv" blobs_lr: 1 blobs_lr: 2 weight_decay: 1 weight_decay: 0
  convolution_param { num_output: 4 kernel_size: 3 stride: 1 weight_filler { type: "gaussian" std: 0.01 }
                      bias_filler { type: "constant" } engine: CUDNN }
}
layers { name: "relu" type: RELU bottom: "conv" top: "conv" }
layers { name: "pool" type: POOLING bottom: "conv" top: "pool" pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layers { name: "ip" type: INNER_PRODUCT bottom: "pool" top: "ip" inner_product_param { num_output: 5 } }
layers { name: "prob" type: SOFTMAX bottom: "ip" top: "prob" }
"""

YAML = """\
name: small
layers:
  # the inputs of the net became an Input layer
  - {name: input, type: Input, top: data, shape: [[2, 3, 8, 9]]}
  # a net of Caffe's version 1: its layers were upgraded
  # `engine` is left out: netspec has kernels of its own
  - name: conv
    type: Convolution
    param: [{}, {lr_mult: 2, decay_mult: 0}]
    num_output: 4
    kernel_size: 3
    weight_filler: {type: gaussian, std: 0.01}
  - {name: relu, type: ReLU, top: conv}
  - {name: pool, type: Pooling, kernel_size: 2, stride: 2}
  - {name: ip, type: InnerProduct, num_output: 5}
  - {name: prob, type: Softmax}
"""


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "small.prototxt"
    path.write_text(NET)
    return path


def test_a_net_as_a_person_would_write_it(net: Path, tmp_path: Path) -> None:
    found = imported(net, tmp_path)
    lines = [line for line in found.text.splitlines() if "engine" not in line]
    assert lines == [line for line in YAML.splitlines() if "engine" not in line]
    assert found.params == (3 * 3 * 3 * 4 + 4 + 4 * 3 * 4 * 5 + 5, 0) and found.layers == 6
    assert str(found) == "a net of 6 layers, 357 parameters"
    (tmp_path / "small.yaml").write_text(found.text)
    assert digest(load_net(str(tmp_path / "small.yaml")).graph) == digest(load_net(str(net)).graph)


def test_the_same_values_come_out(net: Path, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(imported(net, tmp_path).text)
    x = np.random.default_rng(1).normal(size=(2, 3, 8, 9)).astype("f4")
    ours, theirs = (netspec.Net(path, phase="TEST") for path in (tmp_path / "small.yaml", net))
    for params, given in zip(theirs.params.values(), ours.params.values(), strict=True):
        for param, other in zip(params, given, strict=True):
            param.data[...] = other.data
    np.testing.assert_array_equal(ours.forward(data=x)["prob"], theirs.forward(data=x)["prob"])


def test_both_phases_and_paths(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "in" / "a.prototxt").write_text("""
    layer { name: "d" type: "HDF5Data" top: "x" include { phase: TRAIN }
            hdf5_data_param { source: "l.txt" batch_size: 4 } }
    layer { name: "d" type: "Input" top: "x" include { phase: TEST } input_param { shape { dim: 4 dim: 5 } } }
    layer { name: "n" type: "BatchNorm" bottom: "x" top: "n" param {} param {} param {} }
    layer { name: "s" type: "Scale" bottom: "n" top: "n" scale_param { bias_term: true } }
    layer { name: "e" type: "EuclideanLoss" bottom: "n" bottom: "x" top: "e" propagate_down: [true, false] }
    """)
    text = imported(tmp_path / "in" / "a.prototxt", tmp_path / "out").text
    assert "source: ../in/l.txt" in text
    assert "defaults: {BatchNorm: {running_sums: PLAIN}}" in text
    assert "BatchNorm's statistics are not learned" in text


def test_a_solver(tmp_path: Path, net: Path) -> None:
    (tmp_path / "s.prototxt").write_text(
        'net: "small.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 5 solver_type: ADAM solver_mode: GPU'
    )
    found = imported(tmp_path / "s.prototxt", tmp_path / "deeper")
    assert found.kind == "solver" and str(found) == "a solver"
    assert "net: ../small.prototxt\n" in found.text and "type: Adam\n" in found.text
    assert "# solver_type became type\n" in found.text


def test_what_netspec_does_not_have_is_kept_leniently(tmp_path: Path) -> None:
    path = tmp_path / "a.prototxt"
    path.write_text("""
    layer { name: "d" type: "Input" top: "x" input_param { shape { dim: 4 dim: 5 } } }
    layer { name: "m" type: "Wobble" bottom: "x" top: "m" wobble_param { width: 3 } }
    layer { name: "r" type: "ReLU" bottom: "m" top: "r" relu_param { wide: true } }
    """)
    with pytest.raises(NetspecError):
        imported(path, tmp_path)
    found = imported(path, tmp_path, lenient=True)
    assert "type: Wobble" in found.text and "width: 3" in found.text and "wide: true" in found.text
    assert found.faults and found.params is None
    path.write_text(path.read_text().replace('type: "Wobble"', 'typ: "Wobble"'))
    for compact in (False, True):
        assert "typ: Wobble" in imported(path, tmp_path, lenient=True, compact=compact).text
    assert [note.at.line for note in found.notes] == [3, 4, 3] or len(found.notes) >= 2


def test_a_net_that_is_written_wrongly_is_not_written(
    net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(from_caffe, "net_text", lambda *_: YAML.replace("stride: 2", "stride: 1"))
    with pytest.raises(OtherNetError, match="computes something else"):
        imported(net, tmp_path)
    monkeypatch.setattr(from_caffe, "net_text", lambda *_: YAML.replace("kernel_size: 2", "kernel_size: x"))
    with pytest.raises(OtherNetError, match="kernel_size"):
        imported(net, tmp_path)


def test_yaml_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(YAML)
    with pytest.raises(UsageError, match="YAML already"):
        imported(tmp_path / "a.yaml", tmp_path)


def model(path: Path) -> dict[str, np.ndarray]:
    """A caffemodel for the small net, with a layer that it does not have."""
    draw = np.random.default_rng(3)
    blobs = {
        "conv": [draw.normal(size=(4, 3, 3, 3)), draw.normal(size=4)],
        "ip": [draw.normal(size=(5, 48)), draw.normal(size=5)],
        "other": [draw.normal(size=2)],
    }
    held = {name: [blob.astype("f4") for blob in each] for name, each in blobs.items()}
    layers = [
        caffemodel.Written(caffemodel.parameter(name, "X", (), ()), tuple(each), ()) for name, each in held.items()
    ]
    path.write_bytes(b"".join(bytes(piece) for piece in caffemodel.pieces("small", layers)))
    return {
        f"{name}.{word}": each[n]
        for name, each in held.items()
        for n, word in enumerate(("weight", "bias")[: len(each)])
    }


def test_weights(net: Path, tmp_path: Path) -> None:
    want = model(tmp_path / "small.caffemodel")
    report = convert_weights(net, tmp_path / "small.caffemodel", tmp_path / "small.safetensors")
    assert len(report.loaded) == 4 and len(report.skipped) == 1
    held = load_file(tmp_path / "small.safetensors")
    assert sorted(held) == ["conv.bias", "conv.weight", "ip.bias", "ip.weight"]
    for name, array in held.items():
        np.testing.assert_array_equal(array, want[name])


def test_the_command(net: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model(tmp_path / "small.caffemodel")
    code, out, _ = cli("import", "caffe", "small.prototxt")
    assert code == 0 and "name: small" in out
    _, out, _ = cli("import", "caffe", "small.prototxt", "--weights", "small.caffemodel", "-o", "small.yaml")
    assert out.splitlines()[:2] == [
        "wrote small.yaml: a net of 6 layers, 357 parameters",
        "wrote small.safetensors: 4 params loaded",
    ]
    record = json.loads(cli("import", "caffe", "small.prototxt", "--format", "json", "-o", "b.yaml")[1])
    assert (record["layers"], record["params"], record["written"]) == (6, 357, "b.yaml")
    assert cli("check", "small.yaml")[0] == 0


def test_check_says_what_was_changed(net: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(net.parent)
    code, out, _ = cli("check", "small.prototxt")
    first, *notes = out.splitlines()
    assert code == 0 and first.startswith("small.prototxt: a sound net, 357 parameters")
    assert "small.prototxt:3:1: the inputs of the net became an Input layer" in notes
    assert "small.prototxt:8:1: a net of Caffe's version 1: its layers were upgraded" in notes


def test_the_command_writes_over_nothing_unasked(
    net: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model(tmp_path / "small.caffemodel")
    words = ("import", "caffe", "small.prototxt", "--weights", "small.caffemodel", "-o", "small.yaml")
    for name in ("small.yaml", "small.safetensors"):
        (tmp_path / name).write_text("mine")
        code, _, err = cli(*words)
        assert code == 9 and f"'{name}' already exists" in err
        assert (tmp_path / name).read_text() == "mine"
        (tmp_path / name).unlink()
    code, _, err = cli(*words[:-1], "small.safetensors")
    assert code == 2 and "a name of weights" in err
    code, _, err = cli(*words[:-1], "new.prototxt")
    assert code == 2 and "export caffe" in err and not (tmp_path / "new.prototxt").exists()
    (tmp_path / "small.yaml").write_text("mine")
    assert cli(*words, "--force")[0] == 0
    assert "name: small" in (tmp_path / "small.yaml").read_text()


def test_weights_that_cannot_be_read_leave_no_net_behind(
    net: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.caffemodel").write_bytes(b"\xff" * 40)
    code, _, _ = cli("import", "caffe", "small.prototxt", "--weights", "small.caffemodel", "-o", "small.yaml")
    assert code == 7
    assert not (tmp_path / "small.yaml").exists() and not (tmp_path / "small.safetensors").exists()


def test_a_net_on_standard_input(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(NET.encode())))
    code, out, err = cli("import", "caffe", "-")
    assert code == 0 and out.startswith("name: small"), err


def test_weights_that_have_no_net_to_fit(tmp_path: Path) -> None:
    solver = tmp_path / "solver.prototxt"
    solver.write_text('net: "a.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 9')
    for path, words in ((solver, "is a solver"), (Path("-"), "standard input")):
        with pytest.raises(UsageError, match=words):
            convert_weights(path, tmp_path / "a.caffemodel", tmp_path / "a.safetensors")


def test_a_net_of_caffe_in_place_of_a_solver(net: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(net.parent)
    code, _, err = cli("train", net.name)
    assert code == 3 and f'net: "{net.name}"' in err

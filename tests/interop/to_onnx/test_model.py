"""ONNX models as wholes: names, metadata, open batches, folded weights, refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from netspec.core.errors import Mistakes, NetspecError
from netspec.data.facts import Facts, OutputFacts
from netspec.interop.exported import Exported, exported
from netspec.interop.onnx_files import CLASSES, DIGEST, session
from netspec.interop.to_onnx import model as models
from netspec.interop.to_onnx.model import TooLargeModelError, onnx_model, save
from netspec.interop.to_onnx.verify import Comparison
from netspec.net.digest import digest
from netspec.net.graph import ParamKey
from netspec.training.snapshot import Snapshot
from tests.interop.to_onnx.agreeing import deployed, differences, model, params

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

IMAGE = "- {name: data, type: Input, shape: [[2, 3, 6, 5]]}\n"
SHARED = (
    "- {name: data, type: Input, shape: [[2, 5]]}\n"
    "- {name: a, type: InnerProduct, num_output: 5, param: [{name: w}, {name: b}]}\n"
    "- {name: b, type: InnerProduct, num_output: 5, param: [{name: w}, {name: b}]}\n"
)
NORMED = (
    IMAGE + "- {name: conv, type: Convolution, num_output: 4, kernel_size: 3, bias_term: false}\n"
    "- {name: norm, type: BatchNorm, eps: 0.01}\n"
    "- {name: scale, type: Scale, bias_term: true}\n"
    "- {name: relu, type: ReLU}\n"
    "- {name: ip, type: InnerProduct, num_output: 7}\n"
    "- {name: ip_scale, type: Scale}\n"
)


def dims(value: object) -> list[int | str]:
    """The lengths of an input or output."""
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]  # type: ignore[attr-defined]


def test_the_file_is_called_as_the_net() -> None:
    made = model(IMAGE + "- {name: conv, type: Convolution, num_output: 4, kernel_size: 3}\n"
                 "- {name: relu, type: ReLU, top: conv}\n- {name: ip, type: InnerProduct, num_output: 7}")  # fmt: skip
    graph = made.proto.graph
    assert (made.proto.ir_version, made.proto.opset_import[0].version, graph.name) == (8, 17, "net")
    assert [(node.name, node.op_type) for node in graph.node] == [
        ("conv", "Conv"),
        ("relu", "Relu"),
        ("ip/Flatten", "Flatten"),
        ("ip", "Gemm"),
    ]
    assert [node.output[0] for node in graph.node] == ["conv#0", "conv", "ip/Flatten", "ip"]
    assert {one.name for one in graph.initializer} == {"conv.weight", "conv.bias", "ip.weight", "ip.bias"}
    assert [(one.name, dims(one)) for one in (*graph.input, *graph.output)] == [
        ("data", ["N", 3, 6, 5]),
        ("ip", ["N", 7]),
    ]


def test_the_metadata_are_the_digest_and_the_classes() -> None:
    net = deployed(
        "- {name: data, type: Input, top: [x, y], shape: [[2, 5], [2]]}\n"
        "- {name: ip, type: InnerProduct, bottom: x, num_output: 2}\n"
        "- {name: loss, type: SoftmaxWithLoss, bottom: [ip, y]}"
    )
    names = Facts(outputs=(OutputFacts(shape=(5,)), OutputFacts(shape=(), classes=("Zürich", "b"))))
    for held, wanted in ((None, {}), (Snapshot(1, {}, data=names), {CLASSES: '["Zürich", "b"]'})):
        made = onnx_model(replace(net, snapshot=held), params(net)).proto
        assert {one.key: one.value for one in made.metadata_props} == {DIGEST: digest(net.shaped.graph)} | wanted


def test_an_answer_that_another_layer_reads_is_an_output_and_so_is_an_input_passed_on() -> None:
    found = model(SHARED + "- {name: same, type: Split, bottom: data}\n- {name: quiet, type: Split, bottom: b}")
    assert [one.name for one in found.proto.graph.output] == ["same", "quiet"]
    assert [node.op_type for node in found.proto.graph.node] == ["Gemm", "Gemm", "Identity", "Identity"]


def test_an_input_that_is_an_answer_is_an_output_by_another_name() -> None:
    layers = (
        "- {name: data, type: Input, top: [x, y], shape: [[2, 5], [2, 5]]}\n"
        "- {name: loss, type: EuclideanLoss, bottom: [x, y]}"
    )
    assert [one.name for one in model(layers).proto.graph.output] == ["x_2"]
    assert all(one.agrees for one in differences(layers))


def test_shared_params_are_there_once() -> None:
    assert [one.name for one in model(SHARED).proto.graph.initializer] == ["a.weight", "a.bias"]
    assert all(one.agrees for one in differences(SHARED))


def test_batchnorm_and_scale_are_folded_as_the_engine_folds_them() -> None:
    plain, folded = model(NORMED), model(NORMED, folded=True)
    assert [node.op_type for node in plain.proto.graph.node].count("BatchNormalization") == 1
    kinds = [node.op_type for node in folded.proto.graph.node]
    assert kinds == ["Conv", "Relu", "Flatten", "Gemm"]
    arrays = {one.name: onnx.numpy_helper.to_array(one) for one in folded.proto.graph.initializer}
    own = params(deployed(NORMED))
    mean, variance, scale = (own[ParamKey("norm", name)].astype(float) for name in ("mean", "variance", "scale_factor"))
    factor = own[ParamKey("scale", "weight")] / np.sqrt(variance / scale + 0.01)
    weight = own[ParamKey("conv", "weight")] * factor[:, None, None, None]
    np.testing.assert_allclose(arrays["conv.weight"], weight, rtol=1e-6)
    np.testing.assert_allclose(arrays["conv.bias"], own[ParamKey("scale", "bias")] - mean / scale * factor, rtol=1e-5)
    assert all(one.agrees for one in differences(NORMED, folded=True))


def test_what_an_answer_shows_is_not_folded_away() -> None:
    middle = (
        "- {name: data, type: Input, top: [x, y], shape: [[2, 5], [2]]}\n"
        "- {name: ip, type: InnerProduct, bottom: x, num_output: 3}\n"
        "- {name: scale, type: Scale}\n"
        "- {name: a, type: HingeLoss, bottom: [ip, y]}\n"
        "- {name: b, type: HingeLoss, bottom: [scale, y]}\n"
    )
    made = model(middle, folded=True)
    assert [one.name for one in made.proto.graph.output] == ["ip", "scale"]
    assert all(one.agrees for one in differences(middle, folded=True))


def test_a_net_that_holds_for_its_batch_alone_says_so() -> None:
    made = model(IMAGE + "- {name: y, type: Reshape, shape: [3, 4, 15]}")
    assert made.fixed
    assert "for batches of 2 images" in made.notes[0]
    assert [dims(one) for one in made.proto.graph.input] == [[2, 3, 6, 5]]


@pytest.mark.parametrize(
    ("layers", "lengths"),
    [
        (IMAGE + "- {name: cut, type: Slice, axis: 0, slice_point: 1, top: [a, b]}", [2, 3, 6, 5]),
        (IMAGE + "- {name: y, type: InnerProduct, axis: 0, num_output: 4}", [2, 3, 6, 5]),
        ("- {name: x, type: Input, shape: [[4, 3, 5]]}\n- {name: cont, type: Input, shape: [[4, 3]]}\n"
         "- {name: y, type: LSTM, bottom: [x, cont], num_output: 6}", [4, 3, 5]),
    ],
)  # fmt: skip
def test_a_layer_that_joins_samples_fixes_their_number(layers: str, lengths: list[int]) -> None:
    made = model(layers)
    assert made.fixed and dims(made.proto.graph.input[0]) == lengths
    assert made.notes[0].startswith(f"for batches of {lengths[0]} ")
    assert all(one.agrees for one in differences(layers))


def test_states_that_a_file_does_not_keep_are_told() -> None:
    layers = (
        "- {name: data, type: Input, top: [x, cont], shape: [[4, 3, 5], [4, 3]], batch_axis: 1}\n"
        "- {name: y, type: LSTM, bottom: [x, cont], num_output: 6}"
    )
    assert model(layers).notes == ["states begin at 0 in every run: a file keeps nothing from one run to the next"]


def test_a_batch_of_pieces_of_samples_stays_open() -> None:
    made = model(IMAGE + "- {name: y, type: Reshape, shape: [-1, 5]}\n- {name: z, type: ReLU}")
    assert dims(made.proto.graph.output[0]) == ["18N", 5]


def test_every_layer_without_a_meaning_is_named_at_its_place() -> None:
    layers = (
        "- {name: data, type: Input, top: [x, n], shape: [[4, 3, 5], [3]], batch_axis: [1, 0]}\n"
        "- {name: rnn, type: RNN, bottom: [x, n], num_output: 5, lengths: true}\n"
        "- {name: noise, type: DummyData, shape: [5], data_filler: {type: gaussian}}\n"
        "- {name: y, type: Bias, bottom: [rnn, noise], axis: 2}"
    )
    with pytest.raises(Mistakes) as caught:
        model(layers)
    errors = caught.value.errors()
    assert [error.code for error in errors] == ["NS750", "NS750"]
    assert "layer 'rnn' (RNN) cannot be written as ONNX: ONNX has no recurrent layer" in errors[0].message
    assert errors[1].at is not None


def test_a_model_beyond_protobufs_size_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "MOST_BYTES", 100)
    with pytest.raises(TooLargeModelError) as caught:
        model(SHARED)
    assert caught.value.code == "NS753"


def test_large_weights_are_written_from_where_they_lie(tmp_path: Path) -> None:
    net = deployed(
        "- {name: data, type: Input, shape: [[2, 150]]}\n- {name: ip, type: InnerProduct, num_output: 130}\n"
        "- {name: small, type: InnerProduct, num_output: 3}"
    )
    arrays = params(net)
    made = onnx_model(net, arrays)
    assert [*made.large] == ["ip.weight"] and made.large["ip.weight"] is arrays[ParamKey("ip", "weight")]
    save(made, tmp_path / "net.onnx")
    read = onnx.load(tmp_path / "net.onnx")
    onnx.checker.check_model(read, full_check=True)
    held = {one.name: onnx.numpy_helper.to_array(one) for one in read.graph.initializer}
    assert {*held} == {"ip.weight", "ip.bias", "small.weight", "small.bias"}
    np.testing.assert_array_equal(held["ip.weight"], arrays[ParamKey("ip", "weight")])
    assert [one.name for one in read.graph.input] == ["data"]
    assert [one.agrees for one in Comparison(net, arrays, made, "net", tmp_path / "net.onnx").random()] == [True, True]


def test_a_difference_is_found() -> None:
    net = deployed(SHARED)
    arrays = params(net)
    made = onnx_model(net, arrays)
    wrong = onnx.numpy_helper.to_array(made.proto.graph.initializer[0]).copy()
    wrong[0, 0] += 1
    made.proto.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(wrong, "a.weight"))
    found = list(Comparison(net, arrays, made, "net").random())
    assert not any(one.agrees for one in found)


def test_bytes_that_are_no_model_are_refused_in_a_sentence() -> None:
    with pytest.raises(NetspecError) as caught:
        session(b"none", "net.onnx")
    assert caught.value.code == "NS751"
    assert "onnxruntime cannot load 'net.onnx'" in caught.value.message


SMALL = ("adding_gru", "cifar10_quick", "iris_mlp", "linear_svm", "logistic_regression", "mlp", "quadratic",
         "rosenbrock", "two_layer_sigmoid", "lenet", "char_lstm", "transformer_fashion", "resnet20")  # fmt: skip
LARGE = ("wrn_16_4", "densenet40", "squeezenet", "mobilenet_v1", "resnet50", "googlenet", "densenet121", "alexnet",
         "resnext50", "vgg16", "resnet152")  # fmt: skip


@pytest.mark.parametrize("name", [*SMALL, *(pytest.param(name, marks=pytest.mark.long) for name in LARGE)])
def test_a_zoo_net_gives_what_netspec_computes(name: str) -> None:
    net = exported(name).deployed()
    arrays = _zoo_params(net)
    for folded in (False, True):
        found = list(Comparison(net, arrays, onnx_model(net, arrays, folded), name).random())
        assert found
        assert all(one.agrees for one in found), found


def _zoo_params(net: Exported) -> dict[ParamKey, np.ndarray]:
    """The fillers' values, and statistics of a kind that keeps activations in bounds."""
    random = np.random.default_rng(1)
    arrays = net.weighted(net.shaped).arrays
    for key, array in sorted(arrays.items()):
        if key.param in ("mean", "bias"):
            array[...] = random.normal(0, 0.1, array.shape)
        elif key.param in ("variance", "scale_factor"):
            array[...] = random.uniform(1, 3, array.shape)
    return arrays

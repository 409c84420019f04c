"""Imported nets as a whole: names, batches, what lacks, and what a person would have left out."""

import struct

import numpy as np
import pytest

from netspec import Net
from netspec.core.errors import Mistakes
from netspec.interop.from_onnx.convert import OpsetError, UnknownLengthError, UnsupportedOperatorError, convert
from netspec.interop.from_onnx.write import save, yaml
from tests.helpers.onnx_bytes import model, node, tensor, value


def weight(name, *shape):
    size = int(np.prod(shape))
    return tensor(name, shape, raw=struct.pack(f"<{size}f", *np.linspace(-1, 1, size)))


def long(name, *numbers):
    return tensor(name, [len(numbers)], 7, raw=struct.pack(f"<{len(numbers)}q", *numbers))


def write(tmp_path, *args, **kwargs):
    path = tmp_path / "net.onnx"
    path.write_bytes(model(*args, **kwargs))
    return path


X = value("x", ["N", 3, 6, 5])


def test_a_small_net_as_a_person_would_write_it(tmp_path):
    nodes = [
        node("Conv", ["x", "body.0.weight", "body.0.bias"], ["a"], "/body/body.0/Conv"),
        node("Relu", ["a"], ["b"], "/body/body.1/Relu"),
        node("GlobalAveragePool", ["b"], ["c"], "/pool/GlobalAveragePool"),
        node("Shape", ["c"], ["s"]),
        node("Gather", ["s", "zero"], ["n"]),
        node("Concat", ["n", "rest"], ["shape"], axis=0),
        node("Reshape", ["c", "shape"], ["d"]),
        node("Gemm", ["d", "head.weight", "head.bias"], ["logits"], "/head/Gemm", transB=1),
    ]
    tensors = [weight("body.0.weight", 4, 3, 1, 1), weight("body.0.bias", 4), weight("head.weight", 2, 4)]
    tensors += [weight("head.bias", 2), long("zero", 0), long("rest", -1)]
    found = convert(write(tmp_path, nodes, [X], [value("logits", ["N", 2])], tensors), 2)
    assert (
        yaml(found)
        == """\
# Imported from net.onnx (by hand, opset 17).
name: net
layers:
  - {name: x, type: Input, shape: [2, 3, 6, 5]}
  - {name: body.0, type: Convolution, num_output: 4, kernel_size: 1}
  - {name: body.1, type: ReLU}
  - {name: pool, type: Pooling, pool: AVE, global_pooling: true}
  - {name: head, type: InnerProduct, top: logits, num_output: 2}
"""
    )
    assert found.params == 4 * 3 + 4 + 2 * 4 + 2


def test_an_import_runs_at_any_batch_size(tmp_path):
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "zero"], ["n"]),
        node("Concat", ["n", "rest"], ["shape"], axis=0),
        node("Reshape", ["x", "shape"], ["y"]),
    ]
    found = convert(write(tmp_path, nodes, [X], tensors=[long("zero", 0), long("rest", 3, -1)]))
    (path,) = save(found, tmp_path / "net.yaml")
    x = np.arange(4 * 3 * 6 * 5, dtype=np.float32).reshape(4, 3, 6, 5)
    net = Net(path, phase="TEST", batch=4)
    np.testing.assert_array_equal(net.forward(x=x)["y"], x.reshape(4, 3, 30))


def test_layers_of_one_name_are_numbered(tmp_path):
    nodes = [node("Relu", ["x"], ["a"], "act"), node("Relu", ["a"], ["b"], "act"), node("Relu", ["b"], ["y"], "act")]
    found = convert(write(tmp_path, nodes, [X]))
    assert [layer.fields["name"] for layer in found.layers] == ["x", "act", "act_2", "act_3"]
    assert found.layers[-1].fields["top"] == ["y"]


def test_two_names_of_one_output(tmp_path):
    nodes = [node("Relu", ["x"], ["a"]), node("Identity", ["a"], ["y"])]
    found = convert(write(tmp_path, nodes, [X], [value("a", None), value("y", None)]))
    assert [layer.fields["type"] for layer in found.layers] == ["Input", "ReLU", "Split"]


def test_all_that_lacks_is_said_at_once_and_nothing_of_what_follows(tmp_path):
    nodes = [node("Odd", ["x"], ["a"], "first"), node("Relu", ["a"], ["b"]), node("Odd", ["b"], ["c"])]
    nodes += [node("Det", ["x"], ["y"]), node("Relu", ["never"], ["z"])]
    with pytest.raises(Mistakes) as caught:
        convert(write(tmp_path, nodes, [X], [value(name, None) for name in "cyz"]))
    said = [error.message for error in caught.value.errors()]
    assert said == [
        "Odd 'first': no layer does this (and so for 1 more node)",
        "Det that writes 'y': no layer does this",
        "Relu that writes 'z': nothing above it writes 'never', which it reads",
    ]
    assert [error.at.line for error in caught.value.errors()] == [1, 4, 5]


def test_nodes_that_no_output_needs_are_passed_over(tmp_path):
    nodes = [node("Odd", ["x"], ["a"]), node("Relu", ["x"], ["y"])]
    assert len(convert(write(tmp_path, nodes, [X])).layers) == 2


def test_an_output_of_another_shape_than_the_model_says(tmp_path):
    with pytest.raises(UnsupportedOperatorError, match="would be 1x3x6x5, but the model says"):
        convert(write(tmp_path, [node("Relu", ["x"], ["y"])], [X], [value("y", ["N", 3, 6, 4])]))


def test_shapes_that_the_model_leaves_open(tmp_path):
    path = write(tmp_path, [node("Relu", ["x"], ["y"])], [value("x", ["N", 3, "h", "w"])])
    with pytest.raises(UnknownLengthError, match="lengths for h, w"):
        convert(path)
    assert convert(path, shapes={"x": (2, 3, 7, 5)}).layers[0].fields["shape"] == [2, 3, 7, 5]
    with pytest.raises(UnknownLengthError, match="in the model it is"):
        convert(path, shapes={"x": (2, 4, 7, 5)})


@pytest.mark.parametrize("opset", [6, 99])
def test_opsets_that_are_not_known(opset, tmp_path):
    with pytest.raises(OpsetError, match=f"opset {opset}"):
        convert(write(tmp_path, [node("Relu", ["x"], ["y"])], [X], opset=opset))


def test_computed_constants_take_no_more_memory_than_the_file_may_ask_for(tmp_path):
    nodes = [node("ConstantOfShape", ["huge"], ["c"]), node("Add", ["x", "c"], ["y"])]
    with pytest.raises(UnsupportedOperatorError, match="its constants are too large"):
        convert(write(tmp_path, nodes, [X], tensors=[long("huge", 2**20, 2**20)]))


def test_a_pattern_that_is_found_twice_is_replaced_once(tmp_path):
    nodes = [node("Sigmoid", ["x"], ["s"]), node("Sigmoid", ["x"], ["s"]), node("Mul", ["x", "s"], ["y"])]
    found = convert(write(tmp_path, nodes, [X]))
    assert [layer.fields["type"] for layer in found.layers] == ["Input", "Swish"]


def test_means_that_were_divided_twice_are_plain_means(tmp_path):
    """AveragePool of windows that hang over, times a map of areas, is Caffe's mean."""
    shape = (1, 1, 3, 3)
    areas = np.where(np.arange(3)[:, None] == 2, 1.5, 1) * np.where(np.arange(3) == 2, 1.5, 1)
    pool = node("AveragePool", ["x"], ["a"], "pool", count_include_pad=1)
    lists = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1]}
    from netspec.formats.wire import integers, row
    from tests.helpers.onnx_bytes import number, words

    pool += b"".join(row(5, words(1, [key]) + integers(8, held) + number(20, 7)) for key, held in lists.items())
    held = tensor("areas", shape, raw=areas.astype("<f4").tobytes())
    nodes = [pool, node("Mul", ["a", "areas"], ["y"], "mean")]
    found = convert(write(tmp_path, nodes, [value("x", ["N", 2, 6, 6])], tensors=[held]))
    assert [layer.fields["type"] for layer in found.layers] == ["Input", "Pooling"]

"""ONNX files written by hand, field by field, read back."""

import os
import struct

import numpy as np
import pytest

from netspec.core.errors import NetspecError
from netspec.formats.files import WrongFormatError, WrongSizeError
from netspec.formats.onnx_model import Files, OutsideFileError, read_model
from netspec.formats.wire import integers
from tests.helpers.onnx_bytes import model, node, outside, tensor, value

F = struct.pack("<6f", 0.5, -1, 2, 3, 4, -5)
WANTED = np.array([[0.5, -1], [2, 3], [4, -5]], np.float32)

HELD = {
    "raw": (tensor("w", [3, 2], raw=F), WANTED),
    "listed": (tensor("w", [3, 2], floats=F), WANTED),
    "doubles": (tensor("w", [2], 11, doubles=struct.pack("<2d", 1.5, -2)), np.array([1.5, -2])),
    "half": (tensor("w", [3], 10, raw=np.array([1, 0.5, -2], "<f2").tobytes()), np.array([1, 0.5, -2], "f2")),
    "half_listed": (tensor("w", [2], 10, ints=integers(5, [0x3C00, 0xC000])[2:]), np.array([1, -2], "f2")),
    "bfloat": (tensor("w", [2], 16, raw=struct.pack("<2H", 0x3F80, 0xC000)), np.array([1, -2], "f4")),
    "longs": (tensor("w", [2], 7, longs=integers(7, [-1, 2**40])[2:]), np.array([-1, 2**40])),
    "bytes": (tensor("w", [3], 3, ints=integers(5, [1, -2, 3])[2:]), np.array([1, -2, 3], "i1")),
    "flags": (tensor("w", [2], 9, raw=b"\0\1"), np.array([False, True])),
    "scalar": (tensor("w", [], 1, floats=struct.pack("<f", 7)), np.array(7, "f4")),
    "empty": (tensor("w", [0], 7), np.zeros(0, "i8")),
}


def read(tmp_path, content):
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    return read_model(path)


def with_tensor(tmp_path, held):
    found = read(tmp_path, model([node("Relu", ["w"], ["y"])], [], tensors=[held]))
    return found.initial["w"].array(Files(found.path))


@pytest.mark.parametrize("kind", HELD)
def test_numbers_of_every_kind_read_back(kind, tmp_path):
    held, wanted = HELD[kind]
    array = with_tensor(tmp_path, held)
    assert array.dtype == wanted.dtype
    np.testing.assert_array_equal(array, wanted)


def test_nodes_inputs_and_opsets(tmp_path):
    nodes = [node("Conv", ["x", "w", ""], ["a"], "conv1", group=2), node("Odd", ["a"], ["y"], domain="ai.onnx.ml")]
    inputs = [value("x", ["N", 3, "height"]), value("k", None)]
    found = read(tmp_path, model(nodes, inputs, tensors=[tensor("w", [3, 2], raw=F)], opset=13))
    assert found.opsets == {"": 13}
    assert [str(each) for each in found.nodes] == ["a = Conv(x, w, ) {group: 2}  # conv1", "y = ai.onnx.ml.Odd(a)"]
    assert [(each.name, each.shape) for each in found.inputs] == [("x", ("N", 3, "height")), ("k", None)]
    assert found.producer == "by hand"


@pytest.mark.parametrize("wrong", [tensor("w", [3, 2], raw=F[:-1]), tensor("w", [2**40, 2**20], raw=F)])
def test_a_tensor_of_another_size_is_an_error(wrong, tmp_path):
    with pytest.raises(WrongSizeError, match="the tensor 'w'"):
        with_tensor(tmp_path, wrong)


def test_a_type_of_numbers_that_is_not_known(tmp_path):
    with pytest.raises(WrongFormatError, match="numbers of type 14"):
        with_tensor(tmp_path, tensor("w", [1], 14, raw=bytes(8)))


def test_values_in_a_file_beside_the_model(tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "w.bin").write_bytes(b"????" + F)
    held = outside("w", [3, 2], location="parts/w.bin", offset="4", length="24")
    np.testing.assert_array_equal(with_tensor(tmp_path, held), WANTED)


@pytest.mark.parametrize(
    "location", ["../secret.bin", "{outer}/secret.bin", "link.bin", "linked/secret.bin", "", "a\0b"]
)
def test_values_outside_the_models_folder_are_refused(location, tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "secret.bin").write_bytes(F)
    os.symlink(tmp_path / "secret.bin", inner / "link.bin")
    os.symlink(tmp_path, inner / "linked")
    held = outside("w", [3, 2], location=location.format(outer=tmp_path))
    with pytest.raises(OutsideFileError, match="outside the model's folder"):
        with_tensor(inner, held)


@pytest.mark.parametrize("pairs", [{"offset": "8"}, {"length": "23"}, {"offset": "-4"}, {"offset": "9" * 30}])
def test_a_wrong_piece_of_a_file_is_an_error(pairs, tmp_path):
    (tmp_path / "w.bin").write_bytes(F)
    with pytest.raises(WrongSizeError, match=r"w\.bin"):
        with_tensor(tmp_path, outside("w", [3, 2], location="w.bin", **pairs))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(OutsideFileError, match="which is not there"):
        with_tensor(tmp_path, outside("w", [3, 2], location="gone.bin"))


def test_every_beginning_of_a_file_is_an_error_or_a_model(tmp_path):
    content = model([node("Conv", ["x", "w"], ["y"], "c")], [value("x", ["N", 2])], tensors=[HELD["raw"][0]])
    for size in range(len(content)):
        with pytest.raises(NetspecError, match=r"net\.onnx"):
            read(tmp_path, content[:size])

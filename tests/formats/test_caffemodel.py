"""Caffe's files of weights against bytes written here field by field, of all versions, and against Protocol Buffers."""

from __future__ import annotations

import random
import struct
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from netspec.formats import wire
from netspec.formats.blob_proto import BlobProto, blob_of, read_blobs, write_blobs
from netspec.formats.caffe_messages import message_class
from netspec.formats.caffemodel import Written, layers_of, parameter, pieces, read_layers
from netspec.formats.files import FileError, MissingDataError, WrongFormatError, WrongSizeError
from netspec.formats.mapped import release
from tests.helpers.damage import mutated
from tests.helpers.mutations import seeds


def number(value: int) -> bytes:
    """Seven bits a byte, the lowest first; all but the last byte have their highest bit set."""
    found = b""
    while value >= 128:
        found += bytes([value % 128 + 128])
        value //= 128
    return found + bytes([value])


def whole(field: int, value: int) -> bytes:
    return number(field * 8) + number(value)


def held(field: int, data: bytes) -> bytes:
    return number(field * 8 + 2) + number(len(data)) + data


def floats(values: Sequence[float], form: str = "f") -> bytes:
    return struct.pack(f"<{len(values)}{form}", *values)


SHAPE_2_3 = held(7, held(1, b"\x02\x03"))
SIX = (1.5, -2.0, 3.0, 4.0, 5.0, 0.25)


def layer(name: str, *blobs: bytes) -> bytes:
    """A layer of today: name 1, type 2, a bottom 3, a top 4, blobs 7, and settings that nobody asks for."""
    head = held(1, name.encode()) + held(2, b"InnerProduct") + held(3, b"in") + held(4, b"out")
    return held(100, head + b"".join(held(7, blob) for blob in blobs) + held(117, whole(1, 2)))


def only(path: Path, data: bytes) -> BlobProto:
    path.write_bytes(data)
    ((blob,),) = (each.blobs for each in read_layers(path))
    return blob


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "net.caffemodel"


@pytest.mark.parametrize(
    ("blob", "shape", "dtype"),
    [
        (SHAPE_2_3 + held(5, floats(SIX)), (2, 3), "<f4"),
        (held(5, floats(SIX)) + held(7, whole(1, 2) + whole(1, 3)), (2, 3), "<f4"),
        (SHAPE_2_3 + b"".join(b"\x2d" + floats([value]) for value in SIX), (2, 3), "<f4"),
        (SHAPE_2_3 + held(5, floats(SIX[:2])) + held(5, floats(SIX[2:])), (2, 3), "<f4"),
        (SHAPE_2_3 + held(8, floats(SIX, "d")), (2, 3), "<f8"),
        (SHAPE_2_3 + b"".join(b"\x41" + floats([value], "d") for value in SIX), (2, 3), "<f8"),
        (SHAPE_2_3 + held(5, floats([9] * 6)) + held(8, floats(SIX, "d")), (2, 3), "<f8"),
        (whole(1, 1) + whole(2, 1) + whole(3, 2) + whole(4, 3) + held(5, floats(SIX)), (1, 1, 2, 3), "<f4"),
        (whole(1, 3) + whole(2, 2) + whole(3, 1) + whole(4, 1) + SHAPE_2_3 + held(5, floats(SIX)), (3, 2, 1, 1), "<f4"),
        (SHAPE_2_3 + whole(10, 2) + held(12, floats(SIX, "e")), (2, 3), "<f2"),
        (SHAPE_2_3 + whole(10, 1) + held(12, floats(SIX)), (2, 3), "<f4"),
        (SHAPE_2_3 + whole(10, 0) + held(12, floats(SIX, "d")), (2, 3), "<f8"),
    ],
    ids=[
        "floats in a row", "dims not in a row", "single floats", "floats in two rows", "doubles in a row",
        "single doubles", "doubles win", "four axes", "four axes win", "halves of NVIDIA", "its floats", "its doubles",
    ],
)  # fmt: skip
def test_a_blob_in_every_form(path: Path, blob: bytes, shape: tuple[int, ...], dtype: str) -> None:
    found = only(path, held(1, b"net") + layer("ip", blob))
    np.testing.assert_array_equal(found.data, np.array(SIX).reshape(shape))
    assert found.data.dtype == dtype and found.legacy == (len(shape) == 4)


def test_a_scalar_and_a_gradient(path: Path) -> None:
    found = only(path, layer("scale", held(7, b"") + held(5, floats([7])) + held(6, floats([8]))))
    assert found.shape == () and found.data == 7 and found.diff == 8
    found = only(path, layer("scale", SHAPE_2_3 + held(5, floats(SIX)) + b"".join(b"\x35" + floats([v]) for v in SIX)))
    np.testing.assert_array_equal(found.diff, np.array(SIX).reshape(2, 3))
    assert only(path, layer("scale", SHAPE_2_3 + held(5, floats(SIX)))).diff is None


FLAT = whole(1, 1) + whole(2, 1) + whole(3, 1) + whole(4, 2) + held(5, floats([1, 2]))


def test_the_version_before(path: Path) -> None:
    """Layers are field 2: bottoms 2, tops 3, name 4, type 5, blobs 6, rates 7."""
    old = held(2, b"in") + held(3, b"out") + held(4, b"fc") + whole(5, 14) + held(6, FLAT) + held(6, FLAT)
    path.write_bytes(
        held(1, b"old") + held(2, old + b"\x3d" + floats([2.0])) + held(2, held(4, b"relu") + whole(5, 18))
    )
    (found,) = read_layers(path)
    assert found.name == "fc" and [blob.shape for blob in found.blobs] == [(1, 1, 1, 2)] * 2
    np.testing.assert_array_equal(found.blobs[1].data.reshape(-1), [1, 2])


def test_the_first_version(path: Path) -> None:
    """A layer of the version before holds a layer in its field 1: name 1, type 2, blobs 50."""
    first = held(1, b"conv") + held(2, b"conv") + whole(3, 2) + held(50, FLAT) + b"\x9d\x03" + floats([1.0])
    path.write_bytes(held(2, held(1, first) + held(2, b"data") + held(3, b"conv")))
    (found,) = read_layers(path)
    assert found.name == "conv" and found.blobs[0].shape == (1, 1, 1, 2)


def test_layers_of_the_version_before_count_alone(path: Path) -> None:
    """As in Caffe, which upgrades them and forgets the others."""
    path.write_bytes(layer("new", FLAT) + held(2, held(4, b"old") + held(6, FLAT)))
    assert [found.name for found in read_layers(path)] == ["old"]


def test_names(path: Path) -> None:
    path.write_bytes(layer("a/b", FLAT) + layer("", FLAT) + layer("a/b", FLAT) + layer("ü", FLAT) + layer("none"))
    assert [found.name for found in read_layers(path)] == ["a/b", "", "a/b", "ü"]
    path.write_bytes(held(100, held(1, b"\xff\xfe") + held(7, FLAT)))
    assert read_layers(path)[0].name == "\\xff\\xfe"


def test_what_is_written_is_what_protocol_buffers_read(path: Path) -> None:
    draw = np.random.default_rng(1)
    weight, bias = draw.random((3, 2, 1, 5)).astype("f4"), draw.random(7)
    text = message_class("LayerParameter")(name="conv", type="Convolution", bottom=["data"], top=["conv"])
    text.convolution_param.num_output = 3
    layers = [
        Written(parameter("data", "Input", (), ["data", "label"]), []),
        Written(text.SerializeToString(), [weight, bias], [2 * weight, None]),
    ]
    path.write_bytes(b"".join(pieces("a net", layers)))
    net = message_class("NetParameter").FromString(path.read_bytes())
    assert net.name == "a net" and [each.type for each in net.layer] == ["Input", "Convolution"]
    assert list(net.layer[0].top) == ["data", "label"] and not net.layer[0].blobs
    conv = net.layer[1]
    assert conv.convolution_param.num_output == 3
    assert list(conv.blobs[0].shape.dim) == [3, 2, 1, 5] and list(conv.blobs[1].shape.dim) == [7]
    np.testing.assert_array_equal(conv.blobs[0].data, weight.reshape(-1))
    np.testing.assert_array_equal(conv.blobs[0].diff, 2 * weight.reshape(-1))
    np.testing.assert_array_equal(conv.blobs[1].double_data, bias)
    (found,) = read_layers(path)
    np.testing.assert_array_equal(found.blobs[0].data, weight)
    np.testing.assert_array_equal(found.blobs[0].diff, 2 * weight)
    np.testing.assert_array_equal(found.blobs[1].data, bias)


def test_what_protocol_buffers_write_is_read(path: Path) -> None:
    net = message_class("NetParameter")(name="old")
    first = net.layers.add().layer
    first.name, first.type = "conv1", "conv"
    blob = first.blobs.add(num=1, channels=1, height=1, width=3)
    blob.data.extend([1, 2, 3])
    second = net.layers.add(name="ip")
    second.blobs.add(num=1, channels=1, height=1, width=1).double_data.append(0.1)
    path.write_bytes(net.SerializeToString())
    one, two = read_layers(path)
    assert (one.name, two.name) == ("conv1", "ip") and two.blobs[0].data.item() == 0.1
    np.testing.assert_array_equal(one.blobs[0].data, [[[[1, 2, 3]]]])


def test_a_row_of_blobs(tmp_path: Path) -> None:
    arrays = [np.arange(6, dtype="f4").reshape(2, 3), np.arange(5, dtype="f8")]
    write_blobs(tmp_path / "x", arrays)
    for found, wanted in zip(read_blobs(tmp_path / "x"), arrays, strict=True):
        np.testing.assert_array_equal(found.data, wanted)
    assert len(message_class("BlobProtoVector").FromString((tmp_path / "x").read_bytes()).blobs) == 2
    (tmp_path / "x").write_bytes(FLAT)
    assert [blob.shape for blob in read_blobs(tmp_path / "x")] == [(1, 1, 1, 2)]


@pytest.mark.parametrize(
    ("data", "error", "said"),
    [
        (b"", WrongSizeError, "is empty, and no caffemodel"),
        (held(1, b"net"), WrongFormatError, "it has no layers"),
        (whole(1, 7) + held(2, b"x_iter_7.caffemodel"), WrongFormatError, "at byte "),
        (layer("ip", FLAT)[:-1], WrongFormatError, "at byte 3 it has a value of 52 bytes, of which 51 bytes are"),
        (layer("ip", FLAT[:-1]), WrongFormatError, r"at byte \d+ it has a value of 8 bytes, of which 7 bytes"),
        (layer("ip", SHAPE_2_3 + held(5, floats(SIX[:5]))), WrongSizeError, "of shape 2x3, which is 6 values.*holds 5"),
        (layer("ip", SHAPE_2_3 + held(5, bytes(23))), WrongFormatError, "field 5 of 23 bytes, not a multiple of 4"),
        (layer("ip", SHAPE_2_3 + whole(10, 3) + held(12, bytes(24))), WrongFormatError, "plain bytes that are no"),
        (whole(100, 1), WrongFormatError, "at byte 0 it has field 100 as a whole number"),
        (layer("ip", *[FLAT] * 1025), WrongFormatError, "more than 1,024 blobs in a layer"),
        (held(100, b"") * 65537, WrongFormatError, "more than 65,536 layers"),
    ],
)
def test_damaged_and_foreign_files(path: Path, data: bytes, error: type[FileError], said: str) -> None:
    path.write_bytes(data)
    with pytest.raises(error, match=said):
        [found.blobs for found in read_layers(path)]


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError):
        read_layers(tmp_path / "x.caffemodel")


def test_more_than_two_gigabytes(path: Path) -> None:
    """Protocol Buffers refuse such a file. It is full of holes, and only what is looked at takes memory."""
    rows = 2**29 + 5
    body = held(1, b"fc") + number(7 * 8 + 2)
    blob = held(7, held(1, number(rows) + number(1))) + number(5 * 8 + 2) + number(4 * rows)
    inside = body + number(len(blob) + 4 * rows) + blob
    behind = layer("last", FLAT)
    with path.open("wb") as file:
        file.write(number(100 * 8 + 2) + number(len(inside) + 4 * rows) + inside)
        file.seek(4 * rows - 4, 1)
        file.write(floats([2.5]) + behind)
    tracemalloc.start()
    first, last = read_layers(path)
    data = first.blobs[0].data
    assert data.shape == (rows, 1) and data[-1] == 2.5 and data[123_456_789] == 0 and last.name == "last"
    assert tracemalloc.get_traced_memory()[1] < 2**18
    tracemalloc.stop()
    release(data)
    assert data[-1] == 2.5


def test_no_memory_is_taken_by_what_a_file_says(path: Path) -> None:
    path.write_bytes(layer("ip", held(7, held(1, number(2**30))) + number(5 * 8 + 2) + number(2**32)))
    tracemalloc.start()
    with pytest.raises(WrongFormatError):
        [found.blobs for found in read_layers(path)]
    assert tracemalloc.get_traced_memory()[1] < 2**18
    tracemalloc.stop()


def test_single_values_are_taken_together(path: Path) -> None:
    """A run of fields of one number, of others between them, and of fields that begin alike."""
    values = np.random.default_rng(1).random(100_000).astype("<f4")
    fields = np.zeros((len(values), 5), np.uint8)
    fields[:, 0], fields[:, 1:] = 0x2D, values.view(np.uint8).reshape(-1, 4)
    cut = 5 * 70_000
    data = fields.tobytes()
    for between in (b"", whole(99, 5), b"\x35" + floats([1])):
        blob = held(7, held(1, number(len(values)))) + data[:cut] + between + data[cut:]
        if between[:1] == b"\x35":  # a gradient of a single value does not fit
            with pytest.raises(WrongSizeError, match="it holds 1 gradients"):
                only(path, layer("ip", blob))
        else:
            np.testing.assert_array_equal(only(path, layer("ip", blob)).data, values)


def test_mutations_are_read_or_refused() -> None:
    draw, values = random.Random(1), np.random.default_rng(1).random((4, 3, 5)).astype("f4")
    new = b"".join(pieces("net", [Written(parameter(f"l{i}", "X"), [values, values[0, 0]]) for i in range(12)]))
    old = b"".join(held(2, held(2, b"in") + held(4, b"l%d" % i) + held(6, FLAT)) for i in range(5))
    old += held(2, held(1, held(1, b"conv") + held(50, FLAT)))
    refused = 0
    for raw in (new, old):
        for _ in seeds(60):
            data = mutated(raw, draw)
            tracemalloc.start()
            try:
                layers = layers_of(wire.Message(Path("x"), "caffemodel", memoryview(data)))
                assert sum(blob.data.nbytes for found in layers for blob in found.blobs) <= len(data)
            except FileError as error:
                refused += "at byte" in error.message
            assert tracemalloc.get_traced_memory()[1] < 4 * len(data) + 2**17
            tracemalloc.stop()
    assert refused > len(seeds(60)) / 2


def test_mutations_of_a_mean_are_read_or_refused() -> None:
    draw, refused = random.Random(1), 0
    raw = whole(1, 1) + whole(2, 3) + whole(3, 8) + whole(4, 9) + held(5, floats([1.5] * 216))
    for _ in seeds(60):
        data = mutated(raw, draw)
        try:
            assert blob_of(wire.Message(Path("x"), "BlobProto", memoryview(data))).data.nbytes <= len(data)
        except FileError as error:
            refused += "at byte" in error.message
    assert refused > len(seeds(60)) / 4

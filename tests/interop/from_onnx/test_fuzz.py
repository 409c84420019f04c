"""Damaged ONNX models: an error of netspec's, or a net; never a crash, never much more memory than the file has."""

import random
import struct
import tracemalloc

import pytest

from netspec.core.errors import NetspecError
from netspec.formats.wire import integers
from netspec.interop.from_onnx.convert import convert
from netspec.interop.from_onnx.write import yaml
from tests.helpers.onnx_bytes import model, node, number, row, tensor, value, words

ODD = (0, 1, 127, 128, 255)


def lists(**held):
    return b"".join(row(5, words(1, [key]) + integers(8, many) + number(20, 7)) for key, many in held.items())


def floats(name, *shape):
    size = 1
    for length in shape:
        size *= length
    return tensor(name, shape, raw=struct.pack(f"<{size}f", *(0.25 * n for n in range(size))))


def longs(name, *numbers):
    return tensor(name, [len(numbers)], 7, raw=struct.pack(f"<{len(numbers)}q", *numbers))


def whole() -> bytes:
    """A model with operators of every kind."""
    nodes = [
        node("Conv", ["x", "w", "b"], ["a"], "conv", group=1) + lists(pads=[1, 0, 1, 0], strides=[1, 1]),
        node("BatchNormalization", ["a", "b", "b", "b", "b"], ["n"]),
        node("AveragePool", ["n"], ["p"]) + lists(kernel_shape=[2, 2], pads=[0, 0, 1, 1]),
        node("Slice", ["p", "one", "two", "one"], ["s"]),
        node("Pad", ["s", "pads"], ["q"]),
        node("Resize", ["q", "", "", "sizes"], ["r"]) + row(5, words(1, ["mode"]) + row(4, b"linear") + number(20, 3)),
        node("Shape", ["r"], ["shape"]),
        node("Gather", ["shape", "one"], ["channels"]),
        node("Concat", ["minus", "channels", "minus2"], ["to"], axis=0),
        node("Mul", ["r", "factor"], ["m"]),
        node("Transpose", ["m"], ["t"]) + lists(perm=[0, 2, 3, 1]),
        node("ReduceMean", ["t"], ["u"], keepdims=0) + lists(axes=[1, 2]),
        node("Gemm", ["u", "g"], ["y"]),
    ]
    tensors = [floats("w", 2, 3, 2, 2), floats("b", 2), floats("factor", 1, 1, 1), floats("g", 1, 4)]
    tensors += [longs("one", 1), longs("two", 2), longs("minus", -1), longs("minus2", 8), longs("sizes", 1, 1, 8, 8)]
    tensors += [longs("pads", 0, 0, 1, 1, 0, 0, 1, 1)]
    return model(nodes, [value("x", ["N", 3, 5, 4])], tensors=tensors)


def mutated(content: bytes, draw: random.Random) -> bytes:
    """A copy with a few bits, bytes or pieces changed, put in, taken out or cut off."""
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 4, 12))):
        place = draw.randrange(len(data))
        kind = draw.randrange(9)
        if kind < 3:
            data[place] ^= 1 << draw.randrange(8)
        elif kind < 5:
            data[place] = draw.choice(ODD)
        elif kind < 6:
            del data[place : place + draw.randrange(1, 9)]
        elif kind < 8:
            data[place:place] = bytes(draw.randrange(256) for _ in range(draw.randrange(1, 5)))
        elif draw.random() < 0.3:
            del data[max(1, place) :]
    return bytes(data)


def survives(tmp_path, number: int) -> None:
    """Import so many mutations of a model, and of what they become, the YAML."""
    draw, content, path = random.Random(7), whole(), tmp_path / "net.onnx"
    path.write_bytes(content)
    convert(path)
    tracemalloc.start()
    try:
        for _ in range(number):
            path.write_bytes(mutated(content, draw))
            try:
                yaml(convert(path))
            except NetspecError as error:
                for each in error.errors():
                    assert "net.onnx" in f"{each} {each.message}"
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()


def test_weights_that_are_not_finite(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(whole().replace(struct.pack("<f", 0.75), struct.pack("<f", float("nan"))))
    with pytest.raises(NetspecError, match=r"net\.onnx' has weights that are not finite: 'conv\.weight'"):
        convert(path)


def test_mutations_are_errors_with_a_place_or_nets(tmp_path):
    survives(tmp_path, 60)


@pytest.mark.long
def test_two_thousand_mutations(tmp_path):
    survives(tmp_path, 2000)

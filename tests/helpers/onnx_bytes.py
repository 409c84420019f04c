"""ONNX files written by hand, field by field, without the library. Source: ONNX, onnx.proto."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

from netspec.formats.wire import integers, row, varint


def number(field: int, value: int) -> bytes:
    """A field of a whole number."""
    return varint(field << 3) + varint(value)


def words(field: int, texts: Iterable[str]) -> bytes:
    """A field of text, many times."""
    return b"".join(row(field, text.encode()) for text in texts)


def tensor(name: str, shape: Sequence[int], type: int = 1, **held: bytes) -> bytes:
    """A TensorProto; `held` are its values as they stand in the file: raw, floats, ints, longs, doubles."""
    fields = {"raw": 9, "floats": 4, "ints": 5, "longs": 7, "doubles": 10}
    values = b"".join(row(fields[key], value) for key, value in held.items())
    return integers(1, shape) + number(2, type) + values + row(8, name.encode())


def outside(name: str, shape: Sequence[int], **pairs: str) -> bytes:
    """A TensorProto of float32 whose values lie in another file: location, offset, length."""
    said = b"".join(row(13, words(1, [key]) + words(2, [value])) for key, value in pairs.items())
    return integers(1, shape) + number(2, 1) + row(8, name.encode()) + said + number(14, 1)


def node(
    op: str, inputs: Sequence[str], outputs: Sequence[str], name: str = "", domain: str = "", **ints: int
) -> bytes:
    """A NodeProto; its attributes are whole numbers."""
    attributes = (words(1, [key]) + number(3, value) + number(20, 2) for key, value in ints.items())
    about = words(3, [name]) + words(4, [op]) + words(7, [domain])
    return words(1, inputs) + words(2, outputs) + about + b"".join(row(5, each) for each in attributes)


def value(name: str, shape: Sequence[int | str] | None, type: int = 1) -> bytes:
    """A ValueInfoProto; an axis of unknown length has a name."""
    if shape is None:
        return words(1, [name])
    dims = (number(1, size) if isinstance(size, int) else words(2, [size]) for size in shape)
    told = row(2, b"".join(row(1, dim) for dim in dims))
    return words(1, [name]) + row(2, row(1, number(1, type) + told))


def model(
    nodes: Iterable[bytes],
    inputs: Iterable[bytes],
    outputs: Iterable[bytes] = (value("y", None),),
    tensors: Iterable[bytes] = (),
    opset: int = 17,
) -> bytes:
    """A ModelProto."""
    parts = ((1, nodes), (5, tensors), (11, inputs), (12, outputs))
    graph = b"".join(row(field, each) for field, many in parts for each in many)
    return number(1, 8) + row(2, b"by hand") + row(7, graph) + row(8, number(2, opset))


def write_broken(folder: Path) -> None:
    """Models that cannot be imported, for the messages of the command line."""
    x = value("x", ["N", 3, 5, 4])
    weight = tensor("w", [2, 3, 1, 1], raw=struct.pack("<6f", *range(6)))
    unknown = [
        node("Conv", ["x", "w"], ["a"], "conv", group=2),
        node("Einsum", ["x"], ["b"], "/attention/Einsum"),
        node("Einsum", ["b"], ["c"], "/attention/Einsum_1"),
        node("Fused", ["c"], ["d"], domain="com.example"),
        node("NonZero", ["x"], ["y"]),
    ]
    outputs = [value(name, None) for name in ("a", "d", "y")]
    (folder / "operators.onnx").write_bytes(model(unknown, [x], outputs, [weight]))
    (folder / "opset.onnx").write_bytes(model([node("Relu", ["x"], ["y"])], [x], opset=5))
    (folder / "lengths.onnx").write_bytes(
        model([node("Relu", ["x"], ["y"])], [value("x", ["N", 3, "height", "width"])])
    )
    lying = outside("w", [2, 3, 1, 1], location="../weights.bin")
    (folder / "outside.onnx").write_bytes(model([node("Conv", ["x", "w"], ["y"])], [x], tensors=[lying]))
    cut = tensor("w", [2, 3, 1, 1], raw=bytes(20))
    (folder / "cut.onnx").write_bytes(model([node("Conv", ["x", "w"], ["y"])], [x], tensors=[cut]))

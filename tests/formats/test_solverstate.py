"""States of Caffe's solver: bytes written by hand, Protocol Buffers and h5py, and files that are damaged."""

from __future__ import annotations

import random
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from netspec.formats import caffe_hdf5, wire
from netspec.formats.caffe_messages import message_class
from netspec.formats.files import FileError, WrongFormatError
from netspec.formats.solverstate import SolverState, pieces, read_state, state_of
from tests.helpers.damage import mutated
from tests.helpers.mutations import seeds

BLOB = b"\x2a\x08" + struct.pack("<2f", 1.5, -2) + b"\x3a\x03\x0a\x01\x02"
"""data: 1.5, -2 shape { dim: 2 }"""
BY_HAND = b"\x08\x88\x27" + b"\x12\x05a.b_c" + (b"\x1a\x0f" + BLOB) * 2 + b"\x20\x03"
"""iter: 5000 learned_net: "a.b_c" history: twice the blob current_step: 3"""


def test_a_state_by_hand(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(BY_HAND)
    found = read_state(tmp_path / "x")
    assert (found.iter, found.learned_net, found.current_step, len(found.history)) == (5000, "a.b_c", 3, 2)
    np.testing.assert_array_equal(found.history[1], [1.5, -2])


def test_what_is_written_is_what_protocol_buffers_read() -> None:
    arrays = [np.arange(6, dtype="f4").reshape(2, 3), np.arange(3, dtype="f8")]
    found = message_class("SolverState").FromString(b"".join(pieces(7, "net_iter_7.caffemodel", arrays, 2)))
    assert (found.iter, found.learned_net, found.current_step) == (7, "net_iter_7.caffemodel", 2)
    assert list(found.history[0].data) == [0, 1, 2, 3, 4, 5] and list(found.history[0].shape.dim) == [2, 3]
    assert list(found.history[1].double_data) == [0, 1, 2]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (BY_HAND[:-1], "at byte 45 it has a number that does not end"),
        (BY_HAND[3:], "it says no iteration"),
        (b"\x08" + wire.varint(-1), "it says no iteration"),
        (BY_HAND + b"\xa2\x06\x00", "a field of number 100, which it does not have"),
        (BY_HAND[:2], "a number that does not end"),
        (b"\x08\x01" + b"\x1a\x00" * 65537, "more than 65,536 arrays"),
    ],
)
def test_damaged_and_foreign_files(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(WrongFormatError, match=said):
        read_state(tmp_path / "x")


def test_hdf5_comes_back(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    history = (np.arange(6, dtype="f4").reshape(2, 3), np.array(2.5, "f4"), np.arange(3, dtype="f8"))
    caffe_hdf5.write_state(tmp_path / "x", SolverState(7, "a/net_iter_7.caffemodel.h5", history, 2))
    found = caffe_hdf5.read_state(tmp_path / "x")
    assert (found.iter, found.learned_net, found.current_step) == (7, "a/net_iter_7.caffemodel.h5", 2)
    for own, wanted in zip(found.history, history, strict=True):
        np.testing.assert_array_equal(own, wanted)
        assert own.dtype == wanted.dtype


def test_hdf5_as_caffe_writes_it(tmp_path: Path) -> None:
    """Numbers in rows of one, a text that ends with a zero."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x", "w") as file:
        file["iter"], file["current_step"] = np.array([7], "i4"), np.array([0], "i4")
        kind = h5py.h5t.C_S1.copy()
        kind.set_size(4)
        space = h5py.h5s.create(h5py.h5s.SCALAR)
        h5py.h5d.create(file.id, b"learned_net", kind, space).write(h5py.h5s.ALL, h5py.h5s.ALL, np.array(b"net", "S4"))
        for number in range(12):
            file[f"history/{number}"] = np.full(3, number, "f4")
    found = caffe_hdf5.read_state(tmp_path / "x")
    assert found.learned_net == "net" and [array[0] for array in found.history] == [*range(12)]


def test_damaged_hdf5(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "x"
    with h5py.File(path, "w") as file:
        file["iter"], file["learned_net"], file["current_step"] = [7], "net", [0]
    with pytest.raises(WrongFormatError, match="is no solverstate of Caffe: it has no 'history', but "):
        caffe_hdf5.read_state(path)
    for name, value, said in (
        ("history/0", np.zeros(3, "i4"), "'/history/0' holds no floats"),
        ("history/2", np.zeros(3, "f4"), "its history is not numbered from 0 on"),
    ):
        with h5py.File(path, "a") as file:
            file[name] = value
        with pytest.raises(WrongFormatError, match=said):
            caffe_hdf5.read_state(path)
        with h5py.File(path, "a") as file:
            del file[name]
            file.require_group("history")
    for name, value, said in (
        ("iter", [7, 8], "'/iter' is no single number"),
        ("iter", [-7], "'/iter' is no single number"),
        ("iter", [0.5], "'/iter' holds no whole number"),
        ("learned_net", [1], "'/learned_net' holds no text"),
    ):
        with h5py.File(path, "a") as file:
            kept = file[name][()]
            del file[name]
            file[name] = value
        with pytest.raises(WrongFormatError, match=said):
            caffe_hdf5.read_state(path)
        with h5py.File(path, "a") as file:
            del file[name]
            file[name] = kept


def test_mutations_are_read_or_refused() -> None:
    draw, refused = random.Random(1), 0
    raw = b"".join(pieces(7, "x.caffemodel", [np.ones((4, 3, 5), "f4"), np.ones(4, "f4")] * 4, 2))
    for _ in seeds(60):
        data = mutated(raw, draw)
        tracemalloc.start()
        try:
            found = state_of(wire.Message(Path("x"), "solverstate", memoryview(data)))
            assert sum(array.nbytes for array in found.history) <= len(data)
        except FileError:
            refused += 1
        assert tracemalloc.get_traced_memory()[1] < 4 * len(data) + 2**17
        tracemalloc.stop()
    assert refused > len(seeds(60)) / 4

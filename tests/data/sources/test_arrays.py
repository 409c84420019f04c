import io
import pickle

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.data.sources.arrays import Arrays
from netspec.data.sources.base import SOURCES, EmptyDataError, UnequalLengthsError, UnusableArrayError
from netspec.formats import rows
from netspec.formats.files import MissingDataError, PickledDataError, WrongFormatError, WrongSizeError

X = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)
Y = np.array([5, 6])


def parse(**fields):
    return SOURCES.parse({"type": "Arrays", **fields})


def check_contents(data):
    assert data.shapes == ((3, 4), ())
    x, y = data.read(np.array([1]))
    np.testing.assert_array_equal(x, X[1:])
    np.testing.assert_array_equal(y, [6])
    assert x.flags.owndata or x.base.flags.owndata
    np.testing.assert_array_equal(data.labels(1), Y)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("in_memory", [0, 2**28])
def test_npy_files(tmp_path, order, in_memory, monkeypatch):
    monkeypatch.setattr(rows, "IN_MEMORY", in_memory)
    np.save(tmp_path / "x.npy", np.array(X, order=order))
    np.save(tmp_path / "y.npy", Y)
    data = parse(outputs=("x.npy", "y.npy")).open(tmp_path)
    assert isinstance(data.arrays[1], np.ndarray if in_memory else rows.Rows)
    check_contents(data)
    assert data.name(1, 1) == "sample 1 of y.npy"


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_files(tmp_path, save):
    save(tmp_path / "both.npz", y=Y, x=X)
    check_contents(parse(file="both.npz", keys=("x", "y")).open(tmp_path))
    assert parse(file="both.npz", keys="x").open(tmp_path).shapes == ((3, 4),)
    everything = parse(file="both.npz").open(tmp_path)
    assert everything.shapes == ((), (3, 4))
    assert everything.name(0, 1) == "sample 0 of both.npz[x]"


def test_numbers_in_the_spec():
    data = parse(values=(((0.05, 0.10),), ((0.01, 0.99),))).open(None)
    assert data.shapes == ((2,), (2,))
    np.testing.assert_array_equal(data.read(np.array([0, 0]))[1], [[0.01, 0.99], [0.01, 0.99]])
    labels = parse(values=(((0, 0), (0, 1), (1, 0)), (0, 1, 1))).open(None)
    assert labels.labels(1).tolist() == [0, 1, 1]
    assert labels.labels(1).dtype.kind == "i"
    assert labels.describe() == "values in the spec: 3 samples of 2"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "there are no arrays"),
        ({"outputs": ("a",), "values": ((1,),)}, "`outputs` and `values` exclude each other"),
        ({"outputs": ("a",), "keys": ("x",)}, "`keys` chooses arrays of an .npz"),
        ({"values": (((1, 2), (3,)),)}, "the rows of one output differ in length"),
        ({"values": (((1, 2), 3),)}, "differ in length"),
        ({"values": ((1, "two"),)}, "'two' is not a number"),
        ({"values": ((1, True),)}, "True is not a number"),
        ({"values": ()}, "there are no arrays"),
    ],
)
def test_forms_that_make_no_sense(fields, says):
    with pytest.raises(ValidationError, match=says):
        Arrays(**fields)


def test_pickled_objects_are_never_loaded(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("it was unpickled",))

    trap = np.empty(2, object)
    trap[:] = [Trap(), Trap()]
    np.save(tmp_path / "trap.npy", trap)
    np.savez(tmp_path / "trap.npz", x=trap)
    (tmp_path / "bare.npy").write_bytes(pickle.dumps(Trap()))
    for fields, error in [
        ({"outputs": "trap.npy"}, PickledDataError),
        ({"file": "trap.npz"}, PickledDataError),
        ({"outputs": "bare.npy"}, WrongFormatError),
        ({"file": "bare.npy"}, WrongFormatError),
    ]:
        with pytest.raises(error) as caught:
            parse(**fields).open(tmp_path)
        assert caught.value.code in str(caught.value)


def test_every_way_of_cutting_a_npy_file(tmp_path):
    stream = io.BytesIO()
    np.save(stream, X)
    whole = stream.getvalue()
    path = tmp_path / "x.npy"
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises((WrongFormatError, WrongSizeError)):
            parse(outputs="x.npy").open(tmp_path)
    path.write_bytes(whole + b"!")
    with pytest.raises(WrongSizeError, match="goes on"):
        parse(outputs="x.npy").open(tmp_path)


def test_damaged_npz_files(tmp_path):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, x=X)
    whole = path.read_bytes()
    for at in range(len(whole) // 2, len(whole), 3):
        path.write_bytes(whole[:at])
        with pytest.raises(WrongFormatError):
            parse(file="x.npz").open(tmp_path)
    middle = len(whole) // 3
    path.write_bytes(whole[:middle] + bytes(8) + whole[middle + 8 :])
    with pytest.raises(WrongFormatError, match="damaged"):
        parse(file="x.npz").open(tmp_path)


def test_missing_files_and_keys(tmp_path):
    np.savez(tmp_path / "both.npz", images=X)
    with pytest.raises(MissingDataError) as caught:
        parse(file="both.npz", keys="image").open(tmp_path)
    assert "did you mean 'images'?" in str(caught.value)
    np.save(tmp_path / "x.npy", X)
    with pytest.raises(MissingDataError) as caught:
        parse(outputs=("x.npy", "y.npy")).open(tmp_path)
    assert caught.value.field == "outputs.1"


def test_arrays_that_cannot_feed_a_net(tmp_path):
    for name, array in {"words": np.array(["a", "b"]), "complex": X * 1j, "single": np.array(3.0)}.items():
        np.save(tmp_path / f"{name}.npy", array)
        with pytest.raises(UnusableArrayError):
            parse(outputs=f"{name}.npy").open(tmp_path)
    with pytest.raises(UnequalLengthsError, match="output 0 of `values` has 2, output 1 of `values` has 1"):
        parse(values=((1, 2), (3,))).open(None)
    np.save(tmp_path / "empty.npy", X[:0])
    with pytest.raises(EmptyDataError):
        parse(outputs="empty.npy").open(tmp_path)
    with pytest.raises(EmptyDataError):
        parse(values=((),)).open(None)
    np.savez(tmp_path / "none.npz")
    with pytest.raises(EmptyDataError, match="holds no arrays"):
        parse(file="none.npz").open(tmp_path)
    with pytest.raises(EmptyDataError, match="it is 2x0"):
        parse(values=(((), ()),)).open(None)


def test_an_array_that_is_turned_is_named(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3, 7), np.float32))
    np.save(tmp_path / "y.npy", np.zeros(7))
    source = parse(outputs=("x.npy", "y.npy"))
    with pytest.raises(UnequalLengthsError) as caught:
        source.open(tmp_path)
    assert caught.value.help == "the first axis counts the samples: of x.npy take np.moveaxis(array, 1, 0)"


def with_header(shape: str, kind: str, body: bytes) -> bytes:
    """A .npy file with a header of the test's own."""
    head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + body


@pytest.mark.parametrize(
    ("shape", "kind", "bytes"),
    [
        ("(-2, -3)", "<f4", 24),
        ("(True,)", "<f4", 4),
        ("(0, 1" + "0" * 30 + ")", "<f4", 0),
        ("(" + "1, " * 70 + ")", "<f4", 4),
        ("(1" + "0" * 12 + ",)", "<U0", 0),
        ("(2,", "<f4", 8),
        ("(" * 300 + ")" * 300, "<f4", 8),
    ],
)
def test_a_header_that_no_array_has(tmp_path, shape, kind, bytes):
    (tmp_path / "x.npy").write_bytes(with_header(shape, kind, b"\0" * bytes))
    with pytest.raises(WrongFormatError, match=r"is not a \.npy file"):
        parse(outputs="x.npy").open(tmp_path)

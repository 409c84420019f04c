"""Parquet: columns of pyarrow's types in the roles of a table."""

from decimal import Decimal

import numpy as np
import pytest

from netspec.core.optional import NoLibraryError
from netspec.data.sources import parquet as source
from netspec.data.sources._table import BadCellError, ColumnError, MissingValueError
from netspec.data.sources.base import SOURCES, EmptyDataError
from netspec.formats.files import UnreadableDataError, WrongFormatError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def write(tmp_path):
    def write(columns):
        pq.write_table(pa.table(columns), tmp_path / "t.parquet")
        return tmp_path / "t.parquet"

    return write


def opened(path, **fields):
    return SOURCES.parse({"type": "Parquet", "file": str(path), **fields}).open(None)


def everything(data):
    return data.read(np.arange(len(data)))


KINDS = pa.array(["b", "a", "b"]).dictionary_encode()


def test_roles_and_types(write):
    path = write(
        {
            "small": pa.array([1, 2, 3], pa.int8()),
            "flag": [True, False, True],
            "exact": pa.array([Decimal("1.25"), Decimal("2.5"), Decimal("-3")]),
            "kind": KINDS,
            "price": np.array([0.1, 0.2, 0.3]),
            "size": ["S", "L", "S"],
        }
    )
    data = opened(path, label="kind", target="price", categories="size")
    x, label, target = everything(data)
    np.testing.assert_array_equal(x, [[1, 1, 1.25, 0, 1], [2, 0, 2.5, 1, 0], [3, 1, -3, 0, 1]])
    assert (label.tolist(), data.classes(1)) == ([1, 0, 1], ("a", "b"))
    np.testing.assert_array_equal(target[:, 0], [0.1, 0.2, 0.3])
    assert data.name(2) == "row 2 of t.parquet"
    assert opened(path, label="small", features="price").classes(1) == ("1", "2", "3")
    alone = SOURCES.parse({"type": "Parquet", "file": "unused"}).unlabelled(path, data.facts())
    np.testing.assert_array_equal(everything(alone)[0], x)


def test_classes_that_are_whole_reals(write):
    assert opened(write({"x": [1, 2], "y": [3.0, 1.0]}), label="y").classes(1) == ("1", "3")


def test_missing_values(write):
    path = write({"a": [1.0, None, 3.0], "n": pa.array([None, 5, 6]), "c": ["u", "v", None]})
    with pytest.raises(MissingValueError, match=r"row 1 of t.parquet, column 'a', has no value"):
        opened(path, categories="c")
    filled = everything(opened(path, categories="c", missing=0))[0]
    np.testing.assert_array_equal(filled, [[1, 0, 1, 0], [0, 5, 0, 1], [3, 6, 0, 0]])


@pytest.mark.parametrize(
    ("columns", "fields", "error", "said"),
    [
        ({"a": ["x", "y"]}, {}, BadCellError, "column 'a' of t.parquet holds string, not numbers"),
        ({"a": [[1], [2]]}, {}, BadCellError, "holds list"),
        ({"a": [1, 2], "b": [[1], [2]]}, {"label": "b"}, BadCellError, "no categories"),
        ({"a": [1.0, float("inf")]}, {}, BadCellError, "row 1 of t.parquet, column 'a', is not finite"),
        ({"a": pa.array([], pa.int64())}, {}, EmptyDataError, "holds no rows"),
        ({"a": [1]}, {"label": "b"}, ColumnError, "no column 'b'"),
    ],
)
def test_broken_tables(write, columns, fields, error, said):
    with pytest.raises(error, match=said):
        opened(write(columns), **fields)


def test_broken_files(write, tmp_path):
    whole = write({"a": np.arange(1000.0)}).read_bytes()
    broken = tmp_path / "broken.parquet"
    for content in (b"a,b\n1,2\n", b"", whole[:-9]):
        broken.write_bytes(content)
        with pytest.raises(WrongFormatError):
            opened(broken)
    broken.write_bytes(whole[:4] + bytes(500) + whole[504:])
    with pytest.raises(UnreadableDataError, match=r"column 'a' of broken.parquet cannot be read"):
        opened(broken)


def test_without_the_library(write, monkeypatch):
    path = write({"a": [1]})

    def missing(*_):
        raise NoLibraryError("gone")

    monkeypatch.setattr(source, "library", missing)
    with pytest.raises(NoLibraryError):
        opened(path)


def test_a_column_is_not_mistaken_for_a_field_of_a_nested_one(write):
    path = write({"s": pa.array([{"x": 1.0}, {"x": 2.0}]), "s.x": [3.0, 4.0], "y": ["a", "b"]})
    np.testing.assert_array_equal(everything(opened(path, features=("s.x",), label="y"))[0], [[3.0], [4.0]])


@pytest.mark.parametrize("error", [pa.ArrowNotImplementedError, pa.ArrowTypeError, pa.ArrowKeyError, pa.ArrowException])
def test_whatever_pyarrow_raises_names_the_column(write, monkeypatch, error):
    data = write({"x": [1.0, 2.0]})

    class Broken(pq.ParquetFile):
        def read(self, **_):
            raise error("no such codec")

    monkeypatch.setattr(pq, "ParquetFile", Broken)
    with pytest.raises(UnreadableDataError, match=r"column .x. of t.parquet cannot be read"):
        opened(data)

"""Csv: numbers as Python's float reads them, rows as Python's csv module reads them, columns in their roles."""

import csv
import gzip
import io
import json
import random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from netspec.core.errors import DataError
from netspec.data.sources import _columns, _delimited
from netspec.data.sources._table import BadCellError, CategoryError, ColumnError, MissingValueError, RowError
from netspec.data.sources.base import SOURCES, EmptyDataError
from netspec.formats.files import BrokenGzipError, MissingDataError, UnreadableDataError


@pytest.fixture(scope="module")
def write(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")

    def write(text, name="t.csv", encoding="utf-8"):
        path = folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return path

    return write


def opened(path, **fields):
    return SOURCES.parse({"type": "Csv", "file": str(path), **fields}).open(None)


def everything(data):
    return data.read(np.arange(len(data)))


def one_column(write, cells, **fields):
    return everything(opened(write("\n".join(["x", *cells]) + "\n"), **fields))[0][:, 0]


AWKWARD = [
    "0", "-0", "+7", "1.", ".5", "-.5e1", "1e22", "1e23", "9007199254740993", "9007199254740992.5", "1e-5", "1E+05",
    "123456789012345678", "1234567890123456789", "12345678901234567890", "0.1234567890123456789012", "1e308",
    "1.7976931348623157e308", "2.2250738585072014e-308", "2.2250738585072011e-308", "4.9e-324", "1e-400", "5e-325",
    "0.000000000000000000000000000000000000001", "100000000000000000000000", "6.02214076e23", "8.5",
    "0.30000000000000004",
    "9355950000000000000.00000000000000000000000000000001844674407370955161600000184467440737095516161844674407370955161"
]  # fmt: skip


def test_awkward_numbers_are_those_of_python(write):
    found = one_column(write, AWKWARD)
    assert found.view(np.int64).tolist() == [np.float64(float(cell)).view(np.int64) for cell in AWKWARD]


def test_random_numbers_are_those_of_python(write):
    draw = random.Random(5)
    cells = [repr(struct) for struct in np.random.default_rng(1).integers(0, 2**63, 4000).view(np.float64).tolist()]
    cells += [f"{draw.randrange(10 ** draw.randrange(1, 21))}e{draw.randrange(-340, 290)}" for _ in range(4000)]
    cells += [f"{draw.gauss(0, 9):.{draw.randrange(18)}f}" for _ in range(4000)]
    cells += [f"{2 * draw.randrange(2**52, 2**53) + 1}" for _ in range(2000)]  # half way between two float64
    cells = [cell for cell in cells if np.isfinite(float(cell))]
    want = np.array([float(cell) for cell in cells])
    np.testing.assert_array_equal(one_column(write, cells).view(np.int64), want.view(np.int64))


CELL = st.text(st.sampled_from("ab1 ,;\"\n\r'é"), max_size=5)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(CELL, st.integers(-99, 99), CELL), min_size=1, max_size=9), st.sampled_from(["\n", "\r\n"]))
@example([('a"\nb,', 3, ""), ("", 4, '""')], "\r\n")
def test_rows_are_those_of_the_csv_module(write, rows, end):
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=end)
    writer.writerow(["a", "n", "b"])
    writer.writerows(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_delimited, "_CHUNK", 7)
        path = write(text.getvalue())
        dialect = _delimited.Dialect(",", '"', ".", ("",), "utf-8")
        cells = _delimited.Delimited(path, dialect, True, 0).read([1], [0, 2])
    assert cells.numbers[:, 0].tolist() == [row[1] for row in rows]
    for words, place in zip(cells.texts, (0, 2), strict=True):
        want = [row[place].strip() for row in rows]
        assert [words.values[code] if code >= 0 else "" for code in words.codes] == want
    lines = 2 + np.cumsum([0, *(row[0].count("\n") + row[2].count("\n") + 1 for row in rows)])
    assert cells.rows.tolist() == lines[:-1].tolist()


@pytest.mark.parametrize("chunk", [1, 3, 50, 2**18])
def test_chunks_do_not_matter(write, monkeypatch, chunk):
    monkeypatch.setattr(_delimited, "_CHUNK", chunk)
    data = opened(write('a,b\n\n1,"2"\n 3 ,-4\r\n\n"5",6'))
    np.testing.assert_array_equal(everything(data)[0], [[1, 2], [3, -4], [5, 6]])
    assert [data.name(i) for i in range(3)] == ["line 3 of t.csv", "line 4 of t.csv", "line 6 of t.csv"]


FLOWERS = "id,petal,kind,price,color\n1,0.5,tulip,3,red\n2,1.5,rose,4.5,blue\n3,2.5,tulip,6,green\n"


def test_roles(write):
    path = write(FLOWERS)
    data = opened(path, label="kind", target="price", ignore="id", categories="color")
    x, label, target = everything(data)
    assert data.shapes == ((4,), (), (1,))
    np.testing.assert_array_equal(x, [[0.5, 0, 0, 1], [1.5, 1, 0, 0], [2.5, 0, 1, 0]])  # petal, blue, green, red
    assert label.tolist() == [1, 0, 1]
    assert data.classes(1) == ("rose", "tulip")
    assert data.classes(0) is None
    assert data.labels(1).tolist() == [1, 0, 1]
    np.testing.assert_array_equal(target, [[3], [4.5], [6]])
    assert data.describe() == "t.csv, 2 classes: 3 samples of 4"
    numbered = opened(path, features=("color", "petal"), categories="c*", one_hot=False)
    np.testing.assert_array_equal(everything(numbered)[0], [[2, 0.5], [0, 1.5], [1, 2.5]])


def test_any_column_by_its_name(write):
    data = opened(write("who,x\nann,1\nbob,\n,3\ncy,4\n"), ignore="who", missing="drop")
    assert data.column("who").tolist() == ["ann", "", "cy"]
    assert data.column("x").tolist() == ["1", "3", "4"]
    assert data.column("nobody") is None


def test_columns_by_number_and_pattern(write):
    path = write("5,6,7\n8,9,1\n")
    data = opened(path, header=False, label=-1)
    np.testing.assert_array_equal(everything(data)[0], [[5, 6], [8, 9]])
    assert data.classes(1) == ("1", "7")
    x = everything(opened(write("p2,q,p1\n1,2,3\n"), features="p*"))[0]
    assert x.tolist() == [[1, 3]]
    x = everything(opened(write("p2,q,p1\n1,2,3\n"), features="*", target="q"))[0]
    assert x.tolist() == [[1, 3]]


def test_classes_are_numbered_in_order(write):
    path = write("x,y\n1,10\n2,9\n3,100\n")
    assert opened(path, label="y").classes(1) == ("9", "10", "100")
    data = opened(path, label="y", classes=("100", "10", "9"))
    assert data.classes(1) == ("100", "10", "9")
    assert everything(data)[1].tolist() == [1, 2, 0]


def test_a_test_table_counts_like_the_training_table(write):
    train = write("x,c,y\n1,red,b\n2,blue,a\n3,red,c\n", "train.csv")
    test = write("x,c,y\n4,red,c\n", "test.csv")
    fields = {"label": "y", "categories": "c"}
    data = opened(test, like=str(train), **fields)
    assert data.classes(1) == ("a", "b", "c")
    x, y = everything(data)
    assert (x.tolist(), y.tolist()) == ([[4, 0, 1]], [2])
    other = write("x,c,y\n4,green,c\n", "other.csv")
    with pytest.raises(
        CategoryError, match=r"line 2 of other.csv, column 'c', holds 'green', .* 2 categories of .*train"
    ):
        opened(other, like=str(train), **fields)


def test_features_alone_of_another_table(write):
    fields = {"label": "y", "categories": "c", "ignore": "id"}
    source = SOURCES.parse({"type": "Csv", "file": "unused", **fields})
    facts = json.loads(json.dumps(opened(write("id,x,c,y\n9,1,red,b\n8,2,blue,a\n"), **fields).facts()))
    assert facts == {"columns": ["x", "c"], "categories": {"c": ["blue", "red"]}}
    for text in ("x,c\n5,red\n", "c,x,y\nred,5,zzz\n", "id,x,c\n1,5,red\n"):
        assert everything(source.unlabelled(write(text), facts))[0].tolist() == [[5, 0, 1]]
    with pytest.raises(ColumnError, match="no column 'c'"):
        source.unlabelled(write("x\n5\n"), facts)


@pytest.mark.parametrize("text", ["5,6\n", "5,6,zzz\n"])
def test_features_alone_without_names(write, text):
    source = SOURCES.parse({"type": "Csv", "file": "unused", "label": -1, "header": False})
    facts = opened(write("1,2,a\n3,4,b\n"), label=-1, header=False).facts()
    assert everything(source.unlabelled(write(text), facts))[0].tolist() == [[5, 6]]


def test_missing_values(write):
    path = write("a,c,y\n1,u,p\n,v,q\n3,,p\nNA,w,q\n")
    fields = {"categories": "c", "label": "y"}
    with pytest.raises(MissingValueError, match=r"line 3 of t.csv, column 'a', has no value \(and 1 more cell\)"):
        opened(path, **fields)
    dropped = opened(path, missing="drop", **fields)
    assert everything(dropped)[0].tolist() == [[1, 1, 0, 0]]
    assert dropped.name(0) == "line 2 of t.csv"
    filled = everything(opened(path, missing=-1, **fields))[0]
    assert filled.tolist() == [[1, 1, 0, 0], [-1, 0, 1, 0], [3, 0, 0, 0], [-1, 0, 0, 1]]
    kept = everything(opened(path, missing="keep", **fields))[0]
    assert np.isnan(kept[:, 0]).tolist() == [False, True, False, True]
    with pytest.raises(MissingValueError, match="column 'y'"):
        opened(write("a,y\n1,\n"), missing=0, label="y")
    with pytest.raises(EmptyDataError):
        opened(write("a,b\n1,\n"), missing="drop")
    words = ("-", "a very long word, longer than 16")
    words = one_column(write, ["-", "5", f'"{words[1]}"'], missing=0, missing_words=words)
    assert words.tolist() == [0, 5, 0]


def test_dialects(write):
    want = [[1.5, -2], [3, 4.25]]
    fields = {"delimiter": ";", "decimal": ",", "quote": "'"}
    assert everything(opened(write("a;b\n1,5;'-2'\n3;4,25\n"), **fields))[0].tolist() == want
    assert everything(opened(write("a\tb\n1.5\t-2\n3\t4.25\n", "t.tsv")))[0].tolist() == want
    assert everything(opened(write("about\nmore\na,b\n1.5,-2\n3,4.25"), skip=2))[0].tolist() == want
    assert everything(opened(write(gzip.compress(b"a,b\n1.5,-2\n3,4.25"), "t.csv.gz")))[0].tolist() == want
    assert everything(opened(write("a,b\r1.5,-2\r3,4.25\r")))[0].tolist() == want
    assert everything(opened(write("\ufeffa,b\n1.5,-2\n3,4.25"), features=("a", "b")))[0].tolist() == want
    for encoding in ("utf-16", "latin-1", "utf-8"):
        path = write("größe,y\n1,ä\n2,ö\n", encoding=encoding)
        assert opened(path, encoding=encoding, label="y", features="größe").classes(1) == ("ä", "ö")
    assert opened(write('x,y\n1,5"\n2,7"\n'), quote="", label="y").classes(1) == ('5"', '7"')


BROKEN = [
    ("", {}, EmptyDataError, "is empty"),
    (" \n\n", {}, EmptyDataError, "is empty"),
    ("a,b\n", {}, EmptyDataError, "no rows below its header"),
    ("a,b\n1,2\n3\n", {}, RowError, "line 3 of t.csv has 1 cell, where the first row has 2"),
    ("a,b\n1,2\n3,4,5\n6\n", {}, RowError, r"line 3 of t.csv has 3 cells.*\(and 1 more row\)"),
    ('a,b\n1,"2\n', {}, RowError, "line 2 of t.csv has a quote"),
    ('a,b\n1,2"3\n4,5\n', {}, RowError, "line 2 of t.csv has a quote"),
    ('a,b\n1,"2"3\n', {}, RowError, "line 2 of t.csv has a quote"),
    ("a,b\n1,2\n3,red\n", {}, BadCellError, "line 3 of t.csv, column 'b', holds 'red'"),
    ("a,b\n1,2\n3,1_0\n", {}, BadCellError, "line 3 of t.csv, column 'b', holds '1_0'"),
    ("a,b\n1\r2,3\n", {}, BadCellError, r"column 'a', holds '1\\r2'"),
    ("a;b\n1.500;3\n", {"delimiter": ";", "decimal": ","}, BadCellError, "column 'a', holds '1.500'"),
    ("a,b\n1,inf\n", {}, BadCellError, "'inf', which is no finite number"),
    ("a,b\n1,1e999\n", {}, BadCellError, "'1e999', which is no finite number"),
    ('a,b\n1,"2\n"\n3,"x,\ny"\n', {}, BadCellError, "line 4 of t.csv, column 'b'"),
    ("a,b\n1,\n", {}, MissingValueError, "line 2 of t.csv, column 'b', has no value"),
    ("a,a\n1,2\n", {}, ColumnError, "columns 0 and 1 of t.csv are both called 'a'"),
    (",a\n0,2\n", {}, ColumnError, "column 0 of t.csv has no name"),
    ("a,b\n1,2\n", {"label": "c"}, ColumnError, "no column 'c'"),
    ("a;b\n1;2\n", {"label": "b"}, ColumnError, "(?s)no column 'b'.*say `delimiter: ';'`"),
    ("a,b\n1,2\n", {"label": 2}, ColumnError, "no column 2"),
    ("a,b\n1,2\n", {"features": "x*"}, ColumnError, r"no column 'x\*'"),
    ("a,b\n1,2\n", {"label": "?"}, ColumnError, "2 columns match"),
    ("a,b\n1,2\n", {"label": "b", "target": "b"}, ColumnError, "both label and target"),
    ("a,b\n1,2\n", {"label": "b", "features": ("a", "b")}, ColumnError, "is the label"),
    ("a\n1\n", {"label": "a"}, ColumnError, "no column of t.csv is left"),
    ("a,b\n1,2.5\n1,3\n", {"label": "b"}, CategoryError, "holds 2.5, which is no class"),
    ("a,b\n1,x\n1,y\n", {"label": "b", "classes": ("x", "z")}, CategoryError, "line 3 .* holds 'y', .* the 2 cat"),
    ("größe,b\n1,2\n".encode("latin-1"), {}, UnreadableDataError, "line 1 of t.csv is not utf-8: .* 0xf6"),
    ("a,b\n1,2\n3,ö\n".encode("latin-1"), {"label": "b"}, UnreadableDataError, "line 3 of t.csv, column 'b', is not"),
    ("a,b\n1,2\n".encode("utf-16"), {}, UnreadableDataError, "begins as UTF-16"),
    (b"a,b\n\0\0\0\1", {}, UnreadableDataError, "null characters"),
    ("a,b\n1,2\n", {"encoding": "klingon"}, UnreadableDataError, "no encoding 'klingon'"),
    ("a,b\n1,2\n", {"encoding": "a\0b"}, UnreadableDataError, "no encoding"),
    (b"\x81\n1\n", {"encoding": "cp1252"}, UnreadableDataError, "line 1 of t.csv is not cp1252"),
]


@pytest.mark.parametrize(("text", "fields", "error", "said"), BROKEN)
def test_broken_tables(write, text, fields, error, said):
    with pytest.raises(error, match=said) as caught:
        opened(write(text), **fields)
    assert isinstance(caught.value, DataError)
    assert caught.value.field


def test_broken_files(write, tmp_path):
    with pytest.raises(MissingDataError):
        opened(tmp_path / "none.csv")
    for packed in (b"no gzip", gzip.compress(b"a,b\n1,2\n")[:-9]):
        with pytest.raises(BrokenGzipError):
            opened(write(packed, "b.csv.gz"))


def test_long_cells(write):
    zeros = "0" * 300
    assert one_column(write, [f"{zeros}7", "5", f'"{zeros}1.5"']).tolist() == [7, 5, 1.5]
    for text in ("x,y\n1," + "é" * 200_000 + ",2\n", '"' + "x" * 200_000 + '",y\n1,2\n', 'x"y\n1\n'):
        with pytest.raises(RowError):
            opened(write(text))
    with pytest.raises(BadCellError, match=r"holds 'é{40}…'"):
        opened(write("x,y\n1," + "é" * 200_000 + "\n"))


def test_far_too_many_words(write, monkeypatch):
    monkeypatch.setattr(_delimited, "MOST_WORDS", 3)
    with pytest.raises(CategoryError, match=r"column 'y' of t.csv has more than"):
        opened(write("x,y\n1,a\n2,b\n3,c\n4,d\n"), label="y")


def test_too_many_classes(write, monkeypatch):
    monkeypatch.setattr(_columns, "_MOST_CLASSES", 50)
    monkeypatch.setattr(_columns, "_MOST_ONE_HOT", 20)
    path = write("x,y\n" + "".join(f"{i},n{i}\n" for i in range(51)))
    with pytest.raises(CategoryError, match=r"column 'y' of t.csv has 51 classes, more than the 50"):
        opened(path, label="y")
    with pytest.raises(CategoryError, match=r"column 'y' of t.csv has 51 categories, more than the 20"):
        opened(path, categories="y")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"delimiter": ",,"}, "not one character"),
        ({"delimiter": ""}, "no character"),
        ({"classes": ("a",), "like": "x.csv", "label": "y"}, "both say"),
        ({"classes": ("a",)}, "those of a label"),
        ({"missing": "mean"}, "missing"),
    ],
)
def test_wrong_fields(fields, said):
    with pytest.raises(ValidationError, match=said):
        SOURCES.parse({"type": "Csv", "file": "t.csv", **fields})

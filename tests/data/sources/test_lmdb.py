"""Lmdb: Caffe's records raw, of floats and encoded, in the order of their keys; and databases of other programs."""

from __future__ import annotations

import io
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netspec.core.shape import ANY
from netspec.data.sources.base import EmptyDataError
from netspec.data.sources.lmdb import Lmdb, UnequalImagesError
from netspec.formats.datum import written
from netspec.formats.files import ChangedDataError, FileError, MissingDataError, WrongFormatError, WrongSizeError

lmdb = pytest.importorskip("lmdb")


def write(path: Path, records: dict[bytes, bytes]) -> Path:
    with lmdb.open(str(path), map_size=1 << 24) as database, database.begin(write=True) as turn:
        for key, value in records.items():
            turn.put(key, value)
    return path


def image(*shape: int, seed: int = 1, kind: str = "uint8") -> np.ndarray:
    return (np.random.default_rng(seed).random(shape) * 256).astype(kind)


def png(x: np.ndarray) -> bytes:
    """A PNG of bytes (H, W, 3), red first, or (H, W)."""
    file = io.BytesIO()
    Image.fromarray(x).save(file, "png")
    return file.getvalue()


def test_raw_records_in_the_order_of_their_keys(tmp_path) -> None:
    images = {key: image(3, 4, 5, seed=int(key)) for key in (b"00000007", b"00000002", b"00000011")}
    write(tmp_path / "db", {key: written(x, int(key) - 9) for key, x in images.items()})
    data = Lmdb(path="db", classes=("a", "b")).open(tmp_path)
    assert data.shapes == ((3, 4, 5), ()) and len(data) == 3
    x, labels = data.read(np.array([2, 0, 2]))
    np.testing.assert_array_equal(x, [images[b"00000011"], images[b"00000002"], images[b"00000011"]])
    assert x.dtype == np.uint8 and labels.tolist() == [2, -7, 2]
    assert data.name(1) == f"record 00000007 of {tmp_path / 'db'}"
    assert data.classes(1) == ("a", "b") and data.classes(0) is None and data.labels(1) is None
    assert data.describe() == f"LMDB {tmp_path / 'db'}: 3 records of 3x4x5"
    assert len(Lmdb(path="db/data.mdb").open(tmp_path)) == 3  # twice in one process, and by its file


def test_records_of_floats(tmp_path) -> None:
    x = image(6, 1, 1, kind="float32") / 7
    write(tmp_path / "db", {b"0": written(x, 3)})
    read, labels = Lmdb(path="db").open(tmp_path).read(np.array([0]))
    assert read.dtype == np.float32 and labels.tolist() == [3]
    np.testing.assert_array_equal(read[0], x)


def test_encoded_records_are_blue_green_red(tmp_path) -> None:
    x, grey = image(4, 5, 3), image(4, 5, seed=2)
    write(tmp_path / "db", {b"0": written(png(x), 1), b"1": written(png(image(4, 5, 3, seed=3)), 2)})
    read, labels = Lmdb(path="db").open(tmp_path).read(np.array([0]))
    np.testing.assert_array_equal(read[0], x.transpose(2, 0, 1)[::-1])
    assert labels.tolist() == [1]
    write(tmp_path / "grey", {b"0": written(png(grey), 1)})
    np.testing.assert_array_equal(Lmdb(path="grey").open(tmp_path).read(np.array([0]))[0][0, 0], grey)
    three = Lmdb(path="grey", force="color").open(tmp_path).read(np.array([0]))[0][0]
    np.testing.assert_array_equal(three, np.stack([grey] * 3))
    assert Lmdb(path="db", force="gray").open(tmp_path).shapes == ((1, 4, 5), ())


def test_encoded_records_of_several_sizes(tmp_path) -> None:
    sizes = [(4, 5)] * 40 + [(6, 3)]
    records = {b"%04d" % i: written(png(image(*size, 3, seed=i)), i) for i, size in enumerate(sizes)}
    write(tmp_path / "db", records)
    data = Lmdb(path="db").open(tmp_path)
    assert data.shapes == ((3, ANY, ANY), ())  # the last one is looked at
    x, _ = data.read(np.array([40, 0]))
    assert [one.shape for one in x] == [(3, 6, 3), (3, 4, 5)]
    records[b"0001"], records[b"0040"] = records[b"0040"], records[b"0000"]
    write(tmp_path / "other", records)
    alike = Lmdb(path="other").open(tmp_path)
    with pytest.raises(UnequalImagesError, match=r"record 0001 of .* is 3x6x3, others 3x4x5"):
        alike.read(np.arange(3))
    assert Lmdb(path="other", uneven=True).open(tmp_path).shapes == ((3, ANY, ANY), ())


def test_several_threads(tmp_path) -> None:
    write(tmp_path / "db", {b"%03d" % i: written(np.full((2, 3, 4), i, np.uint8), i) for i in range(50)})
    data = Lmdb(path="db").open(tmp_path)
    index = [np.random.default_rng(i).integers(0, 50, 20) for i in range(20)]
    with ThreadPoolExecutor(4) as pool:
        for one, (x, labels) in zip(index, pool.map(data.read, index), strict=True):
            assert labels.tolist() == one.tolist() and x[:, 1, 2, 3].tolist() == one.tolist()


def test_it_is_read_without_writing(tmp_path) -> None:
    path = write(tmp_path / "db", {b"0": written(image(1, 2, 3), 0)})
    (path / "lock.mdb").unlink()
    (path / "data.mdb").chmod(0o444)
    before = (path / "data.mdb").read_bytes()
    Lmdb(path="db").open(tmp_path).read(np.array([0]))
    assert [one.name for one in path.iterdir()] == ["data.mdb"] and (path / "data.mdb").read_bytes() == before


RECORD = written(np.zeros((1, 2, 3), np.uint8), 0)


@pytest.mark.parametrize(
    ("error", "value", "said"),
    [
        (WrongFormatError, b"hello, this is a text", "is no Datum of Caffe"),
        (WrongFormatError, b"\x80\x04\x95 pickled", "is no Datum of Caffe"),
        (WrongFormatError, b"", "without a shape, and 0 values"),
        (WrongFormatError, RECORD[:-5], "is no Datum of Caffe"),
        (WrongFormatError, RECORD.replace(b"\x10\x02", b"\x10\x03"), "shape 1x3x3, and 6 values"),
        (WrongFormatError, b"\x38\x01", "says that its image is encoded, but holds none"),
        (FileError, written(b"no image at all", 1), "record key of .*db"),
    ],
)
def test_databases_of_other_programs(tmp_path, error, value, said) -> None:
    write(tmp_path / "db", {b"key": value})
    with pytest.raises(error, match=said):
        Lmdb(path="db").open(tmp_path)


def test_files_that_are_no_databases(tmp_path) -> None:
    write(tmp_path / "empty", {})
    with pytest.raises(EmptyDataError, match="holds no records"):
        Lmdb(path="empty").open(tmp_path)
    with pytest.raises(MissingDataError, match="there is no file"):
        Lmdb(path="nowhere").open(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(MissingDataError, match=r"is no LMDB: it has no data\.mdb"):
        Lmdb(path="folder").open(tmp_path)
    (tmp_path / "folder" / "CURRENT").touch()
    with pytest.raises(WrongFormatError, match="it is a LevelDB"):
        Lmdb(path="folder").open(tmp_path)
    for name, content in (("zero.mdb", b""), ("text.mdb", b"text" * 4000)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(WrongFormatError, match="is no LMDB"):
            Lmdb(path=name).open(tmp_path)


def test_a_database_that_was_cut_short_does_not_end_the_process(tmp_path) -> None:
    path = write(tmp_path / "db", {b"%02d" % i: written(image(3, 40, 40, seed=i), i) for i in range(9)}) / "data.mdb"
    cut = tmp_path / "cut.mdb"
    cut.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(WrongSizeError, match="for its pages up to 4"):
        Lmdb(path="cut.mdb").open(tmp_path)
    shutil.copy(path, tmp_path / "live.mdb")
    data = Lmdb(path="live.mdb").open(tmp_path)
    os.truncate(tmp_path / "live.mdb", 20_000)
    with pytest.raises(ChangedDataError, match="was cut from"):
        data.read(np.array([8]))

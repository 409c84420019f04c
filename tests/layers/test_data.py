"""Data as Caffe's data_layer test has it: windows, means and scales of records, in the order of their keys."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.errors import DataError, Mistakes, NetspecError
from netspec.core.shape import ShapeError
from netspec.data.feed import open_feed
from netspec.formats.blob_proto import write_blob
from netspec.formats.datum import written
from netspec.net.load import load_net
from tests.helpers.checks import make_layer

lmdb = pytest.importorskip("lmdb")

FIELDS = {"type": "Data", "top": ["data", "label"], "batch_size": 5}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """Caffe's test: five records of 2x3x4, the values of each 0, 1, ..., 23 and 100 times its label."""
    path = tmp_path_factory.mktemp("db")
    with lmdb.open(str(path), map_size=1 << 20) as database, database.begin(write=True) as turn:
        for i in range(5):
            turn.put(b"%d" % i, written((np.arange(24) + 40 * i).astype(np.uint8).reshape(2, 3, 4), i))
    return path


def batch(source: Path, phase: str = "TEST", **param: object) -> tuple[np.ndarray, ...]:
    layer = make_layer(**FIELDS, source=str(source), transform_param=param)
    feed = open_feed(layer.brings, phase, 1)
    assert layer.top_shapes(()) == tuple((5, *shape) for shape in feed.shapes)
    return feed.batch(0, 5)


RECORDS = np.stack([(np.arange(24) + 40 * i).reshape(2, 3, 4) for i in range(5)]).astype(np.float32)


def test_records_in_order(source: Path) -> None:
    data, label = batch(source, "TRAIN")
    np.testing.assert_array_equal(data, RECORDS)
    assert label.tolist() == [0, 1, 2, 3, 4]


def test_the_middle_in_test_and_anywhere_in_train(source: Path) -> None:
    data, _ = batch(source, crop_size=1, scale=3)
    np.testing.assert_array_equal(data[:, :, 0, 0], [[3 * (5 + 40 * i), 3 * (17 + 40 * i)] for i in range(5)])
    data, _ = batch(source, "TRAIN", crop_size=1)
    assert not (data[:, 0, 0, 0] == [5 + 40 * i for i in range(5)]).all()


def test_the_mean_belongs_to_the_image_before_the_crop(source: Path, tmp_path: Path) -> None:
    mean = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    write_blob(tmp_path / "mean.binaryproto", mean)
    data, _ = batch(source, "TRAIN", mean_file=str(tmp_path / "mean.binaryproto"), crop_size=2, mirror=True, scale=0.5)
    np.testing.assert_array_equal(data, np.broadcast_to(20 * np.arange(5.0)[:, None, None, None], (5, 2, 2, 2)))
    data, _ = batch(source, mean_value=[1, 10], scale=2)
    np.testing.assert_array_equal(data, 2 * (RECORDS - np.array([1, 10])[:, None, None]))


def test_half_of_the_images_are_mirrored_in_train(source: Path) -> None:
    data, _ = batch(source, "TRAIN", mirror=True)
    same = [(x == wanted).all() for x, wanted in zip(data, RECORDS, strict=True)]
    flipped = [(x == wanted[..., ::-1]).all() for x, wanted in zip(data, RECORDS, strict=True)]
    assert [a != b for a, b in zip(same, flipped, strict=True)] == [True] * 5 and len(set(same)) == 2


def test_one_top_and_shapes_that_are_written(source: Path) -> None:
    layer = make_layer(type="Data", batch_size=4, source="nowhere", shape=[2, 3, 4])
    assert layer.top_shapes(()) == ((4, 2, 3, 4),)
    layer = make_layer(type="Data", batch_size=4, source=str(source))
    assert layer.top_shapes(()) == ((4, 2, 3, 4),)
    assert layer.identity() == make_layer(type="Data", batch_size=5, source="other").identity()
    assert layer.for_batch(layer.top_shapes(()), 9) == ((9, 2, 3, 4),)


def test_paths_start_from_the_net(source: Path, tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(
        "layers:\n"
        f"- {{name: in, type: Data, top: [data, label], batch_size: 2, source: {source.name}}}\n"
        "- {name: sum, type: Reduction, bottom: data}\n"
    )
    (tmp_path / source.name).symlink_to(source)
    assert load_net(str(tmp_path / "net.yaml")).blobs[0] == (2, 2, 3, 4)


@pytest.mark.parametrize(
    ("error", "fields", "said"),
    [
        (ValidationError, {"backend": "LEVELDB"}, "does not read LevelDB"),
        (ValidationError, {"transform_param": {"mean_value": 1, "mean_file": "x"}}, "exclude each other"),
        (ValidationError, {"transform_param": {"force_gray": True, "force_color": True}}, "exclude each other"),
        (ShapeError, {"transform_param": {"crop_size": 4}}, "does not fit"),
        (ShapeError, {"transform_param": {"mean_value": [1, 2, 3]}}, "3 values do not fit"),
        (DataError, {"source": "nowhere"}, "there is no file"),
    ],
)
def test_what_is_wrong(source: Path, error: type[Exception], fields: dict[str, object], said: str) -> None:
    with pytest.raises(error, match=said):
        make_layer(**{**FIELDS, "source": str(source), **fields}).top_shapes(())


def test_errors_stand_at_the_layer(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(
        "layers:\n- {name: in, type: Data, top: [data, label], batch_size: 2, source: nowhere}\n"
        "- {name: sum, type: Reduction, bottom: data}\n"
    )
    with pytest.raises(NetspecError) as caught:
        load_net(str(tmp_path / "net.yaml"))
    assert not isinstance(caught.value, Mistakes) and caught.value.at is not None
    assert (caught.value.at.line, caught.value.at.column) == (2, 69)

import hashlib

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.locate import bundled
from netspec.data.sources import fashion_mnist
from netspec.data.sources.fashion_mnist import FashionMNIST
from netspec.formats.files import MissingDataError


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch, tmp_path):
    """A machine without the whole set."""
    monkeypatch.delenv("NETSPEC_DATA_DIR", raising=False)
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "debian")


@pytest.fixture
def make(write_idx):
    """Writes a tiny set of two training and three test images into a folder."""

    def make(folder, suffix=""):
        folder.mkdir(parents=True)
        for stem, n in (("train", 2), ("t10k", 3)):
            for kind, shape in (("images-idx3", (n, 28, 27)), ("labels-idx1", (n,))):
                path = write_idx("x", shape, bytes(n * 28 * 27 if len(shape) == 3 else n), packed=bool(suffix))
                path.rename(folder / f"{stem}-{kind}-ubyte{suffix}")
        return folder

    return make


@pytest.mark.parametrize(("split", "each"), [("train", 1000), ("test", 200)])
def test_the_bundled_subset_is_balanced(split, each):
    data = FashionMNIST(split=split).open(None)
    assert len(data) == 10 * each
    assert data.shapes == ((1, 28, 28), ())
    np.testing.assert_array_equal(np.bincount(data.labels(1)), [each] * 10)
    assert data.describe() == f"Fashion-MNIST {split}, bundled subset: {10 * each:,} samples of 1x28x28"


def test_the_bundled_subset_begins_like_the_whole_set():
    # the first labels of Fashion-MNIST, as its authors print them
    assert FashionMNIST(split="train").open(None).labels(1)[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
    assert FashionMNIST(split="test").open(None).labels(1)[:10].tolist() == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]


def test_the_bundled_bytes_are_those_that_were_published():
    known = {"train": "fb5d76be9a26fa809a3b13c18f7191e3", "t10k": "f63b5f3a005caedab708d16a900babd9"}
    for stem, digest in known.items():
        data = (bundled("fashion_mnist") / f"{stem}-images-idx3-ubyte.gz").read_bytes()
        assert hashlib.sha256(data).hexdigest()[:32] == digest
    assert "Permission is hereby granted" in (bundled("fashion_mnist") / "LICENSE").read_text()


def test_where_it_is_looked_for(monkeypatch, tmp_path, make):
    def found(**fields):
        return FashionMNIST(split="test", **fields).open(tmp_path).describe()

    make(tmp_path / "debian", ".gz")
    assert str(tmp_path / "debian") in found()
    make(tmp_path / "data" / "fashion-mnist")
    monkeypatch.setenv("NETSPEC_DATA_DIR", str(tmp_path / "data"))
    assert str(tmp_path / "data" / "fashion-mnist") in found()
    make(tmp_path / "mine")
    assert found(folder="mine") == f"Fashion-MNIST test, {tmp_path / 'mine'}: 3 samples of 1x28x27"
    assert "bundled subset: 2,000" in found(subset=True)
    monkeypatch.setenv("NETSPEC_DATA_DIR", str(tmp_path))
    assert str(tmp_path / "debian") in found()


def test_missing_files_say_what_was_looked_for_and_how_to_get_it(tmp_path, make):
    folder = make(tmp_path / "mine")
    (folder / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(MissingDataError) as caught:
        FashionMNIST(split="train", folder="mine").open(tmp_path)
    assert "holds no train-labels-idx1-ubyte.gz or train-labels-idx1-ubyte" in str(caught.value)
    assert "dataset-fashion-mnist" in str(caught.value)
    assert caught.value.field == "folder"
    with pytest.raises(MissingDataError, match="there is no folder"):
        FashionMNIST(split="train", folder="other").open(tmp_path)


def test_subset_and_folder_exclude_each_other():
    with pytest.raises(ValidationError, match="bundled"):
        FashionMNIST(split="train", folder="x", subset=True)


def test_the_classes_have_names():
    data = FashionMNIST(split="test").open(None)
    assert len(data.classes(1)) == 10 and data.classes(1)[9] == "Ankle boot" and data.classes(0) is None

import numpy as np
import pytest

from netspec.data.sources.base import EmptyDataError
from netspec.data.sources.cifar10 import Cifar10
from netspec.formats.files import MissingDataError, UnreadableDataError, WrongSizeError


def record(label: int, red: int, green: int, blue: int) -> bytes:
    """One picture whose first row is told apart from the rest of its plane."""
    planes = (bytes([colour + 1] * 32 + [colour] * (1024 - 32)) for colour in (red, green, blue))
    return bytes([label]) + b"".join(planes)


@pytest.fixture
def folder(tmp_path):
    for batch in range(1, 6):
        # batch i holds i records, so that no two files are equally long
        (tmp_path / f"data_batch_{batch}.bin").write_bytes(
            b"".join(record(i, 10 * batch, 100, 200) for i in range(batch))
        )
    (tmp_path / "test_batch.bin").write_bytes(record(9, 1, 2, 3))
    return tmp_path


def test_records(folder):
    data = Cifar10(folder=".", split="train").open(folder)
    assert len(data) == 1 + 2 + 3 + 4 + 5
    assert data.shapes == ((3, 32, 32), ())
    images, labels = data.read(np.array([14, 1]))
    np.testing.assert_array_equal(labels, [4, 0])
    np.testing.assert_array_equal(images[:, :, 5, 7], [[50, 100, 200], [20, 100, 200]])  # red, green, blue
    np.testing.assert_array_equal(images[:, :, 0, 31], [[51, 101, 201], [21, 101, 201]])  # the first row
    np.testing.assert_array_equal(data.labels(1), [0, 0, 1, 0, 1, 2, 0, 1, 2, 3, 0, 1, 2, 3, 4])
    assert "CIFAR-10 train" in data.describe()
    assert "15 samples of 3x32x32" in data.describe()


def test_names_count_within_the_batch_file(folder):
    data = Cifar10(folder=".", split="train").open(folder)
    assert [data.name(i) for i in (0, 1, 2, 3, 14)] == [
        "sample 0 of data_batch_1.bin",
        "sample 0 of data_batch_2.bin",
        "sample 1 of data_batch_2.bin",
        "sample 0 of data_batch_3.bin",
        "sample 4 of data_batch_5.bin",
    ]


def test_the_folder_it_was_unpacked_in_will_do(folder, tmp_path_factory):
    outer = tmp_path_factory.mktemp("outer")
    (outer / "cifar-10-batches-bin").symlink_to(folder)
    assert len(Cifar10(folder=str(outer), split="test").open(None)) == 1


def test_a_file_that_is_not_whole_records(folder):
    path = folder / "data_batch_3.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(WrongSizeError, match="9,218 bytes, not a whole number of 3073-byte records"):
        Cifar10(folder=".", split="train").open(folder)


def test_missing_files_say_how_to_get_them(folder):
    (folder / "data_batch_4.bin").unlink()
    with pytest.raises(MissingDataError) as caught:
        Cifar10(folder=".", split="train").open(folder)
    assert "data_batch_4.bin" in str(caught.value)
    assert "cifar-10-binary.tar.gz" in str(caught.value)
    with pytest.raises(MissingDataError, match="no folder"):
        Cifar10(folder="nowhere", split="train").open(folder)
    with pytest.raises(UnreadableDataError, match="is not a folder"):
        Cifar10(folder="test_batch.bin", split="train").open(folder)


def test_no_records(folder):
    (folder / "test_batch.bin").write_bytes(b"")
    with pytest.raises(EmptyDataError):
        Cifar10(folder=".", split="test").open(folder)


def test_the_classes_have_names(folder):
    data = Cifar10(folder=".", split="test").open(folder)
    assert len(data.classes(1)) == 10 and data.classes(1)[3] == "cat" and data.classes(0) is None

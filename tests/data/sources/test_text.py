"""Text: its lanes walk through their chunks; characters have the numbers of the training part."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.core.locate import bundled
from netspec.data.feed import LimitError, OrderError, open_feed
from netspec.data.sources.base import EmptyDataError
from netspec.data.sources.text import Text
from netspec.data.spec import FeedSpec
from netspec.formats.files import BrokenGzipError, UnreadableDataError

ALPHABET = "abcdefghijklmnopqrstuvwxyz"


@pytest.fixture
def alphabet(tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_text(ALPHABET, encoding="utf-8")
    return tmp_path


def spec(batch: int, **fields: Any) -> FeedSpec:
    source = {"type": "Text", "split": "train", "steps": 3, "file": "a.txt", "held_out": 0.0}
    own = {key: fields.pop(key) for key in ("split", "steps", "held_out", "unit") if key in fields}
    return FeedSpec.model_validate({"source": source | own, "batch_size": batch, **fields})


def words(numbers: np.ndarray) -> list[str]:
    return ["".join(ALPHABET[int(number)] for number in row) for row in numbers]


def test_each_lane_walks_through_its_own_chunk(alphabet: Path) -> None:
    """26 letters are 2 lanes of 12, each 4 times 3; the next letter of each is the target."""
    feed = open_feed(spec(2), "TRAIN", 1, alphabet)
    assert (len(feed), feed.shapes) == (8, ((3,), (3,), (3,)))
    batches = [feed.batch(position, 2) for position in range(0, 16, 2)]
    assert [words(x) for x, _, _ in batches[:4]] == [["abc", "mno"], ["def", "pqr"], ["ghi", "stu"], ["jkl", "vwx"]]
    assert [words(y) for _, y, _ in batches[:4]] == [["bcd", "nop"], ["efg", "qrs"], ["hij", "tuv"], ["klm", "wxy"]]
    assert [cont.tolist() for _, _, cont in batches[:2]] == [[[0, 1, 1]] * 2, [[1, 1, 1]] * 2]
    for first, again in zip(batches[:4], batches[4:], strict=True):  # the second epoch
        for a, b in zip(first, again, strict=True):
            np.testing.assert_array_equal(a, b)
    assert feed.name(3) == "steps 15 to 17 of a.txt, train"


def test_another_batch_size_cuts_other_lanes(alphabet: Path) -> None:
    feed = open_feed(spec(4, steps=2), "TRAIN", 1, alphabet)
    assert words(feed.batch(4, 4)[0]) == ["cd", "ij", "op", "uv"]
    assert feed.describe() == "a.txt, train: 26 characters of 26 kinds, 0 others, in 4 lanes of 3 times 2 steps"


def test_the_test_part_is_the_end_and_has_the_numbers_of_the_training_part(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("cabacabaxbéa", encoding="utf-8")
    train, test = (open_feed(spec(1, split=split, held_out=1 / 3), "TEST", 1, tmp_path) for split in ("train", "test"))
    assert train.batch(0, 2)[0].tolist() == [[2, 0, 1], [0, 2, 0]]
    assert test.batch(0, 1)[0].tolist() == [[3, 1, 3]]  # x and é are no characters of the training part
    assert test.batch(0, 1)[1].tolist() == [[1, 3, 0]]
    assert "4 characters of 3 kinds, 2 others" in test.describe()


def test_bytes_are_their_own_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(bytes([200, 0, 255, 7]))
    feed = open_feed(spec(1, unit="byte"), "TRAIN", 1, tmp_path)
    assert [one.tolist() for one in feed.batch(0, 1)[:2]] == [[[200, 0, 255]], [[0, 255, 7]]]


def test_the_bundled_text() -> None:
    raw = gzip.decompress((bundled("new_testament") / "new_testament.txt.gz").read_bytes())
    assert len(raw) == 949480
    assert raw.startswith(b"The book of the generation of Jesus Christ") and raw.endswith(b"be with you all. Amen.\n")
    assert "public domain" in (bundled("new_testament") / "README.md").read_text(encoding="utf-8")
    parts = [Text(split=split, steps=64).open(None).describe() for split in ("train", "test")]
    assert parts[0].startswith("new_testament.txt.gz, train: 854,532 characters of 63 kinds, 0 others")
    assert parts[1].startswith("new_testament.txt.gz, test: 94,948 characters of 63 kinds, 0 others")


def test_limits_are_whole_batches(alphabet: Path) -> None:
    assert len(open_feed(spec(2, limit=4), "TRAIN", 1, alphabet)) == 4
    with pytest.raises(LimitError, match="multiple of the batch size, 2"):
        open_feed(spec(2, limit=3), "TRAIN", 1, alphabet)


def test_no_shuffling(alphabet: Path) -> None:
    with pytest.raises(OrderError):
        open_feed(spec(2, shuffle=True), "TRAIN", 1, alphabet)


@pytest.mark.parametrize(("batch", "steps"), [(9, 3), (1, 26), (26, 1)])
def test_too_short(alphabet: Path, batch: int, steps: int) -> None:
    with pytest.raises(EmptyDataError, match=r"has 26 steps, too few for"):
        open_feed(spec(batch, steps=steps), "TRAIN", 1, alphabet)


def test_no_held_out_part(alphabet: Path) -> None:
    with pytest.raises(EmptyDataError, match=r"the test part of a\.txt is empty"):
        open_feed(spec(1, split="test"), "TEST", 1, alphabet)


def test_files_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"ab\xff")
    with pytest.raises(UnreadableDataError, match="no UTF-8: byte 2 is 0xff"):
        open_feed(spec(1), "TRAIN", 1, tmp_path)
    (tmp_path / "b.gz").write_bytes(b"ab")
    with pytest.raises(BrokenGzipError):
        Text(split="train", steps=1, file="b.gz").open(tmp_path)

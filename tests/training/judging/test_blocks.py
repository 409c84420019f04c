"""What heads read, laid out by samples, and cut into blocks that do not depend on the batches."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.core.task import Task
from netspec.training.judging import blocks
from netspec.training.judging.blocks import Blocks, laid


def test_blocks_are_equal_for_any_batch_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 40)
    numbers = np.arange(23 * 6).reshape(23, 2, 3)
    found = []
    for batch in (1, 2, 5, 7, 23):
        cut = Blocks()
        whole = [
            block
            for at in range(0, 23, batch)
            for block in cut.add(numbers[at : at + batch], numbers[at : at + batch, 0])
        ]
        whole += cut.rest()
        found.append([[array.tolist() for array in block] for block in whole])
        assert [len(block[0]) for block in whole] == [6, 6, 6, 5]
        assert np.concatenate([block[0] for block in whole]).tolist() == numbers.tolist()
        assert not list(cut.rest())
    assert all(one == found[0] for one in found)


def test_a_block_keeps_its_own_copy() -> None:
    cut, array = Blocks(), np.zeros((2, 1, 1))
    assert not list(cut.add(array))
    array[:] = 9
    assert next(cut.rest())[0].tolist() == [[[0.0]], [[0.0]]]


@pytest.mark.parametrize(
    ("scores", "labels", "axis", "batch"),
    [
        ((4, 3), (4,), 1, 0),
        ((4, 3, 5, 2), (4, 5, 2), 1, 0),
        ((4, 5, 3), (4, 5), 2, 0),
        ((5, 4, 3), (5, 4), -1, 1),
        ((5, 4, 3), (5, 4), 2, 1),
        ((4, 3, 5), (4, 1, 5), 1, 0),
    ],
)
def test_labels_stand_beside_their_scores(
    scores: tuple[int, ...], labels: tuple[int, ...], axis: int, batch: int
) -> None:
    """Against indices: the score of class c of a position is 100 sample + 10 position + c, its label that without c."""
    rest = [i for i in range(len(scores)) if i not in {batch, axis % len(scores)}]
    x, t = np.empty(scores), np.empty([size for i, size in enumerate(scores) if i != axis % len(scores)])
    for place in np.ndindex(*scores):
        position = int(np.ravel_multi_index([place[i] for i in rest], [scores[i] for i in rest])) if rest else 0
        x[place] = 100 * place[batch] + 10 * position + place[axis]
        t[tuple(n for i, n in enumerate(place) if i != axis % len(scores))] = 100 * place[batch] + 10 * position
    rows, found = laid(Task("classes", axis=axis), x, t.reshape(labels), batch)
    samples = np.arange(4)[:, None, None] * 100
    positions = np.arange(rows.shape[1])[None, :, None] * 10
    np.testing.assert_array_equal(rows, samples + positions + np.arange(3))
    np.testing.assert_array_equal(found, (samples + positions)[..., 0])


def test_truth_of_the_scores_size() -> None:
    x = np.arange(24.0).reshape(4, 3, 2)
    rows, t = laid(Task("labels"), x, x.reshape(4, 6), 0)
    np.testing.assert_array_equal(rows, t)
    assert rows.shape == (4, 2, 3) and rows[1, 1].tolist() == x[1, :, 1].tolist()
    rows, t = laid(Task("numbers"), x[:, 0, 0], x[:, :1, 0], 0)
    assert rows.shape == t.shape == (4, 1, 1)
    rows, t = laid(Task("numbers"), x[:, :, 0].T, x[:, :, 0].T, 1)
    assert rows.tolist() == t.tolist() == x[:, None, :, 0].tolist()
    rows, t = laid(Task("classes", axis=None), x, x[:, 0, 0], 0)
    assert rows.shape == (4, 1, 6) and t.shape == (4, 1)

"""CTCLoss against all paths, counted one by one, and PyTorch; lengths, blanks, rows that do not fit."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, check_layer, forward, make_layer, run_layer
from tests.helpers.oracle import against

T, N, C, L = 5, 4, 3, 2
BLOBS = ["scores", "label", "steps", "lengths"]


def chance(x: Array, row: list[int], blank: int) -> float:
    """The sum over all paths through the classes that read as `row`; x: (T, C)."""
    p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    total = 0.0
    for path in itertools.product(range(x.shape[1]), repeat=len(x)):
        read = [c for c, _ in itertools.groupby(path) if c != blank]
        if read == row:
            total += float(np.prod([p[t, c] for t, c in enumerate(path)]))
    return total


def in_torch(bottoms: list[Any], blank: int, zero: bool = False) -> list[Any]:
    import torch

    x, label, steps, lengths = bottoms
    return [
        torch.nn.functional.ctc_loss(
            x.log_softmax(2),
            label.long(),
            steps.long(),
            lengths.long(),
            blank=blank,
            reduction="sum",
            zero_infinity=zero,
        )
    ]


@pytest.mark.parametrize("blank", [0, 2])
def test_definition_and_derivatives(blank: int) -> None:
    others = [c for c in range(C) if c != blank]
    rows = [[others[0], others[1]], [others[1], others[1]], [others[1]], []]
    label, steps = np.full((N, L), float(others[0])), np.array([5.0, 4, 3, 2])
    for n, row in enumerate(rows):
        label[n, : len(row)] = row
    lengths = np.array([len(row) for row in rows], float)

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        x = bottoms[0]
        return [np.array(-sum(np.log(chance(x[: int(steps[n]), n], rows[n], blank)) for n in range(N)))]

    layer = make_layer("CTCLoss", bottom=BLOBS, blank=blank, normalization="NONE")
    bottoms = [blob(T, N, C), label, steps, lengths]
    result = against(oracle, layer, bottoms, in_torch=lambda b, _: in_torch(b, blank))
    diff = result.bottom_diffs[0]
    assert diff is not None and all((diff[int(s) :, n] == 0).all() for n, s in enumerate(steps))


@pytest.mark.parametrize(
    ("normalization", "divisor"), [(None, 3), ("BATCH_SIZE", 3), ("VALID", 5), ("FULL", 5), ("NONE", 1)]
)
def test_a_blank_ends_the_labels(normalization: str | None, divisor: int) -> None:
    label = np.array([[1.0, 2, 0], [2, 2, 0], [1, 0, 2]])
    x = blob(6, 3, 4)
    result = check_layer(make_layer("CTCLoss", bottom=BLOBS[:2], normalization=normalization), [x, label])
    x = x.astype(np.float32).astype(float)
    rows = ([1, 2], [2, 2], [1])
    wanted = -sum(np.log(chance(x[:, n], row, 0)) for n, row in enumerate(rows))
    np.testing.assert_allclose(result.tops[0], wanted / divisor, rtol=1e-10)


def test_large() -> None:
    """Long sequences underflow but for their logarithms."""
    rng = np.random.default_rng(5)
    label, steps, lengths = rng.integers(1, 7, (3, 20)).astype(float), np.array([90.0, 71, 60]), np.array([20.0, 11, 1])
    layer = make_layer("CTCLoss", bottom=BLOBS, normalization="NONE")
    bottoms = [blob(90, 3, 7, scale=3), label, steps, lengths]
    against(None, layer, bottoms, in_torch=lambda b, _: in_torch(b, 0), rtol32=1e-3, rtol=1e-10)


def test_a_row_that_does_not_fit() -> None:
    """Two equal labels need a blank between them: three steps."""
    bottoms = [blob(4, 2, 3), np.array([[1.0, 1], [1, 2]]), np.array([2.0, 4]), np.array([2.0, 2])]
    infinite = run_layer(make_layer("CTCLoss", bottom=BLOBS), *bottoms, top_diffs=[np.array(1.0)])
    diff = infinite.bottom_diffs[0]
    assert np.isposinf(infinite.tops[0])
    assert diff is not None and np.isnan(diff[:2, 0]).all() and np.isfinite(diff[:, 1]).all()
    layer = make_layer("CTCLoss", bottom=BLOBS, zero_infinity=True, normalization="NONE")
    result = against(None, layer, bottoms, in_torch=lambda b, _: in_torch(b, 0, True))
    assert (result.bottom_diffs[0][:, 0] == 0).all()


def test_no_steps() -> None:
    bottoms = [blob(3, 2, 3), np.array([[1.0], [1]]), np.array([0.0, 3]), np.array([0.0, 1])]
    check_layer(make_layer("CTCLoss", bottom=BLOBS), bottoms)
    assert np.isposinf(forward(make_layer("CTCLoss", bottom=BLOBS), *bottoms[:3], np.array([1.0, 1]))[0])


@pytest.mark.parametrize("bad", [(1, 3.0), (1, 0.5), (1, np.nan), (1, 0.0), (2, 5.0), (2, -1.0), (3, 3.0), (3, 0.5)])
def test_what_is_no_label_or_no_length_gives_nan(bad: tuple[int, float]) -> None:
    bottoms = [blob(4, 2, 3), np.array([[1.0, 2], [2, 1]]), np.array([4.0, 4]), np.array([2.0, 2])]
    bottoms[bad[0]][1, ...] = bad[1]
    result = run_layer(make_layer("CTCLoss", bottom=BLOBS), *bottoms, top_diffs=[np.array(1.0)])
    diff = result.bottom_diffs[0]
    assert np.isnan(result.tops[0])
    assert diff is not None and np.isfinite(diff[:, 0]).all() and np.isnan(diff[:, 1]).all()


def test_fields_and_shapes() -> None:
    layer = make_layer("CTCLoss", bottom=BLOBS)
    shapes = ((5, 4, 3), (4, 2), (4,), (4,))
    assert layer.top_shapes(shapes) == ((),)
    assert layer.classes(shapes) == {1: (3, None), 2: (6, None), 3: (3, None)}
    assert make_layer("CTCLoss", bottom=BLOBS[:2]).classes(shapes[:2]) == {1: (3, None)}
    for wrong, text in (
        (((5, 12), *shapes[1:]), "axes T x N x C"),
        ((shapes[0], (2, 4), *shapes[2:]), "with N = 4"),
        ((*shapes[:3], (3,)), "each of the 4 sequences"),
    ):
        with pytest.raises(ShapeError, match=text):
            layer.top_shapes(wrong)
    with pytest.raises(ShapeError, match="`blank` 3 is not one of the 3 classes"):
        make_layer("CTCLoss", bottom=BLOBS, blank=3).top_shapes(shapes)
    with pytest.raises(ValidationError):
        make_layer("CTCLoss", blank=-1)

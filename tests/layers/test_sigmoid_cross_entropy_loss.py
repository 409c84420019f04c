"""SigmoidCrossEntropyLoss against Caffe's numbers and the definition."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from netspec.layers import _loss
from tests.helpers.checks import Array, blob, check_layer, forward, make_layer, run_layer
from tests.helpers.oracle import against


def loss_of(x: Any, target: Any, **fields: Any) -> float:
    return float(
        forward(make_layer("SigmoidCrossEntropyLoss", **fields), np.array(x, float), np.array(target, float))[0]
    )


def test_published_values() -> None:
    for x, t, loss in ((0, 1, 0.6931472), (2, 0, 2.126928), (-1.5, 0.5, 0.9514133)):
        assert loss_of([x], [t]) == pytest.approx(loss, abs=1e-6)


def targets(*shape: int) -> np.ndarray:
    return np.random.default_rng(4).uniform(0, 1, shape)


@pytest.mark.parametrize(
    ("normalization", "divisor"), [(None, 3), ("VALID", 30), ("FULL", 30), ("BATCH_SIZE", 3), ("NONE", 1)]
)
def test_definition_and_derivative(normalization: str | None, divisor: int) -> None:
    x, t = blob(3, 5, 2, scale=3), targets(3, 5, 2)
    with mock.patch.object(_loss, "GRAIN", 4):
        result = check_layer(make_layer("SigmoidCrossEntropyLoss", normalization=normalization), [x, t])
    p = 1 / (1 + np.exp(-x))
    np.testing.assert_allclose(result.tops[0], -(t * np.log(p) + (1 - t) * np.log(1 - p)).sum() / divisor, rtol=1e-6)


def test_ignored_targets_have_no_gradient_and_do_not_count() -> None:
    x, t = blob(5, 3), np.where(blob(5, 3, seed=2) > 0, 1.0, -1.0)
    result = check_layer(make_layer("SigmoidCrossEntropyLoss", ignore_label=-1, normalization="VALID"), [x, t])
    np.testing.assert_allclose(result.tops[0], np.log1p(np.exp(-x[t == 1])).mean(), rtol=1e-6)
    diff = result.bottom_diffs[0]
    assert diff is not None
    np.testing.assert_array_equal(diff == 0, t == -1)


def test_targets_are_cut_to_whole_numbers_before_they_are_ignored() -> None:
    assert loss_of([[1.0, 2.0]], [[0.9, 1.0]], ignore_label=0) == pytest.approx(np.log1p(np.exp(-2)))
    assert loss_of([[1.0, 2.0]], [[1.9, 0.0]], ignore_label=1) == pytest.approx(2 + np.log1p(np.exp(-2)))


def test_loss_weight_scales_the_gradient() -> None:
    x, t = blob(4, 3), targets(4, 3)
    diff = run_layer(make_layer("SigmoidCrossEntropyLoss"), x, t, top_diffs=[np.array(3.7)]).bottom_diffs[0]
    np.testing.assert_allclose(diff, 3.7 * (1 / (1 + np.exp(-x)) - t) / 4)


def test_large_scores_do_not_overflow() -> None:
    layer = make_layer("SigmoidCrossEntropyLoss")
    result = run_layer(
        layer, np.array([[1e4, -1e4]]), np.array([[0.0, 0.0]]), top_diffs=[np.array(1.0)], dtype="float32"
    )
    assert result.tops[0] == 1e4
    np.testing.assert_array_equal(result.bottom_diffs[0], [[1, 0]])
    assert np.isnan(loss_of([np.nan], [1]))


def test_refuses_other_counts() -> None:
    with pytest.raises(ShapeError, match="same batch size"):
        make_layer("SigmoidCrossEntropyLoss").top_shapes(((2, 3), (2,)))


# --- weights and smoothing

FACTORS = (0.5, 1.0, 2.0, 0.25, 3.0)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("factors", [None, FACTORS])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("normalization", ["VALID", "FULL"])
def test_weights_and_smoothing(
    smoothing: float, factors: tuple[float, ...] | None, weighted: bool, normalization: str
) -> None:
    """FULL is PyTorch's mean; VALID divides by the weights."""
    truth = targets(3, 5, 2)
    truth[1, 2] = -1
    bottoms = [blob(3, 5, 2, scale=3), truth, *([np.abs(blob(3, 5, 2, seed=7)) * 0.1] if weighted else [])]

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        total, mass = 0.0, 0.0
        for n, c, i in np.ndindex(3, 5, 2):
            x, t = bottoms[0][n, c, i], bottoms[1][n, c, i]
            if t == -1:
                continue
            weight = (factors or [1] * 5)[c] * (bottoms[2][n, c, i] if weighted else 1)
            p, t = 1 / (1 + np.exp(-x)), t * (1 - smoothing) + smoothing / 2
            total -= weight * (t * np.log(p) + (1 - t) * np.log(1 - p))
            mass += weight
        return [np.array(total / (mass if normalization == "VALID" else 30))]

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        import torch

        x, t = bottoms[:2]
        weight = torch.ones_like(x) if factors is None else torch.tensor(factors, dtype=x.dtype)[None, :, None]
        weight = weight * (t != -1) * (bottoms[2] if weighted else 1)
        mixed = t * (1 - smoothing) + smoothing / 2
        loss = torch.nn.functional.binary_cross_entropy_with_logits(x, mixed, weight)
        return [loss * (30 / weight.sum() if normalization == "VALID" else 1)]

    fields = {"class_weights": factors, "label_smoothing": smoothing, "ignore_label": -1}
    with mock.patch.object(_loss, "GRAIN", 4):
        layer = make_layer("SigmoidCrossEntropyLoss", normalization=normalization, **fields)
        against(oracle, layer, bottoms, in_torch=in_torch, rtol=1e-10)


def test_fields_and_shapes_of_weights() -> None:
    layer = make_layer("SigmoidCrossEntropyLoss", class_weights=[1.0, 2.0])
    with pytest.raises(ShapeError, match=r"`class_weights` has 2 weights, but {bottom\[0\]} has 3 classes"):
        layer.top_shapes(((4, 3), (4, 3)))
    with pytest.raises(ShapeError, match="axis 1 does not exist"):
        layer.top_shapes(((4,), (4,)))
    with pytest.raises(ShapeError, match="a weight for each of the 12 values"):
        make_layer("SigmoidCrossEntropyLoss").top_shapes(((4, 3), (4, 3), (4,)))
    for wrong in ({"label_smoothing": -0.1}, {"label_smoothing": 1.1}, {"class_weights": [-1.0]}):
        with pytest.raises(ValidationError):
            make_layer("SigmoidCrossEntropyLoss", **wrong)

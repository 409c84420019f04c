"""FocalLoss against Lin's definition and PyTorch, in both forms; with gamma 0 it is the logistic loss."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from netspec.layers import _loss
from tests.helpers.checks import Array, blob, check_layer, forward, labels, make_layer, run_layer
from tests.helpers.oracle import against


@pytest.mark.parametrize(
    ("gamma", "alpha", "normalization"), [(2.0, 0.25, None), (0.5, None, "BATCH_SIZE"), (0.0, 0.7, "NONE")]
)
def test_sigmoid(gamma: float, alpha: float | None, normalization: str | None) -> None:
    divisor = {None: 30, "BATCH_SIZE": 3, "NONE": 1}[normalization]

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        total = 0.0
        for x, t in zip(bottoms[0].flat, bottoms[1].flat, strict=True):
            p = 1 / (1 + np.exp(-x))
            right = p if t else 1 - p
            weight = 1 if alpha is None else alpha if t else 1 - alpha
            total -= weight * (1 - right) ** gamma * np.log(right)
        return [np.array(total / divisor)]

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        import torch

        x, t = bottoms
        entropy, p = torch.nn.functional.binary_cross_entropy_with_logits(x, t, reduction="none"), x.sigmoid()
        weight = 1.0 if alpha is None else alpha * t + (1 - alpha) * (1 - t)
        return [(weight * (1 - p * t - (1 - p) * (1 - t)) ** gamma * entropy).sum() / divisor]

    layer = make_layer("FocalLoss", gamma=gamma, alpha=alpha, normalization=normalization)
    with mock.patch.object(_loss, "GRAIN", 4):
        against(oracle, layer, [blob(3, 5, 2, scale=2), labels(3, 5, 2, classes=2)], in_torch=in_torch)
        against(None, layer, [blob(3, 5, 2), np.abs(np.sin(blob(3, 5, 2, seed=2)))], in_torch=in_torch)


@pytest.mark.parametrize(("gamma", "weights"), [(2.0, None), (0.5, [0.5, 1.0, 2.0, 0.25, 3.0]), (0.0, None)])
def test_softmax(gamma: float, weights: list[float] | None) -> None:
    factors = weights or [1.0] * 5

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        x, label = bottoms
        total, mass = 0.0, 0.0
        for n, i in np.ndindex(3, 4):
            p, own = np.exp(x[n, :, i]) / np.exp(x[n, :, i]).sum(), int(label[n, i])
            if own != 3:
                total -= factors[own] * (1 - p[own]) ** gamma * np.log(p[own])
                mass += factors[own]
        return [np.array(total / mass)]

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        import torch

        x, label = bottoms[0], bottoms[1].long()
        weight = torch.tensor(factors, dtype=torch.float64)[label] * (label != 3)
        logs = x.log_softmax(1).gather(1, label[:, None])[:, 0]
        return [-(weight * (1 - logs.exp()) ** gamma * logs).sum() / weight.sum()]

    layer = make_layer("FocalLoss", form="SOFTMAX", gamma=gamma, class_weights=weights, ignore_label=3)
    with mock.patch.object(_loss, "GRAIN", 4):
        against(oracle, layer, [blob(3, 5, 4), labels(3, 4, classes=5)], in_torch=in_torch)


def test_gamma_0_is_the_logistic_loss() -> None:
    x, label = blob(4, 3), labels(4, classes=3)
    mine = run_layer(make_layer("FocalLoss", form="SOFTMAX", gamma=0.0), x, label, top_diffs=[np.array(2.0)])
    wanted = run_layer(make_layer("SoftmaxWithLoss"), x, label, top_diffs=[np.array(2.0)])
    np.testing.assert_allclose(mine.tops[0], wanted.tops[0], rtol=1e-12)
    np.testing.assert_allclose(mine.bottom_diffs[0], wanted.bottom_diffs[0], rtol=1e-10)


def test_another_axis() -> None:
    layer = make_layer("FocalLoss", form="SOFTMAX", axis=-1)
    result = check_layer(layer, [blob(3, 2, 5), labels(3, 2, classes=5)])
    turned = forward(make_layer("FocalLoss", form="SOFTMAX"), blob(3, 2, 5).swapaxes(1, 2), labels(3, 2, classes=5))
    np.testing.assert_allclose(result.tops[0], turned[0], rtol=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sure_scores_have_finite_gradients(gamma: float, dtype: str) -> None:
    x = np.array([[1e3, -1e3], [-1e3, 1e3]])
    one = [np.array(1.0)]
    sigmoid = run_layer(make_layer("FocalLoss", gamma=gamma), x, np.ones((2, 2)), top_diffs=one, dtype=dtype)
    classes = run_layer(
        make_layer("FocalLoss", form="SOFTMAX", gamma=gamma), x, np.zeros(2), top_diffs=one, dtype=dtype
    )
    for result in (sigmoid, classes):
        assert np.isfinite(result.tops[0]) and np.isfinite(result.bottom_diffs[0]).all()
    np.testing.assert_allclose(classes.bottom_diffs[0], [[0, 0], [-0.5, 0.5]])


def test_ignored_targets_and_labels_that_are_no_class() -> None:
    x, t = blob(5, 3), np.where(blob(5, 3, seed=2) > 0, 1.0, -1.0)
    result = check_layer(make_layer("FocalLoss", ignore_label=-1, alpha=None, gamma=1.0), [x, t])
    p = 1 / (1 + np.exp(-x[t == 1]))
    np.testing.assert_allclose(result.tops[0], -((1 - p) * np.log(p)).mean(), rtol=1e-6)
    np.testing.assert_array_equal(result.bottom_diffs[0] == 0, t == -1)
    layer = make_layer("FocalLoss", form="SOFTMAX")
    bad = run_layer(layer, blob(2, 3), np.array([1.0, 3.0]), top_diffs=[np.array(1.0)])
    assert np.isnan(bad.tops[0]) and np.isnan(bad.bottom_diffs[0][1]).all()
    assert np.isfinite(bad.bottom_diffs[0][0]).all()
    assert np.isnan(run_layer(layer, np.array([[0.0, np.nan]]), np.zeros(1)).tops[0])


def test_fields_and_shapes() -> None:
    layer = make_layer("FocalLoss", form="SOFTMAX", ignore_label=9, class_weights=[1.0, 2.0])
    assert layer.classes(((4, 2), (4,))) == {1: (2, 9)} and make_layer("FocalLoss").classes(((4, 2), (4, 2))) == {}
    with pytest.raises(ShapeError, match=r"`class_weights` has 2 weights, but {bottom\[0\]} has 3 classes"):
        layer.top_shapes(((4, 3), (4,)))
    with pytest.raises(ShapeError, match="equally many values"):
        make_layer("FocalLoss").top_shapes(((4, 3), (4,)))
    for wrong in ({"gamma": -1.0}, {"alpha": 1.5}, {"form": "SOFTMAX", "alpha": 0.5}, {"class_weights": [1.0]}):
        with pytest.raises(ValidationError):
            make_layer("FocalLoss", **wrong)
    with pytest.raises(ValidationError):
        make_layer("FocalLoss", form="SOFTMAX", class_weights=[1.0, -1.0])

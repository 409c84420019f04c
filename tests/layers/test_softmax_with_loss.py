"""SoftmaxWithLoss against Caffe's numbers, its normalisations, ignored and impossible labels."""

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


def loss_of(x: Any, label: Any, **fields: Any) -> float:
    return float(forward(make_layer("SoftmaxWithLoss", **fields), np.array(x, float), np.array(label, float))[0])


def reference(x: Array, label: Array) -> Array:
    """-ln softmax(x)[label] at every position, from the definition; x: (N, C, ...)."""
    prob = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    return -np.log(np.take_along_axis(prob, label.astype(int)[:, None], 1)[:, 0])


def test_published_values() -> None:
    assert loss_of([[1, 2, 3]], [2]) == pytest.approx(0.407606, abs=1e-6)
    assert loss_of([[0, 0, 0]], [0]) == pytest.approx(1.0986123, abs=1e-7)
    assert loss_of([[1, 2, 3], [0, 0, 0]], [2, 0]) == pytest.approx(0.7531091, abs=1e-7)
    assert loss_of([[3.2, 5.1, -1.7]], [0]) == pytest.approx(2.04, abs=0.005)


@pytest.mark.parametrize("ignore", [None, 3])
@pytest.mark.parametrize("normalization", ["VALID", "FULL", "BATCH_SIZE", "NONE"])
def test_derivative(normalization: str, ignore: int | None) -> None:
    x, label = blob(3, 5, 2, 4), labels(3, 2, 4, classes=5)
    layer = make_layer("SoftmaxWithLoss", normalization=normalization, ignore_label=ignore)
    result = check_layer(layer, [x, label])
    valid = np.ones(label.shape) if ignore is None else label != ignore
    divisor = {"VALID": valid.sum(), "FULL": 24, "BATCH_SIZE": 3, "NONE": 1}[normalization]
    np.testing.assert_allclose(result.tops[0], (reference(x, label) * valid).sum() / divisor, rtol=1e-6)
    diff = result.bottom_diffs[0]
    assert diff is not None and (np.moveaxis(diff, 1, -1)[~valid.astype(bool)] == 0).all()


def test_many_parts_and_another_axis() -> None:
    x, label = blob(5, 2, 7), labels(5, 2, classes=7)
    with mock.patch.object(_loss, "GRAIN", 3):
        assert _loss.cut(x.size) == 23
        result = check_layer(make_layer("SoftmaxWithLoss", axis=-1), [x, label])
    np.testing.assert_allclose(result.tops[0], reference(np.moveaxis(x, -1, 1), label).mean(), rtol=1e-6)


def test_second_top_holds_the_probabilities() -> None:
    x, label = blob(4, 3), labels(4, classes=3)
    result = check_layer(make_layer("SoftmaxWithLoss", top=["loss", "prob"]), [x, label])
    np.testing.assert_allclose(result.tops[1], np.exp(x) / np.exp(x).sum(1, keepdims=True), rtol=1e-6)
    np.testing.assert_allclose(result.tops[0], reference(x, label).mean(), rtol=1e-6)


def test_ignoring_each_label_in_turn_counts_every_other_once() -> None:
    x, label = blob(6, 5, 2), labels(6, 2, classes=5)
    full = loss_of(x, label, normalization="NONE")
    each = [loss_of(x, label, normalization="NONE", ignore_label=k) for k in range(5)]
    assert sum(each) == pytest.approx(4 * full)


def test_loss_weight_scales_the_gradient() -> None:
    x, label = blob(4, 3), labels(4, classes=3)
    layer = make_layer("SoftmaxWithLoss")
    one, more = (run_layer(layer, x, label, top_diffs=[np.array(w)]).bottom_diffs[0] for w in (1.0, 3.7))
    np.testing.assert_allclose(more, 3.7 * one)


def test_the_old_word_for_normalization() -> None:
    x, label = blob(3, 5, 2), labels(3, 2, classes=5)
    for old, new in ((True, "VALID"), (False, "BATCH_SIZE")):
        assert loss_of(x, label, normalize=old, ignore_label=1) == loss_of(x, label, normalization=new, ignore_label=1)
    assert loss_of(x, label, normalize=True, normalization="NONE") == loss_of(x, label, normalization="NONE")


def test_nothing_but_ignored_labels_is_no_loss() -> None:
    result = run_layer(
        make_layer("SoftmaxWithLoss", ignore_label=255), blob(2, 3), np.full(2, 255.0), top_diffs=[np.array(1.0)]
    )
    assert result.tops[0] == 0
    np.testing.assert_array_equal(result.bottom_diffs[0], np.zeros((2, 3)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_hopeless_score_costs_at_most_87(dtype: str) -> None:
    layer = make_layer("SoftmaxWithLoss")
    result = run_layer(layer, np.array([[0.0, 1000.0]]), np.zeros(1), top_diffs=[np.array(1.0)], dtype=dtype)
    assert float(result.tops[0]) == pytest.approx(87.3365, abs=1e-4)
    np.testing.assert_array_equal(result.bottom_diffs[0], [[-1, 1]])


@pytest.mark.parametrize("label", [-1.0, 3.0, 0.5, 7.5, 1e30, -1e30, np.nan, np.inf])
def test_a_label_that_is_no_class_gives_nan_and_reads_nothing_else(label: float) -> None:
    layer = make_layer("SoftmaxWithLoss", ignore_label=7)
    result = run_layer(layer, blob(2, 3), np.array([1.0, label]), top_diffs=[np.array(1.0)])
    diff = result.bottom_diffs[0]
    assert np.isnan(result.tops[0])
    assert diff is not None and np.isfinite(diff[0]).all() and np.isnan(diff[1]).all()


def test_a_score_that_is_not_finite_shows_in_the_loss() -> None:
    assert np.isnan(loss_of([[np.nan, 0.0]], [1]))
    assert np.isnan(loss_of([[np.inf, 0.0]], [1]))
    weighted = make_layer("SoftmaxWithLoss", class_weights=[1.0, 2.0])
    for score in (np.nan, np.inf):
        assert np.isnan(forward(weighted, np.array([[score, 0.0]]), np.ones(1))[0])


def test_classes_and_shapes() -> None:
    layer = make_layer("SoftmaxWithLoss", ignore_label=255)
    assert layer.classes(((2, 21, 3, 4), (2, 3, 4))) == {1: (21, 255)}
    assert layer.top_shapes(((2, 21, 3, 4), (2, 1, 3, 4))) == ((),)
    with pytest.raises(ShapeError, match=r"needs 2\*12 = 24 labels, but .* holds 6"):
        layer.top_shapes(((2, 21, 3, 4), (2, 3)))
    with pytest.raises(ShapeError, match="axis 1 does not exist"):
        layer.top_shapes(((2,), (2,)))


# --- weights, soft labels, smoothing

FACTORS = (0.5, 1.0, 2.0, 0.25, 3.0)


def in_torch(bottoms: list[Any], divisor: int | None = None, **options: Any) -> list[Any]:
    """cross_entropy of PyTorch; with weights of positions, or a divisor, the sum is divided here."""
    import torch

    x, truth = bottoms[:2]
    soft = truth.shape == x.shape
    factors = options.pop("class_weights", None)
    factors = None if factors is None else torch.tensor(factors, dtype=torch.float64)
    ignore = options.get("ignore_index", -100)
    truth = truth if soft else truth.long()
    mean = len(bottoms) == 2 and divisor is None
    each = torch.nn.functional.cross_entropy(x, truth, factors, reduction="mean" if mean else "none", **options)
    if mean:
        return [each]
    weight = bottoms[2] if len(bottoms) > 2 else torch.ones_like(each)
    mass = weight if soft or factors is None else weight * factors[truth.clamp(min=0)]
    kept = torch.ones_like(each, dtype=torch.bool) if soft else truth != ignore
    return [(each * weight).sum() / (divisor or (mass * kept).sum())]


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("factors", [None, FACTORS])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_weights_soft_labels_and_smoothing(
    smoothing: float, factors: tuple[float, ...] | None, soft: bool, weighted: bool
) -> None:
    """VALID is PyTorch's mean."""
    share = np.exp(blob(3, 5, 4, seed=6))
    truth = share / share.sum(1, keepdims=True) if soft else labels(3, 4, classes=5)
    bottoms = [blob(3, 5, 4), truth, *([np.abs(blob(3, 4, seed=7)) * 0.05] if weighted else [])]
    ignore = None if soft else 3

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        total, mass = 0.0, 0.0
        for n, i in np.ndindex(3, 4):
            x = bottoms[0][n, :, i]
            p = np.exp(x) / np.exp(x).sum()
            weight = bottoms[2][n, i] if weighted else 1.0
            given = bottoms[1][n, :, i] if soft else [float(c == bottoms[1][n, i]) for c in range(5)]
            if not soft and bottoms[1][n, i] == ignore:
                continue
            for c in range(5):
                mixed = given[c] * (1 - smoothing) + smoothing / 5
                total -= weight * (factors or [1] * 5)[c] * mixed * np.log(p[c])
            own = 1.0 if soft or factors is None else factors[int(bottoms[1][n, i])]
            mass += weight * own
        return [np.array(total / mass)]

    options = {"class_weights": factors, "label_smoothing": smoothing} | ({} if soft else {"ignore_index": 3})
    fields = {"class_weights": factors, "label_smoothing": smoothing, "ignore_label": ignore}
    with mock.patch.object(_loss, "GRAIN", 4):
        layer = make_layer("SoftmaxWithLoss", **fields)
        against(oracle, layer, bottoms, in_torch=lambda b, _: in_torch(b, **options), rtol=1e-10)


@pytest.mark.parametrize(("normalization", "divisor"), [("FULL", 12), ("BATCH_SIZE", 3), ("NONE", 1)])
def test_other_divisors_know_no_weights(normalization: str, divisor: int) -> None:
    bottoms = [blob(3, 5, 4), labels(3, 4, classes=5), np.abs(blob(3, 4, seed=7))]
    layer = make_layer("SoftmaxWithLoss", normalization=normalization, class_weights=FACTORS)
    against(None, layer, bottoms, in_torch=lambda b, _: in_torch(b, divisor, class_weights=FACTORS))


def test_weights_of_1_change_nothing() -> None:
    x, label = blob(3, 5, 4), labels(3, 4, classes=5)
    plain = run_layer(make_layer("SoftmaxWithLoss", axis=1), x, label, top_diffs=[np.array(2.0)])
    layer = make_layer("SoftmaxWithLoss", class_weights=[1.0] * 5)
    weighed = run_layer(layer, x, label, np.ones((3, 4)), top_diffs=[np.array(2.0)])
    np.testing.assert_allclose(weighed.tops[0], plain.tops[0], rtol=1e-13)
    np.testing.assert_allclose(weighed.bottom_diffs[0], plain.bottom_diffs[0], rtol=1e-12)


def test_weights_of_0_are_no_loss_and_a_hopeless_score_is_capped() -> None:
    layer = make_layer("SoftmaxWithLoss")
    result = run_layer(layer, blob(2, 3), np.zeros(2), np.zeros(2), top_diffs=[np.array(1.0)], dtype="float32")
    assert result.tops[0] == 0
    np.testing.assert_array_equal(result.bottom_diffs[0], np.zeros((2, 3)))
    hopeless = forward(layer, np.array([[0.0, 1000.0]]), np.zeros(1), np.full(1, 0.5))[0]
    assert float(hopeless) == pytest.approx(87.3365, abs=1e-4)


@pytest.mark.parametrize("label", [-1.0, 3.0, 0.5, np.nan])
def test_a_label_that_is_no_class_gives_nan_with_weights_too(label: float) -> None:
    layer = make_layer("SoftmaxWithLoss", label_smoothing=0.1, class_weights=[1.0, 2.0, 3.0])
    result = run_layer(layer, blob(2, 3), np.array([1.0, label]), top_diffs=[np.array(1.0)])
    diff = result.bottom_diffs[0]
    assert np.isnan(result.tops[0])
    assert diff is not None and np.isfinite(diff[0]).all() and np.isnan(diff[1]).all()


def test_fields_classes_and_chance_of_weights() -> None:
    scores, label = (4, 3, 2), (4, 2)
    assert make_layer("SoftmaxWithLoss").classes((scores, scores)) == {}
    assert make_layer("SoftmaxWithLoss").classes(((4, 1), (4, 1))) == {1: (1, None)}
    assert make_layer("SoftmaxWithLoss", label_smoothing=0.1).chance((scores, label)) == pytest.approx(np.log(3))
    assert make_layer("SoftmaxWithLoss", class_weights=[1.0, 2, 3]).chance((scores, label)) == pytest.approx(np.log(3))
    uneven = make_layer("SoftmaxWithLoss", class_weights=[1.0, 2, 3], label_smoothing=0.1)
    assert uneven.chance((scores, label)) is None
    assert make_layer("SoftmaxWithLoss", normalization="FULL").chance((scores, label, label)) is None
    with pytest.raises(ShapeError, match=r"`class_weights` has 2 weights, but {bottom\[0\]} has 3 classes"):
        make_layer("SoftmaxWithLoss", class_weights=[1.0, 2.0]).top_shapes((scores, label))
    with pytest.raises(ShapeError, match="`ignore_label` needs labels"):
        make_layer("SoftmaxWithLoss", ignore_label=1).top_shapes((scores, scores))
    with pytest.raises(ShapeError, match="a weight for each of the 8 positions"):
        make_layer("SoftmaxWithLoss").top_shapes((scores, label, (4,)))
    for wrong in ({"label_smoothing": -0.1}, {"label_smoothing": 1.1}, {"class_weights": [-1.0]}):
        with pytest.raises(ValidationError):
            make_layer("SoftmaxWithLoss", **wrong)

"""What a test says of each head, against scikit-learn and hand-worked cases, for any batch size."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.training import tester as testers
from netspec.training.feeds import open_named
from netspec.training.job import load_solver
from netspec.training.judging import evaluation, judge
from netspec.training.judging.evaluation import NotFiniteOutputError, evaluate, write

Array = np.ndarray
Values = dict[str, Any]
Layers = list[dict[str, Any]]

COUNT, CLASSES, LABELS, OUTPUTS, HIGH, WIDE = 47, 4, 3, 2, 5, 6


def opened(
    folder: Path, arrays: dict[str, Array], layers: Layers, batch: int = 10, judged: bool = True, transform: Any = ()
) -> testers.Tester:
    """A tester of a net whose scores are its inputs, so that the truth about them is known."""
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    tops = {"name": "in", "type": "Input", "top": list(arrays)}
    net = {"name": "t", "layers": [tops | {"shape": [[1, *array.shape[1:]] for array in arrays.values()]}, *layers]}
    source = {"type": "Arrays", "outputs": [str(folder / f"{name}.npy") for name in arrays]}
    data = {"test": {"source": source, "batch_size": batch, "transform": list(transform)}}
    values = {"net": net, "data": data, "base_lr": 0.1, "lr_policy": "fixed", "max_iter": 1}
    job = load_solver(values, phases=("TEST",))
    return testers.Tester(job, {"test": open_named(job, "test", "TEST", 1)}, None, 1, judged=judged)


def said(
    folder: Path, arrays: dict[str, Array], layers: Layers, batch: int = 10, worst: int = 3, transform: Any = ()
) -> Values:
    one = opened(folder, arrays, layers, batch, transform=transform)
    return evaluate(one, "test", Path("w.safetensors"), worst=worst)[1]


def head(folder: Path, type: str, x: Array, t: Array, batch: int = 10, worst: int = 3, **fields: Any) -> Values:
    """The only head of a net with one loss."""
    layer = {"name": "loss", "type": type, "bottom": ["x", "t"], **fields}
    found: Values = said(folder, {"x": x.astype(np.float32), "t": t}, [layer], batch, worst)["heads"][0]
    return found


def scores(*shape: int, seed: int = 1) -> Array:
    return 2 * np.random.default_rng(seed).standard_normal(shape)


def labels(*shape: int, classes: int = CLASSES, seed: int = 2) -> Array:
    return np.random.default_rng(seed).integers(0, classes, shape)


def softmax(x: Array, axis: int = 1) -> Array:
    e = np.exp(x.astype(np.float32).astype(np.float64))
    return e / e.sum(axis=axis, keepdims=True)


# --- hand-worked


def test_four_samples_by_hand(tmp_path: Path) -> None:
    """Classes 0, 0, 1, 1; predicted 0, 1, 1, 1; probabilities that are quotients."""
    p = np.array([[0.75, 0.25], [0.25, 0.75], [0.125, 0.875], [0.5 - 1 / 16, 0.5 + 1 / 16]])
    found = head(tmp_path, "SoftmaxWithLoss", np.log(p), np.array([0, 0, 1, 1]), batch=3, worst=2)
    assert found["confusion"] == [[1, 1], [0, 2]] and found["confused"] == [[0, 1, 1]]
    assert found["accuracy"] == 0.75 and found["positions"] == 4 and "top5" not in found
    assert [row["support"] for row in found["by_class"]] == [2, 2]
    assert found["by_class"][0]["precision"] == 1 and found["by_class"][0]["recall"] == 0.5
    assert found["by_class"][1]["f1"] == pytest.approx(0.8) and found["macro"]["f1"] == pytest.approx((2 / 3 + 0.8) / 2)
    assert found["roc_auc"] == 0.75  # of the pairs (1, 0) p[1] is greater in 3 of 4
    # bins of 1/15: 0.75 in one (1 right of 2), 0.875 in another, 0.5625 in a third
    assert found["ece"] == pytest.approx((2 * 0.25 + 0.125 + (0.5 - 1 / 16)) / 4, rel=1e-6)
    first, second = found["worst"]
    assert first["sample"] == 1 and first["loss"] == pytest.approx(np.log(4), rel=1e-6)
    assert (first["label"], first["prediction"]) == (0, 1) and first["probability"] == pytest.approx(0.75)
    assert first["label_probability"] == pytest.approx(0.25)
    assert second["sample"] == 3 and second["prediction"] == second["label"] == 1


def test_numbers_by_hand(tmp_path: Path) -> None:
    """The first output misses by 1 and 3, the second by nothing."""
    found = head(tmp_path, "EuclideanLoss", np.array([[1.0, 4], [7, 8]]), np.array([[2.0, 4], [4, 8]]), batch=1)
    one, two = found["by_output"]
    assert one["rmse"] == pytest.approx(np.sqrt(5)) and one["mae"] == 2 and one["r2"] == 1 - 10 / 2
    assert two == {"rmse": 0, "mae": 0, "r2": 1} and found["r2"] == (one["r2"] + 1) / 2
    assert found["rmse"] == pytest.approx(np.sqrt(2.5)) and found["mae"] == 1 and found["values"] == 4
    assert found["worst"][0] | {"name": 0} == {
        "sample": 1, "name": 0, "loss": 4.5, "target": [4, 8], "prediction": [7, 8], "thumbnail": None
    }  # fmt: skip


def test_points_lie_evenly_whatever_the_batches_are(tmp_path: Path) -> None:
    """Of 1100 samples every fourth is kept: 275, since 1100 and 550 are more than 500."""
    x = scores(1100, 7)
    t = x + scores(1100, 7, seed=3)
    found = [head(tmp_path, "EuclideanLoss", x, t.astype(np.float32), batch)["points"] for batch in (7, 1100)]
    assert found[0] == found[1] and [len(each) for each in found[0]] == [275] * 6
    expected = np.stack([t[::4, :6].astype(np.float32), x[::4, :6].astype(np.float32)], axis=-1)
    assert found[0] == np.moveaxis(expected, 1, 0).tolist()


# --- against scikit-learn


def test_classes_as_scikit_learn_has_them(tmp_path: Path) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    x, t = scores(COUNT, 12), labels(COUNT, classes=12)
    found, p = head(tmp_path, "SoftmaxWithLoss", x, t, worst=COUNT), softmax(x)
    predicted = p.argmax(1)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(t, predicted))
    assert found["top5"] == pytest.approx(metrics.top_k_accuracy_score(t, p, k=5, labels=range(12)))
    assert found["confusion"] == metrics.confusion_matrix(t, predicted, labels=range(12)).tolist()
    whole = metrics.precision_recall_fscore_support(t, predicted, labels=range(12), zero_division=0)
    for key, wanted in zip(("precision", "recall", "f1", "support"), whole, strict=True):
        np.testing.assert_allclose([row[key] for row in found["by_class"]], wanted)
    for average in ("macro", "weighted"):
        wanted = metrics.precision_recall_fscore_support(t, predicted, average=average, zero_division=0)[:3]
        np.testing.assert_allclose(list(found[average].values()), wanted)
    for c, row in enumerate(found["by_class"]):
        assert row["roc_auc"] == pytest.approx(metrics.roc_auc_score(t == c, p[:, c]))
    assert found["roc_auc"] == pytest.approx(metrics.roc_auc_score(t, p, multi_class="ovr"))
    losses = -np.log(p[np.arange(COUNT), t])
    assert [one["sample"] for one in found["worst"]] == np.argsort(-losses, kind="stable").tolist()
    np.testing.assert_allclose([one["loss"] for one in found["worst"]], np.sort(losses)[::-1], rtol=1e-6)


def test_labels_as_scikit_learn_has_them(tmp_path: Path) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    x, t = scores(COUNT, LABELS), labels(COUNT, LABELS, classes=2)
    found, p = head(tmp_path, "SigmoidCrossEntropyLoss", x, t, worst=2), 1 / (1 + np.exp(-x))
    predicted = p > 0.5
    assert found["exact"] == pytest.approx(metrics.accuracy_score(t, predicted))
    assert found["accuracy"] == pytest.approx(1 - metrics.hamming_loss(t, predicted))
    for average in ("macro", "micro"):
        wanted = metrics.precision_recall_fscore_support(t, predicted, average=average)[:3]
        np.testing.assert_allclose(list(found[average].values()), wanted)
    np.testing.assert_allclose([row["roc_auc"] for row in found["by_class"]], metrics.roc_auc_score(t, p, average=None))
    assert found["roc_auc"] == pytest.approx(metrics.roc_auc_score(t, p)) and found["positions"] == COUNT
    losses = -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean(1)
    worst = found["worst"][0]
    assert worst["sample"] == losses.argmax() and worst["loss"] == pytest.approx(losses.max(), rel=1e-6)
    assert worst["labels"] == np.flatnonzero(t[losses.argmax()]).tolist()
    assert worst["predictions"] == np.flatnonzero(predicted[losses.argmax()]).tolist()
    np.testing.assert_allclose(worst["probabilities"], p[losses.argmax()][worst["predictions"]], rtol=1e-6)


def test_a_single_sigmoid_is_two_classes(tmp_path: Path) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    x, t = scores(COUNT, 1), labels(COUNT, 1, classes=2)
    found, p = head(tmp_path, "SigmoidCrossEntropyLoss", x, t), 1 / (1 + np.exp(-x[:, 0]))
    assert found["task"] == "classes" and found["size"] == 2
    assert found["confusion"] == metrics.confusion_matrix(t[:, 0], p > 0.5).tolist()
    assert found["roc_auc"] == pytest.approx(metrics.roc_auc_score(t[:, 0], p))
    own = np.where(t[:, 0] == 1, p, 1 - p)
    assert found["worst"][0]["label_probability"] == pytest.approx(own.min(), rel=1e-5)
    ignoring = head(
        tmp_path, "SigmoidCrossEntropyLoss", x, np.where(np.arange(COUNT)[:, None] < 9, 7, t), ignore_label=7
    )
    assert ignoring["positions"] == COUNT - 9


@pytest.mark.parametrize("type", ["EuclideanLoss", "L1Loss", "SmoothL1Loss"])
def test_numbers_as_scikit_learn_has_them(type: str, tmp_path: Path) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    x, t = scores(COUNT, OUTPUTS), scores(COUNT, OUTPUTS, seed=3).astype(np.float32)
    found, x = head(tmp_path, type, x, t), x.astype(np.float32).astype(np.float64)
    assert found["r2"] == pytest.approx(metrics.r2_score(t, x))
    for row, wanted in zip(found["by_output"], metrics.r2_score(t, x, multioutput="raw_values"), strict=True):
        assert row["r2"] == pytest.approx(wanted)
    assert found["rmse"] == pytest.approx(np.sqrt(metrics.mean_squared_error(t, x)))
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(t, x))


# --- other tasks


def test_positions_of_a_map_with_an_ignored_label(tmp_path: Path) -> None:
    x, t = scores(9, CLASSES, HIGH, WIDE), labels(9, HIGH, WIDE)
    t[:, 0] = 255
    found = head(tmp_path, "SoftmaxWithLoss", x, t, batch=4, ignore_label=255)
    kept = t != 255
    right = x.argmax(1) == t
    assert found["positions"] == kept.sum() and found["accuracy"] == pytest.approx(right[kept].mean())
    losses = -np.log(np.take_along_axis(softmax(x), np.where(kept, t, 0)[:, None], 1)[:, 0])
    means = (losses * kept).sum((1, 2)) / kept.sum((1, 2))
    one = found["worst"][0]
    assert one["sample"] == means.argmax() and one["loss"] == pytest.approx(means.max(), rel=1e-6)
    assert one["positions"] == 24 and one["wrong"] == (kept & ~right)[means.argmax()].sum()


def test_soft_labels_count_as_their_likeliest_class(tmp_path: Path) -> None:
    x, t = scores(COUNT, CLASSES), softmax(scores(COUNT, CLASSES, seed=4)).astype(np.float32)
    found = head(tmp_path, "SoftmaxWithLoss", x, t)
    assert found["accuracy"] == pytest.approx((x.argmax(1) == t.argmax(1)).mean())
    assert found["worst"][0]["loss"] == pytest.approx((-(t * np.log(softmax(x))).sum(1)).max(), rel=1e-6)


def test_scores_that_are_no_probabilities(tmp_path: Path) -> None:
    x, t = scores(COUNT, CLASSES), labels(COUNT)
    found = head(tmp_path, "HingeLoss", x, t)
    assert "ece" not in found and "probability" not in found["worst"][0] and 0 < found["roc_auc"] < 1
    own = x[np.arange(COUNT), t]
    best = np.where(np.arange(CLASSES) == t[:, None], -np.inf, x).max(1)
    assert found["worst"][0]["loss"] == pytest.approx((best - own).max(), rel=1e-6)
    single = head(tmp_path, "PerceptronLoss", x[:, :1], t % 2)
    assert single["accuracy"] == pytest.approx(((x[:, 0] > 0) == (t % 2 == 1)).mean())


def test_numbers_that_are_called_probabilities_and_are_none(tmp_path: Path) -> None:
    found = head(tmp_path, "MultinomialLogisticLoss", abs(scores(COUNT, CLASSES)) + 1, labels(COUNT))
    assert "ece" not in found and found["positions"] == COUNT


def test_counts_are_rates(tmp_path: Path) -> None:
    x, t = scores(COUNT, OUTPUTS), labels(COUNT, OUTPUTS)
    found = head(tmp_path, "PoissonLoss", x, t)
    assert found["mae"] == pytest.approx(abs(np.exp(x) - t).mean(), rel=1e-6)


def test_a_target_is_given_back_in_its_own_units(tmp_path: Path) -> None:
    """Against the same target as the source has it, with predictions brought there by hand."""
    x, y = scores(COUNT, OUTPUTS).astype(np.float32), scores(COUNT, OUTPUTS, seed=3).astype(np.float32)
    mean, deviation = np.array([5.0, -7.0]), np.array([10.0, 1000.0])
    own = x * deviation + mean, (y * deviation + mean).astype(np.float32)
    layers = [{"name": "loss", "type": "EuclideanLoss", "bottom": ["x", "t"]}]
    normalize = {"type": "Normalize", "output": 1, "mean": mean.tolist(), "deviation": deviation.tolist()}
    found = said(tmp_path, {"x": x, "t": own[1]}, layers, transform=[normalize])["heads"][0]
    for c, row in enumerate(found["by_output"]):
        apart = own[0][:, c] - own[1][:, c]
        assert row["rmse"] == pytest.approx(np.sqrt((apart**2).mean()), rel=1e-5)
        assert row["mae"] == pytest.approx(abs(apart).mean(), rel=1e-5)
    assert found["r2"] == pytest.approx(head(tmp_path, "EuclideanLoss", x, y)["r2"], rel=1e-5)
    losses = ((x - y).astype(np.float64) ** 2).mean(1)
    worst = found["worst"][0]
    assert worst["sample"] == losses.argmax() and worst["loss"] == pytest.approx(losses.max(), rel=1e-4)
    np.testing.assert_allclose(worst["target"], own[1][losses.argmax()], rtol=1e-5)
    np.testing.assert_allclose(worst["prediction"], own[0][losses.argmax()], rtol=1e-5)


def test_a_net_with_several_heads_and_one_without(tmp_path: Path) -> None:
    arrays = {"x": scores(COUNT, CLASSES).astype(np.float32), "t": labels(COUNT), "y": scores(COUNT, CLASSES, seed=5)}
    layers = [
        {"name": "what", "type": "SoftmaxWithLoss", "bottom": ["x", "t"]},
        {"name": "where", "type": "EuclideanLoss", "bottom": ["x", "y"]},
    ]
    found = said(tmp_path, arrays, layers)
    assert [(one["name"], one["task"]) for one in found["heads"]] == [("what", "classes"), ("where", "numbers")]
    sums = [
        {"name": "sum", "type": "Reduction", "bottom": "x"},
        {"name": "off", "type": "Silence", "bottom": ["t", "y"]},
    ]
    assert said(tmp_path, arrays, sums)["heads"] == []


# --- promises


CASES: dict[str, Callable[[], tuple[str, Array, Array]]] = {
    "classes": lambda: ("SoftmaxWithLoss", scores(COUNT, CLASSES), labels(COUNT)),
    "map": lambda: ("SoftmaxWithLoss", scores(COUNT, CLASSES, HIGH), labels(COUNT, HIGH)),
    "labels": lambda: ("SigmoidCrossEntropyLoss", scores(COUNT, LABELS), labels(COUNT, LABELS, classes=2)),
    "numbers": lambda: ("EuclideanLoss", scores(COUNT, OUTPUTS), scores(COUNT, OUTPUTS, seed=6).astype(np.float32)),
}


@pytest.mark.parametrize("case", CASES)
def test_bits_do_not_depend_on_the_batch_size(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netspec.training.judging.blocks.BLOCK", 60)
    found = [head(tmp_path, *CASES[case](), batch=batch) for batch in (1, 4, 10, COUNT)]
    assert all(json.dumps(one) == json.dumps(found[0]) for one in found)
    monkeypatch.setattr(judge, "EXACT", 0)
    found = [head(tmp_path, *CASES[case](), batch=batch) for batch in (1, 10, COUNT)]
    assert all(json.dumps(one) == json.dumps(found[0]) for one in found)


def test_the_area_of_counts_is_close_to_the_exact_area(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of scores so sure that equal parts of 0..1 would hold nearly all of them in two parts."""
    t = labels(400)
    x = 8 * scores(400, CLASSES) + 6 * np.eye(CLASSES)[t]
    exact = head(tmp_path, "SoftmaxWithLoss", x, t)
    monkeypatch.setattr(judge, "EXACT", 0)
    counted = head(tmp_path, "SoftmaxWithLoss", x, t)
    assert exact["roc_auc_exact"] and not counted["roc_auc_exact"]
    assert counted["roc_auc"] == pytest.approx(exact["roc_auc"], abs=2e-4) and exact["roc_auc"] < 0.99
    monkeypatch.setattr("netspec.training.judging.class_judge.EXACT", 0)
    assert "roc_auc" not in head(tmp_path, "HingeLoss", x, t)


def test_many_classes_are_said_by_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x, t = scores(COUNT, CLASSES), labels(COUNT)
    whole = head(tmp_path, "SoftmaxWithLoss", x, t)
    monkeypatch.setattr("netspec.training.judging.class_judge.MATRIX_SHOWN", 3)
    found = head(tmp_path, "SoftmaxWithLoss", x, t)
    assert found["confusion"] is None and found["confused"] == whole["confused"]
    for true, predicted, number in found["confused"]:
        assert true != predicted and whole["confusion"][true][predicted] == number > 0
    assert [pair[2] for pair in found["confused"]] == sorted((pair[2] for pair in found["confused"]), reverse=True)
    monkeypatch.setattr("netspec.training.judging.class_judge.MOST_CLASSES", 3)
    found = head(tmp_path, "SoftmaxWithLoss", x, t)
    assert "confused" not in found and found["accuracy"] == whole["accuracy"]


def test_the_nets_own_scores_are_as_without_heads(tmp_path: Path) -> None:
    arrays = {"x": scores(COUNT, WIDE).astype(np.float32), "t": labels(COUNT)}
    layers = [
        {"name": "ip", "type": "InnerProduct", "bottom": "x", "num_output": CLASSES, "weight_filler": "xavier"},
        {"name": "act", "type": "ReLU", "bottom": "ip", "top": "ip"},
        {"name": "accuracy", "type": "Accuracy", "bottom": ["ip", "t"]},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "t"]},
        {"name": "prob", "type": "Softmax", "bottom": "ip", "top": "ip"},
    ]
    plain = opened(tmp_path, arrays, layers, judged=False).run()[0]
    for batch in (1, 7, COUNT):
        found = said(tmp_path, arrays, layers, batch)
        assert found["scores"]["accuracy"] == plain["accuracy"] == found["heads"][0]["accuracy"]
        assert found["scores"] == {name: pytest.approx(value, rel=1e-6) for name, value in plain.items()}
    assert said(tmp_path, arrays, layers)["scores"] == plain


def test_an_output_that_is_not_finite_is_named(tmp_path: Path) -> None:
    x = scores(COUNT, CLASSES)
    x[23, 1] = np.inf
    layers = [{"name": "accuracy", "type": "Accuracy", "bottom": ["x", "t"]}]
    with pytest.raises(NotFiniteOutputError, match=r"blob 'x' of sample 23 .*x\.npy"):
        said(tmp_path, {"x": x.astype(np.float32), "t": labels(COUNT)}, layers)


def test_pictures_and_names_of_the_worst(tmp_path: Path) -> None:
    pictures = np.random.default_rng(1).integers(0, 256, (6, 1, HIGH, WIDE)).astype(np.uint8)
    layers = [
        {"name": "flat", "type": "Flatten", "bottom": "picture"},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["flat", "t"]},
    ]
    found = said(tmp_path, {"picture": pictures, "t": labels(6)}, layers, batch=4, worst=2)
    one, two = found["heads"][0]["worst"]
    assert one["thumbnail"].startswith("iVBOR") and one["name"] == f"sample {one['sample']} of picture.npy"
    assert one["loss"] >= two["loss"]
    path = write(tmp_path / "run", found)
    assert path == tmp_path / "run" / "test" / "test.json"
    kept = json.loads(path.read_text())
    assert kept == {"format": 1, **json.loads(json.dumps(found))}
    assert not list(path.parent.glob(".*"))
    assert all(f"`{key}`" in (evaluation.__doc__ or "") for key in {*kept, *kept["heads"][0], *one})

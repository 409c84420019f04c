"""A probe shows what NumPy finds in the first batches, and changes nothing."""

from __future__ import annotations

from math import log
from typing import Any

import numpy as np
import pytest

from netspec.training.feeds import open_phases
from netspec.training.job import load_solver
from netspec.training.probe import Probe
from netspec.training.probing import probe
from netspec.training.rules import base_examples as made
from tests.helpers.sessions import session

Values = dict[str, Any]

ORDERED: Values = made.solver(train=made.feed(shuffle=False), weight_decay=0.02, base_lr=0.3)
LAYERS = ("hidden", "scores")


def probed(values: Values, *overrides: str) -> Probe:
    job = load_solver(values, overrides)
    return probe(job, open_phases(job, job.spec.random_seed))


def batch(number: int) -> tuple[np.ndarray, np.ndarray]:
    samples = range(20 * number, 20 * number + 20)
    return (
        np.array([[made.value(i, j) for j in range(made.FEATURES)] for i in samples]),
        np.array([made.own_class(i) for i in samples]),
    )


def passed(weights: dict[str, np.ndarray], number: int) -> tuple[float, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The loss, the blobs, and the gradients of the weights and of the blobs of a batch, as a loop of our own."""
    x, label = batch(number)
    hidden = x @ weights["hidden.weight"].T + weights["hidden.bias"]
    relu = np.maximum(hidden, 0)
    scores = relu @ weights["scores.weight"].T + weights["scores.bias"]
    prob = np.exp(scores - scores.max(axis=1, keepdims=True))
    prob /= prob.sum(axis=1, keepdims=True)
    loss = -np.log(prob[np.arange(20), label]).mean()
    prob[np.arange(20), label] -= 1
    d_scores = prob / 20
    d_relu = d_scores @ weights["scores.weight"]
    d_hidden = d_relu * (hidden > 0)
    slopes = {"scores.weight": d_scores.T @ relu, "hidden.weight": d_hidden.T @ x}
    return loss, {"hidden": hidden, "relu": relu, "scores": scores}, slopes | {"relu": d_relu, "scores": d_scores}


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    one = session(ORDERED)
    one.close()
    return {
        name: array.astype(np.float64)
        for name, array in zip(one.train.weights.names, one.train.weights.data, strict=True)
    }


@pytest.mark.parametrize("size", [1, 2])
def test_it_shows_what_numpy_finds(weights: dict[str, np.ndarray], size: int) -> None:
    seen, found = probed({**ORDERED, "iter_size": size}), [passed(weights, number) for number in range(4)]
    assert (seen.batch, seen.batches, seen.samples) == (20, 4, 80)
    assert seen.loss == pytest.approx(np.mean([loss for loss, _, _ in found]), rel=1e-5)
    assert seen.guess == seen.blank == pytest.approx(log(4), rel=1e-6)
    squares = sum((array**2).sum() for array in weights.values())
    assert seen.penalty == pytest.approx(0.02 / 2 * squares, rel=1e-5)
    assert seen.shrink == pytest.approx(0.3 * 0.02)
    for blob in seen.blobs:
        values = np.stack([blobs[blob.layer] for _, blobs, _ in found])
        assert blob.mean == pytest.approx(values.mean(), rel=1e-4, abs=1e-6)
        assert blob.deviation == pytest.approx(values.std(), rel=1e-4)
        assert blob.largest == pytest.approx(abs(values).max(), rel=1e-5)
        if blob.layer != "hidden":
            slopes = np.stack([slope[blob.layer] for _, _, slope in found])
            assert blob.gradient == pytest.approx(np.sqrt((slopes**2).mean()), rel=1e-4)
    relu = np.concatenate([blobs["relu"] for _, blobs, _ in found])
    assert next(blob.dead for blob in seen.blobs if blob.layer == "relu") == pytest.approx(
        (relu.max(axis=0) == 0).mean()
    )
    own = {f"{one.layer}.{one.param}": one for one in seen.weights}
    for name in ("hidden.weight", "scores.weight"):
        weight, slope = weights[name], np.mean([slopes[name] for _, _, slopes in found[:size]], axis=0)
        norm = np.linalg.norm(weight)
        assert own[name].size == pytest.approx(np.sqrt((weight**2).mean()), rel=1e-5)
        assert own[name].usual == pytest.approx(np.sqrt(2 / weight.shape[1]))
        assert own[name].gradient == pytest.approx(np.linalg.norm(slope) / norm, rel=1e-4)
        step = 0.3 * np.linalg.norm(slope + 0.02 * weight) / norm
        assert own[name].step == pytest.approx(step, rel=1e-4)


def test_looking_changes_nothing_and_repeats() -> None:
    job = load_solver(ORDERED)
    feeds = open_phases(job, 1)
    assert probe(job, feeds) == probe(job, feeds)
    one = session(ORDERED)
    one.step()
    want = [array.copy() for array in one.train.weights.data]
    one.close()
    other = session(ORDERED)
    probe(other.job, other.feeds)
    other.step()
    other.close()
    assert all(np.array_equal(a, b) for a, b in zip(want, other.train.weights.data, strict=True))


def headed(loss: Values, truth: Any, outputs: int) -> Values:
    shape = np.array(truth).shape
    x = [[made.value(i, j) for j in range(3)] for i in range(len(truth))]
    source = {"type": "Arrays", "values": [x, truth]}
    first = {"name": "data", "type": "Input", "top": ["data", "truth"], "shape": [[5, 3], [5, *shape[1:]]]}
    layers = [first, made.product("out", outputs, bottom="data"), {"name": "loss", "bottom": ["out", "truth"], **loss}]
    feed = {"source": source, "batch_size": 5, "shuffle": False}
    return {"net": {"layers": layers}, "data": {"train": feed}, "base_lr": 0.1, "lr_policy": "fixed", "max_iter": 9}


NUMBERS = [[0.5, 2.0], [1.5, -1.0], [3.0, 0.0], [-1.0, 4.0], [0.0, 1.0]]
MEANS = np.array(NUMBERS).mean(axis=0)


@pytest.mark.parametrize(
    ("values", "guess", "blank"),
    [
        (headed({"type": "HingeLoss"}, [0, 1, 2, 0, 1], 3), 3.0, 3.0),
        (headed({"type": "HingeLoss", "norm": "L2"}, [0, 1, 2, 0, 1], 3), 3.0, 3.0),
        (headed({"type": "MultiClassHingeLoss"}, [0, 1, 2, 0, 1], 3), 2.0, 2.0),
        (
            headed({"type": "SigmoidCrossEntropyLoss"}, [[0, 1], [1, 0], [1, 1], [0, 0], [1, 0]], 2),
            2 * log(2),
            2 * log(2),
        ),
        (
            headed({"type": "EuclideanLoss"}, NUMBERS, 2),
            ((np.array(NUMBERS) - MEANS) ** 2).sum() / 10,
            (np.array(NUMBERS) ** 2).sum() / 10,
        ),
    ],
)
def test_the_loss_of_a_guess_is_that_of_theory(values: Values, guess: float, blank: float) -> None:
    seen = probed(values)
    assert seen.guess == pytest.approx(guess, rel=1e-5) and seen.blank == pytest.approx(blank, rel=1e-5)
    assert probed({**values, "base_lr": 0.2}).loss == seen.loss != pytest.approx(seen.guess)


def test_saturation_counts_slopes_below_a_hundredth_of_the_steepest() -> None:
    biased = made.product("hidden", 8, bias_filler={"type": "constant", "value": 5.0})
    seen = probed(made.solver([biased, {"name": "sigmoid", "type": "Sigmoid"}], made.feed(shuffle=False)))
    one = session(made.solver([biased, {"name": "sigmoid", "type": "Sigmoid"}], made.feed(shuffle=False)))
    one.close()
    hidden = np.concatenate([batch(number)[0] for number in range(4)]) @ one.train.weights.data[0].T + 5
    y = 1 / (1 + np.exp(-hidden))
    share = (y * (1 - y) < 0.01 / 4).mean()
    assert 0.05 < share < 0.95
    assert next(blob.saturated for blob in seen.blobs if blob.layer == "sigmoid") == pytest.approx(share)


def test_weights_of_a_file_are_not_drawn(tmp_path: Any) -> None:
    one = session(ORDERED)
    one.snapshot(tmp_path / "w.safetensors")
    one.close()
    drawn = {one.layer: one.drawn for one in probed(ORDERED).weights if one.param == "weight"}
    loaded = {one.layer: one.drawn for one in probed({**ORDERED, "weights": str(tmp_path / "w.safetensors")}).weights}
    assert drawn == dict.fromkeys(LAYERS, True) and loaded == dict.fromkeys(LAYERS, False)

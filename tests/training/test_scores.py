"""Scores of a test: the same for any batch size, as their definitions say; and what is not finite is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.core.errors import NetspecError
from netspec.data.labels import BadLabelError
from netspec.data.sources.base import ArrayDataset
from netspec.training import snapshot
from netspec.training.blame import NotFiniteScoreError
from netspec.training.solve import solve
from netspec.training.tester import labelled
from tests.helpers.checks import make_layer
from tests.helpers.mutations import seeds
from tests.helpers.scoring import measure_of
from tests.helpers.sessions import Values, session

COUNT, CLASSES, INNER, WIDTH = 23, 3, 2, 5
Make = Callable[..., Values]
Layers = list[dict[str, Any]]


def dense(name: str, outputs: int) -> dict[str, Any]:
    filler = {"type": "gaussian", "std": 1.0}
    return {"name": name, "type": "InnerProduct", "bottom": "x", "num_output": outputs, "weight_filler": filler}


def scored(folder: Path, *layers: dict[str, Any], rarely: float = 0.15, seed: int = 1) -> Values:
    """A solver with TEST layers on `ip` (N, C), `map` (N, C, 2), `label` (N,), `labels` (N, 2) and `target` (N, C).

    Class 2 is rare, and labels of 9 are to be ignored.
    """
    random = np.random.default_rng(seed)
    share = ((1 - rarely) / 2, (1 - rarely) / 2 - 0.1, rarely, 0.1)
    arrays = {
        "x": random.standard_normal((COUNT, WIDTH)),
        "label": np.sort(random.choice([0, 1, 2, 9], COUNT, p=share)),
        "labels": random.choice([0, 1, 2, 9], (COUNT, INNER), p=share),
        "whole": random.integers(0, CLASSES, COUNT),
        "target": random.choice([0.0, 0.25, 1.0, 9.0], (COUNT, CLASSES)),
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    inputs = {"name": "in", "type": "Input", "top": list(arrays), "shape": [[4, *a.shape[1:]] for a in arrays.values()]}
    common = [
        dense("ip", CLASSES),
        dense("wide", CLASSES * INNER),
        {"name": "map", "type": "Reshape", "bottom": "wide", "shape": [0, CLASSES, INNER]},
        {"name": "own", "type": "EuclideanLoss", "bottom": ["ip", "target"], "include": {"phase": "TRAIN"}},
    ]
    tested = [{**layer, "include": {"phase": "TEST"}} for layer in layers]
    feed = {"source": {"type": "Arrays", "outputs": [str(folder / f"{name}.npy") for name in arrays]}, "batch_size": 4}
    return {
        "net": {"name": "scored", "layers": [inputs, *common, *tested]},
        "data": {"train": feed, "test": feed},
        "base_lr": 1e-3,
        "lr_policy": "fixed",
        "max_iter": 3,
    }


def scores(values: Values, batch: int, *overrides: str) -> dict[str, float]:
    one = session(values, f"data.test.batch_size={batch}", *overrides)
    means, samples = one.testers["test"].run()
    one.close()
    assert samples == COUNT
    return means


def agree(values: Values, *batches: int) -> dict[str, float]:
    """The scores, which are the same for each batch size as for all samples at once."""
    whole = scores(values, COUNT)
    for batch in batches:
        found = scores(values, batch)
        assert list(found) == list(whole)
        np.testing.assert_allclose([*found.values()], [*whole.values()], rtol=1e-6, err_msg=f"batches of {batch}")
    return whole


ACCURACY = {"name": "acc", "type": "Accuracy", "bottom": ["ip", "label"], "top": ["acc", "each"], "ignore_label": 9}
LOSS = {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["map", "labels"], "ignore_label": 9}


def blobs(values: Values) -> dict[str, np.ndarray]:
    """The blobs of the TEST net after a single forward over all samples."""
    import netspec

    with netspec.Solver(values, [f"data.test.batch_size={COUNT}"]) as solver:
        solver.test()
        return {name: blob.data.astype(np.float64) for name, blob in solver.test_nets[0].blobs.items()}


def test_accuracy_and_losses_are_as_defined_for_every_batch_size(tmp_path: Path) -> None:
    losses = [{**LOSS, "name": word, "normalization": word} for word in ("VALID", "FULL", "BATCH_SIZE", "NONE")]
    square = {"name": "square", "type": "EuclideanLoss", "bottom": ["ip", "target"]}
    values = scored(tmp_path, ACCURACY, *losses, square)
    found, kept = agree(values, 1, 4, 22), blobs(values)
    label, labels = kept["label"], kept["labels"]
    right = kept["ip"].argmax(1) == label
    assert found["acc"] == right[label != 9].mean()
    for c in range(CLASSES):
        assert found[f"each[{c}]"] == right[label == c].mean()
    valid = labels != 9
    chance = np.exp(kept["map"]) / np.exp(kept["map"]).sum(1, keepdims=True)
    picked = np.take_along_axis(chance, np.where(valid, labels, 0).astype(int)[:, None], 1)[:, 0]
    total = -np.log(picked[valid]).sum()
    divisors = {"VALID": valid.sum(), "FULL": COUNT * INNER, "BATCH_SIZE": COUNT, "NONE": 1}
    for word, divisor in divisors.items():
        assert found[word] == pytest.approx(total / divisor, rel=1e-5)
    assert found["square"] == pytest.approx(((kept["ip"] - kept["target"]) ** 2).sum() / 2 / COUNT, rel=1e-5)


def test_what_is_computed_from_scores_is_computed_from_the_finished_scores(tmp_path: Path) -> None:
    """A mean of the batches' inverse accuracies would even be infinite."""
    layers = [
        ACCURACY,
        LOSS,
        {"name": "inverse", "type": "Power", "bottom": "acc", "power": -1},
        {"name": "sum", "type": "Eltwise", "bottom": ["loss", "inverse"], "coeff": [1, 0.5]},
        {"name": "part", "type": "Slice", "bottom": "each", "axis": 0, "slice_point": 1, "top": ["first", "others"]},
        {"name": "others", "type": "Power", "bottom": "others", "top": "others", "shift": 1},
    ]
    kept = agree(scored(tmp_path, *layers), 1, 4, 22)
    plain = scores(scored(tmp_path, ACCURACY, LOSS), 7)
    assert kept["sum"] == pytest.approx(plain["loss"] + 0.5 / plain["acc"], rel=1e-6)
    assert kept["first[0]"] == pytest.approx(plain["each[0]"])
    assert kept["others[1]"] == pytest.approx(1 + plain["each[2]"])


def test_a_scalar_that_no_layer_knows_how_to_combine_is_the_mean_over_samples(tmp_path: Path) -> None:
    """Sums of three batches of 10, 10 and 3 samples."""
    layer = {"name": "sum", "type": "InnerProduct", "axis": 0, "num_output": 1, "bottom": "whole", "bias_term": False}
    values = scored(tmp_path, layer | {"weight_filler": {"type": "constant", "value": 1}}, ACCURACY)
    values["data"]["test"]["limit"] = 20
    one = session(values, "data.test.batch_size=10")
    label = np.load(tmp_path / "whole.npy")
    assert one.testers["test"].run()[0]["sum[0]"] == (label[:10].sum() + label[10:20].sum()) / 2


def test_nothing_but_ignored_labels(tmp_path: Path) -> None:
    values = scored(tmp_path, ACCURACY, LOSS)
    np.save(tmp_path / "label.npy", np.full(COUNT, 9))
    np.save(tmp_path / "labels.npy", np.full((COUNT, INNER), 9))
    assert set(agree(values, 4).values()) == {0.0}


def test_test_iter_takes_the_first_batches(tmp_path: Path) -> None:
    values = scored(tmp_path, ACCURACY, LOSS)
    some = session(values, "test_iter=2", "test_interval=1", "data.test.batch_size=5").testers["test"]
    all_of_them = session(values, "data.test.limit=10", "data.test.batch_size=10").testers["test"]
    (mine, count), (whole, total) = some.run(), all_of_them.run()
    assert count == total == 10
    assert mine == pytest.approx(whole, rel=1e-6)


# --- random variations


def random_layers(random: np.random.Generator) -> Layers:
    def pick(*choices: Any) -> Any:
        return choices[random.integers(len(choices))]

    def layer(number: int) -> Layers:
        name = f"score{number}"
        kind = pick("SoftmaxWithLoss", "Accuracy", "SigmoidCrossEntropyLoss", "EuclideanLoss", "MultiClassHingeLoss")
        made: dict[str, Any] = {"name": name, "type": kind, "top": [name]}
        if kind in {"SoftmaxWithLoss", "Accuracy"}:
            made |= {"bottom": pick(["ip", "label"], ["map", "labels"]), "ignore_label": 9}
        else:
            made["bottom"] = ["ip", "whole" if kind == "MultiClassHingeLoss" else "target"]
        if kind == "Accuracy":
            made |= {"top_k": pick(1, 2), "top": pick([name], [name, f"{name}_each"])}
        else:
            made["loss_weight"] = pick(1.0, 0.0, 0.3)
        if kind in {"SoftmaxWithLoss", "SigmoidCrossEntropyLoss"}:
            made["normalization"] = pick("VALID", "FULL", "BATCH_SIZE", "NONE")
        if kind == "SigmoidCrossEntropyLoss" and pick(True, False):
            made["ignore_label"] = pick(0, 9)
        above = {"bottom": name, "top": f"{name}_up"}
        tail = {"type": "Eltwise", "bottom": [name, name], "top": f"{name}_up", "coeff": [2, -0.5]}
        up = pick(None, None, above | {"type": "Power", "power": 2, "shift": 1}, tail)
        return [made] if up is None else [made, {"name": f"{name}_up", **up}]

    return [one for number in range(random.integers(1, 5)) for one in layer(number)]


@pytest.mark.parametrize("seed", seeds(12))
def test_random_scores_do_not_depend_on_batches(seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng([11, seed])
    layers = random_layers(random)
    values = scored(tmp_path, *layers, rarely=random.choice([0.03, 0.3]), seed=seed)
    values["dtype"] = ("float32", "float64")[seed % 2]
    agree(values, int(random.integers(1, COUNT)), 1 if seed % 3 else COUNT - 1)


# --- scores that are not finite


def spoil(folder: Path, name: str, index: Any, value: float) -> None:
    array = np.load(folder / f"{name}.npy").astype(float)
    array[index] = value
    np.save(folder / f"{name}.npy", array)


def refused(values: Values, *overrides: str) -> NetspecError:
    one = session(values, *overrides)
    with pytest.raises(NetspecError) as caught:
        one.testers["test"].run()
    return caught.value


@pytest.mark.parametrize("layer", [ACCURACY, {**LOSS, "bottom": ["ip", "label"]}])
@pytest.mark.parametrize("batch", [4, 5, 23])
def test_a_sample_that_is_not_finite_is_named(tmp_path: Path, layer: dict[str, Any], batch: int) -> None:
    """Its label is not ignored. An accuracy alone would count it as wrong."""
    values = scored(tmp_path, layer)
    spoil(tmp_path, "x", (14, 2), np.nan)
    spoil(tmp_path, "label", 14, 1)
    error = refused(values, f"data.test.batch_size={batch}")
    assert type(error) is NotFiniteScoreError and (error.code, error.exit_code) == ("NS506", 5)
    said = f"test: blob 'x' of layer 'in' (Input) is not finite: 1 of {5 * min(batch, 23)} values, the first nan"
    if batch != 5:
        assert error.message == f"{said}, in sample 14 of x.npy"
    assert "in sample 14 of x.npy" in error.message


def test_a_label_that_is_not_a_number_is_named_by_its_own_file(tmp_path: Path) -> None:
    values = scored(tmp_path, {"name": "sig", "type": "SigmoidCrossEntropyLoss", "bottom": ["ip", "target"]})
    spoil(tmp_path, "target", (21, 1), np.inf)
    assert refused(values).message.endswith(", the first inf, in sample 21 of target.npy")


def test_a_loss_that_overflows_names_the_sample_with_the_largest_value(tmp_path: Path) -> None:
    values = scored(tmp_path, {"name": "far", "type": "EuclideanLoss", "bottom": ["ip", "target"]})
    spoil(tmp_path, "target", (9, 1), 1e30)
    said = refused(values).message
    assert said.startswith("test: blob 'far' of layer 'far' (EuclideanLoss) is inf; ")
    assert said.endswith("; the largest value it reads is 1e+30, in sample 9 of x.npy")


def test_what_follows_from_finished_scores_must_be_finite_too(tmp_path: Path) -> None:
    inverse = {"name": "inverse", "type": "Power", "bottom": "acc", "power": -1}
    values = scored(tmp_path, ACCURACY, inverse)
    np.save(tmp_path / "label.npy", np.full(COUNT, 9))
    assert refused(values).message == "test: 'inverse' is inf over the 23 samples of the test"


WRONG = [
    (1, 2, "3, which is not one of 0..2"),
    (-1, 0, "-1, which is not one of 0..2"),
    (1, 0.5, "1.5, which is not a"),
]
"""What is added to the labels, the label of sample 13 before that, and what is said of it."""


def computed(folder: Path, by: float, value: float, **fields: Any) -> tuple[Values, Layers]:
    """A solver, and layers that judge by labels that the net computes."""
    layers: Layers = [
        {"name": "moved", "type": "Power", "bottom": "whole", "shift": by},
        {"name": "cut", "type": "Reshape", "bottom": "moved", "shape": [0]},
        {"name": "acc", "type": "Accuracy", "bottom": ["ip", "cut"], **fields},
    ]
    values = scored(folder, *layers)
    np.save(folder / "whole.npy", np.ones(COUNT))
    spoil(folder, "whole", 13, value)
    return values, layers


@pytest.mark.parametrize(("by", "value", "fault"), WRONG)
def test_a_label_that_the_net_computes_is_judged_in_a_test(tmp_path: Path, by: float, value: float, fault: str) -> None:
    error = refused(computed(tmp_path, by, value)[0])
    assert type(error) is BadLabelError and error.exit_code == 4
    assert error.message.startswith(f"test: blob 'cut' has the label {fault}")
    assert error.message.endswith(", in sample 13 of x.npy")
    assert error.help == "layer 'acc' (Accuracy) has 3 classes"


@pytest.mark.parametrize(("by", "value", "fault"), WRONG)
@pytest.mark.parametrize("kind", ["Accuracy", "SoftmaxWithLoss", "MultiClassHingeLoss"])
def test_a_label_that_the_net_computes_is_judged_in_a_training(
    tmp_path: Path, kind: str, by: float, value: float, fault: str
) -> None:
    """A metric is judged when it is displayed, a loss before it changes the weights; what was trained is kept."""
    values, layers = computed(tmp_path, by, value)
    layers[-1]["type"] = kind
    values["net"]["layers"][5:] = layers
    values |= {"display": 1, "max_iter": 6, "data": {"train": {**values["data"]["train"], "shuffle": False}}}
    one, folder = session(values), tmp_path / "snapshots"
    with pytest.raises(BadLabelError) as caught:
        list(solve(one, folder))
    assert caught.value.message.startswith(f"iteration 3: blob 'cut' has the label {fault}")
    assert [path.name for path in snapshot.listing(folder)] == [snapshot.name(4 if kind == "Accuracy" else 3)]


def test_an_ignored_label_that_the_net_computes_is_none(tmp_path: Path) -> None:
    values, _ = computed(tmp_path, 1, 8, ignore_label=9)
    agree(values, 4)


def test_a_test_that_fails_keeps_the_training(tmp_path: Path) -> None:
    """The first test is after two iterations; only the test's data hold what is not finite."""
    values = scored(tmp_path, LOSS)
    spoil(tmp_path, "labels", (20, 1), 1)
    values["data"]["train"] = {**values["data"]["train"], "limit": 4}
    spoil(tmp_path, "x", (20, 0), np.inf)
    values |= {"test_interval": 2, "test_initialization": False, "max_iter": 4}
    with pytest.raises(NotFiniteScoreError, match=r"test: blob 'x' .* in sample 20 of x\.npy"):
        list(solve(session(values), tmp_path / "snapshots"))
    assert [path.name for path in snapshot.listing(tmp_path / "snapshots")] == [snapshot.name(2)]


def test_data_that_fail_keep_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A label is wrong that the source does not know before it is read; and a resumed training that fails at once."""
    monkeypatch.setattr(ArrayDataset, "labels", lambda self, output: None)
    values = scored(tmp_path)
    values["net"]["layers"].append(LOSS)
    values["data"] = {"train": {**values["data"]["train"], "shuffle": False}}
    spoil(tmp_path, "labels", (17, 1), 3)
    values["max_iter"] = 9
    with pytest.raises(BadLabelError, match=r"sample 17 of labels\.npy has the label 3\.0 at \[1\], which is"):
        list(solve(session(values), tmp_path / "snapshots"))
    assert [path.name for path in snapshot.listing(tmp_path / "snapshots")] == [snapshot.name(4)]
    again = session(values)
    again.restore(tmp_path / "snapshots" / snapshot.name(4))
    with pytest.raises(BadLabelError):
        list(solve(again, tmp_path / "others"))
    assert snapshot.listing(tmp_path / "others") == []


def test_an_output_of_the_training_that_is_not_finite(tmp_path: Path) -> None:
    """The loss and all gradients are sound; the state is that of before the display."""
    values = scored(tmp_path)
    huge = {"name": "huge", "type": "Power", "bottom": "own", "scale": 1e30, "power": 2}
    values["net"]["layers"].append({**huge, "include": {"phase": "TRAIN"}})
    with pytest.raises(NotFiniteScoreError, match=r"iteration 0: blob 'huge' of layer 'huge' \(Power\) is inf"):
        list(solve(session(values, "display=1")))


IP = ["ip", "label"]
METRICS: dict[str, dict[str, Any]] = {
    "ConfusionMatrix": {"bottom": ["map", "labels"], "normalize": "ROWS"},
    "PrecisionRecallF1": {"bottom": ["map", "labels"], "top": ["precision", "recall", "f1", "support"]},
    "MeanIoU": {"bottom": ["map", "labels"], "top": ["iou", "each"]},
    "TopK": {"bottom": IP, "top": ["top1", "top2"], "top_k": [1, 2]},
    "RocAuc": {"bottom": IP, "top": ["area", "each"]},
    "AveragePrecision": {"bottom": ["prob", "label"], "top": ["map_", "each"], "bins": 20},
    "RegressionScores": {"bottom": ["ip", "target"], "top": ["rmse", "mae", "r2"]},
    "Calibration": {"bottom": ["prob", "label"], "top": ["ece", "right", "sure", "number"], "bins": 4},
}


@pytest.mark.parametrize("type", METRICS)
def test_metrics_are_the_same_for_every_batch_size_and_without_a_net(type: str, tmp_path: Path) -> None:
    ignoring = {} if type == "RegressionScores" else {"ignore_label": 9}
    metric = {"name": type.lower(), "type": type, **METRICS[type], **ignoring}
    values = scored(tmp_path, {"name": "prob", "type": "Softmax", "bottom": "ip"}, metric)
    found, kept = agree(values, 1, 3, 7), blobs(values)
    layer = make_layer(type, **{**METRICS[type], **ignoring})
    scores, truth = (kept[name] for name in METRICS[type]["bottom"])
    tops = measure_of(layer, scores, truth)
    wanted = labelled(dict(zip(layer.top_names(), tops.finish(tops.measure(scores, truth)), strict=False)))
    assert {name: pytest.approx(value, rel=1e-6) for name, value in wanted.items()} == found

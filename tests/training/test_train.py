"""The training loop: hand-worked numbers, Caffe's order and rules, evaluation, snapshots, resuming, divergence."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.core.changes import lines
from netspec.core.errors import NetspecError
from netspec.engine.weights import PhaseShapeError
from netspec.training import snapshot
from netspec.training.blame import NotFiniteLossError
from netspec.training.container import UnreadableSnapshotError
from netspec.training.events import Display, Event, Finished, Snapshotted
from netspec.training.events import Tested as Scored
from netspec.training.loading import OtherNetError
from netspec.training.session import Session
from netspec.training.solve import solve
from tests.conftest import CLASSES, NET, TEST_SAMPLES, samples
from tests.helpers.sessions import Values, session, trained, weights

Make = Callable[..., Values]


def events(values: Values, folder: Path | None = None, **options: Any) -> list[Event]:
    return list(solve(session(values), folder, **options))


def least_squares(count: int, width: int, iterations: int = 4, **changes: Any) -> Values:
    """w.x + b against targets, half the mean of the squared distance; the numbers are those of `line`."""
    x, target, w, b = line(count, width)
    layers = [
        {"name": "data", "type": "Input", "top": ["x", "target"], "shape": [[1, width], [1, 1]]},
        {
            "name": "ip",
            "type": "InnerProduct",
            "bottom": "x",
            "num_output": 1,
            "weight_filler": {"type": "values", "values": w.tolist()},
            "bias_filler": {"type": "values", "values": b.tolist()},
        },
        {"name": "loss", "type": "EuclideanLoss", "bottom": ["ip", "target"]},
    ]
    source = {"type": "Arrays", "values": [x.tolist(), target.tolist()]}
    common = {"base_lr": 0.01, "lr_policy": "fixed", "max_iter": iterations, "dtype": "float64"}
    data = {"train": {"source": source, "batch_size": count, "shuffle": False}}
    return {"net": {"name": "line", "layers": layers}, "data": data, **common, **changes}


def line(count: int, width: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(17)
    return tuple(rng.standard_normal(shape) for shape in ((count, width), (count, 1), (1, width), (1,)))


# --- hand-worked numbers


def test_two_layer_sigmoid() -> None:
    """Every number of the worked example, and the zoo's own solver for it."""
    net = netspec.Net("two_layer_sigmoid", dtype="float64", phase="TRAIN")
    net.forward(data=[[0.05, 0.10]], target=[[0.01, 0.99]])
    np.testing.assert_allclose(net.blobs["hidden_sigmoid"].data, [[0.593269992, 0.596884378]], atol=5e-10)
    np.testing.assert_allclose(net.blobs["output_sigmoid"].data, [[0.75136507, 0.772928465]], atol=5e-10)
    assert net.loss == pytest.approx(0.298371109, abs=5e-10)
    with netspec.Solver("two_layer_sigmoid") as solver:
        assert solver.step() == pytest.approx(0.298371109, abs=5e-10)
        np.testing.assert_allclose(
            solver.net.params["hidden"][0].data,
            [[0.149780716, 0.19956143], [0.24975114, 0.29950229]],
            atol=5e-9,
            rtol=0,
        )
        biases = solver.net.params["hidden"][1].data
        np.testing.assert_array_equal(biases, [0.35, 0.35])  # the example does not train the biases
        published = [[0.35891648, 0.408666186], [0.511301270, 0.561370121]]
        np.testing.assert_allclose(solver.net.params["output"][0].data, published, atol=5e-9, rtol=0)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, [0.9, 0.72, 0.486]),
        ({"weight_decay": 0.5}, [0.85, 0.5875, 0.263125]),
        ({"momentum": 0}, [0.9, 0.81, 0.729]),
        ({"type": "Nesterov"}, [0.81, 0.5751, 0.327321]),
    ],
)
def test_the_toy_of_half_w_squared(fields: Values, expected: list[float]) -> None:
    """loss w^2/2 from w = 1, rate .1, momentum .9: a whole solver gives Caffe's numbers."""
    layers = [
        {"name": "data", "type": "Input", "top": ["one", "zero"], "shape": [[1, 1], [1, 1]]},
        {
            "name": "ip",
            "type": "InnerProduct",
            "bottom": "one",
            "num_output": 1,
            "bias_term": False,
            "weight_filler": {"type": "constant", "value": 1},
        },
        {"name": "loss", "type": "EuclideanLoss", "bottom": ["ip", "zero"]},
    ]
    data = {"train": {"source": {"type": "Arrays", "values": [[[1.0]], [[0.0]]]}, "batch_size": 1}}
    common = {"base_lr": 0.1, "momentum": 0.9, "lr_policy": "fixed", "max_iter": 3, "dtype": "float64"}
    with netspec.Solver({"net": {"layers": layers}, "data": data, **common, **fields}) as solver:
        found, losses = [], []
        for _ in range(3):
            losses.append(solver.step())
            found.append(float(solver.net.params["ip"][0].data[0, 0]))
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_allclose(losses, [w**2 / 2 for w in (1.0, *expected[:2])], rtol=1e-12)


@pytest.mark.parametrize("iterations", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "fields", [{}, {"weight_decay": 0.5}, {"momentum": 0.5}, {"momentum": 0.9, "weight_decay": 0.1}, {"base_lr": 1.0}]
)
def test_least_squares_follow_the_formula(fields: Values, iterations: int) -> None:
    """Source: Caffe gradient_based_solver tests: the update of a linear fit, written out."""
    one = trained(least_squares(8, 3, **fields), iterations)
    x, target, w, b = line(8, 3)
    rate, momentum, decay = (
        fields.get(k, usual) for k, usual in (("base_lr", 0.01), ("momentum", 0.0), ("weight_decay", 0.0))
    )
    history_w, history_b = np.zeros_like(w), np.zeros_like(b)
    for _ in range(iterations):
        error = x @ w.T + b - target
        history_w = momentum * history_w + rate * (error.T @ x / 8 + decay * w)
        history_b = momentum * history_b + rate * (error.mean(axis=0) + decay * b)
        w, b = w - history_w, b - history_b
    np.testing.assert_allclose(weights(one)["ip.weight"], w, rtol=1e-9)
    np.testing.assert_allclose(weights(one)["ip.bias"], b, rtol=1e-9)


# --- batches, clipping, rates


def test_two_batches_an_update_are_one_of_twice_the_size(solver: Make) -> None:
    fields = {"dtype": "float64", "momentum": 0.5}
    whole = solver(**fields)
    whole["data"]["train"]["batch_size"] = 8
    parts = solver(**fields, iter_size=2)
    one, two = trained(whole, 6), trained(parts, 6)
    for name, array in weights(one).items():
        np.testing.assert_allclose(array, weights(two)[name], rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(one.losses[-1], two.losses[-1], rtol=1e-10)


@pytest.mark.parametrize(("ratio", "own"), [(0.0, False), (0.5, True)])
def test_every_batch_of_an_update_has_its_own_random_numbers(solver: Make, ratio: float, own: bool) -> None:
    """With an equal batch twice, the gradient is twice that of a single batch, unless Dropout draws anew."""

    def norm(size: int) -> float:
        values = solver(iter_size=size)
        values["net"]["layers"].insert(3, {"name": "drop", "type": "Dropout", "dropout_ratio": ratio})
        source = {"type": "Arrays", "values": [[[[[1.0] * 5] * 6]] * 3, [0, 1, 2]]}
        values["data"]["train"] |= {"source": source, "batch_size": 3, "shuffle": False}
        return float(trained(values, 1).train.norm[0])

    assert (norm(2) != pytest.approx(2 * norm(1), rel=1e-6)) == own


def test_clipping_is_of_the_sum_before_it_is_divided(solver: Make) -> None:
    """Caffe clips the sum over iter_size batches, then divides it, then adds the decay."""
    fields = {"dtype": "float64", "momentum": 0, "iter_size": 2, "lr_policy": "fixed"}
    free = session(solver(**fields, weight_decay=0))
    before = weights(free)
    free.step()
    free.close()
    gradient = {name: (before[name] - w) / 0.1 for name, w in weights(free).items()}  # the mean of two batches
    norm = float(free.train.norm[0])  # of their sum
    assert norm == pytest.approx(2 * np.sqrt(sum((g**2).sum() for g in gradient.values())), rel=1e-9)
    for clip, factor in ((norm / 4, 0.25), (norm * 1.01, 1.0)):
        held = trained(solver(**fields, weight_decay=0.3, clip_gradients=clip), 1)
        assert held.train.norm[0] == pytest.approx(norm, rel=1e-12)
        for name, w in weights(held).items():
            np.testing.assert_allclose(
                w, before[name] - 0.1 * (factor * gradient[name] + 0.3 * before[name]), rtol=1e-9, atol=1e-13
            )


@pytest.mark.parametrize(
    ("policy", "rates"),
    [
        ("fixed", [0.1] * 6),
        ({"type": "step", "gamma": 0.5, "stepsize": 2}, [0.1, 0.1, 0.05, 0.05, 0.025, 0.025]),
        ({"type": "multistep", "gamma": 0.1, "stepvalue": [1, 4]}, [0.1, 0.01, 0.01, 0.01, 0.001, 0.001]),
        ({"type": "exp", "gamma": 0.9}, [0.1 * 0.9**t for t in range(6)]),
        ({"type": "inv", "gamma": 0.5, "power": 0.75}, [0.1 * (1 + 0.5 * t) ** -0.75 for t in range(6)]),
        ({"type": "poly", "power": 2}, [0.1 * (1 - t / 6) ** 2 for t in range(6)]),
        ({"type": "sigmoid", "gamma": 1.5, "stepsize": 3}, [0.1 / (1 + np.exp(-1.5 * (t - 3))) for t in range(6)]),
    ],
)
def test_policies_rule_the_updates(solver: Make, policy: Any, rates: list[float]) -> None:
    """Checks the rate that is shown, and the rate that the weights move by."""
    values = solver(
        lr_policy=policy, display=1, max_iter=6, momentum=0, weight_decay=0, dtype="float64", test_interval=None
    )
    one, moved = session(values), []
    before = weights(one)["ip.weight"]
    for event in solve(one):
        if isinstance(event, Display):
            diff = one.train.weights.diff[one.train.weights.index("ip.weight")]
            now = weights(one)["ip.weight"]
            moved.append(float(((before - now) * diff).sum() / (diff * diff).sum()))
            assert event.rate == pytest.approx(rates[event.iteration], rel=1e-12)
            before = now
    np.testing.assert_allclose(moved, rates, rtol=1e-6)


def test_the_displayed_loss_is_the_mean_of_the_last(solver: Make) -> None:
    each = [e.loss for e in events(solver(display=1, max_iter=7)) if isinstance(e, Display)]
    means = [e.loss for e in events(solver(display=2, max_iter=7, average_loss=3)) if isinstance(e, Display)]
    np.testing.assert_allclose(means, [np.mean(each[max(0, i - 2) : i + 1]) for i in (0, 2, 4, 6)], rtol=1e-12)


def test_training_learns(solver: Make) -> None:
    first, last = (
        e.outputs["accuracy"] for e in events(solver(max_iter=80, test_interval=80)) if isinstance(e, Scored)
    )
    assert last >= 0.7 > first


# --- events


def test_what_happens_in_which_order(solver: Make, tmp_path: Path) -> None:
    values = solver(max_iter=6, test_interval=2, display=3, snapshot=4)
    found = [(type(e), e.iteration) for e in events(values, tmp_path)]
    assert found == [
        (Scored, 0),
        (Display, 0),
        (Scored, 2),
        (Display, 3),
        (Snapshotted, 4),
        (Scored, 4),
        (Snapshotted, 6),
        (Scored, 6),
        (Finished, 6),
    ]
    assert [p.name for p in snapshot.listing(tmp_path)] == ["iter_000004.safetensors", "iter_000006.safetensors"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"test_interval": 2, "test_initialization": False}, [(Scored, 2), (Snapshotted, 4), (Scored, 4)]),
        ({}, [(Snapshotted, 4), (Scored, 4)]),
        ({"snapshot_after_train": False}, [(Scored, 4)]),
        ({"snapshot": 2, "snapshot_after_train": False}, [(Snapshotted, 2), (Snapshotted, 4), (Scored, 4)]),
        ({"snapshot": 4}, [(Snapshotted, 4), (Scored, 4)]),  # not twice
    ],
)
def test_choices_of_tests_and_snapshots(solver: Make, tmp_path: Path, fields: Values, expected: list[Any]) -> None:
    found = [(type(e), e.iteration) for e in events(solver(max_iter=4, **fields), tmp_path)]
    assert found == [*expected, (Finished, 4)]


def test_the_last_snapshots_are_kept(solver: Make, tmp_path: Path) -> None:
    (tmp_path / ".iter_000001.safetensors.99.tmp").write_bytes(b"what a killed process left")
    events(solver(max_iter=9, snapshot=2, snapshot_keep=2), tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["iter_000008.safetensors", "iter_000009.safetensors"]


def test_a_stop_that_is_asked_for(solver: Make, tmp_path: Path) -> None:
    """The iteration is finished and a snapshot written; no test follows."""
    one = session(solver(test_interval=3))
    found = list(solve(one, tmp_path, lambda: "SIGTERM" if one.iteration == 5 else None))
    assert [(type(e), e.iteration) for e in found] == [(Scored, 0), (Scored, 3), (Snapshotted, 5), (Finished, 5)]
    assert isinstance(found[-1], Finished) and found[-1].stopped == "SIGTERM"


# --- evaluation


def by_hand(one: Session, count: int) -> dict[str, float]:
    """Mean accuracy and loss of the first test samples, each alone, with the weights that were trained."""
    net = netspec.Net(copy.deepcopy(NET), phase="TEST", batch=1)
    for layer, params in net.params.items():
        for blob, kind in zip(params, ("weight", "bias"), strict=True):
            blob.data[...] = weights(one)[f"{layer}.{kind}"]
    image, label = samples(TEST_SAMPLES, 8)
    scores = [net.forward(data=image[i : i + 1], label=label[i : i + 1]) for i in range(count)]
    return {name: float(np.mean([score[name] for score in scores])) for name in ("accuracy", "loss")}


@pytest.mark.parametrize(("batch", "sizes"), [(4, {4, 3}), (3, {3, 2}), (11, {11}), (64, {11}), (1, {1})])
def test_each_test_sample_counts_once(solver: Make, batch: int, sizes: set[int]) -> None:
    values = solver()
    values["data"]["test"]["batch_size"] = batch
    one = trained(values, 5)
    means, count = one.testers["test"].run()
    assert count == TEST_SAMPLES
    assert set(one.testers["test"].programs) == sizes
    expected = by_hand(one, TEST_SAMPLES)
    assert means["accuracy"] == pytest.approx(expected["accuracy"], abs=1e-7)
    assert means["loss"] == pytest.approx(expected["loss"], rel=1e-6)
    assert one.testers["test"].run() == (means, count)  # testing changes nothing


@pytest.mark.parametrize(("test_iter", "count"), [(1, 4), (2, 8), (3, 11), (5, 11)])
def test_test_iter_takes_that_many_batches(solver: Make, test_iter: int, count: int) -> None:
    one = trained(solver(test_iter=test_iter), 5)
    means, tested = one.testers["test"].run()
    assert tested == count
    assert means["loss"] == pytest.approx(by_hand(one, count)["loss"], rel=1e-6)


def test_testing_does_not_disturb_training(solver: Make) -> None:
    quiet, tested = (session(solver(test_interval=interval, max_iter=9)) for interval in (None, 2))
    for one in (quiet, tested):
        list(solve(one))
    assert all(weights(quiet)[name].tobytes() == array.tobytes() for name, array in weights(tested).items())


def test_outputs_of_single_samples_are_no_scores(solver: Make) -> None:
    """A blob with a row per sample has no mean over batches: the short last batch has another shape."""
    values = solver()
    values["net"]["layers"] += [
        {"name": "prob", "type": "Softmax", "bottom": "ip"},
        {"name": "each", "type": "Accuracy", "bottom": ["ip", "label"], "top": ["all", "each"]},
    ]
    tests = [e for e in events(values) if isinstance(e, Scored)]
    assert tests[0].outputs.keys() == {"accuracy", "loss", "all", *(f"each[{i}]" for i in range(CLASSES))}
    assert tests[0].outputs["all"] == tests[0].outputs["accuracy"]


def test_testing_finds_shared_params_by_layer(solver: Make) -> None:
    """The first layer that shares a param owns it; in a phase without that layer the next does, with equal weights."""
    values = solver()
    share = [{"name": "w"}, {"name": "b"}]
    low, total = (
        values["net"]["layers"][3],
        {"name": "sum", "type": "Eltwise", "bottom": ["extra", "ip"], "include": {"phase": "TRAIN"}},
    )
    extra = {**low, "name": "extra", "bottom": "relu", "param": share, "include": {"phase": "TRAIN"}}
    values["net"]["layers"][3:] = [extra, {**low, "bottom": "relu", "param": share}, total]
    values["net"]["layers"] += [
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["sum", "label"], "include": {"phase": "TRAIN"}},
        {"name": "check", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"], "include": {"phase": "TEST"}},
    ]
    one = trained(values, 3)
    assert [name for name in one.train.weights.names if not name.startswith("conv")] == ["extra.weight", "extra.bias"]
    tested = one.testers["test"].program(4)
    assert np.shares_memory(tested.weights.data[tested.weights.index("ip.weight")], one.train.weights.data[2])


def test_phases_must_agree_about_a_shape(solver: Make) -> None:
    values = solver()
    data, *rest = values["net"]["layers"]
    values["net"]["layers"] = [
        {**data, "include": {"phase": "TRAIN"}},
        {**data, "name": "data2", "shape": [[4, 1, 8, 5], [4]], "include": {"phase": "TEST"}},
        *rest,
    ]
    image, label = samples(3, 1)
    values["data"]["test"]["source"] = {
        "type": "Arrays",
        "values": [np.pad(image, ((0, 0), (0, 0), (1, 1), (0, 0))).tolist(), label.tolist()],
    }
    with pytest.raises(PhaseShapeError, match=r"param 'ip.weight' is 3x24 in phase TRAIN, but 3x36 in phase TEST"):
        session(values)


# --- snapshots


TYPES: list[Values] = [{"type": "SGD"}, {"type": "Nesterov"}, {"type": "RMSProp", "momentum": None, "base_lr": 0.01}]

MOMENTA: list[Values] = [
    {"type": word, "base_lr": 0.01}
    for word in ("AdaDelta", "Adam", "AdamW", "AdaMax", "Lion", "NAdam", "QHAdam", "RAdam")
]
OTHERS: list[Values] = [{"type": word, "momentum": None, "base_lr": 0.01} for word in ("AdaGrad", "Rprop")]


@pytest.mark.parametrize("fields", [*TYPES, *MOMENTA, *OTHERS], ids=lambda fields: fields["type"])
def test_resumed_equals_uninterrupted(solver: Make, tmp_path: Path, fields: Values) -> None:
    """k iterations, a snapshot, and k more in a new session give the bytes of 2k iterations at once."""
    values = solver(average_loss=5, **fields)
    whole = trained(values, 10)
    whole.snapshot(tmp_path / "whole.safetensors")
    trained(values, 5).snapshot(tmp_path / "half.safetensors")
    one = session(values)
    assert one.restore(tmp_path / "half.safetensors") == ()
    assert one.iteration == 5
    for _ in range(5):
        one.step()
    one.close()
    one.snapshot(tmp_path / "resumed.safetensors")
    assert (tmp_path / "resumed.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()
    assert one.loss == whole.loss


def test_a_restore_in_the_middle_of_a_training(solver: Make, tmp_path: Path) -> None:
    one = session(solver())
    for _ in range(4):
        one.step()
    one.snapshot(tmp_path / "four.safetensors")
    losses = [one.step() for _ in range(3)]
    one.restore(tmp_path / "four.safetensors")
    assert [one.step() for _ in range(3)] == losses
    one.close()


def test_changed_settings_are_reported(solver: Make, tmp_path: Path) -> None:
    trained(solver(), 3).snapshot(tmp_path / "three.safetensors")
    changes = {"base_lr": 0.05, "max_iter": 30, "momentum": 0.8, "lr_policy": "fixed"}
    said = session(solver(**changes)).restore(tmp_path / "three.safetensors")
    assert lines(said) == [
        "base_lr: 0.1 -> 0.05",
        "lr_policy.gamma: removed (0.01)",
        "lr_policy.power: removed (0.75)",
        "lr_policy.type: inv -> fixed",
        "max_iter: 20 -> 30",
        "momentum: 0.9 -> 0.8",
    ]
    values = solver()
    values["data"]["train"]["batch_size"] = 5
    (said,) = session(values).restore(tmp_path / "three.safetensors")
    assert str(said) == "data.train.batch_size: 4 -> 5"


def test_another_net_is_refused_and_nothing_is_changed(solver: Make, tmp_path: Path) -> None:
    trained(solver(), 3).snapshot(tmp_path / "three.safetensors")
    for change, words in (
        (lambda layers: layers[1].update(num_output=5), r"changed since: layers\.conv\.num_output: 2 -> 5\n"),
        (
            lambda layers: layers[3].update(name="ip2"),
            r"layers\.ip: removed \(InnerProduct\); layers\.ip2: added \(InnerProduct\); "
            r"layers\.accuracy\.bottom: \[ip, label\] -> \[ip2, label\]",
        ),
        (lambda layers: layers[2].update(type="TanH"), r"changed since: layers\.relu\.type: ReLU -> TanH\n"),
        (lambda layers: layers[3].update(param=[{"lr_mult": 2}]), r"layers\.ip\.param: added \("),
    ):
        values = solver()
        change(values["net"]["layers"])
        for layer in values["net"]["layers"][4:]:
            layer["bottom"] = [values["net"]["layers"][3]["name"], "label"]
        one = session(values)
        before = weights(one)
        with pytest.raises(OtherNetError, match=words) as caught:
            one.restore(tmp_path / "three.safetensors")
        assert caught.value.exit_code == 7
        assert one.iteration == 0
        assert all((before[name] == array).all() for name, array in weights(one).items())


@pytest.mark.parametrize(
    ("before", "after"), [(a, b) for a in TYPES for b in TYPES if a is not b], ids=lambda fields: fields["type"]
)
def test_the_history_of_another_solver_type_is_refused(
    solver: Make, tmp_path: Path, before: Values, after: Values
) -> None:
    """Its arrays may have equal shapes, but a mean of squares is not a last step."""
    trained(solver(**before), 2).snapshot(tmp_path / "two.safetensors")
    with pytest.raises(OtherNetError, match=f"has no history for the solver type {after['type']}"):
        session(solver(**after)).restore(tmp_path / "two.safetensors")


def test_weights_alone_are_no_state(solver: Make, tmp_path: Path) -> None:
    one = session(solver())
    netspec.Net(copy.deepcopy(NET)).save(tmp_path / "weights.safetensors")
    with pytest.raises(UnreadableSnapshotError, match="no solver state to resume from"):
        one.restore(tmp_path / "weights.safetensors")


def test_fine_tuning_says_what_became_of_each_param(solver: Make, tmp_path: Path) -> None:
    old = trained(solver(), 3)
    old.snapshot(tmp_path / "old.safetensors")
    values = solver()
    layers = values["net"]["layers"]
    layers[3] |= {"name": "ip_new", "num_output": 7}
    for layer in layers[4:]:
        layer["bottom"] = ["ip_new", "label"]
    one = session(values)
    fresh = weights(one)["ip_new.weight"]
    report = one.load(tmp_path / "old.safetensors")
    assert report.loaded == ("conv.weight", "conv.bias")
    assert report.skipped == ("ip.bias", "ip.weight")
    assert report.left == ("ip_new.weight", "ip_new.bias")
    assert (
        str(report) == "2 params loaded; skipped (not in the net): ip.bias, ip.weight; "
        "left at their fillers: ip_new.weight, ip_new.bias"
    )
    assert (weights(one)["conv.weight"] == weights(old)["conv.weight"]).all()
    assert (weights(one)["ip_new.weight"] == fresh).all()
    assert one.iteration == 0 and not one.train.weights.history[0]["momentum"].any()  # weights only
    layers[3]["name"] = "ip"
    for layer in layers[4:]:
        layer["bottom"] = ["ip", "label"]
    with pytest.raises(OtherNetError, match=r"'ip\.bias' is 3 in the snapshot and 7 in the net") as caught:
        session(values).load(tmp_path / "old.safetensors")
    assert caught.value.help == "give the layer another name to start it from its filler"


# --- divergence


def test_divergence_names_the_layer_the_blob_and_the_iteration(solver: Make, tmp_path: Path) -> None:
    one = session(solver(base_lr=1e25, snapshot=1, momentum=0))
    with pytest.raises(NotFiniteLossError) as caught:
        list(solve(one, tmp_path))
    said, iteration = caught.value.message, one.iteration
    assert said.startswith(f"iteration {iteration}: ")
    assert (
        "blob 'conv' of layer 'conv' (Convolution)" in said
        or "blob 'ip' of layer 'ip' (InnerProduct)" in said
        or "gradient" in said
    )
    assert caught.value.exit_code == 5
    assert all(np.isfinite(array).all() for array in weights(one).values())
    assert [p.name for p in snapshot.listing(tmp_path)] == [snapshot.name(i) for i in range(1, iteration + 1)][-3:]
    state = snapshot.read(tmp_path / snapshot.name(iteration))
    for key, array in state.weights.items():
        assert (weights(one)[str(key)] == array).all()  # as before this iteration


@pytest.mark.parametrize("size", [1, 2])
def test_bad_data_are_found_where_they_come_in(solver: Make, tmp_path: Path, size: int) -> None:
    """NaN in one sample: the weights stay as they were, and the first blob that holds it is named."""
    image, label = samples(23, 7)
    image[6, 0, 2, 3] = np.nan
    np.save(tmp_path / "x.npy", image)
    np.save(tmp_path / "y.npy", label)
    values = solver(iter_size=size)
    outputs = [str(tmp_path / "x.npy"), str(tmp_path / "y.npy")]
    values["data"]["train"] |= {"source": {"type": "Arrays", "outputs": outputs}, "shuffle": False}
    one = session(values)
    while one.iteration < 1 // size:
        one.step()
    before = weights(one)
    with pytest.raises(NotFiniteLossError, match="blob 'data' of layer 'data'") as caught:
        one.step()
    assert caught.value.message.startswith(f"iteration {1 // size}: ")
    assert all((before[name] == array).all() for name, array in weights(one).items())
    assert not any(np.isnan(h).any() for slots in one.train.weights.history for h in slots.values())
    one.close()


def test_a_gradient_that_overflows_is_named(solver: Make) -> None:
    """The loss is finite, a gradient is not."""
    values = solver()
    values["net"]["layers"][3]["num_output"] = 1
    values["net"]["layers"][4:] = [
        {"name": "loss", "type": "EuclideanLoss", "bottom": ["ip", "label"], "loss_weight": 3e38}
    ]
    one = session(values)
    with pytest.raises(
        NotFiniteLossError,
        match=r"iteration 0: the gradient of (blob 'ip', from layer 'loss'|param 'ip.weight' in layer)",
    ):
        for _ in range(3):
            one.train.iterations.set(0, ())
            one.step()
    assert np.isfinite(one.train.loss[0])
    one.close()


def test_gradients_whose_squares_overflow() -> None:
    values = least_squares(8, 3)
    values["net"]["layers"][-1]["loss_weight"] = 1e200
    one = session(values)
    with pytest.raises(
        NotFiniteLossError, match="iteration 0: the sum of squared gradients is too large to be a number"
    ):
        one.step()
    one.close()


def test_no_snapshot_holds_what_is_not_finite(solver: Make, tmp_path: Path) -> None:
    one = trained(solver(), 2)
    one.snapshot(tmp_path / "two.safetensors")
    content = (tmp_path / "two.safetensors").read_bytes()
    one.train.weights.data[0][0, 0, 1, 2] = np.inf
    with pytest.raises(NetspecError, match=r"'conv\.weight' is not finite, so no snapshot was written") as caught:
        one.snapshot(tmp_path / "two.safetensors")
    assert caught.value.exit_code == 5
    assert (tmp_path / "two.safetensors").read_bytes() == content
    assert len(list(tmp_path.iterdir())) == 1


# --- against another program


def test_losses_of_five_steps_are_those_of_torch(solver: Make) -> None:
    torch = pytest.importorskip("torch")
    image, label = samples(23, 7)
    values = solver(weight_decay=0.05, lr_policy="fixed")
    values["data"]["train"]["shuffle"] = False
    one = session(values)
    start = {name: torch.tensor(array, requires_grad=True) for name, array in weights(one).items()}
    optimizer = torch.optim.SGD(start.values(), lr=0.1, momentum=0.9, weight_decay=0.05)
    for step in range(5):
        index = np.arange(4 * step, 4 * step + 4) % 23
        x = torch.nn.functional.conv2d(torch.tensor(image[index]), start["conv.weight"], start["conv.bias"]).relu()
        scores = x.flatten(1) @ start["ip.weight"].T + start["ip.bias"]
        expected = torch.nn.functional.cross_entropy(scores, torch.tensor(label[index]))
        optimizer.zero_grad()
        expected.backward()
        optimizer.step()
        assert one.step() == pytest.approx(expected.item(), abs=1e-4)
    one.close()

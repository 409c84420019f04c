"""Iterations of solver types that drive passes: one objective an iteration, and a state that changes in one moment."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import netspec
from netspec.training import driving
from netspec.training.blame import NotFiniteLossError
from netspec.training.job import load_solver
from netspec.training.session import Session
from netspec.training.solvers.base import SOLVERS
from netspec.training.solvers.base_driving import DrivingRule, Objective
from tests.helpers.checks import Array, blob
from tests.helpers.interrupts import Moments
from tests.helpers.sessions import session, weights

Make = Callable[..., dict[str, Any]]

TYPES = [SOLVERS.word(cls) for cls in SOLVERS.members() if issubclass(cls, DrivingRule)]
every = pytest.mark.parametrize("word", TYPES)


def driven(solver: Make, word: str, **changes: Any) -> dict[str, Any]:
    """A solver of a type, on a net with Dropout and BatchNorm, with batches that are cut from 23 samples."""
    unused = dict.fromkeys(SOLVERS.get(word).unused)
    values = solver(type=word, **{"momentum": None, "dtype": "float64", "iter_size": 2} | unused | changes)
    norm = {"name": "norm", "type": "BatchNorm", "moving_average_fraction": 0.5, "affine": True}
    values["net"]["layers"][2:3] = [norm, {"name": "drop", "type": "Dropout", "dropout_ratio": 0.3}]
    return values


class Asking(DrivingRule):
    """Stays where it is, and lets a function look at the objective."""

    unused: ClassVar[tuple[str, ...]] = ()

    look: ClassVar[Callable[[Objective], Array]]

    def step(self, objective: Objective) -> Array:
        return type(self).look(objective)


@pytest.fixture
def asked(solver: Make, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Session]:
    """`asked(look)`: a session whose second iteration was given to a function; the first is one of SGD."""

    def make(look: Callable[[Objective], Array], **changes: Any) -> Session:
        one = session(driven(solver, "GradientDescent", **changes))
        one.step()
        monkeypatch.setattr(Asking, "look", staticmethod(look), raising=False)
        assert one._driving is not None
        one._driving.rule = Asking()
        one.step()
        return one

    return make


@pytest.mark.parametrize("kind", ["L1", "L2"])
def test_the_gradient_is_that_of_the_loss(asked: Callable[..., Session], kind: str) -> None:
    """With Dropout, BatchNorm and a regularizer: every pass has the same random numbers and batches."""

    def look(objective: Objective) -> Array:
        v, at = blob(objective.start.size, seed=5), objective.start + 0.01 * blob(objective.start.size, seed=6)
        loss, gradient = objective.slope(at)
        assert loss == objective.loss(at) and (gradient == objective.gradient(at)).all()
        rise = (objective.loss(at + 1e-5 * v) - objective.loss(at - 1e-5 * v)) / 2e-5
        np.testing.assert_allclose(gradient @ v, rise, rtol=1e-6)
        bend = (objective.gradient(at + 1e-4 * v) - objective.gradient(at - 1e-4 * v)) / 2e-4
        np.testing.assert_allclose(objective.product(at, v), bend, rtol=1e-4, atol=1e-5)
        assert (objective.product(at, v * 0) == 0).all()
        assert objective.slope(objective.start)[0] == objective.loss(objective.start.copy())
        return objective.start

    asked(look, regularization_type=kind, weight_decay=0.1).close()


def test_what_an_objective_says_of_itself(asked: Callable[..., Session]) -> None:
    def look(objective: Objective) -> Array:
        assert objective.iteration == 1 and objective.eps == 2.0**-52
        assert objective.rate == pytest.approx(0.1 * 1.01**-0.75)
        sizes = [span.stop - span.start for span in objective.spans]
        assert sizes == [2 * 9, 2, 2, 2, 3 * 2 * 12, 3] and sum(sizes) == objective.start.size
        assert (objective.lr_mult == 1).all() and len(objective.params) == len(sizes)
        return objective.start

    asked(look).close()


def test_its_iteration_is_that_of_sgd(solver: Make) -> None:
    """Where the first step tried is taken: weights, stored params, losses, scores, gradients and their norm."""
    one, other = (session(driven(solver, word, base_lr=1e-3)) for word in ("GradientDescent", "SGD"))
    for _ in range(3):
        assert one.step() == pytest.approx(other.step(), rel=1e-12)
        mine, theirs = weights(one), weights(other)
        for name in mine:
            np.testing.assert_allclose(mine[name], theirs[name], rtol=1e-10, atol=1e-14, err_msg=name)
        assert one.train.norm[0] == pytest.approx(other.train.norm[0], rel=1e-10)
        assert one.train.loss[0] == pytest.approx(other.train.loss[0], rel=1e-12)
        for diff, right in zip(one.train.weights.diff, other.train.weights.diff, strict=True):
            if diff is not None and right is not None:
                np.testing.assert_allclose(diff, right, rtol=1e-9, atol=1e-14)
        assert one.progress.scores == pytest.approx(other.progress.scores)
    assert one.losses == pytest.approx(other.losses)
    one.close()
    other.close()


@every
def test_stored_params_are_updated_once_an_iteration(solver: Make, word: str) -> None:
    with netspec.Solver(driven(solver, word)) as one:
        for count in (1.5, 0.25 * 1.5 + 1.5):  # two batches: f * (f * s + 1) + 1 with f = 1/2
            one.step()
            assert one.net.params["norm"][2].data[0] == count


@every
@pytest.mark.parametrize("seed", range(2))
def test_an_interrupt_before_any_operation(solver: Make, word: str, seed: int) -> None:
    """Also two interrupts, the second while the first is on its way out."""
    random = np.random.default_rng(seed)
    values = driven(solver, word, net=small(solver))
    with opened(values) as whole, opened(values) as one:
        states = [state(whole)]
        for _ in range(6):
            whole.step()
            states.append(state(whole))
        one.step()
        with Moments() as moments:
            one.step()
        for _ in range(4):
            first = int(random.integers(1, moments.count + 1))
            with suppress(KeyboardInterrupt), Moments(first, first + int(random.integers(1, 9))):
                one.step()
            assert same(state(one), states[one.iteration]), f"before operation {first}"
            if one.iteration < 5:
                one.step()
            assert same(state(one), states[one.iteration]), f"after an interrupt before operation {first}"


def small(solver: Make) -> dict[str, Any]:
    """A net of few values, as Newton wants it."""
    net: dict[str, Any] = solver()["net"]
    net["layers"][1] = {"name": "conv", "type": "Pooling", "kernel_size": [6, 1]}
    return net


def opened(values: dict[str, Any]) -> closing[Session]:
    """A session for a `with` block, which closes it."""
    return closing(session(values))


def state(one: Session) -> dict[Any, Any]:
    """Everything that an iteration changes."""
    held = one.state()
    history = {key: array.copy() for key, array in held.history.items()}
    return {**weights(one), **history, "losses": np.array(held.losses)}


def same(one: dict[Any, Any], other: dict[Any, Any]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)


@every
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_resumed_on_other_threads_it_ends_in_the_same_bytes(
    solver: Make, word: str, dtype: str, tmp_path: Path
) -> None:
    if word == "Newton" and dtype == "float32":
        pytest.skip("it wants float64")
    values = driven(solver, word, dtype=dtype, average_loss=3, average="ema")
    ends = []
    for pieces in ((6,), (1, 3, 2)):
        path = None
        for number, steps in enumerate(pieces):
            with netspec.Solver(values, threads=1 + number % 2) as one:
                if path is not None:
                    assert one.restore(path) == []
                one.step(steps)
                path = one.snapshot(tmp_path / f"{len(pieces)}_{number}.safetensors")
        assert path is not None
        ends.append(path.read_bytes())
    assert ends[0] == ends[1]


@every
def test_batches_that_are_not_held_are_read_anew(solver: Make, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = []
    for held in (driving.HELD, 0):
        monkeypatch.setattr(driving, "HELD", held)
        with opened(driven(solver, word)) as one:
            for _ in range(2):
                one.step()
            ends.append(state(one))
    assert same(*ends)


@every
def test_a_start_that_is_not_finite_is_blamed(solver: Make, word: str) -> None:
    with opened(driven(solver, word)) as one:
        one.step()
        one.train.weights.data[one.train.weights.index("ip.bias")][1] = np.nan
        before = one.iteration, one.losses
        with pytest.raises(NotFiniteLossError, match=r"iteration 1: param 'ip\.bias' is not finite"):
            one.step()
        assert (one.iteration, one.losses) == before


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_point_that_is_not_finite_does_not_count(asked: Callable[..., Session], dtype: str) -> None:
    with pytest.raises(NotFiniteLossError, match="iteration 1: Asking steps to a point that is not finite"):
        asked(lambda objective: objective.start * (1e300 if dtype == "float32" else np.nan), dtype=dtype)


def test_a_loss_that_is_no_number_is_infinite(asked: Callable[..., Session]) -> None:
    def look(objective: Objective) -> Array:
        assert objective.loss(objective.start * 1e308 * 10) == float("inf")
        return objective.start

    asked(look).close()


def test_fields_without_use_are_refused_and_not_required(solver: Make) -> None:
    for word in TYPES:
        for field in SOLVERS.get(word).unused:
            if field != "warmup":
                value = {"lr_policy": "fixed", "gradient_noise": {"eta": 0.1}}.get(field, 0.5)
                with pytest.raises(netspec.NetspecError, match=f"has no use for `{field}`"):
                    session(driven(solver, word, **{field: value}))
    for word in ("MaxNorm", "Orthogonal"):
        with pytest.raises(netspec.NetspecError, match="a regularizer that is no part of the loss"):
            session(driven(solver, "LBFGS", regularization_type=word))
    with pytest.raises(netspec.NetspecError, match="lacks `base_lr`"):
        session(driven(solver, "GradientDescent", base_lr=None))


def test_a_null_drops_a_field_that_a_type_has_no_use_for() -> None:
    fields = [f"{field}=null" for field in SOLVERS.get("Newton").unused]
    assert load_solver("quadratic", ["type=Newton", *fields]).spec.base_lr == 1


def test_lbfgs_learns_all_of_a_small_data_set(solver: Make) -> None:
    """Multinomial logistic regression on 20 samples in 5 batches is at its minimum after 60 iterations."""
    values = solver(type="LBFGS", base_lr=None, lr_policy=None, momentum=None, dtype="float64", iter_size=5)
    values["net"]["layers"][1:3] = []
    values["data"]["train"].update(batch_size=4, limit=20)
    with netspec.Solver(values | {"weight_decay": 0.01}) as one:
        one.step(60)
        images, labels = (np.load(path) for path in values["data"]["train"]["source"]["outputs"])
        x, (w, b) = images[:20].reshape(20, -1), (one.net.params["ip"][i].data for i in (0, 1))
        scores = x @ w.T + b
        p = np.exp(scores - scores.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        wrong = (p - np.eye(3)[labels[:20]]) / 20
        assert abs(wrong.T @ x + 0.01 * w).max() < 1e-7 and abs(wrong.sum(0) + 0.01 * b).max() < 1e-7


def test_an_average_follows_the_weights(solver: Make) -> None:
    with opened(driven(solver, "LBFGS", average={"type": "ema", "decay": 0.5})) as one:
        averages = [average for average in one.train.weights.averages if average is not None]
        right = [array.copy() for array in averages]
        for _ in range(3):
            one.step()
            right = [(average + now) / 2 for average, now in zip(right, one.train.weights.data, strict=True)]
        for average, expected in zip(averages, right, strict=True):
            np.testing.assert_allclose(average, expected, rtol=1e-12, atol=1e-15)


def test_the_zoos_logistic_regression_on_all_of_its_data() -> None:
    """200 images in 4 batches: in float32 too, 80 iterations of LBFGS end at the minimum; SGD is far from it."""
    small = ("data.train.batch_size=50", "data.train.limit=200", "data.test.limit=200", "weight_decay=0.1")
    free = ("type=LBFGS", "base_lr=null", "momentum=null", "lr_policy=null", "iter_size=4")
    slopes = {}
    for words in (free, ("iter_size=4",)):
        with closing(Session(load_solver("logistic_regression", (*small, *words)))) as one:
            for _ in range(80):
                one.step()
            assert one.feed is not None
            images, labels = one.feed.batch(0, 200)
            x, (w, b) = images.reshape(200, -1).astype(float), one.train.weights.data
            scores = x @ w.T + b
            p = np.exp(scores - scores.max(1, keepdims=True))
            wrong = (p / p.sum(1, keepdims=True) - np.eye(10)[labels.astype(int).ravel()]) / 200
            slopes[words] = max(abs(wrong.T @ x + 0.1 * w).max(), abs(wrong.sum(0) + 0.1 * b).max())
    assert slopes[free] < 1e-5 and slopes["iter_size=4",] > 1e-3

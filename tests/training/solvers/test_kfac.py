"""KFAC against its definition written out in loops: factors, damping, steps of whole trainings; its promises."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.training.job import load_solver
from netspec.training.session import Session
from netspec.training.solvers import _preconditioner
from netspec.training.solvers._kronecker import damped_inverses, factored
from netspec.training.solvers._preconditioner import NotFiniteFactorError
from netspec.training.solvers.kfac import KFAC
from tests.helpers import cpus
from tests.helpers.checks import Array, blob
from tests.helpers.sessions import Values, weights

UNEVEN = {"type": "uniform", "min": -0.4, "max": 0.4}
CONV: Values = {
    "name": "conv",
    "type": "Convolution",
    "bottom": "x",
    "num_output": 10,
    "group": 2,
    "kernel_size": [3, 2],
    "stride": [2, 1],
    "pad": [1, 0],
    "dilation": [1, 2],
    "weight_filler": UNEVEN,
    "param": [{"lr_mult": 1}, {"lr_mult": 2, "decay_mult": 0}],
}
LINE: Values = {"name": "line", "type": "Convolution", "bottom": "conv", "axis": 2, "num_output": 3, "kernel_size": 2}
OWN = ("update_interval", "inverse_interval")
SAMPLES, BATCH, CLASSES = 35, 7, 5


def solver(**changes: Any) -> Values:
    """Groups, strides and dilation; a line of windows and channels first; a turned weight; params without factors."""
    layers = [
        {"name": "data", "type": "Input", "top": ["x", "label"], "shape": [[BATCH, 4, 9, 6], [BATCH]]},
        CONV,
        {"name": "relu", "type": "ReLU"},
        {**LINE, "weight_filler": UNEVEN, "bias_term": False},
        {"name": "scale", "type": "Scale", "bias_term": True},
        {"name": "turned", "type": "InnerProduct", "num_output": 8, "transpose": True, "weight_filler": UNEVEN},
        {"name": "tanh", "type": "TanH"},
        {"name": "ip", "type": "InnerProduct", "num_output": CLASSES, "weight_filler": UNEVEN},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"]},
    ]
    labels = np.arange(SAMPLES) % CLASSES
    source = {"type": "Arrays", "values": [blob(SAMPLES, 4, 9, 6).tolist(), labels.tolist()]}
    own = {"type": "KFAC", "base_lr": 0.05, "momentum": 0.8, "update_interval": 2, "inverse_interval": 3}
    fields = {"lr_policy": "fixed", "max_iter": 30, "weight_decay": 0.01, "dtype": "float64", "display": 0, **own}
    feed = {"train": {"source": source, "batch_size": BATCH}}
    values = {"net": {"name": "n", "layers": layers}, "data": feed} | fields | changes
    return {key: value for key, value in values.items() if value is not None}


def opened(threads: int | None = None, keep: bool = False, **changes: Any) -> Session:
    return Session(load_solver(solver(**changes), keep=keep), threads, keep)


# --- the definition, in loops


def patches(x: Array, layer: Values) -> list[list[Array]]:
    """The windows of each sample of x (N, C, H, W), each (C, taps): one list for each place."""
    _, channels, height, width = x.shape
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = (layer[key] for key in ("kernel_size", "stride", "pad", "dilation"))
    rows, columns = (height + 2 * ph - dh * (kh - 1) - 1) // sh + 1, (width + 2 * pw - dw * (kw - 1) - 1) // sw + 1
    found = []
    for one in x:
        places = []
        for i, j in product(range(rows), range(columns)):
            window = np.zeros((channels, kh * kw))
            for c, u, v in product(range(channels), range(kh), range(kw)):
                at, across = i * sh - ph + u * dh, j * sw - pw + v * dw
                if 0 <= at < height and 0 <= across < width:
                    window[c, u * kw + v] = one[c, at, across]
            places.append(window)
        found.append(places)
    return found


def moments(inputs: Array, outputs: Array) -> tuple[Array, Array]:
    """A and G of inputs (N, L, n) and gradients (N, L, M) of the mean loss, sample by sample and place by place."""
    samples, places, _ = inputs.shape
    a, g = np.zeros((inputs.shape[2],) * 2), np.zeros((outputs.shape[2],) * 2)
    for n, place in product(range(samples), range(places)):
        a += np.outer(inputs[n, place], inputs[n, place]) / samples
        own = samples * outputs[n, place]  # of this sample's own loss
        g += np.outer(own, own) / samples / places
    return a, g


def ones(rows: Array) -> Array:
    return np.concatenate([rows, np.ones((*rows.shape[:-1], 1))], axis=-1)


class Reference:
    """The rule on the arrays of a session that keeps its blobs, written without its kernels."""

    def __init__(self, one: Session) -> None:
        self.one, self.rule = one, one.spec.rule
        self.means: dict[str, list[tuple[Array, Array]]] = {}
        self.inverses: dict[str, list[tuple[Array, Array]]] = {}
        self.history = {name: np.zeros_like(w) for name, w in weights(one).items()}

    def blobs(self, name: str) -> tuple[Array, Array]:
        """A layer's bottom and its top's diff."""
        graph = self.one.train.graph
        node = next(node for node in graph.nodes if node.layer.name == name)
        diff = self.one.train.diff[node.tops[0]]
        assert diff is not None
        return self.one.train.data[node.bottoms[0]].copy(), diff.copy()

    def measured(self) -> dict[str, list[tuple[Array, Array]]]:
        """The factors of this batch, for each layer and group."""
        x, dy = self.blobs("conv")
        windows, rows = np.array(patches(x, CONV)), dy.reshape(BATCH, 10, -1).transpose(0, 2, 1)
        found = {"conv": []}
        for group in range(2):
            inputs = windows[:, :, 2 * group : 2 * group + 2].reshape(*windows.shape[:2], -1)
            found["conv"].append(moments(ones(inputs), rows[:, :, 5 * group : 5 * group + 5]))
        x, dy = self.blobs("line")  # N x 10 lines of 5 channels, of which each window takes two pixels
        windows = np.stack([x[:, :, :, j : j + 2].reshape(BATCH, 10, -1) for j in range(x.shape[3] - 1)], axis=2)
        rows = dy.transpose(0, 1, 3, 2).reshape(BATCH, -1, 3)
        found["line"] = [moments(windows.reshape(BATCH, -1, windows.shape[-1]), rows)]
        for name in ("turned", "ip"):
            x, dy = self.blobs(name)
            found[name] = [moments(ones(x.reshape(BATCH, 1, -1)), dy.reshape(BATCH, 1, -1))]
        return found

    def step(self, iteration: int, w: dict[str, Array], diffs: dict[str, Array]) -> dict[str, Array]:
        rule, rate, decay = self.rule, self.one.spec.base_lr, self.one.spec.weight_decay
        if iteration % rule.update_interval == 0:
            new = max(1 / (iteration // rule.update_interval + 1), 1 - rule.factor_decay)
            for name, pairs in self.measured().items():
                old = self.means.get(name, [(0 * a, 0 * g) for a, g in pairs])
                self.means[name] = [
                    tuple(new * now + (1 - new) * then for now, then in zip(pair, before, strict=True))
                    for pair, before in zip(pairs, old, strict=True)
                ]
        if iteration % rule.inverse_interval == 0:
            for name, pairs in self.means.items():
                self.inverses[name] = [inverted(a, g, rule.damping + decay) for a, g in pairs]
        gradients = {name: diff + decay * (name != "conv.bias") * w[name] for name, diff in diffs.items()}
        steps = dict(gradients)
        total = 0.0
        for name, pairs in self.inverses.items():
            bias, groups = gradients.get(f"{name}.bias"), len(pairs)
            turned = name == "turned"
            matrix = gradients[f"{name}.weight"]
            matrix = matrix.T if turned else matrix.reshape(len(matrix), -1)
            if bias is not None:
                matrix = np.concatenate([matrix, bias[:, None]], axis=1)
            blocks = np.split(matrix, groups)
            found = [g @ block @ a for (a, g), block in zip(pairs, blocks, strict=True)]
            total += sum(float((v * block).sum()) for v, block in zip(found, blocks, strict=True))
            v = np.concatenate(found)
            if bias is not None:
                steps[f"{name}.bias"], v = v[:, -1], v[:, :-1]
            steps[f"{name}.weight"] = v.T if turned else v.reshape(w[f"{name}.weight"].shape)
        scale = min(1.0, np.sqrt(rule.kl_clip / (rate**2 * total))) if rule.kl_clip else 1.0
        after = {}
        for name, v in steps.items():
            own = rate * (2 if name == "conv.bias" else 1) * (scale if name.split(".")[0] in self.inverses else 1)
            self.history[name] = rule.momentum * self.history[name] + own * v
            after[name] = w[name] - self.history[name]
        return after


def inverted(a: Array, g: Array, damping: float) -> tuple[Array, Array]:
    pi = np.sqrt((np.trace(a) / len(a)) / (np.trace(g) / len(g)))
    return tuple(  # type: ignore[return-value]
        np.linalg.solve(m + shift * np.eye(len(m)), np.eye(len(m)))
        for m, shift in ((a, pi * np.sqrt(damping)), (g, np.sqrt(damping) / pi))
    )


@pytest.mark.parametrize("changes", [{"kl_clip": 0.0}, {"kl_clip": 0.003, "damping": 0.3}], ids=["free", "clipped"])
def test_twenty_iterations_equal_the_definition(changes: Values) -> None:
    kept, plain = opened(keep=True, **changes), opened(**changes)
    reference = Reference(kept)
    for iteration in range(20):
        before = weights(kept)
        kept.step()
        plain.step()
        program = kept.train
        diffs = {n: d.copy() for n, d in zip(program.weights.names, program.weights.diff, strict=True) if d is not None}
        expected = reference.step(iteration, before, diffs)
        for name, array in weights(kept).items():
            np.testing.assert_allclose(array, expected[name], rtol=1e-12, atol=1e-13, err_msg=f"{iteration} {name}")
    for name, array in weights(plain).items():
        np.testing.assert_allclose(array, weights(kept)[name], rtol=1e-9, atol=1e-11)
    for one in (kept, plain):
        one.close()


LAYERS: list[Values] = [
    {"type": "InnerProduct", "num_output": 8},
    {"type": "InnerProduct", "num_output": 8, "transpose": True, "bias_term": False},
    {"type": "Convolution", "num_output": 8, "kernel_size": 3, "pad": 1},
    {"type": "Convolution", "num_output": 8, "kernel_size": 1, "bias_term": False},
    {"type": "Convolution", "num_output": 4, "kernel_size": 3, "group": 4},
    {"type": "Convolution", "num_output": 8, "kernel_size": 2, "stride": 2, "group": 2},
]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: "-".join(map(str, layer.values())))
def test_a_relu_above_is_in_the_gradient_of_the_top(layer: Values) -> None:
    """However a layer is computed: where it computes the ReLU along with itself, its top's diff is masked as well."""
    values = solver(update_interval=1, inverse_interval=1, kl_clip=0.0)
    data, *_, ip, loss = values["net"]["layers"]
    relu = {"name": "relu", "type": "ReLU"}
    values["net"]["layers"] = [data, {**layer, "name": "own", "weight_filler": UNEVEN}, relu, ip, loss]
    kept, plain = Session(load_solver(values, keep=True), keep=True), Session(load_solver(values))
    for _ in range(2):
        kept.step()
        plain.step()
    for (key, array), other in zip(plain._history().items(), kept._history().values(), strict=True):
        np.testing.assert_allclose(array, other, rtol=1e-9, atol=1e-11, err_msg=str(key))
    kept.close()
    plain.close()


def test_momenta_of_gradients_that_stay_0_do_not_stay_in_the_denormal_numbers() -> None:
    """Those of the step with factors: a rate that is 0 in float32 leaves them to shrink, as no gradient would."""
    one = opened(dtype="float32", base_lr=1e-50, momentum=0.1)
    history = one.train.weights.history[one.train.weights.index("ip.weight")]["momentum"]
    history[...] = 1e-36
    one.step()
    assert (history == 0).all()
    one.close()


def test_the_factors_of_a_single_sample_are_its_fisher_block() -> None:
    """With one sample, the product of what `moments` gives is the outer product of the whole gradient with itself."""
    a, dy = blob(1, 1, 4), blob(1, 1, 3, seed=2)
    inputs, outputs = moments(ones(a), dy)
    gradient = np.outer(dy[0, 0], ones(a)[0, 0]).reshape(-1)  # (M, n) by rows: G (x) A
    np.testing.assert_allclose(np.kron(outputs, inputs), np.outer(gradient, gradient), rtol=1e-12, atol=1e-15)


def test_the_factored_damping_is_a_kronecker_product() -> None:
    """(G + r / pi) (x) (A + r pi) applied to the step gives the gradient back, whatever pi is."""
    root, other, gradient = blob(6, 6), blob(4, 4, seed=2), blob(4, 6, seed=3)
    a, g, damping = root @ root.T, 9 * other @ other.T, 0.3
    left, right = damped_inverses(a, g, damping)
    v = right @ gradient @ left
    pi = np.sqrt(np.trace(a) / 6 / (np.trace(g) / 4))
    block = np.kron(g + np.sqrt(damping) / pi * np.eye(4), a + pi * np.sqrt(damping) * np.eye(6))
    np.testing.assert_allclose(block @ v.reshape(-1), gradient.reshape(-1), rtol=1e-10, atol=1e-12)


def test_factors_of_zeros_are_damped_alike() -> None:
    left, right = damped_inverses(np.zeros((3, 3)), np.eye(2), 0.04)
    np.testing.assert_allclose(left, np.eye(3) / 0.2)
    np.testing.assert_allclose(right, np.eye(2) / 1.2)


def test_damped_inverses_by_hand() -> None:
    left, right = damped_inverses(np.array([[4.0]]), np.array([[1.0]]), 0.25)
    # pi = 2: (4 + 2 * .5)^-1 = .2, (1 + .5 / 2)^-1 = .8
    assert (left.item(), right.item()) == pytest.approx((0.2, 0.8), rel=1e-14)


# --- what every solver type promises


def snapshot_of(one: Session, to: Path) -> bytes:
    one.snapshot(to)
    return to.read_bytes()


def trained(steps: int, threads: int, **changes: Any) -> Session:
    one = opened(threads, **changes)
    for _ in range(steps):
        one.step()
    one.close()
    return one


@pytest.mark.parametrize("changes", [{}, {"iter_size": 2, "dtype": "float32"}], ids=["plain", "iter_size"])
def test_resumed_equals_uninterrupted_on_any_threads(changes: Values, tmp_path: Path) -> None:
    """From an iteration between statistics and inversions; the state holds means and inverses."""
    whole = snapshot_of(trained(9, 1, **changes), tmp_path / "whole.safetensors")
    half = tmp_path / "half.safetensors"
    trained(4, 2, **changes).snapshot(half)
    again = opened(2, **changes)
    again.restore(half)
    for _ in range(5):
        again.step()
    again.close()
    assert snapshot_of(again, tmp_path / "again.safetensors") == whole


def test_bits_do_not_depend_on_the_threads_of_blas() -> None:
    """Outside of `solve` too, which leaves BLAS a single thread. The factors are 217 and 300 wide."""
    from threadpoolctl import threadpool_limits

    values = solver()
    data, *_, ip, loss = values["net"]["layers"]
    values["net"]["layers"] = [data, {**ip, "name": "wide", "bottom": "x", "num_output": 300}, ip, loss]
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            one = Session(load_solver(values))
            one.step()
            one.close()
        found.append([array.tobytes() for array in weights(one).values()])
    assert found[0] == found[1]


def test_several_batches_measure_like_one() -> None:
    """Two batches of 7 in an iteration have the factors and the step of a single batch of 14."""
    two = opened(iter_size=2)
    values = solver()
    values["data"]["train"]["batch_size"] = 2 * BATCH
    values["net"]["layers"][0]["shape"] = [[2 * BATCH, 4, 9, 6], [2 * BATCH]]
    one = Session(load_solver(values))
    for _ in range(3):
        two.step()
        one.step()
    for name, array in weights(two).items():
        np.testing.assert_allclose(array, weights(one)[name], rtol=1e-9, atol=1e-12, err_msg=name)
    two.close()
    one.close()


def normed() -> Session:
    """A training with params that a layer stores, and every iteration with statistics and inversions."""
    values = solver(update_interval=1, inverse_interval=1)
    values["net"]["layers"].insert(2, {"name": "norm", "type": "BatchNorm"})
    return Session(load_solver(values))


def state(one: Session) -> list[bytes]:
    arrays = (*weights(one).values(), *one._history().values())
    return [str(one.iteration).encode(), *(array.tobytes() for array in arrays)]


def test_an_interrupt_anywhere_between_compiled_parts_counts_all_or_nothing() -> None:
    """An iteration is interrupted behind each of its compiled parts, then by each of its Python steps."""
    one, straight = normed(), normed()
    states = [state(straight)]
    for _ in range(3):
        straight.step()
        states.append(state(straight))
    one.step()
    table, drive, calls = one.train.table, one.train.table._drive, 0

    def late(*args: Any) -> None:
        nonlocal calls
        drive(*args)
        calls -= 1
        if calls == 0:
            raise KeyboardInterrupt

    parts = len(table._routines) + 1
    with mock.patch.object(table, "_drive", late):
        for number in range(1, parts + 1):
            calls = number
            with pytest.raises(KeyboardInterrupt):
                one.step()
            assert state(one) == states[2 if number == parts else 1]
    for name in ("_renew", "_invert"):
        with (
            mock.patch.object(_preconditioner.Kronecker, name, side_effect=KeyboardInterrupt),
            pytest.raises(KeyboardInterrupt),
        ):
            one.step()
        assert state(one) == states[2]
    one.step()
    assert state(one) == states[3]
    one.close()
    straight.close()


def test_factors_without_an_inverse_are_an_error_and_change_nothing() -> None:
    one = opened(dtype="float32")
    with mock.patch.object(_preconditioner, "damped_inverses", side_effect=np.linalg.LinAlgError):
        before = state(one)
        with pytest.raises(NotFiniteFactorError, match="iteration 0: the Kronecker factors of layer 'conv'"):
            one.step()
    assert state(one) == before
    one.step()
    one.close()


def test_factors_that_overflow_are_an_error() -> None:
    """Inputs of about 1e20 have squares beyond float32; behind a weight of 0 nothing else shows it."""
    values = solver(dtype="float32")
    data, *_, ip, loss = values["net"]["layers"]
    values["net"]["layers"] = [data, {**ip, "bottom": "x", "weight_filler": "constant"}, loss]
    values["data"]["train"]["transform"] = [{"type": "Scale", "factor": 1e20}]
    one = Session(load_solver(values))
    before = state(one)
    with pytest.raises(NotFiniteFactorError, match="iteration 0: the Kronecker factors of layer 'ip' are not finite"):
        one.step()
    assert state(one) == before
    one.close()


def test_params_without_factors_take_steps_of_sgd() -> None:
    """A largest side below all factors leaves SGD; shared weights and layers of other types have no factors."""
    plain, sgd = trained(3, 1, max_factor=1), trained(3, 1, type="SGD", **dict.fromkeys(OWN))
    for name, array in weights(plain).items():
        np.testing.assert_array_equal(array, weights(sgd)[name])
    assert {one.node.layer.name for one in factored(plain.train.shaped, 4096)} == {"conv", "line", "turned", "ip"}
    values = solver()
    values["net"]["layers"][-2]["param"] = [{"name": "shared"}]
    values["net"]["layers"].append({"name": "twin", "type": "InnerProduct", "bottom": "tanh", "num_output": CLASSES})
    values["net"]["layers"][-1]["param"] = [{"name": "shared"}]
    values["net"]["layers"].append({"name": "more", "type": "SoftmaxWithLoss", "bottom": ["twin", "label"]})
    shared = Session(load_solver(values))
    assert {one.node.layer.name for one in factored(shared.train.shaped, 4096)} == {"conv", "line", "turned"}
    shared.step()
    shared.close()


def test_fields() -> None:
    with pytest.raises(ValidationError):
        KFAC(damping=0.0)
    assert KFAC.slots == ("momentum",)


def test_batch_norms_that_others_serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its statistics are those of written tops and gradients: a residual net trains as without the rewrites."""
    own = {"type": "KFAC", "momentum": 0.8, "dtype": "float64", "update_interval": 1, "inverse_interval": 2}
    values = {**cpus.solver("residual", tmp_path), **own}
    found = []
    for without in (KFAC.without, {"hands", "on_read", "moments", "known", "products", "pulled", "again"}):
        monkeypatch.setattr(KFAC, "without", frozenset(without))
        session = Session(load_solver(values))
        for _ in range(5):
            session.step()
        found.append(session.train)
    words = {word for node in found[0].graph.nodes for word in node.fused}
    assert words == {"moments", "products"} and not any(node.fused for node in found[1].graph.nodes)
    for name, mine, theirs in zip(found[0].weights.names, *(one.weights.data for one in found), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-7, atol=1e-9, err_msg=name)

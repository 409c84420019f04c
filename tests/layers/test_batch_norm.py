"""BatchNorm against its definition and Caffe's numbers; its running sums in a training, where they are state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from pydantic import ValidationError

import netspec
from netspec.core.calls import Run
from netspec.core.errors import NetspecError
from netspec.core.shape import ShapeError
from netspec.layers.base import Layer
from netspec.lowering.channels import slots
from tests.helpers.checks import Result, blob, check_layer, forward, make_layer, random_params, run_layer
from tests.helpers.oracle import Oracle, Torch, against
from tests.helpers.sessions import session, trained, weights

Values = dict[str, Any]
Make = Callable[..., Values]


def bn(**fields: Any) -> Layer:
    return make_layer("BatchNorm", **fields)


def stored(channels: int, value: float = 0.0) -> list[np.ndarray]:
    return [np.full(channels, value), np.full(channels, value), np.full(1, value)]


def over(x: np.ndarray) -> tuple[int, ...]:
    """The axes that statistics are taken over: all but the channels."""
    return (0, *range(2, x.ndim))


def wide(values: np.ndarray, x: np.ndarray) -> np.ndarray:
    """One value a channel, to broadcast against x."""
    return values.reshape(-1, *(1,) * (x.ndim - 2)) if x.ndim > 1 else values


def normal(x: np.ndarray, eps: float = 1e-5) -> np.ndarray:
    mean, variance = x.mean(over(x), keepdims=True), x.var(over(x), keepdims=True)
    return (x - mean) / np.sqrt(variance + eps)


def oracle(affine: bool, by_batch: bool) -> Oracle:
    """BatchNorm channel by channel, with the statistics of the batch or with the running ones."""

    def tops(bottoms: list[np.ndarray], held: list[np.ndarray]) -> list[np.ndarray]:
        (x,), y = bottoms, np.empty(bottoms[0].shape)
        for c in range(len(held[0])):
            channel = (slice(None), c) if x.ndim > 1 else (slice(None),)
            values = x[channel].ravel().tolist()
            mean = sum(values) / len(values) if by_batch else held[0][c] / held[2][0]
            squares = [(v - mean) ** 2 for v in values]
            variance = sum(squares) / len(values) if by_batch else held[1][c] / held[2][0]
            normed = [(v - mean) / (variance + 1e-5) ** 0.5 for v in values]
            weight, bias = (held[3][c], held[4][c]) if affine else (1.0, 0.0)
            y[channel] = np.array([v * weight + bias for v in normed]).reshape(x[channel].shape)
        return [y]

    return tops


def in_torch(affine: bool, by_batch: bool) -> Torch:
    """PyTorch's batch normalisation."""

    def tops(bottoms: list[Any], held: list[Any]) -> list[Any]:
        import torch

        x = bottoms[0].reshape(-1, 1) if bottoms[0].ndim == 1 else bottoms[0]
        running = (None, None) if by_batch else (held[0] / held[2], held[1] / held[2])
        factors = (held[3], held[4]) if affine else (None, None)
        y = torch.nn.functional.batch_norm(x, *running, *factors, training=by_batch, eps=1e-5)
        return [y.reshape(bottoms[0].shape)]

    return tops


# --- one layer


@pytest.mark.parametrize("shape", [(7,), (5, 3), (2, 3, 5), (5, 2, 3, 4), (2, 3, 4, 5, 1)])
@pytest.mark.parametrize("affine", [False, True])
def test_batch_statistics(shape: tuple[int, ...], affine: bool) -> None:
    layer, x = bn(affine=affine), 3 * blob(*shape) + 2
    channels = shape[1] if len(shape) > 1 else 1
    assert (
        layer.param_shapes((shape,)) == ((channels,), (channels,), (1,), (channels,), (channels,))[: 5 if affine else 3]
    )
    params = random_params(layer, [x])
    against(oracle(affine, True), layer, [x], params=params, in_torch=in_torch(affine, True))
    wanted = normal(x) * wide(params[3], x) + wide(params[4], x) if affine else normal(x)
    np.testing.assert_allclose(forward(layer, x, params=params)[0], wanted, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("shape", [(7,), (5, 3), (5, 2, 3, 4)])
@pytest.mark.parametrize("affine", [False, True])
def test_running_statistics(shape: tuple[int, ...], affine: bool) -> None:
    """In phase TEST, and with `use_global_stats`: mean/scale_factor and variance/scale_factor."""
    fixed, x = bn(affine=affine, use_global_stats=True), blob(*shape)
    params = random_params(fixed, [x])
    mean, variance = params[0] / params[2], params[1] / params[2]
    wanted = (x - wide(mean, x)) / np.sqrt(wide(variance, x) + 1e-5)
    wanted = wanted * wide(params[3], x) + wide(params[4], x) if affine else wanted
    result = check_layer(fixed, [x], params=params)
    for a, b in zip(result.params[:3], params, strict=False):
        np.testing.assert_allclose(a, b, rtol=1e-6)  # as they were, but for the checker's rounding to float32
    for layer, phase in ((fixed, "TRAIN"), (bn(affine=affine), "TEST"), (fixed, "TEST")):
        np.testing.assert_allclose(forward(layer, x, phase=phase, params=params)[0], wanted, rtol=1e-11, atol=1e-11)
    torch = in_torch(affine, False)
    against(oracle(affine, False), bn(affine=affine), [x], params=params, phase="TEST", in_torch=torch)


def test_a_batch_of_caffe() -> None:
    """Mean 0 and variance 1 in every channel."""
    (y,) = forward(bn(), 10 + 4 * blob(5, 2, 3, 4), params=stored(2), dtype="float32")
    np.testing.assert_allclose(y.mean((0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(y.var((0, 2, 3)), 1, atol=1e-5)


def test_numbers_of_caffe() -> None:
    """Channel [1, 2, 3, 4]: its values, and the blobs after one step and after two."""
    x, params = np.arange(1.0, 5).reshape(4, 1), stored(1)
    for wanted in ([2.5, 5 / 3, 1], [4.9975, 3.3316667, 1.999]):
        result = run_layer(bn(), x, params=params)
        np.testing.assert_allclose(result.tops[0].ravel(), [-1.3416354, -0.4472118, 0.4472118, 1.3416354], atol=5e-8)
        np.testing.assert_allclose(np.ravel(result.params), wanted, rtol=1e-7)
        params = result.params
    (y,) = forward(bn(), x, phase="TEST", params=params)
    np.testing.assert_allclose(y, (x - 2.5) / np.sqrt(5 / 3 + 1e-5), rtol=1e-12)


def test_before_the_first_batch_mean_and_variance_are_0_and_1() -> None:
    """A net that is tested before it has learned must not overflow; Caffe divides by sqrt(eps) then."""
    x = blob(2, 3, 5)
    np.testing.assert_allclose(forward(bn(eps=0.5625), x, phase="TEST", params=stored(3))[0], 0.8 * x, rtol=1e-14)


def test_a_single_value_has_no_variance() -> None:
    result = run_layer(bn(), np.array([[3.0, -2.0]]), params=stored(2))
    np.testing.assert_array_equal(result.tops[0], [[0, 0]])
    assert [p.tolist() for p in result.params] == [[3, -2], [0, 0], [1]]


def test_a_small_spread_about_a_large_mean() -> None:
    """The mean of the squares less the square of the mean would be all rounding error."""
    x = 1e8 + blob(64, 2, 3, 5)
    result = run_layer(bn(moving_average_fraction=0.0), x, params=stored(2))
    np.testing.assert_allclose(result.params[1], x.var((0, 2, 3), ddof=1), rtol=1e-9)
    np.testing.assert_allclose(result.tops[0], normal(x), atol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_batch_that_is_not_finite_is_not_remembered(bad: float) -> None:
    x = blob(2, 3, 5)
    x[1, 1, 2] = bad
    result = run_layer(bn(), x, params=stored(3, 0.5))
    assert [p.tolist() for p in result.params] == [p.tolist() for p in stored(3, 0.5)]
    assert np.isnan(result.tops[0][:, 1]).any() and np.isfinite(result.tops[0][:, [0, 2]]).all()


def test_sums_that_would_overflow_are_not_remembered() -> None:
    x = np.array([[3e19], [-3e19]])  # the variance is a float32, twice of it is none
    once = run_layer(bn(moving_average_fraction=1.0), x * 0.4, params=stored(1), dtype="float32")
    assert 0 < once.params[1][0] < np.inf
    again = run_layer(bn(moving_average_fraction=1.0), x, params=once.params, dtype="float32")
    assert [p.tolist() for p in again.params] == [p.tolist() for p in once.params]


def test_testing_with_batch_statistics_changes_nothing() -> None:
    x = blob(2, 3, 5)
    result = run_layer(bn(use_global_stats=False), x, params=stored(3, 0.5), phase="TEST")
    np.testing.assert_allclose(result.tops[0], normal(x), rtol=1e-11, atol=1e-11)
    assert [p.tolist() for p in result.params] == [p.tolist() for p in stored(3, 0.5)]


def test_plain_sums_are_caffes() -> None:
    """0 / sqrt(eps) before the first batch; batches of TEST and batches that are not finite are added."""
    x, plain = blob(2, 3, 5), {"running_sums": "PLAIN"}
    np.testing.assert_allclose(
        forward(bn(eps=0.0625, **plain), x, phase="TEST", params=stored(3))[0], 4 * x, rtol=1e-14
    )
    fields = {"use_global_stats": False, "moving_average_fraction": 0.5}
    result = run_layer(bn(**fields, **plain), x, params=stored(3, 8.0), phase="TEST")
    np.testing.assert_allclose(result.params[0], 4 + x.mean((0, 2)), rtol=1e-12)
    np.testing.assert_allclose(result.params[1], 4 + x.var((0, 2), ddof=1), rtol=1e-12)
    assert result.params[2] == [5]
    x[1, 1, 2] = np.inf
    mean, _, scale = run_layer(bn(**fields, **plain), x, params=stored(3, 8.0)).params
    assert np.isinf(mean[1]) and np.isfinite(mean[[0, 2]]).all() and scale == [5]


def test_affine_is_a_scale_on_top() -> None:
    x, v = blob(4, 3, 5, 2), blob(4, 3, 5, 2, seed=2)
    params = random_params(bn(affine=True), [x])
    one = run_layer(bn(affine=True), x, params=params, top_diffs=[v])

    def scaled(layer: Layer, top_diffs: Any) -> Result:
        return run_layer(layer, run_layer(bn(), x, params=params[:3]).tops[0], params=params[3:], top_diffs=top_diffs)

    two = scaled(make_layer("Scale", bias_term=True), [v])
    np.testing.assert_allclose(one.tops[0], two.tops[0], rtol=1e-12, atol=1e-12)
    for mine, theirs in zip(one.param_diffs[3:], two.param_diffs, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-11, atol=1e-11)
    below = run_layer(bn(), x, params=params[:3], top_diffs=[two.bottom_diffs[0]])
    np.testing.assert_allclose(one.bottom_diffs[0], below.bottom_diffs[0], rtol=1e-10, atol=1e-10)


def test_many_channels_cut_into_parts() -> None:
    check_layer(bn(affine=True), [blob(2, 131, 5)])
    check_layer(bn(affine=True), [blob(3, 131)])
    check_layer(bn(affine=True, use_global_stats=True), [blob(3, 131)])


@pytest.mark.parametrize(
    "shape", [(1, 5, 3, 7), (2, 19, 3, 5), (3, 20, 7, 5), (2, 67, 3, 5), (3, 5, 101, 97), (2, 150, 31, 29)]
)
def test_pixels_in_rows_and_rows_in_pieces(shape: tuple[int, ...]) -> None:
    """Few channels and many, pixels that do not fill a row, and enough of them for several pieces."""
    x = 2 * blob(*shape) + 3
    params = random_params(bn(affine=True), [x])
    one = check_layer(bn(affine=True), [x], params=params)
    np.testing.assert_allclose(one.tops[0], normal(x) * wide(params[3], x) + wide(params[4], x), rtol=1e-5, atol=1e-5)
    _, pieces = slots(shape[1], x.size // shape[1])
    assert (pieces > 1) == (x.size >= 2**17)


def test_moments_of_float32_are_as_good_as_two_passes() -> None:
    x = (blob(8, 3, 61, 67) + 1000).astype(np.float32).astype(np.float64)
    result = run_layer(bn(moving_average_fraction=0.0), x, params=stored(3), dtype="float32")
    np.testing.assert_allclose(result.params[0], x.mean(over(x)), rtol=1e-7)
    np.testing.assert_allclose(result.params[1], x.var(over(x), ddof=1), rtol=2e-6)


@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 5), (4, 3, 5, 2)])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("store", [False, True])
def test_a_scale_computed_along(shape: tuple[int, ...], bias: bool, relu: bool, store: bool) -> None:
    x, v = blob(*shape), blob(*shape, seed=2)
    params = random_params(bn(affine=True), [x])
    if not bias:
        params[4] *= 0
    starts = [np.zeros(p.shape) for p in params[:3]] + [blob(3, seed=7), blob(3, seed=8)]
    one = run_layer(bn(affine=True), x, params=params, top_diffs=[v], relu=relu, store=store, param_diffs=starts)
    diffs = [start.copy() for start in starts[3 : 4 + bias]]
    scale = Run(
        "TRAIN",
        (),
        (),
        (),
        (),
        tuple(params[3 : 4 + bias]),
        tuple(diffs),
        np.zeros(2, np.int64),
        0,
        param_add=(not store,) * (1 + bias),
    )
    layer = bn()
    with mock.patch.multiple(type(layer), forward=with_scale("forward", scale), backward=with_scale("backward", scale)):
        two = run_layer(layer, x, params=params[:3], top_diffs=[v], relu=relu)
    np.testing.assert_allclose(two.tops[0], one.tops[0], rtol=1e-12)
    np.testing.assert_allclose(two.bottom_diffs[0], one.bottom_diffs[0], rtol=1e-10, atol=1e-12)
    for a, b in zip(diffs, one.param_diffs[3:], strict=False):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def with_scale(word: str, scale: Run) -> Callable[..., Any]:
    """A method of BatchNorm that sees the run of a Scale."""
    method = getattr(type(bn()), word)
    return lambda self, run: method(self, replace(run, along={**run.along, "Scale": scale}))


def test_defaults_and_words() -> None:
    names = [(p.name, p.learned, p.filler.value) for p in bn(affine=True).params()]  # type: ignore[attr-defined]
    assert names == [
        ("mean", False, 0),
        ("variance", False, 0),
        ("scale_factor", False, 0),
        ("weight", True, 1),
        ("bias", True, 0),
    ]
    assert bn(affine=True).param_arithmetic(((2, 64, 5, 4),)) == "2*64 = 128"
    assert bn().abilities.along == {"ReLU", "Scale"} and bn(affine=True).abilities.along == {"ReLU"}


def test_refused() -> None:
    with pytest.raises(ShapeError, match="has no channels"):
        bn().top_shapes(((),))
    for fields in (
        {"weight_filler": {"type": "constant"}},
        {"param": [{"lr_mult": 0}, {"lr_mult": 0.5}]},
        {"affine": True, "param": [{"lr_mult": 1.0}, {"lr_mult": 2.0}]},
        {"moving_average_fraction": 1.5},
        {"eps": -1.0},
    ):
        with pytest.raises(ValidationError):
            bn(**fields)
    rates = [{"lr_mult": 0.0}] * 3 + [{"lr_mult": 1.0}, {"lr_mult": 2.0, "decay_mult": 0.0}]
    assert len(bn(affine=True, param=rates).param) == 5


# --- in a training


@pytest.fixture
def normalised(solver: Make) -> Make:
    """The small solver of the other tests, with a BatchNorm behind its convolution."""

    def make(fields: Values | None = None, **changes: Any) -> Values:
        values = solver(**changes)
        layers = values["net"]["layers"]
        behind = next(i for i, layer in enumerate(layers) if layer["name"] == "conv") + 1
        layers.insert(behind, {"name": "bn", "type": "BatchNorm", "affine": True, **(fields or {})})
        return values

    return make


def stats(values: dict[str, np.ndarray]) -> list[np.ndarray]:
    return [values[f"bn.{name}"] for name in ("mean", "variance", "scale_factor")]


def test_stored_params_have_no_diff_and_no_history(normalised: Make) -> None:
    one = trained(normalised(), 2)
    weights = one.train.weights
    stored = {name for name, diff in zip(weights.names, weights.diff, strict=True) if diff is None}
    assert stored == {"bn.mean", "bn.variance", "bn.scale_factor"}
    assert {name for name, slots in zip(weights.names, weights.history, strict=True) if not slots} == stored
    assert one.train.shaped.stored_params == 2 * weights.data[weights.index("bn.mean")].size + 1


@pytest.mark.parametrize("size", [1, 3])
def test_every_batch_of_an_update_counts(normalised: Make, size: int) -> None:
    values = weights(trained(normalised(iter_size=size), 2))
    expected = sum(0.999**i for i in range(2 * size))
    np.testing.assert_allclose(values["bn.scale_factor"], expected, rtol=1e-6)
    assert (values["bn.variance"] > 0).all()


def test_a_test_uses_the_statistics_and_leaves_them(normalised: Make) -> None:
    one = trained(normalised(), 3)
    before = weights(one)
    first, _ = one.testers["test"].run()
    assert all((before[name] == array).all() for name, array in weights(one).items())
    at = one.train.weights.index("bn.mean")
    one.train.weights.data[at][...] += 50
    second, _ = one.testers["test"].run()
    assert first != second


def test_resumed_equals_uninterrupted(normalised: Make, tmp_path: Path) -> None:
    whole, half = session(normalised()), session(normalised())
    for _ in range(6):
        whole.step()
    for _ in range(3):
        half.step()
    half.snapshot(tmp_path / "half.safetensors")
    again = session(normalised())
    again.restore(tmp_path / "half.safetensors")
    for _ in range(3):
        again.step()
    for name, array in weights(whole).items():
        assert array.tobytes() == weights(again)[name].tobytes(), name
    whole.snapshot(tmp_path / "a.safetensors")
    again.snapshot(tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    for one in (whole, half, again):
        one.close()


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize(("bad", "value"), [(0, np.nan), (1, 99)])
def test_an_iteration_that_fails_leaves_no_trace(
    normalised: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, size: int, bad: int, value: float
) -> None:
    """The last batch of an update is NaN, or its labels are no classes.

    Then its statistics are sound, and still forgotten.
    """
    one = trained(normalised(iter_size=size), 2)
    before, batch = weights(one), one._batch

    def spoilt(number: int) -> None:
        batch(number)
        if number % size == size - 1:
            one.train.inputs[bad][0] = value

    monkeypatch.setattr(one, "_batch", spoilt)
    with pytest.raises(NetspecError, match=r"iteration 2: blob '(data|label)'"):
        one.step()
    assert all((before[name] == array).all() for name, array in weights(one).items())
    monkeypatch.setattr(one, "_batch", batch)
    one.step()
    assert stats(weights(one))[2] > stats(before)[2]
    one.close()
    one.snapshot(tmp_path / "last.safetensors")


def test_shared_statistics_count_both_layers(normalised: Make) -> None:
    """Two layers with the same stored blobs: each batch is counted by both."""
    names = [{"name": name} for name in ("m", "v", "f")]
    values = normalised({"affine": False, "param": names})
    layers = values["net"]["layers"]
    behind = next(i for i, layer in enumerate(layers) if layer["name"] == "bn") + 1
    layers.insert(behind, {"name": "bn2", "type": "BatchNorm", "param": names})
    one = trained(values, 1)
    assert "bn2.mean" not in one.train.weights.names
    np.testing.assert_allclose(stats(weights(one))[2], 1.999, rtol=1e-6)


def test_weights_of_a_training_test_the_same_in_python(normalised: Make, tmp_path: Path) -> None:
    values = normalised()
    one = trained(values, 2)
    one.snapshot(tmp_path / "two.safetensors")
    net = netspec.Net(values["net"], phase="TEST")
    net.load(tmp_path / "two.safetensors")
    for param, expected in zip(net.params["bn"], stats(weights(one)), strict=False):
        np.testing.assert_array_equal(param.data, expected)

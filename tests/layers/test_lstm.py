"""LSTM against loops over rows and steps, against PyTorch, and Caffe's cases: whole sequences equal single steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, make_layer, random_params, run_layer
from tests.helpers.oracle import against
from tests.helpers.recurrent import VARIANTS, arrays, lstm_cell, oracle

H = 6


def made(fields: dict[str, Any], words: list[str], **more: Any) -> tuple[Any, list[Array]]:
    walks = fields.get("num_layers", 1) * (2 if fields.get("bidirectional") else 1)
    names, bottoms = arrays(words, 2, walks, H)
    tops = ["y", "h", "c"] if fields.get("expose_hidden") else ["y"]
    return make_layer("LSTM", num_output=H, bottom=names, top=tops, **fields, **more), bottoms


@pytest.mark.parametrize("name", VARIANTS)
def test_definition_and_derivatives(name: str) -> None:
    fields, words = VARIANTS[name]
    layer, bottoms = made(fields, words, peephole=name in ("static", "everything"))
    against(oracle(layer, lstm_cell), layer, bottoms)


@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_like_torch(lengths: bool, bidirectional: bool) -> None:
    """Two layers, with the state given; gates of PyTorch come in the order i, f, g, o."""
    fields = {"num_layers": 2, "bidirectional": bidirectional, "lengths": lengths, "expose_hidden": True}
    layer, bottoms = made(fields, ["x", "cont", "states", *(["lengths"] if lengths else [])])
    bottoms[1][:] = 1
    if lengths:
        bottoms[-1][:] = [4, 2, 1]  # PyTorch refuses 0

    def in_torch(given: list[Any], params: list[Any]) -> list[Any]:
        import torch

        net = torch.nn.LSTM(5, H, 2, bidirectional=bidirectional, dtype=torch.float64)
        order = [slice(0, H), slice(H, 2 * H), slice(3 * H, 4 * H), slice(2 * H, 3 * H)]
        values, place = {}, iter(params)
        for number in range(2):
            for tail in ("", "_reverse")[: 2 if bidirectional else 1]:
                x, bias, state = next(place), next(place), next(place)
                own = {"weight_ih": x, "weight_hh": state, "bias_ih": bias, "bias_hh": torch.zeros_like(bias)}
                for word, value in own.items():
                    values[f"{word}_l{number}{tail}"] = torch.cat([value[part] for part in order])
        x, start = given[0].reshape(4, 3, 5), (given[2], given[3])
        if lengths:
            x = torch.nn.utils.rnn.pack_padded_sequence(x, given[4].detach().long(), enforce_sorted=False)
        y, (h, c) = torch.func.functional_call(net, values, (x, start))
        if lengths:
            y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, total_length=4)
        return [y, h, c]

    against(oracle(layer, lstm_cell), layer, bottoms, in_torch=in_torch)


def test_a_whole_sequence_equals_single_steps() -> None:
    """Caffe's case: T = 3 in one batch, and T = 1 three times, the state carried between."""
    x, cont = blob(3, 2, 5), np.array([[0.0, 0.0], [1, 1], [1, 1]])
    layer = make_layer("LSTM", num_output=7, bottom=["x", "cont"])
    params = random_params(layer, [x, cont])
    whole = run_layer(layer, x, cont, params=params)
    assert whole.tops[0].shape == (3, 2, 7)
    states = None
    for step in range(3):
        one = run_layer(layer, x[step : step + 1], cont[step : step + 1], params=params, states=states)
        np.testing.assert_allclose(one.tops[0][0], whole.tops[0][step], rtol=1e-12)
        states = one.states
    np.testing.assert_allclose(states["cell"], whole.states["cell"], rtol=1e-12)  # type: ignore[index]


def test_cont_0_begins_anew() -> None:
    """Caffe's case: with cont 0 everywhere, steps after the first differ, and each is a sequence of its own."""
    x, going, broken = blob(3, 2, 5), np.array([[0.0, 0.0], [1, 1], [1, 1]]), np.zeros((3, 2))
    layer = make_layer("LSTM", num_output=7, bottom=["x", "cont"])
    params = random_params(layer, [x, going])
    starts = {name: blob(1, 2, 7, seed=9) for name in ("hidden", "cell")}
    whole, apart = (run_layer(layer, x, cont, params=params, states=starts).tops[0] for cont in (going, broken))
    np.testing.assert_array_equal(whole[0], apart[0])
    assert np.abs(whole[1:] - apart[1:]).min() > 1e-6
    alone = run_layer(layer, x[2:], broken[2:], params=params).tops[0]
    np.testing.assert_array_equal(alone[0], apart[2])


def test_dropout_between_layers() -> None:
    """In TRAIN values between the layers are dropped and the others scaled; in TEST nothing is."""
    x = blob(4, 3, 5)
    plain, dropped = (make_layer("LSTM", num_output=H, num_layers=2, dropout_ratio=p) for p in (0.0, 0.5))
    params = random_params(plain, [x])
    v = [blob(4, 3, H, seed=2)]
    train = [run_layer(dropped, x, params=params, iteration=i, top_diffs=v) for i in (0, 0, 1)]
    test = [run_layer(layer, x, params=params, phase="TEST").tops[0] for layer in (plain, dropped)]
    np.testing.assert_array_equal(*test)
    np.testing.assert_array_equal(train[0].tops[0], train[1].tops[0])
    assert np.abs(train[0].tops[0] - train[2].tops[0]).max() > 1e-3
    between = train[0].workspace["between0"]
    assert 0.2 < (between == 0).mean() < 0.8
    against(None, dropped, [x], params=params)


@pytest.mark.parametrize(("t", "n", "d", "h"), [(2, 40, 3, 70), (3, 33, 20, 17), (2, 3, 4, 530)])
def test_sizes(t: int, n: int, d: int, h: int) -> None:
    """Several bands of rows, units that are no whole vectors, and a step large enough to be a Call of its own."""
    layer = make_layer("LSTM", num_output=h, bottom=["x", "cont"])
    x, cont = blob(t, n, d), np.ones((t, n))
    params = [p / np.sqrt(h) for p in random_params(layer, [x, cont])]
    result = run_layer(layer, x, cont, params=params, top_diffs=[blob(t, n, h, seed=2)])
    np.testing.assert_allclose(result.tops[0], oracle(layer, lstm_cell)([x, cont], params)[0], rtol=1e-9, atol=1e-12)


def test_macs_and_params() -> None:
    layer = make_layer("LSTM", num_output=7, bottom=["x", "cont", "static"])
    shapes = ((3, 2, 5), (3, 2), (2, 4))
    assert layer.param_shapes(shapes) == ((28, 5), (28,), (28, 4), (28, 7))
    assert [param.name for param in layer.params()] == ["weight_xc", "bias_c", "weight_xc_static", "weight_hc"]
    assert layer.macs(shapes, layer.top_shapes(shapes)) == 3 * 2 * (28 * 5 + 28 * 7) + 2 * 28 * 4
    assert layer.param_arithmetic(shapes) == "28*5 + 28 + 28*4 + 28*7 = 476"


@pytest.mark.parametrize(
    ("fields", "bottom", "shapes", "said"),
    [
        ({}, ["x"], [(3,)], "steps and rows"),
        ({}, ["x", "cont"], [(3, 2, 5), (2, 3)], "must be 3x2"),
        ({}, ["x", "cont", "s"], [(3, 2, 5), (3, 2), (3, 4)], "must have 2 rows"),
        ({}, ["x", "cont", "s", "more"], [(3, 2, 5), (3, 2), (2, 4), (1,)], "but there are 4"),
        ({"lengths": True}, ["x"], [(3, 2, 5)], "but there are 1"),
        ({"lengths": True}, ["x", "n"], [(3, 2, 5), (3,)], "must be 2: a length for each row"),
        ({"expose_hidden": True}, ["x", "cont", "h", "c"], [(3, 2, 5), (3, 2), (1, 2, 6), (1, 2, 6)], "3 tops"),
    ],
)
def test_bottoms_that_do_not_fit(fields: dict[str, Any], bottom: list[str], shapes: Any, said: str) -> None:
    layer = make_layer("LSTM", num_output=H, bottom=bottom, **fields)
    with pytest.raises(ShapeError, match=said):
        layer.top_shapes(tuple(shapes))


@pytest.mark.parametrize("word", ["LSTM", "RNN"])
def test_without_state_gradient_exposed_states_are_caffes(word: str) -> None:
    """The gradient of the last states is not looked at, and the first states get 0."""
    states = 2 if word == "LSTM" else 1
    names, tops = ["x", "cont", "h", "c"][: 2 + states], ["y", "a", "b"][: 1 + states]
    fields = {"num_output": H, "bottom": names, "top": tops, "expose_hidden": True}
    bottoms = [blob(3, 2, 5), np.array([[1.0, 0], [1, 1], [0, 1]]), *(blob(1, 2, H, seed=i) for i in range(states))]
    layer = make_layer(word, **fields, state_gradient=False)
    params = random_params(layer, bottoms)
    dy, last = blob(3, 2, H, seed=5), [blob(1, 2, H, seed=7 + i) for i in range(states)]
    ours = run_layer(layer, *bottoms, params=params, top_diffs=[dy, *last])
    wanted = run_layer(
        make_layer(word, **fields), *bottoms, params=params, top_diffs=[dy, *(0 * each for each in last)]
    )
    np.testing.assert_array_equal(ours.bottom_diffs[0], wanted.bottom_diffs[0])
    for mine, its in zip(ours.param_diffs, wanted.param_diffs, strict=True):
        np.testing.assert_array_equal(mine, its)
    for mine, its in zip(ours.bottom_diffs[2:], wanted.bottom_diffs[2:], strict=True):
        assert not mine.any() and its.any()


def test_exposed_states_have_their_shape() -> None:
    layer = make_layer("LSTM", num_output=H, bottom=["x", "cont", "h", "c"], top=["y", "a", "b"], expose_hidden=True)
    with pytest.raises(ShapeError, match="must be 1x2x6: the states"):
        layer.top_shapes(((3, 2, 5), (3, 2), (1, 2, 6), (2, 2, 6)))

"""RNN against loops over rows and steps, against PyTorch, and Caffe's cases: whole sequences equal single steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.helpers.checks import Array, blob, make_layer, random_params, run_layer
from tests.helpers.oracle import against
from tests.helpers.recurrent import VARIANTS, arrays, oracle, rnn_cell

H = 6


def made(fields: dict[str, Any], words: list[str]) -> tuple[Any, list[Array]]:
    walks = fields.get("num_layers", 1) * (2 if fields.get("bidirectional") else 1)
    names, bottoms = arrays(words, 1, walks, H)
    tops = ["y", "h"] if fields.get("expose_hidden") else ["y"]
    return make_layer("RNN", num_output=H, bottom=names, top=tops, **fields), bottoms


@pytest.mark.parametrize("name", VARIANTS)
def test_definition_and_derivatives(name: str) -> None:
    fields, words = VARIANTS[name]
    layer, bottoms = made(fields, words)
    oracle_of = oracle(layer, rnn_cell)
    if not fields.get("bidirectional") and "lengths" not in words:
        against(oracle_of, layer, bottoms, in_torch=in_torch)
    else:
        against(oracle_of, layer, bottoms, step=2e-6)


def in_torch(given: list[Any], params: list[Any]) -> list[Any]:
    """A single layer in one direction, by PyTorch's products and tanh; a static input has a weight of two columns."""
    import torch

    x, bias = given[0].reshape(4, 3, 5) @ params[0].T, params[1]
    static = next((b for b in given[1:] if b.shape == (3, 2)), None)
    state, out, out_bias = params[-3:]
    h = next((b for b in given[1:] if b.dim() == 3), torch.zeros(1, 3, H, dtype=x.dtype))[0]
    cont = given[1] if len(given) > 1 else torch.ones(4, 3, dtype=x.dtype)
    tops = []
    for t in range(4):
        line = x[t] + bias + (h * cont[t][:, None]) @ state.T
        h = torch.tanh(line if static is None else line + static @ params[2].T)
        tops.append(torch.tanh(h @ out.T + out_bias))
    return [torch.stack(tops), h[None]]


def test_a_whole_sequence_equals_single_steps() -> None:
    """Caffe's case: T = 3 in one batch, and T = 1 three times, the state carried between."""
    x, cont = blob(3, 2, 5), np.array([[0.0, 0.0], [1, 1], [1, 1]])
    layer = make_layer("RNN", num_output=7, bottom=["x", "cont"])
    params = random_params(layer, [x, cont])
    whole = run_layer(layer, x, cont, params=params).tops[0]
    states = None
    for step in range(3):
        one = run_layer(layer, x[step : step + 1], cont[step : step + 1], params=params, states=states)
        np.testing.assert_allclose(one.tops[0][0], whole[step], rtol=1e-12)
        states = one.states
    apart = run_layer(layer, x, np.zeros((3, 2)), params=params).tops[0]
    np.testing.assert_array_equal(apart[0], whole[0])
    assert np.abs(apart[1:] - whole[1:]).min() > 1e-6


def test_params() -> None:
    layer = make_layer("RNN", num_output=7, bottom=["x", "cont", "static"])
    shapes = ((3, 2, 5), (3, 2), (2, 4))
    assert layer.param_shapes(shapes) == ((7, 5), (7,), (7, 4), (7, 7), (7, 7), (7,))
    assert layer.macs(shapes, layer.top_shapes(shapes)) == 3 * 2 * (7 * 5 + 2 * 7 * 7) + 2 * 7 * 4


def test_a_large_step_is_a_call_of_its_own() -> None:
    layer, (t, n, d, h) = make_layer("RNN", num_output=1030), (2, 3, 4, 1030)
    x = blob(t, n, d)
    params = [p / np.sqrt(h) for p in random_params(layer, [x])]
    result = run_layer(layer, x, params=params)
    np.testing.assert_allclose(result.tops[0], oracle(layer, rnn_cell)([x], params)[0], rtol=1e-9, atol=1e-12)

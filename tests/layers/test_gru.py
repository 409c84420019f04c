"""GRU against loops over rows and steps, and against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.helpers.checks import Array, blob, make_layer, random_params, run_layer
from tests.helpers.oracle import against
from tests.helpers.recurrent import VARIANTS, arrays, gru_cell, oracle

H = 6


def made(fields: dict[str, Any], words: list[str]) -> tuple[Any, list[Array]]:
    walks = fields.get("num_layers", 1) * (2 if fields.get("bidirectional") else 1)
    names, bottoms = arrays(words, 1, walks, H)
    tops = ["y", "h"] if fields.get("expose_hidden") else ["y"]
    return make_layer("GRU", num_output=H, bottom=names, top=tops, **fields), bottoms


@pytest.mark.parametrize("name", VARIANTS)
def test_definition_and_derivatives(name: str) -> None:
    fields, words = VARIANTS[name]
    layer, bottoms = made(fields, words)
    against(oracle(layer, gru_cell), layer, bottoms)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_like_torch(bidirectional: bool) -> None:
    """Two layers; the params are PyTorch's as they stand."""
    layer, bottoms = made({"num_layers": 2, "bidirectional": bidirectional}, ["x"])

    def in_torch(given: list[Any], params: list[Any]) -> list[Any]:
        import torch

        net = torch.nn.GRU(5, H, 2, bidirectional=bidirectional, dtype=torch.float64)
        words = ("weight_ih", "bias_ih", "weight_hh", "bias_hh")
        tails = [f"_l{k}{tail}" for k in range(2) for tail in ("", "_reverse")[: 2 if bidirectional else 1]]
        values = dict(zip((word + tail for tail in tails for word in words), params, strict=True))
        return [torch.func.functional_call(net, values, (given[0].reshape(4, 3, 5),))[0]]

    against(oracle(layer, gru_cell), layer, bottoms, in_torch=in_torch)


def test_batches_go_on_where_the_last_one_ended() -> None:
    x, cont = blob(4, 2, 5), np.array([[0.0, 0.0], [1, 1], [1, 0], [1, 1]])
    layer = make_layer("GRU", num_output=H, bottom=["x", "cont"])
    params = random_params(layer, [x, cont])
    whole = run_layer(layer, x, cont, params=params)
    first = run_layer(layer, x[:2], cont[:2], params=params)
    second = run_layer(layer, x[2:], cont[2:], params=params, states=first.states)
    np.testing.assert_allclose(second.tops[0], whole.tops[0][2:], rtol=1e-12)


def test_a_large_step_is_a_call_of_its_own() -> None:
    layer, (t, n, d, h) = make_layer("GRU", num_output=600), (2, 3, 4, 600)
    x = blob(t, n, d)
    params = [p / np.sqrt(h) for p in random_params(layer, [x])]
    result = run_layer(layer, x, params=params)
    np.testing.assert_allclose(result.tops[0], oracle(layer, gru_cell)([x], params)[0], rtol=1e-9, atol=1e-12)

"""LSTMUnit against its definition, PyTorch, and Caffe's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, forward, make_layer
from tests.helpers.oracle import against
from tests.helpers.recurrent import sigmoid


def made() -> Any:
    return make_layer("LSTMUnit", bottom=["c", "gates", "cont"], top=["next", "h"])


def test_numbers() -> None:
    """caffe.md section 9: gates .1, .2, .3, .4 and a cell of .5."""
    cell, h = forward(made(), np.full((1, 1, 1), 0.5), np.array([[[0.1, 0.2, 0.3, 0.4]]]), np.ones((1, 1)))
    np.testing.assert_allclose([cell.item(), h.item()], [0.4743823, 0.2537504], atol=5e-8)


@pytest.mark.parametrize("marks", [[1, 1, 1], [1, 0, 1], [0, 0, 0]])
def test_definition_and_derivatives(marks: list[int]) -> None:
    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        (past,), (gates,), (cont,) = bottoms
        cell, top = np.zeros((1, 3, 5)), np.zeros((1, 3, 5))
        for n in range(3):
            for j in range(5):
                i, f, o, g = gates[n, j::5]
                cell[0, n, j] = cont[n] * sigmoid(f) * past[n, j] + sigmoid(i) * np.tanh(g)
                top[0, n, j] = sigmoid(o) * np.tanh(cell[0, n, j])
        return [cell, top]

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        import torch

        past, gates, cont = bottoms
        i, f, o, g = gates.split(5, 2)
        cell = cont[..., None] * torch.sigmoid(f) * past + torch.sigmoid(i) * torch.tanh(g)
        return [cell, torch.sigmoid(o) * torch.tanh(cell)]

    bottoms = [blob(1, 3, 5), blob(1, 3, 20, seed=2), np.array([marks], float)]
    against(oracle, made(), bottoms, in_torch=in_torch)


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        (((2, 3, 5), (2, 3, 20), (2, 3)), "a single step of cells"),
        (((1, 3, 5), (1, 3, 15), (1, 3)), "must be 1x3x20"),
        (((1, 3, 5), (1, 3, 20), (3, 1)), "must be 1x3,"),
    ],
)
def test_bottoms_that_do_not_fit(shapes: Any, said: str) -> None:
    with pytest.raises(ShapeError, match=said):
        made().top_shapes(shapes)

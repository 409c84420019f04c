"""Embed against its definition and Caffe's cases; indices that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.layers.base import LAYERS, Layer
from tests.helpers.checks import Array, check_layer, labels, make_layer, run_layer
from tests.helpers.oracle import against


def embed(**fields: Any) -> Layer:
    return make_layer("Embed", **fields)


@pytest.mark.parametrize("bias_term", [True, False])
@pytest.mark.parametrize(("shape", "rows", "width"), [((4, 1, 2, 3), 5, 10), ((7,), 40, 3), ((13, 11), 3, 37)])
def test_definition_and_derivatives(shape: tuple[int, ...], rows: int, width: int, bias_term: bool) -> None:
    def oracle(bottoms: list[Array], params: list[Array]) -> list[Array]:
        y = np.empty((*shape, width))
        for at, index in np.ndenumerate(bottoms[0]):
            y[at] = params[0][int(index)] + (params[1] if bias_term else 0)
        return [y]

    def in_torch(bottoms: list[Any], params: list[Any]) -> list[Any]:
        import torch

        y = torch.nn.functional.embedding(bottoms[0].long(), params[0])
        return [y + params[1] if bias_term else y]

    layer = embed(input_dim=rows, num_output=width, bias_term=bias_term)
    against(oracle, layer, [labels(*shape, classes=rows)], in_torch=in_torch)


def test_caffe_shapes_and_rows() -> None:
    """Caffe's test: 4x1x1x1 indices below 5, 10 outputs."""
    layer, x = embed(input_dim=5, num_output=10, bias_term=False), labels(4, 1, 1, 1, classes=5)
    assert layer.top_shapes(((4, 1, 1, 1),)) == ((4, 1, 1, 1, 10),)
    result = run_layer(layer, x)
    for n in range(4):
        np.testing.assert_array_equal(result.tops[0][n, 0, 0, 0], result.params[0][int(x[n, 0, 0, 0])])
    assert layer.param_arithmetic(((4,),)) == "5*10 = 50"
    assert embed(input_dim=5, num_output=10).param_arithmetic(((4,),)) == "(5+1)*10 = 60"


def test_an_index_that_comes_often_loses_no_digits() -> None:
    """Forty thousand equal gradients, which a float32 sum would not add up exactly."""
    x, dy = np.zeros(40000), np.full((40000, 1), 0.1, np.float32)
    layer = embed(input_dim=2, num_output=1, bias_term=False)
    dw = run_layer(layer, x, top_diffs=[dy], dtype="float32").param_diffs[0]
    assert dw is not None
    assert dw[0, 0] == np.float32(np.float64(np.float32(0.1)) * 40000) and dw[1, 0] == 0


def test_gradients_are_added_in_parts() -> None:
    check_layer(embed(input_dim=50, num_output=100), [labels(30, 41, classes=50)])


@pytest.mark.parametrize("bad", [-1.0, 3.0, 0.5, np.nan, np.inf, -np.inf, 1e30])
def test_what_is_no_index_shows_and_harms_nothing(bad: float) -> None:
    x = np.array([1.0, bad, 2.0, 1.0])
    result = run_layer(embed(input_dim=3, num_output=5, bias_term=False), x, top_diffs=[np.ones((4, 5))])
    assert np.isnan(result.tops[0][1]).all() and np.isfinite(result.tops[0][[0, 2, 3]]).all()
    np.testing.assert_array_equal(result.param_diffs[0], [[0] * 5, [2] * 5, [1] * 5])


@pytest.mark.parametrize("fields", [{"num_output": 0}, {"input_dim": 0}, {"input_dim": 2**24}])
def test_bad_fields(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"greater than 0|less than 16777216"):
        embed(**({"num_output": 3, "input_dim": 4} | fields))


def test_an_index_outside_the_table_is_called_an_index(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(f"name: example\nlayers:{LAYERS.get('Embed').example}", encoding="utf-8")
    net = netspec.Net(tmp_path / "net.yaml")
    with pytest.raises(netspec.NetspecError, match=r"'words' holds 9 at \[0, 0\], which is not an index in 0\.\.6"):
        net.forward(words=np.full((2, 5), 9.0))

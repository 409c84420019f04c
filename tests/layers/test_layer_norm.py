"""LayerNorm against its definition and PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, make_layer, run_layer
from tests.helpers.oracle import against


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize(("shape", "axis"), [((3, 5, 7), -1), ((3, 5, 7), 1), ((35, 2, 19), 2), ((2, 3, 4, 5), 1)])
def test_definition_and_derivatives(shape: tuple[int, ...], axis: int, affine: bool) -> None:
    own = shape[axis % len(shape) :]

    def oracle(bottoms: list[Array], params: list[Array]) -> list[Array]:
        x = bottoms[0].reshape(-1, int(np.prod(own)))
        y = np.empty_like(x)
        for i, row in enumerate(x):
            mean = sum(row) / len(row)
            y[i] = (row - mean) / np.sqrt(sum((v - mean) ** 2 for v in row) / len(row) + 0.125)
            if affine:
                y[i] = y[i] * params[0].ravel() + params[1].ravel()
        return [y.reshape(shape)]

    def in_torch(bottoms: list[Any], params: list[Any]) -> list[Any]:
        import torch

        return [torch.nn.functional.layer_norm(bottoms[0], own, *(params or (None, None)), eps=0.125)]

    layer = make_layer("LayerNorm", axis=axis, affine=affine, eps=0.125)
    assert layer.param_shapes((shape,)) == (own, own)[: 2 * affine]
    against(oracle, layer, [blob(*shape)], in_torch=in_torch)


def test_sizes_of_use_in_float32() -> None:
    """Many rows: pieces of sums, each of several blocks."""
    x, dy, (w, b) = blob(300, 515) * 3 + 50, blob(300, 515, seed=2), (blob(515, seed=3), blob(515, seed=4))
    exact, layer = None, make_layer("LayerNorm")
    for dtype, rtol in (("float64", 1e-10), ("float32", 1e-4)):
        result = run_layer(layer, x.astype(np.float32), params=[w, b], top_diffs=[dy], dtype=dtype)
        exact = result if exact is None else exact
        for mine, wanted in zip(
            (*result.tops, *result.bottom_diffs, *result.param_diffs),
            (*exact.tops, *exact.bottom_diffs, *exact.param_diffs),
            strict=True,
        ):
            assert mine is not None and wanted is not None
            np.testing.assert_allclose(mine, wanted, rtol=rtol, atol=rtol * np.abs(wanted).max())
    z = (x.astype(np.float32) - x.astype(np.float32).mean(1, keepdims=True, dtype=np.float64)) / x.astype(
        np.float32
    ).std(1, keepdims=True, dtype=np.float64)
    assert exact is not None
    np.testing.assert_allclose(exact.param_diffs[0], (dy * z).sum(0), atol=1e-3)
    np.testing.assert_allclose(exact.param_diffs[1], dy.sum(0), rtol=1e-11, atol=1e-11)


def test_params_in_words() -> None:
    assert make_layer("LayerNorm").param_arithmetic(((2, 5, 6),)) == "2*6 = 12"
    assert make_layer("LayerNorm", affine=False).param_arithmetic(((2, 5, 6),)) == ""


def test_equal_values_and_nan() -> None:
    x = np.array([[3.0, 3.0, 3.0], [1.0, np.nan, 2.0], [1e30, -1e30, 0.0]])
    result = run_layer(make_layer("LayerNorm", affine=False), x, top_diffs=[np.ones_like(x)])
    np.testing.assert_array_equal(result.tops[0][0], 0)
    assert np.isnan(result.tops[0][1]).all()
    np.testing.assert_allclose(result.tops[0][2], [1.5**0.5, -(1.5**0.5), 0])


@pytest.mark.parametrize(("fields", "text"), [
    ({"eps": -1.0}, "greater than or equal to 0"),
    ({"affine": False, "bias_filler": {"type": "constant"}}, "has nothing to fill"),
])  # fmt: skip
def test_bad_fields(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make_layer("LayerNorm", **fields)


def test_an_axis_that_is_not_there() -> None:
    with pytest.raises(ShapeError, match="axis 3 does not exist"):
        make_layer("LayerNorm", axis=3).top_shapes(((2, 3, 4),))

"""BatchReindex: Caffe's case (5x4x3x2 of 0..119, items 4 0 4 0 1 2), gradients, and indices that name no item."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netspec
from netspec.api.labels import WrongLabelError
from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, forward, make_layer, run_layer
from tests.helpers.oracle import against

CHOSEN = np.array([4.0, 0, 4, 0, 1, 2])


def test_caffes_case() -> None:
    x = np.arange(120.0).reshape(5, 4, 3, 2)
    (y,) = forward(make_layer("BatchReindex"), x, CHOSEN)
    assert y.shape == (6, 4, 3, 2)
    for n, index in enumerate(CHOSEN.astype(int)):
        np.testing.assert_array_equal(y[n], x[index])


@pytest.mark.parametrize(("shape", "chosen"), [((5, 4, 3, 2), CHOSEN), ((3,), [2.0]), ((2, 4097), [1.0, 1.0, 0.0])])
def test_definition_and_derivatives(shape: tuple[int, ...], chosen: Any) -> None:
    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        x, index = bottoms
        return [np.stack([x[int(i)] for i in index])]

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        return [bottoms[0][bottoms[1].long()]]

    against(oracle, make_layer("BatchReindex"), [blob(*shape), np.array(chosen)], in_torch=in_torch)


def test_items_that_nobody_chose_get_no_gradient() -> None:
    result = run_layer(make_layer("BatchReindex"), blob(4, 3), np.array([3.0, 3.0]), top_diffs=[np.ones((2, 3))])
    np.testing.assert_array_equal(result.bottom_diffs[0], np.array([[0] * 3, [0] * 3, [0] * 3, [2] * 3]))


def test_many_copies_add_up_without_loss() -> None:
    dy = np.full((30000, 2), 0.1)
    result = run_layer(make_layer("BatchReindex"), blob(1, 2), np.zeros(30000), top_diffs=[dy], dtype="float32")
    np.testing.assert_allclose(result.bottom_diffs[0], [[3000.0, 3000.0]], rtol=1e-7)


def test_an_index_without_an_item() -> None:
    layers = [
        {"name": "data", "type": "Input", "top": ["data", "which"], "shape": [[4, 3], [2]]},
        {"name": "chosen", "type": "BatchReindex", "bottom": ["data", "which"]},
    ]
    net = netspec.Net({"layers": layers})
    for wrong in (4, -1, 0.5, np.nan):
        with pytest.raises(WrongLabelError, match=r"'which' holds .* at \[1\], which is not an index in 0..3"):
            net.forward(data=blob(4, 3), which=[0, wrong])
        (y,) = forward(make_layer("BatchReindex"), blob(4, 3), np.array([0.0, wrong]))
        assert np.isnan(y[1]).all() and not np.isnan(y[0]).any(), "nothing outside of x is read"


def test_errors() -> None:
    layer = make_layer("BatchReindex")
    with pytest.raises(ShapeError, match="must have one axis"):
        layer.top_shapes(((4, 3), (2, 1)))
    with pytest.raises(ShapeError, match="no axis of items"):
        layer.top_shapes(((), (2,)))


def test_batch_axes() -> None:
    layer = make_layer("BatchReindex")
    assert layer.batch_axes(((4, 3), (5,)), (0, 0)) == (0,) and layer.batch_axes(((4, 3), (5,)), (0, None)) == (None,)
    assert layer.batch_axes(((4, 3), (5,)), (1, None)) == (1,)

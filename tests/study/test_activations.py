"""Activations: tops of layers for a sample, laid out as maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netspec.study.activations import _maps, activations
from netspec.study.shown import NotThereError, Shown
from tests.helpers.looked_at import trained


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, arrays: Path) -> Shown:
    return Shown(str(trained(tmp_path_factory.mktemp("activations") / "tiny", arrays)))


def test_each_layer_shows_its_top(shown: Shown) -> None:
    sample = shown.sample("2")
    found = activations(shown, sample)
    assert [one.layer for one in found.layers] == ["conv", "relu", "ip", "prob"]
    conv, relu, ip, prob = (one.maps for one in found.layers)
    assert conv.shape == (2, 4, 3) and ip.shape == prob.shape == (1, 1, 3)
    np.testing.assert_array_equal(relu, np.maximum(conv, 0))  # also where a ReLU works in place
    assert (conv < 0).any()
    weight, bias = shown.params("conv").values()
    assert conv[1, 2, 1] == pytest.approx((sample.inputs[0][0, 2:5, 1:4] * weight[1, 0]).sum() + bias[1], rel=1e-4)
    best = int(prob.argmax())
    assert found.answer == f"class {best} ({prob.max():.3g})" and found.truth == shown.true_name(sample)


def test_layers_are_shown_in_the_order_in_which_they_are_named(shown: Shown) -> None:
    found = activations(shown, shown.sample("2"), ("ip", "conv"))
    assert [one.layer for one in found.layers] == ["ip", "conv"]
    with pytest.raises(NotThereError, match="no layer 'pool'"):
        activations(shown, shown.sample("2"), ("pool",))


def test_a_dense_top_is_broken_into_rows() -> None:
    values = np.arange(500.0)
    (maps,) = _maps(values)
    rows, wide = maps.shape
    assert 2 < wide / rows < 6 and rows * wide >= 500 > (rows - 1) * wide
    np.testing.assert_array_equal(maps.reshape(-1)[:500], values)
    assert np.isnan(maps.reshape(-1)[500:]).all()
    assert _maps(np.zeros(7)).shape == (1, 1, 7) and _maps(np.zeros((3, 4))).shape == (1, 3, 4)
    assert _maps(np.zeros((5, 2, 3, 4))).shape == (5, 6, 4)

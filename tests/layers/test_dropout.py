"""Dropout: which elements it keeps, how many, and that the same numbers come again."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.codegen import driver
from netspec.core.calls import Call
from netspec.kernels import random
from tests.helpers import naive
from tests.helpers.checks import Array, blob, check_layer, forward, make_layer, run_layer
from tests.helpers.oracle import against


@pytest.mark.parametrize("ratio", [0.0, 0.25, 0.5, 0.9])
def test_definition_and_derivatives(ratio: float) -> None:
    layer, x = make_layer("Dropout", dropout_ratio=ratio), blob(2, 3, 4, 5)

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        keep = naive.kept(x.size, ratio, seed=11, iteration=0)
        values = [v / (1 - ratio) if k else 0 for v, k in zip(bottoms[0].flat, keep, strict=True)]
        return [np.array(values).reshape(x.shape)]

    against(oracle, layer, [x])
    (y,) = forward(layer, x, iteration=6, seed=17)
    keep = naive.kept(x.size, ratio, 17, 6).reshape(x.shape)
    np.testing.assert_allclose(y, np.where(keep, x / (1 - ratio), 0), rtol=1e-15)


@pytest.mark.parametrize("ratio", [0.5, 0.75])
def test_caffe_share(ratio: float) -> None:
    """Caffe's test: the share that is kept lies within 1.96 standard deviations; here also the mean stays."""
    x = np.ones((40, 50, 5, 5))
    (y,) = forward(make_layer("Dropout", dropout_ratio=ratio), x)
    assert set(np.unique(y)) == {0, 1 / (1 - ratio)}
    deviation = np.sqrt(ratio * (1 - ratio) / x.size)
    assert abs((y > 0).mean() - (1 - ratio)) < 1.96 * deviation


def test_one_mask_for_both_directions() -> None:
    x = np.ones((3, 7, 11))
    result = run_layer(make_layer("Dropout"), x, top_diffs=[x], iteration=4)
    np.testing.assert_array_equal(result.tops[0], result.bottom_diffs[0])


def test_every_part_of_the_key_matters() -> None:
    x = np.ones(1000, np.float32)

    def keep(seed: int, iteration: int, sub: int) -> bytes:
        y, clock = np.empty_like(x), np.array([iteration, sub], np.int64)
        driver.run([Call(random.dropout, x, y, clock, seed, 2**31, 2.0)], "float32")
        return y.tobytes()

    keys = [(1, 0, 0), (2, 0, 0), (1, 1, 0), (1, 0, 1), (0, 1, 1), (2**63 - 1, 0, 0)]
    masks = [keep(*key) for key in keys]
    assert len(set(masks)) == len(keys)
    assert masks == [keep(*key) for key in keys]
    assert np.frombuffer(masks[3], np.float32).astype(bool).tolist() == naive.kept(1000, 0.5, 1, 0, 1).tolist()


def test_masks_of_neighbouring_keys_are_unrelated() -> None:
    a, b, c = (naive.kept(20000, 0.5, *key) for key in ((1, 0), (1, 1), (2, 0)))
    for left, right in ((a, b), (a, c), (a[1:], a[:-1])):
        assert abs((left == right).mean() - 0.5) < 4 * 0.5 / np.sqrt(20000)


def test_infinities_are_dropped() -> None:
    (y,) = forward(make_layer("Dropout"), np.full(100, np.inf))
    assert set(y) == {0, np.inf}


def test_testing_passes_the_bottom_on() -> None:
    layer = make_layer("Dropout")
    assert layer.aliases("TEST") and not layer.aliases("TRAIN")
    check_layer(layer, [blob(3, 4)], phase="TEST")


@pytest.mark.parametrize("ratio", [-0.1, 1.0])
def test_refused_ratios(ratio: float) -> None:
    with pytest.raises(ValidationError):
        make_layer("Dropout", dropout_ratio=ratio)


def test_both_layouts_drop_the_same() -> None:
    layer, x = make_layer("Dropout"), blob(2, 5, 3, 7)
    np.testing.assert_array_equal(forward(layer, x, layout="NHWC")[0], forward(layer, x, layout="NCHW")[0])


def test_where_nothing_is_dropped_it_only_moves_values() -> None:
    """`check_layer` compares what it says of itself with its top."""
    kept, dropped = make_layer("Dropout", dropout_ratio=0), make_layer("Dropout")
    assert kept.moves("TRAIN") and dropped.moves("TEST") and not dropped.moves("TRAIN")
    check_layer(kept, [blob(2, 3)])

"""GaussianNoise: which numbers it adds, their distribution, and that the same numbers come again."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from tests.helpers import naive
from tests.helpers.checks import blob, check_layer, forward, make_layer, run_layer
from tests.helpers.oracle import against


def test_definition_and_derivatives() -> None:
    layer, x = make_layer("GaussianNoise", sigma=0.5), blob(2, 3, 4, 5)
    against(lambda bottoms, _: [bottoms[0] + 0.5 * naive.normals(x.size, 11, 0).reshape(x.shape)], layer, [x])
    wanted = x + 0.5 * naive.normals(x.size, 17, 6).reshape(x.shape)
    for layout in ("NCHW", "NHWC"):
        (y,) = forward(layer, x, iteration=6, seed=17, layout=layout)
        np.testing.assert_allclose(y, wanted, rtol=1e-14, atol=1e-14)


def test_the_distribution_is_normal() -> None:
    """Mean, variance, skewness and kurtosis, and the shares beyond 1, 2 and 3 deviations."""
    (g,) = forward(make_layer("GaussianNoise", sigma=1.0), np.zeros(200_000), dtype="float32")
    g = g.astype(np.float64)
    for moment, wanted, spread in ((g, 0, 1), (g**2, 1, 2), (g**3, 0, 15), (g**4, 3, 96)):
        assert abs(moment.mean() - wanted) < 4 * np.sqrt(spread / g.size)
    for limit, share in ((1, 0.3173105), (2, 0.0455003), (3, 0.0026998)):
        assert abs((abs(g) > limit).mean() - share) < 4 * np.sqrt(share / g.size)
    assert abs((g[1:] * g[:-1]).mean()) < 4 / np.sqrt(g.size)


def test_the_gradient_passes_as_it_is() -> None:
    x, dy = blob(3, 5), blob(3, 5, seed=2)
    result = run_layer(make_layer("GaussianNoise"), x, top_diffs=[dy])
    np.testing.assert_array_equal(result.bottom_diffs[0], dy)
    assert make_layer("GaussianNoise").abilities.in_place


def test_every_iteration_has_its_own_noise() -> None:
    layer, x = make_layer("GaussianNoise"), np.zeros(100)
    one, other, again = (forward(layer, x, iteration=i)[0] for i in (1, 2, 1))
    assert one.tobytes() == again.tobytes() and not np.any(one == other)


def test_testing_passes_the_bottom_on() -> None:
    layer = make_layer("GaussianNoise")
    assert layer.aliases("TEST") and not layer.aliases("TRAIN")
    assert layer.moves("TEST") and not layer.moves("TRAIN")
    check_layer(layer, [blob(3, 4)], phase="TEST")
    check_layer(make_layer("GaussianNoise", sigma=0.0), [blob(2, 3)])


def test_refused() -> None:
    with pytest.raises(ValidationError):
        make_layer("GaussianNoise", sigma=-0.1)

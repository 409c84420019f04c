"""Program of test_widths: layers whose kernels are written in vectors, float32 against definitions in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from netspec.codegen import simd, tiles
from tests.helpers import naive
from tests.helpers.checks import blob, distinct, make_layer, random_params, run_layer

CONVOLUTIONS: list[tuple[tuple[int, int, int, int], dict[str, Any]]] = [
    ((2, 3, 9, 7), {"num_output": 20, "kernel_size": 5, "pad": 2}),
    ((2, 16, 9, 7), {"num_output": 32, "kernel_size": 3, "pad": 1}),
    ((1, 20, 9, 7), {"num_output": 38, "kernel_size": 5, "pad": 2}),
    ((2, 37, 6, 5), {"num_output": 50, "kernel_size": 1}),
    ((2, 21, 9, 8), {"num_output": 21, "group": 21, "kernel_size": 3, "pad": 1, "stride": 2}),
    ((2, 20, 9, 8), {"num_output": 20, "group": 5, "kernel_size": 3, "pad": 1}),
    ((1, 24, 9, 8), {"num_output": 24, "group": 3, "kernel_size": 3, "pad": 1, "stride": 2}),
    ((1, 32, 5, 7), {"num_output": 32, "group": 2, "kernel_size": 3, "pad": 1, "stride": 2}),
]


def compare(layer: Any, x: Any, params: list[Any], wanted: Any) -> None:
    """Forward against `wanted`, gradients in float32 against those in float64."""
    v = blob(*wanted.shape, seed=3)
    exact = run_layer(layer, x, params=params, top_diffs=[v])
    near = run_layer(layer, x, params=params, top_diffs=[v], dtype="float32")
    np.testing.assert_allclose(exact.tops[0], wanted, rtol=1e-10, atol=1e-10 * np.abs(wanted).max())
    pairs = zip(
        [*exact.bottom_diffs, *exact.param_diffs, *exact.tops],
        [*near.bottom_diffs, *near.param_diffs, *near.tops],
        strict=True,
    )
    for a, b in pairs:
        if a is not None:
            np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-4 * np.abs(a).max())


def main() -> None:
    """All of them."""
    for shape, fields in CONVOLUTIONS:
        layer, x = make_layer("Convolution", **fields), blob(*shape)
        params = random_params(layer, [x])
        (_, sh, ph, dh), (_, sw, pw, dw) = layer.windows(x.shape)  # type: ignore[attr-defined]
        wanted = naive.convolution(x, params[0], params[1], (sh, sw), (ph, pw), (dh, dw), layer.group)  # type: ignore[attr-defined]
        compare(layer, x, params, wanted)
    for rows in (3, 21):
        layer, x = make_layer("InnerProduct", num_output=19), blob(rows, 37)
        params = random_params(layer, [x])
        compare(layer, x, params, naive.inner_product(x, params[0], params[1]))
    layer, x = make_layer("Pooling", pool="MAX", kernel_size=3, stride=2), distinct(2, 19, 9, 7)
    compare(layer, x, [], naive.pooling(x, (3, 3), (2, 2))[0])
    layer, x = make_layer("BatchNorm", affine=True), blob(3, 19, 5, 4)
    params = random_params(layer, [x])
    mean, spread = x.mean((0, 2, 3), keepdims=True), np.sqrt(x.var((0, 2, 3), keepdims=True) + 1e-5)
    wide = [p.reshape(1, -1, 1, 1) for p in params[3:]]
    compare(layer, x, params, (x - mean) / spread * wide[0] + wide[1])
    x = blob(3, 19, 5, 7, scale=2.0)
    share = np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in x.ravel()]).reshape(x.shape)
    compare(make_layer("GELU"), x, [], x * share)
    compare(make_layer("GaussianNoise", sigma=1.0), x, [], x + naive.normals(x.size, 11, 0).reshape(x.shape))
    groups = distinct(3, 20, 5, 7).reshape(3, 5, 4, 5, 7)
    compare(make_layer("FeaturePooling", group_size=4), groups.reshape(3, 20, 5, 7), [], groups.max(2))
    print(simd.BYTES, simd.REGISTERS, tiles.lanes("float32"))  # noqa: T201


if __name__ == "__main__":
    main()

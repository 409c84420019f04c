"""A convolution whose top lies inside a wider blob gives bit-identical results, and writes nothing outside its part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.core.calls import Call, Calls, Run
from netspec.layers.convolution import Convolution
from netspec.lowering.conv_passes import flat
from tests.helpers.checks import blob, make_layer, random_params, run_layer

WAYS: dict[str, tuple[tuple[int, int, int, int], dict[str, Any]]] = {
    "winograd": ((3, 16, 9, 7), {"num_output": 32, "kernel_size": 3, "pad": 1}),
    "winograd of groups": ((1, 32, 6, 11), {"num_output": 64, "kernel_size": 3, "group": 2}),
    "winograd of many channels": ((2, 144, 5, 6), {"num_output": 160, "kernel_size": 3, "pad": 1}),
    "winograd of 5x5 and odd channels": ((2, 21, 9, 7), {"num_output": 35, "kernel_size": 5, "pad": 2}),
    "1x1": ((3, 70, 6, 7), {"num_output": 37, "kernel_size": 1}),
    "1x1 on few channels": ((2, 5, 4, 3), {"num_output": 5, "kernel_size": 1}),
    "1x1 of stride 2": ((2, 21, 9, 8), {"num_output": 19, "kernel_size": 1, "stride": 2}),
    "1x1 with padding": ((2, 6, 5, 4), {"num_output": 5, "kernel_size": 1, "pad": 1}),
    "1x1 of many channels": ((2, 33, 13, 11), {"num_output": 530, "kernel_size": 1}),
    "3x3": ((2, 20, 9, 8), {"num_output": 19, "kernel_size": 3, "pad": 1}),
    "3x3 of groups": ((2, 16, 9, 8), {"num_output": 10, "kernel_size": 3, "pad": 1, "group": 2}),
    "5x5 sent back": ((9, 5, 12, 7), {"num_output": 19, "kernel_size": 5, "pad": 2}),
    "backward without padding": ((2, 20, 9, 8), {"num_output": 6, "kernel_size": 2, "pad": 1}),
    "lines of more than the image": ((1, 20, 7, 6), {"num_output": 5, "kernel_size": 3, "pad": 2}),
    "strided": ((2, 18, 9, 11), {"num_output": 6, "kernel_size": 3, "stride": 2, "pad": 1}),
    "dilated": ((2, 18, 9, 11), {"num_output": 6, "kernel_size": 3, "dilation": 2, "pad": 2}),
    "one pixel": ((1, 7, 3, 3), {"num_output": 5, "kernel_size": 3}),
    "one column": ((2, 7, 6, 3), {"num_output": 5, "kernel_size": 3}),
    "one line": ((1, 7, 3, 8), {"num_output": 5, "kernel_size": 3}),
}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_inside_a_wider_blob(way: str, relu: bool, bias: bool) -> None:
    shape, fields = WAYS[way]
    layer, x = make_layer("Convolution", bias_term=bias, **fields), blob(*shape)
    assert layer.pitched((shape,))
    options: dict[str, Any] = {
        "params": random_params(layer, [x]),
        "relu": relu,
        "bottom_starts": [blob(*shape, seed=7)],
    }
    options["top_diffs"] = [blob(*layer.top_shapes((shape,))[0], seed=3)]
    for dtype in ("float32", "float64"):
        alone, inside = (run_layer(layer, x, dtype=dtype, inside=yes, **options) for yes in (False, True))
        pairs = [
            (alone.tops, inside.tops),
            (alone.bottom_diffs, inside.bottom_diffs),
            (alone.param_diffs, inside.param_diffs),
        ]
        for mine, theirs in pairs:
            for one, other in zip(mine, theirs, strict=True):
                assert one is not None and other is not None and np.array_equal(one, other)


def test_a_depthwise_convolution_may_not() -> None:
    assert not make_layer("Convolution", num_output=6, group=6, kernel_size=3).pitched(((2, 6, 5, 4),))
    assert not make_layer("Pooling", kernel_size=3).pitched(((2, 6, 5, 4),))


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 1, 1, 5), (1, 3, 1, 5), (1, 1, 4, 5), (1, 1, 1, 5), (2, 3, 4, 1)])
def test_a_part_of_a_blob_as_kernels_take_it(shape: tuple[int, ...]) -> None:
    whole = np.arange(np.prod(shape[:3]) * 11, dtype=np.float64).reshape(*shape[:3], 11)
    part = whole[..., 2 : 2 + shape[3]]
    row, pitch = flat(part)
    assert row.flags.c_contiguous and np.shares_memory(row, whole)
    values = row.reshape(-1)
    pixels = part.reshape(-1, shape[3])
    for i, pixel in enumerate(pixels):
        assert np.array_equal(values[i * pitch : i * pitch + shape[3]], pixel)
    assert values.size == (len(pixels) - 1) * pitch + shape[3]
    assert flat(whole)[0] is whole and flat(whole)[1] == 11


class WritesBeside(Convolution):
    def forward(self, run: Run) -> Calls:
        from netspec.kernels import copy

        yield from super().forward(run)
        values, _ = flat(run.top[0])
        yield Call(copy.fill, values, 0.0)


def test_the_checker_catches_what_is_written_beside() -> None:
    layer, x = WritesBeside.model_validate({"name": "planted", "num_output": 5, "kernel_size": (1,)}), blob(2, 3, 4, 5)
    run_layer(layer, x)
    with pytest.raises(AssertionError, match="forward writes beside top 0"):
        run_layer(layer, x, inside=True)

"""Sums of squares of gradients that layers take as they write these: by every way of computing, on any threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.codegen import driver
from netspec.core.shape import Shape
from netspec.engine.program import Program
from netspec.lowering import conv_winograd
from netspec.training.by_hand import measure
from tests.helpers.programs import gradients, training
from tests.helpers.specs import FILLER, conv, ip
from tests.helpers.specs import loss as a_loss

FEW, WINOGRAD = "few tiles together", {"kernel_size": 3, "pad": 1, "engine": "WINOGRAD"}

CASES: dict[str, tuple[Shape, int, dict[str, Any], str]] = {
    "pieces": ((2, 10, 80, 11), 6, {"kernel_size": 1}, "add_pieces"),
    "pieces whose rows lie apart": ((2, 512, 41, 20), 3, {"kernel_size": 1}, "add_pieces"),
    "in place": ((4, 35, 6, 5), 71, {"kernel_size": 1}, "weight_gradient_pixels"),
    "in place, with a stride": ((3, 67, 5, 7), 33, {"kernel_size": 1, "stride": 2}, "weight_gradient_pixels"),
    "each part alone": ((2, 19, 9, 7), 32, WINOGRAD, "frequencies_to_filters"),
    "all parts together": ((2, 37, 5, 9), 48, WINOGRAD, "frequencies_to_filters"),
    FEW: ((2, 85, 5, 9), 112, WINOGRAD, "winograd_gradient_filters"),
    "groups": ((1, 2 * 17, 6, 5), 2 * 16, WINOGRAD | {"group": 2}, "frequencies_to_filters"),
}
OTHERS: dict[str, tuple[Shape, int, dict[str, Any], str]] = {
    "several rows of taps": ((2, 5, 6, 7), 9, {"kernel_size": 2}, ""),
    "filters that fill no vectors": ((2, 19, 9, 7), 33, WINOGRAD, ""),
    "a gradient that is added up": ((2, 85, 9, 13), 112, WINOGRAD, FEW),
    "planes": ((2, 5, 3, 4, 2), 9, {"kernel_size": 1}, ""),
}


def program(shape: Shape, filters: int, fields: dict[str, Any], **options: Any) -> Program:
    """A convolution behind another one, of which a BatchNorm may be read back, and a loss."""
    data = {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [list(shape), [shape[0]]]}
    layers = data, conv("conv", filters, **fields), ip("ip", 3), a_loss("ip")
    return training({"name": "test", "layers": list(layers)}, keep=False, dtype="float32", **options)


def manner(name: str, patch: pytest.MonkeyPatch) -> None:
    """Make Winograd's way take all parts together."""
    if name != "each part alone":
        patch.setattr(conv_winograd, "FEW_SUMMED", 0)
        patch.setattr(conv_winograd, "FEW_TILES", 10**6 if name == FEW else 0)


def sums(one: Program) -> dict[str, float]:
    """What layers leave, by name."""
    return {one.weights.names[param]: row.sum() for param, row in zip(one.squared, one.squares, strict=True)}


@pytest.mark.parametrize("case", CASES)
def test_the_weight_of_a_convolution(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shape, filters, fields, kernel = CASES[case]
    manner(case, monkeypatch)
    one = program(shape, filters, fields)
    taken = []
    for threads in (1, None):
        driver.limit_threads(threads)
        one.squares.fill(np.nan)
        one.squares[:, 16:] = 0
        found = gradients(one)
        one.squares[np.isnan(one.squares)] = 0  # of parts that there are not
        taken.append(one.squares.copy())
        assert set(sums(one)) == {"conv.weight", "ip.weight"}
        for name, value in sums(one).items():
            assert value == pytest.approx(np.square(found[name], dtype=np.float64).sum(), rel=1e-12) and value > 0
    driver.limit_threads(None)
    assert taken[0].tobytes() == taken[1].tobytes()
    last = [s for s in one.table.steps if s.section == "backward" and s.layer == "conv" and one.squares.size]
    assert any(step.call.kernel.name.endswith(kernel) for step in last)


@pytest.mark.parametrize("case", OTHERS)
def test_other_gradients_are_left_to_the_watch(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shape, filters, fields, way = OTHERS[case]
    manner(way or "each part alone", monkeypatch)
    monkeypatch.setattr(conv_winograd, "FAR_SUMMED", 0)
    assert set(sums(program(shape, filters, fields))) == {"ip.weight"}


def test_a_gradient_that_is_summed_over_batches_or_bottoms_is_left_to_the_watch() -> None:
    shape, filters, fields, _ = CASES["in place"]
    assert sums(program(shape, filters, fields, iter_size=2)) == {}
    inputs = {"name": "data", "type": "Input", "top": ["one", "other", "label"], "shape": [[4, 5, 3, 2]] * 2 + [[4]]}
    pair = conv("conv", 7, bottom=["one", "other"], top=["a", "b"], kernel_size=1)
    both = {"name": "both", "type": "Concat", "bottom": ["a", "b"]}
    net = {"name": "test", "layers": [inputs, pair, both, ip("ip", 3), a_loss("ip")]}
    assert set(sums(training(net, keep=False))) == {"ip.weight"}


def test_both_gradients_in_one_pass() -> None:
    """The convolution's top is seen back through a BatchNorm."""
    data = {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[4, 7, 41, 40], [4]]}
    layers = [data, conv("low", 16, kernel_size=1)]
    layers += [conv("conv", 32, kernel_size=1, bias_term=False), {"name": "norm", "type": "BatchNorm"}]
    layers += [{"name": "scale", "type": "Scale", "filler": FILLER}, {"name": "relu", "type": "ReLU"}]
    layers += [conv("high", 8, kernel_size=1), ip("ip", 3), a_loss("ip")]
    one = training({"name": "test", "layers": layers}, keep=False, dtype="float32")
    assert any(step.call.kernel.name.endswith("both_gradients_pixels") for step in one.table.steps)
    found = gradients(one)
    for name, value in sums(one).items():
        assert value == pytest.approx(np.square(found[name], dtype=np.float64).sum(), rel=1e-12)
    assert {"low.weight", "conv.weight", "high.weight"} <= set(sums(one))


def test_gradients_that_a_caller_changed_are_summed_again() -> None:
    shape, filters, fields, _ = CASES["pieces"]
    one = program(shape, filters, fields)
    gradients(one)
    diff = one.weights.diff[one.weights.names.index("conv.weight")]
    assert diff is not None
    diff[...] = 2.0
    measure(one)
    assert sums(one)["conv.weight"] == 4.0 * diff.size

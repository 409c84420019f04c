"""What `benchmarks/traffic.py` counts, worked by hand, and what `fusing_accuracy.py` leaves out and sums up."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from benchmarks import fusing_accuracy, traffic
from benchmarks.traffic import ALL, REST, Reader, Side, extent, joined
from netspec.codegen import driver
from netspec.engine.rewrite import FUSING
from netspec.net.graph import State
from netspec.net.load import load_net
from netspec.net.shaped import ShapedGraph
from netspec.training.solvers.base import UpdateRule

N, C, H, W, K = 3, 5, 7, 11, 6


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    yield
    driver.limit_threads(None)


def net(*layers: dict[str, object]) -> ShapedGraph:
    head = {"name": "data", "type": "Input", "shape": [[N, C, H, W], [N]], "top": ["data", "label"]}
    tail = [
        {"name": "ip", "type": "InnerProduct", "num_output": 4},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"]},
    ]
    return load_net({"name": "small", "layers": [head, *layers, *tail]}, (), State("TRAIN"), N)


UNIT = (
    {"name": "conv", "type": "Convolution", "num_output": K, "kernel_size": 1, "bias_term": False, "bottom": "data"},
    {"name": "bn", "type": "BatchNorm"},
    {"name": "scale", "type": "Scale", "bias_term": True},
    {"name": "relu", "type": "ReLU"},
    {"name": "pool", "type": "Pooling", "pool": "AVE", "global_pooling": True},
)


def test_a_span_reaches_to_the_last_value() -> None:
    wide = np.zeros((N, H, C), np.float32)
    assert extent(wide)[1] == wide.nbytes
    assert extent(wide[..., 1:3]) == (wide.ctypes.data + 4, 4 * ((N * H - 1) * C + 2))
    assert extent(wide[:0])[1] == 0


def test_each_array_of_a_step_counts_once() -> None:
    side = Side(net({"name": "relu", "type": "Sigmoid", "bottom": "data"}), ())
    program = side.stepper.program
    step = next(step for step in program.table.steps if step.section == "forward" and step.layer == "relu")
    assert Reader(program).moved(step, "forward") == (2 * 4 * N * C * H * W, 0)


def test_a_blob_within_a_wider_one_counts_by_its_own_values() -> None:
    layers = [
        {"name": "left", "type": "Convolution", "num_output": K, "kernel_size": 1, "bottom": "data"},
        {"name": "right", "type": "Convolution", "num_output": 2 * K, "kernel_size": 1, "bottom": "data"},
        {"name": "both", "type": "Concat", "bottom": ["left", "right"]},
    ]
    rows = {row["layers"]: row for row in Side(net(*layers), ()).rows()}
    left, right = rows["left"]["mb_forward"], rows["right"]["mb_forward"]
    pixels, weights = 4e-6 * N * H * W, 4e-6 * K * (C + 1)
    assert right - left == pytest.approx(pixels * K + weights, rel=0.02)
    assert rows["both"]["mb_forward"] == 0


def test_without_its_passes_a_batch_norm_moves_less_and_totals_are_sums() -> None:
    shaped = net(*UNIT)
    sides = [Side(shaped, FUSING), Side(shaped, ())]
    for number in range(2):
        for side in sides:
            side.round(kept=number > 0)
    table = joined(*(list(side.rows()) for side in sides))
    rows = {row["layers"]: row for row in table}
    norm = rows["bn + scale + relu"]
    blob = 4e-6 * N * K * H * W
    assert norm["mb_forward_before"] > 2 * blob > blob > norm["mb_forward_after"]
    assert norm["mb_backward_before"] > 3 * blob > blob > norm["mb_backward_after"]
    assert list(rows)[-2:] == [REST, ALL]
    for key in ("mb_forward_before", "mb_backward_after", "ms_backward_before", "ms_forward_after"):
        assert rows[ALL][key] == pytest.approx(sum(row[key] for row in table[:-1]))
        assert rows[ALL][key] > 0


def test_a_net_is_trained_without_the_rewrites_only_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    class Rule(UpdateRule):
        pass

    with fusing_accuracy.left_out(Rule, frozenset({"on_read"})):
        assert Rule.without == {"on_read"}
    assert Rule.without == frozenset() == UpdateRule.without


def test_the_means_of_both_ways() -> None:
    found = {
        (way, seed, 2): {"accuracies": [0.1, base + seed / 100], "losses": [9.0, 0.5], "training": 0.25}
        for seed in (1, 3)
        for way, base in (("with", 0.5), ("without", 0.25))
    }
    first, _, means = fusing_accuracy.rows([1, 3], 2, found)
    assert first["with_accuracy"] == 0.51 and first["gain"] == pytest.approx(0.25)
    assert means["seed"] == "mean" and means["without_accuracy"] == pytest.approx(0.27)
    assert traffic.SIDES == ("before", "after")

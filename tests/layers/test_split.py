"""Split: all tops are the bottom's memory, and their gradients are added."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.engine.program import Program
from tests.helpers.checks import Array, blob, make_layer
from tests.helpers.oracle import against
from tests.helpers.programs import check_gradients, feed, gradients, training


@pytest.mark.parametrize("tops", [1, 2, 3])
def test_the_checker(tops: int) -> None:
    layer = make_layer("Split", top=["a", "b", "c"][:tops])

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        return [bottoms[0]] * tops

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        return [bottoms[0].clone() for _ in range(tops)]

    result = against(oracle, layer, [blob(2, 3, 5)], in_torch=in_torch)
    assert layer.top_shapes(((2, 3, 5),)) == ((2, 3, 5),) * tops
    assert all(np.shares_memory(top, result.bottoms[0]) for top in result.tops)
    assert layer.aliases("TRAIN") and layer.aliases("TEST")


def net(names: tuple[str, str, str], split: bool, **fields: Any) -> Program:
    """A product of three readers of one blob, under three names or under one."""
    ip = {"type": "InnerProduct", "weight_filler": {"type": "gaussian", "std": 0.3}}
    layers: list[dict[str, Any]] = [
        {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[4, 5], [4]]},
        {"name": "first", "num_output": 6, **ip},
        *([{"name": "split", "type": "Split", "top": [*names, "unread"], **fields}] if split else []),
        {"name": "wave", "type": "TanH", "bottom": names[0]},
        {"name": "product", "type": "Eltwise", "operation": "PROD", "bottom": ["wave", names[1], names[2]]},
        {"name": "scores", "num_output": 3, **ip},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["scores", "label"]},
    ]
    return training({"name": "split", "layers": layers})


def test_gradients_of_all_readers_are_added() -> None:
    split, plain = net(("a", "b", "c"), True), net(("first", "first", "first"), False)
    check_gradients(split)
    for name, diff in gradients(plain).items():
        np.testing.assert_allclose(gradients(split)[name], diff, rtol=1e-12, atol=1e-15)
    assert not [step for step in split.table.steps if step.layer == "split"]
    blobs = {blob.name: split.data[blob.index] for blob in split.graph.blobs}
    assert all(np.shares_memory(blobs["first"], blobs[name]) for name in ("a", "b", "c", "unread"))


def test_a_loss_on_tops_of_a_split() -> None:
    one = net(("a", "b", "c"), True, loss_weight=[0, 0.5, 0, -2])
    check_gradients(one)
    feed(one)
    total = one.forward()
    blobs = {blob.name: one.data[blob.index] for blob in one.graph.blobs}
    assert total == pytest.approx(float(blobs["loss"]) - 1.5 * float(blobs["first"].sum()))

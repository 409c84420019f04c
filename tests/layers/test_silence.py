"""Silence writes nothing, and its gradient is 0."""

from __future__ import annotations

import numpy as np

import netspec
from tests.helpers.checks import blob, make_layer
from tests.helpers.oracle import against


def test_it_has_no_top_and_a_gradient_of_zeros() -> None:
    result = against(lambda *_: [], make_layer("Silence"), [blob(2, 3, 4, 5), blob(7)])
    assert result.tops == [] and all(diff is not None and not diff.any() for diff in result.bottom_diffs)


def test_what_it_reads_is_no_output_of_the_net() -> None:
    layers = [
        {"name": "data", "type": "Input", "shape": [[2, 3]]},
        {"name": "ip", "type": "InnerProduct", "num_output": 4, "weight_filler": "xavier"},
        {"name": "act", "type": "TanH", "bottom": "ip"},
        {"name": "quiet", "type": "Silence", "bottom": ["ip", "act"]},
        {"name": "loss", "type": "Reduction", "bottom": "ip", "loss_weight": 1},
    ]
    net = netspec.Net({"layers": layers}, phase="TRAIN", dtype="float64")
    assert net.outputs == ["loss"]
    net.forward(data=blob(2, 3))
    net.backward()
    np.testing.assert_array_equal(net.blobs["ip"].diff, np.ones((2, 4)))

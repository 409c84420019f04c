"""A metric that needs all scores at once, of a user's own layer: one more file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import netspec
from tests.helpers.code import forgotten
from tests.helpers.sessions import session

AREA = '''\
"""AreaUnderCurve: how often a sample of class 1 scores higher than one of class 0."""

from __future__ import annotations

from dataclasses import dataclass

from netspec.codegen.kernel import kernel
from netspec.codegen.kinds import Doubles, Vector
from netspec.core.calls import Call, Workspace
from netspec.core.metric import Metric
from netspec.layers.base import TWO, Layer


@kernel
def area_forward(x: Vector, label: Vector, pairs: Doubles, top: Vector, part: int, parts: int) -> None:
    """pairs (N * 2,) = scores x (N,) and labels (N,); top = the area. Runs as one part."""
    right, all = 0.0, 0.0
    for i in range(x.size):
        pairs[2 * i], pairs[2 * i + 1] = x[i], label[i]
        for j in range(x.size):
            if label[i] > label[j]:
                right += 1.0 if x[i] > x[j] else 0.5 if x[i] == x[j] else 0.0
                all += 1.0
    top[0] = right / max(1.0, all)


@dataclass(frozen=True)
class Area(Metric):
    """The list of all pairs of score and label."""

    space = "pairs"

    def combine(self, total, batch):
        import numpy as np

        return np.concatenate([total, batch])

    def finish(self, total):
        scores, labels = total.reshape(-1, 2).T
        yes, no = scores[labels == 1], scores[labels == 0]
        right = (yes[:, None] > no).sum() + (yes[:, None] == no).sum() / 2
        return (right / max(1, len(yes) * len(no)),)


class AreaUnderCurve(Layer):
    """Bottom: scores (N, 1), labels 0 and 1 (N,). Top: the area, a scalar."""

    bottoms = TWO
    differentiable = False
    no_diff = frozenset({1})

    def top_shapes(self, bottoms):
        return ((),)

    def batch_axes(self, bottoms, axes):
        return (None,)

    def classes(self, bottoms):
        return {1: (2, None)}

    def metric(self, bottoms):
        return Area()

    def workspaces(self, bottoms, backward):
        return {"pairs": Workspace((2 * bottoms[1][0],), "float64", score=True)}

    def forward(self, run):
        yield Call(area_forward, *run.bottom, run.workspace["pairs"], run.top[0], parts=1)

    def backward(self, run):
        yield from ()
'''


def test_statistics_may_be_joined_instead_of_added(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    x, label = random.standard_normal((17, 3)), random.permutation(np.arange(17) % 3 == 0).astype(int)
    (tmp_path / "area.py").write_text(AREA)
    ip = {"name": "ip", "type": "InnerProduct", "bottom": "x", "num_output": 1, "weight_filler": "xavier"}
    layers = [
        {"name": "in", "type": "Input", "top": ["x", "label"], "shape": [[4, 3], [4]]},
        ip,
        {"name": "loss", "type": "SigmoidCrossEntropyLoss", "bottom": ["ip", "label"]},
        {"name": "area", "type": "AreaUnderCurve", "bottom": ["ip", "label"], "include": {"phase": "TEST"}},
    ]
    feed = {"source": {"type": "Arrays", "values": [x.tolist(), label.tolist()]}, "batch_size": 4}
    values = {"net": {"layers": layers}, "data": {"train": feed, "test": feed}}
    values |= {"base_lr": 0.1, "lr_policy": "fixed", "max_iter": 1}
    with forgotten():
        netspec.load_code(tmp_path / "area.py")
        found = {}
        for batch in (1, 4, 17):
            one = session(values, f"data.test.batch_size={batch}")
            found[batch] = one.testers["test"].run()[0]["area"]
            score = (x @ one.train.weights.data[0].T)[:, 0] + one.train.weights.data[1]
    yes, no = score[label == 1], score[label == 0]
    assert found[1] == found[4] == found[17] == (yes[:, None] > no).mean() != pytest.approx(0.5)

"""What holds for every loss: a test's score does not depend on the batch size, labels take no gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.layers.base import LAYERS
from tests.helpers.checks import Array, blob, labels, make_layer, run_layer

N = 6
X, OTHER, THIRD = blob(N, 4, 3), blob(N, 4, 3, seed=2), blob(N, 4, 3, seed=3)
CHANCES = 1 / (1 + np.exp(-X))
ROWS, ALIKE = labels(N, classes=12), labels(N, classes=2)
PLACES, WEIGHTS = labels(N, 3, classes=4), np.abs(blob(N, 3, seed=4)) * 0.1
CTC = [blob(5, N, 4), labels(N, 2, classes=3) + 1]
CASES: list[tuple[str, dict[str, Any], list[Array]]] = [
    ("EuclideanLoss", {}, [X, OTHER]),
    ("L1Loss", {}, [X, OTHER]),
    ("L1Loss", {"normalization": "FULL"}, [X, OTHER]),
    ("SmoothL1Loss", {"normalization": "NONE"}, [X, OTHER]),
    ("PoissonLoss", {}, [X, ALIKE[:, None, None] + np.zeros_like(X)]),
    ("KLDivLoss", {}, [X, CHANCES]),
    ("HingeLoss", {"norm": "L2"}, [X, ROWS]),
    ("MultiClassHingeLoss", {}, [X, ROWS]),
    ("PerceptronLoss", {}, [X, ROWS]),
    ("MultinomialLogisticLoss", {}, [CHANCES, ROWS]),
    ("ContrastiveLoss", {"margin": 5.0}, [X, OTHER, ALIKE]),
    ("CosineEmbeddingLoss", {}, [X, OTHER, ALIKE]),
    ("TripletLoss", {}, [X, OTHER, THIRD]),
    ("DiceLoss", {"ignore_label": 1}, [CHANCES, PLACES]),
    ("FocalLoss", {"ignore_label": 0}, [X, (X > 0) * 1.0]),
    ("FocalLoss", {"form": "SOFTMAX", "class_weights": (0.1, 0.2, 0.3, 0.05)}, [X, PLACES]),
    ("SoftmaxWithLoss", {"ignore_label": 2}, [X, PLACES]),
    ("SoftmaxWithLoss", {"class_weights": (0.1, 0.2, 0.3, 0.05), "ignore_label": 2}, [X, PLACES, WEIGHTS]),
    ("SoftmaxWithLoss", {}, [X, CHANCES, WEIGHTS]),
    ("SigmoidCrossEntropyLoss", {"normalization": "VALID"}, [X, CHANCES, np.abs(THIRD) * 0.01]),
    ("CTCLoss", {"normalization": "VALID"}, CTC),
    ("CTCLoss", {}, [*CTC, labels(N, classes=2) + 4, labels(N, classes=3)]),
]


def samples(kind: str, bottoms: list[Array], which: slice) -> list[Array]:
    """Some of the samples; those of CTC's scores lie along axis 1."""
    return [b[:, which] if kind == "CTCLoss" and i == 0 else b[which] for i, b in enumerate(bottoms)]


def test_all_losses_are_here() -> None:
    known = {layer.__name__ for layer in LAYERS.members() if layer.is_loss}
    assert known - {kind for kind, _, _ in CASES} == {"InfogainLoss"}, "a matrix is of no sample"


@pytest.mark.parametrize(("kind", "fields", "bottoms"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_the_score_of_two_batches_is_that_of_all_samples(
    kind: str, fields: dict[str, Any], bottoms: list[Array]
) -> None:
    layer = make_layer(kind, bottom=[f"b{i}" for i in range(len(bottoms))], **fields)
    total = None
    for which in (slice(0, 4), slice(4, N)):
        batch = samples(kind, bottoms, which)
        metric = layer.metric(tuple(b.shape for b in batch))
        assert metric is not None
        found = metric.statistics(run_layer(layer, *batch).workspace[metric.space])
        total = found if total is None else metric.combine(total, found)
    assert metric is not None and total is not None
    np.testing.assert_allclose(metric.finish(total)[0], run_layer(layer, *bottoms).tops[0], rtol=1e-12)


@pytest.mark.parametrize(("kind", "fields", "bottoms"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_labels_and_weights_take_no_gradient(kind: str, fields: dict[str, Any], bottoms: list[Array]) -> None:
    layer = make_layer(kind, bottom=[f"b{i}" for i in range(len(bottoms))], **fields)
    both = {"EuclideanLoss", "L1Loss", "SmoothL1Loss", "ContrastiveLoss", "CosineEmbeddingLoss", "TripletLoss"}
    able = [i for i in range(len(bottoms)) if i not in layer.no_diff]
    assert able == ([0, 1, 2] if kind == "TripletLoss" else [0, 1] if kind in both else [0])
    assert not {*able} & {*layer.classes(tuple(b.shape for b in bottoms))}

"""DiceLoss against its definition and PyTorch, with regions and with labels as truth."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from netspec.layers import _loss
from tests.helpers.checks import Array, blob, forward, labels, make_layer, run_layer
from tests.helpers.oracle import against


def chances(*shape: int) -> Array:
    return 1 / (1 + np.exp(-blob(*shape)))


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("truth", ["numbers", "labels", "ignored"])
@pytest.mark.parametrize(("normalization", "divisor"), [(None, 12), ("BATCH_SIZE", 3), ("NONE", 1)])
def test_definition_and_derivatives(squared: bool, truth: str, normalization: str | None, divisor: int) -> None:
    power, ignore = 2 if squared else 1, 2 if truth == "ignored" else None

    def region(given: Any, n: int, c: int, h: int, w: int) -> Any:
        return given[n, c, h, w] if truth == "numbers" else float(given[n, h, w] == c)

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        p, given = bottoms
        total = 0.0
        for n, c in np.ndindex(3, 4):
            overlap, mass = 0.5, 0.5
            for h, w in np.ndindex(5, 2):
                if truth == "ignored" and given[n, h, w] == 2:
                    continue
                t = region(given, n, c, h, w)
                overlap += 2 * p[n, c, h, w] * t
                mass += p[n, c, h, w] ** power + t**power
            total += 1 - overlap / mass
        return [np.array(total / divisor)]

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        import torch

        p, t = bottoms
        if truth != "numbers":
            kept = (t != (-1 if ignore is None else ignore))[:, None]
            p, t = p * kept, torch.nn.functional.one_hot(t.long(), 4).movedim(-1, 1) * kept
        overlap, mass = 2 * (p * t).sum((2, 3)) + 0.5, (p**power + t**power).sum((2, 3)) + 0.5
        return [(1 - overlap / mass).sum() / divisor]

    given = np.abs(np.sin(blob(3, 4, 5, 2, seed=2))) if truth == "numbers" else labels(3, 5, 2, classes=4)
    fields = {"smooth": 0.5, "squared": squared, "normalization": normalization, "ignore_label": ignore}
    with mock.patch.object(_loss, "GRAIN", 4):
        against(oracle, make_layer("DiceLoss", **fields), [chances(3, 4, 5, 2), given], in_torch=in_torch)


def test_perfect_and_empty_regions_have_no_loss() -> None:
    truth = np.zeros((1, 2, 3))
    truth[0, 1, 1] = 1
    assert forward(make_layer("DiceLoss"), truth, truth)[0] == 0
    assert forward(make_layer("DiceLoss"), 1 - truth, truth)[0] == pytest.approx((3 / 4 + 3 / 4) / 2)


def test_a_label_that_is_no_class_gives_nan() -> None:
    p, label = chances(2, 3, 2), np.array([[0.0, 1], [2, 3]])
    result = run_layer(make_layer("DiceLoss"), p, label, top_diffs=[np.array(1.0)])
    diff = result.bottom_diffs[0]
    assert np.isnan(result.tops[0])
    assert diff is not None and np.isfinite(diff[0]).all() and np.isnan(diff[1]).all()


def test_fields_and_shapes() -> None:
    layer = make_layer("DiceLoss", ignore_label=255)
    assert layer.classes(((2, 3, 4, 5), (2, 4, 5))) == {1: (3, 255)}
    assert make_layer("DiceLoss").classes(((2, 3), (2, 3))) == {}
    with pytest.raises(ShapeError, match="`ignore_label` needs labels"):
        layer.top_shapes(((2, 3, 4), (2, 3, 4)))
    with pytest.raises(ShapeError, match=r"needs 2\*4 = 8 labels"):
        layer.top_shapes(((2, 3, 4), (2, 3)))
    with pytest.raises(ValidationError):
        make_layer("DiceLoss", smooth=0)

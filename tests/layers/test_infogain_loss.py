"""InfogainLoss against Caffe's definition, with the matrix from a bottom and from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from netspec.formats.blob_proto import write_blob
from netspec.formats.files import FileError
from netspec.layers import _loss
from tests.helpers.checks import Array, blob, forward, labels, make_layer, run_layer
from tests.helpers.oracle import against

BLOBS = ["scores", "label", "gain"]


def matrix(classes: int) -> Array:
    return np.random.default_rng(2).uniform(0.1, 2, (classes, classes))


@pytest.mark.parametrize("ignore", [None, 3])
@pytest.mark.parametrize("normalization", [None, "FULL", "BATCH_SIZE", "NONE"])
def test_definition_and_derivatives(normalization: str | None, ignore: int | None) -> None:
    """Caffe's own test: 4 x 2 x 5 x 2, the classes on axis 2."""
    label = labels(4, 2, 2, classes=5)
    valid = (label != ignore).sum()
    divisor = {None: valid, "FULL": 16, "BATCH_SIZE": 8, "NONE": 1}[normalization]

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        x, label, gain = bottoms
        total = 0.0
        for n, c, w in np.ndindex(4, 2, 2):
            p, own = np.exp(x[n, c, :, w]) / np.exp(x[n, c, :, w]).sum(), int(label[n, c, w])
            if own != ignore:
                total -= sum(gain[own, k] * np.log(max(p[k], 1e-20)) for k in range(5))
        return [np.array(total / divisor)]

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        import torch

        x, label, gain = bottoms
        logs, rows = x.movedim(2, -1).log_softmax(-1), gain[label.long()]
        kept = label != (-1 if ignore is None else ignore)
        return [-torch.where(kept, (rows * logs).sum(-1), torch.zeros_like(label)).sum() / divisor]

    fields = {"axis": 2, "normalization": normalization, "ignore_label": ignore}
    with mock.patch.object(_loss, "GRAIN", 4):
        layer = make_layer("InfogainLoss", bottom=BLOBS, **fields)
        against(oracle, layer, [blob(4, 2, 5, 2), label, matrix(5)], in_torch=in_torch)


def test_second_top_and_the_unit_matrix() -> None:
    x, label = blob(4, 3), labels(4, classes=3)
    mine = forward(make_layer("InfogainLoss", bottom=BLOBS, top=["loss", "prob"]), x, label, np.eye(3))
    wanted = forward(make_layer("SoftmaxWithLoss", top=["loss", "prob"]), x, label)
    for a, b in zip(mine, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_the_matrix_from_a_file(tmp_path: Path) -> None:
    x, label, gain = blob(4, 3), labels(4, classes=3), matrix(3).astype(np.float32)
    write_blob(tmp_path / "gain.binaryproto", gain.reshape(1, 1, 3, 3))
    layer = make_layer("InfogainLoss", bottom=BLOBS[:2], source=str(tmp_path / "gain.binaryproto"))
    given = make_layer("InfogainLoss", bottom=BLOBS)
    for dtype in ("float32", "float64"):
        own = run_layer(layer, x, label, top_diffs=[np.array(2.0)], dtype=dtype)
        other = run_layer(given, x, label, gain, top_diffs=[np.array(2.0)], dtype=dtype)
        assert own.tops[0] == other.tops[0]
        np.testing.assert_array_equal(own.bottom_diffs[0], other.bottom_diffs[0])
    with pytest.raises(ShapeError, match=r"is 1x1x3x3, and should have 4\*4 = 16 values"):
        layer.top_shapes(((2, 4), (2,)))
    with pytest.raises(FileError, match="at most 1,056"):
        (tmp_path / "gain.binaryproto").write_bytes(bytes(2000))
        layer.top_shapes(((2, 1), (2,)))


def test_the_class_loses_at_most_46() -> None:
    x, gain = np.array([[0.0, 1000.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    assert forward(make_layer("InfogainLoss", bottom=BLOBS), x, np.zeros(1), gain)[0] == pytest.approx(
        46.0517, abs=1e-4
    )


@pytest.mark.parametrize("label", [-1.0, 3.0, 0.5, np.nan])
def test_a_label_that_is_no_class_gives_nan(label: float) -> None:
    layer = make_layer("InfogainLoss", bottom=BLOBS)
    result = run_layer(layer, blob(2, 3), np.array([1.0, label]), matrix(3), top_diffs=[np.array(1.0)])
    diff = result.bottom_diffs[0]
    assert np.isnan(result.tops[0])
    assert diff is not None and np.isfinite(diff[0]).all() and np.isnan(diff[1]).all()


def test_fields_and_shapes() -> None:
    layer = make_layer("InfogainLoss", bottom=BLOBS, ignore_label=255)
    assert layer.classes(((2, 5), (2,), (5, 5))) == {1: (5, 255)}
    with pytest.raises(ShapeError, match=r"should have 5\*5 = 25 values"):
        layer.top_shapes(((2, 5), (2,), (5, 4)))
    with pytest.raises(ValidationError, match="normalize"):
        make_layer("InfogainLoss", bottom=BLOBS, normalize=True)
    with pytest.raises(ShapeError, match="there is no matrix"):
        layer.top_shapes(((2, 5), (2,)))
    with pytest.raises(ShapeError, match="given twice"):
        make_layer("InfogainLoss", source="gain.binaryproto").top_shapes(((2, 5), (2,), (5, 5)))

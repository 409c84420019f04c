"""Soft labels in a training: MixUp from the feed to the loss, the same bits after a resume and for any threads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.core.errors import DataError
from netspec.data.feed import open_feed
from netspec.data.prefetch import Prefetcher
from netspec.data.spec import FeedSpec
from netspec.training import snapshot
from netspec.training.job import load_solver
from netspec.training.run import run


def values(transform: Any, soft: bool = True) -> dict[str, Any]:
    numbers = np.random.default_rng(7)
    x = numbers.normal(size=(10, 1, 4, 5)).round(2).tolist()
    source = {"type": "Arrays", "values": [x, [i % 3 for i in range(10)]]}
    shapes = {"TRAIN": [[4, 1, 4, 5], [4, 3] if soft else [4]], "TEST": [[5, 1, 4, 5], [5]]}
    inputs = [
        {"name": phase.lower(), "type": "Input", "top": ["data", "label"], "shape": shape, "include": {"phase": phase}}
        for phase, shape in shapes.items()
    ]
    layers = [
        *inputs,
        {"name": "ip", "type": "InnerProduct", "bottom": "data", "num_output": 3, "weight_filler": "xavier"},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"]},
        {"name": "accuracy", "type": "Accuracy", "bottom": ["ip", "label"], "include": {"phase": "TEST"}},
    ]
    data = {
        "train": {"source": source, "batch_size": 4, "transform": transform},
        "test": {"source": source, "batch_size": 5},
    }
    solver = {"base_lr": 0.1, "lr_policy": "fixed", "max_iter": 6, "snapshot": 3, "test_interval": 3}
    return {"net": {"name": "t", "layers": layers}, "data": data, **solver}


MIXES = [[{"type": "MixUp", "classes": 3, "alpha": 1.0}], [{"type": "OneHot", "classes": 3}, "CutMix"]]


@pytest.mark.parametrize("transform", MIXES)
def test_a_training_resumes_bit_for_bit(tmp_path: Path, transform: Any) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder, last, threads in ((whole, 6, 2), (parts, 3, 1)):
        with run(load_solver({**values(transform), "max_iter": last}), folder, threads=threads) as training:
            list(training)
    with run(load_solver(values(transform)), parts, resume=True, threads=1) as training:
        list(training)
    name = snapshot.name(6)
    assert (whole / "snapshots" / name).read_bytes() == (parts / "snapshots" / name).read_bytes()


@pytest.mark.parametrize("transform", MIXES)
def test_batches_are_alike_however_they_are_read(transform: Any) -> None:
    spec = FeedSpec.model_validate(values(tuple(transform))["data"]["train"] | {"source": _tuples()})
    feed = open_feed(spec, "TRAIN", 5)
    into = feed.buffers(4)
    with Prefetcher(feed, 8, 4) as ahead:
        for position in (8, 12, 16):
            ahead.take(into)
            for one, other in zip(into, open_feed(spec, "TRAIN", 5).batch(position, 4), strict=True):
                np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(into[1].sum(axis=1), 1, rtol=1e-6)


def _tuples() -> dict[str, Any]:
    x, labels = values(())["data"]["train"]["source"]["values"]
    nested = tuple(tuple(tuple(tuple(row) for row in plane) for plane in image) for image in x)
    return {"type": "Arrays", "values": (nested, tuple(labels))}


def test_labels_of_numbers_are_one_error_at_the_data(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="input 'label' takes samples of scalar, but the data have 3") as raised:
        list(run(load_solver(values(MIXES[0], soft=False)), tmp_path / "r"))
    assert raised.value.help is not None and "`shape: [4, 3]` for 'label'" in raised.value.help

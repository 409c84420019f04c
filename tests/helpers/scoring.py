"""Scores of positions for the tests of metrics, and metrics run without a net."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import Any

import numpy as np

from netspec.layers._score import Measure
from netspec.layers.base import Layer
from tests.helpers.checks import Array


def rows(scores: Array, labels: Array, ignore: int | None = None, axis: int = 1) -> list[tuple[list[float], int]]:
    """(the scores of all classes, the class) of each position that counts, one after the other."""
    turned = np.moveaxis(scores, axis, -1)
    places = [(turned[place], int(label)) for place, label in np.ndenumerate(labels)]
    return [(own.tolist(), label) for own, label in places if label != ignore]


def probabilities(*shape: int, axis: int = 1, seed: int = 1) -> Array:
    """Random numbers that sum to 1 along an axis."""
    raw = np.exp(np.random.default_rng(seed).standard_normal(shape))
    return raw / raw.sum(axis=axis, keepdims=True)


def measure_of(layer: Layer, scores: Array, labels: Array) -> Measure:
    """The metric of a layer, as a value that needs no net."""
    metric = layer.metric((scores.shape, labels.shape))
    assert isinstance(metric, Measure)
    return metric


def cut_into(layer: Layer, scores: Array, labels: Array, batch: int) -> list[Array]:
    """The scores over batches of some size, each measured alone."""
    measure = measure_of(layer, scores, labels)
    pieces: Iterable[Any] = range(0, len(labels), batch)
    batches = [measure.measure(scores[at : at + batch], labels[at : at + batch]) for at in pieces]
    return [np.asarray(value) for value in measure.finish(reduce(measure.combine, batches))]


def same_for_every_batch_size(layer: Layer, scores: Array, labels: Array) -> None:
    """Batches of 1, 3, 7 and all samples give the same scores."""
    whole = cut_into(layer, scores, labels, len(labels))
    assert all(np.isfinite(value).all() for value in whole)
    for batch in (1, 3, 7):
        for value, wanted in zip(cut_into(layer, scores, labels, batch), whole, strict=True):
            np.testing.assert_allclose(value, wanted, rtol=1e-12, err_msg=f"batches of {batch}")

"""Input declares shapes and runs nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.calls import Run
from tests.helpers.checks import make_layer


def test_one_shape_serves_every_top_and_many_stand_one_for_each() -> None:
    assert make_layer("Input", shape=[5, 3, 7]).top_shapes(()) == ((5, 3, 7),)
    assert make_layer("Input", shape=[5, 3], top=["a", "b"]).top_shapes(()) == ((5, 3), (5, 3))
    assert make_layer("Input", shape=[[5, 3, 7], [5]], top=["data", "label"]).top_shapes(()) == ((5, 3, 7), (5,))
    assert make_layer("Input", shape=[[5, 3]], top=["a", "b"]).top_shapes(()) == ((5, 3), (5, 3))


def test_scalars_have_no_batch_axis() -> None:
    one, both = make_layer("Input", shape=[]), make_layer("Input", shape=[[5, 3], []], top=["data", "rate"])
    assert one.top_shapes(()) == ((),) and one.batch_axes((), ()) == (None,)
    assert both.top_shapes(()) == ((5, 3), ()) and both.batch_axes((), ()) == (0, None)
    assert both.for_batch(both.top_shapes(()), 7) == ((7, 3), ())
    assert make_layer("Input", shape=[[]], top=["a", "b"]).top_shapes(()) == ((), ())


def test_runs_nothing() -> None:
    layer = make_layer("Input", shape=[2, 3])
    run = Run("TRAIN", (), (np.zeros((2, 3)),), (), (np.zeros((2, 3)),), (), (), np.zeros(2, np.int64), 1)
    assert [*layer.forward(run), *layer.backward(run)] == []


@pytest.mark.parametrize(
    ("shape", "where", "kind"),
    [
        ([5, 0, 7], ("shape", 1), "greater_than"),
        ([[5, 3], [-1]], ("shape", 1, 0), "greater_than"),
        ([5, "a"], ("shape", 1), "int_type"),
        (5, ("shape",), "tuple_type"),
        ([[5], [4], [3]], (), "netspec"),
    ],
)
def test_a_mistake_is_told_once_and_at_its_place(shape: Any, where: tuple[Any, ...], kind: str) -> None:
    with pytest.raises(ValidationError) as caught:
        make_layer("Input", shape=shape, top=["data", "label"])
    assert [(problem["loc"], problem["type"]) for problem in caught.value.errors()] == [(where, kind)]


def test_a_schema_allows_one_shape_or_many() -> None:
    one, many = type(make_layer("Input", shape=[1])).model_json_schema()["properties"]["shape"]["anyOf"]
    assert many["items"] == one

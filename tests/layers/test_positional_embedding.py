"""PositionalEmbedding against its definition: learned rows, and the published sines and cosines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, make_layer
from tests.helpers.oracle import against


@pytest.mark.parametrize("kind", ["LEARNED", "SINUSOIDAL"])
@pytest.mark.parametrize("longest", [None, 7])
def test_definition_and_derivatives(kind: str, longest: int | None) -> None:
    def oracle(bottoms: list[Array], params: list[Array]) -> list[Array]:
        y = bottoms[0].copy()
        for n, t, e in np.ndindex(y.shape):
            y[n, t, e] += params[0][t, e]
        return [y]

    layer = make_layer("PositionalEmbedding", kind=kind, max_length=longest)
    assert layer.param_shapes(((3, 5, 4),)) == ((longest or 5, 4),)
    assert [param.learned for param in layer.params()] == [kind == "LEARNED"]
    against(oracle, layer, [blob(3, 5, 4)], in_torch=lambda b, p: [b[0] + p[0][:5]])


def test_words() -> None:
    assert make_layer("PositionalEmbedding", max_length=7).param_arithmetic(((3, 5, 4),)) == "7*4 = 28"
    assert make_layer("PositionalEmbedding", kind="SINUSOIDAL").param_arithmetic(((3, 5, 4),)) == ""


@pytest.mark.parametrize(("fields", "text"), [
    ({"max_length": 0}, "greater than 0"),
    ({"kind": "SINUSOIDAL", "weight_filler": {"type": "constant"}}, "holds sines and cosines"),
    ({"kind": "SINUSOIDAL", "param": [{"lr_mult": 1.0}]}, "`lr_mult` must be 0"),
])  # fmt: skip
def test_bad_fields(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make_layer("PositionalEmbedding", **fields)


def test_bad_shapes() -> None:
    with pytest.raises(ShapeError, match="longer than `max_length` 4"):
        make_layer("PositionalEmbedding", max_length=4).top_shapes(((2, 5, 3),))
    with pytest.raises(ShapeError, match=r"not \(samples, positions, values\)"):
        make_layer("PositionalEmbedding").top_shapes(((2, 5),))

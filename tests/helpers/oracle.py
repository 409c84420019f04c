"""Layers against other definitions of them: loops in plain NumPy, and PyTorch where it is installed.

`against(oracle, layer, bottoms)` is the whole check of a layer for some fields and bottoms: all that `check_layer`
looks at, the tops against `oracle`, and tops and gradients against `in_torch`. With NETSPEC_ORACLES=FILE every
comparison with PyTorch is added to that file as a line of JSON.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

from netspec.layers.base import Layer
from tests.helpers.checks import Array, Result, check_layer, random_params

Oracle = Callable[[list[Array], list[Array]], Sequence[Array | None]]
"""(bottoms, params) -> tops, all float64; None for a top that it does not judge."""
Torch = Callable[[list[Any], list[Any]], Sequence[Any]]
"""(bottoms, params) -> tops, as tensors of float64 through which gradients flow; the first tops may be all."""


def against(
    oracle: Oracle | None,
    layer: Layer,
    bottoms: Sequence[Array],
    *,
    in_torch: Torch | None = None,
    params: Sequence[Array] | None = None,
    rtol: float = 1e-11,
    **checks: Any,
) -> Result:
    """Check a layer and compare it; `checks` go to `check_layer`. Returns its float64 run.

    Params are random if None. `rtol` bounds the differences, relative to the largest value of a blob.
    """
    rounded = [_exact(b) for b in bottoms]
    values = [_exact(p) for p in (random_params(layer, rounded) if params is None else params)]
    result = check_layer(layer, rounded, params=values, **checks)
    if oracle is not None:
        tops = oracle([b.copy() for b in rounded], [p.copy() for p in values])
        assert len(tops) == len(result.tops), (
            f"{layer.type}: {len(result.tops)} tops, of which the oracle knows {len(tops)}"
        )
        for i, (top, wanted) in enumerate(zip(result.tops, tops, strict=True)):
            if wanted is not None:
                _close(f"{layer.type}: top {i}", top, wanted, rtol)
    if in_torch is not None and find_spec("torch") is not None:
        _compare(in_torch, layer, rounded, values, result, rtol)
    return result


def torch_of(path: str, *args: Any, **options: Any) -> Torch:
    """A function of PyTorch, by its path, as the definition of a top: torch.PATH(*bottoms, *args, **options)."""

    def tops(bottoms: list[Any], _: list[Any]) -> list[Any]:
        import torch

        return [attrgetter(path)(torch)(*bottoms, *args, **options)]

    return tops


def _exact(values: Any) -> Array:
    """The values as float32 holds them, in float64."""
    return np.asarray(values, np.float64).astype(np.float32).astype(np.float64)


def _close(what: str, value: Array, wanted: Any, rtol: float) -> float:
    """The largest difference, relative to the largest wanted value."""
    wanted = np.asarray(wanted, np.float64)
    assert value.shape == wanted.shape, f"{what} is {value.shape}, not {wanted.shape}"
    scale = float(np.max(np.abs(wanted), initial=0.0)) or 1.0
    np.testing.assert_allclose(value, wanted, rtol=rtol, atol=rtol * scale, err_msg=what)
    return float(np.max(np.abs(value - wanted), initial=0.0)) / scale


def _compare(
    in_torch: Torch, layer: Layer, bottoms: list[Array], params: list[Array], result: Result, rtol: float
) -> None:
    """Tops, and the gradients of the sum of tops times their diffs, against PyTorch's."""
    import torch

    given = [torch.tensor(b, requires_grad=d is not None) for b, d in zip(bottoms, result.bottom_diffs, strict=True)]
    learned = [torch.tensor(p, requires_grad=d is not None) for p, d in zip(params, result.param_diffs, strict=True)]
    tops = in_torch(given, learned)
    worst = {"forward": 0.0, "gradients": 0.0}
    for i, (mine, its) in enumerate(zip(result.tops, tops, strict=False)):
        worst["forward"] = max(worst["forward"], _close(f"top {i}, torch", mine, its.detach().numpy(), rtol))
    if result.top_diffs:
        total = sum((t * torch.tensor(d)).sum() for t, d in zip(tops, result.top_diffs, strict=False))
        total.backward()  # type: ignore[union-attr]
        both = [(f"diff of bottom {i}", d, given[i]) for i, d in enumerate(result.bottom_diffs)]
        both += [(f"diff of param {i}", d, learned[i]) for i, d in enumerate(result.param_diffs)]
        for what, mine, its in both:
            if mine is not None:
                wanted = np.zeros(mine.shape) if its.grad is None else its.grad.numpy()
                worst["gradients"] = max(worst["gradients"], _close(f"{layer.type}: {what}, torch", mine, wanted, rtol))
    if "NETSPEC_ORACLES" in os.environ:
        fields = {key: str(value) for key, value in layer.identity().items()}
        with Path(os.environ["NETSPEC_ORACLES"]).open("a") as file:
            file.write(json.dumps({"layer": layer.type, "fields": fields, **worst}) + "\n")

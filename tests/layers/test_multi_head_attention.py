"""MultiHeadAttention against loops and against PyTorch's MultiheadAttention."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.core.shape import ShapeError
from netspec.layers.base import Layer
from tests.helpers.checks import Array, blob, check_layer, make_layer, random_params, run_layer
from tests.helpers.oracle import against


def attention(**fields: Any) -> Layer:
    return make_layer("MultiHeadAttention", **fields)


def split(bottoms: list[Any], padded: bool) -> tuple[Any, Any, Any]:
    """Queries, keys, values of the bottoms."""
    given = bottoms[: len(bottoms) - padded]
    return given[0], given[min(1, len(given) - 1)], given[-1]


def counts(padding: Any, n: int, keys: int, kind: str) -> Array:
    """Which keys count, (N, K)."""
    if kind == "NONE":
        return np.ones((n, keys), bool)
    return np.asarray(padding) != 0 if kind == "MASK" else np.arange(keys) < np.asarray(padding)[:, None]


def loops(layer: Any, bottoms: list[Array], params: list[Array]) -> list[Array]:
    padded, heads = layer.key_padding != "NONE", layer.num_heads
    q, k, v = split(bottoms, padded)
    weights, biases = params[:4], params[4:] or [0, 0, 0, 0]
    q, k, v = (x @ w.T + b for x, w, b in zip((q, k, v), weights[:3], biases[:3], strict=True))
    size, context = q.shape[2] // heads, np.zeros(q.shape)
    count = counts(bottoms[-1], len(q), k.shape[1], layer.key_padding)
    for n in range(len(q)):
        for h in range(heads):
            own = slice(h * size, (h + 1) * size)
            for i in range(q.shape[1]):
                seen = [j for j in range(k.shape[1]) if count[n, j] and not (layer.causal and j > i)]
                if seen:
                    scores = np.array([q[n, i, own] @ k[n, j, own] / np.sqrt(size) for j in seen])
                    chance = np.exp(scores - scores.max())
                    chance /= chance.sum()
                    context[n, i, own] = sum(p * v[n, j, own] for p, j in zip(chance, seen, strict=True))
    return [context @ weights[3].T + biases[3]]


def torchs(layer: Any, bottoms: list[Any], params: list[Any]) -> list[Any]:
    """torch.nn.functional.multi_head_attention_forward, on bottoms with the batch first."""
    import torch

    padded = layer.key_padding != "NONE"
    q, k, v = (x.transpose(0, 1) for x in split(bottoms, padded))
    size, length, keys, n = q.shape[2], q.shape[0], k.shape[0], q.shape[1]
    count = counts(bottoms[-1].detach() if padded else None, n, keys, layer.key_padding)
    mask = torch.triu(torch.ones(length, keys, dtype=torch.bool), 1) if layer.causal else None
    bias = torch.cat([params[4], params[5].detach(), params[6]]) if layer.bias_term else None
    y, _ = torch.nn.functional.multi_head_attention_forward(
        q, k, v, size, layer.num_heads, None, bias, None, None, False, 0.0, params[3],
        params[7] if layer.bias_term else None, key_padding_mask=torch.tensor(~count), attn_mask=mask,
        use_separate_proj_weight=True, q_proj_weight=params[0], k_proj_weight=params[1], v_proj_weight=params[2],
        need_weights=False,
    )  # fmt: skip
    return [y.transpose(0, 1)]


X, MEMORY, VALUES = blob(3, 5, 8), blob(3, 7, 6, seed=2), blob(3, 7, 9, seed=3)
LENGTHS, MASK = (
    np.array([5.0, 2.0, 1.0]),
    np.array([[1, 0, 1, 1, 0, 0, 2], [1, 1, 1, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0, 0]]),
)
CASES: dict[str, tuple[dict[str, Any], list[Array]]] = {
    "self": ({"num_heads": 2}, [X]),
    "one head": ({"num_heads": 1, "bias_term": False}, [X]),
    "causal": ({"num_heads": 4, "causal": True}, [X]),
    "memory": ({"num_heads": 2}, [X, MEMORY]),
    "three": ({"num_heads": 2, "bias_term": False}, [X, MEMORY, VALUES]),
    "lengths": ({"num_heads": 2, "key_padding": "LENGTHS"}, [X, LENGTHS]),
    "causal lengths": ({"num_heads": 2, "key_padding": "LENGTHS", "causal": True}, [X, LENGTHS]),
    "mask": ({"num_heads": 2, "key_padding": "MASK"}, [X, MEMORY, MASK]),
    "three with lengths": ({"num_heads": 2, "key_padding": "LENGTHS"}, [X, MEMORY, VALUES, LENGTHS]),
    "causal memory": ({"num_heads": 2, "causal": True}, [X, MEMORY]),
}
OWN: dict[str, tuple[dict[str, Any], list[Array]]] = {
    "head_dim": ({"num_heads": 3, "head_dim": 5}, [X]),
    "num_output": ({"num_heads": 2, "num_output": 11}, [X]),
    "nothing counts": ({"num_heads": 2, "key_padding": "LENGTHS"}, [X, np.array([0.0, 3.0, 0.0])]),
}
"""Cases that PyTorch does not have."""


def made(fields: dict[str, Any], bottoms: list[Array]) -> Layer:
    return attention(bottom=tuple(f"b{i}" for i in range(len(bottoms))), **fields)


@pytest.mark.parametrize("name", [*CASES, *OWN])
def test_definition_and_derivatives(name: str) -> None:
    fields, bottoms = (CASES | OWN)[name]
    layer = made(fields, bottoms)
    wanted = range(len(bottoms) - (layer.key_padding != "NONE"))  # type: ignore[attr-defined]
    in_torch = (lambda b, p: torchs(layer, b, p)) if name in CASES else None
    scaled = [0.5 * p for p in random_params(layer, bottoms)]
    against(
        lambda b, p: loops(layer, b, p), layer, bottoms, params=scaled, in_torch=in_torch, wanted=wanted, float32=False
    )


def test_float32() -> None:
    """Apart from the others, as the gradient of the keys' bias is 0: all queries' scores move alike."""
    layer, v = attention(num_heads=2), blob(3, 5, 8, seed=4)
    params = [0.5 * p for p in random_params(layer, [X])]
    exact, rough = (run_layer(layer, X, params=params, top_diffs=[v], dtype=d) for d in ("float64", "float32"))
    for mine, wanted in zip(
        (*rough.tops, *rough.bottom_diffs, *rough.param_diffs),
        (*exact.tops, *exact.bottom_diffs, *exact.param_diffs),
        strict=True,
    ):
        assert mine is not None and wanted is not None
        np.testing.assert_allclose(mine, wanted, rtol=1e-4, atol=1e-4)
    assert exact.param_diffs[5] is not None
    np.testing.assert_allclose(exact.param_diffs[5], 0, atol=1e-12)


@pytest.mark.parametrize("causal", [False, True])
def test_more_than_a_tile_a_block_and_a_part(causal: bool) -> None:
    layer, x = attention(num_heads=2, causal=causal), blob(2, 270, 10)
    params = [0.3 * p for p in random_params(layer, [x])]
    result = check_layer(layer, [x], params=params, float32=False)
    rounded = [p.astype(np.float32).astype(np.float64) for p in params]
    (wanted,) = loops(layer, [x.astype(np.float32).astype(np.float64)], rounded)
    np.testing.assert_allclose(result.tops[0], wanted, rtol=1e-9, atol=1e-10)


def test_lengths_have_no_gradient() -> None:
    result = run_layer(made(*CASES["lengths"]), *CASES["lengths"][1], top_diffs=[blob(3, 5, 8)])
    assert result.bottom_diffs[1] is None


def test_dropout() -> None:
    layer, x = attention(num_heads=2, dropout_ratio=0.4), blob(3, 64, 8)
    params = random_params(layer, [x])
    check_layer(layer, [x], params=params, float32=False)
    check_layer(layer, [x], params=params, phase="TEST", backward=False)
    plain = run_layer(attention(num_heads=2), x, params=params).tops[0]
    np.testing.assert_array_equal(run_layer(layer, x, params=params, phase="TEST").tops[0], plain)
    one, again = (run_layer(layer, x, params=params).tops[0] for _ in range(2))
    assert one.tobytes() == again.tobytes()
    for changed in ({"iteration": 1}, {"seed": 12}):
        assert run_layer(layer, x, params=params, **changed).tops[0].tobytes() != one.tobytes()  # type: ignore[arg-type]


def test_dropout_keeps_the_mean() -> None:
    """With values of 1, the context is the share of what is kept, scaled: its mean is 1."""
    layer, x = attention(num_heads=1, dropout_ratio=0.25, bias_term=True), blob(4, 100, 2)
    params = [*(np.zeros((2, 2)) for _ in range(3)), np.eye(2), *(np.zeros(2),) * 2, np.ones(2), np.zeros(2)]
    y = run_layer(layer, x, params=params).tops[0]
    share = y * 0.75
    np.testing.assert_allclose(share.mean(), 0.75, atol=0.01)
    np.testing.assert_allclose(share.var(), 0.75 * 0.25 / 100, rtol=0.3)


@pytest.mark.parametrize("bad", [-1.0, 6.0, 2.5, np.nan])
def test_what_is_no_length_shows(bad: float) -> None:
    layer = made(*CASES["lengths"])
    assert layer.classes((X.shape, (3,))) == {1: (6, None)}
    y = run_layer(layer, X, np.array([5.0, bad, 1.0])).tops[0]
    assert np.isnan(y[1]).all() and np.isfinite(y[[0, 2]]).all()


def test_large_scores_and_nan() -> None:
    layer, x = attention(num_heads=1, bias_term=False), np.zeros((2, 3, 1))
    x[0, :, 0] = [1e4, -1e4, 0.0]
    x[1, 1, 0] = np.nan
    y = run_layer(layer, x, params=[np.ones((1, 1))] * 4, dtype="float32").tops[0]
    np.testing.assert_allclose(y[0, :, 0], [1e4, -1e4, 0.0], atol=1e-3)
    assert np.isnan(y[1]).all()


def test_costs() -> None:
    layer, x = attention(num_heads=8), ((32, 128, 256),)
    words = attention(num_heads=2).param_arithmetic(((2, 5, 6),))
    assert words == "(6+1)*6 + (6+1)*6 + (6+1)*6 + (6+1)*6 = 168"
    assert layer.macs(x, layer.top_shapes(x)) == 32 * (4 * 128 * 256 * 256 + 2 * 128 * 128 * 256)
    shapes = layer.param_shapes(x)
    assert sum(int(np.prod(s)) for s in shapes) == 4 * (256 + 1) * 256
    memory = made(*CASES["three"])
    assert memory.param_shapes((X.shape, MEMORY.shape, VALUES.shape)) == ((8, 8), (8, 6), (8, 9), (8, 8))


@pytest.mark.parametrize(("fields", "text"), [
    ({"num_heads": 0}, "greater than 0"),
    ({"num_heads": 2, "dropout_ratio": 1.0}, "less than 1"),
    ({"num_heads": 2, "key_padding": "LENGTHS"}, "the last bottom says which keys count"),
    ({"num_heads": 2, "bottom": ["a", "b", "c", "d"]}, "here are 4 bottoms"),
])  # fmt: skip
def test_bad_fields(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        attention(**fields)


@pytest.mark.parametrize(("fields", "shapes", "text"), [
    ({"num_heads": 3}, [(2, 5, 8)], "not a multiple of `num_heads` 3"),
    ({"num_heads": 2}, [(2, 5)], r"not \(samples, positions, values\)"),
    ({"num_heads": 2}, [(2, 5, 8), (3, 5, 8)], "different numbers of samples"),
    ({"num_heads": 2}, [(2, 5, 8), (2, 4, 8), (2, 3, 8)], "needs a value"),
    ({"num_heads": 2, "key_padding": "LENGTHS"}, [(2, 5, 8), (2, 5)], "a number of keys for each sample"),
    ({"num_heads": 2, "key_padding": "MASK"}, [(2, 5, 8), (2, 4)], "a number for each key of each sample"),
])  # fmt: skip
def test_bad_shapes(fields: dict[str, Any], shapes: list[tuple[int, ...]], text: str) -> None:
    with pytest.raises(ShapeError, match=text):
        attention(bottom=tuple("abcd"[: len(shapes)]), **fields).top_shapes(tuple(shapes))

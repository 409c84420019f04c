"""The experiment with bfloat16 computes what it says: numbers, products, a chain, and a net whose blobs are rounded."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numba
import numpy as np
import pytest

from benchmarks.bfloat16 import accuracy, tiles
from benchmarks.bfloat16.chain import Case, Chain, Values, drawn, errors, reference
from benchmarks.bfloat16.numbers import narrow_run, to_bfloat16, to_float32
from netspec import Net, register
from netspec.codegen import driver
from netspec.codegen.tiles import address
from tests.helpers.code import forgotten

CASE = Case(7, 16, (64, 96, 32))


@pytest.fixture(autouse=True)
def _left_as_it_was() -> Iterator[None]:
    with forgotten():
        yield
    driver.limit_threads(None)


@numba.njit
def narrowed(x: np.ndarray, y: np.ndarray) -> None:
    narrow_run(x, 0, y, 0, x.size)


def test_numbers_are_rounded_to_nearest_and_ties_to_even() -> None:
    step = 2.0**-7  # of bfloat16 between 1 and 2
    x = np.array([1, 1 + step / 2, 1 + 3 * step / 2, 1 + 0.51 * step, -0.0, 3.4e38, -np.inf, np.nan], np.float32)
    y = np.zeros(x.size, np.uint16)
    narrowed(x, y)
    wanted = np.array([1, 1, 1 + 2 * step, 1 + step, -0.0, np.inf, -np.inf, np.nan], np.float32)
    np.testing.assert_array_equal(to_float32(y), wanted)
    np.testing.assert_array_equal(y[:-1], to_bfloat16(x[:-1]))
    odd = np.array([0x7FFFFFFF, 0xFFFFFFFF, 0x7F800001], np.uint32).view(np.float32)
    narrowed(odd, y[:3])
    assert np.isnan(to_float32(y[:3])).all()


@pytest.mark.parametrize("way", tiles.usable())
def test_products_of_the_cpu(way: str) -> None:
    add, prepare, release = tiles.WAYS[way]

    @numba.njit
    def product(k: int, a: np.ndarray, b: np.ndarray, c: np.ndarray, config: int) -> None:
        prepare(config)
        add(k, address(a, 0), 2 * k, address(b, 0), address(c, 0), 4 * 32)
        release(config)

    k, random = 96, np.random.default_rng(1)
    a, b = (to_bfloat16(random.standard_normal(shape)) for shape in ((32, k), (k, 32)))
    c = np.full((32, 32), 2, np.float32)
    panels = np.ascontiguousarray(b.reshape(k // 2, 2, 2, 16).transpose(2, 0, 3, 1))
    product(k, a.reshape(-1), panels.reshape(-1), c.reshape(-1), tiles.config())
    np.testing.assert_allclose(c, 2 + to_float32(a).astype(float) @ to_float32(b), rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def values() -> Values:
    return drawn(CASE)


@pytest.mark.parametrize(
    ("kind", "of_y", "of_dw"),
    [("float32", 1e-6, 1e-5), ("bf16 stored", 0.01, 0.15), *((w, 0.02, 0.2) for w in tiles.usable())],
)
def test_a_chain_beside_float64(values: Values, kind: str, of_y: float, of_dw: float) -> None:
    chain = Chain(CASE, values, kind)
    chain.step()
    found, judge = chain.results(), reference(values)
    first = [array.copy() for array in (found.y, *found.dw)]
    chain.step()
    again = chain.results()
    chain.close()
    error = errors(found, judge)
    assert error["error_y"] < of_y and error["error_dw"] < of_dw
    for mine, true in zip((*found.dgamma, *found.dbeta), (*judge.dgamma, *judge.dbeta), strict=True):
        assert np.linalg.norm(mine - true) < of_dw * np.linalg.norm(true)
    assert all(map(np.array_equal, first, (again.y, *again.dw)))


def test_the_formulas_agree_with_torch(values: Values) -> None:
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    weights, gammas, betas = (
        [torch.tensor(v, dtype=torch.float64).requires_grad_() for v in side] for side in values[1:4]
    )
    y = torch.tensor(values.x, dtype=torch.float64)
    for w, gamma, beta in zip(weights, gammas, betas, strict=True):
        y = functional.relu(functional.batch_norm(y @ w.T, None, None, gamma, beta, training=True))
    judge = reference(values)
    np.testing.assert_allclose(judge.y, y.detach().numpy(), rtol=1e-9, atol=1e-9)
    y.backward(torch.tensor(values.dy, dtype=torch.float64))
    for leaves, mine in zip((weights, gammas, betas), judge[1:], strict=True):
        for leaf, diff in zip(leaves, mine, strict=True):
            np.testing.assert_allclose(diff, leaf.grad.numpy(), rtol=1e-8, atol=1e-8)


def test_a_blob_and_its_gradient_are_rounded() -> None:
    register(accuracy.Bfloat16)
    data = {"name": "data", "type": "Input", "top": ["data"], "shape": [[2, 3, 5]]}
    net = Net({"layers": [data, {"name": "round", "type": "Bfloat16"}]}, phase="TRAIN", force_backward=True)
    x, dy = np.random.default_rng(1).standard_normal((2, 2, 3, 5)).astype(np.float32)
    np.testing.assert_array_equal(net.forward(data=x)["round"], to_float32(to_bfloat16(x)))
    np.testing.assert_array_equal(net.backward(round=dy)["data"], to_float32(to_bfloat16(dy)))


def test_a_net_gets_a_rounding_behind_each_convolution_and_each_relu() -> None:
    register(accuracy.Bfloat16)
    plain, rounded = (accuracy.job(kind, 1, 1).train.graph.nodes for kind in ("float32", "bfloat16"))
    types = [node.layer.type for node in plain]
    added = [node.layer.type for node in rounded].count("Bfloat16")
    assert added == types.count("Convolution") + types.count("ReLU") == 2 * 19
    assert len(rounded) == len(plain) + added


def test_an_iteration_reads_rounded_weights_and_updates_their_masters() -> None:
    filters, factors = np.random.default_rng(1).standard_normal((2, 2, 3, 1, 1)).astype(np.float32), np.full(2, 1.003)
    weights = [filters[0], factors]
    before = filters[0].copy()
    session: Any = SimpleNamespace(train=SimpleNamespace(weights=SimpleNamespace(data=weights)))
    accuracy.with_rounded_weights(session)
    begin, end = session.hooks
    begin()
    np.testing.assert_array_equal(weights[0], to_float32(to_bfloat16(before)))
    end()
    np.testing.assert_array_equal(weights[0], before)
    assert (factors == 1.003).all()

"""A stage of ResNet-20: where its time goes, and what bfloat16 could take of it.

netspec's convolutions of 3 x 3 are Winograd's in float32. Activations in bfloat16 would halve the bytes of the passes
between them; products in bfloat16 would be direct ones, of four times as many operations at the rate of a product.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np

from benchmarks.bfloat16 import chain_floats, tiles
from benchmarks.bfloat16.chain import PARTS, Case, Chain, aligned, drawn
from benchmarks.bfloat16.chain_floats import PANEL, TALL, Array
from benchmarks.bfloat16.passes import OPTIONS
from benchmarks.bfloat16.peers import run, stage_layers, stepper, torch_stage
from benchmarks.clock import alternate, milliseconds
from netspec.codegen import tiles as float_tiles
from netspec.codegen.tiles import Left, Result, Right, Sums, address, multiply, one_tap

N, CHANNELS, H, UNITS = 128, 32, 16, 3
PIXELS = N * H * H
FLOPS = (3 * 2 * UNITS - 1) * 2 * PIXELS * 9 * CHANNELS * CHANNELS
"""Operations of the stage's convolutions, multiplied directly; the first has no dX."""
TURNS = 2000
"""Blocks of a product whose rate is measured."""


@numba.njit(**OPTIONS)
def float_product(a: Array, b: Array, c: Array, k: int, tile: int) -> None:
    """c (56, 32) = a (56, k) b (k, 32), over and over."""
    for _ in range(TURNS):
        for r in range(0, 56, TALL):
            left, right = Left(address(a, r * k), k, 1), Right(address(b, 0), 0, PANEL)
            multiply(tile, Sums(1, one_tap(), k), left, right, Result(address(c, r * PANEL), PANEL, 0, 0, 16))


def half_product(way: str) -> Callable[..., None]:
    """c (64, 32) += a (64, k) b (k, 32) with these instructions, over and over."""
    add, prepare, release = tiles.WAYS[way]

    @numba.njit(**OPTIONS)
    def product(a: Array, b: Array, c: Array, k: int, config: int) -> None:
        prepare(config)
        for _ in range(TURNS):
            for r in range(0, 64, 32):
                add(k, address(a, r * k), 2 * k, address(b, 0), address(c, r * PANEL), 4 * PANEL)
        release(config)

    return product


def rates(k: int = 9 * CHANNELS) -> dict[str, float]:
    """GFLOP/s of products with k terms whose operands lie in the first two caches, all threads at once."""
    jobs: dict[str, tuple[Any, int, Any, int]] = {
        "float32": (float_product, 56, np.float32, float_tiles.tile(TALL, 2).address("float32"))
    }
    jobs |= {way: (half_product(way), 64, np.uint16, tiles.config()) for way in tiles.usable()}
    found = {}
    with ThreadPoolExecutor(PARTS) as pool:
        for name, (product, rows, kind, word) in jobs.items():
            given = [
                (aligned((rows * k,), kind), aligned((k * 32,), kind), aligned((rows * 32,), np.float32), k, word)
                for _ in range(PARTS)
            ]
            product(*given[0])

            def all_parts(product: Any = product, given: Any = given) -> None:
                list(pool.map(lambda args: product(*args), given))

            took = min(milliseconds(all_parts) for _ in range(9))
            found[name] = PARTS * TURNS * 2 * rows * k * 32 / took / 1e6
    return found


def convolutions() -> list[dict[str, Any]]:
    """The stage's convolutions without what stands between them."""
    conv = {"num_output": CHANNELS, "kernel_size": 3, "pad": 1, "bias_term": False, "weight_filler": "msra"}
    return [{"name": f"conv{i}", "type": "Convolution", **conv} for i in range(2 * UNITS)]


def passes(kind: str) -> dict[str, Callable[[], None]]:
    """Two passes over a blob of the stage: through a lens into another one, and a gradient masked and summed."""
    case = Case(N, H, (CHANNELS, CHANNELS))
    chain = Chain(case, drawn(case), kind)
    chain.step()
    products = chain._products(1)
    return {
        f"pass: normalise, {kind}": lambda: chain._run(
            chain_floats.finish, chain.x[1], chain.lenses[1], chain.y, chain.scratch, CHANNELS
        ),
        f"pass: gradient sums, {kind}": lambda: chain._run(
            chain_floats.begin, chain.x[1], chain.dy[0], products, chain.scratch, CHANNELS
        ),
    }


def rows(seconds: float) -> list[dict[str, Any]]:
    """Median milliseconds of the stage and its parts; rivals take turns."""
    shape = (N, CHANNELS, H, H)
    whole, alone = stepper(shape, stage_layers(UNITS, CHANNELS)), stepper(shape, convolutions())
    rivals: dict[str, Any] = {
        "netspec, float32": lambda: run(whole),
        "of which convolutions": lambda: run(alone),
        **{
            f"torch, {name}": torch_stage(N, CHANNELS, H, UNITS, name).step
            for name in ("eager", "channels_last", "autocast")
        },
        **passes("float32"),
        **passes("bf16 stored"),
    }
    times = alternate(rivals, seconds)
    found = [{"what": name, "ms": statistics.median(of.steps), "fastest": min(of.steps)} for name, of in times.items()]
    for name, rate in rates().items():
        found.append({"what": f"direct products, {name}", "ms": FLOPS / rate / 1e6, "gflops": rate})
    return found

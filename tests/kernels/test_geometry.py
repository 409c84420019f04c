"""Kernels take named tuples: the descriptor holds their fields, the kernel gets the tuple, and mistakes are named."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
from typing import Any, NamedTuple

import numpy as np
import pytest

from netspec import kernels
from netspec.codegen import driver, geometry
from netspec.codegen.compile import codes
from netspec.codegen.kernel import JitKernel, kernel
from netspec.codegen.kinds import Code, Doubles, Vector
from netspec.codegen.tiles import tiling
from netspec.core.calls import Call
from netspec.engine.program import Step
from netspec.kernels import conv_geometry, winograd_geometry

MOST = 11
"""Parameters of a kernel beside `part` and `parts`, a named tuple counting as one. Ten are enough for most."""


class Inner(NamedTuple):
    factor: float
    out: Doubles


class Outer(NamedTuple):
    first: int
    inner: Inner
    code: Code
    last: int


@kernel
def spell(x: Vector, outer: Outer, more: int, part: int, parts: int) -> None:
    """x: (M,). Writes what it was given to outer.inner.out."""
    out = outer.inner.out
    out[0], out[1], out[2], out[3] = outer.first, outer.inner.factor, outer.last, more
    out[4], out[5] = x[0], 1 if outer.code != 0 else 0


def given(**changed: Any) -> tuple[Any, ...]:
    inner = Inner(0.5, np.zeros(6))
    return (
        np.array([7.0]),
        Outer(**{"first": 3, "inner": inner, "code": tiling(5, 40, "float64").tall, "last": -4} | changed),
        9,
    )


def test_a_kernel_gets_its_tuples() -> None:
    args = given()
    driver.run([Call(spell, *args, parts=1)], "float64")
    np.testing.assert_array_equal(args[1].inner.out, [3, 0.5, -4, 9, 7, 1])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"first": 1.5}, "'outer.first' must be a whole number, not float"),
        ({"inner": (0.5, np.zeros(6))}, "'outer.inner' must be a Inner, not tuple"),
        (
            {"inner": Inner(0.5, np.zeros(6, np.float32))},
            r"'outer.inner.out' must be a contiguous float64 array, not float32 \(6,\)",
        ),
        ({"code": 12}, "'outer.code' must be something compiled, not int"),
    ],
)
def test_a_field_that_does_not_fit_is_named(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(TypeError, match=f"kernel test_geometry.spell: {words}"):
        spell.describe(given(**changed), 1, "float64")


def test_what_tuples_hold_is_found_and_said() -> None:
    call = Call(spell, *given(), parts=1)
    found = codes([call])
    assert found == {spell, given()[1].code}
    words = Step("forward", "layer", 0, call, 1).arguments
    code = given()[1].code.name
    assert words == f"float64[1], Outer(first=3, inner=Inner(factor=0.5, out=float64[6]), code={code}, last=-4), 9"


def test_geometry_needs_no_numpy() -> None:
    words = (
        "import sys, netspec.kernels.conv_geometry, netspec.kernels.winograd_geometry, netspec.codegen.geometry; "
        "sys.exit('numpy' in sys.modules or 'numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", words], check=False).returncode == 0


def tuples() -> list[type]:
    found = (member for module in (geometry, conv_geometry, winograd_geometry) for member in vars(module).values())
    return [one for one in found if isinstance(one, type) and hasattr(one, "_fields")]


@pytest.mark.parametrize("one", tuples(), ids=lambda one: one.__name__)
def test_every_tuple_says_what_it_is(one: type) -> None:
    assert one.__doc__ and not one.__doc__.startswith(f"{one.__name__}(")


def everything() -> list[JitKernel]:
    modules = [
        importlib.import_module(f"netspec.kernels.{module.name}") for module in pkgutil.iter_modules(kernels.__path__)
    ]
    return sorted(
        {one for module in modules for one in vars(module).values() if isinstance(one, JitKernel)},
        key=lambda one: one.name,
    )


@pytest.mark.parametrize("one", everything(), ids=str)
def test_no_kernel_has_many_parameters(one: JitKernel) -> None:
    assert len(one.params) <= MOST
    words = inspect.getdoc(one.function)
    assert words is None or not words.startswith("The same")

"""Kernels generated from formulas: a loop that reads the blobs a formula names, and writes the blob it computes.

A formula may stand in any file, and call functions of others, so the digest of kernel sources does not cover it. The
cached code of its kernel is therefore filed under the operations that the formula performs, which every process records
anew: whatever changes them leads to another compile.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Callable
from functools import cache, reduce
from typing import Any, cast

from netspec.codegen.kernel import JitKernel, span
from netspec.codegen.rows import Row, Value, rows
from netspec.core.formula import BLOBS, Formula, names

CALLS = {"exp", "log", "log1p", "tanh", "erf", "power"}
"""Operations that fill the registers by themselves; a formula without them takes two vectors at a time."""


class FormulaKernel(JitKernel):
    """The kernel of a formula: of the blobs it names, the blob it writes, and the numbers it names.

    Its name is the formula's module and name, `relu.value`; its path is `netspec.layers.relu:ReLU.value`.
    """

    def __init__(self, formula: Formula) -> None:
        operations = traced(formula)
        super().__init__(_written(formula, 1 if CALLS & {each[0] for each in operations} else 2))
        self.name = f"{formula.__module__.rpartition('.')[2]}.{formula.__name__}"
        self.path = f"{formula.__module__}:{formula.__qualname__}"
        self._key = hashlib.sha256(repr((self.params, operations)).encode()).hexdigest()[:16]
        # numba names compiled code so, with a number of its process: code of two processes must not share a name
        self.function.__qualname__ = f"{formula.__name__}_{self._key}"

    def wrapper(self, dtype: str) -> tuple[Callable[..., Any], int]:
        """As of any kernel, but named by the formula's operations too: the cache files compiled code by that name."""
        function, count = super().wrapper(dtype)
        function.__name__ = function.__qualname__ = f"{function.__name__}_{self._key}"
        return function, count


@cache
def generated(formula: Formula) -> FormulaKernel:
    """The kernel of a formula."""
    return FormulaKernel(formula)


def found(path: str) -> JitKernel:
    """The kernel at `module:name`, or of the formula at `module:Class.name`. Raises ImportError or AttributeError."""
    module, _, name = path.partition(":")
    there = reduce(getattr, name.split("."), cast(Any, importlib.import_module(module)))
    return there if isinstance(there, JitKernel) else generated(there)


def _written(formula: Formula, group: int) -> Callable[..., None]:
    """The Python function of a formula's kernel: one part of one loop."""
    given = names(formula)
    blobs, numbers = [name for name in given if name in BLOBS], [name for name in given if name not in BLOBS]
    out = "dx" if "dy" in blobs or not blobs else "y"
    arrays = [*blobs, out]
    words = [*(f"{name}, first" for name in arrays), *numbers]
    kinds = [f"{name}: Vector" for name in arrays] + [f"{name}: float" for name in numbers]
    text = (
        "from __future__ import annotations\n"
        f"def {formula.__name__}({', '.join(kinds)}, part: int, parts: int) -> None:\n"
        f"    first, last = span({out}.size, part, parts)\n"
        f"    loop(last - first, {', '.join(words)})\n"
    )
    scope: dict[str, Any] = {"span": span, "loop": _loop(formula, arrays, numbers, group), "__name__": __name__}
    exec(compile(text, __file__, "exec"), scope)
    return cast(Callable[..., None], scope[formula.__name__])


def _loop(formula: Formula, arrays: list[str], numbers: list[str], group: int) -> Any:
    """The intrinsic loop(count, each array, its offset, each number), which writes the last array."""

    def body(*operands: Any) -> None:
        operand = dict(zip([*arrays, *numbers], operands, strict=True))
        out: Row = operand[arrays[-1]]
        value = formula(*(operand[name].get() if name in BLOBS else operand[name] for name in names(formula)))
        out.put(value if isinstance(value, Value) else out.fill(cast(float, value)))

    kinds = [(name, "Row") for name in arrays] + [(name, "Real") for name in numbers]
    parameters = [
        inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=kind) for name, kind in kinds
    ]
    setattr(body, "__signature__", inspect.Signature(parameters))  # noqa: B010 - what `rows` asks of any body
    body.__name__ = formula.__name__
    return rows(group)(body)


class _Traced:
    """A number that writes down every operation it takes part in."""

    def __init__(self, tape: list[tuple[str, ...]], *operation: str) -> None:
        self._tape, self._place = tape, len(tape)
        tape.append(operation)

    def __repr__(self) -> str:
        return f"#{self._place}"

    def __bool__(self) -> bool:
        raise TypeError("a formula is computed for many values at once: write a.where(condition, b), not `if`")


def _recorded(name: str) -> Callable[..., _Traced]:
    def operate(self: _Traced, *others: Any, **named: Any) -> _Traced:
        return _Traced(self._tape, name, *map(repr, (self, *others, *named.items())))

    return operate


for _name, _method in inspect.getmembers(Value, inspect.isfunction):
    if _name not in ("__init__", "_with", "_do", "_compare"):
        setattr(_Traced, _name, _recorded(_name))


def traced(formula: Formula) -> tuple[tuple[str, ...], ...]:
    """The operations of a formula in order, each with the places of its operands: ("exp", "#0").

    Raises TypeError where the formula branches with `if`.
    """
    tape: list[tuple[str, ...]] = []
    result = formula(*(_Traced(tape, name) for name in names(formula)))
    return (*tape, ("result", repr(result)))

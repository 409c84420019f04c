"""A user's own code for tests: small members as texts, and rooms that are afterwards as they were before."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from netspec.core import code_files
from netspec.core.rooms import Room

LAYER = '''\
"""Cube: y = factor * x^3."""

from __future__ import annotations

from pydantic import Field

from netspec.codegen.kernel import kernel, span
from netspec.codegen.kinds import Vector
from netspec.core.calls import Call, Calls, Run
from netspec.core.shape import Shapes
from netspec.layers.base import Layer


@kernel
def forward(x: Vector, y: Vector, factor: float, part: int, parts: int) -> None:
    """y = factor * x^3."""
    for i in range(*span(x.size, part, parts)):
        y[i] = factor * x[i] * x[i] * x[i]


@kernel
def backward(x: Vector, dy: Vector, dx: Vector, factor: float, part: int, parts: int) -> None:
    """dx = 3 * factor * x^2 * dy."""
    for i in range(*span(x.size, part, parts)):
        dx[i] = 3.0 * factor * x[i] * x[i] * dy[i]


class Cube(Layer):
    """The third power."""

    factor: float = Field(1.0, description="What it is multiplied by.")

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's."""
        return bottoms

    def forward(self, run: Run) -> Calls:
        """One pass."""
        yield Call(forward, run.bottom[0], run.top[0], self.factor)

    def backward(self, run: Run) -> Calls:
        """One pass over the bottom and the top's diff."""
        if run.bottom_diff[0] is not None:
            yield Call(backward, run.bottom[0], run.top_diff[0], run.bottom_diff[0], self.factor)
'''

FILLER = '''\
"""Sevens: every value is 7."""

from netspec.fillers.base import Filler


class Seven(Filler):
    """Sevens."""

    def fill(self, shape, random):
        """Sevens."""
        import numpy as np

        return np.full(shape, 7.0)
'''

NET = """\
name: own
layers:
  - {name: data, type: Input, top: [data, label], shape: [[4, 3], [4]]}
  - {name: ip, type: InnerProduct, num_output: 5, weight_filler: xavier}
  - {name: cube, type: Cube}
  - {name: loss, type: SoftmaxWithLoss, bottom: [cube, label]}
"""


@contextmanager
def forgotten() -> Iterator[None]:
    """What the body loads and registers is gone after it."""
    rooms = {room: dict(room.added) for room in Room.every}
    loaded = dict(code_files.LOADED)
    yield
    for room in Room.every:
        room.added = rooms.get(room, {})
    for name in code_files.LOADED.keys() - loaded.keys():
        if code_files.is_file(name):
            del sys.modules[name]
    code_files.LOADED.clear()
    code_files.LOADED.update(loaded)

"""The checker catches the mistakes it is there for: each is planted in a ReLU that is otherwise right."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given

from netspec.codegen.elementwise import generated
from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.shape import Shapes
from netspec.layers.base import BOTTOM, NOTHING, TOP, Abilities, Layer, Param
from netspec.layers.relu import ReLU
from tests.helpers.checks import GUARD, blob, blobs_away_from, check_layer, distinct, labels, make_layer

relu_forward, relu_backward = generated(ReLU.value), generated(ReLU.gradient_of_x)


class Fine(ReLU):
    slope: float = 0.25

    @property
    def abilities(self) -> Abilities:
        return Abilities(reads=BOTTOM)

    def forward(self, run: Run) -> Calls:
        yield Call(relu_forward, run.bottom[0], run.top[0], self.slope)

    def backward(self, run: Run) -> Calls:
        if run.bottom_diff[0] is not None:
            yield Call(relu_backward, run.bottom[0], run.top_diff[0], run.bottom_diff[0], self.slope)


class WrongGradient(Fine):
    def backward(self, run: Run) -> Calls:
        if run.bottom_diff[0] is not None:
            yield Call(relu_backward, run.bottom[0], run.top_diff[0], run.bottom_diff[0], self.slope * 1.00001)


class UnwrittenTop(Fine):
    def forward(self, run: Run) -> Calls:
        yield Call(relu_forward, run.bottom[0].reshape(-1)[:-1], run.top[0].reshape(-1)[:-1], self.slope)


class UnwrittenDiff(Fine):
    def backward(self, run: Run) -> Calls:
        if run.bottom_diff[0] is not None:
            dx = run.bottom_diff[0].reshape(-1)[1:]
            yield Call(relu_backward, run.bottom[0].reshape(-1)[1:], run.top_diff[0].reshape(-1)[1:], dx, self.slope)


class WritesOutside(Fine):
    def forward(self, run: Run) -> Calls:
        end = GUARD + run.top[0].size + 1
        yield Call(relu_forward, run.bottom[0], run.top[0], self.slope)
        yield Call(relu_forward, np.ones(2, run.top[0].dtype), run.top[0].base[end - 2 : end], self.slope)


class ChangesBottom(Fine):
    def forward(self, run: Run) -> Calls:
        yield Call(relu_forward, run.bottom[0], run.top[0], self.slope)
        yield Call(relu_forward, run.top[0], run.bottom[0], 1.0)


class ChangesTopDiff(Fine):
    def backward(self, run: Run) -> Calls:
        yield from super().backward(run)
        yield Call(relu_backward, run.bottom[0], run.top_diff[0], run.top_diff[0], self.slope)


class UndeclaredRead(Fine):
    @property
    def abilities(self) -> Abilities:
        return Abilities(reads=TOP)


class NeedsDiff(Fine):
    def backward(self, run: Run) -> Calls:
        yield Call(relu_backward, run.bottom[0], run.top_diff[0], run.bottom_diff[0], self.slope)


class PartsDepend(Fine):
    def forward(self, run: Run) -> Calls:
        x, y = run.bottom[0].reshape(-1), run.top[0].reshape(-1)
        yield Call(relu_forward, x[:1], y[:1], self.slope)
        yield Call(relu_forward, y[:-1], y[1:], self.slope)


class ForgetsScratch(Fine):
    """Keeps its input in a workspace that is not declared to be kept."""

    @property
    def abilities(self) -> Abilities:
        return Abilities(reads=NOTHING)

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        return {"copy": Workspace(bottoms[0])}

    def forward(self, run: Run) -> Calls:
        yield from super().forward(run)
        yield Call(relu_forward, run.bottom[0], run.workspace["copy"], 1.0)

    def backward(self, run: Run) -> Calls:
        if run.bottom_diff[0] is not None:
            yield Call(relu_backward, run.workspace["copy"], run.top_diff[0], run.bottom_diff[0], self.slope)


class OverwrittenParamDiff(Layer):
    """y = w, whatever x is."""

    no_diff: ClassVar[frozenset[int]] = frozenset({0})

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        return bottoms

    def params(self) -> tuple[Param, ...]:
        return (Param("weight", None),)  # type: ignore[arg-type]

    def param_shapes(self, bottoms: Shapes) -> Shapes:
        return bottoms

    def forward(self, run: Run) -> Calls:
        yield Call(relu_forward, run.param[0], run.top[0], 1.0)

    def backward(self, run: Run) -> Calls:
        if run.param_diff[0] is not None:
            yield Call(relu_backward, run.param[0], run.top_diff[0], run.param_diff[0], 1.0)


@given(blobs_away_from(0.0))
def test_accepts_what_is_right(x: np.ndarray) -> None:
    check_layer(Fine(name="fine"), [x])
    check_layer(make_layer("ReLU", negative_slope=0.1), [x])


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (WrongGradient, "gradient of bottom 0"),
        (UnwrittenTop, r"top 0 \(2, 3, 5\) is NaN or not written at \(1, 2, 4\)"),
        (UnwrittenDiff, r"bottom diff 0 \(2, 3, 5\) is NaN or not written at \(0, 0, 0\)"),
        (WritesOutside, "forward writes outside top 0"),
        (ChangesBottom, "forward changes bottom 0"),
        (ChangesTopDiff, "backward changes a bottom, top, param or top diff"),
        (UndeclaredRead, r"backward reads more than \['top'\]"),
        (PartsDepend, "is NaN or not written|the parts of a call depend on each other|number of parts|1 and 2 differ"),
        (ForgetsScratch, "is NaN or not written|gradient"),
        (OverwrittenParamDiff, "param diff 0 is not added to"),
    ],
)
def test_catches(layer: type[Layer], said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check_layer(layer(name="planted"), [blob(2, 3, 5, away_from=[0.0])])


def test_catches_a_layer_that_needs_every_diff() -> None:
    with pytest.raises(TypeError, match="'dx' must be a contiguous float64 array, not NoneType"):
        check_layer(NeedsDiff(name="planted"), [blob(2, 3, 5, away_from=[0.0])])


def test_blobs_keep_their_distance() -> None:
    assert np.abs(blob(40, 50, away_from=[0.0])).min() >= 0.1
    assert np.diff(np.sort(distinct(4, 5, 6), axis=None)).min() > 0.0999
    assert set(labels(300, classes=3).tolist()) == {0.0, 1.0, 2.0}

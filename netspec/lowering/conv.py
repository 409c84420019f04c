"""A convolution as a plain value, and what a way of computing it must be able to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

from netspec.core.calls import Calls, Run, Workspace
from netspec.core.shape import Shape, Window


@dataclass(frozen=True)
class Conv:
    """y (N, K, P, Q) = x (N, C, H, W) convolved with the weight (K, C/group, Fh, Fw), plus a bias (K,) where `bias` holds.

    `bottom`, `top` and `weight` are these shapes; `window` is that of the vertical and of the horizontal axis.
    """

    bottom: Shape
    top: Shape
    weight: Shape
    window: tuple[Window, Window]
    group: int
    bias: bool

    @property
    def filters(self) -> int:
        """K."""
        return self.top[1]

    @property
    def pixelwise(self) -> bool:
        """Whether every pixel of the top is a product of the pixel of the bottom that lies there."""
        return self.single and all(axis.stride == 1 for axis in self.window)

    @property
    def single(self) -> bool:
        """Whether every pixel of the top is a product of one pixel of the bottom: one tap, no padding, no groups."""
        return self.group == 1 and all(axis.kernel == 1 and axis.pad == 0 for axis in self.window)


class Way(Protocol):
    """A way to compute convolutions: the layer takes the first that fits, so the choice depends on shapes alone.

    Each of the three passes says its workspaces by name, and yields its Calls on the arrays of a run. `mode` holds the bits ADD (add to
    what the result holds) and RECTIFY.
    """

    wanted: ClassVar[str]
    """Which convolutions it is for, in the words of an error."""
    pitched: ClassVar[bool]
    """Whether the top and its diff may lie inside wider blobs."""

    def fits(self, conv: Conv) -> bool:
        """Whether a convolution can be computed this way."""
        ...

    def forward_spaces(self, conv: Conv) -> dict[str, Workspace]:
        """Workspaces of `forward`."""
        ...

    def bottom_spaces(self, conv: Conv) -> dict[str, Workspace]:
        """Workspaces of `bottom`."""
        ...

    def weight_spaces(self, conv: Conv) -> dict[str, Workspace]:
        """Workspaces of `weight`."""
        ...

    def forward(self, conv: Conv, run: Run, mode: int) -> Calls:
        """Write the top from the bottom, the weight and the bias."""
        ...

    def bottom(self, conv: Conv, run: Run, mode: int) -> Calls:
        """Write the bottom's diff, or add to it, from the top's diff and the weight."""
        ...

    def weight(self, conv: Conv, run: Run) -> Calls:
        """Write the weight's diff, or add to it, from the bottom and the top's diff."""
        ...

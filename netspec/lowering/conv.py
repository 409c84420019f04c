"""A convolution as a plain value, and the protocol that every way of computing it implements."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Protocol

from netspec.core.beside import Beside
from netspec.core.calls import Calls, Run, Workspace
from netspec.core.shape import Shape, Window

if TYPE_CHECKING:
    from netspec.core.calls import Array


@dataclass(frozen=True)
class Conv:
    """The shapes of y = x convolved with the weight, plus a bias (K,) where `bias` holds.

    `bottom` is (N, C, H, W), `top` (N, K, P, Q) and `weight` (K, C/group, Fh, Fw). `window` holds the vertical and the
    horizontal axis, each (kernel, stride, pad, dilation).
    """

    bottom: Shape
    top: Shape
    weight: Shape
    window: tuple[Window, Window]
    group: int
    bias: bool

    @property
    def filters(self) -> int:
        """Number of filters, K."""
        return self.top[1]

    @property
    def pixelwise(self) -> bool:
        """Whether every pixel of the top depends only on the pixel of the bottom at the same place."""
        return self.single and all(axis.stride == 1 for axis in self.window)

    @property
    def single(self) -> bool:
        """Whether every pixel of the top depends on one pixel of the bottom: one tap, no padding, no groups."""
        return self.group == 1 and all(axis.kernel == 1 and axis.pad == 0 for axis in self.window)


class Way(Protocol):
    """A way to compute convolutions: the layer takes the first that fits, so the choice depends on shapes alone.

    Each of the three passes names its workspaces, and yields its Calls on the arrays of a run. `mode` holds the bits
    ADD (add to what the result holds) and RECTIFY (no value below 0).
    """

    wanted: ClassVar[str]
    """The convolutions that it is for, in the words of an error."""
    pitched: ClassVar[bool]
    """Whether the top and its diff may lie inside wider blobs."""

    def fits(self, conv: Conv) -> bool:
        """Whether a convolution can be computed this way."""
        ...

    def beside(self, conv: Conv) -> Beside:
        """What the three passes can do for BatchNorms beside the layer."""
        ...

    def squares(self, conv: Conv) -> bool:
        """Whether `weight` leaves the sum of squares of the diff that it writes (`Run.param_squares`)."""
        return False

    def forward_spaces(self, conv: Conv) -> dict[str, Workspace]:
        """Workspaces of `forward`."""
        ...

    def bottom_spaces(self, conv: Conv) -> dict[str, Workspace]:
        """Workspaces of `bottom`."""
        ...

    def weight_spaces(self, conv: Conv) -> dict[str, Workspace]:
        """Workspaces of `weight`."""
        ...

    def backward_spaces(self, conv: Conv) -> dict[str, Workspace]:
        """Workspaces of `backward`; as it is done with the weight first, its scratch and the bottom's take turns."""
        pairs = ((1, self.weight_spaces(conv)), (2, self.bottom_spaces(conv)))
        return {name: replace(space, turn=turn) for turn, spaces in pairs for name, space in spaces.items()}

    def forward(self, conv: Conv, run: Run, mode: int) -> Calls:
        """Write the top from the bottom, the weight and the bias."""
        ...

    def bottom(self, conv: Conv, run: Run, mode: int, bias: Array) -> Calls:
        """Write the bottom's diff, or add to it, from the top's diff and the weight.

        `bias` (C,), unless it is empty, is added to every pixel: a deconvolution writes its top so. `mode` may be ADD.
        """
        ...

    def weight(self, conv: Conv, run: Run, dw: Array) -> Calls:
        """Write the weight's diff `dw`, or add to it, from the bottom and the top's diff."""
        ...

    def backward(self, conv: Conv, run: Run, mode: int, bias: Array) -> Calls:
        """The diffs of the weight and of the bottom, those that the run has."""
        dw = run.param_diff[0]
        yield from self.weight(conv, run, dw) if dw is not None else ()
        yield from self.bottom(conv, run, mode, bias) if run.bottom_diff[0] is not None else ()

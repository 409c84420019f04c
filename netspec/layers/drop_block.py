"""DropBlock: y = x * m * (number of m's) / (sum of m's), m = 0 in random square blocks of each channel, else 1.

While testing y = x. A block begins at a pixel, of those where it fits, with probability p H W / (b^2 (H - b + 1) (W - b
+ 1)), so that about a share p of the values becomes 0. Source: Ghiasi, Lin & Le 2018, "DropBlock: a regularization
method for convolutional networks".
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.model import Aka
from netspec.core.shape import Shape, ShapeError, Shapes
from netspec.layers._drop import Dropping, pixels_last
from netspec.layers.base import Purpose


class DropBlock(Dropping):
    """Set random square blocks of the channels to 0 while training and scale all else up, so that the mean stays.

    Bottom: x (N, C, H, W). Top: y, the shape of x; may be computed in place. The scale is that of the whole batch, as
    in the paper.
    """

    purpose: ClassVar[Purpose] = "noise"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 8, 7]]}
- {name: conv, type: Convolution, num_output: 4, kernel_size: 3, weight_filler: xavier}
- {name: drop, type: DropBlock, dropout_ratio: 0.3, block_size: 2}
"""

    block_size: Annotated[int, Aka("size", "kernel_size")] = Field(7, gt=0, description="Side of a block in pixels, b.")

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's shape."""
        if len(bottoms[0]) != 4:
            raise ShapeError("{bottom[0]} does not have the four axes N, C, H, W", field="bottom.0")
        if self.block_size > min(bottoms[0][2:]):
            raise ShapeError(
                f"a block of {self.block_size}x{self.block_size} does not fit into {{bottom[0]}}",
                field="block_size",
                help=f"say `block_size: {min(bottoms[0][2:])}`, or less",
            )
        return bottoms

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """The mask, and how many values each of its parts keeps."""
        n, c, *_ = bottoms[0]
        counts = Workspace((min(32, n * c),), "int64", kept=backward)
        return {"mask": Workspace(bottoms[0], "uint8", kept=backward), "counts": counts}

    def forward(self, run: Run) -> Calls:
        """Draw the blocks, then apply them; nothing while testing."""
        from netspec.kernels import noise

        if run.phase == "TRAIN":
            clock, seed, *_ = self.drawing(run)
            (_, c, h, w), mask, counts = run.bottom_shapes[0], run.workspace["mask"], run.workspace["counts"]
            step = 1 if pixels_last(run) is None else c
            yield Call(
                noise.draw_blocks,
                mask,
                counts,
                clock,
                seed,
                self.threshold(run.bottom_shapes[0]),
                self.block_size,
                c,
                h,
                w,
                step,
                parts=len(counts),
            )
        yield from super().forward(run)

    def threshold(self, shape: Shape) -> int:
        """The probability that a block begins at a pixel, as a share of 2^32."""
        (*_, h, w), b = shape, self.block_size
        return round(min(1.0, self.dropout_ratio * h * w / (b * b * (h - b + 1) * (w - b + 1))) * 2**32)

    def dropped(self, run: Run, x: Any, y: Any) -> Call:
        """Apply the blocks that forward drew."""
        from netspec.kernels import noise

        return Call(noise.keep_blocks, x, run.workspace["mask"], run.workspace["counts"], y)

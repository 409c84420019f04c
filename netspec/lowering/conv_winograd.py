"""Convolution with 3 x 3 filters by minimal filtering (kernels/winograd.py): stride 1, channels in multiples of 16.

Few channels: every part takes its own tiles from the image to the result (`winograd_tiles`), and the weight's gradient
is summed in pieces. Many channels: all parts transform a batch of tiles, then each multiplies its own frequencies, then
all transform back; so no two parts stream the same filters, and the weight's gradient needs no pieces. The number of
channels alone decides between the two.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from netspec.codegen.geometry import AIR, FREQUENCIES, STEP
from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.shape import Shape, Window
from netspec.lowering.conv import Conv, Way
from netspec.lowering.conv_passes import PARTS, flat, padded

if TYPE_CHECKING:
    from netspec.core.calls import Array
    from netspec.kernels.conv_geometry import Chunk, FrequencyProducts, TiledImage

FEW = 128 * 128
"""Input times output channels of a group up to which a part works on its own."""
FEW_SUMMED = 96 * 96
"""Input times output channels of a group up to which a part sums a weight's gradient on its own.

It is less than FEW, as pieces must be added up.
"""
LEAST = 8
"""Least number of tiles that a part takes at a time: fewer would not be worth reading the filters for."""
NEAR, FAR = 160_000, 6_000_000
"""Values of the frequencies held at a time: by one part, and by all parts together."""


class Plan(NamedTuple):
    """An image that is read, an image that is written, and how their tiles are taken.

    `source` and `target` are (height, width, channels); `pad` is the source's padding. `tiles` counts all tiles, `room`
    those of a chunk; `together` tells whether all parts work on one chunk.
    """

    source: Shape
    target: Shape
    pad: int
    tiles: int
    together: bool
    room: int

    @property
    def chunks(self) -> int:
        """Number of chunks of at most `room` tiles, all about equally large."""
        return -(-self.tiles // self.room)

    @property
    def values(self) -> tuple[int, int]:
        """Values of the frequencies of `room` tiles: of the image read, of the image written."""
        channels = self.source[2], self.target[2]
        near, far = (FREQUENCIES * (self.room * (c + AIR) + AIR) for c in channels)
        return near, far


def _plan(images: int, source: Shape, target: Shape, pad: int, groups: int, few: int) -> Plan:
    (c, h, w), (k, p, q) = source, target
    tiles = images * -(-p // STEP) * -(-q // STEP)
    together = c * k // groups**2 > few
    row = FREQUENCIES * (c + k + 2 * AIR)
    most = FAR // row if together else max(28, NEAR // row)
    most = max(14, most - most % 14)
    if not together:
        most = min(most, max(LEAST, -(-tiles // PARTS)))
    chunks = -(-tiles // most)
    return Plan((h, w, c), (p, q, k), pad, tiles, together, -(-tiles // chunks))


def forward_plan(conv: Conv, few: int = FEW) -> Plan:
    """The plan from the bottom to the top."""
    x = conv.bottom
    return _plan(x[0], x[1:], conv.top[1:], conv.window[0][2], conv.group, few)


def bottom_plan(conv: Conv) -> Plan:
    """The plan from the top's diff to the bottom's."""
    x = conv.bottom
    return _plan(x[0], conv.top[1:], x[1:], 2 - conv.window[0][2], conv.group, FEW)


def weight_plan(conv: Conv) -> Plan:
    """The plan from the bottom and the top's diff to the weight's diff."""
    return forward_plan(conv, FEW_SUMMED)


def _spaces(name: str, plan: Plan, use: Any) -> dict[str, Workspace]:
    rows = () if plan.together else (min(PARTS, plan.chunks),)
    near, far = ((*rows, values) for values in plan.values)
    return {
        f"near{name}": Workspace(near, use=use),
        f"far{name}": Workspace(far, use=use),
        f"outside{name}": Workspace((1 + PARTS, max(plan.source[2], plan.target[2])), use=use),
        f"table{name}": Workspace((1 + 2 * PARTS * FREQUENCIES,), "int64", use=use),
    }


def _filters(conv: Conv, name: str, turned: bool, use: Any) -> dict[str, Workspace]:
    x = conv.bottom
    r, m = x[1] // conv.group, conv.filters // conv.group
    values, columns = (m, r) if turned else (r, m)
    packed = Workspace((FREQUENCIES * conv.group * values * padded(columns),), use=use)
    return {f"packed{name}": packed, f"filter{name}": Workspace((PARTS, 9 * 16), use=use)}


def _image(conv: Conv, run: Run, plan: Plan, images: Any, bias: Any, mode: int, suffix: str) -> Calls:
    from netspec.kernels import winograd
    from netspec.kernels.conv_geometry import Chunks, Filters, TileScratch

    w, groups, space = run.param[0], conv.group, run.workspace
    near, far, outside, table, packed = (space[name + suffix] for name in ("near", "far", "outside", "table", "packed"))
    r, m = plan.source[2] // groups, plan.target[2] // groups
    (source, pitch), (target, out_pitch) = map(flat, images)
    from_image, to_image, product = _geometry(plan, (pitch, out_pitch), groups, r, m, str(w.dtype))
    filters = Filters(groups, w.shape[0], w.shape[1], 9, product.panel, int(bool(suffix)))
    yield Call(winograd.filters_to_frequencies, w.reshape(-1), packed, space["filter" + suffix], filters, parts=PARTS)
    yield Call(winograd.clear_outside, outside, table, parts=1)
    if not plan.together:
        scratch, chunks = TileScratch(near, far, outside, table), Chunks(plan.tiles, plan.chunks, plan.room)
        arrays, images = (source, packed, bias, target, scratch), (from_image, to_image)
        yield Call(winograd.winograd_tiles, *arrays, *images, product, chunks, mode, parts=min(PARTS, plan.chunks))
        return
    for chunk in _chunks(plan):
        yield Call(winograd.winograd_gather, source, near, outside, table, from_image, 0, chunk, parts=PARTS)
        yield Call(winograd.winograd_multiply, near, packed, far, table, product, chunk, parts=FREQUENCIES)
        yield Call(winograd.winograd_scatter, far, bias, target, outside, table, to_image, chunk, mode, parts=PARTS)


def _chunks(plan: Plan) -> Iterator[Chunk]:
    """Chunks of the plan's tiles, as `span` cuts them."""
    from netspec.kernels.conv_geometry import Chunk

    for chunk in range(plan.chunks):
        yield Chunk(plan.tiles * chunk // plan.chunks, plan.tiles * (chunk + 1) // plan.chunks, plan.room)


def _geometry(
    plan: Plan, pitches: tuple[int, int], groups: int, r: int, m: int, dtype: str, summed: bool = False
) -> tuple[TiledImage, TiledImage, FrequencyProducts]:
    """Geometry of the image read, of the image written or summed over, and of the products of their frequencies."""
    from netspec.codegen.tiles import by_rows
    from netspec.kernels.conv_geometry import FrequencyProducts, TiledImage

    (h, w, c), (p, q, k), (pitch, out_pitch) = plan.source, plan.target, pitches
    across, tiles = -(-q // STEP), -(-p // STEP) * -(-q // STEP)
    counts = {r} if summed else {chunk.last - chunk.first for chunk in _chunks(plan)}
    source = TiledImage(h, w, pitch, c, across, tiles, plan.pad)
    target = TiledImage(p, q, out_pitch, k, across, tiles, 0)
    return source, target, FrequencyProducts(groups, r, m, *by_rows(counts, m, dtype))


class Winograd(Way):
    """Winograd's minimal filtering F(4x4, 3x3), for 3 x 3 filters: a quarter of the products."""

    wanted: ClassVar[str] = "3 x 3 filters of stride 1, without dilation, on channels in multiples of 16"
    pitched: ClassVar[bool] = True

    def fits(self, conv: Conv) -> bool:
        """Whether filters are 3 x 3 with stride 1 and no dilation, on channels in multiples of 16."""
        whole = all(channels // conv.group % 16 == 0 for channels in (conv.bottom[1], conv.filters))
        pad = conv.window[0].pad
        return whole and pad <= 2 and conv.window[0] == conv.window[1] == Window(3, 1, pad)

    def forward_spaces(self, conv: Conv) -> dict[str, Workspace]:
        """Frequencies of filters and tiles, zeros for pixels outside of the image, and addresses of a tile's pixels."""
        return _filters(conv, "", False, "forward") | _spaces("", forward_plan(conv), "forward")

    def bottom_spaces(self, conv: Conv) -> dict[str, Workspace]:
        """Filters and tiles for backward to the bottom."""
        return _filters(conv, "_bottom", True, "backward") | _spaces("_bottom", bottom_plan(conv), "backward")

    def weight_spaces(self, conv: Conv) -> dict[str, Workspace]:
        """Tiles for the weight's gradient, and the gradient's frequencies in pieces."""
        x = conv.bottom
        plan = weight_plan(conv)
        pieces = 1 if plan.together else min(PARTS, plan.chunks)
        size = FREQUENCIES * x[1] * conv.filters // conv.group
        spaces = {
            "pieces": Workspace((pieces, size), use="backward"),
            "filter_weight": Workspace((PARTS, 9 * 16), use="backward"),
        }
        return spaces | _spaces("_weight", plan, "backward")

    def forward(self, conv: Conv, run: Run, mode: int) -> Calls:
        """Transform the filters to frequencies, then convolve the image."""
        bias = run.param[1] if conv.bias else run.param[0].reshape(-1)[:0]
        yield from _image(conv, run, forward_plan(conv), (run.bottom[0], run.top[0]), bias, mode, "")

    def bottom(self, conv: Conv, run: Run, mode: int) -> Calls:
        """Transform the turned filters to frequencies, then convolve the top's diff into the bottom's."""
        none = run.param[0].reshape(-1)[:0]
        images = (run.top_diff[0], run.bottom_diff[0])
        yield from _image(conv, run, bottom_plan(conv), images, none, mode, "_bottom")

    def weight(self, conv: Conv, run: Run, dw: Array) -> Calls:
        """Sum the products of both images' frequencies, then transform them back to filters."""
        from netspec.codegen.geometry import ADD
        from netspec.kernels import conv_gradient, winograd, winograd_gradient
        from netspec.kernels.conv_geometry import Chunks, TileScratch

        x, groups, space = run.bottom_shapes[0], conv.group, run.workspace
        plan = weight_plan(conv)
        near, far, outside, table = (space[name + "_weight"] for name in ("near", "far", "outside", "table"))
        r, m, pieces = x[1] // groups, conv.filters // groups, space["pieces"]
        (source, pitch), (diff, diff_pitch) = map(flat, (run.bottom[0], run.top_diff[0]))
        from_image, from_diff, product = _geometry(plan, (pitch, diff_pitch), groups, r, m, str(dw.dtype), summed=True)
        yield Call(winograd.clear_outside, outside, table, parts=1)
        if not plan.together:
            scratch, chunks = TileScratch(near, far, outside, table), Chunks(plan.tiles, plan.chunks, plan.room)
            arrays = (source, diff, pieces, scratch)
            yield Call(
                winograd_gradient.winograd_gradient_tiles,
                *arrays,
                from_image,
                from_diff,
                product,
                chunks,
                parts=pieces.shape[0],
            )
        else:
            for chunk in _chunks(plan):
                yield Call(winograd.winograd_gather, source, near, outside, table, from_image, 0, chunk, parts=PARTS)
                yield Call(winograd.winograd_gather, diff, far, outside, table, from_diff, 1, chunk, parts=PARTS)
                mode = ADD if chunk.first else 0
                yield Call(
                    winograd_gradient.winograd_gradient_multiply,
                    near,
                    far,
                    pieces,
                    table,
                    product,
                    chunk,
                    mode,
                    parts=FREQUENCIES,
                )
        sizes = (groups, conv.filters, r, int(run.param_add[0]))
        if pieces.shape[0] > 1:
            yield Call(conv_gradient.join_pieces, pieces, parts=PARTS)
        yield Call(
            winograd_gradient.frequencies_to_filters,
            pieces[0],
            dw,
            space["filter_weight"],
            *sizes,
            parts=min(PARTS, groups * r),
        )

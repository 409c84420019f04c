"""Convolution by minimal filtering (kernels/winograd.py): 3 x 3 and 5 x 5 filters at stride 1, from 16 channels on.

Few channels: every part takes its own tiles from the image to the result (`winograd_tiles`), and the weight's gradient
is summed in pieces. Many channels: all parts transform a batch of tiles, then each multiplies its own frequencies, then
all transform back; so no two parts stream the same filters, and the weight's gradient needs no pieces. The size of the
filters' frequencies alone decides between the two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from netspec.codegen.geometry import AIR, DEEP, DENSE, FILTERS_TURNED, MINIMAL, PLACES, TABLE, Minimal
from netspec.core.beside import Beside
from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.shape import Shape, Window
from netspec.lowering.beside import lens_of, moments_of, products_of, pull_of, pulls_once, squares_of
from netspec.lowering.conv import Conv, Way
from netspec.lowering.conv_passes import PARTS, flat, padded

if TYPE_CHECKING:
    from netspec.core.calls import Array
    from netspec.kernels.winograd_geometry import Asked, Chunk, FrequencyFilters, FrequencyProducts, Through, TiledImage

LEAST_CHANNELS = 16
"""Channels read and written by a group, at least: with fewer, transforms take longer than the products they save."""
FEW = 800_000
"""Values of the filters' frequencies up to which a part works on its own: more would not stay in its cache."""
FEW_SUMMED = 36 * 96 * 96
"""Values of a weight's gradient's frequencies up to which a part sums them on its own.

It is less than FEW, as pieces are read and written, and must be added up.
"""
LEAST = 8
"""Least number of tiles that a part takes at a time: fewer would not be worth reading the filters for."""
PIECES = 2**20
"""Values of all pieces of a weight's gradient, about."""
NEAR, FAR = 80_000, 6_000_000
"""Values of an image's frequencies held at a time: by one part, to be near; by all parts together."""
NEAR_SUMMED, FAR_SUMMED = 80_000, 6_000_000
"""Values held for a weight's gradient: more, since each time its sums are read and written."""
FILTERS = 500_000
"""Values of the filters' frequencies beyond which they are read from afar, for more tiles at a time."""
FEW_TILES = 40
"""Tiles, all parts together, for which filters' frequencies are made anew in blocks (`kernels/winograd_near.py`)."""
BLOCKS = 4
"""Parts that have a block at a time: few, as each must bring its memory near."""


def _whole(channels: int) -> int:
    """Values of the vectors that hold so many, on any kind of CPU."""
    return -(-channels // 16) * 16


class Plan(NamedTuple):
    """An image that is read, an image that is written, and how their tiles are taken.

    `source` and `target` are (height, width, channels); `pad` is the source's padding. `tiles` counts all tiles, `room`
    those of a chunk; `together` tells whether all parts work on one chunk.
    """

    minimal: Minimal
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
    def near(self) -> bool:
        """Whether filters' frequencies are made a block at a time."""
        return self.together and self.tiles <= FEW_TILES

    @property
    def values(self) -> tuple[int, int]:
        """Values of the frequencies of `room` tiles: of the image read, of the image written."""
        channels = self.source[2], self.target[2]
        near, far = (self.minimal.frequencies * (self.room * (_whole(c) + AIR) + AIR) for c in channels)
        return near, far

    @property
    def parts(self) -> int:
        """Parts of a step that writes tiles; all have tiles in every chunk."""
        return min(PARTS, self.tiles // self.chunks if self.together else self.chunks)


def _plan(conv: Conv, source: Shape, target: Shape, pad: int, summed: bool = False) -> Plan:
    (c, h, w), (k, p, q) = source, target
    minimal = MINIMAL[conv.window[0].kernel]
    tiles = conv.bottom[0] * -(-p // minimal.step) * -(-q // minimal.step)
    values = minimal.frequencies * c * k // conv.group
    together = values > (FEW_SUMMED if summed else FEW)
    row = minimal.frequencies * (c + k + (2 * AIR if max(c, k) > DENSE else 0))
    near, far = (NEAR_SUMMED, FAR_SUMMED) if summed else (NEAR, FAR)
    most = far // row if together else max(28 if summed or values > FILTERS else 14, near // row)
    most = max(14, most - most % 14)
    if not together:
        most = min(most, max(LEAST, -(-tiles // PARTS)))
    chunks = -(-tiles // most)
    return Plan(minimal, (h, w, c), (p, q, k), pad, tiles, together, -(-tiles // chunks))


def forward_plan(conv: Conv) -> Plan:
    """The plan from the bottom to the top."""
    return _plan(conv, conv.bottom[1:], conv.top[1:], conv.window[0].pad)


def bottom_plan(conv: Conv) -> Plan:
    """The plan from the top's diff to the bottom's."""
    kernel, _, pad, _ = conv.window[0]
    return _plan(conv, conv.top[1:], conv.bottom[1:], kernel - 1 - pad)


def weight_plan(conv: Conv) -> Plan:
    """The plan from the bottom and the top's diff to the weight's diff."""
    return _plan(conv, conv.bottom[1:], conv.top[1:], conv.window[0].pad, summed=True)


def _spaces(name: str, plan: Plan, use: Any, parts: int = PARTS) -> dict[str, Workspace]:
    rows = () if plan.together else (min(parts, plan.chunks),)
    near, far = ((*rows, values) for values in plan.values)
    return {
        f"near{name}": Workspace(near, use=use),
        f"far{name}": Workspace(far, use=use),
        f"outside{name}": Workspace((1 + PARTS, max(plan.source[2], plan.target[2])), use=use),
        f"table{name}": Workspace((1 + PARTS * TABLE,), "int64", use=use),
    }


def _packed(conv: Conv, turned: bool) -> int:
    """Values from one frequency of the filters to the next."""
    _, r, *_ = conv.weight
    m = conv.filters // conv.group
    values, columns = (m, r) if turned else (r, m)
    return conv.group * values * padded(columns) + AIR


def _summed(conv: Conv) -> int:
    """Values from one frequency of the weight's gradient to the next."""
    return conv.bottom[1] * _whole(conv.filters // conv.group) + AIR


def _pieces(conv: Conv, plan: Plan) -> int:
    """Pieces of the weight's gradient, fewer where they are large: they take long to add up."""
    if plan.together:
        return 1
    most = PIECES // (plan.minimal.frequencies * _summed(conv))
    return min(PARTS, plan.chunks, max(4, 1 << max(0, most.bit_length() - 1)))


def _block(plan: Plan) -> tuple[int, int]:
    """Each part's block of filters' frequencies: two panels, of at most 48 columns."""
    return BLOCKS, plan.minimal.frequencies * (96 * DEEP + AIR)


def _filters(conv: Conv, plan: Plan, name: str, use: Any) -> dict[str, Workspace]:
    """Frequencies of filters: of all, or of a block for each part."""
    frequencies, few = plan.minimal.frequencies, plan.near
    shape = _block(plan) if few else (frequencies * _packed(conv, bool(name)),)
    packed = Workspace(shape, use=use, fixed=not few)
    return {f"packed{name}": packed} | _turning(plan.minimal, name, 1, use, fixed=not few)


def _turning(minimal: Minimal, name: str, times: int, use: Any, fixed: bool = True) -> dict[str, Workspace]:
    """Scratch for filters on their way to frequencies or back, and the addresses of their taps in it."""
    return {
        f"filter{name}": Workspace((PARTS, times * FILTERS_TURNED * minimal.taps**2 * 16), use=use, fixed=fixed),
        f"taps{name}": Workspace((PARTS * PLACES,), "int64", use=use, fixed=fixed),
    }


def _image(
    conv: Conv, run: Run, plan: Plan, images: Any, bias: Any, mode: int, suffix: str, through: Through, asked: Asked
) -> Calls:
    from netspec.codegen.transforms import transform_of
    from netspec.kernels import winograd, winograd_filters, winograd_near
    from netspec.kernels.winograd_geometry import Chunks, FilterScratch, FrequencyFilters, TiledImages, TileScratch

    w, groups, space, turned = run.param[0], conv.group, run.workspace, bool(suffix)
    near, far, outside, table, packed = (space[name + suffix] for name in ("near", "far", "outside", "table", "packed"))
    (source, pitch), (target, out_pitch) = map(flat, images)
    plane, dtype, taps = _packed(conv, turned), str(w.dtype), plan.minimal.taps
    kinds = (_seen("image", through), "result")
    from_image, to_image, product = _geometry(plan, (pitch, out_pitch), groups, plane, dtype, kinds)
    code = transform_of("filter", taps, cut=False)
    k, depth, *_ = conv.weight
    filters = FrequencyFilters(groups, k, depth, taps**2, product.panel, plane, int(turned), code)
    turning = (space["filter" + suffix], space["taps" + suffix])
    if not plan.near:
        yield Call(winograd_filters.filters_to_frequencies, w.reshape(-1), packed, *turning, filters, parts=PARTS)
    yield Call(winograd.clear_outside, outside, table, parts=1)
    if not plan.together:
        in_place = plan.source[2] == plan.target[2] and plan.target[2] // groups <= product.panel
        scratch = TileScratch(near, near if in_place else far, outside, table)
        chunks = Chunks(plan.tiles, plan.chunks, plan.room)
        arrays, images = (source, packed, bias, target, scratch), TiledImages(from_image, to_image)
        more = (product, chunks, through, asked, mode)
        yield Call(winograd.winograd_tiles, *arrays, images, *more, parts=plan.parts)
        return
    for chunk in _chunks(plan):
        yield Call(winograd.winograd_gather, source, near, outside, table, from_image, chunk, through, parts=PARTS)
        if plan.near:
            block = filters._replace(plane=2 * DEEP * product.panel + AIR)
            made = (packed, FilterScratch(*turning, table), block, product, chunk)
            yield Call(winograd_near.winograd_multiply_filters, near, w.reshape(-1), far, *made, parts=BLOCKS)
        else:
            shares = plan.minimal.frequencies
            yield Call(winograd.winograd_multiply, near, packed, far, table, product, chunk, parts=shares)
        written = (far, bias, target, outside, table)
        yield Call(winograd.winograd_scatter, *written, to_image, chunk, asked, mode, parts=plan.parts)


def _chunks(plan: Plan) -> Iterator[Chunk]:
    """Chunks of the plan's tiles, as `span` cuts them."""
    from netspec.kernels.winograd_geometry import Chunk

    for chunk in range(plan.chunks):
        first = plan.tiles * chunk // plan.chunks
        yield Chunk(first, plan.tiles * (chunk + 1) // plan.chunks, plan.room, int(chunk == 0))


def _seen(kind: str, through: Through) -> str:
    """The kind of transform that sees pixels so."""
    return f"{kind}_pulled" if through.pull.of_dy.size else f"{kind}_seen" if through.lens.factor.size else kind


def _geometry(
    plan: Plan,
    pitches: tuple[int, int],
    groups: int,
    plane: int,
    dtype: str,
    kinds: tuple[str, str],
    summed: bool = False,
) -> tuple[TiledImage, TiledImage, FrequencyProducts]:
    """Geometry of the image read, of the image written or summed over, and of the products of their frequencies.

    `kinds` are those of the images' transforms.
    """
    from netspec.codegen import squares
    from netspec.codegen.tiles import by_rows, lanes
    from netspec.codegen.transforms import transform_of
    from netspec.kernels.winograd_geometry import FrequencyProducts, TiledImage

    (h, w, c), (p, q, k), minimal = plan.source, plan.target, plan.minimal
    r, m, wide = c // groups, k // groups, lanes(dtype)
    across, down = -(-q // minimal.step), -(-p // minimal.step)
    deep = {min(r, DEEP), (r - 1) % DEEP + 1} if plan.near else {r}
    counts = deep if summed else {chunk.last - chunk.first for chunk in _chunks(plan)}
    codes = (
        transform_of(kind, minimal.taps, cut=channels % wide > 0) for kind, channels in zip(kinds, (c, k), strict=True)
    )
    tiles = (across, across * down)
    cut: Any = by_rows(counts, m, dtype, "across" if summed else "rows")
    if squares.fits(r, m, dtype) and not plan.near:
        cut = (cut[0], 0, (squares.square("gradient" if summed else "weight", r),))
    source = TiledImage(h, w, pitches[0], c, *tiles, plan.pad, minimal.side, minimal.step, next(codes))
    target = TiledImage(p, q, pitches[1], k, *tiles, 0, minimal.step, minimal.step, next(codes))
    product = FrequencyProducts(minimal.frequencies, plane, groups, r, m, *cut)
    return source, target, product


def _through(run: Run, back: bool) -> Through:
    """How the bottom is seen, or the top's diff."""
    from netspec.kernels.winograd_geometry import Through

    bare = replace(run, lenses=(), pull=None)
    return Through(lens_of(bare), pull_of(run)) if back else Through(lens_of(run), pull_of(bare))


def _asked(run: Run, plan: Plan, back: bool) -> Asked:
    """What is asked of the top, or of the bottom's diff."""
    from netspec.codegen.tiles import lanes
    from netspec.codegen.transforms import transform_of
    from netspec.kernels.winograd_geometry import Asked

    bare = replace(run, moments=None, products=())
    moments, products = moments_of(bare if back else run), products_of(run if back else bare)
    cut = plan.target[2] % lanes(str(run.bottom[0].dtype)) > 0
    wanted = (moments.values.size > 0) * "_moments" or (products.pieces.values.size > 0) * "_products"
    along = bool(wanted) and not cut
    code = transform_of(f"result{wanted if along else ''}", plan.minimal.taps, cut)
    return Asked(moments, products, code, int(along))


class Winograd(Way):
    """Winograd's minimal filtering: F(4x4, 3x3), a quarter of the products, and F(4x4, 5x5), less than a sixth."""

    wanted: ClassVar[str] = (
        "3 x 3 and 5 x 5 filters of stride 1, without dilation, on groups of at least 16 channels and filters, and less"
        " padding than a filter is wide"
    )
    pitched: ClassVar[bool] = True

    def fits(self, conv: Conv) -> bool:
        """Whether filters are 3 x 3 or 5 x 5, of stride 1 and no dilation, on enough channels."""
        kernel, _, pad, _ = conv.window[0]
        square = kernel in MINIMAL and pad < kernel and conv.window[0] == conv.window[1] == Window(kernel, 1, pad)
        return square and min(conv.bottom[1], conv.filters) // conv.group >= LEAST_CHANNELS

    def beside(self, conv: Conv) -> Beside:
        """All that can be asked: parts of the steps that write tiles leave a piece each."""
        return Beside(frozenset({0}), forward_plan(conv).parts, True, (bottom_plan(conv).parts,), pitched=True)

    def squares(self, conv: Conv) -> bool:
        """Where filters fill vectors, of which squares are taken, and are written once."""
        plan = weight_plan(conv)
        return conv.filters // conv.group % 16 == 0 and not (plan.near and plan.chunks > 1)

    def forward_spaces(self, conv: Conv) -> dict[str, Workspace]:
        """Frequencies of filters and tiles, zeros for pixels outside of the image, and addresses of a tile's pixels."""
        plan = forward_plan(conv)
        return _filters(conv, plan, "", "forward") | _spaces("", plan, "forward")

    def bottom_spaces(self, conv: Conv) -> dict[str, Workspace]:
        """Filters and tiles for backward to the bottom."""
        plan = bottom_plan(conv)
        return _filters(conv, plan, "_bottom", "backward") | _spaces("_bottom", plan, "backward")

    def weight_spaces(self, conv: Conv) -> dict[str, Workspace]:
        """Tiles for the weight's gradient, and the gradient's frequencies in pieces."""
        plan = weight_plan(conv)
        pieces = _pieces(conv, plan)
        shape = _block(plan) if plan.near else (pieces, plan.minimal.frequencies * _summed(conv))
        sums = {"pieces": Workspace(shape, use="backward")}
        spaces = sums | _turning(plan.minimal, "_weight", 2, "backward")
        return spaces | _spaces("_weight", plan, "backward", pieces)

    def forward(self, conv: Conv, run: Run, mode: int) -> Calls:
        """Transform the filters to frequencies, then convolve the image."""
        bias = run.param[1] if conv.bias else run.param[0].reshape(-1)[:0]
        images, through = (run.bottom[0], run.top[0]), _through(run, back=False)
        asked = _asked(run, forward_plan(conv), back=False)
        yield from _image(conv, run, forward_plan(conv), images, bias, mode, "", through, asked)

    def bottom(self, conv: Conv, run: Run, mode: int, bias: Array) -> Calls:
        """Transform the turned filters to frequencies, then convolve the top's diff into the bottom's."""
        images = (run.top_diff[0], run.bottom_diff[0])
        through = _through(replace(run, pull=None) if pulls_once(run) else run, back=True)
        asked = _asked(run, bottom_plan(conv), back=True)
        yield from _image(conv, run, bottom_plan(conv), images, bias, mode, "_bottom", through, asked)

    def weight(self, conv: Conv, run: Run, dw: Array) -> Calls:
        """Sum the products of both images' frequencies, then transform them back to filters."""
        from netspec.codegen.transforms import transform_of
        from netspec.kernels import conv_gradient, winograd, winograd_filters
        from netspec.kernels.winograd_geometry import FrequencyFilters

        plan, space = weight_plan(conv), run.workspace
        pieces, outside, table = space["pieces"], space["outside_weight"], space["table_weight"]
        yield Call(winograd.clear_outside, outside, table, parts=1)
        (k, r, *_), taps = conv.weight, plan.minimal.taps
        code, line = transform_of("gradient", taps, cut=False), _whole(k // conv.group)
        filters = FrequencyFilters(conv.group, k, r, taps**2, line, _summed(conv), 0, code)
        yield from self._sums(conv, run, plan, filters, dw)
        if plan.near:
            return
        if pieces.shape[0] > 1:
            yield Call(conv_gradient.join_pieces, pieces, parts=PARTS)
        arrays, add = (pieces[0], dw, space["filter_weight"], space["taps_weight"]), int(run.param_add[0])
        yield Call(winograd_filters.frequencies_to_filters, *arrays, squares_of(run), filters, add, parts=PARTS)

    def _sums(self, conv: Conv, run: Run, plan: Plan, filters: FrequencyFilters, dw: Array) -> Calls:
        """The gradient's frequencies: a piece of each part, or one of all; or the gradient, from blocks of them."""
        from netspec.codegen.geometry import ADD
        from netspec.kernels import winograd, winograd_gradient, winograd_near
        from netspec.kernels.winograd_geometry import Chunks, FilterScratch, TileScratch

        space = run.workspace
        near, far, outside, table = (space[name + "_weight"] for name in ("near", "far", "outside", "table"))
        (source, pitch), (diff, diff_pitch), pieces = *map(flat, (run.bottom[0], run.top_diff[0])), space["pieces"]
        seen, seen_back = _through(run, back=False), _through(run, back=True)
        kinds = (_seen("image", seen), _seen("diff", seen_back) + pulls_once(run) * "_once")
        geometry = _geometry(plan, (pitch, diff_pitch), conv.group, _summed(conv), str(diff.dtype), kinds, summed=True)
        if not plan.together:
            scratch, chunks = TileScratch(near, far, outside, table), Chunks(plan.tiles, plan.chunks, plan.room)
            kernel, more = winograd_gradient.winograd_gradient_tiles, (chunks, seen, seen_back)
            yield Call(kernel, source, diff, pieces, scratch, *geometry, *more, parts=pieces.shape[0])
            return
        from_image, from_diff, product = geometry
        for chunk in _chunks(plan):
            yield Call(winograd.winograd_gather, source, near, outside, table, from_image, chunk, seen, parts=PARTS)
            yield Call(winograd.winograd_gather, diff, far, outside, table, from_diff, chunk, seen_back, parts=PARTS)
            if plan.near:
                line, add = 2 * product.panel, int(run.param_add[0] or not chunk.begins)
                block = filters._replace(panel=line, plane=DEEP * line + AIR)
                own = FilterScratch(space["filter_weight"], space["taps_weight"], table)
                blocks = (near, far, dw, pieces, squares_of(run), own, block, product, chunk, add)
                yield Call(winograd_near.winograd_gradient_filters, *blocks, parts=BLOCKS)
                continue
            kernel, mode = winograd_gradient.winograd_gradient_multiply, 0 if chunk.begins else ADD
            yield Call(kernel, near, far, pieces, table, product, chunk, mode, parts=plan.minimal.frequencies)

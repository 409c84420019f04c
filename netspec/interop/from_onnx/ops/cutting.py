"""Pieces of blobs and blobs side by side: Slice, Split, Gather, Concat, Pad, Expand, Tile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from netspec.core.shape import text
from netspec.interop.from_onnx.building import Blob, Lack
from netspec.interop.from_onnx.fold import slices
from netspec.interop.from_onnx.op import Op, axis_in, marked, plain, reshaped, short

if TYPE_CHECKING:
    from netspec.core.calls import Array

MOST_PIECES = 64
"""Most pieces that a Gather is made of."""


def cut(op: Op, x: Blob, axis: int, start: int, stop: int, part: str = "") -> Blob:
    """The values from `start` to `stop` along an axis; the other pieces of a Slice go to a Silence."""
    size = x.shape[axis]
    if (start, stop) == (0, size):
        return x
    if not 0 <= start < stop <= size:
        raise Lack(f"a piece from {start} to {stop} of {size} values")
    points = [point for point in (start, stop) if 0 < point < size]
    pieces = op.layers("Slice", x, part=part, axis=axis, slice_point=plain(points), tops=len(points) + 1)
    wanted = pieces[1 if start else 0]
    op.layers("Silence", *(piece for piece in pieces if piece is not wanted), part="unused", tops=0)
    return marked(wanted, x)


def sliced(op: Op) -> Blob:
    """Slice: a cut along each axis; of every so many rows or columns, a Pooling of single values."""
    x = op.blob()
    for axis, start, stop, step in slices(op, len(x.shape)):
        size = x.shape[axis]
        first, last, pace = slice(start, stop, step).indices(size)
        if pace < 1 or (pace > 1 and (axis < 2 or len(x.shape) not in (3, 4, 5))):
            raise Lack(f"steps = {step}")
        x = cut(op, x, axis, first, last)
        if pace > 1:
            stride = [pace if at == axis else 1 for at in range(2, len(x.shape))]
            fields = {"pool": "AVE", "kernel_size": 1, "stride": stride, "round_mode": "FLOOR"}
            x = marked(op.layer("Pooling", x, part="steps", **fields), x)
    return x


def split(op: Op) -> Sequence[Blob]:
    """Split: a Slice."""
    x = op.blob()
    axis, sizes = axis_in(op.integer("axis", 0), len(x.shape)), op.listed("split", 1)
    number = len(op.node.outputs)
    if sizes is None:
        each = -(-x.shape[axis] // max(1, number))
        sizes = tuple(min(each, x.shape[axis] - each * place) for place in range(number))
    if len(sizes) != number or min(sizes) < 1 or sum(sizes) != x.shape[axis]:
        raise Lack(f"{x.shape[axis]} values split into {list(sizes)}")
    if number == 1:
        return [x]
    equal = len({*sizes}) == 1
    points = None if equal else [sum(sizes[:place]) for place in range(1, number)]
    tops = op.layers("Slice", x, axis=axis, slice_point=points, tops=number)
    unread = [top for slot, top in enumerate(tops) if not op.uses(slot)]
    if unread:
        op.layers("Silence", *unread, part="unused", tops=0)
    return [marked(top, x) for top in tops]


def gather(op: Op) -> Blob:
    """Gather: rows of a constant table are an Embed; constant places of a blob are pieces of it."""
    if op.has(0) and not isinstance(op.inputs[0], Blob):
        return embed(op, op.floats(0, "the table"))
    x, places = op.blob(), op.constant(1, "indices")
    axis = axis_in(op.integer("axis", 0), len(x.shape))
    numbers = [axis_in(int(place), x.shape[axis]) for place in places.reshape(-1)[: MOST_PIECES + 1]]
    if places.ndim > 1 or not numbers:
        raise Lack(f"indices of {text(places.shape)}")
    first, last = numbers[0], numbers[-1]
    if numbers == list(range(first, last + 1)):
        piece = cut(op, x, axis, first, last + 1)
    elif len(numbers) > MOST_PIECES:
        raise Lack(f"more than {MOST_PIECES} indices that do not follow one another")
    else:
        pieces = [cut(op, x, axis, number, number + 1, part="piece") for number in numbers]
        piece = op.layer("Concat", *pieces, axis=axis)
    return piece if places.ndim else reshaped(op, piece, (*piece.shape[:axis], *piece.shape[axis + 1 :]), part="row")


def embed(op: Op, table: Array) -> Blob:
    """Rows of a constant table by number: an Embed, which refuses numbers that are not whole."""
    x = op.blob(1)
    cast = op.net.maker(x)
    x = cast.bottoms[0] if cast.type == "Cast" else x
    if table.ndim != 2 or op.integer("axis", 0) != 0:
        raise Lack(f"rows of a table of {text(table.shape)} along axis {op.integer('axis', 0)}")
    top = op.layer("Embed", x, input_dim=table.shape[0], num_output=table.shape[1], bias_term=False, weights=[table])
    return reshaped(op, top, (*x.shape, table.shape[1]))


def concat(op: Op) -> Blob:
    """Concat; a constant between blobs is made of zeros times a blob, so that it has the batch's length."""
    blobs = [value for value in op.inputs if isinstance(value, Blob)]
    axis = axis_in(op.integer("axis", 1), len(blobs[0].shape))
    if any(len(blob.shape) != len(blobs[0].shape) for blob in blobs):
        raise Lack("its inputs have different numbers of axes")
    given = [
        value if isinstance(value, Blob) else _constant(op, value, axis, blobs[0])
        for value in op.inputs
        if isinstance(value, Blob) or value.size
    ]
    top = op.layer("Concat", *given, axis=axis)
    top.whole = all(blob.whole for blob in given)
    return top


def _constant(op: Op, array: Array, axis: int, like: Blob) -> Blob:
    """A constant as a blob, of the shape of `like` but along an axis."""
    if array.ndim != len(like.shape) or array.shape[axis] > like.shape[axis] or like.batch == axis:
        raise Lack(f"a constant of {text(array.shape)} joined with a blob of {text(like.shape)}")
    piece = cut(op, like, axis, 0, array.shape[axis], part="like")
    if piece.shape != array.shape:
        raise Lack(f"a constant of {text(array.shape)} joined with a blob of {text(like.shape)}")
    rows = array if like.batch is None else array.take([0], like.batch)
    if (rows != array).any() or like.batch not in (0, None):
        raise Lack("a constant that differs from sample to sample")
    values = rows if like.batch is None else rows[0]
    first = 0 if like.batch is None else 1
    zeros = op.layer("Power", piece, part="zeros", scale=0)
    return op.layer("Bias", zeros, part="constant", axis=first, num_axes=values.ndim, weights=[values])


def pad(op: Op) -> Blob:
    """Pad: values around a blob, or where numbers are negative, values cut off."""
    x = op.blob()
    axes = len(x.shape)
    pads, mode = op.listed("pads" if op.opset > 1 else "paddings", 1) or (), op.word("mode", "constant")
    along = [axis_in(axis, axes) for axis in op.listed("axes", 3) or range(axes)]
    if len(pads) != 2 * len(along) or mode not in ("constant", "reflect", "edge"):
        raise Lack(f"mode = {mode}, pads = {list(pads)}")
    value = op.number("value", 0.0)
    if op.has(2):
        given = op.constant(2, "constant_value").reshape(-1)
        value = short(float(given[0])) if given.size else 0.0
    begin, end = [0] * axes, [0] * axes
    for place, axis in enumerate(along):
        begin[axis], end[axis] = pads[place], pads[len(along) + place]
    for axis in range(axes):
        x = cut(op, x, axis, max(0, -begin[axis]), x.shape[axis] - max(0, -end[axis]))
    beg, behind = ([max(0, number) for number in side] for side in (begin, end))
    first = next((axis for axis in range(axes) if beg[axis] or behind[axis]), None)
    if first is None:
        return x
    first = 2 if first > 2 and axes > 2 and mode == "constant" else first
    fields: dict[str, Any] = {"mode": {"edge": "replicate"}.get(mode, mode), "value": value, "axis": first}
    if beg == behind:
        return op.layer("Pad", x, pad=plain(beg[first:]), **fields)
    return op.layer("Pad", x, pad_beg=plain(beg[first:], 0), pad_end=plain(behind[first:], 0), **fields)


def repeated(op: Op, x: Blob, shape: Sequence[int], part: str = "") -> Blob:
    """The blob repeated along axes of length 1 until it has a shape of as many axes."""
    for axis, (size, wanted) in enumerate(zip(x.shape, shape, strict=True)):
        if size != wanted:
            if size != 1 or axis == x.batch:
                raise Lack(f"a blob of {text(x.shape)} cannot be repeated to {text(tuple(shape))}")
            x = marked(op.layer("Tile", x, part=part, axis=axis, tiles=wanted), x)
    return x


def expand(op: Op) -> Blob:
    """Expand: Tiles along axes of length 1."""
    x = op.blob()
    sizes = [int(size) for size in op.constant(1, "shape").reshape(-1)]
    axes = max(len(sizes), len(x.shape))
    old, new = (1,) * (axes - len(x.shape)) + x.shape, [1] * (axes - len(sizes)) + sizes
    return repeated(op, reshaped(op, x, old, "axes"), [max(two) for two in zip(old, new, strict=True)])


def tile(op: Op) -> Blob:
    """Tile: a Tile along each axis."""
    x = op.blob()
    times = [int(size) for size in op.constant(1, "repeats").reshape(-1)]
    if len(times) != len(x.shape) or min(times, default=1) < 1:
        raise Lack(f"repeats = {times}")
    for axis, number in enumerate(times):
        if number > 1:
            x = marked(op.layer("Tile", x, axis=axis, tiles=number), x)
    return x


OPS = {
    "Slice": sliced,
    "Split": split,
    "Gather": gather,
    "Concat": concat,
    "Pad": pad,
    "Expand": expand,
    "Tile": tile,
}

"""Volumes as planes: what a convolution of any number of axes needs around that of planes (lowering/conv_planes.py).

A volume (N, C, D, pixels) has its channels first, and D planes. The planes of a convolution, (N, O, pixels, channels),
have theirs last: for each of O places along the leading axes, the channels (group, tap, channel of the group) of the T
planes that its taps meet.
"""

from __future__ import annotations

from netspec.codegen.geometry import ADD
from netspec.codegen.kernel import kernel, span, summing
from netspec.codegen.kinds import Clock, Matrix, Vector
from netspec.codegen.simd import add_run, clear_run, copy_run
from netspec.kernels.conv_geometry import Volume
from netspec.kernels.copy import TILE, turn


@kernel
def gather_planes(x: Vector, planes: Vector, table: Clock, volume: Volume, part: int, parts: int) -> None:
    """planes = the planes of x, a volume, that each place's taps meet; 0 where a tap lies outside.

    table: (O, T), the plane that a tap meets, or -1. A part owns pixels of places.
    """
    tiles, c, size = (volume.pixels + TILE - 1) // TILE, volume.channels, volume.pixels
    wide = volume.taps * volume.groups * c
    for unit in range(*span(volume.images * volume.places * tiles, part, parts)):
        place, first = unit // tiles, unit % tiles * TILE
        number, base = min(TILE, size - first), place // volume.places * volume.depth * volume.groups * c * size
        for t in range(volume.taps):
            plane = table[place % volume.places * volume.taps + t]
            for group in range(volume.groups):
                to = (place * size + first) * wide + (group * volume.taps + t) * c
                if plane < 0:
                    for i in range(number):
                        clear_run(planes, to + i * wide, c)
                else:
                    frm = base + (group * c * volume.depth + plane) * size + first
                    turn(x, frm, volume.depth * size, planes, to, wide, c, number)


@kernel
def scatter_planes(
    planes: Vector,
    x: Vector,
    bias: Vector,
    table: Clock,
    volume: Volume,
    scratch: Matrix,
    mode: int,
    part: int,
    parts: int,
) -> None:
    """x, a volume, = (with ADD in `mode`: +=) for each of its planes, the sum of what taps say of it, plus the bias.

    table: (D, places of a plane), each place*T + tap, or -1; bias: (C,) or empty; scratch: (parts, TILE * C). A part
    owns pixels of x's planes.
    """
    tiles, c, size = (volume.pixels + TILE - 1) // TILE, volume.channels, volume.pixels
    channels, most, near = volume.groups * c, table.size // volume.depth, scratch[part]
    wide = volume.taps * channels
    for unit in range(*span(volume.images * volume.depth * tiles, part, parts)):
        image, plane, first = unit // tiles // volume.depth, unit // tiles % volume.depth, unit % tiles * TILE
        number, at = min(TILE, size - first), (image * channels * volume.depth + plane) * size + first
        if mode & ADD:
            turn(x, at, volume.depth * size, near, 0, channels, channels, number)
        else:
            clear_run(near, 0, number * channels)
        if bias.size:
            for i in range(number):
                add_run(bias, 0, near, i * channels, channels)
        for j in range(plane * most, (plane + 1) * most):
            place, t = table[j] // volume.taps, table[j] % volume.taps
            for i in range(number if table[j] >= 0 else 0):
                frm = ((image * volume.places + place) * size + first + i) * wide + t * c
                for group in range(volume.groups):
                    add_run(planes, frm + group * volume.taps * c, near, i * channels + group * c, c)
        turn(near, 0, channels, x, at, volume.depth * size, number, channels)


@kernel
def exchange(x: Vector, y: Vector, a: int, b: int, width: int, add: int, part: int, parts: int) -> None:
    """x: (M, a, b, width), y: (M, b, a, width). y = (with `add`: +=) x with its middle axes exchanged.

    A part owns some of the M.
    """
    block = a * b * width
    for m in range(*span(x.size // block, part, parts)):
        for i in range(a):
            for j in range(b):
                frm, to = m * block + (i * b + j) * width, m * block + (j * a + i) * width
                if add:
                    add_run(x, frm, y, to, width)
                else:
                    copy_run(x, frm, y, to, width)


@kernel
def spread(bias: Vector, y: Vector, mode: int, part: int, parts: int) -> None:
    """y: (P, C), bias: (C,). Every pixel of y = (with ADD in `mode`: +=) the bias. A part owns pixels."""
    c = bias.size
    for p in range(*span(y.size // c, part, parts)):
        if mode & ADD:
            add_run(bias, 0, y, p * c, c)
        else:
            copy_run(bias, 0, y, p * c, c)


@summing
def total(x: Vector) -> float:
    """The sum of x."""
    result = 0.0
    for i in range(x.size):
        result += x[i]
    return result


@kernel
def plane_sums(dy: Vector, db: Vector, size: int, add: int, part: int, parts: int) -> None:
    """dy: (N, K, size), db: (K,). db = (with `add`: +=) the sums of dy over images and pixels. A part owns channels."""
    k = db.size
    for channel in range(*span(k, part, parts)):
        result = 0.0
        for n in range(dy.size // (k * size)):
            at = (n * k + channel) * size
            result += total(dy[at : at + size])
        db[channel] = db[channel] + result if add else result

"""What a drawing must not do, found from its coordinates alone: overlaps, lines through boxes, crossings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise

from netspec.drawing.figures import Box, Edge, Frame, Point, Scene, Tag

Rectangle = tuple[float, float, float, float]


def rectangle(thing: Box | Tag | Frame) -> Rectangle:
    return thing.x, thing.y, thing.x + thing.width, thing.y + thing.height


def overlap(a: Rectangle, b: Rectangle, by: float = 0.1) -> bool:
    return a[0] < b[2] - by and b[0] < a[2] - by and a[1] < b[3] - by and b[1] < a[3] - by


def holds(outer: Rectangle, inner: Rectangle) -> bool:
    return outer[0] <= inner[0] and outer[1] <= inner[1] and inner[2] <= outer[2] and inner[3] <= outer[3]


def overlaps(scene: Scene) -> list[tuple[str, str]]:
    """Pairs of boxes and tags that overlap, and of frames that overlap and do not hold one another."""
    things: list[tuple[str, Rectangle]] = [(box.name, rectangle(box)) for box in scene.boxes]
    things += [(f"tag of {scene.boxes[tag.box].name}", rectangle(tag)) for tag in scene.tags]
    found = [(a, b) for (a, one), (b, two) in combinations(things, 2) if overlap(one, two)]
    for a, b in combinations(scene.frames, 2):
        one, two = rectangle(a), rectangle(b)
        if overlap(one, two) and not holds(one, two) and not holds(two, one):
            found.append((a.name, b.name))
    for frame in scene.frames:
        around = rectangle(frame)
        for name, inner in things:
            if overlap(around, inner) and not holds(around, inner):
                found.append((frame.name, name))
    return found


def flat(edge: Edge) -> list[Point]:
    """The line of an edge as short straight pieces."""
    points = [edge.points[0]]
    for (x0, y0), (x, y) in pairwise(edge.points):
        if abs(x - x0) < 0.01 or abs(y - y0) < 0.01:
            points.append((x, y))
            continue
        for step in range(1, 17):
            t = step / 16
            bend = 3 * t * t - 2 * t**3  # the x of a cubic whose ends are vertical
            height = 1.5 * t * (1 - t) ** 2 + 1.5 * t * t * (1 - t) + t**3  # both handles at half the height
            points.append((x0 + (x - x0) * bend, y0 + (y - y0) * height))
    return points


def enters(line: Sequence[Point], box: Rectangle) -> bool:
    """Whether a line has a point inside a rectangle."""
    left, top, right, bottom = (box[0] + 1, box[1] + 1, box[2] - 1, box[3] - 1)
    for (x0, y0), (x1, y1) in pairwise(line):
        if max(x0, x1) < left or min(x0, x1) > right or max(y0, y1) < top or min(y0, y1) > bottom:
            continue
        for step in range(33):
            x, y = x0 + (x1 - x0) * step / 32, y0 + (y1 - y0) * step / 32
            if left < x < right and top < y < bottom:
                return True
    return False


def through(scene: Scene) -> list[tuple[str, str]]:
    """Lines that run through a box, and boxes whose name a line goes to without ending at it."""
    found: list[tuple[str, str]] = []
    for edge in scene.edges:
        line = flat(edge)
        found += [(edge.blob, box.name) for box in scene.boxes if enters(line, rectangle(box))]
        found += [
            (edge.blob, f"tag of {tag.blob}")
            for tag in scene.tags
            if (tag.box, tag.blob) != (edge.source, edge.blob) and enters(line, rectangle(tag))
        ]
        source, target = scene.boxes[edge.source], scene.boxes[edge.target]
        (x, y), (to, end) = edge.points[0], edge.points[-1]
        assert source.x <= x <= source.right and abs(y - source.bottom) < 0.1, edge
        assert target.x <= to <= target.right and abs(end - target.y) < 0.1, edge
    return found


def crossings(scene: Scene) -> list[tuple[str, str]]:
    """Pairs of blobs whose lines cross."""
    lines = [(edge.source, edge.blob, flat(edge)) for edge in scene.edges]
    return [
        (a, b)
        for (one, a, first), (two, b, second) in combinations(lines, 2)
        if (one, a) != (two, b) and any(_cross(p, q) for p in pairwise(first) for q in _near(second, p))
    ]


def _near(line: Sequence[Point], piece: tuple[Point, Point]) -> Iterator[tuple[Point, Point]]:
    (x0, y0), (x1, y1) = piece
    low, high, left, right = min(y0, y1), max(y0, y1), min(x0, x1), max(x0, x1)
    for other in pairwise(line):
        (a, c), (b, d) = other
        if max(c, d) >= low and min(c, d) <= high and max(a, b) >= left and min(a, b) <= right:
            yield other


def _cross(one: tuple[Point, Point], two: tuple[Point, Point]) -> bool:
    """Whether two straight pieces cross inside both."""

    def side(a: Point, b: Point, c: Point) -> float:
        return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

    (a, b), (c, d) = one, two
    return side(a, b, c) * side(a, b, d) < -1e-6 and side(c, d, a) * side(c, d, b) < -1e-6

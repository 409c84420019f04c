"""What a drawing is made of: boxes, tags, edges and frames with places, in pixels from the upper left corner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Point = tuple[float, float]

Form = Literal["box", "pill", "circle"]
"""Outline of a box: a rectangle, a low one with round ends, a small circle with a sign."""

Style = Literal["name", "text", "figure", "sign"]
"""How a line of text is written: a bold name, the text under it, muted figures, the sign in a circle."""


@dataclass(frozen=True)
class Line:
    """A line of text, with the middle of its baseline."""

    text: str
    style: Style
    x: float
    y: float


@dataclass(frozen=True)
class Strip:
    """A layer that is drawn as a strip at the foot of the box below whose layer it stands: a ReLU after its product."""

    layer: str
    kind: str
    line: Line
    y: float
    height: float


@dataclass(frozen=True)
class Box:
    """A layer with those in its strips, or a folded block. `x`, `y` is its upper left corner.

    `layers` names all layers it stands for, the first of which gave it its `kind`: a Purpose of `layers/base.py`,
    "block", or "label" for labels that are drawn beside each layer that reads them. `block` is the full name of a
    folded block, else empty. `hint` says more than there is room for.
    """

    name: str
    kind: str
    form: Form
    x: float
    y: float
    width: float
    height: float
    lines: tuple[Line, ...]
    strips: tuple[Strip, ...] = ()
    layers: tuple[str, ...] = ()
    block: str = ""
    hint: str = ""

    @property
    def right(self) -> float:
        """The x of its right side."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """The y of its lower side."""
        return self.y + self.height


@dataclass(frozen=True)
class Tag:
    """The shape of a blob, without its batch axis, on the line that leaves box number `box`, which it interrupts.

    `x`, `y` is its upper left corner.
    """

    text: str
    x: float
    y: float
    width: float
    height: float
    blob: str
    box: int


@dataclass(frozen=True)
class Edge:
    """A blob on its way from a box to another that reads it; both are numbers in `Scene.boxes`.

    Between two `points` the line is straight where they have equal x or y, and else an S with vertical ends.
    """

    source: int
    target: int
    blob: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Frame:
    """An open block around its boxes. `name` is its full name, `title` what is written at `title_x`, `title_y`."""

    name: str
    title: str
    x: float
    y: float
    width: float
    height: float
    title_x: float
    title_y: float
    depth: int


@dataclass(frozen=True)
class Scene:
    """A net as a drawing. Outer frames stand before inner ones; boxes are in the order of the net's layers."""

    title: str
    subtitle: str
    width: float
    height: float
    boxes: tuple[Box, ...]
    tags: tuple[Tag, ...]
    edges: tuple[Edge, ...]
    frames: tuple[Frame, ...] = ()

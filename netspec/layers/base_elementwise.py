"""Base of elementwise layers: a layer adds its fields and two formulas, from which the kernels are generated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, cast

from netspec.core.calls import Call, Calls, Run
from netspec.core.formula import BLOBS, Formula, names
from netspec.core.shape import Shapes
from netspec.core.worked import LayerArrays, Term, Worked, indices
from netspec.layers.base import ANY_LAYOUT, Abilities, Layer, Passing

if TYPE_CHECKING:
    from netspec.core.calls import Array


class Elementwise(Layer):
    """A value of the top for each value of the bottom, by a formula.

    `value` computes the top from `x`; `gradient` computes the bottom's diff from `dy` and from `x` or `y`. Their other
    parameters are named after fields or properties of the layer. The memory plan keeps the blobs that `gradient` reads;
    a gradient that does not read `x` lets the layer run in place.
    """

    value: ClassVar[Formula]
    gradient: ClassVar[Formula]

    @property
    def formulas(self) -> tuple[Formula, Formula]:
        """The top's formula and the gradient's; a layer that has several chooses here, by its fields."""
        return type(self).value, type(self).gradient

    @property
    def alone(self) -> bool:
        """Always: it computes even each value by itself."""
        return True

    @property
    def abilities(self) -> Abilities:
        """Any layout; backward reads the blobs that the gradient names; in place unless the bottom is among them."""
        named = names(self.formulas[1])
        reads = {blob for name, blob in (("x", "bottom"), ("y", "top")) if name in named}
        return Abilities(layouts=ANY_LAYOUT, reads=frozenset(reads), in_place="x" not in named)

    @property
    def passing(self) -> Passing:
        """By the formulas at 0."""
        blobs = {"x": Term(0.0), "dy": Term(1.0)}
        blobs["y"] = term_of(self, self.formulas[0], blobs)
        slope = term_of(self, self.formulas[1], blobs)
        return Passing("all" if blobs["y"].value == 0 else None, stops=slope.value == 0, channels="alike")

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's shape."""
        return bottoms

    def forward(self, run: Run) -> Calls:
        """One pass."""
        yield call_of(self, self.formulas[0], {"x": run.bottom[0]}, run.top[0])

    def backward(self, run: Run) -> Calls:
        """One pass over the top's diff and the blobs that the gradient's formula names."""
        if run.bottom_diff[0] is not None:
            blobs = {"x": run.bottom[0], "y": run.top[0], "dy": run.top_diff[0]}
            yield call_of(self, self.formulas[1], blobs, run.bottom_diff[0])

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """The formula, with its terms as text."""
        yield term_of(self, self.formulas[0], {"x": Term(arrays.bottoms[0][index])}).at("y", index)

    def worked_diffs(self, arrays: LayerArrays) -> Iterator[Worked]:
        """The gradient's formula for every value."""
        blobs = {"x": arrays.bottoms[0], "y": arrays.tops[0], "dy": arrays.top_diffs[0]}
        for index in indices(blobs["dy"].shape):
            values = {name: Term(array[index]) for name, array in blobs.items()}
            yield term_of(self, self.formulas[1], values).at("dx", index)


def call_of(layer: Layer, formula: Formula, blobs: dict[str, Array], out: Array) -> Call:
    """The Call that writes a formula's values into `out`; `blobs` are the arrays that the formula may name."""
    from netspec.codegen.elementwise import generated

    read = [blobs[name] for name in names(formula) if name in BLOBS]
    numbers = [getattr(layer, name) for name in names(formula) if name not in BLOBS]
    return Call(generated(formula), *read, out, *numbers)


def term_of(layer: Layer, formula: Formula, blobs: dict[str, Term]) -> Term:
    """The value of a formula of the layer for values of blobs, with its words."""
    terms = (blobs[name] if name in BLOBS else Term(getattr(layer, name)) for name in names(formula))
    found = cast("Term | float", formula(*terms))
    return found if isinstance(found, Term) else Term(found)

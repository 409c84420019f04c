"""The chain rule on terms: the arithmetic of every gradient of a layer, from the arithmetic of its tops.

A value's gradient is the sum, over all values of the tops that were made of it, of their diffs times the slope on the
way. The way is what the terms remember of how they were made (`core/worked.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from netspec.core.worked import LayerArrays, Leaf, Place, Term, Worked, indices, total

if TYPE_CHECKING:
    from netspec.core.calls import Array

Explain = Callable[[LayerArrays, int, tuple[int, ...]], Iterator[Worked]]
"""Steps to the value of a top at an index; the last is that value."""


def gradients(arrays: LayerArrays, explain: Explain, without: Collection[int] = ()) -> Iterator[Worked]:
    """The gradient of every value of the bottoms, but for those `without` one, and of the params.

    A value that no top depends on has the gradient 0. Nothing is said where a top does not explain itself.
    """
    bottoms = [x if i in without else traced(x, "dx", i) for i, x in enumerate(arrays.bottoms)]
    params = [traced(w, "dw", i) for i, w in enumerate(arrays.params)]
    known = replace(arrays, bottoms=bottoms, params=params)
    found: dict[Place, list[Term]] = {}
    for top, diff in enumerate(arrays.top_diffs):
        for index in indices(diff.shape):
            steps = [*explain(known, top, index)]
            if not steps:
                return
            for place, term in _down(steps[-1].term, Term(diff[index])):
                found.setdefault(place, []).append(term)
    for what, blobs in (("dx", bottoms), ("dw", params)):
        for slot, blob in enumerate(blobs):
            for index in indices(blob.shape) if what == "dw" or slot not in without else ():
                yield total(found.get((what, slot, index), ())).at(what, index, slot)


def traced(values: Array, what: str, slot: int) -> Array:
    """An array of equal values that know their place."""
    import numpy as np

    made = np.empty(values.shape, dtype=object)
    for index in indices(values.shape):
        made[index] = Leaf.at(values[index], (what, slot, index))
    return made


def _down(term: Term, slope: Term) -> Iterator[tuple[Place, Term]]:
    """The part of a term's slope that comes to each leaf that it goes back to."""
    slopes: dict[int, list[Term]] = {id(term): [slope]}
    for each in reversed(_order(term)):
        own = total(slopes.pop(id(each)))
        if each.leaf is not None:
            yield each.leaf, own
        for part, passed in each.parts:
            slopes.setdefault(id(part), []).append(passed(own))


def _order(term: Term) -> Sequence[Term]:
    """The terms that a term goes back to, each before those that are made of it."""
    done: dict[int, Term] = {}
    begun: set[int] = set()
    waiting = [term] if term.traced else []
    while waiting:
        each = waiting[-1]
        if id(each) in begun:
            waiting.pop()
            done.setdefault(id(each), each)
        else:
            begun.add(id(each))
            waiting += [part for part, _ in each.parts if id(part) not in begun]
    return [*done.values()]

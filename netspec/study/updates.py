"""The update of every param as lines: its whole gradient, what the solver type keeps of it, the new weight."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netspec.core.worked import Term, indices, short, total
from netspec.net.graph import GraphParam
from netspec.study.batches import Part, same
from netspec.study.traced import Group, Line
from netspec.training.solvers.base import OneWeight

if TYPE_CHECKING:
    from netspec.core.calls import Array
    from netspec.training.session import Session


@dataclass(frozen=True)
class Before:
    """The params and the history before an iteration, and the gradients of its batches."""

    weights: Sequence[Array]
    history: Sequence[Mapping[str, Array]]
    gradients: Sequence[Array | None]


def updates(session: Session, before: Before, parts: Mapping[int, Sequence[Part]]) -> Iterator[Group]:
    """The lines of every param that the last iteration changed. `parts` are what layers and batches gave to each."""
    for param in session.train.graph.params:
        gradient = before.gradients[param.index]
        if gradient is not None:
            given = parts.get(param.index, ())
            lines = [*_sums(param, gradient, given)] if len(given) > 1 else []
            for index in indices(gradient.shape):
                lines += _steps(session, before, param, index)
            rate = float(session.train.rate[0]) * param.lr_mult
            yield Group(f"{param.name}: rate {short(rate, 9)}", tuple(lines))


def _sums(param: GraphParam, gradient: Array, parts: Sequence[Part]) -> Iterator[Line]:
    """The gradient of a param that several layers or batches have a part in."""
    for index in indices(gradient.shape):
        terms, truth = [Term(part[index].value) for _, part in parts if index in part], float(gradient[index])
        found = total(terms)
        words = found.words if len(terms) == len(parts) and same(found.value, truth) else ""
        yield Line(f"d {param.name}", index, words, truth)


def _steps(session: Session, before: Before, param: GraphParam, index: tuple[int, ...]) -> Iterator[Line]:
    """What is kept of one weight, and its new value."""
    weights, number = session.train.weights, param.index
    now = {name: float(array[index]) for name, array in _alike(weights.history[number], weights.data[number])}
    now["w"] = float(weights.data[number][index])
    for step in session.spec.rule.worked(_one(session, before, param, index)):
        truth = now.get(step.what, step.value)
        name = param.name if step.what == "w" else f"{step.what} of {param.name}"
        if same(step.value, truth):
            yield Line(name, index, step.words, truth)
            now.pop(step.what, None)
    if "w" in now:
        yield Line(param.name, index, "", now["w"])


def _alike(history: Mapping[str, Array], weights: Array) -> Iterator[tuple[str, Array]]:
    """What is kept for each weight by itself; a type may also keep arrays of rows, columns or whole params."""
    return ((name, array) for name, array in history.items() if array.shape == weights.shape)


def _one(session: Session, before: Before, param: GraphParam, index: tuple[int, ...]) -> OneWeight:
    """One weight before its update: its gradient is clipped and divided by iter_size."""
    number, spec = param.index, session.spec
    w, gradient = Term(before.weights[number][index]), before.gradients[number]
    assert gradient is not None
    factor, diff = float(session.train.gate[1]), Term(gradient[index])
    l1, l2 = spec.regularization_type.coefficients(spec.weight_decay * param.decay_mult) if param.decay_mult else (0, 0)
    pulls = ([Term(l2) * w] if l2 else []) + ([Term(l1 * ((w > 0) - (w < 0)))] if l1 else [])
    return OneWeight(
        w,
        diff if factor == 1 else Term(factor) * diff,
        total(pulls) if pulls else None,
        {name: Term(array[index]) for name, array in _alike(before.history[number], before.weights[number])},
        Term(float(session.train.rate[0]) * param.lr_mult),
        session.iteration - 1,
    )

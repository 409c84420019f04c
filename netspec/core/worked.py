"""The computation of one number of a net, as arithmetic that a reader can follow: `.15*.05 + .2*.1 + .35 = .3775`.

A `Term` is a value together with its words, the text of its arithmetic. Terms compute like numbers, so a formula that
runs on terms writes out its own arithmetic. Numbers have at most four significant digits, and no zero before the point.
A sum of more than `MOST` terms shows only the terms at its ends. `^` is a power, `e` Euler's number, `ln` the natural
logarithm, so that words that are not shortened can be evaluated.

A Term also remembers the terms that it was made of, and how its slope passes on to each. So the chain rule writes the
arithmetic of gradients by itself (`core/chain.py`), down to the `Leaf`s, values that know their place in an array.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from operator import neg
from typing import TYPE_CHECKING

from netspec.core.shape import Shape

if TYPE_CHECKING:
    from netspec.core.calls import Array, Phase

MOST, ENDS = 12, 4
"""Most terms of a sum that is shown in full; terms shown at each end of a longer sum."""
SHORTENED = "..."
LONGEST = 24
"""Most characters of a factor of a slope that is shown as arithmetic; of a longer one, only the value."""

Place = tuple[str, int, tuple[int, ...]]
"""A value whose gradient is asked for: `dx` or `dw`, the number of the bottom or param, and the index."""

_SUM, _PRODUCT, _POWER, _ATOM = range(4)
"""Precedence of the outermost operator in words."""


class Leaf(float):
    """A value of an array that knows its place: `dx` (a bottom) or `dw` (a param), its number, and the index there."""

    place: Place

    @classmethod
    def at(cls, value: float, place: Place) -> Leaf:
        """A value at a place."""
        made = cls(value)
        made.place = place
        return made


@dataclass(frozen=True)
class LayerArrays:
    """The arrays of a layer in a net that ran with every blob kept; axes in the order N, C, H, W.

    `top_diffs` is empty before a backward pass. `phase` is that of the net.
    """

    bottoms: Sequence[Array]
    tops: Sequence[Array]
    params: Sequence[Array] = ()
    top_diffs: Sequence[Array] = ()
    phase: Phase = "TRAIN"

    @property
    def loss_weight(self) -> Term:
        """The diff of a loss."""
        return Term(self.top_diffs[0].item())


@dataclass(frozen=True)
class Worked:
    """The arithmetic behind the value at one index of an array.

    `what` is y (a top), dx (the diff of a bottom), dw (the diff of a param), or a value on the way to y: p (a
    probability), m and v (mean and variance of values that are normalised together), or a gate or state of a unit by
    the letter that the layer's formula has for it. Of a diff, `slot` is the number of the bottom or param.
    """

    what: str
    at: tuple[int, ...]
    term: Term
    slot: int = 0

    @property
    def words(self) -> str:
        """The arithmetic."""
        return self.term.words

    @property
    def value(self) -> float:
        """What it comes to."""
        return self.term.value

    def __str__(self) -> str:
        place = f"[{','.join(map(str, self.at))}]" if self.at else ""
        return f"{self.what}{self.slot or ''}{place} = {self.words} = {short(self.value)}"


def short(value: float, digits: int = 4) -> str:
    """A number in at most so many significant digits: .15, -.05, 12.35, 1.235e-5."""
    mantissa, mark, exponent = f"{value:.{digits}g}".partition("e")
    sign, number = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
    if number.startswith("0."):
        number = number[1:]
    return f"{sign if number != '0' else ''}{number}{mark}{int(exponent) if mark else ''}"


Slopes = tuple[tuple["Term", "Slope"], ...]
"""The terms that a term was made of, each with the function that passes the slope on to it."""


class Term:
    """A value with its words, which computes like a number. The words of a literal number are its short form.

    `leaf` is the place of a value of an array; `parts` are the terms that this one was made of, as far as they go back
    to leaves.
    """

    def __init__(self, value: float, words: str = "", level: int = _ATOM, parts: Slopes = ()) -> None:
        self.value, self.words, self.level = float(value), words or short(value), level
        self._literal = not words
        self.leaf = value.place if isinstance(value, Leaf) else None
        self.parts = tuple((term, slope) for term, slope in parts if term.traced)

    @property
    def traced(self) -> bool:
        """Whether it goes back to a value of an array that knows its place."""
        return self.leaf is not None or bool(self.parts)

    @property
    def plain(self) -> Term:
        """A factor of a slope: without the terms that it was made of; long arithmetic is only its value."""
        hidden = self._literal or len(self.words) > LONGEST
        return Term(self.value) if hidden else Term(self.value, self.words, self.level)

    def known(self) -> Term:
        """This term as a number, for arithmetic that goes on from its value."""
        return Term(self.value)._from(self, _same)

    def at(self, what: str, place: Sequence[int], slot: int = 0) -> Worked:
        """This term as the value of `what` at an index."""
        return Worked(what, tuple(map(int, place)), self, slot)

    def __repr__(self) -> str:
        return f"{self.words} = {self.value!r}"

    def _held(self, level: int, leads: bool = False) -> str:
        """The words as an operand, in parentheses where needed; only a leading operand may begin with a minus."""
        open_ = self.level < level or (self.words.startswith("-") and not leads)
        return f"({self.words})" if open_ else self.words

    def __neg__(self) -> Term:
        parts: Slopes = ((self, neg),)
        if self._literal:
            return Term(-self.value, parts=parts)
        bare = self.words[1:] if self.words.startswith("-") and self.level else f"-{self._held(_PRODUCT)}"
        return Term(-self.value, bare, _PRODUCT, parts)

    def __add__(self, other: Term | float) -> Term:
        other = _term(other)
        words = _joined([self.words, *_signed(other)])
        return Term(self.value + other.value, words, _SUM, ((self, _same), (other, _same)))

    def __radd__(self, other: float) -> Term:
        return _term(other) + self

    def __sub__(self, other: Term | float) -> Term:
        other = _term(other)
        plus = other.words.startswith("-") and other.level != _SUM
        right = f"+ {other.words[1:]}" if plus else f"- {other._held(_PRODUCT)}"
        return Term(self.value - other.value, f"{self.words} {right}", _SUM, ((self, _same), (other, neg)))

    def __rsub__(self, other: float) -> Term:
        return _term(other) - self

    def __mul__(self, other: Term | float) -> Term:
        right = _term(other)
        words = f"{self._held(_PRODUCT, True)}*{right._held(_PRODUCT)}"
        parts: Slopes = ((self, lambda d: d * right.plain), (right, lambda d: d * self.plain))
        return Term(self.value * right.value, words, _PRODUCT, parts)

    def __rmul__(self, other: float) -> Term:
        return _term(other) * self

    def __truediv__(self, other: Term | float) -> Term:
        below = _term(other)
        words = f"{self._held(_PRODUCT, True)}/{below._held(_POWER)}"
        value = _value(lambda: self.value / below.value, self.value * math.inf)
        parts: Slopes = (
            (self, lambda d: d / below.plain),
            (below, lambda d: -(d * self.plain / below.plain.power(2.0))),
        )
        return Term(value, words, _PRODUCT, parts)

    def __rtruediv__(self, other: float) -> Term:
        return _term(other) / self

    def __gt__(self, other: Term | float) -> bool:
        return self.value > _term(other).value

    def __lt__(self, other: Term | float) -> bool:
        return self.value < _term(other).value

    def __ge__(self, other: Term | float) -> bool:
        return self.value >= _term(other).value

    def __le__(self, other: Term | float) -> bool:
        return self.value <= _term(other).value

    def where(self, mask: bool, other: Term | float) -> Term:
        """This term where the mask holds, else `other`; the words are those of the chosen term."""
        return self if mask else _term(other)

    def exp(self) -> Term:
        """e to the power of this term."""
        words = f"e^{self.words if self.level == _ATOM else f'({self.words})'}"
        made = Term(_value(lambda: math.exp(self.value), math.inf), words, _POWER)
        return made._from(self, lambda d: d * made.plain)

    def log(self) -> Term:
        """The natural logarithm."""
        end = -math.inf if self.value == 0 else math.nan
        made = Term(_value(lambda: math.log(self.value), end), f"ln({self.words})")
        return made._from(self, lambda d: d / self.plain)

    def log1p(self) -> Term:
        """The natural logarithm of 1 + this term."""
        end = -math.inf if self.value == -1 else math.nan
        made = Term(_value(lambda: math.log1p(self.value), end), f"ln({(1.0 + self).words})")
        return made._from(self, lambda d: d / (1.0 + self.plain))

    def tanh(self) -> Term:
        """The hyperbolic tangent."""
        made = Term(math.tanh(self.value), f"tanh({self.words})")
        return made._from(self, lambda d: d * (1.0 - Term(made.value).power(2.0)))

    def sqrt(self) -> Term:
        """The square root."""
        made = Term(_value(lambda: math.sqrt(self.value), math.nan), f"sqrt({self.words})")
        return made._from(self, lambda d: d / (2.0 * Term(made.value)))

    def sigmoid(self) -> Term:
        """1/(1 + e^-this)."""
        made = 1.0 / (1.0 + (-self.plain).exp())
        return made._from(self, lambda d: d * Term(made.value) * (1.0 - Term(made.value)))

    def erf(self) -> Term:
        """The error function."""
        made = Term(math.erf(self.value), f"erf({self.words})")
        return made._from(self, lambda d: d * Term(2 / math.sqrt(math.pi)) * (-self.plain.power(2.0)).exp())

    def abs(self) -> Term:
        """This term without its sign; a literal number just loses it."""
        made = Term(abs(self.value), "" if self._literal else f"abs({self.words})")
        return made._from(self, neg if self.value < 0 else _same if self.value > 0 else _flat)

    def maximum(self, other: Term | float) -> Term:
        """The larger of the two."""
        return self._chosen("max", _term(other), self.value < _term(other).value)

    def minimum(self, other: Term | float) -> Term:
        """The smaller of the two."""
        return self._chosen("min", _term(other), self.value > _term(other).value)

    def _chosen(self, word: str, other: Term, yes: bool) -> Term:
        """The other term where `yes`, else this; the words name both."""
        chosen = other if yes else self
        return Term(chosen.value, f"{word}({self.words}, {other.words})")._from(chosen, _same)

    def power(self, exponent: Term | float) -> Term:
        """This term to the power of `exponent`, which is a number of its own: no slope goes there."""
        other = _term(exponent)
        end = math.inf if self.value == 0 else math.nan
        words = f"{self._held(_ATOM)}^{other.words if other.level == _ATOM else f'({other.words})'}"
        made = Term(_value(lambda: math.pow(self.value, other.value), end), words, _POWER)

        def slope(d: Term) -> Term:
            return d * other.plain * (self.plain if other.value == 2 else self.plain.power(other.value - 1))

        return made._from(self, slope)

    def _from(self, term: Term, slope: Slope) -> Term:
        """This term, with the only term that it was made of."""
        self.parts = ((term, slope),) if term.traced else ()
        return self


Slope = Callable[[Term], Term]


def _same(d: Term) -> Term:
    return d


def _flat(d: Term) -> Term:
    return d * 0.0


def _term(value: Term | float) -> Term:
    return value if isinstance(value, Term) else Term(value)


def _value(compute: Callable[[], float], end: float) -> float:
    """The computed value, or `end` where Python raises an error instead of giving infinity or NaN."""
    try:
        return compute()
    except (OverflowError, ValueError, ZeroDivisionError):
        return end


def _signed(term: Term) -> tuple[str, str]:
    """Sign and words of a term that is not the first of a sum."""
    if term.words.startswith("-") and term.level != _SUM:
        return "-", term.words[1:]
    return "+", term.words if not term.words.startswith("-") else f"({term.words})"


def _joined(words: Iterable[str]) -> str:
    return " ".join(words)


def total(terms: Sequence[Term], value: float | None = None, count: int | None = None) -> Term:
    """The sum of terms; 0 where there are none.

    For a shortened sum, `terms` may hold only the terms at its ends; then `count` is the number of all terms, and
    `value` their sum.
    """
    count = len(terms) if count is None else count
    value = math.fsum(term.value for term in terms) if value is None else value
    if count < 2:
        return terms[0] if terms else Term(0.0)
    pieces = [_signed(term) for term in terms]
    if count > MOST:
        pieces = [*pieces[:ENDS], ("+", SHORTENED), *pieces[-ENDS:]]
    words = _joined([terms[0].words, *(word for piece in pieces[1:] for word in piece)])
    return Term(value, words, _SUM, tuple((term, _same) for term in terms))


def dot(a: Array, b: Array) -> Term:
    """The dot product of two arrays of equal shape: the sum of the products of their elements."""
    left, right = a.reshape(-1), b.reshape(-1)
    value = float((left.astype("float64") * right.astype("float64")).sum())
    return total([Term(left[i]) * Term(right[i]) for i in _needed(left, right)], value, len(left))


def sum_of(values: Array) -> Term:
    """The sum of all values."""
    flat = values.reshape(-1)
    return total([Term(flat[i]) for i in _needed(flat)], float(flat.astype("float64").sum()), len(flat))


def sum_of_squares(values: Array, less: float = 0.0) -> Term:
    """The sum of (value - less)^2."""
    flat = values.reshape(-1)
    terms = [Term(flat[i]) - Term(less) if less else Term(flat[i]) for i in _needed(flat)]
    value = float(((flat.astype("float64") - less) ** 2).sum())
    return total([term.power(2.0) for term in terms], value, len(flat))


def _needed(*arrays: Array) -> Sequence[int]:
    """The places of the terms of a sum: all of values that know their place, else those that are written out."""
    size = len(arrays[0])
    whole = size <= MOST or any(array.dtype == object for array in arrays)
    return range(size) if whole else (*range(ENDS), *range(size - ENDS, size))


def greatest(terms: Sequence[Term], of_equal: int = 0) -> Term:
    """The largest term. Of equal ones, term number `of_equal` passes the slope on, or else the first."""
    words = [term.words for term in terms]
    if len(words) > MOST:
        words = [*words[:ENDS], SHORTENED, *words[-ENDS:]]
    chosen = max([terms[of_equal], *terms], key=lambda term: term.value)
    return Term(chosen.value, f"max({', '.join(words)})", parts=((chosen, _same),)) if len(terms) > 1 else terms[0]


def softmax(scores: Sequence[float], own: int) -> Term:
    """e^scores[own] over the sum of e^score, (K,); the value is computed without overflow."""
    terms, most = [Term(score).exp() for score in scores], max(scores)
    value = math.exp(scores[own] - most) / math.fsum(math.exp(score - most) for score in scores)
    quotient = terms[own] / total(terms)
    return Term(value, quotient.words, quotient.level, quotient.parts)


def unravelled(place: int, shape: Shape) -> tuple[int, ...]:
    """The index of the value at flat position `place` in an array of a shape."""
    index: tuple[int, ...] = ()
    for size in reversed(shape):
        place, last = divmod(place, size)
        index = (last, *index)
    return index


def indices(shape: Shape) -> Iterator[tuple[int, ...]]:
    """The index of every value of an array of a shape, the last axis fastest."""
    return product(*map(range, shape))

"""The computation of one number of a net, as arithmetic that a reader can follow: `.15*.05 + .2*.1 + .35 = .3775`.

A `Term` is a value together with its words, the text of its arithmetic. Terms compute like numbers, so a formula that
runs on terms writes out its own arithmetic. Numbers have at most four significant digits, and no zero before the point.
A sum of more than `MOST` terms shows only the terms at its ends. `^` is a power, `e` Euler's number, `ln` the natural
logarithm, so that words that are not shortened can be evaluated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netspec.core.shape import Shape

if TYPE_CHECKING:
    from netspec.core.calls import Array, Phase

MOST, ENDS = 12, 4
"""Most terms of a sum that is shown in full; terms shown at each end of a longer sum."""
SHORTENED = "..."

_SUM, _PRODUCT, _POWER, _ATOM = range(4)
"""Precedence of the outermost operator in words."""


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

    `what` is y (top 0), dx (the diff of bottom 0), dw (the diff of the weight), or a value on the way to y: p (a
    probability), m and v (mean and variance of values that are normalised together), or a gate or state of a unit by
    the letter that the layer's formula has for it.
    """

    what: str
    at: tuple[int, ...]
    words: str
    value: float

    def __str__(self) -> str:
        place = f"[{','.join(map(str, self.at))}]" if self.at else ""
        return f"{self.what}{place} = {self.words} = {short(self.value)}"


def short(value: float) -> str:
    """A number in at most four significant digits: .15, -.05, 12.35, 1.235e-5."""
    mantissa, mark, exponent = f"{value:.4g}".partition("e")
    sign, digits = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
    if digits.startswith("0."):
        digits = digits[1:]
    return f"{sign if digits != '0' else ''}{digits}{mark}{int(exponent) if mark else ''}"


class Term:
    """A value with its words, which computes like a number. The words of a literal number are its short form."""

    def __init__(self, value: float, words: str = "", level: int = _ATOM) -> None:
        self.value, self.words, self.level = float(value), words or short(value), level
        self._literal = not words

    def at(self, what: str, place: Sequence[int]) -> Worked:
        """This term as the value of `what` at an index."""
        return Worked(what, tuple(map(int, place)), self.words, self.value)

    def __repr__(self) -> str:
        return f"{self.words} = {self.value!r}"

    def _held(self, level: int, leads: bool = False) -> str:
        """The words as an operand, in parentheses where needed; only a leading operand may begin with a minus."""
        open_ = self.level < level or (self.words.startswith("-") and not leads)
        return f"({self.words})" if open_ else self.words

    def __neg__(self) -> Term:
        if self._literal:
            return Term(-self.value)
        bare = self.words[1:] if self.words.startswith("-") and self.level else f"-{self._held(_PRODUCT)}"
        return Term(-self.value, bare, _PRODUCT)

    def __add__(self, other: Term | float) -> Term:
        other = _term(other)
        return Term(self.value + other.value, _joined([self.words, *_signed(other)]), _SUM)

    def __radd__(self, other: float) -> Term:
        return _term(other) + self

    def __sub__(self, other: Term | float) -> Term:
        other = _term(other)
        plus = other.words.startswith("-") and other.level != _SUM
        right = f"+ {other.words[1:]}" if plus else f"- {other._held(_PRODUCT)}"
        return Term(self.value - other.value, f"{self.words} {right}", _SUM)

    def __rsub__(self, other: float) -> Term:
        return _term(other) - self

    def __mul__(self, other: Term | float) -> Term:
        other = _term(other)
        return Term(self.value * other.value, f"{self._held(_PRODUCT, True)}*{other._held(_PRODUCT)}", _PRODUCT)

    def __rmul__(self, other: float) -> Term:
        return _term(other) * self

    def __truediv__(self, other: Term | float) -> Term:
        other = _term(other)
        words = f"{self._held(_PRODUCT, True)}/{other._held(_POWER)}"
        return Term(_value(lambda: self.value / other.value, self.value * math.inf), words, _PRODUCT)

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
        words = self.words if self.level == _ATOM else f"({self.words})"
        return Term(_value(lambda: math.exp(self.value), math.inf), f"e^{words}", _POWER)

    def log(self) -> Term:
        """The natural logarithm."""
        end = -math.inf if self.value == 0 else math.nan
        return Term(_value(lambda: math.log(self.value), end), f"ln({self.words})")

    def log1p(self) -> Term:
        """The natural logarithm of 1 + this term."""
        end = -math.inf if self.value == -1 else math.nan
        return Term(_value(lambda: math.log1p(self.value), end), f"ln({(1.0 + self).words})")

    def tanh(self) -> Term:
        """The hyperbolic tangent."""
        return Term(math.tanh(self.value), f"tanh({self.words})")

    def sqrt(self) -> Term:
        """The square root."""
        return Term(_value(lambda: math.sqrt(self.value), math.nan), f"sqrt({self.words})")

    def sigmoid(self) -> Term:
        """1/(1 + e^-this)."""
        return 1.0 / (1.0 + (-self).exp())

    def erf(self) -> Term:
        """The error function."""
        return Term(math.erf(self.value), f"erf({self.words})")

    def abs(self) -> Term:
        """This term without its sign; a literal number just loses it."""
        return Term(abs(self.value), "" if self._literal else f"abs({self.words})")

    def maximum(self, other: Term | float) -> Term:
        """The larger of the two."""
        return self._chosen("max", _term(other), self.value < _term(other).value)

    def minimum(self, other: Term | float) -> Term:
        """The smaller of the two."""
        return self._chosen("min", _term(other), self.value > _term(other).value)

    def _chosen(self, word: str, other: Term, yes: bool) -> Term:
        """The other term where `yes`, else this; the words name both."""
        return Term(other.value if yes else self.value, f"{word}({self.words}, {other.words})")

    def power(self, exponent: Term | float) -> Term:
        """This term to the power of `exponent`."""
        other = _term(exponent)
        end = math.inf if self.value == 0 else math.nan
        words = f"{self._held(_ATOM)}^{other.words if other.level == _ATOM else f'({other.words})'}"
        return Term(_value(lambda: math.pow(self.value, other.value), end), words, _POWER)


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
    return Term(value, _joined([terms[0].words, *(word for piece in pieces[1:] for word in piece)]), _SUM)


def dot(a: Array, b: Array) -> Term:
    """The dot product of two arrays of equal shape: the sum of the products of their elements."""
    left, right = a.reshape(-1), b.reshape(-1)
    value = float((left.astype("float64") * right).sum())
    return total([Term(left[i]) * Term(right[i]) for i in _shown(len(left))], value, len(left))


def sum_of(values: Array) -> Term:
    """The sum of all values."""
    flat = values.reshape(-1).astype("float64")
    return total([Term(flat[i]) for i in _shown(len(flat))], float(flat.sum()), len(flat))


def sum_of_squares(values: Array, less: float = 0.0) -> Term:
    """The sum of (value - less)^2."""
    flat = values.reshape(-1).astype("float64")
    terms = [Term(flat[i]) - Term(less) if less else Term(flat[i]) for i in _shown(len(flat))]
    return total([term.power(2.0) for term in terms], float(((flat - less) ** 2).sum()), len(flat))


def _shown(count: int) -> Sequence[int]:
    """The places of the terms of a sum that are written out."""
    return range(count) if count <= MOST else (*range(ENDS), *range(count - ENDS, count))


def greatest(terms: Sequence[Term]) -> Term:
    """The largest term."""
    words = [term.words for term in terms]
    if len(words) > MOST:
        words = [*words[:ENDS], SHORTENED, *words[-ENDS:]]
    return Term(max(term.value for term in terms), f"max({', '.join(words)})") if len(terms) > 1 else terms[0]


def softmax(scores: Sequence[float], own: int) -> Term:
    """e^scores[own] over the sum of e^score, (K,); the value is computed without overflow."""
    terms, most = [Term(score).exp() for score in scores], max(scores)
    value = math.exp(scores[own] - most) / math.fsum(math.exp(score - most) for score in scores)
    quotient = terms[own] / total(terms)
    return Term(value, quotient.words, quotient.level)


def unravelled(place: int, shape: Shape) -> tuple[int, ...]:
    """The index of the value at flat position `place` in an array of a shape."""
    index: tuple[int, ...] = ()
    for size in reversed(shape):
        place, last = divmod(place, size)
        index = (last, *index)
    return index

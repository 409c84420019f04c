"""Calls of attention: the projections of queries, keys and values, and the heads' products between them.

Letters: N samples, Q queries and K keys of each, H heads of D values, A = H*D.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from netspec.codegen.geometry import AIR, Dropping, HeadGrids, Heads, even_parts
from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.lowering.products import WORK, tiles


class Attention(NamedTuple):
    """An attention by its sizes."""

    samples: int
    heads: int
    queries: int
    keys: int
    size: int  # D

    @property
    def width(self) -> int:
        """A: values of all heads."""
        return self.heads * self.size

    @property
    def pitch(self) -> int:
        """Values between the probabilities of two keys; a power of two would share the same few lines of a cache."""
        return self.queries + (AIR if self.queries % 64 == 0 else 0)

    @property
    def macs(self) -> int:
        """Products of queries with keys, and of probabilities with values."""
        return 2 * self.samples * self.queries * self.keys * self.width

    @property
    def parts(self) -> int:
        """Parts that share the heads of all samples."""
        return even_parts(self.macs, WORK, self.samples * self.heads)


def spaces(of: Attention, padded: bool, dropout: bool, backward: bool) -> dict[str, Workspace]:
    """Queries, keys, values and their gradients, probabilities, context, and scratch for each part."""
    tall, long = (of.samples * of.queries, of.width), (of.samples * of.keys, of.width)
    scores, each = of.keys * of.pitch, of.size * of.queries
    number = of.samples * of.heads if backward else of.parts
    found = {"q": tall, "k": long, "v": long, "context": tall, "prob": (number, of.keys, of.pitch)}
    result = {name: Workspace(shape, kept=backward) for name, shape in found.items()}
    result["bars"] = Workspace((of.samples if padded else 1, of.keys), use="forward")
    result["scratch"] = Workspace((of.parts, each + scores * dropout), use="forward")
    if backward:
        gradients = {"dq": tall, "dk": long, "dv": long, "dcontext": tall}
        gradients["scratch_back"] = (of.parts, each + scores * (1 + dropout))
        result |= {name: Workspace(shape, use="backward") for name, shape in gradients.items()}
    return result


def forward(run: Run, of: Attention, causal: bool, padded: bool, dropping: Dropping) -> Calls:
    """The context from queries, keys and values."""
    from netspec.kernels import attention

    space = run.workspace
    arrays = (space["q"], space["k"], space["v"], space["bars"], run.clock, space["prob"], space["scratch"])
    geometry = (_heads(of, causal, padded), _grids(of, space["q"].dtype.name), dropping)
    yield Call(attention.attention_forward, *arrays, space["context"], *geometry, parts=of.parts)


def backward(run: Run, of: Attention, causal: bool, padded: bool, dropping: Dropping) -> Calls:
    """The gradients of queries, keys and values from that of the context."""
    from netspec.kernels import attention

    space = run.workspace
    given = attention.Projections(space["q"], space["k"], space["v"])
    diffs = attention.Projections(space["dq"], space["dk"], space["dv"])
    arrays = (given, run.clock, space["prob"], space["dcontext"], space["scratch_back"], diffs)
    geometry = (_heads(of, causal, padded), _grids(of, space["q"].dtype.name), dropping)
    yield Call(attention.attention_backward, *arrays, *geometry, parts=of.parts)


def bars(run: Run, padding: Any, by_length: bool) -> Calls:
    """What is added to the scores of each key; `padding` is the bottom that says which are looked at, or None."""
    from netspec.kernels import attention, copy

    space = run.workspace["bars"]
    if padding is None:
        yield Call(copy.fill, space, 0.0)
    elif by_length:
        yield Call(attention.bar_by_length, padding, space)
    else:
        yield Call(attention.bar_by_mask, padding, space)


def _heads(of: Attention, causal: bool, padded: bool) -> Heads:
    bars = of.keys if padded else 0
    return Heads(*of[:5], of.pitch, bars, int(causal), of.size**-0.5)


def _grids(of: Attention, dtype: str) -> HeadGrids:
    """The register tiles of the three shapes of a head's products."""
    shapes = ((of.keys, of.queries), (of.queries, of.size), (of.keys, of.size))
    return HeadGrids(*(tiles(*shape, dtype) for shape in shapes))

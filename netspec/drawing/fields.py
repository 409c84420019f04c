"""What a box says of its layer's fields: those that change what is computed, in few words: 5x5; stride 2, pad 1."""

from __future__ import annotations

from typing import Any

from netspec.core.shape import Shape
from netspec.core.visible import visible
from netspec.layers.base import Layer

_SAID = {
    *("num_output", "bias_term", "shape", "global_pooling", "pool", "window", "affine", "operation"),
    *("round_mode", "engine", "eps"),
}
"""Fields that are said in other words, that the shapes and the number of parameters show, or that are details."""
_MOST = 2


def head(layer: Layer, top: Shape) -> str:
    """The type of a layer with its window: Convolution 5x5, MAX Pooling 3x3, Eltwise PROD."""
    fields = layer.identity()
    words = [layer.type]
    if "pool" in type(layer).model_fields:
        words.insert(0, str(getattr(layer, "pool")))  # noqa: B009  (a field of some types)
    if fields.get("global_pooling"):
        words.append("global")
    if "operation" in fields:
        words.append(str(fields["operation"]))
    kernel = fields.get("window", {}).get("kernel")
    if kernel:
        words.append(_measure(kernel, top, each=True))
    return visible(" ".join(words))


def rest(layer: Layer, top: Shape) -> str:
    """Further fields of a layer that are not at their defaults: stride 2, pad 1, group 32. At most a few."""
    fields = layer.identity()
    window = fields.get("window", {})
    words = [f"{name} {_measure(window[name], top)}" for name in ("stride", "pad", "dilation") if window.get(name)]
    others = [(name, value) for name, value in fields.items() if name not in _SAID]
    words += [_words(name, value) for name, value in others if _short(value)][:_MOST]
    return visible(", ".join(words))


def _measure(values: tuple[int, ...], top: Shape, each: bool = False) -> str:
    """A measure of a window: 5x5, or a single number where it is equal along all axes and not `each` is wanted."""
    values = tuple(values)
    if len({*values}) == 1:
        values = values[:1] * (max(1, len(top) - 2) if each else 1)
    return "x".join(map(str, values))


def _short(value: Any) -> bool:
    return isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= 12)


def _words(name: str, value: Any) -> str:
    short = name.removesuffix("_ratio").removesuffix("_term")
    if value is True:
        return short.replace("_", " ")
    shown = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{'no' if value is False else ''} {short.replace('_', ' ')} {'' if value is False else shown}".strip()

"""Nets written in Python: `n = NetSpec(); n.data = L.Input(...); n.conv = L.Convolution(n.data, ...); n.to_proto()`.

Every `L.Type(*bottoms, **fields)` is a layer, whose top may be a bottom of others. Fields of the type's own message go
by their names alone, those of other messages as dicts: `transform_param=dict(scale=2)`. `ntop` is the number of tops,
`in_place=True` lets the top be the bottom. Source: Caffe python/caffe/net_spec.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from netspec.formats.caffe_messages import fields, message_class, words


class Top:
    """Top number `n` of a layer."""

    def __init__(self, fn: Function, n: int) -> None:
        self.fn, self.n = fn, n

    def to_proto(self) -> Any:
        """The net of this layer and all below it, as a NetParameter."""
        return to_proto(self)


class Function:
    """A layer: its type, bottoms and fields."""

    def __init__(self, type_name: str, inputs: tuple[Any, ...], params: Mapping[str, Any]) -> None:
        for number, one in enumerate(inputs):
            if not isinstance(one, Top):
                raise TypeError(f"{type_name} input {number} is not a Top (type is {type(one)})")
        self.type_name, self.inputs = type_name, inputs
        self.params = {name: value for name, value in params.items() if name not in ("ntop", "in_place")}
        self.in_place = bool(params.get("in_place", False))
        self.tops = tuple(Top(self, number) for number in range(params.get("ntop", 1)))


class _Written:
    """Layers as messages, in an order in which every layer stands behind those it reads."""

    def __init__(self, names: Mapping[Top, str]) -> None:
        self.names, self.found = names, dict[Function, Any]()
        self.numbers: Counter[str] = Counter()
        self.automatic: dict[Function, str] = {}

    def layer_name(self, fn: Function) -> str:
        """The name that was given, that of its first top, or its type with a number."""
        given = fn.params.get("name") or next((self.names[top] for top in fn.tops[:1] if top in self.names), None)
        if given is None and fn not in self.automatic:
            self.numbers[fn.type_name] += 1
            self.automatic[fn] = f"{fn.type_name}{self.numbers[fn.type_name]}"
        return given or self.automatic[fn]

    def top_name(self, top: Top) -> str:
        """The name of a blob; in place that of the bottom."""
        if top.fn.in_place:
            return self.top_name(top.fn.inputs[0])
        if top in self.names:
            return self.names[top]
        name = self.layer_name(top.fn)
        return name if len(top.fn.tops) == 1 else f"{name}_{top.n}"

    def write(self, fn: Function) -> None:
        """Add a layer behind those it reads."""
        if fn in self.found:
            return
        for bottom in fn.inputs:
            self.write(bottom.fn)
        layer = self.found[fn] = message_class("LayerParameter")()
        layer.name, layer.type = self.layer_name(fn), fn.type_name
        layer.bottom.extend(map(self.top_name, fn.inputs))
        layer.top.extend(map(self.top_name, fn.tops))
        own = _own_message(fn.type_name)
        for name, value in fn.params.items():
            if name != "name":
                inside = own is not None and name in fields(fields("LayerParameter")[own].type)
                _assign(getattr(layer, own) if inside and own is not None else layer, name, value)


def _own_message(type_name: str) -> str | None:
    """The field of LayerParameter that holds a type's own message."""
    pairs = ((name, field.type) for name, field in fields("LayerParameter").items() if field.is_message)
    return next((name for name, type in pairs if type == f"{type_name}Parameter"), None)


def _assign(message: Any, name: str, value: Any) -> None:
    """Set a field: a number, a word, a dict as a message, or a list of these."""
    if name not in message.DESCRIPTOR.fields_by_name:
        raise AttributeError(f"{message.DESCRIPTOR.name} has no field {name!r}")
    field = getattr(message, name)
    if hasattr(field, "extend"):
        for item in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(item, Mapping):
                _fill(field.add(), item)
            else:
                field.append(item)
    elif isinstance(value, Mapping):
        field.SetInParent()
        _fill(field, value)
    else:
        setattr(message, name, value)


def _fill(message: Any, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        _assign(message, name, value)


def _net(tops: Mapping[str, Any], unnamed: tuple[Any, ...] = ()) -> Any:
    written = _Written({top: name for name, top in tops.items() if isinstance(top, Top)})
    for one in (*tops.values(), *unnamed):
        written.write(one.fn if isinstance(one, Top) else one)
    net = message_class("NetParameter")()
    net.layer.extend(written.found.values())
    return net


def to_proto(*tops: Any) -> Any:
    """The net of these tops and all below them, as a NetParameter; its layers get names by their types."""
    return _net({}, tops)


class NetSpec:
    """A net whose layers and blobs are called as the attributes that they are assigned to."""

    tops: dict[str, Any]

    def __init__(self) -> None:
        object.__setattr__(self, "tops", {})

    def __setattr__(self, name: str, value: Any) -> None:
        self.tops[name] = value

    def __getattr__(self, name: str) -> Any:
        try:
            return self.tops[name]
        except KeyError:
            raise AttributeError(f"the net has no blob {name!r} yet") from None

    def __setitem__(self, name: str, value: Any) -> None:
        self.tops[name] = value

    def __getitem__(self, name: str) -> Any:
        return self.tops[name]

    def to_proto(self) -> Any:
        """The net as a NetParameter; `str` of it is the prototxt."""
        return _net(self.tops)


class _Layers:
    """`layers.Type(*bottoms, **fields)`: the top of a layer, its tops where `ntop` says several."""

    def __getattr__(self, name: str) -> Any:
        def layer(*inputs: Any, **params: Any) -> Any:
            fn = Function(name, inputs, params)
            return fn.tops[0] if len(fn.tops) == 1 else fn.tops or fn

        return layer


class _Words:
    """The words of a type's enums as numbers: `params.Pooling.MAX`."""

    def __init__(self, type_name: str) -> None:
        self._type = type_name

    def __getattr__(self, name: str) -> int:
        for field in fields(f"{self._type}Parameter").values():
            if field.is_enum and name in words(field.type):
                return words(field.type)[name]
        raise AttributeError(f"{self._type} has no word {name!r}")


class _Params:
    def __getattr__(self, name: str) -> _Words:
        return _Words(name)


layers, params = _Layers(), _Params()

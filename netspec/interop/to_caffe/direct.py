"""Layer types that Caffe has too: their fields, as Caffe's messages have them.

A field is written where its value is not Caffe's default. A field that Caffe does not have is refused, unless it is at
netspec's default, which means what Caffe does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from netspec.core.model import Model, fields_of, spec_paths
from netspec.core.shape import text
from netspec.fillers.base import FILLERS, Filler
from netspec.fillers.bilinear import Bilinear
from netspec.fillers.constant import Constant
from netspec.fillers.gaussian import Gaussian
from netspec.fillers.msra import Msra
from netspec.fillers.positive_unitball import PositiveUnitball
from netspec.fillers.uniform import Uniform
from netspec.fillers.xavier import Xavier
from netspec.formats import caffe_messages
from netspec.interop.to_caffe.case import CaffeLayer, Case
from netspec.interop.to_caffe.paths import from_here
from netspec.layers.base import Layer
from netspec.prototxt.fields import FORK_MESSAGES, MESSAGES, RENAMED

if TYPE_CHECKING:
    from netspec.formats.caffe_messages import Field

_SILENT = frozenset({"any_label", "batch_axis", "engine", "four_axes", "running_sums", "shape"})
"""Fields that may be lost, where a type's message does not have them: they say what Caffe sees, does or needs not."""
_OTHERWISE = {
    "smooth": ("new_height", "images that shrink are smoothed, and in Caffe they are not"),
    "state_gradient": ("expose_hidden", "exposed states pass gradients on, and in Caffe they do not"),
}
"""Switches for what Caffe does not do, the field without which they mean nothing, and what there is to say."""
_SHAPES = "BlobShape"
_FILLER = "FillerParameter"
_PLANES = frozenset({"LRN", "Pooling", "SPP"})
"""Types that Caffe computes for four axes alone."""
_MOST = {"MVN": 4, "PReLU": 4}
"""The most axes that Caffe takes, for types that have a limit."""
_BOTTOMS = {"SoftmaxWithLoss": 2, "SigmoidCrossEntropyLoss": 2}
"""The most bottoms that Caffe takes, where netspec takes more."""


def direct(case: Case) -> Iterator[CaffeLayer]:
    """The layer itself, in Caffe's words."""
    word = case.layer.type
    _check(case, word)
    yield case.caffe(word, blobs=case.params, messages=messages(case, word))


def _check(case: Case, word: str) -> None:
    """Refuse what Caffe computes for fewer axes or bottoms."""
    axes = len(case.bottom_shapes[0]) if case.bottom_shapes else 0
    if (word in _PLANES and axes != 4) or axes > _MOST.get(word, axes):
        raise case.refused(f"Caffe's {word} does not take a bottom of {text(case.bottom_shapes[0])}", "bottom")
    if len(case.bottoms) > _BOTTOMS.get(word, len(case.bottoms)):
        raise case.refused(f"Caffe's {word} takes {_BOTTOMS[word]} bottoms, not {len(case.bottoms)}", "bottom")


def messages(case: Case, word: str, *without: str) -> dict[str, dict[str, Any]]:
    """The layer's own fields as the messages of a type of Caffe, but for some that the caller writes itself."""
    layer, found, said = case.layer, dict[str, dict[str, Any]](), set(without)
    paths, place = {*spec_paths(type(layer), layer.model_dump())}, layer.place("type")
    for name in MESSAGES.get(word) or FORK_MESSAGES.get(word, ()):
        kind = caffe_messages.fields("LayerParameter")[name].type
        held = getattr(layer, name, None)
        source, own = (held, {name}) if isinstance(held, Model) else (layer, set[str]())
        found[name] = {}
        for field in caffe_messages.fields(kind).values():
            key = RENAMED.get(word, {}).get(field.name, field.name)
            if key in without or not hasattr(source, key) or (field.fork and not case.forks):
                continue
            own.add(key)
            value = _value(case, field, getattr(source, key), key)
            if value is not None and ((key,) in paths or (name, key) in paths):
                value = from_here(place.source.folder if place else None, value)
            if value is not None:
                found[name][field.name] = value
        said |= own
    for key in fields_of(type(layer)).keys() - Layer.model_fields.keys() - said - _SILENT:
        if key not in _OTHERWISE:
            _check_lost(case, word, key)
        elif getattr(layer, key) and getattr(layer, _OTHERWISE[key][0]):
            case.notes.append(f"layer '{layer.name}': {_OTHERWISE[key][1]}")
    return found


def _check_lost(case: Case, word: str, key: str) -> None:
    """Refuse a field that a type of Caffe does not have, where it is not at its default."""
    usual, value = type(case.layer).model_fields[key].default, getattr(case.layer, key)
    if value != usual and value is not None:
        raise case.refused(f"Caffe's {word} has no `{key}`", key)


def _value(case: Case, field: Field, value: Any, key: str) -> Any:
    """A value in Caffe's form; None where it need not be written."""
    if value is None or value == () or value == field.default:
        return None
    if field.type == _SHAPES:
        shapes = value if field.repeated and value and isinstance(value[0], tuple) else (value,)
        written = [{"dim": list(shape)} for shape in shapes]
        return written if field.repeated else written[0]
    if field.type == _FILLER:
        return _fillers(case, field, value, key)
    if isinstance(value, tuple):
        return list(value) if field.repeated else _only(case, value, key)
    if field.is_enum:
        return _word(case, field, value, key)
    return json.dumps(value) if isinstance(value, dict) else value


def _only(case: Case, value: tuple[Any, ...], key: str) -> Any:
    """The one value of a field that Caffe does not repeat."""
    if len(set(value)) > 1:
        raise case.refused(f"Caffe's {case.layer.type} takes a single `{key}`, not {list(value)}", key)
    return value[0]


def _word(case: Case, field: Field, value: str, key: str) -> str | None:
    if value in caffe_messages.words(field.type):
        return value
    if key == "engine":
        return None
    raise case.refused(f"Caffe's {case.layer.type} has no `{key}: {value}`", key)


def _fillers(case: Case, field: Field, value: Any, key: str) -> Any:
    """A filler, or several, in Caffe's form; None where the field has its usual one."""
    if field.repeated:
        return [_filler(case, one, key) for one in value]
    return None if value == type(case.layer).model_fields[key].default else filler(case, value, key)


def filler(case: Case, value: Filler, key: str) -> dict[str, Any] | None:
    """The filler of a param in Caffe's form; None where the values that are written are all that matters."""
    if case.deploy:
        return None
    if _lost(value):
        case.notes.append(f"layer '{case.layer.name}': Caffe has no filler like its `{key}`; the caffemodel has values")
        return None
    return _filler(case, value, key)


def _lost(value: Filler) -> bool:
    """Whether Caffe does not have a filler, or a field of it."""
    known = caffe_messages.fields(_FILLER)
    return type(value) not in _FILLERS or any(name not in known for name in type(value).model_fields)


def _filler(case: Case, value: Filler, key: str) -> dict[str, Any]:
    if _lost(value):
        raise case.refused(f"Caffe has no filler '{FILLERS.word(type(value))}'", key)
    known = caffe_messages.fields(_FILLER)
    given = ((name, getattr(value, name)) for name in type(value).model_fields)
    return {"type": FILLERS.word(type(value))} | {name: of for name, of in given if of != known[name].default}


_FILLERS = frozenset({Bilinear, Constant, Gaussian, Msra, PositiveUnitball, Uniform, Xavier})
"""Caffe's fillers."""

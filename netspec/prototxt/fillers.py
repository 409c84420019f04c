"""FillerParameter to a filler: only the numbers that its type reads are kept."""

from __future__ import annotations

from netspec.core.nodes import Mapping, Node, Scalar
from netspec.prototxt.draft import Draft, Notes

_READ = {
    "bilinear": (),
    "constant": ("value",),
    "gaussian": ("mean", "std", "sparse"),
    "msra": ("variance_norm",),
    "positive_unitball": (),
    "uniform": ("min", "max"),
    "xavier": ("variance_norm",),
}
"""The fields that each type reads. Source: Caffe filler.hpp."""


def filler(given: Node, notes: Notes) -> Node:
    """A filler in netspec's words. One without a type is constant; fields that its type does not read are left out."""
    if not isinstance(given, Mapping):
        return given
    word = given.value("type") or "constant"
    draft = Draft(given.at)
    draft.put("type", given.items.get("type") or Scalar(word, given.at), given.keys.get("type", given.at))
    for name, value in given.items.items():
        at = given.keys[name]
        if name == "type" or (name == "sparse" and value.plain() == -1):
            continue
        if name in _READ.get(word, (name,)) or name == "sparse":
            draft.put(name, value, at)
        else:
            notes.left_out(name, f"a {word} filler does not read it", at)
    return draft.mapping()

"""Wiring: mistakes in names, and layers whose names look like ours."""

from __future__ import annotations

from typing import Any

import pytest

from netspec.core.errors import Mistakes, NetspecError
from netspec.core.shape import ShapeError
from netspec.fillers.constant import Constant
from netspec.language.expand import DuplicateNameError
from netspec.layers.base import LAYERS, Param
from netspec.layers.inner_product import InnerProduct
from netspec.net.graph import State
from netspec.net.load import load_net
from netspec.net.wire import ParamNameError, UnknownBlobError
from tests.helpers.specs import ip, loss, net


def failure(*layers: dict[str, Any]) -> NetspecError:
    with pytest.raises(NetspecError) as caught:
        load_net(net(*layers), state=State("TRAIN"))
    return caught.value


@pytest.mark.parametrize("names", [("weight", "weight"), ("weight", "b.weight"), ("", "bias"), ("weight", "0")])
def test_a_layer_type_names_its_params_with_different_words(
    names: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else layer 'a' with 'b.weight' and layer 'a.b' with 'weight' would have one name."""

    class Ours(InnerProduct):
        def params(self) -> tuple[Param, ...]:
            return tuple(Param(name, Constant(value=0.0)) for name in names)

    monkeypatch.setattr(LAYERS, "added", {**LAYERS.added, "Ours": (Ours, "here")})
    error = failure({**ip("a", 3), "type": "Ours"}, loss("a"))
    assert isinstance(error, ParamNameError) and error.at is not None
    assert error.message == f"layer type Ours calls its params {names[0]!r}, {names[1]!r}"


def test_a_layer_may_be_called_like_one_without_a_name() -> None:
    """Mistakes in layer '#1' hide no other mistake; a layer without a name hides what may be its top."""
    found = failure(ip("#1", 3, num_outputs=3), {"name": "act", "type": "ReLU", "bottom": "nowhere"})
    assert isinstance(found, Mistakes)
    assert [type(error).__name__ for error in found.errors()] == ["UnknownFieldError", "UnknownBlobError"]
    nameless = [{"type": "ReLU", "bottom": "data"}, {"type": "TanH", "bottom": "data"}]
    found = failure(*nameless, {"name": "act", "type": "ReLU", "bottom": "nowhere"})
    assert isinstance(found, Mistakes) and len(found.errors()) == 2
    assert not any(isinstance(error, UnknownBlobError) for error in found.errors())


_RULES = [
    ({"include": {"phase": "TRAIN"}}, {"include": {"phase": "TEST"}}, False),
    ({"include": {"phase": "TRAIN"}}, {"exclude": {"phase": "TRAIN"}}, False),
    ({"include": {"stage": "big"}}, {"exclude": {"stage": "big"}}, False),
    ({"include": {"min_level": 1}}, {"include": {"max_level": 0}}, False),
    ({"include": {"phase": "TRAIN"}}, {"include": {"max_level": 0}}, True),
    ({"include": {"phase": "TRAIN"}}, {}, True),
]


@pytest.mark.parametrize(("one", "other", "refused"), _RULES)
def test_names_are_unique_within_a_state(one: dict[str, Any], other: dict[str, Any], refused: bool) -> None:
    """As in Caffe: two layers that never take part together may have one name."""
    layers = [{**ip("ip", 3), "bottom": "data", **rules} for rules in (one, other)] + [loss("ip")]
    if refused:
        with pytest.raises(DuplicateNameError, match="a second layer is called 'ip'"):
            load_net(net(*layers))
        return
    for phase in ("TRAIN", "TEST"):
        for stages, level in (((), 0), (("big",), 1)):
            graph = load_net(net(*layers), state=State(phase, level, stages)).graph
            assert sum(node.layer.name == "ip" for node in graph.nodes) == 1


def test_braces_in_names_stay() -> None:
    """Only the text of a rule is a template, not the names in it."""
    odd = "{bottom[0]} {bottom[1]} {{ {name}"
    error = failure({**ip(odd, 3), "axis": 7}, loss(odd))
    assert isinstance(error, ShapeError) and f"layer '{odd}' (InnerProduct)" in error.message
    error = failure({"name": odd, "type": "Reshape", "shape": [360] + [1] * 32}, ip("ip", 3), loss("ip"))
    assert f"layer '{odd}' would write 33 axes" in error.message
    shared = {"param": [{"name": "w"}]}
    pair = ip(odd, 4, "data", **shared), ip("other", 5, "data", **shared)
    error = failure(*pair, {"name": "sum", "type": "Concat", "bottom": [odd, "other"]}, loss("sum"))
    assert f"but its owner, layer '{odd}', has 4x90" in error.message
    first = {"name": "first", "type": "ReLU", "bottom": "data", "top": "{bottom[1]}"}
    second = {"name": "sum", "type": "Eltwise", "bottom": ["{bottom[1]}", "label"]}
    error = failure(first, second, loss("sum"))
    assert "but '{bottom[1]}' (4x3x6x5, from layer 'first') and 'label' (4, from layer 'data') differ" in error.message

"""Changes between plain values: by path, layers by name, and values that are written in two ways."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netspec.core.changes import Change, compare, dotted, lines

CASES: list[tuple[Any, Any, list[str]]] = [
    ({"a": 1}, {"a": 1.0}, []),
    ({"a": 1}, {"a": True}, ["a: 1 -> true"]),
    ({"a": 1, "b": {"c": "x"}}, {"b": {"c": "y z"}}, ["a: removed (1)", 'b.c: x -> "y z"']),
    ({"p": "fixed"}, {"p": {"type": "step", "size": 3}}, ["p.type: fixed -> step", "p.size: added (3)"]),
    ({"p": "fixed"}, {"p": {"type": "fixed"}}, []),
    ({"bottom": "x"}, {"bottom": ["x"]}, []),
    ({"bottom": "x"}, {"bottom": ["x", "y"]}, ["bottom: [x] -> [x, y]"]),
    ({"a": None, "b": {}}, {"c": []}, []),
    ({"a": None}, {"a": 0}, ["a: added (0)"]),
    ([{"type": "Crop", "size": 6}, "Mirror"], [{"type": "Crop", "size": 5}, "Mirror"], ["0.size: 6 -> 5"]),
    ({"a.b": {"": 1}}, {"a.b": {"": 2}}, ['"a.b"."": 1 -> 2']),
    ({"a": "\x1b[31m"}, {}, ['a: removed ("\\u001b[31m")']),
    ({"a": "x" * 500}, {}, [f"a: removed ({'x' * 59}…)"]),
]


@pytest.mark.parametrize(("before", "after", "said"), CASES, ids=range(len(CASES)))
def test_what_is_said(before: Any, after: Any, said: list[str]) -> None:
    assert lines(compare(before, after)) == said


def test_layers_are_compared_by_name() -> None:
    def layer(name: str, kind: str = "ReLU", **fields: Any) -> dict[str, Any]:
        return {"name": name, "type": kind, **fields}

    before = {"layers": [layer("data", "Input"), layer("conv", "Convolution", num_output=20), layer("a"), layer("b")]}
    after = {"layers": [layer("data", "Input"), layer("new", "Dropout"), layer("b"), layer("a", "TanH")]}
    found = compare(before, after)
    assert lines(found) == [
        "layers.conv: removed (Convolution)",
        "layers.new: added (Dropout)",
        "layers.a.type: ReLU -> TanH",
        "layers: [data, a, b] -> [data, b, a]",
    ]
    assert found[0] == Change(("layers", "conv"), {"type": "Convolution", "num_output": 20}, None)
    assert [change.kind for change in found] == ["removed", "added", "changed", "changed"]
    assert lines(found, 2) == ["layers.conv: removed (Convolution)", "layers.new: added (Dropout)", "and 2 more"]


def test_a_path_is_one_of_the_command_line() -> None:
    from netspec.language.override import parse_override

    for steps in (("layers", "a.b", "num_output"), ("x", 'say "a"=1', "y"), ("a", " ", "b")):
        assert [step.name for step in parse_override(f"{dotted(steps)}=1").path] == list(steps)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "x", "y"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "type", "name"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(PLAIN, PLAIN)
def test_nothing_changes_in_equal_values_and_both_ways_are_told(one: Any, two: Any) -> None:
    assert compare(one, copy.deepcopy(one)) == ()
    forward, back = compare(one, two), compare(two, one)
    assert {change.path for change in forward} == {change.path for change in back}
    assert {(c.path, repr(c.before)) for c in forward} == {(c.path, repr(c.after)) for c in back}

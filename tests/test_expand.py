"""Overrides and variables: an override is an edit of the file, a variable is its value, and neither can grow beyond bounds."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.diagnostics import Mistakes, NetspecError
from netspec.document import MAX_NODES, Document, TooLargeError, dump, parse
from netspec.expand import BadVariableError, OverrideError, UnknownVariableError, expand, override
from netspec.load import load_solver

WORDS = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True)
LEAVES = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False) | WORDS
TREES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=8)
SPECS = st.dictionaries(WORDS.filter(lambda key: key != "vars"), TREES, min_size=1, max_size=4)


def paths(value: Any, here: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The path of everything inside."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path for step, item in items for path in [(*here, step), *paths(item, (*here, step))]]


@settings(max_examples=300)
@given(st.data(), SPECS, TREES)
def test_an_override_is_an_edit_of_the_file(data: Any, spec: dict[str, Any], value: Any) -> None:
    path = data.draw(st.sampled_from(paths(spec)))
    edited = copy.deepcopy(spec)
    inner = edited
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    key = ".".join(str(step) for step in path)
    done = expand(parse(dump(spec)), [f"{key}={json.dumps(value)}"])
    assert done.plain() == parse(dump(edited)).plain()


@settings(max_examples=300)
@given(st.lists(st.sampled_from([*"a.='\"[]{}-0 ", "vars", "layers", "conv1", "..", "$", "\0", "\ud800", "é"]), max_size=8).map("".join))
def test_any_override_is_an_edit_or_an_error_that_points_into_it(text: str) -> None:
    document = parse("vars: {v: 1}\na: [1, {b: 2}]\nlayers: [{name: conv1, pad: 1}, {name: a.b}]\nname: x\n")
    try:
        assert isinstance(expand(document, [text]), Document)
    except NetspecError as error:
        for each in error.errors():
            assert each.at is not None and str(each)
            if isinstance(each, OverrideError):
                assert each.at.source.text == text and each.at.column <= len(text) + 1


def test_layers_are_set_by_name_and_names_with_dots_in_quotes() -> None:
    document = parse("layers:\n  - {name: conv1, pad: 1}\n  - {name: a.b}\nlr_policy: step\ndata:\nsizes: [1, 2]\n")
    texts = [
        "layers.conv1.pad=2",
        "layers.'a.b'.pad=3",
        'layers."a.b".type=ReLU',
        "lr_policy.gamma=.1",
        "data.train.batch_size=4",
        "sizes.1=5",
    ]
    assert expand(document, texts).plain() == {
        "layers": ({"name": "conv1", "pad": 2}, {"name": "a.b", "pad": 3, "type": "ReLU"}),
        "lr_policy": {"type": "step", "gamma": 0.1},
        "data": {"train": {"batch_size": 4}},
        "sizes": (1, 5),
    }


def test_an_override_inside_another_document_is_shown_whole() -> None:
    root = override(parse("layers: [{name: conv1}]").root, "net.layers.conv1.pad=2", "net.")
    assert root.plain() == {"layers": ({"name": "conv1", "pad": 2},)}
    with pytest.raises(OverrideError) as caught:
        override(root, "net.layers.conv2.pad=2", "net.")
    assert caught.value.at is not None and (caught.value.at.column, caught.value.at.length) == (12, 5)


def test_the_keys_on_the_way_keep_their_places() -> None:
    document = expand(parse("a:\n  b: 1\n", "x.yaml"), ["a.b=2"])
    assert document.root.keys["a"].source.name == "x.yaml"
    assert document.locate("a", "b").source.name == "command line"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("layers", "is not an override"),
        ("=1", "is not a dotted key"),
        ("a..b=1", "is not a dotted key"),
        ("layers.conv9.pad=1", "has no 'conv9'"),
        ("sizes.7=1", "is not a position"),
        ("sizes.0.x=1", "holds no 'x'"),
        ("sizes=[1", "cannot be read"),
        ("sizes={a:1}", "cannot be read"),
        ("--sizes=1", "is not a key"),
    ],
)
def test_overrides_that_cannot_be_are_refused(text: str, words: str) -> None:
    with pytest.raises(OverrideError, match=words):
        expand(parse("layers: [{name: conv1}]\nsizes: [1, 2]\n"), [text])


def test_all_wrong_overrides_are_said_at_once() -> None:
    with pytest.raises(Mistakes) as caught:
        expand(parse("a: 1"), ["b", "c", "a=2", "d..e=1"])
    assert [each.message[:3] for each in caught.value.errors()] == ["'b'", "'c'", "'d."]


def test_variables_keep_their_kind_and_may_name_one_another() -> None:
    document = parse("vars: {n: 10, size: [1, $n], w: conv, none: ~}\na: $n\nb: $size\nc: x$n-$w$none\nd: $$n\ne: $${x}\n")
    assert expand(document).plain() == {"a": 10, "b": (1, 10), "c": "x10-conv", "d": "$n", "e": "${x}"}


def test_a_variable_can_be_overridden_and_points_to_where_it_is_used() -> None:
    document = expand(parse("vars: {n: 10}\na: {b: $n}\n"), ["vars.n=three"])
    assert document.plain() == {"a": {"b": "three"}}
    assert (document.locate("a", "b").line, document.locate("a", "b").column) == (2, 8)


@pytest.mark.parametrize(
    ("text", "kind", "line"),
    [
        ("a: $n", UnknownVariableError, 1),
        ("vars: {m: $n, n: 1}\na: 1", UnknownVariableError, 1),
        ("vars: {n: 1}\na: x$m", UnknownVariableError, 2),
        ("vars: [n]\na: 1", BadVariableError, 1),
        ("vars: {n: [1]}\na: x$n", BadVariableError, 2),
        ("a: $(1 + 1)", BadVariableError, 1),
    ],
)
def test_bad_variables_are_refused_at_their_place(text: str, kind: type[NetspecError], line: int) -> None:
    with pytest.raises(kind) as caught:
        expand(parse(text))
    assert caught.value.at is not None and caught.value.at.line == line


def test_variables_cannot_grow_beyond_bounds() -> None:
    wide = "vars:\n  v0: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(f"  v{i}: [{', '.join([f'$v{i - 1}'] * 10)}]\n" for i in range(1, 30))
    deep = "vars:\n  v0: [1]\n" + "".join(f"  v{i}: [$v{i - 1}]\n" for i in range(1, 2000))
    long = "vars:\n  v0: '0123456789'\n" + "".join(f"  v{i}: {f'$v{i - 1}' * 10}\n" for i in range(1, 30))
    used = f"vars: {{v: [{'1, ' * 50_000}1]}}\na: [$v, $v, $v, $v, $v]\n"
    for text in (wide + "a: $v29", deep + "a: $v1999", long + "a: $v29", used):
        with pytest.raises((TooLargeError, Mistakes)) as caught:
            expand(parse(text))
        assert all(isinstance(each, TooLargeError) for each in caught.value.errors())
    assert MAX_NODES == 200_000


def test_a_net_written_inside_a_solver_keeps_its_own_variables() -> None:
    solver = {
        "vars": {"rate": 0.5},
        "net": {
            "vars": {"width": 2},
            "layers": [
                {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[4, 3], [4]]},
                {"name": "ip", "type": "InnerProduct", "num_output": "$width", "weight_filler": "xavier"},
                {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"]},
            ],
        },
        "data": {"train": {"source": {"type": "Arrays", "values": [[[1, 2, 3]], [0]]}, "batch_size": 1}},
        "base_lr": "$rate",
        "lr_policy": "fixed",
        "max_iter": 1,
    }
    job = load_solver(solver, ["net.layers.ip.bias_term=false"])
    assert job.spec.base_lr == 0.5 and job.train.total_params == 6
    again = parse(dump(job.document.plain())).plain()
    assert again["net"]["layers"][1]["num_output"] == 2 and not re.search(r"\$", dump(again))
    assert load_solver(again).train.total_params == 6

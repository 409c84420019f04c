"""Expansion: equal to a net written out by hand; values keep their origins; overrides are edits; sizes are bounded."""

from __future__ import annotations

import copy
import json
import re
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.core import spelling
from netspec.core.errors import Mistakes, NetspecError
from netspec.core.nodes import Document, Mapping, Node, Scalar
from netspec.core.places import COMMAND_LINE, Place, SourceText
from netspec.language.blocks import BadBlockError, BlockCycleError
from netspec.language.document import TooLargeError, dump, parse, parse_value
from netspec.language.expand import (
    MAX_ENTRIES,
    MAX_LAYERS,
    DuplicateNameError,
    RepeatError,
    expand,
)
from netspec.language.extend import ExtendsError, open_spec
from netspec.language.override import Override, OverrideError, override, parse_override
from netspec.language.scopes import BadVariableError, ExpressionError, UnknownVariableError
from netspec.language.variables import MAX_VALUES
from netspec.language.write import write
from netspec.net.digest import digest
from netspec.net.graph import State
from netspec.net.load import load_net
from netspec.training.job import load_solver
from tests.helpers import ROOT
from tests.helpers.bombs import BOMBS, CHILDREN, DATA, SIZE, filled
from tests.helpers.language import by_hand, nets, written
from tests.helpers.pace import is_quick, slowness

WORDS = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True)
LEAVES = (
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False) | WORDS
)
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=8
)
SPECS = st.dictionaries(WORDS.filter(lambda key: key != "vars"), TREES, min_size=1, max_size=4)


def paths(value: Any, here: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The path of every value inside."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path for step, item in items for path in [(*here, step), *paths(item, (*here, step))]]


def put(inner: Any, path: Sequence[str | int], value: Any) -> None:
    """Set the value of an override at the last step of a path; null drops a key, but for those of variables."""
    if value is None and isinstance(inner, dict) and "vars" not in path:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value


@settings(max_examples=300)
@given(st.data(), SPECS, TREES)
def test_an_override_is_an_edit_of_the_file(data: Any, spec: dict[str, Any], value: Any) -> None:
    path = data.draw(st.sampled_from(paths(spec)))
    edited = copy.deepcopy(spec)
    inner = edited
    for step in path[:-1]:
        inner = inner[step]
    put(inner, path, value)
    key = ".".join(str(step) for step in path)
    done = expand(parse(dump(spec)), [f"{key}={json.dumps(value)}"])
    assert done.plain() == parse(dump(edited)).plain()


@settings(max_examples=300)
@given(
    st.lists(
        st.sampled_from([*"a.='\"[]{}-0 ", "vars", "layers", "conv1", "..", "$", "\0", "\ud800", "é"]), max_size=8
    ).map("".join)
)
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


def inside(text: str) -> Override:
    """An override, seen from the net of a solver."""
    one = parse_override(text).inside("net")
    assert one is not None
    return one


ODD_NAMES = [
    "a.b",
    "a=b",
    "=",
    "a='b'",
    'say "x"',
    "it's",
    'it\'s "x"',
    "a[0]",
    "[bold]",
    "{bottom[0]}",
    "back\\slash",
    "two\nlines",
    " ",
    "tab\tbed",
    "\x1b[31m",
    "..",
    "#1",
    "a: b",
    "$x",
    "$$",
    "é ü",
    "-1",
    "0",
    "²",
    "a.'b'.c",
]


IN_DOUBLE = [(name, json.dumps(name)) for name in ODD_NAMES]
IN_SINGLE = [(name, "'" + name.replace("'", "''") + "'") for name in ODD_NAMES if name.isprintable()]


@pytest.mark.parametrize(("name", "quoted"), [*IN_DOUBLE, *IN_SINGLE])
def test_any_name_can_be_overridden_in_quotes(name: str, quoted: str) -> None:
    """In double quotes as JSON writes it, in single quotes with each of them doubled."""
    layers = [{"name": other, "pad": 1} for other in ("first", name.replace("$", "$$"), "last")]
    done = expand(parse(dump({"layers": layers})), [f"layers.{quoted}.pad=2", "layers.last.pad=3"])
    assert [layer["pad"] for layer in done.plain()["layers"]] == [1, 2, 3]
    assert done.plain()["layers"][1]["name"] == name
    net = expand(parse(dump({"net": {"layers": layers}})), [f"net.layers.{quoted}={{name: new}}"])
    assert net.plain()["net"]["layers"][1] == {"name": "new"}
    with pytest.raises(OverrideError) as caught:
        expand(parse("layers: [{name: other}]"), [f"layers.{quoted}.pad=2"])
    at = caught.value.at
    assert at is not None and at.source.text[at.column - 1 :][: at.length] == quoted


@pytest.mark.parametrize("text", ['layers."a.pad=1', "layers.'a'b.pad=1", 'layers."\\q".pad=1', "'=1"])
def test_quotes_that_do_not_close_are_said(text: str) -> None:
    with pytest.raises(NetspecError) as caught:
        expand(parse("layers: [{name: a, pad: 1}]"), [text]) and pytest.fail("nothing was said")
    assert caught.value.at is not None


def test_an_override_inside_another_document_is_shown_whole() -> None:
    root = override(parse("layers: [{name: conv1}]").root, inside("net.layers.conv1.pad=2"))
    assert root.plain() == {"layers": ({"name": "conv1", "pad": 2},)}
    with pytest.raises(OverrideError) as caught:
        override(root, inside("net.layers.conv2.pad=2"))
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
    document = parse(
        "vars: {size: [1, $n], n: 10, w: conv, none: ~}\na: $n\nb: $size\nc: x$n-$w$none\nd: $$n\ne: $${x}\n"
    )
    assert expand(document).plain() == {"a": 10, "b": (1, 10), "c": "x10-conv", "d": "$n", "e": "${x}"}
    kinds = parse("vars: {t: true, f: 1.5, s: '7', n7: 7, m: {a: [1]}}\na: [$t, $f, $s, $n7, $m, $(m), $(t), x$t]\n")
    assert expand(kinds).plain()["a"] == (True, 1.5, "7", 7, {"a": (1,)}, {"a": (1,)}, True, "xtrue")


def test_a_variable_that_is_overridden_points_to_the_override_and_to_where_it_is_used() -> None:
    document = expand(parse("vars: {n: 10}\na: {b: $n, c: x$n}\n"), ["vars.n=three"])
    assert document.plain() == {"a": {"b": "three", "c": "xthree"}}
    at = document.locate("a", "b")
    assert at.source.name == COMMAND_LINE and at.column == 8 and at.via is not None
    assert (at.how, at.via.line, at.via.column) == ("put into", 2, 8)
    assert document.locate("a", "c").line == 2


WHEN = """
blocks:
  unit:
    vars: {down: ~}
    layers:
      - {name: conv, type: Convolution, num_output: 4, kernel_size: 1}
      - {name: project, type: Convolution, bottom: $bottom, num_output: 4, kernel_size: 1, when: $(down and i == 0)}
      - {name: sum, type: Eltwise, bottom: [conv, project]}
layers:
  - {name: data, type: Input, shape: [2, 4, 3, 5]}
  - {name: a, block: unit, repeat: 2, vars: {down: true}}
  - {name: b, block: unit, vars: {down: false}}
  - {name: c, block: unit, vars: {down: true}, when: false}
  - {name: d, type: ReLU, repeat: 2, when: true}
  - {name: e, type: ReLU, bottom: c}
"""


def test_what_is_left_out_is_what_it_would_have_read() -> None:
    layers = {layer["name"]: layer.get("bottom") for layer in expand(parse(WHEN)).plain()["layers"]}
    assert [name for name in layers if "project" in name] == ["a/0/project"]
    assert layers["a/0/sum"] == ("a/0/conv", "a/0/project") and layers["a/1/sum"] == ("a/1/conv", "a/0/sum")
    assert (
        layers["b/sum"] == ("b/conv", "a/1/sum")
        and layers["e"] == "b/sum"
        and not any(name.startswith("c") for name in layers)
    )
    assert "d/1" in layers and load_net(parse(WHEN).plain()).graph.latest("e").index > 0


def test_a_block_may_read_several_blobs() -> None:
    text = """
blocks:
  join:
    layers:
      - {name: conv, type: Convolution, num_output: 4, kernel_size: 1}
      - {name: sum, type: Eltwise, bottom: [conv, "$(bottoms[1])"]}
      - {name: cat, type: Concat, bottom: $bottoms}
layers:
  - {name: conv, type: Input, shape: [2, 4, 3, 5]}
  - {name: skip, type: ReLU}
  - {name: a, block: join, bottom: [conv, skip], repeat: 2}
  - {name: b, block: join}
"""
    layers = {
        layer["name"]: layer.get("bottom")
        for layer in expand(parse(text.replace('Eltwise, bottom: [conv, "$(bottoms[1])"]', "ReLU"))).plain()["layers"]
    }
    assert (
        layers["a/0/cat"] == ("conv", "skip")
        and layers["a/1/cat"] == ("a/0/cat", "skip")
        and layers["b/cat"] == ("a/1/cat",)
    )
    with pytest.raises(ExpressionError, match="there is no item 1 in a list of 1") as caught:
        expand(parse(text))
    assert (
        caught.value.at is not None and caught.value.at.line == 6 and [at.line for at in caught.value.at.chain] == [12]
    )
    layers = {
        layer["name"]: layer.get("bottom")
        for layer in expand(parse(text.replace("  - {name: b, block: join}\n", ""))).plain()["layers"]
    }
    assert layers["a/1/sum"] == ("a/1/conv", "skip") and layers["a/0/conv"] == "conv"


def test_what_is_nothing_is_as_if_it_were_not_written() -> None:
    text = "defaults: {Convolution: {kernel_size: 3, pad: 1}}\nlayers:\n"
    text += "  - {name: c, type: Convolution, num_output: 2, kernel_size: ~, kernel_h: 3, kernel_w: 1, pad: ~}\n"
    (layer,) = expand(parse(text), ["layers.c.bias_term=false", "layers.c.bias_term=null"]).plain()["layers"]
    assert layer == {"name": "c", "type": "Convolution", "num_output": 2, "kernel_h": 3, "kernel_w": 1}


def test_what_stands_in_an_instance_can_be_read_from_outside() -> None:
    text = """
blocks:
  unit: {layers: [{name: conv, type: TanH}, {name: relu, type: ReLU}]}
  stage: {layers: [{name: unit, block: unit, repeat: 2}]}
layers:
  - {name: data, type: Input, shape: [2, 4]}
  - {name: stage, block: stage, repeat: 2}
  - {name: cat, type: Concat, bottom: [stage/0, stage/0/unit, stage/1/unit/0, stage/1/unit/0/conv, stage]}
"""
    wanted = (
        "stage/0/unit/1/relu",
        "stage/0/unit/1/relu",
        "stage/1/unit/0/relu",
        "stage/1/unit/0/conv",
        "stage/1/unit/1/relu",
    )
    assert expand(parse(text)).plain()["layers"][-1]["bottom"] == wanted


@pytest.mark.parametrize("name", ["i", "bottom", "bottoms", "a-b", "if", "min", "true", "7", "é"])
def test_variables_have_names_that_can_be_used(name: str) -> None:
    for text in (
        f"vars: {{{name}: 1}}\nlayers: []",
        f"blocks:\n  u: {{vars: {{{name}: 1}}, layers: [{{name: r, type: ReLU}}]}}\nlayers: []",
    ):
        with pytest.raises(BadVariableError):
            expand(parse(text))


@pytest.mark.parametrize("text", ["1", "yes", "~", "[true]", "$(1 + 1)"])
def test_when_is_true_or_false(text: str) -> None:
    with pytest.raises(RepeatError, match="`when` must be true or false") as caught:
        expand(parse(f"layers:\n  - {{name: a, type: ReLU, when: {text}}}\n"))
    assert caught.value.at is not None and caught.value.at.line == 2


@pytest.mark.parametrize(
    ("text", "kind", "line"),
    [
        ("a: $n", UnknownVariableError, 1),
        ("vars: {m: $n, n: $m}\na: 1", BadVariableError, 1),
        ("vars: {m: $(1 + n), n: $(m)}\na: $(n * 2)", BadVariableError, 1),
        ("vars: {n: 1}\na: x$m", UnknownVariableError, 2),
        ("vars: [n]\na: 1", BadVariableError, 1),
        ("vars: {n: [1]}\na: x$n", BadVariableError, 2),
        ("a: $(1 + )", ExpressionError, 1),
        ("a:\n  b: x$(1 / 0)", ExpressionError, 2),
        ("vars: {n: 1}\na: ${n}", ExpressionError, 2),
        ("vars: {n: 1}\na: $(n * 2]", ExpressionError, 2),
    ],
)
def test_bad_variables_are_refused_at_their_place(text: str, kind: type[NetspecError], line: int) -> None:
    with pytest.raises(kind) as caught:
        expand(parse(text))
    assert caught.value.at is not None and caught.value.at.line == line


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
    again = parse(dump(job.values)).plain()
    assert again["net"]["layers"][1]["num_output"] == 2 and not re.search(r"\$", dump(again))
    assert load_solver(again).train.total_params == 6


# --- against a net written by hand ---


@settings(max_examples=150)
@given(nets())
def test_a_net_is_what_one_would_write_by_hand(net: dict[str, Any]) -> None:
    flat, hand = expand(parse(written(net))), by_hand(net)
    assert [layer["name"] for layer in flat.plain()["layers"]] == [layer["name"] for layer in hand["layers"]]
    for phase in ("TRAIN", "TEST"):
        state = State(phase)  # type: ignore[arg-type]
        assert digest(load_net(flat, state=state).graph) == digest(load_net(hand, state=state).graph)


@settings(max_examples=100)
@given(nets())
def test_a_flat_net_is_expanded_to_itself(net: dict[str, Any]) -> None:
    flat = expand(parse(written(net)))
    for text in (write(flat), write(flat, origins=True)):
        again = parse(text)
        assert expand(again).plain() == flat.plain()
        assert write(expand(again)) == write(flat)
    for phase in ("TRAIN", "TEST"):
        state = State(phase)  # type: ignore[arg-type]
        assert digest(load_net(expand(parse(write(flat))), state=state).graph) == digest(
            load_net(flat, state=state).graph
        )


def layers(text: str) -> list[dict[str, Any]]:
    return list(expand(parse(text)).plain()["layers"])


def test_an_instance_answers_with_its_last_top_also_to_layers_that_work_in_place() -> None:
    text = """
blocks:
  unit: {layers: [{name: conv, type: Convolution}, {name: relu, type: ReLU, top: conv}]}
layers:
  - {name: data, type: Input}
  - {name: unit, block: unit, repeat: 2}
  - {name: drop, type: Dropout, bottom: unit, top: unit}
  - {name: ip, type: InnerProduct}
  - {name: sum, type: Eltwise, bottom: [unit, unit/0, unit/1/conv]}
"""
    drop, ip, sum = layers(text)[-3:]
    assert (drop["bottom"], drop["top"]) == ("unit/1/conv", "unit/1/conv")
    assert "bottom" not in ip
    assert sum["bottom"] == ("unit/1/conv", "unit/0/conv", "unit/1/conv")


def test_the_bottom_of_an_instance_stays_that_of_its_surroundings_also_in_expressions() -> None:
    text = """
blocks:
  unit: {vars: {source: $(bottom)}, layers: [{name: data, type: ReLU, bottom: "$(bottom if i == 0 else nowhere)"},
                                           {name: sum, type: Eltwise, bottom: [data, $source, "$([bottom][0])"]}]}
layers: [{name: data, type: Input}, {name: u, block: unit}]
"""
    assert [layer.get("bottom") for layer in layers(text)] == [None, "data", ("u/data", "data", "data")]


def test_names_in_a_block_are_its_own_or_those_around_it() -> None:
    text = """
blocks:
  inner: {layers: [{name: relu, type: ReLU}, {name: sum, type: Eltwise, bottom: [relu, conv, data, twice/0]}]}
  outer: {layers: [{name: conv, type: Convolution}, {name: twice, type: TanH, repeat: 2}, {name: in, block: inner},
                   {name: last, type: Eltwise, bottom: [in, in/relu, twice]}]}
layers: [{name: data, type: Input}, {name: conv, type: ReLU}, {name: o, block: outer}]
"""
    inner, last = layers(text)[-2:]
    assert inner["bottom"] == ("o/in/relu", "o/conv", "data", "o/twice/0")
    assert last["bottom"] == ("o/in/sum", "o/in/relu", "o/twice/1")


def test_nothing_is_what_a_repeat_of_0_leaves() -> None:
    text = """
layers:
  - {name: data, type: Input}
  - {name: a, type: ReLU}
  - {name: none, type: TanH, repeat: 0, bottom: data}
  - {name: b, type: ReLU}
  - {name: c, type: ReLU, bottom: none}
"""
    assert [layer.get("bottom") for layer in layers(text)] == [None, None, "data", "data"]


@pytest.mark.parametrize(
    ("entries", "kind"),
    [
        ("{name: x, type: ReLU, top: u}, {name: u, block: unit}", DuplicateNameError),
        ("&x {name: u, block: unit}, *x", DuplicateNameError),
        ("{name: u, block: unit, bottom: [data, data]}", BadBlockError),
        ("{name: u, type: unit}", BadBlockError),
        ("{name: u, block: pair, include: {phase: TEST}}", BadBlockError),
        ("{name: u, block: lazy}", ExpressionError),
        ("{name: u, block: loop}", BlockCycleError),
    ],
)
def test_what_would_silently_mean_something_else_is_refused(entries: str, kind: type[NetspecError]) -> None:
    blocks = """blocks:
  unit: {layers: [{name: relu, type: ReLU}]}
  pair: {layers: [{name: relu, block: unit, exclude: {stage: x}}]}
  lazy: {vars: {n: $(1 / 0)}, layers: [{name: relu$n, type: ReLU}]}
  loop: {layers: [{name: relu, block: loop, repeat: 0}, {name: again, block: loop}]}
"""
    with pytest.raises(kind):
        expand(parse(f"{blocks}layers: [{{name: data, type: Input}}, {entries}]"))


def test_what_depends_on_a_mistake_is_not_one() -> None:
    text = """
vars: {a: $(1 / 0), b: $(a + 1), c: [$b], d: x$b}
blocks: {unit: {vars: {w: ~}, layers: [{name: r, type: ReLU}]}}
layers:
  - {name: data, type: Input}
  - {name: u, block: unit, repeat: $(b), vars: {w: $d}}
  - {name: $d, block: unit}
  - {name: v, block: $b}
"""
    with pytest.raises(ExpressionError):
        expand(parse(text))


# --- origins ---


def scalars(node: Node, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Scalar]]:
    """Every scalar with its path."""
    if isinstance(node, Scalar):
        yield path, node
        return
    for step, item in node.items.items() if isinstance(node, Mapping) else enumerate(node.items):
        yield from scalars(item, (*path, step))


def text_at(place: Place) -> str:
    return place.source.line(place.line)[place.column - 1 : place.column - 1 + place.length]


@settings(max_examples=150)
@given(nets())
def test_every_value_of_the_flat_net_keeps_the_place_it_was_written_at(net: dict[str, Any]) -> None:
    flat = expand(parse(written(net), "n.yaml"))
    for path, scalar in scalars(flat.root):
        places = [scalar.at, *scalar.at.chain]
        text = text_at(scalar.at)
        value = parse_value(text, SourceText("text", text), 1).plain()
        if "$" not in text and path[-1] != "name" and not {"top", "bottom"} & set(path):
            assert value == scalar.value
        if path[0] != "layers":
            continue
        names = flat.plain()["layers"][path[1]]["name"].split("/")
        first, *_ = (entry for entry in net["layers"] if _said(entry["name"]) == names[0])
        outermost = places[-1]
        assert json.dumps(first["name"], ensure_ascii=False) in outermost.source.line(outermost.line)
        if path[2] == "name" and "$" not in text:
            assert str(value) in str(scalar.value)
        if path[2] not in {
            "include",
            "exclude",
            "bottom",
        }:  # `when` may stand on the instance; the layers above it come from elsewhere
            instances = len([name for name in names if not name.isdigit()]) - 1
            assert len([place for place in places if place.how == "expanded from" and place.via]) == instances


def _said(name: str) -> str:
    return name.replace("$two", "2").replace("$(1 + 1)", "2")


def test_a_value_in_a_block_tells_its_line_and_those_of_its_instances() -> None:
    text = """blocks:
  a: {vars: {w: 1}, layers: [{name: x, type: ReLU, negative_slope: $w}]}
  b: {layers: [{name: y, block: a, vars: {w: [2, 3]}}]}
defaults: {ReLU: {propagate_down: false}}
layers:
  - {name: data, type: Input}
  - {name: z, block: b, repeat: 2}
  - {name: w, type: ReLU, repeat: 2}
"""
    flat = expand(parse(text, "n"))
    assert [
        str(place)
        for place in [flat.locate("layers", 2, "negative_slope"), *flat.locate("layers", 2, "negative_slope").chain]
    ] == [*("n:2:68", "n:3:33", "n:7:22")]
    assert str(flat.locate("layers", 2, "negative_slope", 1)) == "n:3:50"
    assert [str(place) for place in flat.locate("layers", 1, "propagate_down").chain] == ["n:2:37", "n:3:33", "n:7:22"]
    assert [(str(place), place.how) for place in [flat.locate("layers", 3, "type")]] == [("n:8:21", "repeated by")]


# --- overrides are edits ---


def edits(net: dict[str, Any]) -> list[tuple[str, list[str | int]]]:
    """What an override may name, with its path in the plain values."""
    result: list[tuple[str, list[str | int]]] = [(f"vars.{name}", ["vars", name]) for name in net["vars"]]
    for name, block in net.get("blocks", {}).items():
        result += [(f"blocks.{name}.vars.{key}", ["blocks", name, "vars", key]) for key in block["vars"]]
        result += _fields(f"blocks.{name}.layers", ["blocks", name, "layers"], block["layers"])
    for kind, fields in net.get("defaults", {}).items():
        result += [(f"defaults.{kind}.{key}", ["defaults", kind, key]) for key in fields]
    return result + _fields("layers", ["layers"], net["layers"])


def _fields(key: str, path: list[str | int], entries: list[dict[str, Any]]) -> list[tuple[str, list[str | int]]]:
    rows = []
    for i, entry in enumerate(entries):
        rows += [(f'{key}."{entry["name"]}".{field}', [*path, i, field]) for field in entry if field != "name"]
        if "vars" in entry:
            rows += [(f'{key}."{entry["name"]}".vars.{name}', [*path, i, "vars", name]) for name in entry["vars"]]
    return rows


VALUES = st.sampled_from(
    [0, 3, 4, 1.5, "$c", "$(c - 1)", "$nowhere", "$(", "word", None, True, [1, 2], {"type": "xavier"}, "b0", "data"]
)


def outcome(make: Any) -> Any:
    """The plain values, or the codes and messages of the mistakes."""
    try:
        return make().plain()
    except NetspecError as error:
        return sorted((each.code, each.message) for each in error.errors())


@settings(max_examples=200)
@given(st.data(), nets(), VALUES)
def test_overrides_of_variables_blocks_and_defaults_are_edits_of_the_file(
    data: Any, net: dict[str, Any], value: Any
) -> None:
    key, path = data.draw(st.sampled_from(edits(net)))
    edited: Any = copy.deepcopy(net)
    inner = edited
    for step in path[:-1]:
        inner = inner[step]
    put(inner, path, value)
    done = outcome(lambda: expand(parse(written(net)), [f"{key}={json.dumps(value)}"]))
    assert done == outcome(lambda: expand(parse(written(edited))))


@settings(max_examples=60)
@given(data=st.data(), net=nets(), value=VALUES)
def test_overrides_of_a_net_that_extends_are_edits_of_the_child(
    data: Any, net: dict[str, Any], value: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "parent.yaml").write_text(written(net), encoding="utf-8")
    entry = data.draw(st.sampled_from(net["layers"]))
    choices = [("vars", name) for name in net["vars"]] + [
        ("layers", entry["name"], field) for field in entry if field not in {"name", "vars"}
    ]
    path = data.draw(st.sampled_from(choices))
    change: Any = {path[1]: value} if path[0] == "vars" else [{"name": entry["name"], path[-1]: value}]
    if isinstance(value, dict) or path[-1] in {"type", "block"} or (value is None and path[0] == "layers"):
        return  # what a child says is merged; what an override says stands alone, and its null drops a key
    (folder / "child.yaml").write_text("extends: parent.yaml\n")
    (folder / "other.yaml").write_text(dump({"extends": "parent.yaml", path[0]: change}))
    key = ".".join(json.dumps(step, ensure_ascii=False) for step in path)
    done = outcome(lambda: expand(open_spec(str(folder / "child.yaml"), "models"), [f"{key}={json.dumps(value)}"]))
    assert done == outcome(lambda: expand(open_spec(str(folder / "other.yaml"), "models")))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("vars.m=1", "no variable 'm'"),
        ("blocks.c.vars.w=1", "no block 'c'"),
        ("blocks.b.vars.v=1", "no variable 'v'"),
        ("blocks.b.layers.x.pad=1", "has no 'x'"),
        ("layers.u/0/r.pad=1", "there is no 'u/0/r' before"),
    ],
)
def test_overrides_that_nothing_would_read_are_refused(text: str, words: str) -> None:
    net = (
        "vars: {n: 1}\nblocks: {b: {vars: {w: 1}, layers: [{name: r, type: ReLU}]}}\n"
        "layers: [{name: u, block: b, repeat: 2}]\n"
    )
    with pytest.raises(OverrideError, match=words):
        expand(parse(net), [text])


# --- bounds ---


def ended(run: Any) -> Any:
    """A call that expands a net or is refused, in a process that has compared no spellings yet."""

    def once() -> None:
        spelling._nearest.cache_clear()
        try:
            run()
        except NetspecError as error:
            assert str(error)

    return once


@pytest.mark.parametrize("name", BOMBS)
def test_64_kilobytes_are_expanded_or_refused_in_less_than_a_second(name: str) -> None:
    assert len(BOMBS[name]) <= SIZE
    assert is_quick(ended(lambda: expand(parse(BOMBS[name], "bomb.yaml"))), 1)


@pytest.mark.parametrize("name", CHILDREN)
def test_64_kilobytes_over_64_are_merged_in_less_than_a_second(name: str, tmp_path: Path) -> None:
    parent, head, row = CHILDREN[name]
    (tmp_path / "parent.yaml").write_text(parent)
    (tmp_path / "child.yaml").write_text(filled(f"extends: parent.yaml\n{head}", row))
    assert is_quick(ended(lambda: expand(open_spec(str(tmp_path / "child.yaml"), "models"))), 1)


def test_twenty_parents_are_merged_in_less_than_a_second(tmp_path: Path) -> None:
    for i in range(22):
        text = filled(f"extends: n{i + 1}.yaml\nlayers:\n", "  - {name: r@, negative_slope: 0.1}\n", 3000)
        (tmp_path / f"n{i}.yaml").write_text(text if i < 21 else filled(DATA, "  - {name: r@, type: ReLU}\n", 3000))
    run = lambda: expand(open_spec(str(tmp_path / "n1.yaml"), "models"))  # noqa: E731
    assert is_quick(ended(run), 1) and len(run().plain()["layers"]) > 50
    with pytest.raises(ExtendsError, match="more than 20 parents"):
        open_spec(str(tmp_path / "n0.yaml"), "models")


@pytest.mark.slow
def test_no_bomb_takes_more_than_200_megabytes() -> None:
    code = """
import resource
from netspec.core.errors import NetspecError
from netspec.language.document import parse
from netspec.language.expand import expand
from tests.helpers.bombs import BOMBS
import netspec.layers.relu, netspec.layers.input
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for text in BOMBS.values():
    try:
        expand(parse(text))
    except NetspecError as error:
        str(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    root = ROOT
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 200


def test_variables_cannot_grow_beyond_bounds() -> None:
    wide = "vars:\n  v0: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
        f"  v{i}: [{', '.join([f'$v{i - 1}'] * 10)}]\n" for i in range(1, 30)
    )
    deep = "vars:\n  v0: [1]\n" + "".join(f"  v{i}: [$v{i - 1}]\n" for i in range(1, 2000))
    long = "vars:\n  v0: '0123456789'\n" + "".join(f"  v{i}: {f'$v{i - 1}' * 10}\n" for i in range(1, 30))
    used = f"vars: {{v: [{'1, ' * (MAX_VALUES // 4)}1]}}\na: [$v, $v, $v, $v, $v]\n"
    for text in (wide + "a: $v29", deep + "a: $v1999", long + "a: $v29", used):
        with pytest.raises((TooLargeError, Mistakes)) as caught:
            expand(parse(text))
        assert all(isinstance(each, TooLargeError) for each in caught.value.errors())


def test_a_net_may_have_as_many_layers_as_is_said_and_no_more() -> None:
    text = "layers: [{{name: data, type: Input}}, {{name: r, type: ReLU, repeat: {}}}]"
    assert len(layers(text.format(MAX_LAYERS - 1))) == MAX_LAYERS < MAX_ENTRIES
    for number in (MAX_LAYERS, MAX_LAYERS + 1, 10**18):
        with pytest.raises(TooLargeError):
            layers(text.format(number))


THOUSAND = """
blocks:
  unit:
    vars: {width: ~, stride: 1}
    layers:
      - {name: conv, type: Convolution, num_output: $width, kernel_size: 3, pad: 1, stride: $stride}
      - {name: bn, type: BatchNorm, top: conv}
      - {name: relu, type: ReLU, top: conv}
  pair:
    vars: {width: ~}
    layers:
      - {name: u1, block: unit, vars: {width: $width, stride: $(1 if i == 0 else 1)}}
      - {name: u2, block: unit, vars: {width: $(width * 1)}}
      - {name: sum, type: Eltwise, bottom: [u2, $bottom]}
      - {name: relu, type: ReLU, repeat: 2}
      - {name: drop, type: Dropout, top: relu}
defaults: {Convolution: {bias_term: false, weight_filler: {type: msra}}}
layers: [{name: data, type: Input, shape: [1, 16, 8, 8]}, {name: stage, block: pair, repeat: 100, vars: {width: 16}}]
"""


def test_a_thousand_layers_are_expanded_in_a_tenth_of_a_second() -> None:
    document = parse(THOUSAND)
    assert len(expand(document).plain()["layers"]) == 1001
    assert is_quick(lambda: expand(document), 0.1)


def test_a_thousand_layers_are_written_out_in_a_second(tmp_path: Path) -> None:
    (tmp_path / "n.yaml").write_text(THOUSAND)
    command = [sys.executable, "-m", "netspec", "expand", str(tmp_path / "n.yaml")]
    best = 1e9
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert done.stdout.count("\n") == 1002 and best < slowness()

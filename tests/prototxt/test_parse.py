"""Text to Tree: values and places by hand, protobuf's own reader as the oracle, and texts that are wrong or damaged."""

from __future__ import annotations

import random
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

from netspec.core.errors import NetspecError
from netspec.core.nodes import Mapping, Scalar, Sequence
from netspec.formats.caffe_messages import fields, message_class
from netspec.prototxt.parse import NoCaffeFileError, parse
from netspec.prototxt.scan import PrototxtSyntaxError, PrototxtTooLargeError
from netspec.prototxt.walk import FieldValueError, UnknownFieldError, single

NET = """
# a net of two layers
name: "two"   # its name
layer {
  name: 'data' type: "In" "put" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: [8, 0x9] } }
}
layer < name: "conv\\t1"; type: "Convolution", bottom: "data" top: "conv"
  convolution_param: { num_output: 010 bias_term: f kernel_size: 3 weight_filler { type: "gaussian" std: .5f } }
  loss_weight: [1, -2.5e-1] propagate_down: true param { lr_mult: 0 } param { decay_mult: 1e2 }
  include { phase: 1 stage: "a" } >
"""


def layer(net: Mapping, number: int) -> Mapping:
    layers = net.items["layer"]
    assert isinstance(layers, Sequence)
    found = layers.items[number]
    assert isinstance(found, Mapping)
    return found


def test_values() -> None:
    tree = parse(NET)
    assert tree.kind == "net" and tree.source.caffe and tree.notes == ()
    data, conv = tree.root.plain()["layer"]
    assert data == {
        "name": "data",
        "type": "Input",
        "top": ("data",),
        "input_param": {"shape": ({"dim": (1, 3, 8, 9)},)},
    }
    assert conv["name"] == "conv\t1"
    assert conv["convolution_param"] == {
        "num_output": 8,
        "bias_term": False,
        "kernel_size": (3,),
        "weight_filler": {"type": "gaussian", "std": 0.5},
    }
    assert conv["loss_weight"] == (1.0, -0.25) and conv["propagate_down"] == (True,)
    assert conv["param"] == ({"lr_mult": 0.0}, {"decay_mult": 100.0})
    assert conv["include"] == ({"phase": "TEST", "stage": ("a",)},)


def test_places() -> None:
    net = parse(NET, "two.prototxt").root
    assert (net.items["name"].at.line, net.items["name"].at.column, net.items["name"].at.length) == (3, 7, 5)
    conv = layer(net, 1)
    assert (conv.at.line, conv.at.column) == (8, 1)
    param = conv.items["convolution_param"]
    assert isinstance(param, Mapping)
    assert (param.keys["bias_term"].line, param.keys["bias_term"].column) == (9, 40)
    assert str(param.items["num_output"].at) == "two.prototxt:9:36"


def test_numbers_need_no_space_behind_them() -> None:
    assert parse('layer { type: "X" relu_param { negative_slope: 1engine: CAFFE } }').root.plain()["layer"][0][
        "relu_param"
    ] == {"negative_slope": 1.0, "engine": "CAFFE"}


@pytest.mark.parametrize(
    ("value", "want"),
    [
        (0.1, 0.1),
        (1 / 3, 0.33333334),
        (0.000244140625, 0.000244140625),  # a power of two stays exact
        (123456789.0, 123456792.0),
        (16777217.0, 16777216.0),
        (1e39, float("inf")),
        (-0.0, 0.0),
    ],
)
def test_a_float32_is_a_short_decimal(value: float, want: float) -> None:
    assert single(value) == want == single(want)


def test_a_solver_is_told_from_a_net() -> None:
    assert parse('net: "a.prototxt" base_lr: 0.01 solver_mode: CPU').kind == "solver"
    assert parse('name: "x" debug_info: true').kind == "net"
    assert parse('net_param { layers { type: RELU bottom: "a" top: "a" } }').kind == "solver"


@pytest.mark.parametrize(
    ("text", "error", "line", "column", "words"),
    [
        ("", NoCaffeFileError, 0, 0, "empty"),
        ("  # nothing\n", NoCaffeFileError, 0, 0, "empty"),
        ("item { id: 1 }", NoCaffeFileError, 1, 1, "no net or solver"),
        ('name: "a"\n}', PrototxtSyntaxError, 2, 1, "'}' where the name of a field"),
        ('layer { name: "a" ', PrototxtSyntaxError, 1, 19, "the end of the file"),
        ('layer { name: "a" >', PrototxtSyntaxError, 1, 19, "'>'"),
        ('name "a"', NoCaffeFileError, 1, 1, "no net or solver"),
        ('layer { name "a" }', PrototxtSyntaxError, 1, 14, "':' or '{'"),
        ('layer { name: "a', PrototxtSyntaxError, 1, 15, "does not end on its line"),
        ("layer { name: \u201ca\u201d }", PrototxtSyntaxError, 1, 15, "means nothing"),
        ("layer { top: [ }", PrototxtSyntaxError, 1, 16, "a value"),
        ('layer { top: ["a" "b" }', PrototxtSyntaxError, 1, 23, "',' or ']'"),
        ("layer { name: [] }", FieldValueError, 1, 9, "has one value, not a list"),
        ('layer { tops: "a" }', UnknownFieldError, 1, 9, "no field 'tops'"),
        ("layer { name: conv }", FieldValueError, 1, 15, "a text in quotes"),
        ('layer { name: "a" name: "b" }', FieldValueError, 1, 19, "given twice"),
        ("layer { relu_param: 1 }", FieldValueError, 1, 21, "a message in braces"),
        ("layer { top { x: 1 } }", FieldValueError, 1, 9, "not a message"),
        ("layer { tile_param { tiles: 1.5 } }", FieldValueError, 1, 29, "a whole number"),
        ("layer { tile_param { tiles: 4294967296 } }", FieldValueError, 1, 29, "a whole number"),
        ("layer { tile_param { tiles: 089 } }", FieldValueError, 1, 29, "a whole number"),
        ("layer { pooling_param { stride: -1 } }", FieldValueError, 1, 33, "from 0 on"),
        ("layer { pooling_param { pool: MEAN } }", FieldValueError, 1, 31, "PoolMethod"),
        ("layer { pooling_param { pool: 7 } }", FieldValueError, 1, 31, "PoolMethod"),
        ("layer { elu_param { alpha: 0x10 } }", FieldValueError, 1, 28, "a number"),
        ("layer { lrn_param { k: yes } }", FieldValueError, 1, 24, "a number"),
        ("layer { mvn_param { across_channels: 2 } }", FieldValueError, 1, 38, "true or false"),
        ("layers { type: RELUX }", FieldValueError, 1, 16, "LayerType"),
    ],
)
def test_mistakes_have_places(text: str, error: type[NetspecError], line: int, column: int, words: str) -> None:
    with pytest.raises(error, match=words.replace("[", r"\[")) as raised:
        parse(text, "x.prototxt")
    at = raised.value.at
    assert at is not None and (at.line, at.column) == (line, column)


def test_all_mistakes_at_once() -> None:
    with pytest.raises(NetspecError) as raised:
        parse("layer { a: 1 b { c: 2 } name: 3 }")
    assert len(raised.value.errors()) == 3


def test_lenient_keeps_what_is_unknown() -> None:
    text = 'layer { type: "Mine" mine_param { size: 3 name: "x" list: [1, 2] inner { on: true } } '
    text += "pooling_param { pool: P } }"
    with pytest.raises(NetspecError):
        parse(text)
    tree = parse(text, lenient=True)
    found = tree.root.plain()["layer"][0]
    assert found["mine_param"] == {"size": 3, "name": "x", "list": (1, 2), "inner": {"on": True}}
    assert found["pooling_param"] == {"pool": "P"}
    assert [note.at.column for note in tree.notes] == [22, text.index("P }") + 1]


def test_too_much() -> None:
    with pytest.raises(PrototxtTooLargeError, match="deep"):
        parse("layer { " + "x { " * 10_000)
    with pytest.raises(PrototxtTooLargeError, match="words and signs"):
        parse("input_dim: 1 " * 200_000)


def plain(message: Any) -> dict[str, Any]:
    """A message of protobuf as a tree has it."""

    def value(field: Any, item: Any) -> Any:
        if field.message_type is not None:
            return plain(item)
        if field.enum_type is not None:
            return field.enum_type.values_by_number[item].name
        return single(item) if fields(field.containing_type.name)[field.name].type == "float" else item

    found = {}
    for field, held in message.ListFields():
        many = fields(field.containing_type.name)[field.name].repeated
        found[field.name] = tuple(value(field, item) for item in held) if many else value(field, held)
    return found


def ordered(value: Any) -> Any:
    """A value whose keys are sorted."""
    if isinstance(value, dict):
        return {key: ordered(value[key]) for key in sorted(value)}
    return tuple(map(ordered, value)) if isinstance(value, tuple) else value


def test_protobuf_reads_the_same() -> None:
    text = NET.replace("layer <", "layer {").replace(" >\n", " }\n")
    net = text_format.Parse(text, message_class("NetParameter")())
    assert ordered(plain(net)) == ordered(parse(text).root.plain())


def mutated(text: str, draw: random.Random) -> str:
    """A text with a few pieces removed, doubled, swapped or replaced."""
    pieces = text.split(" ")
    for _ in range(draw.randint(1, 4)):
        place, other = draw.randrange(len(pieces)), draw.randrange(len(pieces))
        what = draw.randrange(6)
        if what == 0:
            del pieces[place]
        elif what == 1:
            pieces.insert(place, pieces[other])
        elif what == 2:
            pieces[place], pieces[other] = pieces[other], pieces[place]
        elif what == 3:
            pieces[place] = draw.choice(["{", "}", "[", "]", ":", '"', "'", "-", "#", "1e", "0x", "\0", "é", "<", ""])
        elif what == 4:
            piece = pieces[place]
            cut = draw.randrange(len(piece) + 1)
            pieces[place] = piece[:cut] + chr(draw.choice([34, 92, 10, 123, 125, 45, 46, 48, 955])) + piece[cut:]
        else:
            pieces[place] = str(draw.choice([-1, 0, 2**31, 2**64, 1e40, "nan", "inf", "true", "MAX", "9" * 50]))
    return " ".join(pieces)


def check_mutations(number: int) -> None:
    """Mutated texts are read as protobuf reads them, or refused with a place; none takes much memory."""
    draw, accepted = random.Random(1701), 0
    tracemalloc.start()
    for _ in range(number):
        text = mutated(NET, draw)
        try:
            tree = parse(text)
        except NetspecError as error:
            assert all(each.at is not None and each.at.line <= text.count("\n") + 1 for each in error.errors())
            continue
        accepted += 1
        try:
            net = text_format.Parse(text, message_class("NetParameter")())
        except text_format.ParseError:
            continue  # Python's reader wants a space behind numbers; Caffe's does not
        if tree.kind == "net":
            assert repr(ordered(plain(net))) == repr(ordered(tree.root.plain()))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert accepted and most < 30 * 2**20


def test_mutations_are_errors_with_a_place() -> None:
    check_mutations(150)


@pytest.mark.long
def test_many_mutations_are_errors_with_a_place() -> None:
    check_mutations(2000)


def test_paths_start_from_the_folder(tmp_path: Path) -> None:
    tree = parse(NET, folder=tmp_path)
    node = tree.root.items["name"]
    assert isinstance(node, Scalar) and node.at.source.folder == tmp_path


@pytest.mark.parametrize(
    ("text", "help"),
    [
        ('layer { name: "a" num_output: 4 }', "convolution_param"),
        ("layer { convolution_param { pool: MAX } }", "pooling_param"),
        ("layer { name: 'a' } base_lr: 0.1", "a solver"),
        ("layer { name: 'a' quux_qq: 0.1 }", "netspec import caffe --lenient"),
        ("layer { type: INNER_PRODUCT }", '"InnerProduct"'),
        ('layers { type: "Input" }', "`layer {`"),
        ("layer { name: 'a' }\n// note", "begins with #"),
    ],
)
def test_what_stands_in_the_wrong_place_is_told_where_it_belongs(text: str, help: str) -> None:
    with pytest.raises(NetspecError) as raised:
        parse(text, "a.prototxt")
    assert any(help in str(error.help) for error in raised.value.errors())

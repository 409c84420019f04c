"""`inspect`: receptive fields as published, bytes as in the program, blocks, sorting, stages, --expect; speed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from netspec.core.calls import Phase
from netspec.engine.plan import Piece, _place, plan
from netspec.engine.rewrite import rewrite
from netspec.net.graph import State
from netspec.net.load import load_net, load_phases
from netspec.net.shaped import ShapedGraph
from netspec.views import tables as views
from netspec.views.columns import UNDER
from netspec.views.inspection import Inspection, inspection, pieces, wiring
from tests.helpers.pace import is_quick
from tests.helpers.programs import meet, training

Layers = list[dict[str, Any]]
Cli = Callable[..., tuple[int, str, str]]


def image(size: int = 64, batch: int = 1, channels: int = 3, width: int | None = None) -> dict[str, Any]:
    return {"name": "data", "type": "Input", "shape": [batch, channels, size, width or size]}


def conv(
    name: str, kernel_size: Any, stride: Any = 1, pad: Any = 0, num_output: int = 4, **fields: Any
) -> dict[str, Any]:
    more = {"kernel_size": kernel_size, "stride": stride, "pad": pad, "num_output": num_output}
    return {"name": name, "type": "Convolution", **more, **fields}


def pool(name: str, kernel_size: int, stride: int = 1, pad: int = 0, **fields: Any) -> dict[str, Any]:
    return {"name": name, "type": "Pooling", "kernel_size": kernel_size, "stride": stride, "pad": pad, **fields}


def shaped(layers: Layers, phase: Phase = "TEST", batch: int | None = None) -> ShapedGraph:
    return rewrite(written(layers, phase, batch))


def written(layers: Layers, phase: Phase = "TEST", batch: int | None = None) -> ShapedGraph:
    return load_net({"name": "n", "layers": layers}, state=State(phase), batch=batch)


def seen(layers: Layers, phase: Phase = "TEST") -> Inspection:
    phases = load_phases({"name": "n", "layers": layers}, state=State(phase))
    one, other = shaped(layers, phase), phases.of("TEST" if phase == "TRAIN" else "TRAIN")
    return inspection(one, plan(one), other)


def fields(layers: Layers) -> dict[str, tuple[Any, Any]]:
    """Size and stride of each layer's field, as printed."""
    return {row.name: (views.sides(row.field.size), views.sides(row.field.stride)) for row in seen(layers).rows}


# --- receptive fields

"""(layers, {layer: (size, stride)}).

Source: the table in Araujo, Norris & Sim 2019, "Computing receptive fields of convolutional neural networks".
"""


def alexnet() -> Layers:
    return [
        image(227),
        conv("conv1", 11, 4),
        pool("pool1", 3, 2),
        conv("conv2", 5, 1, 2),
        pool("pool2", 3, 2),
        conv("conv3", 3, 1, 1),
        conv("conv4", 3, 1, 1),
        conv("conv5", 3, 1, 1),
        pool("pool5", 3, 2),
        {"name": "fc6", "type": "InnerProduct", "num_output": 2},
    ]


def vgg16() -> Layers:
    layers = [image(64)]
    for block, length in enumerate((2, 2, 3, 3, 3), 1):
        layers += [conv(f"conv{block}_{i}", 3, 1, 1) for i in range(1, length + 1)] + [pool(f"pool{block}", 2, 2)]
    return layers


def resnet(*lengths: int) -> Layers:
    """He et al. 2016 with the stride in the first 1 x 1 of a stage, as Caffe's."""
    layers = [image(64), conv("conv1", 7, 2, 3), pool("pool1", 3, 2)]
    below = "pool1"
    for stage, length in enumerate(lengths, 2):
        for unit in range(length):
            stride, at = (2 if stage > 2 and unit == 0 else 1), f"stage{stage}/{unit}"
            shortcut = below
            if unit == 0:
                layers.append(conv(f"{at}/project", 1, stride, bottom=below))
                shortcut = f"{at}/project"
            layers += [conv(f"{at}/a", 1, stride, bottom=below), conv(f"{at}/b", 3, 1, 1), conv(f"{at}/c", 1)]
            layers += [{"name": f"{at}/sum", "type": "Eltwise", "bottom": [shortcut, f"{at}/c"]}]
            layers += [{"name": f"{at}/relu", "type": "ReLU", "bottom": f"{at}/sum", "top": f"{at}/sum"}]
            below = f"{at}/sum"
    return [*layers, {"name": "pool", "type": "Pooling", "pool": "AVE", "global_pooling": True}]


def mobilenet() -> Layers:
    layers = [image(64), conv("conv0", 3, 2, 1)]
    for i, stride in enumerate((1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1), 1):
        layers += [conv(f"deep{i}", 3, stride, 1, group=4), conv(f"point{i}", 1)]
    return layers


PUBLISHED: list[tuple[str, Layers, dict[str, tuple[str, str]]]] = [
    (
        "alexnet",
        alexnet(),
        {
            "conv1": ("11", "4"),
            "conv2": ("51", "8"),
            "conv5": ("163", "16"),
            "pool5": ("195", "32"),
            "fc6": ("all", "-"),
        },
    ),
    ("vgg16", vgg16(), {"pool1": ("6", "2"), "conv3_2": ("32", "4"), "conv5_3": ("196", "16"), "pool5": ("212", "32")}),
    (
        "resnet50",
        resnet(3, 4, 6, 3),
        {"stage2/2/sum": ("35", "4"), "stage5/2/relu": ("483", "32"), "pool": ("all", "-")},
    ),
    ("resnet101", resnet(3, 4, 23, 3), {"stage5/2/sum": ("1027", "32")}),
    ("resnet152", resnet(3, 8, 36, 3), {"stage5/2/sum": ("1507", "32")}),
    ("mobilenet", mobilenet(), {"point13": ("315", "32")}),
]


@pytest.mark.parametrize(("layers", "wanted"), [case[1:] for case in PUBLISHED], ids=[case[0] for case in PUBLISHED])
def test_receptive_fields_are_those_published(layers: Layers, wanted: dict[str, tuple[str, str]]) -> None:
    found = fields(layers)
    assert {name: found[name] for name in wanted} == wanted


def test_receptive_fields_worked_by_hand() -> None:
    found = fields(
        [
            image(40, width=50),
            conv("tall", [3, 1], [2, 1]),  # 3 x 1, stride 2 x 1
            conv("wide", [1, 7], 1, dilation=[1, 2]),  # (7-1)*2*1 wider
            conv("point", 1, bottom="tall", pad=0),
            {"name": "across", "type": "LRN", "bottom": "tall"},
            {
                "name": "within",
                "type": "LRN",
                "bottom": "tall",
                "norm_region": "WITHIN_CHANNEL",
                "local_size": 5,
            },  # 3+(5-1)*2, 1+(5-1)*1
            {"name": "both", "type": "Concat", "bottom": ["within", "point"]},
            {"name": "columns", "type": "InnerProduct", "axis": 3, "num_output": 2, "bottom": "tall"},
            {"name": "below", "type": "Convolution", "num_output": 2, "kernel_h": 3, "kernel_w": 1},
            {"name": "flat", "type": "Flatten", "bottom": "both"},
            {"name": "shares", "type": "Softmax", "bottom": "tall"},
            {"name": "down", "type": "Softmax", "bottom": "tall", "axis": 2},
            {"name": "ip", "type": "InnerProduct", "num_output": 2, "bottom": "flat"},
        ]
    )
    assert found["data"] == ("1", "1")
    assert found["tall"] == found["point"] == found["across"] == found["shares"] == ("3x1", "2x1")
    assert found["wide"] == ("3x13", "2x1")
    assert found["within"] == found["both"] == found["flat"] == ("11x5", "2x1")
    assert found["columns"] == ("3xall", "2x-") and found["below"] == ("7xall", "2x-")
    assert found["down"] == ("allx1", "-x1")
    assert found["ip"] == ("all", "-")


def test_losses_and_metrics_see_everything() -> None:
    layers = [
        {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[2, 3, 6, 5], [2, 1, 6, 5]]},
        conv("scores", 1),
        {"name": "accuracy", "type": "Accuracy", "bottom": ["scores", "label"]},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["scores", "label"]},
    ]
    assert fields(layers)["accuracy"] == fields(layers)["loss"] == ("all", "-")


# --- memory


def small(**changes: Any) -> Layers:
    return [
        {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[2, 3, 4, 5], [2]]},
        conv("conv", 3, num_output=6) | changes,
        {"name": "relu", "type": "ReLU", "top": "conv", "bottom": "conv"},
        {"name": "flat", "type": "Flatten"},
        {"name": "ip", "type": "InnerProduct", "num_output": 7},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"]},
    ]


def bytes_of(one: Inspection) -> dict[str, tuple[int, int, int]]:
    return {row.name: (row.weight_bytes, row.activation_bytes, row.training_bytes) for row in one.rows}


def test_bytes_of_a_layer() -> None:
    """conv: 6*3*3*3+6 = 168 params, top 2x6x2x3 = 72 values; ip: (36+1)*7 = 259 params, top 14 values."""
    assert bytes_of(seen(small(), "TRAIN")) == {
        "data": (0, 4 * (120 + 2), 4 * (120 + 2)),
        "conv": (4 * 168, 4 * 72, 4 * (3 * 168 + 2 * 72)),
        "relu": (0, 0, 0),  # the convolution computes it along
        "flat": (0, 0, 0),
        "ip": (4 * 259, 4 * 14, 4 * (3 * 259 + 2 * 14)),
        "loss": (0, 4, 8),
    }
    assert {training for *_, training in bytes_of(seen(small())).values()} == {0}


def test_frozen_params_have_no_gradient_and_shared_ones_one_owner() -> None:
    frozen = bytes_of(seen(small(param=[{"lr_mult": 0}, {"lr_mult": 0}]), "TRAIN"))
    assert frozen["conv"] == (4 * 168, 4 * 72, 4 * (168 + 72))
    twice = [
        image(6, channels=4),
        conv("one", 3, 1, 1, param=[{"name": "w"}, {"name": "b"}]),
        conv("two", 3, 1, 1, param=[{"name": "w"}, {"name": "b"}]),
    ]
    assert [row.params for row in seen(twice).rows] == [0, 4 * 4 * 9 + 4, 0]
    assert [row.weight_bytes for row in seen(twice).rows] == [0, 4 * (4 * 4 * 9 + 4), 0]


def test_peaks_are_what_the_programs_take() -> None:
    one = seen(small(), "TRAIN")
    program = training(written(small(), "TRAIN"), keep=False, dtype="float32")
    weights = program.weights
    held = sum(array.nbytes for array in (*weights.data, *weights.diff) if array is not None)
    history = sum(array.nbytes for slots in weights.history for array in slots.values())
    assert one.training_bytes == program.plan.arena + held + history
    tested = plan(shaped(small(), "TEST"))
    assert tested.fixed_bytes and one.forward_bytes == tested.arena + tested.fixed_bytes + one.weight_bytes
    test = seen(small(), "TEST")
    assert (test.forward_bytes, test.training_bytes) == (one.forward_bytes, one.training_bytes)
    assert seen([image(), conv("conv", 3)], "TRAIN").training_bytes is None


def test_peaks_are_of_the_batch_that_was_asked_for() -> None:
    one, memory = shaped(small(), "TRAIN", 5), plan(shaped(small(), "TRAIN", 5))
    test = plan(shaped(small(), "TEST", 5))
    found = inspection(one, memory, written(small(), "TEST", 5)).forward_bytes
    assert found == test.arena + test.fixed_bytes + 4 * one.total_params


def test_stored_params_are_told_apart() -> None:
    one = seen([image(6), {"name": "norm", "type": "BatchNorm"}, conv("conv", 1)], "TRAIN")
    assert (one.params, one.stored) == (3 * 4 + 4, 3 + 3 + 1)
    assert [(row.params, row.stored) for row in one.rows] == [(0, 0), (0, 7), (16, 0)]
    assert one.weight_bytes == 4 * (16 + 7)
    said = text(views.inspect_table(one, 160))
    assert "stored but not learned 7" in said and "stored" in said.splitlines()[1]
    assert "stored" not in text(views.inspect_table(seen(small()), 160)).splitlines()[1]


# --- blocks and sorting


def nested() -> Layers:
    return [
        {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[2, 3, 8, 8], [2]]},
        conv("stem", 3),
        conv("a/0/conv", 3),
        {"name": "a/0/relu", "type": "ReLU", "bottom": "a/0/conv", "top": "a/0/conv"},
        conv("a/1/conv", 1),
        {"name": "a/join", "type": "Eltwise", "bottom": ["a/1/conv", "a/0/conv"]},
        {"name": "ip", "type": "InnerProduct", "num_output": 3},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"]},
    ]


def test_depth_adds_blocks_up() -> None:
    one = seen(nested(), "TRAIN")
    top = {row.name: row for row in one.collapsed(1).rows}
    assert list(top) == ["data", "stem", "a", "ip", "loss"]
    inside = [row for row in one.rows if row.name.startswith("a/")]
    block = top["a"]
    assert (block.type, block.layers, block.bottoms, block.tops) == ("block (4 layers)", 4, ("stem",), ("a/join",))
    assert (block.shape, block.field) == (inside[-1].shape, inside[-1].field)
    for what in ("params", "stored", "macs", "weight_bytes", "activation_bytes", "training_bytes"):
        assert getattr(block, what) == sum(getattr(row, what) for row in inside)
    second = {row.name: row.type for row in one.collapsed(2).rows}
    assert second == {
        "data": "Input",
        "stem": "Convolution",
        "a/0": "block (2 layers)",
        "a/1": "block (1 layer)",
        "a/join": "Eltwise",
        "ip": "InnerProduct",
        "loss": "SoftmaxWithLoss",
    }
    assert one.collapsed(3) == one
    assert replace(one.collapsed(1), rows=()) == replace(one, rows=())


def rows(cli: Cli, *words: str) -> list[dict[str, Any]]:
    code, out, err = cli("inspect", *words, "--format", "json")
    assert code == 0, err
    return json.loads(out)["rows"]


@pytest.mark.parametrize(("key", "value"), [("params", "params"), ("macs", "macs"), ("memory", "training_bytes")])
def test_sort_from_the_largest(cli: Cli, key: str, value: str) -> None:
    found = [row[value] for row in rows(cli, "lenet", "--sort", key)]
    assert found == sorted(found, reverse=True) and found[0] > found[-1]


def test_sort_by_name_and_memory_of_a_forward_pass(cli: Cli) -> None:
    names = [row["name"] for row in rows(cli, "lenet", "--sort", "name")]
    assert names == sorted(names)
    found = [
        row["weight_bytes"] + row["activation_bytes"]
        for row in rows(cli, "lenet", "--sort", "memory", "--phase", "TEST")
    ]
    assert found == sorted(found, reverse=True)
    code, out, _ = cli("inspect", "lenet", "--sort", "memory")
    assert code == 0 and "training" in out.splitlines()[1]


# --- forms


def text(table: Any, width: int = 160) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(table, crop=False)
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [80, 100, 120, 160, 200])
@pytest.mark.parametrize("depth", [1, 2, 9])
def test_every_width_gets_whole_words(width: int, depth: int) -> None:
    one = seen(resnet(1, 2), "TRAIN").collapsed(depth)
    lines = text(views.inspect_table(one, width), width).splitlines()
    assert max(map(len, lines)) <= width
    rows = [line for line in lines[3:-4] if not line.startswith(UNDER)]
    assert [line.split()[0] for line in rows] == [row.name for row in one.rows]
    everything = {word for line in text(views.inspect_table(one), 1000).splitlines() for word in line.split()}
    fitted = views.inspect_table(one, width)
    assert ("more column" in fitted.notes[-1]) == (len(fitted.heads) < len(views.inspect_table(one).heads))
    everything |= set(fitted.notes[-1].split())  # the note that columns are missing
    everything |= {f"{word};" for word in everything}  # where two pieces of arithmetic share a line
    assert {word for line in lines[1:] for word in line.split() if set(word) != {"─"}} <= everything


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
@pytest.mark.parametrize("width", range(80, 201, 12))
def test_arithmetic_is_kept_and_the_footer_has_four_lines(width: int, phase: Phase) -> None:
    one = seen([image(), conv("convolution_of_a_long_name", 7, 2, 3), {"name": "n", "type": "BatchNorm"}], phase)
    lines = text(views.inspect_table(one, width), width).splitlines()
    assert lines[-4].startswith("params ") and lines[-1].startswith("more ")
    (row,) = (i for i, line in enumerate(lines) if line.startswith("convolution"))
    shown = " ".join(lines[row : row + 2])
    assert "(64+2*3-7)/2+1 = 32" in shown and "(7*7*3+1)*4 = 592" in shown
    assert "convention" in text(views.inspect_table(one, width, verbose=True), width)


def test_what_stands_under_a_row_says_what_it_explains() -> None:
    one = seen([image(), conv("a", 7, 2, 3)], "TRAIN")
    assert views.inspect_table(one, 50).under[1] == "output (64+2*3-7)/2+1 = 32; params (7*7*3+1)*4 = 592"
    assert not any(views.inspect_table(one, 300).under)


def test_wide_terminals_get_every_column_and_narrow_ones_the_first() -> None:
    one = seen(small(), "TRAIN")
    heads = [
        "layer",
        "type",
        "bottom",
        "output",
        "how",
        "params",
        "how",
        "MACs",
        "field",
        "stride",
        "start",
        "activations",
        "training",
        "weights",
    ]
    assert list(views.inspect_table(one, 300).heads) == heads
    for width in range(20, 200):
        some = list(views.inspect_table(one, width).heads)
        assert {"layer", "output", "params"} <= set(some)
        assert "weights" not in some or some == heads


def test_names_that_a_terminal_shows_otherwise() -> None:
    one = seen([image(5), conv("[red]\x1bカ", 3), conv("b", 3)])
    lines = text(views.inspect_table(one)).splitlines()
    assert "[red]\\x1bカ" in lines[4]
    assert lines[4].index("Convolution") + 1 == lines[5].index("Convolution")  # one sign that is two cells wide


def test_json_csv_and_markdown_say_the_same(cli: Cli) -> None:
    code, out, _ = cli("inspect", "lenet", "--format", "json")
    whole = json.loads(out, parse_constant=pytest.fail)
    assert code == 0 and whole["layers"] == 9 and whole["field"] == 16 and whole["flops"] == 2 * whole["macs"]
    assert set(whole["convention"]) == {"MACs", "params", "field", "bytes"}
    by_name = {row["name"]: row for row in whole["rows"]}
    assert (by_name["conv2"]["field"], by_name["conv2"]["stride"]) == ([14, 14], [2, 2])
    assert (by_name["ip1"]["field"], by_name["ip1"]["stride"]) == (["all", "all"], [None, None])
    assert (by_name["conv2"]["start"], by_name["ip1"]["start"]) == ([0, 0], [None, None])
    lines = {row["layer"]: row for row in csv.DictReader(io.StringIO(cli("inspect", "lenet", "--format", "csv")[1]))}
    for name, row in by_name.items():
        for key in ("params", "stored", "macs", "activation_bytes", "training_bytes", "weight_bytes"):
            assert lines[name][key] == str(row[key])
    assert (lines["conv2"]["field"], lines["conv2"]["stride"], lines["ip1"]["field"]) == ("14", "2", "all")
    markdown = cli("inspect", "lenet", "--format", "md")[1]
    assert "| field | stride | start | activations | training | weights |" in markdown


# --- stages


def test_the_stage_graph_shows_the_wiring(cli: Cli) -> None:
    one = written(small(param=[{"lr_mult": 0}, {"lr_mult": 2, "decay_mult": 0}]), "TRAIN").graph
    wires = {wire.name: wire for wire in wiring(one)}
    assert (wires["relu"].bottoms, wires["relu"].tops, wires["relu"].gradients) == (("conv",), ("conv#1",), ("conv",))
    assert (
        wires["loss"].bottoms == ("ip", "label")
        and wires["loss"].gradients == ("ip",)
        and wires["loss"].loss_weight == 1
    )
    said = text(views.graph(one).table(None))
    assert "weight lr 0, bias lr 2 decay 0" in said and "conv#1" in said
    code, out, _ = cli("inspect", "lenet", "--stage", "graph", "--format", "json")
    layer = json.loads(out)["layers"][1]
    assert code == 0 and layer["params"][1] == {
        "name": "conv1.bias",
        "learned": True,
        "lr_mult": 2.0,
        "decay_mult": 1.0,
    }


def test_the_stage_graph_names_the_owner_of_a_shared_param() -> None:
    twice = [image(6), conv("one", 1, param=[{"name": "w"}], bias_term=False, num_output=3)]
    twice.append(twice[1] | {"name": "two"})
    assert "one.weight lr 1" in text(views.graph(written(twice).graph).table(None)).splitlines()[5]


def test_the_stage_rewrites_shows_what_each_did(cli: Cli) -> None:
    code, out, _ = cli("inspect", "lenet", "--stage", "rewrites", "--format", "json")
    assert code == 0
    fired = {(row["rewrite"], row["layer"]): row["effect"] for row in json.loads(out)["rewrites"]}
    assert fired["layout", "data -> conv1"] == "NCHW to NHWC: the same memory"
    assert fired["relu", "relu1"] == "computed along with ip1"
    assert fired["store", "ip2"] == "overwrites the gradient of ip2.weight and ip2.bias"
    code, out, _ = cli("inspect", "googlenet", "--stage", "rewrites", "--format", "json")
    placed = {row["layer"]: row["effect"] for row in json.loads(out)["rewrites"] if row["rewrite"] == "place"}
    assert code == 0 and len(placed) == 36
    assert placed["inception_3a/3x3"] == "its top lies inside inception_3a/output, from channel 64 on"
    code, out, _ = cli("inspect", "googlenet", "--stage", "rewrites", "--without", "place")
    assert code == 0 and "lies inside" not in out
    for stage in ("rewrites", "program"):
        code, out, _ = cli("inspect", "lenet", "--stage", stage, "--without", "relu", "--without", "store")
        assert code == 0 and "overwrites" not in out and "computed along" not in out
    assert "relu1" in out, "it has steps of its own"
    code, _, said = cli("inspect", "lenet", "--stage", "program", "--without", "rely")
    assert code == 2 and "there is no rewrite 'rely'" in said and "relu" in said


def test_the_stage_plan_shows_every_piece(cli: Cli) -> None:
    one = shaped(small(), "TRAIN")
    memory = plan(one)
    held = pieces(one.graph, memory)
    assert len(held) == len(memory.pieces) and [p.first for p in held] == sorted(p.first for p in held)
    assert {"data conv", "data conv#1 NCHW", "diff ip", "work loss prob"} <= {p.name for p in held}
    assert len({p.name for p in held}) == len(held)
    code, out, _ = cli("inspect", "lenet", "--stage", "plan", "--format", "json")
    whole = json.loads(out)
    assert code == 0 and whole["arena_bytes"] == max(p["offset"] + p["bytes"] for p in whole["pieces"])
    assert whole["unshared_bytes"] == sum(p["bytes"] for p in whole["pieces"])
    code, out, _ = cli("inspect", "lenet", "--stage", "plan")
    assert code == 0 and "without sharing" in out and "work pool1 mask" in out
    assert cli("inspect", "lenet", "--stage", "plan", "--format", "csv")[1].startswith(
        "name,kind,shape,first,last,offset,bytes\n"
    )


def test_pieces_of_several_readers_and_losses_have_names() -> None:
    layers = [
        {"name": "data", "type": "Input", "top": ["data", "to"], "shape": [[2, 3], [2, 3]]},
        {"name": "ip", "type": "InnerProduct", "num_output": 3, "loss_weight": 1},
        {"name": "one", "type": "EuclideanLoss", "bottom": ["ip", "to"]},
        {"name": "two", "type": "EuclideanLoss", "bottom": ["ip", "to"]},
    ]
    one = shaped(layers, "TRAIN")
    assert {"share one of ip", "share loss of ip"} <= {p.name for p in pieces(one.graph, plan(one))}


def test_the_stage_program_shows_the_steps(cli: Cli) -> None:
    code, out, err = cli("inspect", "lenet", "--stage", "program", "--phase", "TEST", "--batch", "2")
    assert code == 0, err
    assert out.splitlines()[0].startswith("prepare  conv1                conv.pack")
    assert next(line for line in out.splitlines() if line.startswith("forward")).startswith("forward  conv1   ")
    code, again, _ = cli(
        "inspect", "lenet", "--stage", "program", "--phase", "TEST", "--batch", "2", "--format", "json"
    )
    steps = json.loads(again)["steps"]
    assert code == 0 and len(steps) == len(out.splitlines())
    step = next(step for step in steps if step["layer"] == "pool1")
    assert step["kernel"].startswith("pooling.max_forward") and step["arguments"].startswith("float32[2,24,24,20]")
    assert (
        "| forward | conv1 |"
        in cli("inspect", "lenet", "--stage", "program", "--phase", "TEST", "--batch", "2", "--format", "md")[1]
    )


# --- what is expected


def test_expect_holds_or_says_everything_that_does_not(cli: Cli) -> None:
    true = [
        "--expect",
        "params=431,080",
        "--expect",
        "macs=2293000",
        "--expect",
        "stored=0",
        "--expect",
        "layers=9",
        "--expect",
        "field=16",
    ]
    assert cli("inspect", "lenet", *true)[0] == 0
    code, out, err = cli(
        "inspect", "lenet", "--expect", "params=431081", "--expect", "layers=9", "--expect", "field=17"
    )
    assert code == 6 and not out
    assert "net 'LeNet' has 431,080 params, but --expect says 431,081" in err
    assert "a largest receptive field of 16, but --expect says 17" in err and "layers" not in err
    code, out, _ = cli("inspect", "lenet", "--expect", "params=1", "--format", "json")
    assert code == 6 and json.loads(out)["errors"][0]["code"] == "NS312"


@pytest.mark.parametrize(
    "words",
    [["--expect", "parms=1"], ["--expect", "params"], ["--expect", "params=many"], ["--stage", "plan", "--depth", "1"]],
)
def test_what_cannot_be_asked(cli: Cli, words: list[str]) -> None:
    code, out, err = cli("inspect", "lenet", *words)
    assert (code, out) == (2, "") and "error[NS001]" in err
    assert "parms" not in words[-1] or "did you mean 'params'?" in err


# --- speed


LIVES = st.tuples(st.integers(1, 40), st.integers(-1, 300), st.integers(0, 300))


@given(st.lists(LIVES, max_size=60), st.integers(1, 300))
def test_pieces_are_placed_as_the_rule_says(lives: list[tuple[int, int, int]], end: int) -> None:
    """The rule: the largest piece first, each at the lowest offset where it overlaps no living piece."""
    given = [
        Piece(("data", i), (size * 16,), "float32", min(first, end), min(first + length, end))
        for i, (size, first, length) in enumerate(lives)
    ]
    placed: list[Piece] = []
    for piece in sorted(given, key=lambda p: (-p.bytes, p.first, str(p.key))):
        offset = 0
        for other in sorted((p for p in placed if meet(p, piece)), key=lambda p: p.offset):
            if other.offset - offset >= piece.bytes:
                break
            offset = max(offset, other.offset + other.bytes)
        placed.append(replace(piece, offset=offset))
    assert _place(given) == placed


def test_a_net_of_a_thousand_layers_is_inspected_in_no_time() -> None:
    """It takes 0.3 s on a quiet core; it took 3 s when the work grew with the square of the net."""
    layers = resnet(3, 8, 190, 3)
    assert len(layers) > 1000
    net = load_net(
        {
            "name": "deep",
            "layers": [*layers, {"name": "total", "type": "InnerProduct", "num_output": 1, "loss_weight": 1}],
        }
    )

    def show() -> str:
        one = rewrite(net)
        return text(views.inspect_table(inspection(one, plan(one)), 160))

    assert is_quick(show, 1)
    assert len(show().splitlines()) > 1000

"""Layers, blobs and shared params may have any name: trained, written, read, overridden and shown, nothing collides."""

from __future__ import annotations

import csv
import io
import json
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import netspec
from netspec.core.errors import NetspecError
from netspec.core.visible import visible
from netspec.engine.plan import plan
from netspec.engine.rewrite import rewrite
from netspec.language.document import dump, parse
from netspec.net.digest import digest
from netspec.net.graph import ParamKey, State
from netspec.net.load import load_net
from netspec.training import provenance, snapshot
from netspec.training.events import Tested as Scored
from netspec.training.events import from_row, row
from netspec.training.job import load_solver
from netspec.training.tester import labelled
from netspec.views import inspection, tables
from tests.helpers import names
from tests.helpers.mutations import seeds
from tests.helpers.sessions import Values, session, trained

DATA = {"source": {"type": "Arrays", "values": [[[1, 2, 3], [4, 5, 6], [0, 1, -1]], [0, 1, 2]]}, "batch_size": 2}


def solver(net: dict[str, Any]) -> Values:
    common = {"base_lr": 0.1, "momentum": 0.9, "lr_policy": "fixed", "max_iter": 4}
    return {"net": net, "data": {"train": DATA, "test": DATA}, **common}


@pytest.mark.parametrize("seed", seeds(12))
def test_a_net_of_any_names(seed: int, tmp_path: Path) -> None:
    """Trained, snapshotted, restored to the bit, loaded, overridden, written out and read again."""
    values = solver(names.net(random.Random(seed)))
    one, file = trained(values, 2), tmp_path / "two.safetensors"
    one.snapshot(file)
    again = session(values)
    assert again.restore(file) == ()
    for mine, theirs in zip(again.train.weights.data, one.train.weights.data, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for mine, theirs in zip(again.train.weights.history, one.train.weights.history, strict=True):
        np.testing.assert_array_equal(mine["momentum"], theirs["momentum"])
    again.snapshot(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == file.read_bytes()
    _loaded(values, one.train.weights.data, one.train.graph.param_keys, file)
    _overridden(values)
    _written_out(values, one)


def _loaded(values: Values, data: Any, keys: dict[ParamKey, int], file: Path) -> None:
    """Every layer's params are in the file under the layer's name, for us and for other programs."""
    labels, net = load_file(file), netspec.Net(values["net"], weights=file)
    assert {layer for layer, _ in keys} == net.params.keys()
    for key, index in keys.items():
        blob = net.params[key.layer][("weight", "bias").index(key.param)]
        for array in (blob.data, labels[f"{key.layer}.{key.param}"], snapshot.read(file).weights[key]):
            np.testing.assert_array_equal(array, data[index])


def _overridden(values: Values) -> None:
    name = values["net"]["layers"][1]["name"].replace("$$", "$")
    job = load_solver(values, [f"net.layers.{json.dumps(name)}.weight_filler=msra"])
    fillers = [node.layer.weight_filler for node in job.train.graph.nodes if node.params]  # type: ignore[attr-defined]
    assert [type(filler).__name__.lower() for filler in fillers] == ["msra", "xavier", "xavier", "xavier"]


def _written_out(values: Values, one: Any) -> None:
    """The config of the run describes the same net, and its scores come back from a row of metrics."""
    job = load_solver(parse(provenance.config(one.job)).plain())
    assert [x.name for x in job.net.layers] == [x.name for x in one.job.net.layers]
    assert digest(job.train.graph) == digest(one.job.train.graph)
    scores, count = one.testers["test"].run()
    event = Scored(2, scores, count, 0.5)
    assert len(scores) == 2 and from_row(json.loads(json.dumps(row(event))), Path()) == event
    assert "\x1b" not in str(event) and "\n" not in str(event)


@pytest.mark.parametrize("seed", seeds(40))
def test_inspect_shows_any_names(seed: int) -> None:
    """JSON and CSV give the names back, Markdown as they are seen; a table has a line for each layer."""
    shaped = load_net(names.net(random.Random(seed)), state=State("TRAIN"))
    layers = [node.layer.name for node in shaped.graph.nodes]
    shaped = rewrite(shaped)
    one = inspection.inspection(shaped, plan(shaped))
    for view in (tables.shapes(one), tables.graph(shaped.graph)):
        values = json.loads(str(view.form("json", 80)))
        rows = values.get("rows") or values["layers"]
        assert [each["name"] for each in rows] == layers
        table = list(csv.DictReader(io.StringIO(str(view.form("csv", 80)), newline="")))
        assert [each["layer"] for each in table] == layers
        for each, record in zip(rows, table, strict=True):
            assert _unlisted(record["bottoms"]) == each["bottoms"]
        assert _markdown(str(view.form("md", 80))) == [visible(name).strip() for name in layers]
        assert len(view.table(None).rows) == len(layers)
    for stage in (tables.rewrites(shaped.graph), tables.plan(shaped, plan(shaped))):
        json.loads(str(stage.form("json", 80)))
        assert len(list(csv.reader(io.StringIO(str(stage.form("csv", 80)), newline="")))) == 1 + len(stage.records())


def _unlisted(text: str) -> list[str]:
    """The names in a cell of CSV."""
    found = re.findall(r'"(?:[^"\\]|\\.)*"|[^ ]+', text)
    return [json.loads(word) if word.startswith('"') else word for word in found]


def _markdown(text: str) -> list[str]:
    """The first cell of every row below the rule, read as Markdown reads it."""
    lines = text.splitlines()
    below = lines[next(i for i, line in enumerate(lines) if line.startswith("|--")) + 1 :]
    cells = [re.findall(r"(?:\\.|[^|\\])+", line)[0] for line in below if line.startswith("|")]
    return [re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", cell).strip() for cell in cells]


@pytest.mark.parametrize("seed", seeds(40))
def test_errors_quote_any_names(seed: int) -> None:
    """A mistake in such a net is one error on lines of its own, with the name in it."""
    rng = random.Random(seed)
    values = names.net(rng)
    layer = values["layers"][rng.randrange(1, 5)]
    match rng.randrange(4):
        case 0:
            layer["axis"] = 7
        case 1:
            layer["bottom"] = "nowhere"
        case 2:
            layer["num_output"] = 2**45
        case 3:
            layer["num_outputs"] = layer.pop("num_output")
    with pytest.raises(NetspecError) as caught:
        load_net(values, state=State("TRAIN"))
    for error in caught.value.errors():
        head = str(error).split("\n")[0]
        assert head.isprintable() and error.at is not None
        if caught.value is error:
            assert visible(layer["name"].replace("$$", "$")) in head
    assert all(line.replace("\t", " ").isprintable() for line in str(caught.value).split("\n"))


def test_scores_take_no_name_of_another_blob() -> None:
    """The values of a vector are per[0], per[1], ...; a blob may be called per[1]."""
    arrays = {"per[1]": np.array(0.5), "per": np.array([0.1, 0.2, 0.3]), "per[1]'": np.array(7)}
    scores = labelled(arrays)
    assert scores == {"per[1]": 0.5, "per[0]": 0.1, "per[1]''": 0.2, "per[2]": 0.3, "per[1]'": 7}


ODD = {
    "name": "[/bold] {net}",
    "layers": [
        {"name": "$$in", "type": "Input", "top": ["self", "#1"], "shape": [[2, 3], [2]]},
        {"name": "[bold]", "type": "InnerProduct", "bottom": "self", "num_output": 4, "weight_filler": "xavier"},
        {"name": "history", "type": "InnerProduct", "num_output": 4, "weight_filler": "xavier"},
        {"name": "history.0:[bold]", "type": "ReLU", "top": "history"},
        {"name": "a|b,c\x1b[31m\n", "type": "InnerProduct", "num_output": 3, "weight_filler": "xavier"},
        {
            "name": ":smile:",
            "type": "Accuracy",
            "bottom": ["a|b,c\x1b[31m\n", "#1"],
            "top": "samples",
            "include": {"phase": "TEST"},
        },
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["a|b,c\x1b[31m\n", "#1"], "top": ":smile:"},
    ],
}


def test_commands_with_odd_names(here: Path, cli: Any) -> None:
    """Nothing is markup, nothing is obeyed, and everything is found again."""
    (here / "solver.yaml").write_text(dump(solver(ODD)))
    (here / "net.yaml").write_text(dump(ODD))
    code, _, said = cli("train", "solver.yaml", "-o", "run", "display=1")
    assert code == 0, said
    assert "net '[/bold] {net}'" in said and "samples 0." in said and ":smile: " in said and "\x1b" not in said
    code, _, said = cli("train", "run", "--resume", "max_iter=6")
    assert code == 0 and "resumed from" in said, said
    code, out, said = cli("test", "run", "--format", "json")
    assert code == 0 and "6 params loaded" in said and "left" not in said
    scores = json.loads(out)
    assert (
        scores["samples'"] == 3
        and 0 <= scores["samples"] <= 1
        and {*scores}
        == {
            "samples",
            "samples'",
            ":smile:",
            "heads",
        }
    )
    code, out, _ = cli("test", "run", "--format", "csv")
    assert [line[0] for line in csv.reader(io.StringIO(out, newline=""))][:3] == ["output", ":smile:", "samples"]
    code, out, _ = cli("test", "run")
    assert code == 0 and ":smile:" in out
    code, out, _ = cli("inspect", "net.yaml", 'layers."a|b,c\\u001b[31m\\n".num_output=5', "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out, newline="")))
    assert [row["output"] for row in rows if row["layer"] == "a|b,c\x1b[31m\n"] == ["2x5"]
    code, out, _ = cli("inspect", "net.yaml")
    assert code == 0 and "a|b,c\\x1b[31m\\n" in out and "[bold]" in out and "\x1b" not in out
    code, out, _ = cli("time", "net.yaml", "-n", "1", "--format", "csv")
    assert [row[0] for row in csv.reader(io.StringIO(out, newline=""))][1:] == [
        layer["name"].replace("$$", "$") for layer in ODD["layers"] if layer["type"] not in {"Accuracy", "ReLU"}
    ]
    code, out, said = cli("inspect", "net.yaml", "layers.'[bold]'.axis=7")
    assert code == 3 and "layer '[bold]' (InnerProduct): axis 7" in said
    code, out, said = cli("check", "net.yaml", "layers.'[/bold]'.axis=7")
    assert code == 2 and "`layers` has no '[/bold]'" in said


@pytest.mark.parametrize(
    ("net", "name"),
    [
        ("LeNet-5.1", "LeNet-5.1"),
        ("../up", "_up"),
        ("/tmp/x", "_tmp_x"),
        ("a[0]\n", "a_0_"),
        ("..", "net"),
        ("é*", "é_"),
    ],
)
def test_a_run_folder_is_named_after_a_net_without_a_file(net: str, name: str) -> None:
    assert load_solver(solver(ODD | {"name": net})).name == name


def test_inputs_may_have_any_name() -> None:
    net = netspec.Net(ODD)
    done = net.forward(**{"self": [[1, 2, 3], [4, 5, 6]], "#1": [0, 2]})
    assert {*done} == {"samples", ":smile:"}


def test_a_blob_s_name_is_no_version_of_another() -> None:
    chain = names.net(random.Random(2))["layers"]
    chain[1:1] = [{"name": "one", "type": "ReLU", "bottom": chain[0]["top"][0], "top": "a"}]
    chain[2:2] = [{"name": "two", "type": "Power", "bottom": "a", "top": "a#1"}]
    chain[3:3] = [{"name": "three", "type": "ReLU", "bottom": "a", "top": "a"}]
    chain[4]["bottom"] = "a"
    graph = load_net({"name": "n", "layers": chain}, state=State("TRAIN")).graph
    assert [blob.label for blob in graph.blobs if blob.name.startswith("a")][:3] == ["a", "'a#1'", "a#1"]

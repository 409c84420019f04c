"""Differences of nets that were changed on purpose: what was done to them is the truth."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netspec.core.errors import CheckFailed
from netspec.language.references import open_net
from netspec.net.graph import State
from netspec.net.load import load_net
from netspec.study.diff import Difference, LayerState, diff
from tests.helpers.mutations import seeds
from tests.helpers.runs import TESTS, scored, written

Net = dict[str, Any]


def explicit(name: str) -> Net:
    """A net of the zoo without blocks, every layer with its bottoms and tops written out."""
    net = copy.deepcopy(open_net(name).root.plain())
    above = None
    for layer in net["layers"]:
        top = layer.get("top", layer["name"])
        layer["top"] = [top] if isinstance(top, str) else list(top)
        bottom = layer.get("bottom", above if layer["type"] not in ("Input", "Parameter") else None)
        layer["bottom"] = [bottom] if isinstance(bottom, str) else list(bottom or ())
        above = layer["top"][0]
    return {"name": net["name"], "layers": list(net["layers"])}


def renamed(net: Net, new: Callable[[str], str], outputs: bool = True) -> Net:
    """A net in which every layer and blob has another name; without `outputs`, tops that nobody reads keep theirs."""
    read = {bottom for layer in net["layers"] for bottom in layer["bottom"]}

    def blob(name: str) -> str:
        return new(name) if outputs or name in read else name

    layers = [
        layer | {"name": new(layer["name"]), **{key: [blob(name) for name in layer[key]] for key in ("bottom", "top")}}
        for layer in net["layers"]
    ]
    return net | {"layers": layers}


def told(found: Difference) -> list[tuple[str, str | None, str | None, list[str]]]:
    """The differences in short: kind, both names, and the changes as texts."""
    return [(one.kind, _name(one.before), _name(one.after), list(map(str, one.changes))) for one in found.layers]


def _name(state: LayerState | None) -> str | None:
    return None if state is None else state.name


def kinds(found: Difference) -> dict[str, int]:
    return {kind: found.count(kind) for kind in ("added", "removed", "changed", "renamed") if found.count(kind)}


def test_a_field() -> None:
    found = diff("lenet", "lenet", ["layers.conv1.num_output=32", "layers.conv2.weight_filler=msra"])
    assert told(found) == [
        ("changed", "conv1", "conv1", ["num_output: 20 -> 32"]),
        ("affected", "pool1", "pool1", []),
        ("changed", "conv2", "conv2", ["weight_filler.type: xavier -> msra"]),
    ]
    conv1, _, conv2 = found.layers
    assert conv1.before and conv1.after
    assert (conv1.before.shapes, conv1.after.shapes) == (((20, 24, 24),), ((32, 24, 24),))
    assert (conv1.gained("params"), conv2.gained("params")) == (12 * 26, 12 * 25 * 50)
    assert conv1.gained("macs") == 12 * 25 * 24 * 24
    assert (found.before.params, found.after.params) == (431_080, 431_080 + 312 + 15_000)
    assert found.alike == 7
    with pytest.raises(CheckFailed, match="differ in 3 layers"):
        found.check()


@pytest.mark.parametrize("name", ["lenet", "googlenet", "resnet20", "char_lstm"])
def test_other_names_are_the_only_difference(name: str) -> None:
    net = explicit(name)
    numbers = {word: f"n{number}" for number, word in enumerate(_words(net))}
    found = diff(name, renamed(net, lambda word: numbers[word]))
    assert kinds(found) == {"renamed": len(net["layers"])}
    assert all(one.before and one.after and one.after.name == numbers[one.before.name] for one in found.layers)
    assert found.before.params == found.after.params


def _words(net: Net) -> list[str]:
    return list(dict.fromkeys(word for one in net["layers"] for word in (one["name"], *one["top"], *one["bottom"])))


def test_names_that_are_used_for_other_layers() -> None:
    """Branches of an inception block change their names with one another: by name all would have changed."""
    net = explicit("googlenet")
    swapped = {"1x1": "5x5", "5x5": "1x1"}

    def new(name: str) -> str:
        head, slash, last = name.rpartition("/")
        return head + slash + swapped.get(last, last)

    found = diff(net, renamed(net, new))
    assert kinds(found) == {"renamed": 18}


def test_other_words_are_no_difference() -> None:
    net = explicit("lenet")
    for layer in net["layers"]:
        if layer["type"] == "Convolution":
            size = layer.pop("kernel_size")
            layer |= {
                "kernel_h": size,
                "kernel_w": size,
                "stride": 1,
                "bias_term": True,
                "group": 1,
                "dilation": [1, 1],
            }
        elif layer["type"] == "Pooling":
            layer |= {"stride": [layer["stride"]] * 2, "pad": 0}
        elif layer["type"] == "ReLU":
            layer["negative_slope"] = 0
            layer["top"], before = layer["bottom"], layer["top"]
        elif layer["name"] == "ip2":
            layer["bottom"] = net["layers"][-4]["bottom"]
        if layer["type"] == "Accuracy":
            layer["exclude"] = {"phase": layer.pop("include") and "TRAIN"}
    assert before == ["relu1"]  # the ReLU of the zoo has a top of its own, this one runs in place
    found = diff("lenet", net)
    assert not found.differs, told(found)
    assert not diff("resnet20", explicit("resnet20")).differs
    found.check()


def test_a_layer_less() -> None:
    """Without a Dropout in the middle, the layers around it are as they were."""
    net = explicit("densenet40")
    gone = net["layers"].pop(next(i for i, one in enumerate(net["layers"]) if one["name"] == "dense2/3/drop/0"))
    for layer in net["layers"]:
        layer["bottom"] = [gone["bottom"][0] if word == gone["top"][0] else word for word in layer["bottom"]]
    assert told(diff("densenet40", net)) == [("removed", "dense2/3/drop/0", None, [])]
    assert told(diff(net, "densenet40")) == [("added", None, "dense2/3/drop/0", [])]


def test_a_layer_that_reads_another_blob() -> None:
    net = explicit("googlenet")
    join = next(one for one in net["layers"] if one["type"] == "Concat")
    before = list(join["bottom"])
    join["bottom"][:2] = join["bottom"][1::-1]
    (only,) = diff("googlenet", net).layers
    assert only.after
    assert (only.kind, only.after.name) == ("changed", join["name"])
    assert [(one.before, one.after) for one in only.changes] == [(tuple(before), tuple(join["bottom"]))]


def test_a_type() -> None:
    net = explicit("lenet")
    relu = next(one for one in net["layers"] if one["type"] == "ReLU")
    relu["type"] = "Sigmoid"
    assert told(diff("lenet", net)) == [("changed", "relu1", "relu1", ["type: ReLU -> Sigmoid"])]


def test_layers_that_are_counted_on() -> None:
    """A layer in between moves the numbers in all names behind it: it is new, and the others have new names."""
    net = explicit("mlp")
    named = [one["name"] for one in net["layers"]]
    first = next(one for one in net["layers"] if one["type"] == "InnerProduct")
    at = net["layers"].index(first)
    layers = copy.deepcopy(net["layers"])
    new = {"name": "new", "type": "InnerProduct", "num_output": 77, "bottom": first["bottom"], "top": ["new"]}
    layers[at]["bottom"] = ["new"]
    longer = net | {"layers": [*layers[:at], new, *layers[at:]]}
    products = [one["name"] for one in longer["layers"] if one["type"] == "InnerProduct"]
    numbers = {name: f"ip{number}" for number, name in enumerate(products, 1)}
    plain = renamed(net, lambda name: {name: f"ip{i}" for i, name in enumerate(products[1:], 1)}.get(name, name), False)
    found = diff(plain, renamed(longer, lambda name: numbers.get(name, name), False))
    assert [one for one in told(found) if one[0] == "added"] == [("added", None, "ip1", [])]
    assert kinds(found) == {"added": 1, "renamed": len(products) - 1}
    assert len(found.layers) <= len(named) + 1


def test_params_that_are_frozen_or_shared() -> None:
    base: Net = {
        "layers": [
            {"name": "x", "type": "Input", "shape": [3, 5]},
            {"name": "a", "type": "InnerProduct", "num_output": 5, "bottom": "x", "param": [{"name": "w"}]},
            {"name": "b", "type": "InnerProduct", "num_output": 5, "bottom": "a", "param": [{"name": "w"}]},
        ]
    }
    other = copy.deepcopy(base)
    other["layers"][1]["param"] = {"lr_mult": 0}
    assert told(diff(base, other)) == [
        ("changed", "a", "a", ["weight.lr_mult: 1.0 -> 0.0"]),
        ("changed", "b", "b", ["shares.0: removed (a)"]),
    ]
    assert diff(base, other).after.params == diff(base, other).before.params + 25


@pytest.mark.parametrize("seed", seeds(2))
@pytest.mark.parametrize("name", ["alexnet", "squeezenet"])
def test_what_was_done_is_what_is_found(name: str, seed: int) -> None:
    """Some layers renamed, some activations taken out, some convolutions with other fillers: all of it, and no more."""
    rng, net = random.Random(seed), explicit(name)
    other = copy.deepcopy(net)
    products = [one for one in other["layers"] if one["type"] == "Convolution"]
    changed = {one["name"] for one in rng.sample(products, 3)}
    for layer in other["layers"]:
        if layer["name"] in changed:
            layer["weight_filler"] = {"type": "gaussian", "std": 0.123}
    gone = rng.sample([one for one in other["layers"] if one["type"] == "ReLU"], 2)
    for relu in gone:
        other["layers"].remove(relu)
        for layer in other["layers"]:
            layer["bottom"] = [relu["bottom"][0] if word == relu["top"][0] else word for word in layer["bottom"]]
    new = {one["name"]: f"other{i}" for i, one in enumerate(rng.sample(other["layers"], 9))}
    other = renamed(other, lambda word: new.get(word, word), outputs=False)
    found = diff(net, other)
    assert {one.before.name for one in found.layers if one.kind == "removed" and one.before} == {
        one["name"] for one in gone
    }
    assert {one.before.name for one in found.layers if one.kind == "changed" and one.before} == changed
    assert not found.count("added")
    pairs = {one.before.name: one.after.name for one in found.layers if one.before and one.after}
    assert {word: other for word, other in pairs.items() if word != other} == new


@pytest.mark.parametrize(("one", "other"), [("lenet", "alexnet"), ("resnet20", "wrn_16_4")])
def test_gains_of_layers_add_up(one: str, other: str) -> None:
    found = diff(one, other)
    for figure in ("params", "macs"):
        gained = sum(layer.gained(figure) for layer in found.layers)
        assert gained == getattr(found.after, figure) - getattr(found.before, figure)
    back = diff(other, one)
    assert (found.count("added"), found.count("removed")) == (back.count("removed"), back.count("added"))
    assert found.before.params == load_net(one, state=State("TRAIN")).total_params


def test_settings_of_solvers(solver: Callable[..., dict[str, Any]]) -> None:
    """Defaults that are written out are no difference, and neither is a word for a mapping of it alone."""
    written_out = solver(iter_size=1, snapshot=0, regularization_type={"type": "L2"}, test_initialization=True)
    assert diff(solver(), written_out).settings == ()
    found = diff(solver(), solver(base_lr=0.3, lr_policy="fixed", display=10))
    assert list(map(str, found.settings or ())) == [
        "base_lr: 0.1 -> 0.3",
        "lr_policy.type: inv -> fixed",
        "lr_policy.gamma: removed (0.01)",
        "lr_policy.power: removed (0.75)",
        "display: 0 -> 10",
    ]
    assert not found.layers
    assert found.differs
    assert diff(solver(), solver()["net"]).settings is None


def test_a_name_of_a_net_and_a_solver() -> None:
    """`lenet` is a net, unless it is compared with a solver."""
    assert diff("lenet", "alexnet").settings is None
    assert diff("lenet", "lenet_adam").settings
    assert diff("lenet_adam", "lenet").settings
    assert diff("lenet_adam", "lenet", ["base_lr=0.5"]).settings


def test_runs(here: Path) -> None:
    config = (
        "net: {{name: tiny, layers: [{{name: x, type: Input, top: [x, y], shape: [[4, 3], [4, 2]]}},"
        "{{name: ip, type: InnerProduct, num_output: 2}}, {{name: l, type: EuclideanLoss, bottom: [ip, y]}}]}}\n"
        "data: {{train: {{source: {{type: Arrays, values: [[[1, 2, 3]], [[1, 2]]]}}, batch_size: 1}}}}\n"
        "base_lr: {0}\nlr_policy: fixed\nmax_iter: 30\n"
    )
    written(here / "runs" / "tiny-1", config.format(0.01), TESTS[:3])
    written(here / "runs" / "tiny-2", config.format(0.2), [*TESTS[:1], scored(10, 0.95)])
    found = diff("tiny-1", "runs/tiny-2")
    assert list(map(str, found.settings or ())) == ["base_lr: 0.01 -> 0.2"]
    assert found.runs
    assert found.runs.after["last"].value == 0.95
    assert found.runs.differs
    same = diff("tiny-1", here / "runs" / "tiny-1")
    assert same.runs
    assert not same.differs


def test_paths_are_compared_by_the_file_that_they_mean(tmp_path: Path) -> None:
    """A run's config.yaml has whole paths, and its solver relative ones."""
    text = """
net: {{layers: [{{name: data, type: Input, top: [data, label], shape: [[4, 3], [4]]}}, {{name: ip, type: InnerProduct,
  num_output: 2}}, {{name: loss, type: SoftmaxWithLoss, bottom: [ip, label]}}]}}
data: {{train: {{source: {{type: Csv, file: {}, label: kind}}, batch_size: 4}}}}
weights: [{}]
base_lr: 0.1
lr_policy: fixed
max_iter: 1
"""
    one, other = tmp_path / "one.yaml", tmp_path / "deep" / "other.yaml"
    other.parent.mkdir()
    (tmp_path / "rows.csv").write_text("a,b,c,kind\n1,2,3,x\n")
    one.write_text(text.format("rows.csv", "a.safetensors"))
    for file, weights, differing in (
        (tmp_path / "rows.csv", tmp_path / "a.safetensors", []),
        ("../rows.csv", "../a.safetensors", []),
        ("rows.csv", "a.safetensors", ["data.train.source.file", "weights.files"]),
    ):
        other.write_text(text.format(file, weights))
        assert [str(change).partition(":")[0] for change in diff(one, other).settings or ()] == differing

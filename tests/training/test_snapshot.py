"""Snapshot files: what they hold, earlier formats, other programs' files, damage, and types of numbers."""

from __future__ import annotations

import copy
import json
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, load_file, save, save_file

import netspec
from netspec.core.changes import lines
from netspec.core.errors import NetspecError, SnapshotError
from netspec.net.graph import ParamKey
from netspec.training import snapshot
from netspec.training.container import NotFiniteError, UnreadableSnapshotError
from netspec.training.loading import OtherNetError
from netspec.training.snapshot import Snapshot
from tests.helpers.mutations import seeds
from tests.helpers.sessions import Values, session, trained, weights

Make = Callable[..., Values]

NAMES = {"conv.weight", "conv.bias", "ip.weight", "ip.bias"}


def header(file: Path) -> Any:
    content = file.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length])


def about(file: Path) -> Any:
    return json.loads(header(file)["__metadata__"]["netspec"])


def rewritten(file: Path, text: str | None, arrays: dict[str, np.ndarray] | None = None) -> Path:
    """The file with another text of netspec's, and other arrays where they are given."""
    file.write_bytes(save(load(file.read_bytes()) if arrays is None else arrays, {"netspec": text} if text else None))
    return file


@pytest.fixture
def three(solver: Make, tmp_path: Path) -> Path:
    """A snapshot after three iterations."""
    trained(solver(), 3).snapshot(tmp_path / "three.safetensors")
    return tmp_path / "three.safetensors"


# --- what a file holds


def test_what_a_snapshot_holds(three: Path, solver: Make, arrays: Path) -> None:
    state = snapshot.read(three)
    keys = {ParamKey(*name.split(".")) for name in NAMES}
    assert (state.iteration, state.weights.keys(), state.history.keys()) == (
        3,
        keys,
        {("momentum", key) for key in keys},
    )
    assert (state.solver["type"], state.solver["momentum"], state.solver["base_lr"]) == ("SGD", 0.9, 0.1)
    assert (state.unread, state.unknown, len(state.losses)) == ({}, (), 1)
    assert str(arrays) not in three.read_bytes().decode("latin-1")  # it may be moved
    assert list(three.parent.iterdir()) == [three]
    said = about(three)
    assert said["format"] == 2 and said["arrays"].keys() == load_file(three).keys()
    assert said["arrays"]["conv.bias"] == {"what": "weight", "layer": "conv", "param": "bias"}
    assert said["arrays"]["history.momentum:ip.bias"] == {
        "what": "history",
        "layer": "ip",
        "param": "bias",
        "slot": "momentum",
    }


def test_a_snapshot_alone_is_enough_to_predict(solver: Make, tmp_path: Path) -> None:
    """The net in it is flat: blocks and variables are written out, and a `$` in a name is one."""
    values = solver()
    layers = values["net"]["layers"]
    values["net"] |= {"vars": {"k": 2}, "blocks": {"b": {"layers": [layers[1] | {"num_output": "$k"}]}}}
    layers[1:2] = [{"name": "$$in", "block": "b"}]
    one = trained(values, 3)
    one.snapshot(tmp_path / "three.safetensors")
    state = snapshot.read(tmp_path / "three.safetensors")
    alone = netspec.Net(state.net, weights=tmp_path / "three.safetensors", batch=5)
    assert list(alone.params) == ["$in/conv", "ip"]
    given = weights(one)
    for key, array in state.weights.items():
        np.testing.assert_array_equal(array, given[str(key)])
    whole = netspec.Net(values["net"], batch=5)
    for name, blobs in whole.params.items():
        for blob, kind in zip(blobs, ("weight", "bias"), strict=True):
            blob.data[...] = given[f"{name}.{kind}"]
    x = np.linspace(-1, 1, 150).reshape(5, 1, 6, 5)
    label = np.arange(5) % 3
    np.testing.assert_array_equal(
        alone.forward(data=x, label=label)["loss"], whole.forward(data=x, label=label)["loss"]
    )


def test_long_data_in_a_solver_are_not_repeated_in_its_snapshots(solver: Make, tmp_path: Path) -> None:
    values = solver()
    x, y = np.random.default_rng(1).normal(size=(23, 1, 6, 5)), np.arange(23) % 3
    values["data"]["train"]["source"] = {"type": "Arrays", "values": [x.tolist(), y.tolist()]}
    trained(values, 1).snapshot(tmp_path / "one.safetensors")
    assert len(json.dumps(about(tmp_path / "one.safetensors"))) < 3000
    assert session(values).restore(tmp_path / "one.safetensors") == ()
    values["data"]["train"]["source"]["values"][1][0] = 1
    (said,) = session(values).restore(tmp_path / "one.safetensors")
    assert str(said).startswith('data.train.source.values: "2 items, sha256 ') and len(str(said)) < 200


def test_what_later_versions_add_is_passed_over_or_named(three: Path, solver: Make) -> None:
    """Class names, and arrays of other kinds: a mean of the weights, a solver type's own state."""
    arrays, said = load_file(three), about(three)
    said["classes"] = ["cat", "dog"]
    rewritten(three, json.dumps(said))
    assert session(solver()).restore(three) == ()
    said["arrays"] |= {
        "mean": {"what": "other", "layer": "ip", "param": "bias"},
        "t": {"what": "state", "name": "t"},
        "u": {"what": "state", "name": "u"},
    }
    rewritten(
        three, json.dumps(said), {**arrays, "mean": np.ones(3, np.float32), "t": np.ones((), np.int64), "u": np.ones(2)}
    )
    one = session(solver())
    assert one.load(three).loaded == tuple(one.train.weights.names)
    with pytest.raises(UnreadableSnapshotError, match="holds other and state, which this version does not restore"):
        session(solver()).restore(three)


# --- format 1, and files of other programs


OLD_NET: dict[str, Any] = {
    "name": "old",
    "layers": [
        {"name": "data", "type": "Input", "top": ["x", "label"], "shape": [[2, 3], [2]]},
        {"name": "history", "type": "InnerProduct", "bottom": "x", "num_output": 4, "bias_term": False},
        {"name": "twin", "type": "InnerProduct", "bottom": "x", "num_output": 4, "bias_term": False},
        {"name": "sum", "type": "Eltwise", "bottom": ["history", "twin"]},
        {"name": "ip", "type": "InnerProduct", "num_output": 3},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"]},
    ],
}
for _layer in OLD_NET["layers"][1:3]:
    _layer["param"] = [{"name": "w"}]
OLD: Values = {
    "net": OLD_NET,
    "data": {
        "train": {"source": {"type": "Arrays", "values": [[[1, 2, 3], [4, 5, 6]], [0, 1]]}, "batch_size": 2},
    },
    "base_lr": 0.1,
    "momentum": 0.9,
    "lr_policy": "fixed",
    "max_iter": 4,
}
OLD_SETTINGS = {
    **{key: OLD[key] for key in ("base_lr", "lr_policy", "max_iter", "data", "momentum")},
    "iter_size": 1,
    "weight_decay": 0.0,
    "clip_gradients": None,
    "random_seed": 1,
    "dtype": "float32",
    "type": "SGD",
}
OLD_DIGESTS = ("097e1ef1aad814fec21264cbea1780c1", "d2fce4110b46006300eac83c1ba1b7f0")
"""Digests of that net that format 1 stored: before this format, and in version 0.1.0."""


def old_arrays() -> dict[str, np.ndarray]:
    """The arrays of that net under the labels of format 1: a shared param under the layer that has it first."""
    shapes = {"history.weight": (4, 3), "ip.weight": (3, 4), "ip.bias": (3,)}
    rng = np.random.default_rng(5)
    labels = {
        label: shape for name, shape in shapes.items() for label, shape in ((name, shape), (f"history.0:{name}", shape))
    }
    return {label: rng.normal(size=shape).astype(np.float32) for label, shape in labels.items()}


def old_file(path: Path, digest: str, **changes: Any) -> Path:
    values = {"format": 1, "iteration": 2, "net": digest, "solver": OLD_SETTINGS, "losses": [0.5]} | changes
    path.write_bytes(save(old_arrays(), {"netspec": json.dumps(values, sort_keys=True)}))
    return path


@pytest.mark.parametrize("digest", OLD_DIGESTS)
def test_format_1_is_read(tmp_path: Path, digest: str) -> None:
    """With a layer called 'history', and a shared param."""
    one = session(copy.deepcopy(OLD))
    assert one.restore(old_file(tmp_path / "two.safetensors", digest)) == ()
    assert (one.iteration, list(one.losses)) == (2, [0.5])
    given = old_arrays()
    for name, array in weights(one).items():
        np.testing.assert_array_equal(array, given[name])
    for name, slots in zip(one.train.weights.names, one.train.weights.history, strict=True):
        np.testing.assert_array_equal(slots["momentum"], given[f"history.0:{name}"])
    report = netspec.Net(copy.deepcopy(OLD_NET)).load(tmp_path / "two.safetensors")
    assert report.loaded == ("history.weight", "ip.weight", "ip.bias") and not report.skipped and not report.left
    with pytest.raises(OtherNetError, match="the params agree, but not the layers"):
        one.restore(old_file(tmp_path / "other.safetensors", "0" * 32))


@pytest.mark.parametrize("changes", [{}, {"type": "Nesterov"}, {"type": "RMSProp", "momentum": None}], ids=str)
def test_slots_without_names_are_read(solver: Make, tmp_path: Path, changes: Values) -> None:
    """Version 0.1.0 numbered the slots of a history: 0, which it left out, was the only one."""
    values, whole, old = solver(**changes), tmp_path / "whole.safetensors", tmp_path / "old.safetensors"
    trained(values, 5).snapshot(whole)
    trained(values, 3).snapshot(old)
    said, arrays = about(old), load_file(old)
    history = {label: meaning for label, meaning in said["arrays"].items() if meaning["what"] == "history"}
    assert {meaning.pop("slot") for meaning in history.values()} == {session(values).spec.rule.slots[0]}
    one = session(values)
    assert one.restore(rewritten(old, json.dumps(said), arrays)) == ()
    for _ in range(2):
        one.step()
    one.close()
    one.snapshot(tmp_path / "resumed.safetensors")
    assert (tmp_path / "resumed.safetensors").read_bytes() == whole.read_bytes()


def test_a_number_alone_and_a_turned_array_keep_their_shapes(tmp_path: Path) -> None:
    slope, turned = np.array(0.5, np.float32), np.arange(6, dtype=np.float32).reshape(2, 3).T
    held = {ParamKey("prelu", "weight"): slope, ParamKey("ip", "weight"): turned}
    snapshot.write(tmp_path / "net.safetensors", Snapshot(None, held))
    back = snapshot.read(tmp_path / "net.safetensors").weights
    for key, array in held.items():
        assert back[key].shape == array.shape
        np.testing.assert_array_equal(back[key], array)


def test_a_file_without_netspec_s_text_is_weights(tmp_path: Path) -> None:
    """Whatever its arrays are called: in such a file 'history.weight' is the weight of a layer 'history'."""
    arrays = old_arrays() | {"ip.num_batches": np.ones((), np.int64), "loose": np.ones(2, np.float32)}
    save_file(arrays, tmp_path / "weights.safetensors", {"format": "pt"})
    net = netspec.Net(copy.deepcopy(OLD_NET))
    report = net.load(tmp_path / "weights.safetensors")
    assert report.loaded == ("history.weight", "ip.weight", "ip.bias")
    assert {"loose", "ip.num_batches", "history.0:ip.bias"} <= {*report.skipped}
    np.testing.assert_array_equal(net.params["twin"][0].data, arrays["history.weight"])
    one = session(copy.deepcopy(OLD))
    with pytest.raises(UnreadableSnapshotError, match="no solver state to resume from"):
        one.restore(tmp_path / "weights.safetensors")


# --- damage


NONSENSE = [
    "",
    "garbage",
    "[1, 2]",
    "[" * 100_000,
    "{}",
    '{"format": 1}',
    '{"format": "2"}',
    '{"format": 2}',
    '{"format": 1, "iteration": "x", "net": "", "solver": {}, "losses": []}',
    '{"format": 1, "iteration": -1, "net": "", "solver": {}, "losses": []}',
    '{"format": 1, "iteration": 1, "net": "", "solver": {"code": 7}, "losses": []}',
    '{"format": 1, "iteration": 1, "net": "", "solver": {"code": [{"name": "a"}]}, "losses": []}',
    '{"format": 1, "iteration": 1, "net": "", "solver": {}, "losses": [NaN]}',
    '{"format": 1, "iteration": 1' + 50 * "0" + ', "net": "", "solver": {}, "losses": []}',
]


@pytest.mark.parametrize("text", NONSENSE, ids=range(len(NONSENSE)))
def test_a_snapshot_that_says_nonsense(three: Path, solver: Make, text: str) -> None:
    content = load(three.read_bytes())
    three.write_bytes(save(content, {"netspec": text}))
    for use in (session(solver()).restore, session(solver()).load):
        with pytest.raises(UnreadableSnapshotError) as caught:
            use(three)
        assert caught.value.exit_code == 7 and len(str(caught.value)) < 1000


def changed(three: Path, change: Callable[[dict[str, Any], dict[str, Any]], Any]) -> None:
    """The file after a change of its text and its arrays."""
    said, arrays = about(three), load_file(three)
    change(said, arrays)
    rewritten(three, json.dumps(said), arrays)


BIAS = "history.momentum:ip.bias"
DAMAGES: dict[str, tuple[Callable[[dict[str, Any], dict[str, Any]], Any], str]] = {
    "lacks": (lambda said, arrays: arrays.pop("ip.bias"), "lacks the array 'ip.bias'"),
    "undescribed": (lambda said, arrays: said["arrays"].pop("ip.bias"), "does not describe the array 'ip.bias'"),
    "twice": (lambda said, arrays: said["arrays"]["ip.bias"].update(param="weight"), "two arrays are the weight of"),
    "kind": (lambda said, arrays: said["arrays"]["ip.bias"].pop("what"), r"arrays\.ip\.bias\.what"),
    "layer": (lambda said, arrays: said["arrays"]["ip.bias"].update(layer=3), r"arrays\.ip\.bias\.layer"),
    "slot": (lambda said, arrays: said["arrays"][BIAS].update(slot=-1), "slot"),
    "another": (lambda said, arrays: said["arrays"][BIAS].update(slot=1), "no history for the solver type SGD"),
    "shape": (lambda said, arrays: arrays.update({BIAS: np.ones(2, np.float32)}), "no history for the solver type SGD"),
    "whole": (lambda said, arrays: arrays.update({BIAS: np.ones(3, np.int64)}), "holds I64, and no floats"),
    "nan": (lambda said, arrays: arrays.update({BIAS: np.full(3, np.nan, np.float32)}), "'ip.bias' is not finite"),
    "width": (lambda said, arrays: arrays.update({"ip.bias": np.ones(2, np.float32)}), "'ip.bias' is 2 in the snap"),
    "kinds": (lambda said, arrays: arrays.update({"ip.bias": np.ones(3, bool)}), "'ip.bias' holds BOOL"),
    "iteration": (lambda said, arrays: said.update(iteration=1.5), "iteration"),
    "digest": (lambda said, arrays: said.update(digest="x"), "the params agree, but not the layers"),
    "type": (lambda said, arrays: said["solver"].update(type=["SGD"]), "no history for the solver type SGD"),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_a_damaged_snapshot_changes_nothing(three: Path, solver: Make, case: str) -> None:
    change, words = DAMAGES[case]
    changed(three, change)
    one = session(solver())
    before = weights(one)
    with pytest.raises(SnapshotError, match=words):
        one.restore(three)
    assert one.iteration == 0
    for name, array in weights(one).items():
        np.testing.assert_array_equal(array, before[name])


def _spoiled(value: Any, rng: random.Random) -> Any:
    """A copy of JSON with something in it replaced, left out or added."""
    garbage: list[Any] = [None, True, -1, 2**70, 0.5, "", "weight", "\x1b[31m", [], {}, [[1]], {"what": "x"}, 10**400]
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        match rng.randrange(6):
            case 0:
                return {k: v for k, v in value.items() if k != key}
            case 1:
                return value | {rng.choice(["", "x", "format", key + "'"]): rng.choice(garbage)}
        return value | {key: _spoiled(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.5:
        return [_spoiled(item, rng) if rng.random() < 0.5 else item for item in value]
    return rng.choice(garbage)


def test_random_damage_is_a_sentence_or_no_damage(three: Path, solver: Make) -> None:
    """Of netspec's text, of the container's header, and of any byte."""
    whole, said, arrays = three.read_bytes(), about(three), load(three.read_bytes())
    one, refused = session(solver()), 0
    for seed in seeds(40):
        rng = random.Random(seed)
        content = bytearray(whole)
        if seed % 2:
            text = json.dumps(_spoiled(said, rng))
            content = bytearray(save(arrays, {"netspec": text}))
        elif seed % 4:
            content[rng.randrange(len(content) if seed % 8 else 2000)] ^= 1 << rng.randrange(8)
        else:
            del content[rng.randrange(len(content)) :]
        three.write_bytes(content)
        for use in (one.restore, one.load):
            try:
                use(three)
            except NetspecError as error:
                assert error.exit_code == 7 and "\x1b" not in str(error)
                refused += 1
        assert all(np.isfinite(array).all() for array in weights(one).values())
    assert refused > len(seeds(40)) / 2


# --- types of numbers


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
@pytest.mark.parametrize("own", ["float32", "float64"])
def test_floats_are_converted(three: Path, solver: Make, kind: str, own: str) -> None:
    given = {label: array.astype(kind) for label, array in load_file(three).items()}
    rewritten(three, json.dumps(about(three)), given)
    one = session(solver(dtype=own))
    assert lines(one.restore(three)) == ([] if own == "float32" else ["dtype: float32 -> float64"])
    for name, array in weights(one).items():
        np.testing.assert_array_equal(array, given[name].astype(own))


def test_numbers_that_do_not_fit_are_refused(three: Path, solver: Make) -> None:
    """Beyond float32, not finite, whole numbers, and bfloat16, which NumPy lacks; unless the net has no such param."""
    arrays = {"ip.bias": np.array([0, 1e300, 0]), "ip.weight": np.full((3, 24), 1e-300)}
    save_file(arrays, three)
    one, double = session(solver()), session(solver(dtype="float64"))
    assert double.load(three).loaded == ("ip.weight", "ip.bias")
    with pytest.raises(UnreadableSnapshotError, match=r"'ip\.bias' has values beyond the range of float32"):
        one.load(three)
    save_file({"ip.bias": np.array([0, np.inf, 0], np.float32)}, three)
    with pytest.raises(UnreadableSnapshotError, match=r"'ip\.bias' is not finite"):
        one.load(three)
    for kind, size in (("BF16", 2), ("F8_E4M3", 1), ("I64", 8), ("C64", 8)):
        entry = {"dtype": kind, "shape": [3], "data_offsets": [0, 3 * size]}
        text = json.dumps({"ip.bias": entry, "free.bias": {**entry, "data_offsets": [3 * size, 6 * size]}}).encode()
        three.write_bytes(struct.pack("<Q", len(text)) + text + bytes(6 * size))
        with pytest.raises(UnreadableSnapshotError, match=rf"'ip\.bias' holds {kind}$|'ip\.bias' holds {kind}\n"):
            one.load(three)


def test_the_order_in_memory_does_not_matter(tmp_path: Path) -> None:
    array = np.arange(12, dtype=np.float32).reshape(4, 3).T
    snapshot.write(tmp_path / "a.safetensors", Snapshot(None, {ParamKey("a", "weight"): array}))
    np.testing.assert_array_equal(load_file(tmp_path / "a.safetensors")["a.weight"], array)
    with pytest.raises(NotFiniteError):
        snapshot.write(tmp_path / "b.safetensors", Snapshot(None, {ParamKey("a", "weight"): np.array([1, np.nan])}))

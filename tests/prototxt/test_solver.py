"""A solver of Caffe in netspec's words, field by field; its nets and states; its mistakes, each at its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from netspec.core.errors import NetspecError
from netspec.prototxt.parse import parse
from netspec.prototxt.paths import located
from netspec.prototxt.solver import solver_root
from netspec.training.job import load_solver

BASE = 'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 5 '


def words(text: str) -> dict[str, Any]:
    return solver_root(parse(text).root)[0].plain()


def notes(text: str) -> str:
    return "\n".join(note.text for note in solver_root(parse(text).root)[1])


def refused(text: str) -> NetspecError:
    with pytest.raises(NetspecError) as caught:
        solver_root(parse(text, "solver.prototxt").root)
    (error,) = caught.value.errors()
    return error


def test_a_plain_solver() -> None:
    assert words(BASE) == {
        "net": "net.prototxt",
        "base_lr": 0.1,
        "lr_policy": "fixed",
        "max_iter": 5,
        "loop": "caffe",
    }


def test_what_is_left_out_is_caffes_default() -> None:
    found = words('net: "net.prototxt" lr_policy: "inv"')
    assert (found["base_lr"], found["max_iter"]) == (0.0, 0)
    assert found["lr_policy"] == {"type": "inv", "gamma": 0.0, "power": 0.0}


@pytest.mark.parametrize(
    ("fields", "policy"),
    [
        ('lr_policy: "step" gamma: 0.5 stepsize: 7 power: 3', {"type": "step", "gamma": 0.5, "stepsize": 7}),
        ('lr_policy: "multistep" gamma: 0.1', {"type": "multistep", "gamma": 0.1, "stepvalue": ()}),
        ('lr_policy: "poly" power: 0.5', {"type": "poly", "power": 0.5}),
        ('lr_policy: "exp" gamma: 0.9', {"type": "exp", "gamma": 0.9}),
        ('lr_policy: "sigmoid" gamma: 2 stepsize: 3', {"type": "sigmoid", "gamma": 2.0, "stepsize": 3}),
    ],
)
def test_fields_of_a_policy_stand_in_it(fields: str, policy: dict[str, Any]) -> None:
    assert words(f'net: "net.prototxt" base_lr: 1 {fields}')["lr_policy"] == policy


def test_what_means_nothing_is_left_out_with_a_note() -> None:
    text = BASE + "gamma: 0.5 rms_decay: 0.9 solver_mode: GPU device_id: 1 layer_wise_reduce: false debug_info: true"
    assert words(text) == words(BASE)
    said = notes(text)
    for name in ("gamma", "rms_decay", "solver_mode", "device_id", "layer_wise_reduce", "debug_info"):
        assert f"`{name}` is left out" in said
    assert "`random_seed` is 1" in notes(BASE + "random_seed: -1")
    assert "random_seed" not in notes(BASE + "random_seed: 7") and words(BASE + "random_seed: 7")["random_seed"] == 7
    assert "clip_gradients" not in words(BASE + "clip_gradients: -1")
    assert words(BASE + "clip_gradients: 3")["clip_gradients"] == 3.0


def test_the_loop_holds_what_is_caffes() -> None:
    text = BASE + 'snapshot_prefix: "a/b" snapshot_format: HDF5 test_compute_loss: true snapshot: 4'
    wanted = {"type": "caffe", "test_compute_loss": True, "snapshot_prefix": "a/b", "snapshot_format": "HDF5"}
    assert words(text)["loop"] == wanted and words(text)["snapshot"] == 4


def test_weights_may_be_several() -> None:
    assert words(BASE + 'weights: "a.caffemodel, b.caffemodel" weights: "c.h5"')["weights"] == (
        "a.caffemodel",
        "b.caffemodel",
        "c.h5",
    )
    assert words(BASE + 'weights: "a.caffemodel"')["weights"] == "a.caffemodel"


def test_one_test_in_the_state_of_the_training_is_the_nets_own() -> None:
    found = words(BASE + "test_iter: 3 test_interval: 10 test_initialization: false")
    assert (found["test_iter"], found["test_interval"], found["test_initialization"]) == (3, 10, False)
    same = 'train_state { stage: "a" level: 2 } test_state { stage: "a" level: 2 }'
    found = words(BASE + "test_iter: 3 test_interval: 10 " + same)
    assert (found["stage"], found["level"], "test_nets" in found) == (("a",), 2, False)


def test_other_nets_and_states_are_test_nets() -> None:
    """Caffe's order: nets that are held, nets in files, the solver's own."""
    text = (
        BASE
        + 'test_iter: 1 test_iter: 2 test_iter: 3 test_interval: 10 test_net: "b.prototxt" '
        + 'test_net_param { name: "held" layer { name: "x" type: "Input" top: "x" } } '
        + 'test_state {} test_state { level: 1 } test_state { stage: "s" phase: TEST }'
    )
    found = words(text)["test_nets"]
    assert [one["test_iter"] for one in found.values()] == [1, 2, 3] and [*found] == ["test", "test1", "test2"]
    assert found["test"]["net"]["name"] == "held" and found["test1"] == {
        "net": "b.prototxt",
        "level": 1,
        "test_iter": 2,
    }
    assert found["test2"] == {"stage": ("s",), "test_iter": 3}
    assert "phase" in notes(text) and "test_iter" not in words(text)


def test_a_net_may_be_held() -> None:
    found = words('net_param { name: "held" layers { name: "r" type: RELU bottom: "x" top: "x" } } lr_policy: "fixed"')
    assert found["net"]["layers"][0]["type"] == "ReLU"


@pytest.mark.parametrize(
    ("text", "code", "line", "said"),
    [
        ('lr_policy: "fixed"\nbase_lr: 1', "NS720", 1, "names no net to train"),
        ('net: "a"\ntrain_net: "b"', "NS720", 1, "names 2 nets to train: `train_net` and `net`"),
        (BASE + '\ntest_net: "a"', "NS721", 2, "1 test net, but 0 `test_iter`"),
        ('train_net: "a"\ntest_iter: 4\ntest_interval: 1', "NS721", 2, "0 test nets, but 1 `test_iter`"),
        (BASE + "\ntest_iter: 3", "NS721", 2, "nothing says when to test"),
        (
            BASE + "\ntest_iter: 3 test_interval: 4\ntest_state {}\ntest_state {}",
            "NS721",
            3,
            "1 test, but 2 `test_state`",
        ),
        (BASE + '\ntype: "RMSProp"\nmomentum: 0.9', "NS722", 3, "RMSProp has no momentum"),
        (BASE + '\ntype: "AdaGrad"\nmomentum: 0.5', "NS722", 3, "AdaGrad has no momentum"),
    ],
)
def test_mistakes(text: str, code: str, line: int, said: str) -> None:
    error = refused(text)
    assert error.code == code and said in error.message and error.at is not None and error.at.line == line


def test_mistakes_of_values_are_found_as_in_yaml(tmp_path: Path) -> None:
    (tmp_path / "solver.prototxt").write_text('net: "net.prototxt"\niter_size: 0\nlr_policy: "sstep"\ntype: "Adm"\n')
    (tmp_path / "net.prototxt").write_text(
        'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 } } }'
    )
    with pytest.raises(NetspecError) as caught:
        load_solver(str(tmp_path / "solver.prototxt"))
    lines = {error.at.line for error in caught.value.errors() if error.at is not None}
    assert lines >= {2, 3, 4}


def test_paths_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the file, in the current folder, in those above; a link out of them is said."""
    root, far = tmp_path / "root", tmp_path / "far"
    deep, here = root / "models" / "a", root / "here"
    for folder in (deep, here, far):
        folder.mkdir(parents=True)
    monkeypatch.chdir(here)
    (far / "secret").write_text("")

    def found(value: str) -> tuple[Any, int]:
        text = f'net: "{value}" lr_policy: "fixed"'
        (node, said) = located(parse(text, folder=deep).root.items["net"])
        return node.value, len(said)

    assert found("models/a/x") == ("models/a/x", 0)  # nowhere
    (deep / "x").write_text("")
    assert found("models/a/x") == ("x", 0) and found("x") == ("x", 0)
    (here / "y").write_text("")
    assert found("y") == (str(here / "y"), 0)
    (root / "z").write_text("")
    assert found("z") == (str(root / "z"), 1) and found("../../z")[1] == 1
    (deep / "link").symlink_to(far / "secret")
    assert found("link") == ("link", 1) and found(str(far / "secret")) == (str(far / "secret"), 1)

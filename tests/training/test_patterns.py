"""Settings of params by pattern: who wins, what is frozen, mistakes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from netspec.core.errors import NetspecError
from netspec.net.digest import digest
from netspec.net.load import load_net
from netspec.training.job import load_solver
from netspec.training.nets import choose
from tests.helpers.sessions import session

Make = Callable[..., dict[str, Any]]


def mults(values: dict[str, Any], *overrides: str) -> dict[str, tuple[float, float]]:
    """(lr_mult, decay_mult) of every param."""
    graph = load_solver(values, overrides).train.graph
    return {param.name: (param.lr_mult, param.decay_mult) for param in graph.params}


ONES = dict.fromkeys(("conv.weight", "conv.bias", "ip.weight", "ip.bias"), (1.0, 1.0))


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ([{"match": "conv", "lr_mult": 0.5}], {"conv.weight": (0.5, 1), "conv.bias": (0.5, 1)}),
        ([{"match": "*.bias", "decay_mult": 0}], {"conv.bias": (1, 0), "ip.bias": (1, 0)}),
        ([{"match": "?p.w*", "lr_mult": 2, "decay_mult": 3}], {"ip.weight": (2, 3)}),
        ([{"match": "[ci]*", "lr_mult": 2}], dict.fromkeys(ONES, (2, 1))),
        # the last match wins, for each field by itself
        (
            [{"match": "*", "lr_mult": 2, "decay_mult": 4}, {"match": "ip", "lr_mult": 3}],
            {"conv.weight": (2, 4), "conv.bias": (2, 4), "ip.weight": (3, 4), "ip.bias": (3, 4)},
        ),
        ({"match": "ip.bias", "lr_mult": 7}, {"ip.bias": (7, 1)}),
    ],
)
def test_patterns(solver: Make, patterns: Any, expected: dict[str, tuple[float, float]]) -> None:
    assert mults(solver(params=patterns)) == ONES | expected


def test_patterns_beat_the_layer_and_the_command_line_beats_patterns(solver: Make) -> None:
    values = solver(params=[{"match": "ip", "lr_mult": 3}])
    values["net"]["layers"][3]["param"] = [{"lr_mult": 5, "decay_mult": 6}]
    assert mults(values)["ip.weight"] == (3, 6)
    found = mults(values, "net.layers.ip.param.0.lr_mult=8")
    assert found["ip.weight"] == (8, 6) and found["ip.bias"] == (3, 1)


def test_a_frozen_layer_saves_its_backward(solver: Make) -> None:
    one = session(solver(params=[{"match": "conv", "lr_mult": 0}]))
    whole = session(solver())
    first, last = one.train.ranges["backward"]
    steps = {step.layer for step in one.train.table.steps[first:last]}
    assert "conv" not in steps and "ip" in steps
    frozen = zip(one.train.weights.names, one.train.weights.diff, strict=True)
    assert [name for name, diff in frozen if diff is None] == ["conv.weight", "conv.bias"]
    assert len(one.train.table.steps) < len(whole.train.table.steps)
    one.close()
    whole.close()


def test_the_digest_is_that_of_a_net_that_says_so_itself(solver: Make) -> None:
    values, own = solver(params=[{"match": "conv", "lr_mult": 0}]), solver()
    own["net"]["layers"][1]["param"] = [{"lr_mult": 0}, {"lr_mult": 0}]
    one, other, plain = (digest(load_solver(each).train.graph) for each in (values, own, solver()))
    assert one == other != plain


def test_commands_that_look_at_the_net_of_a_solver_see_them(solver: Make) -> None:
    values = solver(params=[{"match": "conv*", "lr_mult": 0}, {"match": "ip.bias", "decay_mult": 0}])
    chosen = choose(values)
    seen = {param.name: (param.lr_mult, param.decay_mult) for param in load_net(chosen.net).graph.params}
    assert seen == mults(values)


def test_stored_params_are_let_be(solver: Make) -> None:
    values = solver(params=[{"match": "*", "lr_mult": 2}])
    values["net"]["layers"][2] = {"name": "norm", "type": "BatchNorm"}
    assert mults(values)["norm.mean"][0] != 2 and mults(values)["ip.bias"][0] == 2
    with pytest.raises(NetspecError, match="no learned param of the net 'tiny' matches 'norm'"):
        load_solver({**values, "params": [{"match": "norm", "lr_mult": 2}]})


@pytest.mark.parametrize(
    ("pattern", "text", "help"),
    [
        (
            {"match": "conv1", "lr_mult": 0},
            "no learned param of the net 'tiny' matches 'conv1'",
            "did you mean 'conv'?",
        ),
        ({"match": "relu", "lr_mult": 0}, "matches 'relu'", "one of: conv, ip"),
        ({"match": "ip.wieght", "lr_mult": 0}, "matches 'ip.wieght'", "did you mean 'ip.weight'?"),
        ({"match": "IP", "lr_mult": 0}, "matches 'IP'", "did you mean 'ip'?"),
        ({"match": "ip"}, "sets neither `lr_mult` nor `decay_mult`", "like `{match: 'ip', lr_mult: 0}`"),
    ],
)
def test_mistakes(solver: Make, pattern: dict[str, Any], text: str, help: str) -> None:
    with pytest.raises(NetspecError) as caught:
        load_solver(solver(params=[pattern]))
    (error,) = caught.value.errors()
    assert error.code == "NS543" and text in error.message and error.help == help


def test_a_mistake_in_what_a_pattern_gives_is_shown_in_the_pattern(solver: Make) -> None:
    """Layers that share a param must agree; the layer's own `param` is not what disagrees."""
    values = solver(params=[{"match": "*", "decay_mult": 2}, {"match": "ip.bias", "lr_mult": 7}])
    twin = {"name": "twin", "type": "InnerProduct", "num_output": 3, "param": [{}, {"name": "b", "lr_mult": 3}]}
    values["net"]["layers"][3]["param"] = [{}, {"name": "b"}]
    values["net"]["layers"].insert(3, twin)
    with pytest.raises(NetspecError, match="'ip' shares param 'b' with lr_mult 7, but layer 'twin' says 3") as caught:
        load_solver(values)
    (error,) = caught.value.errors()
    assert error.at is not None and error.at.source.line(error.at.line).strip() == "lr_mult: 7"


def test_all_frozen_is_a_mistake(solver: Make) -> None:
    with pytest.raises(NetspecError, match="every lr_mult is 0") as caught:
        load_solver(solver(params=[{"match": "*", "lr_mult": 0}]))
    (error,) = caught.value.errors()
    assert error.at is not None and error.at.source.line(error.at.line).strip() == "lr_mult: 0"

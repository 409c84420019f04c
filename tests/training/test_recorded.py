"""What a snapshot holds of its solver, and what is said to have changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netspec.core.changes import lines
from netspec.training.job import load_solver
from netspec.training.recorded import ASIDE, changes, flat_net, net_changes, settings
from netspec.training.spec import SolverSpec

Make = Callable[..., dict[str, Any]]


def test_every_field_is_recorded_but_those_aside(solver: Make) -> None:
    held = settings(load_solver(solver()))
    assert {*held} == {*SolverSpec.model_fields} - ASIDE - {"rule"} | {"type", "momentum"}
    assert {*SolverSpec.model_fields} > ASIDE
    assert held["iter_size"] == 1 and held["regularization_type"] is None  # defaults; of a model, none


def test_defaults_that_are_written_out_are_no_change(solver: Make) -> None:
    short = settings(load_solver(solver(lr_policy="fixed", stage=None)))
    long = settings(load_solver(solver(lr_policy={"type": "fixed"}, iter_size=1, stage=[], level=0, dtype="float32")))
    assert changes(short, long) == changes(long, short) == ()


def test_a_field_that_one_side_does_not_know_is_no_change(solver: Make) -> None:
    now = settings(load_solver(solver()))
    assert changes({key: value for key, value in now.items() if key != "test_interval"}, now) == ()
    assert changes(now | {"of_a_later_version": 7}, now) == ()
    assert lines(changes(now | {"weights": "a"}, now | {"weights": None, "test_interval": 7})) == [
        "test_interval: added (7)",
        "weights: removed (a)",
    ]


def test_fillers_are_no_change_of_a_net(solver: Make) -> None:
    then, values = flat_net(load_solver(solver())), solver()
    values["net"]["layers"][1]["weight_filler"] = {"type": "gaussian", "std": 0.1}
    assert net_changes(then, flat_net(load_solver(values))) == ()
    values["net"]["layers"][1]["stride"] = 2
    assert lines(net_changes(then, flat_net(load_solver(values)))) == ["layers.conv.stride: added (2)"]
    assert net_changes({}, then) == ()  # a snapshot of format 1 holds no net

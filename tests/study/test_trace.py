"""Traces of small nets: published numbers, finite differences, and that no number is left without its arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from netspec.core.errors import NetspecError
from netspec.core.worked import short
from netspec.study.trace import trace
from netspec.study.traced import Line, Trace
from netspec.training.solvers.base import SOLVERS, UpdateRule
from netspec.training.solvers.base_driving import DrivingRule


def lines(traced: Trace) -> Iterator[Line]:
    """All lines, in order."""
    for iteration in traced.iterations:
        for batch in iteration.batches:
            for group in (*batch.forward, *batch.backward):
                yield from group.lines
        for group in iteration.updates:
            yield from group.lines


def values(traced: Trace) -> dict[str, str]:
    """The last value of each label, in nine significant digits."""
    return {line.label: short(line.value, 9) for line in lines(traced)}


def test_the_numbers_of_the_worked_example() -> None:
    """Mazur 2015."""
    found = values(trace("two_layer_sigmoid"))
    assert found["hidden_sigmoid[0,0]"] == ".593269992" and found["hidden_sigmoid[0,1]"] == ".596884378"
    assert found["output_sigmoid[0,0]"] == ".75136507" and found["output_sigmoid[0,1]"] == ".772928465"
    assert found["loss"] == ".298371109"
    assert found["d output.weight[0,0]"] == ".0821670406"
    assert found["d hidden.weight[0,0]"] == ".000438567734"
    updated = {"hidden": (".149780716", ".199561432", ".249751144", ".299502287")}
    updated["output"] = (".35891648", ".408666186", ".51130127", ".561370121")
    for name, numbers in updated.items():
        assert tuple(found[f"{name}.weight[{i},{j}]"] for i in (0, 1) for j in (0, 1)) == numbers


def test_the_circuit() -> None:
    found = values(trace("circuit"))
    assert [found[name] for name in ("q[0]", "f[0]")] == ["3", "-12"]
    assert [found[f"d {name}[0]"] for name in "xyz"] == ["-4", "-4", "3"]


def test_the_neuron() -> None:
    found = values(trace("sigmoid_neuron"))
    numbers = {"f[0,0]": 0.731, "d x[0,0]": 0.393, "d x[0,1]": -0.590}
    numbers |= {"d sum.weight[0,0]": -0.197, "d sum.weight[0,1]": -0.393, "d sum.bias[0]": 0.197}
    for label, value in numbers.items():
        assert float(found[label]) == pytest.approx(value, abs=5e-4)


def test_the_convolution_and_the_pooling() -> None:
    found = values(trace("small_convolution"))
    assert [found[f"map[0,0,{i},{j}]"] for i in range(3) for j in range(3)] == list("434243234")
    image = np.array([[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]])
    for i, j in np.ndindex(3, 3):
        assert float(found[f"d map.weight[0,0,{i},{j}]"]) == image[i : i + 3, j : j + 3].sum()
    found = values(trace("small_pooling"))
    assert [found[f"greatest[0,0,{i},{j}]"] for i in range(2) for j in range(2)] == list("6834")
    slopes = np.array([[float(found[f"d image[0,0,{i},{j}]"]) for j in range(4)] for i in range(4)])
    np.testing.assert_array_equal(slopes, [[0, 0, 0, 0], [0, 6, 0, 8], [3, 0, 0, 0], [0, 0, 0, 4]])


RESIDUAL: list[dict[str, Any]] = [
    {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[2, 3], [2]]},
    {"name": "ip1", "type": "InnerProduct", "num_output": 3, "bottom": "data", "weight_filler": "xavier"},
    {"name": "relu", "type": "ReLU", "top": "ip1"},
    {"name": "ip2", "type": "InnerProduct", "num_output": 3, "weight_filler": "xavier", "param": {"name": "shared"}},
    {"name": "ip3", "type": "InnerProduct", "num_output": 3, "weight_filler": "xavier", "param": {"name": "shared"}},
    {"name": "sum", "type": "Eltwise", "bottom": ["ip1", "ip3", "ip2"], "operation": "SUM"},
    {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["sum", "label"], "loss_weight": 0.5},
    {"name": "more", "type": "L1Loss", "bottom": ["ip2", "ip1"]},
]
"""A net whose layers run in place, share a weight, and read blobs several times; it has two losses."""


def solver(layers: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A solver of a net with fixed data."""
    samples = [[0.5, -1.25, 2.0], [1.5, 0.25, -0.75], [-0.5, 1.0, 0.75], [2.0, -2.0, 0.5]]
    source = {"type": "Arrays", "values": [samples, [2, 0, 1, 1]]}
    feed = {"source": source, "batch_size": 2, "shuffle": False}
    fixed = {"type": "SGD", "base_lr": 0.25, "lr_policy": "fixed", "max_iter": 9, "random_seed": 3}
    return fixed | {"net": {"layers": layers}, "data": {"train": feed}} | more


def test_every_number_has_its_arithmetic() -> None:
    more = {"iter_size": 2, "momentum": 0.5, "weight_decay": 0.01, "clip_gradients": 0.5}
    for line in lines(trace(solver(RESIDUAL, **more), iterations=2)):
        assert line.words or line.name in {"data", "label"}, line


def test_gradients_that_meet_are_those_of_small_steps() -> None:
    """The gradient of each weight against central differences of the total loss."""
    made = trace(solver(RESIDUAL))
    found, weights = values(made), {line.label: line.value for group in made.params for line in group.lines}

    def loss(**changed: float) -> float:
        filled = [dict(layer) for layer in RESIDUAL]
        now = weights | changed
        for place, name in ((1, "ip1"), (3, "ip2")):
            shown = [[now[f"{name}.weight[{i},{j}]"] for j in range(3)] for i in range(3)]
            filled[place]["weight_filler"] = {"type": "values", "values": shown}
        return float(values(trace(solver(filled)))["total loss"])

    names = [label for label in weights if "weight" in label]
    assert len(names) == 18
    for label in names[::4]:
        slope = (loss(**{label: weights[label] + 1e-3}) - loss(**{label: weights[label] - 1e-3})) / 2e-3
        assert float(found[f"d {label}"]) == pytest.approx(slope, abs=2e-5), label


NAMED_TWICE: list[dict[str, Any]] = [
    {"name": "one", "type": "Reshape", "bottom": "x", "shape": [2]},
    {"name": "two", "type": "Reshape", "bottom": "one", "shape": [2, 1]},
    {"name": "same", "type": "Split", "bottom": "x", "top": ["this", "that"]},
]
"""A blob of 3 and 4 under further names."""


@pytest.mark.parametrize(("first", "second"), [("x", "one"), ("one", "two"), ("two", "x"), ("this", "that")])
def test_names_of_one_memory_have_gradients_of_their_own(first: str, second: str) -> None:
    """x^2 and x^3 by hand: 2x is 6 and 8, 3x^2 is 27 and 48; in the memory lies only their sum, 33 and 56."""
    x = {"name": "x", "type": "Parameter", "shape": [1, 2], "filler": {"type": "values", "values": [[3, 4]]}}
    made = trace(
        {
            "layers": [
                x,
                *NAMED_TWICE,
                {"name": "square", "type": "Power", "power": 2, "bottom": first, "loss_weight": 1},
                {"name": "cube", "type": "Power", "power": 3, "bottom": second, "loss_weight": 1},
            ]
        }
    )
    found = [line for line in lines(made) if line.name.startswith("d ")]
    by = {"square": ["6", "8"], "cube": ["27", "48"]}
    for group in made.iterations[0].batches[0].backward:
        layer = group.title.partition(":")[0]
        if layer in by:
            assert [short(line.value) for line in group.lines] == by[layer]
    assert [short(line.value) for line in found if line.name == "d x"][-2:] == ["33", "56"]
    assert all(line.words for line in found)


PLAIN = {"AdaGrad", "RMSProp"}
"""Solver types without a momentum."""
EXPLAINED = [
    rule.__name__
    for rule in SOLVERS.members()
    if not issubclass(rule, DrivingRule) and rule.worked is not UpdateRule.worked
]


@pytest.mark.parametrize("rule", EXPLAINED)
def test_updates_of_solver_types(rule: str) -> None:
    """Arithmetic is shown only where it comes to the kernel's value: so no line may be left without."""
    more = [] if rule in PLAIN else ["momentum=0.5"]
    iterations = 7 if rule == "RAdam" else 3  # from the sixth on it divides by the mean square
    made = trace("two_layer_sigmoid", [f"type={rule}", "weight_decay=0.1", *more], iterations)
    for iteration in made.iterations:
        assert all(line.words for group in iteration.updates for line in group.lines)
        assert [line.name for line in iteration.updates[0].lines].count("hidden.weight") == 4


UNEXPLAINED = [
    rule.__name__ for rule in SOLVERS.members() if not issubclass(rule, DrivingRule) and rule.__name__ not in EXPLAINED
]


@pytest.mark.parametrize("rule", UNEXPLAINED)
def test_new_weights_of_solver_types_that_do_not_explain_themselves(rule: str) -> None:
    """Whatever shapes their history has: Adafactor keeps a number for each row and column."""
    made = trace("two_layer_sigmoid", [f"type={rule}"])
    new = [line for group in made.iterations[0].updates for line in group.lines if line.name == "hidden.weight"]
    assert len(new) == 4 and not any(line.words for line in new)
    assert all(line.value != old for line, old in zip(new, (0.15, 0.2, 0.25, 0.3), strict=True))


def test_what_is_drawn_or_unexplained_has_its_value() -> None:
    layers = [
        {"name": "x", "type": "Parameter", "shape": [2, 3], "filler": {"type": "uniform", "min": 1, "max": 2}},
        {"name": "drop", "type": "Dropout"},
        {"name": "total", "type": "Reduction", "loss_weight": 1},
    ]
    made = trace({"net": {"layers": layers}, "base_lr": 0.1, "lr_policy": "fixed", "max_iter": 1})
    dropped = [line for line in lines(made) if line.name == "drop"]
    assert len(dropped) == 6 and not any(line.words for line in dropped)
    slopes = [line for line in lines(made) if line.name == "d x"]
    assert {line.value for line in slopes} <= {0.0, 2.0} and not any(line.words for line in slopes)


def test_a_net_alone() -> None:
    layers = [
        {"name": "x", "type": "Parameter", "shape": [1], "filler": {"type": "constant", "value": 3}},
        {"name": "square", "type": "Power", "power": 2, "loss_weight": 1},
    ]
    made = trace({"layers": layers})
    assert made.solver is None and not made.iterations[0].updates
    assert values(made)["d x.value[0]"] == "6"


def test_a_smaller_batch_is_advised_where_it_helps() -> None:
    for outputs, advised in ((600, False), (3, True)):
        ip = {"name": "ip", "type": "InnerProduct", "num_output": outputs}
        with pytest.raises(NetspecError) as caught:
            trace({"layers": [{"name": "x", "type": "Input", "shape": [300, 2]}, ip]})
        assert ("batch_size=1" in str(caught.value.help)) == advised


def test_what_cannot_be_traced() -> None:
    for name, code in (("lenet", "NS875"), ("quadratic", "NS877")):
        with pytest.raises(NetspecError) as caught:
            trace(name)
        assert caught.value.code == code
    with pytest.raises(NetspecError) as caught:
        trace({"layers": [{"name": "x", "type": "Input", "shape": [2, 3]}]})
    assert caught.value.code == "NS876"

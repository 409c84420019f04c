"""The deploy view: which layers, inputs and answers are left of a net."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netspec
from netspec.core import locate
from netspec.language.document import from_python
from netspec.language.references import open_net
from netspec.net.deploy import Deployed, NothingToAnswerError, deploy
from netspec.net.graph import State
from netspec.net.load import load_net

Layers = list[dict[str, Any]]
INPUT = {"name": "in", "type": "Input", "top": ["data", "label"], "shape": [[4, 5], [4]]}
IP = {"name": "ip", "type": "InnerProduct", "bottom": "data", "num_output": 3}


def view(*layers: dict[str, Any]) -> Deployed:
    return deploy(from_python({"name": "net", "layers": list(layers)}, "<net>"), State())


def kept(deployed: Deployed) -> list[tuple[str, str]]:
    return [(layer["name"], layer["type"]) for layer in deployed.document.plain()["layers"]]


def test_lenet_is_caffes_deploy_file() -> None:
    deployed = deploy(open_net("lenet"), State())
    names = ["data", "conv1", "pool1", "conv2", "pool2", "ip1", "relu1", "ip2", "prob"]
    assert [name for name, _ in kept(deployed)] == names
    assert deployed.document.plain()["layers"][-1] == {"name": "prob", "type": "Softmax", "bottom": "ip2"}
    (answer,) = deployed.answers
    assert (answer.blob, answer.scores, answer.judge, answer.truth, answer.axis) == ("prob", "ip2", "loss", 1, 1)
    assert answer.probable and deployed.inputs == (0,)


PARAMS_ALONE = {"circuit", "sigmoid_neuron", "small_convolution", "small_pooling"}
"""Nets of the zoo that no sample goes into: there is nothing to answer for."""


@pytest.mark.parametrize("name", sorted(PARAMS_ALONE))
def test_a_net_that_no_sample_goes_into_has_none(name: str) -> None:
    with pytest.raises(NothingToAnswerError):
        deploy(open_net(name), State())


@pytest.mark.parametrize("name", sorted({*locate.names("models")} - PARAMS_ALONE))
def test_every_net_of_the_zoo_has_a_deploy_view_that_is_sound(name: str) -> None:
    deployed = deploy(open_net(name), State())
    shaped = load_net(deployed.document, (), deployed.state)
    whole = load_net(open_net(name), (), State("TEST"))
    assert {*shaped.graph.param_keys} <= {*whole.graph.param_keys}
    assert deployed.main.blob in shaped.graph.named
    assert len(shaped.graph.inputs) == len(deployed.inputs)


@pytest.mark.parametrize(
    ("loss", "fields", "activation"),
    [
        ("SoftmaxWithLoss", {}, "Softmax"),
        ("InfogainLoss", {"source": None}, "Softmax"),
        ("FocalLoss", {"form": "SOFTMAX"}, "Softmax"),
        ("HingeLoss", {}, None),
        ("MultinomialLogisticLoss", {}, None),
    ],
)
def test_the_activation_that_a_loss_contains_takes_its_place(loss: str, fields: Any, activation: str | None) -> None:
    layers: Layers = [INPUT, IP, {"name": "end", "type": loss, "bottom": ["ip", "label"], **fields}]
    if loss == "InfogainLoss":
        layers = [INPUT, {"name": "gain", "type": "DummyData", "shape": [3, 3]}, IP]
        layers += [{"name": "end", "type": loss, "bottom": ["ip", "label", "gain"]}]
    deployed = view(*layers)
    last = [("prob", activation)] if activation else []
    assert kept(deployed) == [("in", "Input"), ("ip", "InnerProduct"), *last]
    assert deployed.main.blob == ("prob" if activation else "ip")
    assert (deployed.main.axis, deployed.main.truth) == (1, 1)


def test_independent_scores_become_probabilities_each() -> None:
    targets = {**INPUT, "shape": [[4, 5], [4, 3]]}
    deployed = view(targets, IP, {"name": "end", "type": "SigmoidCrossEntropyLoss", "bottom": ["ip", "label"]})
    assert kept(deployed)[-1] == ("prob", "Sigmoid")
    assert deployed.main.axis is None and deployed.main.probable
    counts = view(targets, IP, {"name": "end", "type": "PoissonLoss", "bottom": ["ip", "label"]})
    assert kept(counts)[-1] == ("exp", "Exp") and not counts.main.probable


def test_what_only_labels_need_is_left_out() -> None:
    deployed = view(
        {**INPUT, "shape": [[4, 5], [4, 3]]},
        {"name": "half", "type": "Power", "bottom": "label", "scale": 0.5},
        {"name": "quiet", "type": "Silence", "bottom": "half"},
        IP,
        {"name": "apart", "type": "Eltwise", "bottom": ["ip", "half"], "coeff": [1, -1]},
        {"name": "size", "type": "Reduction", "bottom": "apart", "operation": "SUMSQ", "loss_weight": 1},
    )
    assert kept(deployed) == [("in", "Input"), ("ip", "InnerProduct")]
    assert deployed.document.plain()["layers"][0] == {"name": "in", "type": "Input", "top": "data", "shape": (4, 5)}
    assert deployed.main.blob == "ip"


def test_an_autoencoder_keeps_the_input_that_it_is_compared_with() -> None:
    deployed = view(
        {"name": "data", "type": "Input", "shape": [4, 5]},
        {"name": "code", "type": "InnerProduct", "num_output": 2},
        {"name": "back", "type": "InnerProduct", "num_output": 5},
        {"name": "loss", "type": "EuclideanLoss", "bottom": ["back", "data"]},
    )
    assert [name for name, _ in kept(deployed)] == ["data", "code", "back"]
    assert (deployed.main.blob, deployed.main.truth, deployed.inputs) == ("back", 0, (0,))


def test_a_net_without_params_tells_its_label_by_where_it_is_read() -> None:
    deployed = view(
        {**INPUT, "shape": [[4, 3], [4]]}, {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["data", "label"]}
    )
    assert kept(deployed) == [("in", "Input"), ("prob", "Softmax")] and deployed.inputs == (0,)


def test_probabilities_that_are_there_are_not_made_twice() -> None:
    loss = {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"]}
    soft = {"name": "chances", "type": "Softmax", "bottom": "ip", "include": {"phase": "TEST"}}
    for layers in ([soft, loss], [loss, soft]):
        deployed = view(INPUT, IP, *layers)
        assert kept(deployed) == [("in", "Input"), ("ip", "InnerProduct"), ("chances", "Softmax")]
        assert deployed.main.blob == "chances" and deployed.main.loss
    own = view(INPUT, IP, {**loss, "top": ["loss", "p"]}, {"name": "best", "type": "ArgMax", "bottom": "p"})
    assert kept(own) == [("in", "Input"), ("ip", "InnerProduct"), ("p", "Softmax"), ("best", "ArgMax")]
    assert own.main.blob == "p"


def test_scores_alone_say_what_the_answer_is() -> None:
    accuracy = {"name": "right", "type": "Accuracy", "bottom": ["ip", "label"]}
    deployed = view(INPUT, IP, accuracy)
    assert kept(deployed) == [("in", "Input"), ("ip", "InnerProduct")]
    assert (deployed.main.blob, deployed.main.axis, deployed.main.loss) == ("ip", 1, False)


def test_two_heads_have_two_answers_and_the_last_loss_is_the_main_one() -> None:
    other = {**IP, "name": "other", "num_output": 7}
    deployed = view(
        {"name": "in", "type": "Input", "top": ["data", "first", "second"], "shape": [[4, 5], [4], [4]]},
        IP,
        other,
        {"name": "a", "type": "SoftmaxWithLoss", "bottom": ["ip", "first"]},
        {"name": "b", "type": "SoftmaxWithLoss", "bottom": ["other", "second"]},
    )
    assert [(one.blob, one.truth) for one in deployed.answers] == [("a_prob", 1), ("b_prob", 2)]
    assert deployed.main.blob == "b_prob"


def test_a_net_of_judgements_alone_has_no_answer() -> None:
    pair = {**INPUT, "shape": [[4, 3], [4, 3]]}
    with pytest.raises(NothingToAnswerError, match="no blob that answers"):
        view({"name": "in", "type": "Input", "top": "label", "shape": [4]}, {"name": "s", "type": "Silence"})
    assert view(pair, {"name": "loss", "type": "EuclideanLoss", "bottom": ["data", "label"]}).main.blob == "data"


def test_the_view_computes_what_the_whole_net_computes() -> None:
    loss = {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"], "top": ["loss", "p"]}
    whole = netspec.Net({"name": "net", "layers": [INPUT, IP, loss]}, seed=3)
    alone = netspec.Net(view(INPUT, IP, loss).document, seed=3)
    x = np.random.default_rng(0).normal(size=(4, 5))
    np.testing.assert_array_equal(
        whole.forward(data=x, label=np.zeros(4)) and whole.blobs["p"].data, alone.forward(data=x)["p"]
    )


def test_a_truth_that_a_layer_changes_is_no_input() -> None:
    """So nobody takes answers back to the units of the data: the net compares them with other numbers."""
    layers = [
        {"name": "in", "type": "Input", "top": ["data", "label"], "shape": [[2, 3], [2, 4]]},
        {"name": "ip", "type": "InnerProduct", "bottom": "data", "num_output": 4},
        {"name": "half", "type": "Power", "bottom": "label", "scale": 0.5},
        {"name": "flat", "type": "Flatten", "bottom": "label"},
    ]
    for truth, number in (("half", None), ("flat", 1), ("label", 1)):
        loss = {"name": "loss", "type": "EuclideanLoss", "bottom": ["ip", truth]}
        used = [one for one in layers if one["name"] in {"in", "ip", truth}]
        assert deploy(open_net({"layers": [*used, loss]}), State()).main.truth == number

"""The digest of a net: what it depends on, what not, and the digests that earlier snapshots hold."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from pydantic import Field

from netspec.core.model import Listed, Model
from netspec.layers.base import LAYERS
from netspec.layers.inner_product import InnerProduct
from netspec.net.digest import digest, earlier_digests
from netspec.net.graph import Graph, State
from netspec.net.load import load_net
from netspec.training.job import load_solver
from tests.helpers.specs import conv, ip, loss, net

Values = dict[str, Any]

NET = net(
    conv("conv", 5),
    {"name": "pool", "type": "Pooling", "pool": "MAX", "kernel_size": 2},
    {"name": "drop", "type": "Dropout", "dropout_ratio": 0.25},
    ip("ip", 3),
    loss("ip"),
)


def train(values: Values | str) -> Graph:
    return load_net(copy.deepcopy(values) if isinstance(values, dict) else values, state=State("TRAIN")).graph


def changed(index: int, **fields: Any) -> Values:
    values = copy.deepcopy(NET)
    values["layers"][index] |= fields
    return values


SAME: dict[str, Values] = {
    "a default": changed(1, stride=1, pad=0, dilation=1, group=1, bias_term=True),
    "defaults of a window": changed(2, stride=[1, 1], pad_h=0, pad_w=0, round_mode="CEIL"),
    "defaults of every layer": changed(5, loss_weight=1.0, propagate_down=[True, True]),
    "padding of one axis": changed(2, pad_w=0),
    "two numbers for one": changed(1, kernel_size=[2, 2], bottom=["data"]),
    "height and width": changed(2, kernel_size=[], kernel_h=2, kernel_w=2),
    "the default of a choice": changed(5, normalization="VALID"),
    "an older word for it": changed(5, normalize=True),
    "the batch size": changed(0, shape=[[9, 3, 6, 5], [9]]),
    "a float for a whole number": changed(5, loss_weight=1),
    "fillers": changed(1, weight_filler="xavier", bias_filler={"type": "constant", "value": 3}),
    "rates of 1": changed(4, param=[{"lr_mult": 1.0, "decay_mult": 1}]),
    "rules that hold": changed(1, exclude=[{"min_level": 7}], name="conv"),
    "the net's name": NET | {"name": "other", "cite": "someone"},
}


@pytest.mark.parametrize("case", SAME)
def test_it_does_not_depend_on(case: str) -> None:
    assert digest(train(SAME[case])) == digest(train(NET))


def test_it_depends_on_no_name_and_no_order_of_keys() -> None:
    values = copy.deepcopy(NET)
    names = {"conv": "#1", "pool": "pool#1", "drop": "data#1", "ip": "a.b", "loss": "x y", "data": "in", "label": "y"}
    for layer in values["layers"]:
        layer["name"] = names[layer["name"]]
        for key in {"bottom", "top"} & layer.keys():
            layer[key] = [names[blob] for blob in layer[key]]
    values["layers"] = [dict(reversed(layer.items())) for layer in values["layers"]]
    assert digest(train(values)) == digest(train(NET))


OTHER: dict[str, Values] = {
    "a field": changed(1, stride=2),
    "a field of the phase": changed(3, dropout_ratio=0.5),
    "a window": changed(2, kernel_size=[2, 1]),
    "a shape": changed(0, shape=[[4, 3, 6, 6], [4]]),
    "the divisor of the loss": changed(5, normalize=False),
    "a type": changed(2, type="LRN", pool=None, kernel_size=None),
    "a rate": changed(4, param=[{"lr_mult": 2}]),
    "a weight of the loss": changed(5, loss_weight=2),
    "where gradients stop": changed(4, propagate_down=[False]),
    "the wiring": changed(4, bottom="pool"),
}
for _fields in OTHER["a type"]["layers"][2:3]:
    del _fields["pool"], _fields["kernel_size"]


def test_it_depends_on_what_is_computed() -> None:
    digests = [digest(train(values)) for values in (NET, *OTHER.values())]
    assert len(set(digests)) == len(digests)


def test_sharing_counts() -> None:
    pair = ip("a", 4, "data", bias_term=False), ip("b", 4, "data", bias_term=False)
    ends = {"name": "sum", "type": "Eltwise", "bottom": ["a", "b"]}, ip("ip", 3), loss("ip")
    tied = [layer | {"param": [{"name": "w"}]} for layer in pair]
    assert digest(train(net(*pair, *ends))) != digest(train(net(*tied, *ends)))


def test_it_does_not_depend_on_how_far_down_gradients_are_wanted() -> None:
    """The command line computes gradients of the losses, the API those of any top: they take each other's snapshots."""
    values = {
        "net": net(ip("ip", 3), loss("ip"), {"name": "softmax", "type": "Softmax", "bottom": "ip"}),
        "data": {"train": {"source": {"type": "Arrays", "values": [[[[[1.0]]]], [0]]}, "batch_size": 1}},
        "base_lr": 0.1,
        "lr_policy": "fixed",
        "max_iter": 1,
    }
    one, other = (load_solver(copy.deepcopy(values), keep=keep).train.graph for keep in (False, True))
    assert [node.propagate for node in one.nodes] != [node.propagate for node in other.nodes]
    assert digest(one) == digest(other)


def test_layers_with_two_words_for_one_field() -> None:
    def of(layer: Values, *more: Values) -> str:
        return digest(train(net(layer, *more, ip("ip", 3), loss("ip"))))

    concat = {"name": "join", "type": "Concat", "bottom": ["data", "data"]}
    assert of(concat) == of({**concat, "axis": 1}) == of({**concat, "concat_dim": 1}) != of({**concat, "axis": 2})
    assert of({**concat, "axis": 2}) == of({**concat, "concat_dim": 2})
    cut = {"name": "cut", "type": "Slice", "bottom": "data", "top": ["a", "b"]}
    assert of({**cut, "axis": 2}) == of({**cut, "slice_dim": 2}) != of({**cut, "axis": 2, "slice_point": 4})
    add = {"name": "add", "type": "Eltwise", "bottom": ["data", "data"]}
    assert of(add) == of({**add, "coeff": [1, 1.0]}) != of({**add, "coeff": [1, 2]})


CAFFES_ENGINES = {
    **{word: {"type": word} for word in ("ReLU", "Sigmoid", "TanH", "Softmax", "LRN")},
    "Convolution": conv("conv", 2),
    "Deconvolution": conv("conv", 2, type="Deconvolution"),
    "Im2col": {"type": "Im2col", "kernel_size": 2},
    "Pooling": {"type": "Pooling", "kernel_size": 2},
    "SPP": {"type": "SPP", "pyramid_height": 2},
    "SoftmaxWithLoss": {"type": "SoftmaxWithLoss", "bottom": ["ip", "label"]},
}


@pytest.mark.parametrize("word", CAFFES_ENGINES)
@pytest.mark.parametrize("engine", ["DEFAULT", "CAFFE", "CUDNN"])
def test_engines_of_caffe_change_nothing(word: str, engine: str) -> None:
    layer = CAFFES_ENGINES[word] | {"name": "one"}
    asked = layer | {"engine": engine}
    bare, named = (net(ip("ip", 3), loss("ip"), {"bottom": "data", **each}) for each in (layer, asked))
    assert digest(train(bare)) == digest(train(named))


class _Inner(Model):
    depth: int = 1


class _InnerLater(_Inner):
    width: float = 0.5


class _Layer(InnerProduct):
    sides: Listed[int] = (1, 2)
    inner: _Inner = _Inner()


class _Later(_Layer):
    """A later version of that layer type: fields with defaults of every kind were added, also further in."""

    scale: float = Field(1.0, description="A number.")
    mode: str | None = None
    order: Listed[int] = Field(default_factory=lambda: (2, 1))
    kinds: frozenset[str] = frozenset({"b", "a"})
    inner: _Inner = _InnerLater()


def test_a_new_field_at_its_default_changes_no_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    def of(cls: type[InnerProduct], **fields: Any) -> str:
        monkeypatch.setattr(LAYERS, "added", {**LAYERS.added, "Ours": (cls, "here")})
        return digest(train(net({**ip("ours", 4), "type": "Ours", **fields}, loss("ours"))))

    monkeypatch.setattr(InnerProduct, "type", property(lambda self: "Ours"))
    before = of(_Layer)
    assert of(_Later) == before
    assert of(_Later, scale=1.0, order=[2, 1], sides=[1, 2]) == before
    assert of(_Later, scale=2) == of(_Later, scale=2.0) != before
    assert of(_Later, order=[1, 2]) != before


EARLIER = {
    "lenet": ("59e3bc57efb1d731182e93d62eeca623", "3226951de1f216e6410bb87913c8127b"),
    "cifar10_quick": ("3b8ec008a5e1f088bee0d6cee96dc99e", "be395abf8695b6d60d69472aef6847e8"),
    "alexnet": ("6e13a9ee4df42eed69007f76701566b4", "f669c13a6ee5bd69e906e8b1571ea79a"),
    "googlenet": ("0142addc2e27ccd4769bf080dee08cc1", "e4a53dee48be4bc1b9dd5f0fce752b88"),
    "resnet20": ("1e7c241fda8c2ed6d89f9cbb608cf191", "ddf9d72c8a08a81ff1adb3296880737f"),
    "densenet40": ("c695ccae71c6bf204400da3101e9d60c", "73489b0742b779759c045752174de98c"),
    "mobilenet_v1": ("c867ab519fb9bb8780da81c5f4dd4d34", "41f59c1b42d6415e71e4d68106fb61d7"),
    "two_layer_sigmoid": ("9c2d971bed480bf744154edd985087c9", "bf81474c9c7ac700205ce3e951eb91b4"),
}
"""What snapshots of format 1 hold. A new field of one of these layers belongs into `_LATER` of the digest's file."""


@pytest.mark.parametrize("name", EARLIER)
def test_digests_of_earlier_snapshots_are_known(name: str) -> None:
    assert earlier_digests(train(name)) == EARLIER[name]

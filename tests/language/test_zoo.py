"""The zoo: totals of nets against published or hand-counted figures; solvers are sound; entries are found by name."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from netspec.core import locate
from netspec.core.errors import Findings
from netspec.language import zoo
from netspec.net.graph import State
from netspec.net.infer import expect
from netspec.net.load import load_net, load_phases
from netspec.net.shaped import ShapedGraph
from netspec.training.job import load_solver

MODELS = sorted(locate.names("models"))
SOLVERS = sorted(locate.names("solvers"))


class Hand:
    """Counts a net by hand from its paper's table: c channels in, k filters of f x f, an output of size x size."""

    def __init__(self) -> None:
        self.params = self.macs = 0

    def conv(
        self, c: int, k: int, f: int, size: int, *, group: int = 1, bias: bool = False, norm: bool = False
    ) -> None:
        """Add a convolution, optionally with biases, or with the factors and constants of a BatchNorm behind it."""
        weights = f * f * c // group * k
        self.params += weights + (k if bias else 0) + (2 * k if norm else 0)
        self.macs += weights * size * size

    def norm(self, c: int) -> None:
        """Add a BatchNorm in front of a convolution."""
        self.params += 2 * c

    def fc(self, c: int, k: int) -> tuple[int, int]:
        """Add the last layer, with biases; returns the totals."""
        self.params += c * k + k
        self.macs += c * k
        return self.params, self.macs


def vgg16() -> tuple[int, int]:
    """Simonyan & Zisserman 2015, table 1, D."""
    net, c = Hand(), 3
    for k, times, size in ((64, 2, 224), (128, 2, 112), (256, 3, 56), (512, 3, 28), (512, 3, 14)):
        for _ in range(times):
            net.conv(c, k, 3, size, bias=True)
            c = k
    net.fc(512 * 7 * 7, 4096)
    net.fc(4096, 4096)
    return net.fc(4096, 1000)


def resnet_of_cifar(n: int) -> tuple[int, int]:
    """He et al. 2016, section 4.2: 6n+2 layers, shortcuts without params (option A)."""
    net, c = Hand(), 16
    net.conv(3, 16, 3, 32, norm=True)
    for k, size in ((16, 32), (32, 16), (64, 8)):
        for _ in range(n):
            net.conv(c, k, 3, size, norm=True)
            net.conv(k, k, 3, size, norm=True)
            c = k
    return net.fc(64, 10)


def resnet(units: Sequence[int]) -> tuple[int, int]:
    """He et al. 2016, table 1: bottlenecks with the stride in their first 1x1; a projection begins each stage."""
    net, c = Hand(), 64
    net.conv(3, 64, 7, 112, norm=True)
    for mid, size, times in zip((64, 128, 256, 512), (56, 28, 14, 7), units, strict=True):
        for unit in range(times):
            net.conv(c, mid, 1, size, norm=True)
            net.conv(mid, mid, 3, size, norm=True)
            net.conv(mid, 4 * mid, 1, size, norm=True)
            if unit == 0:
                net.conv(c, 4 * mid, 1, size, norm=True)
            c = 4 * mid
    return net.fc(2048, 1000)


def wide_resnet(depth: int, widen: int) -> tuple[int, int]:
    """Zagoruyko & Komodakis 2016, table 1.

    A BatchNorm before each 3x3, a 1x1 without BatchNorm where the shape changes, a BatchNorm at the end.
    """
    net, c = Hand(), 16
    net.conv(3, 16, 3, 32)
    for k, size in ((16 * widen, 32), (32 * widen, 16), (64 * widen, 8)):
        for unit in range((depth - 4) // 6):
            net.norm(c)
            net.conv(c, k, 3, size, norm=True)
            net.conv(k, k, 3, size)
            if unit == 0:
                net.conv(c, k, 1, size)
            c = k
    net.norm(c)
    return net.fc(c, 10)


def densenet_of_cifar(depth: int, growth: int) -> tuple[int, int]:
    """Huang et al. 2017, section 3.

    Three dense blocks, transitions that keep the channels, a BatchNorm before each convolution.
    """
    net, c = Hand(), 16
    net.conv(3, 16, 3, 32)
    for size in (32, 16, 8):
        for _ in range((depth - 4) // 3):
            net.norm(c)
            net.conv(c, growth, 3, size)
            c += growth
        net.norm(c)
        if size > 8:
            net.conv(c, c, 1, size)
    return net.fc(c, 10)


def densenet(units: Sequence[int]) -> tuple[int, int]:
    """Huang et al. 2017, table 1, k = 32: a 1x1 of 4k filters before each 3x3, transitions that halve the channels."""
    net, c = Hand(), 64
    net.conv(3, 64, 7, 112, norm=True)
    for size, times in zip((56, 28, 14, 7), units, strict=True):
        for _ in range(times):
            net.norm(c)
            net.conv(c, 128, 1, size, norm=True)
            net.conv(128, 32, 3, size)
            c += 32
        net.norm(c)
        if size > 7:
            net.conv(c, c // 2, 1, size)
            c //= 2
    return net.fc(c, 1000)


def resnext(groups: int, width: int, units: Sequence[int]) -> tuple[int, int]:
    """Xie et al. 2017, table 1: bottlenecks whose 3x3 has groups and, in the first one of a stage, the stride."""
    net, c = Hand(), 64
    net.conv(3, 64, 7, 112, norm=True)
    for stage, (size, times) in enumerate(zip((56, 28, 14, 7), units, strict=True)):
        mid, k, before = groups * width * 2**stage, 256 * 2**stage, size if stage == 0 else 2 * size
        for unit in range(times):
            net.conv(c, mid, 1, size if unit else before, norm=True)
            net.conv(mid, mid, 3, size, group=groups, norm=True)
            net.conv(mid, k, 1, size, norm=True)
            if unit == 0:
                net.conv(c, k, 1, size, norm=True)
            c = k
    return net.fc(2048, 1000)


def squeezenet(sizes: Sequence[int]) -> tuple[int, int]:
    """Iandola et al. 2016, v1.1 of the authors: sides of conv1's top, and of the three pools' tops."""
    net, c = Hand(), 64
    net.conv(3, c, 3, sizes[0], bias=True)
    fires = zip((16, 16, 32, 32, 48, 48, 64, 64), (1, 1, 2, 2, 3, 3, 3, 3), strict=True)
    for squeeze, pools in fires:
        net.conv(c, squeeze, 1, sizes[pools], bias=True)
        for f in (1, 3):
            net.conv(squeeze, 4 * squeeze, f, sizes[pools], bias=True)
        c = 8 * squeeze
    net.conv(c, 1000, 1, sizes[3], bias=True)
    return net.params, net.macs


def mobilenet() -> tuple[int, int]:
    """Howard et al. 2017, table 1: a 3x3 for each channel, then a 1x1 across them."""
    net, c = Hand(), 32
    net.conv(3, c, 3, 112, norm=True)
    for k, size in (
        (64, 112),
        (128, 56),
        (128, 56),
        (256, 28),
        (256, 28),
        (512, 14),
        *[(512, 14)] * 5,
        (1024, 7),
        (1024, 7),
    ):
        net.conv(c, c, 3, size, group=c, norm=True)
        net.conv(c, k, 1, size, norm=True)
        c = k
    return net.fc(c, 1000)


def transformer(depth: int, width: int, hidden: int, places: int, values: int) -> tuple[int, int]:
    """An encoder of `places` positions of `values` numbers, and ten classes of all positions side by side."""
    norm, attention = 2 * width, 4 * (width + 1) * width
    layer = 2 * norm + attention + (width + 1) * hidden + (hidden + 1) * width
    params = (values + 1) * width + places * width + depth * layer + norm + (places * width + 1) * 10
    products = places * (4 * width * width + 2 * width * hidden) + 2 * places * places * width
    return params, places * values * width + depth * products + places * width * 10


PUBLISHED = {
    "lenet": (431_080, 2_293_000),  # Caffe examples/mnist
    "cifar10_quick": (145_578, 12_354_176),  # Caffe examples/cifar10
    "mlp": (784 * 500 + 500 + 500 * 300 + 300 + 300 * 10 + 10, 784 * 500 + 500 * 300 + 300 * 10),
    "iris_mlp": (4 * 16 + 16 + 16 * 3 + 3, 4 * 16 + 16 * 3),
    "two_moons": (2 * 16 + 16 + 16 * 2 + 2, 2 * 16 + 16 * 2),
    "spirals": (2 * 32 + 32 + 32 * 32 + 32 + 32 * 3 + 3, 2 * 32 + 32 * 32 + 32 * 3),
    "logistic_regression": (784 * 10 + 10, 784 * 10),
    "linear_svm": (784 * 10 + 10, 784 * 10),
    "adding_gru": (192 * 2 + 192 + 192 * 64 + 192 + 64 + 1, 100 * (192 * 2 + 192 * 64) + 64),
    "char_lstm": (64 * 64 + 1024 * 64 + 1024 + 1024 * 256 + 256 * 64 + 64, 64 * (1024 * 64 + 1024 * 256 + 256 * 64)),
    "quadratic": (2, 0),
    "rosenbrock": (2, 0),
    "two_layer_sigmoid": (2 * 2 + 2 + 2 * 2 + 2, 2 * 2 + 2 * 2),
    "circuit": (3, 0),
    "sigmoid_neuron": (2 + 1 + 2, 2),
    "small_convolution": (3 * 3, 3 * 3 * 3 * 3),
    "small_pooling": (4 * 4, 0),
    "alexnet": (60_965_224, 724_406_816),  # Caffe models/bvlc_alexnet
    "googlenet": (13_378_280, 1_591_044_096),  # Caffe models/bvlc_googlenet, TRAIN: with both heads
    "vgg16": vgg16(),
    "resnet20": resnet_of_cifar(3),
    "resnet50": resnet((3, 4, 6, 3)),
    "resnet152": resnet((3, 8, 36, 3)),
    "wrn_16_4": wide_resnet(16, 4),
    "densenet40": densenet_of_cifar(40, 12),
    "densenet121": densenet((6, 12, 24, 16)),
    "mobilenet_v1": mobilenet(),
    "resnext50": resnext(32, 4, (3, 4, 6, 3)),
    "squeezenet": squeezenet((113, 56, 28, 14)),
    "transformer_fashion": transformer(2, 64, 128, 28, 28),
}

IN_FULL = {
    "vgg16": (138_357_544, 15_470_264_320),  # Keras: params of its VGG16, and the MACs of its layers
    "resnet20": (269_722, None),  # every implementation of option A
    "resnet50": (25_557_032, None),  # torchvision
    "resnet152": (60_192_808, None),  # torchvision
    "wrn_16_4": (2_748_890, None),  # PyTorch ports of the authors' code
    "densenet40": (1_019_722, None),  # ports of the authors' code
    "densenet121": (7_978_856, 2_834_161_664),  # torchvision; cap-lab/MidapSim
    "mobilenet_v1": (4_231_976, 568_740_352),  # Keras: trainable params, and the MACs of its layers
    "resnext50": (25_028_904, None),  # torchvision
    "squeezenet": (1_235_496, None),  # torchvision
}
"""Exact counts of other programs: params and MACs; no MACs if they count more than convolutions and products."""


def totals(shaped: ShapedGraph) -> tuple[int, int]:
    """Learned params, and MACs of one image."""
    return shaped.total_params, shaped.total_macs // shaped.batch


@pytest.mark.parametrize("name", MODELS)
def test_totals_are_the_published_ones(name: str) -> None:
    phases, found = load_phases(name), Findings()
    assert phases.train is not None and totals(phases.train) == PUBLISHED[name]
    expect(phases.train, phases.spec, found)
    assert not found
    assert phases.spec.expect, "a zoo net says what it expects"
    assert phases.spec.cite, "a zoo net says where it comes from"


@pytest.mark.parametrize("name", IN_FULL)
def test_totals_counted_by_hand_are_those_of_others(name: str) -> None:
    params, macs = IN_FULL[name]
    assert PUBLISHED[name] == (params, macs or PUBLISHED[name][1])


@pytest.mark.parametrize(
    ("name", "params", "macs"),
    [
        ("vgg16", "138 M", None),  # table 2
        ("resnet20", "0.27 M", None),  # table 6
        ("resnet50", None, 3.8e9),  # table 1; He et al. call a multiply-add one FLOP
        ("resnet152", None, 11.3e9),
        ("wrn_16_4", "2.7 M", None),
        ("mobilenet_v1", "4.2 M", 569e6),  # table 4
        ("densenet40", "1.0 M", None),  # table 2
        ("densenet121", None, 5.7e9 / 2),  # figure 3: about 0.57e10 FLOPs, two to a multiply-add
        ("resnext50", "25.0 M", 4.2e9),  # table 1
    ],
)
def test_totals_round_to_those_of_the_papers(name: str, params: str | None, macs: float | None) -> None:
    shaped = load_net(name)
    if params:
        assert rounded(shaped.total_params, params) == params
    if macs:
        assert totals(shaped)[1] == pytest.approx(macs, rel=0.02)


def rounded(count: int, like: str) -> str:
    """A count in millions, rounded to as many digits as the published figure has."""
    return f"{count / 1e6:.{len(like.removesuffix(' M').partition('.')[2])}f} M"


def test_googlenet_has_its_heads_while_training_only() -> None:
    train, test = load_net("googlenet"), load_net("googlenet", state=State("TEST"))
    assert totals(test) == (6_998_552, 1_582_671_872)  # Caffe models/bvlc_googlenet/deploy
    for shaped, convolutions in ((train, 59), (test, 57)):  # of the deploy net too
        types = [node.layer.type for node in shaped.graph.nodes]
        assert (types.count("Convolution"), types.count("Concat")) == (convolutions, 9)
    losses = (train.graph.blobs[blob] for blob in train.graph.losses)
    assert {blob.name: blob.loss_weight for blob in losses} == {"loss": 1, "loss1/loss": 0.3, "loss2/loss": 0.3}


SHAPES: dict[str, dict[str, tuple[int, ...]]] = {
    "alexnet": {  # Caffe models/bvlc_alexnet
        "conv1": (96, 55, 55), "pool1": (96, 27, 27), "conv2": (256, 27, 27), "pool2": (256, 13, 13),
        "conv3": (384, 13, 13), "conv5": (256, 13, 13), "pool5": (256, 6, 6), "fc6": (4096,), "fc8": (1000,),
    },
    "googlenet": {  # Szegedy et al. 2015, table 1
        "conv1/7x7_s2": (64, 112, 112), "pool1/3x3_s2": (64, 56, 56), "conv2/3x3": (192, 56, 56),
        "pool2/3x3_s2": (192, 28, 28),
        "inception_3a/output": (256, 28, 28), "inception_3b/output": (480, 28, 28), "pool3/3x3_s2": (480, 14, 14),
        "inception_4a/output": (512, 14, 14), "inception_4b/output": (512, 14, 14),
        "inception_4c/output": (512, 14, 14), "inception_4d/output": (528, 14, 14),
        "inception_4e/output": (832, 14, 14), "pool4/3x3_s2": (832, 7, 7),
        "inception_5a/output": (832, 7, 7), "inception_5b/output": (1024, 7, 7), "pool5/7x7_s1": (1024, 1, 1),
        "loss1/ave_pool": (512, 4, 4), "loss2/ave_pool": (528, 4, 4),
    },
    "resnet50": {  # He et al. 2016, table 1
        "conv1": (64, 112, 112), "conv2_x/2/relu3": (256, 56, 56), "conv3_x/3/relu3": (512, 28, 28),
        "conv4_x/5/relu3": (1024, 14, 14), "conv5_x/2/relu3": (2048, 7, 7), "pool5": (2048, 1, 1),
    },
    "densenet121": {  # Huang et al. 2017, table 1
        "conv0": (64, 112, 112), "pool0": (64, 56, 56), "half1": (128, 28, 28), "half2": (256, 14, 14),
        "half3": (512, 7, 7), "relu5": (1024, 7, 7),
    },
    "resnext50": {  # Xie et al. 2017, table 1
        "conv1": (64, 112, 112), "pool1": (64, 56, 56), "conv2_x/0/relu2": (128, 56, 56),
        "conv2_x/2/relu3": (256, 56, 56), "conv3_x/0/relu1": (256, 56, 56), "conv3_x/0/relu2": (256, 28, 28),
        "conv3_x/3/relu3": (512, 28, 28), "conv4_x/5/relu3": (1024, 14, 14), "conv5_x/2/relu3": (2048, 7, 7),
    },
    "squeezenet": {  # SqueezeNet_v1.1 of the authors
        "conv1": (64, 113, 113), "pool1": (64, 56, 56), "fire3/concat": (128, 56, 56), "pool3": (128, 28, 28),
        "fire5/concat": (256, 28, 28), "pool5": (256, 14, 14), "fire7/concat": (384, 14, 14),
        "fire9/concat": (512, 14, 14), "conv10": (1000, 14, 14), "pool10": (1000, 1, 1),
    },
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_blobs_have_the_sizes_of_the_papers(name: str) -> None:
    shaped = load_net(name)
    sizes = {blob.name: shape[1:] for blob, shape in zip(shaped.graph.blobs, shaped.blobs, strict=True)}
    last = {blob.rpartition("/")[0]: size for blob, size in sizes.items()}  # an instance is its last layer
    assert {blob: sizes.get(blob, last.get(blob)) for blob in SHAPES[name]} == SHAPES[name]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (
            "resnet20",
            {
                "stage1/0/sum": "relu1",
                "stage1/1/sum": "stage1/0/relu2",
                "stage2/0/sum": "stage2/0/shortcut",
                "stage2/1/sum": "stage2/0/relu2",
            },
        ),
        (
            "resnet50",
            {
                "conv2_x/0/sum": "conv2_x/0/shortcut",
                "conv2_x/1/sum": "conv2_x/0/relu3",
                "conv5_x/2/sum": "conv5_x/1/relu3",
            },
        ),
        (
            "wrn_16_4",
            {"conv2/0/sum": "conv2/0/shortcut", "conv2/0/shortcut": "conv2/0/relu1", "conv2/1/sum": "conv2/0/sum"},
        ),
    ],
)
def test_shortcuts_lead_where_they_should(name: str, wanted: dict[str, str]) -> None:
    """The shortcut is the last bottom of the layer that adds it to a unit's convolutions."""
    net = load_net(name).graph
    last = {node.layer.name: net.blobs[node.bottoms[-1]].name for node in net.nodes if node.bottoms}
    assert {layer: last[layer] for layer in wanted} == wanted


@pytest.mark.parametrize(
    ("name", "overrides", "params", "macs"),
    [
        # He et al. 2016, table 6
        ("resnet20", ["vars.n=5"], "0.46 M", resnet_of_cifar(5)[1]),
        ("resnet20", ["vars.n=7"], "0.66 M", resnet_of_cifar(7)[1]),
        ("resnet20", ["vars.n=9"], "0.85 M", resnet_of_cifar(9)[1]),
        ("resnet20", ["vars.n=18"], "1.7 M", resnet_of_cifar(18)[1]),
        # torchvision's resnet101
        ("resnet50", ["layers.conv4_x.repeat=23"], "44.549160 M", resnet((3, 4, 23, 3))[1]),
        # Zagoruyko & Komodakis 2016, table 4
        ("wrn_16_4", ["vars.depth=40"], "8.9 M", wide_resnet(40, 4)[1]),
        ("wrn_16_4", ["vars.depth=28", "vars.widen=10"], "36.5 M", wide_resnet(28, 10)[1]),
        ("wrn_16_4", ["vars.widen=8"], "11.0 M", wide_resnet(16, 8)[1]),
        # Huang et al. 2017, table 2
        ("densenet40", ["vars.depth=100"], "7.0 M", densenet_of_cifar(100, 12)[1]),
        ("densenet40", ["vars.depth=100", "vars.growth=24"], "27.2 M", densenet_of_cifar(100, 24)[1]),
        # torchvision's densenet169 and densenet201; MACs of cap-lab/MidapSim
        ("densenet121", ["vars.units=[6, 12, 32, 32]"], "14.149480 M", 3_359_843_328),
        ("densenet121", ["vars.units=[6, 12, 48, 32]"], "20.013928 M", 4_291_365_888),
        # torchvision's resnext101_32x8d, resnet50 (with the stride in the 3x3), and squeezenet1_1 of 224x224 images
        ("resnext50", ["vars.units=[3, 4, 23, 3]", "vars.width=8"], "88.791336 M", resnext(32, 8, (3, 4, 23, 3))[1]),
        ("resnext50", ["vars.groups=1", "vars.width=64"], "25.557032 M", resnext(1, 64, (3, 4, 6, 3))[1]),
        ("squeezenet", ["layers.data.shape=[[2, 3, 224, 224], [2]]"], "1.235496 M", squeezenet((111, 55, 27, 13))[1]),
    ],
)
def test_variables_make_the_other_nets_of_a_paper(name: str, overrides: list[str], params: str, macs: int) -> None:
    count, found = totals(load_net(name, overrides))
    assert (rounded(count, params), found) == (params, macs)


@pytest.mark.parametrize(
    ("override", "macs", "params"),
    [  # Howard et al. 2017, tables 6 and 7: millions of MACs and of params
        ("vars.width=0.75", 325, "2.6 M"), ("vars.width=0.5", 149, "1.3 M"), ("vars.width=0.25", 41, "0.5 M"),
        ("vars.size=192", 418, "4.2 M"), ("vars.size=160", 290, "4.2 M"), ("vars.size=128", 186, "4.2 M"),
    ],
)  # fmt: skip
def test_mobilenet_shrinks_as_in_its_paper(override: str, macs: int, params: str) -> None:
    count, found = totals(load_net("mobilenet_v1", [override]))
    assert found / 1e6 == pytest.approx(macs, abs=1)  # the paper cuts some digits off and rounds others
    assert rounded(count, params) == params


@pytest.mark.parametrize(
    ("name", "lines"), [("resnet152", 20), ("densenet121", 90), ("resnet50", 60), ("googlenet", 90)]
)
def test_deep_nets_are_short_files(name: str, lines: int) -> None:
    assert len(locate.names("models")[name].read_text().splitlines()) <= lines


BY_HAND = {"circuit", "sigmoid_neuron", "small_convolution", "small_pooling", "two_layer_sigmoid"}
"""Nets to be computed by hand."""
UNTESTED = {"overfit_densenet", "overfit_resnet20", "quadratic", "rosenbrock", *BY_HAND}


@pytest.mark.parametrize("name", SOLVERS)
def test_solver_is_sound_and_trains_a_zoo_net(name: str) -> None:
    job = load_solver(name)
    assert job.name == name
    assert len([entry.name for entry in zoo.entries() if name in entry.solvers]) == 1
    assert (job.test is None) == (name in UNTESTED)


@pytest.mark.parametrize("name", MODELS)
def test_every_net_has_a_solver(name: str) -> None:
    assert {entry.name: entry.solvers for entry in zoo.entries()}[name]


def test_a_solver_that_changes_a_net_inside_belongs_to_it() -> None:
    assert {entry.name: entry.solvers for entry in zoo.entries()}["resnet20"] == (
        "overfit_resnet20",
        "resnet20",
        "resnet20_cosine",
        "resnet8_fashion",
    )


def test_filters_of_the_course_example() -> None:
    """CS231n, convolutional networks: 32x32x3, ten 5x5 filters, stride 1, pad 2 give 32x32x10 and 760 parameters."""
    net = {
        "layers": [
            {"name": "data", "type": "Input", "shape": [[1, 3, 32, 32]]},
            {"name": "conv", "type": "Convolution", "num_output": 10, "kernel_size": 5, "stride": 1, "pad": 2},
        ]
    }
    shaped = load_net(net)
    assert shaped.blobs[-1] == (1, 10, 32, 32)
    assert shaped.total_params == 760
    assert shaped.costs[1].shape_words == "(32+2*2-5)/1+1 = 32"
    assert shaped.costs[1].param_words == "(5*5*3+1)*10 = 760"


def test_copy_gives_files_that_work_where_they_are(tmp_path: Path) -> None:
    paths = zoo.copy("lenet", tmp_path)
    solvers = [f"solvers/{name}.yaml" for name in SOLVERS if name.startswith("lenet")]
    copied = ["models/lenet.yaml", "models/net.schema.json", *solvers, "solvers/solver.schema.json"]
    assert sorted(p.relative_to(tmp_path).as_posix() for p in paths) == copied
    zoo.copy("mlp", tmp_path)  # schemas may be overwritten: they are no one's own work
    written = load_solver(tmp_path / "solvers" / "lenet.yaml").net.written
    assert written is not None
    assert Path(written.at.source.name).resolve() == (tmp_path / "models" / "lenet.yaml").resolve()


def test_copy_takes_along_what_is_extended(tmp_path: Path) -> None:
    paths = zoo.copy("resnet152", tmp_path)
    both = {f"{shelf}/{name}.yaml" for shelf in ("models", "solvers") for name in ("resnet152", "resnet50")}
    assert {p.relative_to(tmp_path).as_posix() for p in paths if p.suffix == ".yaml"} == both
    assert totals(load_solver(tmp_path / "solvers" / "resnet152.yaml").train) == PUBLISHED["resnet152"]


def test_a_file_wins_over_a_zoo_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert locate.find("lenet", "models").parent.name == "models"
    Path("lenet").write_text("layers: []")
    assert locate.find("lenet", "models") == Path("lenet")


def test_own_shelf_comes_before_the_bundled_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "lenet.yaml").write_text("name: mine")
    monkeypatch.setenv("NETSPEC_ZOO_PATH", str(tmp_path))
    assert locate.names("models")["lenet"] == tmp_path / "models" / "lenet.yaml"


def test_looking_at_a_net_loads_no_numbers() -> None:
    """One process looks at all nets, and stops at the first that loads what it need not."""
    code = f"""
import sys
from netspec.cli.app import main
for name in {MODELS!r}:
    for phase in ("TRAIN", "TEST"):
        sys.argv = ["netspec", "inspect", name, "--phase", phase]
        try:
            main()
        except SystemExit as end:
            assert not end.code, (name, end.code)
        heavy = [m for m in ("numpy", "numba", "llvmlite") if m in sys.modules]
        assert not heavy, (name, heavy)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

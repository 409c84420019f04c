"""Nets of the zoo, exported as ONNX and imported again: the same layers, wired alike, with the same weights."""

import numpy as np
import pytest

from netspec.language.document import parse
from netspec.net.digest import digest
from netspec.net.graph import ParamKey, State
from netspec.net.load import load_net

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from netspec.interop.exported import exported
from netspec.interop.from_onnx.convert import convert
from netspec.interop.from_onnx.verify import compare
from netspec.interop.from_onnx.write import yaml
from netspec.interop.to_onnx.model import onnx_model, save

SAME = ("iris_mlp", "mlp", "squeezenet", "resnet20", "densenet40", "linear_svm")
"""Nets whose digests are equal."""
ALIKE = ("lenet", "cifar10_quick", "googlenet", "mobilenet_v1")
"""Nets whose learning rates by param, which ONNX has no word for, make the digest another."""
LONG = ("transformer_fashion", "char_lstm")
"""Nets that take long; char_lstm comes back as a layer for each of its steps."""
RUNNING = 3
"""How many params of a BatchNorm, its first ones, are running sums; an import has them divided already."""


def there_and_back(name, folder):
    """A net of the zoo, its weights, what was imported of its export, and the net of that."""
    net = exported(name).deployed()
    held = net.weighted(net.shaped).arrays
    save(onnx_model(net, held, False), folder / "net.onnx")
    found = convert(folder / "net.onnx", net.shaped.batch or 1)
    return net.shaped.graph, held, found, load_net(parse(yaml(found)), (), State("TEST")).graph


@pytest.mark.parametrize("name", [*SAME, *ALIKE])
def test_a_round_trip_gives_the_same_net(name, tmp_path):
    graph, held, found, back = there_and_back(name, tmp_path)
    assert (digest(back) == digest(graph)) == (name in SAME)
    for one, other in zip(graph.nodes, back.nodes, strict=True):
        assert (one.layer.type, one.layer.identity()) == (other.layer.type, other.layer.identity())
        assert (one.bottoms, one.tops) == (other.bottoms, other.tops)
        begin = RUNNING if one.layer.type == "BatchNorm" else 0
        for mine, theirs in zip(one.layer.params()[begin:], other.layer.params()[begin:], strict=True):
            ours = held[ParamKey(one.layer.name, mine.name)]
            np.testing.assert_array_equal(found.weights[ParamKey(other.layer.name, theirs.name)], ours)


@pytest.mark.parametrize(
    "name", ["iris_mlp", "quadratic", "rosenbrock", *(pytest.param(each, marks=pytest.mark.long) for each in LONG)]
)
def test_an_import_is_verified_with_onnxruntime(name, tmp_path):
    *_, found, _ = there_and_back(name, tmp_path)
    differences = compare(tmp_path / "net.onnx", found)
    assert differences and all(one.relative < 1e-5 for one in differences)

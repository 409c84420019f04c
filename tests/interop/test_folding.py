"""Folding: nets with groups that are alike become blocks, values of a type defaults; all names and the digest stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from netspec.interop.from_caffe import imported
from netspec.net.load import load_net

HEAD = 'input: "data" input_shape { dim: 2 dim: 3 dim: 8 dim: 9 }\n'
FIRE = """
layer {{ name: "{0}/squeeze" type: "Convolution" bottom: "{1}" top: "{0}/squeeze"
        convolution_param {{ num_output: {2} kernel_size: 1 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "{0}/relu" type: "ReLU" bottom: "{0}/squeeze" top: "{0}/squeeze" }}
layer {{ name: "{0}/e1" type: "Convolution" bottom: "{0}/squeeze" top: "{0}/e1"
        convolution_param {{ num_output: {3} kernel_size: 1 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "{0}/e3" type: "Convolution" bottom: "{0}/squeeze" top: "{0}/e3"
        convolution_param {{ num_output: {3} kernel_size: 3 pad: 1 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "{0}/concat" type: "Concat" bottom: "{0}/e1" bottom: "{0}/e3" top: "{0}/concat" }}
"""
POOL = """
layer { name: "pool" type: "Pooling" bottom: "fire3/concat" top: "pool" pooling_param { kernel_size: 2 stride: 2 } }
"""
SQUEEZE = (
    HEAD + FIRE.format("fire2", "data", 2, 4) + FIRE.format("fire3", "fire2/concat", 3, 4) + POOL
    + FIRE.format("fire4", "pool", 3, 5)
)  # fmt: skip

FOLDED = """\
defaults:
  Convolution: {kernel_size: 1, weight_filler: {type: xavier}}
blocks:
  fire:
    vars: {num_output_1: ~, num_output_2: ~}
    layers:
      - {name: squeeze, type: Convolution, num_output: $num_output_1}
      - {name: relu, type: ReLU, top: squeeze}
      - {name: e1, type: Convolution, num_output: $num_output_2}
      - name: e3
        type: Convolution
        bottom: squeeze
        num_output: $num_output_2
        kernel_size: 3
        pad: 1
      - {name: concat, type: Concat, bottom: [e1, e3]}
layers:
  # the inputs of the net became an Input layer
  - {name: input, type: Input, top: data, shape: [[2, 3, 8, 9]]}
  - {name: fire2, block: fire, vars: {num_output_1: 2, num_output_2: 4}}
  - {name: fire3, block: fire, vars: {num_output_1: 3, num_output_2: 4}}
  - {name: pool, type: Pooling, kernel_size: 2, stride: 2}
  - {name: fire4, block: fire, vars: {num_output_1: 3, num_output_2: 5}}
"""


def compacted(text: str, folder: Path) -> str:
    (folder / "a.prototxt").write_text(text)
    return imported(folder / "a.prototxt", folder, compact=True).text


def test_groups_that_are_alike(tmp_path: Path) -> None:
    text = compacted(SQUEEZE, tmp_path)
    assert text == FOLDED
    (tmp_path / "a.yaml").write_text(text)
    nodes = load_net(str(tmp_path / "a.yaml")).graph.nodes
    assert [node.layer.name for node in nodes][:4] == ["input", "fire2/squeeze", "fire2/relu", "fire2/e1"]


def test_groups_that_read_two_blobs_stay(tmp_path: Path) -> None:
    add = 'layer {{ name: "{0}/sum" type: "Eltwise" bottom: "{0}/concat" bottom: "{1}" top: "{0}/sum" }}'
    text = HEAD + 'layer { name: "r" type: "ReLU" bottom: "data" top: "r" }'
    text += FIRE.format("a", "r", 2, 4) + add.format("a", "data") + FIRE.format("b", "a/sum", 2, 4)
    text += add.format("b", "r")
    with pytest.raises(Exception, match="NS3"):  # the sums are of other shapes: the mistake comes first
        load_net(str(_at(tmp_path, text)))
    assert "blocks:" not in compacted(text, tmp_path)


def _at(folder: Path, text: str) -> Path:
    path = folder / "b.prototxt"
    path.write_text(text)
    return path


def test_values_that_few_layers_have_stay(tmp_path: Path) -> None:
    text = HEAD
    for number, (outputs, kernel) in enumerate([(2, 1), (3, 1), (4, 3)]):
        below = f"c{number - 1}" if number else "data"
        text += f'layer {{ name: "c{number}" type: "Convolution" bottom: "{below}" top: "c{number}" '
        text += f"param {{ name: 'w{number}' }} convolution_param {{ num_output: {outputs} kernel_size: {kernel} "
        text += "weight_filler { type: 'gaussian' std: 0.01 } } }\n"
    found = compacted(text, tmp_path)
    assert "  Convolution: {kernel_size: 1, weight_filler: {type: gaussian, std: 0.01}}\n" in found
    assert "{name: c2, type: Convolution, param: {name: w2}, num_output: 4, kernel_size: 3}" in found

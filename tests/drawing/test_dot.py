from __future__ import annotations

import re

from netspec.drawing.boxes import chart
from netspec.drawing.dot import dot
from netspec.drawing.mermaid import mermaid
from netspec.net.load import load_net

ODD = {
    "name": 'a "net"',
    "layers": [
        {"name": "data", "type": "Input", "shape": [[2, 3]]},
        {"name": 'quo"te\\/one', "type": "InnerProduct", "num_output": 4},
        {"name": 'quo"te\\/<b>end;', "type": "InnerProduct", "num_output": 5},
    ],
}


def test_lenet_as_dot() -> None:
    text = dot(chart(load_net("lenet")), "LeNet")
    assert 'n1 [label="conv1\\nConvolution 5x5\\n520 params", fillcolor="#cce3f0"' in text
    assert '  n1 -> n2 [label="20x24x24"]' in text
    assert text.count(" -> ") == 8


def test_lenet_as_mermaid() -> None:
    text = mermaid(chart(load_net("lenet")), "LeNet")
    assert '  n5["ip1<br/>InnerProduct<br/>400,500 params<br/>ReLU"]:::product' in text
    assert '  n1 -- "20x24x24" --> n2' in text
    assert '  n7(["label"]):::label' in text


def test_open_blocks_are_clusters_and_folded_ones_nodes() -> None:
    net = load_net("resnet50")
    assert dot(chart(net), "x").count("subgraph ") == 20
    assert mermaid(chart(net), "x").count("subgraph ") == mermaid(chart(net), "x").count("  end\n") == 20
    assert "subgraph" not in dot(chart(net, depth=1), "x") + mermaid(chart(net, depth=1), "x")


def test_names_stay_inside_their_quotes() -> None:
    made = chart(load_net(ODD))
    text = dot(made, ODD["name"])  # type: ignore[arg-type]
    assert 'digraph "a \\"net\\"" {' in text
    assert '[label="<b>end;\\nInnerProduct' in text and 'subgraph "cluster_quo\\"te\\\\"' in text
    for line in text.splitlines()[1:]:
        assert len(re.sub(r"\\.", "", line).split('"')) % 2 == 1, line  # quotes are in pairs
    flow = mermaid(made, ODD["name"])  # type: ignore[arg-type]
    assert "#60;b#62;end#59;<br/>InnerProduct" in flow and '["quo#34;te#92;"]' in flow

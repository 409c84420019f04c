from netspec.interop.yaml_text import Written, net_text

LAYERS = [
    Written({"name": "data", "type": "Input", "top": ["data"], "shape": [2, 3, 7, 5]}),
    Written(
        {"name": "conv", "type": "Convolution", "bottom": ["data"], "top": ["conv"], "num_output": 4, "kernel_size": 3}
        | {"group": 1, "bias_term": True, "stride": [2, 1]},
        ("padding was SAME",),
    ),
    Written({"name": "quiet", "type": "Silence", "bottom": ["data"], "top": []}),
    Written({"name": "relu", "type": "ReLU", "bottom": ["conv"], "top": ["conv"], "negative_slope": 0.0}),
    Written({"name": "drop", "type": "Dropout", "bottom": ["conv"], "top": ["drop"], "include": {"phase": "TRAIN"}}),
    Written({"name": "$ip", "type": "InnerProduct", "bottom": ["conv"], "num_output": 2}),
]


def test_defaults_and_usual_wiring_are_left_out():
    text = net_text({"name": "small"}, LAYERS, ("From elsewhere.",))
    assert (
        text
        == """\
# From elsewhere.
name: small
layers:
  - {name: data, type: Input, shape: [2, 3, 7, 5]}
  # padding was SAME
  - {name: conv, type: Convolution, num_output: 4, kernel_size: 3, stride: [2, 1]}
  - {name: quiet, type: Silence, bottom: data}
  - {name: relu, type: ReLU, top: conv}
  - {name: drop, type: Dropout, include: {phase: TRAIN}}
  - {name: $$ip, type: InnerProduct, bottom: conv, num_output: 2}
"""
    )


def test_a_long_layer_has_a_line_for_each_field():
    tops = [f"a_long_name_{number}" for number in range(9)]
    text = net_text({"name": "long"}, [Written({"name": "data", "type": "Input", "top": tops, "shape": [1, 2]})])
    assert text.splitlines()[2:5] == ["  - name: data", "    type: Input", f"    top: [{', '.join(tops)}]"]

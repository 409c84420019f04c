"""Recurrent layers, sources, losses and scores that Caffe says otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from netspec.interop.to_caffe.case import CaffeLayer, Case, Convert
from netspec.interop.to_caffe.direct import direct, messages
from netspec.layers.lstm import LSTM
from netspec.layers.parameter import Parameter
from netspec.layers.rnn import RNN
from netspec.layers.softmax_with_loss import SoftmaxWithLoss
from netspec.layers.top_k import TopK
from netspec.net.graph import ParamKey


def _recurrent(case: Case) -> Iterator[CaffeLayer]:
    """A layer for each of the stack; without marks, with marks that let every batch begin anew."""
    layer = case.layer
    assert isinstance(layer, LSTM | RNN)
    for field in ("bidirectional", "lengths", "peephole"):
        if getattr(layer, field, False):
            raise case.refused(f"Caffe's {layer.type} has no `{field}`", field)
    if layer.num_layers > 1 and layer.expose_hidden:
        raise case.refused("Caffe exposes the states of one layer, not of a stack", "expose_hidden")
    own = messages(case, layer.type, "num_layers", "dropout_ratio", "bidirectional", "lengths", "peephole")
    x, *others = case.bottoms
    if not others:
        marks, cont = _marks(case)
        yield from marks
        others = [cont]
    for number, keys in enumerate(_by_layer(case, layer.num_layers)):
        last = number == layer.num_layers - 1
        top = case.tops if last else (case.fresh(f"h{number}"),)
        name = case.fresh(f"l{number}") if number else layer.name
        yield case.caffe(layer.type, [x, *(others[:1] if number else others)], top, keys, name, own)
        x = top[0]
        if not last and layer.dropout_ratio:
            drop, x = case.step("Dropout", f"drop{number}", x, dropout_param={"dropout_ratio": layer.dropout_ratio})
            yield drop


def _by_layer(case: Case, layers: int) -> list[list[ParamKey]]:
    """The params of each layer of a stack: from the second on their names end in _l1, _l2, ..."""
    found: list[list[ParamKey]] = [[] for _ in range(layers)]
    for key in case.params:
        number = key.param.rpartition("_l")[2]
        found[int(number) if number.isdecimal() else 0].append(key)
    return found


def _marks(case: Case) -> tuple[list[CaffeLayer], str]:
    """Marks (T, N), for the sizes of the bottom: 0 in the first step and 1 in the others; and their name."""
    steps, rows = case.bottom_shapes[0][:2]
    case.notes.append(
        f"layer '{case.layer.name}': its marks, which Caffe asks for, are written for {rows} rows of {steps} steps"
    )
    values, lengths = ((0.0, 1.0), (1, steps - 1)) if steps > 1 else ((0.0,), (1,))
    param = {
        "shape": [{"dim": [length, rows]} for length in lengths],
        "data_filler": [{"type": "constant", "value": value} for value in values],
    }
    tops = [case.fresh(suffix) for suffix in ("begin", "go_on")[: len(values)]]
    made = [case.caffe("DummyData", (), tops, name=case.fresh("marks"), dummy_data_param=param)]
    if steps == 1:
        return made, tops[0]
    joined, name = case.step("Concat", "cont", tops, concat_param={"axis": 0})
    return [*made, joined], name


def _input(case: Case) -> Iterator[CaffeLayer]:
    """Input, of the shapes that its tops have."""
    shapes = [{"dim": list(shape)} for shape in case.top_shapes]
    yield case.caffe("Input", input_param={"shape": shapes})


def _parameter(case: Case) -> Iterator[CaffeLayer]:
    """Parameter, which Caffe fills with 0."""
    assert isinstance(case.layer, Parameter)
    if case.layer.filler.level != 0:
        case.notes.append(f"layer '{case.layer.name}': Caffe starts it at 0; its values are in the caffemodel")
    yield case.caffe("Parameter", blobs=case.params, messages=messages(case, "Parameter", "filler"))


def _softmax_with_loss(case: Case) -> Iterator[CaffeLayer]:
    """SoftmaxWithLoss; a second top, which Caffe cannot build, is the top of a Softmax."""
    layer = case.layer
    assert isinstance(layer, SoftmaxWithLoss)
    if len(case.tops) == 1:
        yield from direct(case)
        return
    param = {"axis": layer.axis} if layer.axis != 1 else {}
    yield case.caffe("Softmax", case.bottoms[0], case.tops[1], name=case.fresh("softmax"), softmax_param=param)
    yield from direct(replace(case, tops=case.tops[:1]))


def _top_k(case: Case) -> Iterator[CaffeLayer]:
    """An Accuracy for each number of classes."""
    layer = case.layer
    assert isinstance(layer, TopK)
    own = messages(case, "Accuracy", "top_k")["accuracy_param"]
    for number, (k, top) in enumerate(zip(layer.top_k, case.tops, strict=True)):
        name = case.fresh(f"top{k}") if number < len(layer.top_k) - 1 else layer.name
        yield case.caffe("Accuracy", top=top, name=name, accuracy_param=own | {"top_k": k})


CONVERTERS: dict[str, Convert] = {
    "Input": _input,
    "LSTM": _recurrent,
    "Parameter": _parameter,
    "RNN": _recurrent,
    "SoftmaxWithLoss": _softmax_with_loss,
    "TopK": _top_k,
}

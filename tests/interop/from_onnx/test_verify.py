"""Verification of an import: inputs of every type that a model takes, and inputs that nothing reads."""

import numpy as np
import pytest

from tests.interop.from_onnx.models import TensorProto, helper, imported, model, random  # isort: skip - onnx may lack
from netspec.interop.from_onnx.verify import compare


@pytest.mark.parametrize("kind", ["INT32", "INT64", "UINT8"])
def test_whole_numbers_are_given_as_the_model_takes_them(kind, tmp_path):
    cast = helper.make_node("Cast", ["n"], ["real"], to=TensorProto.FLOAT)
    nodes = [cast, helper.make_node("Mul", ["x", "real"], ["y"])]
    proto = model(nodes, {"x": (2, 5), "n": np.zeros((2, 5), np.int64), "unread": (2, 3, 4)})
    proto.graph.input[1].type.tensor_type.elem_type = getattr(TensorProto, kind)
    found = imported(proto, tmp_path)
    assert [one.agrees for one in compare(tmp_path / "small.onnx", found)] == [True]


def test_rows_are_drawn_where_an_embedding_reads_them(tmp_path):
    first = helper.make_node("Slice", ["n", "begin", "end", "axes"], ["steps"])
    nodes = [first, helper.make_node("Gather", ["table", "steps"], ["y"])]
    bounds = {"begin": np.array([1]), "end": np.array([4]), "axes": np.array([0])}
    proto = model(nodes, {"n": np.zeros((4, 2), np.int64)}, {"table": random(3, 5), **bounds})
    proto.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "N"
    found = imported(proto, tmp_path, batch=2)
    assert [one.agrees for one in compare(tmp_path / "small.onnx", found)] == [True]

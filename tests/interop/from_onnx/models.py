"""Small ONNX models for tests, and the nets that they become."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper

from netspec import Net
from netspec.interop.from_onnx.convert import Imported, convert
from netspec.interop.from_onnx.write import save
from netspec.interop.onnx_files import run, session

TYPES = {"f": TensorProto.FLOAT, "i": TensorProto.INT64}


def random(*shape, seed=0):
    """Normal numbers, equal in every run."""
    return np.random.default_rng(seed + sum(shape)).normal(size=shape).astype(np.float32)


def model(nodes, inputs, constants=(), opset=17, outputs=("y",), domains=()):
    """A model of nodes; `inputs` are arrays, or shapes of float32, by name, `constants` arrays by name."""
    told = []
    for name, value in inputs.items():
        shape, kind = (value.shape, value.dtype.kind) if isinstance(value, np.ndarray) else (value, "f")
        told.append(helper.make_tensor_value_info(name, TYPES[kind], shape))
    initial = [numpy_helper.from_array(array, name) for name, array in dict(constants).items()]
    answers = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    graph = helper.make_graph(list(nodes), "small", told, answers, initial)
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def imported(proto, folder: Path, **how) -> Imported:
    """The net that a model becomes."""
    path = folder / "small.onnx"
    path.write_bytes(proto.SerializeToString())
    return convert(path, **how)


def agrees(proto, folder: Path, inputs, tolerance=1e-5, **how):
    """The net that a model becomes, after a comparison of its outputs with onnxruntime's."""
    found = imported(proto, folder, **how)
    path, *weights = save(found, folder / "small.yaml", force=True)
    net = Net(path, phase="TEST", weights=weights[0] if weights else None)
    net.forward(**{name: value for name, value in inputs.items() if name in net.inputs})
    theirs = run(session(proto.SerializeToString(), "small"), inputs, "small")
    for name, values in theirs.items():
        ours = net.blobs[name].data
        assert ours.shape == values.shape, name
        scale = max(1e-6, np.abs(values).max())
        np.testing.assert_allclose(ours / scale, values / scale, rtol=0, atol=tolerance, err_msg=name)
    return found


def types(found: Imported):
    """The types of an imported net's layers, in order, but for its inputs."""
    return [layer.fields["type"] for layer in found.layers if layer.fields["type"] != "Input"]

"""Modules exported by both exporters of PyTorch, imported and run at the batch size of the export and at another."""

import inspect
import warnings

import numpy as np
import pytest

from netspec import Net
from netspec.formats.onnx_model import read_model
from netspec.interop.from_onnx.convert import convert
from netspec.interop.from_onnx.write import save

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from tests.interop.from_onnx import modules  # noqa: E402

OLD, NEW = (9, 11, 13, 17), (18, 21)
"""Opsets of the exporter that traces TorchScript, and of the newer one."""
FIRST = {modules.Attentive: 11, modules.Bent: 13, modules.Wide: 11, modules.Volume: 11, modules.Patches: 17}
"""The first opset in which a module can be written by the older exporter."""


def made(module):
    """A module whose norms have statistics of their own."""
    torch.manual_seed(0)
    net = module().eval()
    for each in net.modules():
        if isinstance(each, torch.nn.BatchNorm2d):
            each.running_mean.normal_()
            each.running_var.uniform_(0.5, 2)
            each.weight.data.normal_(1, 0.3)
    return net


def inputs(module, batch):
    """Random inputs of so many samples."""
    if module.shape is None:
        return torch.randint(0, 11, (batch, 7))
    axis = getattr(module, "batch_axis", 0)
    return torch.randn(*(batch if at == axis else size for at, size in enumerate(module.shape)))


def exported(module, net, path, opset):
    """Write a module as ONNX with an open batch axis."""
    axis, x = getattr(module, "batch_axis", 0), inputs(module, 2)
    how = {"input_names": ["x"], "opset_version": opset, "dynamo": opset in NEW}
    if opset in NEW:
        (name,) = inspect.signature(net.forward).parameters
        how |= {"dynamic_shapes": {name: {axis: torch.export.Dim("n")}}, "verbose": False}
    else:
        how |= {"dynamic_axes": {"x": {axis: "n"}}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (x,), path, **how)


def agrees(module, opset, tmp_path):
    net, path = made(module), tmp_path / "net.onnx"
    exported(module, net, path, opset)
    found = convert(path, 2)
    yaml, *weights = save(found, tmp_path / "net.yaml")
    for batch in (2, 3):
        x = inputs(module, batch)
        with torch.no_grad():
            wanted = net(x)
        ours = Net(yaml, phase="TEST", batch=batch, weights=weights[0] if weights else None)
        ours.forward(x=x.numpy())
        for name, theirs in zip(outputs(path), wanted if isinstance(wanted, tuple) else (wanted,), strict=True):
            scale = float(theirs.abs().max())
            np.testing.assert_allclose(ours.blobs[name].data / scale, theirs.numpy() / scale, rtol=0, atol=1e-5)


def outputs(path):
    return [value.name for value in read_model(path).outputs]


def test_an_export_agrees(tmp_path):
    agrees(modules.Mobile, 17, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("opset", OLD + NEW)
@pytest.mark.parametrize("module", modules.MODULES, ids=lambda module: module.__name__)
def test_every_export_agrees(module, opset, tmp_path):
    if opset in OLD and opset < FIRST.get(module, 9):
        pytest.skip("this exporter cannot write it in this opset")
    agrees(module, opset, tmp_path)

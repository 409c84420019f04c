"""A deployed net in ONNX Runtime: the torch net, exported by torch.onnx.export, on its CPU provider as it comes."""

from __future__ import annotations

import importlib.util
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.in_torch import TorchNet
from benchmarks.nets import Arrays


def missing() -> list[str]:
    """The packages that are not installed here."""
    return [name for name in ("onnx", "onnxruntime") if importlib.util.find_spec(name) is None]


class OnnxStepper:
    """A session fed with one batch: `scores` computes and copies, `infer` runs forward."""

    def __init__(self, net: TorchNet, batch: Arrays, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "net.onnx")
            _export(net, batch, path)
            self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.feed = {self.session.get_inputs()[0].name: batch[0]}

    @property
    def versions(self) -> dict[str, str]:
        """Of ONNX Runtime."""
        return {"onnxruntime": version("onnxruntime")}

    def infer(self) -> None:
        """One forward pass."""
        self.scores()

    def scores(self) -> Any:
        """The last layer's top."""
        return self.session.run(None, self.feed)[0]


class _Module(torch.nn.Module):
    """A TorchNet as a module of the first input; the params are its buffers, the other inputs constants."""

    def __init__(self, net: TorchNet, rest: Arrays) -> None:
        super().__init__()
        self.net, self.rest = net, rest
        for index, param in enumerate(net.params):
            self.register_buffer(f"param{index}", param)

    def forward(self, x: Tensor) -> Tensor:
        return self.net.scores(x, *self.rest)


def _export(net: TorchNet, batch: Arrays, path: Path) -> None:
    """Write the net for this batch size.

    The exporter of TorchScript takes a tenth of a second where the other takes up to eight; ONNX Runtime runs both
    results at the same speed (measured on LeNet, ResNet-20, MobileNet, GoogLeNet and DenseNet-121).
    """
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # it is deprecated, and tells of each constant
        torch.onnx.export(_Module(net, batch[1:]).eval(), (torch.tensor(batch[0]),), path, dynamo=False)

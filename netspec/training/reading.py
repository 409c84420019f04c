"""Reading: a file of weights of any kind, netspec's own, any safetensors file or Caffe's, as a Snapshot."""

from __future__ import annotations

from pathlib import Path

from netspec.training import caffe_weights, snapshot
from netspec.training.caffe_weights import CaffeFileError
from netspec.training.container import check_there
from netspec.training.snapshot import Snapshot


def read(path: Path) -> Snapshot:
    """The weights in a file, and what else it holds of a training. Raises SnapshotError."""
    check_there(path)
    if caffe_weights.is_state(path):
        raise CaffeFileError(
            f"'{path}' holds the state of a solver of Caffe, and no weights",
            help="the weights are in the .caffemodel beside it; to go on with the training, say --resume",
        )
    return caffe_weights.read(path) if caffe_weights.is_weights(path) else snapshot.read(path)

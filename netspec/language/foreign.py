"""Files of other programs, given where a net or a solver is meant: recognised by their names and contents."""

from __future__ import annotations

import re
from pathlib import Path

from netspec.core.errors import SpecError
from netspec.core.places import Place


class ForeignFileError(SpecError):
    """A file of another program (weights, code, arrays) where a net or a solver is meant."""

    code = "NS701"


PROTOTXT = frozenset((".prototxt", ".pbtxt"))
"""Suffixes of Caffe's text files, which are read like those in YAML."""

YAML = frozenset((".yaml", ".yml"))
"""Suffixes of netspec's own files."""

_ANEW = "netspec reads nets in YAML and Caffe's prototxt: `netspec zoo list` has nets to begin with"
_ONNX = "`netspec import onnx FILE` makes a net in YAML and its weights of it"
_CAFFE = "name its prototxt, and say `--weights FILE`"
_RESUME = "name its solver, and say `--resume FILE`"
_CODE = "netspec reads nets in YAML; a Python file with layers of your own goes to `--code FILE.py`"
_ARRAYS = "data stand in a solver: `source: {type: Arrays, outputs: [images.npy, labels.npy]}`"
_SNAPSHOT = "name the net or solver, and say `--weights FILE`"

_SUFFIXES = {
    ".caffemodel": ("weights of Caffe", _CAFFE),
    ".solverstate": ("a snapshot of Caffe", _RESUME),
    **dict.fromkeys((".ckpt", ".pkl", ".pt", ".pth"), ("weights of PyTorch or a pickle", _ANEW)),
    **dict.fromkeys((".h5", ".hdf5", ".keras", ".pb", ".tflite"), ("a model of Keras or TensorFlow", _ANEW)),
    **dict.fromkeys((".npy", ".npz"), ("NumPy arrays", _ARRAYS)),
    **dict.fromkeys((".ipynb", ".py"), ("Python code", _CODE)),
    ".cfg": ("a file of darknet", _ANEW),
    ".onnx": ("an ONNX model", _ONNX),
    ".safetensors": ("a snapshot", _SNAPSHOT),
}
"""By a file's suffix: what it is, and what to do."""

_BEGINNINGS = {
    b"\x89HDF": ("an HDF5 file, like a model of Keras", _ANEW),
    b"PK\x03\x04": ("a zip archive, like weights of PyTorch", _ANEW),
    b"\x80\x02": ("a Python pickle, like weights of PyTorch", _ANEW),
    b"\x93NUMPY": ("a NumPy array", _ARRAYS),
}
"""By a file's first bytes."""


def refuse(path: Path, raw: bytes, name: str, at: Place) -> None:
    """Raise ForeignFileError if a file is another program's by its suffix or its first bytes."""
    found = _SUFFIXES.get(path.suffix.lower()) or next(
        (about for begin, about in _BEGINNINGS.items() if raw.startswith(begin)), None
    )
    if found is not None:
        raise ForeignFileError(f"'{name}' is {found[0]}, not a net or solver", at=at, help=found[1])


_LAYER = re.compile(r"^\s*(layers?)\s*\{", re.M)
_POLICY = re.compile(r"^lr_policy\s*:\s*[\"']", re.M)
_OF_SOLVERS = re.compile(
    r"^(gamma|power|stepsize|stepvalue|snapshot_prefix|solver_mode|solver_type|train_net|test_net)\s*:", re.M
)


def is_prototxt(text: str) -> bool:
    """Whether a text that is no YAML is Caffe's: it has `layer {` at the beginning of a line, or a solver's words."""
    return _LAYER.search(text) is not None or is_solver(text)


def is_solver(text: str) -> bool:
    """Whether a text, which may be sound YAML, is a solver of Caffe: a policy in quotes beside words of Caffe alone."""
    return _POLICY.search(text) is not None and _OF_SOLVERS.search(text) is not None


def weights_of(path: Path) -> str | None:
    """The help line for a file that is no snapshot where one is meant, by its suffix."""
    suffix = path.suffix.lower()
    if suffix in PROTOTXT:
        return "a prototxt is a net or solver; Caffe's weights are in a .caffemodel"
    if suffix in YAML:
        return "a YAML file is a net or solver; its weights are in the folder of a run"
    if suffix in _IN_OTHERS_PLACE:
        return _IN_OTHERS_PLACE[suffix]
    about = _SUFFIXES.get(suffix)
    return f"it seems to be {about[0]}, which netspec does not read yet" if about and about[1] == _ANEW else None


_IN_OTHERS_PLACE = {
    ".onnx": _ONNX,
    ".caffemodel": "`netspec import caffe NET.prototxt --weights FILE -o NET.yaml` makes a snapshot of a .caffemodel",
}
"""By the suffix of a file that other commands take: what makes a snapshot of it."""

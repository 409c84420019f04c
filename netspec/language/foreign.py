"""Files of other programs, given where a net or a solver is meant: recognised by their names and contents."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from netspec.core.errors import SpecError
from netspec.core.places import Place, SourceText


class ForeignFileError(SpecError):
    """A file of another program (prototxt, weights, code, arrays) where a net or a solver in YAML is meant."""

    code = "NS701"


_ANEW = "netspec reads nets in YAML, and imports no others yet: `netspec zoo list` has nets to begin with"
_NET = (
    'netspec does not read prototxt yet: in YAML, `layer { name: "ip" type: "InnerProduct" inner_product_param '
    "{ num_output: 10 } }` is `- {name: ip, type: InnerProduct, num_output: 10}`; names and defaults are Caffe's"
)
_SOLVER = (
    "netspec does not read prototxt yet: in YAML the fields keep their names, but those of the policy stand in it, "
    "`lr_policy: {type: step, gamma: 0.1, stepsize: 1000}`; data stand in `data:`: `netspec zoo show lenet --solver`"
)
_CODE = "netspec reads nets in YAML; a Python file with layers of your own goes to `--code FILE.py`"
_ARRAYS = "data stand in a solver: `source: {type: Arrays, outputs: [images.npy, labels.npy]}`"
_SNAPSHOT = "name the net or solver, and say `--weights FILE`"

_SUFFIXES = {
    **dict.fromkeys((".caffemodel", ".solverstate"), ("weights of Caffe", _ANEW)),
    **dict.fromkeys((".ckpt", ".pkl", ".pt", ".pth"), ("weights of PyTorch or a pickle", _ANEW)),
    **dict.fromkeys((".h5", ".hdf5", ".keras", ".pb", ".tflite"), ("a model of Keras or TensorFlow", _ANEW)),
    **dict.fromkeys((".npy", ".npz"), ("NumPy arrays", _ARRAYS)),
    **dict.fromkeys((".ipynb", ".py"), ("Python code", _CODE)),
    ".cfg": ("a file of darknet", _ANEW),
    ".onnx": ("an ONNX model", _ANEW),
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
    suffix = path.suffix.lower()
    if suffix in {".prototxt", ".pbtxt"}:
        raise prototxt(raw.decode("utf-8", errors="replace"), name, at)
    found = _SUFFIXES.get(suffix) or next(
        (about for begin, about in _BEGINNINGS.items() if raw.startswith(begin)), None
    )
    if found is not None:
        raise ForeignFileError(f"'{name}' is {found[0]}, not a net or solver in YAML", at=at, help=found[1])


def prototxt(text: str, name: str, at: Place) -> ForeignFileError:
    """The error for a net or a solver of Caffe, placed at the net's first layer; `at` names the file."""
    layer = _LAYER.search(text)
    if layer is not None and at.line == 0:
        before = text[: layer.start(1)]
        at = replace(at, source=SourceText(name, text), line=before.count("\n") + 1, length=len(layer.group(1)))
        at = replace(at, column=layer.start(1) - before.rfind("\n"))
    solver = layer is None and re.search(r"^\s*(base_lr|lr_policy|max_iter|train_net|net)\s*:", text, re.M)
    what, help = ("solver", _SOLVER) if solver else ("net", _NET)
    return ForeignFileError(f"'{name}' is a {what} of Caffe (prototxt)", at=at, help=help)


_LAYER = re.compile(r"^\s*(layers?)\s*\{", re.M)


def is_prototxt(text: str) -> bool:
    """Whether a text that is no YAML has the layers of a Caffe net: `layer {` at the beginning of a line."""
    return _LAYER.search(text) is not None


def weights_of(path: Path) -> str | None:
    """The help line for a file of weights that is no snapshot, by its suffix."""
    about = _SUFFIXES.get(path.suffix.lower())
    return f"it seems to be {about[0]}, which netspec does not read yet; " if about and about[1] == _ANEW else None

"""Files of other programs are recognised where a net or a solver is meant, by their name or their contents."""

from __future__ import annotations

from pathlib import Path

import pytest

from netspec.core.errors import NetspecError
from netspec.language.files import read
from netspec.language.foreign import ForeignFileError, weights_of

NET = 'name: "LeNet"\nlayer {\n  name: "ip"\n  type: "InnerProduct"\n}\n'
OLD = 'name: "LeNet"\ninput: "data"\nlayers { bottom: "data" type: INNER_PRODUCT }\n'
SOLVER = 'net: "lenet.prototxt"\nbase_lr: 0.01\nlr_policy: "step"\n'


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("a.prototxt", NET, "a net of Caffe"),
        ("a.PROTOTXT", OLD, "a net of Caffe"),
        ("a.pbtxt", SOLVER, "a solver of Caffe"),
        ("a.yaml", NET, "a net of Caffe"),
        ("a", OLD, "a net of Caffe"),
        ("a.caffemodel", b"\x0a\x05LeNet\xff", "weights of Caffe"),
        ("a.pth", b"PK\x03\x04", "weights of PyTorch"),
        ("a.onnx", b"\x08\x08\x12", "an ONNX model"),
        ("a.h5", b"", "a model of Keras"),
        ("a.py", "import torch\n", "Python code"),
        ("a.npz", b"PK\x03\x04", "NumPy arrays"),
        ("a.safetensors", b"\x08\x00\x00\x00\x00\x00\x00\x00{}", "a snapshot"),
        ("a.yaml", b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        ("weights", b"PK\x03\x04\x14\x00", "a zip archive"),
        ("pickled.yml", b"\x80\x02}q\x00.", "a Python pickle"),
    ],
)
def test_a_foreign_file_is_named(name: str, content: str | bytes, wanted: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ForeignFileError, match=wanted) as raised:
        read(path)
    assert raised.value.help


def test_yaml_that_speaks_of_layers_is_yaml(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text("cite: |\n  In Caffe:\n  layer { }\nlayers: []\n")
    assert read(path).plain()["layers"] == ()
    path.write_text("layers: [}\n")
    with pytest.raises(NetspecError) as raised:
        read(path)
    assert not isinstance(raised.value, ForeignFileError)


def test_weights_that_are_no_snapshot() -> None:
    assert "Caffe" in str(weights_of(Path("a.caffemodel")))
    assert weights_of(Path("a.safetensors")) is None and weights_of(Path("a")) is None

"""Files of other programs are recognised where a net or a solver is meant, by their name or their contents."""

from __future__ import annotations

from pathlib import Path

import pytest

from netspec.core.errors import NetspecError
from netspec.language.files import read
from netspec.language.foreign import ForeignFileError, weights_of

NET = 'name: "LeNet"\nlayer {\n  name: "ip"\n  type: "InnerProduct"\n}\n'
OLD = 'name: "LeNet"\ninput: "data"\nlayers { bottom: "data" type: INNER_PRODUCT }\n'
SOLVER = 'net: "lenet.prototxt"\nbase_lr: 0.01\nlr_policy: "step"\ngamma: 0.1\nstepsize: 10\nmax_iter: 20\n'


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
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


@pytest.mark.parametrize("name", ["a.prototxt", "a.PROTOTXT", "a.pbtxt", "a.yaml", "a"])
@pytest.mark.parametrize("text", [NET, OLD])
def test_a_prototxt_is_read_by_its_name_or_its_layers(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    document = read(path)
    assert document.root.at.source.caffe and document.path == path
    assert document.plain()["layers"][-1]["type"] == "InnerProduct"


def test_a_solver_is_read_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a.prototxt"
    path.write_text(SOLVER)
    assert read(path).plain()["lr_policy"]["type"] == "step"


def test_comments_of_a_prototxt_may_be_in_any_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.prototxt"
    path.write_bytes(b"\xef\xbb\xbf# \xb2\xe2\xca\xd4\n" + NET.encode())
    assert read(path).plain()["name"] == "LeNet"


def test_weights_that_are_no_snapshot() -> None:
    assert "PyTorch" in str(weights_of(Path("a.pth")))
    assert weights_of(Path("a.safetensors")) is None and weights_of(Path("a")) is None
    helps = {
        "a.onnx": "import onnx",
        "a.prototxt": ".caffemodel",
        "a.caffemodel": "import caffe",
        "a.yaml": "in the folder of a run",
    }
    assert [name for name, word in helps.items() if word not in str(weights_of(Path(name)))] == []


CAFFES_SOLVER = 'net: "a.prototxt"\nbase_lr: 0.1\nlr_policy: "step"\ngamma: 0.1\nstepsize: 5\nmax_iter: 9\n'


@pytest.mark.parametrize("more", ["", 'train_state { stage: "a" }\n'], ids=["sound YAML", "no YAML"])
def test_a_solver_of_caffe_without_a_suffix(tmp_path: Path, more: str) -> None:
    (tmp_path / "solver").write_text(CAFFES_SOLVER + more)
    document = read(tmp_path / "solver")
    assert document.root.at.source.caffe
    policy = document.plain()["lr_policy"]
    assert (policy["type"], policy["gamma"], policy["stepsize"]) == ("step", 0.1, 5)


def test_a_yaml_file_with_words_of_caffe_stays_yaml(tmp_path: Path) -> None:
    (tmp_path / "solver.yaml").write_text(CAFFES_SOLVER)
    assert not read(tmp_path / "solver.yaml").root.at.source.caffe

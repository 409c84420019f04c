"""Broken files, and the messages of the command line about them, word for word.

Every `broken/NAME.txt` is a transcript: the command, its stderr (then, after a line `stdout:`, its stdout), its exit
code. To add a case, write the broken file, and a transcript with its first line `$ netspec ...` and its last `exit N`.
Then run `NETSPEC_UPDATE_GOLDEN=1 pytest tests/cli/test_broken.py`, which writes the text between, and read that text as
the author of the mistake would. Large or binary files are created by `_make`; the commands run in a copy of the folder.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from safetensors.numpy import save_file

from netspec.cli import app
from netspec.formats import caffemodel, solverstate
from netspec.net.graph import ParamKey
from netspec.training import snapshot
from tests.helpers import ROOT, broken_images, broken_stores, onnx_bytes
from tests.helpers.code import forgotten

CORPUS = Path(__file__).parent / "broken"
CASES = sorted(path.stem for path in CORPUS.glob("*.txt"))
UPDATE = bool(os.environ.get("NETSPEC_UPDATE_GOLDEN"))

IN_A_PROCESS = {"key_typo", "garbage_100mb", "override_layer", "check_nothing"}
"""Cases that run as `python -m netspec`; the others call the command line's main in this process."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("corpus") / "broken"
    shutil.copytree(CORPUS, path, ignore=shutil.ignore_patterns("*.txt"))
    _make(path)
    with FileLock(path / "busy" / ".lock"):
        yield path
    (path / "garbage.yaml").unlink()  # a hundred million bytes


@pytest.mark.parametrize("case", CASES)
def test_says_what_is_wrong(
    case: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    golden = CORPUS / f"{case}.txt"
    first, *lines, last = golden.read_text(encoding="utf-8").splitlines()
    words = shlex.split(first.removeprefix("$ netspec "))
    monkeypatch.chdir(folder)
    for variable in ("NETSPEC_RUNS_DIR", "NETSPEC_DATA_DIR", "NETSPEC_ZOO_PATH", "FORCE_COLOR"):
        monkeypatch.delenv(variable, raising=False)
    with forgotten():
        code, out, err = _process(words) if case in IN_A_PROCESS else _here(words, monkeypatch, capsys)
    said = (err + (f"stdout:\n{out}" if out else "")).rstrip("\n")
    assert "Traceback" not in said
    assert f"exit {code}" == last, said
    if UPDATE:
        golden.write_text(f"{first}\n{said}\n{last}\n", encoding="utf-8")
    else:
        assert said == "\n".join(lines)


def _here(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command line, called as a function."""
    monkeypatch.setattr(sys, "argv", ["netspec", *words])
    with pytest.raises(SystemExit) as ended:
        app.main()
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def _process(words: list[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command line, run as a process."""
    done = subprocess.run(
        [sys.executable, "-m", "netspec", *words], capture_output=True, text=True, encoding="utf-8", timeout=60
    )
    return done.returncode, done.stdout, done.stderr


def test_the_corpus_is_large_and_every_file_in_it_is_used() -> None:
    assert len(CASES) >= 60
    spoken = " ".join(path.read_text(encoding="utf-8") for path in CORPUS.iterdir() if path.is_file())
    assert [path.name for path in CORPUS.glob("*.yaml") if path.name not in spoken] == []


NOT_HERE = {
    "NS002": "the Python API's names, tests/test_api.py",
    "NS003": "the Python API's diffs, tests/test_api.py",
    "NS005": "the Python API's arguments, tests/test_api.py",
    "NS011": "needs an installed package, tests/core/test_plugins.py",
    "NS014": "a kernel that numba refuses, tests/codegen/test_sources.py",
    "NS309": "a layer type of the user's own, tests/net/test_wire.py",
    "NS401": "needs more memory than this machine has",
    "NS404": "settings of numba, tests/codegen/test_environment.py",
    "NS501": "a family: NS503, NS504 and NS506 are its errors",
    "NS502": "a family: NS312, NS507 and NS508 are its errors",
    "NS503": "written by a snapshot of weights that are not finite, tests/test_train.py",
    "NS505": "takes a hundred iterations, tests/training/rules/test_stalled_loss.py",
    "NS507": "a layer type of the user's own, tests/cli/test_gradcheck.py",
    "NS508": "compiles kernels, which it reports, tests/cli/test_gradcheck.py",
    "NS510": "a family",
    "NS520": "a family",
    "NS528": "a full standard output, tests/cli/test_surroundings.py",
    "NS614": "data that change while a training reads them, tests/formats/test_rows.py",
    "NS836": "compiles kernels, tests/cli/test_lr_find.py",
    "NS840": "a rule on the history of a run, tests/training/rules/test_histories.py",
    "NS841": "a rule on the history of a run, tests/training/rules/test_histories.py",
    "NS842": "a rule on the history of a run, tests/training/rules/test_histories.py",
    "NS843": "a rule on the history of a run, tests/training/rules/test_histories.py",
    "NS844": "a rule on the history of a run, tests/training/rules/test_histories.py",
    "NS845": "a rule on the history of a run, tests/training/rules/test_histories.py",
    "NS846": "a rule on the history of a run, tests/training/rules/test_histories.py",
    "NS847": "a rule on the history of a run, tests/training/rules/test_histories.py",
    "NS848": "a rule on the history of a run, tests/training/rules/test_histories.py",
    "NS849": "a rule on the history of a run, tests/training/rules/test_room.py",
    "NS850": "a rule on the history of a run, tests/training/rules/test_room.py",
    "NS851": "the state of a machine, tests/study/test_machine.py",
    "NS852": "the state of a machine, tests/study/test_machine.py",
    "NS853": "the state of a machine, tests/study/test_machine.py",
    "NS854": "the state of a machine, tests/study/test_machine.py",
    "NS855": "the state of a machine, tests/study/test_machine.py",
    "NS856": "compiles kernels, tests/cli/test_doctor.py",
    "NS878": "the answers of a quiz, tests/cli/test_trace.py",
    "NS526": "runs.read of a broken folder, tests/training/test_runs.py",
    "NS544": "a warning of a resume, tests/training/averages/test_averages.py",
    "NS549": "factors that overflow, tests/training/solvers/test_kfac.py",
    "NS564": "runs of a folder, tests/cli/test_runs.py",
    "NS559": "a run whose time is used up, tests/training/test_budgets.py",
    "NS563": "a library that is not installed, tests/core/test_optional.py",
    "NS800": "a warning of the doctor, tests/training/rules/test_room.py",
    "NS801": "a warning of the doctor, tests/training/rules/test_room.py",
    "NS802": "a warning of the doctor, tests/training/rules/test_room.py",
    "NS803": "a warning of the doctor, tests/training/rules/test_room.py",
    "NS804": "a warning of the doctor, tests/training/rules/test_room.py",
    "NS805": "a warning of the doctor, tests/training/rules/test_room.py",
    "NS806": "a warning of the doctor, tests/training/rules/test_room.py",
    "NS807": "a warning of the doctor, tests/training/rules/test_room.py",
    "NS808": "a warning of the doctor, tests/training/rules/test_room.py",
    "NS810": "a warning of the doctor, tests/training/rules/test_room.py",
    "NS811": "a warning of the doctor, tests/training/rules/test_room.py",
    "NS813": "a warning of the doctor, tests/training/rules/test_room.py",
    "NS814": "a warning of the doctor, tests/training/rules/test_room.py",
    "NS815": "a warning of the doctor, tests/training/rules/test_room.py",
    "NS816": "a warning of the doctor, tests/training/rules/test_room.py",
    "NS817": "a warning of the doctor, tests/training/rules/test_room.py",
    "NS818": "a warning of the doctor, tests/training/rules/test_room.py",
    "NS819": "a warning of the doctor, tests/training/rules/test_room.py",
    "NS820": "a warning of the doctor, tests/training/rules/test_room.py",
    "NS821": "a warning of the doctor, tests/training/rules/test_room.py",
    "NS822": "a warning of the doctor, tests/training/rules/test_room.py",
    "NS823": "a warning of the doctor, tests/training/rules/test_room.py",
    "NS824": "a warning of the doctor, tests/training/rules/test_room.py",
    "NS825": "a warning of the doctor, tests/training/rules/test_room.py",
    "NS826": "a warning of the doctor, tests/training/rules/test_room.py",
    "NS830": "trains a net, tests/cli/test_overfit.py",
    "NS831": "compiles kernels, tests/cli/test_overfit.py",
    "NS890": "runs of a folder, tests/cli/test_plot.py",
    "NS891": "runs of a folder, tests/cli/test_plot.py",
    "NS751": "a program that refuses a file, tests/interop/to_onnx/test_model.py",
    "NS752": "programs that differ, tests/interop/test_agreement.py",
    "NS753": "weights of more than 2 GiB, tests/interop/to_onnx/test_model.py",
    "NS600": "a family",
    "NS732": "a warning of a resume, tests/training/test_caffe_states.py",
    "NS733": "a net of more than two gigabytes, tests/training/test_caffe_weights.py",
    "NS709": "a mistake of netspec itself, tests/interop/test_from_caffe.py",
    "NS621": "no source that there is can be open and empty",
    "NS663": "outputs that are not finite, tests/training/test_evaluation.py",
    "NS640": "a file that cannot be written, tests/layers/test_hdf5_output.py",
    "NS622": "the Python API's arrays, tests/test_api.py",
    "NS623": "the Python API's labels, tests/test_api.py",
}


def test_every_code_has_its_case() -> None:
    codes = set(re.findall(r"NS\d{3}", (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")))
    shown = set(
        re.findall(
            r'(?:(?:error|warning)\[|title=|"code": ")(NS\d{3})',
            " ".join((CORPUS / f"{case}.txt").read_text(encoding="utf-8") for case in CASES),
        )
    )
    assert codes - shown - set(NOT_HERE) == set()
    assert shown <= codes


def test_a_broken_file_is_refused_as_quickly_as_a_sound_one_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    from netspec.core.errors import SpecError
    from netspec.net.load import load_net

    monkeypatch.chdir(folder)
    for name in ("garbage.yaml", "alias_bomb.yaml", "deep.yaml", "wide.yaml"):
        begun = time.process_time()
        with pytest.raises(SpecError):
            load_net(name)
        # the limit allows for a slow shared machine; the defect that this guards against takes minutes
        assert time.process_time() - begun < 10


def _make(folder: Path) -> None:
    """Create the files that are too large, or too unlike text, to be stored in the repository."""
    noise = random.Random(0).randbytes(2**20)
    with (folder / "garbage.yaml").open("wb") as file:
        for _ in range(100):
            file.write(noise)
    (folder / "garbage_small.yaml").write_bytes(noise)
    (folder / "latin1.yaml").write_bytes("name: tiny\ncite: Müller 1998\nlayers: []\n".encode("latin-1"))
    (folder / "utf16.yaml").write_bytes("name: tiny\nlayers: []\n".encode("utf-16"))
    (folder / "nul.yaml").write_bytes(b"name: tiny\nlayers:\n  - {name: a\0, type: Input}\n")
    (folder / "deep.yaml").write_text("layers: " + "[" * 100_000)
    (folder / "alias_depth.yaml").write_text(
        "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 300))
    )
    (folder / "long_path.yaml").write_text(f"net: {'a' * 5000}.yaml\nbase_lr: 1\nlr_policy: fixed\nmax_iter: 1\n")
    (folder / "prototxt_deep.prototxt").write_text("layer { " + "x { " * 100_000)
    (folder / "wide.yaml").write_text("layers: [" + "a, " * 2_000_000 + "a]")
    for name in ("folder", "data", "snapshots", "busy", "old/snapshots", "fresh"):
        (folder / name).mkdir(parents=True)
    (folder / "old" / "config.yaml").touch()
    (folder / "copied" / "models").mkdir(parents=True)
    (folder / "copied" / "models" / "mlp.yaml").touch()
    _make_code(folder)
    _make_idx(folder / "data")
    _make_numpy(folder / "data")
    _make_photos(folder / "photos")
    _make_tables(folder / "data")
    _make_snapshots(folder / "snapshots")
    broken_images.make(folder / "pictures")
    broken_stores.make(folder / "stores")
    onnx_bytes.write_broken(folder)


def _make_code(folder: Path) -> None:
    """Create code files, which no tool should check as part of the project, and a run that was trained with one."""
    head = "from netspec.layers.base import Layer\n\n\n"
    (folder / "code_syntax.py").write_text(head + "class Cube(Layer):\n    factor: float = = 1.0\n")
    (folder / "code_raises.py").write_text(
        head + "FACTORS = {}\n\n\nclass Cube(Layer):\n    first = FACTORS['first']\n"
    )
    (folder / "code_taken.py").write_text(head + "class Convolution(Layer):\n    pass\n")
    (folder / "code_nothing.py").write_text("FACTOR = 3\n")
    own = "from netspec.layers.base_python import PythonLayer\n\n\nclass Root(PythonLayer):\n    power: float = 0.5\n\n"
    own += "    def top_shapes(self, bottoms):\n        return bottoms\n\n"
    own += "    def compute(self, run):\n        run.top[0][...] = run.bottom[0][:, :2] ** self.power\n"
    (folder / "own_layers.py").write_text(own)
    (folder / "coded").mkdir()
    (folder / "coded" / "env.json").write_text(json.dumps({"code": [{"name": "cube.py", "sha256": "0" * 64}]}))
    solver = "{base_lr: 1, lr_policy: fixed, max_iter: 1, net: {layers: [{name: cube, type: Cube}]}}\n"
    (folder / "coded" / "config.yaml").write_text(solver)


def _make_idx(folder: Path) -> None:
    def header(*sizes: int) -> bytes:
        return bytes((0, 0, 8, len(sizes))) + b"".join(size.to_bytes(4, "big") for size in sizes)

    pixels, classes = bytes(8 * 6 * 6), bytes(range(8))
    files = {
        "images.idx": header(8, 6, 6) + pixels,
        "labels.idx": header(8) + classes,
        "truncated.idx": header(8, 6, 6) + pixels[:100],
        "truncated.gz": gzip.compress(header(8, 6, 6) + pixels, mtime=0)[:-12],
        "header.idx": header(8, 6, 6)[:10],
        "lying.idx": header(2**31 - 1, 2**31 - 1, 2**31 - 1) + pixels,
        "empty.idx": header(0, 6, 6),
        "labels9.idx": header(9) + bytes(9),
        "labels_high.idx": header(8) + bytes((0, 1, 2, 10, 4, 255, 6, 7)),
        "labels_from_one.idx": header(8) + bytes((1, 2, 3, 4, 5, 6, 7, 10)),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _make_photos(folder: Path) -> None:
    """Grey images of several sizes, in two classes."""
    for name, height, width in (("cat/1", 9, 8), ("cat/2", 7, 12), ("dog/3", 6, 5), ("dog/4", 1, 60_000)):
        path = folder / f"{name}.pgm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"P5 {width} {height} 255\n".encode() + bytes(height * width))


def _make_numpy(folder: Path) -> None:
    np.save(folder / "x.npy", np.zeros((4, 3), np.float32))
    np.save(folder / "y.npy", np.zeros(4, np.int64))
    np.save(folder / "large.npy", np.zeros((4, 1, 8, 8), np.float32))
    np.save(folder / "hwc.npy", np.zeros((4, 2, 5, 3), np.float32))
    np.save(folder / "one_hot.npy", np.eye(4, dtype=np.float32))
    np.save(folder / "with_nan.npy", np.array([[1, 2, 3], [4, np.nan, 6]], np.float32))
    np.save(folder / "two_labels.npy", np.array([0, 1]))
    np.save(folder / "words.npy", np.array(["a", "b", "c", "d"]))
    np.save(folder / "pickled.npy", np.array([{"a": 1}] * 4, object))
    (folder / "short.npy").write_bytes((folder / "y.npy").read_bytes()[:-8])
    np.savez(folder / "both.npz", x=np.zeros((4, 3), np.float32), labels=np.zeros(4, np.int64))


def _make_tables(folder: Path) -> None:
    rows = ["age,height,kind", "31,1.75,cat", "4,0.98,dog", "27,1.8,dog", "8,1.3,cat"]

    def changed(line: int, text: str) -> bytes:
        return "\n".join([*rows[: line - 1], text, *rows[line:], ""]).encode()

    files = {
        "good.csv": changed(1, rows[0]),
        "ragged.csv": changed(4, "27,1.8,dog,brown"),
        "word.csv": changed(3, "four,0.98,dog"),
        "comma.csv": changed(1, rows[0]).replace(b",", b";").replace(b".", b","),
        "not_finite.csv": changed(5, "8,inf,cat"),
        "unknown.csv": changed(3, "NaN,0.98,dog"),
        "quote.csv": changed(3, '4,0.98,"dog'),
        "inch.csv": changed(3, '4,38",dog'),
        "twice.csv": changed(1, "age,age,kind"),
        "nameless.csv": changed(1, ",height,kind"),
        "latin1.csv": changed(3, "4,0.98,kätzchen").decode().encode("latin-1"),
        "utf16.csv": changed(1, rows[0]).decode().encode("utf-16"),
        "bird.csv": changed(3, "4,0.98,bird"),
        "price.csv": changed(3, "4,0.98,3.50").replace(b"cat", b"1").replace(b"dog", b"2"),
        "turned.csv": b"height,age,kind\n1.75,31,cat\n0.98,4,dog\n",
        "header.csv": b"age,height,kind\n",
        "empty.csv": b"",
        "hollow.csv": b"age,height,kind\n31,,cat\n4,,dog\n",
        "many.csv": b"age,height,kind\n" + b"".join(b"1,2,%d\n" % i for i in range(2**16 + 1)),
        "truncated.csv.gz": gzip.compress(b"age,height,kind\n1,2,cat\n" * 9, mtime=0)[:-12],
        "text.parquet": changed(1, rows[0]),
        "truncated.parquet": b"PAR1" + bytes(90),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _make_snapshots(folder: Path) -> None:
    weights = {"ip.weight": np.zeros((2, 3), np.float32), "ip.bias": np.zeros(2, np.float32)}
    image = {"ip.weight": np.zeros((10, 36), np.float32), "ip.bias": np.zeros(10, np.float32)}
    for name, arrays in (("other", weights), ("image", image)):
        keyed = {ParamKey(*label.split(".")): array for label, array in arrays.items()}
        history = {(0, key): array for key, array in keyed.items()}
        snapshot.write(folder / f"{name}.safetensors", snapshot.Snapshot(1, keyed, history, digest="another"))
    for name, inputs, outputs in (("answers", 3, 2), ("answers_ten", 3, 10)):
        own = {"ip.weight": np.zeros((outputs, inputs), np.float32), "ip.bias": np.zeros(outputs, np.float32)}
        layers = [
            {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[4, inputs], [4]]},
            {"name": "ip", "type": "InnerProduct", "bottom": "data", "num_output": outputs},
            {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"]},
        ]
        net = {"name": "answers", "layers": layers}
        keyed = {ParamKey(*label.split(".")): array for label, array in own.items()}
        snapshot.write(folder / f"{name}.safetensors", snapshot.Snapshot(1, keyed, net=net))
    whole = (folder / "other.safetensors").read_bytes()
    (folder / "truncated.safetensors").write_bytes(whole[:-20])
    (folder / "header.safetensors").write_bytes(whole[:20])
    save_file(weights, folder / "weights.safetensors")
    save_file({"fc.weight": np.zeros((2, 3), np.float32)}, folder / "stranger.safetensors")
    save_file(weights, folder / "newer.safetensors", {"netspec": json.dumps({"format": 99, "iteration": 1})})
    save_file(weights, folder / "foreign.safetensors", {"netspec": "yes"})
    save_file({"ip.weight": weights["ip.weight"]}, folder / "lacking.safetensors", _text(whole))
    whole_numbers = {label: array.astype(np.int64) for label, array in weights.items()}
    save_file(whole_numbers, folder / "whole_numbers.safetensors")
    arrays = [*weights.values()]
    for name, held in (("whole", arrays), ("bias", arrays[:1])):
        layer = caffemodel.Written(caffemodel.parameter("ip", "InnerProduct"), held)
        (folder / f"{name}.caffemodel").write_bytes(b"".join(caffemodel.pieces("tiny", [layer])))
    (folder / "cut.caffemodel").write_bytes((folder / "whole.caffemodel").read_bytes()[:-3])
    (folder / "other.solverstate").write_bytes(b"".join(solverstate.pieces(500, "whole.caffemodel", arrays * 2)))


def _text(content: bytes) -> dict[str, str]:
    """The metadata in the content of a safetensors file."""
    length = int.from_bytes(content[:8], "little")
    metadata: dict[str, str] = json.loads(content[8 : 8 + length])["__metadata__"]
    return metadata


def test_errors_as_json_have_places(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    code, out, err = _here(["check", "key_typo.yaml", "--format", "json"], monkeypatch, capsys)
    errors = json.loads(out)["errors"]
    assert code == 3 and not err and len(errors) > 1
    assert all(
        error["file"] == "key_typo.yaml" and error["line"] and error["column"] and error["code"] for error in errors
    )
    code, out, err = _here(["check", "key_typo.yaml", "--format", "github"], monkeypatch, capsys)
    assert code == 3 and not err and len(io.StringIO(out).readlines()) == len(errors)
    assert all(line.startswith("::error file=key_typo.yaml,line=") for line in out.splitlines())

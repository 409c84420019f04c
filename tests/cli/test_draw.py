"""`netspec draw`: files of every form, of whatever names a net."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

Cli = Callable[..., tuple[int, str, str]]
PROTOTXT = """\
name: "Small"
input: "data"
input_shape { dim: 1 dim: 3 dim: 9 dim: 8 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
"""


def titles(file: Path) -> str:
    return ElementTree.parse(file).getroot()[0].text or ""


def test_each_form_by_the_ending_of_its_file(cli: Cli, here: Path) -> None:
    for ending, begins in (("svg", b"<svg"), ("dot", b"// drawn by netspec"), ("mmd", b"---\ntitle")):
        code, out, err = cli("draw", "lenet", "-o", f"net.{ending}")
        assert (code, out, err) == (0, f"net.{ending}\n", "")
        assert (here / f"net.{ending}").read_bytes().startswith(begins)


def test_a_png_is_light_and_twice_as_large(cli: Cli, here: Path) -> None:
    pytest.importorskip("resvg_py")
    from PIL import Image

    assert cli("draw", "lenet", "-o", "net.png") == (0, "net.png\n", "")
    assert cli("draw", "lenet", "-o", "net.svg", "--theme", "light")[0] == 0
    seen = Image.open(here / "net.png").convert("L")
    root = ElementTree.parse(here / "net.svg").getroot()
    assert seen.size == (2 * int(root.get("width", "")), 2 * int(root.get("height", "")))
    assert seen.getpixel((1, 1)) == 255


def test_prototxts_solvers_and_overrides_are_drawn(cli: Cli, here: Path) -> None:
    (here / "small.prototxt").write_text(PROTOTXT)
    assert cli("draw", "small.prototxt", "-o", "a.svg")[0] == 0
    assert titles(here / "a.svg") == "Small"
    assert "strip" in (here / "a.svg").read_text()
    code, out, _ = cli("draw", "lenet_adam", "net.layers.conv1.num_output=32", "--format", "mmd", "-o", "b.txt")
    assert (code, out) == (0, "b.txt\n")
    assert "Convolution 5x5<br/>832 params" in (here / "b.txt").read_text()


def test_phase_batch_and_deploy(cli: Cli, here: Path) -> None:
    cli("draw", "lenet", "--phase", "test", "--batch", "3", "-o", "test.svg")
    drawn = (here / "test.svg").read_text()
    assert "phase TEST · batch 3 ·" in drawn and ">accuracy</text>" in drawn
    cli("draw", "lenet", "--deploy", "-o", "deploy.svg")
    drawn = (here / "deploy.svg").read_text()
    assert ">loss</text>" not in drawn and ">label</text>" not in drawn and ">10</text>" in drawn


def test_a_drawing_is_drawn_anew_and_nothing_else_is_overwritten(cli: Cli, here: Path) -> None:
    assert cli("draw", "lenet", "-o", "net.svg")[0] == 0
    assert cli("draw", "mlp", "-o", "net.svg")[0] == 0
    assert titles(here / "net.svg") == "MLP"
    for words in (("-o", "net.dot"), ("-o", "net.mmd"), ("-o", "net.html"), ("-o", "net.svg", "--like", "lecture")):
        assert [cli("draw", net, *words)[0] for net in ("lenet", "mlp")] == [0, 0]
    for form in ("svg", "png", "dot", "mmd", "html"):
        mine = here / f"mine.{form}"
        mine.write_text("<svg/> my notes on netspec")  # which is no mark of a drawing
        code, _, err = cli("draw", "lenet", "-o", mine.name)
        assert code == 9 and f"'{mine.name}' already exists" in err
        assert mine.read_text() == "<svg/> my notes on netspec"
    code, _, err = cli("draw", "lenet", "-o", "nowhere/net.svg")
    assert code == 9 and "there is no folder 'nowhere'" in err


def test_a_page_too_full_to_read_is_remarked(cli: Cli, here: Path) -> None:
    _, _, err = cli("draw", "resnet50", "-o", "net.svg")
    assert err == "note: on a page of A4 its letters are 4.4 points high; --depth 1 or 2 folds blocks\n"
    assert cli("draw", "resnet50", "-o", "net.svg", "--depth", "1")[2] == ""


def test_a_pipe_comes_in_and_goes_out(here: Path) -> None:
    net = "layers:\n  - {name: data, type: Input, shape: [[2, 3]]}\n  - {name: ip, type: InnerProduct, num_output: 4}\n"
    command = [sys.executable, "-m", "netspec", "draw", "-", "-o", "-", "--format", "dot"]
    done = subprocess.run(command, input=net.encode(), capture_output=True, check=True)
    assert b'n0 -> n1 [label="3"]' in done.stdout and done.stderr == b""
    loaded = "import sys; from netspec.cli.app import main; sys.argv[1:] = ['draw', 'lenet', '-o', 'a.svg']\n"
    loaded += (
        "try: main()\nexcept SystemExit: pass\nprint({'numpy', 'numba', 'matplotlib', 'jinja2'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, check=True, text=True)
    assert io.StringIO(done.stdout).readlines()[-1] == "set()\n"

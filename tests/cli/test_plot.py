"""`netspec plot`: the files it draws, those it never overwrites, and curves in characters."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from netspec.training.events import Finished
from tests.helpers.curves import COURSE
from tests.helpers.runs import TESTS, written

Cli = Callable[..., tuple[int, str, str]]
CONFIG = "net: {{name: tiny, layers: [{{name: ip, type: InnerProduct, num_output: 3}}]}}\nbase_lr: {}\nmax_iter: 30\n"


@pytest.fixture
def runs(here: Path) -> Path:
    """Three runs, one of them without events, and two folds of a cross-validation."""
    end = Finished(9, None, 4.5, 0.0, elapsed=4.5)
    for name, rate in (("tiny-1", 0.1), ("tiny-2", 0.2), ("cv/fold-0", 0.3), ("cv/fold-1", 0.4)):
        written(here / "runs" / name, CONFIG.format(rate), [*COURSE, end])
    written(here / "runs" / "empty", CONFIG.format(0.5), [])
    return here / "runs"


def test_a_picture_in_the_run_folder_is_drawn_anew(runs: Path, cli: Cli) -> None:
    pytest.importorskip("matplotlib")
    assert cli("plot", "tiny-1", "--only", "rate") == (0, "runs/tiny-1/curves.png\n", "")
    picture = runs / "tiny-1" / "curves.png"
    with Image.open(picture) as image:
        assert image.width == 1500 and image.format == "PNG"
    before = picture.read_bytes()
    assert cli("plot", "tiny-1", "--only", "loss")[0] == 0 and picture.read_bytes() != before
    assert cli("plot", "cv", "--only", "rate")[1] == "runs/cv/curves.png\n"


def test_several_runs_are_drawn_here(runs: Path, cli: Cli) -> None:
    pytest.importorskip("matplotlib")
    assert cli("plot", "tiny-1", "tiny-2", "tiny-1", "--only", "rate")[1] == "curves.png\n"
    assert cli("plot", "tiny-1", "tiny-2", "-o", "both.svg", "--only", "rate")[0] == 0
    text = Path("both.svg").read_text(encoding="utf-8")
    assert "tiny-1: base_lr 0.1" in text and "tiny-2: base_lr 0.2" in text and text.count("tiny-1") == 1


def test_no_other_file_is_overwritten(runs: Path, cli: Cli) -> None:
    pytest.importorskip("matplotlib")
    Path("mine.png").write_bytes(b"a picture of somebody else's")
    code, _, err = cli("plot", "tiny-1", "-o", "mine.png")
    assert code == 9 and "NS525" in err and "it is no picture of netspec's: name another file" in err
    assert Path("mine.png").read_bytes() == b"a picture of somebody else's"
    for target, code_, said in (("none/x.png", 9, "NS521"), ("x.doc", 2, "NS664"), ("x", 2, "NS664")):
        code, _, err = cli("plot", "tiny-1", "-o", target)
        assert (code, said in err) == (code_, True) and not Path(target).exists()


def test_curves_in_characters(runs: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = cli("plot", "cv", "--text", "--only", "accuracy", "--x", "epoch", "--log", "y", "--smooth", "3")
    assert (code, err) == (0, "") and max(map(len, out.splitlines())) <= 80
    assert "a  fold-0: base_lr 0.3" in out and "accuracy (test) by epoch" in out and "mean of 3 values" in out
    assert cli("plot", "tiny-1", "--text", "-o", "x.png")[0] == 2
    code, _, err = cli("plot", "tiny-1")
    assert code == 2 and "NS563" in err and "`netspec plot --text` draws in characters" in err


def test_mistakes_are_one_sentence(runs: Path, cli: Cli) -> None:
    for words, code, said in (
        (["nothing"], "NS524", "'runs/nothing' is not a folder"),
        (["empty"], "NS890", "no test is recorded in 'runs/empty' yet"),
        (["tiny-1", "--only", "accurcy"], "NS891", "did you mean 'accuracy'?"),
        (["tiny-1", "--metric", "test/los"], "NS891", "did you mean 'test/loss'?"),
    ):
        status, out, err = cli("plot", *words, "--text")
        assert (status, out) == (2, "") and code in err and said in err


def test_the_python_twin(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    from netspec import NetspecError, Run

    run = Run("runs/tiny-1")
    assert run.plot(only=["loss"]) == Path("runs/tiny-1/curves.png")
    assert run.plot("x.pdf", x="epoch", log="y", smooth=3, only=["rate"]).is_file()
    for wrong in ({"x": "days"}, {"log": True}, {"smooth": 0}, {"only": "loss"}, {"metric": 3}, {"file": 3}):
        with pytest.raises(NetspecError, match="NS005"):
            run.plot(**wrong)


def test_tests_alone_are_curves(here: Path, cli: Cli) -> None:
    written(here / "r", "net: {layers: []}\n", TESTS)
    out = cli("plot", "r", "--text")[1]
    assert out.startswith("r (failed)\n") and "loss (test)" in out and "best test accuracy 0.9000" in out

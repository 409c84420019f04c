"""Standard output and error in any state: other encodings, full, closed, without a reader; variables of numba."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import pytest
from rich.console import Console

from netspec.cli import app, base, surroundings
from netspec.language.document import dump
from tests.helpers import ROOT

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="this system has no file that is always full")

BROKEN = """name: "näme→😀"
layers:
- {name: "dätä", type: Input, shape: [[1, 2, 3]]}
- {name: "x…", type: ReLU, bottom: "dätå"}
"""
COMMANDS = (
    "zoo show mlp",
    "inspect odd.yaml",
    "inspect logistic_regression",
    "expand logistic_regression --origins",
    "check odd.yaml",
    "check odd.yaml --format json",
    "--help",
)


class Stream(io.TextIOWrapper):
    """A standard stream that keeps its bytes."""

    def __init__(self, encoding: str = "utf-8", errors: str = "strict") -> None:
        self.bytes = io.BytesIO()
        super().__init__(self.bytes, encoding, errors, newline="\n")

    @property
    def text(self) -> str:
        self.flush()
        return self.bytes.getvalue().decode(self.encoding)


def call(words: str, stdout: TextIO | None, stderr: TextIO | None, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of the command line with these streams."""
    with monkeypatch.context() as patch:
        patch.setattr(sys, "argv", ["netspec", *words.split()])
        patch.setattr(sys, "stdout", stdout)
        patch.setattr(sys, "stderr", stderr)
        with pytest.raises(SystemExit) as ended:
            app.main()
        assert sys.stdout is stdout and sys.stderr is stderr  # as they were
    return int(ended.value.code or 0)


@pytest.fixture
def odd(here: Path) -> Path:
    (here / "odd.yaml").write_text(BROKEN, encoding="utf-8")
    return here


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_prints_in_every_encoding(words: str, odd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted_out, wanted_err = Stream(), Stream()
    code = call(words, wanted_out, wanted_err, monkeypatch)
    for encoding in ("ascii", "cp1252", "utf-16"):
        out, err = Stream(encoding), Stream(encoding)
        assert call(words, out, err, monkeypatch) == code
        assert len(out.text.splitlines()) == len(wanted_out.text.splitlines())
        assert len(err.text.splitlines()) == len(wanted_err.text.splitlines())


def test_what_ascii_lacks(odd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = Stream("ascii"), Stream("ascii")
    assert call("inspect logistic_regression", out, err, monkeypatch) == 0
    _, head, rule, first = out.text.splitlines()[:4]
    assert set(rule) == {"-"} and len(rule) >= len(head) and first.startswith("data")
    out, err = Stream("ascii"), Stream("ascii")
    assert call("check odd.yaml", out, err, monkeypatch) == 3
    assert r"reads blob 'd\xe4t\xe5', which nothing above it produces" in err.text
    names = Stream("ascii", "netspec")
    names.write("a ─ b × c…\udc80😀")  # noqa: RUF001
    assert names.text == r"a - b x c~\udc80\U0001f600"


def test_a_name_that_is_no_text_is_printed(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = Stream(), Stream()
    assert call(os.fsdecode(b"check \xff.yaml"), out, err, monkeypatch) == 3
    assert r"\udcff.yaml" in err.text


@needs_full
@pytest.mark.parametrize(
    "words", [words for words in COMMANDS if "odd.yaml" not in words] + ["check odd.yaml --format json", "--version"]
)
def test_an_answer_that_cannot_be_printed_is_an_error(words: str, odd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    err = Stream()
    with FULL.open("w") as out:
        code = call(words, out, err, monkeypatch)
    first = err.text.splitlines()[0]
    assert (code, first) == (9, "error[NS528]: the answer cannot be printed: No space left on device")


def test_a_closed_standard_output_is_an_error_too(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    err = Stream()
    assert call("inspect logistic_regression", None, err, monkeypatch) == 9
    assert "the answer cannot be printed: it is closed" in err.text
    assert call("inspect logistic_regression", None, None, monkeypatch) == 9
    out = Stream()
    assert call("inspect logistic_regression", out, None, monkeypatch) == 0 and "SoftmaxWithLoss" in out.text


def test_a_reader_that_is_gone_ends_the_command_quietly(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    err = Stream()
    with open(writer, "w") as out:
        assert call("inspect logistic_regression", out, err, monkeypatch) == 141
    assert err.text == ""


def refusing(kind: str) -> TextIO | None:
    """A standard error that takes nothing."""
    if kind == "closed":
        return None
    if kind == "full":
        return FULL.open("w")
    reader, writer = os.pipe()
    os.close(reader)
    return open(writer, "w")


@needs_full
@pytest.mark.parametrize("kind", ["closed", "full", "no reader"])
def test_a_training_needs_no_standard_error(
    kind: str, here: Path, solver: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "s.yaml").write_text(dump(solver(display=5)))
    err = refusing(kind)
    assert call("train s.yaml -o run", Stream(), err, monkeypatch) == 0
    if err is not None:
        err.close()  # nothing is left in its buffer
    assert (here / "run/snapshots/iter_000020.safetensors").exists()
    assert "done at iter 20" in (here / "run/log.txt").read_text()


@needs_full
def test_what_is_full_may_be_the_whole_process(here: Path) -> None:
    """In a process of its own: Python's own ending finds nothing left to write, and no file is opened as stderr."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", "")))}
    with FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "netspec", "schema", "net"], stdout=full, stderr=full, env=environment, check=False
        )
    assert done.returncode == 9
    words = f"exec {sys.executable} -m netspec zoo copy lenet_solver.yaml x >&- 2>&-"
    done = subprocess.run(["sh", "-c", words], env=environment, check=False)
    assert done.returncode in (2, 9)


def test_live_output_is_for_real_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def live(stream: TextIO, **variables: str) -> bool:
        for name in ("TERM", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return base.is_live(Console(file=stream))

    assert live(Terminal(), TERM="xterm") and live(Terminal(), TERM="xterm", NO_COLOR="1")
    assert not live(Terminal(), TERM="dumb") and not live(Terminal(), TERM="unknown")
    assert live(Terminal()) == (os.name == "nt") and live(Terminal(), TERM="") == (os.name == "nt")
    assert not live(io.StringIO(), TERM="xterm", FORCE_COLOR="1")


def test_only_the_threads_of_numba_are_a_users_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"NUMBA_OPT": "0", "NUMBA_DISABLE_JIT": "1", "NUMBA_NUM_THREADS": "3", "NUMBA_THREADING_LAYER": ""}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    surroundings.overrule_numba()
    assert {name: os.environ.get(name) for name in given if name in os.environ} == {"NUMBA_NUM_THREADS": "3"}

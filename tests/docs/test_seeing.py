"""The page "Seeing a training and trusting it": it names every finding, its commands exist and print what it shows."""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from netspec.core.explained import explained
from tests.helpers import ROOT
from tests.helpers.stderr import quiet

PAGE = (ROOT / "docs" / "seeing.md").read_text(encoding="utf-8")
COMMANDS = ("report", "plot", "doctor", "overfit", "lr-find", "draw", "diff", "show", "trace")
ANY = "...\n"
CHART = re.compile(r"^.*[┌│┤└┬⠀-⣿].*\n|^ +[\d.e-]+( +[\d.e-]+)+\n", re.M)
Cli = Callable[..., tuple[int, str, str]]


def sessions() -> dict[str, str]:
    """What each command of the page prints, by the command's line without its `$ `."""
    blocks = re.findall(r"^```\n(.*?)^```$", PAGE, re.S | re.M)
    pieces = [piece for block in blocks for piece in re.split(r"^\$ ", block, flags=re.M)[1:]]
    return {command: shown for command, _, shown in (piece.partition("\n") for piece in pieces)}


SESSIONS = sessions()


def by(word: str) -> list[str]:
    """Commands of the page that contain a word, and show what they print."""
    return [command for command, shown in SESSIONS.items() if shown and f"netspec {word}" in command]


def printed(command: str, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """A command's stdout, and below it stderr; a `printf 'TEXT' |` before it is what it reads."""
    monkeypatch.setenv("COLUMNS", "80")
    typed, _, words = command.rpartition(" | ")
    if typed:
        monkeypatch.setattr("sys.stdin", io.StringIO(shlex.split(typed)[1].replace("\\n", "\n")))
    _, out, err = cli(*shlex.split(words)[1:])
    return out, err


def same(shown: str, out: str) -> bool:
    """Whether the page's text is what was printed; a line of `...` stands for any lines."""
    pattern = "(.*\n)*?".join(map(re.escape, shown.split(ANY)))
    return re.fullmatch(pattern, out.strip("\n") + "\n") is not None


def test_the_page_has_sessions_of_every_command() -> None:
    assert [word for word in COMMANDS if not any(f"netspec {word}" in line for line in SESSIONS)] == []


@pytest.mark.parametrize("command", [*by("diff"), *by("trace"), *by("draw two_layer_sigmoid")])
def test_a_session_prints_what_the_page_shows(
    command: str, here: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, err = printed(command, cli, monkeypatch)
    assert quiet(err), err
    assert same(SESSIONS[command], out), out


@pytest.mark.parametrize("command", [*by("overfit"), *by("doctor lenet ")])
def test_a_session_of_float32_says_what_the_page_shows(
    command: str, here: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Digits are left out: other CPUs and all of Fashion-MNIST have others."""

    def words(text: str) -> list[str]:
        return re.sub(r"-?\b\d[\d,.e-]*", "0", CHART.sub("", text)).split()

    out, err = printed(command, cli, monkeypatch)
    told = [line for line in err.splitlines(keepends=True) if not line.startswith("compil")]
    assert words(SESSIONS[command]) == words(out + "".join(told))


def test_the_page_names_every_finding() -> None:
    findings = {code.code for code in explained() if "NS800" <= code.code < "NS860" and code.exit_code == 0}
    assert len(findings) > 30
    assert [code for code in sorted(findings) if code not in PAGE] == []


def test_the_options_of_the_page_exist(cli: Cli) -> None:
    option = re.compile(r"(?<=[ `])--?[a-z]+(?:-[a-z]+)*(?=[ `])")
    known: set[str] = set()
    for command in (*COMMANDS, "runs compare"):
        _, shown, _ = cli(*command.split(), "--help")
        known |= {word for word in option.findall(PAGE) if re.search(rf"{word}\b", shown)}
        asked = {word for line in re.findall(rf"netspec {command} ([^`|\n]*)", PAGE) for word in option.findall(line)}
        assert {word for word in asked if word not in shown} == set(), command
    assert set(option.findall(PAGE)) - known == set()


def test_the_pictures_of_the_page_are_there() -> None:
    pictures = re.findall(r"!\[.+?\]\((.+?)\)", PAGE)
    assert len(pictures) > 1
    assert [picture for picture in pictures if not (ROOT / "docs" / picture).is_file()] == []

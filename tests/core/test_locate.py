"""Words that name files: home folders, steps back, zoo names beside files and folders; paths as users type them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from netspec.core import locate
from tests.helpers import ROOT


@pytest.fixture
def zoo(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A zoo of one's own with the net `mine`, and all that editors and systems leave beside it."""
    models = here / "zoo" / "models"
    models.mkdir(parents=True)
    (models / "mine.yaml").write_text("layers: []\n")
    (models / ".#mine.yaml").symlink_to("user@host.1:2")
    (models / "._mine.yaml").write_bytes(b"\0\5\26")
    (models / ".mine.yaml.swp").write_bytes(b"b0VIM")
    for name in ("mine.yaml~", "#mine.yaml#", "mine.yaml.orig", "notes.txt"):
        (models / name).write_text("")
    (models / "gone.yaml").symlink_to("nowhere")
    (models / "circle.yaml").symlink_to("circle.yaml")
    (models / "folder.yaml").mkdir()
    os.mkfifo(models / "pipe.yaml")
    monkeypatch.setenv("NETSPEC_ZOO_PATH", os.pathsep.join([str(here / "zoo"), str(here / "nowhere")]))
    return here / "zoo"


def test_only_files_that_people_wrote_are_zoo_nets(zoo: Path) -> None:
    own = {name for name, path in locate.names("models").items() if zoo in path.parents}
    assert own == {"mine"}


def test_home_is_expanded_where_a_path_begins_with_it(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(here / "home"))
    assert locate.expanded("~/r") == here / "home" / "r"
    assert (
        locate.expanded("./~/r")
        == Path("~/r")
        == locate.expanded("~nobody-of-that-name/../~/r").relative_to("~nobody-of-that-name/..")
    )
    monkeypatch.setenv("NETSPEC_RUNS_DIR", "~/runs")
    assert locate.folder_of("NETSPEC_RUNS_DIR") == here / "home" / "runs"
    monkeypatch.setenv("NETSPEC_RUNS_DIR", "")
    assert locate.folder_of("NETSPEC_RUNS_DIR") is None
    (here / "home" / "zoo" / "models").mkdir(parents=True)
    (here / "home" / "zoo" / "models" / "at_home.yaml").touch()
    monkeypatch.setenv("NETSPEC_ZOO_PATH", "~/zoo")
    assert locate.names("models")["at_home"] == here / "home" / "zoo" / "models" / "at_home.yaml"


def test_only_steps_through_folders_are_left_out(here: Path) -> None:
    (here / "real" / "deep").mkdir(parents=True)
    (here / "link").symlink_to("real/deep")
    (here / "file").touch()
    for text, kept in {
        "real/../x": "x",
        "real/deep/../../x": "x",
        "real/./deep//../x/": "real/x",
        "link/../x": "link/../x",
        "link/../../real/../x": "link/../../x",
        "real/../link/../x": "link/../x",
        "../x": "../x",
        "../../x": "../../x",
        "gone/../x": "gone/../x",
        "file/../x": "file/../x",
        "..": "..",
        "real/..": ".",
        "/../x": "/../x",
        f"{here}/real/../x": f"{here}/x",
    }.items():
        assert locate.tidy(Path(text)) == Path(kept), text
    assert locate.whole(Path("link"), "../x") == os.path.realpath(here / "real" / "x")


def test_what_exists_wins_over_a_zoo_name_but_for_a_folder_of_no_run(zoo: Path, here: Path) -> None:
    bundled = locate.bundled("models") / "lenet.yaml"
    assert locate.find("lenet", "models") == bundled
    (here / "lenet").mkdir()
    assert locate.find("lenet", "models") == bundled
    (here / "lenet" / "config.yaml").touch()
    assert locate.find("lenet", "models") == Path("lenet/config.yaml")
    assert locate.find("zoo:lenet", "models") == bundled
    (here / "mlp").touch()
    assert locate.find("mlp", "models") == Path("mlp")
    (here / "resnet20").symlink_to("nowhere")
    assert locate.find("resnet20", "models") == locate.bundled("models") / "resnet20.yaml"


def test_a_word_that_names_nothing(zoo: Path, here: Path) -> None:
    (here / "zoo:mine").touch()
    (here / "zoo:none").touch()
    (here / "zoo:x").mkdir()
    assert locate.find("zoo:mine", "models") == zoo / "models" / "mine.yaml"
    assert locate.find("zoo:none", "models") is None
    assert locate.find("zoo:mine", "solvers") is None
    assert locate.find("zoo:x/y", "models") == Path("zoo:x/y")
    assert locate.find("", "models") is None and locate.find("none", "models") is None
    assert locate.find("none.yaml", "models") == Path("none.yaml")  # reading it says that it is missing
    (here / "n[1]*.yaml").mkdir()
    assert locate.find("n[1]*.yaml", "models") == Path("n[1]*.yaml")
    assert list(locate.specs(here)) == []


def test_a_zoo_file_goes_by_its_name(here: Path) -> None:
    assert locate.shown(locate.names("models")["lenet"]) == "zoo:lenet"
    assert locate.shown(locate.names("solvers")["lenet"]) == "zoo:lenet"
    assert locate.shown(locate.bundled("models") / "net.schema.json").endswith("models/net.schema.json")


def test_in_the_folder_of_the_zoo_it_is_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    lenet = locate.names("models")["lenet"]
    monkeypatch.chdir(ROOT)
    assert locate.shown(lenet) == "models/lenet.yaml"
    monkeypatch.chdir(ROOT / "models")
    assert locate.shown(lenet) == "lenet.yaml"
    monkeypatch.chdir(ROOT.parent.parent)
    assert locate.shown(lenet) == "zoo:lenet", "as in a folder above an environment"


def test_a_zoo_of_ones_own(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = here / "nets" / "zoo" / "models" / "mine.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("layers: []\n")
    assert locate.shown(own) == "nets/zoo/models/mine.yaml"
    monkeypatch.setenv("NETSPEC_ZOO_PATH", str(here / "nets" / "zoo"))
    assert locate.shown(own) == "zoo:mine"


def test_other_files(here: Path) -> None:
    assert locate.shown(here / "a.yaml") == "a.yaml"
    assert locate.shown(Path("b") / ".." / "a.yaml") == "b/../a.yaml", "b may be a link"
    assert locate.shown(Path("/nowhere/a.yaml")) == "/nowhere/a.yaml"
    assert locate.shown(Path("a\0.yaml")) == "a\0.yaml"


def test_paths_in_a_text_begin_in_the_current_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)
    assert locate.from_here(f"line 3 of {here}/a b.csv") == "line 3 of a b.csv"
    assert locate.from_here(f"{here}/x/1.jpg: '{here}/2.jpg' is empty") == "x/1.jpg: '2.jpg' is empty"
    for kept in (f"{here}more/1.jpg", f"/other{here}/1.jpg", str(here), "x/1.jpg"):
        assert locate.from_here(kept) == kept
    monkeypatch.chdir("/")
    assert locate.from_here("/etc/hosts") == "/etc/hosts"

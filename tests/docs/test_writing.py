"""The page "Writing a net": its files are sound, and the output it shows is printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from netspec.core.errors import NetspecError
from netspec.language.references import open_any
from netspec.net.graph import State
from netspec.net.load import load_net
from tests.helpers import ROOT

PAGE = (ROOT / "docs" / "writing-a-net.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in re.findall(r"^```yaml\n# (\S+)\n(.*?)^```$", PAGE, re.S | re.M):
        (tmp_path / name).write_text(f"# {name}\n{text}", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_nets_are_sound_and_as_long_as_the_page_says(folder: Path) -> None:
    assert len(load_net("resnet.yaml", state=State("TEST")).graph.nodes) == int(
        re.findall(r"it has (\d+) layers", PAGE)[0]
    )
    wide = load_net("wide.yaml")
    names = [node.layer.name for node in wide.graph.nodes]
    assert "stage/0/unit/1/conv2" in names and names[-4:] == ["pool", "drop", "scores", "loss"]
    assert wide.top_shapes(wide.graph.nodes[-2])[0] == (128, 100)


def test_commands_of_the_page_do_what_they_say(folder: Path) -> None:
    assert len(open_any("wide.yaml", ["vars.units=1"]).flat.plain()["layers"]) < len(
        open_any("wide.yaml").flat.plain()["layers"]
    )


def test_the_error_is_the_one_on_the_page(folder: Path) -> None:
    text = (folder / "resnet.yaml").read_text().replace("bottom: [bn2, shortcut]", "bottom: [bn3, shortcut]")
    (folder / "broken.yaml").write_text(text)
    with pytest.raises(NetspecError) as caught:
        load_net("broken.yaml")
    shown = re.findall(r"^\$ netspec check broken.yaml\n(.*?)^```$", PAGE, re.S | re.M)[0]
    assert str(caught.value) == shown.rstrip("\n")
